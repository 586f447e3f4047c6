/* SPDX-License-Identifier: Apache-2.0 */
#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/panic.h"
#include "store/place.h"
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
	list_init(&s->ready);
	places_init(s);
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
	places_clear(s);
	watch_free(&s->watcher);
	ASSERT(hash_count(s->users) == 0);
	hash_free(&s->users);
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
	list_forget(u);
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

/*
 * Delivery.  Into INBOX it waits for a round of its mailbox at once; another
 * mailbox is looked for, and perhaps made, in a job of its own before.
 */
struct target {
	struct store_user *user;
	struct commit	*commit;
	struct error	 err;
};

/* The directory of the mailbox: asked for, made, or INBOX instead. */
static int
find_target(struct delivery *d, struct error *err)
{
	struct arena	*a = d->in->mem;

	if (d->dir[0] != '\0' && d->create &&
	    tree_make(d->user, d->dir, err) < 0)
		return -1;
	d->path = names_path(d->user, d->dir, a);
	if (d->dir[0] != '\0' && !is_dir(d->path))
		d->path = names_path(d->user, "", a);
	return 0;
}

static void
target_work(void *arg)
{
	struct target	*t = arg;

	if (find_target(t->commit->delivery, &t->err) < 0)
		t->commit->r.fail = delivery_fail_of(&t->err);
}

static void
target_done(void *arg)
{
	struct target		*t = arg;
	struct store_user	*u = t->user;

	u->store->pending--;
	if (t->commit->r.fail == STORE_OK) {
		commit_add(u, t->commit->delivery->path, t->commit);
	} else {
		t->commit->err = t->err;
		commit_end(t->commit, u->path);
	}
	mem_free(&t);
	store_user_close(&u);
}

void
store_deliver(struct store_user *u, const struct store_delivery *s,
    void (*done)(void *arg, const struct store_done *r), void *arg)
{
	struct error	 err = { .sys = 0 };
	enum store_fail	 fail = STORE_TEMP;
	struct delivery	*d = delivery_new(u, s, &fail, &err);
	struct commit	*c;
	struct target	*t;

	if (d == NULL) {
		store_refuse(u->store, fail, &err, done, arg);
		return;
	}
	c = commit_new(u, d, done, arg);
	if (d->dir[0] == '\0') {
		d->path = names_path(u, "", d->in->mem);
		commit_add(u, d->path, c);
		return;
	}
	t = mem_new(1, sizeof(*t));
	t->user = u;
	t->commit = c;
	u->refs++;
	u->store->pending++;
	store_run(u->store, target_work, target_done, t);
}

static int
deliver_now(struct delivery *d, struct store_done *r, struct error *err)
{
	int	dirfd = -1, result;

	if (find_target(d, err) < 0 || (dirfd = open(d->path, O_RDONLY |
	    O_DIRECTORY | O_CLOEXEC)) < 0) {
		if (d->path != NULL)
			error_sys(err, "open %s", d->path);
		r->fail = delivery_fail_of(err);
		return -1;
	}
	result = delivery_write(d, dirfd, false, err);
	if (result == 0)
		result = delivery_sync(d, err);
	close(dirfd);
	if (result < 0) {
		r->fail = delivery_fail_of(err);
		return -1;
	}
	return commit_now(d->path, d->user->store->host, &d->in, 1, r, err);
}

int
store_deliver_now(struct store_user *u, const struct store_delivery *s,
    struct store_done *r, struct error *err)
{
	struct error	 own = { .sys = 0 };
	struct delivery	*d;
	int		 result;

	*r = (struct store_done){ .fail = STORE_TEMP, .err = err };
	if (err == NULL)
		err = &own;
	d = delivery_new(u, s, &r->fail, err);
	if (d == NULL)
		return -1;
	result = deliver_now(d, r, err);
	incoming_free(d->in, d->path != NULL ? d->path : u->path);
	delivery_free(&d);
	return result;
}
