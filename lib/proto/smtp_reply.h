/* SPDX-License-Identifier: Apache-2.0 */
/* smtp_reply.h - what an SMTP or LMTP server answers (RFC 5321 4.2). */
#ifndef PROTO_SMTP_REPLY_H
#define PROTO_SMTP_REPLY_H

#include "base/arena.h"
#include "base/attr.h"
#include "base/slice.h"

/* A server that sends more is up to no good. */
#define SMTP_REPLY_LINE_MAX	2048
#define SMTP_REPLY_LINES_MAX	256
#define SMTP_REPLY_MAX		((size_t)16384)

struct smtp_reply {
	int		 code;		/* of the last line: 200..599 */
	const char	*dsn;		/* "5.1.1" if it has one of this class, or
					 * "5.0.0" */
	const char	*text;		/* all lines with their codes, joined by
					 * spaces, without control characters */
	const char	**lines;	/* without codes */
	size_t		 nlines;
};

enum smtp_reply_got {
	SMTP_REPLY_DONE,
	SMTP_REPLY_MORE,	/* not whole yet; nothing consumed */
	SMTP_REPLY_BAD		/* no reply at all, or too long; *why_out */
};

/* Take one whole reply off the front of *in.  Lines may end in LF alone (there
 * are such servers); a line is the code, then "-", " " or nothing. */
enum smtp_reply_got	 smtp_reply_take(struct slice *in, struct arena *a,
			    struct smtp_reply *out, const char **why_out)
			    MUST_USE;

#endif
