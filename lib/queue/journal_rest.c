/* SPDX-License-Identifier: Apache-2.0 */
/* What nobody told us of: behind a reader's start, or behind a writer that
 * died.
 *
 * Of a living writer's only that counts which it has synced; the rest is on its
 * way, or may be refused yet.  Behind a dead one all that is whole counts.
 * What is damaged and has something whole behind it was acknowledged, as far as
 * we can tell, and is saved in corrupt/; at the end it was not. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "queue/journal_int.h"
#include "sys/file.h"
#include "sys/log.h"

/* A frame whose image is not whole. */
struct bad {
	struct list	 link;
	char		 id[QUEUE_ID_MAX];
	uint64_t	 at;
	uint32_t	 length;
};

struct rest {
	struct journal_seg	*s;
	bool			 dead;
	struct journal_rest	*how;
	struct arena		*mem;
	struct list		 bad;
	uint64_t		 was;	/* all before this is dealt with */
	uint64_t		 seen;	/* end of the last frame, good or bad */
	uint64_t		 again;	/* this frame was found a second time */
	struct error		*err;
};

static enum queue_read
is_whole(struct rest *w, const struct seg_frame *f, uint64_t at)
{
	struct arena		*a = arena_new();
	struct queue_msg	 m = QUEUE_MSG_NONE;
	enum queue_read		 r = queue_image_read(w->s->walk.fd, at,
				    f->length, slice_of(NULL, 0), true, f->id,
				    a, &m, w->err);

	arena_free(&a);
	return r;
}

static void
save(struct rest *w, const char *id, uint64_t at, uint64_t length)
{
	struct journal_rec	 r = {
		.seg = w->s, .at = at, .length = (uint32_t)length
	};
	struct error		 err;

	memcpy(r.id, id, strlen(id) + 1);
	w->how->damaged++;
	if (journal_quarantine(w->s->j->q, &r, &err) == 0)
		return;
	log_error("%s", err.text);
	w->s->keep = true;
}

/* Between two frames is nothing, or what is left of a block.  If not, the
 * head of what was there is damaged. */
static void
save_gap(struct rest *w, uint64_t to)
{
	char	id[QUEUE_ID_MAX];

	if (to == w->seen ||
	    to == (w->seen + SEG_BLOCK - 1) / SEG_BLOCK * SEG_BLOCK)
		return;
	queue_id_make(id);
	log_warn("journal/%s is damaged from %llu to %llu; saved in "
	    "corrupt/%s", w->s->name, (unsigned long long)w->seen,
	    (unsigned long long)to, id);
	save(w, id, w->seen, to - w->seen);
}

static void
save_bad(struct rest *w)
{
	struct list	*l;

	while ((l = list_take(&w->bad)) != NULL) {
		struct bad	*b = LIST_ENTRY(l, struct bad, link);

		log_warn("%s: message in the journal is damaged; saved in "
		    "corrupt/", b->id);
		save(w, b->id, b->at, b->length);
	}
}

static void
note_bad(struct rest *w, const struct seg_frame *f, uint64_t at)
{
	struct bad	*b = arena_alloc(w->mem, sizeof(*b));

	*b = (struct bad){ .at = at, .length = f->length };
	memcpy(b->id, f->id, sizeof(b->id));
	list_put_last(&w->bad, &b->link);
}

static int
take(struct rest *w, const struct seg_frame *f, uint64_t at)
{
	struct journal_rec	*r = journal_rec_new(w->s, f->id, at,
				    f->length);

	if (w->how->message(w->how->arg, r, w->err) == 0)
		return 0;
	list_remove(&r->link);
	mem_free(&r);
	return -1;
}

/* A living writer may have filled what was passed over after it had been
 * read.  Now it is there: a batch is only written when the one before it is
 * synced.  1: look again from there; 0: no; -1: *err. */
