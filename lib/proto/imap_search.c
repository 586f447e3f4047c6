/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/imap_search.h"

#include "base/ascii.h"

enum arg_kind {
	ARG_NONE, ARG_VALUE, ARG_FIELD, ARG_FIELD_VALUE, ARG_KEYWORD, ARG_DATE,
	ARG_SIZE, ARG_SECONDS, ARG_UIDS, ARG_MODSEQ, ARG_ONE, ARG_TWO
};

struct key_row {
	const char	*name;
	enum imap_key	 key;
	enum arg_kind	 arg;
	int64_t		 n;		/* ARG_NONE */
	bool		 negate;
};

static const struct key_row	keys[] = {
	{ "ALL", IMAP_KEY_AND, ARG_NONE, 0, false },
	{ "ANSWERED", IMAP_KEY_FLAG, ARG_NONE, IMAP_ANSWERED, false },
	{ "BCC", IMAP_KEY_HEADER, ARG_FIELD, 0, false },
	{ "BEFORE", IMAP_KEY_BEFORE, ARG_DATE, 0, false },
	{ "BODY", IMAP_KEY_BODY, ARG_VALUE, 0, false },
	{ "CC", IMAP_KEY_HEADER, ARG_FIELD, 0, false },
	{ "DELETED", IMAP_KEY_FLAG, ARG_NONE, IMAP_DELETED, false },
	{ "DRAFT", IMAP_KEY_FLAG, ARG_NONE, IMAP_DRAFT, false },
	{ "FLAGGED", IMAP_KEY_FLAG, ARG_NONE, IMAP_FLAGGED, false },
	{ "FROM", IMAP_KEY_HEADER, ARG_FIELD, 0, false },
	{ "HEADER", IMAP_KEY_HEADER, ARG_FIELD_VALUE, 0, false },
	{ "KEYWORD", IMAP_KEY_KEYWORD, ARG_KEYWORD, 0, false },
	{ "LARGER", IMAP_KEY_LARGER, ARG_SIZE, 0, false },
	{ "MODSEQ", IMAP_KEY_MODSEQ, ARG_MODSEQ, 0, false },
	{ "NEW", IMAP_KEY_NEW, ARG_NONE, 0, false },
	{ "NOT", IMAP_KEY_NOT, ARG_ONE, 0, false },
	{ "OLD", IMAP_KEY_UNFLAG, ARG_NONE, IMAP_RECENT, false },
	{ "OLDER", IMAP_KEY_OLDER, ARG_SECONDS, 0, false },
	{ "ON", IMAP_KEY_ON, ARG_DATE, 0, false },
	{ "OR", IMAP_KEY_OR, ARG_TWO, 0, false },
	{ "RECENT", IMAP_KEY_FLAG, ARG_NONE, IMAP_RECENT, false },
	{ "SEEN", IMAP_KEY_FLAG, ARG_NONE, IMAP_SEEN, false },
	{ "SENTBEFORE", IMAP_KEY_SENTBEFORE, ARG_DATE, 0, false },
	{ "SENTON", IMAP_KEY_SENTON, ARG_DATE, 0, false },
	{ "SENTSINCE", IMAP_KEY_SENTSINCE, ARG_DATE, 0, false },
	{ "SINCE", IMAP_KEY_SINCE, ARG_DATE, 0, false },
	{ "SMALLER", IMAP_KEY_SMALLER, ARG_SIZE, 0, false },
	{ "SUBJECT", IMAP_KEY_HEADER, ARG_FIELD, 0, false },
	{ "TEXT", IMAP_KEY_TEXT, ARG_VALUE, 0, false },
	{ "TO", IMAP_KEY_HEADER, ARG_FIELD, 0, false },
	{ "UID", IMAP_KEY_UID, ARG_UIDS, 0, false },
	{ "UNANSWERED", IMAP_KEY_UNFLAG, ARG_NONE, IMAP_ANSWERED, false },
	{ "UNDELETED", IMAP_KEY_UNFLAG, ARG_NONE, IMAP_DELETED, false },
	{ "UNDRAFT", IMAP_KEY_UNFLAG, ARG_NONE, IMAP_DRAFT, false },
	{ "UNFLAGGED", IMAP_KEY_UNFLAG, ARG_NONE, IMAP_FLAGGED, false },
	{ "UNKEYWORD", IMAP_KEY_KEYWORD, ARG_KEYWORD, 0, true },
	{ "UNSEEN", IMAP_KEY_UNFLAG, ARG_NONE, IMAP_SEEN, false },
	{ "YOUNGER", IMAP_KEY_YOUNGER, ARG_SECONDS, 0, false },
};

static bool	take_key(struct imap_in *in, unsigned depth,
		    struct imap_search_args *args, struct imap_search **out);

/* search-key *(SP search-key) */
static bool
take_list(struct imap_in *in, unsigned depth, struct imap_search_args *args,
    struct imap_search **out)
{
	struct imap_search	*and = arena_alloc(in->mem, sizeof(*and));
	struct imap_search	**last = &and->child;

	and->key = IMAP_KEY_AND;
	do {
		if (!take_key(in, depth, args, last))
			return false;
		last = &(*last)->next;
		/* A space at the end of the line is forgiven. */
	} while (imap_try(in, ' ') && in->rest.len > 0);
	*out = and;
	return true;
}

