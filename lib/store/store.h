/* SPDX-License-Identifier: Apache-2.0 */
/* store.h - users' mailboxes: Maildir++ with a log, an index and a table of
 * mailboxes (doc/store.md).  Delivery and the mailbox tree; view.h has what a
 * session does inside a mailbox.
 *
 * A process has one struct store and one struct store_user for each account
 * it serves (same path: same object).  Mailbox names at this interface are
 * UTF-8 with the hierarchy separator of the configuration; "INBOX" in any
 * case is the inbox.  A name that may not be is refused, never repaired. */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/error.h"
#include "base/slice.h"
#include "base/times.h"

struct loop;
struct syncer;
struct store;
struct store_user;

/* Why an operation failed: decides the reply; the words are in *err. */
enum store_fail {
	STORE_OK = 0,
	STORE_NO_MAILBOX,	/* does not exist */
	STORE_EXISTS,		/* exists already */
	STORE_BAD_NAME,		/* such a name may not be */
	STORE_REFUSED,		/* not allowed: INBOX, read-only ... */
	STORE_NO_SPACE,		/* disk or file system quota full */
	STORE_OVER_QUOTA,	/* the quota hook said no */
	STORE_GONE,		/* message or mailbox vanished meanwhile */
	STORE_TEMP		/* the system failed us */
};

/* Special uses (RFC 6154), as bits. */
enum {
	STORE_USE_ALL = 1, STORE_USE_ARCHIVE = 2, STORE_USE_DRAFTS = 4,
	STORE_USE_FLAGGED = 8, STORE_USE_JUNK = 16, STORE_USE_SENT = 32,
	STORE_USE_TRASH = 64
};

struct store_special {
	const char	*name;		/* mailbox, client form: "Sent" */
	unsigned int	 use;
	bool		 create;	/* made and subscribed when missing */
};

struct store_conf {
	const char	*hostname;	/* in file names; NULL: gethostname */
	char		 separator;	/* clients see: '/' or '.' */
	const struct store_special *special;
	size_t		 nspecial;
	/* May this many bytes and messages be added?  0 yes, -1 no with *err.
	 * NULL: no quota. */
	int		(*quota)(void *arg, struct store_user *u,
			    uint64_t bytes, uint64_t messages,
			    struct error *err);
	void		*quota_arg;
};

/* loop and syncer may both be NULL (tools): then only the ..._now forms and
 * no watching.  conf is copied; its strings must live. */
struct store	*store_new(struct loop *l, struct syncer *s,
		    const struct store_conf *conf) MUST_USE;
/* All users are closed.  Pending commits complete first (blocking). */
void	 store_free(struct store **s);

/* maildir: absolute path of the user's root, with or without "/" at the end.
 * create: make it (0700, parents too) if missing.  -1: *err, *fail_out. */
int	 store_user_open(struct store *s, const char *maildir, bool create,
	    struct store_user **out, enum store_fail *fail_out,
	    struct error *err) MUST_USE;
/* Views must be closed; deliveries under way may not. */
void	 store_user_close(struct store_user **u);
const char	*store_user_path(const struct store_user *u);

/*
 * Flags.
 */
enum {
	STORE_SEEN = 1, STORE_ANSWERED = 2, STORE_FLAGGED = 4,
	STORE_DELETED = 8, STORE_DRAFT = 16,
	STORE_PASSED = 32		/* letter P: $Forwarded */
};
#define STORE_FLAGS_ALL		63
#define STORE_KEYWORDS_MAX	64	/* names in one mailbox */
#define STORE_KEYWORD_LEN	255

/*
 * Delivery: one message into one mailbox.
 */
struct store_delivery {
	const char	*mailbox;	/* NULL: INBOX */
	bool		 create;	/* make the mailbox if missing; else INBOX
					 * is used instead (never refused) */
	struct slice	 prefix;	/* header lines put in front, CRLF */
	int		 fd;		/* content with CRLF or LF line ends; LF
					 * becomes CRLF on the way */
	uint64_t	 offset, size;	/* of the content in fd */
	unsigned int	 flags;		/* STORE_SEEN ... */
	const char *const	*keywords;	/* NULL-terminated, or NULL */
	usec_t		 internaldate;	/* wall; 0: now */
};

