/* SPDX-License-Identifier: Apache-2.0 */
/* Serving: accepting until the client limit, talking to master, draining,
 * retirement and the watchdog. */
#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/panic.h"
#include "daemon/daemon_int.h"
#include "sys/clock.h"
#include "sys/log.h"

#define ACCEPTS_PER_EVENT	16
#define PEERS_MAX		10000
#define STRANGER_CONNECTIONS	32		/* of one uid */
#define STRANGER_FRAME		((size_t)65536)
#define STRANGER_OUT		((size_t)8 << 20)
#define STRANGER_TIME		SECS(10)
#define BACKLOG			1024

static void	 state_changed(struct daemon *d);

/* Sockets */

static int
listener_add(struct daemon *d, int fd)
{
	d->listeners[d->nlisteners++] = (struct listener){ .d = d, .fd = fd };
	return 0;
}

static int
inherit(struct daemon *d, struct error *err)
{
	for (int i = 0; i < d->opt.nsockets; i++) {
		if (sock_nonblock(3 + i) < 0)
			return error_sys(err, "listening socket %d", 3 + i);
		listener_add(d, 3 + i);
	}
	return 0;
}

static int
listen_inet(struct daemon *d, const char *spec, struct error *err)
{
	struct slice	 s = slice_str(spec);
	ptrdiff_t	 colon = slice_rfind(s, ':');
	struct sock_addr a;
	char		 text[SOCK_TEXT_MAX];
	const char	*host;
	uint64_t	 port;
	int		 fd;

	host = arena_strndup(d->mem, spec, (size_t)colon);
	if (!slice_u64(slice_from(s, (size_t)colon + 1), 65535, &port))
		return error_set(err, "-L %s: not host:port", spec);
	if (sock_parse(host, (uint16_t)port, &a, err) < 0)
		return -1;
	fd = sock_listen(&a, BACKLOG, err);
	if (fd < 0)
		return -1;
	if (sock_local(fd, &a) == 0)
		log_info("listening on %s:%u", sock_host(&a, text),
		    (unsigned int)sock_port(&a));
	return listener_add(d, fd);
}

static int
listen_by_hand(struct daemon *d, const char *spec, struct error *err)
{
	int	 fd;

	if (strchr(spec, '/') == NULL && strrchr(spec, ':') != NULL)
		return listen_inet(d, spec, err);
	fd = sock_listen_unix(spec, 0666, BACKLOG, err);
	if (fd < 0)
		return -1;
	log_info("listening on %s", spec);
	return listener_add(d, fd);
}

int
serve_open(struct daemon *d, struct error *err)
{
	size_t	 n = (size_t)d->opt.nsockets;

	for (size_t i = 0; d->opt.listen[i] != NULL; i++)
		n++;
	d->listeners = arena_array(d->mem, n + 1, sizeof(*d->listeners));
	if (d->opt.by_master && inherit(d, err) < 0)
		return -1;
	for (size_t i = 0; d->opt.listen[i] != NULL; i++)
		if (listen_by_hand(d, d->opt.listen[i], err) < 0)
			return -1;
	return 0;
}

/* Master */

static void
tell_flush(void *arg)
{
	struct daemon	*d = arg;

	if (d->control_fd < 0 || d->tell == d->told)
		return;
	if (send(d->control_fd, &d->tell, 1, MSG_DONTWAIT | MSG_NOSIGNAL) == 1)
		d->told = d->tell;
	else if (errno == EAGAIN || errno == ENOBUFS)
		loop_timer_set(d->tell_timer, MSECS(100));
}

static void
tell(struct daemon *d, enum board_message m)
{
	d->tell = (unsigned char)m;
	tell_flush(d);
}

static void
publish(struct daemon *d, enum board_state s)
{
	if (d->slot != NULL)
		atomic_store(&d->slot->state, (uint64_t)s);
}

