/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "store/rebuild.h"
#include "store/store_int.h"
#include "store/subs.h"
#include "store/table.h"
#include "store/view_int.h"
#include "sys/clock.h"

struct entry {
	const char	*dir;
	unsigned int	 attrs;
};

struct names {
	struct arena	*a;
	struct hash	*by_dir;	/* -> struct entry */
	struct entry	**v;
	size_t		 n, size;
};

static struct entry *
entry_of(struct names *s, const char *dir, unsigned int attrs)
{
	struct entry	*e = hash_gets(s->by_dir, dir);

	if (e != NULL)
		return e;
	e = arena_alloc(s->a, sizeof(*e));
	e->dir = dir;
	e->attrs = attrs;
	(void)hash_puts(s->by_dir, dir, e);
	if (s->n == s->size) {
		s->size = s->size == 0 ? 16 : s->size * 2;
		s->v = mem_grow(s->v, s->size, sizeof(*s->v));
	}
	s->v[s->n++] = e;
	return e;
}

/* ".A.B.C" is there: so is ".A.B", at least as a name, with children. */
static void
add_parents(struct names *s, const char *dir)
{
	struct slice	left = slice_str(dir);
	ptrdiff_t	dot;

	while ((dot = slice_rfind(left, '.')) > 0) {
		const char	*up = arena_strndup(s->a, dir, (size_t)dot);

		entry_of(s, up, STORE_LIST_NOSELECT)->attrs |=
		    STORE_LIST_CHILDREN;
		left = slice_first(left, (size_t)dot);
	}
}

static int
by_name(const void *a, const void *b)
{
	const struct store_listed	*x = a, *y = b;
	bool				 ix = strcmp(x->name, "INBOX") == 0;
	bool				 iy = strcmp(y->name, "INBOX") == 0;

	if (ix != iy)
		return ix ? -1 : 1;
	return strcmp(x->name, y->name);
}

static int
collect(struct store_user *u, struct names *s, struct error *err)
{
	char	**dirs, **subs;
	size_t	n, nsubs;

	if (tree_dirs(u, s->a, &dirs, &n, err) < 0 ||
	    subs_read(u, s->a, &subs, &nsubs, err) < 0)
		return -1;
	(void)entry_of(s, "", 0);
	for (size_t i = 0; i < n; i++)
		if (names_from_dir(u->store, dirs[i], s->a) != NULL)
			(void)entry_of(s, dirs[i], 0);
	n = s->n;
	for (size_t i = 0; i < n; i++)
		add_parents(s, s->v[i]->dir);
	for (size_t i = 0; i < nsubs; i++)
		entry_of(s, subs[i], STORE_LIST_NONEXISTENT)->attrs |=
		    STORE_LIST_SUBSCRIBED;
	return 0;
}

static void
make_special(struct store_user *u)
{
	const struct store_conf	*c = &u->store->conf;

	for (size_t i = 0; i < c->nspecial; i++) {
		enum store_fail	fail;

		if (!c->special[i].create ||
		    store_exists(u, c->special[i].name))
			continue;
		if (store_create(u, c->special[i].name, 0, &fail, NULL) == 0)
			(void)!store_subscribe(u, c->special[i].name, true,
			    &fail, NULL);
	}
}

/*
 * The answer is remembered as long as the root and the two files look the same:
 * every mailbox that comes, goes or changes its name changes the root's time,
 * whoever does it.
 */
struct looks {				/* zeroed before it is filled */
	dev_t		dev;
	ino_t		ino;
	off_t		size;
	struct timespec	mtime, ctime;
};

struct list_key {
	struct looks	root, subs, special;
};

struct list_cache {
	struct list_key	key;
	struct arena	*mem;		/* this struct lives there */
	struct store_listed *v;
	size_t		 n;
};

#define CACHE_MAX	1000		/* names; what a user may make us keep */

static bool
look_at(const struct store_user *u, const char *name, struct looks *out)
{
	struct stat	st;
	char		path[4096];
	int64_t		now = clock_wall() * 1000, changed;
	int		n = snprintf(path, sizeof(path), "%s%s", u->path,
			    name);

	if (n < 0 || (size_t)n >= sizeof(path))
		return false;
	if (stat(path, &st) < 0)
		return errno == ENOENT;
	out->dev = st.st_dev;
	out->ino = st.st_ino;
	out->size = st.st_size;
	out->mtime = st.st_mtim;
	out->ctime = st.st_ctim;
	/* A further change in the same tick of the clock would not show. */
	changed = (int64_t)st.st_ctim.tv_sec * 1000000000 +
	    st.st_ctim.tv_nsec;
	return now - changed > BOX_TICK_NS;
}

