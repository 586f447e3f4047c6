/* SPDX-License-Identifier: Apache-2.0 */
/* APPEND (with RFC 3502: several messages, all or nothing).  The literal goes
 * from the connection straight into the store; its size is checked before the
 * client is asked to send it.
 *
 * Line ends: a bare LF becomes CRLF; a bare CR and everything else is kept as
 * it came, so that what was appended is what is fetched. */
#include "imapd/imapd.h"

#include <errno.h>

#include "proto/imap_mbox.h"

struct append {
	struct command		*cmd;	/* parked until the line is over */
	struct view_append	*to;
	size_t			 from;	/* in the frame's text: what follows the
					 * last literal */
	uint64_t		 left;
	enum store_fail		 fail;	/* the rest is read and dropped */
	bool			 bad, trycreate, too_big;
	struct error		 err;
	const char		*syntax;
	unsigned		 count;
};

bool
append_wants(const struct session *s)
{
	return s->append != NULL && s->append->left > 0;
}

void
append_free(struct session *s)
{
	struct append	*a = s->append;
	struct arena	*mem;

	if (a == NULL)
		return;
	s->append = NULL;
	if (a->to != NULL)
		view_append_abort(&a->to);
	if (a->cmd != NULL) {
		mem = a->cmd->mem;	/* a itself lives in there too */
		arena_free(&mem);
	}
}

static void
failed(struct append *a, enum store_fail fail)
{
	if (a->fail == STORE_OK)
		a->fail = fail;
	if (a->to != NULL)
		view_append_abort(&a->to);
}

static bool
ok(const struct append *a)
{
	return a->fail == STORE_OK && !a->bad && !a->too_big;
}

/* APPEND comes to its first literal.  NULL: it may not run and is answered
 * or about to be. */
static struct append *
begin(struct session *s)
{
	struct command	*cmd = command_for_literal(s);
	struct append	*a;

	if (cmd == NULL)
		return NULL;
	a = arena_alloc(cmd->mem, sizeof(*a));
	a->cmd = cmd;
	a->from = s->frame.text.to - s->frame.text.from - cmd->in.rest.len;
	s->append = a;
	s->cmd = NULL;		/* input goes on */
	return a;
}

static bool
open_mailbox(struct session *s, struct append *a,
    const struct imap_append_args *args)
{
	const char	*name;
	enum store_fail	 fail;
	bool		 good;

	if (a->to != NULL)
		return true;
	s->cmd = a->cmd;
	good = mailbox_name(s, args->mailbox, &name);
	s->cmd = NULL;
	if (!good) {
		failed(a, STORE_BAD_NAME);
		return false;
	}
	if (view_append_new(s->user, name, &a->to, &fail, &a->err) < 0) {
		a->trycreate = fail == STORE_NO_MAILBOX;
		failed(a, fail);
		return false;
	}
	return true;
}

static void
begin_message(struct session *s, struct append *a,
    const struct imap_append_args *args)
{
	const struct imap_flags	*f = &args->flags;
	const char		**keywords;
	unsigned		 flags = flags_from_imap(f->system);
	size_t			 n = 0;

	if (!open_mailbox(s, a, args))
		return;
	keywords = arena_array(a->cmd->mem, f->nkeywords + 1,
	    sizeof(*keywords));
	for (size_t i = 0; i < f->nkeywords; i++) {
		if (slice_iis(f->keywords[i], "$Forwarded"))
			flags |= STORE_PASSED;
		else
			keywords[n++] = arena_strndup(a->cmd->mem,
			    (const char *)f->keywords[i].p,
			    f->keywords[i].len);
	}
	if (view_append_begin(a->to, flags, keywords, args->has_date ?
	    SECS(args->date) : 0, &a->err) < 0)
		failed(a, STORE_TEMP);
	a->count++;
}

/* The text before this literal, from where the last one ended. */
static bool
take_message_args(struct session *s, struct append *a,
    struct imap_append_args *args)
{
	struct imap_in	 in;
	bool		 good;

	imap_in_init(&in, slice_from(imap_frame_text(&s->frame), a->from),
	    a->cmd->mem);
	if (a->count == 0) {
		good = imap_take_append(&in, args);
	} else {
		struct imap_in	 more = in;
		struct buf	 b;

		/* The same grammar without the mailbox. */
		buf_init(&b, in.rest.len + 1);
		buf_adds(&b, "X");
		buf_add_slice(&b, in.rest);
		imap_in_init(&more, slice_dup(a->cmd->mem, buf_slice(&b)),
		    a->cmd->mem);
		buf_clear(&b);
		good = imap_take_append(&more, args);
		in.error = more.error;
	}
	if (!good) {
		a->bad = true;
		a->syntax = in.error;
	}
	return good;
}

static enum run
answer(struct session *s)
{
	(void)s;
	return RUN_DONE;
}

