/* SPDX-License-Identifier: Apache-2.0 */
/* A mailbox that just got mail will get more: its descriptors stay open for
 * some seconds, at most PLACES_MAX of them.  With more in use at a time,
 * further ones are opened and closed for each round, their logs synced.
 *
 * Frames that nobody was promised are synced by the timer within a second or
 * so; a mailbox that is always busy does it in a round of its own. */
#include "store/place.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/mem.h"
#include "sys/clock.h"
#include "sys/loop.h"

#define PLACES_MAX	256
#define FILES_PER_PLACE	16		/* of the limit; it has 4 open */
#define TICK		SECS(1)
#define IDLE		SECS(10)

struct places {
	struct store	*store;
	struct hash	*by_path;
	struct list	 places;	/* longest unused first */
	struct loop_timer *timer;
	bool		 ticking;
	size_t		 most;
};

static void	 tick(void *arg);

void
places_init(struct store *s)
{
	struct places	*all = mem_new(1, sizeof(*all));
	struct rlimit	 r;

	all->store = s;
	all->by_path = hash_new();
	list_init(&all->places);
	all->most = PLACES_MAX;
	if (getrlimit(RLIMIT_NOFILE, &r) == 0 &&
	    r.rlim_cur / FILES_PER_PLACE < all->most)
		all->most = (size_t)r.rlim_cur / FILES_PER_PLACE;
	if (s->loop != NULL)
		all->timer = loop_timer_new(s->loop, tick, all);
	s->places = all;
}

int
place_open(struct place *p, struct error *err)
{
	if (p->is_open && box_is_there(&p->box))
		return 0;
	place_close(p);
	if (box_open(&p->box, p->path, place_host(p), true, err) < 0)
		return -1;
	p->is_open = true;
	p->opened++;
	return 0;
}

const char *
place_host(const struct place *p)
{
	return p->all->store->host;
}

void
place_close(struct place *p)
{
	if (p->is_open)
		box_close(&p->box);
	p->is_open = false;
}

static void
place_free(struct place *p)
{
	place_close(p);
	list_remove(&p->age);
	(void)hash_dels(p->all->by_path, p->path);
	pthread_mutex_destroy(&p->mutex);
	mem_free(&p->path);
	mem_free(&p);
}

static bool
at_rest(const struct place *p)
{
	return p->rounds == 0 && p->holds == 0 && list_empty(&p->waiting);
}

void
places_clear(struct store *s)
{
	struct places	*all = s->places;

	LIST_EACH(l, &all->places) {
		struct place	*p = LIST_ENTRY(l, struct place, age);

		/* No more than a hint: its messages are safe. */
		if (p->is_open && p->frames != p->synced)
			(void)!fdatasync(p->box.log.fd);
		place_free(p);
	}
	loop_timer_free(&all->timer);
	hash_free(&all->by_path);
	mem_free(&s->places);
}

/* Room for one more: the one longest unused, of those with nothing to do. */
static bool
make_room(struct places *all)
{
	LIST_EACH(l, &all->places) {
		struct place	*p = LIST_ENTRY(l, struct place, age);

		if (!at_rest(p) || p->frames != p->synced)
			continue;
		place_free(p);
		return true;
	}
	return false;
}

struct place *
place_of(struct store *s, const char *path)
{
	struct places	*all = s->places;
	struct place	*p = hash_gets(all->by_path, path);
	bool		 full;

	if (p != NULL)
		return p;
	full = hash_count(all->by_path) >= all->most && !make_room(all);
	p = mem_new(1, sizeof(*p));
	p->all = all;
	p->path = mem_strdup(path);
	p->fleeting = full;
	list_init(&p->waiting);
	pthread_mutex_init(&p->mutex, NULL);
	list_put_last(&all->places, &p->age);
	(void)hash_puts(all->by_path, path, p);
	return p;
}

