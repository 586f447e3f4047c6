/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <unistd.h>

#include "auth/authdb_int.h"
#include "auth/userdb.h"
#include "base/mem.h"

#define BACKENDS_MAX	8

#define S	struct auth_conf
const struct param auth_conf_params[] = {
	P_STR(S, databases, "auth_databases", "userdb",
	    "Where authd looks for accounts, in this order: userdb, "
	    "passwd-file:/path, system."),
	P_STR(S, default_realm, "auth_default_realm", "",
	    "The domain behind user names that come without one."),
	P_STR(S, mailbox_base, "mailbox_base", "/var/vmail",
	    "Directory of the mailboxes that posthouse user add creates: "
	    "mailbox_base/domain/user/Maildir."),
	P_STR(S, mailbox_owner, "mailbox_owner", "vmail",
	    "System user who owns the mailboxes of accounts without a uid of "
	    "their own."),
	P_STR(S, password_scheme, "auth_password_scheme", "yescrypt",
	    "How new passwords are hashed: yescrypt, BLF-CRYPT, SHA512-CRYPT, "
	    "SHA256-CRYPT, SSHA512."),
	P_STR(S, home_mailbox, "home_mailbox", "Maildir/",
	    "Mailbox of a system user below the home directory."),
	P_INT(S, first_valid_uid, "auth_first_valid_uid", "1000", 1,
	    UINT32_MAX - 1,
	    "System users with a smaller uid have no mail account."),
};
#undef S
const size_t	auth_conf_nparams = COUNT(auth_conf_params);

enum kind { KIND_USERDB, KIND_PASSWD_FILE, KIND_SYSTEM };

struct backend {
	enum kind		 kind;
	struct userdb		*userdb;
	struct passwd_file	*file;
};

struct authdb {
	struct authdb_env	 env;
	struct backend		 backends[BACKENDS_MAX];
	size_t			 count;
	struct shadow		*shadow;
	bool			 borrowed;	/* the shadow reader is another's */
	unsigned int		 refs;
	struct privs_user	 owner;
	bool			 has_owner;
	pthread_mutex_t		 mutex;
};

static const char *const	kind_names[] = {
	[KIND_USERDB] = "userdb",
	[KIND_PASSWD_FILE] = "passwd-file",
	[KIND_SYSTEM] = "system",
};

static int
open_backend(struct authdb *db, struct slice spec, struct error *err)
{
	struct backend	*b = &db->backends[db->count];
	char		*path;
	int		 r = 0;

	if (db->count == BACKENDS_MAX)
		return error_set(err, "auth_databases: more than %d",
		    BACKENDS_MAX);
	if (slice_is(spec, "userdb")) {
		b->kind = KIND_USERDB;
		r = userdb_open(db->env.data_directory, &b->userdb, err);
	} else if (slice_starts(spec, "passwd-file:")) {
		b->kind = KIND_PASSWD_FILE;
		spec = slice_from(spec, strlen("passwd-file:"));
		path = mem_printf("%.*s", SLICE_ARG(spec));
		r = passwd_file_open(path, &b->file, err);
		mem_free(&path);
	} else if (slice_is(spec, "system")) {
		b->kind = KIND_SYSTEM;
		if (db->shadow == NULL)
			r = shadow_open(&db->shadow, err);
	} else
		r = error_set(err, "auth_databases: \"%.*s\" is none of "
		    "userdb, passwd-file:/path, system", SLICE_ARG(spec));
	if (r == 0)
		db->count++;
	return r;
}

int
authdb_open(const struct authdb_env *env, struct authdb **out,
    struct error *err)
{
	return authdb_reopen(NULL, env, out, err);
}

int
authdb_reopen(struct authdb *old, const struct authdb_env *env,
    struct authdb **out, struct error *err)
{
	struct authdb	*db = mem_new(1, sizeof(*db));
	struct slice	 in = slice_str(env->conf->databases), word;

