/* SPDX-License-Identifier: Apache-2.0 */
/* dial.h - connect without blocking. */
#ifndef NET_DIAL_H
#define NET_DIAL_H

#include "base/attr.h"
#include "base/error.h"
#include "base/times.h"
#include "sys/sock.h"

struct loop;
struct dial;

/* done runs from the loop: fd >= 0 connected (the callee's now), or -1 and
 * err (err->sys: ECONNREFUSED, ETIMEDOUT ...).  from may be NULL. */
struct dial	*dial_tcp(struct loop *l, const struct sock_addr *to,
		    const struct sock_addr *from, usec_t timeout,
		    void (*done)(void *arg, int fd, const struct error *err),
		    void *arg) MUST_USE;

/* Give up; done is not called.  *d may be NULL.  After done it is gone:
 * store NULL in done. */
void	 dial_cancel(struct dial **d);

#endif
