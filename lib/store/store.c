/* SPDX-License-Identifier: Apache-2.0 */
#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/panic.h"
#include "store/record.h"
#include "store/store_int.h"
#include "store/watch.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "sys/loop.h"

/* Host part of file names: no "/" or ":" (Maildir says how). */
static char *
host_name(const char *configured)
{
	char		 name[256] = "localhost";
	struct buf	 b;
	char		*host;

	if (configured == NULL && gethostname(name, sizeof(name) - 1) < 0)
		(void)memcpy(name, "localhost", 10);
	buf_init(&b, 1024);
	for (const char *p = configured != NULL ? configured : name;
	    *p != '\0' && buf_len(&b) < 64; p++)
		if (*p == '/')
			buf_adds(&b, "\\057");
		else if (*p == ':' || *p == ',')
			buf_adds(&b, "\\072");
		else if (*p > ' ' && *p < 127)
			buf_addc(&b, *p);
	host = mem_strdup(buf_len(&b) == 0 ? "localhost" : buf_cstr(&b));
	buf_clear(&b);
	return host;
}

struct store *
store_new(struct loop *l, struct syncer *sy, const struct store_conf *conf)
{
	struct store	*s = mem_new(1, sizeof(*s));

	s->loop = l;
	s->syncer = sy;
	s->conf = *conf;
	if (s->conf.separator != '/')
		s->conf.separator = '.';
	s->host = host_name(conf->hostname);
	s->users = hash_new();
	s->queues = hash_new();
	return s;
}

void
store_free(struct store **sp)
{
	struct store	*s = *sp;

	if (s == NULL)
		return;
	while (s->pending > 0 && s->loop != NULL)
		loop_once(s->loop, MSECS(100));
	watch_free(&s->watcher);
	ASSERT(hash_count(s->users) == 0);
	hash_free(&s->users);
	hash_free(&s->queues);
	mem_free(&s->host);
	mem_free(sp);
}

