/* SPDX-License-Identifier: Apache-2.0 */
/* Group commit.  One job at a time runs in the syncer: it writes the frames of
 * all messages that gathered since the last one behind each other, and one
 * fdatasync answers them all.  What arrives meanwhile is the next batch; nobody
 * waits for a clock.
 *
 * The next segment is made ready beside this, so that nobody waits for it.
 *
 * A batch is written only after the sync of the one before, so a frame that
 * is not whole after a crash has nothing acknowledged behind it. */
#include "queue/journal_write.h"

#include <errno.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/list.h"
#include "base/mem.h"
#include "queue/journal_seg.h"
#include "sys/clock.h"
#include "sys/syncer.h"

#define GROUP_MAX	256		/* messages per write */
#define MAKE_AGAIN	SECS(1)

/* Messages that go out in one write. */
struct group {
	struct commit	*c[GROUP_MAX];
	unsigned char	 heads[GROUP_MAX][SEG_FRAME];
	struct iovec	 iov[3 * GROUP_MAX];
	uint64_t	 places[GROUP_MAX];
	size_t		 n, niov;
	uint64_t	 at;		/* of the first frame */
};

struct journal_writer {
	struct queue		*q;
	struct seg		*seg;	/* the job's while it runs */
	struct list		 pending, batch;	/* struct commit */
	bool			 leading;	/* a job runs */
	uint64_t		 next_size;	/* of a segment to be made */
	struct seg		*next;		/* made ready; NULL */
	struct seg		*made;		/* by the other job */
	bool			 making;	/* it runs */
	/* Mono; there was no room.  The job's, and ours. */
	usec_t			 begin_after, make_after;
	struct group		 group;	/* the job's */
};

static const unsigned char	zeros[SEG_BLOCK];

static int
write_all(int fd, struct iovec *v, size_t n, uint64_t at)
{
	while (n > 0) {
		ssize_t	did = pwritev(fd, v, (int)n, (off_t)at);

		if (did < 0 && errno == EINTR)
			continue;
		if (did <= 0) {
			errno = did == 0 ? EIO : errno;
			return -1;
		}
		at += (uint64_t)did;
		while (n > 0 && (size_t)did >= v->iov_len) {
			did -= (ssize_t)v->iov_len;
			v++;
			n--;
		}
		if (n > 0) {
			v->iov_base = (char *)v->iov_base + did;
			v->iov_len -= (size_t)did;
		}
	}
	return 0;
}

static void
add_iov(struct group *g, const void *p, size_t n)
{
	if (n > 0)
		g->iov[g->niov++] = (struct iovec){ (void *)(uintptr_t)p, n };
}

static void
add(struct journal_writer *j, struct group *g, struct commit *c)
{
	size_t		 length = c->f->npending;
	struct seg	*s = j->seg;

	if (g->n == 0)
		g->at = s->end;
	seg_frame_put(s->generation, c->f->id, (uint32_t)length,
	    g->heads[g->n]);
	add_iov(g, g->heads[g->n], SEG_FRAME);
	add_iov(g, c->f->pending, length);
	add_iov(g, zeros, (size_t)seg_frame_room(length) - SEG_FRAME -
	    length);
	g->places[g->n] = s->end;
	g->c[g->n++] = c;
	s->end += seg_frame_room(length);
}

/* Of the frames of a group, all or none. */
static void
sync_group(struct journal_writer *j, struct group *g)
{
	struct error	 err;
	struct seg	*s = j->seg;
	bool		 failed;

	if (g->n == 0)
		return;
	failed = write_all(s->fd, g->iov, g->niov, g->at) < 0 ||
	    fdatasync(s->fd) < 0;
	if (failed)
		(void)error_sys(&err, "write journal segment %s", s->name);
	/* The next batch begins a block: what has been synced is not written
	 * again. */
	s->end = (s->end + SEG_BLOCK - 1) / SEG_BLOCK * SEG_BLOCK;
	if (!failed)
		seg_is_certain(s, s->end);
	for (size_t i = 0; i < g->n; i++) {
		struct commit	*c = g->c[i];

		c->result = failed ? -1 : 0;
		if (failed) {
			seg_void(s, g->places[i]);
			c->err = err;
		} else {
			memcpy(c->segment, s->name, sizeof(c->segment));
			c->segment_end = s->end;
		}
		list_put_last(&j->batch, &c->link);
	}
	g->n = g->niov = 0;
	/* What it says from now on proves nothing. */
	if (failed)
		seg_end(&j->seg);
}

