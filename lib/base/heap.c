/* SPDX-License-Identifier: Apache-2.0 */
#include "base/heap.h"

#include "base/mem.h"
#include "base/panic.h"

void
heap_clear(struct heap *h)
{
	mem_free(&h->nodes);
	*h = (struct heap){ 0 };
}

static void
set(struct heap *h, size_t place, struct heap_node *n)
{
	h->nodes[place - 1] = n;
	n->place = place;
}

static void
sift(struct heap *h, struct heap_node *n)
{
	size_t	at = n->place;

	while (at > 1 && h->nodes[at / 2 - 1]->key > n->key) {
		set(h, at, h->nodes[at / 2 - 1]);
		at /= 2;
	}
	for (size_t child; (child = at * 2) <= h->count; at = child) {
		if (child < h->count &&
		    h->nodes[child]->key < h->nodes[child - 1]->key)
			child++;
		if (h->nodes[child - 1]->key >= n->key)
			break;
		set(h, at, h->nodes[child - 1]);
	}
	set(h, at, n);
}

void
heap_put(struct heap *h, struct heap_node *n, int64_t key)
{
	n->key = key;
	if (n->place == 0) {
		if (h->count == h->size) {
			h->size = h->size == 0 ? 64 : h->size * 2;
			h->nodes = mem_grow(h->nodes, h->size,
			    sizeof(struct heap_node *));
		}
		h->count++;
		set(h, h->count, n);
	}
	sift(h, n);
}

void
heap_del(struct heap *h, struct heap_node *n)
{
	struct heap_node	*last;

	if (n->place == 0)
		return;
	ASSERT(n->place <= h->count && h->nodes[n->place - 1] == n);
	last = h->nodes[--h->count];
	if (last != n) {
		set(h, n->place, last);
		sift(h, last);
	}
	n->place = 0;
}

struct heap_node *
heap_first(const struct heap *h)
{
	return h->count == 0 ? NULL : h->nodes[0];
}
