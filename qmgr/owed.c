/* SPDX-License-Identifier: Apache-2.0 */
/* Marks that could not be written.  A file system that copies on write (btrfs)
 * needs room even for a byte in place; when it is full, a recipient that was
 * settled looks as if it were not.  Who is known here is not delivered to again
 * while this queue manager lives, and the marks are written when there is room
 * again; only its end before that repeats a delivery.
 *
 * Nothing of this is touched while all is well. */
#include "qmgr/qmgr.h"

#include <string.h>

#include "base/mem.h"
#include "sys/log.h"

struct owed {
	char	 id[QUEUE_ID_MAX];
	size_t	 n;		/* recipients */
	char	*statuses;
};

static void
drop(struct qmgr *q, struct owed *o)
{
	(void)hash_dels(q->owed, o->id);
	mem_free(&o->statuses);
	mem_free(&o);
}

/* What is known of it by now. */
static void
remember(struct qmgr *q, const struct queue_msg *f)
{
	struct owed	*o = hash_gets(q->owed, f->id);

	if (o == NULL) {
		o = mem_new(1, sizeof(*o));
		memcpy(o->id, f->id, sizeof(o->id));
		o->n = f->env.nrcpts;
		o->statuses = mem_new(o->n + 1, 1);
		(void)hash_puts(q->owed, o->id, o);
	}
	for (size_t i = 0; i < o->n; i++)
		o->statuses[i] = f->env.rcpts[i].status;
}

void
owed_mark(struct qmgr *q, struct active *a, size_t index, char status)
{
	struct error	err;

	/* The first one that fails speaks for all, until one succeeds. */
	if (queue_msg_mark(&a->file, index, status, &err) == 0)
		return;
	if (hash_count(q->owed) == 0)
		log_error("%s: cannot mark a recipient done: %s", a->m->id,
		    err.text);
	remember(q, &a->file);
}

/* False: not all could be written.  f has them all the same. */
static bool
write_all(const struct owed *o, struct queue_msg *f)
{
	bool		ok = true;
	struct error	err;

	for (size_t i = 0; i < o->n && i < f->env.nrcpts; i++)
		if (o->statuses[i] != RCPT_TODO &&
		    queue_msg_mark(f, i, o->statuses[i], &err) < 0)
			ok = false;
	return ok;
}

void
owed_apply(struct qmgr *q, struct queue_msg *f)
{
	struct owed	*o = hash_count(q->owed) == 0 ? NULL :
	    hash_gets(q->owed, f->id);

	if (o != NULL && write_all(o, f))
		drop(q, o);
}

void
owed_forget(struct qmgr *q, const char *id)
{
	struct owed	*o = hash_count(q->owed) == 0 ? NULL :
	    hash_gets(q->owed, id);

	if (o != NULL)
		drop(q, o);
}

/* False: the next one would fare no better. */
static bool
pay(struct qmgr *q, struct owed *o)
{
	struct msg		*m = msg_find(q, o->id);
	struct arena		*a;
	struct queue_msg	 f;
	bool			 ok = true;

	if (m == NULL)
		drop(q, o);
	if (m == NULL || m->converting)
		return true;
	a = arena_new();
	if (m->act != NULL)
		ok = write_all(o, &m->act->file);
	else if (msg_open(q, m, true, a, &f, NULL) == QUEUE_OK) {
		ok = write_all(o, &f);
		if (ok)
			(void)!queue_msg_sync(&f, NULL);
		queue_msg_close(&f);
	} else
		ok = false;
	arena_free(&a);
	if (ok)
		drop(q, o);
	return ok;
}

void
owed_tidy(struct qmgr *q)
{
	bool	 was = hash_count(q->owed) > 0;
	size_t	 at = 0;
	void	*o;

	while (was && hash_each(q->owed, &at, NULL, &o))
		if (!pay(q, o))
			return;
	if (was)
		log_info("all recipients that are done are marked so");
}
