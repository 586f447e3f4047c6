/* SPDX-License-Identifier: Apache-2.0 */
/*
 * anvil - counts what clients do, over all processes of all services.
 *
 * One record per ident ("smtp:192.0.2.1").  Open connections are owned by the
 * IPC connection that reported them: when a daemon dies, what it held is
 * given back.  Rates are counted per anvil_rate_time_unit, which begins with
 * a client's first event.  A record without open connections goes away when
 * its unit is over; memory is bounded by anvil_clients_limit, beyond which
 * the records nearest to their end make room.
 */
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "base/hash.h"
#include "base/heap.h"
#include "base/mem.h"
#include "daemon/daemon.h"
#include "ipc/anvil_msg.h"
#include "sys/clock.h"
#include "sys/log.h"
#include "sys/loop.h"

#define EVENTS	(ANVIL_AUTH_FAILURE + 1)
#define SWEEP	SECS(1)

struct anvil_conf {
	usec_t	 rate_time_unit, status_update_time;
	int64_t	 clients_limit;
};

static const struct param anvil_params[] = {
	P_TIME(struct anvil_conf, rate_time_unit, "anvil_rate_time_unit",
	    "60s", 's', 1, INT32_MAX,
	    "The time over which client rates are counted."),
	P_TIME(struct anvil_conf, status_update_time,
	    "anvil_status_update_time", "600s", 's', 1, INT32_MAX,
	    "How often peak usage is logged."),
	P_INT(struct anvil_conf, clients_limit, "anvil_clients_limit",
	    "1000000", 100, 100000000,
	    "How many clients are remembered at most."),
};

struct client {
	struct heap_node node;		/* by the end of its time unit */
	char		*ident;
	uint64_t	 open;
	uint64_t	 rate[EVENTS];
};

/* What one IPC connection holds: ident -> how many. */
struct holder {
	struct hash	*held;		/* struct held */
};
struct held {
	struct client	*client;
	uint64_t	 count;
};

struct peak {
	uint64_t	 value;
	char		 ident[128];
	usec_t		 when_wall;
};

struct anvil {
	struct daemon	*d;
	struct hash	*clients, *holders;
	struct heap	 ends;
	struct loop_timer	*sweep, *report;
	struct peak	 peaks[EVENTS], connections;
	size_t		 peak_size;
	usec_t		 peak_size_wall;
};

static const char *const	rate_names[EVENTS] = {
	[ANVIL_CONNECT] = "connection", [ANVIL_DISCONNECT] = NULL,
	[ANVIL_MESSAGE] = "message", [ANVIL_RCPT] = "recipient",
	[ANVIL_AUTH] = "auth", [ANVIL_NEWTLS] = "newtls",
	[ANVIL_AUTH_FAILURE] = "auth failure",
};

static const struct anvil_conf *
conf(const struct anvil *a)
{
	return daemon_params(a->d);
}

/* Clients */

static void
client_free(struct anvil *a, struct client *c)
{
	heap_del(&a->ends, &c->node);
	hash_dels(a->clients, c->ident);
	mem_free(&c->ident);
	mem_free(&c);
}

static void
unit_begin(struct anvil *a, struct client *c)
{
	for (size_t i = 0; i < EVENTS; i++)
		c->rate[i] = 0;
	heap_put(&a->ends, &c->node,
	    clock_mono() + conf(a)->rate_time_unit);
}

/* Units that are over: forget the client, or begin a new one. */
static void
sweep(struct anvil *a, size_t most)
{
	usec_t			 now = clock_mono();
	struct heap_node	*n;

	while (most-- > 0 && (n = heap_first(&a->ends)) != NULL &&
	    n->key <= now) {
		struct client	*c = CONTAINER(n, struct client, node);

		if (c->open == 0)
			client_free(a, c);
		else
			unit_begin(a, c);
	}
}

