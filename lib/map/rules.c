/* SPDX-License-Identifier: Apache-2.0 */
/* What regexp:, pcre: and cidr: have in common.  Postfix warns about a line
 * that it cannot read and goes on without it; we refuse the table, because a
 * filter with a rule missing is worse than one that does not start. */
#include <string.h>

#include "base/ascii.h"
#include "base/mem.h"
#include "conf/lines.h"
#include "map/rules_int.h"

#define IF_DEPTH_MAX	100

enum rule_op { RULE_MATCH, RULE_IF, RULE_ENDIF };

struct rule {
	enum rule_op	 op;
	bool		 negate;
	void		*pattern;
	const char	*result;
	size_t		 jump;		/* IF: behind its ENDIF */
};

struct rules {
	const struct rule_kind	*kind;
	struct rule		*rule;
	size_t			 n, room;
	size_t			 open_if[IF_DEPTH_MAX], depth;
};

static struct rule *
add(struct rules *r, enum rule_op op)
{
	if (r->n == r->room) {
		r->room = r->room * 2 + 16;
		r->rule = mem_grow(r->rule, r->room, sizeof(*r->rule));
	}
	r->rule[r->n] = (struct rule){ .op = op };
	return &r->rule[r->n++];
}

static void
skip_blanks(struct slice *s)
{
	while (s->len > 0 && (ascii_is_blank(s->p[0]) || s->p[0] == '\r' ||
	    s->p[0] == '\n'))
		*s = slice_from(*s, 1);
}

/* The n of $n, ${n}, $(n); *s is behind the '$'. */
static bool
take_group(struct slice *s, uint64_t *n_out)
{
	unsigned char	open = s->len > 0 ? s->p[0] : 0;
	size_t		from = open == '{' || open == '(', n = 0;
	struct slice	digits = slice_from(*s, from);

	while (n < digits.len && ascii_is_digit(digits.p[n]))
		n++;
	if (!slice_u64(slice_first(digits, n), RULES_GROUPS_MAX, n_out))
		return false;
	*s = slice_from(digits, n);
	if (from == 0)
		return true;
	if (s->len == 0 || s->p[0] != (open == '{' ? '}' : ')'))
		return false;
	*s = slice_from(*s, 1);
	return true;
}

/* Expand into out; with m NULL only check against groups. */
static int
substitute(const char *result, const struct rule_match *m, size_t groups,
    struct buf *out, struct error *err)
{
	struct slice	s = slice_str(result), head;
	uint64_t	n;

	while (slice_cut(&s, '$', &head)) {
		if (out != NULL)
			buf_add_slice(out, head);
		if (s.len > 0 && s.p[0] == '$') {
			if (out != NULL)
				buf_addc(out, '$');
			s = slice_from(s, 1);
			continue;
		}
		if (!take_group(&s, &n))
			return error_set(err, "\"%s\": expected $number, "
			    "${number} or $$", result);
		if (n < 1 || n > groups)
			return error_set(err, "\"%s\": there is no group %llu",
			    result, (unsigned long long)n);
		if (m != NULL && n < m->n)
			buf_add_slice(out, m->group[n]);
	}
	if (out != NULL)
		buf_add_slice(out, s);
	return 0;
}

static int
take_pattern(struct rules *r, struct rule *rule, struct slice *rest,
    size_t *groups_out, struct error *err)
{
	skip_blanks(rest);
	while (rest->len > 0 && rest->p[0] == '!') {
		rule->negate = !rule->negate;
		*rest = slice_from(*rest, 1);
		skip_blanks(rest);
	}
	rule->pattern = r->kind->compile(rest, groups_out, err);
	return rule->pattern == NULL ? -1 : 0;
}

static bool
is_word(struct slice line, const char *word, struct slice *rest_out)
{
	size_t	n = strlen(word);

	if (!slice_istarts(line, word) ||
	    (line.len > n && ascii_is_alnum(line.p[n])))
		return false;
	*rest_out = slice_from(line, n);
	return true;
}

static int
add_if(struct rules *r, struct slice rest, struct error *err)
{
	size_t		 groups;
	struct rule	*rule = add(r, RULE_IF);

	if (r->depth == IF_DEPTH_MAX)
		return error_set(err, "if more than %d deep", IF_DEPTH_MAX);
	r->open_if[r->depth++] = r->n - 1;
	if (take_pattern(r, rule, &rest, &groups, err) < 0)
		return -1;
	if (slice_trim(rest).len > 0)
		return error_set(err, "\"%.*s\": expected nothing behind the "
		    "pattern of an if", SLICE_ARG(slice_trim(rest)));
	return 0;
}

