/* SPDX-License-Identifier: Apache-2.0 */
/* downgrade.h - an 8-bit message for a 7-bit way (RFC 6152 3, RFC 2045 6).
 *
 * Leaf parts with 8-bit bytes become quoted-printable (text, message/...) or
 * base64 (the rest); Content-Transfer-Encoding says so, and 7bit where it said
 * 8bit or binary.  A message without MIME-Version gets one.  What readers
 * ignore (preamble, epilogue) gets "?" for 8-bit bytes.  All else stays as it
 * is, byte by byte. */
#ifndef MAIL_DOWNGRADE_H
#define MAIL_DOWNGRADE_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/buf.h"
#include "base/slice.h"

#define DOWNGRADE_ROOM	((size_t)65536)

enum downgrade_result {
	DOWNGRADE_OK,
	DOWNGRADE_HEADER,	/* 8-bit bytes in a header: nothing helps */
	DOWNGRADE_MIME		/* 8-bit bytes where the structure cannot be
				 * relied on, or under an encoding of its own */
};

struct downgrade;

/* Look at the whole message, which must stay where it is, and decide.  OK:
 * *out, which lives in a, gives it out from the beginning. */
enum downgrade_result	 downgrade_new(struct slice message, struct arena *a,
			    struct downgrade **out) MUST_USE;

/* Append the next piece, at most DOWNGRADE_ROOM bytes, for which out needs
 * room.  False: that was all (the piece may be empty). */
bool	 downgrade_next(struct downgrade *d, struct buf *out) MUST_USE;

#endif
