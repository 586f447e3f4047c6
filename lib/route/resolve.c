/* SPDX-License-Identifier: Apache-2.0 */
/* Transport and next hop of one address.  What decides, strongest first:
 * relocated_maps, transport_maps, the class's transport with its next hop,
 * sender_dependent_relayhost_maps, relayhost, the recipient's domain. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "base/ascii.h"
#include "route/route_int.h"

/* "transport:nexthop": both parts as they are, maybe "". */
static void
split_transport(struct arena *a, const char *text, const char **transport_out,
    const char **nexthop_out)
{
	struct slice	rest = slice_trim(slice_str(text)), head;

	if (!slice_cut(&rest, ':', &head)) {
		head = rest;
		rest = slice_of("", 0);
	}
	*transport_out = arena_strndup(a, (const char *)head.p, head.len);
	*nexthop_out = arena_strndup(a, (const char *)rest.p, rest.len);
}

/* "5.1.1 text" -> "5.1.1", "text".  A class digit, then two numbers. */
static bool
split_dsn(struct arena *a, const char *text, const char **dsn_out,
    const char **text_out)
{
	size_t	n = strspn(text, "0123456789."), dots = 0;

	for (size_t i = 0; i < n; i++)
		if (text[i] == '.') {
			dots++;
			if (i == 0 || i + 1 == n || text[i + 1] == '.')
				return false;
		}
	if (dots != 2 || n < 5 || n > 9 || text[1] != '.' ||
	    strchr("245", text[0]) == NULL ||
	    (text[n] != '\0' && !ascii_is_blank(text[n])))
		return false;
	*dsn_out = arena_strndup(a, text, n);
	text += n;
	while (ascii_is_blank(*text))
		text++;
	*text_out = arena_strdup(a, text);
	return true;
}

static void
set_error(struct arena *a, struct route_dest *d, const char *dsn,
    const char *text)
{
	d->error_dsn = dsn;
	if (!split_dsn(a, text, &d->error_dsn, &d->error_text))
		d->error_text = arena_strdup(a, text);
	if (d->error_text[0] == '\0')
		d->error_text = dsn[0] == '4' ? "delivery temporarily "
		    "suspended" : "undeliverable address";
}

static void
refuse(struct route_dest *d, const char *dsn, const char *text)
{
	d->transport = "error";
	d->nexthop = text;
	d->error_dsn = dsn;
	d->error_text = text;
}

/* error:, retry: and discard: are verdicts of ours, not services. */
static void
finish(struct arena *a, struct route_dest *d)
{
	if (strcmp(d->transport, "error") == 0)
		set_error(a, d, "5.0.0", d->nexthop);
	else if (strcmp(d->transport, "retry") == 0)
		set_error(a, d, "4.0.0", d->nexthop);
	else if (strcmp(d->transport, "discard") == 0)
		d->discard = true;
}

static bool
is_numeric(const char *domain)
{
	struct in_addr	v4;

	return inet_pton(AF_INET, domain, &v4) == 1;
}

/* Literals, and names whose labels are not empty. */
static bool
is_plausible(const char *domain)
{
	size_t	n = strlen(domain);

	if (domain[0] == '[')
		return n > 2 && domain[n - 1] == ']';
	return n <= 1000 && domain[0] != '.' &&
	    (n == 0 || domain[n - 1] != '.') && strstr(domain, "..") == NULL;
}

/* NULL-sender look-ups use "<>", as in Postfix. */
static enum route_result
by_sender(struct route *r, struct map_list *l, const char *sender,
    struct arena *a, const char **out, struct error *err)
{
	enum route_result	res;
	bool			ext;

	*out = NULL;
	if (map_list_empty(l) || sender == NULL)
		return ROUTE_DONE;
	res = route_find(r, l, sender[0] == '\0' ? "<>" : sender, a, out,
	    &ext, err);
	/* DUNNO: as if there were nothing. */
	if (*out != NULL && strcasecmp(*out, "DUNNO") == 0)
		*out = NULL;
	return res;
}

/* Next hop for mail that leaves, unless the transport names one. */
static enum route_result
relay_hop(struct route *r, const char *sender, const char *domain,
    struct arena *a, const char **out, struct error *err)
{
	enum route_result	res = by_sender(r, r->sender_relayhost,
				    sender, a, out, err);

	if (res == ROUTE_DONE && *out == NULL)
		*out = r->common.relayhost[0] != '\0' ? r->common.relayhost :
		    domain;
	return res;
}

