/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of each recipient, as the log and the sender will read it. */
#include <string.h>

#include "base/buf.h"
#include "codec/date.h"
#include "daemon/daemon.h"
#include "smtp-client/smtpc.h"
#include "sys/clock.h"
#include "sys/log.h"

static const char *
relay_of(const struct job *j)
{
	if (j->target != NULL && j->conn != NULL)
		return j->target->relay;
	return j->why_relay != NULL ? j->why_relay : "none";
}

static const char *
cut(struct arena *a, const char *s, size_t max)
{
	size_t	n = strlen(s);

	return arena_strndup(a, s, n < max ? n : max);
}

static void
put(struct job *j, struct rcpt *r, enum deliver_status status,
    const char *dsn, const char *why)
{
	r->result.index = r->r->index;
	r->result.status = status;
	r->result.dsn = arena_strdup(j->mem, dsn);
	r->result.diagnostic = cut(j->mem, why, 4000);
	r->result.diag_type = "x-posthouse";
	r->result.mta = NULL;
	r->result.action = NULL;
	r->result.relay = cut(j->mem, relay_of(j), 500);
	r->result.started = j->started;
	r->result.connected = j->conn != NULL ? j->conn->connected : -1;
}

static void
put_delays(struct buf *b, const struct job *j, const struct rcpt *r)
{
	usec_t	before = j->m.active - j->m.arrival;
	usec_t	now = clock_wall() - j->m.active;
	usec_t	ready = r->result.connected < 0 ? now : r->result.connected;

	if (ready < j->started)
		ready = j->started;
	buf_adds(b, "delay=");
	date_put_delay(b, before + now);
	buf_adds(b, ", delays=");
	date_put_delay(b, before);
	buf_addc(b, '/');
	date_put_delay(b, j->started);
	buf_addc(b, '/');
	date_put_delay(b, ready - j->started);
	buf_addc(b, '/');
	date_put_delay(b, now - ready);
}

static void
log_rcpt(const struct job *j, const struct rcpt *r)
{
	static const char *const	names[] = {
		[DELIVER_SENT] = "sent", [DELIVER_DEFERRED] = "deferred",
		[DELIVER_BOUNCED] = "bounced", [DELIVER_EXPANDED] = "sent"
	};
	const char	*original = r->r->original;
	bool		 same = strcmp(original, r->r->address) == 0 ||
			    original[0] == '\0';
	struct buf	 b;

	buf_init(&b, 128);
	if (j->conn != NULL && j->conn->uses > 1 && r->result.connected >= 0)
		buf_addf(&b, "conn_use=%lld, ", (long long)j->conn->uses);
	put_delays(&b, j, r);
	log_info("%s: to=<%s>, %s%s%srelay=%s, %s, dsn=%s, status=%s (%s)",
	    j->m.queue_id, r->r->address, same ? "" : "orig_to=<",
	    same ? "" : original, same ? "" : ">, ", r->result.relay,
	    buf_cstr(&b), r->result.dsn, names[r->result.status],
	    r->result.diagnostic);
	buf_clear(&b);
}

static void
finish(struct job *j, struct rcpt *r)
{
	static const enum daemon_counter	counters[] = {
		[DELIVER_SENT] = COUNT_DELIVERED,
		[DELIVER_DEFERRED] = COUNT_DEFERRED,
		[DELIVER_BOUNCED] = COUNT_BOUNCED,
		[DELIVER_EXPANDED] = COUNT_DELIVERED,
	};

	if (r->result.status == DELIVER_BOUNCED &&
	    daemon_common(j->p->d)->soft_bounce) {
		r->result.status = DELIVER_DEFERRED;
		if (r->result.dsn[0] == '5')
			r->result.dsn = arena_printf(j->mem, "4%s",
			    r->result.dsn + 1);
	}
	r->state = RCPT_DONE;
	r->soft = false;
	log_rcpt(j, r);
	daemon_count(j->p->d, counters[r->result.status], 1);
}

void
result_set(struct job *j, struct rcpt *r, enum deliver_status status,
    const char *dsn, const char *why)
{
	put(j, r, status, dsn, why);
	finish(j, r);
}

static void
remote(struct job *j, struct rcpt *r)
{
	r->result.diag_type = "smtp";
	r->result.mta = j->target->host;
}

void
result_reply(struct job *j, struct rcpt *r, const struct smtp_reply *reply,
    const char *command)
{
	const char	*why, *dsn = reply->dsn;
	bool		 hard = reply->code >= 500;

	why = arena_printf(j->mem, "host %s said: %s (in reply to %s)",
	    j->target->where, reply->text, command);
	/* Neither yes nor no: not what the standard knows. */
	if (reply->code < 400)
		dsn = "4.5.0";
	put(j, r, hard ? DELIVER_BOUNCED : DELIVER_DEFERRED, dsn, why);
	remote(j, r);
	if (hard) {
		finish(j, r);
		return;
	}
	r->state = RCPT_TODO;
	r->soft = true;
	if (j->next < j->ntargets)
		log_info("%s: %s", j->m.queue_id, why);
}

void
result_sent(struct job *j, struct rcpt *r, const struct smtp_reply *reply)
{
	put(j, r, DELIVER_SENT, reply->dsn, reply->text);
	remote(j, r);
	/* A server that knows nothing of DSN will report nothing. */
	if ((j->conn->can & CAN_DSN) == 0)
		r->result.action = "relayed";
	finish(j, r);
}

void
result_finish(struct job *j)
{
	struct deliver_rcpt_result	*items;
	struct deliver_res		 res;

	items = arena_array(j->mem, j->nrcpts + 1, sizeof(*items));
	for (size_t i = 0; i < j->nrcpts; i++) {
		struct rcpt	*r = &j->rcpts[i];

		if (r->state != RCPT_DONE && r->soft)
			finish(j, r);
		else if (r->state != RCPT_DONE)
			result_set(j, r, j->why_hard ? DELIVER_BOUNCED :
			    DELIVER_DEFERRED, j->why_dsn, j->why);
		items[i] = r->result;
	}
	res = (struct deliver_res){
		.results = { items, j->nrcpts },
		.site_failed = !j->talked && !j->why_hard,
		.site_reason = j->talked ? NULL : arena_printf(j->mem,
		    "%.4000s", j->why),
	};
	ipc_reply(j->req, &deliver_res_desc, &res);
}
