/* SPDX-License-Identifier: Apache-2.0 */
#include "imapd/section.h"

#include "mail/header.h"

/* HEADER.FIELDS looks at no more of a header than this; delivery bounds
 * headers far below it. */
#define HEADER_MAX	((size_t)8 << 20)

void
section_init(struct section_source *src)
{
	*src = (struct section_source){ .mem = arena_new() };
}

int
section_open(struct section_source *src, struct view *v, uint32_t seq,
    enum store_fail *fail_out, struct error *err)
{
	if (view_body_open(v, seq, &src->body, fail_out, err) < 0)
		return -1;
	src->open = true;
	return 0;
}

int
section_structure(struct section_source *src, struct view *v, uint32_t seq,
    struct error *err)
{
	if (!src->parsed && view_structure(v, seq, src->mem, &src->mime,
	    err) < 0)
		return -1;
	src->parsed = true;
	return 0;
}

void
section_close(struct section_source *src)
{
	if (src->open)
		view_body_close(&src->body);
	src->open = src->parsed = false;
}

struct slice
section_read(struct section_source *src, uint64_t offset, uint64_t size,
    size_t max)
{
	size_t		 want = size < max ? (size_t)size : max, n = 0;
	unsigned char	*p = arena_alloc(src->mem, want + 1);

	while (n < want) {
		ssize_t	 got = view_body_read(&src->body, offset + n, p + n,
			    want - n);

		if (got <= 0)
			break;
		n += (size_t)got;
	}
	return slice_of(p, n);
}

static bool
named(const struct imap_section *want, struct slice name)
{
	for (size_t i = 0; i < want->nfields; i++)
		if (slice_ieq(want->fields[i], name))
			return true;
	return false;
}

struct slice
section_filter(const struct imap_section *want, struct slice header,
    struct arena *mem)
{
	bool			 keep = want->part == IMAP_PART_FIELDS;
	unsigned char		*p = arena_alloc(mem, header.len + 4);
	size_t			 n = 0;
	struct header_field	 f;

	while (header_next(&header, &f)) {
		if (named(want, f.name) != keep)
			continue;
		memcpy(p + n, f.whole.p, f.whole.len);
		n += f.whole.len;
		/* The last line of a truncated header. */
		if (p[n - 1] != '\n') {
			memcpy(p + n, "\r\n", 2);
			n += 2;
		}
	}
	memcpy(p + n, "\r\n", 2);
	return slice_of(p, n + 2);
}

struct slice
section_partial(const struct imap_section *want, struct slice text)
{
	if (!want->partial)
		return text;
	return slice_first(slice_from(text, want->from), want->count);
}

/* Which header or body a section means.  The parts of RFC 3501 6.4.5: HEADER
 * and TEXT behind numbers speak of the message inside a message part. */
static bool
part_range(const struct mime_part *root, const struct imap_section *want,
    struct section *out)
{
	const struct mime_part	*p = root;

	if (want->npath > 0) {
		p = mime_find(root, want->path, want->npath);
		if (p == NULL)
			return false;
		if (want->part != IMAP_PART_ALL &&
		    want->part != IMAP_PART_MIME) {
			if (p->kind != MIME_MESSAGE)
				return false;
			p = p->child;
		}
	}
	if (want->part == IMAP_PART_ALL || want->part == IMAP_PART_TEXT) {
		out->offset = p->body_offset;
		out->size = p->body_size;
	} else {
		out->offset = p->header_offset;
		out->size = p->header_size;
	}
	return true;
}

static void
cut_range(const struct imap_section *want, struct section *out)
{
	if (!want->partial)
		return;
	if (want->from >= out->size) {
		out->size = 0;
		return;
	}
	out->offset += want->from;
	out->size -= want->from;
	if (out->size > want->count)
		out->size = want->count;
}

bool
section_find(struct section_source *src, struct view *v, uint32_t seq,
    const struct imap_section *want, struct section *out)
{
	struct error	 err;

	*out = (struct section){ .size = src->body.size };
	if (want->npath > 0 || want->part != IMAP_PART_ALL) {
		if (section_structure(src, v, seq, &err) < 0 ||
		    !part_range(src->mime.root, want, out))
			return false;
	}
	if (want->part != IMAP_PART_FIELDS &&
	    want->part != IMAP_PART_FIELDS_NOT) {
		cut_range(want, out);
		return true;
	}
	out->text = section_partial(want, section_filter(want,
	    section_read(src, out->offset, out->size, HEADER_MAX), src->mem));
	out->size = out->text.len;
	return true;
}
