/* SPDX-License-Identifier: Apache-2.0 */
/* answer.h - DNS packets and names, as bytes in memory (RFC 1035 4.1). */
#ifndef RESOLVER_ANSWER_H
#define RESOLVER_ANSWER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/slice.h"
#include "ipc/dns_msg.h"

/* Longest name as text, every byte of it escaped, and the NUL. */
#define ANSWER_NAME_MAX	1024

/* Records of one answer that are passed on; more are left out. */
#define ANSWER_RR_MAX	512

struct answer {
	enum dns_result	 result;
	uint32_t	 ttl;		/* 0: do not keep */
	const char	*why;		/* TEMPFAIL */
	struct dns_rr	*rr;
	size_t		 nrr;
};

/* What packet says of name and type; aliases are followed inside the packet.
 * Everything in *out lives in a.  -1: the packet is malformed. */
int	 answer_parse(struct slice packet, const char *name, uint16_t type,
	    struct arena *a, struct answer *out) MUST_USE;

/* May this be asked at all?  Labels of 1 to 63 visible ASCII characters, 253
 * in all, no backslash. */
bool	 answer_name_ok(const char *name);

/* in-addr.arpa or ip6.arpa name of a numeric address; NULL: it is none. */
const char	*answer_reverse(struct arena *a, const char *ip);

#endif
