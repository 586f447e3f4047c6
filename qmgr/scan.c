/* SPDX-License-Identifier: Apache-2.0 */
/* State is rebuilt from the directories at start, while mail is delivered:
 * nothing new waits for what is old.  Threads list the names, a portion at a
 * time in the order of the inodes, and read of each message in cur/ when it is
 * due; the loop takes what they found a slice at a time.  After that qmgr is
 * told of every message, and the only directory that is looked at is new/.
 *
 * What happens to a message between the thread's look and ours does no harm:
 * what we know already is not taken again, and one that is gone meanwhile is
 * found to be gone when it is opened. */
#include "qmgr/qmgr.h"

#include <stdatomic.h>
#include <string.h>

#include "base/mem.h"
#include "queue/queue_walk.h"
#include "sys/clock.h"
#include "sys/log.h"
#include "sys/loop.h"
#include "sys/syncer.h"

#define SLICE		256
#define SLICES_MAX	2	/* at the same time; deliveries want threads */
#define TMP_AGE		SECS(36 * 3600)

static const enum queue_dir	order[] = {
	QUEUE_NEW, QUEUE_CUR, QUEUE_HOLD
};

/* What the head of a file in cur/ says. */
struct peek {
	enum queue_read	 got;
	usec_t		 due;
	unsigned int	 attempts;
	struct error	 err;
};

struct scan {
	struct qmgr		*q;
	size_t			 stage;		/* in order[] */
	size_t			 listed;	/* the thread's stage */
	struct queue_walk	*walk;		/* of its directory; NULL */
	const char		(*ids)[QUEUE_ID_MAX];	/* a portion of it */
	size_t			 n, next;
	size_t			 jobs;		/* in threads */
	int			 result;	/* of the listing */
	struct error		 err;
	int			 swept;
	atomic_bool		 stop;
};

struct slice_job {
	struct scan	*s;
	enum queue_dir	 dir;
	const char	(*ids)[QUEUE_ID_MAX];
	size_t		 n;
	struct peek	 peeks[SLICE];
};

static void
quarantine(struct qmgr *q, const char *id, enum queue_dir dir,
    const char *why)
{
	struct error	err;

	log_warn("%s: queue file is damaged: %s; saved in corrupt/", id, why);
	if (queue_move(q->queue, id, dir, QUEUE_CORRUPT, &err) < 0)
		log_error("%s: %s", id, err.text);
}

static void
peek_at(struct qmgr *q, const char *id, struct peek *p)
{
	*p = (struct peek){ .got = QUEUE_OK };
	p->got = queue_peek_due(q->queue, id, &p->due, &p->attempts, &p->err);
}

/* A file from before our time: when is it due? */
static void
take_deferred(struct qmgr *q, const char *id, const struct peek *p)
{
	usec_t		 now = clock_wall();
	/* A clock that was wrong must not hold mail for years. */
	usec_t		 due = p->due > now + q->conf->maximal_backoff ?
	    now + q->conf->maximal_backoff : p->due;
	struct msg	*m;

	switch (p->got) {
	case QUEUE_OK:
		m = msg_new(q, id, QUEUE_CUR, MSG_DEFERRED);
		msg_set_attempts(m, p->attempts);
		msg_wait_until(q, m, due);
		break;
	case QUEUE_BAD:
		quarantine(q, id, QUEUE_CUR, p->err.text);
		break;
	case QUEUE_ERROR:	/* nobody would look at it again */
		log_error("%s: %s", id, p->err.text);
		m = msg_new(q, id, QUEUE_CUR, MSG_DEFERRED);
		msg_wait_until(q, m, now + q->conf->minimal_backoff);
		break;
	case QUEUE_GONE:
	case QUEUE_INCOMPLETE:
		break;
	}
}

/* p: NULL unless it is in cur/. */
static void
take(struct qmgr *q, const char *id, enum queue_dir dir, const struct peek *p)
{
	if (msg_find(q, id) != NULL)
		return;
	switch (dir) {
	case QUEUE_NEW:
		(void)msg_new(q, id, QUEUE_NEW, MSG_INCOMING);
		loop_timer_set(q->pump_timer, 0);
		break;
	case QUEUE_CUR:
		take_deferred(q, id, p);
		break;
	case QUEUE_HOLD:
		(void)msg_new(q, id, QUEUE_HOLD, MSG_HOLD);
		break;
	case QUEUE_TMP:
	case QUEUE_CORRUPT:
	case QUEUE_DIRS:
		break;
	}
}

/*
 * At start.
 */

static void	go_on(struct scan *s);

/* The portion after this one; at the end of a directory, the first one of the
 * next. */
