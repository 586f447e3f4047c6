/* SPDX-License-Identifier: Apache-2.0 */
/* STORE, COPY, MOVE. */
#include "imapd/imapd.h"
#include "proto/imap_fetch.h"
#include "proto/imap_mbox.h"

#define COPYUID_MAX	((size_t)1 << 20)

struct numbers {
	uint32_t	*seqs;
	size_t		 n;
};

static void
list_seqs(struct session *s, const struct imap_set *set, struct numbers *out)
{
	size_t	 n = 0;

	for (size_t i = 0; i < set->count; i++)
		n += (size_t)set->ranges[i].to - set->ranges[i].from + 1;
	out->seqs = arena_array(s->cmd->mem, n + 1, sizeof(*out->seqs));
	out->n = 0;
	for (uint32_t seq = imap_set_next(set, 1); seq != 0;
	    seq = imap_set_next(set, seq + 1))
		out->seqs[out->n++] = seq;
}

/* "[MODIFIED 7,9]": those that UNCHANGEDSINCE left alone (RFC 7162 3.1.3),
 * and take them out of what is reported. */
static const char *
modified_text(struct session *s, struct imap_set *set,
    const uint32_t *failed, size_t nfailed)
{
	struct imap_set_builder	 bad = { 0 }, good = { 0 };
	struct buf		 b;
	const char		*text;
	size_t			 k = 0;

	if (nfailed == 0)
		return "Store completed.";
	for (uint32_t seq = imap_set_next(set, 1); seq != 0;
	    seq = imap_set_next(set, seq + 1)) {
		if (k < nfailed && failed[k] == seq) {
			k++;
			imap_set_add(&bad, s->cmd->mem, s->cmd->uid ?
			    view_uid(s->view, seq) : seq);
		} else {
			imap_set_add(&good, s->cmd->mem, seq);
		}
	}
	*set = good.set;
	buf_init(&b, 900);
	buf_adds(&b, "[MODIFIED ");
	imap_set_format(&bad.set, &b);
	buf_adds(&b, "] Conditional store failed.");
	text = b.overflow ? "Conditional store failed for some messages." :
	    arena_strdup(s->cmd->mem, buf_cstr(&b));
	buf_clear(&b);
	return text;
}

/* The answer shows the flags of each message of the set, changed or not
 * (RFC 3501 6.4.6), unless SILENT; with CONDSTORE always its MODSEQ. */
static enum run
report(struct session *s, const struct imap_set *set, bool silent,
    const char *text)
{
	struct imap_fetch	*f;

	if (silent && !s->condstore)
		return reply_ok(s, "%s", text);
	f = arena_alloc(s->cmd->mem, sizeof(*f));
	f->items = arena_array(s->cmd->mem, 3, sizeof(*f->items));
	if (s->cmd->uid)
		f->items[f->nitems++].kind = IMAP_FETCH_UID;
	if (!silent)
		f->items[f->nitems++].kind = IMAP_FETCH_FLAGS;
	if (s->condstore)
		f->items[f->nitems++].kind = IMAP_FETCH_MODSEQ;
	return fetch_start(s, set, f, text);
}

static void
count_deleted(struct session *s, const struct imap_store_args *a, size_t n)
{
	if (a->op != IMAP_STORE_REMOVE &&
	    (a->flags.system & IMAP_DELETED) != 0)
		s->stats.deleted += n;
}

static enum run
store(struct session *s, struct imap_set *set, const struct imap_store_args *a)
{
	static const enum view_flag_op	 ops[] = {
		[IMAP_STORE_SET] = VIEW_FLAGS_SET,
		[IMAP_STORE_ADD] = VIEW_FLAGS_ADD,
		[IMAP_STORE_REMOVE] = VIEW_FLAGS_REMOVE,
	};
	struct view_store	 st = { .op = ops[a->op], .unchanged_since =
				    a->unchangedsince ? a->modseq :
				    UINT64_MAX };
	struct numbers		 list;
	uint32_t		*failed;
	size_t			 nfailed = 0;
	struct error		 err;
	bool			 made;

	if (!flags_to_store(s->view, &a->flags, a->op != IMAP_STORE_REMOVE,
	    &st.flags, &st.keywords, &made))
		return reply_no(s, "[LIMIT] Too many keywords in mailbox");
	if (made)
		mailbox_flags_untagged(s);
	list_seqs(s, set, &list);
	failed = arena_array(s->cmd->mem, list.n + 1, sizeof(*failed));
	if (list.n > 0 && view_store(s->view, list.seqs, list.n, &st, failed,
	    &nfailed, &err) < 0)
		return reply_fail(s, STORE_TEMP, &err);
	count_deleted(s, a, list.n - nfailed);
	return report(s, set, a->silent,
	    modified_text(s, set, failed, nfailed));
}

