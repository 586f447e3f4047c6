/* SPDX-License-Identifier: Apache-2.0 */
#include "store/delivery.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "store/record.h"
#include "sys/file.h"

#define IN_MEMORY	((uint64_t)1 << 20)	/* larger ones in pieces */
#define PIECE		65536

static ssize_t
read_some(const struct delivery *d, unsigned char *to, uint64_t at,
    size_t most)
{
	size_t	want = d->size - at < most ? (size_t)(d->size - at) : most;
	ssize_t	n = file_pread(d->fd, to, want, (off_t)(d->offset + at));

	/* The message is shorter than its owner said. */
	if (n == 0)
		errno = EIO;
	return n <= 0 ? -1 : n;
}

static int
write_pieces(struct delivery *d)
{
	unsigned char	piece[PIECE];
	struct buf	tmp;
	uint64_t	at = 0;
	int		last = 0, r;

	buf_init(&tmp, 2 * sizeof(piece) + 2 * d->prefix.len);
	r = incoming_write_crlf(d->out, d->prefix.p, d->prefix.len, &last, &tmp);
	last = 0;
	while (r == 0 && at < d->size) {
		ssize_t	n = read_some(d, piece, at, sizeof(piece));

		r = n < 0 ? -1 : incoming_write_crlf(d->out, piece, (size_t)n,
		    &last, &tmp);
		at += n < 0 ? 0 : (uint64_t)n;
	}
	buf_clear(&tmp);
	return r;
}

/* Most messages: read, written and looked at in one piece of memory. */
static int
write_whole(struct delivery *d)
{
	unsigned char	*content = mem_new((size_t)d->size + 1, 1);
	struct buf	 out;
	uint64_t	 at = 0;
	int		 last = 0, r = 0;

	while (r == 0 && at < d->size) {
		ssize_t	n = read_some(d, content + at, at, (size_t)d->size);

		r = n < 0 ? -1 : 0;
		at += n < 0 ? 0 : (uint64_t)n;
	}
	buf_init(&out, 2 * (size_t)d->size + 2 * d->prefix.len + 2);
	incoming_put_crlf(&out, d->prefix, &last);
	last = 0;
	incoming_put_crlf(&out, slice_of(content, (size_t)at), &last);
	if (r == 0)
		r = file_write(d->out, buf_slice(&out).p, buf_len(&out));
	if (r == 0)
		record_of_bytes(buf_slice(&out), d->in->mem, &d->in->m);
	mem_free(&content);
	buf_clear(&out);
	return r;
}

int
delivery_write(struct delivery *d, int dirfd, bool start, struct error *err)
{
	struct incoming	*in = d->in;
	char		*tmp = arena_printf(in->mem, "tmp/%s", in->base);
	bool		 whole = d->size <= IN_MEMORY;

	d->out = incoming_create(dirfd, tmp, err);
	if (d->out < 0)
		return -1;
	in->tmp = tmp;
	if ((whole ? write_whole(d) : write_pieces(d)) < 0)
		return error_sys(err, "write %s/%s", d->path, tmp);
	if (!whole && record_of(d->out, in->mem, &in->m, err) < 0)
		return -1;
	incoming_named(in, d->out);
	/* Only a hint: the sync that follows says whether it worked. */
	if (start)
		(void)!sync_file_range(d->out, 0, 0, SYNC_FILE_RANGE_WRITE);
	return 0;
}

int
delivery_sync(struct delivery *d, struct error *err)
{
	int	fd = d->out, r = 0;

	d->out = -1;
	if (fsync(fd) < 0)
		r = error_sys(err, "sync %s", d->in->tmp);
	if (close(fd) < 0 && r == 0)
		r = error_sys(err, "close %s", d->in->tmp);
	return r;
}

enum store_fail
delivery_fail_of(const struct error *err)
{
	enum store_fail	f = store_fail_of(err->sys);

	return f == STORE_NO_MAILBOX ? STORE_TEMP : f;
}

struct delivery *
delivery_new(struct store_user *u, const struct store_delivery *s,
    enum store_fail *fail_out, struct error *err)
{
	struct store	*st = u->store;
	struct delivery	*d;
	struct arena	*mem;

	if (st->conf.quota != NULL && st->conf.quota(st->conf.quota_arg, u,
	    s->prefix.len + s->size, 1, err) < 0) {
		*fail_out = STORE_OVER_QUOTA;
		return NULL;
	}
	d = mem_new(1, sizeof(*d));
	d->in = incoming_new(st);
	mem = d->in->mem;
	d->user = u;
	d->out = -1;
	d->create = s->create;
	d->dir = s->mailbox == NULL ? "" :
	    names_to_dir(st, s->mailbox, mem);
	/* A bad name is no reason to refuse mail. */
	if (d->dir == NULL)
		d->dir = "";
	d->prefix = slice_dup(mem, s->prefix);
	d->offset = s->offset;
	d->size = s->size;
	d->in->m.flags = s->flags & STORE_FLAGS_ALL;
	d->in->m.internaldate = s->internaldate != 0 ? s->internaldate :
	    d->in->m.savedate;
	incoming_keywords(d->in, s->keywords);
	d->fd = fcntl(s->fd, F_DUPFD_CLOEXEC, 3);
	if (d->fd >= 0)
		return d;
	*fail_out = STORE_TEMP;
	error_sys(err, "duplicate descriptor");
	incoming_free(d->in, u->path);
	mem_free(&d);
	return NULL;
}

void
delivery_free(struct delivery **dp)
{
	struct delivery	*d = *dp;

	if (d == NULL)
		return;
	if (d->out >= 0)
		close(d->out);
	close(d->fd);
	mem_free(dp);
}
