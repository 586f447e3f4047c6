/* SPDX-License-Identifier: Apache-2.0 */
#include "mail/header.h"

#include "base/ascii.h"

/* Length of the line at the front, line end included. *text_out is the part
 * before the line end; *ended_out: there is one. */
static size_t
line_len(struct slice s, size_t *text_out, bool *ended_out)
{
	ptrdiff_t	lf = slice_find(s, '\n');

	*ended_out = lf >= 0;
	if (lf < 0) {
		*text_out = s.len;
		return s.len;
	}
	*text_out = lf > 0 && s.p[lf - 1] == '\r' ? (size_t)lf - 1 :
	    (size_t)lf;
	return (size_t)lf + 1;
}

/* Length of the name of a field that begins this line, 0: it is none.
 * *colon_out: where the colon is. */
static size_t
name_len(struct slice line, size_t *colon_out)
{
	size_t	n = 0, i;

	while (n < line.len && ascii_is_graph(line.p[n]) && line.p[n] != ':')
		n++;
	/* We accept blanks before the colon (obs-optional) because old
	 * mailers write them. */
	for (i = n; i < line.len && ascii_is_blank(line.p[i]);)
		i++;
	if (n == 0 || i == line.len || line.p[i] != ':')
		return 0;
	*colon_out = i;
	return n;
}

bool
header_next(struct slice *in, struct header_field *out)
{
	size_t	text, end, colon, n;
	bool	ended;

	if (in->len == 0)
		return false;
	end = line_len(*in, &text, &ended);
	if (text == 0 && ended) {
		*in = slice_from(*in, end);
		return false;
	}
	n = name_len(slice_first(*in, text), &colon);
	if (n == 0)
		return false;
	while (end < in->len && ascii_is_blank(in->p[end])) {
		size_t	more;

		end += line_len(slice_from(*in, end), &more, &ended);
		text = end - (ended ? 1 : 0);
		if (ended && text > 0 && in->p[text - 1] == '\r')
			text--;
	}
	out->name = slice_first(*in, n);
	out->body = slice_of(in->p + colon + 1, text - colon - 1);
	out->whole = slice_first(*in, end);
	*in = slice_from(*in, end);
	return true;
}

bool
header_find(struct slice section, const char *name, struct header_field *out)
{
	while (header_next(&section, out))
		if (slice_iis(out->name, name))
			return true;
	return false;
}

bool
header_find_last(struct slice section, const char *name,
    struct header_field *out)
{
	struct header_field	f;
	bool			found = false;

	while (header_next(&section, &f)) {
		if (!slice_iis(f.name, name))
			continue;
		*out = f;
		found = true;
	}
	return found;
}

size_t
header_count(struct slice section, const char *name)
{
	struct header_field	f;
	size_t			n = 0;

	while (header_next(&section, &f))
		n += slice_iis(f.name, name) ? 1 : 0;
	return n;
}

enum line_kind { LINE_FIELD, LINE_MORE, LINE_EMPTY, LINE_BODY };

static enum line_kind
classify(struct slice text, bool any)
{
	size_t	colon;

	if (text.len == 0)
		return LINE_EMPTY;
	if (ascii_is_blank(text.p[0]))
		return any ? LINE_MORE : LINE_BODY;
	return name_len(text, &colon) > 0 ? LINE_FIELD : LINE_BODY;
}

ptrdiff_t
header_end(struct slice s)
{
	bool	any = false;
	size_t	at = 0;

	for (;;) {
		struct slice	rest = slice_from(s, at);
		size_t		text, len;
		bool		ended;

		len = line_len(rest, &text, &ended);
		if (!ended)
			return -1;
		switch (classify(slice_first(rest, text), any)) {
		case LINE_EMPTY:
			return (ptrdiff_t)(at + len);
		case LINE_BODY:
			return (ptrdiff_t)at;
		case LINE_FIELD:
		case LINE_MORE:
			any = true;
			at += len;
			break;
		}
	}
}

size_t
header_scan(struct header_scan *h, struct slice s, bool *done_out)
{
	size_t	at = 0;

	*done_out = false;
	while (at < s.len) {
		struct slice	rest = slice_from(s, at);
		size_t		text, len;
		bool		ended;
		enum line_kind	kind;

		len = line_len(rest, &text, &ended);
		kind = h->middle ? LINE_MORE :
		    classify(slice_first(rest, text), h->any);
		h->middle = !ended;
		if (kind == LINE_EMPTY || kind == LINE_BODY) {
			*done_out = true;
			return kind == LINE_EMPTY ? at + len : at;
		}
		h->any = true;
		at += len;
	}
	return at;
}

bool
header_name_ok(struct slice name)
{
	for (size_t i = 0; i < name.len; i++)
		if (!ascii_is_graph(name.p[i]) || name.p[i] == ':')
			return false;
	return name.len > 0;
}

void
header_unfold(struct buf *out, struct slice body)
{
	struct slice	line;

	body = slice_trim(body);
	while (slice_cut(&body, '\n', &line)) {
		if (line.len > 0 && line.p[line.len - 1] == '\r')
			line.len--;
		buf_add_slice(out, line);
	}
	buf_add_slice(out, body);
}