/* False: nothing may be concluded from it. */
static bool
list_key(const struct store_user *u, struct list_key *out)
{
	memset(out, 0, sizeof(*out));
	return look_at(u, "", &out->root) &&
	    look_at(u, "/subscriptions", &out->subs) &&
	    look_at(u, "/posthouse.special", &out->special);
}

void
list_forget(struct store_user *u)
{
	struct arena	*mem = u->list == NULL ? NULL : u->list->mem;

	u->list = NULL;
	arena_free(&mem);
}

static struct store_listed *
copy_list(struct arena *a, const struct store_listed *v, size_t n)
{
	struct store_listed	*out = arena_array(a, n + 1, sizeof(*out));

	for (size_t i = 0; i < n; i++) {
		out[i] = v[i];
		out[i].name = arena_strdup(a, v[i].name);
	}
	return out;
}

static void
remember(struct store_user *u, const struct list_key *key,
    const struct store_listed *v, size_t n)
{
	struct arena		*mem;
	struct list_cache	*c;

	if (n > CACHE_MAX)
		return;
	mem = arena_new();
	c = arena_alloc(mem, sizeof(*c));
	*c = (struct list_cache){ .key = *key, .mem = mem,
	    .v = copy_list(mem, v, n), .n = n };
	u->list = c;
}

static int	 list_anew(struct store_user *u, struct arena *a,
		    struct store_listed **out, size_t *n_out,
		    struct error *err) MUST_USE;

int
store_list(struct store_user *u, struct arena *a, struct store_listed **out,
    size_t *n_out, struct error *err)
{
	struct list_key	key;
	bool		sure = list_key(u, &key);

	if (sure && u->list != NULL &&
	    memcmp(&u->list->key, &key, sizeof(key)) == 0) {
		*out = copy_list(a, u->list->v, u->list->n);
		*n_out = u->list->n;
		return 0;
	}
	list_forget(u);
	make_special(u);
	/* Before the reading: what changes meanwhile does not fit it. */
	sure = list_key(u, &key);
	if (list_anew(u, a, out, n_out, err) < 0)
		return -1;
	if (sure)
		remember(u, &key, *out, *n_out);
	return 0;
}

static int
list_anew(struct store_user *u, struct arena *a, struct store_listed **out,
    size_t *n_out, struct error *err)
{
	struct names	s = { .a = a, .by_dir = hash_new() };
	struct buf	special;
	size_t		n = 0;
	int		r;

	subs_special(u, &special);
	r = collect(u, &s, err);
	*out = arena_array(a, s.n + 1, sizeof(**out));
	for (size_t i = 0; r == 0 && i < s.n; i++) {
		struct store_listed	*l = &(*out)[n];

		l->name = names_from_dir(u->store, s.v[i]->dir, a);
		if (l->name == NULL)
			continue;
		l->attrs = s.v[i]->attrs;
		if ((l->attrs & (STORE_LIST_NOSELECT |
		    STORE_LIST_NONEXISTENT)) == 0)
			l->use = subs_use(u, buf_slice(&special),
			    s.v[i]->dir);
		n++;
	}
	if (n > 0)
		qsort(*out, n, sizeof(**out), by_name);
	*n_out = n;
	buf_clear(&special);
	hash_free(&s.by_dir);
	mem_free(&s.v);
	return r;
}

int
store_subscribe(struct store_user *u, const char *name, bool on,
    enum store_fail *fail_out, struct error *err)
{
	struct arena	*a = arena_new();
	const char	*dir = names_to_dir(u->store, name, a);
	int		 r;

	*fail_out = STORE_TEMP;
	if (dir == NULL) {
		*fail_out = STORE_BAD_NAME;
		r = error_set(err, "bad mailbox name");
	} else {
		r = subs_change(u, dir, on, err);
	}
	arena_free(&a);
	return r;
}

static void
fill(const struct box *b, struct store_status *out)
{
	const struct log_totals	*t = &b->totals;

	*out = (struct store_status){
		.uidvalidity = b->log.header.uidvalidity,
		.uidnext = t->uidnext, .messages = t->messages,
		.unseen = t->unseen, .deleted = t->deleted, .size = t->size,
		.highestmodseq = t->modseq > 0 ? t->modseq : 1,
	};
	memcpy(out->guid, b->log.header.guid, sizeof(out->guid));
}

