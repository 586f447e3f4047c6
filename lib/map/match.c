/* SPDX-License-Identifier: Apache-2.0 */
/* Match lists, as mydestination, mynetworks and many others are. */
#include <string.h>
#include <unistd.h>

#include "base/ascii.h"
#include "base/list.h"
#include "base/mem.h"
#include "conf/lines.h"
#include "map/cidr_int.h"
#include "map/map_int.h"

enum item_kind { ITEM_NAME, ITEM_NET, ITEM_TABLE };

struct item {
	struct list	 link;
	enum item_kind	 kind;
	bool		 negate;
	const char	*name;
	struct cidr	 net;
	struct map	*map;
};

struct match_list {
	enum match_kind	 kind;
	bool		 parents;
	struct arena	*mem;
	struct list	 items;
	struct list	 files;		/* struct watched */
};

/* A /file in the list; its change is noticed like a table's. */
struct watched {
	struct list	link;
	struct map	m;
};

static int	add_all(struct match_list *l, struct slice text,
		    bool negate, const struct map_env *env, int depth,
		    struct error *err);

static int
add_file(struct match_list *l, const char *path, bool negate,
    const struct map_env *env, int depth, struct error *err)
{
	struct watched		*w = arena_alloc(l->mem, sizeof(*w));
	struct conf_lines	 lines;
	struct buf		 text;
	struct slice		 line;
	int			 rc;

	if (depth > MAP_DEPTH_MAX)
		return error_set(err, "%s: files inside files more than %d "
		    "deep", path, MAP_DEPTH_MAX);
	w->m.fd = -1;
	buf_init(&text, CONF_FILE_MAX);
	rc = map_read_source(&w->m, path, &text, err);
	if (w->m.fd >= 0)
		list_put_last(&l->files, &w->link);
	conf_lines_init(&lines, buf_slice(&text));
	while (rc == 0 && conf_lines_next(&lines, &line)) {
		rc = add_all(l, line, negate, env, depth + 1, err);
		if (rc < 0)
			(void)error_in(err, "%s, line %d", path, lines.first);
	}
	conf_lines_clear(&lines);
	buf_clear(&text);
	return rc;
}

/* Could this be a network?  Then it must be a good one. */
static bool
looks_numeric(const char *s)
{
	return s[0] == '[' || s[strspn(s, "0123456789./")] == '\0';
}

static int
add_one(struct match_list *l, struct slice word, bool negate,
    const struct map_env *env, int depth, struct error *err)
{
	struct item	*i;
	char		*name;

	while (word.len > 0 && word.p[0] == '!') {
		negate = !negate;
		word = slice_from(word, 1);
	}
	name = arena_strndup(l->mem, (const char *)word.p, word.len);
	if (name[0] == '\0')
		return error_set(err, "\"!\" without a pattern");
	if (name[0] == '/')
		return add_file(l, name, negate, env, depth, err);
	i = arena_alloc(l->mem, sizeof(*i));
	i->name = name;
	i->negate = negate;
	/* "2001:db8::/32" without brackets would be a table in Postfix; there
	 * is no table type that looks like an address. */
	if (l->kind == MATCH_HOST && strchr(name, ':') != NULL &&
	    cidr_parse(word, &i->net, NULL) == 0) {
		i->kind = ITEM_NET;
	} else if (name[0] != '[' && strchr(name, ':') != NULL) {
		i->kind = ITEM_TABLE;
		if (map_open_lenient(name, env, depth + 1, &i->map,
		    err) < 0)
			return -1;
	} else if (l->kind == MATCH_HOST && looks_numeric(name)) {
		i->kind = ITEM_NET;
		if (cidr_parse(word, &i->net, err) < 0)
			return -1;
	}
	list_put_last(&l->items, &i->link);
	return 0;
}

static int
add_all(struct match_list *l, struct slice text, bool negate,
    const struct map_env *env, int depth, struct error *err)
{
	struct slice	word;

	while (map_list_word(&text, &word))
		if (add_one(l, word, negate, env, depth, err) < 0)
			return -1;
	return 0;
}

