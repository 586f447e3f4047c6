/* SPDX-License-Identifier: Apache-2.0 */
/* smtpd.h - the SMTP server: what its files share.
 *
 * Four lifetimes: process (struct smtpd), connection (struct conn),
 * transaction (struct tx), command (conn->cmd_mem).  A connection does one
 * thing at a time: while c->busy names what it waits for, its input stays in
 * the stream, so that pipelined commands are answered in order. */
#ifndef SMTPD_SMTPD_H
#define SMTPD_SMTPD_H

#include <stdio.h>

#include "base/arena.h"
#include "base/hash.h"
#include "base/list.h"
#include "daemon/daemon.h"
#include "intake/intake.h"
#include "ipc/anvil_msg.h"
#include "ipc/auth_msg.h"
#include "ipc/dns_msg.h"
#include "ipc/ipc.h"
#include "map/map.h"
#include "net/stream.h"
#include "proto/smtp_cmd.h"
#include "proto/smtp_data.h"
#include "queue/queue.h"
#include "route/route.h"
#include "smtpd/policy.h"

struct check;
struct rlist;

enum smtpd_tls_level { TLS_LEVEL_NONE, TLS_LEVEL_MAY, TLS_LEVEL_ENCRYPT };
enum smtpd_bare { BARE_REJECT, BARE_NORMALIZE, BARE_YES, BARE_NOTE, BARE_NO };

/* Points at which restrictions are looked at, in order. */
enum stage {
	STAGE_CLIENT, STAGE_HELO, STAGE_SENDER, STAGE_RELAY, STAGE_RCPT,
	STAGE_DATA, STAGE_END, STAGE_ETRN, STAGE_COUNT
};

struct smtpd_conf {
	const char	*banner, *restrictions[STAGE_COUNT];
	const char	*restriction_classes;
	const char	*forbidden_commands, *discard_ehlo_keywords;
	const char	*event_limit_exceptions, *header_rewrite_clients;
	const char	*sender_login_maps, *null_access_key;
	const char	*rbl_reply, *sasl_local_domain;
	const char	*tls_chain_files, *tls_cert_file, *tls_key_file;
	const char	*tls_protocols, *tls_mandatory_protocols, *tls_ciphers;
	const char	*fast_flush_domains;
	int		 tls_level, bare_newline;
	bool		 tls_wrappermode, tls_auth_only, tls_received_header;
	bool		 helo_required, delay_reject, disable_vrfy;
	bool		 strict_envelopes, unlisted_rcpt, unlisted_sender;
	bool		 relay_first, peername_lookup, sasl_enable;
	bool		 sasl_header, hide_client, forbid_pipelining;
	bool		 allow_min_user, port_logging;
	int64_t		 line_limit, recipient_limit;
	int64_t		 soft_errors, hard_errors, junk_limit;
	int64_t		 conn_count_limit, conn_rate_limit, message_rate_limit;
	int64_t		 rcpt_rate_limit, tls_rate_limit, auth_rate_limit;
	int64_t		 tls_loglevel, min_data_rate;
	int64_t		 reject_code, defer_code, access_code, rbl_code;
	int64_t		 relay_code, non_fqdn_code, invalid_helo_code;
	int64_t		 unknown_client_code, unknown_address_code;
	int64_t		 unknown_helo_code, plaintext_code, multi_bounce_code;
	usec_t		 timeout, error_sleep, greet_wait;
};

extern const struct param	smtpd_params[];
extern const size_t		smtpd_nparams;
extern const char *const	stage_params[STAGE_COUNT];

/* The process. */
struct smtpd {
	struct daemon			*d;
	struct loop			*loop;
	const struct smtpd_conf		*conf;
	const struct conf_common	*common;
	struct arena			*mem;
	struct map_env			 map_env;
	struct route			*route;
	struct intake			*intake;
	struct queue			*queue;
	struct tls_ctx			*tls;		/* NULL: none */
	struct match_list		*mynetworks, *exceptions, *rewrite,
					*forbidden, *flush_domains;
	struct {			/* missing headers of these clients */
		bool	own, trusted, sasl;
	}				 completes;
	struct map_list			*login_maps;
	const struct rlist		*lists[STAGE_COUNT];
	const struct rlist		*implicit; /* behind those of RCPT */
	struct hash			*classes;	/* name -> rlist */
	const char			**own_addresses;
	struct ipc_client		*qmgr, *qmgr_public, *resolver, *auth,
					*anvil;
	struct announce			*announce;
	struct list			 conns;
	struct outbox {
		struct list		 conns;
		size_t			 n;	/* put there since the last
						 * flush */
		struct loop_timer	*timer;
	}				 outbox;	/* replies of this turn */
	size_t				 commits;	/* under way */
	struct list			 waiting; /* checks, for a table */
	struct hash			*flushed; /* ETRN domain -> when */
	const char			*banner;	/* "220 ..." */
	struct mechs {
		char	*names;				/* NULL: never asked */
		usec_t	 until_mono;
	}				 mechs[2];	/* plain, secured */
	struct ehlo_answer {
		char		*text;		/* NULL: to be made */
		unsigned int	 ext;		/* SMTP_EXT_... in it */
	}				 ehlo[2];	/* as mechs */
};

