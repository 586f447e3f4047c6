/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/base64.h"

static const char	alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static int
value(int c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

size_t
base64_encoded_len(size_t n)
{
	return (n + 2) / 3 * 4;
}

static void
put_group(struct buf *out, const unsigned char *p, size_t n)
{
	uint32_t	bits = (uint32_t)p[0] << 16;
	char		text[4];

	if (n > 1)
		bits |= (uint32_t)p[1] << 8;
	if (n > 2)
		bits |= p[2];
	text[0] = alphabet[bits >> 18];
	text[1] = alphabet[bits >> 12 & 63];
	text[2] = n > 1 ? alphabet[bits >> 6 & 63] : '=';
	text[3] = n > 2 ? alphabet[bits & 63] : '=';
	buf_add(out, text, 4);
}

void
base64_put(struct buf *out, struct slice s)
{
	while (s.len > 0) {
		put_group(out, s.p, s.len);
		s = slice_from(s, 3);
	}
}

void
base64_put_lines(struct buf *out, struct slice s)
{
	while (s.len > 0) {
		base64_put(out, slice_first(s, 57));
		buf_adds(out, "\r\n");
		s = slice_from(s, 57);
	}
}

static bool
get_groups(struct slice s, struct buf *out)
{
	while (s.len > 0) {
		int		a = value(s.p[0]), b = value(s.p[1]);
		int		c = value(s.p[2]), d = value(s.p[3]);
		bool		last = s.len == 4;
		unsigned char	bytes[3];
		size_t		n = 3;

		if (last && s.p[3] == '=') {
			n = s.p[2] == '=' ? 1 : 2;
			d = 0;
			if (n == 1)
				c = 0;
		}
		if (a < 0 || b < 0 || c < 0 || d < 0)
			return false;
		/* RFC 4648 3.5: one text for one value, so that credentials
		 * compare as they should. */
		if ((n == 1 && (b & 15) != 0) || (n == 2 && (c & 3) != 0))
			return false;
		bytes[0] = (unsigned char)(a << 2 | b >> 4);
		bytes[1] = (unsigned char)((b & 15) << 4 | c >> 2);
		bytes[2] = (unsigned char)((c & 3) << 6 | d);
		if (!buf_put(out, bytes, n))
			return false;
		s = slice_from(s, 4);
	}
	return true;
}

bool
base64_get(struct slice s, struct buf *out)
{
	size_t	before = buf_len(out);

	if (s.len % 4 != 0)
		return false;
	if (get_groups(s, out))
		return true;
	buf_truncate(out, before);
	return false;
}

static void
dec_flush(struct base64_dec *d, struct buf *out)
{
	unsigned int	n = d->have * 6 / 8;
	uint32_t	bits = d->bits << (24 - d->have * 6);

	for (unsigned int i = 0; i < n; i++)
		buf_addc(out, (int)(bits >> (16 - 8 * i) & 255));
	*d = (struct base64_dec){ 0, 0 };
}

void
base64_dec_feed(struct base64_dec *d, struct slice s, struct buf *out)
{
	for (size_t i = 0; i < s.len; i++) {
		int	v = value(s.p[i]);

		if (s.p[i] == '=') {
			dec_flush(d, out);
			continue;
		}
		if (v < 0)
			continue;
		d->bits = d->bits << 6 | (uint32_t)v;
		if (++d->have == 4)
			dec_flush(d, out);
	}
}
