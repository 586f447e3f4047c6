/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "auth/userdb.h"
#include "base/mem.h"
#include "map/map.h"
#include "map/map_write.h"
#include "sys/file.h"

#define RECORD_MAX	((size_t)64 << 10)
#define ACCOUNTS_MAX	((size_t)4 << 20)
#define LOCK_TRIES	100
#define LOCK_PAUSE_NS	100000000	/* 0.1 s */

struct userdb {
	char		*path;		/* without ".db" */
	char		*file;
	struct map	*map;		/* NULL: there is no file yet */
	struct stat	 seen;
};

struct userdb_edit {
	struct arena	*mem;
	char		*dir, *path;
	int		 lock;
	struct account	**list;
	size_t		 count, size;
	struct error	 err;
};

static int
open_map(struct userdb *db, struct error *err)
{
	const struct map_env	 env = { .default_type = "hash" };
	struct map		*m;
	struct stat		 st;
	char			*spec;
	int			 r;

	if (stat(db->file, &st) < 0)
		return errno == ENOENT ? 0 : error_sys(err, "cannot look at "
		    "%s", db->file);
	if (db->map != NULL && st.st_ino == db->seen.st_ino &&
	    st.st_mtim.tv_sec == db->seen.st_mtim.tv_sec &&
	    st.st_mtim.tv_nsec == db->seen.st_mtim.tv_nsec)
		return 0;
	spec = mem_printf("hash:%s", db->path);
	r = map_open(spec, &env, &m, err);
	mem_free(&spec);
	if (r < 0)
		return -1;
	map_close(&db->map);
	db->map = m;
	db->seen = st;
	return 0;
}

int
userdb_open(const char *dir, struct userdb **out, struct error *err)
{
	struct userdb	*db = mem_new(1, sizeof(*db));

	db->path = mem_printf("%s/users", dir);
	db->file = mem_printf("%s.db", db->path);
	if (open_map(db, err) < 0) {
		userdb_close(&db);
		return -1;
	}
	*out = db;
	return 0;
}

void
userdb_close(struct userdb **dbp)
{
	struct userdb	*db = *dbp;

	if (db == NULL)
		return;
	map_close(&db->map);
	mem_free(&db->path);
	mem_free(&db->file);
	mem_free(dbp);
}

enum authdb_result
userdb_find(struct userdb *db, const char *user, struct arena *a,
    struct account *out, struct error *err)
{
	const char	*record;
	struct error	 ignore;

	/* A changed password must count at once, so we look each time.  A new
	 * file that cannot be opened (yet: its owner is set after the rename)
	 * leaves the old one in use. */
	if (open_map(db, &ignore) < 0 && db->map == NULL) {
		*err = ignore;
		return AUTHDB_ERROR;
	}
	if (db->map == NULL)
		return AUTHDB_NONE;
	switch (map_get(db->map, slice_str(user), a, &record, err)) {
	case MAP_FOUND:
		if (account_decode(a, user, record, out, err) < 0)
			return AUTHDB_ERROR;
		out->source = arena_strdup(a, db->file);
		out->source_stamp = stamp_of(&db->seen);
		return AUTHDB_FOUND;
	case MAP_NONE:
		return AUTHDB_NONE;
	case MAP_ERROR:
	case MAP_WAIT:
		break;
	}
	return AUTHDB_ERROR;
}

static int
take_lock(struct userdb_edit *e, struct error *err)
{
	const struct timespec	 pause = { .tv_nsec = LOCK_PAUSE_NS };
	char			*path = arena_printf(e->mem, "%s.lock",
				    e->path);

	e->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (e->lock < 0)
		return error_sys(err, "cannot open %s", path);
	for (int i = 0; i < LOCK_TRIES; i++) {
		if (file_lock(e->lock, true, false) == 0)
			return 0;
		if (errno != EAGAIN && errno != EACCES)
			return error_sys(err, "cannot lock %s", path);
		nanosleep(&pause, NULL);
	}
	return error_set(err, "%s is locked by another program", path);
}

static int
read_one(void *arg, struct slice key, struct slice value)
{
	struct userdb_edit	*e = arg;
	struct account		 acc;
	char			*user = slice_cstr(e->mem, key);
	char			*record = slice_cstr(e->mem, value);

	if (user == NULL || record == NULL || e->count >= ACCOUNTS_MAX)
		return error_set(&e->err, "%s.db: bad record", e->path);
	if (account_decode(e->mem, user, record, &acc, &e->err) < 0)
		return -1;
	userdb_edit_add(e, &acc);
	return 0;
}

static int
by_name(const void *a, const void *b)
{
	const struct account *const	*x = a, *const *y = b;

	return strcmp((*x)->user, (*y)->user);
}

int
userdb_edit_begin(const char *dir, struct userdb_edit **out,
    struct error *err)
{
	struct arena		*mem = arena_new();
	struct userdb_edit	*e = arena_alloc(mem, sizeof(*e));
	char			*file;

