/* SPDX-License-Identifier: Apache-2.0 */
/* envelope.h - what IMAP's ENVELOPE says, from header fields. */
#ifndef MAIL_ENVELOPE_H
#define MAIL_ENVELOPE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"
#include "mail/address.h"

struct envelope_addrs {
	struct address_item	*items;
	size_t			 count;	/* 0: NIL */
};

struct envelope {
	/* p NULL: NIL.  Unfolded, encoded words still encoded. */
	struct slice		 date, subject, in_reply_to, message_id;
	/* sender and reply_to are from's when absent (RFC 3501 7.4.2). */
	struct envelope_addrs	 from, sender, reply_to, to, cc, bcc;
};

#define ENVELOPE_MAX_ADDRS	10000

/* headers: a header section, or just the fields that matter. */
void	 envelope_parse(struct slice headers, struct arena *a,
	    struct envelope *out);

/* Append those fields of a section that envelope_parse() looks at, unchanged
 * and in order; at most max bytes.  False: some did not fit. */
bool	 envelope_pick(struct buf *out, struct slice section, size_t max);

#endif
