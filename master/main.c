/* SPDX-License-Identifier: Apache-2.0 */
/* main.c - options, the lock, the event loop, stop and reload. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "master/master.h"
#include "sys/file.h"
#include "sys/log.h"

#define LOCK_PATH	"pid/master.pid"
#define BIND_TRIES	30	/* times 100 ms */

struct options {
	bool	 check, test_lock, wait, foreground;
};

static void	 usage(void) NORETURN;

static void
usage(void)
{
	(void)fprintf(stderr, "usage: master [-c config_dir] [-v] "
	    "[-w | -i | -t | -C]\n");
	exit(64);
}

static void
parse(struct master *m, struct options *o, int argc, char **argv)
{
	int	 c;

	while ((c = getopt(argc, argv, "c:CdiPstvw")) != -1) {
		switch (c) {
		case 'c':
			m->config_dir = optarg;
			break;
		case 'C':
			o->check = true;
			break;
		case 'd':
		case 'i':
		case 's':
			o->foreground = true;
			break;
		case 'P':	/* its parameters, for the build */
			conf_print_rows("master", master_params,
			    master_nparams);
			exit(0);
		case 't':
			o->test_lock = true;
			break;
		case 'v':
			m->verbose = true;
			break;
		case 'w':
			o->wait = true;
			break;
		default:
			usage();
		}
	}
	if (m->config_dir == NULL)
		m->config_dir = getenv("MAIL_CONFIG");
	if (m->config_dir == NULL)
		m->config_dir = PH_CONFDIR;
	/* Daemons start in another directory. */
	if (m->config_dir[0] != '/')
		m->config_dir = realpath(m->config_dir, NULL);
	if (m->config_dir == NULL)
		log_fatal("configuration directory: %s", strerror(errno));
}

static void
open_log(const struct master *m, const struct options *o)
{
	const struct conf_common	*c = &m->config->common;
	char				*tag;
	int				 r = 0;

	tag = mem_printf("%s/master", c->syslog_name);
	log_verbose(m->verbose);
	if (o->check || o->test_lock)
		r = log_open(tag, LOG_TO_STDERR, NULL);
	else if (c->maillog_file[0] != '\0')
		r = log_open(tag, LOG_TO_FILE, c->maillog_file);
	else
		/* without a syslog daemon: standard error */
		(void)log_open(tag, LOG_TO_SYSLOG, NULL);
	if (r < 0)
		log_fatal("open %s: %s", c->maillog_file, strerror(errno));
	mem_free(&tag);
}

/* The lock is on the file, and goes with the process; the number in it is for
 * those who want to signal us. */
static void
take_lock(bool only_test)
{
	char	 text[64];
	int	 fd, n;

	fd = open(LOCK_PATH, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0)
		log_fatal("open lock file %s: %s", LOCK_PATH, strerror(errno));
	if (file_lock(fd, true, false) < 0)
		log_fatal("the mail system is already running");
	if (only_test)
		exit(0);
	n = snprintf(text, sizeof(text), "%*d\n", 16,
	    (int)getpid());
	if (ftruncate(fd, 0) < 0 || file_pwrite(fd, text, (size_t)n, 0) < 0 ||
	    fchmod(fd, 0644) < 0)
		log_fatal("write %s: %s", LOCK_PATH, strerror(errno));
	/* fd stays open: it is the lock */
}

/* Background: the parent waits until we serve, or have failed. */
static int
detach(void)
{
	int	 fds[2], null;
	char	 c;
	pid_t	 pid;

	if (pipe2(fds, O_CLOEXEC) < 0 || (pid = fork()) < 0)
		log_fatal("fork: %s", strerror(errno));
	if (pid > 0) {
		close(fds[1]);
		_exit(read(fds[0], &c, 1) == 1 ? 0 : 1);
	}
	close(fds[0]);
	(void)setsid();
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null >= 0) {
		(void)dup2(null, 0);
		(void)dup2(null, 1);
	}
	return fds[1];
}

static void
started(int fd)
{
	int	 null;

	if (fd < 0)
		return;
	(void)!write(fd, "", 1);
	close(fd);
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null >= 0) {
		(void)dup2(null, 2);
		close(null);
	}
}

static void
protect(const struct master *m)
{
	int	 fd;

	if (!m->privileged) {
		log_info("running as an ordinary user (uid %d): daemons are "
		    "not confined by chroot or users of their own, and "
		    "mailboxes belong to this user", (int)geteuid());
		return;
	}
	/* Without master nothing is restarted: others first. */
	fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	(void)!write(fd, "-900", 4);
	close(fd);
}

static void
on_child(void *arg)
{
	struct master	*m = arg;

	child_reap(m);
	if (m->stopping && m->nchildren == 0)
		loop_stop(m->loop);
}

static void
on_stop_time(void *arg)
{
	struct master	*m = arg;

	log_warn("%zu processes did not end in time -- killing them",
	    m->nchildren);
	child_signal_all(m, SIGKILL, true);
	loop_timer_set(m->stop_timer, SECS(1));
}

