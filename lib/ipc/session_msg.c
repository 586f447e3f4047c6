/* SPDX-License-Identifier: Apache-2.0 */
#include "ipc/session_msg.h"

static const struct ipc_field req_fields[] = {
	IPC_F_FD(struct session_req, client),
	IPC_F_STR(struct session_req, service, 32),
	IPC_F_STR(struct session_req, cookie, 64),
	IPC_F_STR(struct session_req, session_id, 64),
	IPC_F_STR(struct session_req, remote_ip, 64),
	IPC_F_STR(struct session_req, local_ip, 64),
	IPC_F_U64(struct session_req, remote_port),
	IPC_F_U64(struct session_req, local_port),
	IPC_F_BOOL(struct session_req, secured),
	IPC_F_OSTR(struct session_req, tag, 1024),
	IPC_F_BYTES(struct session_req, input, 65536),
};
const struct ipc_desc session_req_desc =
    IPC_DESC("session-request", struct session_req, req_fields);

static const struct ipc_field res_fields[] = {
	IPC_F_BOOL(struct session_res, ok),
	IPC_F_OSTR(struct session_res, reason, 1024),
	IPC_F_U64(struct session_res, pid),
};
const struct ipc_desc session_res_desc =
    IPC_DESC("session-result", struct session_res, res_fields);
