/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/daemon.h"
#include "ipc/dns_msg.h"
#include "resolver/resolver.h"

#define C	struct resolver_conf

const struct param resolver_params[] = {
	P_STR(C, stub_zones, "resolver_stub_zones", "",
	    "Zones whose name servers are given here, as zone=address or "
	    "zone=address@port; a zone may be named several times."),
	P_STR(C, forwarders, "resolver_forwarders", "",
	    "Name servers (address or address@port) that are asked instead of "
	    "walking down from the root; their answers are validated here."),
	P_STR(C, root_servers, "resolver_root_servers", "",
	    "Addresses of root servers instead of the built-in ones."),
	P_STR(C, trust_anchor_files, "resolver_trust_anchor_files",
	    "/usr/share/dns/root.key",
	    "Files with DNSSEC trust anchors (DS or DNSKEY, one record a "
	    "line)."),
	P_STR(C, insecure_zones, "resolver_insecure_zones", "",
	    "Zones that are not validated although a trust anchor above them "
	    "says that they should be."),
	P_STR(C, unblock_local_zones, "resolver_unblock_local_zones", "",
	    "Zones that are answered by the DNS and not by built-in rules, "
	    "such as 10.in-addr.arpa; resolver_stub_zones are among them."),
	P_STR(C, hosts_file, "resolver_hosts_file", "/etc/hosts",
	    "Names and addresses for when the DNS has none, in the format of "
	    "hosts(5); empty for none."),
	P_SIZE(C, cache_size, "resolver_cache_size", "64000000", 1000000,
	    INT64_C(1) << 40, "Memory for answers, in bytes."),
	P_INT(C, query_limit, "resolver_query_limit", "4096", 1, 1000000,
	    "Different questions under way at once; more are answered with a "
	    "temporary failure."),
	P_INT(C, outgoing_ports, "resolver_outgoing_ports", "2048", 16, 30000,
	    "UDP sockets that may be open at once."),
	P_INT(C, outgoing_tcp, "resolver_outgoing_tcp", "64", 1, 10000,
	    "TCP connections that may be open at once."),
	P_TIME(C, query_timeout, "resolver_query_timeout", "10s", 's', 1, 300,
	    "How long an asker waits for an answer."),
};
const size_t resolver_nparams = COUNT(resolver_params);

static const struct ipc_handler handlers[] = {
	{ &dns_req_desc, resolver_ask },
};

static const struct daemon_desc resolver = {
	.name		= "resolver",
	.log_tag	= "resolver",
	.kind		= DAEMON_IPC,
	.user		= DAEMON_NET,
	.root		= DAEMON_ROOT_EMPTY,
	.params		= resolver_params,
	.nparams	= COUNT(resolver_params),
	.conf_size	= sizeof(struct resolver_conf),
	.open_as_root	= resolver_open,
	.start		= resolver_start,
	.finish		= resolver_finish,
	.handlers	= handlers,
	.nhandlers	= COUNT(handlers),
};

int
main(int argc, char **argv)
{
	return daemon_run(&resolver, argc, argv);
}
