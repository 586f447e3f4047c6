/* SPDX-License-Identifier: Apache-2.0 */
/* queue_log.h - the bytes of a delivery log, without I/O. */
#ifndef QUEUE_QUEUE_LOG_H
#define QUEUE_QUEUE_LOG_H

#include "base/buf.h"
#include "queue/queue.h"

/* Append one frame.  -1: a string is too long; out is unchanged. */
int	 queue_log_put(const struct queue_log_rec *r, struct buf *out,
	    struct error *err) MUST_USE;

/* Decode the good frames of any bytes; out (NULL: only count) has room for as
 * many as a call with NULL counted.  Strings live in a. */
size_t	 queue_log_get(struct slice in, struct arena *a,
	    struct queue_log_rec *out);

#endif
