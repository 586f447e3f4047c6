/* SPDX-License-Identifier: Apache-2.0 */
/* A state per place in a line.  "{n}" counts as the head of a literal only
 * outside quoted strings and directly before the line end; everything else
 * about the syntax is left to the parsers, which see the same bytes. */
#include "proto/imap_frame.h"

#include "base/ascii.h"
#include "base/panic.h"

enum frame_state {
	FS_TEXT,
	FS_QUOTED,
	FS_ESCAPE,	/* behind a backslash in a quoted string */
	FS_OPEN,	/* "{" and digits */
	FS_PLUS,	/* "{n+" or "{n-" */
	FS_CLOSE,	/* "{n}" */
	FS_CR,		/* CR behind text */
	FS_LIT_CR,	/* CR behind "{n}" */
	FS_WAIT,	/* LITERAL was answered, no decision yet */
	FS_LITERAL
};

#define KEEP_MEMORY	4096

void
imap_frame_init(struct imap_frame *f, size_t line_max, size_t literal_max)
{
	*f = (struct imap_frame){
		.line_max = line_max,
		.literal_max = literal_max,
		.state = FS_TEXT,
	};
	buf_init(&f->text, line_max + literal_max + 2);
}

void
imap_frame_clear(struct imap_frame *f)
{
	buf_clear(&f->text);
}

void
imap_frame_reset(struct imap_frame *f)
{
	if (f->text.size > KEEP_MEMORY)
		buf_clear(&f->text);
	else
		buf_reset(&f->text);
	f->line_bytes = f->literal_bytes = 0;
	f->literal = f->left = 0;
	f->error = NULL;
	f->state = FS_TEXT;
}

void
imap_frame_spoil(struct imap_frame *f, const char *error)
{
	if (f->error == NULL)
		f->error = error;
}

static void
put(struct imap_frame *f, int c)
{
	unsigned char	 b = (unsigned char)c;

	if (f->line_bytes >= f->line_max) {
		imap_frame_spoil(f, "Command line too long");
		return;
	}
	f->line_bytes++;
	if (!buf_put(&f->text, &b, 1))
		imap_frame_spoil(f, "Command too long");
}

static int
text_state(int c)
{
	if (c == '"')
		return FS_QUOTED;
	if (c == '{')
		return FS_OPEN;
	return c == '\r' ? FS_CR : FS_TEXT;
}

/* "{" so far followed by digits.  Values beyond 2^63 stay there: they are
 * refused for their size anyway. */
static int
open_state(struct imap_frame *f, int c)
{
	if (ascii_is_digit(c)) {
		if (f->literal > (uint64_t)INT64_MAX / 10 - 10)
			f->literal = INT64_MAX;
		else
			f->literal = f->literal * 10 + (uint64_t)(c - '0');
		f->left++;	/* digits seen */
		return FS_OPEN;
	}
	if (f->left > 0 && (c == '+' || c == '-')) {
		f->sync = false;
		return FS_PLUS;
	}
	if (f->left > 0 && c == '}')
		return FS_CLOSE;
	return text_state(c);
}

/* The state behind byte c, which is not a line feed. */
static int
next_state(struct imap_frame *f, int c)
{
	switch ((enum frame_state)f->state) {
	case FS_QUOTED:
		if (c == '\r') {
			imap_frame_spoil(f, "Line end in quoted string");
			return FS_CR;
		}
		return c == '"' ? FS_TEXT : c == '\\' ? FS_ESCAPE : FS_QUOTED;
	case FS_ESCAPE:
		if (c == '\r') {
			imap_frame_spoil(f, "Line end in quoted string");
			return FS_CR;
		}
		return FS_QUOTED;
	case FS_OPEN:
		return open_state(f, c);
	case FS_PLUS:
		return c == '}' ? FS_CLOSE : text_state(c);
	case FS_CLOSE:
		return c == '\r' ? FS_LIT_CR : text_state(c);
	case FS_CR:
	case FS_LIT_CR:
		imap_frame_spoil(f, "CR without LF");
		return text_state(c);
	case FS_TEXT:
	case FS_WAIT:
	case FS_LITERAL:
		break;
	}
	return text_state(c);
}

