/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a message, and the two things that change in it: the status bytes
 * and the due slot. */
#include "queue/queue.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "base/mem.h"
#include "base/panic.h"
#include "queue/journal.h"
#include "queue/queue_format.h"
#include "queue/queue_int.h"
#include "sys/file.h"

/* Most messages fit: one read then serves for all of it. */
#define FRONT	((size_t)16384)

static enum queue_read
open_file(struct queue *q, enum queue_dir dir, const char *id, bool writable,
    int *fd_out, uint64_t *size_out, struct error *err)
{
	struct stat	 st;
	int		 fd;

	if (!queue_id_ok(id)) {
		(void)error_set(err, "bad queue id");
		return QUEUE_GONE;
	}
	fd = openat(q->dirs[dir], id, (writable ? O_RDWR : O_RDONLY) |
	    O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0) {
		(void)error_sys(err, "open %s/%s", queue_dir_names[dir], id);
		if (errno == ENOENT)
			return QUEUE_GONE;
		return errno == ELOOP || errno == EISDIR || errno == ENXIO ?
		    QUEUE_BAD : QUEUE_ERROR;
	}
	*fd_out = fd;
	if (fstat(fd, &st) < 0) {
		(void)error_sys(err, "stat %s/%s", queue_dir_names[dir], id);
		return QUEUE_ERROR;
	}
	if (!S_ISREG(st.st_mode)) {
		(void)error_set(err, "not a regular file");
		return QUEUE_BAD;
	}
	if ((st.st_mode & 07777) != QUEUE_MODE_COMPLETE) {
		(void)error_set(err, "not complete");
		return QUEUE_INCOMPLETE;
	}
	*size_out = (uint64_t)st.st_size;
	return QUEUE_OK;
}

/*
 * An image: what a file holds, or a frame of the journal.
 */
struct image {
	int		 fd;
	uint64_t	 base, size;
	/* The front of it, known or in one read; small messages are all
	 * here. */
	const unsigned char	*front;
	size_t		 nfront;
	unsigned char	 own[FRONT];
};

/* Exactly n bytes.  Fewer: it is damaged. */
static enum queue_read
read_exactly(int fd, void *p, size_t n, uint64_t at, struct error *err)
{
	ssize_t	 got = file_pread(fd, p, n, (off_t)at);

	if (got < 0) {
		(void)error_sys(err, "read queue file");
		return QUEUE_ERROR;
	}
	if ((size_t)got < n) {
		(void)error_set(err, "file too short");
		return QUEUE_BAD;
	}
	return QUEUE_OK;
}

enum queue_read
queue_peek_due(struct queue *q, const char *id, usec_t *due_out,
    unsigned int *attempts_out, struct error *err)
{
	unsigned char		 head[QUEUE_HEAD_SIZE];
	struct queue_head	 h;
	uint64_t		 size;
	int			 fd = -1;
	enum queue_read		 r = open_file(q, QUEUE_CUR, id, false, &fd,
				    &size, err);

	if (r == QUEUE_OK)
		r = read_exactly(fd, head, sizeof(head), 0, err);
	if (r == QUEUE_OK && queue_head_get(slice_of(head, sizeof(head)), &h,
	    err) < 0)
		r = QUEUE_BAD;
	if (r == QUEUE_OK)
		(void)queue_slot_get(head + QUEUE_SLOT_OFFSET, due_out,
		    attempts_out);
	if (fd >= 0)
		(void)close(fd);
	return r;
}

static enum queue_read
check_content(const struct image *im, const struct queue_head *h,
    uint32_t want, struct error *err)
{
	unsigned char	 chunk[32768];
	uint64_t	 done = 0;
	uint32_t	 crc = 0;

	if (QUEUE_HEAD_SIZE + h->content_size <= im->nfront) {
		crc = crc32c(0, im->front + QUEUE_HEAD_SIZE,
		    (size_t)h->content_size);
		done = h->content_size;
	}
	while (done < h->content_size) {
		uint64_t	left = h->content_size - done;
		size_t		n = left < sizeof(chunk) ? (size_t)left :
		    sizeof(chunk);
		enum queue_read	r = read_exactly(im->fd, chunk, n,
		    im->base + QUEUE_HEAD_SIZE + done, err);

		if (r != QUEUE_OK)
			return r;
		crc = crc32c(crc, chunk, n);
		done += n;
	}
	if (crc == want)
		return QUEUE_OK;
	(void)error_set(err, "content: wrong checksum");
	return QUEUE_BAD;
}

