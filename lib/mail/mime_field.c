/* SPDX-License-Identifier: Apache-2.0 */
/* Content-Type and its relatives.  Unquoted values are taken up to the
 * semicolon, because mailers write "name=my file.pdf". */
#include "mail/mime_int.h"

#include <string.h>

#include "base/ascii.h"
#include "mail/header.h"

static void
skip_cfws(struct slice *s)
{
	size_t	depth = 0;

	for (; s->len > 0; *s = slice_from(*s, 1)) {
		int	c = s->p[0];

		if (c == '(')
			depth++;
		else if (depth > 0 && c == ')')
			depth--;
		else if (depth > 0 && c == '\\' && s->len > 1)
			*s = slice_from(*s, 1);
		else if (depth == 0 && !ascii_is_blank(c) && c != '\r' &&
		    c != '\n')
			return;
	}
}

static struct slice
take_token(struct slice *s)
{
	size_t		n = 0;
	struct slice	t;

	while (n < s->len && s->p[n] > 32 && s->p[n] != 127 &&
	    strchr("()<>@,;:\\\"/[]?=", s->p[n]) == NULL)
		n++;
	t = slice_first(*s, n);
	*s = slice_from(*s, n);
	return t;
}

static struct slice
take_quoted(struct slice *s, struct arena *a)
{
	unsigned char	*p = arena_alloc(a, s->len + 1);
	size_t		 n = 0, i;

	for (i = 1; i < s->len && s->p[i] != '"'; i++) {
		if (s->p[i] == '\\' && i + 1 < s->len)
			i++;
		if (s->p[i] != '\r' && s->p[i] != '\n')
			p[n++] = s->p[i];
	}
	*s = slice_from(*s, i + 1);
	return slice_of(p, n);
}

static struct slice
take_loose(struct slice *s, struct arena *a)
{
	unsigned char	*p;
	size_t		 n = 0, to = 0;

	while (n < s->len && s->p[n] != ';' &&
	    !(s->p[n] == '(' && n > 0 && ascii_is_blank(s->p[n - 1])))
		n++;
	p = arena_alloc(a, n + 1);
	for (size_t i = 0; i < n; i++)
		if (s->p[i] != '\r' && s->p[i] != '\n' && s->p[i] != '\0')
			p[to++] = s->p[i];
	*s = slice_from(*s, n);
	return slice_trim(slice_of(p, to));
}

/* *(";" attribute "=" value).  What is between a bad parameter and the next
 * semicolon is skipped. */
static void
take_params(struct slice s, struct arena *a, struct mime_param **out,
    size_t *n_out)
{
	struct mime_param	found[MIME_MAX_PARAMS];
	size_t			n = 0;

	while (n < MIME_MAX_PARAMS && s.len > 0) {
		struct slice	name, value, skipped;

		skip_cfws(&s);
		if (s.len == 0 || s.p[0] != ';') {
			if (!slice_cut(&s, ';', &skipped))
				break;
		} else {
			s = slice_from(s, 1);
		}
		skip_cfws(&s);
		name = take_token(&s);
		skip_cfws(&s);
		if (name.len == 0 || s.len == 0 || s.p[0] != '=')
			continue;
		s = slice_from(s, 1);
		skip_cfws(&s);
		value = s.len > 0 && s.p[0] == '"' ? take_quoted(&s, a) :
		    take_loose(&s, a);
		found[n].name = slice_dup(a, name);
		found[n++].value = value;
	}
	if (n == 0)
		return;
	*out = arena_array(a, n, sizeof(**out));
	memcpy(*out, found, n * sizeof(**out));
	*n_out = n;
}

static void
default_type(struct mime_part *p, struct arena *a, bool digest)
{
	static const struct mime_param	ascii = {
		{ (const unsigned char *)"charset", 7 },
		{ (const unsigned char *)"us-ascii", 8 },
	};

	p->nparams = 0;
	if (digest) {
		p->type = SLICE_LIT("message");
		p->subtype = SLICE_LIT("rfc822");
		return;
	}
	p->type = SLICE_LIT("text");
	p->subtype = SLICE_LIT("plain");
	p->params = arena_array(a, 1, sizeof(*p->params));
	p->params[0] = ascii;
	p->nparams = 1;
}

/* type "/" subtype *(";" parameter).  RFC 2045 5.2: with a bad field the part
 * is text. */
static void
content_type(struct mime_part *p, struct slice body, struct arena *a)
{
	struct slice	type, subtype;

	skip_cfws(&body);
	type = take_token(&body);
	skip_cfws(&body);
	if (type.len == 0 || body.len == 0 || body.p[0] != '/') {
		default_type(p, a, false);
		return;
	}
	body = slice_from(body, 1);
	skip_cfws(&body);
	subtype = take_token(&body);
	if (subtype.len == 0) {
		default_type(p, a, false);
		return;
	}
	p->nparams = 0;
	p->type = slice_dup(a, type);
	p->subtype = slice_dup(a, subtype);
	take_params(body, a, &p->params, &p->nparams);
}

static void
disposition(struct mime_part *p, struct slice body, struct arena *a)
{
	skip_cfws(&body);
	p->disposition = slice_dup(a, take_token(&body));
	if (p->disposition.len == 0) {
		p->disposition = slice_of(NULL, 0);
		return;
	}
	take_params(body, a, &p->disposition_params,
	    &p->ndisposition_params);
}

static struct slice
text(struct slice body, struct arena *a)
{
	struct buf	b;
	struct slice	s;

	buf_init(&b, body.len);
	header_unfold(&b, body);
	s = slice_dup(a, buf_slice(&b));
	buf_clear(&b);
	return s;
}

static void
encoding(struct mime_part *p, struct slice body, struct arena *a)
{
	skip_cfws(&body);
	p->encoding = slice_dup(a, take_token(&body));
	if (p->encoding.len == 0)
		p->encoding = SLICE_LIT("7bit");
}

/* True: the field came a second time. */
static bool
content_field(struct mime_part *p, struct slice name, struct slice body,
    struct arena *a, bool seen[2])
{
	struct { const char *name; struct slice *to; } texts[] = {
		{ "Content-ID", &p->id },
		{ "Content-Description", &p->description },
		{ "Content-MD5", &p->md5 },
		{ "Content-Language", &p->language },
		{ "Content-Location", &p->location },
	};

	if (slice_iis(name, "Content-Type")) {
		if (seen[0])
			return true;
		seen[0] = true;
		content_type(p, body, a);
	} else if (slice_iis(name, "Content-Transfer-Encoding")) {
		if (seen[1])
			return true;
		seen[1] = true;
		encoding(p, body, a);
	} else if (slice_iis(name, "Content-Disposition")) {
		if (p->disposition.p == NULL)
			disposition(p, body, a);
	} else {
		for (size_t i = 0; i < COUNT(texts); i++)
			if (slice_iis(name, texts[i].name) &&
			    texts[i].to->p == NULL)
				*texts[i].to = text(body, a);
	}
	return false;
}

void
mime_fields(struct mime_part *p, struct slice section, bool digest,
    struct arena *a, bool *ambiguous)
{
	struct header_field	f;
	bool			seen[2] = { false, false };

	default_type(p, a, digest);
	p->encoding = SLICE_LIT("7bit");
	while (header_next(&section, &f)) {
		if (!slice_istarts(f.name, "Content-"))
			continue;
		if (content_field(p, f.name, f.body, a, seen))
			*ambiguous = true;
	}
}

struct slice
mime_param(const struct mime_param *p, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (slice_iis(p[i].name, name))
			return p[i].value;
	return slice_of(NULL, 0);
}
