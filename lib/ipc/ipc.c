/* SPDX-License-Identifier: Apache-2.0 */
/* Frame: u32 length of what follows the header, u32 number, u8 flags, u8
 * length of the kind's name, u8 descriptors, u8 zero; then name and message.
 * Descriptors travel with the first byte of their frame and arrive in order,
 * so a queue of them and the frame's count suffice to match them up.
 *
 * What is sent in one turn of the loop goes out together, when the turn is
 * over: a peer that gets many frames is woken once. */
#include "ipc/ipc.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/hash.h"
#include "base/list.h"
#include "base/mem.h"
#include "base/panic.h"
#include "ipc/ipc_int.h"
#include "sys/loop.h"
#include "sys/sock.h"

#define HEADER		12
#define FLAG_REPLY	1
#define OUT_MAX		((size_t)64 << 20)
#define GLUE_MAX	((size_t)65536)	/* frames put in one write */
#define READ_SIZE	((size_t)65536)
#define FDS_WAITING	64

struct out {			/* one write: frames, descriptors at its start */
	struct list	 link;
	struct buf	 data;
	struct ipc_fds	 fds;
};

struct call {
	struct ipc		*conn;
	uint32_t		 number;
	const struct ipc_desc	*reply;
	ipc_done		*done;
	void			*arg;
	struct loop_timer	*timer;
};

struct ipc {
	struct loop		*loop;
	int			 fd;		/* -1: closed */
	struct loop_fd		*watch;
	struct loop_timer	*late;		/* reports a failed write */
	struct loop_timer	*writer;	/* at the end of this turn */
	bool			 will_write;	/* that is set */
	const struct ipc_ops	*ops;
	void			*arg;
	uid_t			 peer_uid;
	pid_t			 peer_pid;

	struct buf		 in;
	int			 fds[FDS_WAITING];
	size_t			 nfds;

	struct list		 out;
	size_t			 out_len;

	struct hash		*calls;		/* number -> struct call */
	uint32_t		 next_number;
	struct arena		*scratch;
	size_t			 owed;		/* requests not answered yet */
	int			 busy;		/* callbacks on the stack */
	bool			 wants_write;
	struct ipc_limits	 limits;
	struct loop_timer	*slow;		/* NULL: frames may take long */
	bool			 slow_runs;
};

static void	 on_event(void *arg, int what);
static void	 on_late(void *arg);
static void	 on_writer(void *arg);
static int	 flush(struct ipc *c);

struct ipc *
ipc_new(struct loop *l, int fd, const struct ipc_ops *ops, void *arg)
{
	struct ipc	*c = mem_new(1, sizeof(*c));
	gid_t		 gid;

	c->loop = l;
	c->fd = fd;
	c->ops = ops;
	c->arg = arg;
	c->limits = (struct ipc_limits){ IPC_FRAME_MAX, OUT_MAX, 0 };
	c->peer_uid = (uid_t)-1;
	if (sock_peer_cred(fd, &c->peer_pid, &c->peer_uid, &gid) < 0)
		c->peer_uid = (uid_t)-1;
	buf_init(&c->in, IPC_FRAME_MAX + HEADER + 256);
	list_init(&c->out);
	c->calls = hash_new();
	c->scratch = arena_new();
	c->watch = loop_fd_new(l, fd, LOOP_READ, on_event, c);
	c->late = loop_timer_new(l, on_late, c);
	c->writer = loop_timer_new(l, on_writer, c);
	return c;
}

int
ipc_connect(struct loop *l, const char *path, const struct ipc_ops *ops,
    void *arg, struct ipc **out, struct error *err)
{
	int	fd;

	if (sock_connect_unix(path, &fd, err) < 0)
		return -1;
	*out = ipc_new(l, fd, ops, arg);
	return 0;
}

static void
close_fds(struct ipc_fds *fds)
{
	for (size_t i = 0; i < fds->n; i++) {
		if (fds->fd[i] >= 0)
			close(fds->fd[i]);
	}
	fds->n = 0;
}

static void
drop_out(struct ipc *c)
{
	struct list	*l;

	while ((l = list_take(&c->out)) != NULL) {
		struct out	*o = LIST_ENTRY(l, struct out, link);

		close_fds(&o->fds);
		buf_clear(&o->data);
		mem_free(&o);
	}
	c->out_len = 0;
}

