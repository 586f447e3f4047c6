/* SPDX-License-Identifier: Apache-2.0 */
/* A command's life: its row is found, preconditions are checked, the handler
 * runs (perhaps in several steps), what changed in the mailbox is told, and
 * last comes the tagged answer. */
#include "imapd/imapd.h"

#include <stdio.h>

#include "base/ascii.h"
#include "base/panic.h"
#include "codec/utf7.h"
#include "proto/imap_out.h"
#include "sys/log.h"

#define IN(s)	(1u << ST_##s)
#define ANY	(IN(AUTH) | IN(SELECTED))
#define SEL	IN(SELECTED)

static const struct command_row	commands[] = {
	{ "APPEND", cmd_append, ANY, 0, true },
	{ "AUTHENTICATE", cmd_login, ANY, 0, true },
	{ "CAPABILITY", cmd_capability, ANY, 0, false },
	{ "CHECK", cmd_noop, SEL, BREAKS_SEQS | NEEDS_MAILBOX, false },
	{ "CLOSE", cmd_close, SEL, BREAKS_SEQS | NEEDS_MAILBOX, false },
	{ "COPY", cmd_copy, SEL, USES_SEQS | NEEDS_MAILBOX | HAS_UID, true },
	{ "CREATE", cmd_create, ANY, 0, true },
	{ "DELETE", cmd_delete, ANY, 0, true },
	{ "ENABLE", cmd_enable, ANY, 0, true },
	{ "EXAMINE", cmd_examine, ANY, BREAKS_SEQS, true },
	{ "EXPUNGE", cmd_expunge, SEL,
	    BREAKS_SEQS | NEEDS_MAILBOX | WRITES | HAS_UID, false },
	{ "FETCH", cmd_fetch, SEL, USES_SEQS | NEEDS_MAILBOX | HAS_UID, true },
	{ "ID", cmd_id, ANY, 0, true },
	{ "IDLE", cmd_idle, ANY, BREAKS_SEQS, false },
	{ "LIST", cmd_list, ANY, 0, true },
	{ "LOGIN", cmd_login, ANY, 0, true },
	{ "LOGOUT", cmd_logout, ANY, 0, false },
	{ "LSUB", cmd_lsub, ANY, 0, true },
	{ "MOVE", cmd_move, SEL,
	    USES_SEQS | BREAKS_SEQS | NEEDS_MAILBOX | WRITES | HAS_UID, true },
	{ "NAMESPACE", cmd_namespace, ANY, 0, false },
	{ "NOOP", cmd_noop, ANY, BREAKS_SEQS, false },
	{ "RENAME", cmd_rename, ANY, 0, true },
	{ "SEARCH", cmd_search, SEL, USES_SEQS | NEEDS_MAILBOX | HAS_UID,
	    true },
	{ "SELECT", cmd_select, ANY, BREAKS_SEQS, true },
	{ "STATUS", cmd_status, ANY, 0, true },
	{ "STORE", cmd_store, SEL,
	    USES_SEQS | NEEDS_MAILBOX | WRITES | HAS_UID, true },
	{ "SUBSCRIBE", cmd_subscribe, ANY, 0, true },
	{ "UNSELECT", cmd_unselect, SEL, BREAKS_SEQS | NEEDS_MAILBOX, false },
	{ "UNSUBSCRIBE", cmd_unsubscribe, ANY, 0, true },
};

/* UID EXPUNGE alone has an argument that EXPUNGE has not. */
static const struct command_row	uid_expunge = { "EXPUNGE", cmd_expunge, SEL,
	BREAKS_SEQS | NEEDS_MAILBOX | WRITES | HAS_UID, true };

const char *
capabilities(void)
{
	return "IMAP4rev1 LITERAL+ IDLE NAMESPACE ID UIDPLUS MOVE UNSELECT "
	    "SPECIAL-USE CREATE-SPECIAL-USE ENABLE CHILDREN LIST-EXTENDED "
	    "LIST-STATUS ESEARCH WITHIN STATUS=SIZE MULTIAPPEND CONDSTORE";
}

static const struct command_row *
find_row(struct slice name)
{
	for (size_t i = 0; i < COUNT(commands); i++)
		if (slice_iis(name, commands[i].name))
			return &commands[i];
	return NULL;
}

/*
 * Answers.
 */
static void	set_reply(struct session *s, enum reply reply,
		    const char *fmt, va_list ap) PRINTF(3, 0);

static void
set_reply(struct session *s, enum reply reply, const char *fmt, va_list ap)
{
	char	 text[1024];

	vsnprintf(text, sizeof(text), fmt, ap);
	s->cmd->reply = reply;
	s->cmd->text = arena_strdup(s->cmd->mem, text);
}

