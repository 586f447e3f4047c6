/* SPDX-License-Identifier: Apache-2.0 */
/* Does a message match a search program?  Text is compared as folded UTF-8:
 * encoded words, transfer encodings and charsets are undone on both sides.
 * Cheap keys are asked before those that open a file. */
#include "imapd/imapd.h"
#include "imapd/section.h"

#include "codec/base64.h"
#include "codec/date.h"
#include "codec/qp.h"
#include "codec/rfc2047.h"
#include "codec/utf8.h"
#include "mail/header.h"
#include "proto/imap_search.h"
#include "sys/clock.h"

#define HEADER_MAX	((size_t)1 << 20)
#define WINDOW		((size_t)64 << 10)
#define PIECE		((size_t)32 << 10)

struct matcher {
	struct session			*s;
	const struct imap_search	*program;
	int64_t				 now;	/* seconds */
	/* of the message at hand */
	uint32_t			 seq;
	struct view_msg			 msg;
	struct section_source		 src;
	bool				 tried, have_header;
	struct slice			 header;
};

static unsigned
cost(const struct imap_search *k)
{
	unsigned	 most = 0;

	switch (k->key) {
	case IMAP_KEY_AND:
	case IMAP_KEY_OR:
	case IMAP_KEY_NOT:
		for (k = k->child; k != NULL && most < 2; k = k->next)
			most = cost(k) > most ? cost(k) : most;
		return most;
	case IMAP_KEY_HEADER:
	case IMAP_KEY_SENTBEFORE:
	case IMAP_KEY_SENTON:
	case IMAP_KEY_SENTSINCE:
		return 1;
	case IMAP_KEY_BODY:
	case IMAP_KEY_TEXT:
		return 2;
	case IMAP_KEY_SET:
	case IMAP_KEY_UID:
	case IMAP_KEY_FLAG:
	case IMAP_KEY_UNFLAG:
	case IMAP_KEY_KEYWORD:
	case IMAP_KEY_NEW:
	case IMAP_KEY_BEFORE:
	case IMAP_KEY_ON:
	case IMAP_KEY_SINCE:
	case IMAP_KEY_LARGER:
	case IMAP_KEY_SMALLER:
	case IMAP_KEY_OLDER:
	case IMAP_KEY_YOUNGER:
	case IMAP_KEY_MODSEQ:
		break;
	}
	return 0;
}

/* Children in order of cost, otherwise as they were. */
static void
sort_children(struct imap_search *k)
{
	struct imap_search	*heads[3] = { 0 }, **tails[3];
	struct imap_search	*c, *next;

	for (int i = 0; i < 3; i++)
		tails[i] = &heads[i];
	for (c = k->child; c != NULL; c = next) {
		unsigned	 i = cost(c);

		next = c->next;
		c->next = NULL;
		*tails[i] = c;
		tails[i] = &c->next;
	}
	*tails[1] = heads[2];
	*tails[0] = heads[1];
	k->child = heads[0];
}

static struct slice
fold(struct arena *mem, struct slice s)
{
	struct buf	 b;
	struct slice	 out;

	buf_init(&b, s.len * 4 + 16);
	utf8_fold(&b, s);
	out = slice_dup(mem, buf_slice(&b));
	buf_clear(&b);
	return out;
}

/* Once per command: sets get their numbers, keywords their bits, text is
 * folded.  The depth is bounded by the parser. */
static void
prepare(struct session *s, struct imap_search *k, struct arena *mem)
{
	uint32_t	 count = view_count(s->view);
	unsigned	 bit;

	switch (k->key) {
	case IMAP_KEY_AND:
	case IMAP_KEY_OR:
	case IMAP_KEY_NOT:
		for (struct imap_search *c = k->child; c != NULL; c = c->next)
			prepare(s, c, mem);
		sort_children(k);
		break;
	case IMAP_KEY_SET:
		imap_set_resolve(&k->set, count);
		break;
	case IMAP_KEY_UID:
		imap_set_resolve(&k->set, count == 0 ? 0 :
		    view_uid(s->view, count));
		break;
	case IMAP_KEY_KEYWORD:
		if (slice_iis(k->value, "$Forwarded"))
			k->n = STORE_KEYWORDS_MAX;
		else
			k->n = view_keyword_find(s->view, k->value, &bit) ?
			    (int64_t)bit : -1;
		break;
	case IMAP_KEY_HEADER:
	case IMAP_KEY_BODY:
	case IMAP_KEY_TEXT:
		k->value = fold(mem, k->value);
		break;
	case IMAP_KEY_FLAG:
	case IMAP_KEY_UNFLAG:
	case IMAP_KEY_NEW:
	case IMAP_KEY_BEFORE:
	case IMAP_KEY_ON:
	case IMAP_KEY_SINCE:
	case IMAP_KEY_SENTBEFORE:
	case IMAP_KEY_SENTON:
	case IMAP_KEY_SENTSINCE:
	case IMAP_KEY_LARGER:
	case IMAP_KEY_SMALLER:
	case IMAP_KEY_OLDER:
	case IMAP_KEY_YOUNGER:
	case IMAP_KEY_MODSEQ:
		break;
	}
}

