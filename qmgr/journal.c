/* SPDX-License-Identifier: Apache-2.0 */
/* Mail that is in the journal.  Most of it is settled there and never has a
 * file.  What needs more than a mark gets one first (spill): a delivery log, a
 * due time, a place in hold/; and so does what would keep a segment from
 * being used again. */
#include "qmgr/qmgr.h"

#include <string.h>

#include "sys/clock.h"
#include "sys/log.h"
#include "sys/loop.h"

#define RETIRE		MSECS(20)

static void
found(void *arg, struct journal_rec *r)
{
	struct qmgr	*q = arg;
	struct msg	*m = msg_find(q, r->id);

	/* It has a file: a spill that its reader could not note any more. */
	if (m != NULL) {
		journal_moved(&r);
		return;
	}
	m = msg_new(q, r->id, QUEUE_NEW, MSG_INCOMING);
	m->rec = r;
	m->fresh = !r->old;
	loop_timer_set(q->pump_timer, 0);
}

static void
on_retire(void *arg)
{
	struct qmgr	*q = arg;

	q->retire_set = false;
	if (q->draining)
		return;
	journal_retire(q->journal);
	convert_go(q->convert);
}

int
qmgr_journal_open(struct qmgr *q, struct error *err)
{
	if (journal_open(q->queue, found, q, &q->journal, err) < 0)
		return -1;
	q->inflight = journal_inflight(q->journal);
	q->retire_timer = loop_timer_new(q->loop, on_retire, q);
	return 0;
}

int
qmgr_journal_start(struct qmgr *q, struct error *err)
{
	struct journal_recovery	 r;

	if (journal_start(q->journal, &r, err) < 0)
		return -1;
	if (r.replayed > 0 || r.torn > 0 || r.damaged > 0)
		log_info("journal: %zu messages recovered from %zu segments, "
		    "%zu not complete, %zu damaged", r.replayed, r.segments,
		    r.torn, r.damaged);
	return 0;
}

void
qmgr_journal_told(struct qmgr *q, const char *segment, uint64_t end)
{
	journal_told(q->journal, segment, end);
	if (q->retire_set)
		return;
	q->retire_set = true;
	loop_timer_set(q->retire_timer, RETIRE);
}

static void
flush(void *arg)
{
	struct qmgr	*q = arg;

	journal_flush(q->journal);
}

void
qmgr_journal_noted(struct qmgr *q)
{
	durable_journal(q->durable);
	if (journal_wants_flush(q->journal))
		loop_defer(q->loop, flush, q);
}

void
qmgr_journal_settle(struct qmgr *q, struct msg *m)
{
	journal_settle(&m->rec);
	qmgr_journal_noted(q);
}

void
qmgr_journal_moved(struct qmgr *q, struct msg *m, enum queue_dir to)
{
	journal_moved(&m->rec);
	m->dir = (uint8_t)to;
	qmgr_journal_noted(q);
}

int
qmgr_journal_to_file(struct qmgr *q, struct msg *m, enum queue_dir to,
    struct error *err)
{
	struct arena		*a = arena_new();
	struct queue_msg	 file;
	struct journal_copy	 c;
	int			 r = -1;

	if (journal_msg_open(m->rec, a, &file, err) == QUEUE_OK) {
		journal_copy_of(q->queue, &file, to, a, &c);
		r = journal_copy(&c, NULL, err);
	}
	arena_free(&a);
	if (r == 0)
		qmgr_journal_moved(q, m, to);
	return r;
}

bool
qmgr_journal_take(struct qmgr *q, struct msg *m)
{
	struct journal_rec	*r = m->rec;
	char			 id[QUEUE_ID_MAX];
	struct error		 err;

	switch (journal_fate(r, &err)) {
	case FATE_OPEN:
		return true;
	case FATE_UNSURE:
		log_error("%s: %s", m->id, err.text);
		msg_wait_until(q, m, clock_wall() + q->conf->minimal_backoff);
		return false;
	case FATE_SETTLED:
		journal_settle(&m->rec);
		msg_free(q, m);
		return false;
	case FATE_FILE:
		memcpy(id, m->id, sizeof(id));
		journal_moved(&m->rec);
		msg_free(q, m);
		scan_new_mail(q, id);
		return false;
	}
	return false;
}

/*
 * Spilling.
 */

struct spill *
spill_begin(struct qmgr *q, struct active *a)
{
	struct spill	*s;

	if (a->file.rec == NULL || a->spilling)
		return NULL;
	s = arena_alloc(a->mem, sizeof(*s));
	s->a = a;
	s->fd = -1;
	journal_copy_of(q->queue, &a->file, QUEUE_CUR, a->mem, &s->copy);
	a->spilling = true;
	return s;
}

void
spill_work(struct spill *s)
{
	s->result = journal_copy(&s->copy, &s->fd, &s->err);
}

/* Marks that were made while the copy was. */
static void
catch_up(struct qmgr *q, const struct spill *s)
{
	struct active	*a = s->a;
	bool		 marked = false;

	for (size_t i = 0; i < s->copy.nstatuses; i++) {
		char	status = a->file.env.rcpts[i].status;

		if (status == s->copy.statuses[i])
			continue;
		marked = true;
		owed_mark(q, a, i, status);
	}
	if (marked)
		durable_marks(q->durable, a);
}

void
spill_done(struct qmgr *q, struct spill *s)
{
	struct active		*a = s->a;
	struct queue_msg	*f = &a->file;

	a->spilling = false;
	if (s->result < 0)
		return;
	f->fd = s->fd;
	f->rec = NULL;
	f->content_offset -= f->base;
	f->status_offset -= f->base;
	f->base = 0;
	qmgr_journal_moved(q, a->m, QUEUE_CUR);
	catch_up(q, s);
}

void
qmgr_journal_tidy(struct qmgr *q)
{
	journal_look(q->journal);
	convert_go(q->convert);
	journal_retire(q->journal);
}
