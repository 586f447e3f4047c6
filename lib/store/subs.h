/* SPDX-License-Identifier: Apache-2.0 */
/* subs.h - subscriptions (the file that Dovecot writes) and special uses. */
#ifndef STORE_SUBS_H
#define STORE_SUBS_H

#include "base/arena.h"
#include "base/error.h"
#include "store/store.h"

/* Subscribed mailboxes as directory names ("" INBOX, ".A.B"), in a. */
int	 subs_read(const struct store_user *u, struct arena *a, char ***out,
	    size_t *n_out, struct error *err) MUST_USE;
int	 subs_change(const struct store_user *u, const char *dir, bool on,
	    struct error *err) MUST_USE;

/* Special use of a mailbox: what the client set at CREATE, else what the
 * configuration says. */
unsigned int	 subs_use(const struct store_user *u, const char *dir);
int	 subs_set_use(const struct store_user *u, const char *dir,
	    unsigned int use, struct error *err) MUST_USE;
int	 subs_move_use(const struct store_user *u, const char *from,
	    const char *to, struct error *err) MUST_USE;

#endif
