/* SPDX-License-Identifier: Apache-2.0 */
/* One pass over the lines.  `cur` is the innermost open part; the boundaries
 * that may come are a stack, innermost last.  A line that is one of them
 * closes what is open inside its multipart.  No recursion: depth is data. */
#include "mail/mime.h"

#include <string.h>

#include "base/ascii.h"
#include "mail/envelope.h"
#include "mail/header.h"
#include "mail/mime_int.h"

#define MAX_BOUNDARY	200
#define MAX_ENVELOPE	32768

struct open {
	struct mime_part	*part;		/* the multipart */
	struct mime_part	*last;		/* its last child */
	struct slice		 boundary;
};

struct parser {
	struct arena		*a;
	struct slice		 msg;
	struct mime_message	*out;
	struct mime_part	*cur;
	bool			 in_header;	/* of cur */
	bool			 any_field;
	size_t			 header_at;	/* in msg */
	uint64_t		 wire, lines;	/* of the current line */
	unsigned int		 depth;		/* of cur */
	struct open		 stack[MIME_MAX_DEPTH + 1];
	unsigned int		 nopen;
};

/* Until a part is closed, its `lines` is the number of the line where its
 * body began. */

static struct mime_part *
begin_part(struct parser *p, struct mime_part *parent, size_t at)
{
	struct mime_part	*part = arena_alloc(p->a, sizeof(*part));

	part->parent = parent;
	part->header_offset = p->wire;
	p->out->nparts++;
	p->cur = part;
	p->in_header = true;
	p->any_field = false;
	p->header_at = at;
	return part;
}

static void
make_opaque(struct parser *p, struct mime_part *part)
{
	part->kind = MIME_LEAF;
	part->type = SLICE_LIT("application");
	part->subtype = SLICE_LIT("octet-stream");
	part->nparams = 0;
	p->out->ambiguous = true;
}

static void
begin_multipart(struct parser *p, struct mime_part *part)
{
	struct slice	b = mime_param(part->params, part->nparams,
			    "boundary");
	struct open	*o = &p->stack[p->nopen];
	size_t		 n = 0;

	for (size_t i = 0; i < part->nparams; i++)
		n += slice_iis(part->params[i].name, "boundary") ? 1 : 0;
	if (n > 1)
		p->out->ambiguous = true;
	b = slice_rtrim(b);
	if (b.len == 0 || b.len > MAX_BOUNDARY) {
		part->type = SLICE_LIT("text");
		part->subtype = SLICE_LIT("plain");
		p->out->ambiguous = true;
		return;
	}
	part->kind = MIME_MULTIPART;
	*o = (struct open){ .part = part, .boundary = b };
	p->nopen++;
}

static bool
is_message(const struct mime_part *part)
{
	return slice_iis(part->type, "message") &&
	    (slice_iis(part->subtype, "rfc822") ||
	    slice_iis(part->subtype, "global"));
}

static void
pick_envelope(struct parser *p, struct mime_part *part, struct slice section)
{
	struct buf	b;

	buf_init(&b, MAX_ENVELOPE);
	if (!envelope_pick(&b, section, MAX_ENVELOPE))
		p->out->ambiguous = true;
	part->envelope = slice_dup(p->a, buf_slice(&b));
	buf_clear(&b);
}

/* The header of cur ended; its body begins at `at` in the message (wire
 * position p->wire). */
static void
end_header(struct parser *p, size_t at)
{
	struct mime_part	*part = p->cur, *parent = part->parent;
	struct slice		 section;
	bool			 digest;

	section = slice_first(slice_from(p->msg, p->header_at),
	    at - p->header_at);
	if (section.len > MIME_MAX_HEADER) {
		section = slice_first(section, MIME_MAX_HEADER);
		p->out->ambiguous = true;
	}
	digest = parent != NULL && parent->kind == MIME_MULTIPART &&
	    slice_iis(parent->subtype, "digest");
	mime_fields(part, section, digest, p->a, &p->out->ambiguous);
	if (parent != NULL && parent->kind == MIME_MESSAGE)
		pick_envelope(p, parent, section);
	part->header_size = p->wire - part->header_offset;
	part->body_offset = p->wire;
	part->lines = p->lines;
	p->in_header = false;
	if (!is_message(part) && !slice_iis(part->type, "multipart"))
		return;
	if (p->depth >= MIME_MAX_DEPTH || p->out->nparts >= MIME_MAX_PARTS) {
		make_opaque(p, part);
		return;
	}
	if (!is_message(part)) {
		begin_multipart(p, part);
		return;
	}
	part->kind = MIME_MESSAGE;
	p->depth++;
	part->child = begin_part(p, part, at);
}

