/* SPDX-License-Identifier: Apache-2.0 */
/* verdict.h - what a store, a command or the system said, as a delivery
 * status. */
#ifndef LOCAL_DELIVERY_VERDICT_H
#define LOCAL_DELIVERY_VERDICT_H

#include "base/arena.h"
#include "base/attr.h"
#include "ipc/deliver_msg.h"
#include "store/store.h"

struct verdict {
	enum deliver_status	 status;
	const char		*dsn;
	const char		*text;
};

struct verdict	 verdict_of(enum deliver_status status, const char *dsn,
		    struct arena *a, const char *fmt, ...) PRINTF(4, 5);

/* A mailbox's answer.  err may be NULL when fail is STORE_OK. */
struct verdict	 verdict_store(enum store_fail fail, const struct error *err,
		    struct arena *a);

/* How a command ended (wait status) and the last of its output.  sysexits
 * decide; output that begins with a status code of the same class ("4.2.2
 * full") names it.  done: what is said of success. */
struct verdict	 verdict_exit(int wait_status, const char *command,
		    const char *output, const char *done, struct arena *a);

/* The worse of two: deferred, then bounced, then done. */
struct verdict	 verdict_worse(struct verdict a, struct verdict b);

#endif
