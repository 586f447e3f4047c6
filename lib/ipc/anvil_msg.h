/* SPDX-License-Identifier: Apache-2.0 */
/* anvil_msg.h - anvil counts what clients do, over all processes. */
#ifndef IPC_ANVIL_MSG_H
#define IPC_ANVIL_MSG_H

#include "ipc/msg.h"

enum anvil_event {
	ANVIL_CONNECT, ANVIL_DISCONNECT, ANVIL_MESSAGE, ANVIL_RCPT,
	ANVIL_AUTH, ANVIL_NEWTLS, ANVIL_AUTH_FAILURE
};

/* Counts held by a connection to anvil end with it: a daemon that dies leaves
 * no ghost connections behind. */
struct anvil_req {
	uint64_t	 event;		/* enum anvil_event */
	const char	*ident;		/* "smtp:192.0.2.1", "imap:user:ip" */
};
struct anvil_res {
	uint64_t	 connections;	/* now open, this one included */
	uint64_t	 rate;		/* of this event per anvil_rate_time_unit */
};

extern const struct ipc_desc	anvil_req_desc, anvil_res_desc;

#endif
