/* SPDX-License-Identifier: Apache-2.0 */
#include "queue/journal_seg.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "base/mem.h"
#include "queue/journal_int.h"
#include "queue/queue_format.h"
#include "queue/queue_int.h"
#include "sys/file.h"

#define SEG_MAGIC	"PHjrnl2\n"
#define FRAME_MAGIC	"PHframe\n"
#define MAGIC_SIZE	8

/* An image that is better read by itself. */
#define SEG_LARGE	((uint32_t)16384)

/* Offsets in the segment's head. */
enum { S_GENERATION = 8, S_CRC = 16, S_SIZE = 20 };
/* Offsets in a frame's head. */
enum { F_GENERATION = 8, F_ID = 16, F_LENGTH = 48, F_CRC = 60 };

static uint64_t
round_up(uint64_t n, uint64_t to)
{
	return (n + to - 1) / to * to;
}

/*
 * A segment's life.
 */

static int
fill_with_zeros(int fd, uint64_t size)
{
	size_t		 n = (size_t)1 << 20;
	unsigned char	*zeros = mem_new(n, 1);
	int		 r = 0;

	for (uint64_t at = 0; r == 0 && at < size; at += n)
		r = file_pwrite(fd, zeros, n, (off_t)at);
	mem_free(&zeros);
	return r;
}

