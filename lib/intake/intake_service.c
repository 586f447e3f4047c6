/* SPDX-License-Identifier: Apache-2.0 */
#include "intake/intake_service.h"

#include "base/fmt.h"
#include "daemon/daemon.h"
#include "ipc/ipc.h"
#include "ipc/queue_msg.h"
#include "sys/log.h"

static void
wake(void *arg)
{
	struct intake	**intake = arg;

	if (*intake != NULL)
		intake_wake(*intake);
}

int
intake_service_open(struct daemon *d, struct route **route_out,
    struct intake **intake_out, struct error *err)
{
	const struct conf_common	*common = daemon_common(d);
	struct map_env			*env = arena_alloc(daemon_arena(d),
					    sizeof(*env));

	*env = (struct map_env){
		.default_type = common->default_database_type,
		.wake = wake, .arg = intake_out,
	};
	if (route_open(daemon_conf(d), env, route_out, err) < 0)
		return -1;
	return intake_open(daemon_conf(d), common, *route_out, env,
	    intake_out, err);
}

void
intake_service_log(const struct intake_result *r)
{
	char	tag[128];

	if (r->message_id == NULL || r->message_id[0] == '\0')
		return;
	(void)fmt_print(tag, sizeof(tag), "%s/cleanup", log_name());
	log_info_as(tag, "%s: message-id=%s", r->queue_id, r->message_id);
}

void
intake_service_announce(struct ipc_client *qmgr,
    const struct queue_place *where)
{
	struct queue_new	new = {
		.queue_id = where->id, .segment = where->segment,
		.end = where->end
	};
	struct error		err;

	if (ipc_client_send(qmgr, &queue_new_desc, &new, &err) < 0)
		log_warn("%s: cannot tell the queue manager: %s",
		    where->id != NULL ? where->id : where->segment, err.text);
}

static void
tell(void *arg, const struct queue_place *where)
{
	intake_service_announce(arg, where);
}

static size_t
count_clients(void *arg)
{
	return (size_t)daemon_sessions(arg);
}

int
intake_service_queue(struct daemon *d, struct ipc_client *qmgr, bool create,
    struct queue **out, struct error *err)
{
	const struct conf_common	*c = daemon_common(d);
	struct queue_conf		 conf = {
		.dir = ".", .minfree = c->queue_minfree,
		.journal = c->queue_sync == QUEUE_SYNC_JOURNAL,
		.clients = count_clients, .clients_arg = d,
	};

	if (queue_open(&conf, create, daemon_syncer(d), out, err) < 0)
		return -1;
	queue_listen(*out, tell, qmgr);
	return 0;
}
