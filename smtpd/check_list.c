/* SPDX-License-Identifier: Apache-2.0 */
/* The restrictions themselves, but for access tables and DNS. */
#include "smtpd/check.h"

#include "base/ascii.h"
#include "sys/log.h"

static enum check_result
permit(struct check *k, const struct restriction *r)
{
	(void)k, (void)r;
	return CHECK_OK;
}

static enum check_result
reject(struct check *k, const struct restriction *r)
{
	(void)r;
	return check_reject(k, (int)k->c->s->conf->reject_code, "5.7.1",
	    "<%s>: %s rejected: Access denied", check_name(k),
	    check_class(k));
}

static enum check_result
defer(struct check *k, const struct restriction *r)
{
	(void)r;
	return check_reject(k, (int)k->c->s->conf->defer_code, "4.3.2",
	    "<%s>: %s rejected: Try again later", check_name(k),
	    check_class(k));
}

static enum check_result
defer_if_permit(struct check *k, const struct restriction *r)
{
	(void)r;
	return check_defer_if_permit(k, 450, "4.7.0", "<%s>: %s rejected: "
	    "Try again later", check_name(k), check_class(k));
}

static enum check_result
defer_if_reject(struct check *k, const struct restriction *r)
{
	(void)r;
	if (k->defer_if_reject.kind != VERDICT_REJECT)
		k->defer_if_reject = (struct verdict){
			.kind = VERDICT_REJECT, .code = 450, .dsn = "4.7.0",
			.text = arena_printf(k->mem, "<%s>: %s rejected: "
			    "Try again later", check_name(k),
			    check_class(k)),
		};
	return CHECK_DUNNO;
}

static enum check_result
warn_if_reject(struct check *k, const struct restriction *r)
{
	(void)r;
	k->warn = true;
	return CHECK_DUNNO;
}

static enum check_result
permit_mynetworks(struct check *k, const struct restriction *r)
{
	(void)r;
	return k->c->trusted ? CHECK_OK : CHECK_DUNNO;
}

static enum check_result
permit_sasl(struct check *k, const struct restriction *r)
{
	(void)r;
	return k->c->sasl_user != NULL ? CHECK_OK : CHECK_DUNNO;
}

static enum check_result
permit_inet_interfaces(struct check *k, const struct restriction *r)
{
	(void)r;
	for (const char **a = k->c->s->own_addresses; *a != NULL; a++)
		if (strcmp(*a, k->c->ip) == 0)
			return CHECK_OK;
	return CHECK_DUNNO;
}

/*
 * Relaying.
 */
enum { PERMIT_AUTH, REJECT_UNAUTH, DEFER_UNAUTH };

static enum check_result
auth_destination(struct check *k, const struct restriction *r)
{
	struct error		err;
	const char		*full;
	bool			 ours;
	enum route_result	 got;

	if (k->recipient == NULL)
		return CHECK_DUNNO;
	got = route_canonical(k->c->s->route, slice_str(k->recipient), k->mem,
	    &full, &err);
	if (got == ROUTE_DONE)
		got = route_is_authorized(k->c->s->route, full, &ours, &err);
	if (got == ROUTE_WAIT)
		return check_wait_table(k);
	if (got == ROUTE_ERROR)
		return check_lookup_failed(k, k->recipient, &err);
	if (r->type->what == PERMIT_AUTH)
		return ours ? CHECK_OK : CHECK_DUNNO;
	if (ours)
		return CHECK_DUNNO;
	return check_reject(k, r->type->what == DEFER_UNAUTH ? 454 :
	    (int)k->c->s->conf->relay_code, "5.7.1",
	    "<%s>: Relay access denied", k->recipient);
}

static enum check_result
unauth_pipelining(struct check *k, const struct restriction *r)
{
	struct conn	*c = k->c;

	(void)r;
	if (stream_in(c->stream).len == 0 ||
	    (c->esmtp && k->at != STAGE_DATA))
		return CHECK_DUNNO;
	return check_reject(k, 503, "5.5.0", "<%s>: %s rejected: Improper "
	    "use of SMTP command pipelining", check_name(k), check_class(k));
}

/*
 * Names as they were given.
 */
static enum check_result
non_fqdn_helo(struct check *k, const struct restriction *r)
{
	const char	*h = k->c->helo;

	(void)r;
	if (h == NULL || (policy_helo_valid(h) && policy_fqdn(h)))
		return CHECK_DUNNO;
	return check_reject(k, (int)k->c->s->conf->non_fqdn_code, "5.5.2",
	    "<%s>: Helo command rejected: need fully-qualified hostname", h);
}

static enum check_result
invalid_helo(struct check *k, const struct restriction *r)
{
	const char	*h = k->c->helo;

	(void)r;
	if (h == NULL || policy_helo_valid(h))
		return CHECK_DUNNO;
	return check_reject(k, (int)k->c->s->conf->invalid_helo_code, "5.5.2",
	    "<%s>: Helo command rejected: Invalid name", h);
}

