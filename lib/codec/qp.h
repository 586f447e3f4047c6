/* SPDX-License-Identifier: Apache-2.0 */
/* qp.h - quoted-printable, RFC 2045 6.7. */
#ifndef CODEC_QP_H
#define CODEC_QP_H

#include <stdbool.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/slice.h"

/* Append s encoded as text: CRLF and LF in s become CRLF line ends, lines
 * are at most 76 characters, trailing blanks are protected. */
void	 qp_put(struct buf *out, struct slice s);

/* Decoder in pieces of any size; bad escapes pass through as they are.  A
 * zeroed struct is the start. */
struct qp_dec {
	unsigned char	 held[80];	/* undecided: escape, trailing blanks */
	size_t		 nheld;
};

/* Append what s decodes to.  qp_dec_end() gives out what is undecided at the
 * end of the input. */
void	 qp_dec_feed(struct qp_dec *d, struct slice s, struct buf *out);
void	 qp_dec_end(struct qp_dec *d, struct buf *out);

#endif
