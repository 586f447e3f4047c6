/* SPDX-License-Identifier: Apache-2.0 */
/* Group commit.  A job in the syncer writes the frames of all messages that
 * gathered behind each other, and one fdatasync answers them all.  What arrives
 * meanwhile is the next batch; nobody waits for a clock.  A batch is handed over
 * when the loop's turn is over and the last one is answered - or as soon as it
 * is large, so that the disk works while a long turn goes on; its job then
 * waits for the one before it.
 *
 * Before it is written, a message is looked at and summed (commit_seal).  What
 * waits for a sync to end is sealed meanwhile, if it is much.
 *
 * The next segment is made ready beside this, so that nobody waits for it.
 *
 * A batch is written only after the sync of the one before, so a frame that
 * is not whole after a crash has nothing acknowledged behind it. */
#include "queue/journal_write.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/list.h"
#include "base/mem.h"
#include "queue/journal_seg.h"
#include "sys/clock.h"
#include "sys/loop.h"
#include "sys/syncer.h"

#define GROUP_MAX	256		/* messages per write */
/* Worth a sync while others still come: this part of what all clients may send,
 * within bounds. */
#define PART		6
#define LARGE_MIN	((size_t)64)	/* messages */
#define LARGE_MAX	((size_t)160)
#define LARGE_BYTES	((size_t)1 << 20)
#define MUCH		((size_t)64 << 10)	/* bytes, for a job of its own */
#define MAKE_AGAIN	SECS(1)

struct pile {
	struct list	 commits;	/* struct commit */
	size_t		 n, bytes;
};

/* Messages that go out in one write. */
struct group {
	struct commit	*c[GROUP_MAX];
	unsigned char	 heads[GROUP_MAX][SEG_FRAME];
	struct iovec	 iov[3 * GROUP_MAX];
	uint64_t	 places[GROUP_MAX];
	size_t		 n, niov;
	uint64_t	 at;		/* of the first frame */
};

struct batch {
	struct journal_writer	*j;
	struct pile		 pile;		/* the job's */
	bool			 wants_next;	/* segment, before long */
};

struct journal_writer {
	struct queue		*q;
	struct pile		 pending;
	size_t			 unsealed;	/* bytes of it */
	struct pile		 sealing;	/* a job's */
	struct batch		 batches[2];	/* at work, and behind it */
	unsigned int		 begun, ended;	/* batches, counted */
	struct syncer_line	 line;
	struct loop_timer	*turn;		/* it is over */
	uint64_t		 next_size;	/* of a segment to be made */
	_Atomic(struct seg *)	 next;		/* made ready; NULL */
	bool			 making;	/* that job runs */
	usec_t			 make_after;	/* mono; there was no room */
	/* Of the job that writes. */
	struct seg		*seg;
	usec_t			 begin_after;	/* as make_after */
	struct group		 group;
};

static const unsigned char	zeros[SEG_BLOCK];

static void
pile_init(struct pile *p)
{
	*p = (struct pile){ .n = 0 };
	list_init(&p->commits);
}

static void
pile_add(struct pile *p, struct commit *c)
{
	list_put_last(&p->commits, &c->link);
	p->n++;
	p->bytes += c->f->npending;
}

static void
move_all(struct list *from, struct list *to)
{
	struct list	*l;

	while ((l = list_take(from)) != NULL)
		list_put_last(to, l);
}

/* Behind what is there. */
static void
pile_move(struct pile *from, struct pile *to)
{
	move_all(&from->commits, &to->commits);
	to->n += from->n;
	to->bytes += from->bytes;
	from->n = from->bytes = 0;
}

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
sync_group(struct journal_writer *j, struct list *out)
{
	struct group	*g = &j->group;
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
		list_put_last(out, &c->link);
	}
	g->n = g->niov = 0;
	/* What it says from now on proves nothing. */
	if (failed)
		seg_end(&j->seg);
}

static bool
need_segment(struct journal_writer *j, size_t length, struct list *out)
{
	struct error	 err;

	if (j->seg != NULL && !seg_has_room(j->seg, length)) {
		sync_group(j, out);
		seg_end(&j->seg);
	}
	if (j->seg != NULL)
		return true;
	j->seg = atomic_exchange(&j->next, NULL);
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
	struct batch		*b = arg;
	struct journal_writer	*j = b->j;
	struct list		*out = &b->pile.commits, todo, *l;

	list_init(&todo);
	move_all(out, &todo);
	while ((l = list_take(&todo)) != NULL) {
		struct commit	*c = LIST_ENTRY(l, struct commit, link);

		if (commit_seal(c) < 0) {
			list_put_last(out, l);
			continue;
		}
		if (!need_segment(j, c->f->npending, out)) {
			/* No journal to be had: then by itself. */
			commit_as_file(c);
			list_put_last(out, l);
			continue;
		}
		add(j, &j->group, c);
		if (j->group.n == GROUP_MAX)
			sync_group(j, out);
	}
	sync_group(j, out);
	b->wants_next = j->seg != NULL && j->seg->end >= j->seg->size / 4 &&
	    j->next == NULL;
}

