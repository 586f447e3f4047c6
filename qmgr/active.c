/* SPDX-License-Identifier: Apache-2.0 */
#include "qmgr/qmgr.h"

#include <string.h>

#include "base/mem.h"
#include "base/panic.h"
#include "queue/inflight.h"
#include "sys/clock.h"
#include "sys/log.h"
#include "sys/loop.h"

#define LOCKED_AGAIN	SECS(1)

/* From here on another queue manager may take it. */
void
active_let_go(struct qmgr *q, struct active *a)
{
	if (a->let_go)
		return;
	a->let_go = true;
	queue_msg_close(&a->file);
	if (!a->inflight)
		return;
	/* Who comes next reads our notes. */
	if (q->draining)
		journal_flush(q->journal);
	inflight_remove(q->inflight, a->m->id);
}

void
active_release(struct qmgr *q, struct active *a)
{
	ASSERT(a->jobs == 0 && a->under_way == 0);
	list_remove(&a->link);
	a->m->act = NULL;
	active_let_go(q, a);
	arena_free(&a->mem);
	mem_free(&a);
}

/*
 * Routing: every recipient that is still to do joins the job of its
 * destination.
 */
struct plan {
	struct job	**jobs;
	size_t		 n;
};

static struct job *
plan_job(struct qmgr *q, struct active *a, struct plan *p, struct dest *d)
{
	size_t		 max = (size_t)d->transport->dest_recipients;
	struct job	*j;

	/* From the end: recipients of one domain come in runs. */
	for (size_t i = p->n; i-- > 0;) {
		if (p->jobs[i]->dest == d && p->jobs[i]->n < max)
			return p->jobs[i];
		if (p->jobs[i]->dest == d && max == 1)
			break;
	}
	j = mem_new(1, sizeof(*j));
	j->q = q;
	j->act = a;
	j->dest = d;
	if (max > a->file.env.nrcpts)
		max = a->file.env.nrcpts;
	j->rcpts = arena_array(a->mem, max, sizeof(*j->rcpts));
	p->jobs[p->n++] = j;
	a->jobs++;
	return j;
}

/* Verdicts that need no agent. */
static bool
decided(struct qmgr *q, struct active *a, struct rcpt *r,
    const struct route_dest *d)
{
	const char	*dsn = arena_strdup(a->mem, d->error_dsn);
	const char	*text = arena_strdup(a->mem, d->error_text);
	bool		 double_bounce = false;

	if (d->cls == CLASS_LOCAL) {
		struct slice	local = slice_str(r->q->address), user;

		double_bounce = slice_cut(&local, '@', &user) &&
		    slice_iis(user, q->common->double_bounce_sender);
	}
	if (d->error_text == NULL && !d->discard && !double_bounce)
		return false;
	r->state = RS_QUEUED;
	if (d->error_text != NULL)
		settle_verdict(q, a, &r, 1, "error", dsn[0] == '5', dsn, text);
	else
		settle_verdict(q, a, &r, 1, "discard", false, "2.0.0",
		    double_bounce ? "undeliverable postmaster notification "
		    "discarded" : "discarded");
	return true;
}

static bool
in_words(const char *list, const char *word)
{
	struct slice	rest = slice_str(list), w;

	while (slice_word(&rest, ", \t", &w)) {
		if (slice_is(w, word))
			return true;
	}
	return false;
}

/* False: a table makes us wait; the recipient stays pending. */
static bool
route_one(struct qmgr *q, struct active *a, struct rcpt *r, struct plan *p)
{
	struct route_dest	 d;
	struct error		 err;
	struct job		*j;

	switch (route_resolve(q->route, a->file.env.sender, r->q->address,
	    a->mem, &d, &err)) {
	case ROUTE_WAIT:
		return false;
	case ROUTE_ERROR:
		log_warn("%s: %s: %s", a->m->id, r->q->address, err.text);
		r->state = RS_QUEUED;
		settle_verdict(q, a, &r, 1, "error", false, "4.3.0",
		    "address resolution failed: temporary lookup failure");
		return true;
	case ROUTE_DONE:
		break;
	}
	if (decided(q, a, r, &d))
		return true;
	if (in_words(q->conf->defer_transports, d.transport)) {
		r->state = RS_QUEUED;
		settle_verdict(q, a, &r, 1, "error", false, "4.3.2",
		    "deferred transport");
		return true;
	}
	j = plan_job(q, a, p, dest_get(q, transport_get(q, d.transport),
	    d.nexthop));
	r->state = RS_QUEUED;
	j->rcpts[j->n++] = r;
	return true;
}

