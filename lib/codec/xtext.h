/* SPDX-License-Identifier: Apache-2.0 */
/* xtext.h - RFC 3461 section 4, for ORCPT and ENVID. */
#ifndef CODEC_XTEXT_H
#define CODEC_XTEXT_H

#include <stdbool.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/slice.h"

void	 xtext_put(struct buf *out, struct slice s);

/* Append the decoded bytes.  False: not xtext (or decodes to a control
 * character, which no parameter of ours may carry), or out is full; out is
 * as before then. */
bool	 xtext_get(struct slice s, struct buf *out) MUST_USE;

#endif
