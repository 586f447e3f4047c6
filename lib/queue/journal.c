/* SPDX-License-Identifier: Apache-2.0 */
#include "queue/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "queue/inflight.h"
#include "queue/journal_int.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "sys/log.h"

#define DONE_OUT_MAX	((size_t)64 << 20)

/*
 * Segments.
 */

bool
journal_seg_name(const char *name)
{
	return queue_id_ok(name) && strcmp(name, "leader") != 0 &&
	    strcmp(name, "inflight") != 0;
}

static void
load(struct journal_seg *s, int fd, uint64_t generation, uint64_t size)
{
	s->size = size;
	s->done_fd = -1;
	s->walk.fd = fd;
	s->walk.generation = generation;
	s->walk.next = SEG_BLOCK;
	list_init(&s->recs);
	buf_init(&s->done_out, DONE_OUT_MAX);
	s->mem = arena_new();
	s->marks = hash_new();
}

struct journal_seg *
journal_seg_open(struct journal *j, const char *name, struct error *err)
{
	struct journal_seg	*s;
	struct stat		 st;
	uint64_t		 generation;
	int			 fd, begun;

	*err = (struct error){ .sys = 0 };
	fd = openat(j->q->journal, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC |
	    O_NONBLOCK);
	if (fd < 0) {
		if (errno != ENOENT)
			(void)error_sys(err, "open journal/%s", name);
		return NULL;
	}
	begun = fstat(fd, &st) < 0 ? -1 : seg_generation(fd, &generation);
	if (begun <= 0) {
		if (begun < 0)
			(void)error_sys(err, "read journal/%s", name);
		(void)close(fd);
		return NULL;
	}
	s = mem_new(1, sizeof(*s));
	s->j = j;
	memcpy(s->name, name, strlen(name) + 1);
	load(s, fd, generation, (uint64_t)st.st_size);
	list_put_last(&j->segs, &s->link);
	return s;
}

void
journal_seg_close(struct journal_seg **sp)
{
	struct journal_seg	*s = *sp;
	struct list		*l;

	while ((l = list_take(&s->recs)) != NULL) {
		struct journal_rec	*r = LIST_ENTRY(l, struct journal_rec,
					    link);

		mem_free(&r);
	}
	done_log_close(s);
	buf_clear(&s->done_out);
	(void)close(s->walk.fd);
	hash_free(&s->marks);
	arena_free(&s->mem);
	list_remove(&s->link);
	mem_free(sp);
}

bool
journal_seg_is_dead(struct journal_seg *s)
{
	if (s->dead_since == 0 && file_lock(s->walk.fd, true, false) == 0) {
		s->dead_since = clock_mono();
		/* To the next reader, while we keep it: all of it counts. */
		(void)file_lock_from(s->walk.fd, (off_t)s->size);
	}
	return s->dead_since != 0;
}

bool
journal_seg_is_through(const struct journal_seg *s)
{
	return s->dead_since != 0 && s->read_to_end && !s->keep &&
	    list_empty(&s->recs);
}

int
journal_seg_retire(struct journal_seg **sp, struct error *err)
{
	struct journal_seg	*s = *sp;

	if (seg_retire(s->j->q, s->walk.fd, s->name, err) < 0)
		return -1;
	done_log_remove(s);
	buf_reset(&s->done_out);
	journal_seg_close(sp);
	return 0;
}

struct journal_rec *
journal_rec_new(struct journal_seg *s, const char *id, uint64_t at,
    uint32_t length)
{
	struct journal_rec	*r = mem_new(1, sizeof(*r));

	r->seg = s;
	r->at = at;
	r->length = length;
	r->old = s->j->starting || s->j->doubt;
	memcpy(r->id, id, strlen(id) + 1);
	list_put_last(&s->recs, &r->link);
	return r;
}

/*
 * Following.
 */

/* What a writer said is there, which need not be all: what is not whole yet is
 * looked at again. */
static void
follow(struct journal_seg *s)
{
	struct journal		*j = s->j;
	struct seg_frame	 f;
	uint64_t		 at, was = s->walk.next;

	/* What was cached may have been written over since. */
	s->walk.ncache = 0;
	while (seg_walk(&s->walk, &f, &at) > 0) {
		was = s->walk.next;
		if (done_log_whole(s, at) == 0)
			j->found(j->arg, journal_rec_new(s, f.id, at,
			    f.length));
	}
	s->walk.next = was;
}