static int
overtaken(struct rest *w, uint64_t at)
{
	struct seg_walk		*walk = &w->s->walk;
	struct seg_frame	 f;
	unsigned char		 head[SEG_FRAME];
	ssize_t			 n;

	if (w->dead || at - SEG_FRAME == w->seen || at == w->again)
		return 0;
	n = file_pread(walk->fd, head, sizeof(head), (off_t)w->seen);
	if (n < 0)
		return error_sys(w->err, "read journal/%s", w->s->name);
	if (n != sizeof(head) || !seg_frame_get(head, walk->generation, &f))
		return 0;
	w->again = at;
	walk->ncache = 0;
	walk->next = w->seen;
	return 1;
}

/* 1: go on; 0: what follows is not for now; -1: *err. */
static int
one_frame(struct rest *w, const struct seg_frame *f, uint64_t at)
{
	bool		settled = done_log_whole(w->s, at) != 0;
	enum queue_read	got;
	int		r = overtaken(w, at);

	if (r != 0)
		return r;
	got = settled ? QUEUE_OK : is_whole(w, f, at);
	if (got == QUEUE_ERROR)
		return -1;
	if (got != QUEUE_OK && !w->dead)
		return 0;
	if (w->dead)
		save_gap(w, at - SEG_FRAME);
	w->seen = w->s->walk.next;
	if (got != QUEUE_OK) {
		note_bad(w, f, at);
		return 1;
	}
	save_bad(w);
	if (!settled && take(w, f, at) < 0)
		return -1;
	w->was = w->seen;
	return 1;
}

static int
each_frame(struct rest *w)
{
	struct seg_walk		*walk = &w->s->walk;
	struct seg_frame	 f;
	uint64_t		 at;
	int			 r;

	while ((r = seg_walk(walk, &f, &at)) > 0) {
		r = one_frame(w, &f, at);
		if (r <= 0)
			return r;
	}
	return r < 0 ? error_sys(w->err, "read journal/%s", w->s->name) : 0;
}

int
journal_seg_rest(struct journal_seg *s, bool dead, struct journal_rest *how,
    struct error *err)
{
	struct rest	w = {
		.s = s, .dead = dead, .how = how, .mem = arena_new(),
		.was = s->walk.next, .seen = s->walk.next, .err = err
	};
	int		r;

	list_init(&w.bad);
	s->walk.ncache = 0;
	s->walk.end = dead ? s->size : seg_certain_end(s->walk.fd);
	if (s->walk.end > s->size)
		s->walk.end = s->size;
	s->walk.search = dead;
	r = s->read_to_end ? 0 : each_frame(&w);
	s->walk.search = false;
	s->walk.next = w.was;
	if (r == 0 && dead && !s->read_to_end) {
		s->read_to_end = true;
		while (list_take(&w.bad) != NULL)
			how->torn++;
	}
	arena_free(&w.mem);
	return r;
}

static int
reclaim(struct queue *q, int fd, const char *name, struct error *err)
{
	switch (seg_mend(fd)) {
	case SEG_BLANK:
		return seg_retire(q, fd, name, err);
	case SEG_MENDED:
		log_warn("journal/%s: its head was damaged", name);
		return 1;
	case SEG_LOST:
		return error_set(err, "journal/%s is damaged; it stays", name);
	case SEG_ERROR:
		break;
	}
	return error_sys(err, "mend journal/%s", name);
}

int
journal_seg_reclaim(struct queue *q, const char *name, struct error *err)
{
	struct stat	st;
	int		r = 0, fd = openat(q->journal, name, O_RDWR |
			    O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return errno == ENOENT ? 0 :
		    error_sys(err, "open journal/%s", name);
	if (fstat(fd, &st) < 0)
		r = error_sys(err, "stat journal/%s", name);
	else if (S_ISREG(st.st_mode) && file_lock(fd, true, false) == 0)
		r = reclaim(q, fd, name, err);
	(void)close(fd);
	return r;
}
