/* SPDX-License-Identifier: Apache-2.0 */
/* What can be decided on the message's own bytes is (find.h): then nothing is
 * decoded, converted, folded or copied.  All else goes window by window through
 * these steps. */
#include "imapd/texts.h"

#include "base/mem.h"
#include "codec/base64.h"
#include "codec/qp.h"
#include "codec/rfc2047.h"
#include "codec/utf8.h"
#include "mail/header.h"

#define WHOLE_MAX	((size_t)1 << 20)
#define FIELD_MAX	((size_t)1 << 24)	/* headers are bounded below */
#define WINDOW		((size_t)64 << 10)
#define PIECE		((size_t)32 << 10)

void
texts_init(struct texts *t)
{
	*t = (struct texts){ .file = NULL };
	buf_init(&t->flat, FIELD_MAX);
	buf_init(&t->text, FIELD_MAX);
	buf_init(&t->folded, FIELD_MAX);
	buf_init(&t->decoded, 2 * WHOLE_MAX);
}

void
texts_clear(struct texts *t)
{
	mem_free(&t->file);
	buf_clear(&t->flat);
	buf_clear(&t->text);
	buf_clear(&t->folded);
	buf_clear(&t->decoded);
	t->room = 0;
	texts_end(t);
}

void
texts_begin(struct texts *t, struct view_body *body)
{
	size_t	 size = (size_t)body->size;

	texts_end(t);
	if (body->size > WHOLE_MAX)
		return;
	if (t->room < size + 1) {
		mem_free(&t->file);
		t->room = size + 1 < WINDOW ? WINDOW : size + 1;
		t->file = mem_new(t->room, 1);
	}
	if (view_body_read(body, 0, t->file, size) == (ssize_t)size)
		t->whole = slice_of(t->file, size);
}

void
texts_end(struct texts *t)
{
	t->whole = slice_of(NULL, 0);
}

/*
 * Headers.
 */

/* Neither encoded words nor what stands for a blank is in it: then decoding
 * changes no ASCII. */
static bool
is_flat(struct slice s)
{
	return slice_search(s, SLICE_LIT("=?")) < 0 &&
	    slice_find(s, '\r') < 0 && slice_find(s, '\n') < 0 &&
	    slice_find(s, '\0') < 0;
}

static bool
field_has(struct texts *t, const struct header_field *h, bool with_name,
    const struct find *f)
{
	buf_reset(&t->flat);
	if (with_name) {
		buf_add_slice(&t->flat, h->name);
		buf_adds(&t->flat, ": ");
	}
	header_unfold(&t->flat, h->body);
	if (f->ascii && is_flat(buf_slice(&t->flat)))
		return find_in(f, buf_slice(&t->flat));
	buf_reset(&t->text);
	buf_reset(&t->folded);
	rfc2047_decode(&t->text, buf_slice(&t->flat));
	utf8_fold(&t->folded, buf_slice(&t->text));
	return slice_search(buf_slice(&t->folded), f->needle) >= 0;
}

bool
texts_header_has(struct texts *t, struct slice header, struct slice name,
    const struct find *f)
{
	struct header_field	 h;

	/* A needle that cannot span two lines nor name and body is where it
	 * is in the bytes, or in an encoded word, or nowhere. */
	if (f->solid && slice_search(header, SLICE_LIT("=?")) < 0 &&
	    !find_in(f, header))
		return false;
	while (header_next(&header, &h)) {
		if (name.len > 0 && !slice_ieq(h.name, name))
			continue;
		if (field_has(t, &h, name.len == 0, f))
			return true;
	}
	return false;
}

/*
 * Bodies.
 */
enum transfer { TRANSFER_PLAIN, TRANSFER_BASE64, TRANSFER_QP };

struct body_search {
	struct slice		 needle, charset;
	enum transfer		 transfer;
	struct base64_dec	 b64;
	struct qp_dec		 qp;
	struct buf		 decoded;	/* not searched yet */
	struct buf		 folded;	/* end of what was searched */
};

