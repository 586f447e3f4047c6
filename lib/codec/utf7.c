/* SPDX-License-Identifier: Apache-2.0 */
/* RFC 3501 5.1.3: printable ASCII stands for itself, "&-" for "&", all else is
 * UTF-16BE in base64 with "," for "/" between "&" and "-". */
#include "codec/utf7.h"

#include "codec/utf8.h"

static const char	alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

static bool
is_direct(uint32_t c)
{
	return c >= 0x20 && c <= 0x7e;
}

struct bits {
	uint32_t	 acc;
	unsigned int	 n;
};

static void
put_unit(struct buf *out, struct bits *b, uint32_t unit)
{
	b->acc = b->acc << 16 | unit;
	b->n += 16;
	while (b->n >= 6) {
		b->n -= 6;
		buf_addc(out, alphabet[b->acc >> b->n & 63]);
	}
	b->acc &= (1u << b->n) - 1;
}

static void
put_run(struct buf *out, struct slice *s)
{
	struct bits	b = { 0, 0 };
	struct slice	ahead = *s;
	uint32_t	cp;

	buf_addc(out, '&');
	while (ahead.len > 0 && utf8_take(&ahead, &cp) && !is_direct(cp)) {
		if (cp > 0xffff) {
			cp -= 0x10000;
			put_unit(out, &b, 0xd800 | cp >> 10);
			put_unit(out, &b, 0xdc00 | (cp & 0x3ff));
		} else {
			put_unit(out, &b, cp);
		}
		*s = ahead;
	}
	if (b.n > 0)
		buf_addc(out, alphabet[b.acc << (6 - b.n) & 63]);
	buf_addc(out, '-');
}

bool
utf7_put(struct buf *out, struct slice s)
{
	size_t	before = buf_len(out);

	if (!utf8_valid(s))
		return false;
	while (s.len > 0) {
		if (!is_direct(s.p[0])) {
			put_run(out, &s);
			continue;
		}
		buf_addc(out, s.p[0]);
		if (s.p[0] == '&')
			buf_addc(out, '-');
		s = slice_from(s, 1);
	}
	if (!out->overflow)
		return true;
	out->overflow = false;
	buf_truncate(out, before);
	return false;
}

static int
value(int c)
{
	for (int i = 0; i < 64; i++)
		if (alphabet[i] == c)
			return i;
	return -1;
}

/* One UTF-16 unit of a run.  *high is a first surrogate that waits. */
static bool
take_unit(struct buf *out, uint32_t unit, uint32_t *high)
{
	if (*high != 0) {
		if (unit < 0xdc00 || unit > 0xdfff)
			return false;
		utf8_put(out, 0x10000 + ((*high - 0xd800) << 10) +
		    (unit - 0xdc00));
		*high = 0;
		return true;
	}
	if (unit >= 0xd800 && unit <= 0xdbff) {
		*high = unit;
		return true;
	}
	if (is_direct(unit) || unit == 0 || (unit >= 0xdc00 && unit <= 0xdfff))
		return false;
	utf8_put(out, unit);
	return true;
}

/* A run without its "&" and "-"; not empty. */
static bool
get_run(struct buf *out, struct slice run)
{
	struct bits	b = { 0, 0 };
	uint32_t	high = 0;

	for (size_t i = 0; i < run.len; i++) {
		int	v = value(run.p[i]);

		if (v < 0)
			return false;
		b.acc = b.acc << 6 | (uint32_t)v;
		b.n += 6;
		if (b.n < 16)
			continue;
		b.n -= 16;
		if (!take_unit(out, b.acc >> b.n & 0xffff, &high))
			return false;
		b.acc &= (1u << b.n) - 1;
	}
	return high == 0 && b.n < 6 && b.acc == 0;
}

static bool
get_all(struct slice s, struct buf *out)
{
	struct slice	run;
	bool		after_run = false;

	while (s.len > 0) {
		if (!is_direct(s.p[0]))
			return false;
		if (s.p[0] != '&') {
			buf_addc(out, s.p[0]);
			s = slice_from(s, 1);
			after_run = false;
			continue;
		}
		s = slice_from(s, 1);
		if (!slice_cut(&s, '-', &run))
			return false;
		if (run.len == 0) {
			buf_addc(out, '&');
			after_run = false;
			continue;
		}
		/* Two runs in a row should have been one. */
		if (after_run || !get_run(out, run))
			return false;
		after_run = true;
	}
	return true;
}

bool
utf7_get(struct slice s, struct buf *out)
{
	size_t	before = buf_len(out);

	if (get_all(s, out) && !out->overflow)
		return true;
	out->overflow = false;
	buf_truncate(out, before);
	return false;
}
