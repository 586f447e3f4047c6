/* SPDX-License-Identifier: Apache-2.0 */
#include "map/map.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/ascii.h"
#include "base/mem.h"
#include "conf/lines.h"
#include "map/map_int.h"
#include "sys/clock.h"

static const struct map_type *const	types[] = {
	&map_type_btree, &map_type_cidr, &map_type_fail, &map_type_hash,
	&map_type_inline, &map_type_pcre, &map_type_pipemap, &map_type_regexp,
	&map_type_static, &map_type_texthash, &map_type_unionmap,
	&map_type_unix,
};

const char *const	map_types[] = {
	"btree", "cidr", "fail", "hash", "inline", "pcre", "pipemap", "proxy",
	"regexp", "static", "texthash", "unionmap", "unix", NULL
};

bool
map_list_word(struct slice *s, struct slice *word_out)
{
	static const char	seps[] = ", \t\r\n";
	size_t			i = 0, level = 0;

	while (s->len > 0 && memchr(seps, s->p[0], 5) != NULL)
		*s = slice_from(*s, 1);
	for (; i < s->len; i++) {
		if (s->p[i] == '{')
			level++;
		else if (s->p[i] == '}' && level > 0)
			level--;
		else if (level == 0 && memchr(seps, s->p[i], 5) != NULL)
			break;
	}
	*word_out = slice_first(*s, i);
	*s = slice_from(*s, i);
	return i > 0;
}

bool
map_unbrace(struct slice text, struct slice *inside_out)
{
	text = slice_trim(text);
	if (text.len < 2 || text.p[0] != '{' || text.p[text.len - 1] != '}')
		return false;
	*inside_out = slice_trim(slice_of(text.p + 1, text.len - 2));
	return true;
}

int
map_watch(struct map *m, int fd, bool own, const char *path,
    struct error *err)
{
	if (fstat(fd, &m->st) < 0) {
		(void)error_sys(err, "stat %s", path);
		if (own)
			close(fd);
		return -1;
	}
	m->fd = fd;
	m->own_fd = own;
	return 0;
}

int
map_read_source(struct map *m, const char *path, struct buf *text,
    struct error *err)
{
	int	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	if (fd < 0)
		return error_sys(err, "open %s", path);
	if (map_watch(m, fd, true, path, err) < 0)
		return -1;
	return conf_read_fd(fd, path, text, err);
}

static const struct map_type *
find_type(struct slice name)
{
	for (size_t i = 0; i < COUNT(types); i++)
		if (slice_is(name, types[i]->name))
			return types[i];
	return NULL;
}

/* "type:rest" or a bare name of the default type. */
static const struct map_type *
split_spec(const char *spec, const struct map_env *env, const char **arg_out,
    struct error *err)
{
	struct slice	 rest = slice_str(spec), name;
	const struct map_type	*type;

	while (slice_istarts(rest, "proxy:"))
		rest = slice_from(rest, 6);
	if (!slice_cut(&rest, ':', &name)) {
		if (env == NULL || env->default_type == NULL) {
			(void)error_set(err, "table \"%s\": expected "
			    "type:name", spec);
			return NULL;
		}
		name = slice_str(env->default_type);
	}
	*arg_out = (const char *)rest.p;
	type = find_type(name);
	if (type == NULL)
		(void)error_set(err, "table \"%s\": unsupported type "
		    "\"%.*s\"; expected one of those `postconf -m` lists",
		    spec, SLICE_ARG(name));
	return type;
}

int
map_open_at(const char *spec, const struct map_env *env, int depth,
    struct map **out, struct error *err)
{
	const char		*arg;
	const struct map_type	*type = split_spec(spec, env, &arg, err);
	struct map		*m;

	if (type == NULL)
		return -1;
	if (depth > MAP_DEPTH_MAX)
		return error_set(err, "table \"%s\": tables inside tables "
		    "more than %d deep", spec, MAP_DEPTH_MAX);
	m = mem_new(1, sizeof(*m));
	m->type = type;
	m->name = mem_strdup(spec);
	m->mem = arena_new();
	m->depth = depth;
	m->keyed = type->keyed;
	m->fd = -1;
	if (env != NULL)
		m->env = *env;
	if (type->open(m, arg, err) < 0) {
		map_close(&m);
		return error_in(err, "table %s", spec);
	}
	m->looked_mono = clock_mono();
	*out = m;
	return 0;
}

int
map_open(const char *spec, const struct map_env *env, struct map **out,
    struct error *err)
{
	return map_open_at(spec, env, 0, out, err);
}

void
map_close(struct map **mp)
{
	struct map	*m = *mp;

	if (m == NULL)
		return;
	if (m->type->close != NULL)
		m->type->close(m);
	if (m->fd >= 0 && m->own_fd)
		close(m->fd);
	arena_free(&m->mem);
	mem_free(&m->name);
	mem_free(mp);
}

const char *
map_name(const struct map *m)
{
	return m->name;
}

bool
map_is_keyed(const struct map *m)
{
	return m->keyed;
}

enum map_result
map_get(struct map *m, struct slice key, struct arena *a,
    const char **value_out, struct error *err)
{
	enum map_result	 r;
	char		*text;

	if (key.len > MAP_KEY_MAX)
		return MAP_NONE;
	text = slice_cstr(a, key);
	if (text == NULL)
		return MAP_NONE;
	for (char *p = text; m->type->folds && *p != '\0'; p++)
		*p = (char)ascii_lower((unsigned char)*p);
	r = m->type->get(m, text, a, value_out, err);
	if (r == MAP_ERROR)
		(void)error_in(err, "table %s", m->name);
	return r;
}

bool
map_changed(struct map *m)
{
	struct stat	st;
	usec_t		now = clock_mono();

	if (m->is_changed || now - m->looked_mono < SECS(1))
		return m->is_changed;
	m->looked_mono = now;
	if (m->type->changed != NULL)
		m->is_changed = m->type->changed(m);
	/* Replaced (no name any more) or written in place. */
	if (m->fd >= 0 && fstat(m->fd, &st) == 0)
		m->is_changed |= st.st_nlink == 0 ||
		    st.st_size != m->st.st_size ||
		    st.st_mtim.tv_sec != m->st.st_mtim.tv_sec ||
		    st.st_mtim.tv_nsec != m->st.st_mtim.tv_nsec;
	return m->is_changed;
}
