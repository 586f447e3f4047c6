/* SPDX-License-Identifier: Apache-2.0 */
/* APPEND and COPY end as files in the target's tmp/ that are then committed
 * like deliveries. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/panic.h"
#include "store/record.h"
#include "store/view_int.h"
#include "sys/file.h"
#include "sys/loop.h"

#define MAX_APPEND	10000	/* messages in one command */

struct view_append {
	struct store_user *user;
	char		*path;
	int		 dirfd, fd;
	int		 last;
	struct buf	 tmp;
	struct incoming	**in;
	size_t		 n;
	enum store_fail	 fail;
	struct error	 err;
	void		(*done)(void *arg, const struct store_done *r);
	void		*arg;
};

int
view_append_new(struct store_user *u, const char *mailbox,
    struct view_append **out, enum store_fail *fail_out, struct error *err)
{
	struct arena		*a = arena_new();
	const char		*dir = names_to_dir(u->store, mailbox, a);
	struct view_append	*p;

	if (dir == NULL) {
		*fail_out = STORE_BAD_NAME;
		arena_free(&a);
		return error_set(err, "bad mailbox name");
	}
	p = mem_new(1, sizeof(*p));
	p->fd = -1;
	p->path = mem_strdup(names_path(u, dir, a));
	arena_free(&a);
	p->dirfd = open(p->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (p->dirfd < 0) {
		*fail_out = store_fail_of(errno);
		error_sys(err, "open %s", p->path);
		mem_free(&p->path);
		mem_free(&p);
		return -1;
	}
	p->user = u;
	u->refs++;
	buf_init(&p->tmp, (size_t)1 << 30);
	*out = p;
	return 0;
}

int
view_append_begin(struct view_append *p, unsigned int flags,
    const char *const *keywords, usec_t internaldate, struct error *err)
{
	struct store	*s = p->user->store;
	struct incoming	*in;

	ASSERT(p->fd < 0);
	if (p->n == MAX_APPEND)
		return error_set(err, "too many messages");
	in = incoming_new(s);
	in->tmp = arena_printf(in->mem, "tmp/%s", in->base);
	in->m.flags = flags & STORE_FLAGS_ALL;
	in->m.internaldate = internaldate != 0 ? internaldate :
	    in->m.savedate;
	incoming_keywords(in, keywords);
	p->fd = incoming_create(p->dirfd, in->tmp, err);
	if (p->fd < 0) {
		in->tmp = NULL;
		incoming_free(in, p->path);
		return -1;
	}
	p->in = mem_grow(p->in, p->n + 1, sizeof(*p->in));
	p->in[p->n++] = in;
	p->last = 0;
	return 0;
}

int
view_append_write(struct view_append *p, const void *data, size_t n,
    struct error *err)
{
	const unsigned char	*from = data;