static enum run
set_answer(struct session *s, const struct append *a)
{
	if (a->bad)
		return reply_bad(s, a->syntax != NULL ? a->syntax :
		    "Invalid arguments");
	if (a->too_big)
		return reply_no(s, "[TOOBIG] Message is too large");
	if (a->trycreate)
		return reply_no(s, "[TRYCREATE] Mailbox doesn't exist");
	return reply_fail(s, a->fail, &a->err);
}

/* The command is over, however it went so far. */
static void
give_up(struct session *s)
{
	struct append	*a = s->append;

	if (a->to != NULL)
		view_append_abort(&a->to);
	s->append = NULL;
	s->cmd = a->cmd;
	set_answer(s, a);
	command_finish(s);
}

/* May the mailbox itself be this literal: nothing but "APPEND " before? */
static bool
is_mailbox(struct session *s, const struct append *a)
{
	return a->count == 0 &&
	    imap_frame_text(&s->frame).len == a->from;
}

static void
message_literal(struct session *s, struct append *a)
{
	struct imap_append_args	 args;
	uint64_t		 size = s->frame.literal;
	bool			 sync = s->frame.sync;

	if (take_message_args(s, a, &args)) {
		if (size > s->worker->message_max)
			a->too_big = true;
		else if (ok(a))
			begin_message(s, a, &args);
	}
	if (!ok(a) && sync) {
		give_up(s);		/* it is never sent */
		return;
	}
	if (!ok(a) && size > s->worker->message_max * 4) {
		session_bye(s, "[TOOBIG] Literal too long",
		    "Literal too long");
		return;
	}
	if (sync)
		buf_adds(session_out(s), "+ OK\r\n");
	imap_frame_stream(&s->frame);
	a->from = imap_frame_text(&s->frame).len;
	a->left = size;
	if (size == 0)
		(void)append_feed(s, slice_of(NULL, 0));
}

void
append_literal(struct session *s)
{
	struct append	*a = s->append;

	if (a == NULL && (a = begin(s)) == NULL) {
		/* Not allowed now, or not really APPEND. */
		if (!s->frame.sync) {
			struct arena	*mem = s->cmd->mem;

			s->cmd = NULL;
			arena_free(&mem);
			imap_frame_skip(&s->frame, "Invalid APPEND");
		} else {
			command_finish(s);
		}
		return;
	}
	if (!is_mailbox(s, a)) {
		message_literal(s, a);
		return;
	}
	if (!imap_frame_fits(&s->frame)) {
		a->bad = true;
		a->syntax = "Too long argument";
		if (s->frame.sync)
			give_up(s);
		else
			imap_frame_skip(&s->frame, a->syntax);
		return;
	}
	if (s->frame.sync)
		buf_adds(session_out(s), "+ OK\r\n");
	imap_frame_keep(&s->frame);
}

size_t
append_feed(struct session *s, struct slice in)
{
	struct append	*a = s->append;
	size_t		 n = in.len < a->left ? in.len : (size_t)a->left;

	if (ok(a) && n > 0 &&
	    view_append_write(a->to, in.p, n, &a->err) < 0)
		failed(a, a->err.sys == ENOSPC || a->err.sys == EDQUOT ?
		    STORE_NO_SPACE : STORE_TEMP);
	a->left -= n;
	if (a->left == 0 && ok(a) && view_append_end(a->to, &a->err) < 0)
		failed(a, STORE_TEMP);
	return n;
}

static void
committed(void *arg, const struct store_done *r)
{
	struct session	*s = arg;

	session_enter(s);
	s->ops--;
	if (!s->closing) {
		if (r->fail != STORE_OK)
			reply_fail(s, r->fail, r->err);
		else if (r->uid_count > 1)
			reply_ok(s, "[APPENDUID %u %u:%u] Append completed.",
			    r->uidvalidity, r->uid,
			    r->uid + r->uid_count - 1);
		else
			reply_ok(s, "[APPENDUID %u %u] Append completed.",
			    r->uidvalidity, r->uid);
		command_finish(s);
		if (s->cmd == NULL)
			session_process(s);
	}
	session_leave(s);
}

/* The line is complete: nothing but it may follow the last literal. */
void
append_line(struct session *s)
{
	struct append	*a = s->append;
	struct slice	 rest = slice_from(imap_frame_text(&s->frame),
			    a->from);

	if (s->frame.error != NULL || a->count == 0 ||
	    slice_trim(rest).len > 0) {
		a->bad = !a->too_big && a->fail == STORE_OK;
		if (a->syntax == NULL)
			a->syntax = s->frame.error != NULL ? s->frame.error :
			    "Missing message";
	}
	if (!ok(a)) {
		give_up(s);
		return;
	}
	s->append = NULL;
	s->cmd = a->cmd;
	s->cmd->more = answer;
	s->ops++;
	view_append_commit(&a->to, committed, s);
}

/* A complete line without any literal. */
enum run
cmd_append(struct session *s)
{
	return reply_bad(s, "Missing message literal");
}
