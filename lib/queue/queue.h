/* SPDX-License-Identifier: Apache-2.0 */
/* queue.h - queue files and their commit protocol (doc/queue.md).
 *
 * One file is one message: header block, content in wire form (CRLF, not dot
 * stuffed), envelope records, one status byte per recipient, end record with
 * CRC.  Writers make it in new/ (or rename it to hold/), give it the complete
 * mode and sync once.  Readers are handed (descriptor, offset, length), never a
 * path.  All functions work relative to the queue directory's descriptor. */
#ifndef QUEUE_QUEUE_H
#define QUEUE_QUEUE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/error.h"
#include "base/slice.h"
#include "base/times.h"

struct syncer;
struct journal_rec;
struct queue;
struct queue_file;

#define QUEUE_ID_MAX	32		/* bytes, with NUL */

enum queue_dir {
	QUEUE_TMP, QUEUE_NEW, QUEUE_CUR, QUEUE_HOLD, QUEUE_CORRUPT,
	QUEUE_DIRS
};
extern const char *const	queue_dir_names[QUEUE_DIRS];

/* Is it a well-formed id?  Looked at before any path is made of it. */
bool	 queue_id_ok(const char *id);

/* Status byte of a recipient in the file.  No single flipped bit makes one of
 * them another. */
enum queue_rcpt_status {
	RCPT_TODO    = 'T',
	RCPT_DONE    = '+',	/* delivered, or its bounce record is durable */
	RCPT_BOUNCED = '-'	/* as DONE; a bounce record is in the log */
};

struct queue_rcpt {
	const char	*address;	/* after rewriting: where it goes */
	const char	*original;	/* as the client gave it; NULL when
					 * writing: the address */
	const char	*dsn_orcpt;	/* NULL; as received, xtext decoded */
	unsigned int	 notify;	/* NOTIFY_... of ipc/deliver_msg.h */
	char		 status;	/* enum queue_rcpt_status */
};

/* Flags of the content. */
enum {
	QUEUE_8BIT     = 1,	/* some byte above 127 */
	QUEUE_DOTS     = 2,	/* some line begins with a dot */
	QUEUE_UTF8     = 4,	/* SMTPUTF8 was asked for */
	QUEUE_NOTICE   = 8	/* a bounce or another notification of ours */
};

struct queue_env {
	const char	*sender;	/* "" : null sender */
	const char	*dsn_envid;	/* NULL */
	unsigned int	 dsn_ret;	/* RET_... */
	unsigned int	 flags;		/* QUEUE_... */
	usec_t		 arrival;	/* wall */
	/* Where it came from; NULL if unknown. */
	const char	*client_name, *client_address, *client_port,
			*client_helo, *client_protocol, *sasl_method,
			*sasl_username, *message_id;
	struct queue_rcpt	*rcpts;
	size_t		 nrcpts;
};

/*
 * The queue as a whole.
 */
struct queue_conf {
	const char	*dir;		/* queue directory, or "." */
	int64_t		 minfree;	/* bytes kept free */
	bool		 journal;	/* commit to a journal; needs a syncer */
	/* How many clients this process has, who may all wait for a commit:
	 * with one nobody else waits if it blocks the loop, with many more of
	 * them share a sync.  May be NULL: not known. */
	size_t		(*clients)(void *arg);
	void		*clients_arg;
};

/* Opens the directories (tmp new cur hold corrupt log journal), making the
 * missing ones if create is set (as their owner, mode 0700).  syncer: for
 * commits; may be NULL for readers.  -1: *err. */
int	 queue_open(const struct queue_conf *c, bool create, struct syncer *s,
	    struct queue **out, struct error *err) MUST_USE;
void	 queue_close(struct queue **q);

/* Is there space (blocks and inodes) for a message of this size besides
 * minfree?  Looked up at most once a second. */
bool	 queue_has_room(struct queue *q, uint64_t size);

/*
 * Writing.
 */

/* Where a message is from its commit on: in new/, or in the journal. */
struct queue_place {
	const char	*id;		/* in new/; NULL: in the journal */
	const char	*segment;	/* name in journal/ */
	uint64_t	 end;		/* up to here it holds messages */
};

/* Who hears of new mail in new/ and in the journal, from the loop, before the
 * commit is reported done. */
void	 queue_listen(struct queue *q, void (*tell)(void *arg,
	    const struct queue_place *where), void *arg);

/* A message that is to be new/<new id> or part of the journal. */
void	 queue_file_new(struct queue *q, struct queue_file **out);
const char	*queue_file_id(const struct queue_file *f);

/* Append content: CRLF line ends, no dot stuffing.  The bytes are looked at
 * once for the flags (8-bit, dot lines), here or at the commit, and a bare CR or
 * LF is refused: none may ever be in a queue file.  After -1 the file is lost:
 * abort it. */
int	 queue_file_write(struct queue_file *f, const void *p, size_t n,
	    struct error *err) MUST_USE;

/* Make it durable: the envelope is written now (env may go away), the rest
 * happens in the syncer.  done runs once, from the loop:
 * result 0: the message is in new/ on stable storage and ours for ever; -1:
 * there is no such message (answer 4xx).  The file object is gone after the
 * call.  hold: commit to hold/ instead of new/. */
void	 queue_file_commit(struct queue_file **f, const struct queue_env *env,
	    bool hold,
	    void (*done)(void *arg, int result, const struct error *err),
	    void *arg);

/* The same for programs without a loop; always a file, nobody is told. */
int	 queue_file_commit_now(struct queue_file **f,
	    const struct queue_env *env, bool hold, struct error *err)
	    MUST_USE;

/* Remove it.  *f may be NULL. */
void	 queue_file_abort(struct queue_file **f);

