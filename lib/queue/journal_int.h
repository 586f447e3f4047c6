/* SPDX-License-Identifier: Apache-2.0 */
/* journal_int.h - shared by the files of the journal's reader. */
#ifndef QUEUE_JOURNAL_INT_H
#define QUEUE_JOURNAL_INT_H

#include "base/arena.h"
#include "base/hash.h"
#include "base/times.h"
#include "queue/journal.h"
#include "queue/journal_seg.h"
#include "queue/queue_int.h"

struct journal {
	struct queue	*q;
	void		(*found)(void *arg, struct journal_rec *r);
	void		*arg;
	struct list	 segs;		/* struct journal_seg */
	int		 inflight;
	bool		 starting;	/* what is found now is old */
	bool		 doubt;		/* not all could be read at start: what
					 * is found later may be old */
	bool		 flush_asked;
};

struct journal_seg {
	struct list	 link;
	struct journal	*j;
	char		 name[QUEUE_ID_MAX];
	uint64_t	 size;
	struct seg_walk	 walk;		/* has the descriptor */
	usec_t		 dead_since;	/* mono; 0: it has a writer */
	bool		 read_to_end;	/* it has none, and nothing new */
	bool		 keep;		/* has something that nobody saved */
	struct list	 recs;

	/* journal/done.GENERATION */
	int		 done_fd;	/* -1: none yet */
	uint64_t	 done_read;	/* bytes that are in marks */
	struct buf	 done_out;	/* not written yet */
	bool		 done_dirty;	/* wants a sync */
	bool		 done_failed;	/* it was said that it cannot be written */
	struct arena	*mem;		/* of the marks */
	struct hash	*marks;		/* place -> struct mark */
};

/* One note about the message at a place; the latest comes first. */
struct mark {
	struct mark	*next;
	uint32_t	 rcpt;		/* MARK_WHOLE */
	char		 status;	/* a recipient's, or MARK_... */
};
#define MARK_WHOLE	UINT32_MAX
#define MARK_SETTLED	'S'
#define MARK_MOVED	'F'

/* journal_done.c */
bool	 done_log_name(const char *name);
bool	 done_log_is_of(const struct journal_seg *s, const char *name);
/* Read what is new in the log.  -1: *err. */
int	 done_log_read(struct journal_seg *s, struct error *err) MUST_USE;
void	 done_log_add(struct journal_seg *s, uint64_t at, uint32_t rcpt,
	    char status);
void	 done_log_flush(struct journal_seg *s);
/* Is the whole message noted?  0: no, or MARK_... */
char	 done_log_whole(const struct journal_seg *s, uint64_t at);
const struct mark	*done_log_marks(const struct journal_seg *s,
			    uint64_t at);
void	 done_log_remove(struct journal_seg *s);
void	 done_log_close(struct journal_seg *s);

/* journal.c */
/* Open a segment that is not known.  NULL with err->text "": it is not one, or
 * not begun. */
struct journal_seg	*journal_seg_open(struct journal *j, const char *name,
			    struct error *err);
void	 journal_seg_close(struct journal_seg **s);
bool	 journal_seg_name(const char *name);
struct journal_rec	*journal_rec_new(struct journal_seg *s, const char *id,
			    uint64_t at, uint32_t length);
/* Has this message a whole file?  An earlier reader may have spilled it and died
 * before it said so.  False: of one that a crash left damaged, *dir is where
 * the whole one is to be. */
bool	 journal_has_file(struct queue *q, const char *id,
	    enum queue_dir *dir);
/* Is its writer gone?  Then the lock is ours. */
bool	 journal_seg_is_dead(struct journal_seg *s);
/* Nothing in it is of use any more. */
bool	 journal_seg_is_through(const struct journal_seg *s);
int	 journal_seg_retire(struct journal_seg **s, struct error *err) MUST_USE;

/* journal_rest.c */
struct journal_rest {
	/* A message that is whole and not settled.  -1: it is not taken. */
	int	 (*message)(void *arg, struct journal_rec *r,
		    struct error *err);
	void	*arg;
	size_t	 torn, damaged;
};
/* What nobody told us of.  -1: *err, and the rest is there next time. */
int	 journal_seg_rest(struct journal_seg *s, bool dead,
	    struct journal_rest *how, struct error *err) MUST_USE;
/* One without a valid head and perhaps without a writer.  1: its head is
 * mended; 0: it is free for another use, removed, or not for us; -1: *err. */
int	 journal_seg_reclaim(struct queue *q, const char *name,
	    struct error *err) MUST_USE;

/* journal_copy.c: the marks that its file lacks; sync: and make it durable. */
int	 journal_marks_to_file(struct journal_rec *r, enum queue_dir dir,
	    bool sync, struct error *err) MUST_USE;

#endif
