/* SPDX-License-Identifier: Apache-2.0 */
/* policy.h - verdicts, and what access tables say; no I/O, no replies. */
#ifndef SMTPD_POLICY_H
#define SMTPD_POLICY_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/slice.h"

enum verdict_kind {
	VERDICT_DUNNO,		/* no opinion: go on with the list */
	VERDICT_OK,		/* done with this list */
	VERDICT_REJECT		/* code, dsn, text are the reply */
};

struct verdict {
	enum verdict_kind	 kind;
	int		 code;		/* 4xx, 5xx */
	const char	*dsn, *text;	/* text: "<x>: ... rejected: ..." */
};

/* Why a line was not taken. */
enum bad_line { BAD_BARE, BAD_NUL, BAD_LONG };

/* Make codes agree: bad ones are a configuration error, soft turns 5 into 4,
 * the class of dsn becomes that of code, text is printable and short. */
void	 policy_fix(struct verdict *v, bool soft_bounce, struct arena *a);

/* The right-hand side of an access(5) table. */
enum access_kind {
	ACCESS_OK, ACCESS_DUNNO, ACCESS_REJECT, ACCESS_DEFER,
	ACCESS_DEFER_IF_PERMIT, ACCESS_DEFER_IF_REJECT, ACCESS_CODE,
	ACCESS_HOLD, ACCESS_DISCARD, ACCESS_REDIRECT, ACCESS_PREPEND,
	ACCESS_WARN, ACCESS_INFO,
	ACCESS_LIST		/* not one of these: a restriction list */
};

struct access {
	enum access_kind	 kind;
	int		 code;		/* ACCESS_CODE */
	const char	*dsn;		/* NULL: not given */
	const char	*text;		/* the rest; "" */
};

void	 policy_access_get(const char *value, struct arena *a,
	    struct access *out);

/* "5.7.1 text": True: *dsn_out is the code, *text behind it. */
bool	 policy_dsn_take(struct slice *text, struct arena *a,
	    const char **dsn_out);

/* The domain of an address, NULL if it has none. */
const char	*policy_domain(const char *address);

/* Has it a dot inside, or is it an address literal? */
bool	 policy_fqdn(const char *domain);

/* RFC 1123 host name or address literal. */
bool	 policy_helo_valid(const char *helo);

/* "192.0.2.1" -> "1.2.0.192.zone", IPv6 by nibbles.  NULL: not an address. */
const char	*policy_rbl_name(const char *ip, const char *zone,
		    struct arena *a);

#endif
