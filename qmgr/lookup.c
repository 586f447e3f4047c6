/* SPDX-License-Identifier: Apache-2.0 */
/* Where does mail for this nexthop go?  RFC 5321 5.1: MX, else the domain
 * itself; RFC 7505: null MX.  All questions of one destination run in
 * parallel; an answer is kept as long as its shortest TTL allows. */
#include "qmgr/qmgr.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "sys/clock.h"
#include "sys/loop.h"
#include "sys/sock.h"

#define DNS_TIMEOUT	SECS(60)
#define TTL_MIN		10
#define TTL_MAX		3600
#define TTL_FAILED	5

struct lookup {
	struct qmgr		*q;
	struct dest		*d;
	struct arena		*mem;
	const char		*domain;
	struct deliver_host	*hosts;
	struct deliver_addr	**addrs;	/* of each host */
	size_t			*naddrs;
	size_t			 nhosts;
	uint64_t		 port, ttl;
	size_t			 asked;		/* answers still to come */
	bool			 by_mx, temporary, no_data;
	const char		*why;		/* of a temporary failure */
};

/* One question about one host. */
struct question {
	struct lookup	*l;
	size_t		 host;
	uint64_t	 type;
};

static void
done(struct lookup *l)
{
	struct qmgr	*q = l->q;
	struct dest	*d = l->d;

	d->lookup = NULL;
	if (d->state == DEST_FAILED) {
		l->ttl = TTL_FAILED;
		arena_free(&d->fail_mem);
		d->fail_mem = l->mem;
	} else {
		arena_free(&d->mem);
		d->mem = l->mem;
		d->hosts = (struct ipc_list){ l->hosts, l->nhosts };
		d->port = l->port;
	}
	d->good_until = clock_mono() + SECS(l->ttl);
	mem_free(&l);
	lookup_answered(q, d);
}

static void
failed(struct lookup *l, bool hard, const char *dsn, const char *text)
{
	l->d->state = DEST_FAILED;
	l->d->fail_hard = hard;
	l->d->fail_dsn = arena_strdup(l->mem, dsn);
	l->d->fail_text = text;
	done(l);
}

static void
not_found(struct lookup *l, const char *name, const char *type, bool temporary)
{
	failed(l, !temporary, temporary ? "4.4.3" : "5.4.4",
	    arena_printf(l->mem, "Host or domain name not found. Name service "
	    "error for name=%s type=%s: %s%s%s%s", name, type,
	    temporary ? "Host not found, try again" :
	    l->no_data ? "Host found but no data record of requested type" :
	    "Host not found",
	    temporary && l->why != NULL ? " (" : "",
	    temporary && l->why != NULL ? l->why : "",
	    temporary && l->why != NULL ? ")" : ""));
}

static void
note_ttl(struct lookup *l, uint64_t ttl)
{
	if (ttl < TTL_MIN)
		ttl = TTL_MIN;
	if (ttl < l->ttl)
		l->ttl = ttl;
}

/*
 * Do we meet ourselves?  Only asked for the standard port: another server may
 * well live on another port of this machine.
 */
static bool
in_list(const char *list, const char *ip)
{
	struct slice	rest = slice_str(list), w;

	while (slice_word(&rest, ", \t[]", &w)) {
		if (slice_iis(w, ip))
			return true;
	}
	return false;
}

static bool
own_interface(const char *ip)
{
	struct ifaddrs	*all, *i;
	bool		 own = false;

	if (getifaddrs(&all) < 0)
		return false;
	for (i = all; i != NULL && !own; i = i->ifa_next) {
		char			text[SOCK_TEXT_MAX];
		struct sock_addr	a = { .len = 0 };

		if (i->ifa_addr == NULL || (i->ifa_addr->sa_family != AF_INET &&
		    i->ifa_addr->sa_family != AF_INET6))
			continue;
		a.len = i->ifa_addr->sa_family == AF_INET ?
		    sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
		memcpy(&a.ss, i->ifa_addr, a.len);
		own = strcmp(sock_host(&a, text), ip) == 0;
	}
	freeifaddrs(all);
	return own;
}

static bool
is_own_address(const struct qmgr *q, const char *ip)
{
	const char	*interfaces = q->common->inet_interfaces;

	if (in_list(q->conf->proxy_interfaces, ip))
		return true;
	if (strcasecmp(interfaces, "all") == 0 ||
	    strcasecmp(interfaces, "loopback-only") == 0)
		return own_interface(ip);
	return in_list(interfaces, ip);
}

