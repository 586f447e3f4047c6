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
#include "base/wire.h"
#include "sys/file.h"

#define BUFFER		((size_t)65536)
#define FIRST_ROOM	((size_t)8192)

/* The head's place is in front; what stands there is another message's,
 * perhaps. */
static void
take_spare(struct queue *q, struct queue_file *f)
{
	struct queue_spare	*s;

	if (q->nspare == 0) {
		f->pending = mem_grow(NULL, FIRST_ROOM, 1);
		f->room = FIRST_ROOM;
		return;
	}
	s = &q->spare[--q->nspare];
	q->spare_bytes -= s->size;
	f->pending = s->mem;
	f->room = s->size;
}

static void
put_spare(struct queue *q, struct queue_file *f)
{
	if (f->pending == NULL)
		return;
	if (q->nspare == QUEUE_SPARES ||
	    f->room > QUEUE_SPARE_BYTES - q->spare_bytes) {
		mem_free(&f->pending);
		return;
	}
	q->spare[q->nspare++] = (struct queue_spare){ f->pending, f->room };
	q->spare_bytes += f->room;
}

void
queue_file_new(struct queue *q, struct queue_file **out)
{
	struct queue_file	*f = mem_new(1, sizeof(*f));

	queue_id_make(f->id);
	f->fd = -1;
	f->q = q;
	f->line_start = true;
	f->npending = f->looked = QUEUE_HEAD_SIZE;
	*out = f;
}

const char *
queue_file_id(const struct queue_file *f)
{
	return f->id;
}

/*
 * Content.
 */

/* The first byte of a piece has its neighbour in the one before. */
static int
look_at_seam(struct queue_file *f, struct slice s, struct error *err)
{
	if (f->after_cr != (s.p[0] == '\n'))
		return error_set(err, f->after_cr ? "bare CR in content" :
		    "bare LF in content");
	if (f->after_cr && s.len > 1 && s.p[1] == '.')
		f->flags |= QUEUE_DOTS;
	if (f->line_start && s.p[0] == '.')
		f->flags |= QUEUE_DOTS;
	return 0;
}

/* Lines end with CRLF and nothing else; state is kept from call to call. */
static int
look_at(struct queue_file *f, struct slice s, struct error *err)
{
	unsigned int	seen = 0;
	size_t		n;

	if (s.len == 0)
		return 0;
	if (look_at_seam(f, s, err) < 0)
		return -1;
	n = wire_crlf_run(s, &seen);
	if (n < s.len)
		return error_set(err, s.p[n] == '\r' ? "bare CR in content" :
		    "bare LF in content");
	if ((seen & WIRE_8BIT) != 0)
		f->flags |= QUEUE_8BIT;
	if ((seen & WIRE_DOTS) != 0)
		f->flags |= QUEUE_DOTS;
	/* Each LF has its CR by now. */
	f->line_start = s.p[n - 1] == '\n';
	f->after_cr = s.p[n - 1] == '\r';
	f->crc = crc32c(f->crc, s.p, s.len);
	return 0;
}

int
queue_file_look(struct queue_file *f, size_t end, struct error *err)
{
	struct slice	s = slice_of(f->pending + f->looked, end - f->looked);

	f->looked = end;
	return look_at(f, s, err);
}

/* The first time that is when content comes: clients who only think of sending
 * have none. */
void
queue_file_grow(struct queue_file *f, size_t n)
{
	size_t	 room;

	if (f->pending == NULL)
		take_spare(f->q, f);
	room = f->room;
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
	if (f->looked < f->npending &&
	    queue_file_look(f, f->npending, err) < 0)
		return -1;
	if (f->npending > 0 &&
	    file_write(f->fd, f->pending, f->npending) < 0)
		return error_sys(err, "write queue file new/%s", f->id);
	f->npending = f->looked = 0;
	f->flushed = true;
	return 0;
}

/* The content goes ahead of its head, whose place is left empty. */
static int
flush_early(struct queue_file *f, struct error *err)
{
	if (!f->flushed) {
		queue_file_grow(f, 0);
		memset(f->pending, 0, QUEUE_HEAD_SIZE);
	}
	return queue_file_flush(f, err);
}

/* What fits stays in memory and may become part of the journal. */
static int
take(struct queue_file *f, const unsigned char *p, size_t n,
    struct error *err)
{
	size_t	 most = f->q->writer != NULL && !f->flushed ?
	    QUEUE_IMAGE_MAX : BUFFER;

	if (f->npending + n > most && flush_early(f, err) < 0)
		return -1;
	if (n > BUFFER && f->flushed) {
		if (look_at(f, slice_of(p, n), err) < 0)
			return -1;
		return file_write(f->fd, p, n) < 0 ?
		    error_sys(err, "write queue file new/%s", f->id) : 0;
	}
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
	if (take(f, p, n, err) < 0) {
		f->lost = true;
		return -1;
	}
	f->size += n;
	return 0;
}

void
queue_file_free(struct queue_file **f)
{
	put_spare((*f)->q, *f);
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
