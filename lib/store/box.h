/* SPDX-License-Identifier: Apache-2.0 */
/* box.h - one mailbox as this process knows it: log, snapshot, state.
 *
 * A box is opened for one session or one transaction.  box_refresh() follows
 * the log without a lock; a transaction is box_begin(), frame records,
 * box_commit() or box_abort(). */
#ifndef STORE_BOX_H
#define STORE_BOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "store/log.h"
#include "store/store.h"

/* A message; the snapshot file is an array of these. */
struct rec {
	uint32_t	 uid;
	uint32_t	 flags;		/* STORE_... and REC_... */
	uint64_t	 keywords;
	uint64_t	 modseq;
	int64_t		 internaldate;
	uint64_t	 disk_size, wire_size;
	uint64_t	 append_at;	/* LOG_APPEND or LOG_DETAILS record */
	uint64_t	 name_at;	/* LOG_NAME record; 0: in the former */
};
#define REC_DEAD	(1u << 31)
#define REC_UNREAD	(1u << 30)	/* LOG_UNREAD */
#define REC_UNDATED	(1u << 29)	/* LOG_UNDATED, until there is a date */

/* Growing list of record indexes. */
struct idxs {
	uint32_t	*v;
	size_t		 n, size;
};

struct box {
	char		*path;		/* of the mailbox directory */
	const char	*host;
	int		 dirfd, newfd, curfd;
	ino_t		 new_ino, cur_ino;
	bool		 light;		/* totals only, no messages */
	struct log	 log;
	struct log_totals totals;
	void		*snap;		/* snapshot as mapped (private) */
	size_t		 snap_len;
	uint64_t	 snap_log_end;	/* log offset it stands for */
	struct rec	*base, *tail;	/* base lies in the snapshot */
	size_t		 nbase, ntail, tail_size;
	char		*keywords[STORE_KEYWORDS_MAX];
	unsigned int	 nkeywords;
	/* What a session wants to know since it last asked. */
	bool		 track;
	struct idxs	 changed, dead;
	bool		 reloaded;	/* records were numbered anew: */
	uint32_t	*old_uids;	/* UIDs by former number (track) */
	size_t		 nold;
	bool		 mark_new, mark_cur;	/* our changes, box_dirs_... */
	/* Transaction. */
	bool		 in_tx;
	struct buf	 frame;
	struct log_totals before;
};

/* Open the mailbox directory `path`, which exists.  A missing or damaged log is
 * made anew (rebuild.h).  -1: *err; errno ENOENT: no such mailbox. */
int	 box_open(struct box *b, const char *path, const char *host,
	    bool light, struct error *err) MUST_USE;
void	 box_close(struct box *b);

size_t	 box_count(const struct box *b);	/* records, dead ones too */
struct rec	*box_rec(const struct box *b, size_t i);
/* Index of the first record with uid >= this. */
size_t	 box_find(const struct box *b, uint32_t uid);

/* Follow the log.  Reloads all if it was replaced. */
int	 box_refresh(struct box *b, struct error *err) MUST_USE;

/* Is this still the mailbox at its path, and its log? */
bool	 box_is_there(const struct box *b);

/* Is it, and is there nothing in the log that this box has not seen?  One stat;
 * false also if that cannot tell. */
bool	 box_is_current(const struct box *b);

/* Do the directories' times differ from what the log says? */
bool	 box_foreign(struct box *b);

/* ... only because they changed in the same tick of the clock in which they
 * were last read, and that tick is hardly over: look a little later. */
bool	 box_too_fresh(struct box *b);
#define BOX_TICK_NS	INT64_C(20000000)

/* Lock and refresh; then records may be added to b->frame with box_put_...(),
 * which also change the state.  After box_commit() -1 nothing was written. */
int	 box_begin(struct box *b, struct error *err) MUST_USE;
int	 box_commit(struct box *b, struct error *err) MUST_USE;
void	 box_abort(struct box *b);

/* box_commit() of details only: the modification sequence stays. */
int	 box_commit_quiet(struct box *b, struct error *err) MUST_USE;

/* The first of n UIDs for this transaction; 0: *err. */
uint32_t box_uids(struct box *b, uint32_t n, struct error *err) MUST_USE;

struct box_msg {			/* for an append record */
	uint32_t	 flags;
	uint64_t	 keywords;
	uint64_t	 modseq;	/* 0: new */
	int64_t		 internaldate, savedate;
	uint64_t	 disk_size, wire_size;
	struct slice	 name;		/* "new/..." */
	struct slice	 headers, structure;
	bool		 partial;
	bool		 unread;	/* no headers, structure; sizes as the
					 * name says */
	bool		 undated;	/* no internaldate */
};
void	 box_put_append(struct box *b, uint32_t uid, const struct box_msg *m);
void	 box_put_flags(struct box *b, size_t i, uint32_t flags,
	    uint64_t keywords);
/* What the file of unread record i says: sizes, headers, structure, partial of
 * m, and its date if that is not known; or the date alone.  Nothing that a
 * client was told changes, so these alone give no frame a new number
 * (box_commit_quiet). */
void	 box_put_details(struct box *b, size_t i, const struct box_msg *m);
void	 box_put_date(struct box *b, size_t i, int64_t internaldate);
void	 box_put_expunge(struct box *b, size_t i);
void	 box_put_name(struct box *b, size_t i, struct slice name);
void	 box_put_keyword(struct box *b, unsigned int n, struct slice name);
void	 box_put_recent(struct box *b, uint32_t first_recent);
void	 box_put_note(struct box *b);

/* Our own changes of new/ and cur/ (those said) happen between these two, in a
 * transaction: then they do not look foreign later. */
void	 box_dirs_begin(struct box *b, bool new, bool cur);
void	 box_dirs_end(struct box *b);

/* Where the file is: "new/..." or "cur/...".  False: record damaged. */
bool	 box_name(struct box *b, size_t i, struct slice *out);
bool	 box_append_rec(struct box *b, size_t i, struct log_append *a,
	    struct slice *name, struct slice *headers,
	    struct slice *structure);

/* After use: write the snapshot if the log behind the last one is long,
 * compact a log that is mostly dead. */
void	 box_tidy(struct box *b);

/* Is it a sane name for a file of ours: "new/x" or "cur/x"? */
bool	 box_name_ok(struct slice name);

/* The session shall hear of record i (b->track). */
void	 box_note_change(struct box *b, size_t i);

/* Internal: around a reloading, for a session that numbers its messages by
 * records.  recall frees *old. */
struct rec	*box_remember(struct box *b, size_t *n_out) MUST_USE;
void	 box_recall(struct box *b, struct rec **old, size_t nold);

/* Internal: forget all messages and load again from snapshot and log. */
int	 box_load(struct box *b, struct error *err) MUST_USE;
void	 box_unload(struct box *b);
void	 box_apply(struct box *b, struct slice frame, uint64_t at);

#endif