	ASSERT(p->fd >= 0);
	while (n > 0) {
		size_t	part = n < 65536 ? n : 65536;

		if (incoming_write_crlf(p->fd, from, part, &p->last,
		    &p->tmp) < 0)
			return error_sys(err, "write message");
		from += part;
		n -= part;
	}
	return 0;
}

int
view_append_end(struct view_append *p, struct error *err)
{
	int	fd = p->fd;

	p->fd = -1;
	buf_clear(&p->tmp);
	if (close(fd) < 0)
		return error_sys(err, "close message");
	return 0;
}

static void
append_free(struct view_append *p)
{
	if (p->fd >= 0)
		close(p->fd);
	if (p->dirfd >= 0)
		close(p->dirfd);
	for (size_t i = 0; i < p->n; i++)
		incoming_free(p->in[i], p->path);
	mem_free(&p->in);
	mem_free(&p->path);
	buf_clear(&p->tmp);
	store_user_close(&p->user);
	mem_free(&p);
}

void
view_append_abort(struct view_append **pp)
{
	if (*pp != NULL)
		append_free(*pp);
	*pp = NULL;
}

static int
finish_one(struct view_append *p, struct incoming *in)
{
	int	fd = openat(p->dirfd, in->tmp, O_RDONLY | O_CLOEXEC |
		    O_NOFOLLOW);
	int	r;

	if (fd < 0)
		return error_sys(&p->err, "open %s", in->tmp);
	r = incoming_finish(in, fd, &p->err);
	close(fd);
	return r;
}

static void
append_work(void *arg)
{
	struct view_append	*p = arg;

	for (size_t i = 0; i < p->n; i++)
		if (finish_one(p, p->in[i]) < 0) {
			p->fail = store_fail_of(p->err.sys);
			return;
		}
}

/* Files are ready: hand them to the commit, or say why not. */
static void
append_ready(void *arg)
{
	struct view_append	*p = arg;
	struct store_done	 r = { .fail = p->fail, .err = &p->err };
	struct incoming		**in;
	size_t			 n;

	p->user->store->pending--;
	if (p->fail == STORE_OK && p->n > 0) {
		in = p->in;
		n = p->n;
		p->in = NULL;
		p->n = 0;
		commit_start(p->user, p->path, in, n, p->done, p->arg);
	} else {
		p->done(p->arg, &r);
	}
	append_free(p);
}

void
view_append_commit(struct view_append **pp,
    void (*done)(void *arg, const struct store_done *r), void *arg)
{
	struct view_append	*p = *pp;
	struct store		*s = p->user->store;
	uint64_t		 bytes = 0;

	*pp = NULL;
	ASSERT(p->fd < 0);
	p->done = done;
	p->arg = arg;
	for (size_t i = 0; i < p->n; i++) {
		struct stat	st;

		if (fstatat(p->dirfd, p->in[i]->tmp, &st, 0) == 0)
			bytes += (uint64_t)st.st_size;
	}
	if (s->conf.quota != NULL && s->conf.quota(s->conf.quota_arg,
	    p->user, bytes, p->n, &p->err) < 0) {
		store_refuse(s, STORE_OVER_QUOTA, &p->err, done, arg);
		append_free(p);
		return;
	}
	s->pending++;
	store_run(s, append_work, append_ready, p);
}

/*
 * COPY and MOVE.
 */
struct copy {
	struct view_append *to;		/* owns the new files */
	int		 from;		/* directory */
	char		**names;	/* in mem */
	uint32_t	*uids;
	size_t		 n;
	struct arena	*mem;
	struct view	*view;		/* move: the source */
	bool		 held;		/* ... kept open by us */
	struct store	*store;
	struct store_done result;
	struct error	 err;
	void		(*done)(void *arg, const struct store_done *r);
	void		*arg;
};

static void
copy_free(struct copy *c)
{
	struct arena	*mem = c->mem;

	if (c->held)
		view_release(c->view);
	if (c->from >= 0)
		close(c->from);
	if (c->to != NULL)
		append_free(c->to);
	arena_free(&mem);
}

/* Another file system, or too many links: the bytes themselves. */
static int
copy_bytes(struct copy *c, const char *name, const char *tmp,
    struct error *err)
{
	unsigned char	chunk[65536];
	int		in = openat(c->from, name, O_RDONLY | O_CLOEXEC |
			    O_NOFOLLOW);
	int		out, r = 0;
	ssize_t		n;

	if (in < 0)
		return error_sys(err, "open %s", name);
	out = incoming_create(c->to->dirfd, tmp, err);
	if (out < 0) {
		close(in);
		return -1;
	}
	while (r == 0 && (n = read(in, chunk, sizeof(chunk))) > 0)
		r = file_write(out, chunk, (size_t)n);
	if (r < 0 || n < 0 || fsync(out) < 0)
		r = error_sys(err, "copy %s", name);
	close(in);
	if (close(out) < 0 && r == 0)
		r = error_sys(err, "close %s", tmp);
	return r;
}

static void
copy_work(void *arg)
{
	struct copy	*c = arg;

	for (size_t i = 0; i < c->n; i++) {
		struct incoming	*in = c->to->in[i];
		char		*tmp = arena_printf(in->mem, "tmp/%s",
				    in->base);
		int		 r = linkat(c->from, c->names[i],
				    c->to->dirfd, tmp, 0);

		if (r < 0 && errno != ENOENT) {
			in->tmp = tmp;
			r = copy_bytes(c, c->names[i], tmp, &c->err);
		} else if (r < 0) {
			error_sys(&c->err, "link %s", c->names[i]);
		}
		if (r < 0) {
			c->result.fail = c->err.sys == ENOENT ? STORE_GONE :
			    store_fail_of(c->err.sys);
			return;
		}
		in->tmp = tmp;
		in->base = arena_printf(in->mem, "%s,S=%llu,W=%llu",
		    in->base, (unsigned long long)in->m.disk_size,
		    (unsigned long long)in->m.wire_size);
	}
}

static void
copy_tell(struct copy *c)
{
	if (c->result.fail != STORE_OK)
		c->result.err = &c->err;
	c->done(c->arg, &c->result);
	copy_free(c);
}

static void
moved(void *arg, int result, const struct error *err)
{
	struct copy	*c = arg;

	if (result < 0) {
		c->result = (struct store_done){ .fail = STORE_TEMP };
		c->err = *err;
	}
	copy_tell(c);
}

static void
copy_committed(void *arg, const struct store_done *r)
{
	struct copy	*c = arg;

	c->result = *r;
	if (r->fail != STORE_OK) {
		c->err = *r->err;
		copy_tell(c);
		return;
	}
	if (c->view == NULL) {
		copy_tell(c);
		return;
	}
	if (view_expunge(c->view, c->uids, c->n, &c->err) < 0) {
		c->result = (struct store_done){ .fail = STORE_TEMP };
		copy_tell(c);
		return;
	}
	view_flush(c->view, moved, c);
}

static void
copy_ready(void *arg)
{
	struct copy		*c = arg;
	struct view_append	*p = c->to;
	struct incoming		**in;
	size_t			 n;

	c->store->pending--;
	if (c->result.fail != STORE_OK) {
		copy_tell(c);
		return;
	}
	/* Theirs before the call: it may end everything. */
	in = p->in;
	n = p->n;
	p->in = NULL;
	p->n = 0;
	commit_start(p->user, p->path, in, n, copy_committed, c);
}

/* What the log knows of a message, for the copy's record. */
static int
copy_record(struct view *v, uint32_t seq, struct copy *c, size_t k,
    struct error *err)
{
	struct incoming		*in = incoming_new(v->user->store);
	const struct rec	*r;
	size_t			 i;
	struct log_append	 a;
	struct slice		 name, old, headers, structure;
	usec_t			 date;

