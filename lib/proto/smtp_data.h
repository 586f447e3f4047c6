/* SPDX-License-Identifier: Apache-2.0 */
/* smtp_data.h - the content of DATA without its dots, as it streams by.
 *
 * Only CRLF . CRLF ends the content, and a dot is stuffing only right behind
 * CRLF (or at the very start): a bare CR or LF next to a dot means nothing.
 * All other bytes pass unchanged; what becomes of bare CR and LF is decided
 * by lib/intake.  RFC 5321 4.1.1.4, 4.5.2 */
#ifndef PROTO_SMTP_DATA_H
#define PROTO_SMTP_DATA_H

#include "base/attr.h"
#include "base/slice.h"

struct smtp_data {
	enum smtp_data_at {
		SMTP_DATA_START,	/* of a line; zeroed: of the content */
		SMTP_DATA_DOT,		/* start, then a dot (held back) */
		SMTP_DATA_DOT_CR,	/* start, dot, CR (both held back) */
		SMTP_DATA_LINE,		/* inside a line */
		SMTP_DATA_CR,		/* inside, the last byte was CR */
		SMTP_DATA_OVER
	}	 at;
};

enum smtp_data_got {
	SMTP_DATA_PIECE, /* *piece_out: content, points into the input (or
				 * is a constant); call again */
	SMTP_DATA_MORE,		/* the input is used up */
	SMTP_DATA_END		/* the final dot is taken; *in is behind it */
};

/* Take what *in holds, piece by piece. */
enum smtp_data_got	 smtp_data_take(struct smtp_data *d,
			    struct slice *in, struct slice *piece_out)
			    MUST_USE;

#endif