/* At the limit somebody's counts are lost: those that would end first. */
static void
make_room(struct anvil *a)
{
	struct heap_node	*n;

	for (int i = 0; i < 64; i++) {
		if (hash_count(a->clients) < (size_t)conf(a)->clients_limit ||
		    (n = heap_first(&a->ends)) == NULL)
			return;
		if (CONTAINER(n, struct client, node)->open == 0)
			client_free(a, CONTAINER(n, struct client, node));
		else
			unit_begin(a, CONTAINER(n, struct client, node));
	}
}

static struct client *
client_get(struct anvil *a, const char *ident)
{
	struct client	*c = hash_gets(a->clients, ident);

	if (c != NULL) {
		if (c->node.key <= clock_mono())
			unit_begin(a, c);
		return c;
	}
	make_room(a);
	c = mem_new(1, sizeof(*c));
	c->ident = mem_strdup(ident);
	hash_puts(a->clients, ident, c);
	unit_begin(a, c);
	if (hash_count(a->clients) > a->peak_size) {
		a->peak_size = hash_count(a->clients);
		a->peak_size_wall = clock_wall();
	}
	return c;
}

/* What a connection holds */

static struct holder *
holder_get(struct anvil *a, struct ipc *from)
{
	struct slice	 key = slice_of(&from, sizeof(from));
	struct holder	*h = hash_get(a->holders, key);

	if (h != NULL)
		return h;
	h = mem_new(1, sizeof(*h));
	h->held = hash_new();
	hash_put(a->holders, key, h);
	return h;
}

static void
hold(struct anvil *a, struct ipc *from, struct client *c)
{
	struct holder	*h = holder_get(a, from);
	struct held	*x = hash_gets(h->held, c->ident);

	if (x == NULL) {
		x = mem_new(1, sizeof(*x));
		x->client = c;
		hash_puts(h->held, c->ident, x);
	}
	x->count++;
	c->open++;
}

/* A daemon gives back only what it took. */
static void
release(struct anvil *a, struct ipc *from, const char *ident)
{
	struct holder	*h = holder_get(a, from);
	struct held	*x = hash_gets(h->held, ident);

	if (x == NULL)
		return;
	x->client->open--;
	if (--x->count > 0)
		return;
	hash_dels(h->held, ident);
	mem_free(&x);
}

static void
holder_free(struct holder *h)
{
	struct slice	 key;
	void		*v;
	size_t		 at = 0;

	while (hash_each(h->held, &at, &key, &v)) {
		struct held	*x = v;

		x->client->open -= x->count;
		mem_free(&x);
	}
	hash_free(&h->held);
	mem_free(&h);
}

static void
anvil_closed(void *arg, struct ipc *from, const char *why)
{
	struct anvil	*a = daemon_state(arg);
	struct slice	 key = slice_of(&from, sizeof(from));
	struct holder	*h;

	(void)why;
	if (a->holders == NULL)
		return;
	h = hash_del(a->holders, key);
	if (h != NULL)
		holder_free(h);
}

/* Statistics */

static void
peak(struct peak *p, uint64_t value, const char *ident)
{
	if (value <= p->value)
		return;
	p->value = value;
	p->when_wall = clock_wall();
	(void)snprintf(p->ident, sizeof(p->ident), "%.127s", ident);
}

static const char *
date(usec_t when_wall, char out[32])
{
	time_t		 t = (time_t)(when_wall / USEC_PER_SEC);
	struct tm	 tm;

	if (localtime_r(&t, &tm) == NULL ||
	    strftime(out, 32, "%b %e %H:%M:%S", &tm) == 0)
		out[0] = '\0';
	return out;
}

static void
report(struct anvil *a)
{
	char	 when[32];

	for (size_t i = 0; i < EVENTS; i++)
		if (a->peaks[i].value > 0 && rate_names[i] != NULL)
			log_info("statistics: max %s rate %" PRIu64 "/%llds "
			    "for (%s) at %s", rate_names[i],
			    a->peaks[i].value, (long long)
			    (conf(a)->rate_time_unit / USEC_PER_SEC),
			    a->peaks[i].ident,
			    date(a->peaks[i].when_wall, when));
	if (a->connections.value > 0)
		log_info("statistics: max connection count %" PRIu64 " for "
		    "(%s) at %s", a->connections.value, a->connections.ident,
		    date(a->connections.when_wall, when));
	if (a->peak_size > 0)
		log_info("statistics: max cache size %zu at %s", a->peak_size,
		    date(a->peak_size_wall, when));
	for (size_t i = 0; i < EVENTS; i++)
		a->peaks[i].value = 0;
	a->connections.value = 0;
	a->peak_size = 0;
}

