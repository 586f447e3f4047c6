/* SPDX-License-Identifier: Apache-2.0 */
/* session_broker.h - the root half of imapd and popd, and its contact to the
 * workers that act as one mailbox owner each.
 *
 *	login --session_req--> broker --auth_claim--> authd
 *	                       broker --session_start--> worker of (uid, gid)
 *
 * The broker parses nothing but IPC.  A program says in its daemon_desc
 *	SESSION_BROKER_DAEMON,
 *	.open_as_root = calls session_broker_prepare(d, &desc, err),
 *	.start = calls session_broker_start(d, err),
 * and does everything else in the worker, in the functions of its
 * session_broker_desc. */
#ifndef DAEMON_SESSION_BROKER_H
#define DAEMON_SESSION_BROKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/attr.h"
#include "base/error.h"
#include "base/slice.h"
#include "base/times.h"
#include "ipc/ipc.h"
#include "sys/privs.h"

struct daemon;
struct session_lease;

/* A client for this worker: what login said, and the account it is. */
struct session_start {
	int		 client;	/* non-blocking; TLS ends in login */
	int		 lease;		/* the library's own; not yours */
	const char	*user;		/* as authd normalised it */
	const char	*home;		/* "" if the account has none */
	const char	*mailbox;	/* Maildir path, absolute */
	uint64_t	 quota_bytes;	/* UINT64_MAX: none */
	const char	*session_id;
	const char	*remote_ip, *local_ip;
	uint64_t	 remote_port, local_port;
	bool		 secured;
	const char	*tag;		/* IMAP; NULL for POP3 */
	struct slice	 input;		/* read ahead by login */
};

struct session_broker_desc {
	const char	*service;	/* "imap", "pop3": as in session_req */

	/* In the worker, once, after root is gone.  The result is handed to
	 * accept and drain. */
	void	*(*worker_start)(struct daemon *d, uid_t uid, gid_t gid);

	/* In the worker: begin a session.  0: s->client is yours, and you call
	 * session_lease_end(&lease) when the session is over.  -1: refused
	 * (*err); the library closes both and login tells the client.
	 * Strings of s live until the function returns.  Log "Login" lines
	 * are login's business, ends of sessions are yours. */
	int	(*accept)(void *worker, const struct session_start *s,
		    struct session_lease *lease, struct error *err);

	/* In the worker: no more sessions will come; stop: the suite stops, so
	 * end those there are (BYE).  May be NULL. */
	void	(*drain)(void *worker, bool stop);

	/* Most sessions per user and client address; NULL: 20. */
	int64_t	(*max_userip)(struct daemon *d);

	size_t	 max_workers;	/* 0: 1000 */
	usec_t	 idle;		/* 0: 60 s */
};

#define SESSION_BROKER_DAEMON \
	.kind = DAEMON_IPC, .user = DAEMON_ROOT, \
	.handlers = session_broker_handlers, \
	.nhandlers = SESSION_BROKER_NHANDLERS, \
	.drain = session_broker_drain, \
	.landlock = session_broker_landlock, .nlandlock = 1

#define SESSION_BROKER_NHANDLERS	1
extern const struct ipc_handler	session_broker_handlers[];
extern const struct privs_path	session_broker_landlock[];
void	 session_broker_drain(struct daemon *d);

/* Before the first fork: the workers must know desc, which is static. */
int	 session_broker_prepare(struct daemon *d,
	    const struct session_broker_desc *desc, struct error *err)
	    MUST_USE;

/* Uses the daemon's state (daemon_set_state) in the parent for itself. */
int	 session_broker_start(struct daemon *d, struct error *err) MUST_USE;

/* The session is over.  Stores NULL.  The broker also notices when a worker
 * dies. */
void	 session_lease_end(struct session_lease **l);

extern const struct ipc_desc	session_start_desc;

#endif
