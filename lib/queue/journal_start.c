/* SPDX-License-Identifier: Apache-2.0 */
/* What a crash left in journal/.  Runs before the queue is scanned, and may
 * be cut short and run again at any point: nothing is given up before what
 * replaces it is on stable storage. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "queue/inflight.h"
#include "queue/journal_int.h"
#include "sys/file.h"
#include "sys/log.h"

struct start {
	struct journal		*j;
	struct arena		*mem;
	struct list		 copies;	/* struct copied */
	struct journal_recovery	 got;
	struct error		*err;
	int			 result;
};

/* A file that is to be durable before its record is given up. */
struct copied {
	struct list	 link;
	char		 id[QUEUE_ID_MAX];
	enum queue_dir	 dir;
	bool		 made;		/* by us: remove it if that fails */
	struct journal_rec	*rec;
};

static void
note_copy(struct start *st, struct journal_rec *r, enum queue_dir dir,
    bool made)
{
	struct copied	*c = arena_alloc(st->mem, sizeof(*c));

	*c = (struct copied){ .dir = dir, .made = made, .rec = r };
	memcpy(c->id, r->id, sizeof(c->id));
	list_put_last(&st->copies, &c->link);
}

/* An earlier reader may have spilled it and died before it said so. */
static bool
has_file(struct start *st, const char *id, enum queue_dir *dir)
{
	static const enum queue_dir	order[] = {
		QUEUE_CUR, QUEUE_HOLD, QUEUE_NEW
	};
	struct arena		*a = arena_new();
	struct queue_msg	 m;
	bool			 found = false;

	for (size_t i = 0; !found && i < COUNT(order); i++) {
		found = queue_msg_open(st->j->q, order[i], id, false, true, a,
		    &m, NULL) == QUEUE_OK;
		if (found) {
			*dir = order[i];
			queue_msg_close(&m);
		}
	}
	arena_free(&a);
	return found;
}

static int
become_file(struct start *st, struct journal_rec *r, struct queue_msg *m)
{
	struct journal_copy	 c;

	journal_copy_of(st->j->q, m, QUEUE_NEW, st->mem, &c);
	c.no_sync = true;
	if (journal_copy(&c, NULL, st->err) < 0)
		return -1;
	note_copy(st, r, QUEUE_NEW, true);
	st->got.replayed++;
	return 0;
}

/* *whole_out: could it be read? */
static int
one_message(struct start *st, struct journal_rec *r, bool dead,
    bool *whole_out)
{
	struct arena		*a = arena_new();
	struct queue_msg	 m;
	enum queue_dir		 dir;
	enum queue_read		 got = journal_msg_open(r, a, &m, st->err);
	int			 result = 0;

	*whole_out = got == QUEUE_OK;
	if (got == QUEUE_ERROR)
		result = -1;
	else if (got == QUEUE_OK && has_file(st, r->id, &dir))
		note_copy(st, r, dir, false);
	else if (got == QUEUE_OK && dead &&
	    !inflight_elsewhere(st->j->inflight, r->id))
		result = become_file(st, r, &m);
	else if (got == QUEUE_OK && st->j->found != NULL)
		st->j->found(st->j->arg, r);
	arena_free(&a);
	return result;
}

/* What is not whole and has something whole behind it was acknowledged. */
static void
quarantine(struct start *st, struct list *bad)
{
	struct list	*l;
	struct error	 err;

	while ((l = list_take(bad)) != NULL) {
		struct journal_rec	*r = LIST_ENTRY(l, struct journal_rec,
					    link);

		log_warn("%s: message in the journal is damaged; saved in "
		    "corrupt/", r->id);
		if (journal_quarantine(st->j->q, r, &err) < 0)
			log_error("%s", err.text);
		mem_free(&r);
		st->got.damaged++;
	}
}

static void
forget(struct start *st, struct list *bad)
{
	struct list	*l;

	while ((l = list_take(bad)) != NULL) {
		struct journal_rec	*r = LIST_ENTRY(l, struct journal_rec,
					    link);

		mem_free(&r);
		st->got.torn++;
	}
}

