/* SPDX-License-Identifier: Apache-2.0 */
/* clock.h - the two clocks (see base/times.h). */
#ifndef SYS_CLOCK_H
#define SYS_CLOCK_H

#include "base/times.h"

/* CLOCK_BOOTTIME: never jumps, counts while the machine sleeps. */
usec_t	 clock_mono(void);

/* CLOCK_REALTIME since 1970. */
usec_t	 clock_wall(void);

#endif
