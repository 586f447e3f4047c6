/* SPDX-License-Identifier: Apache-2.0 */
/* hash.h - a table from byte strings to pointers.
 * Keys are copied.  The hash is keyed per process with random bytes, so that
 * a peer who chooses keys cannot choose collisions. */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

struct hash;

struct hash	*hash_new(void) MUST_USE;

/* Values are the caller's; NULL may be stored in *h's place. */
void	 hash_free(struct hash **h);

/* The value, or NULL. */
void	*hash_get(const struct hash *h, struct slice key);
void	*hash_gets(const struct hash *h, const char *key);

/* Set; returns the value that was there before, or NULL.  value is not
 * NULL. */
void	*hash_put(struct hash *h, struct slice key, void *value);
void	*hash_puts(struct hash *h, const char *key, void *value);

/* Remove; returns the value, or NULL. */
void	*hash_del(struct hash *h, struct slice key);
void	*hash_dels(struct hash *h, const char *key);

size_t	 hash_count(const struct hash *h);

/* Visit all, in no order: start with *at = 0; false at the end.  Between two
 * calls nothing may be put; the element just visited may be deleted. */
bool	 hash_each(const struct hash *h, size_t *at, struct slice *key_out,
	    void **value_out);

/* SipHash-1-3 of the bytes under the key of this process. */
uint64_t	 hash_bytes(const void *p, size_t len);

#endif