/* MODSEQ [SP entry-name SP entry-type-req] SP mod-sequence-valzer */
static bool
take_modseq(struct imap_in *in, struct imap_search *s)
{
	struct slice	 entry;
	uint64_t	 n;

	if (imap_at(in, '"')) {
		if (!imap_take_string(in, &entry) || !imap_take_space(in) ||
		    !imap_take_word(in, &entry) || !imap_take_space(in))
			return false;
	}
	if (!imap_take_number64(in, &n))
		return false;
	s->n = (int64_t)n;
	return true;
}

static bool
take_two(struct imap_in *in, unsigned depth, struct imap_search_args *args,
    struct imap_search *s)
{
	return take_key(in, depth, args, &s->child) && imap_take_space(in) &&
	    take_key(in, depth, args, &s->child->next);
}

static bool
take_size(struct imap_in *in, bool positive, struct imap_search *s)
{
	uint64_t	 n;

	if (!imap_take_number64(in, &n))
		return false;
	if (positive && (n == 0 || n > UINT32_MAX))
		return imap_bad(in, "Invalid interval");
	s->n = (int64_t)n;
	return true;
}

static bool
take_arg(struct imap_in *in, const struct key_row *row, unsigned depth,
    struct imap_search_args *args, struct imap_search *s)
{
	if (row->arg != ARG_NONE && !imap_take_space(in))
		return false;
	switch (row->arg) {
	case ARG_NONE:
		s->n = row->n;
		return true;
	case ARG_FIELD:
		s->field = slice_str(row->name);
		return imap_take_astring(in, &s->value);
	case ARG_VALUE:
		return imap_take_astring(in, &s->value);
	case ARG_FIELD_VALUE:
		return imap_take_astring(in, &s->field) &&
		    imap_take_space(in) && imap_take_astring(in, &s->value);
	case ARG_KEYWORD:
		return imap_take_atom(in, &s->value);
	case ARG_DATE:
		return imap_take_date(in, &s->n);
	case ARG_SIZE:
		return take_size(in, false, s);
	case ARG_SECONDS:
		return take_size(in, true, s);
	case ARG_UIDS:
		return imap_take_set(in, &s->set);
	case ARG_MODSEQ:
		args->modseq = true;
		return take_modseq(in, s);
	case ARG_ONE:
		return take_key(in, depth, args, &s->child);
	case ARG_TWO:
		return take_two(in, depth, args, s);
	}
	return false;
}

static bool
take_named(struct imap_in *in, unsigned depth, struct imap_search_args *args,
    struct imap_search **out)
{
	struct imap_search	*s = arena_alloc(in->mem, sizeof(*s)), *not;
	struct slice		 word;
	size_t			 i = 0;

	if (!imap_take_word(in, &word))
		return imap_bad(in, "Missing search key");
	while (i < COUNT(keys) && !slice_iis(word, keys[i].name))
		i++;
	if (i == COUNT(keys))
		return imap_bad(in, "Unknown search key");
	s->key = keys[i].key;
	if (!take_arg(in, &keys[i], depth, args, s))
		return false;
	*out = s;
	if (keys[i].negate) {
		not = arena_alloc(in->mem, sizeof(*not));
		not->key = IMAP_KEY_NOT;
		not->child = s;
		*out = not;
	}
	return true;
}

/* search-key.  depth counts what nests, so that neither this nor any later
 * walk over the tree can run deep. */
static bool
take_key(struct imap_in *in, unsigned depth, struct imap_search_args *args,
    struct imap_search **out)
{
	if (++depth > IMAP_DEPTH_MAX)
		return imap_bad(in, "Search program too deep");
	if (imap_try(in, '('))
		return take_list(in, depth, args, out) &&
		    imap_take_char(in, ')');
	if (imap_at(in, '*') ||
	    (in->rest.len > 0 && ascii_is_digit(in->rest.p[0]))) {
		*out = arena_alloc(in->mem, sizeof(**out));
		(*out)->key = IMAP_KEY_SET;
		return imap_take_set(in, &(*out)->set);
	}
	return take_named(in, depth, args, out);
}

/* RETURN SP "(" [search-return-opt *(SP search-return-opt)] ")" SP */
static bool
take_returns(struct imap_in *in, struct imap_search_args *args)
{
	static const struct {
		const char	*name;
		unsigned	 bit;
	}	 opts[] = {
		{ "MIN", IMAP_RETURN_MIN },
		{ "MAX", IMAP_RETURN_MAX },
		{ "ALL", IMAP_RETURN_ALL },
		{ "COUNT", IMAP_RETURN_COUNT },
	};

	args->esearch = true;
	if (!imap_take_space(in) || !imap_take_char(in, '('))
		return false;
	while (!imap_at(in, ')')) {
		size_t	 i = 0;

		while (i < COUNT(opts) && !imap_try_word(in, opts[i].name))
			i++;
		if (i == COUNT(opts))
			return imap_bad(in, "Unknown SEARCH return option");
		args->returns |= opts[i].bit;
		if (!imap_try(in, ' '))
			break;
	}
	if (args->returns == 0)
		args->returns = IMAP_RETURN_ALL;
	return imap_take_char(in, ')') && imap_take_space(in);
}

bool
imap_take_search(struct imap_in *in, struct imap_search_args *out)
{
	*out = (struct imap_search_args){ 0 };
	if (imap_try_word(in, "RETURN") && !take_returns(in, out))
		return false;
	if (imap_try_word(in, "CHARSET") && (!imap_take_space(in) ||
	    !imap_take_astring(in, &out->charset) || !imap_take_space(in)))
		return false;
	return take_list(in, 0, out, &out->program) && imap_take_end(in);
}
