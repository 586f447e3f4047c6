/* SPDX-License-Identifier: Apache-2.0 */
/* Header, records, keyword names (each ended by NUL).  The records are mapped
 * privately: what a session changes in memory costs that page only.  Not
 * synced: a torn one fails its CRC and is made anew. */
#include "store/snapshot.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "base/mem.h"
#include "sys/file.h"

struct header {
	char			 magic[8];	/* "PHIDX\0\0\1" */
	uint64_t		 generation;	/* of the log */
	uint64_t		 log_end, log_last;
	struct log_totals	 totals;
	uint32_t		 nrecs, nkeywords, keyword_bytes;
	uint32_t		 crc;		/* of the records and names */
	uint32_t		 zero;
	uint32_t		 header_crc;	/* of the bytes before */
};

_Static_assert(sizeof(struct rec) == 64, "rec");
_Static_assert(sizeof(struct header) == 120, "snapshot header");

#define RECS_AT	128

static const char	magic[8] = { 'P', 'H', 'I', 'D', 'X', 0, 0, 1 };

static bool
names_load(struct box *b, const struct header *h, struct slice names)
{
	struct slice	name;
	unsigned int	n = 0;

	while (n < h->nkeywords && slice_cut(&names, '\0', &name)) {
		if (name.len == 0 || name.len > STORE_KEYWORD_LEN)
			return false;
		b->keywords[n++] = mem_printf("%.*s", SLICE_ARG(name));
	}
	b->nkeywords = n;
	return n == h->nkeywords;
}

static bool
fits(const struct box *b, const struct header *h, const unsigned char *p,
    size_t len)
{
	size_t	body;

	if (memcmp(h->magic, magic, sizeof(magic)) != 0 ||
	    h->header_crc != crc32c(0, h, offsetof(struct header,
	    header_crc)) || h->generation != b->log.header.generation)
		return false;
	body = (size_t)h->nrecs * sizeof(struct rec) + h->keyword_bytes;
	return h->nkeywords <= STORE_KEYWORDS_MAX && RECS_AT + body == len &&
	    crc32c(0, p + RECS_AT, body) == h->crc;
}

static bool
adopt(struct box *b, unsigned char *p, size_t len)
{
	struct header	h;
	struct stat	log;
	size_t		recs;

	memcpy(&h, p, sizeof(h));
	if (!fits(b, &h, p, len) || fstat(b->log.fd, &log) < 0 ||
	    (uint64_t)log.st_size < h.log_end)
		return false;
	recs = h.nrecs * sizeof(struct rec);
	if (!names_load(b, &h, slice_of(p + RECS_AT + recs,
	    h.keyword_bytes)))
		return false;
	b->base = (void *)(p + RECS_AT);
	b->nbase = h.nrecs;
	b->totals = h.totals;
	b->log.totals = h.totals;
	b->log.end = b->snap_log_end = h.log_end;
	b->log.last = h.log_last;
	return true;
}

void
snapshot_load(struct box *b)
{
	struct stat	 st;
	unsigned char	*p = MAP_FAILED;
	int		 fd;

	fd = openat(b->dirfd, SNAPSHOT_NAME, O_RDONLY | O_CLOEXEC |
	    O_NOFOLLOW);
	if (fd < 0)
		return;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	    st.st_size >= RECS_AT)
		p = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE, fd, 0);
	close(fd);
	if (p == MAP_FAILED)
		return;
	if (adopt(b, p, (size_t)st.st_size)) {
		b->snap = p;
		b->snap_len = (size_t)st.st_size;
		return;
	}
	munmap(p, (size_t)st.st_size);
	for (unsigned int i = 0; i < STORE_KEYWORDS_MAX; i++)
		mem_free(&b->keywords[i]);
	b->nkeywords = 0;
}

static void
fill(const struct box *b, struct buf *out, struct header *h)
{
	unsigned char	zeros[RECS_AT] = { 0 };
	size_t		body;

	buf_add(out, zeros, sizeof(zeros));
	for (size_t i = 0; i < box_count(b); i++) {
		const struct rec	*r = box_rec(b, i);

		if ((r->flags & REC_DEAD) != 0)
			continue;
		buf_add(out, r, sizeof(*r));
		h->nrecs++;
	}
	body = buf_len(out);
	for (unsigned int i = 0; i < b->nkeywords; i++)
		buf_add(out, b->keywords[i], strlen(b->keywords[i]) + 1);
	h->nkeywords = b->nkeywords;
	h->keyword_bytes = (uint32_t)(buf_len(out) - body);
	h->crc = crc32c(0, out->mem + out->from + RECS_AT,
	    buf_len(out) - RECS_AT);
	h->header_crc = crc32c(0, h, offsetof(struct header, header_crc));
	memcpy(out->mem + out->from, h, sizeof(*h));
}

int
snapshot_write(const struct box *b)
{
	struct header	h = { .generation = b->log.header.generation,
			    .log_end = b->log.end, .log_last = b->log.last,
			    .totals = b->totals };
	char		tmp[64];
	struct buf	out;
	int		fd, r;

	if (b->light)
		return -1;
	memcpy(h.magic, magic, sizeof(magic));
	(void)snprintf(tmp, sizeof(tmp), "tmp/.index.%d.%p", (int)getpid(),
	    (const void *)b);
	(void)unlinkat(b->dirfd, tmp, 0);
	fd = openat(b->dirfd, tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC |
	    O_NOFOLLOW, 0600);
	if (fd < 0)
		return -1;
	buf_init(&out, (size_t)1 << 40);
	fill(b, &out, &h);
	r = file_write(fd, buf_slice(&out).p, buf_len(&out));
	buf_clear(&out);
	if (close(fd) < 0)
		r = -1;
	if (r == 0)
		r = renameat(b->dirfd, tmp, b->dirfd, SNAPSHOT_NAME);
	if (r < 0)
		(void)unlinkat(b->dirfd, tmp, 0);
	return r < 0 ? -1 : 0;
}
