/* SPDX-License-Identifier: Apache-2.0 */
/* base64.h - RFC 4648 section 4, strict for protocols, tolerant for mail. */
#ifndef CODEC_BASE64_H
#define CODEC_BASE64_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/slice.h"

/* Bytes that n bytes become, padding included. */
size_t	 base64_encoded_len(size_t n);

/* Append the encoding of s in one line (overflow mark if it does not fit). */
void	 base64_put(struct buf *out, struct slice s);

/* The same in lines of 76 characters, each ended by CRLF. */
void	 base64_put_lines(struct buf *out, struct slice s);

/* Decode s, the whole of it: only alphabet and correct padding, no white
 * space, unused bits zero.  False: not base64, or out is full; out is as
 * before then. */
bool	 base64_get(struct slice s, struct buf *out) MUST_USE;

/* The same into memory: at most max bytes, their count to *len_out.  False:
 * not base64, or more. */
bool	 base64_get_into(struct slice s, unsigned char *out, size_t max,
	    size_t *len_out) MUST_USE;

/* Decoder for message bodies, in pieces of any size: bytes outside the
 * alphabet are skipped, padding ends a group.  A zeroed struct is the
 * start. */
struct base64_dec {
	uint32_t	 bits;
	unsigned int	 have;		/* characters in bits */
};

/* Append what s decodes to.  out needs room for 3/4 of s and 3 bytes. */
void	 base64_dec_feed(struct base64_dec *d, struct slice s,
	    struct buf *out);

#endif