static enum queue_read
read_tail(const struct image *im, const struct queue_head *h,
    uint32_t head_crc, struct arena *a, struct queue_env *env,
    uint32_t *content_crc, struct error *err)
{
	uint64_t	 at = queue_env_offset(h);
	size_t		 n = (size_t)(h->file_size - at);
	unsigned char	*tail;
	enum queue_read	 r;

	if (h->file_size <= im->nfront)
		return queue_tail_get(slice_of(im->front + at, n), h, head_crc,
		    a, env, content_crc, err) < 0 ? QUEUE_BAD : QUEUE_OK;
	tail = mem_grow(NULL, n, 1);
	r = read_exactly(im->fd, tail, n, im->base + at, err);
	if (r == QUEUE_OK && queue_tail_get(slice_of(tail, n), h, head_crc, a,
	    env, content_crc, err) < 0)
		r = QUEUE_BAD;
	mem_free(&tail);
	return r;
}

static int
read_front(struct image *im, struct error *err)
{
	size_t	 want = im->size < FRONT ? (size_t)im->size : FRONT;
	ssize_t	 got = file_pread(im->fd, im->own, want, (off_t)im->base);

	if (got < 0)
		return error_sys(err, "read queue file");
	im->front = im->own;
	im->nfront = (size_t)got;
	return 0;
}

static enum queue_read
read_head(struct image *im, const char *id, struct queue_head *h,
    struct error *err)
{
	if (im->nfront == 0 && read_front(im, err) < 0)
		return QUEUE_ERROR;
	if (im->nfront < QUEUE_HEAD_SIZE)
		(void)error_set(err, "file too short");
	else if (queue_head_get(slice_of(im->front, QUEUE_HEAD_SIZE), h,
	    err) < 0)
		return QUEUE_BAD;
	else if (im->size != h->file_size)
		(void)error_set(err, "file has the wrong size");
	else if (strcmp(h->id, id) != 0)
		(void)error_set(err, "file is message %s", h->id);
	else
		return QUEUE_OK;
	return QUEUE_BAD;
}

enum queue_read
queue_image_read(int fd, uint64_t base, uint64_t size, struct slice known,
    bool verify, const char *id, struct arena *a, struct queue_msg *out,
    struct error *err)
{
	struct image		 im;
	struct queue_head	 h;
	uint32_t		 content_crc;
	enum queue_read		 r;

	im.fd = fd;
	im.base = base;
	im.size = size;
	im.front = known.p;
	im.nfront = known.len;
	r = read_head(&im, id, &h, err);
	if (r == QUEUE_OK)
		r = read_tail(&im, &h, queue_head_crc(im.front), a, &out->env,
		    &content_crc, err);
	if (r == QUEUE_OK && verify)
		r = check_content(&im, &h, content_crc, err);
	if (r != QUEUE_OK)
		return r;
	memcpy(out->id, id, strlen(id) + 1);
	out->fd = fd;
	out->base = base;
	out->content_offset = base + QUEUE_HEAD_SIZE;
	out->content_size = h.content_size;
	out->status_offset = base + h.status_offset;
	return r;
}

enum queue_read
queue_msg_open(struct queue *q, enum queue_dir dir, const char *id,
    bool writable, bool verify, struct arena *a, struct queue_msg *out,
    struct error *err)
{
	enum queue_read	 r;
	uint64_t	 size = 0;

	*out = QUEUE_MSG_NONE;
	r = open_file(q, dir, id, writable, &out->fd, &size, err);
	if (r == QUEUE_OK)
		r = queue_image_read(out->fd, 0, size, slice_of(NULL, 0),
		    verify, id, a, out, err);
	if (r != QUEUE_OK)
		queue_msg_close(out);
	return r;
}

void
queue_msg_close(struct queue_msg *m)
{
	if (m->shared >= 0)
		(void)close(m->shared);
	if (m->fd >= 0 && m->rec == NULL)
		(void)close(m->fd);
	m->fd = m->shared = -1;
}

