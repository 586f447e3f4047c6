/* SPDX-License-Identifier: Apache-2.0 */
/* imap_search.h - the search program of SEARCH as a tree.
 * RFC 3501 6.4.4, RFC 4731 (RETURN), RFC 5032 (OLDER, YOUNGER), RFC 7162
 * (MODSEQ) */
#ifndef PROTO_IMAP_SEARCH_H
#define PROTO_IMAP_SEARCH_H

#include "proto/imap_args.h"
#include "proto/imap_set.h"

enum imap_key {
	IMAP_KEY_AND,		/* all children; none: ALL */
	IMAP_KEY_OR,		/* one of two children */
	IMAP_KEY_NOT,		/* one child */
	IMAP_KEY_SET,		/* set of sequence numbers */
	IMAP_KEY_UID,		/* set of UIDs */
	IMAP_KEY_FLAG,		/* n: an enum imap_flag bit that is set */
	IMAP_KEY_UNFLAG,	/* n: ... that is not set */
	IMAP_KEY_KEYWORD,	/* value */
	IMAP_KEY_NEW,		/* \Recent and not \Seen */
	IMAP_KEY_HEADER,	/* field contains value */
	IMAP_KEY_BODY,		/* value */
	IMAP_KEY_TEXT,		/* value, in header or body */
	IMAP_KEY_BEFORE,	/* n: days since 1970; internal date */
	IMAP_KEY_ON,
	IMAP_KEY_SINCE,
	IMAP_KEY_SENTBEFORE,	/* n: days since 1970; Date: field */
	IMAP_KEY_SENTON,
	IMAP_KEY_SENTSINCE,
	IMAP_KEY_LARGER,	/* n: octets */
	IMAP_KEY_SMALLER,
	IMAP_KEY_OLDER,		/* n: seconds */
	IMAP_KEY_YOUNGER,
	IMAP_KEY_MODSEQ		/* n */
};

struct imap_search {
	enum imap_key		 key;
	struct imap_search	*child;		/* AND OR NOT: first one */
	struct imap_search	*next;		/* sibling */
	struct imap_set		 set;
	struct slice		 field, value;
	int64_t			 n;
};

enum imap_return {
	IMAP_RETURN_MIN   = 1,
	IMAP_RETURN_MAX   = 2,
	IMAP_RETURN_ALL   = 4,
	IMAP_RETURN_COUNT = 8
};

struct imap_search_args {
	bool			 esearch;	/* RETURN was given */
	unsigned		 returns;
	struct slice		 charset;	/* empty: none given */
	struct imap_search	*program;	/* an AND */
	bool			 modseq;	/* MODSEQ is among the keys */
};

/* What follows "SEARCH ".  Nesting is limited to IMAP_DEPTH_MAX. */
bool	 imap_take_search(struct imap_in *in, struct imap_search_args *out);

#endif
