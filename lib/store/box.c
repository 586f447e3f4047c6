/* SPDX-License-Identifier: Apache-2.0 */
/* State is a function of the log: snapshot, then the frames behind it.  A
 * transaction changes the state as its records are added; if it cannot be
 * written the state is loaded again.  Records never move within one loading,
 * so that sessions can name messages by index; a log that was replaced
 * numbers them anew. */
#include "store/box.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/panic.h"
#include "store/rebuild.h"
#include "store/snapshot.h"
#include "sys/clock.h"

#define LACKS	(REC_UNREAD | REC_UNDATED)

size_t
box_count(const struct box *b)
{
	return b->nbase + b->ntail;
}

struct rec *
box_rec(const struct box *b, size_t i)
{
	return i < b->nbase ? &b->base[i] : &b->tail[i - b->nbase];
}

size_t
box_find(const struct box *b, uint32_t uid)
{
	size_t	low = 0, high = box_count(b);

	while (low < high) {
		size_t	mid = low + (high - low) / 2;

		if (box_rec(b, mid)->uid < uid)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static void
idxs_put(struct idxs *x, size_t i)
{
	if (x->n == x->size) {
		x->size = x->size == 0 ? 16 : x->size * 2;
		x->v = mem_grow(x->v, x->size, sizeof(*x->v));
	}
	x->v[x->n++] = (uint32_t)i;
}

/* The live record of a uid, or NULL. */
static struct rec *
live(const struct box *b, uint32_t uid, size_t *i_out)
{
	size_t		 i = box_find(b, uid);
	struct rec	*r = i < box_count(b) ? box_rec(b, i) : NULL;

	*i_out = i;
	return r == NULL || r->uid != uid || (r->flags & REC_DEAD) != 0 ?
	    NULL : r;
}

static void
add_rec(struct box *b, const struct rec *r)
{
	size_t	n = box_count(b);

	/* UIDs ascend; anything else is damage. */
	if (n > 0 && box_rec(b, n - 1)->uid >= r->uid)
		return;
	if (b->ntail == b->tail_size) {
		b->tail_size = b->tail_size == 0 ? 8 : b->tail_size * 2;
		b->tail = mem_grow(b->tail, b->tail_size, sizeof(*b->tail));
	}
	b->tail[b->ntail++] = *r;
}

/* What is to be found out yet, of an append record, as flags. */
static uint32_t
lacks(uint32_t partial)
{
	return ((partial & LOG_UNREAD) != 0 ? REC_UNREAD : 0) |
	    ((partial & LOG_UNDATED) != 0 ? REC_UNDATED : 0);
}

static void
apply_append(struct box *b, const struct log_rec *h, struct slice body,
    uint64_t at, uint64_t modseq)
{
	struct log_append	a;
	struct slice		name, headers, structure;
	struct rec		r;

	if (!log_append_split(body, &a, &name, &headers, &structure) ||
	    !box_name_ok(name) || h->uid == 0)
		return;
	r = (struct rec){
		.uid = h->uid,
		.flags = (a.flags & STORE_FLAGS_ALL) | lacks(a.partial),
		.keywords = a.keywords,
		.modseq = a.modseq != 0 ? a.modseq : modseq,
		.internaldate = a.internaldate, .disk_size = a.disk_size,
		.wire_size = a.wire_size, .append_at = at,
	};
	add_rec(b, &r);
}

static void
apply_flags(struct box *b, uint32_t uid, struct slice body, uint64_t modseq)
{
	struct log_flags	 f;
	size_t			 i;
	struct rec		*r = live(b, uid, &i);

	if (r == NULL || body.len < sizeof(f))
		return;
	memcpy(&f, body.p, sizeof(f));
	r->flags = (r->flags & LACKS) | (f.flags & STORE_FLAGS_ALL);
	r->keywords = f.keywords;
	r->modseq = modseq;
	if (b->track)
		idxs_put(&b->changed, i);
}

static void
apply_details(struct box *b, uint32_t uid, struct slice body, uint64_t at)
{
	struct log_append	 a;
	struct slice		 name, headers, structure;
	size_t			 i;
	struct rec		*r = live(b, uid, &i);

	if (r == NULL ||
	    !log_append_split(body, &a, &name, &headers, &structure) ||
	    !box_name_ok(name))
		return;
	r->append_at = at;
	r->disk_size = a.disk_size;
	r->wire_size = a.wire_size;
	r->internaldate = a.internaldate;
	r->flags &= ~LACKS;
}

static void
apply_date(struct box *b, uint32_t uid, struct slice body)
{
	size_t		 i;
	struct rec	*r = live(b, uid, &i);

	if (r == NULL || body.len < sizeof(r->internaldate))
		return;
	memcpy(&r->internaldate, body.p, sizeof(r->internaldate));
	r->flags &= ~REC_UNDATED;
}

static void
apply_keyword(struct box *b, unsigned int n, struct slice name)
{
	if (n >= STORE_KEYWORDS_MAX || name.len == 0 ||
	    name.len > STORE_KEYWORD_LEN || n > b->nkeywords)
		return;
	mem_free(&b->keywords[n]);
	b->keywords[n] = mem_printf("%.*s", SLICE_ARG(name));
	if (n == b->nkeywords)
		b->nkeywords++;
}

static void
apply_rec(struct box *b, const struct log_rec *h, struct slice body,
    uint64_t at, uint64_t modseq)
{
	size_t		 i;
	struct rec	*r;

	switch ((enum log_type)h->type) {
	case LOG_APPEND:
		apply_append(b, h, body, at, modseq);
		break;
	case LOG_FLAGS:
		apply_flags(b, h->uid, body, modseq);
		break;
	case LOG_EXPUNGE:
		if ((r = live(b, h->uid, &i)) != NULL) {
			r->flags |= REC_DEAD;
			r->modseq = modseq;
			if (b->track)
				idxs_put(&b->dead, i);
		}
		break;
	case LOG_NAME:
		if ((r = live(b, h->uid, &i)) != NULL)
			r->name_at = at;
		break;
	case LOG_KEYWORD:
		apply_keyword(b, h->uid, slice_first(body, h->bytes));
		break;
	case LOG_DETAILS:
		apply_details(b, h->uid, body, at);
		break;
	case LOG_DATE:
		apply_date(b, h->uid, body);
		break;
	case LOG_RECENT:
	case LOG_NOTE:
		break;
	}
}

void
box_apply(struct box *b, struct slice frame, uint64_t at)
{
	const struct log_rec	*h;
	struct slice		 body;
	size_t			 pos = 0, was;
	struct log_frame	 f;

	memcpy(&f, frame.p, sizeof(f));
	b->totals = f.totals;
	if (b->light)
		return;
	for (was = sizeof(f); log_each(frame, &pos, &h, &body); was = pos)
		apply_rec(b, h, body, at + was, f.totals.modseq);
}

void
box_unload(struct box *b)
{
	if (b->snap != NULL)
		munmap(b->snap, b->snap_len);
	b->snap = NULL;
	b->base = NULL;
	b->nbase = b->ntail = b->tail_size = 0;
	b->snap_log_end = 0;
	mem_free(&b->tail);
	for (unsigned int i = 0; i < STORE_KEYWORDS_MAX; i++)
		mem_free(&b->keywords[i]);
	b->nkeywords = 0;
	mem_free(&b->changed.v);
	mem_free(&b->dead.v);
	b->changed = b->dead = (struct idxs){ NULL, 0, 0 };
	b->totals = (struct log_totals){ .uidnext = 1, .first_recent = 1 };
}

static void
follow(struct box *b)
{
	struct slice	frame;

	while (log_next(&b->log, &frame))
		box_apply(b, frame, b->log.last);
}

/* The records as they are, for a session that numbered its messages by them. */
struct rec *
box_remember(struct box *b, size_t *n_out)
{
	struct rec	*old;
	size_t		 n = *n_out = box_count(b);

	if (!b->track || n == 0)
		return NULL;
	old = mem_new(n, sizeof(*old));
	for (size_t i = 0; i < n; i++)
		old[i] = *box_rec(b, i);
	if (b->old_uids != NULL)
		return old;
	b->old_uids = mem_new(n, sizeof(*b->old_uids));
	b->nold = n;
	for (size_t i = 0; i < n; i++)
		b->old_uids[i] = old[i].uid;
	return old;
}

/* Old record against its successor (NULL: there is none). */
static void
compare(struct box *b, const struct rec *old, const struct rec *new, size_t i)
{
	bool	was = (old->flags & REC_DEAD) == 0;
	bool	is = new != NULL && (new->flags & REC_DEAD) == 0;

	if (was && !is)
		idxs_put(&b->dead, i);
	else if (was && (((old->flags ^ new->flags) & STORE_FLAGS_ALL) != 0 ||
	    old->keywords != new->keywords))
		idxs_put(&b->changed, i);
}

/* Put dead records in the places of those that are not there any more, so that
 * every message the session knew has a number still. */
void
box_recall(struct box *b, struct rec **oldp, size_t nold)
{
	const struct rec	*old = *oldp;
	struct rec	*all;
	size_t		 n = 0, i = 0, k = 0, total = box_count(b);

	if (old == NULL)
		return;
	all = mem_new(nold + total + 1, sizeof(*all));

	while (i < nold || k < total) {
		const struct rec	*new = k < total ? box_rec(b, k) : NULL;

		if (i < nold && (new == NULL || old[i].uid < new->uid)) {
			compare(b, &old[i], NULL, n);
			all[n] = old[i++];
			all[n++].flags |= REC_DEAD;
			continue;
		}
		if (i < nold && old[i].uid == new->uid)
			compare(b, &old[i++], new, n);
		all[n++] = *new;
		k++;
	}
	mem_free(&b->tail);
	b->tail = all;
	b->ntail = n;
	b->tail_size = nold + total + 1;
	b->base = NULL;
	b->nbase = 0;
	mem_free(oldp);
}

static int	 load(struct box *b, struct error *err) MUST_USE;

int
box_load(struct box *b, struct error *err)
{
	size_t		 nold;
	struct rec	*old = box_remember(b, &nold);
	bool		 track = b->track;
	int		 r;

	b->track = false;
	r = load(b, err);
	b->track = track;
	box_recall(b, &old, nold);
	return r;
}

static int
load(struct box *b, struct error *err)
{
	enum log_open	o;

	box_unload(b);
	log_close(&b->log);
	o = log_attach(&b->log, b->dirfd, err);
	if (o == LOG_ERROR)
		return -1;
	if (o != LOG_OPENED)
		return rebuild(b, err);
	if (b->light) {
		log_to_last(&b->log);
		if (b->log.last != 0)
			b->totals = b->log.totals;
		return 0;
	}
	snapshot_load(b);
	follow(b);
	return 0;
}

static int
open_dir(int at, const char *name, ino_t *ino_out, struct error *err)
{
	int		fd = openat(at, name, O_RDONLY | O_DIRECTORY |
			    O_CLOEXEC | O_NOFOLLOW);
	struct stat	st;

	if (fd < 0 || fstat(fd, &st) < 0) {
		error_sys(err, "open %s", name);
		if (fd >= 0)
			close(fd);
		return -1;
	}
	*ino_out = st.st_ino;
	return fd;
}

/* new/ and cur/ may be missing in what others made. */
static int
open_sub(int at, const char *name, ino_t *ino_out, struct error *err)
{
	if (mkdirat(at, name, 0700) < 0 && errno != EEXIST)
		return error_sys(err, "mkdir %s", name);
	return open_dir(at, name, ino_out, err);
}

int
box_open(struct box *b, const char *path, const char *host, bool light,
    struct error *err)
{
	int	e;
	ino_t	dir;

	*b = (struct box){ .dirfd = -1, .newfd = -1, .curfd = -1,
	    .light = light, .host = host };
	b->log.fd = -1;
	b->path = mem_strdup(path);
	b->dirfd = open_dir(AT_FDCWD, path, &dir, err);
	if (b->dirfd < 0 ||
	    (b->newfd = open_sub(b->dirfd, "new", &b->new_ino, err)) < 0 ||
	    (b->curfd = open_sub(b->dirfd, "cur", &b->cur_ino, err)) < 0 ||
	    (mkdirat(b->dirfd, "tmp", 0700) < 0 && errno != EEXIST) ||
	    box_load(b, err) < 0) {
		e = err != NULL && err->sys != 0 ? err->sys : errno;
		box_close(b);
		errno = e;
		return -1;
	}
	log_idle(&b->log);
	return 0;
}

void
box_close(struct box *b)
{
	box_unload(b);
	log_close(&b->log);
	if (b->curfd >= 0)
		close(b->curfd);
	if (b->newfd >= 0)
		close(b->newfd);
	if (b->dirfd >= 0)
		close(b->dirfd);
	b->dirfd = b->newfd = b->curfd = -1;
	mem_free(&b->path);
	mem_free(&b->old_uids);
}

static void
catch_up(struct box *b)
{
	if (b->light)
		log_to_last(&b->log);
	else
		follow(b);
	if (b->light && b->log.last != 0)
		b->totals = b->log.totals;
	log_idle(&b->log);
}

int
box_refresh(struct box *b, struct error *err)
{
	int	r = log_replaced(&b->log, err);

	if (r < 0)
		return -1;
	if (r > 0) {
		b->reloaded = true;
		return box_load(b, err);
	}
	catch_up(b);
	return 0;
}

/* By the whole path: the directory may have been renamed or replaced. */
static bool
stat_log(const struct box *b, struct stat *st)
{
	char	file[4096];
	int	n = snprintf(file, sizeof(file), "%s/%s", b->path, LOG_FILE);

	return n > 0 && (size_t)n < sizeof(file) && b->log.fd >= 0 &&
	    stat(file, st) == 0 && st->st_ino == b->log.ino &&
	    st->st_dev == b->log.dev;
}

bool
box_is_there(const struct box *b)
{
	struct stat	st;

	return stat_log(b, &st);
}

bool
box_is_current(const struct box *b)
{
	struct stat	st;

	return stat_log(b, &st) && (uint64_t)st.st_size == b->log.end;
}

/* Time of new/ or cur/, by its name: a directory that was replaced (a backup
 * was restored) must not be read, nor synced, by its old descriptor. */
static int64_t
dir_ns(struct box *b, const char *name, int *fd, ino_t *ino)
{
	struct stat	st;
	int		other;

	if (fstatat(b->dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -1;
	if (st.st_ino != *ino) {
		other = open_dir(b->dirfd, name, ino, NULL);
		if (other < 0)
			return -1;
		close(*fd);
		*fd = other;
	}
	return (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
}

static int64_t
new_ns(struct box *b)
{
	return dir_ns(b, "new", &b->newfd, &b->new_ino);
}

static int64_t
cur_ns(struct box *b)
{
	return dir_ns(b, "cur", &b->curfd, &b->cur_ino);
}

bool
box_foreign(struct box *b)
{
	return new_ns(b) != b->totals.new_ns || cur_ns(b) != b->totals.cur_ns;
}

bool
box_too_fresh(struct box *b)
{
	int64_t	new = new_ns(b), cur = cur_ns(b);
	int64_t	now = clock_wall() * 1000, last = new > cur ? new : cur;

	return (new == b->totals.new_ns || new == b->totals.new_ns + 1) &&
	    (cur == b->totals.cur_ns || cur == b->totals.cur_ns + 1) &&
	    now >= last && now - last < BOX_TICK_NS;
}

/* Write a frame over the torn bytes and cut off the rest.  UIDs in what was
 * there may have been seen: go beyond them, in the same write. */
static int
cover_tail(struct box *b, struct error *err)
{
	struct buf	frame;
	uint32_t	top = log_reserved(&b->log, b->totals.uidnext);
	int		r;

	if (b->totals.uidnext < top)
		b->totals.uidnext = top;
	b->totals.modseq++;
	log_frame_begin(&frame);
	(void)log_frame_add(&frame, LOG_NOTE, 0, NULL, 0, NULL, 0);
	r = log_write(&b->log, log_frame_end(&b->log, &frame, &b->totals),
	    err);
	buf_clear(&frame);
	return r < 0 ? -1 : log_cut_tail(&b->log, err);
}

/* Bytes behind the last good frame: torn by a crash, or damage with good
 * frames behind it, which must not be cut off. */
static int
mend_tail(struct box *b, struct error *err)
{
	uint64_t	at;

	if (!log_has_tail(&b->log))
		return 0;
	if (!log_frame_beyond(&b->log, &at))
		return cover_tail(b, err);
	log_unlock(&b->log);
	b->reloaded = true;
	return rebuild(b, err) < 0 ? -1 : 1;
}

int
box_begin(struct box *b, struct error *err)
{
	ASSERT(!b->in_tx);
	for (int tries = 0; tries < 100; tries++) {
		int	r = log_lock(&b->log, err);

		if (r < 0)
			return -1;
		if (r > 0) {
			b->reloaded = true;
			if (box_load(b, err) < 0)
				return -1;
			continue;
		}
		catch_up(b);
		if ((r = mend_tail(b, err)) < 0) {
			log_unlock(&b->log);
			return -1;
		}
		/* Loading again gives up the lock. */
		if (r > 0 || !b->log.locked)
			continue;
		b->before = b->totals;
		b->totals.modseq++;
		b->in_tx = true;
		b->mark_new = b->mark_cur = false;
		log_frame_begin(&b->frame);
		return 0;
	}
	return error_set(err, "%s is replaced all the time", LOG_FILE);
}

void
box_abort(struct box *b)
{
	bool	changed = buf_len(&b->frame) > sizeof(struct log_frame);

	if (!b->in_tx)
		return;
	b->totals = b->before;
	b->in_tx = false;
	buf_clear(&b->frame);
	log_unlock(&b->log);
	/* The state has seen the records already. */
	if (changed) {
		b->reloaded = true;
		if (box_load(b, NULL) < 0)
			box_unload(b);
	}
}

int
box_commit(struct box *b, struct error *err)
{
	ASSERT(b->in_tx);
	if (buf_len(&b->frame) == sizeof(struct log_frame)) {
		box_abort(b);
		return 0;
	}
	if (b->frame.overflow || log_write(&b->log, log_frame_end(&b->log,
	    &b->frame, &b->totals), err) < 0) {
		if (b->frame.overflow)
			error_set(err, "transaction too large");
		box_abort(b);
		return -1;
	}
	b->in_tx = false;
	buf_clear(&b->frame);
	log_unlock(&b->log);
	return 0;
}

int
box_commit_quiet(struct box *b, struct error *err)
{
	b->totals.modseq = b->before.modseq;
	return box_commit(b, err);
}

uint32_t
box_uids(struct box *b, uint32_t n, struct error *err)
{
	uint32_t	first = log_reserve(&b->log, b->totals.uidnext, n, err);

	if (first != 0)
		b->totals.uidnext = first;
	return first;
}

/* Where a record that is added now will be in the log. */
static uint64_t
put(struct box *b, enum log_type type, uint32_t uid, const void *fixed,
    size_t nfixed, const struct slice *parts, size_t nparts)
{
	return b->log.end + log_frame_add(&b->frame, type, uid, fixed, nfixed,
	    parts, nparts);
}

static void
count_flags(struct log_totals *t, uint32_t flags, int sign)
{
	if ((flags & STORE_SEEN) == 0)
		t->unseen += (uint32_t)sign;
	if ((flags & STORE_DELETED) != 0)
		t->deleted += (uint32_t)sign;
}

static uint32_t
partial_bits(const struct box_msg *m)
{
	return (m->partial ? LOG_PARTIAL : 0) | (m->unread ? LOG_UNREAD : 0) |
	    (m->undated ? LOG_UNDATED : 0);
}

void
box_put_append(struct box *b, uint32_t uid, const struct box_msg *m)
{
	struct log_append	a = {
		.modseq = m->modseq, .keywords = m->keywords,
		.internaldate = m->internaldate, .savedate = m->savedate,
		.disk_size = m->disk_size, .wire_size = m->wire_size,
		.flags = m->flags, .name_len = (uint32_t)m->name.len,
		.headers_len = (uint32_t)m->headers.len,
		.structure_len = (uint32_t)m->structure.len,
		.partial = partial_bits(m),
	};
	struct slice		parts[] = { m->name, m->headers, m->structure };
	uint64_t		at = put(b, LOG_APPEND, uid, &a, sizeof(a),
				    parts, COUNT(parts));
	struct rec		r = {
		.uid = uid, .keywords = m->keywords,
		.flags = m->flags | lacks(partial_bits(m)),
		.modseq = m->modseq != 0 ? m->modseq : b->totals.modseq,
		.internaldate = m->internaldate, .disk_size = m->disk_size,
		.wire_size = m->wire_size, .append_at = at,
	};

	if (!b->light)
		add_rec(b, &r);
	b->totals.messages++;
	b->totals.size += m->wire_size;
	count_flags(&b->totals, m->flags, 1);
	if (b->totals.uidnext <= uid)
		b->totals.uidnext = uid + 1;
}

void
box_put_flags(struct box *b, size_t i, uint32_t flags, uint64_t keywords)
{
	struct rec		*r = box_rec(b, i);
	struct log_flags	 f = { .keywords = keywords, .flags = flags };

	(void)put(b, LOG_FLAGS, r->uid, &f, sizeof(f), NULL, 0);
	count_flags(&b->totals, r->flags, -1);
	count_flags(&b->totals, flags, 1);
	r->flags = (r->flags & LACKS) | flags;
	r->keywords = keywords;
	r->modseq = b->totals.modseq;
}

void
box_put_details(struct box *b, size_t i, const struct box_msg *m)
{
	struct rec		*r = box_rec(b, i);
	struct log_append	 a;
	struct slice		 name, headers, structure;

	/* Damaged: whoever needs the name sees to it. */
	if (!box_append_rec(b, i, &a, &name, &headers, &structure))
		return;
	if ((r->flags & REC_UNDATED) != 0)
		r->internaldate = m->internaldate;
	a.internaldate = r->internaldate;
	a.disk_size = m->disk_size;
	a.wire_size = m->wire_size;
	a.headers_len = (uint32_t)m->headers.len;
	a.structure_len = (uint32_t)m->structure.len;
	a.partial = m->partial ? LOG_PARTIAL : 0;
	r->append_at = put(b, LOG_DETAILS, r->uid, &a, sizeof(a),
	    (struct slice[]){ name, m->headers, m->structure }, 3);
	b->totals.size += m->wire_size - r->wire_size;
	r->disk_size = m->disk_size;
	r->wire_size = m->wire_size;
	r->flags &= ~LACKS;
}

void
box_put_date(struct box *b, size_t i, int64_t internaldate)
{
	struct rec	*r = box_rec(b, i);

	(void)put(b, LOG_DATE, r->uid, &internaldate, sizeof(internaldate),
	    NULL, 0);
	r->internaldate = internaldate;
	r->flags &= ~REC_UNDATED;
}

void
box_put_expunge(struct box *b, size_t i)
{
	struct rec	*r = box_rec(b, i);

	(void)put(b, LOG_EXPUNGE, r->uid, NULL, 0, NULL, 0);
	count_flags(&b->totals, r->flags, -1);
	b->totals.messages--;
	b->totals.size -= r->wire_size;
	r->flags |= REC_DEAD;
	r->modseq = b->totals.modseq;
	if (b->track)
		idxs_put(&b->dead, i);
}

void
box_put_name(struct box *b, size_t i, struct slice name)
{
	struct rec	*r = box_rec(b, i);

	r->name_at = put(b, LOG_NAME, r->uid, NULL, 0, &name, 1);
}

void
box_put_keyword(struct box *b, unsigned int n, struct slice name)
{
	(void)put(b, LOG_KEYWORD, n, NULL, 0, &name, 1);
	apply_keyword(b, n, name);
}

void
box_put_recent(struct box *b, uint32_t first_recent)
{
	(void)put(b, LOG_RECENT, first_recent, NULL, 0, NULL, 0);
	b->totals.first_recent = first_recent;
}

void
box_put_note(struct box *b)
{
	(void)put(b, LOG_NOTE, 0, NULL, 0, NULL, 0);
}

void
box_dirs_begin(struct box *b, bool new, bool cur)
{
	b->mark_new = new && new_ns(b) == b->totals.new_ns;
	b->mark_cur = cur && cur_ns(b) == b->totals.cur_ns;
}

void
box_dirs_end(struct box *b)
{
	/* Something unknown is there: the time stays as it is, so that the
	 * next session looks. */
	if (b->mark_new)
		b->totals.new_ns = new_ns(b);
	if (b->mark_cur)
		b->totals.cur_ns = cur_ns(b);
}

bool
box_name_ok(struct slice name)
{
	if (name.len < 5 || name.len > 300 ||
	    (!slice_starts(name, "new/") && !slice_starts(name, "cur/")))
		return false;
	name = slice_from(name, 4);
	return name.p[0] != '.' && slice_find(name, '/') < 0 &&
	    slice_find(name, '\0') < 0;
}

bool
box_append_rec(struct box *b, size_t i, struct log_append *a,
    struct slice *name, struct slice *headers, struct slice *structure)
{
	const struct rec	*r = box_rec(b, i);
	struct slice		 body;

	if (!log_record(&b->log, r->append_at, r->uid, LOG_APPEND, &body) &&
	    !log_record(&b->log, r->append_at, r->uid, LOG_DETAILS, &body))
		return false;
	return log_append_split(body, a, name, headers, structure);
}

bool
box_name(struct box *b, size_t i, struct slice *out)
{
	const struct rec	*r = box_rec(b, i);
	struct log_append	 a;
	struct slice		 headers, structure, body;

	if (r->name_at == 0)
		return box_append_rec(b, i, &a, out, &headers, &structure) &&
		    box_name_ok(*out);
	if (!log_record(&b->log, r->name_at, r->uid, LOG_NAME, &body))
		return false;
	/* Padding is NUL, names have none. */
	while (body.len > 0 && body.p[body.len - 1] == '\0')
		body.len--;
	*out = body;
	return box_name_ok(body);
}

void
box_note_change(struct box *b, size_t i)
{
	idxs_put(&b->changed, i);
}

#define SNAPSHOT_AFTER	65536	/* bytes of log behind the last snapshot */
#define COMPACT_FROM	(1 << 20)

/* What a log with nothing dead in it would be, at least. */
static uint64_t
live_bytes(struct box *b)
{
	uint64_t	sum = 0;

	for (size_t i = 0; i < box_count(b); i++) {
		struct log_append	a;
		struct slice		name, headers, structure;

		if ((box_rec(b, i)->flags & REC_DEAD) == 0 &&
		    box_append_rec(b, i, &a, &name, &headers, &structure))
			sum += sizeof(struct log_rec) + sizeof(a) +
			    name.len + headers.len + structure.len;
	}
	return sum;
}

void
box_tidy(struct box *b)
{
	uint64_t	behind = b->log.end - b->snap_log_end;

	if (b->light || b->log.fd < 0 || behind < SNAPSHOT_AFTER)
		return;
	if (b->log.end > COMPACT_FROM && b->log.end / 3 > live_bytes(b))
		(void)!rebuild_compact(b, NULL);
	(void)snapshot_write(b);
}
