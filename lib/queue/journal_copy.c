/* SPDX-License-Identifier: Apache-2.0 */
/* A message leaves the journal for a file of its own.  It is written in tmp/
 * and renamed incomplete; what a crash leaves of it is written over, because
 * the journal still has the message. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "queue/journal_int.h"
#include "sys/file.h"

static int
copy_bytes(const struct journal_copy *c, int to)
{
	unsigned char	chunk[32768];

	for (uint32_t done = 0; done < c->length;) {
		size_t	n = c->length - done < sizeof(chunk) ?
		    c->length - done : sizeof(chunk);
		ssize_t	got = file_pread(c->fd, chunk, n, (off_t)(c->at +
		    done));

		if (got >= 0 && (size_t)got < n)
			errno = EIO;
		if (got != (ssize_t)n || file_write(to, chunk, n) < 0)
			return -1;
		done += (uint32_t)n;
	}
	return file_pwrite(to, c->statuses, c->nstatuses,
	    (off_t)(c->status_offset - c->at));
}

int
journal_copy(const struct journal_copy *c, int *fd_out, struct error *err)
{
	struct queue	*q = c->q;
	int		 fd;

	fd = openat(q->dirs[QUEUE_TMP], c->id, O_RDWR | O_CREAT | O_TRUNC |
	    O_NOFOLLOW | O_CLOEXEC, QUEUE_MODE_WRITING);
	if (fd < 0)
		return error_sys(err, "create queue file tmp/%s", c->id);
	if (copy_bytes(c, fd) < 0 || renameat(q->dirs[QUEUE_TMP], c->id,
	    q->dirs[c->to], c->id) < 0) {
		(void)error_sys(err, "write queue file tmp/%s", c->id);
		(void)unlinkat(q->dirs[QUEUE_TMP], c->id, 0);
		(void)close(fd);
		return -1;
	}
	if (fchmod(fd, QUEUE_MODE_COMPLETE) < 0 ||
	    (!c->no_sync && fsync(fd) < 0)) {
		(void)error_sys(err, "sync queue file %s", c->id);
		(void)unlinkat(q->dirs[c->to], c->id, 0);
		(void)close(fd);
		return -1;
	}
	if (fd_out != NULL)
		*fd_out = fd;
	else
		(void)close(fd);
	return 0;
}

/* A failed sync is not repeated: that file is gone. */
static void
sync_one(struct journal_copy *c)
{
	if (c->result == 0 && fsync(c->out_fd) < 0) {
		c->result = error_sys(&c->err, "sync queue file %s", c->id);
		(void)unlinkat(c->q->dirs[c->to], c->id, 0);
	}
	if (c->out_fd >= 0 && (c->result < 0 || !c->keep_fd)) {
		(void)close(c->out_fd);
		c->out_fd = -1;
	}
}

void
journal_copy_many(struct journal_copy *c, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		c[i].no_sync = true;
		c[i].out_fd = -1;
		c[i].result = journal_copy(&c[i], &c[i].out_fd, &c[i].err);
	}
	for (size_t i = 0; i < n; i++)
		sync_one(&c[i]);
}

void
journal_copy_of(struct queue *q, const struct queue_msg *m,
    enum queue_dir to, struct arena *a, struct journal_copy *out)
{
	char	*statuses = arena_alloc(a, m->env.nrcpts + 1);

	for (size_t i = 0; i < m->env.nrcpts; i++)
		statuses[i] = m->env.rcpts[i].status;
	*out = (struct journal_copy){
		.q = q, .fd = m->fd, .at = m->base,
		.status_offset = m->status_offset, .length = m->rec->length,
		.statuses = statuses, .nstatuses = m->env.nrcpts, .to = to,
	};
	memcpy(out->id, m->id, sizeof(out->id));
}

int
journal_quarantine(struct queue *q, const struct journal_rec *r,
    struct error *err)
{
	struct journal_copy	 c = {
		.q = q, .fd = r->seg->walk.fd, .at = r->at,
		.length = r->length, .status_offset = r->at,
		.statuses = "", .to = QUEUE_CORRUPT,
	};

	memcpy(c.id, r->id, sizeof(c.id));
	return journal_copy(&c, NULL, err);
}

int
journal_marks_to_file(struct journal_rec *r, enum queue_dir dir,
    bool sync, struct error *err)
{
	struct arena		*a = arena_new();
	struct queue_msg	 file, m;
	bool			 ok;

	ok = queue_msg_open(r->seg->j->q, dir, r->id, true, false, a, &file,
	    err) == QUEUE_OK && journal_msg_open(r, a, &m, err) == QUEUE_OK;
	for (size_t i = 0; ok && i < m.env.nrcpts &&
	    i < file.env.nrcpts; i++)
		ok = m.env.rcpts[i].status == RCPT_TODO ||
		    file.env.rcpts[i].status != RCPT_TODO ||
		    queue_msg_mark(&file, i, m.env.rcpts[i].status, err) == 0;
	if (ok && sync && fsync(file.fd) < 0)
		ok = error_sys(err, "sync queue file %s", r->id) == 0;
	queue_msg_close(&file);
	arena_free(&a);
	return ok ? 0 : -1;
}