static void
call_free(struct call *call)
{
	loop_timer_free(&call->timer);
	mem_free(&call);
}

static struct call *
call_remove(struct ipc *c, uint32_t number)
{
	return hash_del(c->calls, slice_of(&number, sizeof(number)));
}

static void
fail_calls(struct ipc *c, const char *why)
{
	struct call	*call;
	void		*value;

	for (;;) {
		size_t	at = 0;

		if (!hash_each(c->calls, &at, NULL, &value))
			break;
		call = value;
		(void)call_remove(c, call->number);
		call->done(call->arg, NULL, why);
		call_free(call);
	}
}

/* The last user lets go: no callback on the stack, no answer owed. */
static void
maybe_free(struct ipc *c)
{
	if (c->fd >= 0 || c->busy > 0 || c->owed > 0)
		return;
	hash_free(&c->calls);
	arena_free(&c->scratch);
	buf_clear(&c->in);
	mem_free(&c);
}

static void
disconnect(struct ipc *c)
{
	loop_fd_free(&c->watch);
	loop_timer_free(&c->late);
	loop_timer_free(&c->writer);
	loop_timer_free(&c->slow);
	close(c->fd);
	c->fd = -1;
	drop_out(c);
	while (c->nfds > 0)
		close(c->fds[--c->nfds]);
}

void
ipc_close(struct ipc **cp)
{
	struct ipc	*c = *cp;

	*cp = NULL;
	if (c == NULL || c->fd < 0)
		return;
	if (c->will_write)
		(void)!flush(c);
	disconnect(c);
	c->busy++;
	fail_calls(c, "connection closed");
	c->busy--;
	maybe_free(c);
}

/* The peer is gone or misbehaved. */
static void
broken(struct ipc *c, const char *why)
{
	if (c->fd < 0)
		return;
	disconnect(c);
	c->busy++;
	fail_calls(c, why);
	if (c->ops->closed != NULL)
		c->ops->closed(c->arg, c, why);
	c->busy--;
	maybe_free(c);
}

static void
on_late(void *arg)
{
	broken(arg, "cannot write");
}

static void
on_slow(void *arg)
{
	broken(arg, "frame is too slow");
}

void
ipc_limit(struct ipc *c, const struct ipc_limits *limits)
{
	c->limits = *limits;
	if (c->slow == NULL && c->fd >= 0)
		c->slow = loop_timer_new(c->loop, on_slow, c);
}

/*
 * Sending.
 */
static ssize_t
send_out(struct ipc *c, struct out *o)
{
	struct slice	s = buf_slice(&o->data);
	struct iovec	iov = { (void *)(uintptr_t)s.p, s.len };
	union {
		struct cmsghdr	h;
		char		b[CMSG_SPACE(sizeof(int) * IPC_FDS_MAX)];
	} control;
	struct msghdr	m = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr	*h;

	if (o->fds.n > 0) {
		memset(&control, 0, sizeof(control));
		m.msg_control = &control;
		m.msg_controllen = CMSG_SPACE(sizeof(int) * o->fds.n);
		h = CMSG_FIRSTHDR(&m);
		h->cmsg_level = SOL_SOCKET;
		h->cmsg_type = SCM_RIGHTS;
		h->cmsg_len = CMSG_LEN(sizeof(int) * o->fds.n);
		memcpy(CMSG_DATA(h), o->fds.fd, sizeof(int) * o->fds.n);
	}
	return sendmsg(c->fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* Write what the socket takes.  -1: broken. */
static int
flush(struct ipc *c)
{
	struct list	*l;
	bool		 want;

	c->will_write = false;
	while ((l = list_first(&c->out)) != NULL) {
		struct out	*o = LIST_ENTRY(l, struct out, link);
		ssize_t		 n = send_out(c, o);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == ENOBUFS))
			break;
		if (n < 0)
			return -1;
		close_fds(&o->fds);
		buf_consume(&o->data, (size_t)n);
		c->out_len -= (size_t)n;
		if (buf_len(&o->data) > 0)
			break;
		list_remove(l);
		buf_clear(&o->data);
		mem_free(&o);
	}
	want = !list_empty(&c->out);
	if (want != c->wants_write) {
		c->wants_write = want;
		loop_fd_want(c->watch, LOOP_READ | (want ? LOOP_WRITE : 0));
	}
	return 0;
}

