/* SPDX-License-Identifier: Apache-2.0 */
/* libunbound may answer inside the call that asks: then the answer is copied
 * and handled when the call has returned (`asking`). */
#include <arpa/inet.h>
#include <idn2.h>
#include <string.h>
#include <unbound-event.h>
#include <unbound.h>

#include "resolver/answer.h"
#include "base/ascii.h"
#include "base/hash.h"
#include "base/list.h"
#include "daemon/daemon.h"
#include "resolver/hosts.h"
#include "ipc/dns_msg.h"
#include "resolver/resolver.h"
#include "sys/clock.h"
#include "sys/log.h"
#include "sys/loop.h"

struct query {
	struct arena		*mem;		/* the query lives in it */
	struct daemon		*d;
	const char		*key;		/* in resolver.queries */
	const char		*name;		/* as asked of the DNS */
	const char		*ip;		/* DNS_PTR of an address; NULL */
	uint16_t		 type;
	int			 id;		/* of libunbound */
	bool			 asking, answered;
	struct slice		 packet;	/* answered while asking */
	int			 rcode, sec;
	const char		*bogus;
	struct list		 waiters;	/* oldest first */
	struct loop_timer	*timer;		/* the oldest one's deadline */
};

struct waiter {
	struct list		 link;
	struct ipc_request	 req;
	usec_t			 deadline_mono;
};

enum { SEC_INSECURE = 0, SEC_BOGUS = 1, SEC_SECURE = 2 };

static void
reply(struct daemon *d, struct waiter *w, const struct dns_res *res)
{
	list_remove(&w->link);
	ipc_reply(w->req, &dns_res_desc, res);
	daemon_session_end(d);
}

static void
query_free(struct query *q)
{
	struct resolver	*r = daemon_state(q->d);
	struct arena	*mem = q->mem;

	hash_dels(r->queries, q->key);
	loop_timer_free(&q->timer);
	arena_free(&mem);
}

static void
query_finish(struct query *q, const struct dns_res *res)
{
	LIST_EACH(l, &q->waiters)
		reply(q->d, LIST_ENTRY(l, struct waiter, link), res);
	query_free(q);
}

static void
add_rr(struct dns_res *res, struct arena *a, size_t most, const char *text)
{
	struct dns_rr	*rr = res->records.items;

	if (rr == NULL)
		rr = res->records.items = arena_array(a, most, sizeof(*rr));
	if (res->records.count == most)
		return;
	rr[res->records.count].text = text;
	rr[res->records.count].data = slice_of("", 0);
	res->records.count++;
}

/* What the hosts file has where the DNS has nothing. */
static void
ask_hosts(const struct query *q, struct dns_res *res)
{
	struct resolver			*r = daemon_state(q->d);
	const struct hosts_addr		*addr;
	const char			*name;
	int				 family = q->type == DNS_A ? AF_INET :
					    AF_INET6;

	if (res->result == DNS_OK)
		return;
	if (q->type == DNS_PTR) {
		if (q->ip != NULL &&
		    (name = hosts_name(r->hosts, q->ip)) != NULL)
			add_rr(res, q->mem, 1, name);
	} else {
		if ((addr = hosts_find(r->hosts, q->name)) == NULL)
			return;
		/* The name does exist. */
		if (res->result == DNS_NXDOMAIN) {
			res->result = DNS_NODATA;
			res->secure = false;
		}
		if (q->type != DNS_A && q->type != DNS_AAAA)
			return;
		for (; addr != NULL; addr = addr->next)
			if (addr->family == family)
				add_rr(res, q->mem, 64, addr->ip);
	}
	if (res->records.count == 0)
		return;
	res->result = DNS_OK;
	res->secure = res->bogus = false;
	res->why = NULL;
	res->ttl = 60;
}

/* Bogus comes first: such a packet says NOERROR and looks like any other. */
static void
interpret(struct query *q, struct dns_res *res)
{
	struct answer	ans;

	*res = (struct dns_res){ .result = DNS_TEMPFAIL };
	if (q->sec == SEC_BOGUS) {
		res->bogus = true;
		res->why = arena_printf(q->mem, "DNSSEC validation failed%s"
		    "%.900s", q->bogus == NULL ? "" : ": ",
		    q->bogus == NULL ? "" : q->bogus);
	} else if (q->packet.len == 0) {
		res->why = q->rcode == 2 ? "server failure" :
		    ub_strerror(q->rcode);
	} else if (answer_parse(q->packet, q->name, q->type, q->mem,
	    &ans) < 0) {
		res->why = "malformed answer";
	} else {
		res->result = (uint64_t)ans.result;
		res->secure = q->sec == SEC_SECURE &&
		    ans.result != DNS_TEMPFAIL;
		res->ttl = ans.ttl;
		res->why = ans.why;
		res->records.items = ans.rr;
		res->records.count = ans.result == DNS_OK ? ans.nrr : 0;
	}
}

static void
handle_answer(struct query *q)
{
	struct dns_res	res;

	interpret(q, &res);
	ask_hosts(q, &res);
	log_debug("%s: result %u%s%s, %zu records%s%s", q->key,
	    (unsigned int)res.result, res.secure ? " secure" : "",
	    res.bogus ? " bogus" : "", res.records.count,
	    res.why == NULL ? "" : ": ", res.why == NULL ? "" : res.why);
	query_finish(q, &res);
}

static void
on_answer(void *arg, int rcode, void *packet, int len, int sec, char *bogus,
    int ratelimited UNUSED)
{
	struct query	*q = arg;

	q->answered = true;
	q->rcode = rcode;
	q->sec = sec;
	if (packet != NULL && len > 0)
		q->packet = slice_dup(q->mem, slice_of(packet, (size_t)len));
	q->bogus = arena_strdup(q->mem, bogus);
	if (!q->asking)
		handle_answer(q);
}

