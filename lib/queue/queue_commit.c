/* SPDX-License-Identifier: Apache-2.0 */
/* Making a message ours.
 *
 * A small one goes to the journal if there is one (journal_write.c).  Any other
 * becomes a file by itself; order of that, and what a crash after each step
 * leaves:
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
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "base/mem.h"
#include "base/panic.h"
#include "queue/journal_write.h"
#include "sys/file.h"
#include "sys/syncer.h"

#define TAIL_KEPT	((size_t)65536)	/* memory, for the next one */

static void
add_statuses(struct buf *tail, const struct queue_env *env, size_t pad)
{
	static const unsigned char	zero[8];

	buf_add(tail, zero, pad);
	for (size_t i = 0; i < env->nrcpts; i++)
		buf_addc(tail, env->rcpts[i].status == 0 ? RCPT_TODO :
		    env->rcpts[i].status);
}

/* Everything behind the content joins what is pending, with a place for the
 * end record; after this env is not needed any more. */
static int
prepare(struct commit *c, const struct queue_env *env, struct buf *tail)
{
	static const unsigned char	 end[QUEUE_END_SIZE];
	struct queue_file		*f = c->f;
	struct queue_head		*h = &c->h;

	if (f->lost)
		return error_set(&c->err, "queue file is lost");
	if (queue_env_put(env, tail, &c->err) < 0)
		return -1;
	memcpy(h->id, f->id, sizeof(h->id));
	h->flags = env->flags & (QUEUE_UTF8 | QUEUE_NOTICE);
	h->nrcpts = (uint32_t)env->nrcpts;
	h->arrival = env->arrival;
	h->content_size = f->size;
	h->env_size = buf_len(tail);
	queue_head_layout(h);
	add_statuses(tail, env, (size_t)(h->status_offset -
	    queue_env_offset(h) - h->env_size));
	buf_add(tail, end, sizeof(end));
	if (tail->overflow)
		return error_set(&c->err, "envelope too large");
	c->env_at = f->npending;
	queue_file_grow(f, buf_len(tail));
	memcpy(f->pending + f->npending, buf_slice(tail).p, buf_len(tail));
	f->npending += buf_len(tail);
	return 0;
}

/* The head, in its place if that is still in memory. */
static int
put_head(struct commit *c, uint32_t *crc_out)
{
	struct queue_file	*f = c->f;
	unsigned char		 own[QUEUE_HEAD_SIZE];
	unsigned char		*head = f->flushed ? own : f->pending;

	c->h.flags |= f->flags;
	queue_head_put(&c->h, head);
	*crc_out = queue_head_crc(head);
	if (f->flushed && file_pwrite(f->fd, head, QUEUE_HEAD_SIZE, 0) < 0)
		return error_sys(&c->err, "write queue file new/%s", f->id);
	return 0;
}

static int
seal(struct commit *c)
{
	struct queue_file	*f = c->f;
	struct queue_end	 end = {
		.file_size = c->h.file_size, .nrcpts = c->h.nrcpts
	};

	if (queue_file_look(f, c->env_at, &c->err) < 0)
		return -1;
	if (f->after_cr)
		return error_set(&c->err, "bare CR at the end of content");
	if (put_head(c, &end.head_crc) < 0)
		return -1;
	end.content_crc = f->crc;
	end.env_crc = crc32c(0, f->pending + c->env_at, c->h.env_size);
	queue_end_put(&end, f->pending + f->npending - QUEUE_END_SIZE);
	f->looked = f->npending;
	return 0;
}

int
commit_seal(struct commit *c)
{
	if (c->result == 0 && !c->sealed) {
		c->result = seal(c);
		c->sealed = true;
	}
	return c->result;
}

/* -1: *at is where something of it is. */
static int
make_durable(struct commit *c, enum queue_dir *at)
{
	struct queue_file	*f = c->f;
	struct queue		*q = f->q;
	int			 fd;

	if (queue_file_flush(f, &c->err) < 0)
		return -1;
	if (c->to != *at && queue_rename(q->dirs[*at], f->id,
	    q->dirs[c->to], f->id) < 0)
		return error_sys(&c->err, "rename queue file new/%s", f->id);
	*at = c->to;
	if (fchmod(f->fd, QUEUE_MODE_COMPLETE) < 0 || fsync(f->fd) < 0)
		return error_sys(&c->err, "sync queue file %s", f->id);
	fd = f->fd;
	f->fd = -1;
	return close(fd) < 0 ?
	    error_sys(&c->err, "close queue file %s", f->id) : 0;
}

/* Runs in a thread of the syncer: touches nothing but c and what it owns. */
void
commit_as_file(struct commit *c)
{
	struct queue_file	*f = c->f;
	enum queue_dir		 at = QUEUE_NEW;

	if (commit_seal(c) == 0)
		c->result = make_durable(c, &at);
	if (c->result == 0)
		return;
	if (f->created)
		(void)unlinkat(f->q->dirs[at], f->id, 0);
	if (f->fd >= 0)
		(void)close(f->fd);
	f->fd = -1;
}

static void
work(void *arg)
{
	commit_as_file(arg);
}

static struct commit *
commit_new(struct queue_file **f, const struct queue_env *env, bool hold)
{
	struct commit	*c = mem_grow(NULL, 1, sizeof(*c));
	struct buf	*tail = &(*f)->q->tail;

	memset(c, 0, offsetof(struct commit, err));
	c->f = *f;
	*f = NULL;
	c->to = hold ? QUEUE_HOLD : QUEUE_NEW;
	c->result = prepare(c, env, tail);
	buf_reset(tail);
	if (tail->size > TAIL_KEPT)
		buf_clear(tail);
	return c;
}

static void
commit_free(struct commit **c)
{
	queue_file_free(&(*c)->f);
	mem_free(c);
}

void
queue_tell(struct queue *q, const struct queue_place *where)
{
	if (q->tell != NULL)
		q->tell(q->tell_arg, where);
}

void
queue_listen(struct queue *q, void (*tell)(void *arg,
    const struct queue_place *where), void *arg)
{
	q->tell = tell;
	q->tell_arg = arg;
}

void
commit_report(struct commit *c)
{
	c->done(c->arg, c->result, c->result < 0 ? &c->err : NULL);
	commit_free(&c);
}

static void
file_done(void *arg)
{
	struct commit		*c = arg;
	struct queue_place	 p = { .id = c->f->id };

	if (c->result == 0 && c->to == QUEUE_NEW)
		queue_tell(c->f->q, &p);
	commit_report(c);
}

void
queue_file_commit(struct queue_file **f, const struct queue_env *env,
    bool hold, void (*done)(void *arg, int result, const struct error *err),
    void *arg)
{
	struct commit	*c = commit_new(f, env, hold);
	struct queue	*q = c->f->q;

	ASSERT(q->syncer != NULL);
	c->done = done;
	c->arg = arg;
	if (c->result == 0 && q->writer != NULL && !hold && !c->f->flushed &&
	    c->f->npending <= QUEUE_IMAGE_MAX)
		journal_commit(q->writer, c);
	else
		syncer_run(q->syncer, work, file_done, c);
}

int
queue_file_commit_now(struct queue_file **f, const struct queue_env *env,
    bool hold, struct error *err)
{
	struct commit	*c = commit_new(f, env, hold);
	int		 result;

	commit_as_file(c);
	result = c->result;
	if (result < 0 && err != NULL)
		*err = c->err;
	commit_free(&c);
	return result;
}
