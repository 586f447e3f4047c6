/* SPDX-License-Identifier: Apache-2.0 */
/* ipc_int.h - what client.c needs of ipc.c: messages that are encoded
 * already, so that they can be sent a second time. */
#ifndef IPC_IPC_INT_H
#define IPC_IPC_INT_H

#include "ipc/ipc.h"

/* ipc_encode() with the descriptors duplicated. */
int	 ipc_encode_dup(const struct ipc_desc *d, const void *msg,
	    struct buf *out, struct ipc_fds *fds, struct error *err) MUST_USE;

/* Both take the descriptors over, also when they fail. */
int	 ipc_send_encoded(struct ipc *c, const char *kind, uint32_t number,
	    bool reply, struct slice body, struct ipc_fds *fds,
	    struct error *err) MUST_USE;
uint32_t ipc_call_encoded(struct ipc *c, const char *kind, struct slice body,
	    struct ipc_fds *fds, const struct ipc_desc *reply, usec_t timeout,
	    ipc_done *done, void *arg, struct error *err) MUST_USE;

/* False once the connection is closed or broken. */
bool	 ipc_is_open(const struct ipc *c);

#endif
