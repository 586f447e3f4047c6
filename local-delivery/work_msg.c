/* SPDX-License-Identifier: Apache-2.0 */
#include "local-delivery/work_msg.h"

static const struct ipc_field string_fields[] = {
	IPC_F_STR(struct work_string, text, 65536),
};
static const struct ipc_desc string_desc =
    IPC_DESC("string", struct work_string, string_fields);

static const struct ipc_field store_fields[] = {
	IPC_F_FD(struct work_store, content),
	IPC_F_U64(struct work_store, offset),
	IPC_F_U64(struct work_store, size),
	IPC_F_STR(struct work_store, prefix, 65536),
	IPC_F_STR(struct work_store, maildir, 4096),
	IPC_F_U64(struct work_store, quota_bytes),
};
const struct ipc_desc work_store_desc =
    IPC_DESC("work-store", struct work_store, store_fields);

static const struct ipc_field command_fields[] = {
	IPC_F_FD(struct work_command, content),
	IPC_F_U64(struct work_command, offset),
	IPC_F_U64(struct work_command, size),
	IPC_F_STR(struct work_command, prefix, 65536),
	IPC_F_LIST(struct work_command, argv, 2000, &string_desc),
	IPC_F_LIST(struct work_command, env, 100, &string_desc),
	IPC_F_STR(struct work_command, directory, 4096),
	IPC_F_STR(struct work_command, display, 65536),
	IPC_F_STR(struct work_command, done, 65536),
	IPC_F_I64(struct work_command, time_limit),
	IPC_F_U64(struct work_command, flags),
};
const struct ipc_desc work_command_desc =
    IPC_DESC("work-command", struct work_command, command_fields);

static const struct ipc_field result_fields[] = {
	IPC_F_U64(struct work_result, status),
	IPC_F_STR(struct work_result, dsn, 32),
	IPC_F_STR(struct work_result, text, 4096),
};
const struct ipc_desc work_result_desc =
    IPC_DESC("work-result", struct work_result, result_fields);

static const struct ipc_field look_fields[] = {
	IPC_F_FD(struct work_look, content),
	IPC_F_U64(struct work_look, offset),
	IPC_F_U64(struct work_look, size),
	IPC_F_STR(struct work_look, address, 4096),
	IPC_F_LIST(struct work_look, paths, 100, &string_desc),
	IPC_F_BOOL(struct work_look, must_exist),
};
const struct ipc_desc work_look_desc =
    IPC_DESC("work-look", struct work_look, look_fields);

static const struct ipc_field item_fields[] = {
	IPC_F_U64(struct work_item, kind),
	IPC_F_STR(struct work_item, text, 8192),
};
static const struct ipc_desc item_desc =
    IPC_DESC("item", struct work_item, item_fields);

static const struct ipc_field looked_fields[] = {
	IPC_F_U64(struct work_looked, found),
	IPC_F_STR(struct work_looked, path, 4096),
	IPC_F_STR(struct work_looked, text, 1024),
	IPC_F_LIST(struct work_looked, items, WORK_ITEMS_MAX, &item_desc),
};
const struct ipc_desc work_looked_desc =
    IPC_DESC("work-looked", struct work_looked, looked_fields);
