/* SPDX-License-Identifier: Apache-2.0 */
/* alias.h - the right-hand sides of aliases(5), :include: files and .forward:
 * lists of addresses, commands, files and further lists.  Pure. */
#ifndef LOCAL_DELIVERY_ALIAS_H
#define LOCAL_DELIVERY_ALIAS_H

#include <stddef.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/error.h"
#include "base/slice.h"

enum alias_kind {
	ALIAS_ADDRESS,		/* "user", "user@domain" */
	ALIAS_FINAL,		/* "\user": that mailbox, no more expansion */
	ALIAS_COMMAND,		/* text behind the '|' */
	ALIAS_FILE,		/* absolute path; a Maildir ends in "/" */
	ALIAS_INCLUDE		/* absolute path */
};

struct alias_item {
	enum alias_kind	 kind;
	const char	*text;
};

/* Split text (lines; '#' begins a comment at the start of a word) into items,
 * at most max, in a.  -1: too many, an unfinished quote, or a NUL: *err. */
int	 alias_parse(struct slice text, size_t max, struct arena *a,
	    struct alias_item **out, size_t *n_out, struct error *err)
	    MUST_USE;

#endif
