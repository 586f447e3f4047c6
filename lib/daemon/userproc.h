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

#include <stddef.h>
#include <sys/types.h>

#include "base/attr.h"
#include "base/error.h"
#include "base/times.h"
#include "ipc/ipc.h"

struct daemon;
struct loop;
struct userproc;

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

	/* No request or session for this long: the worker ends. */
	usec_t		 idle;
	size_t		 max_workers;
};

struct userproc	*userproc_new(struct daemon *d,
		    const struct userproc_desc *desc, void *parent_arg)
		    MUST_USE;

/* Ask the worker of (uid, gid); it is forked if there is none.  done as in
 * ipc_call(), always from the loop.  Refuses uid 0 and gid 0. */
void	 userproc_call(struct userproc *u, uid_t uid, gid_t gid,
	    const struct ipc_desc *desc, const void *msg,
	    const struct ipc_desc *reply, usec_t timeout, ipc_done *done,
	    void *arg);

/* In the worker: sessions that must keep it alive. */
void	 userproc_hold(struct daemon *d);
void	 userproc_release(struct daemon *d);

/* In the parent: stop accepting work, let workers finish, then
 * daemon_exit(). */
void	 userproc_drain(struct userproc *u);

#endif
