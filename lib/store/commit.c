/* SPDX-License-Identifier: Apache-2.0 */
/* Group commit: while one batch of a mailbox is being synced, what comes for
 * the same mailbox waits and goes together afterwards. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <fcntl.h>

#include "base/mem.h"
#include "base/panic.h"
#include "store/store_int.h"
#include "sys/loop.h"
#include "sys/syncer.h"

#define MAX_BATCH	1000		/* messages */

struct queue {
	struct store	*store;
	char		*path;
	struct list	 waiting;	/* struct commit */
	bool		 running;
};

struct commit {
	struct list	 link;
	struct incoming	**in;
	size_t		 n;
	void		(*done)(void *arg, const struct store_done *r);
	void		*arg;
	struct store_user *user;	/* kept alive */
};

struct batch {
	struct queue	*q;
	struct list	 commits;
	struct incoming	**in;
	size_t		 n;
	struct store_done r;
	struct error	 err;
};


void
store_run(struct store *s, void (*work)(void *arg), void (*done)(void *arg),
    void *arg)
{
	if (s->syncer != NULL) {
		syncer_run(s->syncer, work, done, arg);
		return;
	}
	work(arg);
	if (s->loop != NULL)
		loop_defer(s->loop, done, arg);
	else
		done(arg);
}

void
incoming_free(struct incoming *in, const char *path)
{
	struct arena	*mem = in->mem;

	if (in->tmp != NULL) {
		int	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		if (fd >= 0) {
			(void)unlinkat(fd, in->tmp, 0);
			close(fd);
		}
	}
	arena_free(&mem);
}

static struct queue *
queue_of(struct store *s, const char *path)
{
	struct queue	*q = hash_gets(s->queues, path);

	if (q != NULL)
		return q;
	q = mem_new(1, sizeof(*q));
	q->store = s;
	q->path = mem_strdup(path);
	list_init(&q->waiting);
	hash_puts(s->queues, path, q);
	return q;
}

static void
batch_work(void *arg)
{
	struct batch	*t = arg;

	if (commit_now(t->q->path, t->q->store->host, t->in, t->n, &t->r,
	    &t->err) < 0 && t->r.fail == STORE_OK)
		t->r.fail = STORE_TEMP;
}

static void	 queue_go(struct queue *q);

static void
commit_end(struct commit *c, struct batch *t, uint32_t *uid)
{
	struct store_done	 r = t->r;
	struct store_user	*user = c->user;

	r.uid = *uid;
	r.uid_count = (uint32_t)c->n;
	*uid += (uint32_t)c->n;
	r.err = r.fail == STORE_OK ? NULL : &t->err;
	if (r.fail != STORE_OK)
		r.uid = r.uid_count = 0;
	for (size_t i = 0; i < c->n; i++)
		incoming_free(c->in[i], t->q->path);
	c->done(c->arg, &r);
	mem_free(&c->in);
	mem_free(&c);
	store_user_close(&user);
}

static void
batch_done(void *arg)
{
	struct batch	*t = arg;
	struct queue	*q = t->q;
	struct list	*l;
	uint32_t	 uid = t->r.uid;

	q->store->pending--;
	while ((l = list_take(&t->commits)) != NULL)
		commit_end(LIST_ENTRY(l, struct commit, link), t, &uid);
	mem_free(&t->in);
	mem_free(&t);
	q->running = false;
	queue_go(q);
}

static void
queue_free(struct queue *q)
{
	(void)hash_dels(q->store->queues, q->path);
	mem_free(&q->path);
	mem_free(&q);
}

static void
queue_go(struct queue *q)
{
	struct batch	*t;
	struct list	*l;

	if (q->running)
		return;
	if (list_empty(&q->waiting)) {
		queue_free(q);
		return;
	}
	t = mem_new(1, sizeof(*t));
	t->q = q;
	list_init(&t->commits);
	while ((l = list_first(&q->waiting)) != NULL) {
		struct commit	*c = LIST_ENTRY(l, struct commit, link);

		if (t->n > 0 && t->n + c->n > MAX_BATCH)
			break;
		list_remove(l);
		list_put_last(&t->commits, l);
		t->in = mem_grow(t->in, t->n + c->n, sizeof(*t->in));
		memcpy(t->in + t->n, c->in, c->n * sizeof(*t->in));
		t->n += c->n;
	}
	q->running = true;
	q->store->pending++;
	store_run(q->store, batch_work, batch_done, t);
}

void
commit_start(struct store_user *u, const char *path, struct incoming **in,
    size_t n, void (*done)(void *arg, const struct store_done *r), void *arg)
{
	struct queue	*q = queue_of(u->store, path);
	struct commit	*c = mem_new(1, sizeof(*c));

	ASSERT(n > 0);
	c->in = in;
	c->n = n;
	c->done = done;
	c->arg = arg;
	c->user = u;
	u->refs++;
	list_put_last(&q->waiting, &c->link);
	queue_go(q);
}
