/* SPDX-License-Identifier: Apache-2.0 */
#include "auth/b64.h"
#include "base/ascii.h"

static const char	digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void
b64_put(struct buf *out, const unsigned char *p, size_t len)
{
	for (size_t i = 0; i < len; i += 3) {
		unsigned int	v = (unsigned int)p[i] << 16;

		if (i + 1 < len)
			v |= (unsigned int)p[i + 1] << 8;
		if (i + 2 < len)
			v |= p[i + 2];
		buf_addc(out, digits[v >> 18]);
		buf_addc(out, digits[v >> 12 & 63]);
		buf_addc(out, i + 1 < len ? digits[v >> 6 & 63] : '=');
		buf_addc(out, i + 2 < len ? digits[v & 63] : '=');
	}
}

static int
value(int c)
{
	if (ascii_is_upper(c))
		return c - 'A';
	if (ascii_is_alpha(c))
		return c - 'a' + 26;
	if (ascii_is_digit(c))
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool
b64_get(struct slice in, unsigned char *out, size_t max, size_t *len_out)
{
	size_t		 n = 0, pad = 0;
	unsigned int	 v = 0;

	if (in.len % 4 != 0)
		return false;
	while (pad < 2 && in.len > pad && in.p[in.len - 1 - pad] == '=')
		pad++;
	if (in.len / 4 * 3 - pad > max)
		return false;
	for (size_t i = 0; i < in.len; i++) {
		int	d = i >= in.len - pad ? 0 : value(in.p[i]);

		if (d < 0)
			return false;
		v = v << 6 | (unsigned int)d;
		if (i % 4 != 3)
			continue;
		for (size_t k = 0; k < 3; k++)
			if (i + 1 < in.len || k < 3 - pad)
				out[n++] = (unsigned char)(v >> (16 - 8 * k));
			else if ((v >> (16 - 8 * k) & 255) != 0)
				return false;
		v = 0;
	}
	*len_out = n;
	return true;
}