static bool
is_self(const struct lookup *l, size_t host)
{
	if (strcasecmp(l->hosts[host].name, l->q->common->myhostname) == 0)
		return true;
	for (size_t i = 0; i < l->naddrs[host]; i++) {
		if (is_own_address(l->q, l->addrs[host][i].ip))
			return true;
	}
	return false;
}

static bool
default_port(const struct lookup *l)
{
	uint16_t	port;

	return l->port == 0 &&
	    sock_service(l->q->conf->smtp_tcp_port, &port, NULL) == 0 &&
	    port == 25;
}

/* RFC 5321 5.1: hosts that are no better than ourselves must not be used.
 * Hosts are in order of preference.  False: nothing is left. */
static bool
drop_self(struct lookup *l)
{
	if (!l->by_mx || !default_port(l))
		return true;
	for (size_t i = 0; i < l->nhosts; i++) {
		size_t	n = i;

		if (!is_self(l, i))
			continue;
		while (n > 0 && l->hosts[n - 1].preference ==
		    l->hosts[i].preference)
			n--;
		l->nhosts = n;
		return n > 0;
	}
	return true;
}

/* All answers are in. */
static void
conclude(struct lookup *l)
{
	struct dest	*d = l->d;
	const char	*name = l->nhosts > 0 ? l->hosts[0].name : l->domain;
	size_t		 n = 0;

	for (size_t i = 0; i < l->nhosts; i++) {
		if (l->naddrs[i] == 0)
			continue;
		l->hosts[i].addresses =
		    (struct ipc_list){ l->addrs[i], l->naddrs[i] };
		l->hosts[n] = l->hosts[i];
		l->addrs[n] = l->addrs[i];
		l->naddrs[n] = l->naddrs[i];
		n++;
	}
	l->nhosts = n;
	if (n == 0) {
		not_found(l, name, "AAAA", l->temporary);
		return;
	}
	if (!drop_self(l)) {
		failed(l, true, "5.4.6", arena_printf(l->mem,
		    "mail for %s loops back to myself", l->domain));
		return;
	}
	d->state = DEST_READY;
	mem_free(&d->site_key);
	d->site_key = mem_strdup(nexthop_site_key(l->mem, l->hosts, l->nhosts,
	    l->port));
	done(l);
}

static void
take_addresses(struct lookup *l, size_t host, const struct dns_res *r)
{
	const struct dns_rr	*rr = r->records.items;
	size_t			 max = (size_t)l->q->conf->mx_address_limit;

	for (size_t i = 0; i < r->records.count; i++) {
		size_t	n = l->naddrs[host];

		if (n == max)
			break;
		l->addrs[host][n].ip = arena_strdup(l->mem, rr[i].text);
		l->naddrs[host]++;
	}
	if (!r->secure)
		l->hosts[host].secure = false;
	note_ttl(l, r->ttl);
}

static void
on_address(void *arg, void *reply, const char *why)
{
	struct question		*question = arg;
	struct lookup		*l = question->l;
	const struct dns_res	*r = reply;

	l->asked--;
	if (r == NULL || r->result == DNS_TEMPFAIL) {
		l->temporary = true;
		l->why = arena_strdup(l->mem, r == NULL ? why : r->why);
	} else if (r->result == DNS_OK)
		take_addresses(l, question->host, r);
	else if (r->result == DNS_NODATA)
		l->no_data = true;
	if (l->asked == 0)
		conclude(l);
}

static void
ask(struct lookup *l, const char *name, uint64_t type, size_t host,
    ipc_done *cb)
{
	struct question	*question = arena_alloc(l->mem, sizeof(*question));
	struct dns_req	 req = { name, type };

	*question = (struct question){ l, host, type };
	l->asked++;
	ipc_client_call(l->q->resolver, &dns_req_desc, &req, &dns_res_desc,
	    DNS_TIMEOUT, cb, question);
}

static bool
is_numeric(const char *host)
{
	unsigned char	b[16];

	return inet_pton(AF_INET, host, b) == 1 ||
	    inet_pton(AF_INET6, host, b) == 1;
}

static bool
uses(const struct qmgr *q, const char *protocol)
{
	struct slice	rest = slice_str(q->common->inet_protocols), w;

	while (slice_word(&rest, ", \t", &w)) {
		if (slice_iis(w, protocol) || slice_iis(w, "all"))
			return true;
	}
	return false;
}