static bool
is_dir(const char *path)
{
	struct stat	st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static int
ensure_root(struct store_user *u, bool create, enum store_fail *fail_out,
    struct error *err)
{
	struct arena	*a;
	int		 r;

	if (is_dir(u->path)) {
		a = arena_new();
		r = is_dir(arena_printf(a, "%s/cur", u->path));
		arena_free(&a);
		if (r)
			return 0;
	} else if (!create) {
		*fail_out = STORE_NO_MAILBOX;
		return error_set(err, "%s does not exist", u->path);
	}
	*fail_out = STORE_TEMP;
	if (file_mkdirs(u->path, 0700, err) < 0)
		return -1;
	r = tree_make(u, "", err);
	return r < 0 ? -1 : 0;
}

int
store_user_open(struct store *s, const char *maildir, bool create,
    struct store_user **out, enum store_fail *fail_out, struct error *err)
{
	size_t			 len = strlen(maildir);
	struct store_user	*u;

	*fail_out = STORE_BAD_NAME;
	if (maildir[0] != '/')
		return error_set(err, "%s: not an absolute path", maildir);
	while (len > 1 && maildir[len - 1] == '/')
		len--;
	u = hash_get(s->users, slice_of(maildir, len));
	if (u == NULL) {
		u = mem_new(1, sizeof(*u));
		u->store = s;
		u->path = mem_printf("%.*s", (int)len, maildir);
		(void)hash_puts(s->users, u->path, u);
	}
	u->refs++;
	*fail_out = STORE_OK;
	if (ensure_root(u, create, fail_out, err) < 0) {
		store_user_close(&u);
		return -1;
	}
	*fail_out = STORE_OK;
	*out = u;
	return 0;
}

void
store_user_close(struct store_user **up)
{
	struct store_user	*u = *up;

	*up = NULL;
	if (u == NULL || --u->refs > 0)
		return;
	(void)hash_dels(u->store->users, u->path);
	mem_free(&u->path);
	mem_free(&u);
}

const char *
store_user_path(const struct store_user *u)
{
	return u->path;
}

char
store_separator(const struct store_user *u)
{
	return u->store->conf.separator;
}

/*
 * Delivery: first the file (each in its own job), then the commit of its
 * mailbox.
 */
struct delivery {
	struct store_user *user;
	struct incoming	*in;
	const char	*dir;		/* wanted mailbox, in in->mem */
	char		*path;		/* where it goes */
	bool		 create;
	struct slice	 prefix;
	int		 fd;
	uint64_t	 offset, size;
	enum store_fail	 fail;
	struct error	 err;
	void		(*done)(void *arg, const struct store_done *r);
	void		*arg;
};

/* Write n bytes so that each LF has its CR.  *last: byte before. */
int
store_write_crlf(int fd, const unsigned char *p, size_t n, int *last,
    struct buf *tmp)
{
	struct slice	s = slice_of(p, n);

	buf_reset(tmp);
	while (s.len > 0) {
		ptrdiff_t	lf = slice_find(s, '\n');
		size_t		upto = lf < 0 ? s.len : (size_t)lf;
		int		before = upto > 0 ? s.p[upto - 1] : *last;

		buf_add(tmp, s.p, upto);
		*last = upto > 0 ? s.p[upto - 1] : *last;
		if (lf >= 0) {
			if (before != '\r')
				buf_addc(tmp, '\r');
			buf_addc(tmp, '\n');
			*last = '\n';
			upto++;
		}
		s = slice_from(s, upto);
	}
	return file_write(fd, buf_slice(tmp).p, buf_len(tmp));
}

static int
copy_content(struct delivery *d, int to)
{
	unsigned char	chunk[65536];
	struct buf	tmp;
	uint64_t	at = 0;
	int		last = 0, r;

	buf_init(&tmp, 2 * sizeof(chunk) + 2 * d->prefix.len);
	r = store_write_crlf(to, d->prefix.p, d->prefix.len, &last, &tmp);
	last = 0;
	while (r == 0 && at < d->size) {
		size_t	want = d->size - at < sizeof(chunk) ?
			    (size_t)(d->size - at) : sizeof(chunk);
		ssize_t	n = file_pread(d->fd, chunk, want,
			    (off_t)(d->offset + at));

		if (n <= 0) {
			/* The message is shorter than its owner said. */
			errno = n == 0 ? EIO : errno;
			r = -1;
			break;
		}
		r = store_write_crlf(to, chunk, (size_t)n, &last, &tmp);
		at += (uint64_t)n;
	}
	buf_clear(&tmp);
	return r;
}

/* The directory of the mailbox: asked for, made, or INBOX instead. */
static int
find_target(struct delivery *d, struct error *err)
{
	struct arena	*a = d->in->mem;
	const char	*dir = d->dir;
	int		 fd;

	if (dir[0] != '\0' && d->create && tree_make(d->user, dir, err) < 0)
		return -1;
	d->path = names_path(d->user, dir, a);
	if (!is_dir(d->path))
		d->path = names_path(d->user, "", a);
	fd = open(d->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return error_sys(err, "open %s", d->path);
	return fd;
}

static int
write_file(struct delivery *d, int dirfd, struct error *err)
{
	struct incoming	*in = d->in;
	int		 fd, r;

	in->tmp = arena_printf(in->mem, "tmp/%s", in->base);
	fd = incoming_create(dirfd, in->tmp, err);
	if (fd < 0) {
		in->tmp = NULL;
		return -1;
	}
	r = copy_content(d, fd);
	if (r < 0)
		error_sys(err, "write %s/%s", d->path, in->tmp);
	else
		r = incoming_finish(in, fd, err);
	if (close(fd) < 0 && r == 0)
		r = error_sys(err, "close %s", in->tmp);
	return r;
}

static void
delivery_work(void *arg)
{
	struct delivery	*d = arg;
	int		 dirfd = find_target(d, &d->err);

	if (dirfd < 0 || write_file(d, dirfd, &d->err) < 0)
		d->fail = store_fail_of(d->err.sys);
	/* The root was there when the user was opened. */
	if (d->fail == STORE_NO_MAILBOX)
		d->fail = STORE_TEMP;
	if (dirfd >= 0)
		close(dirfd);
	close(d->fd);
	d->fd = -1;
}

static void
delivery_fail(struct delivery *d)
{
	struct store_done	r = { .fail = d->fail, .err = &d->err };

	d->done(d->arg, &r);
	incoming_free(d->in, d->path != NULL ? d->path : d->user->path);
}

static void
delivery_written(void *arg)
{
	struct delivery		*d = arg;
	struct store_user	*u = d->user;
	struct incoming		**list;

	u->store->pending--;
	if (d->fail != STORE_OK) {
		delivery_fail(d);
	} else {
		list = mem_new(1, sizeof(struct incoming *));
		list[0] = d->in;
		commit_start(u, d->path, list, 1, d->done, d->arg);
	}
	mem_free(&d);
	store_user_close(&u);
}

void
incoming_keywords(struct incoming *in, const char *const *keywords)
{
	for (; keywords != NULL && *keywords != NULL &&
	    in->nkeywords < STORE_KEYWORDS_MAX; keywords++)
		if ((*keywords)[0] != '\0' &&
		    strlen(*keywords) <= STORE_KEYWORD_LEN)
			in->keywords[in->nkeywords++] =
			    arena_strdup(in->mem, *keywords);
}

struct incoming *
incoming_new(struct store *s)
{
	struct arena	*mem = arena_new();
	struct incoming	*in = arena_alloc(mem, sizeof(*in));

	in->mem = mem;
	in->base = incoming_name(s, mem);
	in->m.savedate = clock_wall();
	return in;
}

/* Check and copy what the caller gave.  NULL: d->fail, *err. */
static struct delivery *
delivery_new(struct store_user *u, const struct store_delivery *s,
    enum store_fail *fail, struct error *err)
{
	struct store	*st = u->store;
	struct delivery	*d;
	struct arena	*mem;

	if (st->conf.quota != NULL && st->conf.quota(st->conf.quota_arg, u,
	    s->prefix.len + s->size, 1, err) < 0) {
		*fail = STORE_OVER_QUOTA;
		return NULL;
	}
	d = mem_new(1, sizeof(*d));
	d->in = incoming_new(st);
	mem = d->in->mem;
	d->user = u;
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
	*fail = STORE_TEMP;
	error_sys(err, "duplicate descriptor");
	incoming_free(d->in, u->path);
	mem_free(&d);
	return NULL;
}

struct refusal {
	enum store_fail	 fail;
	struct error	 err;
	void		(*done)(void *arg, const struct store_done *r);
	void		*arg;
};

static void
refusal_tell(void *arg)
{
	struct refusal		*f = arg;
	struct store_done	 r = { .fail = f->fail, .err = &f->err };

	f->done(f->arg, &r);
	mem_free(&f);
}

void
store_refuse(struct store *s, enum store_fail fail, const struct error *err,
    void (*done)(void *arg, const struct store_done *r), void *arg)
{
	struct refusal	*f = mem_new(1, sizeof(*f));

	*f = (struct refusal){ .fail = fail, .err = *err, .done = done,
	    .arg = arg };
	if (s->loop != NULL)
		loop_defer(s->loop, refusal_tell, f);
	else
		refusal_tell(f);
}

void
store_deliver(struct store_user *u, const struct store_delivery *s,
    void (*done)(void *arg, const struct store_done *r), void *arg)
{
	struct error	 err = { .sys = 0 };
	enum store_fail	 fail = STORE_TEMP;
	struct delivery	*d = delivery_new(u, s, &fail, &err);

	if (d == NULL) {
		store_refuse(u->store, fail, &err, done, arg);
		return;
	}
	d->done = done;
	d->arg = arg;
	u->refs++;
	u->store->pending++;
	store_run(u->store, delivery_work, delivery_written, d);
}

int
store_deliver_now(struct store_user *u, const struct store_delivery *s,
    struct store_done *r, struct error *err)
{
	struct error	 own = { .sys = 0 };
	struct delivery	*d;
	int		 result = -1;

	*r = (struct store_done){ .fail = STORE_TEMP, .err = err };
	if (err == NULL)
		err = &own;
	d = delivery_new(u, s, &r->fail, err);
	if (d == NULL)
		return -1;
	delivery_work(d);
	if (d->fail != STORE_OK) {
		r->fail = d->fail;
		*err = d->err;
	} else {
		result = commit_now(d->path, u->store->host, &d->in, 1, r,
		    err);
	}
	incoming_free(d->in, d->path != NULL ? d->path : u->path);
	mem_free(&d);
	return result;
}
