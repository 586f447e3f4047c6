/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "base/ascii.h"
#include "proto/pop3.h"

/* CR LF . CR LF . : the most that one byte of input can become */
#define GROWTH	4

enum pop3_line
pop3_line_take(struct slice *in, size_t max, struct slice *line_out)
{
	const ptrdiff_t	 lf = slice_find(*in, '\n');
	size_t		 n;

	if (lf < 0)
		return in->len >= max ? POP3_LINE_BAD : POP3_LINE_MORE;
	n = (size_t)lf;
	if (n + 1 > max || slice_find(slice_first(*in, n), '\0') >= 0)
		return POP3_LINE_BAD;
	*in = slice_from(*in, n + 1);
	*line_out = slice_of(in->p - n - 1, n);
	if (n > 0 && line_out->p[n - 1] == '\r')
		line_out->len--;
	return POP3_LINE_DONE;
}

static const struct {
	const char	*name;
	enum pop3_verb	 verb;
} verbs[] = {
	{ "APOP", POP3_APOP }, { "AUTH", POP3_AUTH }, { "CAPA", POP3_CAPA },
	{ "DELE", POP3_DELE }, { "LIST", POP3_LIST }, { "NOOP", POP3_NOOP },
	{ "PASS", POP3_PASS }, { "QUIT", POP3_QUIT }, { "RETR", POP3_RETR },
	{ "RSET", POP3_RSET }, { "STAT", POP3_STAT }, { "STLS", POP3_STLS },
	{ "TOP", POP3_TOP }, { "UIDL", POP3_UIDL }, { "USER", POP3_USER },
	{ "UTF8", POP3_UTF8 }, { "XCLIENT", POP3_XCLIENT },
};

enum pop3_verb
pop3_command(struct slice line, struct slice *args_out)
{
	struct slice	 word;

	if (!slice_cut(&line, ' ', &word)) {
		word = line;
		line = slice_from(line, line.len);
	}
	*args_out = line;
	for (size_t i = 0; i < COUNT(verbs); i++)
		if (slice_iis(word, verbs[i].name))
			return verbs[i].verb;
	return POP3_UNKNOWN;
}

static bool
take(struct slice *args, uint64_t min, uint64_t max, uint32_t *out)
{
	struct slice	 word;
	uint64_t	 v;

	if (!slice_word(args, " \t", &word) || !slice_u64(word, max, &v) ||
	    v < min)
		return false;
	*out = (uint32_t)v;
	return true;
}

bool
pop3_take_number(struct slice *args, uint32_t max, uint32_t *out)
{
	return take(args, 1, max, out);
}

bool
pop3_take_count(struct slice *args, uint32_t *out)
{
	return take(args, 0, UINT32_MAX - 1, out);
}

bool
pop3_take_end(struct slice args)
{
	return slice_trim(args).len == 0;
}

/* One "%..." behind the percent sign; NULL: bad. */
static const char *
directive(const char *f, const struct pop3_uidl *u, struct buf *out)
{
	int	 width = 0, base = 'u';
	bool	 zero = *f == '0';

	while (ascii_is_digit((unsigned char)*f) && width < 100)
		width = width * 10 + (*f++ - '0');
	if (*f == 'X' || *f == 'x')
		base = *f++;
	if (width > POP3_UIDL_MAX)
		return NULL;
	if (*f == 'u' || *f == 'v') {
		const uint32_t	v = *f == 'u' ? u->uid : u->uidvalidity;

		/* Dovecot's capital X writes small letters too. */
		if (base != 'u' && zero)
			buf_addf(out, "%0*x", width, (unsigned int)v);
		else if (base != 'u')
			buf_addf(out, "%*x", width, (unsigned int)v);
		else if (zero)
			buf_addf(out, "%0*u", width, (unsigned int)v);
		else
			buf_addf(out, "%*u", width, (unsigned int)v);
	} else if (*f == 'g')
		buf_adds(out, u->guid);
	else if (*f == 'f')
		buf_adds(out, u->name);
	else if (*f == '%')
		buf_addc(out, '%');
	else
		return NULL;
	return f + 1;
}

int
pop3_uidl_format(const char *format, const struct pop3_uidl *u,
    char out[POP3_UIDL_MAX + 1])
{
	struct buf	 b;
	int		 r = -1;

	buf_init(&b, POP3_UIDL_MAX);
	while (format != NULL && *format != '\0') {
		if (*format != '%')
			buf_addc(&b, *format++);
		else
			format = directive(format + 1, u, &b);
	}
	if (format != NULL && !b.overflow && buf_len(&b) > 0) {
		const struct slice	s = buf_slice(&b);

		r = 0;
		for (size_t i = 0; i < s.len; i++)
			if (!ascii_is_graph(s.p[i]))
				r = -1;
		memcpy(out, s.p, s.len);
		out[s.len] = '\0';
	}
	buf_clear(&b);
	return r;
}

static void
line_end(struct pop3_stuff *st, struct buf *out)
{
	buf_add(out, "\r\n", 2);
	if (st->in_body)
		st->body_lines++;
	else if (st->empty_line)
		st->in_body = true;
	st->state = POP3_AT_LINE;
	st->empty_line = true;
}

static void
text(struct pop3_stuff *st, unsigned char c, struct buf *out)
{
	if (st->state == POP3_AT_LINE && c == '.')
		buf_addc(out, '.');
	buf_addc(out, c);
	st->state = POP3_IN_LINE;
	st->empty_line = false;
}

/* As many bytes as are plain text in the middle of a line. */
static size_t
plain_run(struct slice in, size_t room)
{
	size_t	 n = 0, max = in.len < room ? in.len : room;

	while (n < max && in.p[n] != '\n' && in.p[n] != '\r')
		n++;
	return n;
}

bool
pop3_stuff(struct pop3_stuff *st, struct slice *in, uint32_t top_lines,
    struct buf *out)
{
	if (st->state == POP3_AT_LINE && !st->in_body &&
	    st->body_lines == 0)
		st->empty_line = true;
	while (in->len > 0 && buf_room(out) >= GROWTH) {
		const unsigned char	c = in->p[0];
		size_t			run;

		if (st->in_body && st->body_lines >= top_lines &&
		    st->state == POP3_AT_LINE)
			return true;
		if (st->state == POP3_IN_LINE && (run = plain_run(*in,
		    buf_room(out) - GROWTH)) > 0) {
			buf_add(out, in->p, run);
			*in = slice_from(*in, run);
			continue;
		}
		*in = slice_from(*in, 1);
		if (c == '\n') {
			line_end(st, out);
			continue;
		}
		/* A CR that ends no line stays as it is. */
		if (st->state == POP3_AT_CR)
			text(st, '\r', out);
		if (c == '\r')
			st->state = POP3_AT_CR;
		else
			text(st, c, out);
	}
	return st->in_body && st->body_lines >= top_lines &&
	    st->state == POP3_AT_LINE;
}

void
pop3_stuff_end(struct pop3_stuff *st, struct buf *out)
{
	if (st->state == POP3_AT_CR)
		text(st, '\r', out);
	if (st->state != POP3_AT_LINE)
		line_end(st, out);
	buf_add(out, ".\r\n", 3);
}
