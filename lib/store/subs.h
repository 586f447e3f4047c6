/* SPDX-License-Identifier: Apache-2.0 */
/* subs.h - subscriptions (the file that Dovecot writes) and special uses. */
#ifndef STORE_SUBS_H
#define STORE_SUBS_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "store/store.h"

/* Subscribed mailboxes as directory names ("" INBOX, ".A.B"), in a. */
int	 subs_read(const struct store_user *u, struct arena *a, char ***out,
	    size_t *n_out, struct error *err) MUST_USE;
int	 subs_change(const struct store_user *u, const char *dir, bool on,
	    struct error *err) MUST_USE;

/* What clients set at CREATE, for subs_use(); a missing file is empty. */
void	 subs_special(const struct store_user *u, struct buf *out);

/* Special use of a mailbox: as that says, else as the configuration does. */
unsigned int	 subs_use(const struct store_user *u, struct slice special,
	    const char *dir);
int	 subs_set_use(const struct store_user *u, const char *dir,
	    unsigned int use, struct error *err) MUST_USE;
int	 subs_move_use(const struct store_user *u, const char *from,
	    const char *to, struct error *err) MUST_USE;

#endif
