/* SPDX-License-Identifier: Apache-2.0 */
#include "ipc/deliver_msg.h"

#include <unistd.h>

#define ADDR_MAX	1024
#define TEXT_MAX	4096

static const struct ipc_field rcpt_fields[] = {
	IPC_F_U64(struct deliver_rcpt, index),
	IPC_F_STR(struct deliver_rcpt, address, ADDR_MAX),
	IPC_F_STR(struct deliver_rcpt, original, ADDR_MAX),
	IPC_F_OSTR(struct deliver_rcpt, dsn_orcpt, TEXT_MAX),
	IPC_F_U64(struct deliver_rcpt, notify),
};
static const struct ipc_desc rcpt_desc =
    IPC_DESC("rcpt", struct deliver_rcpt, rcpt_fields);

static const struct ipc_field addr_fields[] = {
	IPC_F_STR(struct deliver_addr, ip, 64),
};
static const struct ipc_desc addr_desc =
    IPC_DESC("addr", struct deliver_addr, addr_fields);

static const struct ipc_field tlsa_fields[] = {
	IPC_F_U64(struct deliver_tlsa, usage),
	IPC_F_U64(struct deliver_tlsa, selector),
	IPC_F_U64(struct deliver_tlsa, mtype),
	IPC_F_BYTES(struct deliver_tlsa, data, 65535),
};
static const struct ipc_desc tlsa_desc =
    IPC_DESC("tlsa", struct deliver_tlsa, tlsa_fields);

static const struct ipc_field host_fields[] = {
	IPC_F_STR(struct deliver_host, name, 256),
	IPC_F_U64(struct deliver_host, preference),
	IPC_F_BOOL(struct deliver_host, secure),
	IPC_F_LIST(struct deliver_host, addresses, 256, &addr_desc),
	IPC_F_LIST(struct deliver_host, tlsa, 64, &tlsa_desc),
};
static const struct ipc_desc host_desc =
    IPC_DESC("host", struct deliver_host, host_fields);

static const struct ipc_field req_fields[] = {
	IPC_F_STR(struct deliver_req, queue_id, 64),
	IPC_F_STR(struct deliver_req, transport, 128),
	IPC_F_STR(struct deliver_req, nexthop, ADDR_MAX),
	IPC_F_U64(struct deliver_req, port),
	IPC_F_OFD(struct deliver_req, content),
	IPC_F_U64(struct deliver_req, content_offset),
	IPC_F_U64(struct deliver_req, content_size),
	IPC_F_OBYTES(struct deliver_req, text, DELIVER_TEXT_MAX),
	IPC_F_OFD(struct deliver_req, lock),
	IPC_F_BOOL(struct deliver_req, eight_bit),
	IPC_F_BOOL(struct deliver_req, smtputf8),
	IPC_F_BOOL(struct deliver_req, dot_lines),
	IPC_F_STR(struct deliver_req, sender, ADDR_MAX),
	IPC_F_OSTR(struct deliver_req, dsn_envid, TEXT_MAX),
	IPC_F_U64(struct deliver_req, dsn_ret),
	IPC_F_I64(struct deliver_req, arrival),
	IPC_F_I64(struct deliver_req, active),
	IPC_F_OSTR(struct deliver_req, client_name, ADDR_MAX),
	IPC_F_OSTR(struct deliver_req, client_address, 64),
	IPC_F_OSTR(struct deliver_req, client_helo, ADDR_MAX),
	IPC_F_OSTR(struct deliver_req, client_protocol, 64),
	IPC_F_OSTR(struct deliver_req, sasl_method, 64),
	IPC_F_OSTR(struct deliver_req, sasl_username, ADDR_MAX),
	IPC_F_LIST(struct deliver_req, hosts, 256, &host_desc),
	IPC_F_LIST(struct deliver_req, rcpts, 5000, &rcpt_desc),
};
const struct ipc_desc deliver_req_desc =
    IPC_DESC("deliver-request", struct deliver_req, req_fields);

static const struct ipc_field result_fields[] = {
	IPC_F_U64(struct deliver_rcpt_result, index),
	IPC_F_U64(struct deliver_rcpt_result, status),
	IPC_F_STR(struct deliver_rcpt_result, dsn, 16),
	IPC_F_OSTR(struct deliver_rcpt_result, action, 32),
	IPC_F_STR(struct deliver_rcpt_result, relay, 512),
	IPC_F_OSTR(struct deliver_rcpt_result, mta, 512),
	IPC_F_STR(struct deliver_rcpt_result, diagnostic, TEXT_MAX),
	IPC_F_STR(struct deliver_rcpt_result, diag_type, 32),
	IPC_F_I64(struct deliver_rcpt_result, connected),
	IPC_F_I64(struct deliver_rcpt_result, started),
};
static const struct ipc_desc result_desc =
    IPC_DESC("result", struct deliver_rcpt_result, result_fields);

static const struct ipc_field res_fields[] = {
	IPC_F_LIST(struct deliver_res, results, 5000, &result_desc),
	IPC_F_BOOL(struct deliver_res, site_failed),
	IPC_F_OSTR(struct deliver_res, site_reason, TEXT_MAX),
};
const struct ipc_desc deliver_res_desc =
    IPC_DESC("deliver-result", struct deliver_res, res_fields);

void
deliver_req_close(struct deliver_req *r)
{
	if (r->content >= 0)
		(void)close(r->content);
	if (r->lock >= 0)
		(void)close(r->lock);
	r->content = r->lock = -1;
}
