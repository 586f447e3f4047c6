/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Workers that act as one user each.
 *
 * Three kinds of process.  The parent speaks to other daemons and never
 * forks after it began to.  The zygote, split off before that, waits for
 * orders (uid, gid, two descriptors) and does nothing but fork; so a worker
 * starts without anything of other users in its memory or descriptors.  The
 * worker gives up root before it reads a request.
 *
 * Parent and worker share an IPC connection for the requests, and a second
 * socket on which the worker reports how many sessions hold it (8 bytes) and
 * the parent says 'D' (end when idle) or 'S' (the suite stops).  The parent
 * decides when a worker is idle, because only it knows what it has asked: it
 * closes the IPC connection, and the worker ends when nothing holds it.
 */
#include "daemon/userproc.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/panic.h"
#include "daemon/daemon_int.h"
#include "daemon/seccomp.h"
#include "sys/clock.h"
#include "sys/log.h"

#define WORKERS_MAX	1000
#define IDLE_CHECK	SECS(1)

struct order {
	uint64_t	 uid, gid;
	const struct userproc_desc	*desc;
};

struct key {
	uint64_t	 uid, gid;
};

struct userproc {
	struct daemon	*d;
	const struct userproc_desc	*desc;
	void		*arg;
	struct hash	*by_user;	/* struct key -> struct worker */
	struct ipc_ops	 ops;
	struct list	 all;
	size_t		 count;
	struct loop_timer	*idle_timer;
	struct loop_fd	*zygote;
	bool		 draining;
};

struct worker {
	struct list	 link;
	struct userproc	*u;
	struct key	 key;
	struct ipc	*ipc;		/* NULL: asked to end */
	int		 control;
	struct loop_fd	*watch;
	uint64_t	 sessions, calls;
	usec_t		 idle_since_mono;

	/* in the worker itself */
	const struct userproc_desc	*desc;
	void		*arg;
	bool		 parent_gone, drain_told, stop_told;
	bool		 telling;	/* the parent hears of sessions soon */
};

struct call {
	struct worker	*w;
	ipc_done	*done;
	void		*arg;
	struct error	 err;
};

/* The daemon of this process, if it is a worker: the arg of its IPC connection
 * is the program's. */
static struct daemon	*self;

/* The zygote */

static void
reap(void)
{
	int	 status;
	pid_t	 pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		if (WIFSIGNALED(status))
			log_warn("worker process %d killed by signal %d",
			    (int)pid, WTERMSIG(status));
}

static ssize_t
order_get(int fd, struct order *o, int fds[2])
{
	union {
		struct cmsghdr	 align;
		char		 bytes[CMSG_SPACE(2 * sizeof(int))];
	} control;
	struct iovec	 iov = { o, sizeof(*o) };
	struct msghdr	 m = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr	*c;
	ssize_t		 n;

	fds[0] = fds[1] = -1;
	n = recvmsg(fd, &m, MSG_CMSG_CLOEXEC);
	if (n <= 0)
		return n;
	c = CMSG_FIRSTHDR(&m);
	if (n != sizeof(*o) || c == NULL || c->cmsg_type != SCM_RIGHTS ||
	    c->cmsg_len != CMSG_LEN(2 * sizeof(int)))
		panic("userproc: bad order");
	memcpy(fds, CMSG_DATA(c), 2 * sizeof(int));
	return n;
}

static int
order_put(int fd, const struct order *o, const int fds[2])
{
	union {
		struct cmsghdr	 align;
		char		 bytes[CMSG_SPACE(2 * sizeof(int))];
	} control;
	struct order	 copy = *o;
	struct iovec	 iov = { &copy, sizeof(copy) };
	struct msghdr	 m = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr	*c;

	memset(&control, 0, sizeof(control));
	c = CMSG_FIRSTHDR(&m);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(2 * sizeof(int));
	memcpy(CMSG_DATA(c), fds, 2 * sizeof(int));
	return sendmsg(fd, &m, MSG_NOSIGNAL) == sizeof(copy) ? 0 : -1;
}

