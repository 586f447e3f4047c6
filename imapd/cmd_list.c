/* SPDX-License-Identifier: Apache-2.0 */
/* LIST (with RFC 5258, 5819, 6154) and LSUB.
 * Names are matched in the form that goes over the wire, modified UTF-7,
 * where neither wildcards nor the separator can hide in encoded text. */
#include "base/hash.h"
#include "imapd/imapd.h"
#include "imapd/special.h"
#include "proto/imap_mbox.h"
#include "proto/imap_out.h"

struct listing {
	struct imap_list_args	 args;
	bool			 lsub;
	struct slice		*patterns;	/* reference included */
	struct store_listed	*all;
	size_t			 n, next;
	struct hash		*parents;	/* of subscribed names that do
						 * not match themselves */
};

static bool
matches(const struct listing *l, struct slice wire, int sep)
{
	for (size_t i = 0; i < l->args.npatterns; i++)
		if (imap_pattern_match(l->patterns[i], wire, sep))
			return true;
	return false;
}

static void
free_parents(void *arg)
{
	struct hash	*h = arg;

	hash_free(&h);
}

static struct slice
wire_name(struct session *s, const char *name)
{
	struct buf	 b;
	struct slice	 out;

	buf_init(&b, 16384);
	out = name_to_utf7(name, &b) ?
	    slice_dup(s->cmd->mem, buf_slice(&b)) : slice_str(name);
	buf_clear(&b);
	return out;
}

/* Every name above a subscribed one that is not itself in the answer: for
 * CHILDINFO, and for LSUB's "%" (RFC 3501 6.3.9). */
static void
note_parents(struct session *s, struct listing *l)
{
	char	 sep = store_separator(s->user);

	l->parents = hash_new();
	arena_at_free(s->cmd->mem, free_parents, l->parents);
	for (size_t i = 0; i < l->n; i++) {
		struct slice	 wire;

		if ((l->all[i].attrs & STORE_LIST_SUBSCRIBED) == 0)
			continue;
		wire = wire_name(s, l->all[i].name);
		if (matches(l, wire, sep))
			continue;
		for (size_t k = 1; k < wire.len; k++)
			if (wire.p[k] == (unsigned char)sep)
				hash_put(l->parents, slice_first(wire, k), l);
	}
}

static const char *
add_attr(struct buf *out, const char *sep, const char *name)
{
	buf_adds(out, sep);
	buf_adds(out, name);
	return " ";
}

static void
add_attrs(struct buf *out, const struct listing *l,
    const struct store_listed *m)
{
	bool		 ext = l->args.extended;
	const char	*sep = "(";

	if ((m->attrs & STORE_LIST_NONEXISTENT) != 0 && !l->lsub)
		sep = add_attr(out, sep, ext ? "\\NonExistent" : "\\Noselect");
	else if ((m->attrs & STORE_LIST_NOSELECT) != 0)
		sep = add_attr(out, sep, "\\Noselect");
	if (!l->lsub && (m->attrs & STORE_LIST_NONEXISTENT) == 0)
		sep = add_attr(out, sep, (m->attrs & STORE_LIST_CHILDREN) != 0 ?
		    "\\HasChildren" : "\\HasNoChildren");
	if (!l->lsub && (m->attrs & STORE_LIST_MARKED) != 0)
		sep = add_attr(out, sep, "\\Marked");
	if ((m->attrs & STORE_LIST_SUBSCRIBED) != 0 &&
	    ((l->args.select & IMAP_LIST_SUBSCRIBED) != 0 ||
	    (l->args.returns & IMAP_RET_SUBSCRIBED) != 0))
		sep = add_attr(out, sep, "\\Subscribed");
	/* In LSUB too: Outlook 2013 looks for them there. */
	for (size_t i = 0; i < nspecial_uses; i++)
		if ((m->use & special_uses[i].use) != 0)
			sep = add_attr(out, sep, special_uses[i].name);
	buf_adds(out, *sep == '(' ? "()" : ")");
}