enum run
cmd_store(struct session *s)
{
	struct imap_store_args	 a;
	struct imap_set		 set;

	if (!take_seqs(s, &set))
		return RUN_DONE;
	if (!imap_take_space(&s->cmd->in) ||
	    !imap_take_store(&s->cmd->in, &a))
		return reply_syntax(s);
	if (a.unchangedsince)
		s->condstore = true;
	return store(s, &set, &a);
}

/*
 * COPY and MOVE.
 */
struct copy {
	struct numbers	 list;
	const char	*to;
	bool		 move;
	struct imap_set	 uids;
};

static enum run
answered(struct session *s)
{
	(void)s;
	return RUN_DONE;
}

/* "[COPYUID validity from to] " */
static void
add_copyuid(struct buf *out, const struct copy *c,
    const struct store_done *r)
{
	buf_addf(out, "[COPYUID %u ", r->uidvalidity);
	imap_set_format(&c->uids, out);
	if (r->uid_count > 1)
		buf_addf(out, " %u:%u] ", r->uid, r->uid + r->uid_count - 1);
	else
		buf_addf(out, " %u] ", r->uid);
}

static void
copy_answer(struct session *s, const struct copy *c,
    const struct store_done *r)
{
	struct buf	*out = session_out(s), b;

	if (r->fail == STORE_NO_MAILBOX) {
		reply_no(s, "[TRYCREATE] Mailbox doesn't exist: %.200s",
		    c->to);
		return;
	}
	if (r->fail != STORE_OK) {
		reply_fail(s, r->fail, r->err);
		return;
	}
	if (c->move)
		s->stats.expunged += r->uid_count;
	/* RFC 6851 4.3: for MOVE in an untagged OK before the EXPUNGEs. */
	if (c->move) {
		buf_adds(out, "* OK ");
		add_copyuid(out, c, r);
		buf_adds(out, "Moved UIDs.\r\n");
		reply_ok(s, "Move completed.");
		return;
	}
	buf_init(&b, COPYUID_MAX);
	add_copyuid(&b, c, r);
	buf_adds(&b, "Copy completed.");
	reply_ok(s, "Copy completed.");
	if (!b.overflow)	/* the sets can be long: not a formatted text */
		s->cmd->text = arena_strdup(s->cmd->mem, buf_cstr(&b));
	buf_clear(&b);
}

static void
copied(void *arg, const struct store_done *r)
{
	struct session	*s = arg;

	session_enter(s);
	s->ops--;
	if (!s->closing) {
		copy_answer(s, s->cmd->data, r);
		command_continue(s);
	}
	session_leave(s);
}

static enum run
copy(struct session *s, bool move)
{
	struct copy		*c = arena_alloc(s->cmd->mem, sizeof(*c));
	struct imap_set_builder	 uids = { 0 };
	struct imap_set		 set;

	if (!take_seqs(s, &set))
		return RUN_DONE;
	if (!imap_take_space(&s->cmd->in))
		return reply_syntax(s);
	if (!take_mailbox(s, &c->to))
		return RUN_DONE;
	if (!imap_take_end(&s->cmd->in))
		return reply_syntax(s);
	c->move = move;
	list_seqs(s, &set, &c->list);
	if (c->list.n == 0) {
		/* RFC 4315 3: UIDs that are not there are no error. */
		if (!store_exists(s->user, c->to))
			return reply_no(s, "[TRYCREATE] Mailbox doesn't "
			    "exist: %.200s", c->to);
		return reply_ok(s, "No messages found.");
	}
	for (size_t i = 0; i < c->list.n; i++)
		imap_set_add(&uids, s->cmd->mem,
		    view_uid(s->view, c->list.seqs[i]));
	c->uids = uids.set;
	s->cmd->data = c;
	s->cmd->more = answered;
	s->ops++;
	view_copy(s->view, c->list.seqs, c->list.n, c->to, move, copied, s);
	return RUN_WAIT_EVENT;
}

enum run
cmd_copy(struct session *s)
{
	return copy(s, false);
}

enum run
cmd_move(struct session *s)
{
	return copy(s, true);
}
