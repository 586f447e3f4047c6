/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "store/rebuild.h"
#include "store/record.h"
#include "store/view_int.h"
#include "sys/file.h"
#include "sys/loop.h"

/* Flags of record r after s. */
static void
apply(const struct rec *r, const struct view_store *s, uint32_t *flags,
    uint64_t *keywords)
{
	*flags = r->flags & STORE_FLAGS_ALL;
	*keywords = r->keywords;
	switch (s->op) {
	case VIEW_FLAGS_ADD:
		*flags |= s->flags & STORE_FLAGS_ALL;
		*keywords |= s->keywords;
		break;
	case VIEW_FLAGS_REMOVE:
		*flags &= ~s->flags;
		*keywords &= ~s->keywords;
		break;
	case VIEW_FLAGS_SET:
		*flags = s->flags & STORE_FLAGS_ALL;
		*keywords = s->keywords;
		break;
	}
}

int
view_store(struct view *v, const uint32_t *seqs, size_t n,
    const struct view_store *s, uint32_t *failed_out, size_t *nfailed_out,
    struct error *err)
{
	struct box	*b = &v->box;
	size_t		 touched = v->touched.n, nfailed = 0;

	if (view_begin(v, err) < 0)
		return -1;
	for (size_t k = 0; k < n; k++) {
		size_t		 i = view_index(v, seqs[k]);
		struct rec	*r = box_rec(b, i);
		uint32_t	 flags;
		uint64_t	 keywords;

		if ((r->flags & REC_DEAD) != 0)
			continue;
		if (r->modseq > s->unchanged_since) {
			if (failed_out != NULL)
				failed_out[nfailed] = seqs[k];
			nfailed++;
			continue;
		}
		apply(r, s, &flags, &keywords);
		if (s->report)
			box_note_change(b, i);
		if (flags == (r->flags & STORE_FLAGS_ALL) &&
		    keywords == r->keywords)
			continue;
		box_put_flags(b, i, flags, keywords);
		view_list_put(&v->touched, r->uid);
	}
	if (nfailed_out != NULL)
		*nfailed_out = nfailed;
	if (box_commit(b, err) == 0)
		return 0;
	v->touched.n = touched;
	view_remap(v);
	return -1;
}

static int
unlink_rec(struct box *b, size_t i, struct error *err)
{
	struct slice	name;
	char		path[320];

	/* Without its name the file would stay, and be new mail. */
	if (!box_name(b, i, &name) || name.len >= sizeof(path))
		return error_set(err, "record is damaged");
	memcpy(path, name.p, name.len);
	path[name.len] = '\0';
	if (unlinkat(b->dirfd, path, 0) < 0 && errno != ENOENT)
		return error_sys(err, "unlink %s", path);
	return 0;
}

/* Files first, then the record: killed in between, the next scan finds the
 * files gone.  The other way round they would come back as new mail. */
int
view_expunge(struct view *v, const uint32_t *uids, size_t n,
    struct error *err)
{
	struct box	*b = &v->box;
	int		 r = 0;

	for (size_t k = 0; k < n; k++) {
		size_t		i = box_find(b, uids[k]);
		struct slice	name;

		if (i < box_count(b) && box_rec(b, i)->uid == uids[k] &&
		    (box_rec(b, i)->flags & REC_DEAD) == 0 &&
		    !box_name(b, i, &name)) {
			if (rebuild_forced(b, err) < 0)
				return -1;
			view_remap(v);
			break;
		}
	}
	/* Names by which other programs know the files now. */
	if (view_merge(v, false, err) < 0 || view_begin(v, err) < 0)
		return -1;
	box_dirs_begin(b, true, true);
	for (size_t k = 0; k < n && r == 0; k++) {
		size_t	i = box_find(b, uids[k]);

		if (i == box_count(b) || box_rec(b, i)->uid != uids[k] ||
		    (box_rec(b, i)->flags & REC_DEAD) != 0)
			continue;
		if ((r = unlink_rec(b, i, err)) == 0)
			box_put_expunge(b, i);
	}
	box_dirs_end(b);
	/* What was removed is recorded even if a later one failed. */
	if (box_commit(b, err) < 0)
		r = -1;
	view_remap(v);
	return r;
}

static int
dup_fd(int fd)
{
	return fcntl(fd, F_DUPFD_CLOEXEC, 3);
}

struct flush {
	struct store	*store;
	int		 fds[3];	/* new, cur, log */
	int		 result;
	struct error	 err;
	void		(*done)(void *arg, int result,
			    const struct error *err);
	void		*arg;
};

static int
sync_fds(const int fds[3], struct error *err)
{
	for (int i = 0; i < 2; i++)
		if (file_sync_dir(fds[i], err) < 0)
			return -1;
	if (fdatasync(fds[2]) < 0)
		return error_sys(err, "sync %s", LOG_FILE);
	return 0;
}

static void
flush_work(void *arg)
{
	struct flush	*f = arg;

	f->result = sync_fds(f->fds, &f->err);
	for (int i = 0; i < 3; i++)
		if (f->fds[i] >= 0)
			close(f->fds[i]);
}

static void
flush_done(void *arg)
{
	struct flush	*f = arg;

	f->store->pending--;
	f->done(f->arg, f->result, f->result < 0 ? &f->err : NULL);
	mem_free(&f);
}

void
view_flush(struct view *v,
    void (*done)(void *arg, int result, const struct error *err), void *arg)
{
	struct store	*s = v->user->store;
	struct flush	*f = mem_new(1, sizeof(*f));

	/* Own descriptors: the view may be closed meanwhile. */
	*f = (struct flush){ .store = s, .done = done, .arg = arg,
	    .fds = { dup_fd(v->box.newfd), dup_fd(v->box.curfd),
	    dup_fd(v->box.log.fd) } };
	s->pending++;
	store_run(s, flush_work, flush_done, f);
}

int
view_flush_now(struct view *v, struct error *err)
{
	const int	fds[3] = { v->box.newfd, v->box.curfd,
			    v->box.log.fd };

	return sync_fds(fds, err);
}

static void
rename_one(struct box *b, size_t i)
{
	const struct rec	*r = box_rec(b, i);
	struct slice		 name;
	struct buf		 to;
	char			 from[320];

	if ((r->flags & REC_DEAD) != 0 || !box_name(b, i, &name) ||
	    name.len >= sizeof(from))
		return;
	memcpy(from, name.p, name.len);
	from[name.len] = '\0';
	buf_init(&to, 400);
	record_name(&to, name, r->flags & STORE_FLAGS_ALL, r->keywords);
	/* A name that other programs changed meanwhile is merged later. */
	if (!to.overflow && buf_len(&to) < 300 &&
	    strcmp(buf_cstr(&to), from) != 0 &&
	    renameat2(b->dirfd, from, b->dirfd, buf_cstr(&to),
	    RENAME_NOREPLACE) == 0)
		box_put_name(b, i, buf_slice(&to));
	buf_clear(&to);
}

void
view_sync_names(struct view *v)
{
	struct box	*b = &v->box;

	if (view_begin(v, NULL) < 0)
		return;
	box_dirs_begin(b, true, true);
	for (size_t k = 0; k < v->touched.n; k++) {
		size_t	i = box_find(b, v->touched.v[k]);

		/* Twice in the list: a name written in this transaction
		 * cannot be read yet. */
		if (i < box_count(b) && box_rec(b, i)->uid == v->touched.v[k] &&
		    box_rec(b, i)->name_at < b->log.end)
			rename_one(b, i);
	}
	box_dirs_end(b);
	(void)!box_commit(b, NULL);
	view_remap(v);
	v->touched.n = 0;
}
