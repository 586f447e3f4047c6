/* SPDX-License-Identifier: Apache-2.0 */
/* The message is cut into pieces, in order, each of which is copied or
 * encoded; new header fields are pieces of constant text.  Parts come in
 * preorder and so in the order of their offsets: one cursor says where we are,
 * another one where the next 8-bit byte is, and both only go forward.  Offsets
 * of the tree are in CRLF terms, those of the pieces are not. */
#include "mail/downgrade.h"

#include "base/panic.h"
#include "codec/base64.h"
#include "codec/qp.h"
#include "mail/header.h"
#include "mail/mime.h"

#define COPY_MAX	((size_t)32768)
#define QP_MAX		((size_t)16384)		/* becomes three times that */
#define BASE64_MAX	((size_t)57 * 512)	/* whole lines */
#define LINE_MAX_7BIT	((size_t)998)		/* RFC 5321 4.5.3.1.6 */

/* Gap, header around a replaced and an added field, body. */
#define PIECES_PER_PART	8

enum how { HOW_COPY, HOW_MASK, HOW_QP, HOW_BASE64 };

struct piece {
	enum how	 how;
	struct slice	 text;
};

struct cursor {
	size_t		 at;
	uint64_t	 wire;
};

struct downgrade {
	struct slice		 message;
	struct mime_message	 mime;
	struct cursor		 pos, eight;
	struct piece		*pieces;
	size_t			 npieces, max, next;
};

static void
step(const struct downgrade *d, struct cursor *c)
{
	const unsigned char	*p = d->message.p;
	bool			 bare = p[c->at] == '\n' &&
				    (c->at == 0 || p[c->at - 1] != '\r');

	c->wire += bare ? 2 : 1;
	c->at++;
}

/* Is there an 8-bit byte between the position and `end`? */
static bool
has_8bit(struct downgrade *d, uint64_t end)
{
	if (d->eight.at < d->pos.at)
		d->eight = d->pos;
	while (d->eight.at < d->message.len &&
	    d->message.p[d->eight.at] < 128)
		step(d, &d->eight);
	return d->eight.at < d->message.len && d->eight.wire < end;
}

static void
add(struct downgrade *d, enum how how, struct slice text)
{
	if (text.len == 0)
		return;
	ASSERT(d->npieces < d->max);
	d->pieces[d->npieces++] = (struct piece){ how, text };
}

/* From the position up to `end`. */
static struct slice
take(struct downgrade *d, uint64_t end)
{
	size_t	from = d->pos.at;

	while (d->pos.at < d->message.len && d->pos.wire < end)
		step(d, &d->pos);
	return slice_of(d->message.p + from, d->pos.at - from);
}

static bool
is_wide(const struct mime_part *p)
{
	return slice_iis(p->encoding, "8bit") ||
	    slice_iis(p->encoding, "binary");
}

static bool
is_identity(const struct mime_part *p)
{
	return is_wide(p) || slice_iis(p->encoding, "7bit");
}

static bool
has_long_line(struct slice s)
{
	struct slice	line;

	while (slice_cut(&s, '\n', &line))
		if (line.len > LINE_MAX_7BIT + 1)
			return true;
	return s.len > LINE_MAX_7BIT;
}

/* RFC 2046 5.2.2, 5.2.3: always 7bit. */
static bool
is_never_encoded(const struct mime_part *p)
{
	return slice_iis(p->type, "message") &&
	    (slice_iis(p->subtype, "partial") ||
	    slice_iis(p->subtype, "external-body"));
}

static bool
can_convert(const struct downgrade *d, const struct mime_part *p)
{
	if (d->mime.ambiguous || !is_identity(p))
		return false;
	if (p->kind == MIME_LEAF)
		return !is_never_encoded(p);
	return p->child != NULL;
}

static enum how
how_encoded(const struct mime_part *p)
{
	return slice_iis(p->type, "text") || slice_iis(p->type, "message") ?
	    HOW_QP : HOW_BASE64;
}

/* The field that p gets; none: what it has stays. */
static struct slice
new_encoding(const struct mime_part *p, enum how how)
{
	switch (how) {
	case HOW_QP:
		return SLICE_LIT("Content-Transfer-Encoding: "
		    "quoted-printable\r\n");
	case HOW_BASE64:
		return SLICE_LIT("Content-Transfer-Encoding: base64\r\n");
	case HOW_COPY:
	case HOW_MASK:
		break;
	}
	return is_wide(p) ? SLICE_LIT("Content-Transfer-Encoding: 7bit\r\n") :
	    SLICE_LIT("");
}

static bool
is_message_root(const struct mime_part *p)
{
	return p->parent == NULL || p->parent->kind == MIME_MESSAGE;
}

