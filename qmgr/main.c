/* SPDX-License-Identifier: Apache-2.0 */
#include "qmgr/qmgr.h"

#include <sys/resource.h>

#include "base/mem.h"
#include "queue/inflight.h"
#include "sys/cpu.h"
#include "sys/log.h"
#include "sys/loop.h"
#include "sys/syncer.h"

#define TIDY		SECS(5)
#define LEAD_AGAIN	MSECS(10)
#define OTHER_FDS	((size_t)1024)
#define CONF	struct qmgr_conf

const struct param qmgr_params[] = {
	P_TIME(CONF, minimal_backoff, "minimal_backoff_time", "300s", 's', 1, 0,
	    "Shortest time between two attempts to deliver a message."),
	P_TIME(CONF, maximal_backoff, "maximal_backoff_time", "4000s", 's', 1, 0,
	    "Longest time between two attempts to deliver a message."),
	P_TIME(CONF, maximal_lifetime, "maximal_queue_lifetime", "5d", 'd', 0, 0,
	    "How long a message may stay in the queue before it is returned."),
	P_TIME(CONF, bounce_lifetime, "bounce_queue_lifetime", "5d", 'd', 0, 0,
	    "The same for messages with the null sender address."),
	P_TIME(CONF, delay_warning, "delay_warning_time", "0h", 'h', 0, 0,
	    "Warn the sender when mail is delayed this long; 0: never."),
	P_TIME(CONF, transport_retry, "transport_retry_time", "60s", 's', 1, 0,
	    "Leave a delivery service that cannot be reached alone for this "
	    "long."),
	P_INT(CONF, active_limit, "qmgr_message_active_limit", "20000", 1, 1000000,
	    "How many messages are worked on at the same time."),
	P_INT(CONF, recipient_limit, "qmgr_message_recipient_limit", "20000", 1,
	    10000000, "Accepted for compatibility; recipients of an active "
	    "message are all in memory."),
	P_INT(CONF, dest_concurrency, "default_destination_concurrency_limit",
	    "20", 1, 100000, "Most deliveries to one destination at the same "
	    "time; also as <transport>_destination_concurrency_limit."),
	P_INT(CONF, initial_concurrency, "initial_destination_concurrency", "5",
	    1, 100000, "Deliveries to a destination that nothing is known "
	    "about yet."),
	P_INT(CONF, dest_recipients, "default_destination_recipient_limit", "50",
	    1, 5000, "Most recipients of one delivery; also as "
	    "<transport>_destination_recipient_limit."),
	P_INT(CONF, transport_concurrency, "default_transport_concurrency_limit",
	    "500", 1, 100000, "Most deliveries of one transport at the same "
	    "time; also as <transport>_transport_concurrency_limit."),
	P_INT(CONF, mx_limit, "qmgr_mx_limit", "20", 1, 200,
	    "Most MX hosts of a domain that are looked at."),
	P_INT(CONF, mx_address_limit, "qmgr_mx_host_address_limit", "20", 1, 200,
	    "Most addresses of one MX host that are looked at."),
	P_STR(CONF, defer_transports, "defer_transports", "",
	    "Transports whose mail waits until it is flushed."),
	P_STR(CONF, proxy_interfaces, "proxy_interfaces", "",
	    "Addresses by which the outside reaches this system through a "
	    "proxy or NAT; for loop detection."),
	P_STR(CONF, smtp_tcp_port, "smtp_tcp_port", "smtp",
	    "The port that the SMTP client connects to by default."),
	P_BOOL(CONF, ignore_mx_lookup_error, "ignore_mx_lookup_error", "no",
	    "Look for an address record when the MX look-up fails."),
};
const size_t qmgr_nparams = COUNT(qmgr_params);

static const struct daemon_conf_part parts[] = {
	{ route_params, &route_nparams, 0 },
};

static int
read_services(struct daemon *d, struct qmgr *q, struct error *err)
{
	struct arena		*mem = arena_new();
	struct master_cf	 cf;

	if (mastercf_load(conf_dir(daemon_conf(d)), 100, false, mem, &cf,
	    err) < 0) {
		arena_free(&mem);
		return -1;
	}
	arena_free(&q->services_mem);
	q->services_mem = mem;
	q->services = cf;
	return 0;
}

