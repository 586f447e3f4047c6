/* SPDX-License-Identifier: Apache-2.0 */
#include "store/record.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "mail/header.h"
#include "mail/mime.h"
#include "sys/file.h"

#define MAX_HEADERS	65536
#define MAX_STRUCTURE	(1 << 20)
#define MAX_READ	(16 << 20)	/* larger ones are mapped */

/* Fields of ENVELOPE and those that clients ask for in lists. */
#define K(name)	{ name, sizeof(name) - 1 }
static const struct {
	const char	*name;
	size_t		 len;
} kept[] = {
	K("Date"), K("Subject"), K("From"), K("Sender"), K("Reply-To"),
	K("To"), K("Cc"), K("Bcc"), K("In-Reply-To"), K("Message-ID"),
	K("References"), K("MIME-Version"), K("Content-Type"),
	K("Content-Transfer-Encoding"), K("Content-Disposition"),
	K("Content-Language"), K("Importance"), K("Priority"),
	K("X-Priority"), K("X-MSMail-Priority"), K("Precedence"),
	K("Auto-Submitted"), K("Newsgroups"), K("List-Id"), K("List-Post"),
	K("List-Help"), K("List-Unsubscribe"), K("List-Unsubscribe-Post"),
	K("Mail-Followup-To"), K("Mail-Reply-To"), K("Return-Path"),
	K("Delivered-To"), K("X-Original-To"), K("Organization"),
	K("User-Agent"), K("X-Mailer"), K("X-Spam-Flag"), K("X-Spam-Status"),
	K("X-Spam-Level"), K("Authentication-Results"),
	K("Disposition-Notification-To"), K("Return-Receipt-To"),
	K("X-Uniform-Type-Identifier"), K("X-Universally-Unique-Identifier"),
	K("Thread-Topic"), K("Thread-Index"), K("X-UIDL"),
};
#undef K

bool
record_keeps(struct slice name)
{
	if (name.len == 0)
		return false;
	/* Lengths and first letters differ mostly. */
	for (size_t i = 0; i < COUNT(kept); i++)
		if (kept[i].len == name.len &&
		    ((kept[i].name[0] ^ name.p[0]) & 0x5f) == 0 &&
		    slice_iis(name, kept[i].name))
			return true;
	return false;
}

/* Append a field with CRLF line ends, the last one included. */
static void
put_field(struct buf *out, struct slice whole)
{
	struct slice	line;

	while (slice_cut(&whole, '\n', &line)) {
		buf_add_slice(out, line);
		buf_adds(out, line.len > 0 && line.p[line.len - 1] == '\r' ?
		    "\n" : "\r\n");
	}
	if (whole.len > 0) {
		buf_add_slice(out, whole);
		buf_adds(out, "\r\n");
	}
}

static struct slice
keep_headers(struct slice message, struct arena *a, bool *partial_out)
{
	struct header_field	f;
	struct buf		b;
	struct slice		s;

	buf_init(&b, 2 * MAX_HEADERS);
	while (header_next(&message, &f)) {
		if (!record_keeps(f.name))
			continue;
		if (buf_len(&b) + f.whole.len > MAX_HEADERS)
			*partial_out = true;
		else
			put_field(&b, f.whole);
	}
	if (b.overflow)
		*partial_out = true;
	s = slice_dup(a, buf_slice(&b));
	buf_clear(&b);
	return s;
}

void
record_of_bytes(struct slice message, struct arena *a, struct box_msg *m)
{
	struct arena		*scratch = arena_new();
	struct mime_message	 mime;
	struct buf		 b;

	mime_parse(message, scratch, &mime);
	m->disk_size = message.len;
	m->wire_size = mime.size;
	m->headers = keep_headers(message, a, &m->partial);
	buf_init(&b, MAX_STRUCTURE);
	mime_put(&b, &mime);
	/* Too large to keep: computed when asked for. */
	m->structure = b.overflow ? slice_of("", 0) :
	    slice_dup(a, buf_slice(&b));
	buf_clear(&b);
	arena_free(&scratch);
}

int64_t
record_date(const struct stat *st)
{
	return (int64_t)st->st_mtim.tv_sec * USEC_PER_SEC +
	    st->st_mtim.tv_nsec / 1000;
}

