/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "daemon/daemon.h"
#include "imapd/imapd.h"

static void
over(void *arg)
{
	struct session_lease	*lease = arg;

	session_lease_end(&lease);
}

static void *
start_worker(struct daemon *d, uid_t uid, gid_t gid)
{
	const struct conf_common	*common = daemon_common(d);
	struct worker			*w;

	(void)uid;
	(void)gid;
	w = worker_new(daemon_loop(d), daemon_syncer(d), daemon_params(d),
	    (uint64_t)common->message_size_limit, common->myhostname);
	w->closed = over;
	return w;
}

static int
accept_session(void *worker, const struct session_start *s,
    struct session_lease *lease, struct error *err)
{
	return session_begin(worker, s, lease, err);
}

static int64_t
max_userip(struct daemon *d)
{
	const struct imapd_conf	*conf = daemon_params(d);

	return conf->userip_max;
}

static const struct session_broker_desc	broker = {
	.service = "imap",
	.worker_start = start_worker,
	.accept = accept_session,
	.drain = worker_drain,
	.max_userip = max_userip,
};

static int
prepare(struct daemon *d, struct error *err)
{
	const struct imapd_conf	*conf = daemon_params(d);

	/* What Maildir++ names and clients can live with. */
	if (strcmp(conf->separator, "/") != 0 &&
	    strcmp(conf->separator, ".") != 0)
		return error_set(err, "imapd_hierarchy_separator is \"%s\", "
		    "it must be / or a dot", conf->separator);
	return session_broker_prepare(d, &broker, err);
}

static const struct daemon_desc	imapd = {
	SESSION_BROKER_DAEMON,
	.name = "imapd",
	.log_tag = "imap",
	.params = imapd_params,
	.nparams = IMAPD_NPARAMS,
	.conf_size = sizeof(struct imapd_conf),
	.open_as_root = prepare,
	.start = session_broker_start,
	.client_limit = 1000,
};

int
main(int argc, char **argv)
{
	return daemon_run(&imapd, argc, argv);
}
