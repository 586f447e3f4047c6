/* SPDX-License-Identifier: Apache-2.0 */
#include "local-delivery/macro.h"

#include <string.h>

#include "base/ascii.h"
#include "base/buf.h"

#define RESULT_MAX	65536
#define DEPTH_MAX	20

struct expansion {
	macro_get	*get;
	void		*arg;
	struct buf	 out;
	bool		 empty;
	struct error	*err;
};

static int	 expand(struct expansion *x, struct slice s, int depth);

static bool
name_byte(int c)
{
	return ascii_is_alnum(c) || c == '_';
}

static size_t
name_len(struct slice s)
{
	size_t	 n = 0;

	while (n < s.len && name_byte(s.p[n]))
		n++;
	return n;
}

static int
plain(struct expansion *x, struct slice name)
{
	const char	*v = x->get(x->arg, name);

	if (v == NULL)
		return error_set(x->err, "unknown macro name: \"%.*s\"",
		    SLICE_ARG(slice_first(name, 100)));
	x->empty |= v[0] == '\0';
	buf_adds(&x->out, v);
	return 0;
}

/* What is between the braces. */
static int
braced(struct expansion *x, struct slice s, int depth)
{
	size_t		 n = name_len(s);
	struct slice	 name = slice_first(s, n);
	const char	*v;

	if (n == 0)
		return error_set(x->err, "macro name missing");
	if (n == s.len)
		return plain(x, name);
	if (s.p[n] != '?' && s.p[n] != ':')
		return error_set(x->err, "bad macro name: \"%.*s\"",
		    SLICE_ARG(slice_first(s, 100)));
	v = x->get(x->arg, name);
	if (v == NULL)
		return error_set(x->err, "unknown macro name: \"%.*s\"",
		    SLICE_ARG(slice_first(name, 100)));
	if ((s.p[n] == '?') == (v[0] != '\0'))
		return expand(x, slice_from(s, n + 1), depth + 1);
	return 0;
}

static ptrdiff_t
closing(struct slice s, int open, int close)
{
	int	 depth = 0;

	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] == open)
			depth++;
		else if (s.p[i] == close && --depth == 0)
			return (ptrdiff_t)i;
	}
	return -1;
}

/* s begins behind a '$'. */
static int
dollar(struct expansion *x, struct slice *s, int depth)
{
	struct slice	 inside;
	ptrdiff_t	 end;
	size_t		 n;

	if (s->len > 0 && s->p[0] == '$') {
		buf_addc(&x->out, '$');
		*s = slice_from(*s, 1);
		return 0;
	}
	if (s->len > 0 && (s->p[0] == '{' || s->p[0] == '(')) {
		end = closing(*s, s->p[0], s->p[0] == '{' ? '}' : ')');
		if (end < 0)
			return error_set(x->err, "unbalanced macro braces");
		inside = slice_of(s->p + 1, (size_t)end - 1);
		*s = slice_from(*s, (size_t)end + 1);
		return braced(x, inside, depth);
	}
	n = name_len(*s);
	if (n == 0)
		return error_set(x->err, "macro name missing");
	inside = slice_first(*s, n);
	*s = slice_from(*s, n);
	return plain(x, inside);
}

static int
expand(struct expansion *x, struct slice s, int depth)
{
	struct slice	 head;

	if (depth > DEPTH_MAX)
		return error_set(x->err, "macro nesting too deep");
	while (slice_cut(&s, '$', &head)) {
		buf_add_slice(&x->out, head);
		if (dollar(x, &s, depth) < 0)
			return -1;
	}
	buf_add_slice(&x->out, s);
	return 0;
}

const char *
macro_expand(const char *text, macro_get *get, void *arg, struct arena *a,
    bool *empty_out, struct error *err)
{
	struct expansion	 x = { .get = get, .arg = arg, .err = err };
	const char		*result = NULL;

	buf_init(&x.out, RESULT_MAX);
	if (expand(&x, slice_str(text), 0) == 0) {
		if (x.out.overflow)
			error_set(err, "macro expansion too long");
		else
			result = arena_strdup(a, buf_cstr(&x.out));
	}
	if (empty_out != NULL)
		*empty_out = x.empty;
	buf_clear(&x.out);
	return result;
}

const char *
macro_filter(const char *value, const char *allowed, struct arena *a)
{
	char	*copy = arena_strdup(a, value);

	for (char *p = copy; *p != '\0'; p++)
		if (strchr(allowed, *p) == NULL)
			*p = '_';
	return copy;
}
