/* SPDX-License-Identifier: Apache-2.0 */
#include "sys/clock.h"

#include <time.h>

#include "base/panic.h"

static usec_t
now(clockid_t id)
{
	struct timespec	ts;

	if (clock_gettime(id, &ts) != 0)
		panic("clock_gettime(%d)", (int)id);
	return SECS(ts.tv_sec) + ts.tv_nsec / 1000;
}

usec_t
clock_mono(void)
{
	return now(CLOCK_BOOTTIME);
}

usec_t
clock_wall(void)
{
	return now(CLOCK_REALTIME);
}
