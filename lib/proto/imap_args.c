/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/imap_args.h"

#include "base/ascii.h"

/* Character classes, RFC 3501 9. */
enum {
	CC_ATOM = 1,		/* ATOM-CHAR */
	CC_ASTRING = 2,		/* ASTRING-CHAR: also "]" */
	CC_LIST = 4,		/* list-char: also "%" "*" "]" */
	CC_TAG = 8		/* ASTRING-CHAR except "+" */
};

const char	imap_months[12][4] = { "Jan", "Feb", "Mar", "Apr", "May",
	"Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };

/* 8-bit bytes are allowed in atoms, as all servers do: clients send UTF-8
 * mailbox names and search words unquoted.  RFC 3501 says 7 bits. */
static unsigned
class_of(int c)
{
	if (ascii_is_cntrl(c) || c == ' ' || strchr("(){\"\\", c) != NULL)
		return 0;
	if (c == '%' || c == '*')
		return CC_LIST;
	if (c == ']')
		return CC_ASTRING | CC_LIST | CC_TAG;
	if (c == '+')
		return CC_ATOM | CC_ASTRING | CC_LIST;
	return CC_ATOM | CC_ASTRING | CC_LIST | CC_TAG;
}

void
imap_in_init(struct imap_in *in, struct slice text, struct arena *mem)
{
	*in = (struct imap_in){ .rest = text, .mem = mem };
}

bool
imap_bad(struct imap_in *in, const char *error)
{
	if (in->error == NULL)
		in->error = error;
	return false;
}

bool
imap_at(const struct imap_in *in, int c)
{
	return in->rest.len > 0 && in->rest.p[0] == c;
}

bool
imap_try(struct imap_in *in, int c)
{
	if (!imap_at(in, c))
		return false;
	in->rest = slice_from(in->rest, 1);
	return true;
}

bool
imap_take_char(struct imap_in *in, int c)
{
	if (imap_try(in, c))
		return true;
	switch (c) {
	case ' ':
		return imap_bad(in, "Missing space or argument");
	case '(':
		return imap_bad(in, "Missing '('");
	case ')':
		return imap_bad(in, "Missing ')'");
	}
	return imap_bad(in, "Syntax error in arguments");
}

bool
imap_take_space(struct imap_in *in)
{
	return imap_take_char(in, ' ');
}

bool
imap_take_end(struct imap_in *in)
{
	/* Some clients leave a space at the end of the line. */
	while (imap_try(in, ' '))
		;
	if (in->rest.len > 0)
		return imap_bad(in, "Unexpected arguments");
	return true;
}

static bool
take_class(struct imap_in *in, unsigned class, struct slice *out)
{
	size_t	 n = 0;

	while (n < in->rest.len && (class_of(in->rest.p[n]) & class) != 0)
		n++;
	*out = slice_first(in->rest, n);
	in->rest = slice_from(in->rest, n);
	return n > 0;
}

bool
imap_take_tag(struct imap_in *in, struct slice *out)
{
	if (!take_class(in, CC_TAG, out))
		return imap_bad(in, "Missing tag");
	return true;
}

bool
imap_take_atom(struct imap_in *in, struct slice *out)
{
	if (!take_class(in, CC_ATOM, out))
		return imap_bad(in, "Missing argument");
	return true;
}

/* quoted = DQUOTE *QUOTED-CHAR DQUOTE */
static bool
take_quoted(struct imap_in *in, struct slice *out)
{
	struct slice	 t = slice_from(in->rest, 1);
	unsigned char	*copy = NULL;
	size_t		 n = 0, i;

	for (i = 0; i < t.len && t.p[i] != '"'; i++) {
		int	 c = t.p[i];

		if (c == '\r' || c == '\n' || c == '\0')
			return imap_bad(in, "Bad character in quoted string");
		if (c == '\\') {
			if (copy == NULL) {
				copy = arena_alloc(in->mem, t.len);
				memcpy(copy, t.p, n);
			}
			if (++i == t.len || (t.p[i] != '"' && t.p[i] != '\\'))
				return imap_bad(in,
				    "Bad escape in quoted string");
			c = t.p[i];
		}
		if (copy != NULL)
			copy[n] = (unsigned char)c;
		n++;
	}
	if (i == t.len)
		return imap_bad(in, "Missing '\"'");
	*out = slice_of(copy != NULL ? copy : t.p, n);
	in->rest = slice_from(t, i + 1);
	return true;
}

/* literal = "{" number "}" CRLF *CHAR8, as imap_frame wrote it. */
static bool
take_literal(struct imap_in *in, struct slice *out)
{
	struct slice	 t = slice_from(in->rest, 1), digits;
	uint64_t	 n;

	if (!slice_cut(&t, '}', &digits) ||
	    !slice_u64(digits, SIZE_MAX / 2, &n) || t.len < 2 ||
	    t.p[0] != '\r' || t.p[1] != '\n' || t.len - 2 < n)
		return imap_bad(in, "Invalid literal");
	*out = slice_first(slice_from(t, 2), (size_t)n);
	in->rest = slice_from(t, 2 + (size_t)n);
	return true;
}

bool
imap_take_string(struct imap_in *in, struct slice *out)
{
	if (imap_at(in, '"'))
		return take_quoted(in, out);
	if (imap_at(in, '{'))
		return take_literal(in, out);
	return imap_bad(in, "Missing string");
}

bool
imap_take_astring(struct imap_in *in, struct slice *out)
{
	if (imap_at(in, '"') || imap_at(in, '{'))
		return imap_take_string(in, out);
	if (!take_class(in, CC_ASTRING, out))
		return imap_bad(in, "Missing argument");
	return true;
}

bool
imap_take_nstring(struct imap_in *in, struct slice *out, bool *nil_out)
{
	*nil_out = imap_try_word(in, "NIL");
	if (*nil_out) {
		*out = slice_of(NULL, 0);
		return true;
	}
	return imap_take_string(in, out);
}

bool
imap_take_pattern(struct imap_in *in, struct slice *out)
{
	if (imap_at(in, '"') || imap_at(in, '{'))
		return imap_take_string(in, out);
	if (!take_class(in, CC_LIST, out))
		return imap_bad(in, "Missing mailbox pattern");
	return true;
}

static bool
take_digits(struct imap_in *in, uint64_t max, uint64_t *out)
{
	size_t	 n = 0;

	while (n < in->rest.len && ascii_is_digit(in->rest.p[n]))
		n++;
	if (n == 0)
		return imap_bad(in, "Missing number");
	if (!slice_u64(slice_first(in->rest, n), max, out))
		return imap_bad(in, "Number too large");
	in->rest = slice_from(in->rest, n);
	return true;
}

bool
imap_take_number(struct imap_in *in, uint32_t *out)
{
	uint64_t	 n;

	if (!take_digits(in, UINT32_MAX, &n))
		return false;
	*out = (uint32_t)n;
	return true;
}

bool
imap_take_nz(struct imap_in *in, uint32_t *out)
{
	if (!imap_take_number(in, out))
		return false;
	if (*out == 0)
		return imap_bad(in, "Number must not be zero");
	return true;
}

bool
imap_take_number64(struct imap_in *in, uint64_t *out)
{
	return take_digits(in, INT64_MAX, out);
}

static size_t
word_len(struct slice s)
{
	size_t	 n = 0;

	while (n < s.len && (ascii_is_alnum(s.p[n]) || s.p[n] == '-' ||
	    s.p[n] == '.' || s.p[n] == '='))
		n++;
	return n;
}

bool
imap_take_word(struct imap_in *in, struct slice *out)
{
	size_t	 n = word_len(in->rest);

	if (n == 0)
		return imap_bad(in, "Missing keyword");
	*out = slice_first(in->rest, n);
	in->rest = slice_from(in->rest, n);
	return true;
}

bool
imap_try_word(struct imap_in *in, const char *word)
{
	size_t	 n = word_len(in->rest);

	if (!slice_iis(slice_first(in->rest, n), word))
		return false;
	in->rest = slice_from(in->rest, n);
	return true;
}

unsigned
imap_flag_bit(struct slice s)
{
	static const struct {
		const char	*name;
		unsigned	 bit;
	}	 flags[] = {
		{ "\\Answered", IMAP_ANSWERED },
		{ "\\Flagged", IMAP_FLAGGED },
		{ "\\Deleted", IMAP_DELETED },
		{ "\\Seen", IMAP_SEEN },
		{ "\\Draft", IMAP_DRAFT },
	};

	for (size_t i = 0; i < COUNT(flags); i++)
		if (slice_iis(s, flags[i].name))
			return flags[i].bit;
	return 0;
}

bool
imap_keyword_ok(struct slice s)
{
	if (s.len == 0 || s.len > IMAP_KEYWORD_LEN)
		return false;
	for (size_t i = 0; i < s.len; i++)
		if (s.p[i] > 126 || (class_of(s.p[i]) & CC_ATOM) == 0)
			return false;
	return true;
}

/* flag = "\Answered" / ... / flag-keyword */
static bool
take_flag(struct imap_in *in, struct imap_flags *out)
{
	struct slice	 all = in->rest, s;
	unsigned	 bit;

	if (imap_try(in, '\\')) {
		if (!take_class(in, CC_ATOM, &s))
			return imap_bad(in, "Invalid flag");
		bit = imap_flag_bit(slice_first(all, s.len + 1));
		if (bit == 0)
			return imap_bad(in, "Unknown system flag");
		out->system |= bit;
		return true;
	}
	if (!take_class(in, CC_ASTRING, &s))
		return imap_bad(in, "Missing flag");
	for (size_t i = 0; i < out->nkeywords; i++)
		if (slice_ieq(out->keywords[i], s))
			return true;
	if (!imap_keyword_ok(s))
		return imap_bad(in, "Invalid keyword");
	if (out->nkeywords == IMAP_KEYWORDS_MAX)
		return imap_bad(in, "Too many keywords");
	if (out->keywords == NULL)
		out->keywords = arena_array(in->mem, IMAP_KEYWORDS_MAX,
		    sizeof(*out->keywords));
	out->keywords[out->nkeywords++] = s;
	return true;
}

bool
imap_take_flags(struct imap_in *in, bool bare, struct imap_flags *out)
{
	bool	 list;

	*out = (struct imap_flags){ 0 };
	list = imap_try(in, '(');
	if (!list && !bare)
		return imap_take_char(in, '(');
	if (list && imap_try(in, ')'))
		return true;
	do {
		if (!take_flag(in, out))
			return false;
	} while (imap_try(in, ' '));
	return !list || imap_take_char(in, ')');
}

int64_t
imap_days(int year, int month, int day)
{
	int64_t	 y = month <= 2 ? (int64_t)year - 1 : year;
	int64_t	 era = (y >= 0 ? y : y - 399) / 400;
	int64_t	 yoe = y - era * 400;
	int64_t	 doy = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
	int64_t	 doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;

	/* Howard Hinnant's days_from_civil, March-based years. */
	return era * 146097 + doe - 719468;
}

void
imap_civil(int64_t days, int *year, int *month, int *day)
{
	int64_t	 z = days + 719468;
	int64_t	 era = (z >= 0 ? z : z - 146096) / 146097;
	int64_t	 doe = z - era * 146097;
	int64_t	 yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	int64_t	 doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	int64_t	 mp = (5 * doy + 2) / 153;

	*day = (int)(doy - (153 * mp + 2) / 5 + 1);
	*month = (int)(mp < 10 ? mp + 3 : mp - 9);
	*year = (int)(yoe + era * 400 + (*month <= 2 ? 1 : 0));
}

static bool
take_fixed(struct imap_in *in, size_t digits, int *out)
{
	uint64_t	 n;

	if (in->rest.len < digits ||
	    !slice_u64(slice_first(in->rest, digits), 9999, &n))
		return imap_bad(in, "Invalid date");
	*out = (int)n;
	in->rest = slice_from(in->rest, digits);
	return true;
}

/* "-" date-month "-" date-year, behind the day */
static bool
take_month_year(struct imap_in *in, int day, int64_t *days_out)
{
	int	 month = 0, year, y, m, d;

	if (!imap_try(in, '-') || in->rest.len < 4)
		return imap_bad(in, "Invalid date");
	while (month < 12 && !slice_iis(slice_first(in->rest, 3),
	    imap_months[month]))
		month++;
	in->rest = slice_from(in->rest, 3);
	if (month == 12 || !imap_try(in, '-'))
		return imap_bad(in, "Invalid date");
	if (!take_fixed(in, 4, &year))
		return false;
	*days_out = imap_days(year, month + 1, day);
	imap_civil(*days_out, &y, &m, &d);
	if (day < 1 || m != month + 1)
		return imap_bad(in, "No such day");
	return true;
}

bool
imap_take_date(struct imap_in *in, int64_t *days_out)
{
	bool	 quoted = imap_try(in, '"');
	size_t	 digits = in->rest.len > 1 && ascii_is_digit(in->rest.p[1]) ?
	    2 : 1;
	int	 day;

	return take_fixed(in, digits, &day) &&
	    take_month_year(in, day, days_out) &&
	    (!quoted || imap_take_char(in, '"'));
}

/* time SP zone */
static bool
take_time_zone(struct imap_in *in, int64_t *secs_out)
{
	int	 hour, min, sec, zone, sign;

	if (!take_fixed(in, 2, &hour) || !imap_take_char(in, ':') ||
	    !take_fixed(in, 2, &min) || !imap_take_char(in, ':') ||
	    !take_fixed(in, 2, &sec) || !imap_take_space(in))
		return false;
	sign = imap_try(in, '-') ? -1 : 1;
	if (sign > 0 && !imap_take_char(in, '+'))
		return false;
	if (!take_fixed(in, 4, &zone))
		return false;
	if (hour > 23 || min > 59 || sec > 60 || zone % 100 > 59)
		return imap_bad(in, "Invalid time");
	*secs_out = hour * 3600 + min * 60 + sec -
	    sign * (zone / 100 * 3600 + zone % 100 * 60);
	return true;
}

bool
imap_take_date_time(struct imap_in *in, int64_t *secs_out)
{
	int64_t	 days, secs;
	int	 day;

	if (!imap_take_char(in, '"'))
		return false;
	/* date-day-fixed = (SP DIGIT) / 2DIGIT */
	if (!take_fixed(in, imap_try(in, ' ') ? 1 : 2, &day) ||
	    !take_month_year(in, day, &days) || !imap_take_space(in) ||
	    !take_time_zone(in, &secs) || !imap_take_char(in, '"'))
		return false;
	*secs_out = days * 86400 + secs;
	return true;
}
