/* SPDX-License-Identifier: Apache-2.0 */
/* hash: and btree:, with files as Postfix's postmap makes them.
 *
 * Whether keys end in a NUL is a property of the file, found out by the first
 * hit, as in Postfix: until then both forms are tried.
 *
 * Without an environment Berkeley DB reads DB_CONFIG from the working
 * directory, which is the queue (CVE-2017-10140).  So each handle has its
 * own private environment whose home is a place that cannot exist. */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "map/db_int.h"
#include "map/map_int.h"

#define NO_HOME		"/dev/null/posthouse"
#define CACHE_READ	(256u << 10)
#define CACHE_WRITE	(16u << 20)

struct db_map {
	struct map_db	 d;
	bool		 try_nul, try_bare;
};

/* Relative names would be looked for in the environment's home. */
static char *
absolute(const char *path)
{
	char	cwd[PATH_MAX];

	if (path[0] == '/' || getcwd(cwd, sizeof(cwd)) == NULL)
		return mem_strdup(path);
	return mem_printf("%s/%s", cwd, path);
}

int
map_db_close(struct map_db *d)
{
	int	rc = 0, rc2 = 0;

	if (d->db != NULL)
		rc = d->db->close(d->db, 0);
	if (d->env != NULL)
		rc2 = d->env->close(d->env, 0);
	d->db = NULL;
	d->env = NULL;
	return rc != 0 ? rc : rc2;
}

int
map_db_open(struct map_db *d, const char *type, const char *path,
    uint32_t db_flags, struct error *err)
{
	bool	 rdonly = (db_flags & DB_RDONLY) != 0;
	char	*full = absolute(path);
	int	 rc;

	*d = (struct map_db){ NULL, NULL };
	rc = db_env_create(&d->env, 0);
	if (rc == 0)
		rc = d->env->set_cachesize(d->env, 0,
		    rdonly ? CACHE_READ : CACHE_WRITE, 1);
	if (rc == 0)
		rc = d->env->open(d->env, NO_HOME,
		    DB_CREATE | DB_INIT_MPOOL | DB_PRIVATE, 0);
	if (rc == 0)
		rc = db_create(&d->db, d->env, 0);
	if (rc == 0) {
		/* Its messages would go to standard error. */
		d->db->set_errfile(d->db, NULL);
		rc = d->db->open(d->db, NULL, full, NULL,
		    strcmp(type, "btree") == 0 ? DB_BTREE : DB_HASH,
		    db_flags, 0600);
	}
	mem_free(&full);
	if (rc == 0)
		return 0;
	(void)map_db_close(d);
	(void)error_set(err, "open database %s: %s", path, rc == EINVAL ?
	    "not a database of this type" : db_strerror(rc));
	if (err != NULL && rc > 0)
		err->sys = rc;
	return -1;
}

DBT
map_db_dbt(struct slice s)
{
	DBT	t;

	memset(&t, 0, sizeof(t));
	t.data = (void *)(uintptr_t)s.p;
	t.size = (uint32_t)s.len;
	return t;
}

static int
db_map_open(struct map *m, const char *path, struct error *err)
{
	struct db_map	*dm = arena_alloc(m->mem, sizeof(*dm));
	const char	*file = arena_printf(m->mem, "%s.db", path);
	int		 fd;

	if (map_db_open(&dm->d, m->type->name, file, DB_RDONLY, err) < 0)
		return -1;
	m->impl = dm;
	dm->try_nul = dm->try_bare = true;
	if (dm->d.db->fd(dm->d.db, &fd) != 0)
		return error_set(err, "%s: no descriptor", file);
	return map_watch(m, fd, false, file, err);
}

static void
db_map_close(struct map *m)
{
	struct db_map	*dm = m->impl;

	if (dm != NULL)
		(void)map_db_close(&dm->d);
}

/* One of the two forms.  value is copied into a without its NUL. */
static enum map_result
get_form(struct db_map *dm, const char *key, size_t len, struct arena *a,
    const char **value_out, struct error *err)
{
	DBT		 k = map_db_dbt(slice_of(key, len)), v;
	const char	*text;
	int		 rc;

	memset(&v, 0, sizeof(v));
	rc = dm->d.db->get(dm->d.db, NULL, &k, &v, 0);
	if (rc == DB_NOTFOUND)
		return MAP_NONE;
	if (rc != 0) {
		(void)error_set(err, "%s", db_strerror(rc));
		return MAP_ERROR;
	}
	text = v.data;
	len = v.size;
	if (len > 0 && text[len - 1] == '\0')
		len--;
	*value_out = arena_strndup(a, len == 0 ? "" : text, len);
	return MAP_FOUND;
}

static enum map_result
db_map_get(struct map *m, const char *key, struct arena *a,
    const char **value_out, struct error *err)
{
	struct db_map	*dm = m->impl;
	size_t		 len = strlen(key);
	enum map_result	 r = MAP_NONE;

	if (dm->try_nul) {
		r = get_form(dm, key, len + 1, a, value_out, err);
		if (r == MAP_FOUND)
			dm->try_bare = false;
	}
	if (r == MAP_NONE && dm->try_bare) {
		r = get_form(dm, key, len, a, value_out, err);
		if (r == MAP_FOUND)
			dm->try_nul = false;
	}
	return r;
}

const struct map_type	map_type_hash = {
	.name = "hash", .keyed = true, .folds = true,
	.open = db_map_open, .get = db_map_get, .close = db_map_close,
};

const struct map_type	map_type_btree = {
	.name = "btree", .keyed = true, .folds = true,
	.open = db_map_open, .get = db_map_get, .close = db_map_close,
};
