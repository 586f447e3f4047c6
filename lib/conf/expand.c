/* SPDX-License-Identifier: Apache-2.0 */
/* $name and its relatives.
 *
 *	reference = "$" name / "$$" / "$" "(" body ")" / "$" "{" body "}"
 *	body      = name [cond] / "{" text "}" op "{" text "}" [cond]
 *	cond      = "?" ( text / "{" text "}" [":" ( text / "{" text "}" )] )
 *	          / ":" ( text / "{" text "}" )
 *	op        = "==" "!=" "<" "<=" ">" ">=", each also with "level" behind
 *
 * Values are expanded when they are used, so a name may refer to one that is
 * defined later; a circle is found by its depth, and work is counted because
 * a$b$b$b... grows faster than it nests. */
#include <string.h>

#include "base/ascii.h"
#include "base/buf.h"
#include "conf/conf_int.h"

static int	expand(struct conf_expansion *x, struct slice text, int depth,
		    struct buf *out);

static bool
is_name(int c)
{
	return ascii_is_alnum(c) || c == '_';
}

static bool
is_space(int c)
{
	return ascii_is_blank(c) || c == '\n' || c == '\r';
}

static void
skip_space(struct slice *s)
{
	while (s->len > 0 && is_space(s->p[0]))
		*s = slice_from(*s, 1);
}

static struct slice
take_name(struct slice *s)
{
	size_t		n = 0;
	struct slice	name;

	while (n < s->len && is_name(s->p[n]))
		n++;
	name = slice_first(*s, n);
	*s = slice_from(*s, n);
	return name;
}

static int
wrong(struct conf_expansion *x, struct slice at, const char *expected)
{
	return error_set(x->err, "%s near \"%.*s\"", expected,
	    (int)(at.len > 60 ? 60 : at.len), (const char *)at.p);
}

/* *s begins with the opening one of the pair: take it to its partner. */
static int
take_balanced(struct conf_expansion *x, struct slice *s, struct slice *out)
{
	unsigned char	open = s->p[0], close = open == '{' ? '}' : ')';
	size_t		level = 0;

	for (size_t i = 0; i < s->len; i++) {
		if (s->p[i] == open)
			level++;
		else if (s->p[i] == close && --level == 0) {
			*out = slice_of(s->p + 1, i - 1);
			*s = slice_from(*s, i + 1);
			return 0;
		}
	}
	return wrong(x, *s, close == '}' ? "a closing \"}\"" :
	    "a closing \")\"");
}

/* "{ text }" without the white space inside. */
static int
take_braced(struct conf_expansion *x, struct slice *s, struct slice *out)
{
	skip_space(s);
	if (s->len == 0 || s->p[0] != '{')
		return wrong(x, *s, "\"{\"");
	if (take_balanced(x, s, out) < 0)
		return -1;
	*out = slice_trim(*out);
	return 0;
}

static int
branch(struct conf_expansion *x, struct slice *s, struct slice *out)
{
	struct slice	t = *s;

	skip_space(&t);
	if (t.len > 0 && t.p[0] == '{') {
		*s = t;
		return take_braced(x, s, out);
	}
	*out = *s;
	*s = slice_from(*s, s->len);
	return 0;
}

/* What follows the thing that was tested. */
static int
conditional(struct conf_expansion *x, struct slice s, bool truth, int depth,
    struct buf *out)
{
	struct slice	yes = { NULL, 0 }, no = { NULL, 0 };

	if (s.p[0] == '?') {
		s = slice_from(s, 1);
		if (branch(x, &s, &yes) < 0)
			return -1;
		skip_space(&s);
	}
	if (s.len > 0) {
		if (s.p[0] != ':')
			return wrong(x, s, "\":\"");
		s = slice_from(s, 1);
		if (branch(x, &s, &no) < 0)
			return -1;
		skip_space(&s);
		if (s.len > 0)
			return wrong(x, s, "nothing more");
	}
	return expand(x, truth ? yes : no, depth + 1, out);
}

static int
cmp_u64(uint64_t a, uint64_t b)
{
	return a < b ? -1 : a > b;
}

/* "3.6.1": as numbers, part by part. */
static int
level_cmp(struct slice a, struct slice b)
{
	for (int i = 0; i < 3; i++) {
		struct slice	pa = { NULL, 0 }, pb = { NULL, 0 };
		uint64_t	na = 0, nb = 0;

		if (slice_word(&a, ".", &pa) &&
		    !slice_u64(pa, UINT32_MAX, &na))
			na = 0;
		if (slice_word(&b, ".", &pb) &&
		    !slice_u64(pb, UINT32_MAX, &nb))
			nb = 0;
		if (na != nb)
			return cmp_u64(na, nb);
	}
	return 0;
}

static int
value_cmp(struct slice a, struct slice b)
{
	uint64_t	na, nb;

	if (slice_u64(a, UINT64_MAX, &na) && slice_u64(b, UINT64_MAX, &nb))
		return cmp_u64(na, nb);
	return slice_cmp(a, b);
}

