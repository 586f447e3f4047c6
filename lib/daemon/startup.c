/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "daemon/daemon_int.h"
#include "daemon/seccomp.h"
#include "sys/log.h"

#define FILES_MAX	65536

/* "127.0.0.1:smtp", "[::1]:smtp" -> "smtp"; other names stay. */
static const char *
plain_name(const char *service)
{
	const char	*colon = strrchr(service, ':');

	return colon != NULL && colon[1] != '\0' ? colon + 1 : service;
}

static void
names(struct daemon *d)
{
	d->service = d->opt.service != NULL ? d->opt.service : d->desc->name;
	d->service_name = plain_name(d->service);
}

static int
client_limit(struct daemon *d, struct generation *g, struct error *err)
{
	const char	*who[] = { d->service_name, d->desc->name };
	const char	*name, *value;
	uint64_t	 v;

	g->client_limit = d->desc->client_limit > 0 ?
	    d->desc->client_limit : INT32_MAX;
	for (size_t i = 0; i < COUNT(who); i++) {
		name = arena_printf(g->mem, "%s_client_limit", who[i]);
		value = conf_value(g->conf, g->mem, name);
		if (value[0] == '\0')
			continue;
		if (!slice_u64(slice_str(value), INT32_MAX, &v) || v == 0)
			return error_set(err, "parameter %s: \"%s\" is not a "
			    "number above 0", name, value);
		g->client_limit = (int64_t)v;
		break;
	}
	return 0;
}

static int
fill(struct daemon *d, struct generation *g, struct error *err)
{
	const struct daemon_desc	*desc = d->desc;
	struct conf	*c = g->conf;

	conf_know(c, conf_common_params, conf_common_nparams);
	conf_know(c, daemon_params_table, daemon_nparams);
	if (desc->nparams > 0)
		conf_know(c, desc->params, desc->nparams);
	for (size_t i = 0; i < desc->nparts; i++)
		conf_know(c, desc->parts[i].params, *desc->parts[i].nparams);

	if (conf_fill(c, conf_common_params, conf_common_nparams, g->mem,
	    &g->common, err) < 0 ||
	    conf_fill(c, daemon_params_table, daemon_nparams, g->mem, &g->own,
	    err) < 0)
		return -1;
	g->params = arena_alloc(g->mem, desc->conf_size + 1);
	if (desc->nparams > 0 && conf_fill(c, desc->params, desc->nparams,
	    g->mem, g->params, err) < 0)
		return -1;
	g->parts = arena_array(g->mem, desc->nparts + 1, sizeof(void *));
	for (size_t i = 0; i < desc->nparts; i++) {
		if (desc->parts[i].size == 0)
			continue;	/* the library fills its own */
		g->parts[i] = arena_alloc(g->mem, desc->parts[i].size + 1);
		if (conf_fill(c, desc->parts[i].params,
		    *desc->parts[i].nparams, g->mem, g->parts[i], err) < 0)
			return -1;
	}
	if (d->opt.max_use > 0)
		g->own.max_use = d->opt.max_use;
	if (d->opt.max_idle > 0)
		g->own.max_idle = SECS(d->opt.max_idle);
	return client_limit(d, g, err);
}

static void
generation_free(struct generation *g)
{
	struct arena	*mem = g->mem;

	conf_free(&g->conf);
	arena_free(&mem);
}

/* Read the configuration; it becomes the current generation.  Older ones stay
 * in memory, because programs hold pointers into them. */
int
startup_config(struct daemon *d, struct error *err)
{
	struct arena		*mem = arena_new();
	struct generation	*g = arena_alloc(mem, sizeof(*g));

	g->mem = mem;
	names(d);
	if (conf_load(d->opt.config_dir, &g->conf, err) < 0) {
		arena_free(&mem);
		return -1;
	}
	for (size_t i = 0; d->opt.overrides[i] != NULL; i++)
		if (conf_override(g->conf, d->opt.overrides[i], err) < 0)
			goto fail;
	conf_set(g->conf, "service_name", d->service_name);
	conf_set(g->conf, "process_name", d->desc->name);
	conf_set(g->conf, "process_id",
	    arena_printf(g->mem, "%d", (int)getpid()));
	if (fill(d, g, err) < 0)
		goto fail;
	g->older = d->gen;
	d->gen = g;
	return 0;
fail:
	generation_free(g);
	return -1;
}

int
startup_log(struct daemon *d, struct error *err)
{
	const struct conf_common	*c = &d->gen->common;
	const char	*tag;
	bool		 by_hand = d->opt.listen[0] != NULL;

	tag = d->desc->log_tag != NULL ? d->desc->log_tag : d->service_name;
	tag = arena_printf(d->mem, "%s/%s", c->syslog_name, tag);
	log_verbose(d->opt.verbose > 0);
	if (c->maillog_file[0] == '\0') {
		/* /dev/log may be missing: then lines go to stderr */
		(void)log_open(tag, by_hand ? LOG_TO_STDERR : LOG_TO_SYSLOG,
		    NULL);
		return 0;
	}
	if (log_open(tag, LOG_TO_FILE, c->maillog_file) < 0)
		return error_sys(err, "open %s", c->maillog_file);
	return 0;
}

