/* SPDX-License-Identifier: Apache-2.0 */
/* ipc.h - connections between the daemons of one suite.
 *
 * A frame is one message with its kind and a number: requests carry a number
 * chosen by the asker, the reply repeats it, number 0 wants no reply.  Each
 * side may ask.  Many requests may be under way at once.
 *
 * A peer that sends a bad frame loses its connection; nobody else notices.
 * Callbacks come from the loop only. */
#ifndef IPC_IPC_H
#define IPC_IPC_H

#include <stdint.h>
#include <sys/types.h>

#include "base/attr.h"
#include "base/error.h"
#include "base/times.h"
#include "ipc/msg.h"

struct arena;
struct ipc;
struct loop;

#define IPC_FRAME_MAX	((size_t)8 << 20)

/* A request that arrived: answer it with ipc_reply(), now or later. */
struct ipc_request {
	struct ipc	*from;
	uint32_t	 number;	/* 0: no reply wanted */
};

/* What a server understands: one row per kind of message.
 * msg and its strings live until the handler returns; descriptors in it are
 * the handler's to close. */
struct ipc_handler {
	const struct ipc_desc	*desc;
	void	(*run)(void *arg, struct ipc_request req, void *msg);
};

struct ipc_ops {
	const struct ipc_handler	*handlers;
	size_t				 nhandlers;

	/* The connection is gone (EOF, error, bad frame); it is freed after
	 * this returns.  Replies that were waited for have been reported as
	 * failed.  May be NULL. */
	void	(*closed)(void *arg, struct ipc *c, const char *why);
};

/* A connected UNIX stream socket; taken over. */
struct ipc	*ipc_new(struct loop *l, int fd, const struct ipc_ops *ops,
		    void *arg) MUST_USE;

/* Connect to a socket path.  -1: *err. */
int	 ipc_connect(struct loop *l, const char *path,
	    const struct ipc_ops *ops, void *arg, struct ipc **out,
	    struct error *err) MUST_USE;

/* Close; calls waiting for a reply get it as failed, closed() is not called.
 * Stores NULL; *c may be NULL. */
void	 ipc_close(struct ipc **c);

/* For a peer that is not one of ours: frames of at most frame_max bytes that
 * are complete within frame_time of their first byte, and at most out_max
 * bytes waiting to be taken; else the connection is closed. */
struct ipc_limits {
	size_t	 frame_max, out_max;
	usec_t	 frame_time;
};
void	 ipc_limit(struct ipc *c, const struct ipc_limits *limits);

void	 ipc_set_arg(struct ipc *c, void *arg);
void	*ipc_arg(const struct ipc *c);

/* uid and pid of the peer at connect time. */
uid_t	 ipc_peer_uid(const struct ipc *c);
pid_t	 ipc_peer_pid(const struct ipc *c);

/* Send without wanting an answer; it leaves when the callbacks of this turn of
 * the loop are over, or with ipc_close().  Descriptors in msg are duplicated; the
 * caller keeps its own.  -1: the message does not fit its description, or
 * too much is waiting to be sent (64 MiB). */
int	 ipc_send(struct ipc *c, const struct ipc_desc *d, const void *msg,
	    struct error *err) MUST_USE;

/* Ask.  done runs once: with the reply (as in ipc_handler), or with NULL and
 * why when the connection broke, the time ran out or the reply was bad.
 * Returns the number for ipc_cancel(), 0 on failure (*err; done will not
 * run). */
typedef void	 ipc_done(void *arg, void *reply, const char *why);
uint32_t ipc_call(struct ipc *c, const struct ipc_desc *d, const void *msg,
	    const struct ipc_desc *reply, usec_t timeout, ipc_done *done,
	    void *arg, struct error *err) MUST_USE;

/* Forget a call; a reply that still comes is dropped. */
void	 ipc_cancel(struct ipc *c, uint32_t number);

/* Answer, exactly once per request with a number, sooner or later.  Failures
 * (peer gone meanwhile) need no handling. */
void	 ipc_reply(struct ipc_request req, const struct ipc_desc *d,
	    const void *msg);

/* In a handler, once: the memory of msg and of all that it points to becomes
 * the caller's, to be freed in its own time. */
struct arena	*ipc_request_keep(struct ipc_request req) MUST_USE;

/* Bytes not sent yet. */
size_t	 ipc_pending(const struct ipc *c);

/*
 * A client that connects when first used and again after a break: what the
 * daemons use to talk to singletons (qmgr, resolver, authd, anvil) and qmgr to
 * agents.  path is relative to the working directory (the queue directory).
 * A server that cannot be reached is tried again for two seconds; a call whose
 * connection breaks before the answer is asked once more on a new one, unless
 * ipc_client_once() was said.
 */
struct ipc_client;

struct ipc_client	*ipc_client_new(struct loop *l, const char *path)
			    MUST_USE;

/* Calls still under way end without done being called.  *c may be NULL. */
void	 ipc_client_free(struct ipc_client **c);

/* Calls of this client must not be repeated when the server dies. */
void	 ipc_client_once(struct ipc_client *c);

int	 ipc_client_send(struct ipc_client *c, const struct ipc_desc *d,
	    const void *msg, struct error *err) MUST_USE;

/* As ipc_call(); returns a handle for ipc_client_cancel(), never fails
 * directly: an error arrives at done, from the loop. */
uint64_t ipc_client_call(struct ipc_client *c, const struct ipc_desc *d,
	    const void *msg, const struct ipc_desc *reply, usec_t timeout,
	    ipc_done *done, void *arg);
void	 ipc_client_cancel(struct ipc_client *c, uint64_t handle);

#endif
