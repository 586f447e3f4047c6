/* SPDX-License-Identifier: Apache-2.0 */
/* arena.h - memory of one lifetime: allocate often, free once.
 * There are no single frees inside.  What else must end with the arena (a
 * descriptor, a lock) registers with arena_at_free(). */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stddef.h>

#include "base/attr.h"
#include "base/slice.h"

struct arena;

/* One allocation of a kilobyte, which serves what is small; blocks come as
 * needed. */
struct arena	*arena_new(void) MUST_USE;

/* Run the at-free functions, last registered first, free all memory and
 * store NULL.  *a may be NULL. */
void	 arena_free(struct arena **a);

/* The same, but the arena stays usable and keeps one block. */
void	 arena_reset(struct arena *a);

/* Zeroed, aligned for any type.  Never NULL. */
void	*arena_alloc(struct arena *a, size_t size) MUST_USE;

/* n objects of size bytes; overflow panics. */
void	*arena_array(struct arena *a, size_t n, size_t size) MUST_USE;

/* s may be NULL: NULL. */
char	*arena_strdup(struct arena *a, const char *s) MUST_USE;
char	*arena_strndup(struct arena *a, const char *s, size_t n) MUST_USE;
char	*arena_printf(struct arena *a, const char *fmt, ...) MUST_USE
	    PRINTF(2, 3);

/* The three in one string. */
char	*arena_join(struct arena *a, struct slice head, const char *middle,
	    struct slice tail) MUST_USE;

/* fn(arg) runs when the arena is freed or reset. */
void	 arena_at_free(struct arena *a, void (*fn)(void *arg), void *arg);

/* Bytes asked for so far; for limits and tests. */
size_t	 arena_used(const struct arena *a);

#endif
