/* SPDX-License-Identifier: Apache-2.0 */
/* The place-holder for a table whose file is not there (yet). */
#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "map/map_int.h"
#include "sys/clock.h"

struct missing {
	struct map	*real;		/* once it could be opened */
	struct error	 why;
};

static int
no_open(struct map *m, const char *arg, struct error *err)
{
	(void)m;
	return error_set(err, "%s: not a table type", arg);
}

/* At most once a second: after chroot the file is never there. */
static bool
appeared(struct map *m)
{
	struct missing	*x = m->impl;
	usec_t		 now = clock_mono();

	if (x->real != NULL)
		return true;
	if (now - m->looked_mono < SECS(1))
		return false;
	m->looked_mono = now;
	if (map_open_at(m->name, &m->env, m->depth, &x->real, NULL) < 0)
		return false;
	m->keyed = map_is_keyed(x->real);
	return true;
}

static enum map_result
missing_get(struct map *m, const char *key, struct arena *a,
    const char **value_out, struct error *err)
{
	struct missing	*x = m->impl;

	if (appeared(m))
		return map_get(x->real, slice_str(key), a, value_out, err);
	if (err != NULL)
		*err = x->why;
	return MAP_ERROR;
}

static void
missing_close(struct map *m)
{
	struct missing	*x = m->impl;

	map_close(&x->real);
}

static bool
missing_changed(struct map *m)
{
	struct missing	*x = m->impl;

	return x->real != NULL && map_changed(x->real);
}

/* Asked with whole and partial keys: either way the answer is not known. */
static const struct map_type	type_missing = {
	.name = "missing", .keyed = true, .open = no_open,
	.get = missing_get, .close = missing_close,
	.changed = missing_changed,
};

int
map_open_lenient(const char *spec, const struct map_env *env, int depth,
    struct map **out, struct error *err)
{
	struct error	 why = { .sys = 0 };
	struct missing	*x;
	struct map	*m;

	if (map_open_at(spec, env, depth, out, &why) == 0)
		return 0;
	if (why.sys != ENOENT && why.sys != EACCES) {
		if (err != NULL)
			*err = why;
		return -1;
	}
	m = mem_new(1, sizeof(*m));
	m->type = &type_missing;
	m->name = mem_strdup(spec);
	m->mem = arena_new();
	m->depth = depth;
	m->keyed = true;
	m->fd = -1;
	if (env != NULL)
		m->env = *env;
	m->looked_mono = clock_mono();
	x = arena_alloc(m->mem, sizeof(*x));
	x->why = why;
	m->impl = x;
	*out = m;
	return 0;
}