	c->to->in[k] = in;
	c->to->n = k + 1;
	c->uids[k] = view_uid(v, seq);
	if (view_date(v, seq, &date, err) < 0)
		return -1;
	i = view_index(v, seq);
	r = box_rec(&v->box, i);
	if ((r->flags & REC_DEAD) != 0 || !box_name(&v->box, i, &name) ||
	    !box_append_rec(&v->box, i, &a, &old, &headers, &structure)) {
		error_set(err, "message %u is gone", r->uid);
		return -1;
	}
	c->names[k] = arena_strndup(c->mem, (const char *)name.p, name.len);
	in->m = (struct box_msg){
		.flags = r->flags & STORE_FLAGS_ALL,
		.internaldate = date, .savedate = in->m.savedate,
		.disk_size = r->disk_size, .wire_size = r->wire_size,
		.headers = slice_dup(in->mem, headers),
		.structure = slice_dup(in->mem, structure),
		.partial = (a.partial & LOG_PARTIAL) != 0,
		.unread = (r->flags & REC_UNREAD) != 0,
	};
	for (unsigned int n = 0; n < v->box.nkeywords; n++)
		if ((r->keywords >> n & 1) != 0)
			in->keywords[in->nkeywords++] =
			    arena_strdup(in->mem, v->box.keywords[n]);
	return 0;
}

/* The message's name may be out of date: bring the view's knowledge up to
 * the moment before names are taken. */
void
view_copy(struct view *v, const uint32_t *seqs, size_t n, const char *to,
    bool move, void (*done)(void *arg, const struct store_done *r),
    void *arg)
{
	struct store	*s = v->user->store;
	struct arena	*mem = arena_new();
	struct copy	*c = arena_alloc(mem, sizeof(*c));
	uint64_t	 bytes = 0;
	int		 r;

	*c = (struct copy){ .mem = mem, .store = s, .done = done,
	    .arg = arg, .n = n, .from = -1, .view = move ? v : NULL };
	c->result.fail = STORE_TEMP;
	/* The copies have it, too. */
	view_lazy_write(v, true);
	r = view_append_new(v->user, to, &c->to, &c->result.fail, &c->err);
	if (r == 0)
		r = box_refresh(&v->box, &c->err);
	view_remap(v);
	if (r == 0)
		r = view_merge(v, false, &c->err);
	if (r == 0) {
		c->names = arena_array(mem, n + 1, sizeof(*c->names));
		c->uids = arena_array(mem, n + 1, sizeof(*c->uids));
		c->to->in = mem_new(n + 1, sizeof(*c->to->in));
		c->from = fcntl(v->box.dirfd, F_DUPFD_CLOEXEC, 3);
	}
	for (size_t k = 0; r == 0 && k < n; k++) {
		r = copy_record(v, seqs[k], c, k, &c->err);
		if (r < 0)
			c->result.fail = STORE_GONE;
		bytes += c->to->in[k]->m.wire_size;
	}
	if (r == 0 && !move && s->conf.quota != NULL &&
	    (r = s->conf.quota(s->conf.quota_arg, v->user, bytes, n,
	    &c->err)) < 0)
		c->result.fail = STORE_OVER_QUOTA;
	if (r < 0 || n == 0) {
		if (r == 0)
			c->result.fail = STORE_OK;
		store_refuse(s, c->result.fail, &c->err, done, arg);
		copy_free(c);
		return;
	}
	c->result.fail = STORE_OK;
	if (move) {
		v->holds++;
		c->held = true;
	}
	s->pending++;
	store_run(s, copy_work, copy_ready, c);
}