static void
on_control(void *arg, int what)
{
	struct daemon	*d = arg;
	unsigned char	 buf[64];
	ssize_t		 n;

	(void)what;
	n = recv(d->control_fd, buf, sizeof(buf), MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		/* Nobody could tell us of a new configuration. */
		loop_fd_free(&d->control);
		close(d->control_fd);
		d->control_fd = -1;
		log_debug("master is gone");
		serve_drain(d, true);
		return;
	}
	/* Several of a kind at once are one. */
	if (memchr(buf, BOARD_RETIRE, (size_t)n) != NULL)
		serve_drain(d, false);
	if (memchr(buf, BOARD_RELOAD, (size_t)n) != NULL)
		serve_reload(d);
	if (memchr(buf, BOARD_WAKEUP, (size_t)n) != NULL &&
	    d->desc->wakeup != NULL && !d->draining)
		d->desc->wakeup(d);
}

/* Has this process used most of a processor since the last look?  Then
 * master may start another one before we are full. */
static void
sample_load(struct daemon *d)
{
	struct rusage	 ru;
	usec_t		 now = clock_mono(), cpu;
	unsigned char	 c = BOARD_IS_BUSY;

	if (d->control_fd < 0 || now - d->sampled_mono < SECS(1))
		return;
	if (getrusage(RUSAGE_SELF, &ru) < 0)
		return;
	cpu = SECS(ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) +
	    ru.ru_utime.tv_usec + ru.ru_stime.tv_usec;
	if (d->sampled_mono != 0 && now - d->sampled_mono < SECS(10) &&
	    (cpu - d->sampled_cpu) * 10 > (now - d->sampled_mono) * 7)
		(void)!send(d->control_fd, &c, 1, MSG_DONTWAIT | MSG_NOSIGNAL);
	d->sampled_mono = now;
	d->sampled_cpu = cpu;
}

/* Accepting */

static void
ipc_gone(void *arg, struct ipc *c, const char *why)
{
	struct daemon	*d = arg;

	hash_del(d->peers, slice_of(&c, sizeof(c)));
	if (d->desc->ipc_closed != NULL)
		d->desc->ipc_closed(d, c, why);
	state_changed(d);
}

/* Peers that are not daemons of ours: users' postqueue and postdrop. */

static size_t
connections_of(struct daemon *d, uid_t uid)
{
	struct slice	 key;
	void		*c;
	size_t		 at = 0, n = 0;

	while (hash_each(d->peers, &at, &key, &c))
		n += ipc_peer_uid(c) == uid;
	return n;
}

static bool
admit(struct daemon *d, struct ipc *c)
{
	static const struct ipc_limits	limits = {
		.frame_max = STRANGER_FRAME, .out_max = STRANGER_OUT,
		.frame_time = STRANGER_TIME,
	};
	uid_t	 uid = ipc_peer_uid(c);

	if (uid == 0 || uid == geteuid() || startup_is_ours(d, uid))
		return true;
	if (connections_of(d, uid) >= STRANGER_CONNECTIONS)
		return false;
	ipc_limit(c, &limits);
	return true;
}

static void
take_ipc(struct daemon *d, int fd)
{
	struct ipc	*c;

	if (hash_count(d->peers) >= PEERS_MAX) {
		log_warn("too many connections from other daemons");
		close(fd);
		return;
	}
	c = ipc_new(d->loop, fd, &d->ops, d);
	if (!admit(d, c)) {
		log_info("too many connections of uid %u",
		    (unsigned int)ipc_peer_uid(c));
		ipc_close(&c);
		return;
	}
	hash_put(d->peers, slice_of(&c, sizeof(c)), c);
}

static void
take(struct daemon *d, int fd, const struct sock_addr *peer)
{
	daemon_count(d, COUNT_ACCEPTED, 1);
	if (d->desc->kind == DAEMON_IPC)
		take_ipc(d, fd);
	else
		d->desc->accept(d, fd, peer);
}

static void
accept_pause(struct daemon *d)
{
	log_warn("accept: %s -- waiting", strerror(errno));
	d->paused = true;
	loop_timer_set(d->pause_timer, SECS(1));
	state_changed(d);
}

static void
on_pause_over(void *arg)
{
	struct daemon	*d = arg;

	d->paused = false;
	state_changed(d);
}

static void
on_listener(void *arg, int what)
{
	struct listener	*l = arg;
	struct daemon	*d = l->d;
	struct sock_addr peer;
	int		 fd;

	(void)what;
	for (int i = 0; i < ACCEPTS_PER_EVENT && d->accepting; i++) {
		fd = sock_accept(l->fd, &peer);
		if (fd >= 0) {
			take(d, fd, &peer);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
		    errno == ENOMEM)
			accept_pause(d);
		/* EAGAIN: another process was faster */
		break;
	}
	sample_load(d);
	state_changed(d);
}

