/* SPDX-License-Identifier: Apache-2.0 */
/* What is asked about all messages at once.  There may be hundreds of thousands,
 * and each may cost a file operation or two: a few milliseconds' worth is done
 * in a turn of the loop, and deliveries go on in between.  One sweep after the
 * other; what is asked about a single message does not wait for them. */
#include "qmgr/qmgr.h"

#include <string.h>

#include "base/mem.h"
#include "base/panic.h"
#include "ipc/queue_msg.h"
#include "sys/clock.h"
#include "sys/loop.h"

#define SLICE	MSECS(5)

struct sweep {
	struct list		 link;	/* in q->sweeps */
	struct ipc_request	 req;
	sweep_one		*one;
	struct arena		*mem;	/* of the wish's strings */
	struct sweep_wish	 wish;
	char			 (*ids)[QUEUE_ID_MAX];
	size_t			 n, at;
	uint64_t		 count;
};

/* Those that are there now, in the order of the queue. */
static void
list_ids(struct qmgr *q, struct sweep *s)
{
	s->ids = mem_grow(NULL, q->msgs.count, sizeof(*s->ids));
	for (int state = 0; state < MSG_STATES; state++) {
		LIST_EACH(l, &q->by_state[state]) {
			const struct msg	*m = LIST_ENTRY(l, struct msg,
						    link);

			ASSERT(s->n < q->msgs.count);
			memcpy(s->ids[s->n++], m->id, strlen(m->id) + 1);
		}
	}
}

static void
end(struct sweep *s, const char *why)
{
	struct queue_done	 done = {
		.ok = why == NULL, .count = s->count, .reason = why
	};

	ipc_reply(s->req, &queue_done_desc, &done);
	list_remove(&s->link);
	arena_free(&s->mem);
	mem_free(&s->ids);
	mem_free(&s);
}

static void
slice(struct qmgr *q, struct sweep *s)
{
	usec_t	until = clock_mono() + SLICE;

	while (s->at < s->n && clock_mono() < until) {
		struct msg	*m = msg_find(q, s->ids[s->at++]);

		if (m != NULL && s->one(q, m, &s->wish))
			s->count++;
	}
}

static void
on_turn(void *arg)
{
	struct qmgr	*q = arg;
	struct list	*l = list_first(&q->sweeps);
	struct sweep	*s;

	if (l == NULL)
		return;
	s = LIST_ENTRY(l, struct sweep, link);
	slice(q, s);
	loop_timer_set(q->pump_timer, 0);
	if (s->at == s->n)
		end(s, NULL);
	if (!list_empty(&q->sweeps))
		loop_timer_set(q->sweep_timer, 0);
}

void
sweep_open(struct qmgr *q)
{
	list_init(&q->sweeps);
	q->sweep_timer = loop_timer_new(q->loop, on_turn, q);
}

void
sweep_begin(struct qmgr *q, struct ipc_request req, sweep_one *one,
    const struct sweep_wish *wish)
{
	struct sweep	*s = mem_new(1, sizeof(*s));

	s->req = req;
	s->one = one;
	s->mem = arena_new();
	s->wish = (struct sweep_wish){
		.op = wish->op,
		.queue_name = arena_strdup(s->mem, wish->queue_name),
		.site = arena_strdup(s->mem, wish->site)
	};
	list_ids(q, s);
	list_put_last(&q->sweeps, &s->link);
	loop_timer_set(q->sweep_timer, 0);
}

void
sweep_stop(struct qmgr *q)
{
	struct list	*l;

	while ((l = list_first(&q->sweeps)) != NULL)
		end(LIST_ENTRY(l, struct sweep, link),
		    "the queue manager ends; not all was done");
}