static int
add_endif(struct rules *r, struct slice rest, struct error *err)
{
	if (slice_trim(rest).len > 0)
		return error_set(err, "expected nothing behind endif");
	if (r->depth == 0)
		return error_set(err, "endif without if");
	(void)add(r, RULE_ENDIF);
	r->rule[r->open_if[--r->depth]].jump = r->n;
	return 0;
}

static int
add_match(struct map *m, struct rules *r, struct slice rest,
    struct error *err)
{
	struct rule	*rule = add(r, RULE_MATCH);
	size_t		 groups;

	if (take_pattern(r, rule, &rest, &groups, err) < 0)
		return -1;
	if (rest.len > 0 && !ascii_is_blank(rest.p[0]))
		return error_set(err, "\"%.*s\": expected white space behind "
		    "the pattern", SLICE_ARG(rest));
	rest = slice_trim(rest);
	if (rest.len == 0)
		return error_set(err, "a pattern without a result");
	rule->result = arena_strndup(m->mem, (const char *)rest.p, rest.len);
	if (!r->kind->substitutes)
		return 0;
	return substitute(rule->result, NULL, rule->negate ? 0 : groups, NULL,
	    err);
}

static int
add_line(struct map *m, struct slice line, struct error *err)
{
	struct rules	*r = m->impl;
	struct slice	 rest;

	line = slice_trim(line);
	if (is_word(line, "if", &rest))
		return add_if(r, rest, err);
	if (is_word(line, "endif", &rest))
		return add_endif(r, rest, err);
	return add_match(m, r, line, err);
}

static int
read_file(struct map *m, const char *path, struct error *err)
{
	struct conf_lines	l;
	struct buf		text;
	struct slice		line;
	int			rc;

	buf_init(&text, CONF_FILE_MAX);
	rc = map_read_source(m, path, &text, err);
	conf_lines_init(&l, buf_slice(&text));
	while (rc == 0 && conf_lines_next(&l, &line)) {
		rc = add_line(m, line, err);
		if (rc < 0)
			(void)error_in(err, "%s, line %d", path, l.first);
	}
	conf_lines_clear(&l);
	buf_clear(&text);
	return rc;
}

static int
read_inline(struct map *m, struct slice inside, struct error *err)
{
	struct slice	word, line;
	int		n = 1;

	for (; map_list_word(&inside, &word); n++) {
		if (!map_unbrace(word, &line))
			return error_set(err, "\"%.*s\": expected { rule }",
			    SLICE_ARG(word));
		if (add_line(m, line, err) < 0)
			return error_in(err, "rule %d", n);
	}
	return 0;
}

int
rules_open(struct map *m, const struct rule_kind *kind, const char *arg,
    struct error *err)
{
	struct rules	*r = mem_new(1, sizeof(*r));
	struct slice	 inside;
	int		 rc;

	r->kind = kind;
	m->impl = r;
	if (map_unbrace(slice_str(arg), &inside))
		rc = read_inline(m, inside, err);
	else
		rc = read_file(m, arg, err);
	if (rc == 0 && r->depth > 0)
		return error_set(err, "if without endif");
	return rc;
}

void
rules_close(struct map *m)
{
	struct rules	*r = m->impl;

	for (size_t i = 0; i < r->n; i++)
		if (r->rule[i].pattern != NULL)
			r->kind->free(r->rule[i].pattern);
	mem_free(&r->rule);
	mem_free(&r);
}

static enum map_result
found(const struct rules *r, const struct rule *rule,
    const struct rule_match *match, struct arena *a, const char **value_out)
{
	struct buf	out;

	if (!r->kind->substitutes) {
		*value_out = arena_strdup(a, rule->result);
		return MAP_FOUND;
	}
	buf_init(&out, (size_t)1 << 20);
	/* Checked when it was read. */
	(void)substitute(rule->result, match, RULES_GROUPS_MAX, &out, NULL);
	*value_out = arena_strndup(a, buf_cstr(&out), buf_len(&out));
	buf_clear(&out);
	return MAP_FOUND;
}

enum map_result
rules_get(struct map *m, const char *key, struct arena *a,
    const char **value_out, struct error *err)
{
	const struct rules	*r = m->impl;
	struct rule_match	 match;

	for (size_t i = 0; i < r->n; ) {
		const struct rule	*rule = &r->rule[i];
		int			 hit;

		if (rule->op == RULE_ENDIF) {
			i++;
			continue;
		}
		match.n = 0;
		hit = r->kind->match(rule->pattern, key, &match, err);
		if (hit < 0)
			return MAP_ERROR;
		if ((hit == 1) == rule->negate)
			i = rule->op == RULE_IF ? rule->jump : i + 1;
		else if (rule->op == RULE_IF)
			i++;
		else
			return found(r, rule, &match, a, value_out);
	}
	return MAP_NONE;
}
