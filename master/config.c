/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "master/master.h"

const struct param master_params[] = {
	P_TIME(struct master_conf, throttle_time, "service_throttle_time",
	    "60s", 's', 1, INT32_MAX, "Longest wait before a service whose "
	    "process fails is started again; the wait begins at one second "
	    "and doubles."),
	P_TIME(struct master_conf, stop_time, "master_stop_time", "10s", 's',
	    1, INT32_MAX, "How long daemons may finish what they do when the "
	    "mail system stops, before they are killed."),
	P_TIME(struct master_conf, stress_time, "master_stress_time", "1000s",
	    's', 1, INT32_MAX, "How long new processes of a service run with "
	    "stress=yes after it had reached its process limit."),
	P_STR(struct master_conf, service_disable, "master_service_disable",
	    "", "Services that are not started: \"type\" or \"name/type\"."),
	P_INT(struct master_conf, backlog, "master_listen_backlog", "1024", 1,
	    65535, "Connections the kernel holds for a service until a "
	    "process takes them."),
	P_STR(struct master_conf, import_environment, "import_environment",
	    "MAIL_CONFIG MAIL_DEBUG MAIL_LOGTAG TZ XAUTHORITY DISPLAY LANG=C",
	    "What daemons get of master's environment: names, or name=value; "
	    "what master sets itself is not changed by it."),
};
const size_t	master_nparams = COUNT(master_params);

static const struct program programs[] = {
	{ "smtp",	"smtp-client",		PROGRAM_RUN },
	{ "lmtp",	"smtp-client",		PROGRAM_RUN },
	{ "relay",	"smtp-client",		PROGRAM_RUN },
	{ "local",	"local-delivery",	PROGRAM_RUN },
	{ "virtual",	"local-delivery",	PROGRAM_RUN },
	{ "pipe",	"local-delivery",	PROGRAM_RUN },
	{ "imap-login",	"login",		PROGRAM_RUN },
	{ "pop3-login",	"login",		PROGRAM_RUN },
	{ "auth",	"authd",		PROGRAM_ONE },
	{ "authd",	"authd",		PROGRAM_ONE },
	{ "qmgr",	"qmgr",			PROGRAM_SUCCEEDED },
	{ "nqmgr",	"qmgr",			PROGRAM_SUCCEEDED },
	{ "oqmgr",	"qmgr",			PROGRAM_SUCCEEDED },
	{ "pickup",	"pickup",		PROGRAM_ONE },
	{ "anvil",	"anvil",		PROGRAM_ONE },
	{ "cleanup",	NULL,			PROGRAM_UNNEEDED },
	{ "trivial-rewrite",	NULL,		PROGRAM_UNNEEDED },
	{ "tlsmgr",	NULL,			PROGRAM_UNNEEDED },
	{ "tlsproxy",	NULL,			PROGRAM_UNNEEDED },
	{ "scache",	NULL,			PROGRAM_UNNEEDED },
	{ "showq",	NULL,			PROGRAM_UNNEEDED },
	{ "flush",	NULL,			PROGRAM_UNNEEDED },
	{ "verify",	NULL,			PROGRAM_UNNEEDED },
	{ "error",	NULL,			PROGRAM_UNNEEDED },
	{ "retry",	NULL,			PROGRAM_UNNEEDED },
	{ "discard",	NULL,			PROGRAM_UNNEEDED },
	{ "postlogd",	NULL,			PROGRAM_UNNEEDED },
	{ "proxymap",	NULL,			PROGRAM_UNNEEDED },
	{ "dnsblog",	NULL,			PROGRAM_UNNEEDED },
};

/* A master.cf of Postfix has no lines for these; mail needs them. */
static const struct master_service implied[] = {
	{ .name = "resolver", .type = SERVICE_UNIX, .command = "resolver" },
	{ .name = "auth", .type = SERVICE_UNIX, .command = "authd" },
	{ .name = "bounce", .type = SERVICE_UNIX, .command = "bounce" },
	{ .name = "anvil", .type = SERVICE_UNIX, .command = "anvil" },
};

const struct program *
config_program(const struct master_service *s)
{
	for (size_t i = 0; i < COUNT(programs); i++)
		if (slice_is(slice_str(s->command), programs[i].command))
			return &programs[i];
	return NULL;
}

static bool
has(const struct master_cf *cf, const struct master_service *s)
{
	for (size_t i = 0; i < cf->count; i++)
		if (slice_is(slice_str(cf->services[i].name), s->name) &&
		    cf->services[i].type == s->type)
			return true;
	return false;
}

static void
add_implied(struct config *c)
{
	static const char	*none[] = { NULL };
	struct master_cf	*cf = &c->services;
	struct master_service	*all;
	size_t			 n = cf->count;

	all = arena_array(c->mem, n + COUNT(implied), sizeof(*all));
	for (size_t i = 0; i < n; i++)
		all[i] = cf->services[i];
	for (size_t i = 0; i < COUNT(implied); i++) {
		if (has(cf, &implied[i]))
			continue;
		all[n] = implied[i];
		all[n].is_private = all[n].unpriv = true;
		all[n].maxproc = 1;
		all[n].host = all[n].port = "";
		all[n].args = all[n].overrides = none;
		n++;
	}
	cf->services = all;
	cf->count = n;
}

static int
fill(struct master *m, struct config *c, struct error *err)
{
	if (conf_load(m->config_dir, &c->conf, err) < 0)
		return -1;
	conf_know(c->conf, conf_common_params, conf_common_nparams);
	conf_know(c->conf, master_params, master_nparams);
	if (conf_fill(c->conf, conf_common_params, conf_common_nparams, c->mem,
	    &c->common, err) < 0 ||
	    conf_fill(c->conf, master_params, master_nparams, c->mem, &c->own,
	    err) < 0)
		return -1;
	return mastercf_load(m->config_dir,
	    (int)c->common.default_process_limit, false, c->mem, &c->services,
	    err);
}

int
config_load(struct master *m, struct error *err)
{
	struct arena	*mem = arena_new();
	struct config	*c = arena_alloc(mem, sizeof(*c));

	c->mem = mem;
	if (fill(m, c, err) < 0) {
		if (c->conf != NULL)
			conf_free(&c->conf);
		arena_free(&mem);
		return -1;
	}
	add_implied(c);
	c->older = m->config;
	m->config = c;
	return 0;
}

void
config_free(struct master *m)
{
	struct config	*c;

	while ((c = m->config) != NULL) {
		struct arena	*mem = c->mem;

		m->config = c->older;
		conf_free(&c->conf);
		arena_free(&mem);
	}
}