int
match_list_open(const char *spec, enum match_kind kind, bool parents,
    const struct map_env *env, struct match_list **out, struct error *err)
{
	struct match_list	*l = mem_new(1, sizeof(*l));

	l->kind = kind;
	l->parents = parents;
	l->mem = arena_new();
	list_init(&l->items);
	list_init(&l->files);
	if (add_all(l, slice_str(spec), false, env, 0, err) < 0) {
		match_list_close(&l);
		return -1;
	}
	*out = l;
	return 0;
}

void
match_list_close(struct match_list **lp)
{
	struct match_list	*l = *lp;

	if (l == NULL)
		return;
	LIST_EACH(p, &l->items)
		map_close(&LIST_ENTRY(p, struct item, link)->map);
	LIST_EACH(p, &l->files)
		close(LIST_ENTRY(p, struct watched, link)->m.fd);
	arena_free(&l->mem);
	mem_free(lp);
}

static const struct map_type	file_type = { .name = "file" };

bool
match_list_changed(struct match_list *l)
{
	bool	changed = false;

	LIST_EACH(p, &l->items) {
		struct item	*i = LIST_ENTRY(p, struct item, link);

		if (i->map != NULL)
			changed |= map_changed(i->map);
	}
	LIST_EACH(p, &l->files) {
		struct watched	*w = LIST_ENTRY(p, struct watched, link);

		w->m.type = &file_type;
		changed |= map_changed(&w->m);
	}
	return changed;
}

static bool
is_child(const char *name, const char *parent)
{
	size_t	n = strlen(name), p = strlen(parent);

	return n > p + 1 && name[n - p - 1] == '.' &&
	    strcasecmp(name + n - p, parent) == 0;
}

static bool
name_matches(const struct match_list *l, const char *pattern,
    const char *name)
{
	if (strcasecmp(pattern, name) == 0)
		return true;
	if (l->kind == MATCH_STRING)
		return false;
	if (pattern[0] == '.')
		return is_child(name, pattern + 1);
	return l->parents && is_child(name, pattern);
}

/* The name, then its parents. */
static enum map_result
table_has_name(const struct match_list *l, struct map *m, const char *name,
    struct arena *a, struct error *err)
{
	const char	*value;
	struct slice	 rest = slice_str(name), label;
	enum map_result	 r = map_get(m, rest, a, &value, err);

	if (l->kind == MATCH_STRING || !map_is_keyed(m))
		return r;
	while (r == MAP_NONE && slice_cut(&rest, '.', &label) &&
	    rest.len > 0)
		r = map_get(m, l->parents ? rest :
		    slice_of(rest.p - 1, rest.len + 1), a, &value, err);
	return r;
}

static enum map_result
table_has(const struct match_list *l, struct map *m, const char *name,
    const char *addr, struct error *err)
{
	struct arena	*a = arena_new();
	enum map_result	 r = MAP_NONE;
	const char	*value;

	if (name != NULL)
		r = table_has_name(l, m, name, a, err);
	if (r == MAP_NONE && addr != NULL)
		r = map_get(m, slice_str(addr), a, &value, err);
	arena_free(&a);
	return r;
}

static enum map_result
item_has(const struct match_list *l, const struct item *i, const char *name,
    const char *addr, struct error *err)
{
	switch (i->kind) {
	case ITEM_NET:
		return addr != NULL && cidr_has(&i->net, addr) ? MAP_FOUND :
		    MAP_NONE;
	case ITEM_NAME:
		if (name != NULL && name_matches(l, i->name, name))
			return MAP_FOUND;
		return MAP_NONE;
	case ITEM_TABLE:
		return table_has(l, i->map, name, addr, err);
	}
	return MAP_NONE;
}

enum map_result
match_list_has(struct match_list *l, const char *name, const char *addr,
    struct error *err)
{
	enum map_result	 r = MAP_NONE;

	if (l->kind != MATCH_HOST)
		addr = NULL;
	LIST_EACH(p, &l->items) {
		struct item	*i = LIST_ENTRY(p, struct item, link);

		r = item_has(l, i, name, addr, err);
		if (r == MAP_FOUND && i->negate)
			r = MAP_NONE;
		else if (r == MAP_NONE)
			continue;
		break;
	}
	return r;
}