/* Made and locked before it has a name that qmgr looks at. */
static int
make_new(struct queue *q, struct seg *s, struct error *err)
{
	queue_id_make(s->name);
	s->fd = openat(q->dirs[QUEUE_TMP], s->name, O_WRONLY | O_CREAT |
	    O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (s->fd < 0)
		return error_sys(err, "create journal segment tmp/%s",
		    s->name);
	if (file_lock(s->fd, true, false) == 0 &&
	    fill_with_zeros(s->fd, s->size) == 0 &&
	    queue_rename(q->dirs[QUEUE_TMP], s->name, q->journal,
	    s->name) == 0)
		return 0;
	(void)error_sys(err, "prepare journal segment %s", s->name);
	(void)unlinkat(q->dirs[QUEUE_TMP], s->name, 0);
	return -1;
}

static void
slot_name(int slot, char out[QUEUE_ID_MAX])
{
	(void)snprintf(out, QUEUE_ID_MAX, "free.%d", slot);
}

/* Who has the lock and finds the file under its free name may rename it. */
static bool
take_slot(struct queue *q, struct seg *s, int slot)
{
	char		 name[QUEUE_ID_MAX];
	struct stat	 mine, there;

	slot_name(slot, name);
	s->fd = openat(q->journal, name, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
	if (s->fd < 0)
		return false;
	queue_id_make(s->name);
	if (file_lock(s->fd, true, false) == 0 && fstat(s->fd, &mine) == 0 &&
	    fstatat(q->journal, name, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
	    mine.st_ino == there.st_ino && mine.st_dev == there.st_dev &&
	    (uint64_t)mine.st_size >= SEG_MIN &&
	    queue_rename(q->journal, name, q->journal, s->name) == 0) {
		s->size = (uint64_t)mine.st_size;
		return true;
	}
	(void)close(s->fd);
	s->fd = -1;
	return false;
}

static int
write_head(int fd, uint64_t generation)
{
	unsigned char	 head[S_SIZE] = { 0 };

	memcpy(head, SEG_MAGIC, MAGIC_SIZE);
	queue_put64(head + S_GENERATION, generation);
	queue_put32(head + S_CRC, crc32c(0, head, S_CRC));
	/* Not fdatasync: the name must be durable before anything is promised,
	 * or the next start would take the segment for a free one. */
	return file_pwrite(fd, head, sizeof(head), 0) < 0 ? -1 : fsync(fd);
}

static int
put_head(struct seg *s, struct error *err)
{
	do {
		if (getrandom(&s->generation, sizeof(s->generation), 0) !=
		    sizeof(s->generation))
			return error_sys(err, "random number");
	} while (s->generation == 0);
	if (write_head(s->fd, s->generation) < 0)
		return error_sys(err, "begin journal segment %s", s->name);
	return 0;
}

static bool
count_used(void *arg, const char *name)
{
	size_t	*n = arg;

	*n += journal_seg_name(name);
	return true;
}

/* What nobody works off must not fill the disk with segments.  Who cannot look
 * begins one. */
static int
may_begin(struct queue *q, struct error *err)
{
	size_t	n = 0;

	if (queue_each_name(q->journal, count_used, &n, err) < 0)
		n = 0;
	return n < SEG_USED_MAX ? 0 :
	    error_set(err, "there are %zu journal segments", n);
}

struct seg *
seg_begin(struct queue *q, uint64_t size, struct error *err)
{
	struct seg	*s;
	bool		 taken = false;

	if (may_begin(q, err) < 0)
		return NULL;
	s = mem_new(1, sizeof(*s));
	s->fd = -1;
	s->size = size;
	s->end = SEG_BLOCK;
	for (int slot = 0; !taken && slot < SEG_FREE_SLOTS; slot++)
		taken = take_slot(q, s, slot);
	if ((!taken && make_new(q, s, err) < 0) || put_head(s, err) < 0)
		seg_end(&s);
	return s;
}

void
seg_end(struct seg **s)
{
	if (*s == NULL)
		return;
	if ((*s)->fd >= 0)
		(void)close((*s)->fd);
	mem_free(s);
}

static int
forget(int fd, struct error *err)
{
	static const unsigned char	none[S_SIZE];

	if (file_pwrite(fd, none, sizeof(none), 0) < 0 || fdatasync(fd) < 0)
		return error_sys(err, "clear journal segment");
	return 0;
}

int
seg_retire(struct queue *q, int fd, const char *name, struct error *err)
{
	struct stat	 st;
	char		 slot[QUEUE_ID_MAX];

	if (forget(fd, err) < 0)
		return error_in(err, "journal/%s", name);
	if (fstat(fd, &st) < 0)
		return error_sys(err, "stat journal/%s", name);
	for (int i = 0; (uint64_t)st.st_size >= SEG_MIN &&
	    i < SEG_FREE_SLOTS; i++) {
		slot_name(i, slot);
		if (strcmp(slot, name) == 0 || queue_rename(q->journal, name,
		    q->journal, slot) == 0)
			return 0;
	}
	if (unlinkat(q->journal, name, 0) < 0 && errno != ENOENT)
		return error_sys(err, "remove journal segment %s", name);
	return 0;
}

/*
 * What is certain.  A frame that is written and not yet synced looks whole to
 * a reader, and may still be refused.  Where the writer's lock begins tells
 * them apart: no write, and no message that could get lost.
 */

void
seg_is_certain(const struct seg *s, uint64_t end)
{
	/* If it fails, readers know less than they might. */
	(void)file_lock_from(s->fd, (off_t)end);
}

uint64_t
seg_certain_end(int fd)
{
	off_t	at;

	return file_locked_from(fd, &at) == 1 ? (uint64_t)at : 0;
}

/*
 * Frames.
 */

uint64_t
seg_frame_room(uint64_t length)
{
	return round_up(SEG_FRAME + length, SEG_FRAME);
}

bool
seg_has_room(const struct seg *s, uint64_t length)
{
	return s->end + seg_frame_room(length) <= s->size;
}

void
seg_frame_put(uint64_t generation, const char *id, uint32_t length,
    unsigned char out[SEG_FRAME])
{
	memset(out, 0, SEG_FRAME);
	memcpy(out, FRAME_MAGIC, MAGIC_SIZE);
	queue_put64(out + F_GENERATION, generation);
	memcpy(out + F_ID, id, strlen(id));
	queue_put32(out + F_LENGTH, length);
	queue_put32(out + F_CRC, crc32c(0, out, F_CRC));
}

bool
seg_frame_get(const unsigned char in[SEG_FRAME], uint64_t generation,
    struct seg_frame *out)
{
	if (memcmp(in, FRAME_MAGIC, MAGIC_SIZE) != 0 ||
	    queue_get64(in + F_GENERATION) != generation ||
	    queue_get32(in + F_CRC) != crc32c(0, in, F_CRC))
		return false;
	memcpy(out->id, in + F_ID, sizeof(out->id));
	out->length = queue_get32(in + F_LENGTH);
	return out->id[QUEUE_ID_MAX - 1] == '\0' && queue_id_ok(out->id);
}

int
seg_generation(int fd, uint64_t *out)
{
	unsigned char	 head[S_SIZE];
	ssize_t		 n = file_pread(fd, head, sizeof(head), 0);

	if (n < 0)
		return -1;
	if (n != sizeof(head) || memcmp(head, SEG_MAGIC, MAGIC_SIZE) != 0 ||
	    queue_get32(head + S_CRC) != crc32c(0, head, S_CRC))
		return 0;
	*out = queue_get64(head + S_GENERATION);
	return 1;
}

enum seg_state
seg_mend(int fd)
{
	static const unsigned char	none[S_SIZE];
	unsigned char			head[S_SIZE], frame[SEG_FRAME];
	struct seg_frame		f;
	uint64_t			generation;
	ssize_t				n = file_pread(fd, head, sizeof(head),
					    0);

	if (n < 0)
		return SEG_ERROR;
	if (memcmp(head, none, (size_t)n) == 0)
		return SEG_BLANK;
	n = file_pread(fd, frame, sizeof(frame), (off_t)SEG_BLOCK);
	if (n < 0)
		return SEG_ERROR;
	generation = queue_get64(frame + F_GENERATION);
	if (n != sizeof(frame) || !seg_frame_get(frame, generation, &f))
		return SEG_LOST;
	return write_head(fd, generation) < 0 ? SEG_ERROR : SEG_MENDED;
}

void
seg_void(const struct seg *s, uint64_t at)
{
	static const unsigned char	none[SEG_FRAME];

	/* If not even that can be written, a message that was refused with
	 * 4xx may come back after a crash: a duplicate. */
	(void)!file_pwrite(s->fd, none, sizeof(none), (off_t)at);
}

/*
 * Walking.
 */

/* Small messages are read together with their heads; of large ones the heads
 * alone are of use here. */
static const unsigned char *
peek(struct seg_walk *w)
{
	uint64_t	 left = w->end - w->next;
	size_t		 most = w->large ? SEG_BLOCK : sizeof(w->cache);
	ssize_t		 n;

	if (w->ncache < SEG_FRAME || w->next < w->cache_at ||
	    w->next > w->cache_at + w->ncache - SEG_FRAME) {
		n = file_pread(w->fd, w->cache, left < most ? (size_t)left :
		    most, (off_t)w->next);
		w->ncache = n < 0 ? 0 : (size_t)n;
		w->cache_at = w->next;
		if (w->ncache < SEG_FRAME)
			return NULL;
	}
	return w->cache + (w->next - w->cache_at);
}

struct slice
seg_walk_has(const struct seg_walk *w, uint64_t at, uint64_t length)
{
	if (at < w->cache_at || length > w->ncache ||
	    at - w->cache_at > w->ncache - length)
		return slice_of(NULL, 0);
	return slice_of(w->cache + (at - w->cache_at), (size_t)length);
}

int
seg_walk(struct seg_walk *w, struct seg_frame *out, uint64_t *at_out)
{
	while (w->next + SEG_FRAME <= w->end) {
		const unsigned char	*head = peek(w);

		if (head == NULL)
			return -1;
		if (seg_frame_get(head, w->generation, out) &&
		    w->next + SEG_FRAME + out->length <= w->end) {
			*at_out = w->next + SEG_FRAME;
			w->large = out->length > SEG_LARGE;
			w->next += seg_frame_room(out->length);
			return 1;
		}
		if (!w->search && w->next % SEG_BLOCK == 0)
			return 0;
		w->next = round_up(w->next + 1, w->search ? SEG_FRAME :
		    SEG_BLOCK);
	}
	return 0;
}
