/* SPDX-License-Identifier: Apache-2.0 */
/* utf7.h - modified UTF-7 of mailbox names, RFC 3501 5.1.3. */
#ifndef CODEC_UTF7_H
#define CODEC_UTF7_H

#include <stdbool.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/slice.h"

/* Append UTF-8 s in modified UTF-7.  False: s is not UTF-8, or out is full;
 * out is as before then. */
bool	 utf7_put(struct buf *out, struct slice s) MUST_USE;

/* The reverse.  False: not (canonical) modified UTF-7: 8-bit bytes, encoded
 * printable ASCII, lone surrogates, missing "-", nonzero padding ... */
bool	 utf7_get(struct slice s, struct buf *out) MUST_USE;

#endif
