/* SPDX-License-Identifier: Apache-2.0 */
/* login.h - private to login: IMAP and POP3 before authentication, and the
 * TLS of the whole session.
 *
 *	conn.c		a connection: begin, input, TLS, output, end
 *	auth.c		its exchange with authd
 *	imap.c pop3.c	the few commands of each protocol
 *	handoff.c	giving the client to a session process
 *	relay.c		bytes between TLS and the session process
 *	report.c	log lines */
#ifndef LOGIN_LOGIN_H
#define LOGIN_LOGIN_H

#include "base/arena.h"
#include "base/list.h"
#include "base/times.h"
#include "daemon/daemon.h"
#include "ipc/auth_msg.h"
#include "net/stream.h"
#include "proto/imap_frame.h"

#define LOGIN_LINE_MAX		8192
#define LOGIN_LITERAL_MAX	4096
#define LOGIN_IN_MAX		(LOGIN_LINE_MAX + 2)
#define LOGIN_OUT_MAX		16384
#define LOGIN_REPLY_MAX		4096
#define LOGIN_USER_MAX		512

struct conn;

struct login_conf {
	int		 protocol;	/* enum of "imap pop3" */
	const char	*chain_files, *cert_file, *key_file;
	const char	*tls_protocols, *tls_ciphers;
	const char	*greeting;
	bool		 wrappermode, auth_only;
	usec_t		 timeout;
	int64_t		 client_limit, attempts_max;
};
extern const struct param	login_params[];
extern const size_t		login_nparams;

/* What differs between the protocols. */
struct login_proto {
	const char	*name;		/* "imap" */
	const char	*session;	/* socket of the session process */
	void	(*greet)(struct conn *c);

	/* Interpret input while state is CONN_COMMAND; reply with
	 * stream_out(c->stream). */
	void	(*input)(struct conn *c);

	/* The attempt is over, and failed. */
	void	(*failed)(struct conn *c, enum auth_status status);

	/* The client said "*", or what is not base64. */
	void	(*cancelled)(struct conn *c, const char *why);

	/* We close the connection: say why. */
	void	(*bye)(struct conn *c, const char *why);
};
extern const struct login_proto	login_imap, login_pop3;

struct login {
	struct daemon			*daemon;
	struct loop			*loop;
	const struct login_conf		*conf;
	const struct login_proto	*proto;
	struct tls_ctx			*tls;		/* NULL: none */
	struct ipc_client		*authd, *session, *anvil;
	struct sock_net			*trusted;	/* mynetworks */
	size_t				 ntrusted;
	usec_t				 anvil_again_mono;
	struct list			 conns;
	char				*mechs;		/* NULL: not known yet */
	struct loop_timer		*mechs_timer;
};

enum conn_state {
	CONN_WAIT,		/* for anvil, authd or the TLS handshake; the
				 * greeting is not sent yet */
	CONN_COMMAND,
	CONN_RESPONSE,		/* the next line is a SASL response */
	CONN_AUTHD,		/* authd is thinking; input waits */
	CONN_HANDOFF,		/* the session process is asked */
	CONN_RELAY,		/* TLS: bytes go both ways */
	CONN_OVER
};

struct conn {
	struct list		 all;
	struct login		*lg;
	struct arena		*mem;
	struct stream		*stream;
	enum conn_state		 state;
	struct sock_addr	 remote, local;
	char			 remote_ip[SOCK_TEXT_MAX];
	char			 local_ip[SOCK_TEXT_MAX];
	char			 session_id[17];
	bool			 trusted;	/* from mynetworks or this host */
	bool			 counted, anvil_done, handshaking, greeted;
	usec_t			 began_mono;
	int			 commands_bad;

	/* The question that is being answered, if any, and who was asked:
	 * handles mean something to their client alone. */
	uint64_t		 call;
	struct ipc_client	*call_at;

	/* Authentication. */
	int			 attempts;
	bool			 tried_plaintext;
	uint64_t		 exchange;
	char		 won[65];	/* cookie; the client must still
					 * acknowledge the server's proof */
	char			 user[LOGIN_USER_MAX + 1];
	char			 method[33];

	/* IMAP: the command being collected, the tag to answer.  POP3: what
	 * USER said is in pop3_user. */
	struct imap_frame	 frame;
	char			*tag;
	char			*pop3_user;

	/* Hand-over and relay. */
	char			*cookie;	/* until output is written */
	struct handoff		*handoff;
	int			 fd;		/* plain client, or -1 */
	struct stream		*inner;		/* TLS: to the session */
	bool			 outer_eof, inner_eof;
};

/* conn.c */
void	 conn_accept(struct daemon *d, int fd, const struct sock_addr *peer);

/* We end it: bye is said to the client unless NULL, why is logged. */
void	 conn_end(struct conn *c, const char *bye, const char *why);

/* After stream_detach(): a stream on c->fd again, to say why. */
void	 conn_revive(struct conn *c);

/* Silently, at once. */
void	 conn_free(struct conn *c);

/* Interpret what is buffered; after each change of state that allows it. */
void	 conn_run(struct conn *c);

/* The parts are there: begin to speak. */
void	 conn_greet(struct conn *c);
void	 conn_starttls(struct conn *c);
bool	 conn_is_secure(const struct conn *c);

/* May a password be sent in clear on this connection? */
bool	 conn_plaintext_ok(const struct conn *c);

/* It waits for commands, and there is room for the reply to the next one. */
bool	 conn_may_go_on(const struct conn *c);

/* One more bad command; false: too many, the connection is over. */
bool	 conn_bad_command(struct conn *c);

/* auth.c */
void	 auth_ask_mechs(void *login);

/* Add " AUTH=PLAIN" (prefix " AUTH=") or " PLAIN" (" ") of each mechanism on
 * offer here. */
void	 auth_list_mechs(struct conn *c, const char *prefix, struct buf *out);
bool	 auth_offered(struct conn *c, const char *mech);
void	 auth_begin(struct conn *c, const char *mech, bool has_initial,
	    struct slice initial);

/* With a name and a password: as PLAIN, method for the log as given. */
void	 auth_password(struct conn *c, const char *method, struct slice user,
	    struct slice password);

/* The client was sent the server's proof and need only acknowledge it. */
bool	 auth_is_won(const struct conn *c);
void	 auth_acknowledged(struct conn *c);

/* A response line arrived. */
void	 auth_response(struct conn *c, struct slice line);

/* Forget what is under way. */
void	 auth_abandon(struct conn *c);

/* handoff.c */
void	 handoff_begin(struct conn *c, const char *cookie);
void	 handoff_abandon(struct conn *c);

/* Called by the stream when output is gone. */
void	 handoff_drained(struct conn *c);

/* relay.c */
void	 relay_begin(struct conn *c, int fd);
void	 relay_pump(struct conn *c);

/* report.c */
void	 report_login(const struct conn *c, uint64_t pid);
void	 report_end(const struct conn *c, const char *what);

#endif