static bool
need_segment(struct journal_writer *j, struct group *g, size_t length)
{
	struct error	 err;

	if (j->seg != NULL && !seg_has_room(j->seg, length)) {
		sync_group(j, g);
		seg_end(&j->seg);
	}
	if (j->seg != NULL)
		return true;
	j->seg = j->next;
	j->next = NULL;
	/* What is left of a disk that is all but full is for others. */
	if (j->seg == NULL && clock_mono() >= j->begin_after) {
		j->seg = seg_begin(j->q, SEG_MIN, &err);
		if (j->seg == NULL)
			j->begin_after = clock_mono() + MAKE_AGAIN;
	}
	return j->seg != NULL;
}

static void
work(void *arg)
{
	struct journal_writer	*j = arg;
	struct group		*g = &j->group;
	struct list		 todo, *l;

	list_init(&todo);
	while ((l = list_take(&j->batch)) != NULL)
		list_put_last(&todo, l);
	while ((l = list_take(&todo)) != NULL) {
		struct commit	*c = LIST_ENTRY(l, struct commit, link);

		if (commit_seal(c) < 0) {
			list_put_last(&j->batch, l);
			continue;
		}
		if (!need_segment(j, g, c->f->npending)) {
			/* No journal to be had: then by itself. */
			commit_as_file(c);
			list_put_last(&j->batch, l);
			continue;
		}
		add(j, g, c);
		if (g->n == GROUP_MAX)
			sync_group(j, g);
	}
	sync_group(j, g);
}

/*
 * The next segment.
 */

static void
make(void *arg)
{
	struct journal_writer	*j = arg;
	struct error		 err;

	j->made = seg_begin(j->q, j->next_size, &err);
}

static void
made(void *arg)
{
	struct journal_writer	*j = arg;

	j->making = false;
	if (j->made == NULL)
		j->make_after = clock_mono() + MAKE_AGAIN;
}

/* A process that writes little keeps little: each is larger than the one
 * before. */
static void
look_ahead(struct journal_writer *j)
{
	const struct seg	*s = j->seg;

	if (j->making)
		return;
	if (j->next == NULL) {
		j->next = j->made;
		j->made = NULL;
	}
	if (j->next != NULL || s == NULL || s->end < s->size / 4 ||
	    clock_mono() < j->make_after)
		return;
	if (j->next_size < SEG_MAX)
		j->next_size *= 4;
	j->making = true;
	syncer_run(j->q->syncer, make, made, j);
}

static void	done(void *arg);

static void
lead(struct journal_writer *j)
{
	struct list	*l;

	if (j->leading || list_empty(&j->pending))
		return;
	while ((l = list_take(&j->pending)) != NULL)
		list_put_last(&j->batch, l);
	look_ahead(j);
	j->leading = true;
	syncer_run(j->q->syncer, work, done, j);
}

static void
tell_file(struct queue *q, const struct commit *c)
{
	struct queue_place	 p = { .id = c->f->id };

	if (c->result == 0)
		queue_tell(q, &p);
}

/* One notice to qmgr per segment, before anybody is answered. */
static void
tell(struct journal_writer *j, const struct list *ready)
{
	struct queue_place	 p = { .segment = NULL };

	for (const struct list *l = ready->next; l != ready; l = l->next) {
		const struct commit	*c = LIST_ENTRY(l, struct commit, link);

		if (c->segment[0] == '\0') {
			tell_file(j->q, c);
			continue;
		}
		if (p.segment != NULL && strcmp(p.segment, c->segment) != 0)
			queue_tell(j->q, &p);
		p.segment = c->segment;
		p.end = c->segment_end;
	}
	if (p.segment != NULL)
		queue_tell(j->q, &p);
}

static void
done(void *arg)
{
	struct journal_writer	*j = arg;
	struct list		 ready, *l;

	j->leading = false;
	list_init(&ready);
	while ((l = list_take(&j->batch)) != NULL)
		list_put_last(&ready, l);
	lead(j);
	tell(j, &ready);
	while ((l = list_take(&ready)) != NULL)
		commit_report(LIST_ENTRY(l, struct commit, link));
}

void
journal_commit(struct journal_writer *j, struct commit *c)
{
	list_put_last(&j->pending, &c->link);
	lead(j);
}

struct journal_writer *
journal_writer_new(struct queue *q)
{
	struct journal_writer	*j = mem_new(1, sizeof(*j));

	j->q = q;
	j->next_size = SEG_MIN;
	list_init(&j->pending);
	list_init(&j->batch);
	return j;
}

void
journal_writer_free(struct journal_writer **j)
{
	if (*j == NULL)
		return;
	seg_end(&(*j)->seg);
	seg_end(&(*j)->next);
	seg_end(&(*j)->made);
	mem_free(j);
}
