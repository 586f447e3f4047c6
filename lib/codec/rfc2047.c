/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/rfc2047.h"

#include "base/ascii.h"
#include "codec/base64.h"
#include "codec/utf8.h"

#define WORD_MAX	4096	/* an encoded word longer than this is text */

struct word {
	struct slice	charset, text;
	char		encoding;	/* 'q', 'b' */
};

/* encoded-word = "=?" charset ["*" language] "?" encoding "?" text "?="
 * Takes it off the front of *s. */
static bool
take_word(struct slice *s, struct word *w)
{
	struct slice	rest = *s, enc;
	ptrdiff_t	end;

	if (!slice_starts(rest, "=?"))
		return false;
	rest = slice_first(slice_from(rest, 2), WORD_MAX);
	if (!slice_cut(&rest, '?', &w->charset) || w->charset.len == 0 ||
	    w->charset.len > 60 || !slice_cut(&rest, '?', &enc) ||
	    enc.len != 1)
		return false;
	w->encoding = (char)ascii_lower(enc.p[0]);
	end = slice_search(rest, SLICE_LIT("?="));
	if (end < 0 || (w->encoding != 'q' && w->encoding != 'b'))
		return false;
	w->text = slice_first(rest, (size_t)end);
	for (size_t i = 0; i < w->text.len; i++)
		if (w->text.p[i] == '\r' || w->text.p[i] == '\n')
			return false;
	if (slice_find(w->charset, ' ') >= 0)
		return false;
	if (slice_find(w->charset, '*') >= 0)
		w->charset = slice_first(w->charset,
		    (size_t)slice_find(w->charset, '*'));
	*s = slice_from(*s, (size_t)(rest.p + end + 2 - s->p));
	return true;
}

static void
decode_q(struct buf *raw, struct slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		int	high = -1, low = -1;

		if (s.p[i] == '=' && s.len - i > 2) {
			high = ascii_hex(s.p[i + 1]);
			low = ascii_hex(s.p[i + 2]);
		}
		if (high >= 0 && low >= 0) {
			buf_addc(raw, high << 4 | low);
			i += 2;
		} else {
			buf_addc(raw, s.p[i] == '_' ? ' ' : s.p[i]);
		}
	}
}

/* Append UTF-8 so that it cannot gain structure. */
static void
add_flat(struct buf *out, struct slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		int	c = s.p[i];

		buf_addc(out, c == '\r' || c == '\n' || c == '\0' ? ' ' : c);
	}
}

/* Words of one charset that touch are decoded together: some mailers cut in
 * the middle of a character. */
static void
flush_raw(struct buf *out, struct slice charset, struct buf *raw)
{
	struct buf	text;

	if (buf_len(raw) == 0)
		return;
	buf_init(&text, 4 * buf_len(raw) + 16);
	(void)utf8_from_charset(&text, charset, buf_slice(raw));
	add_flat(out, buf_slice(&text));
	buf_clear(&text);
	buf_reset(raw);
}

static void
add_word(struct buf *raw, const struct word *w)
{
	struct base64_dec	d = { 0, 0 };

	if (w->encoding == 'q') {
		decode_q(raw, w->text);
		return;
	}
	base64_dec_feed(&d, w->text, raw);
	/* Padding may be missing. */
	base64_dec_feed(&d, SLICE_LIT("="), raw);
}

static size_t
blanks(struct slice s)
{
	size_t	n = 0;

	while (n < s.len && (ascii_is_blank(s.p[n]) || s.p[n] == '\r' ||
	    s.p[n] == '\n'))
		n++;
	return n;
}

static void
add_text(struct buf *out, struct slice *s)
{
	uint32_t	cp;

	if (s->p[0] == '\r' || s->p[0] == '\n' || s->p[0] == '\0') {
		/* A fold is its white space; the line end is nothing. */
		if (s->p[0] == '\0' || s->len < 2 || blanks(*s) < 2)
			buf_addc(out, ' ');
		*s = slice_from(*s, 1);
		return;
	}
	(void)utf8_take(s, &cp);
	utf8_put(out, cp);
}

void
rfc2047_decode(struct buf *out, struct slice s)
{
	struct buf	raw;
	struct slice	charset = SLICE_LIT("");
	struct word	w;

	buf_init(&raw, s.len + 16);
	while (s.len > 0) {
		struct slice	ahead = slice_from(s, blanks(s));

		/* White space between encoded words is not displayed. */
		if (buf_len(&raw) > 0 && take_word(&ahead, &w)) {
			if (!slice_ieq(w.charset, charset))
				flush_raw(out, charset, &raw);
			s = ahead;
		} else if (buf_len(&raw) == 0 && take_word(&s, &w)) {
			;
		} else {
			flush_raw(out, charset, &raw);
			add_text(out, &s);
			continue;
		}
		charset = w.charset;
		add_word(&raw, &w);
	}
	flush_raw(out, charset, &raw);
	buf_clear(&raw);
}

static bool
is_plain(struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((!ascii_is_graph(s.p[i]) && s.p[i] != ' ') ||
		    (s.p[i] == '=' && i + 1 < s.len && s.p[i + 1] == '?'))
			return false;
	return true;
}

void
rfc2047_encode(struct buf *out, struct slice s)
{
	if (is_plain(s)) {
		buf_add_slice(out, s);
		return;
	}
	/* 75 - "=?UTF-8?B?" - "?=" leaves 63: 45 bytes as base64. */
	for (bool first = true; s.len > 0; first = false) {
		struct buf	flat;
		size_t		n = 0;

		while (n < s.len) {
			struct slice	ahead = slice_from(s, n);
			uint32_t	cp;

			(void)utf8_take(&ahead, &cp);
			if ((size_t)(ahead.p - s.p) > 45)
				break;
			n = (size_t)(ahead.p - s.p);
		}
		buf_init(&flat, 64);
		add_flat(&flat, slice_first(s, n));
		buf_adds(out, first ? "=?UTF-8?B?" : "\r\n =?UTF-8?B?");
		base64_put(out, buf_slice(&flat));
		buf_adds(out, "?=");
		buf_clear(&flat);
		s = slice_from(s, n);
	}
}
