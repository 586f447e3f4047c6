/* SPDX-License-Identifier: Apache-2.0 */
/* How long a stream waits: for any progress, and at the most. */
#include "net/stream_int.h"
#include "sys/clock.h"
#include "sys/loop.h"

static void	 arm_timer(struct stream *s);

static void
on_timer(void *arg)
{
	struct stream	*s = arg;
	usec_t		 now = clock_mono();

	s->armed_mono = 0;
	if (s->deadline_mono != 0 && now >= s->deadline_mono) {
		s->deadline_mono = 0;
		s->due |= DUE_TIMEOUT;
	} else if (s->idle_after > 0 && now >= s->idle_mono + s->idle_after) {
		s->idle_after = 0;
		s->due |= DUE_TIMEOUT;
	}
	arm_timer(s);
	if ((s->due & DUE_TIMEOUT) != 0)
		stream_pump(s, 0);
}

/* Neither arrivals nor later limits touch the timer: when it fires too early it
 * is set again. */
static void
arm_timer(struct stream *s)
{
	usec_t	at = s->deadline_mono, idle = s->idle_mono + s->idle_after;

	if (s->idle_after > 0 && (at == 0 || idle < at))
		at = idle;
	if (at == 0 || (s->armed_mono != 0 && s->armed_mono <= at))
		return;
	if (s->timer == NULL)
		s->timer = loop_timer_new(s->loop, on_timer, s);
	s->armed_mono = at;
	loop_timer_set(s->timer, at - clock_mono());
}

void
stream_moved(struct stream *s)
{
	if (s->idle_after > 0)
		s->idle_mono = loop_now(s->loop);
}

void
stream_timeout(struct stream *s, usec_t after)
{
	s->idle_after = after;
	s->idle_mono = clock_mono();
	s->due &= ~(unsigned int)DUE_TIMEOUT;
	arm_timer(s);
}

void
stream_deadline(struct stream *s, usec_t after)
{
	s->deadline_mono = after > 0 ? loop_now(s->loop) + after : 0;
	s->due &= ~(unsigned int)DUE_TIMEOUT;
	arm_timer(s);
}
