/* SPDX-License-Identifier: Apache-2.0 */
/* view.h - a session's view of one mailbox.
 *
 * A view is a snapshot: sequence numbers (1..view_count()) name the same
 * messages, and the count stays, until view_sync().  Reading needs no lock.
 * Changes are written to the mailbox at once; other sessions see them when
 * they sync.  Pointers returned live until the next view_sync(), or in the
 * arena given. */
#ifndef STORE_VIEW_H
#define STORE_VIEW_H

#include <sys/types.h>

#include "mail/envelope.h"
#include "mail/mime.h"
#include "store/store.h"

struct view;
struct view_append;

/* Open.  readonly: no changes, no messages lose \Recent.  Changes made by other
 * programs are merged first.  -1: *fail_out, *err. */
int	 view_open(struct store_user *u, const char *mailbox, bool readonly,
	    struct view **out, enum store_fail *fail_out, struct error *err)
	    MUST_USE;

/* Brings file names up to date with flags if this session changed some. */
void	 view_close(struct view **v);

bool	 view_readonly(const struct view *v);
struct store_user	*view_user(const struct view *v);
const char	*view_mailbox(const struct view *v);

/* As the client was last told. */
uint32_t view_count(const struct view *v);
uint32_t view_recent(const struct view *v);		/* this session's */
uint32_t view_uidvalidity(const struct view *v);
uint32_t view_uidnext(const struct view *v);
uint64_t view_highestmodseq(const struct view *v);
uint32_t view_first_unseen(const struct view *v);	/* seq, 0: none */
uint32_t view_unseen(const struct view *v);
const unsigned char	*view_guid(const struct view *v);	/* 16 bytes */

/* Keyword names by bit; NULL when not in use.  n: 0..STORE_KEYWORDS_MAX-1. */
const char	*view_keyword(const struct view *v, unsigned int n);
bool	 view_keyword_find(const struct view *v, struct slice name,
	    unsigned int *n_out);
/* Find or make one.  False: table full or bad name. */
bool	 view_keyword_make(struct view *v, struct slice name,
	    unsigned int *n_out) MUST_USE;

/*
 * Messages.  seq: 1..view_count().
 */
struct view_msg {
	uint32_t	 uid;
	unsigned int	 flags;		/* STORE_SEEN ... */
	bool		 recent;
	bool		 expunged;	/* by others; view_sync() will say so */
	uint64_t	 keywords;	/* bit n: view_keyword(v, n) */
	uint64_t	 modseq;
	uint64_t	 size;		/* with CRLF line ends */
	uint64_t	 disk_size;
};
void	 view_get(const struct view *v, uint32_t seq, struct view_msg *out);
uint32_t view_uid(const struct view *v, uint32_t seq);

/* INTERNALDATE, wall; of a message that another program put there the file may
 * have to be looked at.  -1 (STORE_GONE, STORE_TEMP): it cannot be. */
int	 view_date(struct view *v, uint32_t seq, usec_t *out,
	    struct error *err) MUST_USE;

/* seq of a UID or 0; seq of the first message with at least this UID or
 * view_count() + 1. */
uint32_t view_seq(const struct view *v, uint32_t uid);
uint32_t view_seq_at_least(const struct view *v, uint32_t uid);

/* Name of the file without directory and flags; NUL terminated, in a. */
const char	*view_filename(struct view *v, uint32_t seq, struct arena *a);

/* What was computed at delivery; opens no message file.  Of a message that
 * another program put there the file is read when this is first asked for.  -1
 * (STORE_GONE, STORE_TEMP): the file is needed and unreadable. */
int	 view_envelope(struct view *v, uint32_t seq, struct arena *a,
	    struct envelope *out, struct error *err) MUST_USE;
int	 view_structure(struct view *v, uint32_t seq, struct arena *a,
	    struct mime_message *out, struct error *err) MUST_USE;

/* The stored header lines (whole fields, CRLF, message order).  True: name is
 * one of the fields that are always stored, so if it is not in *out the
 * message has none. */
int	 view_headers(struct view *v, uint32_t seq, struct arena *a,
	    struct slice *out, struct error *err) MUST_USE;
bool	 view_header_stored(struct slice name);

/* The message's bytes.  All offsets are in CRLF terms, as in mime.h. */
struct view_body {
	int		 fd;
	uint64_t	 size;		/* with CRLF line ends */
	bool		 plain;		/* the file's bytes are the wire's: the
					 * caller may also sendfile from fd */
	uint64_t	 at_disk, at_wire;	/* for view_body_read() only */
	bool		 after_cr;
};
/* -1 with STORE_GONE: expunged by somebody and gone. */
int	 view_body_open(struct view *v, uint32_t seq, struct view_body *out,
	    enum store_fail *fail_out, struct error *err) MUST_USE;
