/* SPDX-License-Identifier: Apache-2.0 */
/* texts.h - is a needle in a header or in the body of a part?  Text is compared
 * as folded UTF-8: encoded words, transfer encodings and charsets are undone. */
#ifndef IMAPD_TEXTS_H
#define IMAPD_TEXTS_H

#include "base/buf.h"
#include "imapd/find.h"
#include "mail/mime.h"
#include "store/view.h"

/* Memory that is used again for each message. */
struct texts {
	unsigned char	*file;
	size_t		 room;
	struct slice	 whole;		/* the message; p NULL: too large */
	struct buf	 flat, text, folded, decoded;
};

void	 texts_init(struct texts *t);
void	 texts_clear(struct texts *t);

/* Begin with a message: it is read at once if it is not too large. */
void	 texts_begin(struct texts *t, struct view_body *body);
void	 texts_end(struct texts *t);

/* Does "name: body" of a field, decoded, contain the needle?  With a name: the
 * body of such a field. */
bool	 texts_header_has(struct texts *t, struct slice header,
	    struct slice name, const struct find *f);

/* Does the body of a part without parts?  Only of texts. */
bool	 texts_part_has(struct texts *t, struct view_body *body,
	    const struct mime_part *p, const struct find *f);

#endif