static void
on_child(int signo)
{
	(void)signo;		/* only interrupts poll() */
}

static void	 worker_main(struct daemon *d, const struct order *o,
		    const int fds[2]) NORETURN;

static void	 zygote_main(struct daemon *d, int fd) NORETURN;

static void
zygote_main(struct daemon *d, int fd)
{
	struct sigaction sa = { .sa_handler = on_child };
	struct pollfd	 p = { .fd = fd, .events = POLLIN };
	struct order	 o;
	int		 fds[2];
	pid_t		 pid;

	signal(SIGTERM, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	sigaction(SIGCHLD, &sa, NULL);
	for (;;) {
		/* The time limit closes the gap between reap and poll. */
		if (poll(&p, 1, 10000) > 0) {
			if (order_get(fd, &o, fds) <= 0)
				_exit(0);
			pid = fork();
			if (pid == 0)
				worker_main(d, &o, fds);
			if (pid < 0)
				log_warn("fork: %s", strerror(errno));
			/* A failed fork is seen as a closed connection. */
			close(fds[0]);
			close(fds[1]);
		}
		reap();
	}
}

int
userproc_prepare(struct daemon *d, struct error *err)
{
	int	 fds[2];
	pid_t	 pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return error_sys(err, "socketpair");
	pid = fork();
	if (pid < 0) {
		error_sys(err, "fork");
		close(fds[0]);
		close(fds[1]);
		return -1;
	}
	if (pid > 0) {
		close(fds[1]);
		d->zygote_fd = fds[0];
		return 0;
	}
	close(fds[0]);
	if (d->control_fd >= 0)
		close(d->control_fd);
	d->control_fd = -1;
	for (size_t i = 0; i < d->nlisteners; i++)
		close(d->listeners[i].fd);
	d->nlisteners = 0;
	d->zygote_fd = fds[1];
	zygote_main(d, fds[1]);
}

/* The worker */

/* Neither root nor the users who own the queue and the accounts: an account
 * or a map that says so is wrong or hostile. */
static bool
ids_ok(const struct daemon *d, uint64_t uid, uint64_t gid)
{
	return uid != 0 && gid != 0 && uid < UINT32_MAX && gid < UINT32_MAX &&
	    !startup_is_ours(d, (uid_t)uid);
}

static void
worker_privileges(struct daemon *d, const struct order *o)
{
	struct rlimit	 core = { 0, 0 };
	struct error	 err;

	(void)setrlimit(RLIMIT_CORE, &core);
	if (d->privileged) {
		/* Checked by the parent too; a number from a map is not to be
		 * believed twice. */
		if (!ids_ok(d, o->uid, o->gid))
			panic("userproc: uid %llu gid %llu",
			    (unsigned long long)o->uid,
			    (unsigned long long)o->gid);
		if (privs_drop((struct privs_user){ (uid_t)o->uid,
		    (gid_t)o->gid }, &err) < 0)
			log_fatal("%s", err.text);
	}
	/* A filter would stay on a user's commands, which may well make name
	 * spaces of their own; they run as that user with or without us. */
	if (!o->desc->may_gain && (privs_no_new(&err) < 0 ||
	    seccomp_deny(&err) < 0))
		log_fatal("%s", err.text);
}

static void
worker_drain(struct daemon *d, bool stop)
{
	struct worker	*w = d->worker;

	d->draining = true;
	d->stopping |= stop;
	if (w->desc->drain != NULL && (!w->drain_told ||
	    (stop && !w->stop_told))) {
		w->drain_told = true;
		w->stop_told |= stop;
		w->desc->drain(w->arg, stop);
	}
	userproc_idle(d);
}

static void
worker_parent_gone(void *arg, struct ipc *c, const char *why)
{
	struct daemon	*d;

	(void)arg, (void)c, (void)why;
	d = self;
	d->worker->ipc = NULL;
	d->worker->parent_gone = true;
	worker_drain(d, false);
}

static void
worker_control(void *arg, int what)
{
	struct daemon	*d = arg;
	struct worker	*w = d->worker;
	unsigned char	 c;
	ssize_t		 n;

	(void)what;
	n = recv(w->control, &c, 1, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		loop_fd_free(&w->watch);
		worker_drain(d, false);
		return;
	}
	worker_drain(d, c == 'S');
}

static void
tell_sessions(void *arg)
{
	struct daemon	*d = arg;
	struct worker	*w = d->worker;

	w->telling = false;
	if (w->sessions == d->sessions)
		return;
	w->sessions = d->sessions;
	(void)!send(w->control, &w->sessions, sizeof(w->sessions),
	    MSG_NOSIGNAL);
}

/* Once per turn of the loop: what begins and ends in one is nobody's
 * concern. */
void
userproc_idle(struct daemon *d)
{
	struct worker	*w = d->worker;

	if (w->sessions != d->sessions && !w->telling) {
		w->telling = true;
		loop_defer(d->loop, tell_sessions, d);
	}
	if (w->parent_gone && d->sessions == 0)
		daemon_exit(d);
}

static void
worker_term(void *arg)
{
	worker_drain(arg, true);
}

static void
worker_main(struct daemon *d, const struct order *o, const int fds[2])
{
	struct worker	*w = arena_alloc(d->mem, sizeof(*w));
	struct ipc_ops	*ops = arena_alloc(d->mem, sizeof(*ops));

	/* Whoever holds this socket can order workers of any user. */
	close(d->zygote_fd);
	d->zygote_fd = -1;
	worker_privileges(d, o);
	signal(SIGCHLD, SIG_DFL);
	self = d;
	d->worker = w;
	w->desc = o->desc;
	w->control = fds[1];
	d->loop = loop_new();
	d->peers = hash_new();
	*ops = (struct ipc_ops){
		.handlers = o->desc->handlers,
		.nhandlers = o->desc->nhandlers,
		.closed = worker_parent_gone,
	};
	w->watch = loop_fd_new(d->loop, w->control, LOOP_READ, worker_control,
	    d);
	d->signals[0] = loop_signal_new(d->loop, SIGTERM, worker_term, d);
	w->ipc = ipc_new(d->loop, fds[0], ops, NULL);
	w->arg = o->desc->start(d, w->ipc, getuid(), getgid());
	ipc_set_arg(w->ipc, w->arg);
	serve_watchdog(d);
	if (!d->exiting)
		daemon_turn(d);
	exit(0);
}

void
userproc_hold(struct daemon *d)
{
	daemon_session_begin(d);
}

void
userproc_release(struct daemon *d)
{
	daemon_session_end(d);
}

/* The parent */

static void
worker_forget(struct worker *w)
{
	struct slice	 key = slice_of(&w->key, sizeof(w->key));

	if (hash_get(w->u->by_user, key) == w)
		hash_del(w->u->by_user, key);
}

/* No more requests: it ends when its sessions have. */
static void
worker_end(struct worker *w)
{
	worker_forget(w);
	ipc_close(&w->ipc);
}

/* Both connections are closed: the process is gone. */
static void
worker_free(struct worker *w)
{
	struct daemon	*d = w->u->d;
	int64_t		 sessions = (int64_t)w->sessions;

	worker_forget(w);
	list_remove(&w->link);
	close(w->control);
	w->u->count--;
	mem_free(&w);
	serve_sessions_add(d, -sessions);
}

static void
parent_closed(void *arg, struct ipc *c, const char *why)
{
	struct userproc	*u = self->userproc;

	(void)arg, (void)why;
	LIST_EACH(l, &u->all) {
		struct worker	*w = LIST_ENTRY(l, struct worker, link);

		if (w->ipc != c)
			continue;
		w->ipc = NULL;
		worker_forget(w);
		if (w->watch == NULL)
			worker_free(w);
		break;
	}
}

/* The end of this socket is not the end of the worker: its last reply may
 * still wait in the other one. */
static void
parent_control(void *arg, int what)
{
	struct worker	*w = arg;
	uint64_t	 sessions, before = w->sessions;
	ssize_t		 n;

	(void)what;
	n = recv(w->control, &sessions, sizeof(sessions), MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		loop_fd_free(&w->watch);
		if (w->ipc == NULL)
			worker_free(w);
		return;
	}
	/* A worker may be in its user's hands: believe within reason. */
	if (n != sizeof(sessions) || sessions > 1000000)
		return;
	w->sessions = sessions;
	w->idle_since_mono = clock_mono();
	serve_sessions_add(w->u->d, (int64_t)sessions - (int64_t)before);
}

static bool
worker_is_idle(const struct worker *w)
{
	return w->ipc != NULL && w->calls == 0 && w->sessions == 0;
}

static void
on_idle_check(void *arg)
{
	struct userproc	*u = arg;
	usec_t		 now = clock_mono();

	LIST_EACH(l, &u->all) {
		struct worker	*w = LIST_ENTRY(l, struct worker, link);

		if (u->draining ? w->ipc != NULL && w->calls == 0 :
		    worker_is_idle(w) &&
		    now - w->idle_since_mono >= u->desc->idle)
			worker_end(w);
	}
	if (u->count > 0)
		loop_timer_set(u->idle_timer, IDLE_CHECK);
}

/* It never says anything: this is its end. */
static void
on_zygote(void *arg, int what)
{
	struct userproc	*u = arg;

	(void)what;
	loop_fd_free(&u->zygote);
	daemon_retire(u->d, "the process that forks workers is gone");
}

struct userproc *
userproc_new(struct daemon *d, const struct userproc_desc *desc,
    void *parent_arg)
{
	struct userproc	*u = arena_alloc(d->mem, sizeof(*u));

	ASSERT(d->zygote_fd >= 0);
	u->d = d;
	u->desc = desc;
	u->arg = parent_arg;
	self = d;
	u->by_user = hash_new();
	list_init(&u->all);
	u->idle_timer = loop_timer_new(d->loop, on_idle_check, u);
	u->zygote = loop_fd_new(d->loop, d->zygote_fd, LOOP_READ, on_zygote,
	    u);
	u->ops = (struct ipc_ops){
		.handlers = desc->parent_handlers,
		.nhandlers = desc->nparent_handlers,
		.closed = parent_closed,
	};
	d->userproc = u;
	return u;
}

/* Room for one more: the one that is idle longest goes. */
static bool
make_room(struct userproc *u)
{
	size_t		 max = u->desc->max_workers;
	struct worker	*oldest = NULL;

	if (u->count < (max > 0 ? max : WORKERS_MAX))
		return true;
	LIST_EACH(l, &u->all) {
		struct worker	*w = LIST_ENTRY(l, struct worker, link);

		if (worker_is_idle(w) && (oldest == NULL ||
		    w->idle_since_mono < oldest->idle_since_mono))
			oldest = w;
	}
	if (oldest == NULL)
		return false;
	worker_end(oldest);
	return true;
}

static int
sockets(int ipc[2], int control[2])
{
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
	    ipc) < 0)
		return -1;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0,
	    control) < 0) {
		close(ipc[0]);
		close(ipc[1]);
		return -1;
	}
	return 0;
}

