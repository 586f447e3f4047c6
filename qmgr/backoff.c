/* SPDX-License-Identifier: Apache-2.0 */
#include "qmgr/qmgr.h"

#define CRASH_BACKOFF	SECS(1)

/* The waiting time equals the age, between the two bounds: each attempt
 * doubles it.  After the crash of an agent the message is not to blame, at
 * first. */
usec_t
backoff_time(const struct qmgr_conf *c, usec_t age, unsigned int attempts,
    bool crashed)
{
	usec_t	wait = age;

	if (wait < c->minimal_backoff)
		wait = c->minimal_backoff;
	if (wait > c->maximal_backoff)
		wait = c->maximal_backoff;
	if (crashed && attempts < 8 && CRASH_BACKOFF << attempts < wait)
		wait = CRASH_BACKOFF << attempts;
	return wait;
}
