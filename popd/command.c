/* SPDX-License-Identifier: Apache-2.0 */
/* The TRANSACTION state.  RFC 1939 5, RFC 2449 */
#include <inttypes.h>

#include "popd/popd.h"
#include "sys/log.h"

#define CHUNK		8192
#define LIST_ROOM	(POP3_UIDL_MAX + 32)

static void
bad(struct session *s, const char *text)
{
	s->bad++;
	session_say(s, "-ERR %s", text);
}

/* The number of a message that is there; 0: the client was told. */
static uint32_t
take_msg(struct session *s, struct slice *args)
{
	uint32_t	 n;

	if (!pop3_take_number(args, UINT32_MAX, &n)) {
		bad(s, "Message number expected.");
		return 0;
	}
	if (n > s->drop.count) {
		bad(s, "There is no such message.");
		return 0;
	}
	if (s->drop.msgs[n - 1].deleted) {
		bad(s, "Message is deleted.");
		return 0;
	}
	return n;
}

static bool
at_end(struct session *s, struct slice args)
{
	if (pop3_take_end(args))
		return true;
	bad(s, "Too many arguments.");
	return false;
}

static void
cmd_capa(struct session *s, struct slice args)
{
	(void)args;
	session_say(s, "+OK\r\nCAPA\r\nTOP\r\nUIDL\r\nRESP-CODES\r\n"
	    "PIPELINING\r\nAUTH-RESP-CODE\r\n.");
}

static void
cmd_stat(struct session *s, struct slice args)
{
	uint32_t	 count;
	uint64_t	 size;

	if (!at_end(s, args))
		return;
	drop_stat(&s->drop, &count, &size);
	session_say(s, "+OK %u %" PRIu64, (unsigned int)count, size);
}

static void
cmd_noop(struct session *s, struct slice args)
{
	(void)args;
	session_say(s, "+OK");
}

static void
cmd_rset(struct session *s, struct slice args)
{
	if (!at_end(s, args))
		return;
	drop_reset(&s->drop);
	session_say(s, "+OK");
}

static void
cmd_dele(struct session *s, struct slice args)
{
	const uint32_t	 n = take_msg(s, &args);

	if (n == 0 || !at_end(s, args))
		return;
	s->drop.msgs[n - 1].deleted = true;
	session_say(s, "+OK Marked to be deleted.");
}

static int
produce_list(struct session *s)
{
	struct buf	*out = stream_out(s->stream);

	for (; s->next <= s->drop.count; s->next++) {
		if (buf_room(out) < LIST_ROOM)
			return 0;
		if (!s->drop.msgs[s->next - 1].deleted)
			buf_addf(out, "%u %" PRIu64 "\r\n",
			    (unsigned int)s->next,
			    s->drop.msgs[s->next - 1].size);
	}
	if (buf_room(out) < LIST_ROOM)
		return 0;
	buf_adds(out, ".\r\n");
	return 1;
}

static void
cmd_list(struct session *s, struct slice args)
{
	uint32_t	 n, count;
	uint64_t	 size;

	if (!pop3_take_end(args)) {
		n = take_msg(s, &args);
		if (n != 0 && at_end(s, args))
			session_say(s, "+OK %u %" PRIu64, (unsigned int)n,
			    s->drop.msgs[n - 1].size);
		return;
	}
	drop_stat(&s->drop, &count, &size);
	session_say(s, "+OK %u messages:", (unsigned int)count);
	s->next = 1;
	session_produce(s, produce_list);
}

static int
produce_uidl(struct session *s)
{
	struct buf	*out = stream_out(s->stream);
	char		 id[POP3_UIDL_MAX + 1];

	for (; s->next <= s->drop.count; s->next++) {
		if (buf_room(out) < LIST_ROOM)
			return 0;
		if (s->drop.msgs[s->next - 1].deleted)
			continue;
		if (drop_uidl(&s->drop, s->w->conf->uidl_format, s->next,
		    id) < 0) {
			log_warn("pop3(%s): popd_uidl_format gives no UIDL "
			    "for message %u", s->user,
			    (unsigned int)s->next);
			return -1;
		}
		buf_addf(out, "%u %s\r\n", (unsigned int)s->next, id);
	}
	if (buf_room(out) < LIST_ROOM)
		return 0;
	buf_adds(out, ".\r\n");
	return 1;
}

static void
cmd_uidl(struct session *s, struct slice args)
{
	char		 id[POP3_UIDL_MAX + 1];
	uint32_t	 n;

	if (!pop3_take_end(args)) {
		n = take_msg(s, &args);
		if (n == 0 || !at_end(s, args))
			return;
		if (drop_uidl(&s->drop, s->w->conf->uidl_format, n, id) < 0)
			session_say(s, "-ERR [SYS/TEMP] No UIDL.");
		else
			session_say(s, "+OK %u %s", (unsigned int)n, id);
		return;
	}
	session_say(s, "+OK");
	s->next = 1;
	session_produce(s, produce_uidl);
}

