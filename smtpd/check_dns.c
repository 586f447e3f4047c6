/* SPDX-License-Identifier: Apache-2.0 */
/* Restrictions that ask the DNS. */
#include "smtpd/check.h"

#include "sys/log.h"

static bool
is_literal(const char *domain)
{
	return domain[0] == '[';
}

/* Does a domain have what mail needs: MX, or an address? */
enum has { HAS_YES, HAS_NO, HAS_NULL_MX, HAS_TEMP, HAS_WAIT };

static enum has
has_mail(struct conn *c, const char *domain)
{
	static const uint64_t	types[] = { DNS_MX, DNS_A, DNS_AAAA };
	bool			temp = false;

	for (size_t i = 0; i < COUNT(types); i++) {
		const struct dns_res	*r = dns_get(c, domain, types[i]);
		const struct dns_rr	*rr;

		if (r == NULL)
			return HAS_WAIT;
		rr = r->records.items;
		if (r->result == DNS_OK && types[i] == DNS_MX &&
		    r->records.count == 1 && rr[0].text[0] == '\0')
			return HAS_NULL_MX;	/* RFC 7505 */
		if (r->result == DNS_OK)
			return HAS_YES;
		if (r->result == DNS_NXDOMAIN)
			return HAS_NO;
		temp |= r->result == DNS_TEMPFAIL;
	}
	return temp ? HAS_TEMP : HAS_NO;
}

enum check_result
check_domain(struct check *k, const struct restriction *r)
{
	bool		 sender = r->type->what == 0;
	const char	*address = sender ? k->sender : k->recipient;
	const char	*class = sender ? "Sender address" :
			    "Recipient address";
	const char	*dsn = sender ? "4.1.8" : "4.1.2", *domain;
	bool		 ours;

	domain = address == NULL ? NULL : policy_domain(address);
	if (domain == NULL || is_literal(domain) ||
	    (route_is_authorized(k->c->s->route, address, &ours, NULL) ==
	    ROUTE_DONE && ours))
		return CHECK_DUNNO;
	switch (has_mail(k->c, domain)) {
	case HAS_YES:
		break;
	case HAS_WAIT:
		return CHECK_WAIT;
	case HAS_NO:
		return check_reject(k,
		    (int)k->c->s->conf->unknown_address_code, dsn,
		    "<%s>: %s rejected: Domain not found", address, class);
	case HAS_NULL_MX:
		return check_reject(k, sender ? 550 : 556,
		    sender ? "5.7.27" : "5.1.10", "<%s>: %s rejected: Domain "
		    "%s does not accept mail (nullMX)", address, class,
		    domain);
	case HAS_TEMP:
		return check_defer_if_permit(k, 450, dsn,
		    "<%s>: %s rejected: Domain not found", address, class);
	}
	return CHECK_DUNNO;
}

enum check_result
check_unknown_helo(struct check *k, const struct restriction *r)
{
	const char	*h = k->c->helo;

	(void)r;
	if (h == NULL || is_literal(h))
		return CHECK_DUNNO;
	switch (has_mail(k->c, h)) {
	case HAS_YES:
	case HAS_NULL_MX:
		break;
	case HAS_WAIT:
		return CHECK_WAIT;
	case HAS_NO:
		return check_reject(k, (int)k->c->s->conf->unknown_helo_code,
		    "4.7.1", "<%s>: Helo command rejected: Host not found",
		    h);
	case HAS_TEMP:
		return check_defer_if_permit(k, 450, "4.7.1",
		    "<%s>: Helo command rejected: Host not found", h);
	}
	return CHECK_DUNNO;
}

/*
 * DNS blocklists (RFC 5782): "domain" or "domain=127.0.0.4".
 */
static bool
listed(const struct dns_res *r, const char *wanted)
{
	const struct dns_rr	*rr = r->records.items;

	for (size_t i = 0; i < r->records.count; i++) {
		/* Answers outside 127/8 are no listings: an expired domain
		 * with a wildcard would list everybody (RFC 5782 2.1). */
		if (strncmp(rr[i].text, "127.", 4) != 0)
			continue;
		if (wanted == NULL || strcmp(rr[i].text, wanted) == 0)
			return true;
	}
	return false;
}

/* default_rbl_reply, with what it may name. */
static enum check_result
rbl_reject(struct check *k, const char *zone, const char *reason)
{
	struct conn	*c = k->c;
	struct conf	*names = conf_new();
	struct error	 err;
	const char	*text = NULL, *dsn = "5.7.1";
	struct slice	 rest;
	uint64_t	 code = 0;
	struct slice	 word;

	conf_set(names, "rbl_code", arena_printf(k->mem, "%d",
	    (int)c->s->conf->rbl_code));
	conf_set(names, "rbl_class", "Client host");
	conf_set(names, "rbl_what", c->ip);
	conf_set(names, "rbl_domain", zone);
	/* Never expanded again: it is a stranger's text. */
	conf_set(names, "rbl_reason", reason);
	text = conf_expand(names, k->mem, c->s->conf->rbl_reply, &err);
	conf_free(&names);
	rest = slice_str(text != NULL ? text : "");
	if (!slice_word(&rest, " ", &word) || !slice_u64(word, 599, &code) ||
	    code < 400) {
		log_warn("parameter default_rbl_reply: no reply code");
		code = 451;
		rest = SLICE_LIT("Server configuration error");
	}
	rest = slice_trim(rest);
	(void)policy_dsn_take(&rest, k->mem, &dsn);
	return check_reject(k, (int)code, dsn, "%.*s", SLICE_ARG(rest));
}

enum check_result
check_rbl(struct check *k, const struct restriction *r)
{
	struct conn		*c = k->c;
	const char		*eq = strchr(r->arg, '='), *zone, *name;
	const struct dns_res	*res;
	const struct dns_rr	*txt;
	const char		*reason = "";

	zone = eq == NULL ? r->arg :
	    arena_strndup(k->mem, r->arg, (size_t)(eq - r->arg));
	name = policy_rbl_name(c->ip, zone, k->mem);
	if (name == NULL)
		return CHECK_DUNNO;
	res = dns_get(c, name, DNS_A);
	if (res == NULL)
		return CHECK_WAIT;
	if (res->result == DNS_TEMPFAIL)
		log_warn("%s: RBL lookup error: %s", name,
		    res->why != NULL ? res->why : "no answer");
	if (res->result != DNS_OK ||
	    !listed(res, eq == NULL ? NULL : eq + 1))
		return CHECK_DUNNO;
	res = dns_get(c, name, DNS_TXT);
	if (res == NULL)
		return CHECK_WAIT;
	txt = res->records.items;
	if (res->result == DNS_OK && res->records.count > 0)
		reason = arena_strndup(k->mem, (const char *)txt[0].data.p,
		    txt[0].data.len < 300 ? txt[0].data.len : 300);
	return rbl_reject(k, zone, reason);
}
