/* SPDX-License-Identifier: Apache-2.0 */
#include "route/route.h"

#define S(name, def, doc)	P_STR(struct route_conf, name, #name, def, doc)
#define B(name, def, doc)	P_BOOL(struct route_conf, name, #name, def, doc)
#define N(name, def, min, max, doc) \
	P_INT(struct route_conf, name, #name, def, min, max, doc)

const struct param route_params[] = {
	S(virtual_alias_maps, "",
	    "Tables that map addresses or whole domains to other addresses."),
	S(virtual_alias_domains, "$virtual_alias_maps",
	    "Domains all of whose addresses are aliases."),
	S(virtual_mailbox_maps, "",
	    "Tables with all valid addresses of $virtual_mailbox_domains."),
	S(virtual_mailbox_domains, "$virtual_mailbox_maps",
	    "Domains that are delivered by $virtual_transport."),
	S(relay_recipient_maps, "",
	    "Tables with all valid addresses of $relay_domains; empty: every "
	    "address is accepted."),
	S(local_recipient_maps, "proxy:unix:passwd.byname $alias_maps",
	    "Tables with all valid local recipients; empty: every address is "
	    "accepted."),
	S(alias_maps, "$default_database_type:/etc/aliases",
	    "The alias tables of local delivery."),
	S(transport_maps, "",
	    "Tables that map recipients to transports and next hops."),
	S(relocated_maps, "",
	    "Tables with new places of users and domains that are gone."),
	S(default_transport, "smtp",
	    "The transport and next hop of mail for domains that are not "
	    "ours."),
	S(local_transport, "local:$myhostname",
	    "The transport and next hop of domains in $mydestination."),
	S(virtual_transport, "virtual",
	    "The transport and next hop of $virtual_mailbox_domains."),
	S(relay_transport, "relay",
	    "The transport and next hop of $relay_domains."),
	S(sender_dependent_relayhost_maps, "",
	    "Tables by sender address that override relayhost."),
	S(sender_dependent_default_transport_maps, "",
	    "Tables by sender address that override default_transport."),
	S(parent_domain_matches_subdomains,
	    "debug_peer_list,fast_flush_domains,mynetworks,"
	    "permit_mx_backup_networks,qmqpd_authorized_clients,relay_domains,"
	    "smtpd_access_maps",
	    "Features in which \"example.com\" also means its subdomains; in "
	    "others \".example.com\" does."),
	S(propagate_unmatched_extensions, "canonical, virtual",
	    "Tables whose results get the address extension that did not take "
	    "part in the look-up."),
	N(virtual_alias_expansion_limit, "1000", 1, 1000000,
	    "The most addresses that one recipient may become."),
	N(virtual_alias_recursion_limit, "1000", 1, 1000000,
	    "The deepest nesting of virtual aliases."),
	N(virtual_alias_address_length_limit, "1000", 1, 100000,
	    "The longest address that virtual alias expansion may produce."),
	N(unknown_local_recipient_reject_code, "550", 400, 599,
	    "The reply code for unknown local recipients."),
	N(unknown_relay_recipient_reject_code, "550", 400, 599,
	    "The reply code for unknown recipients of $relay_domains."),
	N(unknown_virtual_alias_reject_code, "550", 400, 599,
	    "The reply code for unknown recipients of "
	    "$virtual_alias_domains."),
	N(unknown_virtual_mailbox_reject_code, "550", 400, 599,
	    "The reply code for unknown recipients of "
	    "$virtual_mailbox_domains."),
	B(append_at_myorigin, "yes",
	    "Complete addresses without a domain by @$myorigin."),
	B(append_dot_mydomain, "no",
	    "Complete domains without a dot by .$mydomain."),
	B(resolve_numeric_domain, "no",
	    "Accept user@192.0.2.1 as if it were user@[192.0.2.1]."),
	B(allow_untrusted_routing, "no",
	    "Forward mail with a route in the local part (user%domain@site) "
	    "for strangers."),
	B(show_user_unknown_table_name, "yes",
	    "Name the table in which a recipient was not found."),
};

const size_t	route_nparams = COUNT(route_params);
