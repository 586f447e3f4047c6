/* SPDX-License-Identifier: Apache-2.0 */
/* b64.h - base64 of keys and digests, strict: padded, canonical length. */
#ifndef AUTH_B64_H
#define AUTH_B64_H

#include <stdbool.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/slice.h"

void	 b64_put(struct buf *out, const unsigned char *p, size_t len);

/* At most max bytes to out, their count to *len_out.  False: not base64, or
 * longer. */
bool	 b64_get(struct slice in, unsigned char *out, size_t max,
	    size_t *len_out) MUST_USE;

#endif