static enum route_result
by_class(struct route *r, const char *sender, const char *domain,
    struct arena *a, struct route_dest *d, struct error *err)
{
	const char		*transport = NULL, *hop = domain, *own_hop;
	enum route_result	 res = ROUTE_DONE;

	switch (d->cls) {
	case CLASS_LOCAL:
		transport = r->conf.local_transport;
		break;
	case CLASS_VIRTUAL_ALIAS:
		refuse(d, "5.1.1", r->conf.show_user_unknown_table_name ?
		    "User unknown in virtual alias table" : "User unknown");
		return ROUTE_DONE;
	case CLASS_VIRTUAL_MAILBOX:
		transport = r->conf.virtual_transport;
		break;
	case CLASS_RELAY:
		transport = r->conf.relay_transport;
		res = relay_hop(r, sender, domain, a, &hop, err);
		break;
	case CLASS_DEFAULT:
		res = by_sender(r, r->sender_transport, sender, a, &transport,
		    err);
		if (transport == NULL)
			transport = r->conf.default_transport;
		if (res == ROUTE_DONE)
			res = relay_hop(r, sender, domain, a, &hop, err);
		break;
	}
	if (res != ROUTE_DONE)
		return res;
	split_transport(a, transport, &d->transport, &own_hop);
	d->nexthop = own_hop[0] != '\0' ? own_hop : arena_strdup(a, hop);
	return ROUTE_DONE;
}

/* transport(5): full address, without extension, domain, its parents, "*". */
static enum route_result
by_table(struct route *r, const char *address, const char *domain,
    struct arena *a, struct route_dest *d, struct error *err)
{
	unsigned int	 forms = MAP_ADDR_FULL | MAP_ADDR_NOEXT | MAP_ADDR_DOM |
			    (r->transport_parents ? MAP_ADDR_PARENT_NODOT :
			    MAP_ADDR_PARENT);
	const char	*value, *transport, *hop;
	enum map_result	 m;

	if (map_list_empty(r->transport))
		return ROUTE_DONE;
	m = map_list_get_addr(r->transport, slice_str(address),
	    r->common.recipient_delimiter, forms, a, &value, NULL, err);
	if (m == MAP_NONE)
		m = map_list_get_partial(r->transport, SLICE_LIT("*"), a,
		    &value, err);
	if (m != MAP_FOUND)
		return route_of_map(m);
	split_transport(a, value, &transport, &hop);
	if (transport[0] != '\0') {
		/* A transport without a next hop goes to the recipient's
		 * domain, whatever relayhost says. */
		*d = (struct route_dest){ .cls = d->cls,
		    .transport = transport,
		    .nexthop = hop[0] != '\0' ||
		    strcmp(transport, "error") == 0 ||
		    strcmp(transport, "retry") == 0 ||
		    strcmp(transport, "discard") == 0 ? hop :
		    arena_strdup(a, domain) };
	} else if (hop[0] != '\0')
		d->nexthop = hop;
	return ROUTE_DONE;
}

static bool
is_double_bounce(const struct route *r, const char *address)
{
	size_t	n = strlen(r->common.double_bounce_sender);

	return n > 0 && strncasecmp(address, r->common.double_bounce_sender,
	    n) == 0 && (address[n] == '@' || address[n] == '\0');
}

static enum route_result
by_relocated(struct route *r, const char *address, struct arena *a,
    struct route_dest *d, struct error *err)
{
	const char		*where;
	bool			 ext;
	enum route_result	 res = route_find(r, r->relocated, address, a,
				    &where, &ext, err);

	if (res == ROUTE_DONE && where != NULL)
		refuse(d, "5.1.6", arena_printf(a, "User has moved to %s",
		    where));
	return res;
}

enum route_result
route_resolve(struct route *r, const char *sender, const char *address,
    struct arena *a, struct route_dest *out, struct error *err)
{
	const char		*domain = route_domain(address);
	enum route_result	 res;