struct store_done {
	enum store_fail	 fail;
	uint32_t	 uidvalidity;
	uint32_t	 uid, uid_count;	/* assigned: uid.. in a row */
	const struct error	*err;		/* when failed */
};

/* Durable when done(STORE_OK) runs: file and directory synced (reliability
 * rules M1-M3); the log, and with it the UID, within a second or two (else the
 * message gets another UID after a crash of the machine).  Everything in *d is
 * used or copied before the call returns except fd, which is duplicated.  done
 * always runs from the loop, once.  Concurrent deliveries share their syncs. */
void	 store_deliver(struct store_user *u, const struct store_delivery *d,
	    void (*done)(void *arg, const struct store_done *r), void *arg);

/* The same, blocking, and with the log synced.  0 / -1 as r->fail says; *err
 * filled. */
int	 store_deliver_now(struct store_user *u,
	    const struct store_delivery *d, struct store_done *r,
	    struct error *err) MUST_USE;

/*
 * The tree of mailboxes.  These block for a few system calls.
 */
enum {					/* of a listed mailbox */
	STORE_LIST_NOSELECT    = 1,	/* only a name above others */
	STORE_LIST_CHILDREN    = 2,	/* has children; else has none */
	STORE_LIST_SUBSCRIBED  = 4,
	STORE_LIST_NONEXISTENT = 8,	/* subscribed, but not there */
	STORE_LIST_MARKED      = 16	/* has recent mail */
};

struct store_listed {
	const char	*name;		/* UTF-8, client's separator */
	unsigned int	 attrs;		/* STORE_LIST_... */
	unsigned int	 use;		/* STORE_USE_... */
};

/* All mailboxes, names above mailboxes, and subscriptions, sorted by name with
 * INBOX first; in a. */
int	 store_list(struct store_user *u, struct arena *a,
	    struct store_listed **out, size_t *n_out, struct error *err)
	    MUST_USE;

/* fail_out: STORE_BAD_NAME, _EXISTS, _NO_MAILBOX, _REFUSED, ... use: special
 * use to record, or 0.  uidvalidity_out may be NULL.  Names above a new
 * mailbox need not exist.  Deleting a mailbox leaves its children. Renaming
 * takes the children along; renaming INBOX moves its messages to a new
 * mailbox and leaves INBOX empty (RFC 3501 6.3.5). */
int	 store_create(struct store_user *u, const char *name,
	    unsigned int use, enum store_fail *fail_out, struct error *err)
	    MUST_USE;
int	 store_delete(struct store_user *u, const char *name,
	    enum store_fail *fail_out, struct error *err) MUST_USE;
int	 store_rename(struct store_user *u, const char *from, const char *to,
	    enum store_fail *fail_out, struct error *err) MUST_USE;

/* The mailbox need not exist (RFC 3501 6.3.6). */
int	 store_subscribe(struct store_user *u, const char *name, bool on,
	    enum store_fail *fail_out, struct error *err) MUST_USE;

/* Would this be a good name (whether it exists or not)? */
bool	 store_name_ok(struct store_user *u, const char *name);
bool	 store_exists(struct store_user *u, const char *name);

/* The separator that clients see. */
char	 store_separator(const struct store_user *u);

struct store_status {
	uint32_t	 uidvalidity, uidnext;
	uint32_t	 messages, recent, unseen, deleted;
	uint64_t	 size;		/* CRLF bytes of all messages */
	uint64_t	 highestmodseq;
	unsigned char	 guid[16];
};

/* From the user's table when it is current, else the mailbox is read (and the
 * table brought up to date). */
int	 store_status(struct store_user *u, const char *name,
	    struct store_status *out, enum store_fail *fail_out,
	    struct error *err) MUST_USE;

/* Sum over all mailboxes. */
int	 store_usage(struct store_user *u, uint64_t *bytes_out,
	    uint64_t *messages_out, struct error *err) MUST_USE;

#endif