static void
on_writer(void *arg)
{
	struct ipc	*c = arg;

	if (flush(c) < 0)
		broken(c, "cannot write");
}

/* Where a frame of this size goes: behind the last one, unless it carries
 * descriptors (they must be at the start of a write) or that is long. */
static struct out *
out_for(struct ipc *c, bool has_fds)
{
	struct out	*o;

	if (!has_fds && !list_empty(&c->out)) {
		o = LIST_ENTRY(c->out.prev, struct out, link);
		if (buf_len(&o->data) < GLUE_MAX)
			return o;
	}
	o = mem_new(1, sizeof(*o));
	buf_init(&o->data, IPC_FRAME_MAX + GLUE_MAX + 2 * HEADER + 256);
	list_put_last(&c->out, &o->link);
	return o;
}

static void
put_u32(unsigned char *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (unsigned char)(v >> (8 * i));
}

static uint32_t
get_u32(const unsigned char *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
	    (uint32_t)p[3] << 24;
}

/* Put one encoded message on its way.  Takes the descriptors over. */
int
ipc_send_encoded(struct ipc *c, const char *kind, uint32_t number, bool reply,
    struct slice body, struct ipc_fds *fds, struct error *err)
{
	size_t		 kind_len = strlen(kind);
	unsigned char	 h[HEADER] = { 0 };
	struct out	*o;

	if (c->fd < 0 || body.len > IPC_FRAME_MAX ||
	    c->out_len + body.len > c->limits.out_max) {
		close_fds(fds);
		return error_set(err, c->fd < 0 ? "connection is closed" :
		    "too much is waiting to be sent");
	}
	put_u32(h, (uint32_t)(kind_len + body.len));
	put_u32(h + 4, number);
	h[8] = reply ? FLAG_REPLY : 0;
	h[9] = (unsigned char)kind_len;
	h[10] = (unsigned char)fds->n;
	o = out_for(c, fds->n > 0);
	buf_add(&o->data, h, sizeof(h));
	buf_add(&o->data, kind, kind_len);
	buf_add_slice(&o->data, body);
	ASSERT(!o->data.overflow);
	if (fds->n > 0)
		o->fds = *fds;
	fds->n = 0;
	c->out_len += sizeof(h) + kind_len + body.len;
	if (!c->wants_write && !c->will_write) {
		c->will_write = true;
		loop_timer_before_wait(c->writer);
	}
	return 0;
}

int
ipc_encode_dup(const struct ipc_desc *d, const void *msg, struct buf *out,
    struct ipc_fds *fds, struct error *err)
{
	struct ipc_fds	theirs;

	*fds = (struct ipc_fds){ .n = 0 };
	if (ipc_encode(d, msg, out, &theirs, err) < 0)
		return -1;
	for (size_t i = 0; i < theirs.n; i++) {
		int	fd = fcntl(theirs.fd[i], F_DUPFD_CLOEXEC, 3);

		if (fd < 0) {
			close_fds(fds);
			return error_sys(err, "%s: dup", d->name);
		}
		fds->fd[fds->n++] = fd;
	}
	return 0;
}

static int
send_msg(struct ipc *c, const struct ipc_desc *d, const void *msg,
    uint32_t number, bool reply, struct error *err)
{
	struct buf	body;
	struct ipc_fds	fds;
	int		r = -1;

	buf_init(&body, IPC_FRAME_MAX);
	if (ipc_encode_dup(d, msg, &body, &fds, err) == 0)
		r = ipc_send_encoded(c, d->name, number, reply,
		    buf_slice(&body), &fds, err);
	buf_clear(&body);
	return r;
}

int
ipc_send(struct ipc *c, const struct ipc_desc *d, const void *msg,
    struct error *err)
{
	return send_msg(c, d, msg, 0, false, err);
}

void
ipc_reply(struct ipc_request req, const struct ipc_desc *d, const void *msg)
{
	struct ipc	*c = req.from;
	struct error	 err;

	if (req.number == 0)
		return;
	if (c->fd >= 0 &&
	    send_msg(c, d, msg, req.number, true, &err) < 0)
		/* The asker waits for something that cannot be said: let it
		 * see a broken connection rather than a time-out. */
		loop_timer_set(c->late, 0);
	ASSERT(c->owed > 0);
	c->owed--;
	maybe_free(c);
}

