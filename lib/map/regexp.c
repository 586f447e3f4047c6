/* SPDX-License-Identifier: Apache-2.0 */
/* regexp: with the C library's POSIX expressions (leftmost-longest, which a
 * Perl-like engine cannot give) and pcre: with PCRE2. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <regex.h>
#include <string.h>

#include "base/ascii.h"
#include "base/mem.h"
#include "map/rules_int.h"

/* Bounds on what a text from a peer can cost. */
#define MATCH_LIMIT	1000000
#define DEPTH_LIMIT	10000
#define HEAP_LIMIT_KB	20000

/* "/pattern/flags": any visible byte but letters and digits delimits; a
 * delimiter inside is written behind a backslash, which is left there. */
static int
take_delimited(struct slice *rest, struct slice *pattern_out,
    struct slice *flags_out, struct error *err)
{
	unsigned char	delim;
	size_t		i, from;

	if (rest->len == 0 || ascii_is_alnum(rest->p[0]) ||
	    !ascii_is_graph(rest->p[0]) || rest->p[0] == '\\')
		return error_set(err, "\"%.*s\": expected /pattern/",
		    (int)(rest->len > 60 ? 60 : rest->len),
		    (const char *)rest->p);
	delim = rest->p[0];
	for (i = 1; i < rest->len && rest->p[i] != delim; i++)
		if (rest->p[i] == '\\' && i + 1 < rest->len)
			i++;
	if (i >= rest->len)
		return error_set(err, "\"%.*s\": no closing \"%c\"",
		    (int)(rest->len > 60 ? 60 : rest->len),
		    (const char *)rest->p, delim);
	*pattern_out = slice_of(rest->p + 1, i - 1);
	from = ++i;
	while (i < rest->len && !ascii_is_blank(rest->p[i]))
		i++;
	*flags_out = slice_of(rest->p + from, i - from);
	*rest = slice_from(*rest, i);
	return 0;
}

static void *
regexp_compile(struct slice *rest, size_t *groups_out, struct error *err)
{
	struct slice	 pattern, flags;
	int		 cflags = REG_EXTENDED | REG_ICASE, rc;
	regex_t		*re;
	char		*text;

	if (take_delimited(rest, &pattern, &flags, err) < 0)
		return NULL;
	for (size_t i = 0; i < flags.len; i++) {
		switch (flags.p[i]) {
		case 'i':
			cflags ^= REG_ICASE;
			break;
		case 'm':
			cflags ^= REG_NEWLINE;
			break;
		case 'x':
			cflags ^= REG_EXTENDED;
			break;
		default:
			(void)error_set(err, "unknown flag \"%c\"; expected "
			    "i, m or x", flags.p[i]);
			return NULL;
		}
	}
	re = mem_new(1, sizeof(*re));
	text = mem_printf("%.*s", SLICE_ARG(pattern));
	rc = regcomp(re, text, cflags);
	mem_free(&text);
	if (rc != 0) {
		char	why[200];

		regerror(rc, re, why, sizeof(why));
		(void)error_set(err, "\"%.*s\": %s", SLICE_ARG(pattern), why);
		mem_free(&re);
		return NULL;
	}
	*groups_out = re->re_nsub;
	return re;
}

static int
regexp_match(const void *pattern, const char *key, struct rule_match *out,
    struct error *err)
{
	regmatch_t	at[RULES_GROUPS_MAX];
	int		rc = regexec(pattern, key, RULES_GROUPS_MAX, at, 0);

	if (rc == REG_NOMATCH)
		return 0;
	if (rc != 0) {
		char	why[200];

		regerror(rc, pattern, why, sizeof(why));
		return error_set(err, "%s", why);
	}
	for (size_t i = 0; i < RULES_GROUPS_MAX; i++) {
		out->group[i] = (struct slice){ NULL, 0 };
		if (at[i].rm_so >= 0)
			out->group[i] = slice_of(key + at[i].rm_so,
			    (size_t)(at[i].rm_eo - at[i].rm_so));
	}
	out->n = RULES_GROUPS_MAX;
	return 1;
}

static void
regexp_free(void *pattern)
{
	regex_t	*re = pattern;

	regfree(re);
	mem_free(&re);
}

static const struct rule_kind	regexp_kind = {
	.compile = regexp_compile, .match = regexp_match,
	.free = regexp_free, .substitutes = true,
};

static int
regexp_open(struct map *m, const char *arg, struct error *err)
{
	return rules_open(m, &regexp_kind, arg, err);
}

const struct map_type	map_type_regexp = {
	.name = "regexp", .open = regexp_open, .get = rules_get,
	.close = rules_close,
};