static void
forget(void *arg)
{
	struct matcher	*m = arg;

	section_close(&m->src);
	arena_free(&m->src.mem);
}

struct matcher *
matcher_new(struct session *s, struct imap_search *program,
    struct arena *mem)
{
	struct matcher	*m = arena_alloc(mem, sizeof(*m));

	prepare(s, program, mem);
	m->s = s;
	m->program = program;
	m->now = clock_wall() / USEC_PER_SEC;
	section_init(&m->src);
	arena_at_free(mem, forget, m);
	return m;
}

/*
 * What the message says.
 */
static bool
open_message(struct matcher *m)
{
	enum store_fail	 fail;
	struct error	 err;

	if (!m->tried) {
		m->tried = true;
		if (section_open(&m->src, m->s->view, m->seq, &fail,
		    &err) < 0)
			return false;
	}
	return m->src.open &&
	    section_structure(&m->src, m->s->view, m->seq, &err) == 0;
}

/* The whole header, or the stored fields if these are enough. */
static bool
get_header(struct matcher *m, bool stored, struct slice *out)
{
	struct error	 err;

	if (stored)
		return view_headers(m->s->view, m->seq, m->src.mem, out,
		    &err) == 0;
	if (!m->have_header) {
		if (!open_message(m))
			return false;
		m->header = section_read(&m->src, 0,
		    m->src.mime.root->header_size, HEADER_MAX);
		m->have_header = true;
	}
	*out = m->header;
	return true;
}

/* Does "name: body" or the body alone, decoded, contain the needle? */
static bool
field_has(const struct header_field *f, bool with_name, struct slice needle)
{
	struct buf	 flat, text, folded;
	bool		 found;

	buf_init(&flat, f->whole.len + 16);
	buf_init(&text, f->whole.len * 4 + 16);
	buf_init(&folded, f->whole.len * 8 + 16);
	if (with_name) {
		buf_add_slice(&flat, f->name);
		buf_adds(&flat, ": ");
	}
	header_unfold(&flat, f->body);
	rfc2047_decode(&text, buf_slice(&flat));
	utf8_fold(&folded, buf_slice(&text));
	found = slice_search(buf_slice(&folded), needle) >= 0;
	buf_clear(&flat);
	buf_clear(&text);
	buf_clear(&folded);
	return found;
}

/* name empty: any field. */
static bool
header_has(struct slice header, struct slice name, struct slice needle)
{
	struct header_field	 f;

	while (header_next(&header, &f)) {
		if (name.len > 0 && !slice_ieq(f.name, name))
			continue;
		if (field_has(&f, name.len == 0, needle))
			return true;
	}
	return false;
}

static bool
match_header(struct matcher *m, const struct imap_search *k)
{
	struct slice	 header;

	return get_header(m, view_header_stored(k->field), &header) &&
	    header_has(header, k->field, k->value);
}

static bool
match_sent(struct matcher *m, const struct imap_search *k)
{
	struct envelope	 e;
	struct error	 err;
	struct date	 d;
	usec_t		 wall;
	int64_t		 day;

	/* A message without a date we can read was never sent on any. */
	if (view_envelope(m->s->view, m->seq, m->src.mem, &e, &err) < 0 ||
	    e.date.p == NULL || !date_get_rfc5322(e.date, &wall, &d))
		return false;
	day = imap_days(d.year, d.month, d.day);
	return k->key == IMAP_KEY_SENTBEFORE ? day < k->n :
	    k->key == IMAP_KEY_SENTON ? day == k->n : day >= k->n;
}

/*
 * Bodies, window by window.
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
decode(struct body_search *b, struct slice raw)
{
	switch (b->transfer) {
	case TRANSFER_PLAIN:
		buf_add_slice(&b->decoded, raw);
		break;
	case TRANSFER_BASE64:
		base64_dec_feed(&b->b64, raw, &b->decoded);
		break;
	case TRANSFER_QP:
		qp_dec_feed(&b->qp, raw, &b->decoded);
		break;
	}
}

static bool
search_body(struct matcher *m, const struct mime_part *p,
    struct body_search *b)
{
	unsigned char	 piece[PIECE];
	uint64_t	 at = p->body_offset, end = at + p->body_size;

	while (at < end) {
		size_t	 n = end - at < PIECE ? (size_t)(end - at) : PIECE;
		ssize_t	 got = view_body_read(&m->src.body, at, piece, n);

		if (got <= 0)
			break;
		at += (uint64_t)got;
		decode(b, slice_of(piece, (size_t)got));
		if (search_decoded(b, false))
			return true;
	}
	if (b->transfer == TRANSFER_QP)
		qp_dec_end(&b->qp, &b->decoded);
	return search_decoded(b, true);
}

static bool
leaf_has(struct matcher *m, const struct mime_part *p, struct slice needle)
{
	struct body_search	 b = { .needle = needle };
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
	buf_init(&b.decoded, WINDOW + 2 * PIECE);
	buf_init(&b.folded, 8 * (WINDOW + 2 * PIECE) + needle.len);
	found = search_body(m, p, &b);
	buf_clear(&b.decoded);
	buf_clear(&b.folded);
	return found;
}

static const struct mime_part *
next_part(const struct mime_part *p)
{
	if (p->child != NULL)
		return p->child;
	while (p != NULL && p->next == NULL)
		p = p->parent;
	return p == NULL ? NULL : p->next;
}

/* Headers of parts count as body, as they are in the body's octets. */
static bool
match_body(struct matcher *m, const struct imap_search *k)
{
	if (!open_message(m))
		return false;
	for (const struct mime_part *p = m->src.mime.root; p != NULL;
	    p = next_part(p)) {
		if (p->parent != NULL && header_has(section_read(&m->src,
		    p->header_offset, p->header_size, HEADER_MAX),
		    slice_of(NULL, 0), k->value))
			return true;
		if (p->child == NULL && leaf_has(m, p, k->value))
			return true;
	}
	return k->value.len == 0;
}