/* What access tables have asked for; counts for one transaction. */
struct actions {
	bool		 hold, discard;
	const char	*redirect;
	size_t		 nprepend;
	const char	*prepend[20];
};

enum mode { MODE_COMMAND, MODE_DATA, MODE_BDAT, MODE_AUTH };

struct tx {
	struct arena		*mem;
	struct smtp_mail	 mail;
	const char		**rcpts;	/* accepted ones */
	size_t			 nrcpts, rcpts_size;
	bool			 rcpt_tried;
	struct intake_msg	*msg; /* from the first recipient on */
	bool			 bdat;		/* a chunk has come */
	bool			 data;		/* content has begun */
	uint64_t		 chunks, bdat_bytes;
};

enum cmd_id {
	CMD_HELO, CMD_EHLO, CMD_STARTTLS, CMD_AUTH, CMD_MAIL, CMD_RCPT,
	CMD_DATA, CMD_BDAT, CMD_RSET, CMD_NOOP, CMD_VRFY, CMD_HELP, CMD_ETRN,
	CMD_QUIT, CMD_UNKNOWN, CMD_COUNT
};

struct conn {
	/* What each command and piece of content looks at: with a thousand
	 * sessions it comes from far away each time. */
	struct smtpd		*s;
	struct stream		*stream;
	struct arena		*cmd_mem;
	struct tx		*tx;
	struct check		*check;		/* under way, or NULL */
	const char		*busy; /* what is waited for, or NULL */
	const char		*where; /* for "lost connection after" */
	enum mode		 mode;
	bool			 greeted, closing, running;
	bool			 lost;		/* nothing can be sent */
	bool			 eof;		/* nothing more will come */
	bool			 skip_line;	/* in a bad line */
	bool			 timed;		/* a deadline is set */
	bool			 cmd_open;	/* not counted yet */
	bool			 esmtp;
	bool			 trusted;	/* in mynetworks */
	bool			 excepted;	/* from event limits */
	int			 reply_code;	/* last one */
	enum cmd_id		 cmd;
	unsigned int		 ext;		/* SMTP_EXT_... offered */
	int64_t			 errors, junk;
	int64_t			 cmd_errors;	/* errors before it */
	struct list		 outbox;	/* there is output */
	struct commit		*commit;	/* outlives its connection */
	struct hash		*dns;		/* answers, by "type name" */
	struct smtp_data	 data;
	const char		*helo;		/* NULL: not yet */
	const char		*namaddr;	/* "name[addr]" */
	const char		*name;		/* verified, or "unknown" */
	const char		*sasl_method, *sasl_user;
	struct { uint32_t ok, all; } counts[CMD_COUNT];

	struct list		 link;
	struct arena		*mem;
	size_t			 skipped;	/* of a bad line */
	struct loop_timer	*timer;		/* error delay, greeting */
	void			(*timer_run)(struct conn *c);

	/* Who it is. */
	struct sock_addr	 addr;
	char			 ip[SOCK_TEXT_MAX], port[8];
	char			 local_ip[SOCK_TEXT_MAX];
	const char		*reverse_name;	/* PTR only, or "unknown" */
	bool			 name_temp;	/* look-up failed for now */
	bool			 name_mismatch;
	bool			 counted;	/* by anvil */
	bool			 counting;	/* anvil was told of the connection
					 * and has not answered */

	/* Peer look-up. */
	struct peer		*peer;
	uint64_t		 anvil_call;	/* under way, or 0 */
	void			(*anvil_then)(struct conn *c,
				    const struct anvil_res *r);

	/* DNS answers of this session. */
	struct arena		*dns_mem;
	struct list		 dns_waiting;

	const char		*vrfy;		/* argument of VRFY, ETRN */
	uint64_t		 mechs_call;	/* under way, or 0 */
	struct smtp_mail	*mail; /* in mail_mem, until accepted */
	struct arena		*mail_mem;
	struct smtp_rcpt	*rcpt;		/* in cmd_mem, until accepted */
	const char		*pending_sender; /* of a MAIL under way */
	struct actions		 actions;
	uint64_t		 bdat_left;	/* of this chunk */
	uint64_t		 bdat_size;
	bool			 bdat_last, bdat_drop;
	int			 drop_code; /* reply after a dropped chunk */
	const char		*drop_dsn, *drop_text;

	/* AUTH. */
	struct auth		*auth;
	struct slice		 auth_arg;	/* in cmd_mem */
};

/* A message between its end and its reply. */
struct commit {
	struct smtpd	*s;
	struct conn	*c;		/* NULL: gone meanwhile */
	uint64_t	 bdat_bytes;
	bool		 bdat;
};

/* conn.c: the network side. */
void	 conn_accept(struct daemon *d, int fd, const struct sock_addr *peer);
void	 conn_busy(struct conn *c, const char *what);

