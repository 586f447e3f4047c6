/* SPDX-License-Identifier: Apache-2.0 */
/* imap_set.h - sequence sets: "1,4:7,9:*" of sequence numbers or UIDs. */
#ifndef PROTO_IMAP_SET_H
#define PROTO_IMAP_SET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "proto/imap_args.h"

#define IMAP_STAR	0u	/* "*" as it was parsed */

struct imap_range {
	uint32_t	 from, to;
};

/* As parsed: in the order given, ends in any order, IMAP_STAR possible.
 * Resolved: from <= to, ascending, neither overlapping nor touching. */
struct imap_set {
	struct imap_range	*ranges;
	size_t			 count;
};

/* sequence-set of RFC 3501 9.  Numbers beyond 32 bits and zero are bad. */
bool	 imap_take_set(struct imap_in *in, struct imap_set *out);

/* Give "*" its value, sort and merge, in place.  star 0: there are no
 * messages; "*" vanishes, "n:*" too.  UIDs: "n:*" with n > * means "*:n". */
void	 imap_set_resolve(struct imap_set *s, uint32_t star);

/* Highest number of a resolved set; 0 if empty. */
uint32_t imap_set_last(const struct imap_set *s);

/* In a resolved set? */
bool	 imap_set_has(const struct imap_set *s, uint32_t n);

/* The smallest number >= from in a resolved set; 0: none. */
uint32_t imap_set_next(const struct imap_set *s, uint32_t from);

/* Collect ascending or not; adjoining numbers become a range. */
struct imap_set_builder {
	struct imap_set	 set;
	size_t		 room;
};
void	 imap_set_add(struct imap_set_builder *b, struct arena *mem,
	    uint32_t n);

/* "1,4:7" of a resolved set or of a builder's. */
void	 imap_set_format(const struct imap_set *s, struct buf *out);

#endif
