/* SPDX-License-Identifier: Apache-2.0 */
/* Mailbox names.  On disk a mailbox below INBOX's directory is ".A.B" in
 * modified UTF-7.  What a client may not say is refused after decoding, so that
 * no spelling of ".." or "/" gets through. */
#include "store/store_int.h"

#include <string.h>

#include "base/ascii.h"
#include "codec/utf7.h"
#include "codec/utf8.h"

#define MAX_NAME	240		/* bytes of ".A.B" */

static bool
part_ok(struct slice part, char sep)
{
	if (part.len == 0 || part.p[0] == '~' || slice_is(part, ".") ||
	    slice_is(part, ".."))
		return false;
	for (size_t i = 0; i < part.len; i++)
		if (ascii_is_cntrl(part.p[i]) || part.p[i] == '/' ||
		    part.p[i] == '.' || part.p[i] == (unsigned char)sep)
			return false;
	return true;
}

static bool
is_inbox(struct slice s)
{
	return slice_iis(s, "INBOX");
}

char *
names_to_dir(const struct store *s, const char *name, struct arena *a)
{
	struct slice	rest = slice_str(name), part;
	struct buf	b;
	char		sep = s->conf.separator, *dir = NULL;
	bool		more = true;

	if (is_inbox(rest))
		return arena_strdup(a, "");
	/* "." cannot be in a component: on disk it separates them. */
	if (!utf8_valid(rest))
		return NULL;
	buf_init(&b, MAX_NAME);
	while (more) {
		more = slice_cut(&rest, sep, &part);
		if (!more)
			part = rest;
		if (!part_ok(part, sep))
			break;
		/* Children of INBOX in any spelling are the same. */
		if (buf_len(&b) == 0 && is_inbox(part))
			part = SLICE_LIT("INBOX");
		buf_addc(&b, '.');
		if (!utf7_put(&b, part))
			break;
		if (!more && !b.overflow)
			dir = arena_strndup(a, (const char *)buf_slice(&b).p,
			    buf_len(&b));
	}
	buf_clear(&b);
	return dir;
}

char *
names_from_dir(const struct store *s, const char *dir, struct arena *a)
{
	struct slice	rest = slice_str(dir), part;
	struct buf	b;
	char		*name = NULL, sep = s->conf.separator;
	bool		more = true;

	if (rest.len == 0)
		return arena_strdup(a, "INBOX");
	if (rest.p[0] != '.')
		return NULL;
	rest = slice_from(rest, 1);
	buf_init(&b, 4 * MAX_NAME);
	while (more) {
		size_t		was = buf_len(&b);

		more = slice_cut(&rest, '.', &part);
		if (!more)
			part = rest;
		if (was > 0) {
			buf_addc(&b, sep);
			was++;
		}
		if (!utf7_get(part, &b) ||
		    !part_ok(slice_from(buf_slice(&b), was), sep))
			break;
		if (!more && !b.overflow && !is_inbox(buf_slice(&b)))
			name = arena_strndup(a,
			    (const char *)buf_slice(&b).p, buf_len(&b));
	}
	buf_clear(&b);
	return name;
}

char *
names_path(const struct store_user *u, const char *dir, struct arena *a)
{
	return dir[0] == '\0' ? arena_strdup(a, u->path) :
	    arena_printf(a, "%s/%s", u->path, dir);
}
