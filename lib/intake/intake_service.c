/* SPDX-License-Identifier: Apache-2.0 */
#include "intake/intake_service.h"

#include <stdio.h>

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
	(void)snprintf(tag, sizeof(tag), "%s/cleanup", log_name());
	log_info_as(tag, "%s: message-id=%s", r->queue_id, r->message_id);
}

void
intake_service_announce(struct ipc_client *qmgr, const char *queue_id)
{
	struct queue_new	new = { .queue_id = queue_id };
	struct error		err;

	if (ipc_client_send(qmgr, &queue_new_desc, &new, &err) < 0)
		log_warn("%s: cannot tell the queue manager: %s", queue_id,
		    err.text);
}