enum run
reply_ok(struct session *s, const char *fmt, ...)
{
	va_list	 ap;

	va_start(ap, fmt);
	set_reply(s, REPLY_OK, fmt, ap);
	va_end(ap);
	return RUN_DONE;
}

enum run
reply_no(struct session *s, const char *fmt, ...)
{
	va_list	 ap;

	va_start(ap, fmt);
	set_reply(s, REPLY_NO, fmt, ap);
	va_end(ap);
	return RUN_DONE;
}

enum run
reply_bad(struct session *s, const char *text)
{
	struct command	*cmd = s->cmd;

	cmd->reply = REPLY_BAD;
	cmd->text = arena_printf(cmd->mem, "Error in IMAP command %s%s: %s.",
	    cmd->uid ? "UID " : "", cmd->name, text);
	return RUN_DONE;
}

enum run
reply_syntax(struct session *s)
{
	const char	*error = s->cmd->in.error;

	return reply_bad(s, error != NULL ? error : "Invalid arguments");
}

enum run
reply_fail(struct session *s, enum store_fail fail, const struct error *err)
{
	switch (fail) {
	case STORE_NO_MAILBOX:
		return reply_no(s, "[NONEXISTENT] Mailbox doesn't exist");
	case STORE_EXISTS:
		return reply_no(s, "[ALREADYEXISTS] Mailbox already exists");
	case STORE_BAD_NAME:
		return reply_no(s, "[CANNOT] Invalid mailbox name");
	case STORE_REFUSED:
		return reply_no(s, "[CANNOT] %s", err->text[0] != '\0' ?
		    err->text : "Operation not allowed");
	case STORE_NO_SPACE:
		return reply_no(s, "[OVERQUOTA] Not enough disk space");
	case STORE_OVER_QUOTA:
		return reply_no(s, "[OVERQUOTA] Quota exceeded "
		    "(mailbox for user is full)");
	case STORE_GONE:
		return reply_no(s, "[EXPUNGEISSUED] Some of the requested "
		    "messages no longer exist.");
	case STORE_OK:
	case STORE_TEMP:
		break;
	}
	log_error("imap(%s)<%s>: %s: %s", s->user_name, s->session_id,
	    s->cmd != NULL ? s->cmd->name : "sync", err->text);
	return reply_no(s, "[SERVERBUG] Internal error occurred. Refer to "
	    "server log for more information.");
}

/*
 * Arguments that more than one command has.
 */
bool
mailbox_name(struct session *s, struct slice raw, const char **name_out)
{
	char		 sep = store_separator(s->user);
	struct buf	 utf8;
	char		*name = NULL;

	/* Thunderbird and others name "box/" what they mean as "box". */
	if (raw.len > 1 && raw.p[raw.len - 1] == sep)
		raw.len--;
	buf_init(&utf8, 4096);
	if (utf7_get(raw, &utf8))
		name = slice_cstr(s->cmd->mem, buf_slice(&utf8));
	buf_clear(&utf8);
	*name_out = name;
	if (name != NULL && *name != '\0' && store_name_ok(s->user, name))
		return true;
	reply_no(s, name == NULL ?
	    "[CANNOT] Mailbox name is not valid mUTF-7" :
	    "[CANNOT] Invalid mailbox name");
	return false;
}

bool
take_mailbox(struct session *s, const char **name_out)
{
	struct slice	 raw;

	if (!imap_take_astring(&s->cmd->in, &raw)) {
		reply_syntax(s);
		return false;
	}
	return mailbox_name(s, raw, name_out);
}

/* Is a number in the set beyond the last message, and was it not meant as
 * "whatever there is up to *"?  RFC 9051 9: BAD */
static bool
beyond(const struct imap_set *set, uint32_t count)
{
	for (size_t i = 0; i < set->count; i++) {
		const struct imap_range	*r = &set->ranges[i];
		bool			 star = r->from == IMAP_STAR ||
					    r->to == IMAP_STAR;

		if (count == 0 || (!star && (r->from > count || r->to > count)))
			return true;
	}
	return false;
}

static void
uids_to_seqs(struct session *s, struct imap_set *set)
{
	uint32_t	 count = view_count(s->view);
	size_t		 n = 0;

	for (size_t i = 0; i < set->count; i++) {
		struct imap_range	 r = set->ranges[i];
		uint32_t		 from = view_seq_at_least(s->view,
					    r.from);
		uint32_t		 to = r.to == UINT32_MAX ? count + 1 :
					    view_seq_at_least(s->view,
					    r.to + 1);

		if (from < to)
			set->ranges[n++] = (struct imap_range){ from, to - 1 };
	}
	set->count = n;
	imap_set_resolve(set, count);
}

