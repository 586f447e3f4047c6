/* SPDX-License-Identifier: Apache-2.0 */
#include "pickup/pickup.h"

#include "base/mem.h"
#include "route/route.h"
#include "sys/log.h"
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
	struct queue_new	 new = { id };
	struct error		 err;

	/* qmgr finds it by itself if it cannot be told now. */
	if (ipc_client_send(p->qmgr, &queue_new_desc, &new, &err) < 0)
		log_warn("%s: cannot tell the queue manager: %s", id,
		    err.text);
	daemon_count(p->d, COUNT_MESSAGES, 1);
}

void
log_message_id(const struct intake_result *r)
{
	char	*tag;

	if (r->message_id == NULL || r->message_id[0] == '\0')
		return;
	tag = mem_printf("%s/cleanup", log_name());
	log_info_as(tag, "%s: message-id=%s", r->queue_id, r->message_id);
	mem_free(&tag);
}

static void
wake(void *arg)
{
	struct pickup	*p = arg;

	if (p->intake != NULL)
		intake_wake(p->intake);
}

static int
open_tables(struct daemon *d, struct error *err)
{
	struct pickup	*p = arena_alloc(daemon_arena(d), sizeof(*p));
	struct map_env	*env = arena_alloc(daemon_arena(d), sizeof(*env));

	daemon_set_state(d, p);
	p->d = d;
	p->common = daemon_common(d);
	*env = (struct map_env){
		.default_type = p->common->default_database_type,
		.wake = wake, .arg = p,
	};
	if (route_open(daemon_conf(d), env, &p->route, err) < 0)
		return -1;
	return intake_open(daemon_conf(d), p->common, p->route, env,
	    &p->intake, err);
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
	struct queue_conf	 qc = { ".", p->common->queue_minfree };

	p->qmgr = ipc_client_new(daemon_loop(d), "private/qmgr");
	if (queue_open(&qc, false, daemon_syncer(d), &p->queue, err) < 0 ||
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
