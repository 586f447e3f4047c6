/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/date.h"

#include <string.h>
#include <time.h>

#include "base/ascii.h"

static const char	months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
static const char	weekdays[] = "SunMonTueWedThuFriSat";

/* Days since 1970-01-01 of a Gregorian date, by counting from March so that
 * the leap day is the last of its year. */
static int64_t
days_of(int year, int month, int day)
{
	int64_t	y = year - (month <= 2), era, yoe, doy;

	era = (y >= 0 ? y : y - 399) / 400;
	yoe = y - era * 400;
	doy = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
	return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static void
of_days(int64_t days, struct date *d)
{
	int64_t	era, doe, yoe, doy, mp;

	days += 719468;
	era = (days >= 0 ? days : days - 146096) / 146097;
	doe = days - era * 146097;
	yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	mp = (5 * doy + 2) / 153;
	d->day = (int)(doy - (153 * mp + 2) / 5 + 1);
	d->month = (int)(mp < 10 ? mp + 3 : mp - 9);
	d->year = (int)(yoe + era * 400 + (d->month <= 2));
}

#define MIN_SECS	INT64_C(-62135596800)	/* year 1 */
#define MAX_SECS	INT64_C(253402300799)	/* end of year 9999 */

void
date_of(usec_t wall, int zone, struct date *out)
{
	int64_t	secs = wall / USEC_PER_SEC - (wall % USEC_PER_SEC < 0);
	int64_t	days, rest;

	secs += (int64_t)zone * 60;
	if (secs < MIN_SECS)
		secs = MIN_SECS;
	if (secs > MAX_SECS)
		secs = MAX_SECS;
	days = secs / 86400 - (secs % 86400 < 0);
	rest = secs - days * 86400;
	of_days(days, out);
	out->hour = (int)(rest / 3600);
	out->minute = (int)(rest / 60 % 60);
	out->second = (int)(rest % 60);
	out->weekday = (int)(((days + 4) % 7 + 7) % 7);
	out->zone = zone;
}

usec_t
date_to_wall(const struct date *d)
{
	int64_t	secs = days_of(d->year, d->month, d->day) * 86400 +
	    d->hour * 3600 + d->minute * 60 + d->second -
	    (int64_t)d->zone * 60;

	return secs * USEC_PER_SEC;
}

int
date_local_zone(usec_t wall)
{
	time_t		t = (time_t)(wall / USEC_PER_SEC);
	struct tm	tm;

	return localtime_r(&t, &tm) == NULL ? 0 : (int)(tm.tm_gmtoff / 60);
}

/* Each message has one date or two: by hand, which is ten times as fast as
 * printf(). */
static void
put_digits(struct buf *out, int value, int n)
{
	char	text[8];

	for (int i = n; i-- > 0; value /= 10)
		text[i] = (char)('0' + value % 10);
	buf_add(out, text, (size_t)n);
}

static void
put_zone(struct buf *out, int zone)
{
	int	abs = zone < 0 ? -zone : zone;

	buf_addc(out, zone < 0 ? '-' : '+');
	put_digits(out, abs / 60, 2);
	put_digits(out, abs % 60, 2);
}

void
date_put_rfc5322(struct buf *out, usec_t wall, int zone)
{
	struct date	d;

	date_of(wall, zone, &d);
	buf_add(out, weekdays + 3 * d.weekday, 3);
	buf_adds(out, ", ");
	put_digits(out, d.day, 2);
	buf_addc(out, ' ');
	buf_add(out, months + 3 * (d.month - 1), 3);
	buf_addc(out, ' ');
	put_digits(out, d.year, 4);
	buf_addc(out, ' ');
	put_digits(out, d.hour, 2);
	buf_addc(out, ':');
	put_digits(out, d.minute, 2);
	buf_addc(out, ':');
	put_digits(out, d.second, 2);
	buf_addc(out, ' ');
	put_zone(out, zone);
}

void
date_put_imap(struct buf *out, usec_t wall, int zone)
{
	struct date	d;

	date_of(wall, zone, &d);
	buf_addf(out, "%2d-%.3s-%04d %02d:%02d:%02d ", d.day,
	    months + 3 * (d.month - 1), d.year, d.hour, d.minute, d.second);
	put_zone(out, zone);
}

/* 1..12, 0: none. */
static int
month_of(struct slice s)
{
	if (s.len < 3)
		return 0;
	for (int i = 0; i < 12; i++)
		if (slice_ieq(slice_first(s, 3), slice_of(months + 3 * i, 3)))
			return i + 1;
	return 0;
}

static int
month_days(int year, int month)
{
	static const char	days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30,
		    31, 30, 31 };

	if (month == 2 && year % 4 == 0 && (year % 100 != 0 || year % 400 == 0))
		return 29;
	return days[month - 1];
}

