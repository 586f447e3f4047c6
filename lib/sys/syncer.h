/* SPDX-License-Identifier: Apache-2.0 */
/* syncer.h - a small pool of threads for calls that block: fsync above all.
 * work runs in a thread and must touch nothing but *arg; done runs in the
 * loop afterwards.  Threads start with the first job. */
#ifndef SYS_SYNCER_H
#define SYS_SYNCER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"
#include "base/list.h"

struct loop;
struct syncer;

/* At most nthreads (1..64) at a time; further jobs queue in order. */
struct syncer	*syncer_new(struct loop *l, int nthreads) MUST_USE;

/* Waits for the jobs that run; done of all finished jobs is called. */
void	 syncer_free(struct syncer **s);

void	 syncer_run(struct syncer *s, void (*work)(void *arg),
	    void (*done)(void *arg), void *arg);

/* Jobs of a line run one after another, in the order in which they were
 * given.  It lives until its last job is done; its members are syncer.c's. */
struct syncer_line {
	struct list	 waiting;
	bool		 busy;
};

void	 syncer_line_init(struct syncer_line *line);
void	 syncer_run_in(struct syncer *s, struct syncer_line *line,
	    void (*work)(void *arg), void (*done)(void *arg), void *arg);

/* Threads begin with what was given so far; otherwise when the loop's turn is
 * over. */
void	 syncer_begin(struct syncer *s);

struct loop	*syncer_loop(const struct syncer *s);

/* Jobs given and not yet done. */
size_t	 syncer_pending(const struct syncer *s);

#endif
