/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/smtp_reply.h"

#include "base/ascii.h"

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

/* Append the line to *to, with blanks for control characters and a NUL. */
static void
put_printable(char **to, struct slice line)
{
	for (size_t i = 0; i < line.len; i++)
		*(*to)++ = ascii_is_cntrl(line.p[i]) ? ' ' : (char)line.p[i];
	**to = '\0';
}

static void
fill(struct slice whole, size_t nlines, struct arena *a,
    struct smtp_reply *out)
{
	struct slice	 line, text = slice_of("", 0);
	char		*joined = arena_alloc(a, whole.len + 1), *to = joined;
	char		*begin = to;
	size_t		 n;

	out->lines = arena_array(a, nlines, sizeof(*out->lines));
	for (out->nlines = 0; slice_cut(&whole, '\n', &line); out->nlines++) {
		if (slice_ends(line, "\r"))
			line.len--;
		out->code = line_code(line);
		text = slice_from(line, 4);
		if (out->nlines > 0)
			*to++ = ' ';
		begin = to;
		put_printable(&to, line);
		out->lines[out->nlines] = nlines == 1 ?
		    begin + (line.len - text.len) :
		    arena_strndup(a, begin + (line.len - text.len), text.len);
	}
	n = dsn_len(text, out->code / 100);
	out->dsn = n > 0 ? arena_strndup(a, (const char *)text.p, n) :
	    arena_printf(a, "%d.0.0", out->code / 100);
	out->text = joined;
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
