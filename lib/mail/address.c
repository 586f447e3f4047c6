/* SPDX-License-Identifier: Apache-2.0 */
#include "mail/address.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/ascii.h"
#include "codec/utf8.h"

#define MAX_LOCAL	64	/* RFC 5321 4.5.3.1.1 */
#define MAX_LOCAL_LOOSE	255
#define MAX_DOMAIN	255	/* 4.5.3.1.2 */

static bool
bad(const char **why_out, const char *why)
{
	*why_out = why;
	return false;
}

/* RFC 5322 3.2.3 atext; bytes above 127 are looked at elsewhere. */
static bool
is_atext(int c)
{
	return c > 127 || ascii_is_alnum(c) ||
	    (c > 32 && c < 127 && strchr("!#$%&'*+-/=?^_`{|}~", c) != NULL);
}

/* Quoted-string = DQUOTE *QcontentSMTP DQUOTE (RFC 5321 4.1.2): its length,
 * 0: not well-formed. */
static size_t
quoted_len(struct slice s)
{
	for (size_t i = 1; i < s.len; i++) {
		if (s.p[i] == '"')
			return i + 1;
		if (s.p[i] == '\\')
			i++;
		if (i == s.len || ascii_is_cntrl(s.p[i]))
			return 0;
	}
	return 0;
}

/* Dot-string = Atom *("." Atom) */
static size_t
dot_string_len(struct slice s, bool loose)
{
	size_t	i = 0;

	for (; i < s.len; i++) {
		if (is_atext(s.p[i]))
			continue;
		if (s.p[i] != '.')
			break;
		if (!loose && (i == 0 || s.p[i - 1] == '.'))
			return 0;
	}
	return i > 0 && !loose && s.p[i - 1] == '.' ? 0 : i;
}

/* Local-part = Dot-string / Quoted-string */
static bool
take_local(struct slice *s, unsigned int ok, struct address *out,
    const char **why_out)
{
	bool	loose = (ok & ADDRESS_OK_LOOSE) != 0;
	size_t	n;

	if (s->len > 0 && s->p[0] == '"') {
		n = quoted_len(*s);
		out->flags |= ADDRESS_QUOTED;
	} else {
		n = dot_string_len(*s, loose);
	}
	if (n == 0)
		return bad(why_out, "bad local part");
	if (n > (loose ? MAX_LOCAL_LOOSE : MAX_LOCAL))
		return bad(why_out, "local part too long");
	out->local = slice_first(*s, n);
	*s = slice_from(*s, n);
	return true;
}

static bool
literal_ok(struct slice s)
{
	char			text[64];
	unsigned char		addr[16];

	if (s.len < 3 || s.p[s.len - 1] != ']' || s.len >= sizeof(text))
		return false;
	s = slice_first(slice_from(s, 1), s.len - 2);
	if (slice_istarts(s, "IPv6:")) {
		s = slice_from(s, 5);
		memcpy(text, s.p, s.len);
		text[s.len] = '\0';
		return strlen(text) == s.len &&
		    inet_pton(AF_INET6, text, addr) == 1;
	}
	memcpy(text, s.p, s.len);
	text[s.len] = '\0';
	return strlen(text) == s.len && inet_pton(AF_INET, text, addr) == 1;
}

/* sub-domain = Let-dig [Ldh-str]; we accept the underscore, as Postfix does,
 * because such domains receive mail. */
bool
address_domain_ok(struct slice s, bool utf8, bool literal)
{
	size_t	label = 0;
	int	all = 0;	/* their bits */

	if (s.len == 0 || s.len > MAX_DOMAIN)
		return false;
	if (s.p[0] == '[')
		return literal && literal_ok(s);
	for (size_t i = 0; i < s.len; i++) {
		int	c = s.p[i];
		bool	edge = label == 0 || i + 1 == s.len ||
			    s.p[i + 1] == '.';

		if (c == '.') {
			if (label == 0 || i + 1 == s.len)
				return false;
			label = 0;
			continue;
		}
		if (!ascii_is_alnum(c) && c != '_' && (c != '-' || edge) &&
		    (c < 128 || !utf8))
			return false;
		if (++label > 63)
			return false;
		all |= c;
	}
	return all < 128 || utf8_valid(s);
}

static bool
take_domain(struct slice *s, unsigned int ok, struct address *out,
    const char **why_out)
{
	size_t	n = 0;

	if (s->len > 0 && s->p[0] == '[') {
		while (n < s->len && s->p[n] != ']')
			n++;
		n += n < s->len ? 1 : 0;
		out->flags |= ADDRESS_LITERAL;
	} else {
		while (n < s->len && (ascii_is_alnum(s->p[n]) ||
		    s->p[n] > 127 || (s->p[n] != 0 &&
		    strchr("-._", s->p[n]) != NULL)))
			n++;
	}
	out->domain = slice_first(*s, n);
	if (!address_domain_ok(out->domain, (ok & ADDRESS_OK_UTF8) != 0, true))
		return bad(why_out, n > MAX_DOMAIN ? "domain too long" :
		    "bad domain");
	*s = slice_from(*s, n);
	return true;
}