enum { SENDER, RECIPIENT };

static enum check_result
non_fqdn_address(struct check *k, const struct restriction *r)
{
	bool		 sender = r->type->what == SENDER;
	const char	*a = sender ? k->sender : k->recipient;

	/* RFC 5321 4.5.1: <postmaster> needs no domain. */
	if (a == NULL || a[0] == '\0' || policy_fqdn(policy_domain(a)) ||
	    (!sender && slice_iis(slice_str(a), "postmaster")))
		return CHECK_DUNNO;
	return check_reject(k, (int)k->c->s->conf->non_fqdn_code, "5.5.2",
	    "<%s>: %s rejected: need fully-qualified address", a,
	    sender ? "Sender address" : "Recipient address");
}

/*
 * The client.
 */
static enum check_result
unknown_client(struct check *k, const struct restriction *r)
{
	struct conn	*c = k->c;

	(void)r;
	if (strcmp(c->name, "unknown") != 0)
		return CHECK_DUNNO;
	return check_reject(k, c->name_temp ? 450 :
	    (int)c->s->conf->unknown_client_code, "4.7.25", "Client host "
	    "rejected: cannot find your hostname, [%s]", c->ip);
}

static enum check_result
unknown_reverse(struct check *k, const struct restriction *r)
{
	struct conn	*c = k->c;

	(void)r;
	if (strcmp(c->reverse_name, "unknown") != 0)
		return CHECK_DUNNO;
	return check_reject(k, c->name_temp ? 450 :
	    (int)c->s->conf->unknown_client_code, "4.7.1", "Client host "
	    "rejected: cannot find your reverse hostname, [%s]", c->ip);
}

static enum check_result
plaintext(struct check *k, const struct restriction *r)
{
	(void)r;
	if (stream_is_tls(k->c->stream))
		return CHECK_DUNNO;
	return check_reject(k, (int)k->c->s->conf->plaintext_code, "4.7.1",
	    "Session encryption is required");
}

/*
 * Existence.
 */
static enum check_result
unlisted(struct check *k, const char *address, bool sender)
{
	struct smtpd		*s = k->c->s;
	struct error		 err;
	struct route_unknown	 why;
	const char		*full;
	bool			 exists;
	enum route_result	 got;

	if (address == NULL || address[0] == '\0')
		return CHECK_DUNNO;
	got = route_canonical(s->route, slice_str(address), k->mem, &full,
	    &err);
	if (got == ROUTE_DONE)
		got = route_exists(s->route, full, k->mem, &exists, &why,
		    &err);
	if (got == ROUTE_WAIT)
		return check_wait_table(k);
	if (got == ROUTE_ERROR)
		return check_lookup_failed(k, address, &err);
	if (exists)
		return CHECK_DUNNO;
	/* The permission of an earlier restriction does not make it exist. */
	return check_reject(k, why.code, sender ? "5.1.0" : why.dsn,
	    "<%s>: %s rejected: %s", address, sender ? "Sender address" :
	    "Recipient address", why.text);
}

static enum check_result
unlisted_address(struct check *k, const struct restriction *r)
{
	bool	sender = r->type->what == SENDER;

	if (!sender && k->unlisted_done)
		return CHECK_DUNNO;
	k->unlisted_done |= !sender;
	return unlisted(k, sender ? k->sender : k->recipient, sender);
}

/*
 * Logins.
 */
static bool
owns(const char *owners, const char *user, const char *domain,
    struct arena *a)
{
	struct slice	in = slice_str(owners), word;
	const char	*full = strchr(user, '@') != NULL ||
			    domain[0] == '\0' ? user :
			    arena_printf(a, "%s@%s", user, domain);

	while (slice_word(&in, ", \t\r\n", &word))
		if (slice_iis(word, user) || slice_iis(word, full))
			return true;
	return false;
}

enum { LOGIN_ANY, LOGIN_AUTH, LOGIN_UNAUTH, LOGIN_KNOWN };

static enum check_result
login_mismatch(struct check *k, const struct restriction *r)
{
	struct smtpd	*s = k->c->s;
	const char	*user = k->c->sasl_user, *owners = NULL;
	bool		 unmatched;
	struct error	 err;
	enum map_result	 got;

	if (k->sender == NULL || k->sender[0] == '\0' ||
	    (user == NULL && r->type->what == LOGIN_AUTH) ||
	    (user != NULL && r->type->what == LOGIN_UNAUTH))
		return CHECK_DUNNO;
	got = map_list_get_addr(s->login_maps, slice_str(k->sender),
	    s->common->recipient_delimiter, MAP_ADDR_FULL | MAP_ADDR_NOEXT |
	    MAP_ADDR_AT_DOM, k->mem, &owners, &unmatched, &err);
	if (got == MAP_WAIT)
		return check_wait_table(k);
	if (got == MAP_ERROR)
		return check_lookup_failed(k, k->sender, &err);
	if (user == NULL)
		return got == MAP_NONE ? CHECK_DUNNO : check_reject(k, 553,
		    "5.7.1", "<%s>: Sender address rejected: not logged in",
		    k->sender);
	if (got == MAP_NONE ? r->type->what == LOGIN_KNOWN :
	    owns(owners, user, s->conf->sasl_local_domain, k->mem))
		return CHECK_DUNNO;
	return check_reject(k, 553, "5.7.1", "<%s>: Sender address rejected: "
	    "not owned by user %s", k->sender, user);
}