static int
take_operator(struct conf_expansion *x, struct slice *s, int *op_out,
    bool *level_out)
{
	/* Longer ones first. */
	static const char *const	ops[] =
	    { "==", "!=", "<=", ">=", "<", ">" };

	skip_space(s);
	for (size_t i = 0; i < COUNT(ops); i++) {
		if (!slice_starts(*s, ops[i]))
			continue;
		*s = slice_from(*s, strlen(ops[i]));
		*level_out = slice_starts(*s, "level");
		if (*level_out)
			*s = slice_from(*s, 5);
		*op_out = (int)i;
		return 0;
	}
	return wrong(x, *s, "one of == != < <= > >=");
}

static bool
holds(int op, int cmp)
{
	switch (op) {
	case 0:
		return cmp == 0;
	case 1:
		return cmp != 0;
	case 2:
		return cmp <= 0;
	case 3:
		return cmp >= 0;
	case 4:
		return cmp < 0;
	}
	return cmp > 0;
}

/* {x} op {y} ... */
static int
comparison(struct conf_expansion *x, struct slice s, int depth,
    struct buf *out)
{
	struct slice	 left, right;
	struct buf	 lbuf, rbuf;
	int		 op = 0, cmp, rc;
	bool		 level = false;

	if (take_braced(x, &s, &left) < 0 ||
	    take_operator(x, &s, &op, &level) < 0 ||
	    take_braced(x, &s, &right) < 0)
		return -1;
	skip_space(&s);
	buf_init(&lbuf, CONF_EXPAND_MAX);
	buf_init(&rbuf, CONF_EXPAND_MAX);
	rc = expand(x, left, depth + 1, &lbuf);
	if (rc == 0)
		rc = expand(x, right, depth + 1, &rbuf);
	left = buf_slice(&lbuf);
	right = buf_slice(&rbuf);
	cmp = level ? level_cmp(left, right) : value_cmp(left, right);
	buf_clear(&lbuf);
	buf_clear(&rbuf);
	if (rc < 0)
		return -1;
	if (s.len > 0)
		return conditional(x, s, holds(op, cmp), depth, out);
	if (holds(op, cmp))
		buf_adds(out, "bool");
	return 0;
}

static int
name_value(struct conf_expansion *x, struct slice name, int depth,
    struct buf *out)
{
	const char	*cname = arena_strndup(x->a, (const char *)name.p,
			    name.len);
	const char	*source = conf_source(x, cname, depth + 1);

	if (source == NULL)
		return 0;
	return expand(x, slice_str(source), depth + 1, out);
}

static int
body(struct conf_expansion *x, struct slice s, int depth, struct buf *out)
{
	struct slice	name;
	struct buf	value;
	int		rc;

	skip_space(&s);
	if (s.len > 0 && s.p[0] == '{')
		return comparison(x, s, depth, out);
	name = take_name(&s);
	if (name.len == 0)
		return wrong(x, s, "a parameter name");
	skip_space(&s);
	if (s.len == 0)
		return name_value(x, name, depth, out);
	if (s.p[0] != '?' && s.p[0] != ':')
		return wrong(x, s, "\"?\", \":\" or the end of ${name}");
	buf_init(&value, CONF_EXPAND_MAX);
	rc = name_value(x, name, depth, &value);
	if (rc == 0)
		rc = conditional(x, s, buf_len(&value) > 0, depth, out);
	buf_clear(&value);
	return rc;
}

/* Behind a '$'. */
static int
reference(struct conf_expansion *x, struct slice *s, int depth,
    struct buf *out)
{
	struct slice	inner;

	if (s->len > 0 && s->p[0] == '$') {
		buf_addc(out, '$');
		*s = slice_from(*s, 1);
		return 0;
	}
	if (s->len > 0 && (s->p[0] == '{' || s->p[0] == '(')) {
		if (take_balanced(x, s, &inner) < 0)
			return -1;
		return body(x, inner, depth, out);
	}
	inner = take_name(s);
	if (inner.len == 0)
		return wrong(x, *s, "a parameter name behind \"$\"");
	return name_value(x, inner, depth, out);
}

static int
expand(struct conf_expansion *x, struct slice text, int depth,
    struct buf *out)
{
	struct slice	head;

	if (depth > CONF_EXPAND_DEPTH)
		return error_set(x->err, "names that refer to each other at "
		    "most %d deep", CONF_EXPAND_DEPTH);
	while (slice_cut(&text, '$', &head)) {
		buf_add_slice(out, head);
		if (++x->steps > CONF_EXPAND_STEPS)
			return error_set(x->err, "at most %d references",
			    CONF_EXPAND_STEPS);
		if (reference(x, &text, depth, out) < 0)
			return -1;
	}
	buf_add_slice(out, text);
	if (out->overflow)
		return error_set(x->err, "at most %zu bytes when expanded",
		    out->max);
	return 0;
}

const char *
conf_expand_at(struct conf_expansion *x, const char *text, int depth)
{
	struct buf	 out;
	const char	*result = NULL;

	buf_init(&out, CONF_EXPAND_MAX);
	if (expand(x, slice_str(text), depth, &out) == 0)
		result = arena_strndup(x->a, buf_cstr(&out), buf_len(&out));
	buf_clear(&out);
	return result;
}
