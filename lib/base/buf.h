/* SPDX-License-Identifier: Apache-2.0 */
/* buf.h - a growing run of bytes that is bounded from birth.
 * Bytes are added at the end and consumed from the front. */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/slice.h"

struct buf {
	unsigned char	*mem;
	size_t		 from, to, size, max;
	bool		 overflow;	/* a buf_add...() did not fit */
};

/* Nothing is allocated until the first byte.  max: most bytes ever held. */
void	 buf_init(struct buf *b, size_t max);

/* Free the memory; b is as after buf_init() with the same maximum. */
void	 buf_clear(struct buf *b);

/* Forget the content and the overflow mark, keep the memory. */
void	 buf_reset(struct buf *b);

size_t	 buf_len(const struct buf *b);

/* How many more bytes fit under the maximum. */
size_t	 buf_room(const struct buf *b);

/* The content.  Good until the next call that changes b. */
struct slice	 buf_slice(const struct buf *b);

/* All of it or nothing.  False: it would pass the maximum. */
bool	 buf_put(struct buf *b, const void *p, size_t n) MUST_USE;
bool	 buf_put_slice(struct buf *b, struct slice s) MUST_USE;

/* For formatters: the same without an answer.  What does not fit sets
 * b->overflow and is left out; look at it once, at the end. */
void	 buf_add(struct buf *b, const void *p, size_t n);
void	 buf_adds(struct buf *b, const char *s);
void	 buf_addc(struct buf *b, int c);
void	 buf_add_slice(struct buf *b, struct slice s);
void	 buf_addu(struct buf *b, uint64_t v);	/* in decimal */
void	 buf_addf(struct buf *b, const char *fmt, ...) PRINTF(2, 3);
void	 buf_addv(struct buf *b, const char *fmt, va_list ap) PRINTF(2, 0);

/* Room for at least n more bytes in one piece, to be filled by the caller and
 * then taken over by buf_added().  NULL: would pass the maximum. */
unsigned char	*buf_space(struct buf *b, size_t n) MUST_USE;
void	 buf_added(struct buf *b, size_t n);

/* Lend memory: b, which has none, gets mem (of the heap; size bytes, at most
 * its maximum, and one more).  buf_yield() takes b's memory away again, or
 * what it has become; the content moves to memory of its own size. */
void	 buf_lend(struct buf *b, unsigned char *mem, size_t size);
unsigned char	*buf_yield(struct buf *b) MUST_USE;

/* Drop n bytes at the front (n <= buf_len) / cut the content to n bytes. */
void	 buf_consume(struct buf *b, size_t n);
void	 buf_truncate(struct buf *b, size_t n);

/* The content as a C string inside b (a NUL is kept behind it; it does not
 * count).  Good until the next change. */
const char	*buf_cstr(struct buf *b);

#endif