/* Convert, fold, search; keep what the needle may begin in. */
static bool
search_window(struct body_search *b, struct slice text)
{
	struct buf	 utf8;
	size_t		 n;

	buf_init(&utf8, text.len * 4 + 16);
	(void)utf8_from_charset(&utf8, b->charset, text);
	utf8_fold(&b->folded, buf_slice(&utf8));
	buf_clear(&utf8);
	if (slice_search(buf_slice(&b->folded), b->needle) >= 0)
		return true;
	n = buf_len(&b->folded);
	if (n >= b->needle.len)
		buf_consume(&b->folded, n - b->needle.len + 1);
	return false;
}

/* Windows end at line ends, where no character is cut and stateful charsets
 * are in their initial state. */
static bool
search_decoded(struct body_search *b, bool last)
{
	struct slice	 text = buf_slice(&b->decoded);
	ptrdiff_t	 end;
	bool		 found;

	if (!last && text.len < WINDOW)
		return false;
	end = last ? -1 : slice_rfind(text, '\n');
	if (end >= 0)
		text = slice_first(text, (size_t)end + 1);
	found = search_window(b, text);
	buf_consume(&b->decoded, text.len);
	return found;
}

static void
decode(struct body_search *b, struct slice raw, struct buf *out)
{
	switch (b->transfer) {
	case TRANSFER_PLAIN:
		buf_add_slice(out, raw);
		break;
	case TRANSFER_BASE64:
		base64_dec_feed(&b->b64, raw, out);
		break;
	case TRANSFER_QP:
		qp_dec_feed(&b->qp, raw, out);
		break;
	}
}

static bool
search_body(struct view_body *body, const struct mime_part *p,
    struct body_search *b)
{
	unsigned char	 piece[PIECE];
	uint64_t	 at = p->body_offset, end = at + p->body_size;

	while (at < end) {
		size_t	 n = end - at < PIECE ? (size_t)(end - at) : PIECE;
		ssize_t	 got = view_body_read(body, at, piece, n);

		if (got <= 0)
			break;
		at += (uint64_t)got;
		decode(b, slice_of(piece, (size_t)got), &b->decoded);
		if (search_decoded(b, false))
			return true;
	}
	if (b->transfer == TRANSFER_QP)
		qp_dec_end(&b->qp, &b->decoded);
	return search_decoded(b, true);
}

/* On the bytes of the message, or on what they decode to.  False: *found_out is
 * not set, it cannot be decided so. */
static bool
decided(struct texts *t, const struct mime_part *p, const struct body_search *b,
    const struct find *f, bool *found_out)
{
	enum find_exact		 exact = find_charset(b->charset);
	struct body_search	 own = { .transfer = b->transfer };
	struct slice		 text;

	if (t->whole.p == NULL || !f->ascii || exact == FIND_NEVER)
		return false;
	text = slice_first(slice_from(t->whole, (size_t)p->body_offset),
	    (size_t)p->body_size);
	if (own.transfer != TRANSFER_PLAIN) {
		buf_reset(&t->decoded);
		decode(&own, text, &t->decoded);
		if (own.transfer == TRANSFER_QP)
			qp_dec_end(&own.qp, &t->decoded);
		text = buf_slice(&t->decoded);
	}
	if (exact == FIND_SEVEN_BIT && utf8_has_8bit(text))
		return false;
	*found_out = find_in(f, text);
	return true;
}

bool
texts_part_has(struct texts *t, struct view_body *body,
    const struct mime_part *p, const struct find *f)
{
	struct body_search	 b = { .needle = f->needle };
	bool			 found;

	if (!slice_iis(p->type, "text") && !slice_iis(p->type, "message"))
		return false;
	b.charset = mime_param(p->params, p->nparams, "charset");
	/* Undeclared 8-bit text is UTF-8 more often than not. */
	if (b.charset.len == 0 || slice_iis(b.charset, "us-ascii"))
		b.charset = SLICE_LIT("utf-8");
	if (slice_iis(p->encoding, "base64"))
		b.transfer = TRANSFER_BASE64;
	else if (slice_iis(p->encoding, "quoted-printable"))
		b.transfer = TRANSFER_QP;
	if (decided(t, p, &b, f, &found))
		return found;
	buf_init(&b.decoded, WINDOW + 2 * PIECE);
	buf_init(&b.folded, 8 * (WINDOW + 2 * PIECE) + f->needle.len);
	found = search_body(body, p, &b);
	buf_clear(&b.decoded);
	buf_clear(&b.folded);
	return found;
}
