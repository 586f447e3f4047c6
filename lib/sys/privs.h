/* SPDX-License-Identifier: Apache-2.0 */
/* privs.h - giving up privileges, visibly and verified. */
#ifndef SYS_PRIVS_H
#define SYS_PRIVS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/attr.h"
#include "base/error.h"

struct privs_user {
	uid_t	 uid;
	gid_t	 gid;
};

/* Look a user up (getpwnam).  Before chroot. */
int	 privs_find(const char *user, struct privs_user *out,
	    struct error *err) MUST_USE;
int	 privs_find_group(const char *group, gid_t *out, struct error *err)
	    MUST_USE;

/* chroot(dir) and chdir("/"). */
int	 privs_chroot(const char *dir, struct error *err) MUST_USE;

/* Supplementary groups to just gid, then gid, then uid, for good (real,
 * effective, saved); then prove that root cannot be had back. */
int	 privs_drop(struct privs_user u, struct error *err) MUST_USE;

/* As root, for good: of root's powers only that of passing through directories
 * and reading files of others stays (sockets are in a directory of another
 * user).  No uid can be taken, nothing of others written or killed. */
int	 privs_only_read(struct error *err) MUST_USE;

/* PR_SET_NO_NEW_PRIVS and no core dumps of secrets. */
int	 privs_no_new(struct error *err) MUST_USE;

/* Landlock: what stays allowed below each path; all else is denied.  1: in
 * force, 0: the kernel has none, -1: error. */
enum privs_allow {
	PRIVS_READ   = 1,	/* open for reading, list */
	PRIVS_WRITE  = 2,	/* open for writing, create, truncate */
	PRIVS_RENAME = 4,	/* rename, unlink, link (with REFER) */
	PRIVS_SOCKET = 8,	/* nothing of the file system but connect() */
	PRIVS_LIST   = 16	/* list, but read no file */
};
struct privs_path {
	const char	*path;
	unsigned int	 allow;		/* enum privs_allow, or-ed */
};
int	 privs_landlock(const struct privs_path *paths, size_t n,
	    struct error *err) MUST_USE;

#endif
