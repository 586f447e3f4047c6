/* SPDX-License-Identifier: Apache-2.0 */
/* From text to typed values, with the checks of the parameter's row. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/ascii.h"
#include "base/panic.h"
#include "conf/conf.h"
#include "conf/conf_int.h"

static int64_t
unit_secs(int unit)
{
	switch (unit) {
	case 's':
		return 1;
	case 'm':
		return 60;
	case 'h':
		return 3600;
	case 'd':
		return 86400;
	case 'w':
		return 7 * 86400;
	}
	return 0;
}

/* Digits with an optional unit behind them -> whole seconds. */
static bool
parse_secs(struct slice s, char unit, int64_t *out)
{
	uint64_t	n;
	int64_t		per = unit_secs(unit == 0 ? 's' : unit);

	if (s.len > 0 && !ascii_is_digit(s.p[s.len - 1])) {
		per = unit_secs(ascii_lower(s.p[s.len - 1]));
		s.len--;
	}
	if (per == 0 || !slice_u64(s, INT64_MAX, &n))
		return false;
	if (n > (uint64_t)(INT64_MAX / USEC_PER_SEC / per))
		return false;
	*out = (int64_t)n * per;
	return true;
}

int
conf_parse_time(const char *text, char unit, usec_t *out)
{
	int64_t	secs;

	if (!parse_secs(slice_trim(slice_str(text)), unit, &secs))
		return -1;
	*out = SECS(secs);
	return 0;
}

static bool
parse_int(struct slice s, int64_t *out)
{
	bool		neg = s.len > 0 && s.p[0] == '-';
	uint64_t	n;

	if (neg)
		s = slice_from(s, 1);
	if (!slice_u64(s, INT64_MAX, &n))
		return false;
	*out = neg ? -(int64_t)n : (int64_t)n;
	return true;
}

static int
parse_choice(struct slice value, const struct param *row)
{
	struct slice	choices = slice_str(row->choices), word;
	int		n = 0;

	if (value.len == 0 && row->def[0] == '\0')
		return 0;
	for (; slice_word(&choices, " ", &word); n++)
		if (slice_ieq(word, value))
			return n;
	return -1;
}

/* Check a number against its row.  False: text says what was expected. */
static bool
in_range(const struct param *row, int64_t n, char *text, size_t size)
{
	int64_t	max = row->min == 0 && row->max == 0 ? INT64_MAX : row->max;

	/* "at least 1" is written .min = 1, .max = 0. */
	if (max < row->min)
		max = INT64_MAX;
	if (n >= row->min && n <= max)
		return true;
	if (max == INT64_MAX)
		snprintf(text, size, "at least %" PRId64 "%s", row->min,
		    row->type == PARAM_TIME ? "s" : "");
	else
		snprintf(text, size, "a value from %" PRId64 " to %" PRId64
		    "%s", row->min, max, row->type == PARAM_TIME ? " seconds" :
		    "");
	return false;
}

static bool
parse_bool(struct slice v, bool *out)
{
	*out = slice_iis(v, "yes");
	return *out || slice_iis(v, "no");
}

/* A number of any kind, checked. */
static int
number(const struct conf *c, const char *name, const struct param *row,
    const char *value, int64_t *out, struct error *err)
{
	struct slice	v = slice_trim(slice_str(value));
	char		text[100];

	if (row->type == PARAM_TIME ? !parse_secs(v, row->unit, out) :
	    !parse_int(v, out))
		return conf_error(c, name, value, row->type == PARAM_TIME ?
		    "a time: digits and one of s m h d w" :
		    "a whole number", err);
	if (!in_range(row, *out, text, sizeof(text)))
		return conf_error(c, name, value, text, err);
	return 0;
}

static int
fill_one(const struct conf *c, const struct param *row, const char *value,
    unsigned char *out, struct error *err)
{
	void		*at = out + row->offset;
	int64_t		 n;

	switch (row->type) {
	case PARAM_STR:
	case PARAM_RAW:
		memcpy(at, &value, sizeof(value));
		return 0;
	case PARAM_BOOL:
		if (!parse_bool(slice_trim(slice_str(value)), at))
			return conf_error(c, row->name, value, "yes or no",
			    err);
		return 0;
	case PARAM_ENUM:
		*(int *)at = parse_choice(slice_trim(slice_str(value)), row);
		if (*(int *)at < 0) {
			char	text[300];

			snprintf(text, sizeof(text), "one of: %s",
			    row->choices);
			return conf_error(c, row->name, value, text, err);
		}
		return 0;
	case PARAM_INT:
	case PARAM_SIZE:
	case PARAM_TIME:
		if (number(c, row->name, row, value, &n, err) < 0)
			return -1;
		*(int64_t *)at = row->type == PARAM_TIME ? SECS(n) : n;
		return 0;
	}
	panic("parameter %s has no type", row->name);
}

int
conf_fill(const struct conf *c, const struct param *params, size_t n,
    struct arena *a, void *out, struct error *err)
{
	for (size_t i = 0; i < n; i++) {
		const struct param	*row = &params[i];
		struct error		 why = { .sys = 0 };
		struct conf_expansion	 x = { c, a, &why, 0 };
		const struct conf_entry	*e = conf_entry_find(c, row->name);
		const char		*value = NULL;

		if (e != NULL)
			value = e->value;
		if (value == NULL)
			value = conf_computed(&x, row->name, 0);
		if (value == NULL)
			value = row->def;
		/* Values live in a, not in c: they outlast a reload. */
		if (row->type == PARAM_RAW)
			value = arena_strdup(a, value);
		else
			value = conf_expand_at(&x, value, 0);
		if (value == NULL)
			return conf_error(c, row->name, e != NULL ? e->value :
			    row->def, why.text, err);
		if (fill_one(c, row, value, out, err) < 0)
			return -1;
	}
	return 0;
}

/* The number of "<service>_<suffix>", or of fallback. */
static int
service_number(const struct conf *c, const char *service, const char *suffix,
    const char *fallback, int64_t *out, struct error *err)
{
	const struct param	*row = conf_row(c, fallback), *own;
	struct arena		*a = arena_new();
	const char		*name = arena_printf(a, "%s_%s", service,
				    suffix);
	int			 rc;

	if (row == NULL)
		panic("parameter %s is not known here", fallback);
	own = conf_row(c, name);
	if (own != NULL && own->type == row->type)
		row = own;
	else if (conf_raw(c, name) == NULL)
		name = fallback;
	rc = number(c, name, row, conf_value(c, a, name), out, err);
	arena_free(&a);
	return rc;
}

int
conf_service_int(const struct conf *c, const char *service,
    const char *suffix, const char *fallback, int64_t *out, struct error *err)
{
	return service_number(c, service, suffix, fallback, out, err);
}

int
conf_service_time(const struct conf *c, const char *service,
    const char *suffix, const char *fallback, usec_t *out, struct error *err)
{
	int64_t	secs;

	if (service_number(c, service, suffix, fallback, &secs, err) < 0)
		return -1;
	*out = SECS(secs);
	return 0;
}