/* Mailbox = Local-part "@" ( Domain / address-literal ) */
static bool
take_mailbox(struct slice *s, unsigned int ok, struct address *out,
    const char **why_out)
{
	struct slice	before = *s;

	if (!take_local(s, ok, out, why_out))
		return false;
	if (s->len > 0 && s->p[0] == '@') {
		*s = slice_from(*s, 1);
		if (!take_domain(s, ok, out, why_out))
			return false;
	} else if ((ok & ADDRESS_OK_NODOMAIN) != 0) {
		out->flags |= ADDRESS_NODOMAIN;
	} else {
		return bad(why_out, "domain missing");
	}
	before = slice_first(before, before.len - s->len);
	if (!utf8_has_8bit(before))
		return true;
	out->flags |= ADDRESS_UTF8;
	if ((ok & ADDRESS_OK_UTF8) == 0)
		return bad(why_out, "non-ASCII address");
	return utf8_valid(before) || bad(why_out, "not UTF-8");
}

/* A-d-l ":" with A-d-l = "@" Domain *( "," "@" Domain ); RFC 5321 says to
 * accept and ignore it. */
static bool
skip_route(struct slice *s, unsigned int ok, const char **why_out)
{
	while (s->len > 0 && s->p[0] == '@') {
		struct address	hop = { .flags = 0 };

		*s = slice_from(*s, 1);
		if (!take_domain(s, ok, &hop, why_out))
			return false;
		if (s->len > 0 && s->p[0] == ':') {
			*s = slice_from(*s, 1);
			return true;
		}
		if (s->len == 0 || s->p[0] != ',')
			return bad(why_out, "bad source route");
		*s = slice_from(*s, 1);
	}
	return true;
}

bool
address_path_take(struct slice *in, unsigned int ok, struct address *out,
    const char **why_out)
{
	struct slice	s = *in;
	bool		angle = s.len > 0 && s.p[0] == '<';

	*out = (struct address){ .flags = 0 };
	if (!angle && (ok & ADDRESS_OK_BARE) == 0)
		return bad(why_out, "< missing");
	if (angle) {
		s = slice_from(s, 1);
		if ((ok & ADDRESS_OK_NULL) != 0 && s.len > 0 &&
		    s.p[0] == '>') {
			out->flags = ADDRESS_NULL;
			*in = slice_from(s, 1);
			return true;
		}
		if (!skip_route(&s, ok, why_out))
			return false;
	}
	if (!take_mailbox(&s, ok, out, why_out))
		return false;
	if (angle) {
		if (s.len == 0 || s.p[0] != '>')
			return bad(why_out, "> missing");
		s = slice_from(s, 1);
	}
	/* Parameters follow after a space. */
	if (s.len > 0 && s.p[0] != ' ')
		return bad(why_out, "garbage after the address");
	*in = s;
	return true;
}

bool
address_parse(struct slice s, unsigned int ok, struct address *out,
    const char **why_out)
{
	*out = (struct address){ .flags = 0 };
	if (s.len == 0 && (ok & ADDRESS_OK_NULL) != 0) {
		out->flags = ADDRESS_NULL;
		return true;
	}
	if (!take_mailbox(&s, ok, out, why_out))
		return false;
	return s.len == 0 || bad(why_out, "garbage after the address");
}

struct slice
address_local(struct arena *a, const struct address *ad)
{
	unsigned char	*p;
	size_t		 n = 0;

	if ((ad->flags & ADDRESS_QUOTED) == 0)
		return slice_dup(a, ad->local);
	p = arena_alloc(a, ad->local.len + 1);
	for (size_t i = 1; i + 1 < ad->local.len; i++) {
		if (ad->local.p[i] == '\\')
			i++;
		p[n++] = ad->local.p[i];
	}
	return slice_of(p, n);
}

char *
address_str(struct arena *a, const struct address *ad)
{
	if ((ad->flags & ADDRESS_NULL) != 0)
		return arena_strdup(a, "");
	if ((ad->flags & ADDRESS_NODOMAIN) != 0)
		return arena_strndup(a, (const char *)ad->local.p,
		    ad->local.len);
	return arena_join(a, ad->local, "@", ad->domain);
}

void
address_put(struct buf *out, struct slice local, struct slice domain)
{
	if (local.len > 0 && dot_string_len(local, false) == local.len) {
		buf_add_slice(out, local);
	} else {
		buf_addc(out, '"');
		for (size_t i = 0; i < local.len; i++) {
			if (local.p[i] == '"' || local.p[i] == '\\')
				buf_addc(out, '\\');
			buf_addc(out, local.p[i]);
		}
		buf_addc(out, '"');
	}
	if (domain.len > 0) {
		buf_addc(out, '@');
		buf_add_slice(out, domain);
	}
}
