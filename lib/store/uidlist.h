/* SPDX-License-Identifier: Apache-2.0 */
/* uidlist.h - dovecot-uidlist (version 3; 1 is read), dovecot-keywords. */
#ifndef STORE_UIDLIST_H
#define STORE_UIDLIST_H

#include "base/arena.h"
#include "base/hash.h"
#include "store/box.h"

struct uidlist {
	bool		 found;
	uint32_t	 uidvalidity, uidnext;	/* uidnext 0: unknown */
	unsigned char	 guid[16];
	bool		 has_guid;
	struct hash	*uids;		/* base name -> struct uidlist_row */
};
struct uidlist_row {
	uint32_t	 uid;
};

/* A missing or bad file leaves *out without rows. */
void	 uidlist_read(int dirfd, struct arena *a, struct uidlist *out);
void	 uidlist_clear(struct uidlist *u);

/* Write it whole from the state.  uidnext: at least what was promised. */
int	 uidlist_write(struct box *b, uint32_t uidnext, struct error *err)
	    MUST_USE;

/* Add rows (text) for new messages; best effort. */
void	 uidlist_append(int dirfd, struct slice rows);
void	 uidlist_row(struct buf *out, uint32_t uid, struct slice name);

/* Names by letter; NULL where there is none. */
void	 uidlist_keywords_read(int dirfd, struct arena *a,
	    const char *out[26]);
int	 uidlist_keywords_write(const struct box *b, struct error *err)
	    MUST_USE;

#endif
