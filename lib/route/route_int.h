/* SPDX-License-Identifier: Apache-2.0 */
/* route_int.h - what the files of lib/route share. */
#ifndef ROUTE_ROUTE_INT_H
#define ROUTE_ROUTE_INT_H

#include "conf/common.h"
#include "route/route.h"

struct route {
	struct arena		*mem;
	struct conf_common	 common;
	struct route_conf	 conf;
	const char		*myorigin;	/* of a file, if it names one */
	const char		*own;		/* own addresses */
	bool			 transport_parents;
	bool			 propagate_virtual;

	struct match_list	*mydestination, *relay_domains;
	struct match_list	*virtual_alias_domains;
	struct match_list	*virtual_mailbox_domains;
	struct map_list		*virtual_alias, *virtual_mailbox;
	struct map_list		*relay_recipient, *local_recipient;
	struct map_list		*transport, *relocated;
	struct map_list		*sender_relayhost, *sender_transport;
};

/* What is behind the last '@'; "" without one. */
const char	*route_domain(const char *address);

/* Does a bare user name of this domain mean one of ours? */
enum route_result	 route_is_local(struct route *r, const char *domain,
			    bool *out, struct error *err);

/* Look up in all forms that suit the address; value_out NULL: none. */
enum route_result	 route_find(struct route *r, struct map_list *l,
			    const char *address, struct arena *a,
			    const char **value_out, bool *unmatched_ext_out,
			    struct error *err);

enum route_result	 route_of_map(enum map_result m);

#endif