bool
take_seqs(struct session *s, struct imap_set *set)
{
	uint32_t	 count = view_count(s->view);

	if (!imap_take_set(&s->cmd->in, set)) {
		reply_syntax(s);
		return false;
	}
	if (s->cmd->uid) {
		imap_set_resolve(set, count == 0 ? 0 :
		    view_uid(s->view, count));
		uids_to_seqs(s, set);
		return true;
	}
	if (beyond(set, count)) {
		reply_bad(s, "Invalid messageset");
		return false;
	}
	imap_set_resolve(set, count);
	/* "7:*" in a mailbox of five is 5:7: the end is cut off. */
	while (set->count > 0 && set->ranges[set->count - 1].from > count)
		set->count--;
	if (set->count > 0 && set->ranges[set->count - 1].to > count)
		set->ranges[set->count - 1].to = count;
	return true;
}

/*
 * Running.
 */
static void
send_tagged(struct session *s)
{
	static const char *const	 words[] = {
		[REPLY_OK] = "OK", [REPLY_NO] = "NO", [REPLY_BAD] = "BAD"
	};
	struct command			*cmd = s->cmd;
	struct buf			*out = session_out(s);

	buf_addf(out, "%s %s ", cmd->tag, words[cmd->reply]);
	imap_add_text(out, cmd->text != NULL ? cmd->text : "");
	buf_adds(out, "\r\n");
}

static void
command_free(struct session *s)
{
	struct arena	*mem = s->cmd->mem;	/* cmd itself lives there */

	s->cmd = NULL;
	arena_free(&mem);
	imap_frame_reset(&s->frame);
}

static void
finish(struct session *s)
{
	bool	 bad = s->cmd->reply == REPLY_BAD;

	if (!s->view_dead)
		send_tagged(s);
	command_free(s);
	s->bad = bad ? s->bad + 1 : 0;
	if (s->bad >= s->worker->conf->bad_max)
		session_bye(s, "Too many invalid IMAP commands.",
		    "Too many invalid IMAP commands.");
}

static enum run
finish_more(struct session *s)
{
	enum run	 r = sync_more(s);

	if (r == RUN_DONE)
		finish(s);
	return r;
}

/* The handler is done: tell what changed, then answer. */
static enum run
handler_done(struct session *s)
{
	struct command	*cmd = s->cmd;
	bool		 expunges = cmd->uid ||
			    (cmd->row->flags & USES_SEQS) == 0 ||
			    (cmd->row->flags & BREAKS_SEQS) != 0;

	/* SELECT and CLOSE end in a state with nothing to tell. */
	if (s->view != NULL && !cmd->no_sync && !s->closing &&
	    s->sync == NULL)
		sync_begin(s, expunges, cmd->uid);
	cmd->more = finish_more;
	return finish_more(s);
}

/* Run steps until the command is over or has to wait.  After some steps
 * others get their turn, however fast the client reads. */
static void
pump(struct session *s)
{
	for (int turn = 0; turn < 32; turn++) {
		bool		 last = s->cmd->more == finish_more;
		enum run	 r = s->cmd->more(s);

		if (r == RUN_DONE && !last)
			r = handler_done(s);
		if (r == RUN_DONE || r == RUN_WAIT_EVENT)
			return;
		stream_flush(s->stream);
		if (session_full(s)) {
			s->cmd->waits_output = true;
			loop_timer_set(s->timer,
			    s->worker->conf->output_timeout);
			return;
		}
	}
	session_defer(s);
}

void
command_continue(struct session *s)
{
	if (s->cmd->waits_output) {
		s->cmd->waits_output = false;
		loop_timer_stop(s->timer);
	}
	pump(s);
	if (s->cmd == NULL)
		session_process(s);
}

void
command_abort(struct session *s)
{
	if (s->cmd->cancel != NULL)
		s->cmd->cancel(s);
	command_free(s);
}

/* A command by parts: APPEND is known before its line is complete. */
static struct command *
command_new(struct session *s)
{
	struct arena	*mem = arena_new();
	struct command	*cmd = arena_alloc(mem, sizeof(*cmd));

	cmd->mem = mem;
	s->cmd = cmd;
	return cmd;
}

