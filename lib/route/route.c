/* SPDX-License-Identifier: Apache-2.0 */
#include "route/route.h"

#include <string.h>

#include "base/ascii.h"
#include "base/mem.h"
#include "conf/lines.h"
#include "route/route_int.h"

/* Debian's main.cf says myorigin = /etc/mailname. */
static int
read_myorigin(struct route *r, struct error *err)
{
	struct buf	text;
	struct slice	s, word;
	int		rc;

	r->myorigin = r->common.myorigin;
	if (r->myorigin[0] != '/')
		return 0;
	buf_init(&text, 65536);
	rc = conf_read_file(r->myorigin, &text, err);
	s = buf_slice(&text);
	if (rc == 0 && slice_word(&s, " \t\r\n", &word))
		r->myorigin = arena_strndup(r->mem, (const char *)word.p,
		    word.len);
	buf_clear(&text);
	return rc;
}

static bool
lists_word(const char *list, const char *word)
{
	struct slice	s = slice_str(list), w;

	while (slice_word(&s, ", \t\r\n", &w))
		if (slice_iis(w, word))
			return true;
	return false;
}

static int
open_tables(struct route *r, const struct map_env *env, struct error *err)
{
	const struct {
		const char	*name, *spec;
		struct map_list	**list;
	} lists[] = {
		{ "virtual_alias_maps", r->conf.virtual_alias_maps,
		    &r->virtual_alias },
		{ "virtual_mailbox_maps", r->conf.virtual_mailbox_maps,
		    &r->virtual_mailbox },
		{ "relay_recipient_maps", r->conf.relay_recipient_maps,
		    &r->relay_recipient },
		{ "local_recipient_maps", r->conf.local_recipient_maps,
		    &r->local_recipient },
		{ "transport_maps", r->conf.transport_maps, &r->transport },
		{ "relocated_maps", r->conf.relocated_maps, &r->relocated },
		{ "sender_dependent_relayhost_maps",
		    r->conf.sender_dependent_relayhost_maps,
		    &r->sender_relayhost },
		{ "sender_dependent_default_transport_maps",
		    r->conf.sender_dependent_default_transport_maps,
		    &r->sender_transport },
	};

	for (size_t i = 0; i < COUNT(lists); i++)
		if (map_list_open(lists[i].spec, env, lists[i].list, err) < 0)
			return error_in(err, "parameter %s", lists[i].name);
	return 0;
}

static int
open_domains(struct route *r, const struct map_env *env, struct error *err)
{
	bool	relay_parents = lists_word(
		    r->conf.parent_domain_matches_subdomains,
		    "relay_domains");
	const struct {
		const char		*name, *spec;
		enum match_kind		 kind;
		bool			 parents;
		struct match_list	**list;
	} lists[] = {
		{ "mydestination", r->common.mydestination, MATCH_STRING,
		    false, &r->mydestination },
		{ "virtual_alias_domains", r->conf.virtual_alias_domains,
		    MATCH_STRING, false, &r->virtual_alias_domains },
		{ "virtual_mailbox_domains", r->conf.virtual_mailbox_domains,
		    MATCH_STRING, false, &r->virtual_mailbox_domains },
		{ "relay_domains", r->common.relay_domains, MATCH_DOMAIN,
		    relay_parents, &r->relay_domains },
	};

	for (size_t i = 0; i < COUNT(lists); i++)
		if (match_list_open(lists[i].spec, lists[i].kind,
		    lists[i].parents, env, lists[i].list, err) < 0)
			return error_in(err, "parameter %s", lists[i].name);
	return 0;
}

int
route_open(const struct conf *conf, const struct map_env *env,
    struct route **out, struct error *err)
{
	struct route	*r = mem_new(1, sizeof(*r));
	struct map_env	 e = { .default_type = NULL };

	r->mem = arena_new();
	if (conf_fill(conf, conf_common_params, conf_common_nparams, r->mem,
	    &r->common, err) < 0 ||
	    conf_fill(conf, route_params, route_nparams, r->mem, &r->conf,
	    err) < 0 || read_myorigin(r, err) < 0)
		goto fail;
	if (env != NULL)
		e = *env;
	if (e.default_type == NULL)
		e.default_type = r->common.default_database_type;
	r->own = conf_own_addresses(conf, r->mem);
	r->transport_parents = lists_word(
	    r->conf.parent_domain_matches_subdomains, "transport_maps");
	r->propagate_virtual = lists_word(
	    r->conf.propagate_unmatched_extensions, "virtual");
	if (open_tables(r, &e, err) < 0 || open_domains(r, &e, err) < 0)
		goto fail;
	*out = r;
	return 0;
fail:
	route_close(&r);
	return -1;
}

