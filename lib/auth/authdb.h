/* SPDX-License-Identifier: Apache-2.0 */
/* authdb.h - where accounts come from: the user database, passwd-files,
 * system users; asked in the order of the parameter auth_databases.
 *
 * Look-ups read files and may ask NSS: do them in a thread.  One authdb may be
 * used by several threads. */
#ifndef AUTH_AUTHDB_H
#define AUTH_AUTHDB_H

#include <stdbool.h>
#include <stdint.h>

#include "auth/account.h"
#include "base/arena.h"
#include "base/attr.h"
#include "base/error.h"
#include "conf/conf.h"
#include "sys/privs.h"

/* The parameters that authd and `posthouse user` share. */
struct auth_conf {
	const char	*databases, *default_realm;
	const char	*mailbox_base, *mailbox_owner;
	const char	*password_scheme, *home_mailbox;
	int64_t		 first_valid_uid;
};
extern const struct param	auth_conf_params[];
extern const size_t		auth_conf_nparams;

struct authdb;

enum authdb_result { AUTHDB_FOUND, AUTHDB_NONE, AUTHDB_ERROR };

struct authdb_env {
	const char	*data_directory;	/* holds users.db */
	const char	*myhostname;	/* its system users may say user@it */
	const struct auth_conf	*conf;	/* must outlive the authdb */
	bool		 privileged;	/* the suite has users of its own */
};

/* Open what conf->databases names.  While still root a process is forked that
 * can read the shadow file and nothing else (only if "system" is asked for).
 * A user database that is not there yet is empty. */
int	 authdb_open(const struct authdb_env *env, struct authdb **out,
	    struct error *err) MUST_USE;

/* A new one after a change of parameters; takes the shadow reader over from
 * old, which stays usable for the rest. */
int	 authdb_reopen(struct authdb *old, const struct authdb_env *env,
	    struct authdb **out, struct error *err) MUST_USE;

/* It is counted; hold and close are for one thread. */
struct authdb	*authdb_hold(struct authdb *db);
void	 authdb_close(struct authdb **db);

/* user: from account_name().  backend_out: "userdb", "passwd-file", "system",
 * for the log; with NONE that of the last one asked.  Replaced files are
 * noticed. */
enum authdb_result authdb_find(struct authdb *db, const char *user,
		    struct arena *a, struct account *out,
		    const char **backend_out, struct error *err) MUST_USE;

/* Who owns mailboxes of accounts without ids: mailbox_owner, or, if the
 * suite runs without privileges, ourselves.  find() fills it in. */
int	 authdb_owner(const struct auth_conf *c, bool privileged,
	    struct privs_user *out, struct error *err) MUST_USE;

/* mailbox_base/domain/user/Maildir; used where an account names neither
 * mailbox nor home. */
const char	*authdb_default_mailbox(struct arena *a,
		    const struct auth_conf *c, const char *user);

#endif