static void
route_all(struct qmgr *q, struct active *a)
{
	size_t		nrcpts = a->file.env.nrcpts;
	struct plan	p = {
		arena_array(a->mem, nrcpts + 1, sizeof(struct job *)), 0
	};

	list_remove(&a->link);
	a->under_way++;		/* nothing finishes while we are at it */
	for (; a->next_route < nrcpts; a->next_route++) {
		struct rcpt	*r = &a->rcpts[a->next_route];

		if (r->state == RS_PENDING && !route_one(q, a, r, &p)) {
			list_put_last(&q->waiting, &a->link);
			break;
		}
	}
	for (size_t i = 0; i < p.n; i++)
		dest_submit(q, p.jobs[i]);
	a->under_way--;
	finish_if_idle(q, a);
}

void
active_wake(struct qmgr *q)
{
	struct list	*l, again;

	list_init(&again);
	while ((l = list_take(&q->waiting)) != NULL)
		list_put_last(&again, l);
	while ((l = list_take(&again)) != NULL)
		route_all(q, LIST_ENTRY(l, struct active, link));
}

/*
 * Into the active state.
 */
static int
set_aside(struct qmgr *q, struct msg *m, struct error *err)
{
	int	r;

	if (m->rec == NULL)
		return queue_move(q->queue, m->id, m->dir, QUEUE_CORRUPT, err);
	r = journal_quarantine(q->queue, m->rec, err);
	journal_settle(&m->rec);
	return r;
}

static void
unreadable(struct qmgr *q, struct msg *m, enum queue_read why,
    const struct error *err)
{
	struct error	more;

	switch (why) {
	case QUEUE_BAD:
		log_warn("%s: queue file is damaged: %s; saved in corrupt/",
		    m->id, err->text);
		if (set_aside(q, m, &more) < 0)
			log_error("%s: %s", m->id, more.text);
		msg_free(q, m);
		break;
	case QUEUE_GONE:
	case QUEUE_INCOMPLETE:
		msg_free(q, m);
		break;
	case QUEUE_ERROR:
	case QUEUE_OK:
		log_error("%s: %s", m->id, err->text);
		msg_wait_until(q, m, clock_wall() + q->conf->minimal_backoff);
		break;
	}
}

static void
log_active(const struct active *a)
{
	log_info("%s: from=<%s>, size=%llu, nrcpt=%zu (queue active)",
	    a->m->id, a->file.env.sender,
	    (unsigned long long)a->file.content_size, a->file.env.nrcpts);
}

static void
prepare_rcpts(struct active *a)
{
	size_t	n = a->file.env.nrcpts;

	a->rcpts = arena_array(a->mem, n + 1, sizeof(*a->rcpts));
	for (size_t i = 0; i < n; i++) {
		struct queue_rcpt	*r = &a->file.env.rcpts[i];

		a->rcpts[i] = (struct rcpt){
			.state = r->status == RCPT_TODO ? RS_PENDING : RS_DONE,
			.q = r, .index = i
		};
		/* Settled before our time: the log may owe a notice. */
		if (r->status != RCPT_TODO)
			a->has_log = true;
	}
}

/* From new/ to cur/: ours now. */
static int
take_custody(struct qmgr *q, struct msg *m)
{
	struct error	err;

	if (m->dir == QUEUE_CUR || m->rec != NULL)
		return 0;
	if (queue_move(q->queue, m->id, m->dir, QUEUE_CUR, &err) < 0) {
		log_error("%s: %s", m->id, err.text);
		return -1;
	}
	m->dir = QUEUE_CUR;
	return 0;
}

/* An earlier queue manager that ends, or agents of one that was killed, may
 * still be at this message. */
