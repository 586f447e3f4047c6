/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <sys/stat.h>

#include "auth/authdb_int.h"
#include "base/hash.h"
#include "base/mem.h"
#include "sys/file.h"

#define FILE_MAX	((size_t)256 << 20)

struct passwd_file {
	char		*path;
	struct stat	 seen;
	struct buf	 text;
	struct hash	*lines;		/* name to a struct slice in mem */
	struct arena	*mem;
};

static bool
is_same(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_dev == b->st_dev &&
	    a->st_size == b->st_size &&
	    a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	    a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static int
index_lines(struct slice text, struct hash *lines, struct arena *mem,
    const char *path, struct error *err)
{
	struct arena	*scratch = arena_new();
	int		 number = 0, r = 0;

	while (r == 0 && text.len > 0) {
		struct account	 acc;
		struct slice	 line, *kept;

		if (!slice_cut(&text, '\n', &line)) {
			line = text;
			text.len = 0;
		}
		number++;
		r = account_passwd_line(scratch, line, &acc, err);
		if (r < 0) {
			error_in(err, "%s line %d", path, number);
		} else if (r == 1) {
			kept = arena_alloc(mem, sizeof(*kept));
			*kept = line;
			/* The first of two lines counts, as in passwd(5). */
			if (hash_gets(lines, acc.user) == NULL)
				hash_puts(lines, acc.user, kept);
			r = 0;
		}
		arena_reset(scratch);
	}
	arena_free(&scratch);
	return r;
}

static int
reload(struct passwd_file *f, const struct stat *st, struct error *err)
{
	struct buf	 text;
	struct arena	*mem = arena_new();
	struct hash	*lines = hash_new();

	buf_init(&text, FILE_MAX);
	if (file_read_all(AT_FDCWD, f->path, &text, err) < 0 ||
	    index_lines(buf_slice(&text), lines, mem, f->path, err) < 0) {
		buf_clear(&text);
		hash_free(&lines);
		arena_free(&mem);
		return -1;
	}
	buf_clear(&f->text);
	hash_free(&f->lines);
	arena_free(&f->mem);
	f->text = text;
	f->lines = lines;
	f->mem = mem;
	f->seen = *st;
	return 0;
}

int
passwd_file_open(const char *path, struct passwd_file **out,
    struct error *err)
{
	struct passwd_file	*f = mem_new(1, sizeof(*f));
	struct stat		 st;

	f->path = mem_strdup(path);
	buf_init(&f->text, FILE_MAX);
	if (stat(path, &st) < 0) {
		error_sys(err, "cannot open %s", path);
		passwd_file_close(&f);
		return -1;
	}
	if (reload(f, &st, err) < 0) {
		passwd_file_close(&f);
		return -1;
	}
	*out = f;
	return 0;
}

void
passwd_file_close(struct passwd_file **fp)
{
	struct passwd_file	*f = *fp;

	if (f == NULL)
		return;
	buf_clear(&f->text);
	hash_free(&f->lines);
	arena_free(&f->mem);
	mem_free(&f->path);
	mem_free(fp);
}

enum authdb_result
passwd_file_find(struct passwd_file *f, const char *user, struct arena *a,
    struct account *out, struct error *err)
{
	struct stat	 st;
	struct slice	*line;

	/* A file that cannot be read any more, or is half edited, leaves us
	 * with what we had: better old accounts than none. */
	if (stat(f->path, &st) == 0 && !is_same(&st, &f->seen))
		(void)!reload(f, &st, err);
	line = hash_gets(f->lines, user);
	if (line == NULL)
		return AUTHDB_NONE;
	if (account_passwd_line(a, *line, out, err) != 1)
		return AUTHDB_ERROR;
	out->source = arena_strdup(a, f->path);
	out->source_stamp = stamp_of(&f->seen);
	return AUTHDB_FOUND;
}
