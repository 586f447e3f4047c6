/* SPDX-License-Identifier: Apache-2.0 */
/* State is rebuilt from the directories at start: all names are read at once
 * (cheap), due times a few hundred files per turn of the loop, new mail
 * first.  After that qmgr is told of every message; nothing is scanned
 * again. */
#include "qmgr/qmgr.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "sys/clock.h"
#include "sys/log.h"
#include "sys/loop.h"

#define FILES_PER_TURN	200
#define TMP_AGE		SECS(36 * 3600)

struct found {
	struct list	 link;
	char		 id[QUEUE_ID_MAX];
	enum queue_dir	 dir;
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

/* A file from before our time: when is it due? */
static void
load_due(struct qmgr *q, const char *id)
{
	struct error	 err = { .text = "" };
	struct msg	*m;
	unsigned int	 attempts = 0;
	usec_t		 due = 0, now = clock_wall();

	switch (queue_peek_due(q->queue, id, &due, &attempts, &err)) {
	case QUEUE_OK:
		/* A clock that was wrong must not hold mail for years. */
		if (due > now + q->conf->maximal_backoff)
			due = now + q->conf->maximal_backoff;
		m = msg_new(q, id, QUEUE_CUR, MSG_DEFERRED);
		m->attempts = attempts;
		msg_wait_until(q, m, due);
		break;
	case QUEUE_BAD:
		quarantine(q, id, QUEUE_CUR, err.text);
		break;
	case QUEUE_ERROR:	/* nobody would look at it again */
		log_error("%s: %s", id, err.text);
		m = msg_new(q, id, QUEUE_CUR, MSG_DEFERRED);
		msg_wait_until(q, m, now + q->conf->minimal_backoff);
		break;
	case QUEUE_GONE:
	case QUEUE_INCOMPLETE:
		break;
	}
}

void
scan_found(struct qmgr *q, const char *id, enum queue_dir dir)
{
	if (msg_find(q, id) != NULL)
		return;
	switch (dir) {
	case QUEUE_NEW:
		(void)msg_new(q, id, QUEUE_NEW, MSG_INCOMING);
		loop_timer_set(q->pump_timer, 0);
		break;
	case QUEUE_CUR:
		load_due(q, id);
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

static bool
note_id(void *arg, const char *id)
{
	struct found	*f = mem_new(1, sizeof(*f));
	struct found	*head = arg;

	snprintf(f->id, sizeof(f->id), "%s", id);
	f->dir = head->dir;
	list_put_last(&head->link, &f->link);
	return true;
}

static void
on_scan(void *arg)
{
	struct qmgr	*q = arg;
	struct list	*l;

	for (int n = 0; n < FILES_PER_TURN; n++) {
		struct found	*f;

		if ((l = list_take(&q->scan)) == NULL)
			break;
		f = LIST_ENTRY(l, struct found, link);
		scan_found(q, f->id, f->dir);
		mem_free(&f);
	}
	if (!list_empty(&q->scan))
		loop_timer_set(q->scan_timer, 0);
	else
		log_debug("queue scan done: %zu messages",
		    hash_count(q->msgs));
}

static bool
find_new(void *arg, const char *id)
{
	scan_found(arg, id, QUEUE_NEW);
	return true;
}

void
scan_again(struct qmgr *q)
{
	struct error	err;

	if (queue_each(q->queue, QUEUE_NEW, find_new, q, &err) < 0)
		log_error("%s", err.text);
}

bool
scan_busy(const struct qmgr *q)
{
	return !list_empty(&q->scan);
}

void
scan_start(struct qmgr *q)
{
	static const enum queue_dir	dirs[] = {
		QUEUE_NEW, QUEUE_CUR, QUEUE_HOLD
	};
	struct error	err;
	int		swept = queue_sweep_tmp(q->queue, TMP_AGE);

	if (swept > 0)
		log_info("removed %d unfinished files from tmp/", swept);
	for (size_t i = 0; i < COUNT(dirs); i++) {
		struct found	head = { .dir = dirs[i] };

		list_init(&head.link);
		/* Half a queue would look like a whole one: begin again. */
		if (queue_each(q->queue, dirs[i], note_id, &head, &err) < 0)
			log_fatal("%s", err.text);
		LIST_EACH(l, &head.link) {
			list_remove(l);
			list_put_last(&q->scan, l);
		}
	}
	loop_timer_free(&q->scan_timer);
	q->scan_timer = loop_timer_new(q->loop, on_scan, q);
	loop_timer_set(q->scan_timer, 0);
}

void
scan_new_mail(struct qmgr *q, const char *id)
{
	enum queue_dir	 dir;
	struct msg	*m;

	if (msg_find(q, id) != NULL)
		return;
	if (!queue_find(q->queue, id, &dir)) {
		log_debug("%s: told of a message that is not there", id);
		return;
	}
	scan_found(q, id, dir);
	m = msg_find(q, id);
	if (m != NULL && dir == QUEUE_NEW)
		m->fresh = true;
}
