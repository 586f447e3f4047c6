/* SPDX-License-Identifier: Apache-2.0 */
/* Replies of one turn of the loop leave together: the first one wakes whoever
 * sits at the other ends, and the kernel's code for sending is in the cache for
 * those behind it.  A few at a time, so that clients on another processor do
 * not wait for a long turn to end. */
#include "smtpd/smtpd.h"
#include "sys/loop.h"

#define TOGETHER	32

/* Nothing else happens to any connection meanwhile: who waits for his output to
 * be gone hears of it from the loop. */
static void
flush(void *arg)
{
	struct outbox	*o = arg;
	struct list	*l;

	o->n = 0;
	while ((l = list_take(&o->conns)) != NULL) {
		struct conn	*c = LIST_ENTRY(l, struct conn, outbox);

		if (conn_awaits_output(c))
			stream_flush(c->stream);
		else
			(void)stream_flush_now(c->stream);
	}
}

void
outbox_open(struct smtpd *s)
{
	list_init(&s->outbox.conns);
	s->outbox.timer = loop_timer_new(s->loop, flush, &s->outbox);
}

void
outbox_close(struct smtpd *s)
{
	loop_timer_free(&s->outbox.timer);
}

void
outbox_add(struct conn *c)
{
	struct outbox	*o = &c->s->outbox;

	if (list_linked(&c->outbox) || stream_out_len(c->stream) == 0)
		return;
	list_put_last(&o->conns, &c->outbox);
	if (++o->n == 1)
		loop_timer_before_wait(o->timer);
	if (o->n < TOGETHER)
		return;
	loop_timer_stop(o->timer);
	flush(o);
}