void
route_close(struct route **rp)
{
	struct route	*r = *rp;

	if (r == NULL)
		return;
	match_list_close(&r->mydestination);
	match_list_close(&r->relay_domains);
	match_list_close(&r->virtual_alias_domains);
	match_list_close(&r->virtual_mailbox_domains);
	map_list_close(&r->virtual_alias);
	map_list_close(&r->virtual_mailbox);
	map_list_close(&r->relay_recipient);
	map_list_close(&r->local_recipient);
	map_list_close(&r->transport);
	map_list_close(&r->relocated);
	map_list_close(&r->sender_relayhost);
	map_list_close(&r->sender_transport);
	arena_free(&r->mem);
	mem_free(rp);
}

bool
route_destinations_changed(struct route *r)
{
	bool	changed = false;

	changed |= match_list_changed(r->mydestination);
	changed |= match_list_changed(r->relay_domains);
	changed |= match_list_changed(r->virtual_alias_domains);
	changed |= match_list_changed(r->virtual_mailbox_domains);
	changed |= map_list_changed(r->virtual_alias);
	changed |= map_list_changed(r->transport);
	changed |= map_list_changed(r->relocated);
	changed |= map_list_changed(r->sender_relayhost);
	changed |= map_list_changed(r->sender_transport);
	return changed;
}

bool
route_changed(struct route *r)
{
	bool	changed = route_destinations_changed(r);

	changed |= map_list_changed(r->virtual_mailbox);
	changed |= map_list_changed(r->relay_recipient);
	changed |= map_list_changed(r->local_recipient);
	return changed;
}

const char *
route_domain(const char *address)
{
	const char	*at = strrchr(address, '@');

	return at == NULL ? "" : at + 1;
}

/* "@a,@b:user@domain" -> "user@domain".  RFC 5321 4.1.1.3: ignored. */
static struct slice
without_source_route(struct slice addr)
{
	ptrdiff_t	colon;

	if (addr.len == 0 || addr.p[0] != '@')
		return addr;
	colon = slice_find(addr, ':');
	/* "@[IPv6:...]:user": the colons of a literal are not the end. */
	while (colon >= 0 && slice_find(slice_first(addr, (size_t)colon),
	    '[') >= 0 && slice_find(slice_first(addr, (size_t)colon), ']') < 0) {
		ptrdiff_t	next = slice_find(slice_from(addr,
				    (size_t)colon + 1), ':');

		colon = next < 0 ? -1 : colon + 1 + next;
	}
	return colon < 0 ? addr : slice_from(addr, (size_t)colon + 1);
}

static char *
lower_domain(struct arena *a, struct slice domain)
{
	char	*text;

	while (domain.len > 1 && domain.p[domain.len - 1] == '.')
		domain.len--;
	text = arena_strndup(a, (const char *)domain.p, domain.len);
	for (char *p = text; *p != '\0'; p++)
		*p = (char)ascii_lower((unsigned char)*p);
	return text;
}

enum route_result
route_canonical(struct route *r, struct slice addr, struct arena *a,
    const char **out, struct error *err)
{
	struct slice	local;
	const char	*domain;
	ptrdiff_t	at;

	(void)err;
	*out = "";
	addr = without_source_route(slice_trim(addr));
	if (addr.len == 0)
		return ROUTE_DONE;
	at = slice_rfind(addr, '@');
	/* An '@' inside a quoted local part separates nothing. */
	if (at >= 0 && addr.p[addr.len - 1] == '"')
		at = -1;
	local = at < 0 ? addr : slice_first(addr, (size_t)at);
	domain = at < 0 ? "" : lower_domain(a, slice_from(addr,
	    (size_t)at + 1));
	if (domain[0] == '\0') {
		if (!r->conf.append_at_myorigin) {
			*out = arena_strndup(a, (const char *)local.p,
			    local.len);
			return ROUTE_DONE;
		}
		domain = lower_domain(a, slice_str(r->myorigin));
	}
	if (r->conf.append_dot_mydomain && domain[0] != '[' &&
	    strchr(domain, '.') == NULL)
		domain = arena_join(a, slice_str(domain), ".",
		    slice_str(r->common.mydomain));
	*out = arena_join(a, local, "@", slice_str(domain));
	return ROUTE_DONE;
}

