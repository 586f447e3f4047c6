/* SPDX-License-Identifier: Apache-2.0 */
#include "qmgr/qmgr.h"

#include <stdio.h>

#include "base/mem.h"
#include "base/panic.h"
#include "sys/clock.h"
#include "sys/loop.h"

const char *const	msg_state_names[MSG_STATES] = {
	[MSG_ACTIVE] = "active",
	[MSG_INCOMING] = "incoming",
	[MSG_DEFERRED] = "deferred",
	[MSG_HOLD] = "hold",
};

struct msg *
msg_new(struct qmgr *q, const char *id, enum queue_dir dir,
    enum msg_state state)
{
	struct msg	*m = mem_new(1, sizeof(*m));

	snprintf(m->id, sizeof(m->id), "%s", id);
	m->dir = dir;
	m->state = state;
	m->serial = ++q->next_serial;
	list_put_last(&q->by_state[state], &m->link);
	q->count[state]++;
	hash_puts(q->msgs, m->id, m);
	return m;
}

struct msg *
msg_find(struct qmgr *q, const char *id)
{
	return hash_gets(q->msgs, id);
}

void
msg_free(struct qmgr *q, struct msg *m)
{
	ASSERT(m->act == NULL);
	heap_del(&q->due, &m->due);
	list_remove(&m->link);
	q->count[m->state]--;
	hash_dels(q->msgs, m->id);
	mem_free(&m);
}

/* What was written a moment ago needs no proof that it is what was
 * written. */
enum queue_read
msg_open(struct qmgr *q, struct msg *m, bool writable, struct arena *a,
    struct queue_msg *out, struct error *err)
{
	if (m->rec != NULL)
		return journal_msg_open(m->rec, a, out, err);
	return queue_msg_open(q->queue, m->dir, m->id, writable,
	    writable && !m->fresh, a, out, err);
}

void
msg_set_state(struct qmgr *q, struct msg *m, enum msg_state s)
{
	if (m->state == s)
		return;
	list_remove(&m->link);
	q->count[m->state]--;
	if (m->state == MSG_DEFERRED)
		heap_del(&q->due, &m->due);
	m->state = s;
	m->serial = ++q->next_serial;
	list_put_last(&q->by_state[s], &m->link);
	q->count[s]++;
}

void
msg_wait_until(struct qmgr *q, struct msg *m, usec_t due)
{
	usec_t	wait = due - clock_wall();

	/* The wall clock may be set back by days; the heap does not wait for
	 * it to come round again. */
	msg_set_state(q, m, MSG_DEFERRED);
	heap_put(&q->due, &m->due, clock_mono() + wait);
	if (q->pump_timer == NULL || heap_first(&q->due) != &m->due ||
	    q->draining)
		return;
	/* The timer is set already for new mail, which does not wait for us. */
	loop_timer_set(q->pump_timer,
	    list_empty(&q->by_state[MSG_INCOMING]) ? wait : 0);
}
