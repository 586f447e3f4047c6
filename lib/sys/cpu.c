/* SPDX-License-Identifier: Apache-2.0 */
#include "sys/cpu.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/error.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "sys/log.h"

#define STAT_MAX	((size_t)1 << 20)	/* a line per processor and more */
#define TOO_SOON	MSECS(500)
#define TOO_OLD		SECS(3)

/* "cpu user nice system idle iowait irq softirq steal guest guest_nice": guests
 * are part of user and nice; what the host took away (steal) was not idle. */
static bool
take_ticks(struct slice stat, uint64_t *idle_out, uint64_t *all_out)
{
	struct slice	word;
	uint64_t	v;

	if (!slice_word(&stat, " ", &word) || !slice_is(word, "cpu"))
		return false;
	*idle_out = *all_out = 0;
	for (int i = 0; i < 8; i++) {
		if (!slice_word(&stat, " \n", &word) ||
		    !slice_u64(word, UINT64_MAX / 16, &v))
			return false;
		*all_out += v;
		if (i == 3 || i == 4)
			*idle_out += v;
	}
	return true;
}

double
cpu_idle_of(struct cpu_watch *w, struct slice stat, usec_t now,
    unsigned int processors)
{
	usec_t		since = now - w->asked_mono;
	uint64_t	idle, all, was_idle = w->idle, was_all = w->all;

	if (w->asked_mono != 0 && since < TOO_SOON)
		return w->found;
	w->found = 0;
	if (!take_ticks(stat, &idle, &all)) {
		w->asked_mono = 0;
		return 0;
	}
	if (w->asked_mono != 0 && since <= TOO_OLD && all > was_all &&
	    idle >= was_idle)
		w->found = (double)(idle - was_idle) /
		    (double)(all - was_all) * processors;
	w->asked_mono = now;
	w->idle = idle;
	w->all = all;
	return w->found;
}

double
cpu_idle(struct cpu_watch *w)
{
	long		n = sysconf(_SC_NPROCESSORS_ONLN);
	struct buf	b;
	double		found;

	buf_init(&b, STAT_MAX);
	if (file_read_all(AT_FDCWD, "/proc/stat", &b, NULL) < 0)
		buf_reset(&b);
	found = cpu_idle_of(w, buf_slice(&b), clock_mono(),
	    n > 0 ? (unsigned int)n : 1);
	buf_clear(&b);
	return found;
}

void
cpu_batch(void)
{
	struct sched_param	p = { .sched_priority = 0 };

	if (sched_setscheduler(0, SCHED_BATCH, &p) < 0)
		log_warn("sched_setscheduler: %s", strerror(errno));
}