/*
 * The next segment.
 */

static void
make(void *arg)
{
	struct journal_writer	*j = arg;
	struct error		 err;

	j->next = seg_begin(j->q, j->next_size, &err);
}

static void
made(void *arg)
{
	struct journal_writer	*j = arg;

	j->making = false;
	if (j->next == NULL)
		j->make_after = clock_mono() + MAKE_AGAIN;
}

/* A process that writes little keeps little: each is larger than the one
 * before. */
static void
make_next(struct journal_writer *j)
{
	if (j->making || j->next != NULL || clock_mono() < j->make_after)
		return;
	if (j->next_size < SEG_MAX)
		j->next_size *= 4;
	j->making = true;
	syncer_run(j->q->syncer, make, made, j);
}

/*
 * Batches.
 */

static void	done(void *arg);

static struct batch *
gather(struct journal_writer *j)
{
	struct batch	*b = &j->batches[j->begun++ % COUNT(j->batches)];

	pile_move(&j->pending, &b->pile);
	j->unsealed = 0;
	return b;
}

static void
hand_over(struct batch *b)
{
	syncer_run_in(b->j->q->syncer, &b->j->line, work, done, b);
	syncer_begin(b->j->q->syncer);
}

/* A segment to begin with is worth a thread in any case. */
static bool
nobody_waits(const struct journal_writer *j, const struct batch *b)
{
	return b->pile.n == 1 && j->seg != NULL && j->q->clients != NULL &&
	    j->q->clients(j->q->clients_arg) <= 1;
}

static void
seal_all(void *arg)
{
	struct journal_writer	*j = arg;

	/* Of one that fails its batch will say so. */
	LIST_EACH(l, &j->sealing.commits)
		(void)!commit_seal(LIST_ENTRY(l, struct commit, link));
}

/* Back to the others, in front of them. */
static void
sealed(void *arg)
{
	struct journal_writer	*j = arg;

	pile_move(&j->pending, &j->sealing);
	pile_move(&j->sealing, &j->pending);
	loop_timer_before_wait(j->turn);
}

static void
seal_meanwhile(struct journal_writer *j)
{
	if (j->sealing.n > 0 || j->unsealed < MUCH)
		return;
	pile_move(&j->pending, &j->sealing);
	j->unsealed = 0;
	syncer_run(j->q->syncer, seal_all, sealed, j);
	syncer_begin(j->q->syncer);
}

static void
turn_is_over(void *arg)
{
	struct journal_writer	*j = arg;
	struct batch		*b;

	if (j->pending.n == 0)
		return;
	if (j->begun != j->ended) {
		seal_meanwhile(j);
		return;
	}
	/* Not without those: it will not take long. */
	if (j->sealing.n > 0)
		return;
	b = gather(j);
	if (nobody_waits(j, b)) {
		work(b);
		done(b);
	} else {
		hand_over(b);
	}
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
	struct batch		*b = arg;
	struct journal_writer	*j = b->j;
	struct pile		 ready;
	struct list		*l;

	pile_init(&ready);
	pile_move(&b->pile, &ready);
	if (b->wants_next)
		make_next(j);
	j->ended++;
	if (j->pending.n > 0)
		loop_timer_before_wait(j->turn);
	tell(j, &ready.commits);
	while ((l = list_take(&ready.commits)) != NULL)
		commit_report(LIST_ENTRY(l, struct commit, link));
}

static bool
is_large(const struct journal_writer *j)
{
	const struct queue	*q = j->q;
	size_t			 n = j->pending.n;

	if (n >= LARGE_MAX || j->pending.bytes >= LARGE_BYTES)
		return true;
	return n >= LARGE_MIN && (q->clients == NULL ||
	    n >= q->clients(q->clients_arg) / PART);
}

void
journal_commit(struct journal_writer *j, struct commit *c)
{
	pile_add(&j->pending, c);
	j->unsealed += c->f->npending;
	if (j->pending.n == 1)
		loop_timer_before_wait(j->turn);
	if (j->begun - j->ended < COUNT(j->batches) && is_large(j))
		hand_over(gather(j));
}

struct journal_writer *
journal_writer_new(struct queue *q)
{
	struct journal_writer	*j = mem_new(1, sizeof(*j));

	j->q = q;
	j->next_size = SEG_MIN;
	pile_init(&j->pending);
	pile_init(&j->sealing);
	syncer_line_init(&j->line);
	for (size_t i = 0; i < COUNT(j->batches); i++) {
		j->batches[i].j = j;
		pile_init(&j->batches[i].pile);
	}
	j->turn = loop_timer_new(syncer_loop(q->syncer), turn_is_over, j);
	return j;
}

void
journal_writer_free(struct journal_writer **j)
{
	struct seg	*next;

	if (*j == NULL)
		return;
	next = (*j)->next;
	seg_end(&(*j)->seg);
	seg_end(&next);
	loop_timer_free(&(*j)->turn);
	mem_free(j);
}
