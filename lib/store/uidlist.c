/* SPDX-License-Identifier: Apache-2.0 */
#include "store/uidlist.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/ascii.h"
#include "store/record.h"
#include "sys/file.h"

#define NAME		"dovecot-uidlist"
#define KEYWORDS	"dovecot-keywords"
#define MAX_FILE	((size_t)1 << 30)

static bool
hex_guid(struct slice s, unsigned char out[16])
{
	if (s.len != 32)
		return false;
	for (size_t i = 0; i < 16; i++) {
		int	high = ascii_hex(s.p[2 * i]);
		int	low = ascii_hex(s.p[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		out[i] = (unsigned char)(high << 4 | low);
	}
	return true;
}

static uint32_t
number(struct slice s)
{
	uint64_t	v;

	return slice_u64(s, UINT32_MAX - 1, &v) ? (uint32_t)v : 0;
}

/* "3 V<uidvalidity> N<next> G<guid>", or "1 <uidvalidity> <next>" (Courier's
 * courierimapuiddb too).  Returns the version, 0: bad. */
static int
header(struct slice line, struct uidlist *u)
{
	struct slice	word;
	int		version;

	if (!slice_word(&line, " ", &word))
		return 0;
	version = slice_is(word, "3") ? 3 : slice_is(word, "1") ? 1 : 0;
	while (version == 3 && slice_word(&line, " ", &word)) {
		struct slice	value = slice_from(word, 1);

		if (word.p[0] == 'V')
			u->uidvalidity = number(value);
		if (word.p[0] == 'N')
			u->uidnext = number(value);
		if (word.p[0] == 'G')
			u->has_guid = hex_guid(value, u->guid);
	}
	if (version == 1) {
		if (slice_word(&line, " ", &word))
			u->uidvalidity = number(word);
		if (slice_word(&line, " ", &word))
			u->uidnext = number(word);
	}
	return u->uidvalidity == 0 ? 0 : version;
}

/* "<uid> [K<value>]... :<name>" or "<uid> <name>". */
static bool
row(struct slice line, int version, struct arena *a, struct uidlist *u,
    uint32_t *last)
{
	struct slice		 word, name;
	struct uidlist_row	*r;
	ptrdiff_t		 colon;
	uint32_t		 uid;

	if (!slice_word(&line, " ", &word) || (uid = number(word)) <= *last)
		return false;
	if (version == 3) {
		colon = slice_starts(line, ":") ? 0 :
		    slice_search(line, SLICE_LIT(" :"));
		if (colon < 0)
			return false;
		name = slice_from(line, (size_t)colon + (colon > 0 ? 2 : 1));
		if (colon == 0 && slice_starts(line, " :"))
			name = slice_from(line, 2);
	} else {
		name = slice_trim(line);
	}
	name = record_base(name);
	if (name.len == 0 || slice_find(line, '/') >= 0)
		return false;
	*last = uid;
	r = arena_alloc(a, sizeof(*r));
	r->uid = uid;
	/* A name that comes twice has its later UID. */
	(void)hash_put(u->uids, name, r);
	return true;
}

void
uidlist_read(int dirfd, struct arena *a, struct uidlist *out)
{
	struct buf	b;
	struct slice	text, line;
	uint32_t	last = 0;
	int		version;

	*out = (struct uidlist){ .uids = hash_new() };
	buf_init(&b, MAX_FILE);
	if ((file_read_all(dirfd, NAME, &b, NULL) < 0 || buf_len(&b) == 0) &&
	    file_read_all(dirfd, "courierimapuiddb", &b, NULL) < 0) {
		buf_clear(&b);
		return;
	}
	text = buf_slice(&b);
	if (slice_cut(&text, '\n', &line) &&
	    (version = header(line, out)) != 0) {
		out->found = true;
		/* Damaged rows are skipped: their files get new UIDs. */
		while (slice_cut(&text, '\n', &line))
			(void)row(line, version, a, out, &last);
		if (out->uidnext <= last)
			out->uidnext = last + 1;
	}
	buf_clear(&b);
}

void
uidlist_clear(struct uidlist *u)
{
	hash_free(&u->uids);
}

void
uidlist_row(struct buf *out, uint32_t uid, struct slice name)
{
	struct slice	base = record_base(name);

	buf_addf(out, "%u :%.*s\n", uid, SLICE_ARG(base));
}

int
uidlist_write(struct box *b, uint32_t uidnext, struct error *err)
{
	struct buf	out;
	struct slice	name;
	int		r;

	buf_init(&out, MAX_FILE);
	buf_addf(&out, "3 V%u N%u G", b->log.header.uidvalidity, uidnext);
	for (size_t i = 0; i < 16; i++)
		buf_addf(&out, "%02x", b->log.header.guid[i]);
	buf_addc(&out, '\n');
	for (size_t i = 0; i < box_count(b); i++)
		if ((box_rec(b, i)->flags & REC_DEAD) == 0 &&
		    box_name(b, i, &name))
			uidlist_row(&out, box_rec(b, i)->uid, name);
	r = file_replace(b->dirfd, NAME, 0600, buf_slice(&out).p,
	    buf_len(&out), err);
	buf_clear(&out);
	return r;
}

void
uidlist_append(int dirfd, struct slice rows)
{
	int	fd = openat(dirfd, NAME, O_WRONLY | O_APPEND | O_CLOEXEC |
		    O_NOFOLLOW);

	if (fd < 0)
		return;
	(void)!file_write(fd, rows.p, rows.len);
	close(fd);
}

/* Rows "<0..25> <name>". */
void
uidlist_keywords_read(int dirfd, struct arena *a, const char *out[26])
{
	struct buf	b;
	struct slice	text, line, word;
	uint64_t	n;

	memset(out, 0, 26 * sizeof(*out));
	buf_init(&b, 65536);
	if (file_read_all(dirfd, KEYWORDS, &b, NULL) < 0) {
		buf_clear(&b);
		return;
	}
	text = buf_slice(&b);
	while (slice_cut(&text, '\n', &line)) {
		if (!slice_word(&line, " ", &word) ||
		    !slice_u64(word, 25, &n))
			continue;
		line = slice_trim(line);
		if (line.len > 0 && line.len <= STORE_KEYWORD_LEN)
			out[n] = slice_cstr(a, line);
	}
	buf_clear(&b);
}

int
uidlist_keywords_write(const struct box *b, struct error *err)
{
	struct buf	out;
	int		r;

	buf_init(&out, 65536);
	for (unsigned int i = 0; i < b->nkeywords && i < 26; i++)
		buf_addf(&out, "%u %s\n", i, b->keywords[i]);
	r = file_replace(b->dirfd, KEYWORDS, 0600, buf_slice(&out).p,
	    buf_len(&out), err);
	buf_clear(&out);
	return r;
}
