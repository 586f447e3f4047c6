/* SPDX-License-Identifier: Apache-2.0 */
/* smtp_line.h - command lines of SMTP and LMTP. */
#ifndef PROTO_SMTP_LINE_H
#define PROTO_SMTP_LINE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"
#include "base/slice.h"

enum smtp_line {
	SMTP_LINE_DONE,
	SMTP_LINE_MORE,		/* no complete line yet */
	SMTP_LINE_BARE,		/* a CR without LF, or LF without CR */
	SMTP_LINE_NUL,
	SMTP_LINE_LONG		/* over max bytes, line end included */
};

/* Take one line off the front of *in.
 * DONE  *line_out is the text without CRLF; *in begins after it
 * else  nothing consumed; after BARE, NUL and LONG go on with
 *       smtp_line_skip()
 * bare_lf: LF alone ends a line too.  RFC 5321 2.3.8, 4.5.3.1.4 */
enum smtp_line	 smtp_line_take(struct slice *in, size_t max, bool bare_lf,
		    struct slice *line_out) MUST_USE;

/* Drop what belongs to a bad line: all up to and including the next LF.
 * True: the LF was found, *in begins behind it.  False: all of *in was
 * dropped and the line goes on. */
bool	 smtp_line_skip(struct slice *in) MUST_USE;

#endif
