/* SPDX-License-Identifier: Apache-2.0 */
/* lines.h - make every line end CRLF, as the content streams by.
 * Pure.  Whatever comes in, what goes out holds neither a bare CR nor a bare
 * LF; what was changed is remembered, so that it can be refused instead. */
#ifndef INTAKE_LINES_H
#define INTAKE_LINES_H

#include <stdbool.h>

#include "base/slice.h"

/* Zeroed: start of the content. */
struct lines {
	bool	 held_cr;	/* a CR whose successor is not known yet */
	bool	 bare_cr, bare_lf;	/* seen and changed */
	bool	 middle;	/* the last piece did not end a line */
};

/* The next piece of content from *in: part of the input or a constant.
 * False: *in is used up.  A bare LF becomes CRLF, a bare CR a space. */
bool	 lines_take(struct lines *l, struct slice *in,
	    struct slice *piece_out);

/* At the end of the content: what is missing to end its last line. */
struct slice	 lines_end(struct lines *l);

#endif