static bool
in_range(struct date *d)
{
	if (d->year < 1 || d->year > 9999 || d->month < 1 || d->month > 12 ||
	    d->day < 1 || d->day > month_days(d->year, d->month) ||
	    d->hour < 0 || d->hour > 23 || d->minute < 0 || d->minute > 59 ||
	    d->second < 0 || d->second > 60 || d->zone < -1439 ||
	    d->zone > 1439)
		return false;
	if (d->second == 60)
		d->second = 59;		/* leap second */
	return true;
}

/* min..max digits off the front; -1: not there. */
static int
digits(struct slice *s, size_t min, size_t max)
{
	size_t	n = 0;
	int	v = 0;

	while (n < s->len && n < max && ascii_is_digit(s->p[n]))
		v = v * 10 + s->p[n++] - '0';
	if (n < min || (n < s->len && ascii_is_digit(s->p[n])))
		return -1;
	*s = slice_from(*s, n);
	return v;
}

static bool
take_char(struct slice *s, int c)
{
	if (s->len == 0 || s->p[0] != c)
		return false;
	*s = slice_from(*s, 1);
	return true;
}

/* Blanks, folds and comments. */
static void
skip_cfws(struct slice *s)
{
	unsigned int	depth = 0;

	for (; s->len > 0; *s = slice_from(*s, 1)) {
		int	c = s->p[0];

		if (c == '(')
			depth++;
		else if (depth > 0 && c == ')')
			depth--;
		else if (depth > 0 && c == '\\' && s->len > 1)
			*s = slice_from(*s, 1);
		else if (depth == 0 && c != ' ' && c != '\t' && c != '\r' &&
		    c != '\n')
			return;
	}
}

static struct slice
take_alpha(struct slice *s)
{
	size_t		n = 0;
	struct slice	word;

	while (n < s->len && ascii_is_alpha(s->p[n]))
		n++;
	word = slice_first(*s, n);
	*s = slice_from(*s, n);
	return word;
}

/* "+hhmm", "-hhmm" */
static bool
take_zone(struct slice *s, int *out)
{
	int	sign = take_char(s, '-') ? -1 : take_char(s, '+') ? 1 : 0, v;

	if (sign == 0 || (v = digits(s, 4, 4)) < 0 || v % 100 > 59)
		return false;
	*out = sign * (v / 100 * 60 + v % 100);
	return true;
}

/* RFC 5322 4.3: names; what is not known means UTC. */
static int
named_zone(struct slice name)
{
	static const struct { const char *name; int hours; } zones[] = {
		{ "EDT", -4 }, { "EST", -5 }, { "CDT", -5 }, { "CST", -6 },
		{ "MDT", -6 }, { "MST", -7 }, { "PDT", -7 }, { "PST", -8 },
		{ "CET", 1 }, { "CEST", 2 }, { "MET", 1 }, { "JST", 9 },
	};

	for (size_t i = 0; i < COUNT(zones); i++)
		if (slice_iis(name, zones[i].name))
			return zones[i].hours * 60;
	return 0;
}

static bool
take_time(struct slice *s, struct date *d)
{
	if ((d->hour = digits(s, 1, 2)) < 0)
		return false;
	skip_cfws(s);
	if (!take_char(s, ':'))
		return false;
	skip_cfws(s);
	if ((d->minute = digits(s, 1, 2)) < 0)
		return false;
	skip_cfws(s);
	if (!take_char(s, ':'))
		return true;
	skip_cfws(s);
	return (d->second = digits(s, 1, 2)) >= 0;
}

