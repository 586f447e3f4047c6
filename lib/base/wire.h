/* SPDX-License-Identifier: Apache-2.0 */
/* wire.h - looking through content in wire form, whose lines end with CRLF,
 * many bytes at a time.  Pure, no state: who gets content in pieces looks at
 * the seams himself (the last two bytes of the piece before). */
#ifndef BASE_WIRE_H
#define BASE_WIRE_H

#include <stddef.h>

#include "base/slice.h"

enum {
	WIRE_8BIT = 1,		/* some byte above 127 */
	WIRE_DOTS = 2		/* some dot right behind a CRLF */
};

/* Length of the front of s in which each CR has its LF behind it and each LF
 * its CR in front.  Less than s.len: the byte there is a bare CR, or an LF
 * behind something else.  The first byte and the last one have one neighbour
 * only, which decides: an LF at the very front and a CR at the very end pass.
 * *seen gets WIRE_... of that front; bits that are set stay set. */
size_t	 wire_crlf_run(struct slice s, unsigned int *seen);

/* Where the first dot is that has a CRLF in front of it within s; s.len: there
 * is none.  RFC 5321 4.5.2 */
size_t	 wire_find_dot(struct slice s);

#endif