struct arena *
ipc_request_keep(struct ipc_request req)
{
	struct arena	*a = req.from->scratch;

	req.from->scratch = arena_new();
	return a;
}

/*
 * Calls.
 */
static void
on_timeout(void *arg)
{
	struct call	*call = arg;

	(void)call_remove(call->conn, call->number);
	call->done(call->arg, NULL, "timed out");
	call_free(call);
}

static uint32_t
new_number(struct ipc *c)
{
	do {
		if (++c->next_number == 0)
			c->next_number = 1;
	} while (hash_get(c->calls, slice_of(&c->next_number,
	    sizeof(c->next_number))) != NULL);
	return c->next_number;
}

uint32_t
ipc_call_encoded(struct ipc *c, const char *kind, struct slice body,
    struct ipc_fds *fds, const struct ipc_desc *reply, usec_t timeout,
    ipc_done *done, void *arg, struct error *err)
{
	uint32_t	 number = new_number(c);
	struct call	*call;

	if (ipc_send_encoded(c, kind, number, false, body, fds, err) < 0)
		return 0;
	call = mem_new(1, sizeof(*call));
	*call = (struct call){ c, number, reply, done, arg, NULL };
	call->timer = loop_timer_new(c->loop, on_timeout, call);
	loop_timer_set(call->timer, timeout);
	hash_put(c->calls, slice_of(&number, sizeof(number)), call);
	return number;
}

uint32_t
ipc_call(struct ipc *c, const struct ipc_desc *d, const void *msg,
    const struct ipc_desc *reply, usec_t timeout, ipc_done *done, void *arg,
    struct error *err)
{
	struct buf	body;
	struct ipc_fds	fds;
	uint32_t	number = 0;

	buf_init(&body, IPC_FRAME_MAX);
	if (ipc_encode_dup(d, msg, &body, &fds, err) == 0)
		number = ipc_call_encoded(c, d->name, buf_slice(&body), &fds,
		    reply, timeout, done, arg, err);
	buf_clear(&body);
	return number;
}

void
ipc_cancel(struct ipc *c, uint32_t number)
{
	struct call	*call = call_remove(c, number);

	if (call != NULL)
		call_free(call);
}

/*
 * Receiving.
 */
static int
take_fds(struct ipc *c, struct msghdr *m)
{
	for (struct cmsghdr *h = CMSG_FIRSTHDR(m); h != NULL;
	    h = CMSG_NXTHDR(m, h)) {
		size_t	n;

		if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
			continue;
		n = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			int	fd;

			memcpy(&fd, CMSG_DATA(h) + i * sizeof(int),
			    sizeof(int));
			if (c->nfds == FDS_WAITING)
				close(fd);
			else
				c->fds[c->nfds++] = fd;
		}
	}
	return m->msg_flags & MSG_CTRUNC || c->nfds == FDS_WAITING ? -1 : 0;
}

/* 1: got some, 0: nothing now, -1: end or error, *why says. */
static int
receive(struct ipc *c, const char **why)
{
	unsigned char	*p = buf_space(&c->in, READ_SIZE < buf_room(&c->in) ?
	    READ_SIZE : buf_room(&c->in));
	struct iovec	 iov = { p, READ_SIZE < buf_room(&c->in) ? READ_SIZE :
	    buf_room(&c->in) };
	union {
		struct cmsghdr	h;
		char		b[CMSG_SPACE(sizeof(int) * 16)];
	} control;
	struct msghdr	 m = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control)
	};
	ssize_t		 n;

	if (iov.iov_len == 0) {
		*why = "frame is too long";
		return -1;
	}
	n = recvmsg(c->fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0) {
		*why = n == 0 ? "peer closed the connection" : strerror(errno);
		return -1;
	}
	buf_added(&c->in, (size_t)n);
	if (take_fds(c, &m) < 0) {
		*why = "too many descriptors";
		return -1;
	}
	return 1;
}

static void
run_reply(struct ipc *c, struct call *call, struct slice body,
    struct ipc_fds *fds)
{
	void		*msg = arena_alloc(c->scratch, call->reply->size);
	struct error	 err;

	if (ipc_decode(call->reply, body, fds, c->scratch, msg, &err) < 0)
		call->done(call->arg, NULL, err.text);
	else
		call->done(call->arg, msg, NULL);
	call_free(call);
}

