/* SPDX-License-Identifier: Apache-2.0 */
/* Character sets other than the simple ones go through iconv(3) of the C
 * library: tables that we do not have to keep. */
#include "codec/utf8.h"

#include <errno.h>
#include <iconv.h>
#include <string.h>

#include "base/ascii.h"

#define REPLACEMENT	0xfffdu

/* RFC 3629 section 4. Length of the sequence that begins with c, 0: none;
 * the bounds of its second byte. */
static size_t
sequence(int c, int *low, int *high)
{
	*low = 0x80;
	*high = 0xbf;
	if (c < 0x80)
		return 1;
	if (c < 0xc2 || c > 0xf4)
		return 0;
	if (c == 0xe0)
		*low = 0xa0;
	if (c == 0xed)
		*high = 0x9f;
	if (c == 0xf0)
		*low = 0x90;
	if (c == 0xf4)
		*high = 0x8f;
	return c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
}

bool
utf8_take(struct slice *s, uint32_t *cp_out)
{
	static const unsigned char	mask[] = { 0, 0x7f, 0x1f, 0x0f, 0x07 };
	int		low, high;
	size_t		n = sequence(s->p[0], &low, &high);
	uint32_t	cp;

	*cp_out = REPLACEMENT;
	if (n == 0 || n > s->len ||
	    (n > 1 && (s->p[1] < low || s->p[1] > high))) {
		*s = slice_from(*s, 1);
		return false;
	}
	cp = s->p[0] & mask[n];
	for (size_t i = 1; i < n; i++) {
		if ((s->p[i] & 0xc0) != 0x80) {
			*s = slice_from(*s, 1);
			return false;
		}
		cp = cp << 6 | (s->p[i] & 0x3f);
	}
	*s = slice_from(*s, n);
	*cp_out = cp;
	return true;
}

void
utf8_put(struct buf *out, uint32_t cp)
{
	unsigned char	b[4];
	size_t		n;

	if (cp > 0x10ffff || (cp >= 0xd800 && cp <= 0xdfff))
		cp = REPLACEMENT;
	if (cp < 0x80) {
		b[0] = (unsigned char)cp;
		n = 1;
	} else if (cp < 0x800) {
		b[0] = (unsigned char)(0xc0 | cp >> 6);
		b[1] = (unsigned char)(0x80 | (cp & 0x3f));
		n = 2;
	} else if (cp < 0x10000) {
		b[0] = (unsigned char)(0xe0 | cp >> 12);
		b[1] = (unsigned char)(0x80 | (cp >> 6 & 0x3f));
		b[2] = (unsigned char)(0x80 | (cp & 0x3f));
		n = 3;
	} else {
		b[0] = (unsigned char)(0xf0 | cp >> 18);
		b[1] = (unsigned char)(0x80 | (cp >> 12 & 0x3f));
		b[2] = (unsigned char)(0x80 | (cp >> 6 & 0x3f));
		b[3] = (unsigned char)(0x80 | (cp & 0x3f));
		n = 4;
	}
	buf_add(out, b, n);
}

bool
utf8_valid(struct slice s)
{
	uint32_t	cp;

	while (s.len > 0)
		if (!utf8_take(&s, &cp))
			return false;
	return true;
}

bool
utf8_has_8bit(struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.p[i] > 127)
			return true;
	return false;
}

/* Simple case folding of the scripts that have case and lie in regular
 * blocks: Latin-1, Latin Extended-A, Greek, Cyrillic, Armenian. */
