/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <time.h>

#include "base/fmt.h"
#include "codec/date.h"
#include "intake/intake_int.h"

static void
name_zone(struct intake_second *s)
{
	time_t		t = (time_t)s->second;
	struct tm	tm;

	s->zone[0] = '\0';
	if (localtime_r(&t, &tm) != NULL && tm.tm_zone != NULL)
		(void)fmt_print(s->zone, sizeof(s->zone), "%s", tm.tm_zone);
}

const struct intake_second *
intake_second(struct intake *in, usec_t wall)
{
	struct intake_second	*s = &in->now;
	struct date		 d;
	struct buf		 text;

	if (s->date[0] != '\0' && s->second == wall / USEC_PER_SEC)
		return s;
	s->second = wall / USEC_PER_SEC;
	buf_init(&text, sizeof(s->date) - 1);
	date_put_rfc5322(&text, wall, date_local_zone(wall));
	(void)fmt_print(s->date, sizeof(s->date), "%s", buf_cstr(&text));
	buf_clear(&text);
	name_zone(s);
	date_of(wall, 0, &d);
	(void)snprintf(s->digits, sizeof(s->digits),
	    "%04d%02d%02d%02d%02d%02d", d.year, d.month, d.day, d.hour,
	    d.minute, d.second);
	return s;
}
