/* SPDX-License-Identifier: Apache-2.0 */
/* intake.h - what happens to a message between the wire and the queue.
 *
 * One path for smtpd (network), pickup (maildrop) and forwards: line ends are
 * made or checked to be CRLF, the header section is held in memory (bounded),
 * edited and written behind our Received: line, the body goes straight to the
 * queue file.  At commit the envelope is rewritten (canonical_maps), expanded
 * (virtual_alias_maps), freed of duplicates, and made durable.
 *
 * The library does not log; the program logs what it learns from
 * struct intake_result (see there). */
#ifndef INTAKE_INTAKE_H
#define INTAKE_INTAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/error.h"
#include "base/slice.h"
#include "base/times.h"
#include "conf/common.h"
#include "conf/conf.h"
#include "map/map.h"
#include "queue/queue.h"
#include "route/route.h"

struct loop;
struct intake;			/* tables and parameters; one per process */
struct intake_msg;		/* one message on its way in */

extern const struct param	intake_params[];
extern const size_t		intake_nparams;

/* Opens the tables it needs (as root).  conf, common, route and env must
 * outlive it.  -1: *err. */
int	 intake_open(const struct conf *conf, const struct conf_common *common,
	    struct route *route, const struct map_env *env,
	    struct intake **out, struct error *err) MUST_USE;
void	 intake_close(struct intake **in);

/* Some table of its own changed on disk (route's are route_changed()'s). */
bool	 intake_changed(struct intake *in);

/* Look again at commits that wait for a table: call it from the wake function
 * given with map_env to route_open() and intake_open(). */
void	 intake_wake(struct intake *in);

/* What a line end is, and what becomes of a CR or LF that is none. */
enum intake_lines {
	INTAKE_CRLF_ONLY,	/* bare CR or LF: message refused (550 5.5.2) */
	INTAKE_NORMALIZE,	/* bare LF: CRLF; bare CR: a space */
	INTAKE_LF		/* LF or CRLF (files, pipes); bare CR: space */
};

/* Where the message comes from.  Strings are copied; NULL: unknown. */
struct intake_origin {
	enum intake_lines	 lines;
	bool		 local;		/* add missing Date, From, Message-ID */
	bool		 hide_client;	/* smtpd_hide_client_session */
	usec_t		 arrival;	/* wall; 0: now */

	/* Network clients: the long form of Received. */
	const char	*client_name, *client_address, *client_port;
	const char	*helo;
	const char	*protocol; /* "ESMTPSA"; in Received and envelope */
	const char	*tls;		/* "(using TLSv1.3 ...)", NULL: none */
	const char	*sasl_method, *sasl_username;
	bool		 show_sasl;	/* smtpd_sasl_authenticated_header */

	/* Locally submitted: "from userid UID". */
	const char	*userid;
	const char	*full_name;	/* for a From: that has to be made */
};

/* A new message. */
void	 intake_begin(struct intake *in, struct queue *q,
	    const struct intake_origin *o, struct intake_msg **out);

/* Queue id, for logs. */
const char	*intake_id(const struct intake_msg *m);

/* Envelope; strings are copied.  Sender: "" is the null sender; "user" is
 * completed.  flags: QUEUE_UTF8, QUEUE_NOTICE. */
void	 intake_sender(struct intake_msg *m, const char *sender,
	    const char *dsn_envid, unsigned int dsn_ret, unsigned int flags);

/* original: NULL: the address itself.  status is ignored. */
void	 intake_rcpt(struct intake_msg *m, const struct queue_rcpt *r);
size_t	 intake_nrcpts(const struct intake_msg *m);

/* A header line (without line end) to be put above Received:. */
void	 intake_prepend(struct intake_msg *m, const char *line);

/* Commit to hold/; replace all recipients; accept and throw away. */
void	 intake_hold(struct intake_msg *m);
void	 intake_redirect(struct intake_msg *m, const char *address);
void	 intake_discard(struct intake_msg *m);

/* Content, in pieces of any size.  Nothing needs to be looked at between
 * pieces: after a failure the rest is counted and dropped, and the failure is
 * reported at commit.  True: still good. */
bool	 intake_write(struct intake_msg *m, struct slice piece);

enum intake_status {
	INTAKE_OK,
	INTAKE_SIZE,		/* message_size_limit or header section limit */
	INTAKE_LINES,		/* bare CR or LF under INTAKE_CRLF_ONLY */
	INTAKE_HOPS,		/* hopcount_limit */
	INTAKE_NO_RCPT,		/* no recipients */
	INTAKE_ADDRESS,		/* more recipients after expansion than fit */
	INTAKE_TABLE,		/* a table failed: temporary */
	INTAKE_QUEUE		/* the queue failed: temporary */
};

/* How it ended.  Log "cleanup: ID: message-id=<...>" when message_id is set,
 * and detail as a warning when it is not NULL.  Lives during the callback. */
struct intake_result {
	enum intake_status	 status;
	int		 code;		/* 250, or 4xx, 5xx for an SMTP reply */
	const char	*dsn;		/* "2.0.0" */
	const char	*text; /* "Error: message file too big"; "Ok" */
	const char	*detail;	/* for the log; NULL */
	const char	*queue_id;
	const char	*message_id;	/* with angle brackets; "" if none */
	const char	*sender;
	uint64_t	 size;		/* of the content as it came */
	size_t		 nrcpts;	/* after expansion */
	bool		 held;		/* in hold/: qmgr is not told */
	bool		 discarded;	/* OK, but nothing was queued */
};

/* The content is complete: commit.  done runs once, from the loop or from
 * intake_wake(), never inside this call.  *m is gone.  INTAKE_OK: the message
 * is durable and ours. */
void	 intake_commit(struct intake_msg **m, struct loop *l,
	    void (*done)(void *arg, const struct intake_result *r), void *arg);

/* Remove what there is.  *m may be NULL. */
void	 intake_abort(struct intake_msg **m);

#endif