/* The body of cur ends at wire position `end`, after `lines` lines. */
static void
close_cur(struct parser *p, size_t at, uint64_t end, uint64_t lines)
{
	struct mime_part	*part = p->cur;

	while (p->in_header) {
		end_header(p, at);
		part = p->cur;
	}
	part->body_size = end > part->body_offset ? end - part->body_offset :
	    0;
	part->lines = lines > part->lines ? lines - part->lines : 0;
	p->cur = part->parent;
	p->depth -= part->parent != NULL ? 1 : 0;
}

/* Which open multipart does this line (without line end) delimit?  Its index
 * or -1. */
static int
find_boundary(const struct parser *p, struct slice line, bool *final_out)
{
	line = slice_from(line, 2);
	for (int i = (int)p->nopen - 1; i >= 0; i--) {
		struct slice	b = p->stack[i].boundary, rest;

		if (line.len < b.len || memcmp(line.p, b.p, b.len) != 0)
			continue;
		rest = slice_from(line, b.len);
		*final_out = slice_starts(rest, "--");
		if (slice_trim(*final_out ? slice_from(rest, 2) : rest).len ==
		    0)
			return i;
	}
	return -1;
}

/* at, next: of this line and the one after it. */
static void
delimit(struct parser *p, unsigned int i, bool final, size_t at, size_t next,
    uint64_t next_wire)
{
	struct open		*o = &p->stack[i];
	/* The line end before a delimiter belongs to the delimiter. */
	uint64_t		 end = p->wire < 2 ? 0 : p->wire - 2;

	while (p->cur != o->part || p->in_header)
		close_cur(p, at, end, p->lines - (p->lines > 0 ? 1 : 0));
	p->nopen = i + 1;
	p->wire = next_wire;
	p->lines++;
	if (!final && p->out->nparts >= MIME_MAX_PARTS) {
		p->out->ambiguous = true;
		final = true;
	}
	if (final) {
		p->nopen--;
		return;
	}
	p->depth++;
	if (o->last == NULL)
		o->last = o->part->child = begin_part(p, o->part, next);
	else
		o->last = o->last->next = begin_part(p, o->part, next);
}

static bool
ends_header(struct parser *p, struct slice text)
{
	struct header_field	f;
	struct slice		s = text;

	if (text.len > 0 && ascii_is_blank(text.p[0]))
		return !p->any_field;
	if (!header_next(&s, &f))
		return true;
	p->any_field = true;
	return false;
}

static void
take_line(struct parser *p, size_t at, size_t len, struct slice text,
    size_t wire_len)
{
	bool	final;
	int	i = -1;

	if (p->nopen > 0 && text.len > 2 && text.p[0] == '-' &&
	    text.p[1] == '-')
		i = find_boundary(p, text, &final);
	if (i >= 0) {
		delimit(p, (unsigned int)i, final, at, at + len,
		    p->wire + wire_len);
		return;
	}
	while (p->in_header && ends_header(p, text)) {
		if (text.len == 0) {
			p->wire += wire_len;
			p->lines++;
			end_header(p, at + len);
			return;
		}
		/* This line is body already. Of a message/rfc822 it is the
		 * first of the inner header. */
		end_header(p, at);
	}
	p->wire += wire_len;
	p->lines++;
}

void
mime_parse(struct slice message, struct arena *a, struct mime_message *out)
{
	struct parser	p = { .a = a, .msg = message, .out = out };
	size_t		at = 0, len;

	*out = (struct mime_message){ .root = NULL };
	out->root = begin_part(&p, NULL, 0);
	for (; at < message.len; at += len) {
		struct slice	rest = slice_from(message, at), text;
		ptrdiff_t	lf = slice_find(rest, '\n');
		size_t		wire_len;

		len = lf < 0 ? rest.len : (size_t)lf + 1;
		wire_len = len;
		text = slice_first(rest, lf < 0 ? len : (size_t)lf);
		if (text.len > 0 && text.p[text.len - 1] == '\r') {
			text.len -= lf < 0 ? 0 : 1;
		} else if (lf >= 0) {
			wire_len++;
			out->bare_lf = true;
		}
		take_line(&p, at, len, text, wire_len);
		/* A last line without its end is no line. */
		p.lines -= lf < 0 && p.lines > 0 ? 1 : 0;
	}
	out->size = p.wire;
	while (p.cur != NULL)
		close_cur(&p, message.len, p.wire, p.lines);
}

const struct mime_part *
mime_find(const struct mime_part *root, const unsigned int *numbers, size_t n)
{
	const struct mime_part	*in = root, *part = NULL;

	for (size_t i = 0; i < n; i++) {
		unsigned int	k = numbers[i];

		if (in == NULL || k == 0)
			return NULL;
		part = in;
		if (in->kind == MIME_MULTIPART) {
			for (part = in->child; part != NULL && k > 1; k--)
				part = part->next;
		} else if (k != 1) {
			return NULL;
		}
		if (part == NULL)
			return NULL;
		in = part->kind == MIME_MULTIPART ? part :
		    part->kind == MIME_MESSAGE ? part->child : NULL;
	}
	return part;
}
