/* SPDX-License-Identifier: Apache-2.0 */
/* posthouse - start, stop and look at the mail system. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "conf/common.h"
#include "conf/conf.h"
#include "daemon/board.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "sys/log.h"

#define EX_USAGE	64
#define EX_UNAVAILABLE	69
#define STOP_TRIES	600	/* times 100 ms */

struct context {
	const char		*config_dir;
	bool			 verbose;
	struct arena		*mem;
	struct conf		*conf;
	struct conf_common	 common;
	pid_t			 pid;	/* of master; 0: not running */
	int			 argc;
	char			**argv;	/* behind the command */
};

struct command {
	const char	*name;
	int		(*run)(struct context *c);
	bool		 needs_running;
};

static int
usage(void)
{
	(void)fprintf(stderr, "usage: posthouse [-c config_dir] [-v] "
	    "start | start-fg | stop | abort | reload | status | check | "
	    "flush | user ...\n");
	return EX_USAGE;
}

static void
say(struct context *c, const char *text)
{
	char	*tag = mem_printf("%s/posthouse-script",
		    c->common.syslog_name);

	log_info_as(tag, "%s", text);
	(void)fprintf(stderr, "posthouse: %s\n", text);
	mem_free(&tag);
}

/* Replace this process. */
static int
run(struct context *c, const char *dir, const char *name,
    const char *const *args)
{
	const char	*argv[32];
	char		*path = arena_printf(c->mem, "%s/%s", dir, name);
	size_t		 n = 0;

	argv[n++] = name;
	argv[n++] = "-c";
	argv[n++] = c->config_dir;
	for (size_t i = 0; args[i] != NULL && n < COUNT(argv) - 1; i++)
		argv[n++] = args[i];
	argv[n] = NULL;
	(void)execv(path, (char *const *)(void *)argv);
	(void)fprintf(stderr, "posthouse: %s: %s\n", path, strerror(errno));
	return EX_UNAVAILABLE;
}

static int
run_master(struct context *c, const char *option)
{
	const char	*args[] = { option, c->verbose ? "-v" : NULL, NULL };

	if (c->pid > 0 && strcmp(option, "-C") != 0) {
		(void)fprintf(stderr, "posthouse: fatal: the mail system is "
		    "already running (process %d)\n", (int)c->pid);
		return 1;
	}
	return run(c, c->common.daemon_directory, "master", args);
}

static int
cmd_start(struct context *c)
{
	say(c, "starting the Posthouse mail system");
	return run_master(c, "-w");
}

static int
cmd_start_fg(struct context *c)
{
	say(c, "starting the Posthouse mail system");
	return run_master(c, "-i");
}

static int
cmd_check(struct context *c)
{
	return run_master(c, "-C");
}

static int
cmd_flush(struct context *c)
{
	static const char *const	args[] = { "-f", NULL };

	return run(c, c->common.command_directory, "postqueue", args);
}

static int
cmd_user(struct context *c)
{
	return run(c, c->common.daemon_directory, "posthouse-user",
	    (const char *const *)(void *)c->argv);
}

/* The process that holds the lock on pid/master.pid.  The number alone could
 * be that of a stranger. */
static pid_t
find_master(const struct context *c)
{
	char		*path = mem_printf("%s/pid/master.pid",
			    c->common.queue_directory);
	char		 text[64];
	ssize_t		 n = 0;
	uint64_t	 pid = 0;
	int		 fd;

	fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 && (errno == EACCES || errno == EROFS))
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	mem_free(&path);
	if (fd < 0)
		return 0;
	/* A shared lock is enough to see the exclusive one. */
	if (file_lock(fd, false, false) < 0)
		n = read(fd, text, sizeof(text));
	close(fd);
	if (n <= 0 || !slice_u64(slice_trim(slice_of(text, (size_t)n)),
	    INT32_MAX, &pid))
		return 0;
	return (pid_t)pid;
}

static int
send_signal(struct context *c, int signo)
{
	if (kill(c->pid, signo) == 0)
		return 0;
	(void)fprintf(stderr, "posthouse: fatal: process %d: %s\n",
	    (int)c->pid, strerror(errno));
	return 1;
}