static int
user_of(const struct daemon *d, struct privs_user *out, struct error *err)
{
	const struct conf_common	*c = &d->gen->common;
	const char	*name = NULL;

	switch (d->desc->user) {
	case DAEMON_MAIL:
		name = c->mail_owner;
		break;
	case DAEMON_NET:
		name = c->net_owner;
		break;
	case DAEMON_AUTH:
		name = c->auth_owner;
		break;
	case DAEMON_LOGIN:
		name = c->login_owner;
		break;
	case DAEMON_ROOT:
		*out = (struct privs_user){ 0, 0 };
		return 0;
	}
	if (privs_find(name, out, err) < 0)
		return -1;
	if (out->uid == 0 || out->gid == 0)
		return error_set(err, "user %s: daemons must not run as root",
		    name);
	return 0;
}

int
startup_users(struct daemon *d, struct error *err)
{
	const struct conf_common	*c = &d->gen->common;
	const char	*names[COUNT(d->suite)] = {
		c->mail_owner, c->net_owner, c->auth_owner, c->login_owner,
	};

	for (size_t i = 0; d->privileged && i < COUNT(names); i++) {
		struct privs_user	 u;

		if (privs_find(names[i], &u, err) < 0)
			return -1;
		d->suite[i] = u.uid;
	}
	return 0;
}

bool
startup_is_ours(const struct daemon *d, uid_t uid)
{
	for (size_t i = 0; i < COUNT(d->suite); i++)
		if (d->privileged && d->suite[i] == uid)
			return true;
	return false;
}

static const char *
root_of(struct daemon *d)
{
	const char	*queue = d->gen->common.queue_directory;

	switch (d->desc->root) {
	case DAEMON_ROOT_NONE:
		break;
	case DAEMON_ROOT_QUEUE:
		/* By hand, -c names a directory: no way to ask for it. */
		return d->opt.chroot ? queue : NULL;
	case DAEMON_ROOT_EMPTY:
		return arena_printf(d->mem, "%s/empty", queue);
	case DAEMON_ROOT_LOGIN:
		return arena_printf(d->mem, "%s/login", queue);
	}
	return NULL;
}

static void
limits(void)
{
	struct rlimit	 r;

	/* Many sessions per process: all descriptors we may have. */
	if (getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur < r.rlim_max) {
		r.rlim_cur = r.rlim_max < FILES_MAX ? r.rlim_max : FILES_MAX;
		(void)setrlimit(RLIMIT_NOFILE, &r);
	}
	/* A core file would hold mail and secrets. */
	r.rlim_cur = r.rlim_max = 0;
	(void)setrlimit(RLIMIT_CORE, &r);
}

static int
landlock(struct daemon *d, struct error *err)
{
	int	 r;

	if (d->desc->landlock == NULL)
		return 0;
	r = privs_landlock(d->desc->landlock, d->desc->nlandlock, err);
	if (r < 0)
		return error_in(err, "landlock");
	if (r == 0)
		log_debug("this kernel has no Landlock");
	return 0;
}

static int
seccomp(struct error *err)
{
	int	 r = seccomp_deny(err);

	if (r == 0)
		log_debug("no seccomp filter");
	return r < 0 ? -1 : 0;
}

/* Give up what is not needed; from here on the program is harmless. */
int
startup_privileges(struct daemon *d, struct error *err)
{
	struct privs_user	 u;
	const char		*root;

	limits();
	if (d->privileged) {
		if (d->desc->user == DAEMON_ROOT && d->opt.by_master &&
		    d->opt.unpriv)
			return error_set(err, "service %s needs root "
			    "privileges: its unpriv field in master.cf must "
			    "be n", d->service);
		if (user_of(d, &u, err) < 0)
			return -1;
		root = root_of(d);
		if (root != NULL && privs_chroot(root, err) < 0)
			return -1;
		d->chrooted = root != NULL;
		if (d->desc->user != DAEMON_ROOT && privs_drop(u, err) < 0)
			return -1;
	}
	if (d->privileged && d->desc->user == DAEMON_ROOT &&
	    privs_only_read(err) < 0)
		return -1;
	/* Parents that keep root too: their workers are forked by a process
	 * split off before, and may still run a user's command that needs
	 * set-gid postdrop. */
	if (privs_no_new(err) < 0 || landlock(d, err) < 0)
		return -1;
	return seccomp(err);
}
