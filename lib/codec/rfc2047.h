/* SPDX-License-Identifier: Apache-2.0 */
/* rfc2047.h - encoded words in header fields. */
#ifndef CODEC_RFC2047_H
#define CODEC_RFC2047_H

#include <stdbool.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/slice.h"

/* Append unstructured text with its encoded words decoded, as UTF-8.  CR, LF
 * and NUL come out as space, so that the result never gains structure.
 * Bytes that are not UTF-8 become U+FFFD. */
void	 rfc2047_decode(struct buf *out, struct slice s);

/* Append UTF-8 text for a header field: as it is if it is printable ASCII
 * without "=?", else in encoded words of at most 75 characters with a fold
 * (CRLF SPACE) between them.  CR, LF, NUL become space. */
void	 rfc2047_encode(struct buf *out, struct slice s);

#endif
