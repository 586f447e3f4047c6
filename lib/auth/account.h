/* SPDX-License-Identifier: Apache-2.0 */
/* account.h - one account, whatever back end it comes from. */
#ifndef AUTH_ACCOUNT_H
#define AUTH_ACCOUNT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/slice.h"
#include "sys/stamp.h"

#define ACCOUNT_HASHES	8
#define ACCOUNT_NAME_MAX	320
#define ACCOUNT_NO_QUOTA	UINT64_MAX


struct account {
	const char	*user;		/* "user@domain" or "user" */
	const char	*hashes[ACCOUNT_HASHES];	/* see cred.h */
	size_t		 nhashes;
	bool		 has_ids;	/* uid and gid are known */
	uid_t		 uid;
	gid_t		 gid;
	const char	*home;		/* "" if unknown */
	const char	*mailbox;	/* absolute; "" if unknown */
	uint64_t	 quota_bytes;
	bool		 disabled;	/* receives mail, may not log in */
	/* The file that alone decided, as it was then: while it looks like
	 * this, the answer holds.  NULL: there is no such file. */
	const char	*source;
	struct stamp	 source_stamp;
};

/* Lower case ASCII, default realm behind a name without "@" (may be NULL or
 * empty).  NULL: not a name we would ever look up: empty, too long, a control
 * character, a space, "/", or an empty or dot-only component. */
const char	*account_name(struct arena *a, struct slice name,
		    const char *realm) MUST_USE;

/* The record as kept in the user database: "key=value" parted by TABs, text
 * of record version 1.  -1 (decode): not such a record. */
void	 account_encode(const struct account *acc, struct buf *out);
int	 account_decode(struct arena *a, const char *user, const char *record,
	    struct account *out, struct error *err) MUST_USE;

/* One line of a passwd-file in Dovecot's format:
 * user:password:uid:gid:gecos:home:shell:extra.  1: an account, 0: an empty
 * line or a comment, -1: *err. */
int	 account_passwd_line(struct arena *a, struct slice line,
	    struct account *out, struct error *err) MUST_USE;

#endif