static struct worker *
worker_new(struct userproc *u, struct key key)
{
	struct order	 o = { key.uid, key.gid, u->desc };
	struct worker	*w;
	int		 ipc[2], control[2], theirs[2], r;

	if (!make_room(u) || sockets(ipc, control) < 0)
		return NULL;
	theirs[0] = ipc[1];
	theirs[1] = control[1];
	r = order_put(u->d->zygote_fd, &o, theirs);
	close(ipc[1]);
	close(control[1]);
	if (r < 0) {
		close(ipc[0]);
		close(control[0]);
		daemon_retire(u->d, "the process that forks workers is gone");
		return NULL;
	}
	w = mem_new(1, sizeof(*w));
	w->u = u;
	w->key = key;
	w->control = control[0];
	w->idle_since_mono = clock_mono();
	w->ipc = ipc_new(u->d->loop, ipc[0], &u->ops, u->arg);
	w->watch = loop_fd_new(u->d->loop, w->control, LOOP_READ,
	    parent_control, w);
	list_put_last(&u->all, &w->link);
	hash_put(u->by_user, slice_of(&w->key, sizeof(w->key)), w);
	if (u->count++ == 0)
		loop_timer_set(u->idle_timer, IDLE_CHECK);
	return w;
}

static void
call_failed(void *arg)
{
	struct call	*c = arg;

	c->done(c->arg, NULL, c->err.text);
	mem_free(&c);
}