static void
list_work(void *arg)
{
	struct scan	*s = arg;

	s->n = s->next = 0;
	for (;;) {
		s->result = 0;
		if (s->walk == NULL)
			s->result = queue_walk_open(s->q->queue,
			    order[s->listed], &s->walk, &s->err);
		if (s->result == 0)
			s->result = queue_walk_next(s->walk, &s->ids, &s->n,
			    &s->err);
		if (s->n > 0 || s->result < 0)
			return;
		queue_walk_close(&s->walk);
		if (++s->listed == COUNT(order))
			return;
	}
}

static void
list_done(void *arg)
{
	struct scan	*s = arg;

	s->jobs--;
	/* Half a queue would look like a whole one: begin again. */
	if (s->result < 0)
		log_fatal("%s", s->err.text);
	s->stage = s->listed;
	go_on(s);
}

static void
slice_work(void *arg)
{
	struct slice_job	*j = arg;

	for (size_t i = 0; j->dir == QUEUE_CUR && i < j->n; i++)
		peek_at(j->s->q, j->ids[i], &j->peeks[i]);
}

static void
slice_done(void *arg)
{
	struct slice_job	*j = arg;
	struct scan		*s = j->s;

	s->jobs--;
	for (size_t i = 0; !s->q->draining && i < j->n; i++)
		take(s->q, j->ids[i], j->dir, &j->peeks[i]);
	mem_free(&j);
	go_on(s);
}

static void
begin_slice(struct scan *s)
{
	struct slice_job	*j = mem_new(1, sizeof(*j));

	j->s = s;
	j->dir = order[s->stage];
	j->ids = s->ids + s->next;
	j->n = s->n - s->next < SLICE ? s->n - s->next : SLICE;
	s->next += j->n;
	s->jobs++;
	syncer_run(daemon_syncer(s->q->d), slice_work, slice_done, j);
}

static void
sweep_work(void *arg)
{
	struct scan	*s = arg;

	s->swept = queue_sweep(s->q->queue, TMP_AGE, &s->stop);
}

static void
sweep_done(void *arg)
{
	struct scan	*s = arg;

	if (s->swept > 0)
		log_info("removed %d unfinished files from tmp/", s->swept);
	s->q->scan = NULL;
	mem_free(&s);
}

static void
go_on(struct scan *s)
{
	struct qmgr	*q = s->q;

	while (!q->draining && s->jobs < SLICES_MAX && s->next < s->n)
		begin_slice(s);
	if (s->jobs > 0)
		return;
	if (!q->draining && s->stage < COUNT(order)) {
		s->jobs++;
		syncer_run(daemon_syncer(q->d), list_work, list_done, s);
	} else {
		queue_walk_close(&s->walk);
		s->stage = COUNT(order);
		log_debug("queue scan done: %zu messages", q->msgs.count);
		syncer_run(daemon_syncer(q->d), sweep_work, sweep_done, s);
	}
	admin_scanned(q);
}

void
scan_start(struct qmgr *q)
{
	q->scan = mem_new(1, sizeof(*q->scan));
	q->scan->q = q;
	go_on(q->scan);
}

void
scan_stop(struct qmgr *q)
{
	if (q->scan != NULL)
		atomic_store(&q->scan->stop, true);
}

enum known
scan_known(const struct qmgr *q)
{
	if (!q->leading || (q->scan != NULL && q->scan->stage == 0))
		return KNOWN_LITTLE;
	return q->scan != NULL && q->scan->stage < COUNT(order) ?
	    KNOWN_NEW : KNOWN_ALL;
}

/*
 * Later.
 */

static bool
find_new(void *arg, const char *id)
{
	take(arg, id, QUEUE_NEW, NULL);
	return true;
}

void
scan_again(struct qmgr *q)
{
	struct error	err;

	if (queue_each(q->queue, QUEUE_NEW, find_new, q, &err) < 0)
		log_error("%s", err.text);
}

static void
look_for(struct qmgr *q, const char *id, enum queue_dir *dir_out)
{
	struct peek	p;

	if (!queue_find(q->queue, id, dir_out)) {
		*dir_out = QUEUE_DIRS;
		return;
	}
	if (*dir_out == QUEUE_CUR)
		peek_at(q, id, &p);
	take(q, id, *dir_out, &p);
}

struct msg *
scan_find(struct qmgr *q, const char *id)
{
	enum queue_dir	 dir;
	struct msg	*m = msg_find(q, id);

	if (m == NULL && scan_known(q) != KNOWN_ALL)
		look_for(q, id, &dir);
	return m != NULL ? m : msg_find(q, id);
}

void
scan_new_mail(struct qmgr *q, const char *id)
{
	enum queue_dir	 dir;
	struct msg	*m;

	if (msg_find(q, id) != NULL)
		return;
	look_for(q, id, &dir);
	m = msg_find(q, id);
	if (m != NULL && dir == QUEUE_NEW)
		m->fresh = true;
	else if (m == NULL)
		log_debug("%s: told of a message that is not there", id);
}
