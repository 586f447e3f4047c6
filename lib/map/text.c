/* SPDX-License-Identifier: Apache-2.0 */
/* Tables whose text is read at open: texthash:, inline:, static:. */
#include <string.h>

#include "base/ascii.h"
#include "base/hash.h"
#include "conf/lines.h"
#include "map/map_int.h"
#include "map/map_write.h"

const char *
map_source_split(struct slice line, struct slice *key_out,
    struct slice *value_out)
{
	bool	quoted = false;
	size_t	i;

	for (i = 0; i < line.len; i++) {
		if (quoted && line.p[i] == '\\' && i + 1 < line.len)
			i++;
		else if (line.p[i] == '"')
			quoted = !quoted;
		else if (!quoted && (ascii_is_blank(line.p[i]) ||
		    line.p[i] == '\r' || line.p[i] == '\n'))
			break;
	}
	if (quoted)
		return "a double quote without its partner";
	*key_out = slice_first(line, i);
	*value_out = slice_trim(slice_from(line, i));
	if (i == 0)
		return "white space before the key";
	if (value_out->len == 0)
		return "a key without a value; expected key and value";
	return NULL;
}

/* Folded, in memory of the map; the first of two keys stays. */
static void
put(struct map *m, struct slice key, struct slice value)
{
	char	*k = arena_strndup(m->mem, (const char *)key.p, key.len);

	for (char *p = k; *p != '\0'; p++)
		*p = (char)ascii_lower((unsigned char)*p);
	if (hash_gets(m->impl, k) == NULL)
		hash_puts(m->impl, k, arena_strndup(m->mem,
		    (const char *)value.p, value.len));
}

static int
texthash_open(struct map *m, const char *path, struct error *err)
{
	struct conf_lines	 l;
	struct buf		 text;
	struct slice		 line;
	int			 rc;

	m->impl = hash_new();
	buf_init(&text, CONF_FILE_MAX);
	rc = map_read_source(m, path, &text, err);
	conf_lines_init(&l, buf_slice(&text));
	while (rc == 0 && conf_lines_next(&l, &line)) {
		struct slice	 key, value;
		const char	*wrong = map_source_split(line, &key, &value);

		if (wrong != NULL)
			rc = error_set(err, "%s, line %d: %s", path, l.first,
			    wrong);
		else
			put(m, key, value);
	}
	conf_lines_clear(&l);
	buf_clear(&text);
	return rc;
}

/* { name=value, { name = text, with anything } } */
static int
inline_open(struct map *m, const char *arg, struct error *err)
{
	struct slice	inside, word;

	if (!map_unbrace(slice_str(arg), &inside))
		return error_set(err, "expected "
		    "inline:{ name=value, { name = text } }");
	m->impl = hash_new();
	while (map_list_word(&inside, &word)) {
		struct slice	key, value = word;

		(void)map_unbrace(word, &value);
		if (!slice_cut(&value, '=', &key) || slice_trim(key).len == 0)
			return error_set(err, "\"%.*s\": expected name=value",
			    SLICE_ARG(word));
		put(m, slice_trim(key), slice_trim(value));
	}
	return 0;
}

static enum map_result
text_get(struct map *m, const char *key, struct arena *a,
    const char **value_out, struct error *err)
{
	const char	*value = hash_gets(m->impl, key);

	(void)err;
	if (value == NULL)
		return MAP_NONE;
	*value_out = arena_strdup(a, value);
	return MAP_FOUND;
}

static void
text_close(struct map *m)
{
	struct hash	*h = m->impl;

	hash_free(&h);
}

const struct map_type	map_type_texthash = {
	.name = "texthash", .keyed = true, .folds = true,
	.open = texthash_open, .get = text_get, .close = text_close,
};

const struct map_type	map_type_inline = {
	.name = "inline", .keyed = true, .folds = true,
	.open = inline_open, .get = text_get, .close = text_close,
};

/* static:text, static:{ text with spaces } */
static int
static_open(struct map *m, const char *arg, struct error *err)
{
	struct slice	text = slice_str(arg);

	(void)err;
	(void)map_unbrace(text, &text);
	m->impl = arena_strndup(m->mem, (const char *)text.p, text.len);
	return 0;
}

static enum map_result
static_get(struct map *m, const char *key, struct arena *a,
    const char **value_out, struct error *err)
{
	(void)key;
	(void)err;
	*value_out = arena_strdup(a, m->impl);
	return MAP_FOUND;
}

const struct map_type	map_type_static = {
	.name = "static", .open = static_open, .get = static_get,
};

static int
fail_open(struct map *m, const char *arg, struct error *err)
{
	(void)m;
	(void)arg;
	(void)err;
	return 0;
}

static enum map_result
fail_get(struct map *m, const char *key, struct arena *a,
    const char **value_out, struct error *err)
{
	(void)m;
	(void)key;
	(void)a;
	(void)value_out;
	(void)error_set(err, "fails as configured");
	return MAP_ERROR;
}

const struct map_type	map_type_fail = {
	.name = "fail", .open = fail_open, .get = fail_get,
};
