/* SPDX-License-Identifier: Apache-2.0 */
#include "ipc/dns_msg.h"

static const struct ipc_field req_fields[] = {
	IPC_F_STR(struct dns_req, name, 1024),
	IPC_F_U64(struct dns_req, type),
};
const struct ipc_desc dns_req_desc =
    IPC_DESC("dns-request", struct dns_req, req_fields);

static const struct ipc_field rr_fields[] = {
	IPC_F_U64(struct dns_rr, preference),
	IPC_F_STR(struct dns_rr, text, 1024),
	IPC_F_BYTES(struct dns_rr, data, 65535),
};
static const struct ipc_desc rr_desc =
    IPC_DESC("rr", struct dns_rr, rr_fields);

static const struct ipc_field res_fields[] = {
	IPC_F_U64(struct dns_res, result),
	IPC_F_BOOL(struct dns_res, secure),
	IPC_F_BOOL(struct dns_res, bogus),
	IPC_F_U64(struct dns_res, ttl),
	IPC_F_OSTR(struct dns_res, why, 1024),
	IPC_F_LIST(struct dns_res, records, 512, &rr_desc),
};
const struct ipc_desc dns_res_desc =
    IPC_DESC("dns-result", struct dns_res, res_fields);
