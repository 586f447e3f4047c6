/* SPDX-License-Identifier: Apache-2.0 */
/* The tree for storage: parts in preorder, each with its depth; numbers as
 * little-endian base 128, strings as length + 1 (0: absent) and bytes. */
#include "mail/mime.h"

#define VERSION	1

static void
put_num(struct buf *out, uint64_t v)
{
	for (; v > 127; v >>= 7)
		buf_addc(out, (int)(v & 127) | 128);
	buf_addc(out, (int)v);
}

static void
put_str(struct buf *out, struct slice s)
{
	put_num(out, s.p == NULL ? 0 : s.len + 1);
	buf_add_slice(out, s);
}

static void
put_params(struct buf *out, const struct mime_param *p, size_t n)
{
	put_num(out, n);
	for (size_t i = 0; i < n; i++) {
		put_str(out, p[i].name);
		put_str(out, p[i].value);
	}
}

static void
put_part(struct buf *out, const struct mime_part *p, unsigned int depth)
{
	put_num(out, depth);
	put_num(out, p->kind);
	put_str(out, p->type);
	put_str(out, p->subtype);
	put_params(out, p->params, p->nparams);
	put_str(out, p->encoding);
	put_str(out, p->id);
	put_str(out, p->description);
	put_str(out, p->md5);
	put_str(out, p->disposition);
	put_str(out, p->language);
	put_str(out, p->location);
	put_params(out, p->disposition_params, p->ndisposition_params);
	put_str(out, p->envelope);
	put_num(out, p->header_offset);
	put_num(out, p->header_size);
	put_num(out, p->body_offset);
	put_num(out, p->body_size);
	put_num(out, p->lines);
}

void
mime_put(struct buf *out, const struct mime_message *m)
{
	const struct mime_part	*p = m->root;
	unsigned int		 depth = 0;

	put_num(out, VERSION);
	put_num(out, m->size);
	put_num(out, (m->bare_lf ? 1 : 0) | (m->ambiguous ? 2 : 0));
	put_num(out, m->nparts);
	for (;;) {
		put_part(out, p, depth);
		if (p->child != NULL) {
			p = p->child;
			depth++;
			continue;
		}
		while (p->next == NULL && p->parent != NULL) {
			p = p->parent;
			depth--;
		}
		if (p->next == NULL)
			return;
		p = p->next;
	}
}

static bool
get_num(struct slice *s, uint64_t *out)
{
	*out = 0;
	for (unsigned int shift = 0; shift < 63; shift += 7) {
		int	c;

		if (s->len == 0)
			return false;
		c = s->p[0];
		*s = slice_from(*s, 1);
		*out |= (uint64_t)(c & 127) << shift;
		if (c < 128)
			return true;
	}
	return false;
}

static bool
get_str(struct slice *s, struct slice *out)
{
	uint64_t	n;

	*out = slice_of(NULL, 0);
	if (!get_num(s, &n) || (n > 0 && n - 1 > s->len))
		return false;
	if (n == 0)
		return true;
	*out = slice_first(*s, n - 1);
	*s = slice_from(*s, n - 1);
	return true;
}

static bool
get_params(struct slice *s, struct arena *a, struct mime_param **out,
    size_t *n_out)
{
	uint64_t	n;

	if (!get_num(s, &n) || n > MIME_MAX_PARAMS)
		return false;
	*out = n == 0 ? NULL : arena_array(a, n, sizeof(**out));
	*n_out = n;
	for (uint64_t i = 0; i < n; i++)
		if (!get_str(s, &(*out)[i].name) ||
		    !get_str(s, &(*out)[i].value))
			return false;
	return true;
}

static bool
get_part(struct slice *s, struct arena *a, struct mime_part *p,
    uint64_t *depth_out)
{
	uint64_t	kind;

	if (!get_num(s, depth_out) || !get_num(s, &kind) ||
	    kind > MIME_MESSAGE)
		return false;
	p->kind = (enum mime_kind)kind;
	return get_str(s, &p->type) && get_str(s, &p->subtype) &&
	    get_params(s, a, &p->params, &p->nparams) &&
	    get_str(s, &p->encoding) && get_str(s, &p->id) &&
	    get_str(s, &p->description) && get_str(s, &p->md5) &&
	    get_str(s, &p->disposition) && get_str(s, &p->language) &&
	    get_str(s, &p->location) &&
	    get_params(s, a, &p->disposition_params,
	    &p->ndisposition_params) && get_str(s, &p->envelope) &&
	    get_num(s, &p->header_offset) && get_num(s, &p->header_size) &&
	    get_num(s, &p->body_offset) && get_num(s, &p->body_size) &&
	    get_num(s, &p->lines) && p->type.p != NULL &&
	    p->subtype.p != NULL && p->encoding.p != NULL;
}

/* Do the offsets lie in the message? */
static bool
inside(const struct mime_part *p, uint64_t size)
{
	return p->header_offset <= size && p->header_size <= size &&
	    p->header_offset + p->header_size <= size &&
	    p->body_offset <= size && p->body_size <= size &&
	    p->body_offset + p->body_size <= size;
}

struct reader {
	struct mime_part	*last[MIME_MAX_DEPTH + 2];	/* by depth */
	uint64_t		 depth;		/* of the last part */
};

static bool
hang(struct reader *r, struct mime_part *p, uint64_t depth, bool first)
{
	struct mime_part	*parent;

	if (first) {
		r->last[0] = p;
		return depth == 0;
	}
	if (depth == 0 || depth > r->depth + 1 || depth > MIME_MAX_DEPTH)
		return false;
	/* A message without its message would surprise readers. */
	if (depth <= r->depth && r->last[r->depth]->kind == MIME_MESSAGE)
		return false;
	parent = r->last[depth - 1];
	if (parent->kind == MIME_LEAF ||
	    (parent->kind == MIME_MESSAGE && depth <= r->depth))
		return false;
	p->parent = parent;
	if (depth > r->depth)
		parent->child = p;
	else
		r->last[depth]->next = p;
	r->last[depth] = p;
	r->depth = depth;
	return true;
}

bool
mime_get(struct slice s, struct arena *a, struct mime_message *out)
{
	struct reader	r = { .depth = 0 };
	uint64_t	version, flags, nparts, depth;

	*out = (struct mime_message){ .root = NULL };
	if (!get_num(&s, &version) || version != VERSION ||
	    !get_num(&s, &out->size) || !get_num(&s, &flags) ||
	    !get_num(&s, &nparts) || nparts == 0 || nparts > MIME_MAX_PARTS)
		return false;
	out->bare_lf = (flags & 1) != 0;
	out->ambiguous = (flags & 2) != 0;
	out->nparts = nparts;
	for (uint64_t i = 0; i < nparts; i++) {
		struct mime_part	*p = arena_alloc(a, sizeof(*p));

		if (!get_part(&s, a, p, &depth) || !inside(p, out->size) ||
		    !hang(&r, p, depth, i == 0))
			return false;
		if (i + 1 == nparts && p->kind == MIME_MESSAGE)
			return false;
		if (i == 0)
			out->root = p;
	}
	return s.len == 0;
}
