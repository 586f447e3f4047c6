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

static int
become_file(struct start *st, struct journal_rec *r, enum queue_dir to)
{
	struct arena		*a = arena_new();
	struct queue_msg	 m;
	struct journal_copy	 c;
	int			 result = -1;

	if (journal_msg_open(r, a, &m, st->err) == QUEUE_OK) {
		journal_copy_of(st->j->q, &m, to, a, &c);
		c.no_sync = true;
		result = journal_copy(&c, NULL, st->err);
	}
	arena_free(&a);
	if (result < 0)
		return -1;
	note_copy(st, r, to, true);
	st->got.replayed++;
	return 0;
}

/* Left to whoever reads on. */
static int
leave(struct start *st, struct journal_rec *r)
{
	if (st->j->found != NULL)
		st->j->found(st->j->arg, r);
	return 0;
}

static int
one_message(void *arg, struct journal_rec *r, struct error *err)
{
	struct start	*st = arg;
	enum queue_dir	 dir;

	if (journal_has_file(st->j->q, r->id, &dir)) {
		note_copy(st, r, dir, false);
		return journal_marks_to_file(r, dir, false, err);
	}
	if (r->seg->dead_since == 0 ||
	    inflight_elsewhere(st->j->inflight, r->id))
		return leave(st, r);
	if (become_file(st, r, dir) == 0)
		return 0;
	if (st->j->found == NULL)
		return -1;
	/* The disk may be full: then it is delivered from here. */
	log_error("%s", err->text);
	return leave(st, r);
}

/* With a reader: what cannot be read now is looked at again later. */
static int
trouble(struct start *st)
{
	if (st->j->found == NULL)
		return -1;
	log_error("%s", st->err->text);
	st->j->doubt = true;
	return 0;
}

static int
one_segment(struct start *st, struct journal_seg *s)
{
	struct journal_rest	 how = { one_message, st, 0, 0 };
	bool			 dead;
	int			 r;

	if (done_log_read(s, st->err) < 0)
		return -1;
	dead = journal_seg_is_dead(s);
	st->got.segments += dead;
	if (!dead && st->j->found == NULL)
		return 0;
	r = journal_seg_rest(s, dead, &how, st->err);
	st->got.torn += how.torn;
	st->got.damaged += how.damaged;
	return r < 0 ? trouble(st) : 0;
}

static int
open_segment(struct start *st, const char *name, struct journal_seg **out)
{
	int	r;

	*out = journal_seg_open(st->j, name, st->err);
	if (*out != NULL || !journal_seg_name(name))
		return 0;
	if (st->err->text[0] != '\0')
		return trouble(st);
	r = journal_seg_reclaim(st->j->q, name, st->err);
	if (r > 0)
		*out = journal_seg_open(st->j, name, st->err);
	return r < 0 ? trouble(st) : 0;
}

static bool
one_name(void *arg, const char *name)
{
	struct start		*st = arg;
	struct journal_seg	*s;

	/* Free ones are looked at too: a crash may have brought a used one back
	 * under that name. */
	if (!journal_seg_name(name) && strncmp(name, "free.", 5) != 0)
		return true;
	st->result = open_segment(st, name, &s);
	if (st->result == 0 && s != NULL)
		st->result = one_segment(st, s);
	return st->result == 0;
}

static int
sync_queue(struct start *st)
{
	int	fd, r = 0;

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
	st->got.replayed = 0;
	LIST_EACH(l, &st->copies) {
		struct copied	*c = LIST_ENTRY(l, struct copied, link);

		if (c->made)
			(void)unlinkat(st->j->q->dirs[c->dir], c->id, 0);
	}
}

/* Either all of them are durable, or those that we made are gone.  With a reader
 * that is no end: it delivers from the segments, and they stay. */
static int
sync_copies(struct start *st)
{
	struct list	*l;

	if (list_empty(&st->copies) || sync_queue(st) == 0)
		return 0;
	remove_copies(st);
	if (st->j->found == NULL)
		return -1;
	log_error("%s; mail is delivered from the journal",
	    st->err->text);
	while ((l = list_take(&st->copies)) != NULL)
		(void)leave(st, LIST_ENTRY(l, struct copied, link)->rec);
	return 0;
}

static int
retire_all(struct start *st)
{
	LIST_EACH(l, &st->j->segs) {
		struct journal_seg	*s = LIST_ENTRY(l, struct journal_seg,
					    link);

		if (journal_seg_is_through(s) &&
		    journal_seg_retire(&s, st->err) < 0 && trouble(st) < 0)
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
	    st->result < 0) {
		remove_copies(st);
		return -1;
	}
	if (sync_copies(st) < 0)
		return -1;
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
