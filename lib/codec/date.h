/* SPDX-License-Identifier: Apache-2.0 */
/* date.h - dates as mail and IMAP write them.
 * Parsers clamp nothing: what does not parse, or is out of range, is false. */
#ifndef CODEC_DATE_H
#define CODEC_DATE_H

#include <stdbool.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/slice.h"
#include "base/times.h"

/* A calendar date and time of day; zone is minutes east of UTC. */
struct date {
	int	 year;			/* 1..9999 */
	int	 month, day;		/* 1.. */
	int	 hour, minute, second;
	int	 weekday;		/* 0: Sunday; filled by date_of() */
	int	 zone;
};

/* Split a wall time as seen in a zone / put it together again. */
void	 date_of(usec_t wall, int zone, struct date *out);
usec_t	 date_to_wall(const struct date *d);

/* Zone of the local time of this machine at that moment (minutes east). */
int	 date_local_zone(usec_t wall);

/* "Mon, 02 Jan 2006 15:04:05 +0000" (RFC 5322 3.3). */
void	 date_put_rfc5322(struct buf *out, usec_t wall, int zone);

/* The same with the forms people send: comments, two digit years, named
 * zones, missing weekday or seconds.  d_out may be NULL. */
bool	 date_get_rfc5322(struct slice s, usec_t *wall_out,
	    struct date *d_out) MUST_USE;

/* "02-Jan-2006 15:04:05 +0000", day filled with a space (RFC 3501
 * date-time), without the quotes. */
void	 date_put_imap(struct buf *out, usec_t wall, int zone);
bool	 date_get_imap(struct slice s, usec_t *wall_out, int *zone_out)
	    MUST_USE;

/* "2-Jan-2006" of SEARCH: midnight of that day as a zone-less UTC time. */
bool	 date_get_imap_day(struct slice s, usec_t *wall_out) MUST_USE;

/* How long something took, as Postfix's log has it: seconds in at most two
 * digits and two places ("0.58", "1.3", "30", "0").  Below 0: 0. */
void	 date_put_delay(struct buf *out, usec_t t);

#endif