static int
run_request(struct ipc *c, struct slice kind, uint32_t number,
    struct slice body, struct ipc_fds *fds, struct error *err)
{
	const struct ipc_handler	*h = NULL;
	void				*msg;

	for (size_t i = 0; i < c->ops->nhandlers; i++) {
		if (slice_is(kind, c->ops->handlers[i].desc->name))
			h = &c->ops->handlers[i];
	}
	if (h == NULL)
		return error_set(err, "unknown request \"%.*s\"",
		    SLICE_ARG(kind));
	msg = arena_alloc(c->scratch, h->desc->size);
	if (ipc_decode(h->desc, body, fds, c->scratch, msg, err) < 0)
		return -1;
	if (number != 0)
		c->owed++;
	h->run(c->arg, (struct ipc_request){ c, number }, msg);
	return 0;
}

/* One whole frame. */
static int
run_frame(struct ipc *c, const unsigned char *h, struct slice rest,
    struct error *err)
{
	struct slice	 kind = slice_first(rest, h[9]);
	uint32_t	 number = get_u32(h + 4);
	struct ipc_fds	 fds = { .n = h[10] };
	struct call	*call;
	int		 r = 0;

	if (fds.n > IPC_FDS_MAX || fds.n > c->nfds || h[9] > rest.len ||
	    h[11] != 0) {
		return error_set(err, "bad frame");
	}
	memcpy(fds.fd, c->fds, fds.n * sizeof(int));
	c->nfds -= fds.n;
	memmove(c->fds, c->fds + fds.n, c->nfds * sizeof(int));
	rest = slice_from(rest, h[9]);
	if (h[8] & FLAG_REPLY) {
		call = call_remove(c, number);
		if (call != NULL && slice_is(kind, call->reply->name))
			run_reply(c, call, rest, &fds);
		else if (call != NULL) {
			call->done(call->arg, NULL, "unexpected reply");
			call_free(call);
		}
	} else
		r = run_request(c, kind, number, rest, &fds, err);
	close_fds(&fds);
	return r;
}

/* The clock runs from the first byte of a frame to its last. */
static void
watch_frame(struct ipc *c, bool some)
{
	bool	 part = buf_len(&c->in) > 0;

	if (c->slow == NULL || (c->slow_runs && part && !some))
		return;
	if (part)
		loop_timer_set(c->slow, c->limits.frame_time);
	else
		loop_timer_stop(c->slow);
	c->slow_runs = part;
}

static void
run_frames(struct ipc *c)
{
	struct error	err;
	bool		some = false;

	for (;;) {
		struct slice	in = buf_slice(&c->in);
		uint32_t	len;

		if (c->fd < 0 || in.len < HEADER)
			break;
		len = get_u32(in.p);
		if (len > c->limits.frame_max + 256) {
			broken(c, "bad frame length");
			return;
		}
		if (in.len < HEADER + (size_t)len)
			break;
		if (run_frame(c, in.p, slice_of(in.p + HEADER, len),
		    &err) < 0) {
			broken(c, err.text);
			return;
		}
		arena_reset(c->scratch);
		buf_consume(&c->in, HEADER + (size_t)len);
		some = true;
	}
	if (buf_len(&c->in) == 0)
		buf_clear(&c->in);
	watch_frame(c, some);
}

static void
on_event(void *arg, int what)
{
	struct ipc	*c = arg;
	const char	*why = NULL;
	int		 got = 0;

	c->busy++;
	if (what & LOOP_WRITE && flush(c) < 0)
		why = "cannot write";
	if (what & LOOP_READ && why == NULL) {
		got = receive(c, &why);
		if (got >= 0)
			why = NULL;
		run_frames(c);
	}
	if (why != NULL && c->fd >= 0)
		broken(c, why);
	c->busy--;
	maybe_free(c);
}

void
ipc_set_arg(struct ipc *c, void *arg)
{
	c->arg = arg;
}

void *
ipc_arg(const struct ipc *c)
{
	return c->arg;
}

uid_t
ipc_peer_uid(const struct ipc *c)
{
	return c->peer_uid;
}

pid_t
ipc_peer_pid(const struct ipc *c)
{
	return c->peer_pid;
}

bool
ipc_is_open(const struct ipc *c)
{
	return c->fd >= 0;
}

size_t
ipc_pending(const struct ipc *c)
{
	return c->out_len;
}
