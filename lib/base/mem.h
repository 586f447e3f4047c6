/* SPDX-License-Identifier: Apache-2.0 */
/* mem.h - allocation that does not fail.
 * Out of memory ends the process (master starts another), so every growth
 * that a peer drives is bounded before it gets here. */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stddef.h>

#include "base/attr.h"

/* Zeroed memory for n objects of size bytes each. Free with mem_free(). */
void	*mem_new(size_t n, size_t size) MUST_USE;

/* Resize; p may be NULL.  New bytes are not zeroed. */
void	*mem_grow(void *p, size_t n, size_t size) MUST_USE;

char	*mem_strdup(const char *s) MUST_USE;
char	*mem_printf(const char *fmt, ...) MUST_USE PRINTF(1, 2);

/* Free *pp, which points to any object pointer, and store NULL. */
#define mem_free(pp) \
	(mem_release(*(pp)), *(pp) = NULL, (void)0)
void	 mem_release(void *p);

/* Overwrite secrets; never removed by the optimiser. */
void	 mem_wipe(void *p, size_t len);

#endif