static struct journal_seg *
find_segment(const struct journal *j, const char *name)
{
	LIST_EACH(l, &j->segs) {
		struct journal_seg	*s = LIST_ENTRY(l, struct journal_seg,
					    link);

		if (strcmp(s->name, name) == 0)
			return s;
	}
	return NULL;
}

void
journal_told(struct journal *j, const char *segment, uint64_t end)
{
	struct journal_seg	*s = find_segment(j, segment);
	struct error		 err;

	if (s == NULL && journal_seg_name(segment))
		s = journal_seg_open(j, segment, &err);
	if (s == NULL)
		return;
	s->walk.end = end < s->size ? end : s->size;
	follow(s);
}

static bool
look_at_name(void *arg, const char *name)
{
	struct journal		*j = arg;
	struct journal_seg	*s;
	struct error		 err;

	if (!journal_seg_name(name) || find_segment(j, name) != NULL)
		return true;
	s = journal_seg_open(j, name, &err);
	if (s == NULL && (err.text[0] != '\0' ||
	    journal_seg_reclaim(j->q, name, &err) < 0))
		log_error("%s", err.text);
	return true;
}

static int
give_to_reader(void *arg, struct journal_rec *r, struct error *err)
{
	struct journal	*j = arg;

	(void)err;
	j->found(j->arg, r);
	return 0;
}

static void
look_at(struct journal_seg *s)
{
	struct journal_rest	 how = { give_to_reader, s->j, 0, 0 };
	struct error		 err;

	if (journal_seg_rest(s, journal_seg_is_dead(s), &how, &err) < 0 ||
	    (journal_seg_is_through(s) && journal_seg_retire(&s, &err) < 0))
		log_error("%s", err.text);
}

void
journal_look(struct journal *j)
{
	struct error	err;

	if (queue_each_name(j->q->journal, look_at_name, j, &err) < 0)
		log_error("%s", err.text);
	LIST_EACH(l, &j->segs)
		look_at(LIST_ENTRY(l, struct journal_seg, link));
}

void
journal_retire(struct journal *j)
{
	LIST_EACH(l, &j->segs) {
		struct journal_seg	*s = LIST_ENTRY(l, struct journal_seg,
					    link);

		/* The one that is being written is the last, mostly. */
		if (list_empty(&s->recs) && s->walk.next > s->size / 2)
			look_at(s);
	}
}

size_t
journal_full(const struct journal *j)
{
	size_t	n = 0;

	LIST_EACH(l, &j->segs) {
		const struct journal_seg	*s = LIST_ENTRY(l,
						    struct journal_seg, link);

		n += s->dead_since != 0 && !list_empty(&s->recs);
	}
	return n;
}

void
journal_each_old(struct journal *j, usec_t age,
    void (*each)(void *arg, struct journal_rec *r), void *arg)
{
	usec_t	now = clock_mono();

	LIST_EACH(l, &j->segs) {
		struct journal_seg	*s = LIST_ENTRY(l, struct journal_seg,
					    link);

		if (s->dead_since == 0 || now - s->dead_since < age)
			continue;
		LIST_EACH(m, &s->recs)
			each(arg, LIST_ENTRY(m, struct journal_rec, link));
	}
}

/*
 * Messages.
 */

enum queue_read
journal_msg_open(struct journal_rec *r, struct arena *a,
    struct queue_msg *out, struct error *err)
{
	struct slice	 known = slice_of(NULL, 0);
	enum queue_read	 got;

	*out = QUEUE_MSG_NONE;
	/* One that was just found is mostly still at hand; what may be
	 * damaged is read from the disk. */
	if (!r->old)
		known = seg_walk_has(&r->seg->walk, r->at, r->length);
	got = queue_image_read(r->seg->walk.fd, r->at, r->length, known,
	    r->old, r->id, a, out, err);
	if (got != QUEUE_OK)
		return got;
	out->rec = r;
	for (const struct mark *m = done_log_marks(r->seg, r->at); m != NULL;
	    m = m->next)
		if (m->rcpt < out->env.nrcpts)
			out->env.rcpts[m->rcpt].status = m->status;
	return got;
}