static void
count_body(struct session *s)
{
	if (s->is_top) {
		s->tops++;
		s->top_bytes += s->body_at;
	} else {
		s->retrs++;
		s->retr_bytes += s->body_at;
		s->drop.msgs[s->body_msg - 1].retrieved = true;
	}
}

static int
produce_body(struct session *s)
{
	struct buf	*out = stream_out(s->stream);
	unsigned char	 chunk[CHUNK];
	bool		 enough = false;

	/* Each byte becomes three at most, and the end needs five. */
	while (!enough && s->body_at < s->body.size &&
	    buf_room(out) >= (size_t)CHUNK * 3 + 16) {
		const ssize_t	 n = view_body_read(&s->body, s->body_at,
				    chunk, sizeof(chunk));
		struct slice	 in = slice_of(chunk, n < 0 ? 0 : (size_t)n);

		if (n <= 0) {
			log_warn("pop3(%s): message %u is shorter than "
			    "expected", s->user, (unsigned int)s->body_msg);
			return -1;
		}
		enough = pop3_stuff(&s->stuff, &in, s->top_lines, out);
		s->body_at += (uint64_t)n - in.len;
	}
	if (!enough && s->body_at < s->body.size)
		return 0;
	if (buf_room(out) < 16)
		return 0;
	pop3_stuff_end(&s->stuff, out);
	count_body(s);
	view_body_close(&s->body);
	s->body_open = false;
	return 1;
}

static void
send_message(struct session *s, uint32_t n, bool is_top, uint32_t lines)
{
	enum store_fail	 fail;
	struct error	 err;

	if (view_body_open(s->drop.view, n, &s->body, &fail, &err) < 0) {
		if (fail != STORE_GONE)
			log_warn("pop3(%s): %s", s->user, err.text);
		session_say(s, fail == STORE_GONE ?
		    "-ERR Message was deleted by another session." :
		    "-ERR [SYS/TEMP] Message cannot be read.");
		return;
	}
	s->body_open = true;
	s->body_msg = n;
	s->body_at = 0;
	s->is_top = is_top;
	s->top_lines = lines;
	s->stuff = (struct pop3_stuff){ 0 };
	if (is_top)
		session_say(s, "+OK");
	else
		session_say(s, "+OK %" PRIu64 " octets", s->body.size);
	session_produce(s, produce_body);
}

static void
cmd_retr(struct session *s, struct slice args)
{
	const uint32_t	 n = take_msg(s, &args);

	if (n != 0 && at_end(s, args))
		send_message(s, n, false, UINT32_MAX);
}

static void
cmd_top(struct session *s, struct slice args)
{
	const uint32_t	 n = take_msg(s, &args);
	uint32_t	 lines;

	if (n == 0)
		return;
	if (!pop3_take_count(&args, &lines))
		bad(s, "Number of lines expected.");
	else if (at_end(s, args))
		send_message(s, n, true, lines);
}

static void
deleted(void *arg, int result, const struct error *err)
{
	struct session	*s = arg;

	if (result < 0) {
		log_warn("pop3(%s): %s", s->user, err->text);
		session_say(s, "-ERR [SYS/TEMP] Some messages are not "
		    "deleted.");
	} else {
		s->expunged = drop_deleted(&s->drop);
		session_say(s, s->expunged > 0 ?
		    "+OK Logging out, messages deleted." :
		    "+OK Logging out.");
	}
	session_end(s, "Logged out");
}

/* RFC 1939 6: the UPDATE state.  +OK means that they stay deleted. */
static void
cmd_quit(struct session *s, struct slice args)
{
	struct error	 err = { .text = "" };

	(void)args;
	s->state = SESSION_QUITS;
	stream_timeout(s->stream, 0);
	if (!s->w->conf->no_flag_updates && drop_mark_seen(&s->drop,
	    &err) < 0)
		log_warn("pop3(%s): %s", s->user, err.text);
	if (drop_expunge(&s->drop, &err) < 0)
		deleted(s, -1, &err);
	else if (drop_deleted(&s->drop) == 0)
		deleted(s, 0, NULL);
	else
		view_flush(s->drop.view, deleted, s);
}

static const struct {
	enum pop3_verb	 verb;
	void		(*run)(struct session *s, struct slice args);
} commands[] = {
	{ POP3_CAPA, cmd_capa },
	{ POP3_DELE, cmd_dele },
	{ POP3_LIST, cmd_list },
	{ POP3_NOOP, cmd_noop },
	{ POP3_QUIT, cmd_quit },
	{ POP3_RETR, cmd_retr },
	{ POP3_RSET, cmd_rset },
	{ POP3_STAT, cmd_stat },
	{ POP3_TOP, cmd_top },
	{ POP3_UIDL, cmd_uidl },
};

void
command_run(struct session *s, struct slice line)
{
	struct slice		 args;
	const enum pop3_verb	 verb = pop3_command(line, &args);

	for (size_t i = 0; i < COUNT(commands); i++)
		if (commands[i].verb == verb) {
			commands[i].run(s, args);
			return;
		}
	bad(s, "Unknown command.");
}