	db->refs = 1;
	db->env = *env;
	if (old != NULL)
		db->shadow = old->shadow;
	db->borrowed = db->shadow != NULL;
	pthread_mutex_init(&db->mutex, NULL);
	/* Without the user, accounts with ids of their own still work. */
	db->has_owner = authdb_owner(env->conf,
	    env->privileged, &db->owner, NULL) == 0;
	while (slice_word(&in, ", \t\r\n", &word))
		if (open_backend(db, word, err) < 0) {
			authdb_close(&db);
			return -1;
		}
	if (db->borrowed) {
		old->borrowed = true;
		db->borrowed = false;
	}
	*out = db;
	return 0;
}

void
authdb_close(struct authdb **dbp)
{
	struct authdb	*db = *dbp;

	if (db == NULL)
		return;
	*dbp = NULL;
	if (--db->refs > 0)
		return;
	for (size_t i = 0; i < db->count; i++) {
		userdb_close(&db->backends[i].userdb);
		passwd_file_close(&db->backends[i].file);
	}
	if (!db->borrowed)
		shadow_close(&db->shadow);
	pthread_mutex_destroy(&db->mutex);
	mem_free(&db);
}

struct authdb *
authdb_hold(struct authdb *db)
{
	db->refs++;
	return db;
}

static enum authdb_result
find_in(struct authdb *db, struct backend *b, const char *user,
    struct arena *a, struct account *out, struct error *err)
{
	switch (b->kind) {
	case KIND_USERDB:
		return userdb_find(b->userdb, user, a, out, err);
	case KIND_PASSWD_FILE:
		return passwd_file_find(b->file, user, a, out, err);
	case KIND_SYSTEM:
		return system_find(db->shadow, &db->env, user, a, out, err);
	}
	return AUTHDB_NONE;
}

int
authdb_owner(const struct auth_conf *c, bool privileged,
    struct privs_user *out, struct error *err)
{
	/* Run by an ordinary user, the whole suite is that user. */
	if (!privileged) {
		out->uid = geteuid();
		out->gid = getegid();
		return 0;
	}
	if (privs_find(c->mailbox_owner, out, err) < 0)
		return error_in(err, "mailbox_owner");
	if (out->uid == 0 || out->gid == 0)
		return error_set(err, "mailbox_owner: %s has uid or gid 0",
		    c->mailbox_owner);
	return 0;
}

const char *
authdb_default_mailbox(struct arena *a, const struct auth_conf *c,
    const char *user)
{
	const char	*at = strrchr(user, '@');

	if (at == NULL)
		return arena_printf(a, "%s/local/%s/Maildir", c->mailbox_base,
		    user);
	return arena_printf(a, "%s/%s/%.*s/Maildir", c->mailbox_base, at + 1,
	    (int)(at - user), user);
}

static void
complete(struct authdb *db, struct arena *a, struct account *acc)
{
	if (acc->mailbox[0] == '\0' && acc->home[0] == '/')
		acc->mailbox = arena_printf(a, "%s/Maildir", acc->home);
	if (acc->mailbox[0] == '\0')
		acc->mailbox = authdb_default_mailbox(a, db->env.conf,
		    acc->user);
	if (!acc->has_ids && db->has_owner) {
		acc->uid = db->owner.uid;
		acc->gid = db->owner.gid;
		acc->has_ids = true;
	}
}

enum authdb_result
authdb_find(struct authdb *db, const char *user, struct arena *a,
    struct account *out, const char **backend_out, struct error *err)
{
	enum authdb_result	 r = AUTHDB_NONE;

	*backend_out = "none";
	pthread_mutex_lock(&db->mutex);
	for (size_t i = 0; i < db->count && r == AUTHDB_NONE; i++) {
		*backend_out = kind_names[db->backends[i].kind];
		r = find_in(db, &db->backends[i], user, a, out, err);
		/* That the ones before did not know him counts as well. */
		if (r == AUTHDB_FOUND && i > 0)
			out->source = NULL;
	}
	/* getpwnam() inside is not safe in two threads: keep the lock. */
	if (r == AUTHDB_FOUND)
		complete(db, a, out);
	pthread_mutex_unlock(&db->mutex);
	return r;
}
