/* SPDX-License-Identifier: Apache-2.0 */
/* Tables made of tables: unionmap:{a,b} and pipemap:{a,b}. */
#include "base/mem.h"
#include "map/map_int.h"

struct parts {
	struct map	*map;
	struct parts	*next;
};

static int
combine_open(struct map *m, const char *arg, struct error *err)
{
	struct slice	 inside, word;
	struct parts	*first = NULL, **end = &first;

	if (!map_unbrace(slice_str(arg), &inside))
		return error_set(err, "expected %s:{type:name, ...}",
		    m->type->name);
	while (map_list_word(&inside, &word)) {
		char		*spec = arena_strndup(m->mem,
				    (const char *)word.p, word.len);
		struct parts	*p = arena_alloc(m->mem, sizeof(*p));

		if (map_open_at(spec, &m->env, m->depth + 1, &p->map,
		    err) < 0)
			return -1;
		m->keyed = m->keyed && map_is_keyed(p->map);
		*end = p;
		end = &p->next;
		/* Kept at once, so that a failure closes what is open. */
		m->impl = first;
	}
	if (first == NULL)
		return error_set(err, "no table in the braces");
	return 0;
}

static void
combine_close(struct map *m)
{
	for (struct parts *p = m->impl; p != NULL; p = p->next)
		map_close(&p->map);
}

static bool
combine_changed(struct map *m)
{
	bool	changed = false;

	for (struct parts *p = m->impl; p != NULL; p = p->next)
		changed |= map_changed(p->map);
	return changed;
}

static enum map_result
union_get(struct map *m, const char *key, struct arena *a,
    const char **value_out, struct error *err)
{
	const char	*all = NULL;

	for (struct parts *p = m->impl; p != NULL; p = p->next) {
		const char	*value = NULL;
		enum map_result	 r = map_get(p->map, slice_str(key), a,
				    &value, err);

		if (r == MAP_ERROR || r == MAP_WAIT)
			return r;
		if (r == MAP_FOUND)
			all = all == NULL ? value :
			    arena_printf(a, "%s,%s", all, value);
	}
	*value_out = all;
	return all == NULL ? MAP_NONE : MAP_FOUND;
}

static enum map_result
pipe_get(struct map *m, const char *key, struct arena *a,
    const char **value_out, struct error *err)
{
	for (struct parts *p = m->impl; p != NULL; p = p->next) {
		enum map_result	r = map_get(p->map, slice_str(key), a, &key,
				    err);

		if (r != MAP_FOUND)
			return r;
	}
	*value_out = key;
	return MAP_FOUND;
}

/* Their parts decide about case, and about partial keys all together. */
const struct map_type	map_type_unionmap = {
	.name = "unionmap", .keyed = true,
	.open = combine_open, .get = union_get, .close = combine_close,
	.changed = combine_changed,
};

const struct map_type	map_type_pipemap = {
	.name = "pipemap", .keyed = true,
	.open = combine_open, .get = pipe_get, .close = combine_close,
	.changed = combine_changed,
};
