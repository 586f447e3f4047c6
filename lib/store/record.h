/* SPDX-License-Identifier: Apache-2.0 */
/* record.h - what the log keeps about a message, computed from its file. */
#ifndef STORE_RECORD_H
#define STORE_RECORD_H

#include <sys/stat.h>

#include "base/arena.h"
#include "store/box.h"

/* Fill sizes, headers, structure and partial of m from the file; the bytes are
 * in a. */
int	 record_of(int fd, struct arena *a, struct box_msg *m,
	    struct error *err) MUST_USE;

/* The same from memory. */
void	 record_of_bytes(struct slice message, struct arena *a,
	    struct box_msg *m);

/* The file's time, which is the internal date in a Maildir. */
int64_t	 record_date(const struct stat *st);

/* Is this field always kept? */
bool	 record_keeps(struct slice name);

/* Whole message in memory, for parsing, and the time of the file (usec; may be
 * NULL).  Free with record_unread(). */
int	 record_read(int fd, struct slice *out, bool *mapped_out,
	    int64_t *date_out, struct error *err) MUST_USE;
void	 record_unread(struct slice *s, bool mapped);

/* What the name says of sizes (",S=..." and ",W=...").  False: one or both are
 * missing or cannot be. */
bool	 record_name_sizes(struct slice name, uint64_t *disk_out,
	    uint64_t *wire_out);

/* Letters of a file name's flags ("...:2,FS") as STORE_... bits and keyword
 * letters as bits 0..25. */
uint32_t record_name_flags(struct slice name, uint64_t *letters_out);
/* "<dir>/<base of name>[:2,...]" with these flags; other letters and what
 * follows them in the old name stay. */
void	 record_name(struct buf *out, struct slice name, uint32_t flags,
	    uint64_t keywords);
/* The part before ":", without directory. */
struct slice	 record_base(struct slice name);

#endif
