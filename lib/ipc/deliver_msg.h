/* SPDX-License-Identifier: Apache-2.0 */
/* deliver_msg.h - qmgr asks a delivery agent (smtp-client, local-delivery,
 * bounce's kin) to deliver one message to recipients of one nexthop. */
#ifndef IPC_DELIVER_MSG_H
#define IPC_DELIVER_MSG_H

#include "ipc/msg.h"

/* RFC 3461 4.1 NOTIFY; 0: not given. */
enum {
	NOTIFY_NEVER = 1, NOTIFY_SUCCESS = 2, NOTIFY_FAILURE = 4,
	NOTIFY_DELAY = 8
};

/* RFC 3461 4.3 RET; 0: not given. */
enum { RET_FULL = 1, RET_HDRS = 2 };

struct deliver_rcpt {
	uint64_t	 index;		/* in the envelope; names it in replies */
	const char	*address;	/* after rewriting */
	const char	*original;	/* as the client gave it */
	const char	*dsn_orcpt;	/* "rfc822;..." decoded form kept as
					 * received; NULL */
	uint64_t	 notify;
};

struct deliver_addr {
	const char	*ip;		/* numeric */
};

struct deliver_tlsa {
	uint64_t	 usage, selector, mtype;
	struct slice	 data;
};

/* Most bytes of text. */
#define DELIVER_TEXT_MAX	((size_t)32768)

/* A host to try, from MX or as literally configured. */
struct deliver_host {
	const char	*name;		/* MX name, without final dot */
	uint64_t	 preference;	/* equal ones are in random order */
	bool		 secure;	/* DNSSEC: MX and addresses */
	struct ipc_list	 addresses;	/* struct deliver_addr */
	struct ipc_list	 tlsa;		/* struct deliver_tlsa */
};

struct deliver_req {
	const char	*queue_id;
	const char	*transport;	/* "smtp", "relay", "local", "virtual" */
	const char	*nexthop;	/* domain, "[host]:port", or text */
	uint64_t	 port;		/* 0: the agent's default */
	int		 content;	/* message, read-only; -1: it is `text` */
	uint64_t	 content_offset, content_size;	/* CRLF, not stuffed */
	struct slice	 text;		/* the content itself, to agents that
					 * take it so: saves both sides the
					 * descriptor */
	int		 lock;		/* to be held open until the reply is
					 * sent: another qmgr then knows that
					 * the message is being delivered */
	bool		 eight_bit;	/* some byte is above 127 */
	bool		 smtputf8;
	bool		 dot_lines;	/* some line begins with a dot */
	const char	*sender;	/* "" : null sender */
	const char	*dsn_envid;	/* NULL: none; decoded from xtext */
	uint64_t	 dsn_ret;	/* RET_... */
	int64_t		 arrival;	/* wall clock */
	int64_t		 active;	/* when it entered the active queue */
	const char	*client_name, *client_address, *client_helo,
			*client_protocol, *sasl_method, *sasl_username;
	struct ipc_list	 hosts;		/* struct deliver_host; empty: local */
	struct ipc_list	 rcpts;		/* struct deliver_rcpt */
};

enum deliver_status {
	DELIVER_SENT, DELIVER_DEFERRED, DELIVER_BOUNCED,
	DELIVER_EXPANDED	/* aliases: went on to others */
};

struct deliver_rcpt_result {
	uint64_t	 index;
	uint64_t	 status;	/* enum deliver_status */
	const char	*dsn;		/* "5.1.1" */
	const char	*action;	/* NULL, or "relayed": what DSN says of
					 * SENT */
	const char	*relay;		/* log: "mx1[192.0.2.1]:25", "local" */
	const char	*mta;		/* remote MTA's name, NULL */
	const char	*diagnostic;	/* remote reply or our reason; as in the
					 * log behind status=... */
	const char	*diag_type;	/* "smtp", "x-posthouse", "x-unix" */
	int64_t		 connected;	/* usec since `active` when the
					 * connection was ready; -1: never */
	int64_t		 started;	/* usec since `active` when the agent
					 * began */
};

struct deliver_res {
	struct ipc_list	 results;	/* struct deliver_rcpt_result: one per
					 * recipient of the request */
	/* What it says of the site, for the concurrency window. */
	bool		 site_failed;	/* no host could be talked to */
	const char	*site_reason;	/* NULL */
};

/* Close the descriptors of a request that was taken over. */
void	 deliver_req_close(struct deliver_req *r);

extern const struct ipc_desc	deliver_req_desc, deliver_res_desc;

#endif