struct group *
place_begin(struct place *p)
{
	struct group	*g = mem_new(1, sizeof(*g));

	p->rounds++;
	p->used_mono = clock_mono();
	list_remove(&p->age);
	list_put_last(&p->all->places, &p->age);
	g->place = p;
	g->dirfd = -1;
	g->before = p->frames;
	g->sync_log = p->fleeting || (p->unsynced_mono != 0 &&
	    p->used_mono - p->unsynced_mono >= TICK);
	list_init(&g->commits);
	return g;
}

static void
tick_later(struct places *all)
{
	if (all->timer == NULL || all->ticking)
		return;
	all->ticking = true;
	loop_timer_set(all->timer, TICK);
}

/* Frames of other rounds may be in the log before or behind what this one
 * synced: only what had ended before it began is certain. */
static void
count_frames(struct place *p, const struct group *g)
{
	if (g->added)
		p->frames++;
	if (g->synced_log && p->synced < g->before)
		p->synced = g->before;
	if (g->synced_log && p->frames == g->before + 1)
		p->synced = p->frames;
	if (!p->is_open && p->rounds == 0)
		p->synced = p->frames;
	if (p->synced == p->frames)
		p->unsynced_mono = 0;
	else if (p->unsynced_mono == 0 || g->synced_log)
		p->unsynced_mono = clock_mono();
}

void
place_end(struct group **gp)
{
	struct group	*g = *gp;
	struct place	*p = g->place;

	if (g->dirfd >= 0)
		close(g->dirfd);
	p->rounds--;
	count_frames(p, g);
	mem_free(&g->in);
	mem_free(gp);
	tick_later(p->all);
	if (p->fleeting && at_rest(p))
		place_free(p);
}

/* The timer */

struct log_sync {
	struct list	 link;
	struct place	*place;
	uint64_t	 upto;
	int		 fd;		/* ours: the place may open anew */
};

struct log_syncs {
	struct store	*store;
	struct list	 list;
};

static void
syncs_work(void *arg)
{
	struct log_syncs	*t = arg;

	/* If this fails, UIDs go on elsewhere after a crash. */
	LIST_EACH(l, &t->list)
		(void)!fdatasync(LIST_ENTRY(l, struct log_sync, link)->fd);
}

static void
syncs_done(void *arg)
{
	struct log_syncs	*t = arg;
	struct list		*l;

	t->store->pending--;
	while ((l = list_take(&t->list)) != NULL) {
		struct log_sync	*x = LIST_ENTRY(l, struct log_sync, link);

		x->place->holds--;
		if (x->place->synced < x->upto)
			x->place->synced = x->upto;
		close(x->fd);
		mem_free(&x);
	}
	mem_free(&t);
}

static void
sync_later(struct log_syncs *t, struct place *p)
{
	int		 fd = fcntl(p->box.log.fd, F_DUPFD_CLOEXEC, 3);
	struct log_sync	*x;

	if (fd < 0)
		return;
	x = mem_new(1, sizeof(*x));
	*x = (struct log_sync){ .place = p, .upto = p->frames, .fd = fd };
	p->holds++;
	p->unsynced_mono = 0;
	list_put_last(&t->list, &x->link);
}

static void
tick(void *arg)
{
	struct places		*all = arg;
	struct log_syncs	*t = mem_new(1, sizeof(*t));
	usec_t			 now = clock_mono();

	t->store = all->store;
	list_init(&t->list);
	all->ticking = false;
	LIST_EACH(l, &all->places) {
		struct place	*p = LIST_ENTRY(l, struct place, age);

		if (p->rounds > 0 || p->holds > 0)
			continue;
		if (p->frames != p->synced && p->is_open)
			sync_later(t, p);
		else if (at_rest(p) && now - p->used_mono >= IDLE)
			place_free(p);
	}
	if (hash_count(all->by_path) > 0)
		tick_later(all);
	if (list_empty(&t->list)) {
		mem_free(&t);
		return;
	}
	t->store->pending++;
	store_run(t->store, syncs_work, syncs_done, t);
}
