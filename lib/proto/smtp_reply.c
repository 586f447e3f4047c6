/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/smtp_reply.h"

#include "base/ascii.h"
#include "base/buf.h"

/* Length of an enhanced status code at the front of s (RFC 3463 2), or 0. */
static size_t
dsn_len(struct slice s, int class)
{
	size_t	at = 0, digits;

	for (int part = 0; part < 3; part++) {
		if (part > 0) {
			if (at >= s.len || s.p[at] != '.')
				return 0;
			at++;
		}
		for (digits = 0; at < s.len && ascii_is_digit(s.p[at]);
		    digits++)
			at++;
		if (digits == 0 || digits > 3 || (part == 0 && digits != 1))
			return 0;
	}
	if (s.p[0] != '0' + class || (at < s.len && s.p[at] != ' '))
		return 0;
	return at;
}

/* Code of a line, or -1. */
static int
line_code(struct slice line)
{
	if (line.len < 3 || line.p[0] < '2' || line.p[0] > '5' ||
	    !ascii_is_digit(line.p[1]) || !ascii_is_digit(line.p[2]))
		return -1;
	if (line.len > 3 && line.p[3] != ' ' && line.p[3] != '-')
		return -1;
	return (line.p[0] - '0') * 100 + (line.p[1] - '0') * 10 +
	    (line.p[2] - '0');
}

static char *
printable(struct arena *a, struct slice s)
{
	char	*out = arena_strndup(a, "", 0);

	if (s.len == 0)
		return out;
	out = arena_alloc(a, s.len + 1);
	for (size_t i = 0; i < s.len; i++)
		out[i] = ascii_is_cntrl(s.p[i]) ? ' ' : (char)s.p[i];
	return out;
}

static void
fill(struct slice whole, size_t nlines, struct arena *a,
    struct smtp_reply *out)
{
	struct slice	line, text = slice_of("", 0);
	struct buf	joined;
	size_t		n;

	buf_init(&joined, SMTP_REPLY_MAX + SMTP_REPLY_LINES_MAX);
	out->lines = arena_array(a, nlines, sizeof(*out->lines));
	for (out->nlines = 0; slice_cut(&whole, '\n', &line); out->nlines++) {
		if (slice_ends(line, "\r"))
			line.len--;
		out->code = line_code(line);
		text = slice_from(line, 4);
		out->lines[out->nlines] = printable(a, text);
		if (out->nlines > 0)
			buf_addc(&joined, ' ');
		buf_adds(&joined, printable(a, line));
	}
	n = dsn_len(text, out->code / 100);
	out->dsn = n > 0 ? arena_strndup(a, (const char *)text.p, n) :
	    arena_printf(a, "%d.0.0", out->code / 100);
	out->text = arena_strdup(a, buf_cstr(&joined));
	buf_clear(&joined);
}

enum smtp_reply_got
smtp_reply_take(struct slice *in, struct arena *a, struct smtp_reply *out,
    const char **why_out)
{
	struct slice	rest = *in, line;
	size_t		nlines = 0;

	while (slice_cut(&rest, '\n', &line)) {
		if (slice_ends(line, "\r"))
			line.len--;
		*why_out = "the server's reply is not SMTP";
		if (line_code(line) < 0)
			return SMTP_REPLY_BAD;
		*why_out = "the server's reply is too long";
		if (line.len > SMTP_REPLY_LINE_MAX ||
		    ++nlines > SMTP_REPLY_LINES_MAX ||
		    in->len - rest.len > SMTP_REPLY_MAX)
			return SMTP_REPLY_BAD;
		if (line.len > 3 && line.p[3] == '-')
			continue;
		fill(slice_first(*in, in->len - rest.len), nlines, a, out);
		*in = rest;
		return SMTP_REPLY_DONE;
	}
	*why_out = "the server's reply is too long";
	if (rest.len > SMTP_REPLY_LINE_MAX + 1 || in->len > SMTP_REPLY_MAX)
		return SMTP_REPLY_BAD;
	return SMTP_REPLY_MORE;
}
