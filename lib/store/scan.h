/* SPDX-License-Identifier: Apache-2.0 */
/* scan.h - the files of a Maildir. */
#ifndef STORE_SCAN_H
#define STORE_SCAN_H

#include "base/arena.h"
#include "base/hash.h"
#include "store/box.h"

struct scan_file {
	const char	*name;		/* "cur/1.a:2,S" */
	struct slice	 base;		/* "1.a" */
	bool		 plain;		/* a file, as the directory says */
	bool		 known;		/* for the caller */
};

struct scan {
	struct arena	*mem;
	struct hash	*by_base;
	struct scan_file	**files;	/* sorted by base name */
	size_t		 n, size;
	int64_t		 new_ns, cur_ns, when_ns;	/* taken before reading */
};

/* Read new/ and cur/.  Called again on the same struct it adds what it did not
 * see before and updates names. */
int	 scan_read(struct scan *s, const struct box *b, struct error *err)
	    MUST_USE;
void	 scan_sort(struct scan *s);

/* Remove files in tmp/ that nobody can be writing any more (36 hours). */
void	 scan_sweep(const struct box *b);
void	 scan_clear(struct scan *s);

#endif
