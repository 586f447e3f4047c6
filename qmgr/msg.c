/* SPDX-License-Identifier: Apache-2.0 */
#include "qmgr/qmgr.h"

#include <string.h>

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

/*
 * The table of all.  Its entries are the messages themselves: with half a
 * million of them, copies of their ids would be as large as the rest.
 */

static struct msg **
chain_of(const struct msg_table *t, const char *id)
{
	return &t->chains[hash_bytes(id, strlen(id)) & (t->size - 1)];
}

static void
table_grow(struct msg_table *t)
{
	struct msg_table	 more = {
		.size = t->size == 0 ? 1024 : 2 * t->size, .count = t->count
	};

	more.chains = mem_new(more.size, sizeof(*more.chains));
	for (size_t i = 0; i < t->size; i++) {
		struct msg	*m, *next;

		for (m = t->chains[i]; m != NULL; m = next) {
			struct msg	**to = chain_of(&more, m->id);

			next = m->next;
			m->next = *to;
			*to = m;
		}
	}
	mem_free(&t->chains);
	*t = more;
}

static void
table_put(struct msg_table *t, struct msg *m)
{
	struct msg	**to;

	if (t->count == t->size)
		table_grow(t);
	to = chain_of(t, m->id);
	m->next = *to;
	*to = m;
	t->count++;
}

static void
table_del(struct msg_table *t, struct msg *m)
{
	struct msg	**at = chain_of(t, m->id);

	while (*at != m)
		at = &(*at)->next;
	*at = m->next;
	t->count--;
}

struct msg *
msg_find(struct qmgr *q, const char *id)
{
	struct msg	*m = NULL;

	if (q->msgs.size > 0)
		m = *chain_of(&q->msgs, id);
	while (m != NULL && strcmp(m->id, id) != 0)
		m = m->next;
	return m;
}

struct msg *
msg_new(struct qmgr *q, const char *id, enum queue_dir dir,
    enum msg_state state)
{
	size_t		 n = strlen(id) + 1;
	struct msg	*m = mem_new(1, offsetof(struct msg, id) + n);

	ASSERT(n <= QUEUE_ID_MAX);
	memcpy(m->id, id, n);
	m->dir = (uint8_t)dir;
	m->state = (uint8_t)state;
	m->serial = ++q->next_serial;
	list_put_last(&q->by_state[state], &m->link);
	q->count[state]++;
	table_put(&q->msgs, m);
	return m;
}

void
msg_free(struct qmgr *q, struct msg *m)
{
	ASSERT(m->act == NULL);
	heap_del(&q->due, &m->due);
	list_remove(&m->link);
	q->count[m->state]--;
	table_del(&q->msgs, m);
	owed_forget(q, m->id);
	mem_free(&m);
}

void
msg_set_attempts(struct msg *m, unsigned int n)
{
	m->attempts = n < UINT16_MAX ? (uint16_t)n : UINT16_MAX;
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
	m->state = (uint8_t)s;
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
