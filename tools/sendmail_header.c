/* SPDX-License-Identifier: Apache-2.0 */
/* Recipients from the header section (-t). */
#include <string.h>

#include "mail/address.h"
#include "mail/header.h"
#include "tools/sendmail.h"

#define ADDRESSES_MAX	50000

void
rcpts_add(struct rcpts *r, const char *address)
{
	if (r->n == r->size) {
		size_t		 size = r->size * 2 + 16;
		const char	**more = arena_array(r->mem, size,
		    sizeof(*more));

		if (r->n > 0)
			memcpy(more, r->list, r->n * sizeof(*more));
		r->list = more;
		r->size = size;
	}
	r->list[r->n++] = address;
}

void
rcpts_add_list(struct rcpts *r, struct slice text)
{
	struct address_item	*items;
	size_t			 n;

	n = address_list_parse(text, ADDRESSES_MAX, r->mem, &items);
	for (size_t i = 0; i < n; i++) {
		const char	*s;

		if (items[i].kind != ADDRESS_MAILBOX ||
		    items[i].spec.len == 0)
			continue;
		s = slice_cstr(r->mem, slice_trim(items[i].spec));
		if (s != NULL && s[0] != '\0')
			rcpts_add(r, s);
	}
}

/* Which fields name recipients: those of a resent message replace the others
 * (RFC 5322 3.6.6). */
static const char *const	fields[2][3] = {
	{ "To", "Cc", "Bcc" },
	{ "Resent-To", "Resent-Cc", "Resent-Bcc" },
};

static bool
named(struct slice name, const char *const names[3], size_t from)
{
	for (size_t i = from; i < 3; i++)
		if (slice_iis(name, names[i]))
			return true;
	return false;
}

void
header_take_rcpts(struct slice section, struct rcpts *r, struct buf *kept)
{
	struct header_field	 f;
	struct slice		 s = section;
	bool			 resent = false;

	while (header_next(&s, &f))
		resent |= named(f.name, fields[1], 0);
	s = section;
	while (header_next(&s, &f)) {
		if (named(f.name, fields[resent], 0))
			rcpts_add_list(r, f.body);
		if (!named(f.name, fields[0], 2) &&
		    !named(f.name, fields[1], 2))
			buf_add_slice(kept, f.whole);
	}
}
