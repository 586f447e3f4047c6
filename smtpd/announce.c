/* SPDX-License-Identifier: Apache-2.0 */
#include "smtpd/announce.h"

#include <string.h>

#include "base/mem.h"
#include "intake/intake_service.h"
#include "queue/queue.h"
#include "queue/queue_id.h"
#include "sys/loop.h"

#define EVERY	MSECS(2)

struct announce {
	struct queue		*queue;
	struct loop		*loop;
	struct ipc_client	*qmgr;
	struct loop_timer	*timer;
	usec_t			 told;		/* mono */
	char			 segment[QUEUE_ID_MAX];
	uint64_t		 end;		/* 0: nothing waits */
};

static void
tell(void *arg)
{
	struct announce		*a = arg;
	struct queue_place	 p = { .segment = a->segment, .end = a->end };

	if (a->end == 0)
		return;
	loop_timer_stop(a->timer);
	intake_service_announce(a->qmgr, &p);
	a->end = 0;
	a->told = loop_now(a->loop);
}

/* The end of a segment tells of all that is in front of it, too. */
static void
on_commit(void *arg, const struct queue_place *where)
{
	struct announce	*a = arg;
	usec_t		 wait;

	if (where->segment == NULL) {
		intake_service_announce(a->qmgr, where);
		return;
	}
	if (strcmp(a->segment, where->segment) != 0) {
		tell(a);
		memcpy(a->segment, where->segment,
		    strlen(where->segment) + 1);
	}
	wait = a->told + EVERY - loop_now(a->loop);
	if (a->end == 0 && wait > 0)
		loop_timer_set(a->timer, wait);
	a->end = where->end;
	if (wait <= 0)
		tell(a);
}

struct announce *
announce_new(struct queue *q, struct loop *l, struct ipc_client *qmgr)
{
	struct announce	*a = mem_new(1, sizeof(*a));

	a->queue = q;
	a->loop = l;
	a->qmgr = qmgr;
	a->timer = loop_timer_new(l, tell, a);
	queue_listen(q, on_commit, a);
	return a;
}

void
announce_free(struct announce **a)
{
	if (*a == NULL)
		return;
	tell(*a);
	queue_listen((*a)->queue, NULL, NULL);
	loop_timer_free(&(*a)->timer);
	mem_free(a);
}