static void
accept_switch(struct daemon *d, bool on)
{
	if (d->accepting == on)
		return;
	d->accepting = on;
	for (size_t i = 0; i < d->nlisteners; i++)
		loop_fd_want(d->listeners[i].watch, on ? LOOP_READ : 0);
}

static void
listeners_close(struct daemon *d)
{
	accept_switch(d, false);
	for (size_t i = 0; i < d->nlisteners; i++) {
		if (d->listeners[i].watch != NULL)
			loop_fd_free(&d->listeners[i].watch);
		if (d->listeners[i].fd >= 0)
			close(d->listeners[i].fd);
		d->listeners[i].fd = -1;
	}
	d->nlisteners = 0;
}

/* Retirement */

static bool
retires(const struct daemon *d)
{
	/* Singletons keep state and are reloaded in place; what runs by hand
	 * runs until it is stopped. */
	return d->desc->reload == NULL && d->worker == NULL &&
	    (d->opt.by_master || d->opt.max_use > 0 || d->opt.max_idle > 0);
}

static bool
used_up(const struct daemon *d)
{
	uint64_t	 use = (uint64_t)d->gen->own.max_use;
	uint64_t	 limit = (uint64_t)d->gen->client_limit;

	if (!retires(d) || (d->opt.by_master == false && d->opt.max_use <= 0))
		return false;
	return d->used / use >= (limit < 1000000 ? limit : 1000000);
}

static bool
ipc_flushed(const struct daemon *d)
{
	struct slice	 key;
	void		*c;
	size_t		 at = 0;

	while (hash_each(d->peers, &at, &key, &c))
		if (ipc_pending(c) > 0)
			return false;
	return true;
}

static void
on_idle(void *arg)
{
	struct daemon	*d = arg;

	if (d->draining)
		state_changed(d);
	else if (d->sessions == 0 && hash_count(d->peers) == 0)
		serve_drain(d, false);
}

static void
idle_watch(struct daemon *d)
{
	if (d->worker != NULL)
		return;
	if (d->draining) {
		if (d->sessions > 0 || !userproc_finished(d) ||
		    (d->desc->drain != NULL && d->userproc == NULL))
			return;
		if (ipc_flushed(d))
			daemon_exit(d);
		else
			loop_timer_set(d->idle_timer, MSECS(20));
		return;
	}
	if (retires(d) && d->sessions == 0 && hash_count(d->peers) == 0)
		loop_timer_set(d->idle_timer, d->gen->own.max_idle);
	else
		loop_timer_stop(d->idle_timer);
}

/* Whatever depends on the number of sessions, decided in one place. */
static void
state_changed(struct daemon *d)
{
	bool	 full;

	if (d->exiting)
		return;
	if (d->worker != NULL) {
		userproc_idle(d);
		return;
	}
	if (!d->draining && used_up(d)) {
		serve_drain(d, false);
		return;
	}
	if (!d->draining) {
		full = d->sessions >= (uint64_t)d->gen->client_limit;
		accept_switch(d, !full && !d->paused);
		if (full != d->full) {
			d->full = full;
			tell(d, full ? BOARD_IS_FULL : BOARD_HAS_ROOM);
			publish(d, full ? BOARD_FULL : BOARD_SERVING);
		}
	}
	idle_watch(d);
}

void
serve_drain(struct daemon *d, bool stop)
{
	if (d->exiting || (d->draining && (!stop || d->stopping)))
		return;
	d->draining = true;
	d->stopping |= stop;
	listeners_close(d);
	tell(d, BOARD_RETIRES);
	publish(d, BOARD_DRAINING);
	if (d->desc->drain != NULL)
		d->desc->drain(d);
	else if (d->userproc != NULL)
		userproc_drain(d->userproc);
	state_changed(d);
}

void
serve_sessions_add(struct daemon *d, int64_t delta)
{
	d->sessions += (uint64_t)delta;
	if (d->slot != NULL && d->worker == NULL) {
		atomic_store(&d->slot->sessions, d->sessions);
		atomic_store(&d->slot->changed_wall, clock_wall());
	}
	state_changed(d);
}

