/* SPDX-License-Identifier: Apache-2.0 */
/* smtpc.h - the delivery agent for SMTP and LMTP.
 *
 * A job is one request of qmgr: a message, its recipients, hosts to try.  It
 * lives until every recipient has a result.  A conn is one connection; it
 * works for one job at a time and may wait, without a job, for another one.
 * Who ends what: conn_...() report to the job by job_...() as their last act,
 * and a job that is over frees itself. */
#ifndef SMTPC_SMTPC_H
#define SMTPC_SMTPC_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/list.h"
#include "base/times.h"
#include "conf/conf.h"
#include "ipc/deliver_msg.h"
#include "ipc/ipc.h"
#include "net/dial.h"
#include "net/stream.h"
#include "net/tls.h"
#include "proto/smtp_reply.h"
#include "sys/sock.h"

struct daemon;
struct hash;
struct loop_timer;
struct map_list;

enum smtpc_level { LEVEL_NONE, LEVEL_MAY, LEVEL_ENCRYPT, LEVEL_VERIFY };
enum smtpc_family { PREFER_ANY, PREFER_IPV4, PREFER_IPV6 };

struct smtpc_conf {
	usec_t		 connect_timeout, helo_timeout, starttls_timeout;
	usec_t		 mail_timeout, rcpt_timeout, data_init_timeout;
	usec_t		 data_xfer_timeout, data_done_timeout, quit_timeout;
	usec_t		 rset_timeout, cache_time, reuse_time, tls_session_time;
	int64_t		 min_data_rate, address_limit, session_limit,
			 tls_loglevel;
	int		 tls_level, address_preference;
	bool		 skip_5xx, randomize, cache_on_demand, sasl_enable;
	bool		 always_ehlo, no_conversion;
	const char	*helo_name, *lhlo_name, *bind4, *bind6;
	const char	*smtp_port, *lmtp_port;
	const char	*sasl_maps, *sasl_options, *sasl_tls_options;
	const char	*tls_ca_file, *tls_ca_path, *tls_protocols,
			*tls_mandatory_protocols, *tls_ciphers;
	const char	*discard_keywords;
};

extern const struct param	smtpc_params[];
extern const size_t		smtpc_nparams;

/* The process. */
struct smtpc {
	struct daemon			*d;
	const struct smtpc_conf		*conf;
	bool				 lmtp;
	uint16_t			 port;		/* default */
	struct tls_ctx			*tls_may, *tls_must;
	struct map_list			*sasl_maps;
	struct hash			*idle;		/* target.key -> struct
							 * list of struct conn */
	struct list			 all_idle;
	const char			*my_name;
	bool				 inet4, inet6;
	struct sock_addr		 bind4, bind6;	/* len 0: none */
};

/* One address to try. */
struct target {
	const char	*host;		/* name; for the log and for TLS */
	const char	*ip;		/* NULL: UNIX socket at `host` */
	uint16_t	 port;
	uint64_t	 preference;
	const char	*key;		/* of connections to it; NULL: not yet
					 * asked for, nor the next two */
	const char	*where;		/* "mx[192.0.2.1]" */
	const char	*relay;		/* "mx[192.0.2.1]:25" */
	bool		 clear;		/* TLS has failed here: go without */
};

enum rcpt_state {
	RCPT_TODO,
	RCPT_SENT_CMD,		/* RCPT TO is under way */
	RCPT_ACCEPTED,
	RCPT_DONE		/* has its result */
};

struct rcpt {
	const struct deliver_rcpt	*r;
	enum rcpt_state			 state;
	struct deliver_rcpt_result	 result;
	bool				 soft;	/* result is one that another
						 * host may change */
};

struct conn;

struct job {
	struct smtpc		*p;
	struct arena		*mem;		/* the job and its request live
						 * in it */
	struct ipc_request	 req;
	struct deliver_req	 m;
	struct rcpt		*rcpts;
	size_t			 nrcpts;
	struct target		*targets;
	size_t			 ntargets, next;
	int64_t			 addresses, sessions;	/* tried */
	struct target		*target;	/* the one being tried */
	struct conn		*conn;
	bool			 talked;	/* some host accepted us */
	int64_t			 started;	/* usec since active */
	const char		*why, *why_dsn;	/* of the last host */
	const char		*why_relay;
	bool			 why_hard;	/* bounce, do not defer */
};

/* job.c */
void	 smtpc_deliver(void *daemon, struct ipc_request req, void *msg);

/* Does every recipient have its result? */
bool	 job_done(const struct job *j);

/* The host cannot be used; recipients without a result go to the next one. */
void	 job_host_failed(struct job *j, const char *dsn, bool hard,
	    const char *why);

/* The transaction is over (conn is already detached); go on. */
void	 job_tx_over(struct job *j);

/* result.c */
/* Final, whatever other hosts there are. */
void	 result_set(struct job *j, struct rcpt *r, enum deliver_status status,
	    const char *dsn, const char *why);

/* From a reply to a command ("RCPT TO command").  4xx: kept, and another host
 * may be asked; 5xx: bounced. */
void	 result_reply(struct job *j, struct rcpt *r,
	    const struct smtp_reply *reply, const char *command);
void	 result_sent(struct job *j, struct rcpt *r,
	    const struct smtp_reply *reply);

