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

/* How many bytes s holds if it is base64. */
static size_t
decoded_len(struct slice s)
{
	size_t	pad = 0;

	while (pad < 2 && pad < s.len && s.p[s.len - 1 - pad] == '=')
		pad++;
	return s.len / 4 * 3 - pad;
}

static bool
get_group(const unsigned char *p, size_t n, unsigned char *out)
{
	int	a = value(p[0]), b = value(p[1]);
	int	c = n < 2 ? 0 : value(p[2]), d = n < 3 ? 0 : value(p[3]);

	if (a < 0 || b < 0 || c < 0 || d < 0)
		return false;
	/* RFC 4648 3.5: one text for one value, so that credentials compare
	 * as they should. */
	if ((n == 1 && (b & 15) != 0) || (n == 2 && (c & 3) != 0))
		return false;
	out[0] = (unsigned char)(a << 2 | b >> 4);
	if (n > 1)
		out[1] = (unsigned char)((b & 15) << 4 | c >> 2);
	if (n > 2)
		out[2] = (unsigned char)((c & 3) << 6 | d);
	return true;
}

bool
base64_get_into(struct slice s, unsigned char *out, size_t max,
    size_t *len_out)
{
	size_t	len;

	if (s.len % 4 != 0 || (len = decoded_len(s)) > max)
		return false;
	for (size_t at = 0; at < len; at += 3) {
		if (!get_group(s.p, len - at, out + at))
			return false;
		s = slice_from(s, 4);
	}
	*len_out = len;
	return true;
}

bool
base64_get(struct slice s, struct buf *out)
{
	size_t		 len = 0;
	unsigned char	*to;

	if (s.len == 0)
		return true;
	if (s.len % 4 != 0 || (to = buf_space(out, decoded_len(s))) == NULL ||
	    !base64_get_into(s, to, decoded_len(s), &len))
		return false;
	buf_added(out, len);
	return true;
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