/* Up to n bytes at offset; 0 at the end; -1 with errno.  Cheapest in
 * order. */
ssize_t	 view_body_read(struct view_body *b, uint64_t offset, void *p,
	    size_t n) MUST_USE;
void	 view_body_close(struct view_body *b);

/*
 * What happened since the last sync.
 */
struct view_changes {
	bool		 gone;		/* the mailbox was deleted or made anew:
					 * close the session */
	/* In this order: */
	uint32_t	*expunged;	/* seqs as to be sent: each counted
					 * after those before it went */
	uint32_t	*expunged_uids;
	size_t		 nexpunged;
	uint32_t	 count_before, count;	/* EXISTS if they differ, after
					 * the expunges */
	uint32_t	 recent;
	bool		 recent_changed;
	uint32_t	*flags;		/* seqs (new numbers) whose flags changed,
					 * ascending */
	size_t		 nflags;
	bool		 keywords_changed;	/* new keyword names */
};

/* Bring the view up to date.  expunges false: messages that went stay in
 * place (after FETCH, STORE, SEARCH; RFC 9051 5.5) and are told later.  The
 * lists are in a.  -1: *err; nothing changed. */
int	 view_sync(struct view *v, bool expunges, struct arena *a,
	    struct view_changes *out, struct error *err) MUST_USE;

/* notify(arg) runs from the loop soon after something changed in the mailbox
 * (mail, flags, other programs), until view_watch(v, NULL, NULL).  May also
 * run for nothing; call view_sync() in it or later. */
int	 view_watch(struct view *v, void (*notify)(void *arg), void *arg,
	    struct error *err) MUST_USE;

/*
 * Changes.  uids/seqs ascending.
 */
enum view_flag_op { VIEW_FLAGS_ADD, VIEW_FLAGS_REMOVE, VIEW_FLAGS_SET };

struct view_store {
	enum view_flag_op	 op;
	unsigned int		 flags;
	uint64_t		 keywords;
	uint64_t		 unchanged_since;	/* UINT64_MAX: any */
	bool			 report;	/* view_sync() also lists what
						 * this call changed */
};
/* Seqs that failed unchanged_since go to failed_out (room for n), or NULL. */
int	 view_store(struct view *v, const uint32_t *seqs, size_t n,
	    const struct view_store *s, uint32_t *failed_out,
	    size_t *nfailed_out, struct error *err) MUST_USE;

/* Remove messages for good; view_sync() tells the session. */
int	 view_expunge(struct view *v, const uint32_t *uids, size_t n,
	    struct error *err) MUST_USE;

/* done(arg, 0) runs from the loop when all that this view changed so far is on
 * stable storage; -1: it is not.  Before the OK of EXPUNGE, and of STORE when
 * \Deleted matters. */
void	 view_flush(struct view *v,
	    void (*done)(void *arg, int result, const struct error *err),
	    void *arg);
int	 view_flush_now(struct view *v, struct error *err) MUST_USE;

/* Copy (hard links) to another mailbox, flags and dates kept.  done as in
 * store_deliver(); uids are in order of seqs, consecutive.  Messages that
 * vanished: STORE_GONE and nothing is copied.  move: expunged here after the
 * copies are durable, before done. */
void	 view_copy(struct view *v, const uint32_t *seqs, size_t n,
	    const char *to, bool move,
	    void (*done)(void *arg, const struct store_done *r), void *arg);

/*
 * APPEND: one or more messages, all or nothing, no view needed.
 */
int	 view_append_new(struct store_user *u, const char *mailbox,
	    struct view_append **out, enum store_fail *fail_out,
	    struct error *err) MUST_USE;
/* Begin a message / give it bytes (CRLF; bare LF becomes CRLF) / end it. */
int	 view_append_begin(struct view_append *p, unsigned int flags,
	    const char *const *keywords, usec_t internaldate,
	    struct error *err) MUST_USE;
int	 view_append_write(struct view_append *p, const void *data, size_t n,
	    struct error *err) MUST_USE;
int	 view_append_end(struct view_append *p, struct error *err) MUST_USE;
/* Durable when done runs with STORE_OK.  The object is gone after the call. */
void	 view_append_commit(struct view_append **p,
	    void (*done)(void *arg, const struct store_done *r), void *arg);
void	 view_append_abort(struct view_append **p);

#endif
