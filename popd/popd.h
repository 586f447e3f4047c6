/* SPDX-License-Identifier: Apache-2.0 */
/* popd.h - private to popd: POP3 after the login.
 *
 *	main.c		parameters, the broker's and the worker's beginnings
 *	session.c	a client: begin, input, output, end
 *	command.c	what it may say
 *	drop.c		the maildrop: the INBOX as it was at login
 *
 * A session sees the messages that were there when it began, under numbers
 * that stay.  DELE only marks; QUIT expunges what is marked, durably, before
 * it says +OK.  Any other end of the session deletes nothing (RFC 1939 6). */
#ifndef POPD_POPD_H
#define POPD_POPD_H

#include "base/arena.h"
#include "base/list.h"
#include "daemon/daemon.h"
#include "daemon/session_broker.h"
#include "net/stream.h"
#include "proto/pop3.h"
#include "store/view.h"

#define POPD_LINE_MAX	1024
#define POPD_OUT_MAX	65536

struct popd_conf {
	const char	*uidl_format;
	bool		 no_flag_updates;
	usec_t		 timeout;
	int64_t		 userip_max;
};

struct worker {
	struct daemon		*daemon;
	const struct popd_conf	*conf;
	struct store		*store;
	struct list		 sessions;
};

/* drop.c */
struct session;

struct drop_msg {
	uint64_t	 size;
	bool		 deleted, retrieved;
};

struct drop {
	struct store_user	*user;
	struct view		*view;
	struct drop_msg		*msgs;		/* [0] is message 1 */
	uint32_t		 count;
	uint64_t		 size;		/* of all, as it was at login */
};

int	 drop_open(struct drop *d, struct store *s, const char *maildir,
	    struct error *err) MUST_USE;
void	 drop_close(struct drop *d);

/* What STAT says: without what is marked. */
void	 drop_stat(const struct drop *d, uint32_t *count_out,
	    uint64_t *size_out);
void	 drop_reset(struct drop *d);
uint32_t drop_deleted(const struct drop *d);
int	 drop_uidl(struct drop *d, const char *format, uint32_t n,
	    char out[POP3_UIDL_MAX + 1]) MUST_USE;

/* Mark as \Seen what was retrieved / expunge what is marked; the caller then
 * waits for view_flush(). */
int	 drop_mark_seen(struct drop *d, struct error *err) MUST_USE;
int	 drop_expunge(struct drop *d, struct error *err) MUST_USE;

/* session.c */
enum session_state { SESSION_OPEN, SESSION_QUITS, SESSION_OVER };

/* 1 done, 0 call again when there is room, -1 the connection must end. */
typedef int	 session_producer(struct session *s);

struct session {
	struct list		 link;
	struct worker		*w;
	struct arena		*mem;
	struct stream		*stream;
	struct session_lease	*lease;
	enum session_state	 state;
	struct buf		 early;		/* what login had read */
	struct drop		 drop;
	const char		*user, *id;
	int			 bad;

	/* A reply that is longer than the output buffer. */
	session_producer	*producer;
	uint32_t		 next;		/* LIST, UIDL */
	struct view_body	 body;		/* RETR, TOP */
	bool			 body_open, is_top;
	struct pop3_stuff	 stuff;
	uint64_t		 body_at;
	uint32_t		 body_msg, top_lines;

	/* For the log. */
	uint64_t		 tops, top_bytes, retrs, retr_bytes, expunged;
};

int	 session_begin(struct worker *w, const struct session_start *start,
	    struct session_lease *lease, struct error *err) MUST_USE;

/* Log why and close; nothing is deleted. */
void	 session_end(struct session *s, const char *why);
void	 session_say(struct session *s, const char *fmt, ...) PRINTF(2, 3);

/* Run the producer now, and when there is room again. */
void	 session_produce(struct session *s, session_producer *p);

/* command.c */
void	 command_run(struct session *s, struct slice line);

#endif