/* The header with this encoding; the position is behind it. */
static void
put_header(struct downgrade *d, struct slice header, struct slice encoding,
    bool version)
{
	struct header_field	f;
	struct slice		rest = header, done = header;
	bool			replaced = encoding.len == 0;
	bool			added = false;

	for (; header_next(&rest, &f); done = rest) {
		if (slice_iis(f.name, "MIME-Version"))
			version = false;
		if (replaced ||
		    !slice_iis(f.name, "Content-Transfer-Encoding"))
			continue;
		add(d, HOW_COPY, slice_of(header.p,
		    (size_t)(f.whole.p - header.p)));
		add(d, HOW_COPY, encoding);
		header = rest;
		replaced = true;
	}
	add(d, HOW_COPY, slice_of(header.p, (size_t)(done.p - header.p)));
	if (!replaced)
		add(d, HOW_COPY, encoding);
	if (version)
		add(d, HOW_COPY, SLICE_LIT("MIME-Version: 1.0\r\n"));
	added = !replaced || version;
	/* The body may have begun without an empty line. */
	if (done.len == 0 && added)
		add(d, HOW_COPY, SLICE_LIT("\r\n"));
	add(d, HOW_COPY, done);
}

static enum downgrade_result
plan_part(struct downgrade *d, const struct mime_part *p)
{
	uint64_t	 end = p->body_offset + p->body_size;
	bool		 gap = has_8bit(d, p->header_offset), need;
	struct slice	 header, body = { NULL, 0 };
	enum how	 how = HOW_COPY;

	add(d, gap ? HOW_MASK : HOW_COPY, take(d, p->header_offset));
	if (has_8bit(d, p->header_offset + p->header_size))
		return DOWNGRADE_HEADER;
	header = take(d, p->header_offset + p->header_size);
	need = has_8bit(d, end);
	if (p->kind == MIME_LEAF) {
		body = take(d, end);
		need = need || (slice_iis(p->encoding, "binary") &&
		    has_long_line(body));
	}
	if (need && !can_convert(d, p))
		return DOWNGRADE_MIME;
	if (need && p->kind == MIME_LEAF)
		how = how_encoded(p);
	put_header(d, header, new_encoding(p, how), need &&
	    is_message_root(p));
	add(d, how, body);
	return DOWNGRADE_OK;
}

static const struct mime_part *
next_part(const struct mime_part *p)
{
	if (p->child != NULL)
		return p->child;
	while (p->next == NULL && p->parent != NULL)
		p = p->parent;
	return p->next;
}

enum downgrade_result
downgrade_new(struct slice message, struct arena *a, struct downgrade **out)
{
	struct downgrade	*d = arena_alloc(a, sizeof(*d));
	enum downgrade_result	 result = DOWNGRADE_OK;
	bool			 gap;

	d->message = message;
	mime_parse(message, a, &d->mime);
	d->max = d->mime.nparts * PIECES_PER_PART + 1;
	d->pieces = arena_array(a, d->max, sizeof(*d->pieces));
	for (const struct mime_part *p = d->mime.root; p != NULL &&
	    result == DOWNGRADE_OK; p = next_part(p))
		result = plan_part(d, p);
	if (result != DOWNGRADE_OK)
		return result;
	gap = has_8bit(d, UINT64_MAX);
	add(d, gap ? HOW_MASK : HOW_COPY, take(d, UINT64_MAX));
	*out = d;
	return DOWNGRADE_OK;
}

static size_t
put_copy(struct slice s, bool mask, struct buf *out)
{
	s = slice_first(s, COPY_MAX);
	if (!mask)
		buf_add_slice(out, s);
	else
		for (size_t i = 0; i < s.len; i++)
			buf_addc(out, s.p[i] < 128 ? s.p[i] : '?');
	return s.len;
}

/* qp_put() begins a new line each time, so that what it is given ends with a
 * line or is made to by a soft line break. */
static size_t
put_qp(struct slice s, struct buf *out)
{
	size_t		n = s.len;
	ptrdiff_t	lf;

	if (n > QP_MAX) {
		lf = slice_rfind(slice_first(s, QP_MAX), '\n');
		n = lf >= 0 ? (size_t)lf + 1 : QP_MAX;
		if (s.p[n - 1] == '\r')
			n--;
	}
	qp_put(out, slice_first(s, n));
	if (n < s.len && s.p[n - 1] != '\n')
		buf_adds(out, "=\r\n");
	return n;
}

static size_t
put_base64(struct slice s, struct buf *out)
{
	s = slice_first(s, BASE64_MAX);
	base64_put_lines(out, s);
	return s.len;
}

bool
downgrade_next(struct downgrade *d, struct buf *out)
{
	struct piece	*p;
	size_t		 n = 0;

	if (d->next == d->npieces)
		return false;
	p = &d->pieces[d->next];
	switch (p->how) {
	case HOW_COPY:
	case HOW_MASK:
		n = put_copy(p->text, p->how == HOW_MASK, out);
		break;
	case HOW_QP:
		n = put_qp(p->text, out);
		break;
	case HOW_BASE64:
		n = put_base64(p->text, out);
		break;
	}
	p->text = slice_from(p->text, n);
	d->next += p->text.len == 0 ? 1 : 0;
	return d->next < d->npieces;
}
