/* SPDX-License-Identifier: Apache-2.0 */
/* auth_msg.h - smtpd and login ask authd to authenticate; session processes
 * and local-delivery ask it for accounts. */
#ifndef IPC_AUTH_MSG_H
#define IPC_AUTH_MSG_H

#include "ipc/msg.h"

/* Begin an exchange.  The reply is an auth_step. */
struct auth_start {
	const char	*service;	/* "smtp", "imap", "pop3" */
	const char	*mechanism;	/* "PLAIN", upper case */
	const char	*remote_ip, *local_ip;
	bool		 secured;	/* TLS, or a trusted path */
	bool		 has_initial;	/* an initial response was given */
	struct slice	 initial;	/* decoded; empty if none */
	struct slice	 exporter;	/* tls-exporter, 32 bytes, or empty */
};

/* Go on with it: the client's next response, decoded. */
struct auth_continue {
	uint64_t	 exchange;
	struct slice	 response;
};

/* The client gave up, or went away.  No reply. */
struct auth_cancel {
	uint64_t	 exchange;
};

enum auth_status {
	AUTH_MORE,		/* send `challenge`, then auth_continue */
	AUTH_OK,
	AUTH_FAILED,		/* wrong name or password, or refused */
	AUTH_TEMPFAIL		/* our fault */
};

struct auth_step {
	uint64_t	 exchange;	/* valid while AUTH_MORE */
	uint64_t	 status;
	struct slice	 challenge;	/* AUTH_MORE; also final data of AUTH_OK
					 * (SCRAM server signature) */
	const char	*user;		/* as authenticated; NULL if unknown */
	const char	*cookie;	/* AUTH_OK, imap and pop3: claims the
					 * session once, within 60 s; NULL */
	const char	*reason;	/* for the log; never for the client */
};

/* A session process shows the cookie that login got; works once. */
struct auth_claim {
	const char	*cookie;
	const char	*service;
};

/* Does this account exist, and as whom is it delivered and read? */
struct auth_lookup {
	const char	*user;		/* "user@domain" or "user" */
};

enum auth_found { ACCOUNT_FOUND, ACCOUNT_NONE, ACCOUNT_TEMPFAIL };

/* Reply to both. */
struct auth_account {
	uint64_t	 found;		/* enum auth_found */
	const char	*user;
	uint64_t	 uid, gid;
	const char	*home;
	const char	*mailbox;	/* Maildir path, absolute */
	uint64_t	 quota_bytes;	/* UINT64_MAX: none */
	bool		 disabled;	/* may receive, not log in */
	/* The answer holds while this file looks like this (sys/stamp.h);
	 * NULL: do not remember it. */
	const char	*source;
	uint64_t	 source_dev, source_ino, source_size;
	int64_t		 source_mtime_ns;
};

/* Mechanisms on offer. */
struct auth_mechs_req {
	const char	*service;
	bool		 secured;
};
struct auth_mechs {
	const char	*names;		/* "PLAIN LOGIN SCRAM-SHA-256" */
};

extern const struct ipc_desc	auth_start_desc, auth_continue_desc,
				auth_cancel_desc, auth_step_desc,
				auth_claim_desc, auth_lookup_desc,
				auth_account_desc, auth_mechs_req_desc,
				auth_mechs_desc;

#endif
