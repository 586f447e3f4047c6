/* SPDX-License-Identifier: Apache-2.0 */
/* Each call keeps its encoded request until it is answered, so that it can be
 * put to a new connection. */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/list.h"
#include "base/mem.h"
#include "base/panic.h"
#include "ipc/ipc.h"
#include "ipc/ipc_int.h"
#include "sys/clock.h"
#include "sys/loop.h"

#define CONNECT_PATIENCE	SECS(2)
#define CONNECT_AGAIN		MSECS(50)

struct ipc_client {
	struct loop	*loop;
	char		*path;
	struct ipc	*conn;
	struct list	 calls;
	uint64_t	 next_handle;
	bool		 once;
};

struct ccall {
	struct list		 link;
	struct ipc_client	*client;
	uint64_t		 handle;
	const char		*kind;
	const struct ipc_desc	*reply;
	struct buf		 body;
	struct ipc_fds		 fds;
	usec_t			 begun, deadline;	/* mono */
	int			 asked;		/* how often put to a server */
	uint32_t		 number;	/* on conn; 0: not there */
	struct loop_timer	*again;
	char			 why[128];	/* last failure */
	ipc_done		*done;
	void			*arg;
};

static void	 start(void *arg);

static void
on_closed(void *arg, struct ipc *conn, const char *why)
{
	struct ipc_client	*c = arg;

	(void)why;
	if (c->conn == conn)
		c->conn = NULL;
}

static const struct ipc_ops client_ops = { .closed = on_closed };

struct ipc_client *
ipc_client_new(struct loop *l, const char *path)
{
	struct ipc_client	*c = mem_new(1, sizeof(*c));

	c->loop = l;
	c->path = mem_strdup(path);
	list_init(&c->calls);
	return c;
}

void
ipc_client_once(struct ipc_client *c)
{
	c->once = true;
}

static void
ccall_free(struct ccall *call)
{
	list_remove(&call->link);
	loop_timer_free(&call->again);
	for (size_t i = 0; i < call->fds.n; i++)
		close(call->fds.fd[i]);
	buf_clear(&call->body);
	mem_free(&call);
}

static void
finish(struct ccall *call, void *reply, const char *why)
{
	ipc_done	*done = call->done;
	void		*arg = call->arg;
	char		 text[sizeof(call->why)];

	if (why != NULL) {
		memccpy(text, why, '\0', sizeof(text) - 1);
		text[sizeof(text) - 1] = '\0';
		why = text;
	}
	ccall_free(call);
	done(arg, reply, why);
}

void
ipc_client_free(struct ipc_client **cp)
{
	struct ipc_client	*c = *cp;

	if (c == NULL)
		return;
	LIST_EACH(l, &c->calls) {
		struct ccall	*call = LIST_ENTRY(l, struct ccall, link);

		if (call->number != 0 && c->conn != NULL)
			ipc_cancel(c->conn, call->number);
		ccall_free(call);
	}
	ipc_close(&c->conn);
	mem_free(&c->path);
	mem_free(cp);
}

static int
connected(struct ipc_client *c, struct error *err)
{
	if (c->conn != NULL && ipc_is_open(c->conn))
		return 0;
	c->conn = NULL;
	return ipc_connect(c->loop, c->path, &client_ops, c, &c->conn, err);
}

/* Not reached: once more soon, or give up. */
static void
start_failed(struct ccall *call, const char *why)
{
	usec_t	now = clock_mono();

	if (now - call->begun < CONNECT_PATIENCE && now < call->deadline) {
		loop_timer_set(call->again, CONNECT_AGAIN);
		return;
	}
	finish(call, NULL, why);
}

static void
on_reply(void *arg, void *reply, const char *why)
{
	struct ccall	*call = arg;
	bool		 open = call->client->conn != NULL &&
	    ipc_is_open(call->client->conn);

	call->number = 0;
	if (reply == NULL && !open && !call->client->once &&
	    call->asked < 2 && clock_mono() < call->deadline) {
		loop_timer_set(call->again, 0);
		return;
	}
	finish(call, reply, why);
}

static void
start(void *arg)
{
	struct ccall		*call = arg;
	struct ipc_client	*c = call->client;
	struct ipc_fds		 fds = { .n = 0 };
	struct error		 err;

	if (connected(c, &err) < 0) {
		start_failed(call, err.text);
		return;
	}
	for (size_t i = 0; i < call->fds.n; i++) {
		fds.fd[fds.n] = fcntl(call->fds.fd[i], F_DUPFD_CLOEXEC, 3);
		if (fds.fd[fds.n] >= 0)
			fds.n++;
	}
	if (fds.n < call->fds.n) {
		while (fds.n > 0)
			close(fds.fd[--fds.n]);
		start_failed(call, "out of descriptors");
		return;
	}
	call->asked++;
	call->number = ipc_call_encoded(c->conn, call->kind,
	    buf_slice(&call->body), &fds, call->reply,
	    call->deadline - clock_mono(), on_reply, call, &err);
	if (call->number == 0)
		start_failed(call, err.text);
}

/* An error must not reach done from inside ipc_client_call(). */
static void
report(void *arg)
{
	struct ccall	*call = arg;

	finish(call, NULL, call->why);
}

uint64_t
ipc_client_call(struct ipc_client *c, const struct ipc_desc *d,
    const void *msg, const struct ipc_desc *reply, usec_t timeout,
    ipc_done *done, void *arg)
{
	struct ccall	*call = mem_new(1, sizeof(*call));
	struct error	 err = { .text = "" };
	bool		 bad;

	call->client = c;
	call->handle = ++c->next_handle;
	call->kind = d->name;
	call->reply = reply;
	call->done = done;
	call->arg = arg;
	call->begun = clock_mono();
	call->deadline = call->begun + timeout;
	list_put_last(&c->calls, &call->link);
	buf_init(&call->body, IPC_FRAME_MAX);
	bad = ipc_encode_dup(d, msg, &call->body, &call->fds, &err) < 0;
	call->again = loop_timer_new(c->loop, bad ? report : start, call);
	memcpy(call->why, err.text, sizeof(call->why) - 1);
	if (bad || connected(c, &err) < 0)
		loop_timer_set(call->again, 0);
	else
		start(call);
	return call->handle;
}

void
ipc_client_cancel(struct ipc_client *c, uint64_t handle)
{
	LIST_EACH(l, &c->calls) {
		struct ccall	*call = LIST_ENTRY(l, struct ccall, link);

		if (call->handle != handle)
			continue;
		if (call->number != 0 && c->conn != NULL)
			ipc_cancel(c->conn, call->number);
		ccall_free(call);
		return;
	}
}

int
ipc_client_send(struct ipc_client *c, const struct ipc_desc *d,
    const void *msg, struct error *err)
{
	if (connected(c, err) < 0)
		return -1;
	return ipc_send(c->conn, d, msg, err);
}