static void
give_up(struct query *q, struct dns_res *res)
{
	struct resolver	*r = daemon_state(q->d);

	if (!q->answered)
		ub_cancel(r->ctx, q->id);
	ask_hosts(q, res);
	query_finish(q, res);
}

/* Requests that have waited long enough are answered; the others share the
 * query further. */
static void
on_timer(void *arg)
{
	struct query	*q = arg;
	struct waiter	*w;
	usec_t		 now = clock_mono();
	struct dns_res	 res = { .result = DNS_TEMPFAIL,
			    .why = "no answer in time" };

	if (list_empty(&q->waiters)) {
		give_up(q, &res);
		return;
	}
	w = LIST_ENTRY(q->waiters.prev, struct waiter, link);
	if (now >= w->deadline_mono) {
		give_up(q, &res);
		return;
	}
	ask_hosts(q, &res);
	while (w = LIST_ENTRY(q->waiters.next, struct waiter, link),
	    now >= w->deadline_mono)
		reply(q->d, w, &res);
	loop_timer_set(q->timer, w->deadline_mono - now);
}

static void
wait_for(struct query *q, struct ipc_request req)
{
	struct resolver	*r = daemon_state(q->d);
	struct waiter	*w = arena_alloc(q->mem, sizeof(*w));

	daemon_session_begin(q->d);
	w->req = req;
	w->deadline_mono = clock_mono() + r->conf->query_timeout;
	if (list_empty(&q->waiters))
		loop_timer_set(q->timer, r->conf->query_timeout);
	list_put_last(&q->waiters, &w->link);
}

static struct query *
query_new(struct daemon *d, const char *key, const char *name, const char *ip,
    uint16_t type)
{
	struct resolver	*r = daemon_state(d);
	struct arena	*mem = arena_new();
	struct query	*q = arena_alloc(mem, sizeof(*q));

	q->mem = mem;
	q->d = d;
	q->key = arena_strdup(mem, key);
	q->name = arena_strdup(mem, name);
	q->ip = arena_strdup(mem, ip);
	q->type = type;
	list_init(&q->waiters);
	q->timer = loop_timer_new(daemon_loop(d), on_timer, q);
	hash_puts(r->queries, key, q);
	return q;
}

static void
query_ask(struct query *q)
{
	struct resolver	*r = daemon_state(q->d);
	struct dns_res	 res = { .result = DNS_TEMPFAIL };
	int		 e;

	q->asking = true;
	e = ub_resolve_event(r->ctx, q->name, q->type, 1, q, on_answer,
	    &q->id);
	q->asking = false;
	if (e != 0) {
		log_warn("%s: %s", q->key, ub_strerror(e));
		res.why = ub_strerror(e);
		q->answered = true;
		give_up(q, &res);
	} else if (q->answered)
		handle_answer(q);
}

static const char *
lower(struct arena *a, const char *name)
{
	char	*out = arena_strdup(a, name);
	size_t	 len = strlen(out);

	if (len > 1 && out[len - 1] == '.')
		out[len - 1] = '\0';
	for (char *p = out; *p != '\0'; p++)
		*p = (char)ascii_lower((unsigned char)*p);
	return out;
}

/* RFC 5890: domains of internationalised mail are asked for as A-labels.
 * NULL: no such name can exist. */
static const char *
a_labels(struct arena *a, const char *name)
{
	const char	*out = name;
	char		*ace;

	for (const char *p = name; *p != '\0'; p++) {
		if ((unsigned char)*p < 128)
			continue;
		if (idn2_to_ascii_8z(name, &ace, IDN2_NFC_INPUT |
		    IDN2_NONTRANSITIONAL) != IDN2_OK)
			return NULL;
		out = arena_strdup(a, ace);
		idn2_free(ace);
		break;
	}
	return lower(a, out);
}

static void
refuse(struct ipc_request req, enum dns_result result, const char *why)
{
	struct dns_res	res = { .result = result, .why = why };

	ipc_reply(req, &dns_res_desc, &res);
}

static void
ask(struct daemon *d, struct ipc_request req, const struct dns_req *m,
    struct arena *scratch)
{
	struct resolver	*r = daemon_state(d);
	const char	*name = a_labels(scratch, m->name), *ip = NULL, *key;
	struct query	*q;

	if (m->type == DNS_PTR &&
	    (key = answer_reverse(scratch, m->name)) != NULL) {
		ip = m->name;
		name = key;
	}
	/* What cannot be a name does not exist. */
	if (m->type == 0 || m->type > 65535 || name == NULL ||
	    !answer_name_ok(name)) {
		refuse(req, DNS_NXDOMAIN, NULL);
		return;
	}
	key = arena_printf(scratch, "%u %s", (unsigned int)m->type, name);
	q = hash_gets(r->queries, key);
	if (q != NULL) {
		wait_for(q, req);
		return;
	}
	if (hash_count(r->queries) >= (size_t)r->conf->query_limit) {
		refuse(req, DNS_TEMPFAIL, "too many queries under way");
		return;
	}
	q = query_new(d, key, name, ip, (uint16_t)m->type);
	wait_for(q, req);
	query_ask(q);
}

void
resolver_ask(void *daemon, struct ipc_request req, void *msg)
{
	struct arena	*scratch;

	if (req.number == 0)
		return;
	scratch = arena_new();
	ask(daemon, req, msg, scratch);
	arena_free(&scratch);
}
