/* SPDX-License-Identifier: Apache-2.0 */
/* Readers take no lock: a frame is there when its length fits the file and its
 * CRC is right.  They look at new bytes through pread(2) and map only what was
 * found good, because a writer may cut off a torn tail at any time, and a
 * mapping of bytes that went away kills its reader.
 *
 * The CRC starts from a number that differs in each file, so that bytes of a
 * message, which are in the log too, never pass for a frame. */
#include "store/log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "base/mem.h"
#include "base/panic.h"
#include "sys/clock.h"
#include "sys/file.h"

#define MAGIC_FRAME	UINT32_C(0x4d524650)	/* "PFRM" */
#define MAGIC_REC	UINT16_C(0x6352)
#define NEW_NAME	"posthouse.log.new"
#define CHUNK		65536
#define RESERVE		256	/* UIDs promised ahead at a time */
#define LOST		65536	/* more than is ever promised at once */
#define HINT_EVERY	32768	/* bytes from one hint to the next */
#define LOOK_EVERY	MSECS(10)

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
    "the structs of the log are its format");
_Static_assert(sizeof(struct log_header) == 56, "log_header");
_Static_assert(sizeof(struct log_mutable) == 40, "log_mutable");
_Static_assert(sizeof(struct log_totals) == 64, "log_totals");
_Static_assert(sizeof(struct log_frame) == 80, "log_frame");
_Static_assert(sizeof(struct log_rec) == 24, "log_rec");
_Static_assert(sizeof(struct log_append) == 72, "log_append");
_Static_assert(sizeof(struct log_flags) == 16, "log_flags");

#define MUTABLE_AT	64
#define CRC_FROM	12		/* in a frame */

static const char	magic[8] = { 'P', 'H', 'L', 'O', 'G', 0, 0, 1 };

static uint32_t
seed(const struct log *l)
{
	return (uint32_t)(l->header.generation ^ l->header.generation >> 32);
}

static uint64_t
file_size(const struct log *l)
{
	struct stat	st;

	return fstat(l->fd, &st) < 0 ? 0 : (uint64_t)st.st_size;
}

static bool
header_good(const struct log_header *h)
{
	return memcmp(h->magic, magic, sizeof(magic)) == 0 &&
	    h->crc == crc32c(0, h, offsetof(struct log_header, crc)) &&
	    h->uidvalidity != 0;
}