static uint32_t
fold(uint32_t c)
{
	if (c < 0x80)
		return (uint32_t)ascii_lower((int)c);
	if ((c >= 0xc0 && c <= 0xde && c != 0xd7) ||
	    (c >= 0x391 && c <= 0x3a9 && c != 0x3a2) ||
	    (c >= 0x410 && c <= 0x42f))
		return c + 32;
	if (c >= 0x400 && c <= 0x40f)
		return c + 80;
	if (c >= 0x531 && c <= 0x556)
		return c + 48;
	if ((c >= 0x100 && c <= 0x12f) || (c >= 0x132 && c <= 0x137) ||
	    (c >= 0x14a && c <= 0x177) || (c >= 0x460 && c <= 0x481) ||
	    (c >= 0x48a && c <= 0x4bf) || (c >= 0x4d0 && c <= 0x52f) ||
	    (c >= 0x1e00 && c <= 0x1e95) || (c >= 0x1ea0 && c <= 0x1eff))
		return c | 1;
	if ((c >= 0x139 && c <= 0x148) || (c >= 0x179 && c <= 0x17e))
		return c + (c & 1);
	if (c == 0x178)
		return 0xff;
	return c == 0x3c2 ? 0x3c3 : c;
}

void
utf8_fold(struct buf *out, struct slice s)
{
	uint32_t	cp;

	while (s.len > 0) {
		if (s.p[0] < 128) {
			buf_addc(out, ascii_lower(s.p[0]));
			s = slice_from(s, 1);
			continue;
		}
		(void)utf8_take(&s, &cp);
		utf8_put(out, fold(cp));
	}
}

static void
repair(struct buf *out, struct slice s, bool ascii)
{
	uint32_t	cp;

	while (s.len > 0) {
		if (ascii && s.p[0] > 127) {
			cp = REPLACEMENT;
			s = slice_from(s, 1);
		} else {
			(void)utf8_take(&s, &cp);
		}
		utf8_put(out, cp);
	}
}

/* Bytes 0x80..0x9f of windows-1252, which is also what people mean when they
 * say iso-8859-1 (WHATWG Encoding). */
static const uint16_t	cp1252[32] = {
	0x20ac, 0xfffd, 0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021,
	0x02c6, 0x2030, 0x0160, 0x2039, 0x0152, 0xfffd, 0x017d, 0xfffd,
	0xfffd, 0x2018, 0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014,
	0x02dc, 0x2122, 0x0161, 0x203a, 0x0153, 0xfffd, 0x017e, 0x0178
};

static void
from_latin1(struct buf *out, struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		utf8_put(out, s.p[i] >= 0x80 && s.p[i] < 0xa0 ?
		    cp1252[s.p[i] - 0x80] : s.p[i]);
}

static void
convert(iconv_t cd, struct buf *out, struct slice s)
{
	char	*in = (char *)(uintptr_t)s.p;
	size_t	 left = s.len;

	while (left > 0) {
		char	 piece[512], *to = piece;
		size_t	 room = sizeof(piece), was = left;

		size_t	 r = iconv(cd, &in, &left, &to, &room);
		int	 e = errno;

		repair(out, slice_of(piece, sizeof(piece) - room), false);
		if (r != (size_t)-1)
			break;
		if (e == E2BIG && (left < was || room < sizeof(piece)))
			continue;
		/* Illegal or cut short: one byte is lost, the rest goes on. */
		utf8_put(out, REPLACEMENT);
		in++;
		left--;
	}
}

bool
utf8_from_charset(struct buf *out, struct slice charset, struct slice s)
{
	char	 name[41];
	iconv_t	 cd;

	if (slice_iis(charset, "utf-8") || slice_iis(charset, "utf8")) {
		repair(out, s, false);
		return true;
	}
	if (charset.len == 0 || slice_iis(charset, "us-ascii") ||
	    slice_iis(charset, "ascii")) {
		repair(out, s, true);
		return true;
	}
	if (slice_iis(charset, "iso-8859-1") || slice_iis(charset, "latin1") ||
	    slice_iis(charset, "windows-1252")) {
		from_latin1(out, s);
		return true;
	}
	cd = (iconv_t)-1;
	if (charset.len < sizeof(name) && slice_find(charset, '/') < 0) {
		memcpy(name, charset.p, charset.len);
		name[charset.len] = '\0';
		cd = iconv_open("UTF-8", name);
	}
	if (cd == (iconv_t)-1) {
		repair(out, s, true);
		return false;
	}
	convert(cd, out, s);
	(void)iconv_close(cd);
	return true;
}
