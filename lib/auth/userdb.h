/* SPDX-License-Identifier: Apache-2.0 */
/* userdb.h - the user database: a Berkeley DB hash file, users.db, from
 * account names to records (account_encode).
 *
 * It is never changed in place: a change writes the whole new file beside it
 * and renames it, so a crash leaves the old or the new one, and readers hold
 * no locks.  Writers exclude each other by a lock on users.lock. */
#ifndef AUTH_USERDB_H
#define AUTH_USERDB_H

#include "auth/account.h"
#include "auth/authdb.h"

struct userdb;

/* Reading. */
int	 userdb_open(const char *dir, struct userdb **out, struct error *err)
	    MUST_USE;
void	 userdb_close(struct userdb **db);
enum authdb_result userdb_find(struct userdb *db, const char *user,
		    struct arena *a, struct account *out, struct error *err)
		    MUST_USE;

/* Changing: all accounts in memory, in order of name. */
struct userdb_edit;

/* Lock and read.  -1: locked by somebody else for more than 10 s, or
 * unreadable. */
int	 userdb_edit_begin(const char *dir, struct userdb_edit **out,
	    struct error *err) MUST_USE;
void	 userdb_edit_abort(struct userdb_edit **e);

/* Accounts and what they point to live as long as the edit. */
struct account	*userdb_edit_find(struct userdb_edit *e, const char *user);
struct account	*userdb_edit_at(struct userdb_edit *e, size_t i);
size_t	 userdb_edit_count(const struct userdb_edit *e);
struct arena	*userdb_edit_arena(struct userdb_edit *e);

/* A new one at the end; acc is copied, its strings are not. */
struct account	*userdb_edit_add(struct userdb_edit *e,
		    const struct account *acc);
void	 userdb_edit_remove(struct userdb_edit *e, struct account *acc);

/* Write users.db (0600, given to owner unless that is (uid_t)-1) and publish
 * mailboxes.db (0644): address to "Maildir path/".  *e is freed in any
 * case. */
int	 userdb_edit_commit(struct userdb_edit **e, uid_t owner,
	    struct error *err) MUST_USE;

#endif
