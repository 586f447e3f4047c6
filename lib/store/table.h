/* SPDX-License-Identifier: Apache-2.0 */
/* table.h - posthouse.mailboxes: what STATUS says of each mailbox of a user.
 * An entry counts only while it fits the mailbox as it is (its key), so that
 * the table is never wrong, only out of date. */
#ifndef STORE_TABLE_H
#define STORE_TABLE_H

#include <stdbool.h>

#include "store/store.h"

struct table_key {
	uint64_t	 log_ino, log_size;
	int64_t		 new_ns, cur_ns;
};

/* The key of the mailbox as it is now.  False: it has no log yet. */
bool	 table_key(const char *path, struct table_key *out);

bool	 table_get(const char *root, const char *dir,
	    const struct table_key *key, struct store_status *out);
void	 table_put(const char *root, const char *dir,
	    const struct table_key *key, const struct store_status *s);

#endif
