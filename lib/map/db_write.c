/* SPDX-License-Identifier: Apache-2.0 */
/* Postfix writes hash: and btree: in place under a lock, so that a crash
 * leaves half a table; here the name always leads to a whole one. */
#include "map/map_write.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "map/db_int.h"
#include "sys/file.h"

struct map_writer {
	struct map_db	 d;
	char		*path;		/* "x.db" */
	char		*temp;
	mode_t		 mode;
	unsigned int	 flags;
};

static void
writer_free(struct map_writer **wp)
{
	struct map_writer	*w = *wp;

	(void)map_db_close(&w->d);
	mem_free(&w->path);
	mem_free(&w->temp);
	mem_free(wp);
}

int
map_write_open(const char *type, const char *path, mode_t mode,
    unsigned int flags, struct map_writer **out, struct error *err)
{
	struct map_writer	*w;
	int			 fd;

	if (strcmp(type, "hash") != 0 && strcmp(type, "btree") != 0)
		return error_set(err, "table type \"%s\" is not one that can "
		    "be written; expected hash or btree", type);
	w = mem_new(1, sizeof(*w));
	w->path = mem_printf("%s.db", path);
	w->temp = mem_printf("%s.db.XXXXXX", path);
	w->mode = mode;
	w->flags = flags;
	fd = mkostemp(w->temp, O_CLOEXEC);
	if (fd < 0) {
		(void)error_sys(err, "create %s", w->temp);
		writer_free(&w);
		return -1;
	}
	close(fd);
	/* DB wants to create the file itself or find a database: an empty one
	 * is neither for DB_EXCL, so it is truncated by name. */
	if (map_db_open(&w->d, type, w->temp, DB_CREATE | DB_TRUNCATE,
	    err) < 0) {
		(void)unlink(w->temp);
		writer_free(&w);
		return -1;
	}
	*out = w;
	return 0;
}

/* With the final NUL, if this file has them. */
static DBT
stored(const struct map_writer *w, struct slice s, char **copy_out)
{
	char	*copy = mem_new(s.len + 1, 1);

	if (s.len > 0)
		memcpy(copy, s.p, s.len);
	*copy_out = copy;
	return map_db_dbt(slice_of(copy,
	    s.len + ((w->flags & MAP_WRITE_NO_NUL) == 0)));
}

int
map_write_put(struct map_writer *w, struct slice key, struct slice value,
    bool replace, struct error *err)
{
	char	*kcopy, *vcopy;
	DBT	 k = stored(w, key, &kcopy), v = stored(w, value, &vcopy);
	int	 rc = w->d.db->put(w->d.db, NULL, &k, &v,
		    replace ? 0 : DB_NOOVERWRITE);

	mem_free(&kcopy);
	mem_free(&vcopy);
	if (rc == DB_KEYEXIST)
		return 1;
	if (rc != 0)
		return error_set(err, "write %s: %s", w->temp,
		    db_strerror(rc));
	return 0;
}

int
map_write_delete(struct map_writer *w, struct slice key, struct error *err)
{
	char	*copy;
	DBT	 k = stored(w, key, &copy);
	int	 rc = w->d.db->del(w->d.db, NULL, &k, 0);

	mem_free(&copy);
	if (rc == DB_NOTFOUND)
		return 1;
	if (rc != 0)
		return error_set(err, "write %s: %s", w->temp,
		    db_strerror(rc));
	return 0;
}

static int
sync_dir_of(const char *path, struct error *err)
{
	char	*dir = mem_strdup(path), *slash = strrchr(dir, '/');
	int	 rc;

	if (slash == NULL)
		rc = file_sync_path(".", err);
	else {
		slash[slash == dir ? 1 : 0] = '\0';
		rc = file_sync_path(dir, err);
	}
	mem_free(&dir);
	return rc;
}

static int
publish(struct map_writer *w, struct error *err)
{
	int	rc = map_db_close(&w->d), fd;

	if (rc != 0)
		return error_set(err, "write %s: %s", w->temp,
		    db_strerror(rc));
	fd = open(w->temp, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return error_sys(err, "open %s", w->temp);
	if (fchmod(fd, w->mode) < 0 || fsync(fd) < 0) {
		(void)error_sys(err, "sync %s", w->temp);
		close(fd);
		return -1;
	}
	if (close(fd) < 0)
		return error_sys(err, "close %s", w->temp);
	if (rename(w->temp, w->path) < 0)
		return error_sys(err, "rename %s to %s", w->temp, w->path);
	return sync_dir_of(w->path, err);
}

int
map_write_commit(struct map_writer **wp, struct error *err)
{
	int	rc = publish(*wp, err);

	if (rc < 0)
		(void)unlink((*wp)->temp);
	writer_free(wp);
	return rc;
}

void
map_write_abort(struct map_writer **wp)
{
	if (*wp == NULL)
		return;
	(void)map_db_close(&(*wp)->d);
	(void)unlink((*wp)->temp);
	writer_free(wp);
}

static struct slice
without_nul(DBT *t)
{
	struct slice	s = slice_of(t->data, t->size);

	if (s.len > 0 && s.p[s.len - 1] == '\0')
		s.len--;
	return s;
}

int
map_read_all(const char *type, const char *path,
    int (*each)(void *arg, struct slice key, struct slice value), void *arg,
    struct error *err)
{
	char		*file = mem_printf("%s.db", path);
	struct map_db	 d;
	DBC		*cursor = NULL;
	DBT		 k, v;
	int		 rc = map_db_open(&d, type, file, DB_RDONLY, err);

	mem_free(&file);
	if (rc < 0)
		return -1;
	memset(&k, 0, sizeof(k));
	memset(&v, 0, sizeof(v));
	rc = d.db->cursor(d.db, NULL, &cursor, 0);
	while (rc == 0 && (rc = cursor->get(cursor, &k, &v, DB_NEXT)) == 0)
		if (each(arg, without_nul(&k), without_nul(&v)) < 0)
			break;
	if (cursor != NULL)
		(void)cursor->close(cursor);
	(void)map_db_close(&d);
	if (rc != 0 && rc != DB_NOTFOUND)
		return error_set(err, "read %s.db: %s", path,
		    db_strerror(rc));
	return 0;
}
