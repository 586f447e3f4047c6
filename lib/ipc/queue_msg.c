/* SPDX-License-Identifier: Apache-2.0 */
#include "ipc/queue_msg.h"

#define ADDR_MAX	1024
#define TEXT_MAX	4096

static const struct ipc_field new_fields[] = {
	IPC_F_OSTR(struct queue_new, queue_id, 64),
	IPC_F_OSTR(struct queue_new, segment, 64),
	IPC_F_U64(struct queue_new, end),
};
const struct ipc_desc queue_new_desc =
    IPC_DESC("queue-new", struct queue_new, new_fields);

static const struct ipc_field flush_fields[] = {
	IPC_F_OSTR(struct queue_flush, queue_id, 64),
	IPC_F_OSTR(struct queue_flush, site, ADDR_MAX),
};
const struct ipc_desc queue_flush_desc =
    IPC_DESC("queue-flush", struct queue_flush, flush_fields);

static const struct ipc_field list_req_fields[] = {
	IPC_F_OSTR(struct queue_list_req, after, 128),
	IPC_F_U64(struct queue_list_req, most),
};
const struct ipc_desc queue_list_req_desc =
    IPC_DESC("queue-list", struct queue_list_req, list_req_fields);

static const struct ipc_field list_rcpt_fields[] = {
	IPC_F_STR(struct queue_list_rcpt, address, ADDR_MAX),
	IPC_F_STR(struct queue_list_rcpt, original, ADDR_MAX),
	IPC_F_OSTR(struct queue_list_rcpt, reason, TEXT_MAX),
};
static const struct ipc_desc list_rcpt_desc =
    IPC_DESC("rcpt", struct queue_list_rcpt, list_rcpt_fields);

static const struct ipc_field list_item_fields[] = {
	IPC_F_STR(struct queue_list_item, queue_name, 32),
	IPC_F_STR(struct queue_list_item, queue_id, 64),
	IPC_F_I64(struct queue_list_item, arrival),
	IPC_F_U64(struct queue_list_item, size),
	IPC_F_STR(struct queue_list_item, sender, ADDR_MAX),
	IPC_F_LIST(struct queue_list_item, rcpts, 100000, &list_rcpt_desc),
};
static const struct ipc_desc list_item_desc =
    IPC_DESC("item", struct queue_list_item, list_item_fields);

static const struct ipc_field list_res_fields[] = {
	IPC_F_LIST(struct queue_list_res, items, 1000, &list_item_desc),
	IPC_F_OSTR(struct queue_list_res, next, 128),
};
const struct ipc_desc queue_list_res_desc =
    IPC_DESC("queue-page", struct queue_list_res, list_res_fields);

static const struct ipc_field admin_fields[] = {
	IPC_F_STR(struct queue_admin, op, 32),
	IPC_F_STR(struct queue_admin, queue_id, 64),
	IPC_F_OSTR(struct queue_admin, queue_name, 32),
};
const struct ipc_desc queue_admin_desc =
    IPC_DESC("queue-admin", struct queue_admin, admin_fields);

static const struct ipc_field done_fields[] = {
	IPC_F_BOOL(struct queue_done, ok),
	IPC_F_U64(struct queue_done, count),
	IPC_F_OSTR(struct queue_done, reason, 1024),
};
const struct ipc_desc queue_done_desc =
    IPC_DESC("queue-done", struct queue_done, done_fields);

static const struct ipc_field notice_fields[] = {
	IPC_F_U64(struct queue_notice, kind),
	IPC_F_STR(struct queue_notice, queue_id, 64),
	IPC_F_STR(struct queue_notice, directory, 32),
};
const struct ipc_desc queue_notice_desc =
    IPC_DESC("queue-notice", struct queue_notice, notice_fields);

static const struct ipc_field notice_res_fields[] = {
	IPC_F_BOOL(struct queue_notice_res, ok),
	IPC_F_OSTR(struct queue_notice_res, notice_id, 64),
	IPC_F_OSTR(struct queue_notice_res, reason, 1024),
};
const struct ipc_desc queue_notice_res_desc =
    IPC_DESC("queue-notice-result", struct queue_notice_res,
    notice_res_fields);

static const struct ipc_field forward_rcpt_fields[] = {
	IPC_F_STR(struct queue_forward_rcpt, address, ADDR_MAX),
	IPC_F_STR(struct queue_forward_rcpt, original, ADDR_MAX),
	IPC_F_OSTR(struct queue_forward_rcpt, dsn_orcpt, TEXT_MAX),
	IPC_F_U64(struct queue_forward_rcpt, notify),
};
static const struct ipc_desc forward_rcpt_desc =
    IPC_DESC("rcpt", struct queue_forward_rcpt, forward_rcpt_fields);

static const struct ipc_field forward_fields[] = {
	IPC_F_FD(struct queue_forward, content),
	IPC_F_U64(struct queue_forward, offset),
	IPC_F_U64(struct queue_forward, size),
	IPC_F_STR(struct queue_forward, prepend, 16384),
	IPC_F_STR(struct queue_forward, sender, ADDR_MAX),
	IPC_F_OSTR(struct queue_forward, dsn_envid, TEXT_MAX),
	IPC_F_U64(struct queue_forward, dsn_ret),
	IPC_F_BOOL(struct queue_forward, smtputf8),
	IPC_F_I64(struct queue_forward, arrival),
	IPC_F_LIST(struct queue_forward, rcpts, 5000, &forward_rcpt_desc),
};
const struct ipc_desc queue_forward_desc =
    IPC_DESC("queue-forward", struct queue_forward, forward_fields);

static const struct ipc_field forward_res_fields[] = {
	IPC_F_BOOL(struct queue_forward_res, ok),
	IPC_F_OSTR(struct queue_forward_res, queue_id, 64),
	IPC_F_OSTR(struct queue_forward_res, reason, 1024),
};
const struct ipc_desc queue_forward_res_desc =
    IPC_DESC("queue-forward-result", struct queue_forward_res,
    forward_res_fields);
