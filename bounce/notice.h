/* SPDX-License-Identifier: Apache-2.0 */
/* notice.h - the text of a notification (RFC 3464, 6522, 6533), from facts.
 * Pure: no files, no clock.  Whatever a peer may have put into a field comes
 * out without control characters, so it can add no line. */
#ifndef BOUNCE_NOTICE_H
#define BOUNCE_NOTICE_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/slice.h"
#include "ipc/queue_msg.h"
#include "queue/queue.h"

/* Recipients that are told of one by one; the rest only as a number. */
#define NOTICE_RCPTS_MAX	10000

struct notice {
	enum notice_kind	 kind;
	bool		 postmaster_copy;
	const char	*queue_id;		/* of the message it is about */
	const char	*notice_id;		/* of the notification */
	const char	*hostname, *origin;
	const char	*to;			/* who gets it */
	const struct queue_env	*env;		/* of the message */
	const struct queue_log_rec	*recs;	/* what to report */
	size_t		 nrecs;
	usec_t		 now;
	int		 zone;			/* minutes east */
	usec_t		 lifetime;		/* DELAY: of the message */
	bool		 headers_only;		/* third part */
	bool		 threaded;		/* In-Reply-To, References */
};

/* Must it be sent as SMTPUTF8 mail? */
bool	 notice_needs_utf8(const struct notice *n);

/* Append all that comes before the content of the message: header, first
 * part, second part, header of the third. */
void	 notice_begin(const struct notice *n, struct buf *out);

/* Append what comes behind it. */
void	 notice_end(const struct notice *n, struct buf *out);

/* Append text of lines at most `width` wide, broken at blanks, continued
 * behind `indent` spaces; column is where the text begins.  Control
 * characters become spaces; a word longer than 900 bytes is broken too. */
void	 notice_wrap(struct buf *out, const char *text, size_t column,
	    size_t width, size_t indent, bool utf8);

#endif