/*
 * For others.
 */

/* Another open file, not a duplicate of ours, which can write. */
static int
open_again(struct queue *q, enum queue_dir dir, struct queue_msg *m,
    struct error *err)
{
	struct stat	 mine, theirs;

	m->shared = openat(q->dirs[dir], m->id, O_RDONLY | O_NOFOLLOW |
	    O_CLOEXEC | O_NONBLOCK);
	if (m->shared < 0)
		return error_sys(err, "open %s/%s", queue_dir_names[dir],
		    m->id);
	if (fstat(m->fd, &mine) == 0 && fstat(m->shared, &theirs) == 0 &&
	    mine.st_ino == theirs.st_ino && mine.st_dev == theirs.st_dev) {
		m->shared_offset = m->content_offset;
		return 0;
	}
	(void)close(m->shared);
	m->shared = -1;
	return error_set(err, "%s was replaced while it was opened", m->id);
}

static int
copy_content(const struct queue_msg *m, int to)
{
	unsigned char	 chunk[32768];

	for (uint64_t done = 0; done < m->content_size;) {
		uint64_t	left = m->content_size - done;
		size_t		n = left < sizeof(chunk) ? (size_t)left :
		    sizeof(chunk);

		if (file_pread(m->fd, chunk, n, (off_t)(m->content_offset +
		    done)) != (ssize_t)n || file_write(to, chunk, n) < 0)
			return -1;
		done += n;
	}
	return 0;
}

/* The segment holds other people's mail, so what goes out is a copy. */
static int
copy_out(struct queue_msg *m, struct error *err)
{
	int	fd = memfd_create(m->id, MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return error_sys(err, "memory for a copy of %s", m->id);
	if (copy_content(m, fd) < 0 || fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL |
	    F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0) {
		(void)error_sys(err, "copy %s", m->id);
		(void)close(fd);
		return -1;
	}
	m->shared = fd;
	m->shared_offset = 0;
	return 0;
}

int
queue_msg_share(struct queue *q, enum queue_dir dir, struct queue_msg *m,
    struct error *err)
{
	if (m->shared >= 0)
		return 0;
	return m->rec != NULL ? copy_out(m, err) : open_again(q, dir, m, err);
}

/*
 * What changes.
 */

int
queue_msg_mark(struct queue_msg *m, size_t rcpt, char status,
    struct error *err)
{
	ASSERT(rcpt < m->env.nrcpts && queue_status_ok(status));
	m->env.rcpts[rcpt].status = status;
	if (m->rec != NULL) {
		journal_mark(m->rec, rcpt, status);
		return 0;
	}
	if (file_pwrite(m->fd, &status, 1,
	    (off_t)(m->status_offset + rcpt)) < 0)
		return error_sys(err, "mark recipient of %s", m->id);
	return 0;
}

int
queue_msg_sync(struct queue_msg *m, struct error *err)
{
	if (fdatasync(m->fd) < 0)
		return error_sys(err, "sync %s", m->id);
	return 0;
}

/* 16 aligned bytes inside one sector: old or new, and the slot's own checksum
 * says which of both if the disk knows no such courtesy. */
int
queue_msg_set_due(struct queue_msg *m, usec_t due, unsigned int attempts,
    struct error *err)
{
	unsigned char	 slot[QUEUE_SLOT_SIZE];

	ASSERT(m->rec == NULL);
	queue_slot_put(due, attempts, slot);
	if (file_pwrite(m->fd, slot, sizeof(slot), QUEUE_SLOT_OFFSET) < 0)
		return error_sys(err, "set due time of %s", m->id);
	return 0;
}

int
queue_msg_get_due(const struct queue_msg *m, usec_t *due_out,
    unsigned int *attempts_out, struct error *err)
{
	unsigned char	 slot[QUEUE_SLOT_SIZE];

	if (file_pread(m->fd, slot, sizeof(slot), (off_t)(m->base +
	    QUEUE_SLOT_OFFSET)) != sizeof(slot))
		return error_sys(err, "read due time of %s", m->id);
	/* A torn slot means: due now, never tried. */
	(void)queue_slot_get(slot, due_out, attempts_out);
	return 0;
}
