/* SPDX-License-Identifier: Apache-2.0 */
#include "pickup/pickup.h"

#include "intake/intake_service.h"
#include "route/route.h"
#include "sys/loop.h"

static const struct daemon_conf_part parts[] = {
	{ route_params, &route_nparams, 0 },
	{ intake_params, &intake_nparams, 0 },
};

static const struct ipc_handler handlers[] = {
	{ &queue_forward_desc, forward_begin },
};

void
tell_qmgr(struct pickup *p, const char *id)
{
	struct queue_place	where = { .id = id };

	intake_service_announce(p->qmgr, &where);
}

void
count_message(struct pickup *p)
{
	daemon_count(p->d, COUNT_MESSAGES, 1);
}

static int
open_tables(struct daemon *d, struct error *err)
{
	struct pickup	*p = arena_alloc(daemon_arena(d), sizeof(*p));

	daemon_set_state(d, p);
	p->d = d;
	p->common = daemon_common(d);
	return intake_service_open(d, &p->route, &p->intake, err);
}

static void
on_wakeup(struct daemon *d)
{
	scan_start(daemon_state(d));
}

/* postdrop says all it has to say by connecting and going away. */
static void
on_closed(void *daemon, struct ipc *c, const char *why)
{
	(void)c;
	(void)why;
	scan_start(daemon_state(daemon));
}

static int
start(struct daemon *d, struct error *err)
{
	struct pickup		*p = daemon_state(d);

	p->qmgr = ipc_client_new(daemon_loop(d), "private/qmgr");
	if (intake_service_queue(d, p->qmgr, false, &p->queue, err) < 0 ||
	    scan_open(p, err) < 0)
		return -1;
	scan_start(p);
	return 0;
}

static const struct privs_path landlock[] = {
	{ ".", PRIVS_READ | PRIVS_WRITE | PRIVS_RENAME },
};

static const struct daemon_desc pickup = {
	.name = "pickup",
	.log_tag = "pickup",
	.kind = DAEMON_IPC,
	.user = DAEMON_MAIL,
	.root = DAEMON_ROOT_QUEUE,
	.parts = parts,
	.nparts = COUNT(parts),
	.open_as_root = open_tables,
	.start = start,
	.handlers = handlers,
	.nhandlers = COUNT(handlers),
	.ipc_closed = on_closed,
	.wakeup = on_wakeup,
	.client_limit = 100,
	.landlock = landlock,
	.nlandlock = COUNT(landlock),
};

int
main(int argc, char **argv)
{
	return daemon_run(&pickup, argc, argv);
}
