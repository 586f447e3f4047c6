/* SPDX-License-Identifier: Apache-2.0 */
#include "local-delivery/alias.h"

#include <string.h>

#include "base/buf.h"

#define TEXT_MAX	8192

/* One item, up to a comma or line end outside quotes and comments.  Quotes
 * around a whole command or path, or its part behind the '|', are syntax;
 * inside an address they belong to it. */
struct item {
	struct buf	 text;
	bool		 quoted;	/* it began with a quote */
};

static int
take_quoted(struct slice *in, struct item *it, bool keep, struct error *err)
{
	if (keep)
		buf_addc(&it->text, '"');
	while (in->len > 0) {
		unsigned char	 c = in->p[0];

		*in = slice_from(*in, 1);
		if (c == '"') {
			if (keep)
				buf_addc(&it->text, '"');
			return 0;
		}
		if (c == '\\' && in->len > 0) {
			if (keep || in->p[0] != '"')
				buf_addc(&it->text, '\\');
			c = in->p[0];
			*in = slice_from(*in, 1);
		}
		if (c == '\n')
			break;
		buf_addc(&it->text, c);
	}
	return error_set(err, "unfinished quoted string");
}

/* RFC 5322 comments in an address: dropped, nesting counted. */
static void
skip_comment(struct slice *in)
{
	int	 depth = 0;

	do {
		unsigned char	 c = in->p[0];

		if (c == '(')
			depth++;
		else if (c == ')')
			depth--;
		else if (c == '\n')
			return;
		*in = slice_from(*in, 1);
	} while (in->len > 0 && depth > 0);
}

static void
skip_line(struct slice *in)
{
	while (in->len > 0 && in->p[0] != '\n')
		*in = slice_from(*in, 1);
}

static bool
is_shell_text(const struct item *it)
{
	struct slice	 s = slice_trim(buf_slice(&it->text));

	return s.len > 0 && (s.p[0] == '|' || s.p[0] == '/');
}

static int
take_item(struct slice *in, struct item *it, struct error *err)
{
	while (in->len > 0) {
		unsigned char	 c = in->p[0];
		bool		 blank = slice_trim(buf_slice(
				    &it->text)).len == 0;

		if (c == ',' || c == '\n' || c == '\0')
			break;
		if (c == '#' && blank && !it->quoted) {
			skip_line(in);
			continue;
		}
		if (c == '(' && !is_shell_text(it)) {
			skip_comment(in);
			continue;
		}
		*in = slice_from(*in, 1);
		if (c == '"') {
			struct slice	 s = buf_slice(&it->text);
			/* "|cmd", |"cmd" and "/path" lose their quotes, quoted
			 * local parts keep them. */
			bool	 opens = blank && in->len > 0 &&
				    (in->p[0] == '|' || in->p[0] == '/' ||
				    in->p[0] == ':');

			opens |= slice_is(slice_trim(s), "|");
			it->quoted |= opens;
			if (take_quoted(in, it, !opens, err) < 0)
				return -1;
			continue;
		}
		buf_addc(&it->text, c);
	}
	return 0;
}

static int
classify(struct slice s, struct arena *a, struct alias_item *out,
    struct error *err)
{
	struct slice	 inner = s;

	if (s.len > 2 && s.p[0] == '<' && s.p[s.len - 1] == '>')
		inner = slice_of(s.p + 1, s.len - 2);
	out->kind = ALIAS_ADDRESS;
	if (s.p[0] == '|') {
		out->kind = ALIAS_COMMAND;
		inner = slice_trim(slice_from(s, 1));
	} else if (s.p[0] == '/') {
		out->kind = ALIAS_FILE;
		inner = s;
	} else if (s.p[0] == '\\') {
		out->kind = ALIAS_FINAL;
		inner = slice_from(s, 1);
	} else if (slice_istarts(s, ":include:")) {
		out->kind = ALIAS_INCLUDE;
		inner = slice_trim(slice_from(s, 9));
		if (inner.len == 0 || inner.p[0] != '/')
			return error_set(err, ":include: without an absolute "
			    "path");
	}
	if (inner.len == 0)
		return error_set(err, "empty destination");
	out->text = slice_cstr(a, inner);
	return out->text == NULL ? error_set(err, "NUL byte") : 0;
}

int
alias_parse(struct slice in, size_t max, struct arena *a,
    struct alias_item **out, size_t *n_out, struct error *err)
{
	struct alias_item	*items = arena_array(a, max + 1,
				    sizeof(*items));
	struct item		 it = { .quoted = false };
	size_t			 n = 0;
	int			 r = 0;

	buf_init(&it.text, TEXT_MAX);
	while (in.len > 0 && r == 0) {
		struct slice	 s;

		buf_reset(&it.text);
		it.quoted = false;
		r = take_item(&in, &it, err);
		if (r == 0 && in.len > 0 && in.p[0] == '\0')
			r = error_set(err, "NUL byte");
		in = slice_from(in, 1);
		s = slice_trim(buf_slice(&it.text));
		if (r < 0 || s.len == 0)
			continue;
		if (it.text.overflow)
			r = error_set(err, "destination over %d bytes",
			    TEXT_MAX);
		else if (n == max)
			r = error_set(err, "more than %zu destinations", max);
		else
			r = classify(s, a, &items[n++], err);
	}
	buf_clear(&it.text);
	*out = items;
	*n_out = n;
	return r;
}