/* LIST-STATUS: only for what can be selected. */
static void
add_list_status(struct session *s, const struct listing *l,
    const struct store_listed *m, struct slice wire)
{
	struct store_status	 st;
	enum store_fail		 fail;
	struct error		 err;
	struct buf		*out = session_out(s);

	if ((l->args.returns & IMAP_RET_STATUS) == 0 ||
	    (m->attrs & (STORE_LIST_NOSELECT | STORE_LIST_NONEXISTENT)) != 0)
		return;
	/* RFC 5819 2: the STATUS answer is left out if it cannot be had. */
	if (store_status(s->user, m->name, &st, &fail, &err) < 0)
		return;
	buf_adds(out, "* STATUS ");
	imap_add_astring(out, wire);
	buf_addc(out, ' ');
	add_status(out, l->args.status, &st);
	buf_adds(out, "\r\n");
}

static void
add_line(struct session *s, const struct listing *l,
    const struct store_listed *m, struct slice wire, bool childinfo)
{
	struct buf	*out = session_out(s);

	buf_adds(out, l->lsub ? "* LSUB " : "* LIST ");
	add_attrs(out, l, m);
	buf_addf(out, " \"%c\" ", store_separator(s->user));
	imap_add_astring(out, wire);
	if (childinfo)
		buf_adds(out, " (\"CHILDINFO\" (\"SUBSCRIBED\"))");
	buf_adds(out, "\r\n");
	add_list_status(s, l, m, wire);
}

static void
list_one(struct session *s, struct listing *l, const struct store_listed *m)
{
	struct slice	 wire = wire_name(s, m->name);
	bool		 subscribed = (m->attrs & STORE_LIST_SUBSCRIBED) != 0;
	bool		 want_sub = l->lsub ||
			    (l->args.select & IMAP_LIST_SUBSCRIBED) != 0;
	bool		 parent = l->parents != NULL &&
			    hash_get(l->parents, wire) != NULL;
	struct store_listed	 shown = *m;

	if (!matches(l, wire, store_separator(s->user)))
		return;
	if ((l->args.select & IMAP_LIST_SPECIAL_USE) != 0 && m->use == 0)
		return;
	if (want_sub && !subscribed) {
		if (!parent)
			return;
		if (l->lsub)
			shown.attrs |= STORE_LIST_NOSELECT;
	} else if (!want_sub && (m->attrs & STORE_LIST_NONEXISTENT) != 0) {
		return;
	}
	add_line(s, l, &shown, wire, parent && !l->lsub);
}

static enum run
list_more(struct session *s)
{
	struct listing	*l = s->cmd->data;

	while (l->next < l->n) {
		if (session_full(s))
			return RUN_WAIT_OUTPUT;
		list_one(s, l, &l->all[l->next++]);
	}
	return reply_ok(s, l->lsub ? "Lsub completed." : "List completed.");
}

static void
join_patterns(struct session *s, struct listing *l)
{
	struct imap_list_args	*a = &l->args;

	l->patterns = arena_array(s->cmd->mem, a->npatterns + 1,
	    sizeof(*l->patterns));
	for (size_t i = 0; i < a->npatterns; i++) {
		size_t		 n = a->reference.len;
		unsigned char	*p = arena_alloc(s->cmd->mem,
				    n + a->patterns[i].len + 1);

		if (n > 0)
			memcpy(p, a->reference.p, n);
		if (a->patterns[i].len > 0)
			memcpy(p + n, a->patterns[i].p, a->patterns[i].len);
		l->patterns[i] = slice_of(p, n + a->patterns[i].len);
	}
}

static enum run
list(struct session *s, bool lsub)
{
	struct listing	*l = arena_alloc(s->cmd->mem, sizeof(*l));
	struct error	 err;

	if (!imap_take_list(&s->cmd->in, &l->args))
		return reply_syntax(s);
	l->lsub = lsub;
	if (!l->args.extended && l->args.patterns[0].len == 0) {
		/* RFC 3501 6.3.8: asks for the separator and the root. */
		buf_addf(session_out(s), "* %s (\\Noselect) \"%c\" \"\"\r\n",
		    lsub ? "LSUB" : "LIST", store_separator(s->user));
		return reply_ok(s, lsub ? "Lsub completed." :
		    "List completed.");
	}
	join_patterns(s, l);
	if (store_list(s->user, s->cmd->mem, &l->all, &l->n, &err) < 0)
		return reply_fail(s, STORE_TEMP, &err);
	if (lsub || (l->args.select & IMAP_LIST_RECURSIVEMATCH) != 0)
		note_parents(s, l);
	s->cmd->data = l;
	s->cmd->more = list_more;
	return list_more(s);
}

enum run
cmd_list(struct session *s)
{
	return list(s, false);
}

enum run
cmd_lsub(struct session *s)
{
	return list(s, true);
}
