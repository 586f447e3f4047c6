/* SPDX-License-Identifier: Apache-2.0 */
/* delivery.h - one message on its way into a file of a mailbox's tmp/. */
#ifndef STORE_DELIVERY_H
#define STORE_DELIVERY_H

#include "store/store_int.h"

struct delivery {
	struct store_user *user;	/* not held */
	struct incoming	*in;
	const char	*dir;		/* wanted mailbox, in in->mem */
	char		*path;		/* where it goes; there too */
	bool		 create;
	struct slice	 prefix;
	int		 fd;		/* content */
	uint64_t	 offset, size;
	int		 out;		/* the file; -1: closed */
};

/* Check and copy what the caller gave.  NULL: *fail_out, *err. */
struct delivery	*delivery_new(struct store_user *u,
		    const struct store_delivery *s, enum store_fail *fail_out,
		    struct error *err) MUST_USE;

/* Not the incoming, which may have become a message. */
void	 delivery_free(struct delivery **d);

/* Create the file in the mailbox directory, write it, compute its record.
 * start: others are written before this one is synced, so tell the disk
 * already. */
int	 delivery_write(struct delivery *d, int dirfd, bool start,
	    struct error *err) MUST_USE;

/* The content is on the disk, the file closed. */
int	 delivery_sync(struct delivery *d, struct error *err) MUST_USE;

/* STORE_... of what went wrong: mail is not refused because a directory is
 * missing that was there before. */
enum store_fail	 delivery_fail_of(const struct error *err);

#endif
