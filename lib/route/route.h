/* SPDX-License-Identifier: Apache-2.0 */
/* route.h - what becomes of an address: classes, aliases, transports.
 * Replaces Postfix's trivial-rewrite and cleanup's virtual alias expansion.
 * Pure decisions over tables; the same library serves smtpd (does this
 * recipient exist?) and qmgr (where does it go?).
 *
 * Steps may answer ROUTE_WAIT when a table waits for a server; then repeat
 * the whole step after wake(). */
#ifndef ROUTE_ROUTE_H
#define ROUTE_ROUTE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/error.h"
#include "base/slice.h"
#include "conf/conf.h"
#include "map/map.h"

struct route;

/* Filled from route_params, which daemons put among their parts. */
struct route_conf {
	const char	*virtual_alias_maps, *virtual_alias_domains;
	const char	*virtual_mailbox_maps, *virtual_mailbox_domains;
	const char	*relay_recipient_maps, *local_recipient_maps;
	const char	*alias_maps, *transport_maps, *relocated_maps;
	const char	*default_transport, *local_transport;
	const char	*virtual_transport, *relay_transport;
	const char	*sender_dependent_relayhost_maps;
	const char	*sender_dependent_default_transport_maps;
	const char	*parent_domain_matches_subdomains;
	const char	*propagate_unmatched_extensions;
	int64_t		 virtual_alias_expansion_limit;
	int64_t		 virtual_alias_recursion_limit;
	int64_t		 virtual_alias_address_length_limit;
	int64_t		 unknown_local_recipient_reject_code;
	int64_t		 unknown_relay_recipient_reject_code;
	int64_t		 unknown_virtual_alias_reject_code;
	int64_t		 unknown_virtual_mailbox_reject_code;
	bool		 append_at_myorigin, append_dot_mydomain;
	bool		 resolve_numeric_domain, allow_untrusted_routing;
	bool		 show_user_unknown_table_name;
};

extern const struct param	route_params[];
extern const size_t		route_nparams;

/* Opens all tables it needs (as root).  conf must outlive it.  wake: see
 * above. */
int	 route_open(const struct conf *conf, const struct map_env *env,
	    struct route **out, struct error *err) MUST_USE;
void	 route_close(struct route **r);

/* Some table behind it changed on disk: open a new route and switch. */
bool	 route_changed(struct route *r);

/* The same for what decides where mail goes, without the tables of valid
 * recipients: for qmgr, which need not hear of each new account. */
bool	 route_destinations_changed(struct route *r);

enum route_result {
	ROUTE_DONE, ROUTE_WAIT,
	ROUTE_ERROR		/* a table failed: temporary; *err */
};

/* Complete and normalise: "user" gets @$myorigin, "user@" likewise,
 * the domain is lower-cased (the local part is kept), source routes are
 * stripped, ".$mydomain" is appended if append_dot_mydomain. */
enum route_result	 route_canonical(struct route *r, struct slice addr,
			    struct arena *a, const char **out,
			    struct error *err) MUST_USE;

enum route_class {
	CLASS_LOCAL, CLASS_VIRTUAL_ALIAS, CLASS_VIRTUAL_MAILBOX,
	CLASS_RELAY, CLASS_DEFAULT
};
enum route_result	 route_class_of(struct route *r, const char *domain,
			    enum route_class *out, struct error *err) MUST_USE;

/* Is the domain ours (any class but default)?  For
 * reject_unauth_destination. */
enum route_result	 route_is_authorized(struct route *r,
			    const char *address, bool *out,
			    struct error *err) MUST_USE;

/* Does the recipient exist?  exists_out false: why_out is Postfix's words
 * ("User unknown in local recipient table"), and code/dsn what to answer (550
 * or as configured, 5.1.1).  With local_recipient_maps or relay_recipient_maps
 * empty everyone exists.  ROUTE_ERROR too where a table says no that was
 * replaced on disk. */
struct route_unknown {
	int		 code;
	const char	*dsn, *text;
};
enum route_result	 route_exists(struct route *r, const char *address,
			    struct arena *a, bool *exists_out,
			    struct route_unknown *why_out, struct error *err)
			    MUST_USE;

/* virtual_alias_maps, recursively, with virtual_alias_expansion_limit and
 * virtual_alias_recursion_limit.  *out: the final addresses in a, duplicates
 * removed; at least one (the address itself if there is no alias). */
enum route_result	 route_expand(struct route *r, const char *address,
			    struct arena *a, const char ***out,
			    size_t *n_out, struct error *err) MUST_USE;

/* Where one final address goes. */
struct route_dest {
	enum route_class	 cls;
	const char	*transport;	/* "smtp": name of a master.cf service */
	const char	*nexthop;	/* domain or "[host]:port" or text */
	/* transport "error:text" or "retry:text" or an address that can't be
	 * delivered: verdict in place of a delivery.  NULL otherwise. */
	const char	*error_dsn, *error_text;
	bool		 discard;	/* transport "discard:" */
};
enum route_result	 route_resolve(struct route *r, const char *sender,
			    const char *address, struct arena *a,
			    struct route_dest *out, struct error *err)
			    MUST_USE;

/* Split at the recipient delimiters: "user+ext@dom" -> "user", "ext".
 * ext.len 0 and ext.p NULL if there is none. */
void	 route_split_ext(const struct route *r, struct slice local,
	    struct slice *user_out, struct slice *ext_out);

#endif