/* What was waited for is there: go on with input. */
void	 conn_go(struct conn *c);

/* Around a callback that finishes what was waited for: in between the
 * connection stays, whatever is done to it; afterwards it goes on, waits
 * again, or is gone. */
void	 conn_enter(struct conn *c);
void	 conn_leave(struct conn *c);

/* Answer what is left and close; the object may be gone afterwards. */
void	 conn_close(struct conn *c);
void	 conn_lost(struct conn *c, const char *how);
void	 conn_greet(struct conn *c);
void	 conn_named(struct conn *c);

/* It goes on when all of its output is written. */
bool	 conn_awaits_output(const struct conn *c);
void	 conn_slow_down(struct conn *c);

/* The suite stops: end it soon. */
void	 conn_stop(struct conn *c);
void	 conn_after(struct conn *c, usec_t delay, void (*run)(struct conn *c));

/* outbox.c: what a connection has to say goes out when the callbacks of this
 * turn are over, or before. */
void	 outbox_open(struct smtpd *s);
void	 outbox_close(struct smtpd *s);
void	 outbox_add(struct conn *c);

/* reply.c */
void	 reply(struct conn *c, int code, const char *dsn, const char *fmt, ...)
	    PRINTF(4, 5);
void	 reply_raw(struct conn *c, const char *line);
void	 reply_verdict(struct conn *c, const struct verdict *v);
void	 log_reject(struct conn *c, const char *what, const char *where,
	    const char *recipient, const char *text);
const char	*proto_name(const struct conn *c);

/* peer.c: name of the client, then anvil, then conn_greet(). */
void	 peer_start(struct conn *c);
void	 peer_free(struct conn *c);

/* anvil.c: count an event; then(c, NULL) if anvil does not answer. */
void	 anvil_event(struct conn *c, enum anvil_event e,
	    void (*then)(struct conn *c, const struct anvil_res *r));
void	 anvil_note(struct conn *c, enum anvil_event e);

/* dns.c: NULL: asked, wake the check when it is there. */
const struct dns_res	*dns_get(struct conn *c, const char *name,
			    uint64_t type);
/* Between commands: keep the number of answers bounded. */
void	 dns_trim(struct conn *c);
void	 dns_free(struct conn *c);

/* tx.c */
void	 tx_begin(struct conn *c, const struct smtp_mail *m, struct arena **a);
void	 tx_rcpt(struct conn *c, const struct smtp_rcpt *r);
void	 tx_content(struct conn *c);	/* the first of it comes now */
void	 tx_commit(struct conn *c);
void	 tx_end(struct conn *c);	/* the one way out; tx may be NULL */
const char	*tx_id(const struct conn *c);	/* or "NOQUEUE" */

/* command.c */
void	 command_run(struct conn *c, struct slice line);
void	 command_bad_line(struct conn *c, enum bad_line why);
void	 command_done(struct conn *c);
void	 command_counts(const struct conn *c, struct buf *out);
bool	 command_bare_ok(const struct conn *c);

/* cmd_session.c, cmd_mail.c, cmd_data.c, cmd_auth.c */
void	 cmd_helo(struct conn *c, struct slice arg);
void	 cmd_ehlo(struct conn *c, struct slice arg);
void	 cmd_starttls(struct conn *c, struct slice arg);
void	 cmd_auth(struct conn *c, struct slice arg);
void	 cmd_mail(struct conn *c, struct slice arg);
void	 cmd_rcpt(struct conn *c, struct slice arg);
void	 cmd_data(struct conn *c, struct slice arg);
void	 cmd_bdat(struct conn *c, struct slice arg);
void	 cmd_rset(struct conn *c, struct slice arg);
void	 cmd_noop(struct conn *c, struct slice arg);
void	 cmd_vrfy(struct conn *c, struct slice arg);
void	 cmd_help(struct conn *c, struct slice arg);
void	 cmd_etrn(struct conn *c, struct slice arg);
void	 cmd_quit(struct conn *c, struct slice arg);

/* Content: take what is in the stream.  False: nothing to do but wait. */
bool	 data_input(struct conn *c);
bool	 bdat_input(struct conn *c);
void	 auth_line(struct conn *c, struct slice line);
void	 auth_free(struct conn *c);
void	 tls_secured(struct conn *c);

/* check.c: run the restriction lists of one point; then(c, verdict) is called
 * now or later (c->busy meanwhile). */
void	 check_run(struct conn *c, enum stage at, const char *sender,
	    const char *recipient,
	    void (*then)(struct conn *c, const struct verdict *v));
void	 check_wake(struct conn *c);
void	 check_free(struct conn *c);

/* state.c */
int	 smtpd_open_as_root(struct daemon *d, struct error *err);
int	 smtpd_start(struct daemon *d, struct error *err);
void	 smtpd_drain(struct daemon *d);

/* Leave if that was asked for and nothing is under way any more. */
void	 smtpd_look_for_end(struct smtpd *s);

/* Passwords only under TLS: where asked for, and where TLS is mandatory. */
bool	 auth_wants_tls(const struct conn *c);

#endif
