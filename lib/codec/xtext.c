/* SPDX-License-Identifier: Apache-2.0 */
/* RFC 3461 4: xtext = *( xchar / hexchar ); hexchar = "+" 2 upper hex. */
#include "codec/xtext.h"

#include "base/ascii.h"

static const char	hex[] = "0123456789ABCDEF";

static bool
is_xchar(int c)
{
	return ascii_is_graph(c) && c != '+' && c != '=';
}

void
xtext_put(struct buf *out, struct slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (is_xchar(s.p[i])) {
			buf_addc(out, s.p[i]);
			continue;
		}
		buf_addc(out, '+');
		buf_addc(out, hex[s.p[i] >> 4]);
		buf_addc(out, hex[s.p[i] & 15]);
	}
}

/* One character; *i moves to its last byte.  -1: not xtext. */
static int
get_one(struct slice s, size_t *i)
{
	int	c = s.p[*i], high, low;

	if (is_xchar(c))
		return c;
	/* We accept lower case hexadecimal digits although the RFC has only
	 * upper case, because clients send them. */
	if (c != '+' || s.len - *i < 3)
		return -1;
	high = ascii_hex(s.p[*i + 1]);
	low = ascii_hex(s.p[*i + 2]);
	*i += 2;
	if (high < 0 || low < 0)
		return -1;
	c = high << 4 | low;
	return ascii_is_cntrl(c) ? -1 : c;
}

bool
xtext_get(struct slice s, struct buf *out)
{
	size_t	before = buf_len(out);

	for (size_t i = 0; i < s.len; i++) {
		int		c = get_one(s, &i);
		unsigned char	byte = (unsigned char)c;

		if (c < 0 || !buf_put(out, &byte, 1)) {
			buf_truncate(out, before);
			return false;
		}
	}
	return true;
}
