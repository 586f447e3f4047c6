/* SPDX-License-Identifier: Apache-2.0 */
/* Does a message match a search program?  Cheap keys are asked before those
 * that open a file. */
#include "imapd/imapd.h"
#include "imapd/section.h"
#include "imapd/texts.h"

#include "codec/date.h"
#include "codec/utf8.h"
#include "proto/imap_search.h"
#include "sys/clock.h"

#define HEADER_MAX	((size_t)1 << 20)

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
	struct texts			 texts;
	const struct imap_search	*find_key;	/* whose find is */
	struct find			 find;
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
	texts_clear(&m->texts);
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
	texts_init(&m->texts);
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
		texts_begin(&m->texts, &m->src.body);
	}
	return m->src.open &&
	    section_structure(&m->src, m->s->view, m->seq, &err) == 0;
}

/* A header of the open message. */
static struct slice
header_at(struct matcher *m, uint64_t offset, uint64_t size)
{
	struct slice	 whole = m->texts.whole;

	if (whole.p == NULL)
		return section_read(&m->src, offset, size, HEADER_MAX);
	return slice_first(slice_from(whole, (size_t)offset),
	    size < HEADER_MAX ? (size_t)size : HEADER_MAX);
}

/* The needle of a key, made ready once for many messages. */
static const struct find *
needle_of(struct matcher *m, const struct imap_search *k)
{
	if (m->find_key != k)
		find_init(&m->find, k->value);
	m->find_key = k;
	return &m->find;
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
		m->header = header_at(m, 0, m->src.mime.root->header_size);
		m->have_header = true;
	}
	*out = m->header;
	return true;
}

static bool
match_header(struct matcher *m, const struct imap_search *k)
{
	struct slice	 header;

	return get_header(m, view_header_stored(k->field), &header) &&
	    texts_header_has(&m->texts, header, k->field, needle_of(m, k));
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
	const struct find	*f = needle_of(m, k);

	if (!open_message(m))
		return false;
	for (const struct mime_part *p = m->src.mime.root; p != NULL;
	    p = next_part(p)) {
		if (p->parent != NULL && texts_header_has(&m->texts,
		    header_at(m, p->header_offset, p->header_size),
		    slice_of(NULL, 0), f))
			return true;
		if (p->child == NULL &&
		    texts_part_has(&m->texts, &m->src.body, p, f))
			return true;
	}
	return k->value.len == 0;
}

static bool
match_text(struct matcher *m, const struct imap_search *k)
{
	struct slice	 header;

	if (get_header(m, false, &header) &&
	    texts_header_has(&m->texts, header, slice_of(NULL, 0),
	    needle_of(m, k)))
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
	texts_end(&m->texts);
	arena_reset(m->src.mem);
	return found;
}
