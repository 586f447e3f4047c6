/* SPDX-License-Identifier: Apache-2.0 */
/* userproc.h - workers that act as one user each.
 *
 * imapd, popd and local-delivery start as root and parse nothing but IPC.
 * For each (uid, gid) they need, this library forks a worker which gives up
 * root for good, before it sees any request, and then serves many requests
 * of that user over a private IPC connection.  Idle workers end.  A worker
 * that dies fails only the calls it had. */
#ifndef DAEMON_USERPROC_H
#define DAEMON_USERPROC_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/attr.h"
#include "base/error.h"
#include "base/times.h"
#include "ipc/ipc.h"

struct daemon;
struct userproc;

/* Of static storage: workers are forked from a process that was split off
 * before this was filled in by anything but the compiler.  For the same
 * reason a worker has of the program's state what open_as_root made, and
 * nothing of start. */
struct userproc_desc {
	/* In the worker, after root is gone: set up; returns the arg of its
	 * handlers.  ipc is the connection to the parent; the worker may also
	 * ask the parent over it. */
	void	*(*start)(struct daemon *d, struct ipc *parent, uid_t uid,
		    gid_t gid);

	/* What the parent may ask the worker. */
	const struct ipc_handler	*handlers;
	size_t				 nhandlers;

	/* What a worker may ask the parent (arg: the parent's arg). */
	const struct ipc_handler	*parent_handlers;
	size_t				 nparent_handlers;

	/* In the worker: the parent wants it to end (stop: the whole suite
	 * stops).  It ends when nothing holds it any more.  May be NULL; may
	 * be called twice, for retirement and then for stop. */
	void	(*drain)(void *arg, bool stop);

	/* Workers may run set-gid programs (a user's command that calls
	 * sendmail); otherwise they get no_new_privs. */
	bool		 may_gain;

	/* No request or session for this long: the worker ends. */
	usec_t		 idle;
	size_t		 max_workers;
};

struct userproc	*userproc_new(struct daemon *d,
		    const struct userproc_desc *desc, void *parent_arg)
		    MUST_USE;

/* Ask the worker of (uid, gid); it is forked if there is none.  done as in
 * ipc_call(), always from the loop.  Refuses uid 0, gid 0 and the users of
 * our own daemons. */
void	 userproc_call(struct userproc *u, uid_t uid, gid_t gid,
	    const struct ipc_desc *desc, const void *msg,
	    const struct ipc_desc *reply, usec_t timeout, ipc_done *done,
	    void *arg);

/* In the worker: sessions that must keep it alive when the parent wants it to
 * end or has died, and that count as sessions of the parent's process
 * (client limit, scoreboard, drain).  The same as daemon_session_begin() and
 * daemon_session_end() there. */
void	 userproc_hold(struct daemon *d);
void	 userproc_release(struct daemon *d);

/* In the parent, from desc->drain: calls not yet answered and sessions of
 * workers are finished, then daemon_exit().  May be called again when the
 * suite stops meanwhile. */
void	 userproc_drain(struct userproc *u);

#endif
