/* SPDX-License-Identifier: Apache-2.0 */
/* Messages that another program put there have a record without content and
 * date until a client asks for some (LOG_UNREAD, LOG_UNDATED).  Then the file is
 * read and parsed, and what was found waits here, to be written to the log with that of others: when
 * there is much of it, at the end of a command if there is some, and when the
 * view is closed.  Lost in a crash, or because another session holds the lock,
 * it is found again.  Two sessions that read the same file write one record:
 * the second sees under the lock that it is no longer needed. */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "store/record.h"
#include "store/view_int.h"
#include "sys/file.h"

#define KEEP_SOME	8192		/* bytes, at the end of a command */
#define KEEP_MUCH	((size_t)256 << 10)
#define KEEP_MAX	((size_t)2 << 20)

struct lazy_found {
	uint32_t	 uid;
	bool		 read;		/* else only the date is known */
	struct box_msg	 m;		/* date, sizes, headers, structure */
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
put_one(struct box *b, const struct lazy_found *f)
{
	size_t			 i = box_find(b, f->uid);
	const struct rec	*r = i < box_count(b) ? box_rec(b, i) : NULL;

	if (r == NULL || r->uid != f->uid || (r->flags & REC_DEAD) != 0)
		return;
	if (f->read && (r->flags & REC_UNREAD) != 0)
		box_put_details(b, i, &f->m);
	else if ((r->flags & REC_UNDATED) != 0)
		box_put_date(b, i, f->m.internaldate);
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
	for (size_t k = 0; k < v->lazy.n && !v->dead; k++)
		put_one(&v->box, &v->lazy.found[k]);
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

static struct lazy_found *
add(struct view *v, uint32_t uid)
{
	struct view_lazy	*z = &v->lazy;

	if (z->bytes > KEEP_MUCH)
		write_found(v);
	if (z->n == z->size) {
		z->size = z->size == 0 ? 16 : z->size * 2;
		z->found = mem_grow(z->found, z->size, sizeof(*z->found));
	}
	if (uid > z->highest)
		z->highest = uid;
	z->bytes += sizeof(*z->found);
	z->found[z->n] = (struct lazy_found){ .uid = uid };
	return &z->found[z->n++];
}

int
view_lazy_read(struct view *v, uint32_t uid, int fd,
    const struct box_msg **out, struct error *err)
{
	struct lazy_found	*f = found(&v->lazy, uid);
	struct slice		 message;
	int64_t			 date;
	bool			 mapped;

	if (f == NULL || !f->read) {
		if (record_read(fd, &message, &mapped, &date, err) < 0)
			return -1;
		if (f == NULL)
			f = add(v, uid);
		if (v->lazy.mem == NULL)
			v->lazy.mem = arena_new();
		f->read = true;
		f->m.internaldate = date;
		record_of_bytes(message, v->lazy.mem, &f->m);
		record_unread(&message, mapped);
		v->lazy.bytes += f->m.headers.len + f->m.structure.len;
	}
	*out = &f->m;
	return 0;
}

/* Bytes of a file, and LFs in it without CR.  -1: it cannot be read. */
static int
count(int fd, uint64_t *bytes, uint64_t *bare)
{
	unsigned char	chunk[32768];
	int		last = 0;
	ssize_t		n;

	*bytes = *bare = 0;
	while ((n = file_pread(fd, chunk, sizeof(chunk),
	    (off_t)*bytes)) > 0) {
		const unsigned char	*p = chunk, *end = chunk + n;

		while ((p = memchr(p, '\n', (size_t)(end - p))) != NULL) {
			*bare += (p > chunk ? p[-1] : last) != '\r';
			p++;
		}
		last = chunk[n - 1];
		*bytes += (uint64_t)n;
		if ((size_t)n < sizeof(chunk))
			break;
	}
	return n < 0 ? -1 : 0;
}

/* Who wants the bytes alone, and finds them as the name says, need not have the
 * message parsed. */
int
view_lazy_sizes(struct view *v, uint32_t uid, int fd, uint64_t *disk_out,
    uint64_t *wire_out, struct error *err)
{
	const struct rec	*r = box_rec(&v->box, box_find(&v->box, uid));
	struct lazy_found	*f = found(&v->lazy, uid);
	const struct box_msg	*m;
	uint64_t		 bytes, bare;

	*disk_out = r->disk_size;
	*wire_out = r->wire_size;
	if ((f == NULL || !f->read) && count(fd, &bytes, &bare) == 0 &&
	    bytes == *disk_out && bytes + bare == *wire_out)
		return 0;
	if (view_lazy_read(v, uid, fd, &m, err) < 0)
		return -1;
	*disk_out = m->disk_size;
	*wire_out = m->wire_size;
	return 0;
}

int
view_lazy_get(struct view *v, uint32_t uid, const struct box_msg **out,
    struct error *err)
{
	struct lazy_found	*f = found(&v->lazy, uid);
	enum store_fail		 fail;
	int			 fd, r;

	if (f != NULL && f->read) {
		*out = &f->m;
		return 0;
	}
	if ((fd = view_msg_open(v, uid, &fail, err)) < 0)
		return -1;
	r = view_lazy_read(v, uid, fd, out, err);
	close(fd);
	return r;
}

/* By its name; if that is not its name any more, as view_msg_open() does. */
static int
stat_file(struct view *v, uint32_t uid, size_t i, struct stat *st,
    struct error *err)
{
	enum store_fail	fail;
	struct slice	name;
	char		path[320];
	int		fd, r;

	if (box_name(&v->box, i, &name) && name.len < sizeof(path)) {
		memcpy(path, name.p, name.len);
		path[name.len] = '\0';
		if (fstatat(v->box.dirfd, path, st, AT_SYMLINK_NOFOLLOW) == 0)
			return 0;
	}
	if ((fd = view_msg_open(v, uid, &fail, err)) < 0)
		return -1;
	r = fstat(fd, st);
	close(fd);
	return r < 0 ? error_sys(err, "fstat") : 0;
}

int
view_date(struct view *v, uint32_t seq, usec_t *out, struct error *err)
{
	size_t			 i = view_index(v, seq);
	const struct rec	*r = box_rec(&v->box, i);
	uint32_t		 uid = r->uid;
	struct lazy_found	*f;
	struct stat		 st;

	*out = r->internaldate;
	if ((r->flags & REC_UNDATED) == 0)
		return 0;
	if ((f = found(&v->lazy, uid)) == NULL) {
		if (stat_file(v, uid, i, &st, err) < 0)
			return -1;
		f = add(v, uid);
		f->m.internaldate = record_date(&st);
	}
	*out = f->m.internaldate;
	return 0;
}
