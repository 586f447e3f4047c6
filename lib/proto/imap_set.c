/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/imap_set.h"

#include <stdlib.h>

/* seq-number = nz-number / "*" */
static bool
take_seq_number(struct imap_in *in, uint32_t *out)
{
	if (imap_try(in, '*')) {
		*out = IMAP_STAR;
		return true;
	}
	if (!imap_take_nz(in, out)) {
		in->error = "Invalid message set";
		return false;
	}
	return true;
}

static void
push(struct imap_set *s, size_t *room, struct arena *mem, uint32_t from,
    uint32_t to)
{
	struct imap_range	*old = s->ranges;

	if (s->count == *room) {
		*room = *room == 0 ? 8 : *room * 2;
		s->ranges = arena_array(mem, *room, sizeof(*s->ranges));
		if (s->count > 0)
			memcpy(s->ranges, old, s->count * sizeof(*old));
	}
	s->ranges[s->count++] = (struct imap_range){ from, to };
}

bool
imap_take_set(struct imap_in *in, struct imap_set *out)
{
	size_t		 room = 0;
	uint32_t	 from, to;

	*out = (struct imap_set){ 0 };
	do {
		if (!take_seq_number(in, &from))
			return false;
		to = from;
		if (imap_try(in, ':') && !take_seq_number(in, &to))
			return false;
		push(out, &room, in->mem, from, to);
	} while (imap_try(in, ','));
	if (in->rest.len > 0 && !imap_at(in, ' ') && !imap_at(in, ')'))
		return imap_bad(in, "Invalid message set");
	return true;
}

static int
by_from(const void *a, const void *b)
{
	const struct imap_range	*x = a, *y = b;

	return x->from < y->from ? -1 : x->from > y->from;
}

void
imap_set_resolve(struct imap_set *s, uint32_t star)
{
	struct imap_range	*r = s->ranges;
	size_t			 n = 0;

	for (size_t i = 0; i < s->count; i++) {
		uint32_t	 a = r[i].from == IMAP_STAR ? star : r[i].from;
		uint32_t	 b = r[i].to == IMAP_STAR ? star : r[i].to;

		if (a != 0 && b != 0)
			r[n++] = (struct imap_range){ a < b ? a : b,
			    a < b ? b : a };
	}
	s->count = n;
	if (n == 0)
		return;
	qsort(r, n, sizeof(*r), by_from);
	n = 0;
	for (size_t i = 1; i < s->count; i++) {
		if (r[i].from - 1 > r[n].to)
			r[++n] = r[i];
		else if (r[i].to > r[n].to)
			r[n].to = r[i].to;
	}
	s->count = n + 1;
}

uint32_t
imap_set_last(const struct imap_set *s)
{
	return s->count == 0 ? 0 : s->ranges[s->count - 1].to;
}

/* Index of the first range that ends at or behind n. */
static size_t
find(const struct imap_set *s, uint32_t n)
{
	size_t	 lo = 0, hi = s->count;

	while (lo < hi) {
		size_t	 mid = lo + (hi - lo) / 2;

		if (s->ranges[mid].to < n)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

bool
imap_set_has(const struct imap_set *s, uint32_t n)
{
	size_t	 i = find(s, n);

	return i < s->count && s->ranges[i].from <= n;
}

uint32_t
imap_set_next(const struct imap_set *s, uint32_t from)
{
	size_t	 i = find(s, from);

	if (i == s->count)
		return 0;
	return s->ranges[i].from > from ? s->ranges[i].from : from;
}

void
imap_set_add(struct imap_set_builder *b, struct arena *mem, uint32_t n)
{
	struct imap_set	*s = &b->set;

	if (s->count > 0 && s->ranges[s->count - 1].to + 1 == n)
		s->ranges[s->count - 1].to = n;
	else
		push(s, &b->room, mem, n, n);
}

void
imap_set_format(const struct imap_set *s, struct buf *out)
{
	for (size_t i = 0; i < s->count; i++) {
		const struct imap_range	*r = &s->ranges[i];

		if (i > 0)
			buf_addc(out, ',');
		if (r->from == r->to)
			buf_addf(out, "%u", r->from);
		else
			buf_addf(out, "%u:%u", r->from, r->to);
	}
}