	e->mem = mem;
	e->lock = -1;
	e->dir = arena_strdup(mem, dir);
	e->path = arena_printf(mem, "%s/users", dir);
	file = arena_printf(mem, "%s.db", e->path);
	if (take_lock(e, err) < 0)
		goto fail;
	if (access(file, F_OK) == 0 || errno != ENOENT)
		if (map_read_all("hash", e->path, read_one, e, err) < 0) {
			if (e->err.text[0] != '\0' && err != NULL)
				*err = e->err;
			goto fail;
		}
	if (e->count > 1)
		qsort(e->list, e->count, sizeof(*e->list), by_name);
	*out = e;
	return 0;
fail:
	userdb_edit_abort(&e);
	return -1;
}

void
userdb_edit_abort(struct userdb_edit **ep)
{
	struct userdb_edit	*e = *ep;
	struct arena		*mem;

	if (e == NULL)
		return;
	if (e->lock >= 0)
		close(e->lock);
	mem_free(&e->list);
	mem = e->mem;
	arena_free(&mem);
	*ep = NULL;
}

struct account *
userdb_edit_find(struct userdb_edit *e, const char *user)
{
	for (size_t i = 0; i < e->count; i++)
		if (strcmp(e->list[i]->user, user) == 0)
			return e->list[i];
	return NULL;
}

struct account *
userdb_edit_at(struct userdb_edit *e, size_t i)
{
	return e->list[i];
}

size_t
userdb_edit_count(const struct userdb_edit *e)
{
	return e->count;
}

struct arena *
userdb_edit_arena(struct userdb_edit *e)
{
	return e->mem;
}

struct account *
userdb_edit_add(struct userdb_edit *e, const struct account *acc)
{
	struct account	*copy = arena_alloc(e->mem, sizeof(*copy));

	*copy = *acc;
	if (e->count == e->size) {
		e->size = e->size == 0 ? 16 : e->size * 2;
		e->list = mem_grow(e->list, e->size, sizeof(*e->list));
	}
	e->list[e->count++] = copy;
	return copy;
}

void
userdb_edit_remove(struct userdb_edit *e, struct account *acc)
{
	for (size_t i = 0; i < e->count; i++)
		if (e->list[i] == acc) {
			memmove(&e->list[i], &e->list[i + 1],
			    (e->count - i - 1) * sizeof(*e->list));
			e->count--;
			return;
		}
}

static int
write_users(struct userdb_edit *e, struct map_writer *w, struct error *err)
{
	struct buf	b;
	int		r = 0;

	buf_init(&b, RECORD_MAX);
	for (size_t i = 0; r == 0 && i < e->count; i++) {
		buf_reset(&b);
		account_encode(e->list[i], &b);
		if (b.overflow)
			r = error_set(err, "account %s is too large",
			    e->list[i]->user);
		else if (map_write_put(w, slice_str(e->list[i]->user),
		    buf_slice(&b), true, err) < 0)
			r = -1;
	}
	buf_clear(&b);
	return r;
}

static int
write_mailboxes(struct userdb_edit *e, struct map_writer *w,
    struct error *err)
{
	struct buf	b;
	int		r = 0;

	buf_init(&b, RECORD_MAX);
	for (size_t i = 0; r == 0 && i < e->count; i++) {
		const struct account	*acc = e->list[i];

		/* The table is for addresses; others are local users. */
		if (strchr(acc->user, '@') == NULL || acc->mailbox[0] == '\0')
			continue;
		buf_reset(&b);
		buf_addf(&b, "%s/", acc->mailbox);
		if (map_write_put(w, slice_str(acc->user), buf_slice(&b),
		    true, err) < 0)
			r = -1;
	}
	buf_clear(&b);
	return r;
}

static int
write_table(struct userdb_edit *e, const char *name, mode_t mode,
    int (*fill)(struct userdb_edit *, struct map_writer *, struct error *),
    struct error *err)
{
	struct map_writer	*w;

	if (map_write_open("hash", arena_printf(e->mem, "%s/%s", e->dir,
	    name), mode, 0, &w, err) < 0)
		return -1;
	if (fill(e, w, err) < 0) {
		map_write_abort(&w);
		return -1;
	}
	return map_write_commit(&w, err);
}

int
userdb_edit_commit(struct userdb_edit **ep, uid_t owner, struct error *err)
{
	struct userdb_edit	*e = *ep;
	const char		*file = arena_printf(e->mem, "%s.db", e->path);
	int			 r;

	/* mailboxes.db last: an address is announced when it can log in. */
	r = write_table(e, "users", 0600, write_users, err);
	if (r == 0 && owner != (uid_t)-1 && chown(file, owner,
	    (gid_t)-1) < 0)
		r = error_sys(err, "cannot give %s to its owner", file);
	if (r == 0)
		r = write_table(e, "mailboxes", 0644, write_mailboxes, err);
	userdb_edit_abort(ep);
	return r;
}
