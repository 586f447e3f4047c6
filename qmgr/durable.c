/* SPDX-License-Identifier: Apache-2.0 */
/* Marks and removals are made durable at most one second after they were made,
 * notes of the journal, of which all share a sync, within a quarter of it; many
 * at a time and in a thread.  A power cut repeats the deliveries of that time,
 * not those of the last half minute. */
#include "qmgr/qmgr.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "sys/log.h"
#include "sys/loop.h"
#include "sys/syncer.h"

#define MARKS		SECS(1)
#define NOTES		MSECS(250)
#define BATCH_MAX	512
#define JOURNAL_MAX	64
#define MANY		32	/* files, for more than one thread */
#define PARTS		4

struct durable {
	struct qmgr		*q;
	struct loop_timer	*timer;
	struct batch		*open;		/* being filled; NULL */
	uint64_t		 batches;	/* the number of the open one */
	usec_t			 due;		/* mono; 0: never */
};

struct batch {
	struct qmgr	*q;
	int		 fds[BATCH_MAX + JOURNAL_MAX];
	size_t		 n;
	bool		 removals, journal;
	int		 failed;		/* errno of the first failure */
};

static void
work(void *arg)
{
	struct batch	*b = arg;
	struct error	 err = { .sys = 0 };

	for (size_t i = 0; i < b->n; i++) {
		if (fdatasync(b->fds[i]) < 0 && b->failed == 0)
			b->failed = errno;
		close(b->fds[i]);
	}
	if (b->removals &&
	    queue_sync_dir(b->q->queue, QUEUE_CUR, &err) < 0)
		b->failed = err.sys;
}

static void
done(void *arg)
{
	struct batch	*b = arg;

	/* Nothing to repeat: the worst is a second delivery after a crash. */
	if (b->failed != 0)
		log_error("cannot sync the queue: errno %d", b->failed);
	mem_free(&b);
}

/* Its last n files, for another thread. */
static struct batch *
split(struct batch *b, size_t n)
{
	struct batch	*part = mem_new(1, sizeof(*part));

	part->q = b->q;
	part->n = n;
	b->n -= n;
	memcpy(part->fds, b->fds + b->n, n * sizeof(*b->fds));
	return part;
}

/* Many files, one after the other, may take longer than the second in which they
 * are to be durable: on a busy btrfs a sync takes ten milliseconds and more.
 * File systems join syncs that come at the same time. */
static void
send_batch(struct durable *d)
{
	struct syncer	*s = daemon_syncer(d->q->d);
	struct batch	*b = d->open;

	d->open = NULL;
	if (b == NULL)
		return;
	if (b->journal)
		b->n += journal_dirty(d->q->journal, b->fds + b->n,
		    JOURNAL_MAX);
	for (size_t left = b->n < MANY ? 1 : PARTS; left > 1; left--)
		syncer_run(s, work, done, split(b, b->n / left));
	syncer_run(s, work, done, b);
}

static void
on_timer(void *arg)
{
	struct durable	*d = arg;

	d->due = 0;
	send_batch(d);
}

static struct batch *
batch(struct durable *d, usec_t within)
{
	usec_t	due = loop_now(d->q->loop) + within;

	if (d->open == NULL) {
		d->open = mem_new(1, sizeof(*d->open));
		d->open->q = d->q;
		d->batches++;
	}
	if (d->due == 0 || d->due > due) {
		d->due = due;
		loop_timer_set(d->timer, within);
	}
	return d->open;
}

struct durable *
durable_new(struct qmgr *q)
{
	struct durable	*d = mem_new(1, sizeof(*d));

	d->q = q;
	d->timer = loop_timer_new(q->loop, on_timer, d);
	return d;
}

void
durable_marks(struct durable *d, struct active *a)
{
	struct batch	*b;
	int		 fd;

	if (a->file.rec != NULL) {
		qmgr_journal_noted(d->q);
		return;
	}
	b = batch(d, MARKS);
	/* One sync is enough for all sites of a message. */
	if (a->marks_batch == d->batches)
		return;
	fd = fcntl(a->file.fd, F_DUPFD_CLOEXEC, 3);
	if (fd < 0)
		return;
	a->marks_batch = d->batches;
	b->fds[b->n++] = fd;
	if (b->n == BATCH_MAX)
		send_batch(d);
}

void
durable_removal(struct durable *d)
{
	batch(d, MARKS)->removals = true;
}

void
durable_journal(struct durable *d)
{
	batch(d, NOTES)->journal = true;
}

void
durable_flush(struct durable *d)
{
	send_batch(d);
}
