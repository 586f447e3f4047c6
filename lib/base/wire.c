/* SPDX-License-Identifier: Apache-2.0 */
/* Every byte of every message passes here more than once (the dots of DATA,
 * the line ends, the queue's own look), so sixteen at a time: three loads, one
 * byte apart, show each byte beside its successors.  SSE2 is part of every
 * x86-64; elsewhere the loops behind it do it all. */
#include "base/wire.h"

#include <stdbool.h>
#include <stdint.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#define BLOCK	((size_t)16)

#if defined(__SSE2__)

static __m128i
load(const unsigned char *p)
{
	return _mm_loadu_si128((const __m128i *)(const void *)p);
}

/* How far no byte is wrong, in whole blocks. */
static size_t
good_blocks(struct slice s, unsigned int *seen)
{
	const __m128i	 cr = _mm_set1_epi8('\r'), lf = _mm_set1_epi8('\n'),
			 dot = _mm_set1_epi8('.');
	__m128i		 high = _mm_setzero_si128(), dots = high;
	size_t		 i = 0;

	for (; i + BLOCK + 2 <= s.len; i += BLOCK) {
		__m128i	here = load(s.p + i);
		__m128i	is_cr = _mm_cmpeq_epi8(here, cr);
		__m128i	has_lf = _mm_cmpeq_epi8(load(s.p + i + 1), lf);

		if (_mm_movemask_epi8(_mm_xor_si128(is_cr, has_lf)) != 0)
			break;
		dots = _mm_or_si128(dots, _mm_and_si128(is_cr,
		    _mm_cmpeq_epi8(load(s.p + i + 2), dot)));
		high = _mm_or_si128(high, here);
	}
	if (_mm_movemask_epi8(high) != 0)
		*seen |= WIRE_8BIT;
	if (_mm_movemask_epi8(dots) != 0)
		*seen |= WIRE_DOTS;
	return i;
}

/* How far there is no dot behind a CRLF that is in front of it; or where the
 * CRLF is. */
static size_t
dotless_blocks(struct slice s)
{
	const __m128i	cr = _mm_set1_epi8('\r'), lf = _mm_set1_epi8('\n'),
			dot = _mm_set1_epi8('.');
	size_t		i = 0;

	for (; i + BLOCK + 2 <= s.len; i += BLOCK) {
		__m128i	m = _mm_and_si128(_mm_cmpeq_epi8(load(s.p + i), cr),
			    _mm_cmpeq_epi8(load(s.p + i + 1), lf));
		int	at = _mm_movemask_epi8(_mm_and_si128(m,
			    _mm_cmpeq_epi8(load(s.p + i + 2), dot)));

		if (at != 0)
			return i + (size_t)__builtin_ctz((unsigned int)at);
	}
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
dotless_blocks(struct slice s)
{
	(void)s;
	return 0;
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
	for (size_t i = dotless_blocks(s); i + 2 < s.len; i++)
		if (s.p[i] == '\r' && s.p[i + 1] == '\n' &&
		    s.p[i + 2] == '.')
			return i + 2;
	return s.len;
}