static void
call_done(void *arg, void *reply, const char *why)
{
	struct call	*c = arg;
	struct worker	*w = c->w;
	struct userproc	*u = w->u;

	w->calls--;
	w->idle_since_mono = clock_mono();
	if (u->draining)
		loop_timer_set(u->idle_timer, 0);
	c->done(c->arg, reply, why);
	mem_free(&c);
}

static int
call_begin(struct userproc *u, struct key key, struct worker **out,
    struct error *err)
{
	if (u->d->privileged && !ids_ok(u->d, key.uid, key.gid))
		return error_set(err, "not acting as uid %llu gid %llu",
		    (unsigned long long)key.uid, (unsigned long long)key.gid);
	*out = hash_get(u->by_user, slice_of(&key, sizeof(key)));
	if (*out == NULL)
		*out = worker_new(u, key);
	if (*out == NULL)
		return error_set(err, "cannot start a worker for uid %llu",
		    (unsigned long long)key.uid);
	return 0;
}

void
userproc_call(struct userproc *u, uid_t uid, gid_t gid,
    const struct ipc_desc *desc, const void *msg,
    const struct ipc_desc *reply, usec_t timeout, ipc_done *done, void *arg)
{
	struct call	*c = mem_new(1, sizeof(*c));
	struct key	 key = { uid, gid };

	/* The suite runs as one user: there is nobody else to be. */
	if (!u->d->privileged)
		key = (struct key){ getuid(), getgid() };
	c->done = done;
	c->arg = arg;
	if (call_begin(u, key, &c->w, &c->err) == 0) {
		c->w->calls++;
		if (ipc_call(c->w->ipc, desc, msg, reply, timeout, call_done,
		    c, &c->err) != 0)
			return;
		c->w->calls--;
	}
	loop_defer(u->d->loop, call_failed, c);
}

void
userproc_drain(struct userproc *u)
{
	unsigned char	 c = u->d->stopping ? 'S' : 'D';

	u->draining = true;
	LIST_EACH(l, &u->all) {
		struct worker	*w = LIST_ENTRY(l, struct worker, link);

		(void)!send(w->control, &c, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
	}
	loop_timer_set(u->idle_timer, 0);
}

bool
userproc_finished(const struct daemon *d)
{
	return d->userproc == NULL || d->userproc->count == 0;
}

void
userproc_end(struct daemon *d)
{
	struct userproc	*u = d->userproc;

	if (u != NULL)
		loop_fd_free(&u->zygote);
	if (d->zygote_fd >= 0)
		close(d->zygote_fd);
	d->zygote_fd = -1;
	if (u == NULL)
		return;
	LIST_EACH(l, &u->all) {
		struct worker	*w = LIST_ENTRY(l, struct worker, link);

		ipc_close(&w->ipc);
		loop_fd_free(&w->watch);
		list_remove(&w->link);
		close(w->control);
		mem_free(&w);
	}
	loop_timer_free(&u->idle_timer);
	hash_free(&u->by_user);
}