static bool
match_text(struct matcher *m, const struct imap_search *k)
{
	struct slice	 header;

	if (get_header(m, false, &header) &&
	    header_has(header, slice_of(NULL, 0), k->value))
		return true;
	return match_body(m, k);
}

/*
 * The program.
 */
static bool
has_flag(const struct view_msg *msg, int64_t bit)
{
	if (bit == IMAP_RECENT)
		return msg->recent;
	return (flags_to_imap(msg->flags) & (unsigned)bit) != 0;
}

static bool
match_keyword(const struct view_msg *msg, int64_t bit)
{
	if (bit == STORE_KEYWORDS_MAX)
		return (msg->flags & STORE_PASSED) != 0;
	return bit >= 0 && (msg->keywords >> bit & 1) != 0;
}

/* Days are UTC's, as INTERNALDATE shows them. */
static bool
match_date(struct matcher *m, const struct imap_search *k)
{
	struct error	 err;
	usec_t		 date;
	int64_t		 secs, day;

	if (view_date(m->s->view, m->seq, &date, &err) < 0)
		return false;
	secs = date / USEC_PER_SEC;
	day = (secs >= 0 ? secs : secs - 86399) / 86400;
	return k->key == IMAP_KEY_BEFORE ? day < k->n :
	    k->key == IMAP_KEY_ON ? day == k->n :
	    k->key == IMAP_KEY_SINCE ? day >= k->n :
	    k->key == IMAP_KEY_OLDER ? secs <= m->now - k->n :
	    secs > m->now - k->n;
}

static bool	match(struct matcher *m, const struct imap_search *k);

static bool
match_children(struct matcher *m, const struct imap_search *k)
{
	bool	 or = k->key == IMAP_KEY_OR;

	for (const struct imap_search *c = k->child; c != NULL; c = c->next)
		if (match(m, c) == or)
			return or;
	return !or;
}

static bool
match(struct matcher *m, const struct imap_search *k)
{
	const struct view_msg	*msg = &m->msg;

	switch (k->key) {
	case IMAP_KEY_AND:
	case IMAP_KEY_OR:
		return match_children(m, k);
	case IMAP_KEY_NOT:
		return !match(m, k->child);
	case IMAP_KEY_SET:
		return imap_set_has(&k->set, m->seq);
	case IMAP_KEY_UID:
		return imap_set_has(&k->set, msg->uid);
	case IMAP_KEY_FLAG:
		return has_flag(msg, k->n);
	case IMAP_KEY_UNFLAG:
		return !has_flag(msg, k->n);
	case IMAP_KEY_KEYWORD:
		return match_keyword(msg, k->n);
	case IMAP_KEY_NEW:
		return msg->recent && (msg->flags & STORE_SEEN) == 0;
	case IMAP_KEY_HEADER:
		return match_header(m, k);
	case IMAP_KEY_BODY:
		return match_body(m, k);
	case IMAP_KEY_TEXT:
		return match_text(m, k);
	case IMAP_KEY_BEFORE:
	case IMAP_KEY_ON:
	case IMAP_KEY_SINCE:
	case IMAP_KEY_OLDER:
	case IMAP_KEY_YOUNGER:
		return match_date(m, k);
	case IMAP_KEY_SENTBEFORE:
	case IMAP_KEY_SENTON:
	case IMAP_KEY_SENTSINCE:
		return match_sent(m, k);
	case IMAP_KEY_LARGER:
		return msg->size > (uint64_t)k->n;
	case IMAP_KEY_SMALLER:
		return msg->size < (uint64_t)k->n;
	case IMAP_KEY_MODSEQ:
		return msg->modseq >= (uint64_t)k->n;
	}
	return false;
}

bool
matcher_run(struct matcher *m, uint32_t seq, struct view_msg *msg_out)
{
	bool	 found;

	m->seq = seq;
	m->tried = m->have_header = false;
	view_get(m->s->view, seq, &m->msg);
	*msg_out = m->msg;
	found = match(m, m->program);
	section_close(&m->src);
	arena_reset(m->src.mem);
	return found;
}
