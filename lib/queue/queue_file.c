/* SPDX-License-Identifier: Apache-2.0 */
/* The content of a message as it comes in.  It stays in memory while it is
 * small; a larger one goes to the file where it will be found, in new/, whose
 * mode tells readers that it is not complete yet.  (Another directory and a
 * rename would say the same and cost a lock that all of a file system's
 * renames share.) */
#include "queue/queue_int.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "base/mem.h"
#include "sys/file.h"

#define BUFFER		((size_t)65536)
#define FIRST_ROOM	((size_t)8192)

void
queue_file_new(struct queue *q, struct queue_file **out)
{
	struct queue_file	*f = mem_new(1, sizeof(*f));

	queue_id_make(f->id);
	f->fd = -1;
	f->q = q;
	f->line_start = true;
	queue_file_grow(f, FIRST_ROOM);
	f->npending = QUEUE_HEAD_SIZE;
	*out = f;
}

const char *
queue_file_id(const struct queue_file *f)
{
	return f->id;
}

uint64_t
queue_file_size(const struct queue_file *f)
{
	return f->size;
}

unsigned int
queue_file_flags(const struct queue_file *f)
{
	return f->flags;
}

/*
 * Content.
 */

static bool
has_8bit(const unsigned char *p, size_t n)
{
	uint64_t	 word, all = 0;
	unsigned char	 rest = 0;

	for (; n >= sizeof(word); n -= sizeof(word), p += sizeof(word)) {
		memcpy(&word, p, sizeof(word));
		all |= word;
	}
	for (; n > 0; n--, p++)
		rest |= *p;
	return (all & 0x8080808080808080ULL) != 0 || (rest & 0x80) != 0;
}

/* Lines end with CRLF and nothing else; state is kept from call to call. */
static int
look_at(struct queue_file *f, const unsigned char *p, size_t n,
    struct error *err)
{
	const unsigned char	*end = p + n, *cr;

	if (has_8bit(p, n))
		f->flags |= QUEUE_8BIT;
	while (p < end) {
		if (f->after_cr) {
			if (*p != '\n')
				return error_set(err, "bare CR in content");
			f->after_cr = false;
			f->line_start = true;
			p++;
			continue;
		}
		if (f->line_start && *p == '.')
			f->flags |= QUEUE_DOTS;
		f->line_start = false;
		cr = memchr(p, '\r', (size_t)(end - p));
		f->after_cr = cr != NULL;
		if (cr == NULL)
			cr = end;
		if (memchr(p, '\n', (size_t)(cr - p)) != NULL)
			return error_set(err, "bare LF in content");
		p = f->after_cr ? cr + 1 : end;
	}
	return 0;
}

void
queue_file_grow(struct queue_file *f, size_t n)
{
	size_t	 room = f->room == 0 ? n : f->room;

	while (room - f->npending < n)
		room *= 2;
	if (room == f->room)
		return;
	f->pending = mem_grow(f->pending, room, 1);
	f->room = room;
}

/* Nobody is told the id before the commit, so that a file that is in the way
 * is a fault and no reason to look for another name. */
static int
create(struct queue_file *f, struct error *err)
{
	f->fd = openat(f->q->dirs[QUEUE_NEW], f->id, O_WRONLY | O_CREAT |
	    O_EXCL | O_NOFOLLOW | O_CLOEXEC, QUEUE_MODE_WRITING);
	if (f->fd < 0)
		return error_sys(err, "create queue file new/%s", f->id);
	f->created = true;
	return 0;
}

int
queue_file_flush(struct queue_file *f, struct error *err)
{
	if (f->fd < 0 && create(f, err) < 0)
		return -1;
	if (f->npending > 0 &&
	    file_write(f->fd, f->pending, f->npending) < 0)
		return error_sys(err, "write queue file new/%s", f->id);
	f->npending = 0;
	f->flushed = true;
	return 0;
}

/* What fits stays in memory and may become part of the journal. */
static int
take(struct queue_file *f, const unsigned char *p, size_t n,
    struct error *err)
{
	size_t	 most = f->q->writer != NULL && !f->flushed ?
	    QUEUE_IMAGE_MAX : BUFFER;

	if (f->npending + n > most && queue_file_flush(f, err) < 0)
		return -1;
	if (n > BUFFER && f->flushed)
		return file_write(f->fd, p, n) < 0 ?
		    error_sys(err, "write queue file new/%s", f->id) : 0;
	queue_file_grow(f, n);
	memcpy(f->pending + f->npending, p, n);
	f->npending += n;
	return 0;
}

int
queue_file_write(struct queue_file *f, const void *p, size_t n,
    struct error *err)
{
	if (f->lost)
		return error_set(err, "queue file is lost");
	if (n > QUEUE_CONTENT_MAX - f->size)
		return error_set(err, "message too large for any queue");
	if (look_at(f, p, n, err) < 0 || take(f, p, n, err) < 0) {
		f->lost = true;
		return -1;
	}
	f->crc = crc32c(f->crc, p, n);
	f->size += n;
	return 0;
}

void
queue_file_free(struct queue_file **f)
{
	mem_free(&(*f)->pending);
	mem_free(f);
}

void
queue_file_abort(struct queue_file **f)
{
	if (*f == NULL)
		return;
	if ((*f)->fd >= 0) {
		(void)close((*f)->fd);
		(void)unlinkat((*f)->q->dirs[QUEUE_NEW], (*f)->id, 0);
	}
	queue_file_free(f);
}
