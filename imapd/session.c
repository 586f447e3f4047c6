/* SPDX-License-Identifier: Apache-2.0 */
/* The only file that touches the network.  Each callback from the loop enters
 * the session and leaves it; leaving flushes output and frees a session that
 * has ended, so nothing in between needs to ask whether it still exists. */
#include <unistd.h>

#include "base/mem.h"
#include "base/panic.h"
#include "imapd/imapd.h"
#include "sys/log.h"

#define IN_MAX		((size_t)64 << 10)
/* Above the largest single answer (a structure of 10,000 parts). */
#define OUT_MAX		((size_t)16 << 20)
#define OUT_FULL	((size_t)64 << 10)
#define LINGER		SECS(10)

static void
log_end(struct session *s)
{
	uint64_t	 in = s->stats.ahead, out = 0;

	if (s->stream != NULL) {
		in += stream_bytes_in(s->stream);
		out = stream_bytes_out(s->stream);
	}
	log_info("imap(%s)<%d><%s>: Disconnected: %s in=%llu out=%llu "
	    "deleted=%llu expunged=%llu trashed=0 hdr_count=%llu "
	    "hdr_bytes=%llu body_count=%llu body_bytes=%llu", s->user_name,
	    (int)getpid(), s->session_id, s->why, (unsigned long long)in,
	    (unsigned long long)out, (unsigned long long)s->stats.deleted,
	    (unsigned long long)s->stats.expunged,
	    (unsigned long long)s->stats.hdr_count,
	    (unsigned long long)s->stats.hdr_bytes,
	    (unsigned long long)s->stats.body_count,
	    (unsigned long long)s->stats.body_bytes);
}

static void
session_free(struct session *s)
{
	struct worker	*w = s->worker;
	struct arena	*mem = s->mem;		/* s itself lives in there */
	void		*arg = s->closed_arg;

	log_end(s);
	list_remove(&s->link);
	if (s->cmd != NULL)
		command_abort(s);
	append_free(s);
	sync_free(s);
	mailbox_close(s);
	stream_finish(&s->stream, LINGER);
	imap_frame_clear(&s->frame);
	buf_clear(&s->ahead);
	loop_timer_free(&s->timer);
	store_user_close(&s->user);
	arena_free(&mem);
	w->closed(arg);
}

void
session_enter(struct session *s)
{
	s->busy++;
}

void
session_leave(struct session *s)
{
	ASSERT(s->busy > 0);
	if (--s->busy > 0)
		return;
	if (session_out(s)->overflow && !s->closing)
		session_end(s, "Answer too large");
	stream_flush(s->stream);
	if (s->closing && s->ops == 0)
		session_free(s);
}

void
session_end(struct session *s, const char *why)
{
	if (s->closing)
		return;
	s->closing = true;
	s->why = why;
	stream_pause(s->stream);
	stream_timeout(s->stream, 0);
}

void
session_bye(struct session *s, const char *text, const char *why)
{
	if (!s->closing)
		buf_addf(session_out(s), "* BYE %s\r\n", text);
	session_end(s, why);
}

struct buf *
session_out(struct session *s)
{
	return stream_out(s->stream);
}

bool
session_full(struct session *s)
{
	return stream_out_len(s->stream) >= OUT_FULL;
}

static struct slice
input(struct session *s)
{
	if (buf_len(&s->ahead) > 0)
		return buf_slice(&s->ahead);
	return stream_in(s->stream);
}

static void
take(struct session *s, size_t n)
{
	if (buf_len(&s->ahead) == 0) {
		stream_take(s->stream, n);
		return;
	}
	buf_consume(&s->ahead, n);
	if (buf_len(&s->ahead) == 0)
		buf_clear(&s->ahead);
}

/* One step of input.  False: nothing to do until something happens. */
static bool
process_some(struct session *s)
{
	struct slice	 in = input(s), rest = in;
	enum imap_take	 t;

	if (s->closing || (s->cmd != NULL && !s->idling) || in.len == 0 ||
	    session_full(s))
		return false;
	if (append_wants(s)) {
		take(s, append_feed(s, in));
		return true;
	}
	t = imap_frame_take(&s->frame, &rest);
	take(s, in.len - rest.len);
	switch (t) {
	case IMAP_TAKE_MORE:
		break;
	case IMAP_TAKE_LITERAL:
		command_literal(s);
		break;
	case IMAP_TAKE_DONE:
		if (s->idling)
			idle_line(s);
		else if (s->append != NULL)
			append_line(s);
		else
			command_line(s);
		break;
	}
	return true;
}

