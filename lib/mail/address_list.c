/* SPDX-License-Identifier: Apache-2.0 */
/* Address lists as people write them: a single pass that keeps, for the
 * address at hand, the words so far.  What they mean (a display name, a local
 * part, a group's name) is known when "<", "@", ":" or "," comes. */
#include <string.h>

#include "base/ascii.h"
#include "base/mem.h"
#include "mail/address.h"

struct parser {
	struct slice		 s;	/* what is left */
	const unsigned char	*begin;	/* of the first word, or NULL */
	const unsigned char	*end;	/* of the last word */
	struct buf		 phrase;	/* words as a display name */
	struct buf		 local;	/* words as a local part */
	struct slice		 comment;	/* the last one, raw */
	bool			 gap;	/* white space before the next word */
	bool			 in_group;
	struct arena		*a;
	struct address_item	*items;
	size_t			 count, size, max;
};

static void
reset_words(struct parser *p)
{
	buf_reset(&p->phrase);
	buf_reset(&p->local);
	p->begin = p->end = NULL;
	p->comment = slice_of(NULL, 0);
	p->gap = false;
}

static struct address_item *
new_item(struct parser *p, enum address_kind kind)
{
	struct address_item	*i;

	if (p->count == p->size) {
		p->size = p->size == 0 ? 4 : p->size * 2;
		p->items = mem_grow(p->items, p->size, sizeof(*p->items));
	}
	i = &p->items[p->count++];
	*i = (struct address_item){ .kind = kind, .ok = true };
	return i;
}

/* The comment at the front, nested ones included. */
static void
take_comment(struct parser *p)
{
	size_t		depth = 0, i;

	for (i = 0; i < p->s.len; i++) {
		int	c = p->s.p[i];

		if (c == '\\' && i + 1 < p->s.len)
			i++;
		else if (c == '(')
			depth++;
		else if (c == ')' && --depth == 0)
			break;
	}
	p->comment = slice_first(slice_from(p->s, 1), i == 0 ? 0 : i - 1);
	p->s = slice_from(p->s, i + 1);
}

static void
skip_cfws(struct parser *p)
{
	while (p->s.len > 0) {
		int	c = p->s.p[0];

		if (c == '(')
			take_comment(p);
		else if (c == ' ' || c == '\t' || c == '\r' || c == '\n')
			p->s = slice_from(p->s, 1);
		else
			return;
		p->gap = true;
	}
}

static void
word_begins(struct parser *p)
{
	if (p->begin == NULL)
		p->begin = p->s.p;
	else if (p->gap)
		buf_addc(&p->phrase, ' ');
	p->gap = false;
}

static void
word_byte(struct parser *p, int c)
{
	buf_addc(&p->phrase, c);
	buf_addc(&p->local, c);
}

static void
take_quoted(struct parser *p)
{
	size_t	i;

	word_begins(p);
	for (i = 1; i < p->s.len && p->s.p[i] != '"'; i++) {
		int	c = p->s.p[i];

		if (c == '\\' && i + 1 < p->s.len)
			c = p->s.p[++i];
		if (c != '\r' && c != '\n')
			word_byte(p, c);
	}
	p->s = slice_from(p->s, i + 1);
	p->end = p->s.p;
}

static bool
is_special(int c)
{
	return c == '\0' || strchr("()<>:;@,\" \t\r\n", c) != NULL;
}

static void
take_atom(struct parser *p)
{
	size_t	i = 0;

	word_begins(p);
	/* A stray special is a word of its own. */
	do {
		word_byte(p, p->s.p[i] == '\0' ? ' ' : p->s.p[i]);
		i++;
	} while (i < p->s.len && !is_special(p->s.p[i]));
	p->s = slice_from(p->s, i);
	p->end = p->s.p;
}

/* domain behind "@": atoms, dots and literals; comments and folds between
 * them vanish. */
static struct slice
take_domain(struct parser *p, const unsigned char **end_out)
{
	struct buf	b;
	struct slice	d;

	buf_init(&b, p->s.len);
	*end_out = p->s.p;
	for (skip_cfws(p); p->s.len > 0; skip_cfws(p)) {
		size_t	n = 0;

		if (p->s.p[0] == '[') {
			while (n < p->s.len && p->s.p[n] != ']')
				n++;
			n += n < p->s.len ? 1 : 0;
		} else {
			while (n < p->s.len && !is_special(p->s.p[n]))
				n++;
		}
		/* "a@b c" is two things: only dots go on after a gap. */
		if (n == 0 || (buf_len(&b) > 0 && p->s.p[0] != '.' &&
		    buf_slice(&b).p[buf_len(&b) - 1] != '.'))
			break;
		buf_add(&b, p->s.p, n);
		p->s = slice_from(p->s, n);
		*end_out = p->s.p;
	}
	d = slice_dup(p->a, buf_slice(&b));
	buf_clear(&b);
	return d;
}

static struct slice
text_of(struct parser *p, struct buf *b)
{
	return buf_len(b) == 0 ? slice_of(NULL, 0) :
	    slice_dup(p->a, buf_slice(b));
}