/*
 * Reading.
 */
struct queue_msg {
	char		 id[QUEUE_ID_MAX];
	int		 fd;		/* read-write for qmgr, else read-only */
	struct journal_rec	*rec;	/* in the journal, which owns fd; NULL:
					 * a file of its own */
	uint64_t	 base;		/* where its image begins in fd */
	uint64_t	 content_offset;	/* in fd */
	uint64_t	 content_size;
	struct queue_env env;		/* strings in the arena given */
	uint64_t	 status_offset;	/* of the first status byte, in fd */
	int		 shared;	/* queue_msg_share(); -1: not yet */
	uint64_t	 shared_offset;	/* of the content in it */
};

/* One that is not open; may be closed. */
#define QUEUE_MSG_NONE	((struct queue_msg){ .fd = -1, .shared = -1 })

enum queue_read {
	QUEUE_OK,
	QUEUE_GONE,		/* no such file */
	QUEUE_INCOMPLETE,	/* not committed (yet): leave it alone */
	QUEUE_BAD,		/* damaged: *err says how; quarantine it */
	QUEUE_ERROR		/* the system failed us: *err, errno */
};

/* Open dir/id and read its envelope.  verify: also check the CRC of the
 * content.  writable: for marks. */
enum queue_read	 queue_msg_open(struct queue *q, enum queue_dir dir,
		    const char *id, bool writable, bool verify,
		    struct arena *a, struct queue_msg *out,
		    struct error *err) MUST_USE;
void	 queue_msg_close(struct queue_msg *m);

/* A descriptor that others may be given, m->shared: read-only, of this message
 * and no other.  m keeps it. */
int	 queue_msg_share(struct queue *q, enum queue_dir dir,
	    struct queue_msg *m, struct error *err) MUST_USE;

/* Where is it?  Looks through new, cur, hold, corrupt.  A directory for which
 * the system failed to answer counts as holding it; false is certain. */
bool	 queue_find(struct queue *q, const char *id, enum queue_dir *dir_out);

/* In-place mark, not synced; queue_msg_sync() makes marks durable. */
int	 queue_msg_mark(struct queue_msg *m, size_t rcpt, char status,
	    struct error *err) MUST_USE;
int	 queue_msg_sync(struct queue_msg *m, struct error *err) MUST_USE;

/*
 * Moving and removing.  ENOENT is success for remove.
 */
int	 queue_move(struct queue *q, const char *id, enum queue_dir from,
	    enum queue_dir to, struct error *err) MUST_USE;

/* Message and delivery log. */
int	 queue_remove(struct queue *q, const char *id, enum queue_dir dir,
	    struct error *err) MUST_USE;

/* Make earlier moves into and removals from a directory durable. */
int	 queue_sync_dir(struct queue *q, enum queue_dir dir,
	    struct error *err) MUST_USE;

/* Visit the ids in a directory: each(arg, id) returns false to stop.  Bad
 * names are skipped. */
int	 queue_each(struct queue *q, enum queue_dir dir,
	    bool (*each)(void *arg, const char *id), void *arg,
	    struct error *err) MUST_USE;

/* Retry time and attempt count of a deferred message, kept in the file's
 * header block in place.  due: wall clock. */
int	 queue_msg_set_due(struct queue_msg *m, usec_t due,
	    unsigned int attempts, struct error *err) MUST_USE;
int	 queue_msg_get_due(const struct queue_msg *m, usec_t *due_out,
	    unsigned int *attempts_out, struct error *err) MUST_USE;

/* The same of a message in cur/ from its head alone, for a start with many of
 * them; the rest is looked at when it is opened. */
enum queue_read	 queue_peek_due(struct queue *q, const char *id,
		    usec_t *due_out, unsigned int *attempts_out,
		    struct error *err) MUST_USE;

/*
 * Delivery log: log/<id>, append-only, CRC-framed; what bounce and postqueue
 * know about failures, delays and successes.
 */
enum queue_log_kind {
	QLOG_BOUNCE, QLOG_DELAY, QLOG_SUCCESS,
	QLOG_NOTICED		/* a notice of kind `about` was sent: records
				 * before this one are settled for it */
};
struct queue_log_rec {
	enum queue_log_kind	 kind;
	int		 about;		/* QLOG_NOTICED: enum notice_kind */
	const char	*address, *original, *dsn_orcpt;	/* NULL allowed */
	unsigned int	 notify;
	const char	*dsn;		/* "5.1.1" */
	const char	*action;	/* "failed" "delayed" "delivered" ... */
	const char	*mta;		/* remote MTA; NULL */
	const char	*diag_type, *diagnostic;	/* NULL allowed */
	usec_t		 when;		/* wall */
};

/* Append records in one write; durable on return if sync is set. */
int	 queue_log_append(struct queue *q, const char *id,
	    const struct queue_log_rec *recs, size_t n, bool sync,
	    struct error *err) MUST_USE;

/* Read all; a torn tail is ignored.  No log: zero records. */
int	 queue_log_read(struct queue *q, const char *id, struct arena *a,
	    struct queue_log_rec **recs_out, size_t *n_out,
	    struct error *err) MUST_USE;
int	 queue_log_remove(struct queue *q, const char *id, struct error *err)
	    MUST_USE;

/* Take care of what a crash left: files in tmp/ and incomplete ones in new/
 * and hold/ older than `age`, and delivery logs that old whose message is
 * gone.  Nothing of it was ever acknowledged.  Returns how many went.  It may
 * take its time and may run in a thread; *stop (NULL: never) ends it early. */
int	 queue_sweep(struct queue *q, usec_t age, const atomic_bool *stop);

#endif
