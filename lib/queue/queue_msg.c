/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a message, and the two things that change in it: the status bytes
 * and the due slot. */
#include "queue/queue.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "base/mem.h"
#include "base/panic.h"
#include "queue/queue_format.h"
#include "queue/queue_int.h"
#include "sys/file.h"

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

/* Exactly n bytes.  Fewer: the file is damaged. */
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

static enum queue_read
check_content(int fd, const struct queue_head *h, uint32_t want,
    struct error *err)
{
	unsigned char	 chunk[32768];
	uint64_t	 done = 0;
	uint32_t	 crc = 0;

	while (done < h->content_size) {
		uint64_t	left = h->content_size - done;
		size_t		n = left < sizeof(chunk) ? (size_t)left :
		    sizeof(chunk);
		enum queue_read	r = read_exactly(fd, chunk, n,
		    QUEUE_HEAD_SIZE + done, err);

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
read_tail(int fd, const struct queue_head *h, uint32_t head_crc,
    struct arena *a, struct queue_env *env, uint32_t *content_crc,
    struct error *err)
{
	uint64_t	 at = queue_env_offset(h);
	size_t		 n = (size_t)(h->file_size - at);
	unsigned char	*tail = mem_new(1, n);
	enum queue_read	 r = read_exactly(fd, tail, n, at, err);

	if (r == QUEUE_OK && queue_tail_get(slice_of(tail, n), h, head_crc, a,
	    env, content_crc, err) < 0)
		r = QUEUE_BAD;
	mem_free(&tail);
	return r;
}

static enum queue_read
read_message(struct queue_msg *m, uint64_t size, bool verify, struct arena *a,
    struct error *err)
{
	unsigned char		 head[QUEUE_HEAD_SIZE];
	struct queue_head	 h;
	uint32_t		 content_crc;
	enum queue_read		 r;

	r = read_exactly(m->fd, head, sizeof(head), 0, err);
	if (r != QUEUE_OK)
		return r;
	if (queue_head_get(slice_of(head, sizeof(head)), &h, err) < 0)
		return QUEUE_BAD;
	if (size != h.file_size) {
		(void)error_set(err, "file has the wrong size");
		return QUEUE_BAD;
	}
	if (strcmp(h.id, m->id) != 0) {
		(void)error_set(err, "file is message %s", h.id);
		return QUEUE_BAD;
	}
	r = read_tail(m->fd, &h, queue_head_crc(head), a, &m->env,
	    &content_crc, err);
	if (r == QUEUE_OK && verify)
		r = check_content(m->fd, &h, content_crc, err);
	m->content_offset = QUEUE_HEAD_SIZE;
	m->content_size = h.content_size;
	m->status_offset = h.status_offset;
	return r;
}

/* A descriptor of its own, not a duplicate: that could write, and would share
 * the lock. */
static enum queue_read
open_for_others(struct queue *q, enum queue_dir dir, const char *id,
    struct queue_msg *m, struct error *err)
{
	struct stat	 mine, theirs;

	m->content_fd = openat(q->dirs[dir], id, O_RDONLY | O_NOFOLLOW |
	    O_CLOEXEC | O_NONBLOCK);
	if (m->content_fd < 0) {
		(void)error_sys(err, "open %s/%s", queue_dir_names[dir], id);
		return errno == ENOENT ? QUEUE_GONE : QUEUE_ERROR;
	}
	if (fstat(m->fd, &mine) < 0 || fstat(m->content_fd, &theirs) < 0 ||
	    mine.st_ino != theirs.st_ino || mine.st_dev != theirs.st_dev) {
		(void)error_set(err, "replaced while it was opened");
		return QUEUE_GONE;
	}
	return QUEUE_OK;
}

enum queue_read
queue_msg_open(struct queue *q, enum queue_dir dir, const char *id,
    bool writable, bool verify, struct arena *a, struct queue_msg *out,
    struct error *err)
{
	enum queue_read	 r;
	uint64_t	 size = 0;

	*out = (struct queue_msg){ .fd = -1 };
	r = open_file(q, dir, id, writable, &out->fd, &size, err);
	out->content_fd = out->fd;
	if (r == QUEUE_OK && writable)
		r = open_for_others(q, dir, id, out, err);
	if (r == QUEUE_OK) {
		memcpy(out->id, id, strlen(id));
		r = read_message(out, size, verify, a, err);
	}
	if (r != QUEUE_OK)
		queue_msg_close(out);
	return r;
}

void
queue_msg_close(struct queue_msg *m)
{
	if (m->fd >= 0 && m->content_fd >= 0 && m->content_fd != m->fd)
		(void)close(m->content_fd);
	if (m->fd >= 0)
		(void)close(m->fd);
	m->fd = m->content_fd = -1;
}

int
queue_msg_mark(struct queue_msg *m, size_t rcpt, char status,
    struct error *err)
{
	ASSERT(rcpt < m->env.nrcpts && queue_status_ok(status));
	if (file_pwrite(m->fd, &status, 1,
	    (off_t)(m->status_offset + rcpt)) < 0)
		return error_sys(err, "mark recipient of %s", m->id);
	m->env.rcpts[rcpt].status = status;
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

	if (file_pread(m->fd, slot, sizeof(slot), QUEUE_SLOT_OFFSET) !=
	    sizeof(slot))
		return error_sys(err, "read due time of %s", m->id);
	/* A torn slot means: due now, never tried. */
	(void)queue_slot_get(slot, due_out, attempts_out);
	return 0;
}
