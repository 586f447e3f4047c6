/* SPDX-License-Identifier: Apache-2.0 */
/* The order of reliability: the effect is durable (the agent said so), then
 * the record that will become a bounce, then the mark.  Records are synced
 * in a thread; a plain success needs only its mark, and when it settles the
 * last recipient not even that: the file is removed. */
#include "qmgr/qmgr.h"

#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fmt.h"
#include "base/mem.h"
#include "base/panic.h"
#include "codec/date.h"
#include "sys/clock.h"
#include "sys/log.h"
#include "sys/syncer.h"

#define LINE_ROOM	1800		/* what the log takes, or almost */

struct job_settle {
	struct qmgr		*q;
	struct active		*act;
	struct outcome		*o;
	size_t			 n;
	struct queue_log_rec	*durable, *lazy;
	size_t			 ndurable, nlazy;
	struct spill		*spill;		/* it needs a file; NULL */
	bool			 failed;
	struct error		 err;
};

static bool
wants_success(const struct outcome *o)
{
	return o->rcpt->q->notify & NOTIFY_SUCCESS &&
	    (o->status == DELIVER_SENT || o->status == DELIVER_EXPANDED) &&
	    o->action != NULL;
}

static void
fill_record(const struct outcome *o, struct queue_log_rec *r)
{
	const struct queue_rcpt	*q = o->rcpt->q;

	*r = (struct queue_log_rec){
		.address = q->address, .original = q->original,
		.dsn_orcpt = q->dsn_orcpt, .notify = q->notify,
		.dsn = o->dsn, .mta = o->mta, .diag_type = o->diag_type,
		.diagnostic = o->diagnostic, .when = clock_wall(),
	};
	switch (o->status) {
	case DELIVER_SENT:
	case DELIVER_EXPANDED:
		r->kind = QLOG_SUCCESS;
		r->action = o->action;
		break;
	case DELIVER_BOUNCED:
		r->kind = QLOG_BOUNCE;
		r->action = "failed";
		break;
	case DELIVER_DEFERRED:
		r->kind = QLOG_DELAY;
		r->action = "delayed";
		break;
	}
}

static void
make_records(struct job_settle *s)
{
	struct arena	*a = s->act->mem;

	s->durable = arena_array(a, s->n, sizeof(*s->durable));
	s->lazy = arena_array(a, s->n, sizeof(*s->lazy));
	for (size_t i = 0; i < s->n; i++) {
		const struct outcome	*o = &s->o[i];

		if (o->status == DELIVER_BOUNCED || wants_success(o))
			fill_record(o, &s->durable[s->ndurable++]);
		else if (o->status == DELIVER_DEFERRED)
			fill_record(o, &s->lazy[s->nlazy++]);
	}
}

static void
mark(struct qmgr *q, struct active *a, const struct outcome *o)
{
	o->rcpt->state = RS_DONE;
	owed_mark(q, a, o->rcpt->index, o->status == DELIVER_BOUNCED ?
	    RCPT_BOUNCED : RCPT_DONE);
}

static void
put_off(struct active *a, const struct outcome *o)
{
	(void)a;
	o->rcpt->state = RS_DEFERRED;
	o->rcpt->why_dsn = o->dsn;
	o->rcpt->why = o->diagnostic;
}

static void
count(struct qmgr *q, enum deliver_status s)
{
	switch (s) {
	case DELIVER_SENT:
	case DELIVER_EXPANDED:
		daemon_count(q->d, COUNT_DELIVERED, 1);
		break;
	case DELIVER_DEFERRED:
		daemon_count(q->d, COUNT_DEFERRED, 1);
		break;
	case DELIVER_BOUNCED:
		daemon_count(q->d, COUNT_BOUNCED, 1);
		break;
	}
}

/* Nothing left and no notice owed: the removal follows at once, and is itself
 * made durable with its neighbours.  A mark in a file without a name need not
 * be. */
static bool
goes_now(const struct active *a)
{
	if (a->has_log || a->m->wish != WISH_NONE)
		return false;
	for (size_t i = 0; i < a->file.env.nrcpts; i++)
		if (a->rcpts[i].state != RS_DONE)
			return false;
	return true;
}

static void
apply(struct qmgr *q, struct active *a, const struct outcome *o, size_t n,
    bool unsafe)
{
	bool	marked = false;

	for (size_t i = 0; i < n; i++) {
		/* Without its record a bounce would be lost: try again. */
		if (o[i].status == DELIVER_DEFERRED ||
		    (unsafe && o[i].status == DELIVER_BOUNCED))
			put_off(a, &o[i]);
		else
			mark(q, a, &o[i]);
		marked |= o[i].rcpt->state == RS_DONE;
		count(q, o[i].status);
	}
	if (marked && !goes_now(a))
		durable_marks(q->durable, a);
}

static void
write_records(void *arg)
{
	struct job_settle	*s = arg;

	if (s->spill != NULL)
		spill_work(s->spill);
	if (s->ndurable > 0 && queue_log_append(s->q->queue, s->act->m->id,
	    s->durable, s->ndurable, true, &s->err) < 0)
		s->failed = true;
	if (s->nlazy > 0)
		(void)!queue_log_append(s->q->queue, s->act->m->id, s->lazy,
		    s->nlazy, false, NULL);
}

