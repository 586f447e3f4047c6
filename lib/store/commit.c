/* SPDX-License-Identifier: Apache-2.0 */
/* Group commit.  All that waits when a thread is free goes in one round, and
 * what comes meanwhile waits for the next:
 *
 *	all files are written, and the disk is told;
 *	all files are synced (the first sync waits for the disk, the others find
 *	little left to do);
 *	in each mailbox, under its lock, the files get their names and the log
 *	one frame with their records;
 *	each directory that got names is synced once, each log whose UIDs will
 *	be told at once, too;
 *	then everybody is answered.
 *
 * Whatever fails, fails those that shared it and nobody else.  A mailbox whose
 * log is locked by somebody else is taken out and waits for the lock in a round
 * of its own, so that it does not hold up the others. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/panic.h"
#include "store/place.h"
#include "sys/file.h"
#include "sys/loop.h"
#include "sys/syncer.h"

#define MAX_ROUND	1000		/* messages */
#define MAX_ROUNDS	3		/* at a time */
#define LOCK_TRIES	100

struct round {
	struct store	*store;
	struct list	 groups;	/* struct group */
	size_t		 n;		/* messages */
	bool		 may_wait;	/* for the lock: one place only */
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

static int
sys_of(const struct error *err)
{
	return err->sys != 0 ? err->sys : EIO;
}

int
commit_now(const char *path, const char *host, struct incoming **in,
    size_t n, struct store_done *r, struct error *err)
{
	struct box	b;
	int		result = -1;

	*r = (struct store_done){ .fail = STORE_TEMP };
	err->sys = 0;
	if (box_open(&b, path, host, !incoming_keyworded(in, n), err) < 0) {
		r->fail = store_fail_of(sys_of(err));
		return -1;
	}
	if (incoming_add(&b, in, n, r, err) == 0)
		result = incoming_sync(&b, in, n, true, err);
	if (result < 0)
		*r = (struct store_done){ .fail = err->sys == ENOENT ?
		    STORE_GONE : store_fail_of(sys_of(err)) };
	box_close(&b);
	return result;
}

/*
 * In the round's thread.
 */

static void
fail(struct commit *c, enum store_fail f, const struct error *err)
{
	c->r = (struct store_done){ .fail = f };
	c->err = *err;
}

/* All of this place that have not failed by themselves. */
static void
fail_group(struct group *g, enum store_fail f, const struct error *err)
{
	LIST_EACH(l, &g->commits) {
		struct commit	*c = LIST_ENTRY(l, struct commit, link);

		if (c->r.fail == STORE_OK)
			fail(c, f, err);
	}
	g->added = false;
	g->n = 0;
}

/* A directory of our own, because another round may open the place anew. */
static int
open_group(struct group *g, struct error *err)
{
	struct place	*p = g->place;
	int		 r;

	pthread_mutex_lock(&p->mutex);
	r = place_open(p, err);
	if (r == 0 && (g->dirfd = fcntl(p->box.dirfd, F_DUPFD_CLOEXEC,
	    3)) < 0)
		r = error_sys(err, "duplicate descriptor");
	pthread_mutex_unlock(&p->mutex);
	return r;
}

static bool
to_write(const struct commit *c)
{
	return c->delivery != NULL && !c->written && c->r.fail == STORE_OK;
}

static void
write_files(struct group *g, const struct round *r)
{
	struct error	err = { .sys = 0 };

	if (r->may_wait)
		return;
	if (open_group(g, &err) < 0) {
		fail_group(g, store_fail_of(sys_of(&err)), &err);
		return;
	}
	LIST_EACH(l, &g->commits) {
		struct commit	*c = LIST_ENTRY(l, struct commit, link);

		if (to_write(c) && delivery_write(c->delivery, g->dirfd,
		    r->n > 1, &c->err) < 0)
			c->r.fail = delivery_fail_of(&c->err);
	}
}

static void
sync_files(struct group *g, const struct round *r UNUSED)
{
	LIST_EACH(l, &g->commits) {
		struct commit	*c = LIST_ENTRY(l, struct commit, link);

		if (!to_write(c))
			continue;
		c->written = true;
		if (delivery_sync(c->delivery, &c->err) < 0)
			c->r.fail = delivery_fail_of(&c->err);
	}
}

/* What has a file now. */
static void
collect(struct group *g)
{
	size_t	n = 0;

	LIST_EACH(l, &g->commits)
		n += LIST_ENTRY(l, struct commit, link)->n;
	g->in = mem_grow(g->in, n + 1, sizeof(*g->in));
	g->n = 0;
	LIST_EACH(l, &g->commits) {
		struct commit	*c = LIST_ENTRY(l, struct commit, link);

		if (c->r.fail != STORE_OK)
			continue;
		g->sync_log |= c->delivery == NULL;
		for (size_t i = 0; i < c->n; i++)
			g->in[g->n++] = c->in[i];
	}
}

/* UIDs were given out in the order of the list. */
static void
share_result(struct group *g, const struct store_done *r)
{
	uint32_t	uid = r->uid;

	LIST_EACH(l, &g->commits) {
		struct commit	*c = LIST_ENTRY(l, struct commit, link);

		if (c->r.fail != STORE_OK)
			continue;
		c->r = *r;
		c->r.uid = uid;
		c->r.uid_count = (uint32_t)c->n;
		uid += (uint32_t)c->n;
	}
}

/* With the mutex.  -1: *r and *err. */
static int
add_to(struct group *g, struct store_done *r, struct error *err)
{
	struct place	*p = g->place;

	if (!p->is_open && place_open(p, err) < 0) {
		r->fail = store_fail_of(sys_of(err));
		return -1;
	}
	p->box.log.no_wait = true;
	if (incoming_add(&p->box, g->in, g->n, r, err) == 0) {
		g->added = true;
		g->opened = p->opened;
		return 0;
	}
	g->locked_out = err->sys == EAGAIN;
	if (!g->locked_out)
		place_close(p);
	r->fail = err->sys == ENOENT ? STORE_GONE :
	    store_fail_of(sys_of(err));
	return -1;
}

/* Not with the mutex, which other rounds want as well. */
static void
wait_for_lock(const struct place *p, struct arena *scratch)
{
	int	fd = open(arena_printf(scratch, "%s/%s", p->path, LOG_FILE),
		    O_RDWR | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return;
	(void)!file_lock(fd, true, true);
	close(fd);
}

static int
add_locked(struct group *g, const struct round *round, struct store_done *r,
    struct error *err)
{
	struct place	*p = g->place;
	struct arena	*scratch = arena_new();
	int		 result = -1;

	for (int tries = 0; tries < LOCK_TRIES; tries++) {
		if (tries > 0)
			wait_for_lock(p, scratch);
		g->locked_out = false;
		pthread_mutex_lock(&p->mutex);
		result = add_to(g, r, err);
		pthread_mutex_unlock(&p->mutex);
		if (!g->locked_out || !round->may_wait)
			break;
	}
	if (round->may_wait)
		g->locked_out = false;
	arena_free(&scratch);
	return result;
}

static void
add(struct group *g, const struct round *round)
{
	struct place		*p = g->place;
	struct store_done	 r = { .fail = STORE_TEMP };
	struct error		 err = { .sys = 0 };
	int			 result;

	collect(g);
	if (g->n == 0)
		return;
	if (!round->may_wait && atomic_load(&p->stuck)) {
		g->locked_out = true;
		return;
	}
	/* Names of keywords are in the whole log; the box here knows only its
	 * end. */
	if (incoming_keyworded(g->in, g->n))
		result = commit_now(p->path, place_host(p), g->in, g->n, &r,
		    &err);
	else
		result = add_locked(g, round, &r, &err);
	if (result == 0)
		share_result(g, &r);
	else if (!g->locked_out)
		fail_group(g, r.fail, &err);
}

/* Another round opened the place anew since: what got our files may be another
 * directory by now. */
static int
sync_moved(struct group *g, struct error *err)
{
	struct box	b;
	int		r;

	b.newfd = openat(g->dirfd, "new", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	b.curfd = openat(g->dirfd, "cur", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	b.log.fd = openat(g->dirfd, LOG_FILE, O_RDONLY | O_CLOEXEC);
	r = b.newfd < 0 || b.curfd < 0 || b.log.fd < 0 ?
	    error_sys(err, "open directories of %s", g->place->path) :
	    incoming_sync(&b, g->in, g->n, true, err);
	if (b.newfd >= 0)
		close(b.newfd);
	if (b.curfd >= 0)
		close(b.curfd);
	if (b.log.fd >= 0)
		close(b.log.fd);
	return r;
}

static int
sync_group(struct group *g, struct error *err)
{
	struct place	*p = g->place;

	if (!p->is_open || p->opened != g->opened)
		return sync_moved(g, err);
	return incoming_sync(&p->box, g->in, g->n, g->sync_log, err);
}

static void
sync_place(struct group *g, const struct round *r UNUSED)
{
	struct place	*p = g->place;
	struct error	 err;

	pthread_mutex_lock(&p->mutex);
	if (g->added && sync_group(g, &err) < 0) {
		fail_group(g, store_fail_of(sys_of(&err)), &err);
		place_close(p);
	}
	g->synced_log = g->added && g->sync_log;
	if (p->fleeting)
		place_close(p);
	pthread_mutex_unlock(&p->mutex);
}

static void
each_group(const struct round *r, void (*step)(struct group *g,
    const struct round *r))
{
	LIST_EACH(l, &r->groups)
		step(LIST_ENTRY(l, struct group, link), r);
}

static void
round_work(void *arg)
{
	const struct round	*r = arg;

	each_group(r, write_files);
	each_group(r, sync_files);
	each_group(r, add);
	each_group(r, sync_place);
}

/*
 * In the loop.
 */

struct commit *
commit_new(struct store_user *u, struct delivery *d, void (*done)(void *arg,
    const struct store_done *r), void *arg)
{
	struct commit	*c = mem_new(1, sizeof(*c));

	if (d != NULL) {
		c->delivery = d;
		c->in = mem_new(1, sizeof(struct incoming *));
		c->in[0] = d->in;
		c->n = 1;
	}
	c->done = done;
	c->arg = arg;
	c->user = u;
	u->refs++;
	return c;
}

void
commit_end(struct commit *c, const char *path)
{
	struct store_user	*user = c->user;

	c->r.err = c->r.fail == STORE_OK ? NULL : &c->err;
	for (size_t i = 0; i < c->n; i++)
		incoming_free(c->in[i], path);
	c->done(c->arg, &c->r);
	delivery_free(&c->delivery);
	mem_free(&c->in);
	mem_free(&c);
	store_user_close(&user);
}

static void	 go(struct store *s);

static void
ready(struct store *s, struct place *p)
{
	if (!list_linked(&p->link) && !list_empty(&p->waiting) &&
	    !atomic_load(&p->stuck))
		list_put_last(&s->ready, &p->link);
}

static void
answer(struct store *s, struct group *g)
{
	struct list	*l;

	/* Who is told may ask for more at once. */
	while ((l = list_take(&g->commits)) != NULL)
		commit_end(LIST_ENTRY(l, struct commit, link),
		    g->place->path);
	ready(s, g->place);
	place_end(&g);
}

static struct round *
round_new(struct store *s, bool may_wait)
{
	struct round	*r = mem_new(1, sizeof(*r));

	r->store = s;
	r->may_wait = may_wait;
	list_init(&r->groups);
	return r;
}

static void	 round_done(void *arg);

static void
round_go(struct round *r)
{
	r->store->pending++;
	store_run(r->store, round_work, round_done, r);
}

/* It waits for the lock of its log without holding up others. */
static void
go_alone(struct store *s, struct group *g)
{
	struct round	*r = round_new(s, true);

	g->locked_out = false;
	atomic_store(&g->place->stuck, true);
	list_put_last(&r->groups, &g->link);
	round_go(r);
}

static void
round_done(void *arg)
{
	struct round	*r = arg;
	struct store	*s = r->store;
	struct list	*l;

	s->pending--;
	if (!r->may_wait)
		s->rounds--;
	while ((l = list_take(&r->groups)) != NULL) {
		struct group	*g = LIST_ENTRY(l, struct group, link);

		if (g->locked_out) {
			go_alone(s, g);
			continue;
		}
		if (r->may_wait)
			atomic_store(&g->place->stuck, false);
		answer(s, g);
	}
	mem_free(&r);
	go(s);
}

/* Move what waits for this place into the round. */
static void
round_take(struct round *r, struct place *p)
{
	struct group	*g = place_begin(p);
	struct list	*l;

	while ((l = list_first(&p->waiting)) != NULL) {
		struct commit	*c = LIST_ENTRY(l, struct commit, link);

		if (r->n > 0 && r->n + c->n > MAX_ROUND)
			break;
		list_remove(l);
		list_put_last(&g->commits, l);
		r->n += c->n;
	}
	list_put_last(&r->groups, &g->link);
}

static void
go(struct store *s)
{
	struct round	*r;
	struct list	*l;

	if (s->rounds >= MAX_ROUNDS || list_empty(&s->ready))
		return;
	r = round_new(s, false);
	while (r->n < MAX_ROUND && (l = list_take(&s->ready)) != NULL)
		round_take(r, LIST_ENTRY(l, struct place, link));
	s->rounds++;
	round_go(r);
}

static void
go_deferred(void *arg)
{
	struct store	*s = arg;

	s->going = false;
	s->pending--;
	go(s);
}

void
commit_add(struct store_user *u, const char *path, struct commit *c)
{
	struct store	*s = u->store;
	struct place	*p = place_of(s, path);

	list_put_last(&p->waiting, &c->link);
	ready(s, p);
	/* Not before the loop has brought everything that is there by now. */
	if (s->going)
		return;
	s->going = true;
	s->pending++;
	loop_defer(s->loop, go_deferred, s);
}

void
commit_start(struct store_user *u, const char *path, struct incoming **in,
    size_t n, void (*done)(void *arg, const struct store_done *r), void *arg)
{
	struct store	*s = u->store;
	struct commit	*c = commit_new(u, NULL, done, arg);

	ASSERT(n > 0);
	c->in = in;
	c->n = n;
	if (s->loop != NULL) {
		commit_add(u, path, c);
		return;
	}
	if (commit_now(path, s->host, in, n, &c->r, &c->err) < 0 &&
	    c->r.fail == STORE_OK)
		c->r.fail = STORE_TEMP;
	commit_end(c, path);
}