static void
ask_addresses(struct lookup *l)
{
	bool	v4 = uses(l->q, "ipv4"), v6 = uses(l->q, "ipv6");

	l->asked++;		/* so that no answer concludes too early */
	for (size_t i = 0; i < l->nhosts; i++) {
		const char	*name = l->hosts[i].name;

		l->addrs[i] = arena_array(l->mem,
		    (size_t)l->q->conf->mx_address_limit,
		    sizeof(struct deliver_addr));
		if (is_numeric(name)) {
			l->addrs[i][0].ip = name;
			l->naddrs[i] = 1;
			continue;
		}
		if (v6)
			ask(l, name, DNS_AAAA, i, on_address);
		if (v4)
			ask(l, name, DNS_A, i, on_address);
	}
	if (--l->asked == 0)
		conclude(l);
}

static void
set_hosts(struct lookup *l, size_t n)
{
	l->hosts = arena_array(l->mem, n, sizeof(*l->hosts));
	l->addrs = arena_array(l->mem, n, sizeof(*l->addrs));
	l->naddrs = arena_array(l->mem, n, sizeof(*l->naddrs));
	l->nhosts = n;
}

static void
single_host(struct lookup *l, const char *name, bool secure)
{
	set_hosts(l, 1);
	l->hosts[0].name = name;
	l->hosts[0].secure = secure;
	ask_addresses(l);
}

static int
by_preference(const void *a, const void *b)
{
	const struct deliver_host	*x = a, *y = b;

	return x->preference < y->preference ? -1 :
	    x->preference > y->preference;
}

static void
mx_hosts(struct lookup *l, const struct dns_res *r)
{
	const struct dns_rr	*rr = r->records.items;
	size_t			 n = r->records.count;
	struct deliver_host	*all = arena_array(l->mem, n, sizeof(*all));

	for (size_t i = 0; i < n; i++) {
		all[i].name = arena_strdup(l->mem, rr[i].text);
		all[i].preference = rr[i].preference;
		all[i].secure = r->secure;
	}
	qsort(all, n, sizeof(*all), by_preference);
	if (n > (size_t)l->q->conf->mx_limit)
		n = (size_t)l->q->conf->mx_limit;
	set_hosts(l, n);
	memcpy(l->hosts, all, n * sizeof(*all));
	l->by_mx = true;
	ask_addresses(l);
}

static void
on_mx(void *arg, void *reply, const char *why)
{
	struct lookup		*l = ((struct question *)arg)->l;
	const struct dns_res	*r = reply;
	const struct dns_rr	*rr = r == NULL ? NULL : r->records.items;

	l->asked--;
	if (r == NULL || r->result == DNS_TEMPFAIL) {
		if (l->q->conf->ignore_mx_lookup_error) {
			single_host(l, l->domain, false);
			return;
		}
		l->why = arena_strdup(l->mem, r == NULL ? why : r->why);
		not_found(l, l->domain, "MX", true);
		return;
	}
	note_ttl(l, r->ttl);
	if (r->result == DNS_NXDOMAIN)
		not_found(l, l->domain, "MX", false);
	else if (r->result == DNS_NODATA || r->records.count == 0)
		single_host(l, l->domain, r->secure);
	else if (r->records.count == 1 && rr[0].text[0] == '\0')
		failed(l, true, "5.1.0", arena_printf(l->mem,
		    "Domain %s does not accept mail (nullMX)", l->domain));
	else
		mx_hosts(l, r);
}

/* The port of the nexthop; 0: the agent's default.  -1: no such service. */
static int
port_of(const struct nexthop *nh, struct arena *a, uint64_t *out)
{
	uint16_t	port;

	*out = 0;
	if (nh->port.len == 0)
		return 0;
	if (sock_service(slice_cstr(a, nh->port), &port, NULL) < 0)
		return -1;
	*out = port;
	return 0;
}

void
lookup_start(struct qmgr *q, struct dest *d)
{
	struct lookup	*l = mem_new(1, sizeof(*l));
	struct nexthop	 nh;

	d->state = DEST_ASKING;
	d->lookup = l;
	l->q = q;
	l->d = d;
	l->mem = arena_new();
	l->ttl = TTL_MAX;
	if (nexthop_parse(d->nexthop, &nh) < 0 ||
	    port_of(&nh, l->mem, &l->port) < 0) {
		failed(l, false, "4.3.5", arena_printf(l->mem,
		    "bad nexthop \"%s\"", d->nexthop));
		return;
	}
	l->domain = slice_cstr(l->mem, nh.host);
	if (nh.local_socket) {
		d->state = DEST_READY;
		mem_free(&d->site_key);
		d->site_key = mem_strdup(d->nexthop);
		done(l);
	} else if (nh.literal || d->transport->lmtp || is_numeric(l->domain))
		single_host(l, l->domain, false);
	else
		ask(l, l->domain, DNS_MX, 0, on_mx);
}