/* Tables may live anywhere: they are opened while we may. */
static int
open_as_root(struct daemon *d, struct error *err)
{
	struct qmgr	*q = mem_new(1, sizeof(*q));
	struct map_env	 env = {
		.default_type = daemon_common(d)->default_database_type,
		.wake = (void (*)(void *))active_wake, .arg = q
	};
	struct rlimit	 lim;

	q->d = d;
	daemon_set_state(d, q);
	cpu_batch();
	if (getrlimit(RLIMIT_NOFILE, &lim) == 0) {
		lim.rlim_cur = lim.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &lim);
	}
	if (read_services(d, q, err) < 0)
		return -1;
	return route_open(daemon_conf(d), &env, &q->route, err);
}

static void
on_tidy(void *arg)
{
	struct qmgr	*q = arg;

	dest_tidy(q);
	owed_tidy(q);
	if (q->leading && !q->draining)
		qmgr_journal_tidy(q);
	/* new/ is all but empty; what a daemon committed and died before it
	 * could tell us is found here. */
	if (q->leading && !q->draining)
		scan_again(q);
	if (!q->draining && !daemon_draining(q->d) &&
	    route_destinations_changed(q->route))
		daemon_retire(q->d, "a table has changed");
	loop_timer_set(q->tidy_timer, TIDY);
}

static void
on_pump(void *arg)
{
	active_pump(arg);
}

/* Each active message may hold two descriptors, its own and the one that
 * agents are given; the syncs of marks and all the rest want some, too. */
static size_t
active_limit(const struct qmgr *q)
{
	struct rlimit	lim;
	size_t		n = (size_t)q->conf->active_limit;
	size_t		most;

	if (getrlimit(RLIMIT_NOFILE, &lim) < 0 ||
	    lim.rlim_cur == RLIM_INFINITY)
		return n;
	most = lim.rlim_cur > 2 * OTHER_FDS ?
	    ((size_t)lim.rlim_cur - OTHER_FDS) / 2 : OTHER_FDS / 2;
	return n < most ? n : most;
}

/* One queue manager at a time begins deliveries.  The one before us lets go
 * when it hears that it is to end; what it still has under way is locked. */
static int
lead(struct qmgr *q, struct error *err)
{
	if (q->leader < 0)
		q->leader = leader_open(q->queue, err);
	if (q->leader < 0)
		return -1;
	if (leader_lock(q->leader) < 0) {
		loop_timer_set(q->lead_timer, LEAD_AGAIN);
		return 0;
	}
	if (qmgr_journal_start(q, err) < 0)
		return -1;
	q->leading = true;
	scan_start(q);
	return 0;
}

static void
on_lead(void *arg)
{
	struct qmgr	*q = arg;
	struct error	 err;

	if (!q->draining && lead(q, &err) < 0)
		log_fatal("%s", err.text);
}

static int
start(struct daemon *d, struct error *err)
{
	struct qmgr		*q = daemon_state(d);
	struct queue_conf	 qc = {
		.dir = ".", .minfree = daemon_common(d)->queue_minfree
	};

	q->loop = daemon_loop(d);
	q->conf = daemon_params(d);
	q->common = daemon_common(d);
	if (queue_open(&qc, true, daemon_syncer(d), &q->queue, err) < 0)
		return -1;
	q->transports = hash_new();
	q->sites = hash_new();
	q->dests = hash_new();
	for (int i = 0; i < MSG_STATES; i++)
		list_init(&q->by_state[i]);
	list_init(&q->waiting);
	list_init(&q->for_scan);
	list_init(&q->lists);
	sweep_open(q);
	q->owed = hash_new();
	q->active_limit = active_limit(q);
	q->resolver = ipc_client_new(q->loop, "private/resolver");
	q->bounce = ipc_client_new(q->loop, "private/bounce");
	q->successor = ipc_client_new(q->loop, "public/qmgr");
	q->durable = durable_new(q);
	q->convert = convert_new(q);
	q->pump_timer = loop_timer_new(q->loop, on_pump, q);
	q->tidy_timer = loop_timer_new(q->loop, on_tidy, q);
	loop_timer_set(q->tidy_timer, TIDY);
	q->lead_timer = loop_timer_new(q->loop, on_lead, q);
	q->leader = -1;
	if (qmgr_journal_open(q, err) < 0)
		return -1;
	return lead(q, err);
}

