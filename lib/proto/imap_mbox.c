/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/imap_mbox.h"

#include "base/ascii.h"

struct option {
	const char	*name;
	unsigned	 bit;
};

/* "(" [option *(SP option)] ")": sets bits.  False also for unknown ones. */
static bool
take_options(struct imap_in *in, const struct option *opts, size_t nopts,
    unsigned *bits, const char *unknown)
{
	if (!imap_take_char(in, '('))
		return false;
	while (!imap_at(in, ')')) {
		size_t	 i = 0;

		while (i < nopts && !imap_try_word(in, opts[i].name))
			i++;
		if (i == nopts)
			return imap_bad(in, unknown);
		*bits |= opts[i].bit;
		if (!imap_try(in, ' '))
			break;
	}
	return imap_take_char(in, ')');
}

bool
imap_take_status_items(struct imap_in *in, unsigned *out)
{
	static const struct option	 items[] = {
		{ "MESSAGES", IMAP_STATUS_MESSAGES },
		{ "RECENT", IMAP_STATUS_RECENT },
		{ "UIDNEXT", IMAP_STATUS_UIDNEXT },
		{ "UIDVALIDITY", IMAP_STATUS_UIDVALIDITY },
		{ "UNSEEN", IMAP_STATUS_UNSEEN },
		{ "SIZE", IMAP_STATUS_SIZE },
		{ "HIGHESTMODSEQ", IMAP_STATUS_HIGHESTMODSEQ },
	};

	*out = 0;
	if (!take_options(in, items, COUNT(items), out,
	    "Unknown STATUS item"))
		return false;
	return *out != 0 || imap_bad(in, "Empty STATUS list");
}

/* return-option *(SP return-option), with STATUS and its own list */
static bool
take_returns(struct imap_in *in, struct imap_list_args *out)
{
	if (!imap_take_space(in) || !imap_take_char(in, '('))
		return false;
	while (!imap_at(in, ')')) {
		if (imap_try_word(in, "SUBSCRIBED")) {
			out->returns |= IMAP_RET_SUBSCRIBED;
		} else if (imap_try_word(in, "CHILDREN")) {
			out->returns |= IMAP_RET_CHILDREN;
		} else if (imap_try_word(in, "SPECIAL-USE")) {
			out->returns |= IMAP_RET_SPECIAL_USE;
		} else if (imap_try_word(in, "STATUS")) {
			out->returns |= IMAP_RET_STATUS;
			if (!imap_take_space(in) ||
			    !imap_take_status_items(in, &out->status))
				return false;
		} else {
			return imap_bad(in, "Unknown LIST return option");
		}
		if (!imap_try(in, ' '))
			break;
	}
	return imap_take_char(in, ')');
}

/* mbox-or-pat = list-mailbox / "(" list-mailbox *(SP list-mailbox) ")" */
static bool
take_patterns(struct imap_in *in, struct imap_list_args *out)
{
	if (!imap_try(in, '(')) {
		out->npatterns = 1;
		return imap_take_pattern(in, &out->patterns[0]);
	}
	out->extended = true;
	do {
		if (out->npatterns == IMAP_PATTERNS_MAX)
			return imap_bad(in, "Too many patterns");
		if (!imap_take_pattern(in, &out->patterns[out->npatterns]))
			return false;
		out->npatterns++;
	} while (imap_try(in, ' '));
	return imap_take_char(in, ')');
}

bool
imap_take_list(struct imap_in *in, struct imap_list_args *out)
{
	static const struct option	 opts[] = {
		{ "SUBSCRIBED", IMAP_LIST_SUBSCRIBED },
		{ "REMOTE", IMAP_LIST_REMOTE },
		{ "RECURSIVEMATCH", IMAP_LIST_RECURSIVEMATCH },
		{ "SPECIAL-USE", IMAP_LIST_SPECIAL_USE },
	};

	*out = (struct imap_list_args){ 0 };
	if (imap_at(in, '(')) {
		out->extended = true;
		if (!take_options(in, opts, COUNT(opts), &out->select,
		    "Unknown LIST selection option") || !imap_take_space(in))
			return false;
		if (out->select == IMAP_LIST_RECURSIVEMATCH)
			return imap_bad(in, "RECURSIVEMATCH must not be alone");
	}
	if (!imap_take_astring(in, &out->reference) || !imap_take_space(in) ||
	    !take_patterns(in, out))
		return false;
	if (imap_try(in, ' ')) {
		out->extended = true;
		if (!imap_try_word(in, "RETURN"))
			return imap_bad(in, "Unexpected arguments");
		if (!take_returns(in, out))
			return false;
	}
	return imap_take_end(in);
}

