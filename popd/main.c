/* SPDX-License-Identifier: Apache-2.0 */
#include "popd/popd.h"

#define S	struct popd_conf
static const struct param popd_params[] = {
	P_RAW(S, uidl_format, "popd_uidl_format", "%08Xu%08Xv",
	    "Form of UIDLs: %u uid, %v uidvalidity, %f file name, %g guid of "
	    "the mailbox; %08X before a letter for hexadecimal."),
	P_BOOL(S, no_flag_updates, "popd_no_flag_updates", "no",
	    "Do not mark retrieved messages as read."),
	P_TIME(S, timeout, "popd_timeout", "10m", 's', 1, 86400,
	    "How long a client may say nothing (RFC 1939: 10 minutes)."),
	P_INT(S, userip_max, "popd_user_address_limit", "20", 1, 1000000,
	    "How many sessions a user may have from one address."),
};
#undef S

static void *
start_worker(struct daemon *d, uid_t uid, gid_t gid)
{
	struct worker		*w = arena_alloc(daemon_arena(d), sizeof(*w));
	const struct store_conf	 conf = {
		.hostname = daemon_common(d)->myhostname,
		.separator = '/',
	};

	(void)uid;
	(void)gid;
	w->daemon = d;
	w->conf = daemon_params(d);
	list_init(&w->sessions);
	w->store = store_new(daemon_loop(d), daemon_syncer(d), &conf);
	return w;
}

static int
accept_session(void *worker, const struct session_start *s,
    struct session_lease *lease, struct error *err)
{
	return session_begin(worker, s, lease, err);
}

static void
drain_worker(void *worker, bool stop)
{
	struct worker	*w = worker;

	if (!stop)
		return;
	LIST_EACH(l, &w->sessions) {
		struct session	*s = LIST_ENTRY(l, struct session, link);

		if (s->state == SESSION_OPEN)
			session_end(s, "Server shutting down");
	}
}

static int64_t
userip_max(struct daemon *d)
{
	const struct popd_conf	*conf = daemon_params(d);

	return conf->userip_max;
}

static const struct session_broker_desc	broker = {
	.service	= "pop3",
	.worker_start	= start_worker,
	.accept		= accept_session,
	.drain		= drain_worker,
	.max_userip	= userip_max,
};

static int
prepare(struct daemon *d, struct error *err)
{
	const struct popd_conf		*conf = daemon_params(d);
	const struct pop3_uidl		 u = { 1, 1, "g", "f" };
	char				 id[POP3_UIDL_MAX + 1];

	if (pop3_uidl_format(conf->uidl_format, &u, id) < 0)
		return error_set(err, "popd_uidl_format: \"%s\" is not a "
		    "format of UIDLs", conf->uidl_format);
	return session_broker_prepare(d, &broker, err);
}

static const struct daemon_desc	popd = {
	SESSION_BROKER_DAEMON,
	.name		= "popd",
	.log_tag	= "pop3",
	.params		= popd_params,
	.nparams	= COUNT(popd_params),
	.conf_size	= sizeof(struct popd_conf),
	.open_as_root	= prepare,
	.start		= session_broker_start,
	.client_limit	= 1000,
};

int
main(int argc, char **argv)
{
	return daemon_run(&popd, argc, argv);
}
