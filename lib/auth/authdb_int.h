/* SPDX-License-Identifier: Apache-2.0 */
/* authdb_int.h - what the back ends share. */
#ifndef AUTH_AUTHDB_INT_H
#define AUTH_AUTHDB_INT_H

#include "auth/authdb.h"

struct passwd_file;
struct shadow;

/* A passwd-file, read again when it was replaced or changed. */
int	 passwd_file_open(const char *path, struct passwd_file **out,
	    struct error *err) MUST_USE;
void	 passwd_file_close(struct passwd_file **f);
enum authdb_result passwd_file_find(struct passwd_file *f, const char *user,
		    struct arena *a, struct account *out, struct error *err)
		    MUST_USE;

/* The shadow reader: a child with gid shadow that answers names with hashes.
 * Without privileges there is none: *out is NULL. */
int	 shadow_open(struct shadow **out, struct error *err) MUST_USE;
void	 shadow_close(struct shadow **s);
/* "" if unknown. */
const char	*shadow_find(struct shadow *s, const char *user,
		    struct arena *a);

enum authdb_result system_find(struct shadow *s, const struct authdb_env *env,
		    const char *user, struct arena *a, struct account *out,
		    struct error *err) MUST_USE;

#endif