static int
wait_for_end(const struct context *c)
{
	struct timespec	 pause = { 0, 100 * 1000 * 1000 };

	for (int i = 0; i < STOP_TRIES; i++) {
		if (find_master(c) == 0)
			return 0;
		(void)nanosleep(&pause, NULL);
	}
	(void)fprintf(stderr, "posthouse: the mail system does not end; "
	    "\"posthouse abort\" kills it\n");
	return 1;
}

static int
cmd_stop(struct context *c)
{
	say(c, "stopping the Posthouse mail system");
	if (send_signal(c, SIGTERM) != 0)
		return 1;
	return wait_for_end(c);
}

static int
cmd_abort(struct context *c)
{
	say(c, "aborting the Posthouse mail system");
	if (send_signal(c, SIGQUIT) != 0)
		return 1;
	return wait_for_end(c);
}

/* `posthouse check` in a process of its own. */
static bool
configuration_is_good(struct context *c)
{
	int	 status;
	pid_t	 pid = fork();

	if (pid == 0)
		_exit(cmd_check(c));
	return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

/* master believes main.cf only as far as it reads it itself; a daemon that
 * does not start with the new one is no better than none. */
static int
cmd_reload(struct context *c)
{
	if (!configuration_is_good(c)) {
		(void)fprintf(stderr, "posthouse: fatal: not reloaded: the old "
		    "configuration stays\n");
		return 1;
	}
	say(c, "refreshing the Posthouse mail system");
	return send_signal(c, SIGHUP);
}

/* The scoreboard is a memory file of master: found by its name among master's
 * descriptors. */
static int
open_board(const struct context *c)
{
	char		*dir = mem_printf("/proc/%d/fd", (int)c->pid);
	char		 target[128];
	struct dirent	*e;
	DIR		*d = opendir(dir);
	int		 fd = -1;

	while (d != NULL && fd < 0 && (e = readdir(d)) != NULL) {
		ssize_t	 n = readlinkat(dirfd(d), e->d_name, target,
			    sizeof(target) - 1);

		if (n <= 0)
			continue;
		target[n] = '\0';
		if (strstr(target, BOARD_MEMFD_NAME) != NULL)
			fd = openat(dirfd(d), e->d_name,
			    O_RDONLY | O_CLOEXEC);
	}
	if (d != NULL)
		(void)closedir(d);
	mem_free(&dir);
	return fd;
}

static const char *
state_name(uint64_t s)
{
	static const char *const	names[] = {
		[BOARD_FREE] = "-", [BOARD_STARTING] = "starting",
		[BOARD_SERVING] = "serving", [BOARD_FULL] = "full",
		[BOARD_DRAINING] = "ending",
	};

	return s < COUNT(names) ? names[s] : "?";
}

static void
show_slot(const struct board_slot *b)
{
	static const char *const	counters[] = {
		"accepted", "messages", "delivered", "deferred", "bounced",
		"rejected", "bytes",
	};
	usec_t	 age = clock_wall() - b->started_wall;

	(void)printf("%-22s %-5s %-14s %7lld %-8s %6llu %9llu %8llds",
	    b->service, b->type, b->program, (long long)b->pid,
	    state_name(b->state), (unsigned long long)b->sessions,
	    (unsigned long long)b->sessions_total,
	    (long long)(age / USEC_PER_SEC));
	for (size_t i = 0; i < COUNT(counters); i++)
		if (b->counters[i] > 0)
			(void)printf(" %s=%llu", counters[i],
			    (unsigned long long)b->counters[i]);
	(void)putchar('\n');
}

static int
show_board(struct context *c)
{
	struct error	 err;
	off_t		 size;
	void		*map;
	int		 fd = open_board(c);

	if (fd < 0) {
		(void)fprintf(stderr, "posthouse: no access to the scoreboard "
		    "of process %d\n", (int)c->pid);
		return 1;
	}
	size = lseek(fd, 0, SEEK_END);
	map = board_map(fd, (unsigned int)(size / BOARD_SLOT_SIZE), 0, &err);
	if (map == NULL) {
		(void)fprintf(stderr, "posthouse: %s\n", err.text);
		return 1;
	}
	(void)printf("%-22s %-5s %-14s %7s %-8s %6s %9s %9s\n", "SERVICE",
	    "TYPE", "PROGRAM", "PID", "STATE", "NOW", "SESSIONS", "AGE");
	for (unsigned int i = 0; i < size / BOARD_SLOT_SIZE; i++) {
		struct board_slot	*b = board_slot(map, i);

		if (b->magic == BOARD_MAGIC)
			show_slot(b);
	}
	close(fd);
	return 0;
}

static int
cmd_status(struct context *c)
{
	(void)printf("the Posthouse mail system is running: PID: %d\n",
	    (int)c->pid);
	return show_board(c);
}

static const struct command commands[] = {
	{ "start",	cmd_start,	false },
	{ "start-fg",	cmd_start_fg,	false },
	{ "stop",	cmd_stop,	true },
	{ "abort",	cmd_abort,	true },
	{ "reload",	cmd_reload,	true },
	{ "status",	cmd_status,	true },
	{ "check",	cmd_check,	false },
	{ "flush",	cmd_flush,	false },
	{ "user",	cmd_user,	false },
};

static int
load(struct context *c, struct error *err)
{
	if (c->config_dir[0] != '/') {
		char	*full = realpath(c->config_dir, NULL);

		if (full == NULL)
			return error_sys(err, "%s", c->config_dir);
		c->config_dir = arena_strdup(c->mem, full);
		free(full);
	}
	if (conf_load(c->config_dir, &c->conf, err) < 0)
		return -1;
	conf_know(c->conf, conf_common_params, conf_common_nparams);
	return conf_fill(c->conf, conf_common_params, conf_common_nparams,
	    c->mem, &c->common, err);
}

static void
open_log(const struct context *c)
{
	char	*tag = mem_printf("%s/posthouse-script",
		    c->common.syslog_name);

	/* Also said on standard error: a log that cannot be opened by this
	 * user is no reason to fail. */
	if (c->common.maillog_file[0] == '/' &&
	    strncmp(c->common.maillog_file, "/dev/", 5) != 0)
		(void)log_open(tag, LOG_TO_FILE, c->common.maillog_file);
	else if (access("/dev/log", F_OK) == 0)
		(void)log_open(tag, LOG_TO_SYSLOG, NULL);
	mem_free(&tag);
}

static int
command_run(struct context *c, const struct command *cmd)
{
	struct error	 err;

	if (load(c, &err) < 0) {
		(void)fprintf(stderr, "posthouse: fatal: %s\n", err.text);
		return 1;
	}
	c->pid = find_master(c);
	if (cmd->needs_running && c->pid == 0) {
		(void)fprintf(stderr, "posthouse: the Posthouse mail system "
		    "is not running\n");
		return 1;
	}
	if (strcmp(cmd->name, "user") != 0)
		open_log(c);
	return cmd->run(c);
}

int
main(int argc, char **argv)
{
	struct context	 c = { .mem = arena_new() };
	int		 opt, r;

	c.config_dir = getenv("MAIL_CONFIG");
	while ((opt = getopt(argc, argv, "+c:v")) != -1) {
		if (opt == 'c')
			c.config_dir = optarg;
		else if (opt == 'v')
			c.verbose = true;
		else
			return usage();
	}
	if (c.config_dir == NULL)
		c.config_dir = PH_CONFDIR;
	if (optind == argc)
		return usage();
	c.argc = argc - optind - 1;
	c.argv = argv + optind + 1;
	for (size_t i = 0; i < COUNT(commands); i++) {
		if (strcmp(argv[optind], commands[i].name) != 0)
			continue;
		r = command_run(&c, &commands[i]);
		if (c.conf != NULL)
			conf_free(&c.conf);
		arena_free(&c.mem);
		return r;
	}
	return usage();
}