static int
each_frame(struct start *st, struct journal_seg *s, bool dead)
{
	struct seg_frame	 f;
	struct list		 bad;
	uint64_t		 at, was = s->walk.next;
	bool			 whole;
	int			 got;

	list_init(&bad);
	s->walk.end = s->size;
	s->walk.search = dead;
	while ((got = seg_walk(&s->walk, &f, &at)) > 0) {
		struct journal_rec	*r;

		if (done_log_whole(s, at) != 0) {
			was = s->walk.next;
			quarantine(st, &bad);
			continue;
		}
		r = journal_rec_new(s, f.id, at, f.length);
		if (one_message(st, r, dead, &whole) < 0)
			return -1;
		if (whole) {
			was = s->walk.next;
			quarantine(st, &bad);
			continue;
		}
		list_remove(&r->link);
		list_put_last(&bad, &r->link);
		if (!dead) {		/* being written right now */
			s->walk.next = was;
			break;
		}
	}
	forget(st, &bad);
	return got < 0 ? error_sys(st->err, "read journal/%s", s->name) : 0;
}

static bool
one_name(void *arg, const char *name)
{
	struct start		*st = arg;
	struct journal_seg	*s;
	bool			 dead;

	/* Free ones are looked at too: a crash may have brought a used one back
	 * under that name. */
	if (!journal_seg_name(name) && strncmp(name, "free.", 5) != 0)
		return true;
	s = journal_seg_open(st->j, name, st->err);
	if (s == NULL)
		st->result = st->err->text[0] != '\0' ? -1 : st->result;
	else if (done_log_read(s, st->err) < 0)
		st->result = -1;
	else {
		dead = journal_seg_is_dead(s);
		st->got.segments += dead;
		if (dead || st->j->found != NULL)
			st->result = each_frame(st, s, dead);
	}
	return st->result == 0;
}

/* Either all of them are durable, or those that we made are gone. */
static int
sync_copies(struct start *st)
{
	int	fd, r = 0;

	if (list_empty(&st->copies))
		return 0;
	fd = openat(st->j->q->dirs[QUEUE_NEW], ".", O_RDONLY | O_DIRECTORY |
	    O_CLOEXEC);
	if (fd < 0 || syncfs(fd) < 0)
		r = error_sys(st->err, "sync the queue");
	if (fd >= 0)
		(void)close(fd);
	return r;
}

static void
give_up_records(struct start *st)
{
	struct list	*l;

	while ((l = list_take(&st->copies)) != NULL)
		journal_moved(&LIST_ENTRY(l, struct copied, link)->rec);
}

static void
remove_copies(struct start *st)
{
	LIST_EACH(l, &st->copies) {
		struct copied	*c = LIST_ENTRY(l, struct copied, link);

		if (c->made)
			(void)unlinkat(st->j->q->dirs[c->dir], c->id, 0);
	}
}

static int
retire_all(struct start *st)
{
	LIST_EACH(l, &st->j->segs) {
		struct journal_seg	*s = LIST_ENTRY(l, struct journal_seg,
					    link);

		s->walk.search = false;
		if (s->dead_since != 0 && list_empty(&s->recs) &&
		    journal_seg_retire(&s, st->err) < 0)
			return -1;
	}
	return 0;
}

/* Notes whose segment is gone. */
static bool
remove_orphan(void *arg, const char *name)
{
	struct journal	*j = arg;

	if (!done_log_name(name))
		return true;
	LIST_EACH(l, &j->segs)
		if (done_log_is_of(LIST_ENTRY(l, struct journal_seg, link),
		    name))
			return true;
	(void)unlinkat(j->q->journal, name, 0);
	return true;
}

static int
run(struct start *st)
{
	struct journal	*j = st->j;

	if (queue_each_name(j->q->journal, one_name, st, st->err) < 0 ||
	    st->result < 0 || sync_copies(st) < 0) {
		remove_copies(st);
		return -1;
	}
	give_up_records(st);
	journal_flush(j);
	if (retire_all(st) < 0)
		return -1;
	return queue_each_name(j->q->journal, remove_orphan, j, st->err);
}

int
journal_start(struct journal *j, struct journal_recovery *out,
    struct error *err)
{
	struct start	 st = { .j = j, .mem = arena_new(), .err = err };
	int		 result;

	list_init(&st.copies);
	j->starting = true;
	result = run(&st);
	j->starting = false;
	*out = st.got;
	arena_free(&st.mem);
	return result;
}