static enum check_result
multi_bounce(struct check *k, const struct restriction *r)
{
	struct tx	*tx = k->c->tx;
	size_t		 n = tx == NULL ? 0 : tx->nrcpts;

	(void)r;
	if (k->sender == NULL || k->sender[0] != '\0')
		return CHECK_DUNNO;
	if (k->at != STAGE_DATA && k->at != STAGE_END)
		n++;			/* the one being asked for */
	if (n <= 1)
		return CHECK_DUNNO;
	return check_reject(k, (int)k->c->s->conf->multi_bounce_code, "5.5.3",
	    "<%s>: %s rejected: Multi-recipient bounce", check_name(k),
	    check_class(k));
}

const struct restriction_type restriction_types[] = {
	{ "permit", ARG_NONE, permit, 0 },
	{ "reject", ARG_NONE, reject, 0 },
	{ "defer", ARG_NONE, defer, 0 },
	{ "defer_if_permit", ARG_NONE, defer_if_permit, 0 },
	{ "defer_if_reject", ARG_NONE, defer_if_reject, 0 },
	{ "warn_if_reject", ARG_NONE, warn_if_reject, 0 },
	{ "permit_mynetworks", ARG_NONE, permit_mynetworks, 0 },
	{ "permit_sasl_authenticated", ARG_NONE, permit_sasl, 0 },
	{ "permit_inet_interfaces", ARG_NONE, permit_inet_interfaces, 0 },
	{ "permit_auth_destination", ARG_NONE, auth_destination,
	    PERMIT_AUTH },
	{ "reject_unauth_destination", ARG_NONE, auth_destination,
	    REJECT_UNAUTH },
	{ "defer_unauth_destination", ARG_NONE, auth_destination,
	    DEFER_UNAUTH },
	{ "reject_unauth_pipelining", ARG_NONE, unauth_pipelining, 0 },
	{ "reject_non_fqdn_helo_hostname", ARG_NONE, non_fqdn_helo, 0 },
	{ "reject_invalid_helo_hostname", ARG_NONE, invalid_helo, 0 },
	{ "reject_unknown_helo_hostname", ARG_NONE, check_unknown_helo, 0 },
	{ "reject_non_fqdn_sender", ARG_NONE, non_fqdn_address, SENDER },
	{ "reject_non_fqdn_recipient", ARG_NONE, non_fqdn_address,
	    RECIPIENT },
	{ "reject_unknown_sender_domain", ARG_NONE, check_domain, SENDER },
	{ "reject_unknown_recipient_domain", ARG_NONE, check_domain,
	    RECIPIENT },
	{ "reject_unknown_client_hostname", ARG_NONE, unknown_client, 0 },
	{ "reject_unknown_reverse_client_hostname", ARG_NONE,
	    unknown_reverse, 0 },
	{ "reject_unlisted_sender", ARG_NONE, unlisted_address, SENDER },
	{ "reject_unlisted_recipient", ARG_NONE, unlisted_address,
	    RECIPIENT },
	{ "reject_rbl_client", ARG_TEXT, check_rbl, 0 },
	{ "reject_plaintext_session", ARG_NONE, plaintext, 0 },
	{ "reject_sender_login_mismatch", ARG_NONE, login_mismatch,
	    LOGIN_ANY },
	{ "reject_authenticated_sender_login_mismatch", ARG_NONE,
	    login_mismatch, LOGIN_AUTH },
	{ "reject_unauthenticated_sender_login_mismatch", ARG_NONE,
	    login_mismatch, LOGIN_UNAUTH },
	{ "reject_known_sender_login_mismatch", ARG_NONE, login_mismatch,
	    LOGIN_KNOWN },
	{ "reject_multi_recipient_bounce", ARG_NONE, multi_bounce, 0 },
	{ "check_client_access", ARG_TABLE, check_access, STAGE_CLIENT },
	{ "check_helo_access", ARG_TABLE, check_access, STAGE_HELO },
	{ "check_sender_access", ARG_TABLE, check_access, STAGE_SENDER },
	{ "check_recipient_access", ARG_TABLE, check_access, STAGE_RCPT },
};

const size_t	restriction_ntypes = COUNT(restriction_types);