static void
stop(struct master *m, int signo)
{
	if (m->stopping) {
		/* Asked twice: now. */
		child_signal_all(m, SIGKILL, true);
		return;
	}
	log_info("terminating on signal %d", signo);
	m->stopping = true;
	service_stop_listening(m, true);
	child_signal_all(m, SIGTERM, false);
	loop_timer_set(m->stop_timer, m->config->own.stop_time);
	if (m->nchildren == 0)
		loop_stop(m->loop);
}

static void
on_term(void *arg)
{
	stop(arg, SIGTERM);
}

static void
on_int(void *arg)
{
	stop(arg, SIGINT);
}

static void
on_quit(void *arg)
{
	struct master	*m = arg;

	log_info("aborting on signal %d", SIGQUIT);
	m->stopping = true;
	service_stop_listening(m, true);
	child_signal_all(m, SIGKILL, true);
	if (m->nchildren == 0)
		loop_stop(m->loop);
}

static void
on_hup(void *arg)
{
	struct master	*m = arg;
	struct config	*before = m->config;
	struct error	 err;

	if (m->stopping)
		return;
	if (config_load(m, &err) < 0) {
		log_error("reload: %s -- the old configuration stays",
		    err.text);
		return;
	}
	if (strcmp(before->common.queue_directory,
	    m->config->common.queue_directory) != 0) {
		log_error("reload: queue_directory has changed: stop and "
		    "start the mail system");
		return;
	}
	m->generation++;
	log_info("reload -- version %s, configuration %s", PH_VERSION,
	    m->config_dir);
	if (directories_make(m->config, m->privileged, &err) < 0)
		log_error("%s", err.text);
	if (service_apply(m, false, &err) < 0)
		log_error("%s", err.text);
}

/* Daemons of a master that was killed let go of their sockets when they see
 * that it is gone: give them a moment. */
static void
open_services(struct master *m)
{
	struct timespec	 pause = { 0, 100 * 1000 * 1000 };
	struct error	 err;

	for (int i = 0; service_apply(m, true, &err) < 0; i++) {
		if (err.sys != EADDRINUSE || i == BIND_TRIES)
			log_fatal("%s", err.text);
		(void)nanosleep(&pause, NULL);
	}
}

static void
serve(struct master *m, int ready_fd)
{
	static const struct {
		int	 signo;
		void	(*fn)(void *);
	} sigs[] = {
		{ SIGCHLD, on_child }, { SIGTERM, on_term },
		{ SIGINT, on_int }, { SIGHUP, on_hup }, { SIGQUIT, on_quit },
	};
	struct loop_signal	*signals[COUNT(sigs)];
	struct error		 err;

	m->loop = loop_new();
	m->stop_timer = loop_timer_new(m->loop, on_stop_time, m);
	for (size_t i = 0; i < COUNT(sigs); i++)
		signals[i] = loop_signal_new(m->loop, sigs[i].signo,
		    sigs[i].fn, m);
	if (board_create(MASTER_SLOTS, &m->board_fd, &err) < 0 ||
	    (m->board = board_map(m->board_fd, MASTER_SLOTS, 1, &err)) == NULL)
		log_fatal("%s", err.text);
	protect(m);
	m->generation = 1;
	open_services(m);
	log_info("daemon started -- version %s, configuration %s", PH_VERSION,
	    m->config_dir);
	started(ready_fd);
	loop_run(m->loop);
	service_free_all(m);
	loop_timer_free(&m->stop_timer);
	for (size_t i = 0; i < COUNT(sigs); i++)
		loop_signal_free(&signals[i]);
	loop_free(&m->loop);
}

int
main(int argc, char **argv)
{
	struct options	 o = { 0 };
	struct master	 m = { .board_fd = -1 };
	struct error	 err;
	int		 ready_fd = -1, faults;

	(void)umask(022);
	signal(SIGPIPE, SIG_IGN);
	parse(&m, &o, argc, argv);
	m.privileged = geteuid() == 0;
	list_init(&m.services);
	list_init(&m.orphans);
	(void)log_open("posthouse/master", LOG_TO_STDERR, NULL);
	if (o.check) {
		faults = check_all(&m);
		config_free(&m);
		return faults > 0 ? 1 : 0;
	}
	if (config_load(&m, &err) < 0)
		log_fatal("%s", err.text);
	if (o.wait)
		ready_fd = detach();
	open_log(&m, &o);
	if (!o.test_lock &&
	    directories_make(m.config, m.privileged, &err) < 0)
		log_fatal("%s", err.text);
	if (chdir(m.config->common.queue_directory) < 0)
		log_fatal("chdir %s: %s", m.config->common.queue_directory,
		    strerror(errno));
	take_lock(o.test_lock);
	serve(&m, ready_fd);
	config_free(&m);
	return 0;
}
