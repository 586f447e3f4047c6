/* SPDX-License-Identifier: Apache-2.0 */
/* What waits longer than its segment should gets a file, so that the segment
 * can be used again.  A thread writes a batch of them and then syncs them all,
 * which costs little more than one; meanwhile the loop goes on.
 *
 * Segments that have been full for ten seconds are worked off at leisure: as
 * long as a batch took, nothing is written.  When more than a few wait, their
 * age does not matter and batch follows batch, so that the writers do not come
 * to their bound (SEG_USED_MAX). */
#include "qmgr/qmgr.h"

#include "base/mem.h"
#include "queue/inflight.h"
#include "sys/clock.h"
#include "sys/log.h"
#include "sys/loop.h"
#include "sys/syncer.h"

#define BATCH		((size_t)128)
#define OLD		SECS(10)	/* of segments that are full */
#define FEW		((size_t)8)	/* 128 MiB at most */
#define FAILED_AGAIN	SECS(5)

struct convert {
	struct qmgr		*q;
	struct loop_timer	*timer;
	usec_t			 not_before;	/* mono */
	bool			 failing;	/* it was said */

	/* The batch that a thread has. */
	bool			 busy;
	struct arena		*mem;
	struct journal_copy	*copies;
	struct msg		*msgs[BATCH];
	struct spill		*spills[BATCH];	/* NULL: it is not active */
	size_t			 n;
	usec_t			 begun, took;
};

/*
 * What goes into a batch.
 */

static void
add(struct convert *c, struct msg *m, const struct journal_copy *copy,
    struct spill *s)
{
	c->copies[c->n] = *copy;
	c->copies[c->n].keep_fd = s != NULL;
	c->spills[c->n] = s;
	c->msgs[c->n++] = m;
}

static void
add_active(struct convert *c, struct active *a)
{
	struct spill	*s = spill_begin(c->q, a);

	if (s == NULL)
		return;
	a->under_way++;
	add(c, a->m, &s->copy, s);
}

/* What cannot be read is found out when its turn comes; so is what became of
 * one that another reader had, if that could not be told before. */
static void
add_waiting(struct convert *c, struct msg *m)
{
	struct queue_msg	 file;
	struct journal_copy	 copy;
	struct error		 err;

	if (m->converting || (m->rec->old && m->state == MSG_DEFERRED) ||
	    inflight_elsewhere(c->q->inflight, m->id) ||
	    (m->rec->old && !qmgr_journal_take(c->q, m)) ||
	    msg_open(c->q, m, false, c->mem, &file, &err) != QUEUE_OK)
		return;
	journal_copy_of(c->q->queue, &file, QUEUE_NEW, c->mem, &copy);
	m->converting = true;
	add(c, m, &copy, NULL);
}

static void
consider(void *arg, struct journal_rec *r)
{
	struct convert	*c = arg;
	struct msg	*m;

	if (c->n == BATCH)
		return;
	m = msg_find(c->q, r->id);
	if (m == NULL || m->rec != r)
		return;
	if (m->act != NULL)
		add_active(c, m->act);
	else
		add_waiting(c, m);
}

/*
 * A batch.
 */

static void
work(void *arg)
{
	struct convert	*c = arg;

	journal_copy_many(c->copies, c->n);
}

/* One word about a disk that is full, not one per message. */
static void
failed(struct convert *c, const struct journal_copy *copy)
{
	if (!c->failing)
		log_error("%s: cannot give it a file of its own: %s", copy->id,
		    copy->err.text);
	c->failing = true;
}

static void
active_done(struct qmgr *q, struct spill *s, const struct journal_copy *copy)
{
	struct active	*a = s->a;

	s->fd = copy->out_fd;
	s->result = copy->result;
	spill_done(q, s);
	a->under_way--;
	finish_if_idle(q, a);
}

static void
waiting_done(struct qmgr *q, struct msg *m, const struct journal_copy *copy)
{
	m->converting = false;
	if (copy->result == 0)
		qmgr_journal_moved(q, m, QUEUE_NEW);
	if (m->wish != WISH_NONE)
		admin_grant_waiting(q, m);
}

static void
unlock_all(struct convert *c)
{
	/* Who comes next reads our notes. */
	journal_flush(c->q->journal);
	for (size_t i = 0; i < c->n; i++)
		if (c->spills[i] == NULL)
			inflight_remove(c->q->inflight, c->copies[i].id);
}

static void
done(void *arg)
{
	struct convert	*c = arg;
	struct qmgr	*q = c->q;
	bool		 trouble = false;

	c->busy = false;
	c->took = clock_mono() - c->begun;
	q->settling--;
	for (size_t i = 0; i < c->n; i++) {
		const struct journal_copy	*copy = &c->copies[i];

		if (copy->result < 0) {
			failed(c, copy);
			trouble = true;
		}
		if (c->spills[i] != NULL)
			active_done(q, c->spills[i], copy);
		else
			waiting_done(q, c->msgs[i], copy);
	}
	c->failing = trouble;
	if (q->draining)
		unlock_all(c);
	arena_free(&c->mem);
	c->not_before = clock_mono() + (trouble ? FAILED_AGAIN :
	    journal_full(q->journal) > FEW ? 0 : c->took);
	loop_timer_set(c->timer, c->not_before - clock_mono());
	loop_timer_set(q->pump_timer, 0);
}

void
convert_go(struct convert *c)
{
	struct qmgr	*q = c->q;
	usec_t		 now = clock_mono();

	if (c->busy || q->draining || !q->leading || now < c->not_before)
		return;
	c->mem = arena_new();
	c->copies = arena_array(c->mem, BATCH, sizeof(*c->copies));
	c->n = 0;
	journal_each_old(q->journal, journal_full(q->journal) > FEW ? 0 : OLD,
	    consider, c);
	if (c->n == 0) {
		arena_free(&c->mem);
		return;
	}
	c->busy = true;
	c->begun = now;
	q->settling++;
	syncer_run(daemon_syncer(q->d), work, done, c);
}

void
convert_hand_over(struct convert *c)
{
	for (size_t i = 0; c->busy && i < c->n; i++)
		if (c->spills[i] == NULL)
			(void)!inflight_add(c->q->inflight,
			    c->copies[i].id);
}

static void
on_timer(void *arg)
{
	convert_go(arg);
}

struct convert *
convert_new(struct qmgr *q)
{
	struct convert	*c = mem_new(1, sizeof(*c));

	c->q = q;
	c->timer = loop_timer_new(q->loop, on_timer, c);
	return c;
}
