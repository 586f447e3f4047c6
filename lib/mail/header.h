/* SPDX-License-Identifier: Apache-2.0 */
/* header.h - the header section of a message or of a MIME part.
 * Lines end with CRLF or LF.  The section ends at the first empty line; a line
 * that is neither a field nor a continuation (no colon, a space or control in
 * the name, a first line beginning with white space) also ends it and is the
 * first line of the body. */
#ifndef MAIL_HEADER_H
#define MAIL_HEADER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/slice.h"

struct header_field {
	struct slice	 name;		/* without colon and blanks before it */
	struct slice	 body;		/* behind the colon, folds and all, without
					 * the last line end */
	struct slice	 whole;		/* all lines, last line end included */
};

/* Take the next field off the front of *in, which holds at least the whole
 * section.  False: the section is over and *in begins at the body (the empty
 * line is taken). */
bool	 header_next(struct slice *in, struct header_field *out);

/* First / last field of that name in the section. */
bool	 header_find(struct slice section, const char *name,
	    struct header_field *out);
bool	 header_find_last(struct slice section, const char *name,
	    struct header_field *out);
size_t	 header_count(struct slice section, const char *name);

/* Where the body begins.  -1: the section is not over within s (feed more);
 * at the end of a message that means: all of it is header. */
ptrdiff_t	 header_end(struct slice s);

/* Incremental form of the same for text that comes in pieces.  Zeroed: start
 * of the message.  Returns how many bytes of s still belong to the section
 * (the empty line counts); *done_out: the section is over there. Decides at
 * line granularity: give it whole lines (as smtp gives them), or any pieces
 * as long as a line is not cut before its first 1000 bytes. */
struct header_scan {
	bool	 any;			/* a field was seen */
	bool	 middle;		/* the last piece ended inside a line */
};
size_t	 header_scan(struct header_scan *h, struct slice s, bool *done_out);

/* Is it a valid field name (RFC 5322 3.6.8)? */
bool	 header_name_ok(struct slice name);

/* Append the body on one line: line ends removed, outer blanks trimmed. */
void	 header_unfold(struct buf *out, struct slice body);

#endif
