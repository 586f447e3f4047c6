/* SPDX-License-Identifier: Apache-2.0 */
/* resolver.h - the one program that asks the DNS.
 *
 * A query is one question that libunbound is working on; any number of
 * requests for the same name and type wait for it (waiters). */
#ifndef RESOLVER_RESOLVER_H
#define RESOLVER_RESOLVER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/times.h"
#include "conf/conf.h"
#include "ipc/ipc.h"

struct daemon;
struct hash;
struct hosts;
struct ub_ctx;

struct resolver_conf {
	const char	*stub_zones, *forwarders, *root_servers;
	const char	*trust_anchor_files, *insecure_zones;
	const char	*unblock_local_zones, *hosts_file;
	int64_t		 cache_size, query_limit;
	int64_t		 outgoing_ports, outgoing_tcp;
	usec_t		 query_timeout;
};

extern const struct param	resolver_params[];
extern const size_t		resolver_nparams;

struct resolver {
	const struct resolver_conf	*conf;
	struct hosts			*hosts;
	const char			*anchors;	/* lines, "" for none */
	struct ub_ctx			*ctx;
	struct hash			*queries;	/* "type name" */
};

/* setup.c */
int	 resolver_open(struct daemon *d, struct error *err) MUST_USE;
int	 resolver_start(struct daemon *d, struct error *err) MUST_USE;
void	 resolver_finish(struct daemon *d);

/* query.c: the handler of dns_req. */
void	 resolver_ask(void *daemon, struct ipc_request req, void *msg);

#endif
