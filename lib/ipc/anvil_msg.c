/* SPDX-License-Identifier: Apache-2.0 */
#include "ipc/anvil_msg.h"

static const struct ipc_field req_fields[] = {
	IPC_F_U64(struct anvil_req, event),
	IPC_F_STR(struct anvil_req, ident, 512),
};
const struct ipc_desc anvil_req_desc =
    IPC_DESC("anvil-request", struct anvil_req, req_fields);

static const struct ipc_field res_fields[] = {
	IPC_F_U64(struct anvil_res, connections),
	IPC_F_U64(struct anvil_res, rate),
};
const struct ipc_desc anvil_res_desc =
    IPC_DESC("anvil-result", struct anvil_res, res_fields);
