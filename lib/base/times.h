/* SPDX-License-Identifier: Apache-2.0 */
/* times.h - the time type: microseconds in 64 bits.
 * A name says which clock: ..._mono (never jumps, for waits and rates) or
 * ..._wall (since 1970, for headers, logs, names and expiry). */
#ifndef BASE_TIMES_H
#define BASE_TIMES_H

#include <stdint.h>

typedef int64_t usec_t;

#define USEC_PER_MSEC	((usec_t)1000)
#define USEC_PER_SEC	((usec_t)1000000)
#define SECS(n)		((usec_t)(n) * USEC_PER_SEC)
#define MSECS(n)	((usec_t)(n) * USEC_PER_MSEC)

#endif