/* The text without the "{n}" at its end. */
static void
drop_head(struct imap_frame *f)
{
	struct slice	 t = buf_slice(&f->text);
	ptrdiff_t	 at;

	if (f->error != NULL)
		return;
	at = slice_rfind(t, '{');
	ASSERT(at >= 0);
	buf_truncate(&f->text, (size_t)at);
}

/* A line feed ends a line, with or without CR before it. */
static enum imap_take
line_end(struct imap_frame *f)
{
	bool	 literal = f->state == FS_CLOSE || f->state == FS_LIT_CR;
	size_t	 n;

	if (f->state == FS_QUOTED || f->state == FS_ESCAPE)
		imap_frame_spoil(f, "Line end in quoted string");
	if (literal) {
		drop_head(f);
		f->state = FS_WAIT;
		return IMAP_TAKE_LITERAL;
	}
	n = buf_len(&f->text);
	if (f->state == FS_CR && n > 0 && f->error == NULL)
		buf_truncate(&f->text, n - 1);
	f->state = FS_TEXT;
	return IMAP_TAKE_DONE;
}

static void
take_literal(struct imap_frame *f, struct slice *in)
{
	size_t	 n = in->len < f->left ? in->len : (size_t)f->left;

	if (f->keeping && f->error == NULL) {
		if (memchr(in->p, '\0', n) != NULL)
			imap_frame_spoil(f, "NUL in literal");
		else if (!buf_put(&f->text, in->p, n))
			imap_frame_spoil(f, "Command too long");
	}
	*in = slice_from(*in, n);
	f->left -= n;
	if (f->left == 0)
		f->state = FS_TEXT;
}

enum imap_take
imap_frame_take(struct imap_frame *f, struct slice *in)
{
	ASSERT(f->state != FS_WAIT);
	while (in->len > 0) {
		int	 c = in->p[0];

		if (f->state == FS_LITERAL) {
			take_literal(f, in);
			continue;
		}
		*in = slice_from(*in, 1);
		if (c == '\n')
			return line_end(f);
		if (c == '\0')
			imap_frame_spoil(f, "NUL in command");
		f->state = next_state(f, c);
		if (c == '{' && f->state == FS_OPEN) {
			f->literal = f->left = 0;
			f->sync = true;
		}
		if (f->error == NULL)
			put(f, c);
	}
	return IMAP_TAKE_MORE;
}

struct slice
imap_frame_text(const struct imap_frame *f)
{
	return buf_slice(&f->text);
}

bool
imap_frame_fits(const struct imap_frame *f)
{
	return f->literal <= f->literal_max - f->literal_bytes;
}

void
imap_frame_keep(struct imap_frame *f)
{
	ASSERT(f->state == FS_WAIT && imap_frame_fits(f));
	if (f->error == NULL)
		buf_addf(&f->text, "{%llu}\r\n",
		    (unsigned long long)f->literal);
	if (f->text.overflow)
		imap_frame_spoil(f, "Command too long");
	f->literal_bytes += (size_t)f->literal;
	f->left = f->literal;
	f->keeping = true;
	f->state = f->left > 0 ? FS_LITERAL : FS_TEXT;
}

void
imap_frame_skip(struct imap_frame *f, const char *error)
{
	ASSERT(f->state == FS_WAIT);
	imap_frame_spoil(f, error);
	f->left = f->literal;
	f->keeping = false;
	f->state = f->left > 0 ? FS_LITERAL : FS_TEXT;
}

void
imap_frame_stream(struct imap_frame *f)
{
	ASSERT(f->state == FS_WAIT);
	if (f->error == NULL)
		buf_adds(&f->text, "{0}\r\n");
	if (f->text.overflow)
		imap_frame_spoil(f, "Command too long");
	f->left = 0;
	f->state = FS_TEXT;
}

struct slice
imap_frame_tag(const struct imap_frame *f)
{
	struct slice	 rest = buf_slice(&f->text), tag;

	if (!slice_cut(&rest, ' ', &tag))
		tag = rest;
	for (size_t i = 0; i < tag.len; i++)
		if (!ascii_is_graph(tag.p[i]) ||
		    strchr("(){%*\"\\+", tag.p[i]) != NULL)
			return slice_of(NULL, 0);
	return slice_first(tag, 1000);
}