enum log_open
log_attach(struct log *l, int dirfd, struct error *err)
{
	struct stat	st;

	*l = (struct log){ .dirfd = dirfd, .end = LOG_FIRST };
	l->fd = openat(dirfd, LOG_FILE, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (l->fd < 0) {
		if (errno == ENOENT)
			return LOG_MISSING;
		error_sys(err, "open %s", LOG_FILE);
		return LOG_ERROR;
	}
	if (fstat(l->fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		error_set(err, "%s is not a file", LOG_FILE);
		log_close(l);
		return LOG_ERROR;
	}
	l->ino = st.st_ino;
	l->dev = st.st_dev;
	if (file_pread(l->fd, &l->header, sizeof(l->header), 0) !=
	    (ssize_t)sizeof(l->header) || !header_good(&l->header))
		return LOG_DAMAGED;
	if (file_pread(l->fd, &l->mut, sizeof(l->mut), MUTABLE_AT) !=
	    (ssize_t)sizeof(l->mut))
		return LOG_DAMAGED;
	return LOG_OPENED;
}

void
log_idle(struct log *l)
{
	mem_free(&l->chunk);
	l->chunk_len = l->chunk_size = 0;
}

void
log_close(struct log *l)
{
	if (l->map != NULL)
		munmap(l->map, l->map_len);
	l->map = NULL;
	l->map_len = 0;
	log_idle(l);
	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
	l->locked = false;
}

int
log_replaced(const struct log *l, struct error *err)
{
	struct stat	st;

	if (fstatat(l->dirfd, LOG_FILE, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 1 : error_sys(err, "stat %s",
		    LOG_FILE);
	return st.st_ino != l->ino || st.st_dev != l->dev;
}

int
log_lock(struct log *l, struct error *err)
{
	int	r;

	if (l->fd < 0)		/* could not be read the last time */
		return 1;
	if (file_lock(l->fd, true, !l->no_wait) < 0)
		return error_sys(err, "lock %s", LOG_FILE);
	if ((r = log_replaced(l, err)) != 0) {
		file_unlock(l->fd);
		return r;
	}
	l->locked = true;
	return 0;
}

void
log_unlock(struct log *l)
{
	if (l->locked)
		file_unlock(l->fd);
	l->locked = false;
}

/* n bytes at `at`, in memory until the next call.  NULL: not there. */
static const unsigned char *
peek(struct log *l, uint64_t at, size_t n)
{
	size_t	want = n < CHUNK ? CHUNK : n;
	ssize_t	got;

	if (l->chunk != NULL && at >= l->chunk_at &&
	    at + n <= l->chunk_at + l->chunk_len)
		return l->chunk + (at - l->chunk_at);
	if (l->chunk_size < want) {
		l->chunk = mem_grow(l->chunk, want, 1);
		l->chunk_size = want;
	}
	got = file_pread(l->fd, l->chunk, want, (off_t)at);
	l->chunk_at = at;
	l->chunk_len = got < 0 ? 0 : (size_t)got;
	return l->chunk_len < n ? NULL : l->chunk;
}

/* The frame at `at`, or false. */
static bool
frame_at(struct log *l, uint64_t at, uint64_t size, struct slice *out)
{
	const unsigned char	*p;
	struct log_frame	 h;

	if (at + sizeof(h) > size || (p = peek(l, at, sizeof(h))) == NULL)
		return false;
	memcpy(&h, p, sizeof(h));
	if (h.magic != MAGIC_FRAME || h.len < sizeof(h) || h.len % 8 != 0 ||
	    h.len > LOG_FRAME_MAX || h.len > size - at)
		return false;
	if ((p = peek(l, at, h.len)) == NULL ||
	    crc32c(seed(l), p + CRC_FROM, h.len - CRC_FROM) != h.crc)
		return false;
	*out = slice_of(p, h.len);
	return true;
}

static void
stand_behind(struct log *l, uint64_t at, struct slice frame)
{
	struct log_frame	h;

	memcpy(&h, frame.p, sizeof(h));
	l->last = at;
	l->end = at + frame.len;
	l->totals = h.totals;
}

bool
log_next(struct log *l, struct slice *frame_out)
{
	uint64_t	size = file_size(l);

	if (size < l->end + sizeof(struct log_frame) ||
	    !frame_at(l, l->end, size, frame_out)) {
		/* What was read may change before the next look. */
		l->chunk_len = 0;
		return false;
	}
	stand_behind(l, l->end, *frame_out);
	return true;
}

void
log_to_last(struct log *l)
{
	uint64_t	hint, size = file_size(l);
	struct slice	frame;

	if (size == l->end)
		return;
	/* From near by, walking is cheaper than the hint. */
	if ((l->last == 0 || size > l->end + HINT_EVERY) &&
	    file_pread(l->fd, &hint, sizeof(hint), MUTABLE_AT +
	    (off_t)offsetof(struct log_mutable, last_frame)) ==
	    (ssize_t)sizeof(hint) && hint >= l->end && hint % 8 == 0 &&
	    frame_at(l, hint, size, &frame))
		stand_behind(l, hint, frame);
	while (log_next(l, &frame))
		;
}

bool
log_frame_beyond(struct log *l, uint64_t *at_out)
{
	uint64_t	size = file_size(l);
	struct slice	frame;

	for (uint64_t at = l->end + 8; at + sizeof(struct log_frame) <= size;
	    at += 8) {
		const unsigned char	*p = peek(l, at, sizeof(uint32_t));
		uint32_t		 m;

		if (p == NULL)
			break;
		memcpy(&m, p, sizeof(m));
		if (m == MAGIC_FRAME && frame_at(l, at, size, &frame)) {
			*at_out = at;
			return true;
		}
	}
	return false;
}

bool
log_has_tail(struct log *l)
{
	return file_size(l) != l->end;
}

int
log_cut_tail(struct log *l, struct error *err)
{
	ASSERT(l->locked);
	l->chunk_len = 0;
	if (ftruncate(l->fd, (off_t)l->end) < 0)
		return error_sys(err, "truncate %s", LOG_FILE);
	return 0;
}

static bool
map_up_to(struct log *l, uint64_t end)
{
	size_t	want;
	void	*p;

	if (l->map != NULL && end <= l->map_len)
		return true;
	/* Ahead of the end, so that growth does not map anew each time. */
	want = (size_t)(end + end / 4 + 65536);
	if (l->map != NULL)
		munmap(l->map, l->map_len);
	p = mmap(NULL, want, PROT_READ, MAP_SHARED, l->fd, 0);
	l->map = p == MAP_FAILED ? NULL : p;
	l->map_len = l->map == NULL ? 0 : want;
	return l->map != NULL;
}

/* Is the file still as long as what we saw of it?  We never make it shorter than
 * that; if somebody else does, reading the mapping would kill us.  A command
 * that reads ten thousand records does not ask ten thousand times. */
static bool
still_there(struct log *l)
{
	usec_t	now = clock_mono();

	if (now < l->looked_mono + LOOK_EVERY && l->looked_mono != 0)
		return true;
	if (file_size(l) < l->end)
		return false;
	l->looked_mono = now;
	return true;
}

bool
log_record(struct log *l, uint64_t at, uint32_t uid, enum log_type type,
    struct slice *body_out)
{
	struct log_rec	h;

	if (at < LOG_FIRST || at % 8 != 0 || at + sizeof(h) > l->end ||
	    !still_there(l) || !map_up_to(l, l->end))
		return false;
	memcpy(&h, l->map + at, sizeof(h));
	if (h.magic != MAGIC_REC || h.type != type || h.uid != uid ||
	    h.len < sizeof(h) || h.len > l->end - at)
		return false;
	*body_out = slice_of(l->map + at + sizeof(h), h.len - sizeof(h));
	return crc32c(seed(l), body_out->p, body_out->len) == h.crc;
}

bool
log_each(struct slice frame, size_t *at, const struct log_rec **out,
    struct slice *body_out)
{
	const struct log_rec	*h;

	if (*at == 0)
		*at = sizeof(struct log_frame);
	if (frame.len - *at < sizeof(*h))
		return false;
	h = (const void *)(frame.p + *at);
	if (h->magic != MAGIC_REC || h->len < sizeof(*h) || h->len % 8 != 0 ||
	    h->len > frame.len - *at || h->bytes > h->len - sizeof(*h))
		return false;
	*out = h;
	*body_out = slice_of(frame.p + *at + sizeof(*h), h->len - sizeof(*h));
	*at += h->len;
	return true;
}

bool
log_append_split(struct slice body, struct log_append *a,
    struct slice *name_out, struct slice *headers_out,
    struct slice *structure_out)
{
	uint64_t	sum;

	if (body.len < sizeof(*a))
		return false;
	memcpy(a, body.p, sizeof(*a));
	body = slice_from(body, sizeof(*a));
	sum = (uint64_t)a->name_len + a->headers_len + a->structure_len;
	if (sum > body.len)
		return false;
	*name_out = slice_first(body, a->name_len);
	body = slice_from(body, a->name_len);
	*headers_out = slice_first(body, a->headers_len);
	*structure_out = slice_first(slice_from(body, a->headers_len),
	    a->structure_len);
	return true;
}

void
log_frame_begin(struct buf *b)
{
	struct log_frame	h = { .magic = MAGIC_FRAME };

	buf_init(b, LOG_FRAME_MAX);
	buf_add(b, &h, sizeof(h));
}

size_t
log_frame_add(struct buf *b, enum log_type type, uint32_t uid,
    const void *fixed, size_t nfixed, const struct slice *parts,
    size_t nparts)
{
	static const char	zeros[8];
	struct log_rec		h = { .type = (uint16_t)type,
				    .magic = MAGIC_REC, .uid = uid };
	size_t			at = buf_len(b);

	h.bytes = (uint32_t)nfixed;
	for (size_t i = 0; i < nparts; i++)
		h.bytes += (uint32_t)parts[i].len;
	h.len = (uint32_t)((sizeof(h) + h.bytes + 7) & ~(size_t)7);
	buf_add(b, &h, sizeof(h));
	buf_add(b, fixed, nfixed);
	for (size_t i = 0; i < nparts; i++)
		buf_add_slice(b, parts[i]);
	buf_add(b, zeros, h.len - sizeof(h) - h.bytes);
	return at;
}

struct slice
log_frame_end(const struct log *l, struct buf *b, const struct log_totals *t)
{
	unsigned char		*p = b->mem + b->from;
	struct log_frame	*h = (void *)p;
	size_t			 at, len = buf_len(b);

	ASSERT(!b->overflow);
	h->nrecs = 0;
	for (at = sizeof(*h); at < len; h->nrecs++) {
		struct log_rec	*r = (void *)(p + at);

		r->crc = crc32c(seed(l), r + 1, r->len - sizeof(*r));
		at += r->len;
	}
	h->len = (uint32_t)len;
	h->totals = *t;
	h->crc = crc32c(seed(l), p + CRC_FROM, len - CRC_FROM);
	return buf_slice(b);
}

int
log_write(struct log *l, struct slice frame, struct error *err)
{
	ASSERT(l->locked);
	if (file_pwrite(l->fd, frame.p, frame.len, (off_t)l->end) < 0) {
		error_sys(err, "write %s", LOG_FILE);
		/* Nobody took it for good: it is not complete. */
		(void)!ftruncate(l->fd, (off_t)l->end);
		return -1;
	}
	stand_behind(l, l->end, frame);
	if (l->mut.last_frame != 0 && l->last >= l->mut.last_frame &&
	    l->last - l->mut.last_frame < HINT_EVERY)
		return 0;
	l->mut.last_frame = l->last;
	/* Only a hint: whether it arrives does not matter. */
	(void)!file_pwrite(l->fd, &l->last, sizeof(l->last), MUTABLE_AT +
	    (off_t)offsetof(struct log_mutable, last_frame));
	return 0;
}

/* The kernel's page cache lives as long as this id. */
static unsigned char	boot[16];
static pthread_once_t	boot_once = PTHREAD_ONCE_INIT;

static void
boot_read(void)
{
	char	text[64];
	ssize_t	n = 0;
	int	fd = open("/proc/sys/kernel/random/boot_id",
		    O_RDONLY | O_CLOEXEC);

	if (fd >= 0) {
		n = read(fd, text, sizeof(text));
		close(fd);
	}
	/* Without it each process counts as a boot: UIDs jump, which is
	 * allowed. */
	if (n < 36) {
		pid_t	pid = getpid();

		memcpy(boot, &pid, sizeof(pid));
		return;
	}
	memcpy(boot, text, 8);
	memcpy(boot + 8, text + 28, 8);
}

static const unsigned char *
boot_id(void)
{
	(void)pthread_once(&boot_once, boot_read);
	return boot;
}

static int
put_mutable(struct log *l, bool sync, struct error *err)
{
	l->mut.crc = crc32c(seed(l), &l->mut,
	    offsetof(struct log_mutable, crc));
	l->mut_good = false;
	if (file_pwrite(l->fd, &l->mut, sizeof(l->mut), MUTABLE_AT) < 0)
		return error_sys(err, "write %s", LOG_FILE);
	if (sync && fdatasync(l->fd) < 0)
		return error_sys(err, "sync %s", LOG_FILE);
	l->mut_good = true;
	return 0;
}

int
log_new(struct log *out, int dirfd, const struct log_header *h,
    uint32_t reserved, struct error *err)
{
	unsigned char	zeros[LOG_FIRST] = { 0 };

	*out = (struct log){ .dirfd = dirfd, .end = LOG_FIRST, .header = *h };
	memcpy(out->header.magic, magic, sizeof(magic));
	out->header.crc = crc32c(0, &out->header,
	    offsetof(struct log_header, crc));
	(void)unlinkat(dirfd, NEW_NAME, 0);
	out->fd = openat(dirfd, NEW_NAME, O_RDWR | O_CREAT | O_EXCL |
	    O_CLOEXEC | O_NOFOLLOW, 0600);
	if (out->fd < 0)
		return error_sys(err, "create %s", NEW_NAME);
	/* Nobody else can have it: the lock never waits. */
	if (file_lock(out->fd, true, false) < 0 ||
	    file_pwrite(out->fd, zeros, sizeof(zeros), 0) < 0 ||
	    file_pwrite(out->fd, &out->header, sizeof(out->header), 0) < 0) {
		error_sys(err, "write %s", NEW_NAME);
		log_close(out);
		return -1;
	}
	out->locked = true;
	memcpy(out->mut.boot, boot_id(), sizeof(out->mut.boot));
	out->mut.reserved = out->mut.reserving = reserved;
	if (put_mutable(out, false, err) == 0)
		return 0;
	log_close(out);
	return -1;
}

int
log_install(struct log *l, bool replace, struct error *err)
{
	struct stat	st;

	if (fsync(l->fd) < 0 || fstat(l->fd, &st) < 0)
		return error_sys(err, "sync %s", NEW_NAME);
	if (renameat2(l->dirfd, NEW_NAME, l->dirfd, LOG_FILE,
	    replace ? 0 : RENAME_NOREPLACE) < 0)
		return error_sys(err, "rename %s", NEW_NAME);
	l->ino = st.st_ino;
	l->dev = st.st_dev;
	return file_sync_dir(l->dirfd, err);
}

static bool
read_mutable(struct log *l)
{
	struct log_mutable	*m = &l->mut;

	l->mut_good = file_pread(l->fd, m, sizeof(*m), MUTABLE_AT) ==
	    (ssize_t)sizeof(*m) &&
	    m->crc == crc32c(seed(l), m, offsetof(struct log_mutable, crc));
	return l->mut_good;
}

uint32_t
log_reserved(struct log *l, uint32_t uidnext)
{
	if (!read_mutable(l))
		return uidnext + LOST;
	return l->mut.reserving > l->mut.reserved ? l->mut.reserving :
	    l->mut.reserved;
}

uint32_t
log_reserve(struct log *l, uint32_t uidnext, uint32_t n, struct error *err)
{
	struct log_mutable	*m = &l->mut;
	const unsigned char	*id = boot_id();
	bool			 same;

	ASSERT(l->locked);
	/* Promises only grow: what we read once holds in this boot. */
	if (l->mut_good && memcmp(m->boot, id, sizeof(m->boot)) == 0 &&
	    uidnext <= m->reserved && n <= m->reserved - uidnext)
		return uidnext;
	/* What was promised is lost: go beyond what it can have been. */
	if (!read_mutable(l))
		*m = (struct log_mutable){ .reserving = uidnext + LOST };
	same = memcmp(m->boot, id, sizeof(m->boot)) == 0;
	/* Another boot: what was not synced is gone, but somebody may have
	 * seen its UIDs. */
	if (!same && uidnext < m->reserved)
		uidnext = m->reserved;
	if (!same && uidnext < m->reserving)
		uidnext = m->reserving;
	if (uidnext > UINT32_MAX - RESERVE - LOST - n) {
		error_set(err, "out of UIDs");
		return 0;
	}
	if (same && uidnext + n <= m->reserved)
		return uidnext;
	memcpy(m->boot, id, sizeof(m->boot));
	if (!same)
		m->reserved = uidnext;
	m->reserving = uidnext + n + RESERVE;
	if (put_mutable(l, true, err) < 0)
		return 0;
	m->reserved = m->reserving;
	return put_mutable(l, false, err) < 0 ? 0 : uidnext;
}