/* Still at work for this message?  If not, let go of it: the next queue
 * manager waits for the lock. */
static bool
is_busy(struct qmgr *q, struct active *a)
{
	if (a->under_way == 0)
		active_let_go(q, a);
	return !a->let_go;
}

static void
maybe_exit(struct qmgr *q)
{
	size_t	busy = q->settling;

	LIST_EACH(l, &q->by_state[MSG_ACTIVE])
		busy += is_busy(q, LIST_ENTRY(l, struct msg, link)->act);
	if (busy > 0)
		return;
	owed_tidy(q);
	durable_flush(q->durable);
	if (syncer_pending(daemon_syncer(q->d)) == 0)
		daemon_exit(q->d);
}

static void
on_drain_tick(void *arg)
{
	struct qmgr	*q = arg;

	maybe_exit(q);
	loop_timer_set(q->pump_timer, MSECS(50));
}

/* What we have under way is locked before another one may begin. */
static void
hand_over(struct qmgr *q)
{
	LIST_EACH(l, &q->by_state[MSG_ACTIVE]) {
		struct active	*a = LIST_ENTRY(l, struct msg, link)->act;

		if (a->under_way > 0 && !a->inflight)
			a->inflight = inflight_add(q->inflight,
			    a->m->id) == 0;
		(void)is_busy(q, a);
	}
	convert_hand_over(q->convert);
	journal_flush(q->journal);
	leader_unlock(q->leader);
}

/* Begin nothing, but hear the outcome of what is under way: each result that
 * we miss is a message delivered twice. */
static void
drain(struct daemon *d)
{
	struct qmgr	*q = daemon_state(d);

	if (q->draining)
		return;
	q->draining = true;
	scan_stop(q);
	sweep_stop(q);
	hand_over(q);
	loop_timer_free(&q->pump_timer);
	q->pump_timer = loop_timer_new(q->loop, on_drain_tick, q);
	loop_timer_set(q->pump_timer, 0);
}

/* New parameters and tables; what is under way goes on. */
static void
reload(struct daemon *d)
{
	struct qmgr	*q = daemon_state(d);
	struct map_env	 env = {
		.default_type = daemon_common(d)->default_database_type,
		.wake = (void (*)(void *))active_wake, .arg = q
	};
	struct route	*fresh;
	struct error	 err;

	q->conf = daemon_params(d);
	q->common = daemon_common(d);
	q->active_limit = active_limit(q);
	if (read_services(d, q, &err) < 0)
		log_warn("%s; going on with the old services", err.text);
	if (route_open(daemon_conf(d), &env, &fresh, &err) < 0)
		log_warn("%s; going on with the old tables", err.text);
	else {
		route_close(&q->route);
		q->route = fresh;
	}
	dest_forget_failures(q);
	loop_timer_set(q->pump_timer, 0);
}

static void
wakeup(struct daemon *d)
{
	struct qmgr	*q = daemon_state(d);

	if (q->pump_timer == NULL || q->draining || !q->leading)
		return;
	scan_again(q);
	loop_timer_set(q->pump_timer, 0);
}

static const struct privs_path landlock[] = {
	{ ".", PRIVS_READ | PRIVS_WRITE | PRIVS_RENAME | PRIVS_SOCKET },
};

int
main(int argc, char **argv)
{
	struct daemon_desc	desc = {
		.name = "qmgr",
		.log_tag = "qmgr",
		.kind = DAEMON_IPC,
		.user = DAEMON_MAIL,
		.root = DAEMON_ROOT_QUEUE,
		.params = qmgr_params,
		.nparams = qmgr_nparams,
		.conf_size = sizeof(struct qmgr_conf),
		.parts = parts,
		.nparts = COUNT(parts),
		.open_as_root = open_as_root,
		.start = start,
		.reload = reload,
		.drain = drain,
		.wakeup = wakeup,
		.handlers = admin_handlers,
		.nhandlers = admin_nhandlers,
		.client_limit = 10000,
		.landlock = landlock,
		.nlandlock = COUNT(landlock),
	};

	return daemon_run(&desc, argc, argv);
}