void
journal_mark(struct journal_rec *r, size_t rcpt, char status)
{
	done_log_add(r->seg, r->at, (uint32_t)rcpt, status);
}

static void
end_rec(struct journal_rec **r, char how)
{
	done_log_add((*r)->seg, (*r)->at, MARK_WHOLE, how);
	list_remove(&(*r)->link);
	mem_free(r);
}

void
journal_settle(struct journal_rec **r)
{
	end_rec(r, MARK_SETTLED);
}

void
journal_moved(struct journal_rec **r)
{
	end_rec(r, MARK_MOVED);
}

bool
journal_has_file(struct queue *q, const char *id, enum queue_dir *dir)
{
	static const enum queue_dir	order[] = {
		QUEUE_CUR, QUEUE_HOLD, QUEUE_NEW
	};
	struct arena		*a = arena_new();
	struct queue_msg	 m;
	enum queue_dir		 bad = QUEUE_NEW;
	enum queue_read		 r = QUEUE_GONE;

	for (size_t i = 0; r != QUEUE_OK && i < COUNT(order); i++) {
		*dir = order[i];
		r = queue_msg_open(q, *dir, id, false, true, a, &m,
		    NULL);
		if ((r == QUEUE_BAD || r == QUEUE_INCOMPLETE) &&
		    bad == QUEUE_NEW)
			bad = *dir;
	}
	if (r == QUEUE_OK)
		queue_msg_close(&m);
	else
		*dir = bad;
	arena_free(&a);
	return r == QUEUE_OK;
}

enum journal_fate
journal_fate(struct journal_rec *r, struct error *err)
{
	enum queue_dir	dir;

	if (done_log_read(r->seg, err) < 0)
		return FATE_UNSURE;
	switch (done_log_whole(r->seg, r->at)) {
	case MARK_SETTLED:
		return FATE_SETTLED;
	case MARK_MOVED:
		return FATE_FILE;
	}
	if (!journal_has_file(r->seg->j->q, r->id, &dir))
		return FATE_OPEN;
	/* Who made it may have died before it was durable. */
	return journal_marks_to_file(r, dir, true, err) < 0 ? FATE_UNSURE :
	    FATE_FILE;
}

/*
 * Notes.
 */

void
journal_flush(struct journal *j)
{
	j->flush_asked = false;
	LIST_EACH(l, &j->segs)
		done_log_flush(LIST_ENTRY(l, struct journal_seg, link));
}

bool
journal_wants_flush(struct journal *j)
{
	bool	was = j->flush_asked;

	j->flush_asked = true;
	return !was;
}

size_t
journal_dirty(struct journal *j, int *fds, size_t max)
{
	size_t	n = 0;

	journal_flush(j);
	LIST_EACH(l, &j->segs) {
		struct journal_seg	*s = LIST_ENTRY(l, struct journal_seg,
					    link);

		if (!s->done_dirty || n == max)
			continue;
		fds[n] = fcntl(s->done_fd, F_DUPFD_CLOEXEC, 3);
		s->done_dirty = fds[n] < 0;
		n += fds[n] >= 0;
	}
	return n;
}

/*
 * The whole.
 */

int
journal_inflight(const struct journal *j)
{
	return j->inflight;
}

int
journal_open(struct queue *q, void (*found)(void *arg,
    struct journal_rec *r), void *arg, struct journal **out,
    struct error *err)
{
	struct journal	*j;
	int		 fd = inflight_open(q, err);

	if (fd < 0)
		return -1;
	j = mem_new(1, sizeof(*j));
	j->q = q;
	j->found = found;
	j->arg = arg;
	j->inflight = fd;
	list_init(&j->segs);
	*out = j;
	return 0;
}

void
journal_close(struct journal **j)
{
	if (*j == NULL)
		return;
	LIST_EACH(l, &(*j)->segs) {
		struct journal_seg	*s = LIST_ENTRY(l, struct journal_seg,
					    link);

		journal_seg_close(&s);
	}
	(void)close((*j)->inflight);
	mem_free(j);
}
