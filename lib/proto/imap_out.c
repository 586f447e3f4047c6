/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/imap_out.h"

#include "base/ascii.h"

/* Longer strings go as literals: quoting helps nobody there, and clients
 * have bounded line buffers. */
#define QUOTED_MAX	1000

static bool
can_quote(struct slice s)
{
	if (s.len > QUOTED_MAX)
		return false;
	for (size_t i = 0; i < s.len; i++)
		/* Most are neither controls nor beyond ASCII. */
		if ((s.p[i] < ' ' && (s.p[i] == '\0' || s.p[i] == '\r' ||
		    s.p[i] == '\n')) || s.p[i] > 127)
			return false;
	return true;
}

static void
add_literal(struct buf *out, struct slice s)
{
	buf_addf(out, "{%zu}\r\n", s.len);
	while (s.len > 0) {
		ptrdiff_t	 nul = slice_find(s, '\0');
		size_t		 n = nul < 0 ? s.len : (size_t)nul;

		buf_add(out, s.p, n);
		s = slice_from(s, n);
		if (nul >= 0) {
			buf_addc(out, 0x80);
			s = slice_from(s, 1);
		}
	}
}

void
imap_add_string(struct buf *out, struct slice s)
{
	if (!can_quote(s)) {
		add_literal(out, s);
		return;
	}
	buf_addc(out, '"');
	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] != '"' && s.p[i] != '\\')
			continue;
		buf_add(out, s.p, i);
		buf_addc(out, '\\');
		s = slice_from(s, i);
		i = 0;			/* it goes out with what follows */
	}
	buf_add_slice(out, s);
	buf_addc(out, '"');
}

void
imap_add_nstring(struct buf *out, struct slice s)
{
	if (s.p == NULL)
		buf_adds(out, "NIL");
	else
		imap_add_string(out, s);
}

void
imap_add_astring(struct buf *out, struct slice s)
{
	if (imap_keyword_ok(s) && !slice_iis(s, "NIL") &&
	    slice_find(s, '[') < 0)
		buf_add_slice(out, s);
	else
		imap_add_string(out, s);
}

void
imap_add_date_time(struct buf *out, int64_t secs)
{
	int64_t	 days = secs / 86400, rest = secs % 86400;
	int	 y, m, d;

	if (rest < 0) {
		rest += 86400;
		days--;
	}
	imap_civil(days, &y, &m, &d);
	if (y < 0 || y > 9999) {
		buf_adds(out, "\"01-Jan-1970 00:00:00 +0000\"");
		return;
	}
	buf_addf(out, "\"%02d-%s-%04d %02d:%02d:%02d +0000\"", d,
	    imap_months[m - 1], y, (int)(rest / 3600),
	    (int)(rest / 60 % 60), (int)(rest % 60));
}

void
imap_add_flags(struct buf *out, unsigned system)
{
	static const struct {
		unsigned	 bit;
		const char	*name;
	}	 names[] = {
		{ IMAP_ANSWERED, "\\Answered" },
		{ IMAP_FLAGGED, "\\Flagged" },
		{ IMAP_DELETED, "\\Deleted" },
		{ IMAP_SEEN, "\\Seen" },
		{ IMAP_DRAFT, "\\Draft" },
		{ IMAP_RECENT, "\\Recent" },
	};
	const char	*space = "";

	for (size_t i = 0; i < COUNT(names); i++) {
		if ((system & names[i].bit) == 0)
			continue;
		buf_adds(out, space);
		buf_adds(out, names[i].name);
		space = " ";
	}
}

void
imap_add_text(struct buf *out, const char *text)
{
	if (*text == '\0')
		text = "Done";
	for (; *text != '\0'; text++)
		buf_addc(out, ascii_is_cntrl((unsigned char)*text) ||
		    (unsigned char)*text > 127 ? ' ' : *text);
}
