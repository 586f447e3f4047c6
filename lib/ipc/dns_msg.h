/* SPDX-License-Identifier: Apache-2.0 */
/* dns_msg.h - any daemon asks the resolver for one name and type. */
#ifndef IPC_DNS_MSG_H
#define IPC_DNS_MSG_H

#include "ipc/msg.h"

/* RFC 1035 3.2.2 and later numbers. */
enum {
	DNS_A = 1, DNS_NS = 2, DNS_CNAME = 5, DNS_PTR = 12, DNS_MX = 15,
	DNS_TXT = 16, DNS_AAAA = 28, DNS_TLSA = 52
};

struct dns_req {
	const char	*name;		/* without final dot; for DNS_PTR the
					 * numeric IP address is allowed */
	uint64_t	 type;
};

enum dns_result {
	DNS_OK,			/* records found */
	DNS_NODATA,		/* the name exists, this type does not */
	DNS_NXDOMAIN,
	DNS_TEMPFAIL		/* time-out, SERVFAIL, bogus: see why */
};

struct dns_rr {
	uint64_t	 preference;	/* MX; TLSA: 0 */
	const char	*text;		/* A, AAAA: numeric; MX, PTR, NS, CNAME:
					 * name without final dot ("" : root, i.e.
					 * null MX); others: "" */
	struct slice	 data;		/* TXT: the strings joined; TLSA: rdata */
};

struct dns_res {
	uint64_t	 result;	/* enum dns_result */
	bool		 secure;	/* DNSSEC-validated (also denials) */
	bool		 bogus;		/* validation failed: with TEMPFAIL */
	uint64_t	 ttl;		/* seconds the answer may be kept */
	const char	*why;		/* TEMPFAIL: in words; NULL */
	struct ipc_list	 records;	/* struct dns_rr */
};

extern const struct ipc_desc	dns_req_desc, dns_res_desc;

#endif
