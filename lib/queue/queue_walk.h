/* SPDX-License-Identifier: Apache-2.0 */
/* queue_walk.h - the names in a directory of the queue that may be long.
 * They come in portions, each in the order of the inodes: who opens one file
 * after the other then reads a disk in one direction.  Has no business with the
 * loop: a thread may walk, one call at a time. */
#ifndef QUEUE_QUEUE_WALK_H
#define QUEUE_QUEUE_WALK_H

#include "queue/queue.h"

struct queue_walk;

int	 queue_walk_open(struct queue *q, enum queue_dir dir,
	    struct queue_walk **out, struct error *err) MUST_USE;
/* Of log/: the same names, of messages that have a delivery log. */
int	 queue_walk_open_log(struct queue *q, struct queue_walk **out,
	    struct error *err) MUST_USE;

/* The next portion, valid until the next call; n_out 0: that was all.  What
 * comes or goes meanwhile may be in it or not.  -1: *err. */
int	 queue_walk_next(struct queue_walk *w,
	    const char (**ids_out)[QUEUE_ID_MAX], size_t *n_out,
	    struct error *err) MUST_USE;

/* *w may be NULL. */
void	 queue_walk_close(struct queue_walk **w);

#endif
