/* SPDX-License-Identifier: Apache-2.0 */
/* IDLE (RFC 2177): changes are told as they happen.  The store calls
 * idle_notify(); nothing polls. */
#include "imapd/imapd.h"
#include "sys/log.h"

static void
arm(struct session *s)
{
	loop_timer_set(s->timer, s->worker->conf->idle_notify);
}

/* Tell what there is to tell, as far as the client reads. */
void
idle_more(struct session *s)
{
	while (!session_full(s)) {
		if (s->sync == NULL) {
			if (!s->changed || s->view == NULL || s->closing)
				return;
			s->changed = false;
			sync_begin(s, true, false);
		}
		if (sync_more(s) == RUN_DONE)
			continue;
		stream_flush(s->stream);
	}
}

void
idle_notify(void *arg)
{
	struct session	*s = arg;

	session_enter(s);
	s->changed = true;
	if (s->idling)
		idle_more(s);
	session_leave(s);
}

/* Keeps middle boxes from forgetting the connection, and finds out whether
 * the client still is there. */
void
idle_timer(struct session *s)
{
	if (stream_out_len(s->stream) > 0) {
		session_end(s, "Client does not read its answers");
		return;
	}
	buf_adds(session_out(s), "* OK Still here\r\n");
	arm(s);
}

static void
stop(struct session *s)
{
	struct error	 err;

	s->idling = false;
	loop_timer_stop(s->timer);
	stream_timeout(s->stream, s->worker->conf->timeout);
	if (s->view != NULL && view_watch(s->view, NULL, NULL, &err) < 0)
		log_warn("imap(%s): %s", s->user_name, err.text);
}

enum run
cmd_idle(struct session *s)
{
	struct error	 err;

	if (s->view != NULL && view_watch(s->view, idle_notify, s, &err) < 0)
		return reply_fail(s, STORE_TEMP, &err);
	imap_frame_reset(&s->frame);
	s->idling = true;
	s->cmd->cancel = stop;
	buf_adds(session_out(s), "+ idling\r\n");
	/* No time-out for a client that waits (RFC 2177 lets it wait 29
	 * minutes; many wait longer); it is gone when our notices fail. */
	stream_timeout(s->stream, 0);
	arm(s);
	s->changed = true;
	idle_more(s);
	return RUN_WAIT_EVENT;
}

void
idle_line(struct session *s)
{
	bool	 done = s->frame.error == NULL &&
		    slice_iis(slice_trim(imap_frame_text(&s->frame)), "DONE");

	s->cmd->cancel = NULL;
	stop(s);
	if (done)
		reply_ok(s, "Idle completed.");
	else
		reply_bad(s, "Expected DONE");
	command_finish(s);
}
