/* SPDX-License-Identifier: Apache-2.0 */
/* aliases(5): "name: value, value ..."; the name may be in double quotes. */
#include "tools/table.h"

/* The name without quotes and backslashes. */
static struct slice
unquote(struct slice s, struct arena *a)
{
	unsigned char	*out = arena_alloc(a, s.len + 1);
	size_t		 n = 0;

	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] == '"')
			continue;
		if (s.p[i] == '\\' && i + 1 < s.len)
			i++;
		out[n++] = s.p[i];
	}
	return slice_of(out, n);
}

static const char *
split(struct slice line, struct arena *a, struct slice *key_out,
    struct slice *value_out)
{
	bool	quoted = false;
	size_t	i;

	for (i = 0; i < line.len; i++) {
		if (line.p[i] == '\\' && i + 1 < line.len)
			i++;
		else if (line.p[i] == '"')
			quoted = !quoted;
		else if (line.p[i] == ':' && !quoted)
			break;
	}
	if (i >= line.len)
		return "expected format: name: value";
	*key_out = unquote(slice_trim(slice_first(line, i)), a);
	*value_out = slice_trim(slice_from(line, i + 1));
	if (key_out->len == 0 || value_out->len == 0)
		return "expected format: name: value";
	if (slice_find(*key_out, '@') >= 0)
		return "name must be local";
	return NULL;
}

const struct table_kind	table_aliases = {
	.name = "postalias",
	.options = "c:d:fijnNopq:rsuUvw",
	.query_sep = ": ",
	.split = split,
};
