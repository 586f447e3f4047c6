/* SPDX-License-Identifier: Apache-2.0 */
/* msg.h - messages of named fields, described once for both sides.
 *
 * A message is a C struct; a table says which member is which field.  The
 * decoder is strict: a missing, repeated, unknown or oversized field, a wrong
 * type, or anything left over makes the whole message bad.  Optional fields
 * (IPC_OPT) may be missing: strings become NULL, numbers 0, descriptors -1.
 *
 * Wire: per field u8 name length, name, u8 type, u32 length, bytes (little
 * endian).  Lists nest. */
#ifndef IPC_MSG_H
#define IPC_MSG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/slice.h"

struct arena;

enum ipc_type {
	IPC_STR = 1,		/* const char *; no NUL inside */
	IPC_U64,		/* uint64_t */
	IPC_I64,		/* int64_t (times: usec_t) */
	IPC_BOOL,		/* bool */
	IPC_BYTES,		/* struct slice */
	IPC_FD,			/* int: a descriptor travels along */
	IPC_LIST		/* struct ipc_list of structs by `sub` */
};

/* Any number of structs of one kind, in one array. */
struct ipc_list {
	void	*items;
	size_t	 count;
};

struct ipc_desc;

struct ipc_field {
	const char		*name;		/* at most 32 bytes */
	enum ipc_type		 type;
	size_t			 offset;	/* of the member */
	size_t			 max;		/* bytes; items of a list */
	bool			 optional;
	const struct ipc_desc	*sub;		/* IPC_LIST */
};

/* One kind of message. */
struct ipc_desc {
	const char		*name;		/* "deliver-request" */
	const struct ipc_field	*fields;
	size_t			 nfields;	/* at most 64 */
	size_t			 size;		/* of the struct */
};

/* Rows of a table.  The offset does not compile if the member is not of the
 * type the field needs. */
#define IPC_MEMBER(s, f, t) \
	(offsetof(s, f) + _Generic(((s *)0)->f, t: 0))
#define IPC_F_STR(s, f, max) \
	{ #f, IPC_STR, IPC_MEMBER(s, f, const char *), max, false, NULL }
#define IPC_F_OSTR(s, f, max) \
	{ #f, IPC_STR, IPC_MEMBER(s, f, const char *), max, true, NULL }
#define IPC_F_U64(s, f) \
	{ #f, IPC_U64, IPC_MEMBER(s, f, uint64_t), 0, false, NULL }
#define IPC_F_I64(s, f) \
	{ #f, IPC_I64, IPC_MEMBER(s, f, int64_t), 0, false, NULL }
#define IPC_F_BOOL(s, f) \
	{ #f, IPC_BOOL, IPC_MEMBER(s, f, bool), 0, false, NULL }
#define IPC_F_BYTES(s, f, max) \
	{ #f, IPC_BYTES, IPC_MEMBER(s, f, struct slice), max, false, NULL }
#define IPC_F_OBYTES(s, f, max) \
	{ #f, IPC_BYTES, IPC_MEMBER(s, f, struct slice), max, true, NULL }
#define IPC_F_FD(s, f) \
	{ #f, IPC_FD, IPC_MEMBER(s, f, int), 0, false, NULL }
#define IPC_F_OFD(s, f) \
	{ #f, IPC_FD, IPC_MEMBER(s, f, int), 0, true, NULL }
#define IPC_F_LIST(s, f, max, sub) \
	{ #f, IPC_LIST, IPC_MEMBER(s, f, struct ipc_list), max, false, sub }
#define IPC_DESC(name, s, table) \
	{ name, table, COUNT(table), sizeof(s) }

#define IPC_FDS_MAX	4

/* Descriptors on their way; -1 where none. */
struct ipc_fds {
	int	 fd[IPC_FDS_MAX];
	size_t	 n;
};

/* Append the encoded message to out; descriptors are noted in *fds, not
 * duplicated.  -1: a required string is NULL or longer than its maximum, too
 * many descriptors, or out is full. */
int	 ipc_encode(const struct ipc_desc *d, const void *msg, struct buf *out,
	    struct ipc_fds *fds, struct error *err) MUST_USE;

/* Decode into *msg (d->size bytes, zeroed first); strings and lists live in
 * a.  Descriptors taken over are set to -1 in *fds; the caller closes the
 * rest.  -1: bad message, *err says which field; *msg must not be used and
 * descriptors stay in *fds. */
int	 ipc_decode(const struct ipc_desc *d, struct slice in,
	    struct ipc_fds *fds, struct arena *a, void *msg,
	    struct error *err) MUST_USE;

#endif
