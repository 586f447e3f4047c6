/* SPDX-License-Identifier: Apache-2.0 */
/* imap_out.h - the pieces of IMAP answers.
 * Formatters append to a buf; what does not fit sets its overflow mark. */
#ifndef PROTO_IMAP_OUT_H
#define PROTO_IMAP_OUT_H

#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"
#include "proto/imap_args.h"

/* string: quoted where RFC 3501 allows, else a literal.  NUL, which no IMAP
 * string can hold, becomes 0x80 (as in Dovecot). */
void	 imap_add_string(struct buf *out, struct slice s);

/* nstring: NIL if s.p is NULL. */
void	 imap_add_nstring(struct buf *out, struct slice s);

/* astring: an atom if it can be one, else as imap_add_string(). */
void	 imap_add_astring(struct buf *out, struct slice s);

/* date-time of INTERNALDATE, in quotes, always at zone +0000. */
void	 imap_add_date_time(struct buf *out, int64_t secs);

/* "\Answered \Seen $Junk": names of the bits, without parentheses. */
void	 imap_add_flags(struct buf *out, unsigned system);

/* Text as resp-text: control characters become spaces, and it is never
 * empty. */
void	 imap_add_text(struct buf *out, const char *text);

#endif