int
record_read(int fd, struct slice *out, bool *mapped_out, int64_t *date_out,
    struct error *err)
{
	struct stat	 st;
	size_t		 size;
	unsigned char	*p;
	ssize_t		 n;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return error_set(err, "message is not a file");
	if (date_out != NULL)
		*date_out = record_date(&st);
	size = (size_t)st.st_size;
	*mapped_out = size > MAX_READ;
	if (*mapped_out) {
		p = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
		if (p == MAP_FAILED)
			return error_sys(err, "map message");
		*out = slice_of(p, size);
		return 0;
	}
	p = mem_new(size + 1, 1);
	n = file_pread(fd, p, size, 0);
	if (n < 0) {
		mem_free(&p);
		return error_sys(err, "read message");
	}
	*out = slice_of(p, (size_t)n);
	return 0;
}

void
record_unread(struct slice *s, bool mapped)
{
	void	*p = (void *)(uintptr_t)s->p;

	if (mapped)
		munmap(p, s->len);
	else
		mem_free(&p);
	*s = slice_of(NULL, 0);
}

int
record_of(int fd, struct arena *a, struct box_msg *m, struct error *err)
{
	struct slice	message;
	bool		mapped;

	if (record_read(fd, &message, &mapped, NULL, err) < 0)
		return -1;
	record_of_bytes(message, a, m);
	record_unread(&message, mapped);
	return 0;
}

static const struct { char letter; uint32_t flag; } letters[] = {
	{ 'D', STORE_DRAFT }, { 'F', STORE_FLAGGED }, { 'P', STORE_PASSED },
	{ 'R', STORE_ANSWERED }, { 'S', STORE_SEEN }, { 'T', STORE_DELETED },
};

struct slice
record_base(struct slice name)
{
	ptrdiff_t	at = slice_rfind(name, '/');

	if (at >= 0)
		name = slice_from(name, (size_t)at + 1);
	at = slice_find(name, ':');
	return at < 0 ? name : slice_first(name, (size_t)at);
}

/* The number behind key, up to the next field or the end. */
static bool
name_number(struct slice base, struct slice key, uint64_t *out)
{
	ptrdiff_t	at = slice_search(base, key), end;

	if (at < 0)
		return false;
	base = slice_from(base, (size_t)at + key.len);
	end = slice_find(base, ',');
	return slice_u64(end < 0 ? base : slice_first(base, (size_t)end),
	    (uint64_t)1 << 50, out);
}

bool
record_name_sizes(struct slice name, uint64_t *disk_out, uint64_t *wire_out)
{
	struct slice	base = record_base(name);

	/* No line is shorter than its LF, which may become two bytes. */
	return name_number(base, SLICE_LIT(",S="), disk_out) &&
	    name_number(base, SLICE_LIT(",W="), wire_out) &&
	    *wire_out >= *disk_out && *wire_out <= 2 * *disk_out;
}

/* What is behind ":2,". */
static struct slice
info_of(struct slice name)
{
	ptrdiff_t	at = slice_search(name, SLICE_LIT(":2,"));

	return at < 0 ? slice_of("", 0) : slice_from(name, (size_t)at + 3);
}

uint32_t
record_name_flags(struct slice name, uint64_t *letters_out)
{
	struct slice	info = info_of(name);
	uint32_t	flags = 0;

	*letters_out = 0;
	for (size_t i = 0; i < info.len && info.p[i] != ','; i++) {
		if (info.p[i] >= 'a' && info.p[i] <= 'z')
			*letters_out |= UINT64_C(1) << (info.p[i] - 'a');
		for (size_t k = 0; k < COUNT(letters); k++)
			if (info.p[i] == letters[k].letter)
				flags |= letters[k].flag;
	}
	return flags;
}

void
record_name(struct buf *out, struct slice name, uint32_t flags,
    uint64_t keywords)
{
	struct slice	info = info_of(name);
	ptrdiff_t	comma = slice_find(info, ',');
	struct slice	mine = comma < 0 ? info :
			    slice_first(info, (size_t)comma);
	bool		in_new = slice_starts(name, "new/") && flags == 0 &&
			    (keywords & 0x3ffffff) == 0 && info.len == 0;

	buf_adds(out, in_new ? "new/" : "cur/");
	buf_add_slice(out, record_base(name));
	if (in_new)
		return;
	buf_adds(out, ":2,");
	/* ASCII order; letters that mean nothing to us stay. */
	for (int c = '!'; c < 127; c++) {
		bool	on = c != ',' && slice_find(mine, c) >= 0;

		for (size_t k = 0; k < COUNT(letters); k++)
			if (c == letters[k].letter)
				on = (flags & letters[k].flag) != 0;
		if (c >= 'a' && c <= 'z')
			on = (keywords >> (c - 'a') & 1) != 0;
		if (on)
			buf_addc(out, c);
	}
	if (comma >= 0)
		buf_add_slice(out, slice_from(info, (size_t)comma));
}
