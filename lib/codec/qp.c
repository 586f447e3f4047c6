/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/qp.h"

#include "base/ascii.h"

static const char	hex[] = "0123456789ABCDEF";

/* How far the line end at s[i] reaches: 0 none, 1 LF, 2 CRLF. */
static size_t
line_end(struct slice s, size_t i)
{
	if (s.p[i] == '\n')
		return 1;
	if (s.p[i] == '\r' && i + 1 < s.len && s.p[i + 1] == '\n')
		return 2;
	return 0;
}

static bool
is_plain(struct slice s, size_t i)
{
	int	c = s.p[i];

	if (c == ' ' || c == '\t')
		return i + 1 < s.len && line_end(s, i + 1) == 0;
	return c > 32 && c < 127 && c != '=';
}

void
qp_put(struct buf *out, struct slice s)
{
	size_t	column = 0;

	for (size_t i = 0; i < s.len; i++) {
		size_t	end = line_end(s, i), width;

		if (end > 0) {
			buf_adds(out, "\r\n");
			column = 0;
			i += end - 1;
			continue;
		}
		width = is_plain(s, i) ? 1 : 3;
		if (column + width > 75) {
			buf_adds(out, "=\r\n");
			column = 0;
		}
		if (width == 1) {
			buf_addc(out, s.p[i]);
		} else {
			buf_addc(out, '=');
			buf_addc(out, hex[s.p[i] >> 4]);
			buf_addc(out, hex[s.p[i] & 15]);
		}
		column += width;
	}
}

static void
release(struct qp_dec *d, struct buf *out)
{
	buf_add(out, d->held, d->nheld);
	d->nheld = 0;
}

static void
hold(struct qp_dec *d, int c, struct buf *out)
{
	/* More blanks than any sane line has: they are content. */
	if (d->nheld == sizeof(d->held))
		release(d, out);
	d->held[d->nheld++] = (unsigned char)c;
}

/* What is held begins with "="; c follows. */
static void
escape(struct qp_dec *d, int c, struct buf *out)
{
	int	high;

	if (c == '\n') {			/* soft line break */
		d->nheld = 0;
		return;
	}
	if (d->nheld == 1 && (ascii_hex(c) >= 0 || c == '\r' ||
	    ascii_is_blank(c))) {
		hold(d, c, out);
		return;
	}
	high = d->nheld > 1 ? ascii_hex(d->held[1]) : -1;
	if (d->nheld == 2 && high >= 0 && ascii_hex(c) >= 0) {
		d->nheld = 0;
		buf_addc(out, high << 4 | ascii_hex(c));
		return;
	}
	/* "=", blanks, CR: still may become a soft break. */
	if (high < 0 && d->nheld < sizeof(d->held) && d->nheld > 1 &&
	    d->held[d->nheld - 1] != '\r' && (c == '\r' || ascii_is_blank(c))) {
		hold(d, c, out);
		return;
	}
	release(d, out);
	qp_dec_feed(d, slice_of(&(unsigned char){ (unsigned char)c }, 1), out);
}

void
qp_dec_feed(struct qp_dec *d, struct slice s, struct buf *out)
{
	for (size_t i = 0; i < s.len; i++) {
		int	c = s.p[i];

		if (d->nheld > 0 && d->held[0] == '=') {
			escape(d, c, out);
		} else if (c == '=') {
			release(d, out);
			hold(d, c, out);
		} else if (ascii_is_blank(c)) {
			hold(d, c, out);
		} else if (c == '\r') {
			hold(d, c, out);
		} else {
			/* RFC 2045 6.7 (3): blanks before a line end were
			 * added on the way. */
			if (c == '\n') {
				bool	crlf = d->nheld > 0 &&
				    d->held[d->nheld - 1] == '\r';

				d->nheld = 0;
				if (crlf)
					buf_addc(out, '\r');
			}
			release(d, out);
			buf_addc(out, c);
		}
	}
}

void
qp_dec_end(struct qp_dec *d, struct buf *out)
{
	/* Trailing blanks go; a lone "=" at the end is a soft break. */
	if (d->nheld > 0 && d->held[0] == '=' && d->nheld > 1)
		release(d, out);
	d->nheld = 0;
}
