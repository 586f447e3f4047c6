/* SPDX-License-Identifier: Apache-2.0 */
/* conf.h - main.cf, parameter tables and $name expansion, with Postfix's
 * grammar and meaning.
 *
 * A parameter exists in one row of one table: its program's or library's.
 * The rows fill a const struct that is passed down; defaults, manual pages
 * and samples are generated from them. */
#ifndef CONF_CONF_H
#define CONF_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/error.h"
#include "base/slice.h"
#include "base/times.h"

struct conf;

enum param_type {
	PARAM_STR,		/* const char *; expanded */
	PARAM_RAW,		/* const char *; not expanded (smtpd_banner) */
	PARAM_BOOL,		/* bool; yes/no */
	PARAM_INT,		/* int64_t */
	PARAM_TIME,		/* usec_t; number with s m h d w */
	PARAM_SIZE,		/* int64_t, bytes */
	PARAM_ENUM		/* int: index into choices (case is ignored);
				 * empty with default "": the first one */
};

struct param {
	enum param_type	 type;
	size_t		 offset;
	const char	*name;
	const char	*def;		/* as in main.cf; may contain $name */
	const char	*doc;		/* one sentence, for the manual */
	int64_t		 min, max;	/* both 0: 0..INT64_MAX; TIME: seconds */
	char		 unit;		/* PARAM_TIME: unit of a bare number */
	const char	*choices;	/* PARAM_ENUM: "none may encrypt" */
};

#define PARAM_MEMBER(s, f, t)	(offsetof(s, f) + _Generic(((s *)0)->f, t: 0))
#define P_STR(s, f, name, def, doc) \
	{ PARAM_STR, PARAM_MEMBER(s, f, const char *), name, def, doc, \
	  0, 0, 0, NULL }
#define P_RAW(s, f, name, def, doc) \
	{ PARAM_RAW, PARAM_MEMBER(s, f, const char *), name, def, doc, \
	  0, 0, 0, NULL }
#define P_BOOL(s, f, name, def, doc) \
	{ PARAM_BOOL, PARAM_MEMBER(s, f, bool), name, def, doc, 0, 0, 0, NULL }
#define P_INT(s, f, name, def, min, max, doc) \
	{ PARAM_INT, PARAM_MEMBER(s, f, int64_t), name, def, doc, min, max, \
	  0, NULL }
#define P_SIZE(s, f, name, def, min, max, doc) \
	{ PARAM_SIZE, PARAM_MEMBER(s, f, int64_t), name, def, doc, min, max, \
	  0, NULL }
#define P_TIME(s, f, name, def, unit, min, max, doc) \
	{ PARAM_TIME, PARAM_MEMBER(s, f, usec_t), name, def, doc, min, max, \
	  unit, NULL }
#define P_ENUM(s, f, name, def, choices, doc) \
	{ PARAM_ENUM, PARAM_MEMBER(s, f, int), name, def, doc, 0, 0, 0, \
	  choices }

/* Read dir/main.cf.  -1: *err names file and line. */
int	 conf_load(const char *dir, struct conf **out, struct error *err)
	    MUST_USE;

/* The same from text, over what c has already; file is for errors only. */
int	 conf_parse(struct conf *c, struct slice text, const char *file,
	    struct error *err) MUST_USE;

/* An empty configuration: all defaults.  For tests and `postconf -d`. */
struct conf	*conf_new(void) MUST_USE;
void	 conf_free(struct conf **c);

/* Where main.cf was read from; "" for conf_new(). */
const char	*conf_dir(const struct conf *c);

/* "name=value" or "name = value", over what main.cf says (-o options). */
int	 conf_override(struct conf *c, const char *assignment,
	    struct error *err) MUST_USE;
void	 conf_set(struct conf *c, const char *name, const char *value);

/* Make a table's defaults known, so that $name finds them.  Tables of static
 * storage only.  lib/daemon does it for the program's and the common ones. */
void	 conf_know(struct conf *c, const struct param *params, size_t n);

/* The row of a name made known, or NULL. / All of them, in no order: *at from
 * 0. */
const struct param	*conf_row(const struct conf *c, const char *name);
bool	 conf_each_row(const struct conf *c, size_t *at,
	    const struct param **row_out);

/* The default as written, not expanded; computed ones (myhostname, mydomain,
 * mynetworks) as they come out on this machine.  NULL: name not known. */
const char	*conf_default(const struct conf *c, struct arena *a,
		    const char *name);

/* Fill the struct at out.  Strings live in a.  -1: *err names the file, the
 * line, the parameter, and what was expected. */
int	 conf_fill(const struct conf *c, const struct param *params, size_t n,
	    struct arena *a, void *out, struct error *err) MUST_USE;

/* The value as written (main.cf, override), NULL if only a default. */
const char	*conf_raw(const struct conf *c, const char *name);

/* The expanded value of any known or user-defined name; "" if undefined. */
const char	*conf_value(const struct conf *c, struct arena *a,
		    const char *name);

/* Expand $name, ${name}, ${name?text}, ${name:text}, ${name?{a}:{b}},
 * ${{x} == {y} ? {a} : {b}}, $(name), $$.  NULL: *err (unbalanced, or deeper
 * than 100). */
const char	*conf_expand(const struct conf *c, struct arena *a,
		    const char *text, struct error *err) MUST_USE;

/* Per-transport parameters: "<service>_<suffix>" if set, else the value of
 * `fallback` (a known name such as "default_destination_concurrency_limit").
 * Same types and checks as the fallback's row. */
int	 conf_service_int(const struct conf *c, const char *service,
	    const char *suffix, const char *fallback, int64_t *out,
	    struct error *err) MUST_USE;
int	 conf_service_time(const struct conf *c, const char *service,
	    const char *suffix, const char *fallback, usec_t *out,
	    struct error *err) MUST_USE;

/* All names set in main.cf or by override, in file order: *at from 0. */
bool	 conf_each(const struct conf *c, size_t *at, const char **name_out,
	    const char **value_out);

/* Print rows for the build, one a line, separated by tabs: program, name,
 * type, default, min, max, unit, choices, documentation. */
void	 conf_print_rows(const char *program, const struct param *params,
	    size_t n);

/* Own addresses as inet_interfaces, proxy_interfaces and inet_protocols say:
 * "192.0.2.1 2001:db8::1". */
const char	*conf_own_addresses(const struct conf *c, struct arena *a);

/* "5m", "100", "1h": with the unit of a bare number. */
int	 conf_parse_time(const char *text, char unit, usec_t *out) MUST_USE;

#endif
