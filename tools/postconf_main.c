/* SPDX-License-Identifier: Apache-2.0 */
/* Showing main.cf.  The rows come from a file that the build makes by asking
 * each program for its parameters (params.tsv); with those of the libraries
 * alone postconf still works when the file is not there. */
#include <stdlib.h>
#include <string.h>

#include "base/ascii.h"
#include "base/hash.h"
#include "base/mem.h"
#include "conf/common.h"
#include "conf/lines.h"
#include "route/route.h"
#include "tools/params.h"
#include "tools/postconf.h"

#define NCOLUMNS	9	/* program name type default min max unit
				 * choices doc */

static enum param_type
type_of(struct slice s)
{
	static const struct { const char *name; enum param_type type; } t[] = {
		{ "str", PARAM_STR }, { "raw", PARAM_RAW },
		{ "bool", PARAM_BOOL }, { "int", PARAM_INT },
		{ "time", PARAM_TIME }, { "size", PARAM_SIZE },
		{ "enum", PARAM_ENUM },
	};

	for (size_t i = 0; i < COUNT(t); i++)
		if (slice_is(s, t[i].name))
			return t[i].type;
	return PARAM_STR;
}

static char *
dup(struct postconf *pc, struct slice s)
{
	return arena_strndup(pc->mem, (const char *)s.p, s.len);
}

static void
add_row(struct postconf *pc, struct slice line)
{
	struct slice	 col[NCOLUMNS];
	struct param	*row;

	for (size_t i = 0; i < NCOLUMNS; i++)
		if (!slice_cut(&line, '\t', &col[i])) {
			col[i] = line;
			line = slice_of("", 0);
		}
	if (col[1].len == 0 || conf_row(pc->conf, dup(pc, col[1])) != NULL)
		return;
	row = arena_alloc(pc->mem, sizeof(*row));
	row->name = dup(pc, col[1]);
	row->type = type_of(col[2]);
	row->def = dup(pc, col[3]);
	row->unit = col[6].len > 0 ? (char)col[6].p[0] : '\0';
	row->choices = dup(pc, col[7]);
	row->doc = dup(pc, col[8]);
	conf_know(pc->conf, row, 1);
	conf_know(pc->defaults, row, 1);
}

static void
know(struct postconf *pc, const struct param *params, size_t n)
{
	conf_know(pc->conf, params, n);
	conf_know(pc->defaults, params, n);
}

void
pc_load_rows(struct postconf *pc)
{
	const char	*path = getenv("POSTHOUSE_PARAMS");
	struct buf	 text;
	struct slice	 rest, line;
	struct error	 err;

	know(pc, conf_common_params, conf_common_nparams);
	know(pc, route_params, route_nparams);
	know(pc, tool_params, tool_nparams);
	if (path == NULL || path[0] == '\0')
		path = PH_DATADIR "/params.tsv";
	buf_init(&text, CONF_FILE_MAX);
	if (conf_read_file(path, &text, &err) < 0)
		pc_warn("%s; only the parameters of the libraries are known",
		    err.text);
	rest = buf_slice(&text);
	while (slice_cut(&rest, '\n', &line))
		add_row(pc, line);
	buf_clear(&text);
}

/* A set of names that are referred to as $name anywhere. */
static void
note_references(struct postconf *pc, struct hash *used, const char *text)
{
	while ((text = strchr(text, '$')) != NULL) {
		size_t	n = 0;

		text++;
		if (*text == '$') {
			text++;
			continue;
		}
		text += strspn(text, "{( \t");
		while (ascii_is_alnum((unsigned char)text[n]) ||
		    text[n] == '_')
			n++;
		if (n > 0)
			hash_put(used, slice_of(text, n), pc);
	}
}

/* smtpd_restriction_classes names parameters too. */
static void
note_classes(struct postconf *pc, struct hash *used)
{
	const char	*list = conf_value(pc->conf, pc->mem,
			    "smtpd_restriction_classes");
	struct slice	 s = slice_str(list), word;

	while (slice_word(&s, ", \t\r\n", &word))
		hash_put(used, word, pc);
}

static struct hash *
references(struct postconf *pc, const struct pc_master *m)
{
	struct hash	*used = hash_new();
	const char	*name, *value;
	size_t		 at = 0;

	while (conf_each(pc->conf, &at, &name, &value))
		note_references(pc, used, value);
	for (size_t i = 0; i < m->n; i++)
		for (size_t k = 0; k < m->service[i].nargs; k++)
			note_references(pc, used, m->service[i].arg[k]);
	note_classes(pc, used);
	return used;
}

/* "<service>_<suffix>" of a service in master.cf, where default_<suffix> or
 * <suffix> is a parameter. */
