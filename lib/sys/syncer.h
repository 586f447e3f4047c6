/* SPDX-License-Identifier: Apache-2.0 */
/* syncer.h - a small pool of threads for calls that block: fsync above all.
 * work runs in a thread and must touch nothing but *arg; done runs in the
 * loop afterwards.  Threads start with the first job. */
#ifndef SYS_SYNCER_H
#define SYS_SYNCER_H

#include <stddef.h>

#include "base/attr.h"

struct loop;
struct syncer;

/* At most nthreads (1..64) at a time; further jobs queue in order. */
struct syncer	*syncer_new(struct loop *l, int nthreads) MUST_USE;

/* Waits for the jobs that run; done of all finished jobs is called. */
void	 syncer_free(struct syncer **s);

void	 syncer_run(struct syncer *s, void (*work)(void *arg),
	    void (*done)(void *arg), void *arg);

/* Jobs given and not yet done. */
size_t	 syncer_pending(const struct syncer *s);

#endif