static bool
is_elsewhere(struct qmgr *q, struct msg *m)
{
	if (m->fresh || !inflight_elsewhere(q->inflight, m->id))
		return false;
	m->was_locked = true;
	msg_wait_until(q, m, clock_wall() + LOCKED_AGAIN);
	return true;
}

/* Whoever had it may have put it off. */
static bool
was_put_off(struct qmgr *q, struct active *a)
{
	struct msg	*m = a->m;
	unsigned int	 attempts;
	usec_t		 due, now = clock_wall();
	bool		 was = m->was_locked;

	m->was_locked = false;
	if (!was || queue_msg_get_due(&a->file, &due, &attempts, NULL) < 0 ||
	    due <= now || due > now + q->conf->maximal_backoff)
		return false;
	msg_set_attempts(m, attempts);
	msg_wait_until(q, m, due);
	return true;
}

static struct active *
active_new(struct qmgr *q, struct msg *m)
{
	struct active	*a = mem_new(1, sizeof(*a));

	a->q = q;
	a->m = m;
	a->mem = arena_new();
	a->since = clock_wall();
	return a;
}

static void
active_drop(struct active **a)
{
	queue_msg_close(&(*a)->file);
	arena_free(&(*a)->mem);
	mem_free(a);
}

static void
activate(struct qmgr *q, struct msg *m)
{
	struct active	*a;
	struct error	 err = { .text = "" };
	enum queue_read	 got;

	if (m->settled) {
		finish_settled(q, m);
		return;
	}
	if (m->converting) {
		msg_wait_until(q, m, clock_wall() + LOCKED_AGAIN);
		return;
	}
	if (is_elsewhere(q, m) ||
	    (m->rec != NULL && m->rec->old && !qmgr_journal_take(q, m)))
		return;
	a = active_new(q, m);
	got = msg_open(q, m, true, a->mem, &a->file, &err);
	if (got == QUEUE_OK)
		owed_apply(q, &a->file);
	if (got == QUEUE_OK && was_put_off(q, a)) {
		active_drop(&a);
		return;
	}
	if (got != QUEUE_OK || take_custody(q, m) < 0) {
		active_drop(&a);
		unreadable(q, m, got == QUEUE_OK ? QUEUE_ERROR : got, &err);
		return;
	}
	m->act = a;
	msg_set_state(q, m, MSG_ACTIVE);
	prepare_rcpts(a);
	log_active(a);
	route_all(q, a);
}

static bool
room(const struct qmgr *q)
{
	return q->count[MSG_ACTIVE] < q->active_limit;
}

/* Those that a thread works on keep their places. */
static struct msg *
first_incoming(struct qmgr *q)
{
	LIST_EACH(l, &q->by_state[MSG_INCOMING]) {
		struct msg	*m = LIST_ENTRY(l, struct msg, link);

		if (!m->converting)
			return m;
	}
	return NULL;
}

/* New mail goes before old mail, but cannot starve it: they alternate when
 * both wait. */
static struct msg *
next_msg(struct qmgr *q, bool prefer_new)
{
	struct msg		*m = first_incoming(q);
	struct heap_node	*h = heap_first(&q->due);
	bool			 due = h != NULL && h->key <= clock_mono();

	if (m != NULL && (prefer_new || !due))
		return m;
	return due ? CONTAINER(h, struct msg, due) : NULL;
}

void
active_pump(struct qmgr *q)
{
	struct heap_node	*h;
	struct msg		*m;
	int			 n = 0;

	if (q->draining || !q->leading)
		return;
	while (room(q) && n < 100 && (m = next_msg(q, n % 2 == 0)) != NULL) {
		heap_del(&q->due, &m->due);
		activate(q, m);
		n++;
	}
	if (room(q) && next_msg(q, true) != NULL)
		loop_timer_set(q->pump_timer, 0);
	else if ((h = heap_first(&q->due)) != NULL && room(q)) {
		usec_t	wait = h->key - clock_mono();

		/* Timers stand still while the machine sleeps: look now and
		 * then. */
		loop_timer_set(q->pump_timer, wait > SECS(60) ? SECS(60) :
		    wait);
	}
}
