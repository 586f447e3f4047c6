/* SPDX-License-Identifier: Apache-2.0 */
/* Writing a message and making it ours.
 *
 * It is written where it will be found, in new/: the mode tells readers that
 * it is not complete yet.  (Another directory and a rename would say the same
 * and cost a lock that all of a file system's renames share.)
 *
 * Order of a commit, and what a crash after each step leaves:
 *	write everything	new/ID, 0600	ignored by readers, swept later
 *	rename if to hold/	hold/ID, 0600	the same
 *	fchmod 0700		new/ID, 0700	perhaps all of it, perhaps cut
 *						short by the crash: the head
 *						and end record tell
 *	fsync			ours
 *	close, then 250
 * One fsync is enough because the name comes before it: ext4, xfs and btrfs
 * make the name durable with the file.  After a failed write, fsync or close
 * the file is gone whatever a second attempt would say. */
#include "queue/queue_int.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "base/mem.h"
#include "base/panic.h"
#include "queue/queue_format.h"
#include "sys/file.h"
#include "sys/syncer.h"

#define BUFFER		((size_t)65536)
#define CREATE_TRIES	16

struct queue_file {
	struct queue	*q;
	int		 fd;
	char		 id[QUEUE_ID_MAX];
	uint64_t	 size;			/* of the content */
	unsigned int	 flags;
	uint32_t	 crc;
	bool		 line_start, after_cr, lost;

	/* Bytes not written yet; the head's place is at the front until the
	 * first flush. */
	unsigned char	*pending;
	size_t		 npending;
	bool		 flushed;
};

