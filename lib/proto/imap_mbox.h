/* SPDX-License-Identifier: Apache-2.0 */
/* imap_mbox.h - arguments of the mailbox commands: LIST, LSUB, STATUS,
 * APPEND, STORE; and the matching of LIST patterns. */
#ifndef PROTO_IMAP_MBOX_H
#define PROTO_IMAP_MBOX_H

#include "proto/imap_args.h"

enum imap_list_select {
	IMAP_LIST_SUBSCRIBED     = 1,
	IMAP_LIST_REMOTE         = 2,
	IMAP_LIST_RECURSIVEMATCH = 4,
	IMAP_LIST_SPECIAL_USE    = 8
};

enum imap_list_return {
	IMAP_RET_SUBSCRIBED  = 1,
	IMAP_RET_CHILDREN    = 2,
	IMAP_RET_SPECIAL_USE = 4,
	IMAP_RET_STATUS      = 8
};

enum imap_status_item {
	IMAP_STATUS_MESSAGES      = 1,
	IMAP_STATUS_RECENT        = 2,
	IMAP_STATUS_UIDNEXT       = 4,
	IMAP_STATUS_UIDVALIDITY   = 8,
	IMAP_STATUS_UNSEEN        = 16,
	IMAP_STATUS_SIZE          = 32,		/* RFC 8438 */
	IMAP_STATUS_HIGHESTMODSEQ = 64		/* RFC 7162 */
};

#define IMAP_PATTERNS_MAX	32
#define IMAP_PATTERN_LEN	1000

struct imap_list_args {
	bool		 extended;	/* RFC 5258 syntax was used */
	unsigned	 select, returns, status;
	struct slice	 reference;
	struct slice	 patterns[IMAP_PATTERNS_MAX];
	size_t		 npatterns;
};

/* What follows "LIST ". */
bool	 imap_take_list(struct imap_in *in, struct imap_list_args *out);

/* "(" status-att *(SP status-att) ")" */
bool	 imap_take_status_items(struct imap_in *in, unsigned *out);

enum imap_store_op { IMAP_STORE_SET, IMAP_STORE_ADD, IMAP_STORE_REMOVE };

struct imap_store_args {
	enum imap_store_op	 op;
	bool			 silent;
	bool			 unchangedsince;	/* RFC 7162 */
	uint64_t		 modseq;
	struct imap_flags	 flags;
};

/* What follows the set and a space of STORE. */
bool	 imap_take_store(struct imap_in *in, struct imap_store_args *out);

struct imap_append_args {
	struct slice		 mailbox;
	struct imap_flags	 flags;
	bool			 has_date;
	int64_t			 date;		/* seconds since 1970 */
};

/* What stands before the literal of APPEND: mailbox SP [flag-list SP]
 * [date-time SP], to the end of the text. */
bool	 imap_take_append(struct imap_in *in, struct imap_append_args *out);

/* Does name match the pattern?  "%" stops at sep, "*" does not; INBOX
 * matches in any case.  Time is the product of the lengths, never more. */
bool	 imap_pattern_match(struct slice pattern, struct slice name, int sep);

/* Could a name below this one match ("name" + sep + ...)? */
bool	 imap_pattern_below(struct slice pattern, struct slice name, int sep);

#endif