/* tag SP command; false: an answer is set. */
static bool
take_head(struct session *s, struct slice text)
{
	struct command	*cmd = s->cmd;
	struct slice	 tag, name;

	imap_in_init(&cmd->in, text, cmd->mem);
	cmd->tag = "*";
	cmd->name = "";
	if (!imap_take_tag(&cmd->in, &tag) || !imap_take_space(&cmd->in)) {
		cmd->in.error = "Missing tag or command";
		reply_syntax(s);
		return false;
	}
	cmd->tag = arena_strndup(cmd->mem, (const char *)tag.p, tag.len);
	if (!imap_take_word(&cmd->in, &name)) {
		reply_bad(s, "Missing command");
		return false;
	}
	cmd->uid = slice_iis(name, "UID") && imap_try(&cmd->in, ' ');
	if (cmd->uid && !imap_take_word(&cmd->in, &name)) {
		reply_bad(s, "Missing command");
		return false;
	}
	cmd->name = arena_strndup(cmd->mem, (const char *)name.p,
	    name.len < 40 ? name.len : 40);
	cmd->row = find_row(name);
	if (cmd->row != NULL && cmd->uid && cmd->row->run == cmd_expunge)
		cmd->row = &uid_expunge;
	return true;
}

/* Everything that the row asks for. */
static bool
allowed(struct session *s)
{
	struct command	*cmd = s->cmd;

	if (cmd->row == NULL ||
	    (cmd->uid && (cmd->row->flags & HAS_UID) == 0)) {
		reply_bad(s, "Unknown command");
		return false;
	}
	if ((cmd->row->states & (1u << s->state)) == 0) {
		cmd->reply = REPLY_BAD;
		cmd->text = "No mailbox selected.";
		return false;
	}
	if ((cmd->row->flags & WRITES) != 0 && view_readonly(s->view)) {
		reply_no(s, "[READ-ONLY] Mailbox is opened read-only");
		return false;
	}
	if (cmd->row->args ? !imap_take_space(&cmd->in) :
	    !imap_take_end(&cmd->in)) {
		reply_syntax(s);
		return false;
	}
	return true;
}

static const struct command_row	no_row = { .name = "" };

static enum run
answer(struct session *s)
{
	(void)s;
	return RUN_DONE;
}

void
command_finish(struct session *s)
{
	s->cmd->more = answer;
	pump(s);
}

struct command *
command_for_literal(struct session *s)
{
	struct command	*cmd = command_new(s);
	bool		 ok = take_head(s, imap_frame_text(&s->frame)) &&
			    allowed(s);

	if (cmd->row == NULL)
		cmd->row = &no_row;
	return ok ? cmd : NULL;
}

void
command_line(struct session *s)
{
	struct command	*cmd = command_new(s);
	bool		 ok = take_head(s, imap_frame_text(&s->frame));

	if (ok && s->frame.error != NULL) {
		reply_bad(s, s->frame.error);
		ok = false;
	} else if (ok) {
		ok = allowed(s);
	}
	if (cmd->row == NULL)
		cmd->row = &no_row;
	cmd->no_sync = !ok;
	cmd->more = ok ? cmd->row->run : answer;
	pump(s);
}

/* A command cannot go on at its literal: answer now.  The client has not sent
 * a synchronising literal; others are swallowed. */
static void
refuse_literal(struct session *s, const char *why)
{
	struct command	*cmd;

	if (!s->frame.sync) {
		/* More than we care to swallow: the connection ends, as its
		 * bytes must never be taken for commands. */
		if (s->frame.literal > s->worker->message_max * 4)
			session_bye(s, "[TOOBIG] Literal too long",
			    "Literal too long");
		else
			imap_frame_skip(&s->frame, why);
		return;
	}
	cmd = command_new(s);
	if (take_head(s, imap_frame_text(&s->frame)))
		reply_no(s, "[TOOBIG] %s", why);
	if (cmd->row == NULL)
		cmd->row = &no_row;
	cmd->no_sync = true;
	cmd->more = answer;
	pump(s);
}

void
command_literal(struct session *s)
{
	struct slice	 text = imap_frame_text(&s->frame);
	struct slice	 tag, rest = text;

	if (s->idling) {
		session_bye(s, "Expected DONE.", "Expected DONE");
		return;
	}
	if (s->frame.error == NULL && (s->append != NULL ||
	    (slice_cut(&rest, ' ', &tag) && slice_istarts(rest, "APPEND ")))) {
		append_literal(s);
		return;
	}
	if (s->frame.error != NULL) {
		refuse_literal(s, s->frame.error);
	} else if (!imap_frame_fits(&s->frame)) {
		refuse_literal(s, "Too long argument");
	} else {
		if (s->frame.sync)
			buf_adds(session_out(s), "+ OK\r\n");
		imap_frame_keep(&s->frame);
	}
}
