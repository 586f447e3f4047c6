/* SPDX-License-Identifier: Apache-2.0 */
/* imap_struct.h - ENVELOPE, BODY and BODYSTRUCTURE of FETCH.
 * RFC 3501 7.4.2.  What a message leaves out or gets wrong never breaks the
 * grammar: an address without domain gets the host MISSING_DOMAIN (as in
 * Dovecot), an empty multipart one empty text part. */
#ifndef PROTO_IMAP_STRUCT_H
#define PROTO_IMAP_STRUCT_H

#include "base/buf.h"
#include "mail/envelope.h"
#include "mail/mime.h"

/* With its parentheses. */
void	 imap_add_envelope(struct buf *out, const struct envelope *e);

/* extended: BODYSTRUCTURE, else BODY.  mem: for envelopes inside. */
void	 imap_add_structure(struct buf *out, const struct mime_part *root,
	    bool extended, struct arena *mem);

#endif
