/* SPDX-License-Identifier: Apache-2.0 */
/* Every byte of every message passes here more than once (the dots of DATA,
 * the line ends, the queue's own look), so sixteen at a time, and four times
 * that between two questions: three loads, one byte apart, show each byte beside
 * its successors.  SSE2 is part of every x86-64; elsewhere the loops behind it
 * do it all. */
#include "base/wire.h"

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#define BLOCK	((size_t)16)
#define ROW	(4 * BLOCK)

#if defined(__SSE2__)

static __m128i
load(const unsigned char *p)
{
	return _mm_loadu_si128((const __m128i *)(const void *)p);
}

/* What a block and the two bytes behind it show. */
struct look {
	__m128i	bad;	/* a CR without LF, or an LF without CR */
	__m128i	high;	/* the top bit of each byte above 127 */
	__m128i	dots;	/* an LF with a dot behind it */
};

static INLINE struct look
look_at(const unsigned char *p)
{
	__m128i	here = load(p);
	__m128i	is_cr = _mm_cmpeq_epi8(here, _mm_set1_epi8('\r'));
	__m128i	has_lf = _mm_cmpeq_epi8(load(p + 1), _mm_set1_epi8('\n'));
	__m128i	has_dot = _mm_cmpeq_epi8(load(p + 2), _mm_set1_epi8('.'));

	return (struct look){
		.bad = _mm_xor_si128(is_cr, has_lf), .high = here,
		.dots = _mm_and_si128(has_lf, has_dot)
	};
}

static INLINE struct look
join(struct look a, struct look b)
{
	return (struct look){
		.bad = _mm_or_si128(a.bad, b.bad),
		.high = _mm_or_si128(a.high, b.high),
		.dots = _mm_or_si128(a.dots, b.dots)
	};
}

static INLINE struct look
look_at_row(const unsigned char *p)
{
	return join(join(look_at(p), look_at(p + BLOCK)),
	    join(look_at(p + 2 * BLOCK), look_at(p + 3 * BLOCK)));
}

static bool
any(__m128i bits)
{
	return _mm_movemask_epi8(bits) != 0;
}

/* How far no byte is wrong, in whole blocks. */
static size_t
good_blocks(struct slice s, unsigned int *seen)
{
	const __m128i	none = _mm_setzero_si128();
	struct look	all = { none, none, none }, here;
	size_t		i = 0;

	for (; i + ROW + 2 <= s.len; i += ROW) {
		here = look_at_row(s.p + i);
		if (any(here.bad))
			break;
		all = join(all, here);
	}
	for (; i + BLOCK + 2 <= s.len; i += BLOCK) {
		here = look_at(s.p + i);
		if (any(here.bad))
			break;
		all = join(all, here);
	}
	if (any(all.high))
		*seen |= WIRE_8BIT;
	if (any(all.dots))
		*seen |= WIRE_DOTS;
	return i;
}

/* From i on, how far there is no dot behind an LF. */
static size_t
dotless_blocks(struct slice s, size_t i)
{
	while (i + ROW + 2 <= s.len && !any(look_at_row(s.p + i).dots))
		i += ROW;
	while (i + BLOCK + 2 <= s.len && !any(look_at(s.p + i).dots))
		i += BLOCK;
	return i;
}

#else

static size_t
good_blocks(struct slice s, unsigned int *seen)
{
	(void)s;
	(void)seen;
	return 0;
}

static size_t
dotless_blocks(struct slice s, size_t i)
{
	(void)s;
	return i;
}

#endif

size_t
wire_crlf_run(struct slice s, unsigned int *seen)
{
	size_t	i = good_blocks(s, seen);

	for (; i < s.len; i++) {
		bool	is_cr = s.p[i] == '\r';
		bool	more = i + 1 < s.len;

		if (more && is_cr != (s.p[i + 1] == '\n')) {
			/* A bare CR is where we are, a bare LF behind. */
			if (!is_cr && s.p[i] >= 128)
				*seen |= WIRE_8BIT;
			return is_cr ? i : i + 1;
		}
		if (is_cr && i + 2 < s.len && s.p[i + 2] == '.')
			*seen |= WIRE_DOTS;
		if (s.p[i] >= 128)
			*seen |= WIRE_8BIT;
	}
	return s.len;
}

size_t
wire_find_dot(struct slice s)
{
	for (size_t i = 0; i + 2 < s.len; i++) {
		if (i % BLOCK == 0)
			i = dotless_blocks(s, i);
		if (i + 2 < s.len && s.p[i] == '\r' && s.p[i + 1] == '\n' &&
		    s.p[i + 2] == '.')
			return i + 2;
	}
	return s.len;
}
