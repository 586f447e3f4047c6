/* SPDX-License-Identifier: Apache-2.0 */
/* utf8.h - UTF-8 (RFC 3629) and conversion of other character sets to it. */
#ifndef CODEC_UTF8_H
#define CODEC_UTF8_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/slice.h"

/* Take one code point off the front of *s (not empty).  False: the bytes are
 * not UTF-8 (over-long, surrogate, cut short ...); one byte is taken and
 * *cp_out is U+FFFD. */
bool	 utf8_take(struct slice *s, uint32_t *cp_out);

/* Append a code point; surrogates and values out of range as U+FFFD. */
void	 utf8_put(struct buf *out, uint32_t cp);

bool	 utf8_valid(struct slice s);

/* Is any byte above 127? */
bool	 utf8_has_8bit(struct slice s);

/* Append s with ASCII letters in lower case and other letters folded as far
 * as simple one-to-one folding goes; for comparisons. */
void	 utf8_fold(struct buf *out, struct slice s);

/* Append s, which is in `charset`, as UTF-8.  Bytes without meaning become
 * U+FFFD; never more than 4 bytes for one.  False: charset is unknown;
 * bytes above 127 came out as U+FFFD. */
bool	 utf8_from_charset(struct buf *out, struct slice charset,
	    struct slice s);

#endif
