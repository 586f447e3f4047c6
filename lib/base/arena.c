/* SPDX-License-Identifier: Apache-2.0 */
/* A chain of blocks, filled from the front of the newest and zeroed as they are:
 * a part that nobody asks for is not touched.  The first one comes with the
 * arena; it and the next are of almost 1 KiB (the most that is cheap to get, see
 * mem.c), then they double up to 64 KiB; what is larger than a block gets one of
 * its own. */
#include "base/arena.h"

#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include "base/fmt.h"
#include "base/mem.h"
#include "base/panic.h"

#define BLOCK_MIN	((size_t)960)
#define BLOCK_MAX	((size_t)65536)
#define ALIGN		(sizeof(max_align_t))

struct block {
	struct block	*next;
	size_t		 size, used;
	max_align_t	 data[];
};

struct at_free {
	struct at_free	*next;
	void		(*fn)(void *);
	void		*arg;
};

struct arena {
	struct block	*blocks;	/* newest first; the last is own_block(a) */
	struct at_free	*at_free;
	size_t		 next_size, asked;
};

/* The block behind it. */
static struct block *
own_block(struct arena *a)
{
	return (struct block *)(void *)(a + 1);
}

struct arena *
arena_new(void)
{
	struct arena	*a = mem_grow(NULL, 1, sizeof(*a) +
			    sizeof(struct block) + BLOCK_MIN);

	_Static_assert(sizeof(*a) % ALIGN == 0, "a block can follow");
	*a = (struct arena){ .next_size = BLOCK_MIN, .blocks = own_block(a) };
	*own_block(a) = (struct block){ .size = BLOCK_MIN };
	return a;
}

static void
run_at_free(struct arena *a)
{
	struct at_free	*f;

	while ((f = a->at_free) != NULL) {
		a->at_free = f->next;
		f->fn(f->arg);
	}
}

/* All but its own. */
static void
free_blocks(struct arena *a, struct block *b)
{
	while (b != own_block(a)) {
		struct block	*next = b->next;

		mem_release(b);
		b = next;
	}
}

void
arena_free(struct arena **a)
{
	if (*a == NULL)
		return;
	run_at_free(*a);
	free_blocks(*a, (*a)->blocks);
	mem_free(a);
}

void
arena_reset(struct arena *a)
{
	struct block	*keep = a->blocks;

	run_at_free(a);
	a->asked = 0;
	own_block(a)->used = 0;
	if (keep->size > BLOCK_MAX) {
		free_blocks(a, keep);
		a->blocks = own_block(a);
		return;
	}
	if (keep == own_block(a))
		return;
	free_blocks(a, keep->next);
	keep->next = own_block(a);
	keep->used = 0;
}

static struct block *
add_block(struct arena *a, size_t size)
{
	struct block	*b = a->blocks;

	if (size < a->next_size)
		size = a->next_size;
	if (b != own_block(a) && a->next_size < BLOCK_MAX)
		a->next_size *= 2;
	b = mem_grow(NULL, 1, sizeof(*b) + size);
	b->size = size;
	b->used = 0;
	b->next = a->blocks;
	a->blocks = b;
	return b;
}

/* Not zeroed. */
static void *
take(struct arena *a, size_t size)
{
	struct block	*b = a->blocks;
	void		*p;

	if (size > SIZE_MAX / 2)
		panic("arena: %zu bytes asked for", size);
	size = (size + ALIGN - 1) / ALIGN * ALIGN;
	if (b->size - b->used < size)
		b = add_block(a, size);
	p = (char *)b->data + b->used;
	b->used += size;
	a->asked += size;
	return p;
}

void *
arena_alloc(struct arena *a, size_t size)
{
	return memset(take(a, size), 0, size);
}

void *
arena_array(struct arena *a, size_t n, size_t size)
{
	if (size != 0 && n > SIZE_MAX / 2 / size)
		panic("arena: %zu x %zu bytes asked for", n, size);
	return arena_alloc(a, n * size);
}

char *
arena_strndup(struct arena *a, const char *s, size_t n)
{
	char	*d = take(a, n + 1);

	if (n > 0)
		memcpy(d, s, n);
	d[n] = '\0';
	return d;
}

char *
arena_strdup(struct arena *a, const char *s)
{
	return s == NULL ? NULL : arena_strndup(a, s, strlen(s));
}

/* Into what is free behind the newest allocation, if it fits. */
char *
arena_printf(struct arena *a, const char *fmt, ...)
{
	struct block	*b = a->blocks;
	size_t		 room = b->size - b->used;
	char		*s = room == 0 ? NULL : (char *)b->data + b->used;
	char		*own;
	va_list		 ap;
	size_t		 len;

	va_start(ap, fmt);
	len = fmt_put(s, room, fmt, ap);
	va_end(ap);
	own = take(a, len + 1);
	if (own == s)
		return s;
	va_start(ap, fmt);
	(void)fmt_put(own, len + 1, fmt, ap);
	va_end(ap);
	return own;
}

char *
arena_join(struct arena *a, struct slice head, const char *middle,
    struct slice tail)
{
	size_t	 n = strlen(middle);
	char	*s = take(a, head.len + n + tail.len + 1);

	if (head.len > 0)
		memcpy(s, head.p, head.len);
	memcpy(s + head.len, middle, n);
	if (tail.len > 0)
		memcpy(s + head.len + n, tail.p, tail.len);
	s[head.len + n + tail.len] = '\0';
	return s;
}

void
arena_at_free(struct arena *a, void (*fn)(void *arg), void *arg)
{
	struct at_free	*f = arena_alloc(a, sizeof(*f));

	f->fn = fn;
	f->arg = arg;
	f->next = a->at_free;
	a->at_free = f;
}

size_t
arena_used(const struct arena *a)
{
	return a->asked;
}