void
daemon_session_begin(struct daemon *d)
{
	d->used++;
	if (d->slot != NULL && d->worker == NULL)
		atomic_fetch_add(&d->slot->sessions_total, 1);
	serve_sessions_add(d, 1);
}

void
daemon_session_end(struct daemon *d)
{
	ASSERT(d->sessions > 0);
	serve_sessions_add(d, -1);
}

/* Signals and the watchdog */

static void
on_term(void *arg)
{
	serve_drain(arg, true);
}

/* What was closed to us when we gave up privileges cannot be read again. */
static bool
can_read_again(const struct daemon *d)
{
	return !d->chrooted && d->desc->landlock == NULL;
}

void
serve_reload(struct daemon *d)
{
	struct error	 err;

	if (d->draining)
		return;
	if (d->desc->reload == NULL || !can_read_again(d)) {
		serve_drain(d, false);
		return;
	}
	if (startup_config(d, &err) < 0) {
		log_warn("%s -- the old configuration stays", err.text);
		return;
	}
	d->desc->reload(d);
	state_changed(d);
}

static void
on_hup(void *arg)
{
	serve_reload(arg);
}

/* A process whose loop does not turn for daemon_timeout is killed by SIGALRM's
 * default action: no work in a signal handler, and master logs the signal. */
static void
on_watchdog(void *arg)
{
	serve_watchdog(arg);
}

void
serve_watchdog(struct daemon *d)
{
	usec_t	 limit = d->gen->common.daemon_timeout;

	if (limit <= 0)
		return;
	if (limit < SECS(10))
		limit = SECS(10);
	if (d->watchdog == NULL)
		d->watchdog = loop_timer_new(d->loop, on_watchdog, d);
	signal(SIGALRM, SIG_DFL);
	(void)alarm((unsigned int)(limit / USEC_PER_SEC));
	loop_timer_set(d->watchdog, limit / 3);
}

/* After start: begin to accept. */
void
serve_begin(struct daemon *d)
{
	static const struct {
		int	 signo;
		void	(*fn)(void *);
	} sigs[DAEMON_SIGNALS] = {
		{ SIGTERM, on_term }, { SIGINT, on_term }, { SIGHUP, on_hup },
	};

	for (size_t i = 0; i < COUNT(sigs); i++)
		d->signals[i] = loop_signal_new(d->loop, sigs[i].signo,
		    sigs[i].fn, d);
	if (d->control_fd >= 0)
		d->control = loop_fd_new(d->loop, d->control_fd, LOOP_READ,
		    on_control, d);
	d->ops = (struct ipc_ops){
		.handlers = d->desc->handlers,
		.nhandlers = d->desc->nhandlers, .closed = ipc_gone,
	};
	d->idle_timer = loop_timer_new(d->loop, on_idle, d);
	d->pause_timer = loop_timer_new(d->loop, on_pause_over, d);
	d->tell_timer = loop_timer_new(d->loop, tell_flush, d);
	for (size_t i = 0; i < d->nlisteners; i++)
		d->listeners[i].watch = loop_fd_new(d->loop,
		    d->listeners[i].fd, 0, on_listener, &d->listeners[i]);
	serve_watchdog(d);
	if (d->slot != NULL)
		atomic_store(&d->slot->limit, (uint64_t)d->gen->client_limit);
	publish(d, BOARD_SERVING);
	tell(d, BOARD_READY);
	state_changed(d);
}

static void
peers_close(struct daemon *d)
{
	struct slice	 key;
	void		*v;
	size_t		 at = 0;

	while (hash_each(d->peers, &at, &key, &v)) {
		struct ipc	*c = v;

		ipc_close(&c);
	}
	hash_free(&d->peers);
}

void
serve_end(struct daemon *d)
{
	listeners_close(d);
	userproc_end(d);
	peers_close(d);
	loop_timer_free(&d->idle_timer);
	loop_timer_free(&d->pause_timer);
	loop_timer_free(&d->tell_timer);
	loop_timer_free(&d->watchdog);
	for (size_t i = 0; i < DAEMON_SIGNALS; i++)
		loop_signal_free(&d->signals[i]);
	loop_fd_free(&d->control);
	if (d->control_fd >= 0)
		close(d->control_fd);
	d->control_fd = -1;
}