void
session_process(struct session *s)
{
	do {
		while (process_some(s))
			;
		stream_flush(s->stream);
	} while (!session_full(s) && process_some(s));
	if (s->closing)
		return;
	/* Who sends commands must read the answers. */
	s->stalled = s->cmd == NULL && session_full(s);
	if (s->stalled)
		loop_timer_set(s->timer, s->worker->conf->output_timeout);
	if ((s->cmd != NULL && !s->idling) || s->stalled)
		stream_pause(s->stream);
	else
		stream_resume(s->stream);
}

static void
on_input(void *arg)
{
	struct session	*s = arg;

	session_enter(s);
	session_process(s);
	session_leave(s);
}

static void
on_drained(void *arg)
{
	struct session	*s = arg;

	session_enter(s);
	if (s->closing)
		;
	else if (s->cmd != NULL && s->cmd->waits_output)
		command_continue(s);
	else if (s->idling)
		idle_more(s);
	else if (s->stalled) {
		loop_timer_stop(s->timer);
		session_process(s);
	}
	session_leave(s);
}

static void
on_ended(void *arg, enum stream_end end, const char *why)
{
	struct session	*s = arg;

	session_enter(s);
	switch (end) {
	case STREAM_EOF:
		session_end(s, "Connection closed");
		break;
	case STREAM_ERROR:
		log_debug("imap(%s): %s", s->user_name, why);
		session_end(s, "Connection closed");
		break;
	case STREAM_TIMEOUT:
		session_bye(s, "Disconnected for inactivity.", "Inactivity");
		break;
	}
	session_leave(s);
}

static const struct stream_ops	ops = {
	.input = on_input,
	.drained = on_drained,
	.ended = on_ended,
};

void
session_sends(struct session *s)
{
	s->sends = true;
	s->sent = stream_bytes_out(s->stream);
	loop_timer_set(s->timer, s->worker->conf->output_timeout);
}

static void
on_timer(void *arg)
{
	struct session	*s = arg;

	session_enter(s);
	if (s->sends && stream_bytes_out(s->stream) > s->sent)
		session_sends(s);	/* slow, but reading */
	else if (s->sends || s->stalled ||
	    (s->cmd != NULL && s->cmd->waits_output))
		session_end(s, "Client does not read its answers");
	else if (s->idling)
		idle_timer(s);
	session_leave(s);
}

static void
deferred(void *arg)
{
	struct session	*s = arg;

	session_enter(s);
	s->ops--;
	if (!s->closing && s->cmd != NULL)
		command_continue(s);
	if (!s->closing)
		session_process(s);
	session_leave(s);
}

void
session_defer(struct session *s)
{
	s->ops++;
	loop_defer(s->worker->loop, deferred, s);
}

static void
greet(struct session *s, const char *tag)
{
	if (tag == NULL)
		buf_addf(session_out(s), "* PREAUTH [CAPABILITY %s] Logged in "
		    "as %s\r\n", capabilities(), s->user_name);
	else
		buf_addf(session_out(s), "%s OK [CAPABILITY %s] Logged in\r\n",
		    tag, capabilities());
}

int
session_begin(struct worker *w, const struct session_start *start,
    void *closed_arg, struct error *err)
{
	const struct imapd_conf	*conf = w->conf;
	struct store_user	*user;
	enum store_fail		 fail;
	struct arena		*mem;
	struct session		*s;

	if (store_user_open(w->store, start->mailbox, true, &user, &fail,
	    err) < 0)
		return -1;
	mem = arena_new();
	s = arena_alloc(mem, sizeof(*s));
	s->mem = mem;
	s->worker = w;
	list_put_last(&w->sessions, &s->link);
	s->user = user;
	s->closed_arg = closed_arg;
	s->user_name = arena_strdup(mem, start->user);
	s->session_id = arena_strdup(mem, start->session_id);
	s->remote_ip = arena_strdup(mem, start->remote_ip);
	imap_frame_init(&s->frame, (size_t)conf->command_max,
	    (size_t)conf->literal_max);
	buf_init(&s->ahead, start->input.len);
	buf_add_slice(&s->ahead, start->input);
	s->stats.ahead = start->input.len;
	s->timer = loop_timer_new(w->loop, on_timer, s);
	s->stream = stream_new(w->loop, start->client, IN_MAX, OUT_MAX, &ops,
	    s);
	stream_timeout(s->stream, conf->timeout);
	greet(s, start->tag);
	stream_flush(s->stream);
	session_defer(s);	/* what login read ahead */
	return 0;
}
