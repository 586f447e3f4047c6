/* SPDX-License-Identifier: Apache-2.0 */
/* Counting what a client does, over all processes.  A missing anvil lets
 * everything pass: it protects, it does not decide. */
#include "smtpd/smtpd.h"
#include "sys/log.h"

#define ANVIL_WAIT	SECS(10)

static const char *
ident(struct conn *c)
{
	return arena_printf(c->mem, "%s:%s", daemon_service_name(c->s->d),
	    c->ip);
}

static void
answered(void *arg, void *res, const char *why)
{
	struct conn	*c = arg;

	c->anvil_call = 0;
	if (res == NULL)
		log_debug("anvil: %s", why);
	conn_enter(c);
	c->anvil_then(c, res);
	conn_leave(c);
}

void
anvil_event(struct conn *c, enum anvil_event e,
    void (*then)(struct conn *c, const struct anvil_res *r))
{
	struct anvil_req	req = { .event = e, .ident = ident(c) };

	c->anvil_then = then;
	c->anvil_call = ipc_client_call(c->s->anvil, &anvil_req_desc, &req,
	    &anvil_res_desc, ANVIL_WAIT, answered, c);
}

void
anvil_note(struct conn *c, enum anvil_event e)
{
	struct anvil_req	req = { .event = e, .ident = ident(c) };
	struct error		err;

	if (ipc_client_send(c->s->anvil, &anvil_req_desc, &req, &err) < 0)
		log_debug("anvil: %s", err.text);
}