enum route_result
route_of_map(enum map_result m)
{
	switch (m) {
	case MAP_FOUND:
	case MAP_NONE:
		return ROUTE_DONE;
	case MAP_WAIT:
		return ROUTE_WAIT;
	case MAP_ERROR:
		break;
	}
	return ROUTE_ERROR;
}

/* "[192.0.2.1]" or "[IPv6:2001:db8::1]" of one of our addresses. */
static bool
is_own_literal(const struct route *r, const char *domain)
{
	struct slice	lit = slice_str(domain), own = slice_str(r->own), w;

	if (lit.len < 3 || lit.p[0] != '[' || lit.p[lit.len - 1] != ']')
		return false;
	lit = slice_of(lit.p + 1, lit.len - 2);
	if (slice_istarts(lit, "ipv6:"))
		lit = slice_from(lit, 5);
	while (slice_word(&own, " ", &w))
		if (slice_ieq(lit, w))
			return true;
	return false;
}

static enum route_result
match(struct match_list *l, const char *domain, bool *out, struct error *err)
{
	enum map_result	m = match_list_has(l, domain, NULL, err);

	*out = m == MAP_FOUND;
	return route_of_map(m);
}

enum route_result
route_class_of(struct route *r, const char *domain, enum route_class *out,
    struct error *err)
{
	const struct {
		enum route_class	 cls;
		struct match_list	*list;
	} order[] = {
		{ CLASS_LOCAL, r->mydestination },
		{ CLASS_VIRTUAL_ALIAS, r->virtual_alias_domains },
		{ CLASS_VIRTUAL_MAILBOX, r->virtual_mailbox_domains },
		{ CLASS_RELAY, r->relay_domains },
	};

	*out = CLASS_LOCAL;
	if (domain[0] == '\0' || is_own_literal(r, domain))
		return ROUTE_DONE;
	for (size_t i = 0; i < COUNT(order); i++) {
		bool			has;
		enum route_result	res = match(order[i].list, domain,
					    &has, err);

		if (res != ROUTE_DONE)
			return res;
		if (has) {
			*out = order[i].cls;
			return ROUTE_DONE;
		}
	}
	*out = CLASS_DEFAULT;
	return ROUTE_DONE;
}

enum route_result
route_is_local(struct route *r, const char *domain, bool *out,
    struct error *err)
{
	*out = true;
	if (domain[0] == '\0' || strcasecmp(domain, r->myorigin) == 0 ||
	    is_own_literal(r, domain))
		return ROUTE_DONE;
	return match(r->mydestination, domain, out, err);
}

enum route_result
route_is_authorized(struct route *r, const char *address, bool *out,
    struct error *err)
{
	const char		*domain = route_domain(address);
	size_t			 n = strlen(address) - strlen(domain);
	enum route_class	 cls;
	enum route_result	 res = route_class_of(r, domain, &cls, err);

	*out = cls != CLASS_DEFAULT;
	if (res != ROUTE_DONE)
		return res;
	/* A route in the local part ("user%other@relayed") could make the
	 * next host send it anywhere. */
	if (cls != CLASS_LOCAL && !r->conf.allow_untrusted_routing && n > 1 &&
	    strcspn(address, "@%!") < n - 1)
		*out = false;
	return ROUTE_DONE;
}

enum route_result
route_find(struct route *r, struct map_list *l, const char *address,
    struct arena *a, const char **value_out, bool *unmatched_ext_out,
    struct error *err)
{
	unsigned int		forms = MAP_ADDR_FULL | MAP_ADDR_NOEXT |
				    MAP_ADDR_AT_DOM;
	bool			local;
	enum route_result	res;
	enum map_result		m;

	*value_out = NULL;
	if (map_list_empty(l))
		return ROUTE_DONE;
	res = route_is_local(r, route_domain(address), &local, err);
	if (res != ROUTE_DONE)
		return res;
	if (local)
		forms |= MAP_ADDR_USER;
	m = map_list_get_addr(l, slice_str(address),
	    r->common.recipient_delimiter, forms, a, value_out,
	    unmatched_ext_out, err);
	if (m != MAP_FOUND)
		*value_out = NULL;
	return route_of_map(m);
}

void
route_split_ext(const struct route *r, struct slice local,
    struct slice *user_out, struct slice *ext_out)
{
	(void)map_split_ext(local, r->common.recipient_delimiter, user_out,
	    ext_out);
}
