/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/imap_fetch.h"

#include "base/ascii.h"
#include "proto/imap_out.h"

static const struct {
	const char		*name;
	enum imap_fetch_kind	 kind;
}	 plain_items[] = {
	{ "UID", IMAP_FETCH_UID },
	{ "FLAGS", IMAP_FETCH_FLAGS },
	{ "INTERNALDATE", IMAP_FETCH_INTERNALDATE },
	{ "RFC822.SIZE", IMAP_FETCH_RFC822_SIZE },
	{ "ENVELOPE", IMAP_FETCH_ENVELOPE },
	{ "BODY", IMAP_FETCH_BODY },
	{ "BODYSTRUCTURE", IMAP_FETCH_BODYSTRUCTURE },
	{ "MODSEQ", IMAP_FETCH_MODSEQ },
	{ "RFC822", IMAP_FETCH_RFC822 },
	{ "RFC822.HEADER", IMAP_FETCH_RFC822_HEADER },
	{ "RFC822.TEXT", IMAP_FETCH_RFC822_TEXT },
};

static struct imap_fetch_item *
add_item(struct imap_in *in, struct imap_fetch *f, enum imap_fetch_kind kind)
{
	struct imap_fetch_item	*item;

	if (f->nitems == IMAP_ITEMS_MAX) {
		(void)imap_bad(in, "Too many data items");
		return NULL;
	}
	item = &f->items[f->nitems++];
	*item = (struct imap_fetch_item){ .kind = kind };
	return item;
}

/* Plain items count once however often they are named. */
static bool
add_plain(struct imap_in *in, struct imap_fetch *f, enum imap_fetch_kind kind)
{
	struct imap_fetch_item	*item;

	for (size_t i = 0; i < f->nitems; i++)
		if (f->items[i].kind == kind)
			return true;
	item = add_item(in, f, kind);
	if (item == NULL)
		return false;
	switch (kind) {
	case IMAP_FETCH_RFC822:
		f->seen = true;
		break;
	case IMAP_FETCH_RFC822_TEXT:
		item->section.part = IMAP_PART_TEXT;
		f->seen = true;
		break;
	case IMAP_FETCH_RFC822_HEADER:
		item->section.part = IMAP_PART_HEADER;
		item->section.peek = true;
		break;
	case IMAP_FETCH_UID:
	case IMAP_FETCH_FLAGS:
	case IMAP_FETCH_INTERNALDATE:
	case IMAP_FETCH_RFC822_SIZE:
	case IMAP_FETCH_ENVELOPE:
	case IMAP_FETCH_BODY:
	case IMAP_FETCH_BODYSTRUCTURE:
	case IMAP_FETCH_MODSEQ:
	case IMAP_FETCH_SECTION:
		break;
	}
	return true;
}

/* header-list = "(" header-fld-name *(SP header-fld-name) ")" */
static bool
take_fields(struct imap_in *in, struct imap_section *s)
{
	struct slice	 field;
	size_t		 room = 0;

	if (!imap_take_space(in) || !imap_take_char(in, '('))
		return false;
	do {
		struct slice	*old = s->fields;

		if (!imap_take_astring(in, &field))
			return false;
		if (s->nfields == IMAP_FIELDS_MAX)
			return imap_bad(in, "Too many header fields");
		if (s->nfields == room) {
			room = room == 0 ? 16 : room * 2;
			s->fields = arena_array(in->mem, room,
			    sizeof(*s->fields));
			if (old != NULL)
				memcpy(s->fields, old,
				    s->nfields * sizeof(*old));
		}
		for (size_t i = 0; i < field.len; i++)
			if (!ascii_is_graph(field.p[i]) || field.p[i] == ':')
				return imap_bad(in, "Invalid field name");
		s->fields[s->nfields++] = field;
	} while (imap_try(in, ' '));
	return imap_take_char(in, ')');
}

/* section-part = nz-number *("." nz-number), then maybe "." and text */
static bool
take_path(struct imap_in *in, struct imap_section *s, bool *more_out)
{
	*more_out = true;
	if (in->rest.len == 0 || !ascii_is_digit(in->rest.p[0]))
		return true;
	s->path = arena_array(in->mem, IMAP_PATH_MAX, sizeof(*s->path));
	do {
		if (in->rest.len == 0 || !ascii_is_digit(in->rest.p[0]))
			return true;
		if (s->npath == IMAP_PATH_MAX)
			return imap_bad(in, "Section too deep");
		if (!imap_take_nz(in, &s->path[s->npath++]))
			return false;
	} while (imap_try(in, '.'));
	*more_out = false;
	return true;
}

/* section = "[" [section-spec] "]" */
static bool
take_section(struct imap_in *in, struct imap_section *s)
{
	bool	 more;

	if (!take_path(in, s, &more))
		return false;
	if (more && !(s->npath == 0 && imap_at(in, ']'))) {
		if (imap_try_word(in, "HEADER"))
			s->part = IMAP_PART_HEADER;
		else if (imap_try_word(in, "HEADER.FIELDS"))
			s->part = IMAP_PART_FIELDS;
		else if (imap_try_word(in, "HEADER.FIELDS.NOT"))
			s->part = IMAP_PART_FIELDS_NOT;
		else if (imap_try_word(in, "TEXT"))
			s->part = IMAP_PART_TEXT;
		else if (s->npath > 0 && imap_try_word(in, "MIME"))
			s->part = IMAP_PART_MIME;
		else
			return imap_bad(in, "Invalid body section");
	}
	if ((s->part == IMAP_PART_FIELDS || s->part == IMAP_PART_FIELDS_NOT) &&
	    !take_fields(in, s))
		return false;
	if (!imap_try(in, ']'))
		return imap_bad(in, "Missing ']'");
	return true;
}

