/* SPDX-License-Identifier: Apache-2.0 */
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

static const struct session_broker_desc	broker = {
	.service = "imap",
	.worker_start = start_worker,
	.accept = accept_session,
};

static int
start(struct daemon *d, struct error *err)
{
	return session_broker_start(d, &broker, err);
}

int
main(int argc, char **argv)
{
	struct daemon_desc	imapd = {
		.name = "imapd",
		.log_tag = "imap",
		.kind = DAEMON_IPC,
		.user = DAEMON_ROOT,
		.params = imapd_params,
		.nparams = imapd_nparams,
		.conf_size = sizeof(struct imapd_conf),
		.start = start,
		.drain = session_broker_drain,
		.handlers = session_broker_handlers,
		.nhandlers = session_broker_nhandlers,
		.client_limit = 1000,
	};

	return daemon_run(&imapd, argc, argv);
}