/* What is kept or has no result becomes final; then all are answered. */
void	 result_finish(struct job *j);

/* target.c */
/* Fill j->targets.  -1: none; j->why says why. */
int	 target_make(struct job *j) MUST_USE;

/* Fill in key, where and relay. */
void	 target_describe(struct job *j, struct target *t);

/* conn.c */
enum conn_state {
	CONN_DIAL,
	CONN_GREETING,
	CONN_EHLO,
	CONN_HELO,
	CONN_STARTTLS,
	CONN_SHAKE,
	CONN_AUTH,
	CONN_MAIL,		/* a transaction, up to DATA */
	CONN_DATA,		/* DATA was sent */
	CONN_CONTENT,		/* content is on its way */
	CONN_DOT,		/* all is sent: waiting for the verdict */
	CONN_RSET,
	CONN_IDLE,		/* no job */
	CONN_STATES
};

enum {
	CAN_PIPELINE = 1, CAN_8BIT = 2, CAN_SIZE = 4, CAN_DSN = 8,
	CAN_UTF8 = 16, CAN_TLS = 32, CAN_AUTH_PLAIN = 64, CAN_AUTH_LOGIN = 128,
	CAN_BDAT = 256
};

/* One mail transaction on a connection. */
struct tx {
	size_t		 next_rcpt;	/* to be sent */
	size_t		 next_answer;	/* recipient of the next RCPT reply */
	size_t		 asked;		/* commands without reply */
	size_t		 accepted;
	bool		 mail_sent, mail_answered, mail_failed, data_sent;
	bool		 bdat;		/* BDAT instead of DATA */
	bool		 ahead;		/* content is on its way, although not
					 * all before it is answered */
	bool		 lone_dot;	/* ends what nobody wanted */
	uint64_t	 at, left;	/* content yet to be stuffed */
	bool		 line_start;
	bool		 ends_crlf;
	struct converted *converted;	/* NULL: content goes as it is */
};

struct conn {
	struct smtpc		*p;
	struct arena		*mem;		/* the connection lives in it */
	struct arena		*scratch;	/* one reply */
	struct job		*job;		/* NULL: idle */
	struct target		 target;	/* copied */
	struct dial		*dial;
	struct stream		*stream;
	enum conn_state		 state;
	unsigned int		 can;
	uint64_t		 size_limit;
	bool			 tried_helo, tls, authenticated;
	const char		*secret;	/* AUTH LOGIN: the next answer */
	struct tx		 tx;
	int64_t			 uses;		/* transactions begun */
	usec_t			 made_mono;
	int64_t			 connected;	/* usec since active of the job */
	struct loop_timer	*timer;
	struct list		 link;		/* of one key, when idle */
	struct list		 all;		/* of all, when idle */
	bool			*gone;		/* on_input() wants to know */
};

/* Take an idle connection to this target for j.  False: there is none. */
bool	 conn_reuse(struct job *j, const struct target *t);
void	 conn_open(struct job *j, const struct target *t);

/* Drop it without a word (its job is gone). */
void	 conn_drop(struct conn **c);
void	 conn_close_idle(struct smtpc *p);

/* In the middle of a command: what the log says. */
const char	*conn_doing(const struct conn *c);

/* The connection is of no use any more; tell the job. */
void	 conn_failed(struct conn *c, const char *dsn, bool hard,
	    const char *why);

/* Expect a reply within this time. */
void	 conn_expect(struct conn *c, usec_t timeout);
void	 conn_command(struct conn *c, const char *fmt, ...) PRINTF(2, 3);

/* The transaction is over: keep the connection, or not. */
void	 conn_release(struct conn *c, bool keep);

/* hello.c: from the greeting up to the first MAIL. */
void	 hello_reply(struct conn *c, const struct smtp_reply *r);
void	 hello_begin(struct conn *c);
void	 hello_secured(struct conn *c);

/* tx.c */
void	 tx_begin(struct conn *c);
void	 tx_reply(struct conn *c, const struct smtp_reply *r);

/* The same result for every recipient that has none. */
void	 tx_refuse(struct job *j, enum deliver_status status, const char *dsn,
	    const char *why);

/* The file is at fault: no other host helps. */
void	 tx_cannot_read(struct conn *c, const char *reason);

/* The connection broke in a transaction. */
void	 tx_broken(struct conn *c, bool timed_out, const char *why);

/* content.c */
/* Does the header of the message have 8-bit bytes? */
bool	 content_header_8bit(const struct job *j);

/* Get ready to send 7 bits instead of 8.  False: cannot be done, and every
 * recipient has that result. */
bool	 content_convert(struct conn *c);

/* Up to this size it is sent in one piece. */
#define CONTENT_SHORT	DELIVER_TEXT_MAX

/* Add a short content (CONTENT_SHORT) and what begins and ends it to the
 * output.  False: it cannot be read, nothing is added. */
bool	 content_put(struct conn *c) MUST_USE;

/* After 354, or instead of DATA: content and what ends it.  drained: the
 * output has room again. */
void	 content_send(struct conn *c);
void	 content_drained(struct conn *c);

/* Forget the conversion, if there is one. */
void	 content_free(struct conn *c);

#endif
