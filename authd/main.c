/* SPDX-License-Identifier: Apache-2.0 */
#include <unistd.h>

#include <openssl/rand.h>

#include "authd/authd.h"
#include "base/mem.h"
#include "sys/log.h"
#include "sys/syncer.h"

static const struct daemon_conf_part	authd_parts[] = {
	{ auth_conf_params, &auth_conf_nparams, sizeof(struct auth_conf) },
};

static struct authdb_env
env_of(struct daemon *d)
{
	const struct conf_common	*common = daemon_common(d);

	return (struct authdb_env){
		.data_directory = common->data_directory,
		.myhostname = common->myhostname,
		.conf = daemon_conf_of(d, auth_conf_params),
		.privileged = daemon_privileged(d),
	};
}

/* Cookies and exchanges live in this process, so it is not replaced by
 * another one. */
static void
reload(struct daemon *d)
{
	struct authd		*ad = daemon_state(d);
	struct authdb_env	 env = env_of(d);
	struct authdb		*db;
	struct error		 err;

	if (authdb_reopen(ad->db, &env, &db, &err) < 0) {
		log_warn("%s; the accounts are asked as before", err.text);
		return;
	}
	authdb_close(&ad->db);
	ad->db = db;
	ad->conf = daemon_params(d);
	ad->auth = env.conf;
}

static int
open_as_root(struct daemon *d, struct error *err)
{
	struct arena		*a = daemon_arena(d);
	struct authd		*ad = arena_alloc(a, sizeof(*ad));
	const struct conf_common *common = daemon_common(d);
	struct authdb_env	 env = env_of(d);
	struct privs_user	 u;

	ad->daemon = d;
	ad->conf = daemon_params(d);
	ad->auth = env.conf;
	ad->mail_uid = geteuid();
	if (daemon_privileged(d)) {
		if (privs_find(common->mail_owner, &u, err) < 0)
			return -1;
		ad->mail_uid = u.uid;
	}
	daemon_set_state(d, ad);
	return authdb_open(&env, &ad->db, err);
}

/* It reads accounts wherever they are and changes none.  Here and not in the
 * descriptor: what may still be read can be read again at a reload. */
static int
confine(struct error *err)
{
	static const struct privs_path	all = { "/", PRIVS_READ };

	return privs_landlock(&all, 1, err) < 0 ?
	    error_in(err, "landlock") : 0;
}

static int
start(struct daemon *d, struct error *err)
{
	struct authd	*ad = daemon_state(d);
	struct buf	 dummy;

	ad->loop = daemon_loop(d);
	ad->hashers = syncer_new(ad->loop, (int)ad->conf->worker_threads);
	ad->finders = syncer_new(ad->loop, 2);
	list_init(&ad->exchanges);
	ad->exchange_ids = hash_new();
	ad->penalties = penalties_new();
	ad->cookies = cookies_new();
	if (RAND_bytes(ad->secret, sizeof(ad->secret)) != 1 ||
	    RAND_bytes((unsigned char *)&ad->last_id,
		sizeof(ad->last_id)) != 1)
		return error_set(err, "no random bytes");
	ad->cache = cache_new(ad->secret, ad->conf->cache_ttl);
	/* What passwords of unknown users are compared with. */
	buf_init(&dummy, CRED_MAX);
	if (cred_make(ad->auth->password_scheme, SLICE_LIT("dummy"), &dummy,
	    err) < 0)
		return error_in(err, "auth_password_scheme");
	ad->dummy_hash = arena_strdup(daemon_arena(d), buf_cstr(&dummy));
	buf_clear(&dummy);
	return confine(err);
}

static const struct daemon_desc	authd = {
	.name		= "authd",
	.log_tag	= "auth",
	.kind		= DAEMON_IPC,
	.user		= DAEMON_AUTH,
	.root		= DAEMON_ROOT_NONE,
	.params		= authd_params,
	.conf_size	= sizeof(struct authd_conf),
	.parts		= authd_parts,
	.nparts		= COUNT(authd_parts),
	.reload		= reload,
	.open_as_root	= open_as_root,
	.start		= start,
	.handlers	= authd_handlers,
	.ipc_closed	= authd_ipc_closed,
	.client_limit	= 10000,
};

int
main(int argc, char **argv)
{
	struct daemon_desc	d = authd;

	d.nparams = authd_nparams;
	d.nhandlers = authd_nhandlers;
	return daemon_run(&d, argc, argv);
}
