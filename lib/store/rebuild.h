/* SPDX-License-Identifier: Apache-2.0 */
/* rebuild.h - when the log does not know what the Maildir holds: changes by
 * other programs, and a log that is missing, damaged or mostly dead. */
#ifndef STORE_REBUILD_H
#define STORE_REBUILD_H

#include "store/box.h"

/* Make the log anew from what is left of it, from a dovecot-uidlist and from
 * the files, and load the box from it (which is not locked). */
int	 rebuild(struct box *b, struct error *err) MUST_USE;

/* The same though the log looks sound: a record in it is not. */
int	 rebuild_forced(struct box *b, struct error *err) MUST_USE;

/* The same with a log that is sound but mostly dead records.  0 also if
 * nothing was done. */
int	 rebuild_compact(struct box *b, struct error *err) MUST_USE;

/* Merge what other programs did (box_foreign() said so, or after a file was
 * not found).  Own transaction. */
int	 rebuild_scan(struct box *b, struct error *err) MUST_USE;

/* A new UIDVALIDITY, larger than any before it for this user. root: directory
 * of INBOX. */
uint32_t rebuild_uidvalidity(const char *root);

#endif
