/* SPDX-License-Identifier: Apache-2.0 */
/* session_msg.h - login hands an authenticated client to imapd or popd. */
#ifndef IPC_SESSION_MSG_H
#define IPC_SESSION_MSG_H

#include "ipc/msg.h"

struct session_req {
	int		 client;	/* the connection, or our end of a socket
					 * pair when login keeps the TLS state */
	const char	*service;	/* "imap", "pop3" */
	const char	*cookie;	/* from authd; the session process claims
					 * the account with it itself */
	const char	*session_id;	/* for logs */
	const char	*remote_ip, *local_ip;
	uint64_t	 remote_port, local_port;
	bool		 secured;
	const char	*tag;		/* IMAP: of the command to be answered OK;
					 * NULL for POP3 */
	struct slice	 input;		/* read ahead, not yet interpreted */
};

struct session_res {
	bool		 ok;		/* the session process has taken over and
					 * answers the client itself */
	const char	*reason;	/* not ok: for the log */
	uint64_t	 pid;		/* that serves it */
};

extern const struct ipc_desc	session_req_desc, session_res_desc;

#endif