static bool
take_year(struct slice *s, struct date *d)
{
	size_t	before = s->len;

	if ((d->year = digits(s, 2, 4)) < 0)
		return false;
	/* RFC 5322 4.3 */
	if (before - s->len == 2)
		d->year += d->year < 50 ? 2000 : 1900;
	else if (before - s->len == 3)
		d->year += 1900;
	return true;
}

/* date-time = [ day-of-week "," ] day month year hour ":" minute
 *	[ ":" second ] zone */
bool
date_get_rfc5322(struct slice s, usec_t *wall_out, struct date *d_out)
{
	struct date	d = { 0 };

	skip_cfws(&s);
	if (take_alpha(&s).len > 0) {
		skip_cfws(&s);
		(void)take_char(&s, ',');
		skip_cfws(&s);
	}
	if ((d.day = digits(&s, 1, 2)) < 0)
		return false;
	skip_cfws(&s);
	(void)take_char(&s, '-');
	d.month = month_of(take_alpha(&s));
	(void)take_char(&s, '-');
	skip_cfws(&s);
	if (!take_year(&s, &d))
		return false;
	skip_cfws(&s);
	if (!take_time(&s, &d))
		return false;
	skip_cfws(&s);
	if (!take_zone(&s, &d.zone))
		d.zone = named_zone(take_alpha(&s));
	if (!in_range(&d))
		return false;
	*wall_out = date_to_wall(&d);
	if (d_out != NULL)
		*d_out = d;
	return true;
}

/* date = day "-" month "-" year */
static bool
take_imap_day(struct slice *s, struct date *d)
{
	struct slice	month;

	if ((d->day = digits(s, 1, 2)) < 0 || !take_char(s, '-'))
		return false;
	month = take_alpha(s);
	if (month.len != 3 || (d->month = month_of(month)) == 0)
		return false;
	return take_char(s, '-') && (d->year = digits(s, 4, 4)) >= 0;
}

bool
date_get_imap(struct slice s, usec_t *wall_out, int *zone_out)
{
	struct date	d = { 0 };

	(void)take_char(&s, ' ');
	if (!take_imap_day(&s, &d) || !take_char(&s, ' ') ||
	    (d.hour = digits(&s, 2, 2)) < 0 || !take_char(&s, ':') ||
	    (d.minute = digits(&s, 2, 2)) < 0 || !take_char(&s, ':') ||
	    (d.second = digits(&s, 2, 2)) < 0 || !take_char(&s, ' ') ||
	    !take_zone(&s, &d.zone) || s.len > 0 || !in_range(&d))
		return false;
	*wall_out = date_to_wall(&d);
	*zone_out = d.zone;
	return true;
}

bool
date_get_imap_day(struct slice s, usec_t *wall_out)
{
	struct date	d = { 0 };

	if (!take_imap_day(&s, &d) || s.len > 0 || !in_range(&d))
		return false;
	*wall_out = date_to_wall(&d);
	return true;
}

void
date_put_delay(struct buf *b, usec_t t)
{
	usec_t	hundredths = t > 0 ? (t + 5000) / 10000 : 0;
	char	text[] = { '.', '0', '0' };
	size_t	n = 3;

	if (hundredths >= 1000) {
		buf_addf(b, "%lld", (long long)((hundredths + 50) / 100));
		return;
	}
	if (hundredths >= 100) {
		hundredths = (t + 50000) / 100000 * 10;
		if (hundredths == 1000) {
			buf_adds(b, "10");
			return;
		}
	}
	buf_addc(b, '0' + (int)(hundredths / 100));
	text[1] = (char)('0' + hundredths / 10 % 10);
	text[2] = (char)('0' + hundredths % 10);
	while (n > 1 && text[n - 1] == '0')
		n--;
	if (n > 1)
		buf_add(b, text, n);
}
