/* SPDX-License-Identifier: Apache-2.0 */
/* heap.h - a priority queue of elements that carry their place in it.
 * Smallest key first; keys are times or counters. */
#ifndef BASE_HEAP_H
#define BASE_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"

/* Member of the element.  Zeroed: not in a heap. */
struct heap_node {
	int64_t	 key;
	size_t	 place;		/* 1-based; 0: in no heap */
};

struct heap {
	struct heap_node	**nodes;
	size_t			 count, size;
};

/* A zeroed struct heap is an empty heap. */
void	 heap_clear(struct heap *h);

/* Insert with this key, or move if it is in already. */
void	 heap_put(struct heap *h, struct heap_node *n, int64_t key);

/* Take out; nothing happens if it is not in. */
void	 heap_del(struct heap *h, struct heap_node *n);

/* The element with the smallest key, or NULL; it stays in. */
struct heap_node	*heap_first(const struct heap *h);

#endif
