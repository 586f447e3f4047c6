/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <unistd.h>

#include "base/mem.h"
#include "popd/popd.h"
#include "sys/log.h"
#include "sys/loop.h"

#define BAD_MAX		20
#define LINGER		SECS(30)

static void
free_memory(void *arg)
{
	struct session	*s = arg;
	struct arena	*mem = s->mem;

	arena_free(&mem);
}

/* Dovecot's line, which tools read. */
static void
report(const struct session *s, const char *why)
{
	log_info("pop3(%s)<%d><%s>: Disconnected: %s top=%llu/%llu, "
	    "retr=%llu/%llu, del=%llu/%u, size=%llu", s->user,
	    (int)getpid(), s->id, why, (unsigned long long)s->tops,
	    (unsigned long long)s->top_bytes, (unsigned long long)s->retrs,
	    (unsigned long long)s->retr_bytes,
	    (unsigned long long)s->expunged, (unsigned int)s->drop.count,
	    (unsigned long long)s->drop.size);
}

void
session_end(struct session *s, const char *why)
{
	struct error	 err;

	if (s->state == SESSION_OVER)
		return;
	/* What was read stays read, whatever ended the session. */
	if (s->state == SESSION_OPEN && !s->w->conf->no_flag_updates &&
	    drop_mark_seen(&s->drop, &err) < 0)
		log_warn("pop3(%s): %s", s->user, err.text);
	s->state = SESSION_OVER;
	report(s, why);
	if (s->body_open)
		view_body_close(&s->body);
	stream_finish(&s->stream, LINGER);
	drop_close(&s->drop);
	buf_clear(&s->early);
	list_remove(&s->link);
	session_lease_end(&s->lease);
	/* Callers up the stack look at the state once more. */
	loop_defer(daemon_loop(s->w->daemon), free_memory, s);
}

void
session_say(struct session *s, const char *fmt, ...)
{
	va_list	 ap;

	va_start(ap, fmt);
	buf_addv(stream_out(s->stream), fmt, ap);
	va_end(ap);
	buf_adds(stream_out(s->stream), "\r\n");
	stream_flush(s->stream);
}

static void
run_producer(struct session *s)
{
	const int	 r = s->producer(s);

	if (r == 1)
		s->producer = NULL;
	stream_flush(s->stream);
	if (r < 0)
		session_end(s, "Mailbox could not be read");
}

void
session_produce(struct session *s, session_producer *p)
{
	s->producer = p;
	run_producer(s);
}

/* The next line: first from what login had read, then from the client.  The
 * bytes are copied to a. */
static enum pop3_line
take_line(struct session *s, struct arena *a, struct slice *line)
{
	struct slice	 in = stream_in(s->stream);
	size_t		 before;
	enum pop3_line	 r;

	if (buf_len(&s->early) > 0) {
		const size_t	n = in.len < buf_room(&s->early) ? in.len :
				    buf_room(&s->early);

		if (n > 0 && buf_put(&s->early, in.p, n))
			stream_take(s->stream, n);
		in = buf_slice(&s->early);
	}
	before = in.len;
	r = pop3_line_take(&in, POPD_LINE_MAX, line);
	if (r != POP3_LINE_DONE)
		return r;
	*line = slice_dup(a, *line);
	if (buf_len(&s->early) > 0)
		buf_consume(&s->early, before - in.len);
	else
		stream_take(s->stream, before - in.len);
	return r;
}

static void
run(struct session *s)
{
	struct arena	*a = arena_new();

	while (s->state == SESSION_OPEN && s->producer == NULL &&
	    buf_room(stream_out(s->stream)) >= POPD_LINE_MAX) {
		struct slice	 line;
		enum pop3_line	 r = take_line(s, a, &line);

		if (r == POP3_LINE_MORE)
			break;
		if (r == POP3_LINE_BAD) {
			session_say(s, "-ERR Line is too long, or not text.");
			session_end(s, "Bad input line");
			break;
		}
		command_run(s, line);
		arena_reset(a);
	}
	if (s->state == SESSION_OPEN && s->bad > BAD_MAX) {
		session_say(s, "-ERR Too many bad commands.");
		session_end(s, "Too many bad commands");
	}
	arena_free(&a);
}

static void
on_input(void *arg)
{
	run(arg);
}

static void
on_drained(void *arg)
{
	struct session	*s = arg;

	if (s->state == SESSION_OPEN && s->producer != NULL)
		run_producer(s);
	if (s->state == SESSION_OPEN)
		run(s);
}

static void
on_ended(void *arg, enum stream_end end, const char *why)
{
	struct session	*s = arg;

	(void)why;
	/* QUIT was said; its answer may find nobody, but the work goes on. */
	if (s->state == SESSION_QUITS)
		return;
	if (end == STREAM_TIMEOUT) {
		session_say(s, "-ERR Disconnected for inactivity.");
		session_end(s, "Inactivity");
	} else
		session_end(s, "Connection closed");
}

static const struct stream_ops	ops = {
	.input = on_input,
	.drained = on_drained,
	.ended = on_ended,
};

static void
first_run(void *arg)
{
	struct session	*s = arg;

	if (s->state != SESSION_OVER)
		run(s);
}

int
session_begin(struct worker *w, const struct session_start *start,
    struct session_lease *lease, struct error *err)
{
	struct arena	*mem = arena_new();
	struct session	*s = arena_alloc(mem, sizeof(*s));
	struct loop	*l = daemon_loop(w->daemon);

	s->w = w;
	s->mem = mem;
	s->user = arena_strdup(mem, start->user);
	s->id = arena_strdup(mem, start->session_id);
	if (drop_open(&s->drop, w->store, start->mailbox, err) < 0) {
		log_warn("pop3(%s)<%d><%s>: %s", s->user, (int)getpid(),
		    s->id, err->text);
		arena_free(&mem);
		return -1;
	}
	s->lease = lease;
	buf_init(&s->early, start->input.len + POPD_LINE_MAX);
	if (start->input.len > 0)
		buf_add_slice(&s->early, start->input);
	list_put_last(&w->sessions, &s->link);
	s->stream = stream_new(l, start->client, POPD_LINE_MAX, POPD_OUT_MAX,
	    &ops, s);
	stream_timeout(s->stream, w->conf->timeout);
	session_say(s, "+OK Logged in.");
	if (start->input.len > 0)
		loop_defer(l, first_run, s);
	return 0;
}