/* Requests */

static void
on_request(void *arg, struct ipc_request req, void *msg)
{
	struct anvil		*a = daemon_state(arg);
	struct anvil_req	*m = msg;
	struct anvil_res	 res = { 0, 0 };
	struct client		*c;

	if (a->clients == NULL)
		return;		/* stopping */
	if (m->event == ANVIL_DISCONNECT)
		release(a, req.from, m->ident);
	else if (m->event < EVENTS) {
		c = client_get(a, m->ident);
		if (m->event == ANVIL_CONNECT) {
			hold(a, req.from, c);
			peak(&a->connections, c->open, c->ident);
		}
		res.rate = ++c->rate[m->event];
		peak(&a->peaks[m->event], res.rate, c->ident);
	}
	c = hash_gets(a->clients, m->ident);
	res.connections = c == NULL ? 0 : c->open;
	ipc_reply(req, &anvil_res_desc, &res);
}

static const struct ipc_handler anvil_handlers[] = {
	{ &anvil_req_desc, on_request },
};

static void
on_sweep(void *arg)
{
	struct anvil	*a = arg;

	sweep(a, 10000);
	loop_timer_set(a->sweep, SWEEP);
}

static void
on_report(void *arg)
{
	struct anvil	*a = arg;

	report(a);
	loop_timer_set(a->report, conf(a)->status_update_time);
}

static int
anvil_start(struct daemon *d, struct error *err)
{
	struct anvil	*a = arena_alloc(daemon_arena(d), sizeof(*a));

	(void)err;
	a->d = d;
	a->clients = hash_new();
	a->holders = hash_new();
	a->sweep = loop_timer_new(daemon_loop(d), on_sweep, a);
	a->report = loop_timer_new(daemon_loop(d), on_report, a);
	loop_timer_set(a->sweep, SWEEP);
	loop_timer_set(a->report, conf(a)->status_update_time);
	daemon_set_state(d, a);
	return 0;
}

static void
anvil_reload(struct daemon *d)
{
	report(daemon_state(d));
}

static void
forget_all(struct anvil *a)
{
	struct heap_node	*n;
	struct slice		 key;
	void			*h;
	size_t			 at = 0;

	while (hash_each(a->holders, &at, &key, &h))
		holder_free(h);
	hash_free(&a->holders);
	while ((n = heap_first(&a->ends)) != NULL)
		client_free(a, CONTAINER(n, struct client, node));
	hash_free(&a->clients);
	heap_clear(&a->ends);
	loop_timer_free(&a->sweep);
	loop_timer_free(&a->report);
}

/* The counts end with us: nothing to finish. */
static void
anvil_drain(struct daemon *d)
{
	struct anvil	*a = daemon_state(d);

	if (a->clients != NULL) {
		report(a);
		forget_all(a);
	}
	daemon_exit(d);
}

static const struct daemon_desc anvil = {
	.name = "anvil",
	.log_tag = "anvil",
	.kind = DAEMON_IPC,
	.user = DAEMON_MAIL,
	.root = DAEMON_ROOT_QUEUE,
	.params = anvil_params,
	.nparams = COUNT(anvil_params),
	.conf_size = sizeof(struct anvil_conf),
	.start = anvil_start,
	.reload = anvil_reload,
	.drain = anvil_drain,
	.handlers = anvil_handlers,
	.nhandlers = COUNT(anvil_handlers),
	.ipc_closed = anvil_closed,
};

int
main(int argc, char **argv)
{
	return daemon_run(&anvil, argc, argv);
}
