/* SPDX-License-Identifier: Apache-2.0 */
/* testd.c - a daemon that does nothing useful, for the tests of lib/daemon
 * and master.  Stream service: a line-less echo.  It answers each byte:
 *	'p' its process id and a newline	'x' crash
 *	'u' uid and gid of a worker		'g' generation of $test_value
 * anything else is echoed.  Reads are small, so blocking writes do not
 * matter. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "daemon/daemon.h"
#include "daemon/userproc.h"
#include "ipc/auth_msg.h"
#include "sys/log.h"
#include "sys/loop.h"

struct testd_conf {
	const char	*value;
	bool		 fail_start;
};

static const struct param testd_params[] = {
	P_STR(struct testd_conf, value, "test_value", "none",
	    "What 'g' answers."),
	P_BOOL(struct testd_conf, fail_start, "test_fail_start", "no",
	    "Fail at start-up."),
};

struct conn {
	struct daemon	*d;
	int		 fd;
	struct loop_fd	*watch;
};

static struct userproc	*workers;

static void
say(int fd, const char *text)
{
	(void)!write(fd, text, strlen(text));
}

static void
conn_close(struct conn *c)
{
	struct daemon	*d = c->d;

	loop_fd_free(&c->watch);
	close(c->fd);
	mem_free(&c);
	daemon_session_end(d);
}

/* A worker is asked who it is: "user" says what to do, the account is the
 * answer. */
static void
worker_whoami(void *arg, struct ipc_request req, void *msg)
{
	struct auth_lookup	*m = msg;
	struct auth_account	 a = {
		.found = ACCOUNT_FOUND, .user = m->user, .uid = getuid(),
		.gid = getgid(), .home = "", .mailbox = "",
	};

	(void)arg;
	if (strcmp(m->user, "crash") == 0)
		raise(SIGKILL);
	ipc_reply(req, &auth_account_desc, &a);
}

static void *
worker_start(struct daemon *d, struct ipc *parent, uid_t uid, gid_t gid)
{
	(void)parent, (void)uid, (void)gid;
	return d;
}

static const struct ipc_handler worker_handlers[] = {
	{ &auth_lookup_desc, worker_whoami },
};

static const struct userproc_desc worker_desc = {
	.start = worker_start,
	.handlers = worker_handlers, .nhandlers = COUNT(worker_handlers),
	.idle = MSECS(300), .max_workers = 2,
};

static void
whoami_done(void *arg, void *reply, const char *why)
{
	struct conn		*c = arg;
	struct auth_account	*a = reply;
	char			 text[128];

	if (a == NULL)
		(void)snprintf(text, sizeof(text), "failed %s\n", why);
	else
		(void)snprintf(text, sizeof(text), "%lu %lu\n",
		    (unsigned long)a->uid, (unsigned long)a->gid);
	say(c->fd, text);
}

static void
whoami(struct conn *c, const char *what, uid_t uid)
{
	struct auth_lookup	 m = { .user = what };

	userproc_call(workers, uid, uid, &auth_lookup_desc, &m,
	    &auth_account_desc, SECS(10), whoami_done, c);
}

static void
on_byte(struct conn *c, char b)
{
	const struct testd_conf	*conf = daemon_params(c->d);
	char			 text[64];

	switch (b) {
	case 'p':
		(void)snprintf(text, sizeof(text), "%d\n", (int)getpid());
		say(c->fd, text);
		break;
	case 'x':
		raise(SIGKILL);
		break;
	case 'g':
		say(c->fd, conf->value);
		say(c->fd, "\n");
		break;
	case 'u':
		whoami(c, "who", 12345);
		break;
	case 'r':
		whoami(c, "who", 0);
		break;
	case 'k':
		whoami(c, "crash", 12345);
		break;
	case 's':
		say(c->fd, daemon_service_name(c->d));
		say(c->fd, "\n");
		break;
	default:
		(void)!write(c->fd, &b, 1);
		break;
	}
}

static void
on_input(void *arg, int what)
{
	struct conn	*c = arg;
	char		 b;

	(void)what;
	if (read(c->fd, &b, 1) <= 0)
		conn_close(c);
	else
		on_byte(c, b);
}

static void
testd_accept(struct daemon *d, int fd, const struct sock_addr *peer)
{
	struct conn	*c = mem_new(1, sizeof(*c));

	(void)peer;
	c->d = d;
	c->fd = fd;
	c->watch = loop_fd_new(daemon_loop(d), fd, LOOP_READ, on_input, c);
	daemon_session_begin(d);
}

static int
testd_start(struct daemon *d, struct error *err)
{
	const struct testd_conf	*conf = daemon_params(d);

	if (conf->fail_start)
		return error_set(err, "told to fail");
	workers = userproc_new(d, &worker_desc, d);
	return 0;
}

static void
testd_wakeup(struct daemon *d)
{
	(void)d;
	log_info("woken up");
}

static const struct daemon_desc testd = {
	.name = "testd",
	.log_tag = "testd",
	.kind = DAEMON_STREAM,
	.user = DAEMON_ROOT,
	.params = testd_params,
	.nparams = COUNT(testd_params),
	.conf_size = sizeof(struct testd_conf),
	.start = testd_start,
	.accept = testd_accept,
	.wakeup = testd_wakeup,
	.client_limit = 3,
};

int
main(int argc, char **argv)
{
	return daemon_run(&testd, argc, argv);
}