int
queue_file_new(struct queue *q, struct queue_file **out, struct error *err)
{
	struct queue_file	*f = mem_new(1, sizeof(*f));

	f->fd = -1;
	for (int i = 0; f->fd < 0 && i < CREATE_TRIES; i++) {
		queue_id_make(f->id);
		f->fd = openat(q->dirs[QUEUE_NEW], f->id, O_WRONLY | O_CREAT |
		    O_EXCL | O_NOFOLLOW | O_CLOEXEC, QUEUE_MODE_WRITING);
		if (f->fd < 0 && errno != EEXIST)
			break;
	}
	if (f->fd < 0) {
		(void)error_sys(err, "create queue file new/%s", f->id);
		mem_free(&f);
		return -1;
	}
	f->q = q;
	f->line_start = true;
	f->pending = mem_new(1, BUFFER);
	f->npending = QUEUE_HEAD_SIZE;
	*out = f;
	return 0;
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

static int
flush(struct queue_file *f, struct error *err)
{
	if (f->npending > 0 &&
	    file_write(f->fd, f->pending, f->npending) < 0)
		return error_sys(err, "write queue file new/%s", f->id);
	f->npending = 0;
	f->flushed = true;
	return 0;
}

static int
take(struct queue_file *f, const unsigned char *p, size_t n,
    struct error *err)
{
	size_t	 part;

	while (n > 0) {
		/* What is as large as the buffer need not pass through it. */
		if (f->npending == 0 && n >= BUFFER) {
			if (file_write(f->fd, p, n) < 0)
				return error_sys(err,
				    "write queue file new/%s", f->id);
			return 0;
		}
		part = BUFFER - f->npending < n ? BUFFER - f->npending : n;
		memcpy(f->pending + f->npending, p, part);
		f->npending += part;
		p += part;
		n -= part;
		if (f->npending == BUFFER && flush(f, err) < 0)
			return -1;
	}
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

/*
 * Commit.
 */

struct commit {
	struct queue_file	*f;
	enum queue_dir		 to;
	unsigned char		 head[QUEUE_HEAD_SIZE];
	struct buf		 tail;
	int			 result;
	struct error		 err;
	void			(*done)(void *arg, int result,
				    const struct error *err);
	void			*arg;
};

static void
file_free(struct queue_file **f)
{
	mem_free(&(*f)->pending);
	mem_free(f);
}

void
queue_file_abort(struct queue_file **f)
{
	if (*f == NULL)
		return;
	(void)close((*f)->fd);
	(void)unlinkat((*f)->q->dirs[QUEUE_NEW], (*f)->id, 0);
	file_free(f);
}

static void
add_statuses(struct buf *tail, const struct queue_env *env, size_t pad)
{
	static const unsigned char	zero[8];

	buf_add(tail, zero, pad);
	for (size_t i = 0; i < env->nrcpts; i++)
		buf_addc(tail, env->rcpts[i].status == 0 ? RCPT_TODO :
		    env->rcpts[i].status);
}

/* Head and tail in memory; after this env is not needed any more. */
static int
prepare(struct commit *c, const struct queue_env *env)
{
	struct queue_file	*f = c->f;
	struct queue_head	 h = { .nrcpts = 0 };
	struct queue_end	 end;
	unsigned char		 rec[QUEUE_END_SIZE];

	if (f->lost)
		return error_set(&c->err, "queue file is lost");
	if (f->after_cr)
		return error_set(&c->err, "bare CR at the end of content");
	if (queue_env_put(env, &c->tail, &c->err) < 0)
		return -1;
	memcpy(h.id, f->id, sizeof(h.id));
	h.flags = f->flags | (env->flags & (QUEUE_UTF8 | QUEUE_NOTICE));
	h.nrcpts = (uint32_t)env->nrcpts;
	h.arrival = env->arrival;
	h.content_size = f->size;
	h.env_size = buf_len(&c->tail);
	queue_head_layout(&h);
	queue_head_put(&h, c->head);
	end = (struct queue_end){
		.file_size = h.file_size,
		.nrcpts = h.nrcpts,
		.head_crc = queue_head_crc(c->head),
		.content_crc = f->crc,
		.env_crc = crc32c(0, buf_slice(&c->tail).p, h.env_size),
	};
	add_statuses(&c->tail, env, (size_t)(h.status_offset -
	    queue_env_offset(&h) - h.env_size));
	queue_end_put(&end, rec);
	buf_add(&c->tail, rec, sizeof(rec));
	return c->tail.overflow ?
	    error_set(&c->err, "envelope too large") : 0;
}

/* A small message goes out in a single write. */
static int
write_rest(struct commit *c)
{
	struct queue_file	*f = c->f;
	struct slice		 tail = buf_slice(&c->tail);
	bool			 whole = !f->flushed;

	if (whole)
		memcpy(f->pending, c->head, QUEUE_HEAD_SIZE);
	if (tail.len <= BUFFER - f->npending) {
		memcpy(f->pending + f->npending, tail.p, tail.len);
		f->npending += tail.len;
		tail.len = 0;
	}
	if (flush(f, &c->err) < 0)
		return -1;
	if (file_write(f->fd, tail.p, tail.len) < 0 ||
	    (!whole && file_pwrite(f->fd, c->head, QUEUE_HEAD_SIZE, 0) < 0))
		return error_sys(&c->err, "write queue file new/%s", f->id);
	return 0;
}

/* Runs in a thread of the syncer: touches nothing but c and what it owns. */
static void
commit_work(void *arg)
{
	struct commit		*c = arg;
	struct queue_file	*f = c->f;
	struct queue		*q = f->q;
	enum queue_dir		 at = QUEUE_NEW;
	int			 fd = f->fd;

	if (c->result < 0 || (c->result = write_rest(c)) < 0)
		goto lost;
	c->result = -1;
	if (c->to != at && queue_rename(q->dirs[at], f->id, q->dirs[c->to],
	    f->id) < 0) {
		(void)error_sys(&c->err, "rename queue file new/%s", f->id);
		goto lost;
	}
	at = c->to;
	if (fchmod(fd, QUEUE_MODE_COMPLETE) < 0 || fsync(fd) < 0) {
		(void)error_sys(&c->err, "sync queue file %s", f->id);
		goto lost;
	}
	f->fd = -1;
	if (close(fd) < 0) {
		(void)error_sys(&c->err, "close queue file %s", f->id);
		(void)unlinkat(q->dirs[at], f->id, 0);
		return;
	}
	c->result = 0;
	return;
lost:
	(void)unlinkat(q->dirs[at], f->id, 0);
	(void)close(fd);
	f->fd = -1;
}

static struct commit *
commit_new(struct queue_file **f, const struct queue_env *env, bool hold)
{
	struct commit	*c = mem_new(1, sizeof(*c));

	c->f = *f;
	*f = NULL;
	c->to = hold ? QUEUE_HOLD : QUEUE_NEW;
	buf_init(&c->tail, QUEUE_ENV_MAX + QUEUE_RCPTS_MAX + 4096);
	c->result = prepare(c, env);
	return c;
}

static void
commit_free(struct commit **c)
{
	file_free(&(*c)->f);
	buf_clear(&(*c)->tail);
	mem_free(c);
}

static void
commit_done(void *arg)
{
	struct commit	*c = arg;

	c->done(c->arg, c->result, c->result < 0 ? &c->err : NULL);
	commit_free(&c);
}

void
queue_file_commit(struct queue_file **f, const struct queue_env *env,
    bool hold, void (*done)(void *arg, int result, const struct error *err),
    void *arg)
{
	struct commit	*c = commit_new(f, env, hold);

	ASSERT(c->f->q->syncer != NULL);
	c->done = done;
	c->arg = arg;
	syncer_run(c->f->q->syncer, commit_work, commit_done, c);
}

int
queue_file_commit_now(struct queue_file **f, const struct queue_env *env,
    bool hold, struct error *err)
{
	struct commit	*c = commit_new(f, env, hold);
	int		 result;

	commit_work(c);
	result = c->result;
	if (result < 0 && err != NULL)
		*err = c->err;
	commit_free(&c);
	return result;
}
