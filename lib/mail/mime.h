/* SPDX-License-Identifier: Apache-2.0 */
/* mime.h - the tree of MIME parts of a message, with offsets.
 *
 * All offsets and sizes are in CRLF terms: as if every bare LF of the message
 * were CRLF (a message that has none is unchanged).  Offsets count from the
 * first byte of the message.  One documented reading of ambiguous input: first
 * Content-Type wins, first boundary parameter wins, deeper than the limit is
 * an opaque leaf.  Time is linear in the size, no recursion. */
#ifndef MAIL_MIME_H
#define MAIL_MIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/buf.h"
#include "base/slice.h"

#define MIME_MAX_DEPTH		100
#define MIME_MAX_PARTS		10000
#define MIME_MAX_PARAMS		100	/* of one field */
#define MIME_MAX_HEADER		65536	/* bytes looked at of a part's header */

enum mime_kind {
	MIME_LEAF,
	MIME_MULTIPART,
	MIME_MESSAGE			/* message/rfc822 or message/global: one
					 * child, the message inside */
};

struct mime_param {
	struct slice	 name, value;	/* value without quotes; RFC 2231 forms
					 * as they are */
};

struct mime_part {
	struct mime_part	*parent, *child, *next;
	enum mime_kind		 kind;
	/* Defaults filled in: text/plain (message/rfc822 inside a digest),
	 * charset=us-ascii is a parameter when the field is missing. */
	struct slice		 type, subtype;
	struct mime_param	*params;
	size_t			 nparams;
	struct slice		 encoding;	/* "7bit" when missing */
	/* p NULL: absent. */
	struct slice		 id, description, md5, disposition, language,
				 location;
	struct mime_param	*disposition_params;
	size_t			 ndisposition_params;
	/* The fields of ENVELOPE of the message that a MIME_MESSAGE holds, for
	 * envelope_parse(). */
	struct slice		 envelope;
	/* header_size includes the empty line.  The root's header is the
	 * message's.  A MIME_MESSAGE's child has the inner message's header. */
	uint64_t		 header_offset, header_size;
	uint64_t		 body_offset, body_size;
	uint64_t		 lines;		/* of the body */
};

struct mime_message {
	struct mime_part	*root;
	uint64_t		 size;		/* CRLF size of the whole */
	size_t			 nparts;
	bool			 bare_lf;	/* size differs from the bytes */
	bool			 ambiguous;	/* two Content-Types, boundaries,
						 * encodings; limits reached */
};

/* Parse the whole message (mapped or in memory).  Slices of the tree point
 * into a.  Never fails. */
void	 mime_parse(struct slice message, struct arena *a,
	    struct mime_message *out);

/* The part that a section number names: numbers 1.. outermost first (as in
 * BODY[2.1]).  A non-multipart has part 1: itself.  Steps into the message of
 * a MIME_MESSAGE.  NULL: no such part. */
const struct mime_part	*mime_find(const struct mime_part *root,
			    const unsigned int *numbers, size_t n);

/* The value of a parameter (name without case), or p NULL. */
struct slice	 mime_param(const struct mime_param *p, size_t n,
		    const char *name);

/* The tree in a form for storage, and back.  False: not what mime_put()
 * writes (all storage is hostile input); limits as above. */
void	 mime_put(struct buf *out, const struct mime_message *m);
bool	 mime_get(struct slice s, struct arena *a, struct mime_message *out)
	    MUST_USE;

#endif
