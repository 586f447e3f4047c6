/* SPDX-License-Identifier: Apache-2.0 */
/* SELECT, EXAMINE, CLOSE, UNSELECT, EXPUNGE: a mailbox comes and goes. */
#include "imapd/imapd.h"

/* select-params = SP "(" "CONDSTORE" ")"; QRESYNC is not offered. */
static bool
take_select_params(struct session *s, bool *condstore_out)
{
	struct imap_in	*in = &s->cmd->in;

	*condstore_out = false;
	if (!imap_at(in, ' ') || in->rest.len < 2 || in->rest.p[1] != '(')
		return imap_take_end(in);
	in->rest = slice_from(in->rest, 2);
	if (!imap_try_word(in, "CONDSTORE"))
		return imap_bad(in, "Unknown parameter");
	*condstore_out = true;
	return imap_take_char(in, ')') && imap_take_end(in);
}

static enum run
select_mailbox(struct session *s, bool readonly)
{
	const char	*name;
	struct view	*v;
	enum store_fail	 fail;
	struct error	 err;
	bool		 condstore;

	s->cmd->no_sync = true;
	if (!take_mailbox(s, &name))
		return RUN_DONE;
	if (!take_select_params(s, &condstore))
		return reply_syntax(s);
	/* RFC 3501 6.3.1: a failed SELECT leaves nothing selected. */
	if (s->view != NULL) {
		mailbox_close(s);
		buf_adds(session_out(s),
		    "* OK [CLOSED] Previous mailbox closed.\r\n");
	}
	if (view_open(s->user, name, readonly, &v, &fail, &err) < 0) {
		if (fail == STORE_NO_MAILBOX)
			return reply_no(s, "[NONEXISTENT] Mailbox doesn't "
			    "exist: %.200s", name);
		return reply_fail(s, fail, &err);
	}
	s->condstore |= condstore;
	mailbox_open(s, v);
	return view_readonly(v) ?
	    reply_ok(s, "[READ-ONLY] %s completed.",
	    readonly ? "Examine" : "Select") :
	    reply_ok(s, "[READ-WRITE] Select completed.");
}

enum run
cmd_select(struct session *s)
{
	return select_mailbox(s, false);
}

enum run
cmd_examine(struct session *s)
{
	return select_mailbox(s, true);
}

/*
 * Removing what is marked \Deleted.
 */
struct expunge {
	uint32_t	*uids;
	size_t		 n;
};

/* only: NULL or resolved seqs. */
static void
collect(struct session *s, const struct imap_set *only, struct expunge *x)
{
	uint32_t	 count = view_count(s->view);
	size_t		 room = 0;

	*x = (struct expunge){ 0 };
	for (uint32_t seq = 1; seq <= count; seq++) {
		struct view_msg	 m;
		uint32_t	*old = x->uids;

		if (only != NULL && !imap_set_has(only, seq))
			continue;
		view_get(s->view, seq, &m);
		if ((m.flags & STORE_DELETED) == 0 || m.expunged)
			continue;
		if (x->n == room) {
			room = room == 0 ? 64 : room * 2;
			x->uids = arena_array(s->cmd->mem, room,
			    sizeof(*x->uids));
			if (x->n > 0)
				memcpy(x->uids, old, x->n * sizeof(*old));
		}
		x->uids[x->n++] = m.uid;
	}
}

static enum run
closed(struct session *s)
{
	mailbox_close(s);
	return RUN_DONE;
}

static void
flushed(void *arg, int result, const struct error *err)
{
	struct session	*s = arg;

	session_enter(s);
	s->ops--;
	if (!s->closing) {
		if (result < 0)
			reply_fail(s, STORE_TEMP, err);
		command_continue(s);
	}
	session_leave(s);
}

static enum run
answered(struct session *s)
{
	(void)s;
	return RUN_DONE;
}

/* Remove, make it durable, then go on with next. */
static enum run
expunge(struct session *s, const struct expunge *x,
    enum run (*next)(struct session *s))
{
	struct error	 err;

	s->cmd->more = next;
	if (x->n == 0)
		return next(s);
	if (view_expunge(s->view, x->uids, x->n, &err) < 0)
		return reply_fail(s, STORE_TEMP, &err);
	s->stats.expunged += x->n;
	s->ops++;
	view_flush(s->view, flushed, s);
	return RUN_WAIT_EVENT;
}

enum run
cmd_expunge(struct session *s)
{
	struct expunge	 x;
	struct imap_set	 set;

	if (s->cmd->uid) {
		if (!take_seqs(s, &set))
			return RUN_DONE;
		if (!imap_take_end(&s->cmd->in))
			return reply_syntax(s);
	}
	collect(s, s->cmd->uid ? &set : NULL, &x);
	reply_ok(s, "Expunge completed.");
	return expunge(s, &x, answered);
}

/* RFC 3501 6.4.2: no EXPUNGE answers, and none at all in a read-only
 * mailbox. */
enum run
cmd_close(struct session *s)
{
	struct expunge	 x = { 0 };

	s->cmd->no_sync = true;
	reply_ok(s, "Close completed.");
	if (!view_readonly(s->view))
		collect(s, NULL, &x);
	return expunge(s, &x, closed);
}

enum run
cmd_unselect(struct session *s)
{
	s->cmd->no_sync = true;
	mailbox_close(s);
	return reply_ok(s, "Unselect completed.");
}
