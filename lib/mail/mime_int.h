/* SPDX-License-Identifier: Apache-2.0 */
/* mime_int.h - between the files of the MIME parser. */
#ifndef MAIL_MIME_INT_H
#define MAIL_MIME_INT_H

#include "mail/mime.h"

/* Set type, parameters, encoding, disposition ... of p from its header
 * section. digest: the default type is message/rfc822. */
void	 mime_fields(struct mime_part *p, struct slice section, bool digest,
	    struct arena *a, bool *ambiguous);

#endif
