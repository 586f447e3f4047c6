/* SPDX-License-Identifier: Apache-2.0 */
/* postdrop - copy a submission from standard input into maildrop/.
 *
 * Installed set-gid, so whoever runs it is not trusted: descriptors, umask,
 * environment and signals are put in order first, every record is checked
 * before it is written, and the file appears with its complete mode only when
 * all of it is on stable storage.  No map, no user database, no logging
 * library is touched with the group's rights. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buf.h"
#include "queue/maildrop.h"
#include "queue/queue_id.h"
#include "sys/file.h"
#include "tools/tool.h"

#define LONGEST_RUN	86400		/* seconds; the sweeper waits longer */
#define COMPLETE	0744		/* pickup is another user: it reads */
#define TRIES		16

/* Touched by the signal handler: static storage only. */
static char			drop_path[64];
static volatile sig_atomic_t	drop_exists;

static void
on_signal(int signo)
{
	(void)signo;
	if (drop_exists)
		(void)unlink(drop_path);
	_exit(EX_TEMPFAIL);
}

static void
catch_signals(void)
{
	static const int	 signals[] = {
		SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGALRM
	};
	struct sigaction	 sa = { .sa_handler = on_signal }, old;
	sigset_t		 none;

	(void)sigfillset(&sa.sa_mask);
	for (size_t i = 0; i < COUNT(signals); i++)
		if (sigaction(signals[i], NULL, &old) == 0 &&
		    (old.sa_handler != SIG_IGN || signals[i] == SIGALRM))
			(void)sigaction(signals[i], &sa, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGXFSZ, SIG_IGN);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)alarm(LONGEST_RUN);
}

static void
discard(void)
{
	drop_exists = 0;
	(void)unlink(drop_path);
}

static int
create(void)
{
	char	 id[QUEUE_ID_MAX];
	int	 fd = -1;

	for (int i = 0; i < TRIES && fd < 0; i++) {
		queue_id_make(id);
		(void)snprintf(drop_path, sizeof(drop_path), "maildrop/%s",
		    id);
		fd = open(drop_path, O_WRONLY | O_CREAT | O_EXCL |
		    O_NOFOLLOW | O_CLOEXEC, 0600);
		if (fd < 0 && errno != EEXIST)
			break;
	}
	if (fd < 0)
		tool_fatal(EX_TEMPFAIL, "mail system is down -- "
		    "cannot create %s: %s", drop_path, strerror(errno));
	drop_exists = 1;
	return fd;
}

static void
store(int fd, struct slice bytes)
{
	if (file_write(fd, bytes.p, bytes.len) < 0) {
		discard();
		tool_fatal(EX_TEMPFAIL, "write %s: %s", drop_path,
		    strerror(errno));
	}
}

/* Take all whole records in buf; false at the end record. */
static bool
take_records(struct maildrop *d, struct buf *buf, int fd)
{
	struct slice		 in = buf_slice(buf), value;
	enum maildrop_take	 r;
	struct error		 err;
	int			 type;

	while ((r = maildrop_take(d, &in, &type, &value, &err)) ==
	    MAILDROP_RECORD || r == MAILDROP_END)
		;
	if (r == MAILDROP_SIZE) {
		discard();
		tool_fatal(EX_UNAVAILABLE, "message file too big");
	}
	if (r == MAILDROP_BAD) {
		discard();
		tool_fatal(EX_DATAERR, "bad submission: %s", err.text);
	}
	store(fd, slice_first(buf_slice(buf), buf_len(buf) - in.len));
	buf_consume(buf, buf_len(buf) - in.len);
	return !d->ended;
}

static void
copy(int fd, uint64_t most)
{
	struct maildrop	 d = { .most_content = most };
	struct buf	 buf;
	unsigned char	*p;
	ssize_t		 n;

	buf_init(&buf, 4 * MAILDROP_CHUNK);
	do {
		p = buf_space(&buf, MAILDROP_CHUNK);
		if (p == NULL)
			abort();	/* a record is smaller than that */
		n = read(STDIN_FILENO, p, MAILDROP_CHUNK);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			/* The program in front of us died. */
			discard();
			tool_fatal(EX_DATAERR, "unexpected end of input");
		}
		buf_added(&buf, (size_t)n);
	} while (take_records(&d, &buf, fd));
	buf_clear(&buf);
}

/* Complete mode, one fsync, close; after that it is pickup's. */
static void
finish(int fd)
{
	sigset_t	 all;
	int		 bad;

	bad = fchmod(fd, COMPLETE) < 0 || fsync(fd) < 0;
	if (bad || close(fd) < 0) {
		int	e = errno;

		discard();
		tool_fatal(EX_TEMPFAIL, "save %s: %s", drop_path,
		    strerror(e));
	}
	(void)sigfillset(&all);
	(void)sigprocmask(SIG_BLOCK, &all, NULL);
	drop_exists = 0;
}

/* A connection says all there is to say: look into maildrop/.  Nobody there
 * is no failure, master wakes pickup from time to time. */
static void
poke_pickup(void)
{
	struct sockaddr_un	 to = {
		.sun_family = AF_UNIX, .sun_path = "public/pickup"
	};
	int			 fd;

	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	(void)!connect(fd, (struct sockaddr *)&to, sizeof(to));
	(void)close(fd);
}

int
main(int argc, char **argv)
{
	struct tool	 t;
	const char	*dir = NULL;
	struct rlimit	 core = { 0, 0 };
	int		 c, fd;

	tool_begin("postdrop");
	(void)umask(0);
	(void)setrlimit(RLIMIT_CORE, &core);
	/* -r: answer by exit status, which is what we do anyway. */
	while ((c = getopt(argc, argv, "c:rv")) != -1)
		switch (c) {
		case 'c':
			dir = optarg;
			break;
		case 'r':
		case 'v':
			break;
		default:
			tool_fatal(EX_USAGE,
			    "usage: %s [-c config_dir] [-rv]", argv[0]);
		}
	if (argc > optind)
		tool_fatal(EX_USAGE, "usage: %s [-c config_dir] [-rv]",
		    argv[0]);
	tool_open(&t, dir);
	if (clearenv() != 0)
		tool_fatal(EX_OSERR, "cannot clear the environment");
	tool_chdir(&t);
	catch_signals();
	fd = create();
	copy(fd, t.common.message_size_limit > 0 ?
	    (uint64_t)t.common.message_size_limit : INT64_MAX);
	finish(fd);
	poke_pickup();
	tool_close(&t);
	return EX_OK;
}