/* ["(UNCHANGEDSINCE" SP number ")" SP] (["+" / "-"] "FLAGS" [".SILENT"]) SP
 * (flag-list / (flag *(SP flag))) */
bool
imap_take_store(struct imap_in *in, struct imap_store_args *out)
{
	*out = (struct imap_store_args){ 0 };
	if (imap_try(in, '(')) {
		if (!imap_try_word(in, "UNCHANGEDSINCE"))
			return imap_bad(in, "Unknown STORE modifier");
		out->unchangedsince = true;
		if (!imap_take_space(in) ||
		    !imap_take_number64(in, &out->modseq) ||
		    !imap_take_char(in, ')') || !imap_take_space(in))
			return false;
	}
	if (imap_try(in, '+'))
		out->op = IMAP_STORE_ADD;
	else if (imap_try(in, '-'))
		out->op = IMAP_STORE_REMOVE;
	out->silent = imap_try_word(in, "FLAGS.SILENT");
	if (!out->silent && !imap_try_word(in, "FLAGS"))
		return imap_bad(in, "Unknown STORE item");
	return imap_take_space(in) &&
	    imap_take_flags(in, true, &out->flags) && imap_take_end(in);
}

bool
imap_take_append(struct imap_in *in, struct imap_append_args *out)
{
	*out = (struct imap_append_args){ 0 };
	if (!imap_take_astring(in, &out->mailbox) || !imap_take_space(in))
		return false;
	if (imap_at(in, '(') && (!imap_take_flags(in, false, &out->flags) ||
	    !imap_take_space(in)))
		return false;
	if (imap_at(in, '"')) {
		out->has_date = true;
		if (!imap_take_date_time(in, &out->date) ||
		    !imap_take_space(in))
			return false;
	}
	return in->rest.len == 0 || imap_bad(in, "Unexpected arguments");
}

/* The set of pattern positions that the name so far can have led to.  A
 * wildcard's position stays in the set while it may take more. */
struct places {
	unsigned char	 at[IMAP_PATTERN_LEN + 1];
};

/* Wildcards may match nothing. */
static void
skip_wild(struct slice pattern, struct places *set)
{
	for (size_t i = 0; i < pattern.len; i++)
		if (set->at[i] && (pattern.p[i] == '*' || pattern.p[i] == '%'))
			set->at[i + 1] = 1;
}

static bool
step(struct slice pattern, struct places *set, int c, int sep, bool fold)
{
	bool	 any = false;

	for (size_t i = pattern.len + 1; i-- > 0;) {
		int	 p = i < pattern.len ? pattern.p[i] : -1;
		bool	 stay = set->at[i] && (p == '*' ||
			    (p == '%' && c != sep));

		if (i < pattern.len && set->at[i] && p != '*' && p != '%' &&
		    (p == c || (fold && p >= 0 &&
		    ascii_lower(p) == ascii_lower(c))))
			set->at[i + 1] = 1;
		set->at[i] = stay;
	}
	/* A literal match of i set i + 1 after i + 1 was handled, so it
	 * stands for the new position. */
	skip_wild(pattern, set);
	for (size_t i = 0; i <= pattern.len; i++)
		any |= set->at[i] != 0;
	return any;
}

/* Walk over the name; false if nothing can match any more. */
static bool
walk(struct slice pattern, struct slice name, int sep, struct places *set)
{
	bool	 inbox = name.len >= 5 &&
		    slice_iis(slice_first(name, 5), "INBOX") &&
		    (name.len == 5 || name.p[5] == sep);

	memset(set, 0, sizeof(*set));
	set->at[0] = 1;
	skip_wild(pattern, set);
	for (size_t i = 0; i < name.len; i++)
		if (!step(pattern, set, name.p[i], sep, inbox && i < 5))
			return false;
	return true;
}

bool
imap_pattern_match(struct slice pattern, struct slice name, int sep)
{
	struct places	 set;

	if (pattern.len > IMAP_PATTERN_LEN)
		return false;
	return walk(pattern, name, sep, &set) && set.at[pattern.len];
}

bool
imap_pattern_below(struct slice pattern, struct slice name, int sep)
{
	struct places	 set;

	if (pattern.len > IMAP_PATTERN_LEN)
		return false;
	return walk(pattern, name, sep, &set) &&
	    step(pattern, &set, sep, sep, false);
}
