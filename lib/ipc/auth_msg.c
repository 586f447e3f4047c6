/* SPDX-License-Identifier: Apache-2.0 */
#include "ipc/auth_msg.h"

#define USER_MAX	1024
#define SASL_MAX	12288

static const struct ipc_field start_fields[] = {
	IPC_F_STR(struct auth_start, service, 32),
	IPC_F_STR(struct auth_start, mechanism, 32),
	IPC_F_STR(struct auth_start, remote_ip, 64),
	IPC_F_STR(struct auth_start, local_ip, 64),
	IPC_F_BOOL(struct auth_start, secured),
	IPC_F_BOOL(struct auth_start, has_initial),
	IPC_F_BYTES(struct auth_start, initial, SASL_MAX),
	IPC_F_BYTES(struct auth_start, exporter, 32),
};
const struct ipc_desc auth_start_desc =
    IPC_DESC("auth-start", struct auth_start, start_fields);

static const struct ipc_field continue_fields[] = {
	IPC_F_U64(struct auth_continue, exchange),
	IPC_F_BYTES(struct auth_continue, response, SASL_MAX),
};
const struct ipc_desc auth_continue_desc =
    IPC_DESC("auth-continue", struct auth_continue, continue_fields);

static const struct ipc_field cancel_fields[] = {
	IPC_F_U64(struct auth_cancel, exchange),
};
const struct ipc_desc auth_cancel_desc =
    IPC_DESC("auth-cancel", struct auth_cancel, cancel_fields);

static const struct ipc_field step_fields[] = {
	IPC_F_U64(struct auth_step, exchange),
	IPC_F_U64(struct auth_step, status),
	IPC_F_BYTES(struct auth_step, challenge, SASL_MAX),
	IPC_F_OSTR(struct auth_step, user, USER_MAX),
	IPC_F_OSTR(struct auth_step, cookie, 64),
	IPC_F_OSTR(struct auth_step, reason, 1024),
};
const struct ipc_desc auth_step_desc =
    IPC_DESC("auth-step", struct auth_step, step_fields);

static const struct ipc_field claim_fields[] = {
	IPC_F_STR(struct auth_claim, cookie, 64),
	IPC_F_STR(struct auth_claim, service, 32),
};
const struct ipc_desc auth_claim_desc =
    IPC_DESC("auth-claim", struct auth_claim, claim_fields);

static const struct ipc_field lookup_fields[] = {
	IPC_F_STR(struct auth_lookup, user, USER_MAX),
};
const struct ipc_desc auth_lookup_desc =
    IPC_DESC("auth-lookup", struct auth_lookup, lookup_fields);

static const struct ipc_field account_fields[] = {
	IPC_F_U64(struct auth_account, found),
	IPC_F_OSTR(struct auth_account, user, USER_MAX),
	IPC_F_U64(struct auth_account, uid),
	IPC_F_U64(struct auth_account, gid),
	IPC_F_OSTR(struct auth_account, home, 4096),
	IPC_F_OSTR(struct auth_account, mailbox, 4096),
	IPC_F_U64(struct auth_account, quota_bytes),
	IPC_F_BOOL(struct auth_account, disabled),
	IPC_F_OSTR(struct auth_account, source, 4096),
	IPC_F_U64(struct auth_account, source_dev),
	IPC_F_U64(struct auth_account, source_ino),
	IPC_F_U64(struct auth_account, source_size),
	IPC_F_I64(struct auth_account, source_mtime_ns),
};
const struct ipc_desc auth_account_desc =
    IPC_DESC("auth-account", struct auth_account, account_fields);

static const struct ipc_field mechs_req_fields[] = {
	IPC_F_STR(struct auth_mechs_req, service, 32),
	IPC_F_BOOL(struct auth_mechs_req, secured),
};
const struct ipc_desc auth_mechs_req_desc =
    IPC_DESC("auth-mechs-request", struct auth_mechs_req, mechs_req_fields);

static const struct ipc_field mechs_fields[] = {
	IPC_F_STR(struct auth_mechs, names, 256),
};
const struct ipc_desc auth_mechs_desc =
    IPC_DESC("auth-mechs", struct auth_mechs, mechs_fields);
