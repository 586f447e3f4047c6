/* SPDX-License-Identifier: Apache-2.0 */
/* journal.h - the journal as its reader, qmgr, sees it (doc/queue.md).
 *
 * Accepting processes append messages to segments of their own.  The reader
 * follows each segment, holds a record of each message in it that is not
 * settled, and notes in journal/done.GENERATION what was.  A message that
 * stays longer is copied to a file of its own (spilled).  A segment that has
 * lost its writer and has no record left is retired.
 *
 * One reader at a time follows segments; an earlier one that drains may still
 * settle the messages it had (queue_lock). */
#ifndef QUEUE_JOURNAL_H
#define QUEUE_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/error.h"
#include "base/list.h"
#include "queue/queue.h"

struct journal;
struct journal_seg;

struct journal_rec {
	struct list	 link;		/* the segment's */
	struct journal_seg	*seg;
	char		 id[QUEUE_ID_MAX];
	uint64_t	 at;		/* of the image in the segment */
	uint32_t	 length;	/* of the image */
	bool		 old;		/* from before we came: another reader
					 * may have it, or may have had it */
};

struct journal_recovery {
	size_t	segments;	/* that had lost their writer */
	size_t	replayed;	/* messages that became files in new/ */
	size_t	torn;		/* frames that were never acknowledged */
	size_t	damaged;	/* put into corrupt/ */
};

/* found: a message that is not settled; the record is the journal's until it
 * is given to journal_settle() or journal_moved(). */
int	 journal_open(struct queue *q, void (*found)(void *arg,
	    struct journal_rec *r), void *arg, struct journal **out,
	    struct error *err) MUST_USE;
/* Writes out what was noted. */
void	 journal_close(struct journal **j);

/* Our set of locks on messages that are with agents (inflight.h). */
int	 journal_inflight(const struct journal *j);

/* Before anything else looks at the queue: what is in segments without a
 * writer becomes files in new/, durable when this returns 0; segments that are
 * written now, and messages that another reader holds, are followed.  -1: the
 * system failed us, nothing was given up, it can be done again.  Files that
 * cannot be made, or not be made durable, are no failure: found() gets their
 * messages then, and the segments stay. */
int	 journal_start(struct journal *j, struct journal_recovery *out,
	    struct error *err) MUST_USE;

/* A writer said that its segment holds messages up to `end`. */
void	 journal_told(struct journal *j, const char *segment, uint64_t end);

/* Look for what nobody told us, and retire what is through. */
void	 journal_look(struct journal *j);

/* Only retire; cheap. */
void	 journal_retire(struct journal *j);

/* Segments that have lost their writer and wait for their messages. */
size_t	 journal_full(const struct journal *j);

/* Every record of segments older than this whose writer has gone on: the
 * caller spills it.  each() may settle or move the record it gets. */
void	 journal_each_old(struct journal *j, usec_t age,
	    void (*each)(void *arg, struct journal_rec *r), void *arg);

/* Read its envelope; marks made earlier are applied.  m does not own the
 * descriptor. */
enum queue_read	 journal_msg_open(struct journal_rec *r, struct arena *a,
		    struct queue_msg *out, struct error *err) MUST_USE;

/* Notes.  They reach the file with journal_flush(), stable storage with a sync
 * of the descriptors of journal_dirty(). */
void	 journal_mark(struct journal_rec *r, size_t rcpt, char status);
void	 journal_settle(struct journal_rec **r);	/* nothing is left to do */
void	 journal_moved(struct journal_rec **r);	/* a durable file has it */
void	 journal_flush(struct journal *j);
/* True: there is something to flush, which was not so before. */
bool	 journal_wants_flush(struct journal *j);
/* Duplicates of descriptors that want a sync, up to max; the caller closes
 * them.  They are then clean. */
size_t	 journal_dirty(struct journal *j, int *fds, size_t max);

/* What became of an old record that another reader had? */
enum journal_fate {
	FATE_OPEN,		/* still to do, with the marks noted by now */
	FATE_SETTLED,
	FATE_FILE,		/* a file has it, durably: queue_find() */
	FATE_UNSURE		/* cannot tell now: *err, ask again */
};
enum journal_fate	 journal_fate(struct journal_rec *r,
			    struct error *err) MUST_USE;

/* A copy as a file of its own in `to`, with these status bytes, durable on
 * return.  May run in a thread: touches nothing of the journal.  fd_out: open
 * for reading and writing; NULL: closed. */
struct journal_copy {
	struct queue	*q;
	char		 id[QUEUE_ID_MAX];
	int		 fd;		/* of the segment */
	uint64_t	 at, status_offset;	/* in the segment */
	uint32_t	 length;
	const char	*statuses;
	size_t		 nstatuses;
	enum queue_dir	 to;
	bool		 no_sync;	/* the caller syncs */

	/* Of journal_copy_many(). */
	bool		 keep_fd;	/* wants out_fd */
	int		 out_fd, result;
	struct error	 err;
};
int	 journal_copy(const struct journal_copy *c, int *fd_out,
	    struct error *err) MUST_USE;
/* Many, each with its result (out_fd -1: none): all are written before the first
 * is synced, which makes the other syncs cheap. */
void	 journal_copy_many(struct journal_copy *c, size_t n);
/* What cannot be read, for somebody to look at: into corrupt/. */
int	 journal_quarantine(struct queue *q, const struct journal_rec *r,
	    struct error *err) MUST_USE;

/* Fill one from an open message; the statuses in a. */
void	 journal_copy_of(struct queue *q, const struct queue_msg *m,
	    enum queue_dir to, struct arena *a, struct journal_copy *out);

/* For tools: the message, wherever in the journal.  *out owns its
 * descriptor. */
enum queue_read	 journal_find(struct queue *q, const char *id,
		    struct arena *a, struct queue_msg *out,
		    struct error *err) MUST_USE;

#endif
