/* SPDX-License-Identifier: Apache-2.0 */
/* Values are kept as written and expanded when they are asked for, so that
 * order in the file does not matter and -o can change what others refer to. */
#include "conf/conf.h"

#include <string.h>

#include "base/ascii.h"
#include "base/buf.h"
#include "base/mem.h"
#include "conf/conf_int.h"
#include "conf/lines.h"

struct conf *
conf_new(void)
{
	struct conf	*c = mem_new(1, sizeof(*c));

	c->dir = mem_strdup("");
	c->mem = arena_new();
	c->entries = hash_new();
	c->rows = hash_new();
	list_init(&c->order);
	return c;
}

void
conf_free(struct conf **cp)
{
	struct conf	*c = *cp;

	if (c == NULL)
		return;
	hash_free(&c->entries);
	hash_free(&c->rows);
	arena_free(&c->mem);
	mem_free(&c->dir);
	mem_free(cp);
}

const char *
conf_dir(const struct conf *c)
{
	return c->dir;
}

struct conf_entry *
conf_entry_find(const struct conf *c, const char *name)
{
	return hash_gets(c->entries, name);
}

static void
set(struct conf *c, const char *name, struct slice value, const char *file,
    int line)
{
	struct conf_entry	*e = conf_entry_find(c, name);

	if (e == NULL) {
		e = arena_alloc(c->mem, sizeof(*e));
		e->name = arena_strdup(c->mem, name);
		hash_puts(c->entries, name, e);
		list_put_last(&c->order, &e->link);
	}
	e->value = arena_strndup(c->mem, (const char *)value.p, value.len);
	e->file = file;
	e->line = line;
}

void
conf_set(struct conf *c, const char *name, const char *value)
{
	set(c, name, slice_str(value), NULL, 0);
}

/* Split "name = value" as Postfix does: the name ends at white space or '=',
 * then comes '='. */
static const char *
split(struct slice text, struct slice *name_out, struct slice *value_out)
{
	size_t	i = 0;

	text = slice_trim(text);
	while (i < text.len && text.p[i] != '=' && !ascii_is_blank(text.p[i]) &&
	    text.p[i] != '\r' && text.p[i] != '\n')
		i++;
	*name_out = slice_first(text, i);
	if (i == 0)
		return "missing attribute name";
	text = slice_trim(slice_from(text, i));
	if (text.len == 0 || text.p[0] != '=')
		return "missing '=' after attribute name";
	*value_out = slice_trim(slice_from(text, 1));
	return NULL;
}

int
conf_parse(struct conf *c, struct slice text, const char *file,
    struct error *err)
{
	struct conf_lines	 l;
	struct slice		 line;
	const char		*wrong = NULL;

	file = arena_strdup(c->mem, file);
	conf_lines_init(&l, text);
	while (wrong == NULL && conf_lines_next(&l, &line)) {
		struct slice	name, value;

		wrong = split(line, &name, &value);
		if (wrong != NULL)
			(void)error_set(err, "%s, line %d: %s: \"%.*s\"; "
			    "expected name = value", file, l.first, wrong,
			    (int)(line.len > 200 ? 200 : line.len),
			    (const char *)line.p);
		else
			set(c, arena_strndup(c->mem, (const char *)name.p,
			    name.len), value, file, l.first);
	}
	conf_lines_clear(&l);
	return wrong == NULL ? 0 : -1;
}

int
conf_load(const char *dir, struct conf **out, struct error *err)
{
	struct conf	*c = conf_new();
	char		*path = mem_printf("%s/main.cf", dir);
	struct buf	 text;
	int		 rc;

	mem_free(&c->dir);
	c->dir = mem_strdup(dir);
	buf_init(&text, CONF_FILE_MAX);
	rc = conf_read_file(path, &text, err);
	if (rc == 0)
		rc = conf_parse(c, buf_slice(&text), path, err);
	buf_clear(&text);
	mem_free(&path);
	if (rc < 0)
		conf_free(&c);
	else
		*out = c;
	return rc;
}

int
conf_override(struct conf *c, const char *assignment, struct error *err)
{
	struct slice	 name, value;
	const char	*wrong = split(slice_str(assignment), &name, &value);

	if (wrong != NULL)
		return error_set(err, "-o %s: %s; expected name=value",
		    assignment, wrong);
	set(c, arena_strndup(c->mem, (const char *)name.p, name.len), value,
	    NULL, 0);
	return 0;
}

void
conf_know(struct conf *c, const struct param *params, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		union { const void *c; void *p; } row = { &params[i] };

		hash_puts(c->rows, params[i].name, row.p);
	}
}

const struct param *
conf_row(const struct conf *c, const char *name)
{
	return hash_gets(c->rows, name);
}

bool
conf_each_row(const struct conf *c, size_t *at, const struct param **row_out)
{
	struct slice	 key;
	void		*row;

	if (!hash_each(c->rows, at, &key, &row))
		return false;
	*row_out = row;
	return true;
}

const char *
conf_source(struct conf_expansion *x, const char *name, int depth)
{
	const struct conf_entry	*e = conf_entry_find(x->c, name);
	const struct param	*row;
	const char		*computed;

	if (e != NULL)
		return e->value;
	computed = conf_computed(x, name, depth);
	if (computed != NULL)
		return computed;
	row = conf_row(x->c, name);
	return row == NULL ? NULL : row->def;
}

const char *
conf_default(const struct conf *c, struct arena *a, const char *name)
{
	struct conf_expansion	 x = { c, a, NULL, 0 };
	const char		*computed = conf_computed(&x, name, 0);
	const struct param	*row;

	if (computed != NULL)
		return computed;
	row = conf_row(c, name);
	return row == NULL ? NULL : row->def;
}

const char *
conf_raw(const struct conf *c, const char *name)
{
	const struct conf_entry	*e = conf_entry_find(c, name);

	return e == NULL ? NULL : e->value;
}

const char *
conf_value(const struct conf *c, struct arena *a, const char *name)
{
	struct conf_expansion	 x = { c, a, NULL, 0 };
	const char		*text = conf_source(&x, name, 0);

	if (text != NULL)
		text = conf_expand_at(&x, text, 1);
	return text == NULL ? "" : text;
}

const char *
conf_expand(const struct conf *c, struct arena *a, const char *text,
    struct error *err)
{
	struct conf_expansion	x = { c, a, err, 0 };

	return conf_expand_at(&x, text, 0);
}

bool
conf_each(const struct conf *c, size_t *at, const char **name_out,
    const char **value_out)
{
	size_t	i = 0;

	/* Called for `postconf` and start-up only: the walk from the start
	 * each time keeps the position a plain number. */
	for (struct list *l = c->order.next; l != &c->order; l = l->next) {
		const struct conf_entry	*e =
		    LIST_ENTRY(l, struct conf_entry, link);

		if (i++ < *at)
			continue;
		*at = i;
		*name_out = e->name;
		*value_out = e->value;
		return true;
	}
	return false;
}

int
conf_error(const struct conf *c, const char *name, const char *value,
    const char *expected, struct error *err)
{
	const struct conf_entry	*e = conf_entry_find(c, name);

	if (e != NULL && e->file != NULL)
		return error_set(err, "%s, line %d: parameter %s: bad value "
		    "\"%.200s\"; expected %s", e->file, e->line, name, value,
		    expected);
	return error_set(err, "%s: parameter %s: bad value \"%.200s\"; "
	    "expected %s", e != NULL ? "command line (-o)" :
	    "built-in default", name, value, expected);
}
