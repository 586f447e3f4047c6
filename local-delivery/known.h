/* SPDX-License-Identifier: Apache-2.0 */
/* known.h - accounts that authd told us of a moment ago.
 *
 * An answer is used again while the file that it came from looks as it did, for
 * some seconds at most.  That somebody does not exist is never remembered. */
#ifndef LOCAL_DELIVERY_KNOWN_H
#define LOCAL_DELIVERY_KNOWN_H

#include "base/attr.h"
#include "base/times.h"
#include "ipc/auth_msg.h"

struct known;

/* At most `most` accounts, each for `lifetime`. */
struct known	*known_new(size_t most, usec_t lifetime) MUST_USE;
void	 known_free(struct known **k);

/* Remember an answer if it allows that. */
void	 known_put(struct known *k, const char *address,
	    const struct auth_account *acc, usec_t now_mono);

/* NULL: ask.  It lives until the next call. */
const struct auth_account	*known_find(struct known *k,
				    const char *address, usec_t now_mono);

#endif
