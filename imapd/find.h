/* SPDX-License-Identifier: Apache-2.0 */
/* find.h - where a folded ASCII needle lies in text, whatever its case. */
#ifndef IMAPD_FIND_H
#define IMAPD_FIND_H

#include <stdbool.h>
#include <stddef.h>

#include "base/slice.h"

struct find {
	struct slice	 needle;	/* folded (utf8_fold) */
	bool		 ascii;		/* so find_in() may be asked */
	bool		 solid;		/* ... and no blank or colon in it: it
					 * lies in one line of a header */
	size_t		 rare;		/* offset of its rarest byte */
};

/* needle must live as long as f. */
void	 find_init(struct find *f, struct slice needle);

/* Does text contain the needle (f->ascii)?  Bytes beyond ASCII match nothing:
 * that is exact for every charset in which they stand for no ASCII letter and
 * ASCII is itself; see find_charset(). */
bool	 find_in(const struct find *f, struct slice text);

/* Is find_in() exact for text in this charset without converting it: always,
 * only if it has no byte beyond ASCII, or never? */
enum find_exact { FIND_NEVER, FIND_SEVEN_BIT, FIND_ALWAYS };
enum find_exact	 find_charset(struct slice charset);

#endif