static struct slice
comment_text(struct parser *p)
{
	unsigned char	*t;
	size_t		 n = 0;

	if (p->comment.p == NULL)
		return p->comment;
	t = arena_alloc(p->a, p->comment.len + 1);
	for (size_t i = 0; i < p->comment.len; i++) {
		int	c = p->comment.p[i];

		if (c == '\\' && i + 1 < p->comment.len)
			c = p->comment.p[++i];
		if (c != '\r' && c != '\n')
			t[n++] = (unsigned char)c;
	}
	return slice_trim(slice_of(t, n));
}

/* The words so far are an address without "@". */
static void
end_bare(struct parser *p)
{
	struct address_item	*i;

	if (p->begin == NULL)
		return;
	i = new_item(p, ADDRESS_MAILBOX);
	i->ok = false;
	i->local = text_of(p, &p->local);
	i->spec = slice_of(p->begin, (size_t)(p->end - p->begin));
	reset_words(p);
}

/* "@" after words: they are the local part. */
static void
take_at(struct parser *p)
{
	struct address_item	*i = new_item(p, ADDRESS_MAILBOX);
	const unsigned char	*end;

	i->ok = p->begin != NULL;
	i->local = text_of(p, &p->local);
	if (p->begin == NULL)
		p->begin = p->s.p;
	p->s = slice_from(p->s, 1);
	i->domain = take_domain(p, &end);
	i->spec = slice_of(p->begin, (size_t)(end - p->begin));
	if (i->domain.len == 0) {
		i->ok = false;
		i->domain = slice_of(NULL, 0);
	}
	skip_cfws(p);
	i->name = comment_text(p);
	reset_words(p);
}

/* obs-route behind "<": "@a,@b:". */
static struct slice
take_route(struct parser *p)
{
	ptrdiff_t	colon;
	struct slice	route;

	skip_cfws(p);
	if (p->s.len == 0 || p->s.p[0] != '@')
		return slice_of(NULL, 0);
	for (colon = 0; (size_t)colon < p->s.len; colon++)
		if (p->s.p[colon] == ':' || p->s.p[colon] == '>')
			break;
	if ((size_t)colon == p->s.len || p->s.p[colon] == '>')
		return slice_of(NULL, 0);
	route = slice_dup(p->a, slice_first(p->s, (size_t)colon));
	p->s = slice_from(p->s, (size_t)colon + 1);
	return route;
}

static void
take_angle(struct parser *p)
{
	struct address_item	*i = new_item(p, ADDRESS_MAILBOX);
	const unsigned char	*end = NULL;

	i->name = text_of(p, &p->phrase);
	i->angle = true;
	reset_words(p);
	p->s = slice_from(p->s, 1);
	i->route = take_route(p);
	for (skip_cfws(p); p->s.len > 0 && p->s.p[0] != '>' &&
	    p->s.p[0] != ',' && i->domain.p == NULL; skip_cfws(p)) {
		if (p->s.p[0] == '"') {
			take_quoted(p);
		} else if (p->s.p[0] != '@') {
			take_atom(p);
		} else {
			if (p->begin == NULL)
				p->begin = p->s.p;
			p->s = slice_from(p->s, 1);
			i->domain = take_domain(p, &end);
		}
	}
	i->local = text_of(p, &p->local);
	if (end == NULL)
		end = p->begin == NULL ? p->s.p : p->end;
	i->spec = slice_of(p->begin == NULL ? end : p->begin,
	    (size_t)(end - (p->begin == NULL ? end : p->begin)));
	if (p->s.len > 0 && p->s.p[0] == '>')
		p->s = slice_from(p->s, 1);
	else
		i->ok = false;
	if (i->domain.len == 0) {
		i->ok = false;
		i->domain = slice_of(NULL, 0);
	}
	reset_words(p);
}

static void
take_special(struct parser *p, int c)
{
	switch (c) {
	case ',':
		end_bare(p);
		p->s = slice_from(p->s, 1);
		break;
	case ';':
		end_bare(p);
		if (p->in_group)
			(void)new_item(p, ADDRESS_GROUP_END);
		p->in_group = false;
		p->s = slice_from(p->s, 1);
		break;
	case ':':
		if (p->begin != NULL && !p->in_group) {
			new_item(p, ADDRESS_GROUP)->name =
			    text_of(p, &p->phrase);
			p->in_group = true;
		}
		reset_words(p);
		p->s = slice_from(p->s, 1);
		break;
	case '@':
		take_at(p);
		break;
	case '<':
		take_angle(p);
		break;
	case '"':
		take_quoted(p);
		break;
	default:
		take_atom(p);
		break;
	}
}

size_t
address_list_parse(struct slice body, size_t max, struct arena *a,
    struct address_item **items_out)
{
	struct parser	p = { .s = body, .a = a, .max = max };

	buf_init(&p.phrase, 2 * body.len + 1);
	buf_init(&p.local, body.len + 1);
	for (skip_cfws(&p); p.s.len > 0 && p.count < max; skip_cfws(&p))
		take_special(&p, p.s.p[0]);
	if (p.count < max)
		end_bare(&p);
	if (p.in_group && p.count <= max)
		(void)new_item(&p, ADDRESS_GROUP_END);
	*items_out = arena_array(a, p.count == 0 ? 1 : p.count,
	    sizeof(**items_out));
	if (p.count > 0)
		memcpy(*items_out, p.items, p.count * sizeof(**items_out));
	mem_free(&p.items);
	buf_clear(&p.phrase);
	buf_clear(&p.local);
	return p.count;
}