/* "<" number "." nz-number ">" */
static bool
take_partial(struct imap_in *in, struct imap_section *s)
{
	if (!imap_try(in, '<'))
		return true;
	s->partial = true;
	if (!imap_take_number(in, &s->from) || !imap_take_char(in, '.') ||
	    !imap_take_nz(in, &s->count) || !imap_take_char(in, '>'))
		return imap_bad(in, "Invalid partial");
	return true;
}

static bool
take_body_section(struct imap_in *in, bool peek, struct imap_fetch *f)
{
	struct imap_fetch_item	*item = add_item(in, f, IMAP_FETCH_SECTION);

	if (item == NULL)
		return false;
	item->section.peek = peek;
	if (!peek)
		f->seen = true;
	return take_section(in, &item->section) &&
	    take_partial(in, &item->section);
}

static bool
take_item(struct imap_in *in, struct imap_fetch *f)
{
	struct slice	 word;

	if (!imap_take_word(in, &word))
		return false;
	if (imap_at(in, '[')) {
		bool	 peek = slice_iis(word, "BODY.PEEK");

		if (!peek && !slice_iis(word, "BODY"))
			return imap_bad(in, "Unknown data item");
		in->rest = slice_from(in->rest, 1);
		return take_body_section(in, peek, f);
	}
	for (size_t i = 0; i < COUNT(plain_items); i++)
		if (slice_iis(word, plain_items[i].name))
			return add_plain(in, f, plain_items[i].kind);
	return imap_bad(in, "Unknown data item");
}

static bool
take_macro(struct imap_in *in, struct imap_fetch *f)
{
	bool	 full = imap_try_word(in, "FULL");
	bool	 all = full || imap_try_word(in, "ALL");

	if (!all && !imap_try_word(in, "FAST"))
		return false;
	return add_plain(in, f, IMAP_FETCH_FLAGS) &&
	    add_plain(in, f, IMAP_FETCH_INTERNALDATE) &&
	    add_plain(in, f, IMAP_FETCH_RFC822_SIZE) &&
	    (!all || add_plain(in, f, IMAP_FETCH_ENVELOPE)) &&
	    (!full || add_plain(in, f, IMAP_FETCH_BODY));
}

static bool
take_items(struct imap_in *in, struct imap_fetch *f)
{
	if (!imap_try(in, '('))
		return take_macro(in, f) ||
		    (in->error == NULL && take_item(in, f));
	do {
		if (!take_item(in, f))
			return false;
	} while (imap_try(in, ' '));
	return imap_take_char(in, ')');
}

/* fetch-modifiers: SP "(" "CHANGEDSINCE" SP mod-sequence-valzer ")" */
static bool
take_modifiers(struct imap_in *in, struct imap_fetch *f)
{
	if (in->rest.len < 2 || !imap_at(in, ' ') || in->rest.p[1] != '(')
		return true;
	in->rest = slice_from(in->rest, 2);
	if (!imap_try_word(in, "CHANGEDSINCE"))
		return imap_bad(in, "Unknown FETCH modifier");
	f->changedsince = true;
	return imap_take_space(in) && imap_take_number64(in, &f->modseq) &&
	    imap_take_char(in, ')') &&
	    add_plain(in, f, IMAP_FETCH_MODSEQ);
}

bool
imap_take_fetch(struct imap_in *in, bool uid, struct imap_fetch *out)
{
	*out = (struct imap_fetch){ 0 };
	out->items = arena_array(in->mem, IMAP_ITEMS_MAX, sizeof(*out->items));
	if (uid && !add_plain(in, out, IMAP_FETCH_UID))
		return false;
	return take_items(in, out) && take_modifiers(in, out);
}

static void
add_section_name(const struct imap_section *s, struct buf *out)
{
	static const char *const	 names[] = {
		[IMAP_PART_ALL] = "",
		[IMAP_PART_HEADER] = "HEADER",
		[IMAP_PART_FIELDS] = "HEADER.FIELDS",
		[IMAP_PART_FIELDS_NOT] = "HEADER.FIELDS.NOT",
		[IMAP_PART_TEXT] = "TEXT",
		[IMAP_PART_MIME] = "MIME",
	};

	for (size_t i = 0; i < s->npath; i++)
		buf_addf(out, "%s%u", i > 0 ? "." : "", s->path[i]);
	if (s->npath > 0 && s->part != IMAP_PART_ALL)
		buf_addc(out, '.');
	buf_adds(out, names[s->part]);
	if (s->part != IMAP_PART_FIELDS && s->part != IMAP_PART_FIELDS_NOT)
		return;
	buf_adds(out, " (");
	for (size_t i = 0; i < s->nfields; i++) {
		if (i > 0)
			buf_addc(out, ' ');
		imap_add_astring(out, s->fields[i]);
	}
	buf_addc(out, ')');
}

void
imap_fetch_name(const struct imap_fetch_item *item, struct buf *out)
{
	if (item->kind != IMAP_FETCH_SECTION) {
		for (size_t i = 0; i < COUNT(plain_items); i++)
			if (plain_items[i].kind == item->kind)
				buf_adds(out, plain_items[i].name);
		return;
	}
	buf_adds(out, "BODY[");
	add_section_name(&item->section, out);
	buf_addc(out, ']');
	if (item->section.partial)
		buf_addf(out, "<%u>", item->section.from);
}
