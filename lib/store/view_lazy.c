/* SPDX-License-Identifier: Apache-2.0 */
/* Messages that another program put there have a record without content until
 * a client asks for some (LOG_UNREAD).  Then the file is read and parsed, and
 * what was found waits here, to be written to the log with that of others: when
 * there is much of it, at the end of a command if there is some, and when the
 * view is closed.  Lost in a crash, or because another session holds the lock,
 * it is found again.  Two sessions that read the same file write one record:
 * the second sees under the lock that it is no longer needed. */
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "store/record.h"
#include "store/view_int.h"

#define KEEP_SOME	8192		/* bytes, at the end of a command */
#define KEEP_MUCH	((size_t)256 << 10)
#define KEEP_MAX	((size_t)2 << 20)
#define RECORD		160		/* what one costs besides its content */

struct lazy_found {
	uint32_t	 uid;
	struct box_msg	 m;		/* sizes, headers, structure, partial */
};

static struct lazy_found *
found(const struct view_lazy *z, uint32_t uid)
{
	/* Most ask in order, and of each message all at once. */
	if (uid > z->highest)
		return NULL;
	for (size_t k = z->n; k-- > 0;)
		if (z->found[k].uid == uid)
			return &z->found[k];
	return NULL;
}

bool
view_lazy_unread(const struct view *v, uint32_t uid)
{
	size_t	i = box_find(&v->box, uid);

	return i < box_count(&v->box) && box_rec(&v->box, i)->uid == uid &&
	    (box_rec(&v->box, i)->flags & REC_UNREAD) != 0;
}

void
view_lazy_drop(struct view *v)
{
	arena_free(&v->lazy.mem);
	mem_free(&v->lazy.found);
	v->lazy = (struct view_lazy){ .mem = NULL };
}

static void
put_all(struct view *v)
{
	struct box	*b = &v->box;

	for (size_t k = 0; k < v->lazy.n; k++) {
		const struct lazy_found	*f = &v->lazy.found[k];
		size_t			 i = box_find(b, f->uid);

		if (i < box_count(b) && box_rec(b, i)->uid == f->uid &&
		    (box_rec(b, i)->flags & (REC_UNREAD | REC_DEAD)) ==
		    REC_UNREAD)
			box_put_details(b, i, &f->m);
	}
}

static void
write_found(struct view *v)
{
	int	r;

	if (v->lazy.n == 0)
		return;
	if (v->dead || !box_is_there(&v->box)) {
		view_lazy_drop(v);
		return;
	}
	/* A client does not wait for a lock so that a later one need not wait
	 * for us. */
	v->box.log.no_wait = true;
	r = box_begin(&v->box, NULL);
	v->box.log.no_wait = false;
	view_remap(v);
	if (r < 0) {
		if (v->lazy.bytes > KEEP_MAX)
			view_lazy_drop(v);
		return;
	}
	/* Other messages may have these UIDs now. */
	if (!v->dead)
		put_all(v);
	(void)!box_commit_quiet(&v->box, NULL);
	view_remap(v);
	view_lazy_drop(v);
}

void
view_lazy_write(struct view *v, bool all)
{
	if (v->lazy.bytes > (all ? 0 : KEEP_SOME))
		write_found(v);
}

static const struct box_msg *
add(struct view *v, uint32_t uid, const struct box_msg *m)
{
	struct view_lazy	*z = &v->lazy;

	if (z->n == z->size) {
		z->size = z->size == 0 ? 16 : z->size * 2;
		z->found = mem_grow(z->found, z->size, sizeof(*z->found));
	}
	z->found[z->n] = (struct lazy_found){ uid, *m };
	if (uid > z->highest)
		z->highest = uid;
	z->bytes += RECORD + m->headers.len + m->structure.len;
	return &z->found[z->n++].m;
}

int
view_lazy_read(struct view *v, uint32_t uid, int fd,
    const struct box_msg **out, struct error *err)
{
	struct lazy_found	*f;
	struct box_msg		 m = { .flags = 0 };

	if ((f = found(&v->lazy, uid)) != NULL) {
		*out = &f->m;
		return 0;
	}
	if (v->lazy.bytes > KEEP_MUCH)
		write_found(v);
	if (v->lazy.mem == NULL)
		v->lazy.mem = arena_new();
	if (record_of(fd, v->lazy.mem, &m, err) < 0)
		return -1;
	*out = add(v, uid, &m);
	return 0;
}

int
view_lazy_get(struct view *v, uint32_t uid, const struct box_msg **out,
    struct error *err)
{
	struct lazy_found	*f = found(&v->lazy, uid);
	enum store_fail		 fail;
	int			 fd, r;

	if (f != NULL) {
		*out = &f->m;
		return 0;
	}
	if ((fd = view_msg_open(v, uid, &fail, err)) < 0)
		return -1;
	r = view_lazy_read(v, uid, fd, out, err);
	close(fd);
	return r;
}
