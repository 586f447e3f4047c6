/* SPDX-License-Identifier: Apache-2.0 */
/* Who is calling: PTR, then the addresses of that name.  Only a name whose
 * addresses contain the client's is believed.  The greeting waits for this no
 * longer than smtpd_peername_timeout; then come anvil's counts and, in
 * wrappermode, TLS. */
#include "base/ascii.h"
#include "base/mem.h"
#include "mail/address.h"
#include "smtpd/smtpd.h"
#include "sys/log.h"

struct peer {
	struct conn	*c;
	uint64_t	 call;
};

static void
connected(struct conn *c, const struct anvil_res *r)
{
	const struct smtpd_conf	*conf = c->s->conf;
	const char		*service = daemon_service_name(c->s->d);
	const char		*which = NULL;

	c->counting = false;
	if (r != NULL)
		c->counted = true;
	if (r == NULL || c->excepted)
		;
	else if (conf->conn_count_limit > 0 &&
	    r->connections > (uint64_t)conf->conn_count_limit) {
		which = "Connection concurrency";
		log_warn("%s limit exceeded: %llu from %s for service %s",
		    which, (unsigned long long)r->connections, c->namaddr,
		    service);
	} else if (conf->conn_rate_limit > 0 &&
	    r->rate > (uint64_t)conf->conn_rate_limit) {
		which = "Connection rate";
		log_warn("%s limit exceeded: %llu from %s for service %s",
		    which, (unsigned long long)r->rate, c->namaddr, service);
	}
	if (which != NULL) {
		if (!conf->tls_wrappermode)
			reply(c, 421, "4.7.0", "%s Error: too many "
			    "connections from %s", c->s->common->myhostname,
			    c->ip);
		conn_close(c);
		return;
	}
	if (conf->tls_wrappermode) {
		stream_timeout(c->stream, conf->timeout);
		stream_resume(c->stream);
		if (stream_tls_accept(c->stream, c->s->tls) < 0)
			conn_close(c);
		return;
	}
	conn_greet(c);
}

static void
named(struct conn *c)
{
	peer_free(c);
	conn_after(c, 0, NULL);
	conn_named(c);
	if (!c->excepted && (c->s->conf->conn_count_limit > 0 ||
	    c->s->conf->conn_rate_limit > 0)) {
		c->counting = true;
		anvil_event(c, ANVIL_CONNECT, connected);
		return;
	}
	conn_enter(c);
	connected(c, NULL);
	conn_leave(c);
}

static void
took_too_long(struct conn *c)
{
	c->name = "unknown";
	c->name_temp = true;
	named(c);
}

static void
mismatch(struct conn *c, const char *reason)
{
	log_warn("hostname %s does not resolve to address %s%s%s",
	    c->reverse_name, c->ip, reason[0] != '\0' ? ": " : "", reason);
	c->name_mismatch = true;
	named(c);
}

static bool
same_address(const char *text, const struct sock_addr *b)
{
	struct sock_addr	a;
	char			x[SOCK_TEXT_MAX], y[SOCK_TEXT_MAX];

	return sock_parse(text, 0, &a, NULL) == 0 &&
	    strcmp(sock_host(&a, x), sock_host(b, y)) == 0;
}

static void
got_addresses(void *arg, void *msg, const char *why)
{
	struct peer		*p = arg;
	struct conn		*c = p->c;
	const struct dns_res	*r = msg;
	const struct dns_rr	*rr;

	p->call = 0;
	(void)why;
	if (r == NULL || r->result == DNS_TEMPFAIL) {
		c->name_temp = true;
		named(c);
		return;
	}
	rr = r->records.items;
	for (size_t i = 0; i < r->records.count; i++)
		if (same_address(rr[i].text, &c->addr)) {
			c->name = c->reverse_name;
			named(c);
			return;
		}
	mismatch(c, r->result == DNS_OK ? "" : "Name or service not known");
}

static void
ask(struct peer *p, const char *name, uint64_t type, ipc_done *done)
{
	struct dns_req	q = { .name = name, .type = type };

	p->call = ipc_client_call(p->c->s->resolver, &dns_req_desc, &q,
	    &dns_res_desc, p->c->s->conf->greet_wait, done, p);
}

static void
got_name(void *arg, void *msg, const char *why)
{
	struct peer		*p = arg;
	struct conn		*c = p->c;
	const struct dns_res	*r = msg;
	const struct dns_rr	*rr = r == NULL ? NULL : r->records.items;

	p->call = 0;
	(void)why;
	if (r == NULL || r->result == DNS_TEMPFAIL)
		c->name_temp = true;
	/* Whatever is in a PTR record goes into logs, headers and tables:
	 * only host names do, and no addresses in disguise. */
	if (r == NULL || r->result != DNS_OK || r->records.count == 0 ||
	    !address_domain_ok(slice_str(rr[0].text), false, false) ||
	    sock_parse(rr[0].text, 0, &(struct sock_addr){ .len = 0 }, NULL) ==
	    0) {
		named(c);
		return;
	}
	c->reverse_name = arena_strdup(c->mem, rr[0].text);
	ask(p, c->reverse_name,
	    c->addr.ss.ss_family == AF_INET6 ? DNS_AAAA : DNS_A,
	    got_addresses);
}

static void
no_lookup(struct conn *c)
{
	named(c);
}

void
peer_start(struct conn *c)
{
	if (!c->s->conf->peername_lookup ||
	    (c->addr.ss.ss_family != AF_INET &&
	    c->addr.ss.ss_family != AF_INET6)) {
		conn_after(c, 0, no_lookup);
		return;
	}
	c->peer = mem_new(1, sizeof(*c->peer));
	c->peer->c = c;
	conn_after(c, c->s->conf->greet_wait, took_too_long);
	ask(c->peer, c->ip, DNS_PTR, got_name);
}

void
peer_free(struct conn *c)
{
	if (c->peer == NULL)
		return;
	if (c->peer->call != 0)
		ipc_client_cancel(c->s->resolver, c->peer->call);
	mem_free(&c->peer);
}