struct pcre_pattern {
	pcre2_code		*code;
	pcre2_match_data	*data;
	pcre2_match_context	*context;
};

/* Toggle the option of one flag letter.  False: unknown. */
static bool
pcre_flag(int c, uint32_t *options)
{
	static const struct { char c; uint32_t option; }	flags[] = {
		{ 'i', PCRE2_CASELESS }, { 'm', PCRE2_MULTILINE },
		{ 's', PCRE2_DOTALL }, { 'x', PCRE2_EXTENDED },
		{ 'A', PCRE2_ANCHORED }, { 'E', PCRE2_DOLLAR_ENDONLY },
		{ 'U', PCRE2_UNGREEDY }, { 'X', 0 },
	};

	for (size_t i = 0; i < COUNT(flags); i++)
		if (flags[i].c == c) {
			*options ^= flags[i].option;
			return true;
		}
	return false;
}

static void
pcre_free(void *pattern)
{
	struct pcre_pattern	*p = pattern;

	pcre2_match_context_free(p->context);
	pcre2_match_data_free(p->data);
	pcre2_code_free(p->code);
	mem_free(&p);
}

static void *
pcre_compile(struct slice *rest, size_t *groups_out, struct error *err)
{
	struct slice		 pattern, flags;
	uint32_t		 options = PCRE2_CASELESS | PCRE2_DOTALL |
				    PCRE2_UTF | PCRE2_MATCH_INVALID_UTF;
	uint32_t		 groups = 0;
	struct pcre_pattern	*p;
	PCRE2_SIZE		 at;
	int			 code;

	if (take_delimited(rest, &pattern, &flags, err) < 0)
		return NULL;
	for (size_t i = 0; i < flags.len; i++)
		if (!pcre_flag(flags.p[i], &options)) {
			(void)error_set(err, "unknown flag \"%c\"; expected "
			    "one of i m s x A E U X", flags.p[i]);
			return NULL;
		}
	p = mem_new(1, sizeof(*p));
	p->code = pcre2_compile(pattern.p, pattern.len, options, &code, &at,
	    NULL);
	if (p->code == NULL) {
		unsigned char	why[200] = "";

		(void)pcre2_get_error_message(code, why, sizeof(why));
		(void)error_set(err, "\"%.*s\": %s at offset %zu",
		    SLICE_ARG(pattern), why, (size_t)at);
		pcre_free(p);
		return NULL;
	}
	p->data = pcre2_match_data_create_from_pattern(p->code, NULL);
	p->context = pcre2_match_context_create(NULL);
	pcre2_set_match_limit(p->context, MATCH_LIMIT);
	pcre2_set_depth_limit(p->context, DEPTH_LIMIT);
	pcre2_set_heap_limit(p->context, HEAP_LIMIT_KB);
	(void)pcre2_pattern_info(p->code, PCRE2_INFO_CAPTURECOUNT, &groups);
	*groups_out = groups;
	return p;
}

static int
pcre_match(const void *pattern, const char *key, struct rule_match *out,
    struct error *err)
{
	const struct pcre_pattern	*p = pattern;
	const PCRE2_SIZE		*at;
	int				 n = pcre2_match(p->code,
					    (PCRE2_SPTR)key, strlen(key), 0,
					    0, p->data, p->context);

	if (n == PCRE2_ERROR_NOMATCH)
		return 0;
	if (n < 0) {
		unsigned char	why[200] = "";

		(void)pcre2_get_error_message(n, why, sizeof(why));
		return error_set(err, "%s", why);
	}
	at = pcre2_get_ovector_pointer(p->data);
	out->n = (size_t)n < RULES_GROUPS_MAX ? (size_t)n : RULES_GROUPS_MAX;
	for (size_t i = 0; i < out->n; i++) {
		out->group[i] = (struct slice){ NULL, 0 };
		if (at[2 * i] != PCRE2_UNSET && at[2 * i] <= at[2 * i + 1])
			out->group[i] = slice_of(key + at[2 * i],
			    at[2 * i + 1] - at[2 * i]);
	}
	return 1;
}

static const struct rule_kind	pcre_kind = {
	.compile = pcre_compile, .match = pcre_match, .free = pcre_free,
	.substitutes = true,
};

static int
pcre_open(struct map *m, const char *arg, struct error *err)
{
	return rules_open(m, &pcre_kind, arg, err);
}

const struct map_type	map_type_pcre = {
	.name = "pcre", .open = pcre_open, .get = rules_get,
	.close = rules_close,
};
