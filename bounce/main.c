/* SPDX-License-Identifier: Apache-2.0 */
#include "bounce/bounce.h"

#include "intake/intake_service.h"
#include "route/route.h"
#include "sys/loop.h"

#define CONF	struct bounce_conf

static const struct param params[] = {
	P_SIZE(CONF, size_limit, "bounce_size_limit", "50000", 1, 0,
	    "A returned message larger than this loses all but its header."),
	P_STR(CONF, notify_classes, "notify_classes",
	    "2bounce, resource, software",
	    "What the postmaster is told of: bounce, 2bounce, delay."),
	P_STR(CONF, notice_2bounce, "2bounce_notice_recipient", "postmaster",
	    "Who gets undeliverable mail that cannot be returned."),
	P_STR(CONF, notice_bounce, "bounce_notice_recipient", "postmaster",
	    "Who gets postmaster copies of returned mail."),
	P_STR(CONF, notice_delay, "delay_notice_recipient", "postmaster",
	    "Who gets postmaster copies of delay warnings."),
	P_TIME(CONF, lifetime, "maximal_queue_lifetime", "5d", 'd', 0, 0,
	    "How long a message may stay in the queue before it is "
	    "returned."),
	P_BOOL(CONF, threaded, "enable_threaded_bounces", "no",
	    "Notices refer to the Message-ID of the message they are about."),
};

static const struct daemon_conf_part parts[] = {
	{ route_params, &route_nparams, 0 },
	{ intake_params, &intake_nparams, 0 },
};

static const struct ipc_handler handlers[] = {
	{ &queue_notice_desc, job_begin },
};

static int
open_tables(struct daemon *d, struct error *err)
{
	struct bounce	*b = arena_alloc(daemon_arena(d), sizeof(*b));

	daemon_set_state(d, b);
	b->d = d;
	b->conf = daemon_params(d);
	b->common = daemon_common(d);
	return intake_service_open(d, &b->route, &b->intake, err);
}

static int
start(struct daemon *d, struct error *err)
{
	struct bounce		*b = daemon_state(d);

	b->qmgr = ipc_client_new(daemon_loop(d), "private/qmgr");
	return intake_service_queue(d, b->qmgr, false, &b->queue, err);
}

static const struct privs_path landlock[] = {
	{ ".", PRIVS_READ | PRIVS_WRITE | PRIVS_RENAME },
};

static const struct daemon_desc bounce = {
	.name = "bounce",
	.log_tag = "bounce",
	.kind = DAEMON_IPC,
	.user = DAEMON_MAIL,
	.root = DAEMON_ROOT_QUEUE,
	.params = params,
	.nparams = COUNT(params),
	.conf_size = sizeof(struct bounce_conf),
	.parts = parts,
	.nparts = COUNT(parts),
	.open_as_root = open_tables,
	.start = start,
	.handlers = handlers,
	.nhandlers = COUNT(handlers),
	.client_limit = 100,
	.landlock = landlock,
	.nlandlock = COUNT(landlock),
};

int
main(int argc, char **argv)
{
	return daemon_run(&bounce, argc, argv);
}