static void
records_written(void *arg)
{
	struct job_settle	*s = arg;
	struct qmgr		*q = s->q;
	struct active		*a = s->act;

	if (s->spill != NULL && s->spill->result < 0)
		log_error("%s: cannot give it a file of its own: %s",
		    a->m->id, s->spill->err.text);
	if (s->spill != NULL)
		spill_done(q, s->spill);
	if (s->failed)
		log_error("%s: cannot write the delivery log: %s", a->m->id,
		    s->err.text);
	/* A log without a file would be swept. */
	apply(q, a, s->o, s->n, s->failed || a->file.rec != NULL);
	q->settling--;
	a->under_way--;
	finish_if_idle(q, a);
}

/* soft_bounce: nothing is returned for good while it is on. */
static void
soften(struct qmgr *q, struct active *a, struct outcome *o, size_t n)
{
	for (size_t i = 0; q->common->soft_bounce && i < n; i++) {
		if (o[i].status != DELIVER_BOUNCED)
			continue;
		o[i].status = DELIVER_DEFERRED;
		o[i].dsn = arena_printf(a->mem, "4%s", o[i].dsn + 1);
	}
}

/* Is there nothing left to write but that it is all done?  A notice that is
 * owed may fail, and then this outcome needs its mark. */
static bool
nothing_remains(const struct active *a, size_t n)
{
	size_t	open = 0;

	if (a->jobs > 0 || a->under_way > 0 || a->has_log ||
	    a->next_route < a->file.env.nrcpts)
		return false;
	for (size_t i = 0; i < a->file.env.nrcpts; i++)
		open += a->rcpts[i].state != RS_DONE;
	return open == n && a->m->wish == WISH_NONE;
}

static bool
all_plain(const struct outcome *o, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (o[i].status == DELIVER_DEFERRED ||
		    o[i].status == DELIVER_BOUNCED || wants_success(&o[i]))
			return false;
	}
	return true;
}

void
settle(struct qmgr *q, struct active *a, struct outcome *o, size_t n)
{
	struct job_settle	*s;

	if (a->let_go)
		return;		/* left to the next queue manager */
	soften(q, a, o, n);
	if (all_plain(o, n)) {
		if (nothing_remains(a, n)) {
			for (size_t i = 0; i < n; i++) {
				o[i].rcpt->state = RS_DONE;
				count(q, o[i].status);
			}
		} else
			apply(q, a, o, n, false);
		finish_if_idle(q, a);
		return;
	}
	a->has_log = true;
	s = arena_alloc(a->mem, sizeof(*s));
	*s = (struct job_settle){ .q = q, .act = a, .o = o, .n = n };
	make_records(s);
	s->spill = spill_begin(q, a);
	q->settling++;
	a->under_way++;
	syncer_run(daemon_syncer(q->d), write_records, records_written, s);
}

/* As the agents log theirs. */
static void
log_verdict(const struct active *a, const struct rcpt *r, const char *tag,
    const struct outcome *o)
{
	const char	*status = o->status == DELIVER_BOUNCED ? "bounced" :
	    o->status == DELIVER_DEFERRED ? "deferred" : "sent";
	const char	*orig = r->q->original;
	usec_t		 delay = clock_wall() - a->file.env.arrival;
	char		 full[128];
	struct buf	 b;

	(void)fmt_print(full, sizeof(full), "%s/%s", log_name(), tag);
	buf_init(&b, LINE_ROOM);
	buf_addf(&b, "%s: to=<%s>, ", a->m->id, r->q->address);
	if (orig != NULL && orig[0] != '\0' &&
	    strcmp(orig, r->q->address) != 0)
		buf_addf(&b, "orig_to=<%s>, ", orig);
	buf_adds(&b, "relay=none, delay=");
	date_put_delay(&b, delay);
	buf_adds(&b, ", delays=");
	date_put_delay(&b, delay);
	log_info_as(full, "%s/0/0/0, dsn=%s, status=%s (%s)", buf_cstr(&b),
	    o->dsn, status, o->diagnostic);
	buf_clear(&b);
}

void
settle_verdict(struct qmgr *q, struct active *a, struct rcpt **r, size_t n,
    const char *tag, bool hard, const char *dsn, const char *text)
{
	struct outcome	*o = arena_array(a->mem, n, sizeof(*o));

	if (a->let_go)
		return;
	for (size_t i = 0; i < n; i++) {
		o[i] = (struct outcome){
			.rcpt = r[i],
			.status = dsn[0] == '2' ? DELIVER_SENT :
			    hard ? DELIVER_BOUNCED : DELIVER_DEFERRED,
			.dsn = dsn, .diag_type = "x-posthouse",
			.diagnostic = text,
		};
	}
	soften(q, a, o, n);
	for (size_t i = 0; i < n; i++)
		log_verdict(a, r[i], tag, &o[i]);
	settle(q, a, o, n);
}
