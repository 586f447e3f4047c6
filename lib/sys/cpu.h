/* SPDX-License-Identifier: Apache-2.0 */
/* cpu.h - the machine's processors: how much of them is idle (proc(5),
 * /proc/stat), and how we share them. */
#ifndef SYS_CPU_H
#define SYS_CPU_H

#include <stdint.h>

#include "base/slice.h"
#include "base/times.h"

/* This process does not interrupt others when it wakes up: what it does is
 * better done for several messages at once (sched(7), SCHED_BATCH). */
void	 cpu_batch(void);

/* Zeroed: nothing is known. */
struct cpu_watch {
	usec_t		 asked_mono;
	uint64_t	 idle, all;	/* ticks, of all processors, since boot */
	double		 found;
};

/* Processors that were idle since the last call, or in the second before it:
 * a look after less than half a second answers as the last one.  0 if nothing is
 * known, or if the last look is older than three seconds: it may have been idle
 * then. */
double	 cpu_idle(struct cpu_watch *w);

/* The same from the text of /proc/stat at a time, with this many processors. */
double	 cpu_idle_of(struct cpu_watch *w, struct slice stat, usec_t now_mono,
	    unsigned int processors);

#endif