static bool
is_service_parameter(struct postconf *pc, const struct pc_master *m,
    const char *name)
{
	static const char *const	own[] = { "client_limit",
	    "time_limit", "max_use", "max_idle" };

	for (size_t i = 0; i < m->n; i++) {
		const char	*s = m->service[i].field[0], *suffix;
		size_t		 n = strlen(s);

		if (strncmp(name, s, n) != 0 || name[n] != '_')
			continue;
		suffix = name + n + 1;
		if (conf_row(pc->conf, suffix) != NULL ||
		    conf_row(pc->conf, arena_printf(pc->mem, "default_%s",
		    suffix)) != NULL)
			return true;
		for (size_t k = 0; k < COUNT(own); k++)
			if (strcmp(suffix, own[k]) == 0)
				return true;
	}
	return false;
}

/* The class of a name, 0 if nothing uses it. */
static unsigned int
class_of(struct postconf *pc, const struct pc_master *m,
    const struct hash *used, const char *name)
{
	if (conf_row(pc->conf, name) != NULL)
		return PC_BUILTIN;
	if (is_service_parameter(pc, m, name))
		return PC_SERVICE;
	return hash_gets(used, name) != NULL ? PC_USER : 0;
}

static void
show(struct postconf *pc, const char *name)
{
	struct conf		*c = pc->show_defaults ? pc->defaults :
				    pc->conf;
	const struct param	*row = conf_row(c, name);
	const char		*value = conf_raw(c, name);
	struct error		 err;

	if (value == NULL)
		value = conf_default(c, pc->mem, name);
	if (value == NULL)
		value = "";
	if (pc->expand && (row == NULL || row->type != PARAM_RAW)) {
		value = conf_expand(c, pc->mem, value, &err);
		if (value == NULL)
			pc_fatal("parameter %s: expected %s", name, err.text);
	}
	pc_print(pc, name, value);
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

struct names {
	const char	**name;
	size_t		 n, room;
};

static void
add_name(struct names *l, const char *name)
{
	if (l->n == l->room) {
		l->room = l->room * 2 + 64;
		l->name = mem_grow(l->name, l->room, sizeof(*l->name));
	}
	l->name[l->n++] = name;
}

/* Everything that was asked for by no name at all, sorted. */
static void
show_all(struct postconf *pc)
{
	struct names		 l = { NULL, 0, 0 };
	struct pc_master	 m;
	struct hash		*used;
	const struct param	*row;
	const char		*name, *value;
	size_t			 at = 0;

	(void)pc_read_master(pc, &m);
	used = references(pc, &m);
	while (!pc->only_set && conf_each_row(pc->conf, &at, &row))
		if (pc->classes & PC_BUILTIN)
			add_name(&l, row->name);
	at = 0;
	while (!pc->show_defaults && conf_each(pc->conf, &at, &name, &value)) {
		unsigned int	cls = class_of(pc, &m, used, name);

		if ((cls & pc->classes) != 0 &&
		    (pc->only_set || cls != PC_BUILTIN))
			add_name(&l, name);
	}
	if (l.n > 0)
		qsort(l.name, l.n, sizeof(*l.name), by_name);
	for (size_t i = 0; i < l.n; i++)
		show(pc, l.name[i]);
	mem_free(&l.name);
	hash_free(&used);
}

void
pc_show_main(struct postconf *pc, char **names)
{
	struct pc_master	 m;
	struct hash		*used;

	if (names[0] == NULL) {
		show_all(pc);
		return;
	}
	(void)pc_read_master(pc, &m);
	used = references(pc, &m);
	for (; *names != NULL; names++) {
		bool	set = conf_raw(pc->conf, *names) != NULL;

		if (!set && class_of(pc, &m, used, *names) == 0)
			pc_warn("%s: unknown parameter", *names);
		else if (set || !pc->only_set)
			show(pc, *names);
	}
	hash_free(&used);
}

static void
warn_overrides(struct postconf *pc, const struct pc_master *m,
    const struct hash *used)
{
	for (size_t i = 0; i < m->n; i++) {
		const char	*name, *value;
		size_t		 at = 0;

		while (pc_next_override(pc, &m->service[i], &at, &name,
		    &value))
			if (class_of(pc, m, used, name) == 0)
				pc_warn("%s/master.cf: unused parameter: "
				    "%s=%s", pc->dir, name, value);
	}
}

void
pc_warn_unused(struct postconf *pc)
{
	struct pc_master	 m;
	struct hash		*used;
	const char		*name, *value;
	size_t			 at = 0;

	(void)pc_read_master(pc, &m);
	used = references(pc, &m);
	while (conf_each(pc->conf, &at, &name, &value))
		if (class_of(pc, &m, used, name) == 0)
			pc_warn("%s/main.cf: unused parameter: %s=%s",
			    pc->dir, name, value);
	warn_overrides(pc, &m, used);
	hash_free(&used);
}