/* \Recent messages need the messages themselves only if some may be. */
static int
status_read(const char *path, const char *host, struct store_status *out,
    struct error *err)
{
	struct box	b;
	bool		light = true;

	for (;;) {
		if (box_open(&b, path, host, light, err) < 0)
			return -1;
		if (!light || (!box_foreign(&b) &&
		    b.totals.first_recent >= b.totals.uidnext))
			break;
		box_close(&b);
		light = false;
	}
	if (!light && box_foreign(&b) && rebuild_scan(&b, err) < 0) {
		box_close(&b);
		return -1;
	}
	fill(&b, out);
	if (!light)
		for (size_t i = box_find(&b, b.totals.first_recent);
		    i < box_count(&b); i++)
			out->recent += (box_rec(&b, i)->flags &
			    REC_DEAD) == 0 ? 1 : 0;
	box_close(&b);
	return 0;
}

static int
status_of(struct store_user *u, const char *dir, struct store_status *out,
    struct error *err)
{
	struct arena	*a = arena_new();
	const char	*path = names_path(u, dir, a);
	struct table_key key;
	int		 r = 0;

	/* The key before the reading: what changes meanwhile does not fit
	 * it. */
	if (!table_key(path, &key) || !table_get(u->path, dir, &key, out)) {
		r = status_read(path, u->store->host, out, err);
		if (r == 0 && table_key(path, &key))
			table_put(u->path, dir, &key, out);
	}
	arena_free(&a);
	return r;
}

int
store_status(struct store_user *u, const char *name,
    struct store_status *out, enum store_fail *fail_out, struct error *err)
{
	struct arena	*a = arena_new();
	const char	*dir = names_to_dir(u->store, name, a);
	int		 r;

	if (dir == NULL) {
		*fail_out = STORE_BAD_NAME;
		r = error_set(err, "bad mailbox name");
	} else if (!store_exists(u, name)) {
		*fail_out = STORE_NO_MAILBOX;
		r = error_set(err, "no such mailbox");
	} else {
		*fail_out = STORE_TEMP;
		r = status_of(u, dir, out, err);
	}
	arena_free(&a);
	return r;
}

int
store_usage(struct store_user *u, uint64_t *bytes_out,
    uint64_t *messages_out, struct error *err)
{
	struct arena		*a = arena_new();
	char			**dirs;
	size_t			 n;
	struct store_status	 st;
	int			 r = tree_dirs(u, a, &dirs, &n, err);

	*bytes_out = *messages_out = 0;
	for (size_t i = 0; r == 0 && i <= n; i++) {
		r = status_of(u, i < n ? dirs[i] : "", &st, err);
		if (r < 0)
			break;
		*bytes_out += st.size;
		*messages_out += st.messages;
	}
	arena_free(&a);
	return r;
}

static void
keep_result(void *arg, const struct store_done *r)
{
	struct store_done	*out = arg;

	*out = *r;
	out->err = NULL;
}

static int
move_all(struct view *v, const char *to, struct store_done *done)
{
	struct store	*s = v->user->store;
	struct loop	*loop = s->loop;
	struct syncer	*syncer = s->syncer;
	uint32_t	 n = view_count(v), *seqs = mem_new(n + 1,
			    sizeof(*seqs));

	for (uint32_t i = 0; i < n; i++)
		seqs[i] = i + 1;
	/* A store without loop and threads answers before it returns. */
	s->loop = NULL;
	s->syncer = NULL;
	*done = (struct store_done){ .fail = STORE_TEMP };
	view_copy(v, seqs, n, to, true, keep_result, done);
	s->loop = loop;
	s->syncer = syncer;
	mem_free(&seqs);
	return done->fail == STORE_OK ? 0 : -1;
}

/* RFC 3501 6.3.5: INBOX's messages go to the new mailbox, INBOX stays. */
int
tree_rename_inbox(struct store_user *u, const char *to,
    enum store_fail *fail_out, struct error *err)
{
	struct view		*v;
	struct store_done	 done;
	int			 r;

	if (store_create(u, to, 0, fail_out, err) < 0 ||
	    view_open(u, "INBOX", false, &v, fail_out, err) < 0)
		return -1;
	r = move_all(v, to, &done);
	view_close(&v);
	if (r == 0)
		return 0;
	*fail_out = done.fail;
	return error_set(err, "messages of INBOX were not moved");
}