	*out = (struct route_dest){ .cls = CLASS_DEFAULT };
	if (address[0] == '\0' || address[0] == '@' || !is_plausible(domain)) {
		refuse(out, "5.1.3", "bad address syntax");
		return ROUTE_DONE;
	}
	if (is_numeric(domain)) {
		if (!r->conf.resolve_numeric_domain) {
			refuse(out, "5.1.3", "bad numeric domain name");
			return ROUTE_DONE;
		}
		domain = arena_printf(a, "[%s]", domain);
	}
	res = route_class_of(r, domain, &out->cls, err);
	if (res == ROUTE_DONE)
		res = by_class(r, sender, domain, a, out, err);
	if (res == ROUTE_DONE && out->cls != CLASS_VIRTUAL_ALIAS)
		res = by_table(r, address, domain, a, out, err);
	if (res == ROUTE_DONE)
		res = by_relocated(r, address, a, out, err);
	if (res != ROUTE_DONE)
		return res;
	if (out->error_text == NULL)
		finish(a, out);
	/* Nobody reads what the last bounce of a bounce could not tell. */
	if (out->cls == CLASS_LOCAL && is_double_bounce(r, address))
		*out = (struct route_dest){ .cls = CLASS_LOCAL,
		    .transport = "discard", .nexthop = "double bounce",
		    .discard = true };
	return ROUTE_DONE;
}

static struct route_unknown
unknown(const struct route *r, int64_t code, const char *table,
    struct arena *a)
{
	struct route_unknown	u = { .code = (int)code };

	u.dsn = code >= 500 ? "5.1.1" : "4.1.1";
	u.text = r->conf.show_user_unknown_table_name ?
	    arena_printf(a, "User unknown in %s table", table) :
	    "User unknown";
	return u;
}

/* In the table of its class? */
static enum route_result
in_table(struct route *r, const char *address, enum route_class cls,
    struct arena *a, bool *exists_out, struct route_unknown *why,
    struct error *err)
{
	const struct {
		struct map_list	*list;
		int64_t		 code;
		const char	*name;
	} tables[] = {
		[CLASS_LOCAL] = { r->local_recipient,
		    r->conf.unknown_local_recipient_reject_code,
		    "local recipient" },
		[CLASS_VIRTUAL_ALIAS] = { NULL,
		    r->conf.unknown_virtual_alias_reject_code,
		    "virtual alias" },
		[CLASS_VIRTUAL_MAILBOX] = { r->virtual_mailbox,
		    r->conf.unknown_virtual_mailbox_reject_code,
		    "virtual mailbox" },
		[CLASS_RELAY] = { r->relay_recipient,
		    r->conf.unknown_relay_recipient_reject_code,
		    "relay recipient" },
		[CLASS_DEFAULT] = { NULL, 0, NULL },
	};
	enum route_result	 res = ROUTE_DONE;
	const char		*value = NULL;
	bool			 ext;

	*exists_out = true;
	if (cls == CLASS_DEFAULT || (cls != CLASS_VIRTUAL_ALIAS &&
	    map_list_empty(tables[cls].list)))
		return ROUTE_DONE;
	if (tables[cls].list != NULL)
		res = route_find(r, tables[cls].list, address, a, &value,
		    &ext, err);
	if (res != ROUTE_DONE || value != NULL)
		return res;
	*exists_out = false;
	*why = unknown(r, tables[cls].code, tables[cls].name, a);
	return ROUTE_DONE;
}

static enum route_result
look_up(struct route *r, const char *address, struct arena *a,
    bool *exists_out, struct route_unknown *why, struct error *err)
{
	struct route_dest	 d;
	const char		*value;
	bool			 ext;
	enum route_result	 res;

	*exists_out = true;
	*why = (struct route_unknown){ .code = 0 };
	/* RFC 5321 4.5.1: <postmaster> without a domain is always there. */
	if (strcasecmp(address, "postmaster") == 0)
		return ROUTE_DONE;
	res = route_find(r, r->virtual_alias, address, a, &value, &ext, err);
	if (res != ROUTE_DONE || value != NULL)
		return res;
	res = route_resolve(r, NULL, address, a, &d, err);
	if (res != ROUTE_DONE || d.discard)
		return res;
	if (d.error_text != NULL && strcmp(d.transport, "error") == 0 &&
	    d.cls != CLASS_VIRTUAL_ALIAS) {
		*exists_out = false;
		*why = (struct route_unknown){ d.error_dsn[0] == '4' ? 450 :
		    550, d.error_dsn, d.error_text };
		return ROUTE_DONE;
	}
	return in_table(r, address, d.cls, a, exists_out, why, err);
}

/* A table that is out of date can say yes, but a no of it would be for ever:
 * then the client has to come again, and finds the new one. */
enum route_result
route_exists(struct route *r, const char *address, struct arena *a,
    bool *exists_out, struct route_unknown *why, struct error *err)
{
	enum route_result	res = look_up(r, address, a, exists_out, why,
				    err);

	if (res == ROUTE_DONE && !*exists_out && route_changed(r)) {
		(void)error_set(err, "a table has changed since it was "
		    "opened");
		return ROUTE_ERROR;
	}
	return res;
}
