/* SPDX-License-Identifier: Apache-2.0 */
/* address.h - mail addresses: of the envelope (RFC 5321, 6531) and of header
 * fields (RFC 5322).  A struct address holds only what was validated; the
 * slices point into the text that was parsed. */
#ifndef MAIL_ADDRESS_H
#define MAIL_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/buf.h"
#include "base/slice.h"

enum {					/* properties */
	ADDRESS_NULL	= 1,		/* <> */
	ADDRESS_QUOTED	= 2,		/* local part is a quoted string */
	ADDRESS_LITERAL	= 4,		/* domain is [...] */
	ADDRESS_UTF8	= 8,		/* some byte above 127 */
	ADDRESS_NODOMAIN = 16		/* no @domain */
};

struct address {
	struct slice	 local;		/* as written, quotes included */
	struct slice	 domain;	/* as written, [] included; or empty */
	unsigned int	 flags;
};

enum {					/* what else is accepted */
	ADDRESS_OK_NULL	    = 1,	/* <> */
	ADDRESS_OK_UTF8	    = 2,	/* RFC 6531 */
	ADDRESS_OK_NODOMAIN = 4,	/* <postmaster>, <user> */
	ADDRESS_OK_BARE	    = 8,	/* without < >, up to space or end */
	ADDRESS_OK_LOOSE    = 16	/* dots anywhere in the local part */
};

/* RFC 5321 4.1.2 Path: take "<...>" off the front of *in, source route
 * dropped.  False: *why_out says what is wrong (static text); nothing taken.
 * Limits: local part 64, domain 255, all 256 bytes; with ADDRESS_OK_LOOSE
 * the local part may have 255. */
bool	 address_path_take(struct slice *in, unsigned int ok,
	    struct address *out, const char **why_out) MUST_USE;

/* The whole of s is one addr-spec without < >, nothing around it. */
bool	 address_parse(struct slice s, unsigned int ok, struct address *out,
	    const char **why_out) MUST_USE;

/* Domain name: labels of letters, digits, hyphens (and UTF-8 if allowed),
 * 1..63 bytes each; or an address literal if literal is set. */
bool	 address_domain_ok(struct slice s, bool utf8, bool literal);

/* Local part without quotes and backslashes. */
struct slice	 address_local(struct arena *a, const struct address *ad);

/* "local@domain" with the local part as written (null address: ""). */
char	*address_str(struct arena *a, const struct address *ad) MUST_USE;

/* Append "local@domain" from parts where local is NOT quoted yet; quotes are
 * added if it needs them (RFC 5321 4.1.2). */
void	 address_put(struct buf *out, struct slice local,
	    struct slice domain);

/*
 * Address lists of header fields (From, To ...), as ENVELOPE wants them.
 */
enum address_kind {
	ADDRESS_MAILBOX,
	ADDRESS_GROUP,			/* "name:" ; name is set */
	ADDRESS_GROUP_END		/* ";" */
};

struct address_item {
	enum address_kind	 kind;
	/* p NULL: absent.  Quotes, backslashes and comments are gone, folds
	 * are a space; encoded words are still encoded. */
	struct slice		 name, route, local, domain;
	/* Where the addr-spec stands in the parsed text (so that it can be
	 * replaced there), and how: inside <> or bare. */
	struct slice		 spec;
	bool			 angle;
	bool			 ok;	/* false: syntax error, best effort */
};

/* Parse the body of an address field.  Never fails: what cannot be understood
 * becomes an item with ok false, or is skipped.  Stops after max items.  Time
 * is linear.  Returns how many; *items_out is in a. */
size_t	 address_list_parse(struct slice body, size_t max, struct arena *a,
	    struct address_item **items_out);

#endif
