/* SPDX-License-Identifier: Apache-2.0 */
/* Commands that change the tree of mailboxes; STATUS. */
#include "imapd/imapd.h"
#include "imapd/special.h"
#include "proto/imap_mbox.h"

const struct special_use	special_uses[] = {
	{ "\\All", STORE_USE_ALL },
	{ "\\Archive", STORE_USE_ARCHIVE },
	{ "\\Drafts", STORE_USE_DRAFTS },
	{ "\\Flagged", STORE_USE_FLAGGED },
	{ "\\Junk", STORE_USE_JUNK },
	{ "\\Sent", STORE_USE_SENT },
	{ "\\Trash", STORE_USE_TRASH },
};
const size_t			nspecial_uses = COUNT(special_uses);

/* create-param = "USE" SP "(" [use-attr *(SP use-attr)] ")", RFC 6154 6.
 * False: syntax error, or *known_out is false. */
static bool
take_uses(struct imap_in *in, unsigned *use_out, bool *known_out)
{
	struct slice	 all, atom;

	*use_out = 0;
	*known_out = true;
	if (!imap_try(in, ' '))
		return imap_take_end(in);
	if (!imap_take_char(in, '(') || !imap_try_word(in, "USE") ||
	    !imap_take_space(in) || !imap_take_char(in, '('))
		return imap_bad(in, "Unknown parameter");
	while (!imap_at(in, ')')) {
		size_t	 i = 0;

		all = in->rest;
		if (!imap_take_char(in, '\\') || !imap_take_atom(in, &atom))
			return false;
		all = slice_first(all, atom.len + 1);
		while (i < nspecial_uses &&
		    !slice_iis(all, special_uses[i].name))
			i++;
		if (i < nspecial_uses)
			*use_out |= special_uses[i].use;
		else
			*known_out = false;
		if (!imap_try(in, ' '))
			break;
	}
	return imap_take_char(in, ')') && imap_take_char(in, ')') &&
	    imap_take_end(in);
}

enum run
cmd_create(struct session *s)
{
	const char	*name;
	unsigned	 use;
	bool		 known;
	enum store_fail	 fail;
	struct error	 err;

	if (!take_mailbox(s, &name))
		return RUN_DONE;
	if (!take_uses(&s->cmd->in, &use, &known))
		return reply_syntax(s);
	if (!known)
		return reply_no(s, "[USEATTR] Special use not supported");
	if (store_create(s->user, name, use, &fail, &err) < 0)
		return reply_fail(s, fail, &err);
	return reply_ok(s, "Create completed.");
}

enum run
cmd_delete(struct session *s)
{
	const char	*name;
	enum store_fail	 fail;
	struct error	 err;

	if (!take_mailbox(s, &name))
		return RUN_DONE;
	if (!imap_take_end(&s->cmd->in))
		return reply_syntax(s);
	if (store_delete(s->user, name, &fail, &err) < 0)
		return reply_fail(s, fail, &err);
	if (s->view != NULL &&
	    slice_is(slice_str(name), view_mailbox(s->view))) {
		mailbox_close(s);
		buf_adds(session_out(s),
		    "* OK [CLOSED] Selected mailbox was deleted.\r\n");
	}
	return reply_ok(s, "Delete completed.");
}

enum run
cmd_rename(struct session *s)
{
	const char	*from, *to;
	enum store_fail	 fail;
	struct error	 err;

	if (!take_mailbox(s, &from))
		return RUN_DONE;
	if (!imap_take_space(&s->cmd->in))
		return reply_syntax(s);
	if (!take_mailbox(s, &to))
		return RUN_DONE;
	if (!imap_take_end(&s->cmd->in))
		return reply_syntax(s);
	if (store_rename(s->user, from, to, &fail, &err) < 0)
		return reply_fail(s, fail, &err);
	return reply_ok(s, "Rename completed.");
}

static enum run
subscribe(struct session *s, bool on)
{
	const char	*name;
	enum store_fail	 fail;
	struct error	 err;

	if (!take_mailbox(s, &name))
		return RUN_DONE;
	if (!imap_take_end(&s->cmd->in))
		return reply_syntax(s);
	if (store_subscribe(s->user, name, on, &fail, &err) < 0)
		return reply_fail(s, fail, &err);
	return reply_ok(s, on ? "Subscribe completed." :
	    "Unsubscribe completed.");
}

enum run
cmd_subscribe(struct session *s)
{
	return subscribe(s, true);
}

enum run
cmd_unsubscribe(struct session *s)
{
	return subscribe(s, false);
}

void
add_status(struct buf *out, unsigned items, const struct store_status *st)
{
	const struct {
		unsigned	 bit;
		const char	*name;
		uint64_t	 value;
	}		 rows[] = {
		{ IMAP_STATUS_MESSAGES, "MESSAGES", st->messages },
		{ IMAP_STATUS_RECENT, "RECENT", st->recent },
		{ IMAP_STATUS_UIDNEXT, "UIDNEXT", st->uidnext },
		{ IMAP_STATUS_UIDVALIDITY, "UIDVALIDITY", st->uidvalidity },
		{ IMAP_STATUS_UNSEEN, "UNSEEN", st->unseen },
		{ IMAP_STATUS_SIZE, "SIZE", st->size },
		{ IMAP_STATUS_HIGHESTMODSEQ, "HIGHESTMODSEQ",
		    st->highestmodseq },
	};
	const char	*sep = "(";

	for (size_t i = 0; i < COUNT(rows); i++) {
		if ((items & rows[i].bit) == 0)
			continue;
		buf_addf(out, "%s%s %llu", sep, rows[i].name,
		    (unsigned long long)rows[i].value);
		sep = " ";
	}
	buf_addc(out, ')');
}

enum run
cmd_status(struct session *s)
{
	const char		*name;
	unsigned		 items;
	struct store_status	 st;
	enum store_fail		 fail;
	struct error		 err;
	struct buf		*out = session_out(s);

	if (!take_mailbox(s, &name))
		return RUN_DONE;
	if (!imap_take_space(&s->cmd->in) ||
	    !imap_take_status_items(&s->cmd->in, &items) ||
	    !imap_take_end(&s->cmd->in))
		return reply_syntax(s);
	if (store_status(s->user, name, &st, &fail, &err) < 0)
		return reply_fail(s, fail, &err);
	if ((items & IMAP_STATUS_HIGHESTMODSEQ) != 0)
		s->condstore = true;
	buf_adds(out, "* STATUS ");
	add_mailbox(out, name);
	buf_addc(out, ' ');
	add_status(out, items, &st);
	buf_adds(out, "\r\n");
	return reply_ok(s, "Status completed.");
}
