/* SPDX-License-Identifier: Apache-2.0 */
#include "store/scan.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "store/record.h"
#include "sys/clock.h"

static void
add(struct scan *s, const char *dir, const char *name, bool plain)
{
	char			*full = arena_join(s->mem, slice_str(dir), "/",
				    slice_str(name));
	struct slice		 base = record_base(slice_str(full));
	struct scan_file	*f = hash_get(s->by_base, base);

	if (!box_name_ok(slice_str(full)) || base.len == 0)
		return;
	if (f != NULL) {
		/* Seen under two names while it moves: cur/ is later. */
		if (strcmp(dir, "cur") == 0)
			f->name = full;
		return;
	}
	f = arena_alloc(s->mem, sizeof(*f));
	f->name = full;
	f->base = base;
	f->plain = plain;
	(void)hash_put(s->by_base, base, f);
	if (s->n == s->size) {
		s->size = s->size == 0 ? 64 : s->size * 2;
		s->files = mem_grow(s->files, s->size, sizeof(*s->files));
	}
	s->files[s->n++] = f;
}

static int
read_dir(struct scan *s, int fd, const char *dir, int64_t *ns_out,
    struct error *err)
{
	struct stat	 st;
	struct dirent	*e;
	DIR		*d;
	int		 own = openat(fd, ".", O_RDONLY | O_DIRECTORY |
			    O_CLOEXEC);

	if (own < 0 || fstat(own, &st) < 0 || (d = fdopendir(own)) == NULL) {
		error_sys(err, "read %s", dir);
		if (own >= 0)
			close(own);
		return -1;
	}
	*ns_out = (int64_t)st.st_mtim.tv_sec * 1000000000 +
	    st.st_mtim.tv_nsec;
	/* A change in the same tick of the kernel's clock would not show in
	 * the time stamp: look again. */
	if (s->when_ns - *ns_out < BOX_TICK_NS && s->when_ns >= *ns_out)
		*ns_out -= 1;
	errno = 0;
	while ((e = readdir(d)) != NULL)
		if (e->d_name[0] != '.')
			add(s, dir, e->d_name, e->d_type == DT_REG);
	closedir(d);
	return 0;
}

int
scan_read(struct scan *s, const struct box *b, struct error *err)
{
	if (s->mem == NULL) {
		s->mem = arena_new();
		s->by_base = hash_new();
	}
	s->when_ns = clock_wall() * 1000;
	/* new/ first: what moves to cur/ meanwhile is seen there. */
	if (read_dir(s, b->newfd, "new", &s->new_ns, err) < 0)
		return -1;
	return read_dir(s, b->curfd, "cur", &s->cur_ns, err);
}

static int
compare(const void *a, const void *b)
{
	const struct scan_file *const	*x = a, *const *y = b;

	return slice_cmp((*x)->base, (*y)->base);
}

void
scan_sort(struct scan *s)
{
	if (s->n > 0)
		qsort(s->files, s->n, sizeof(*s->files), compare);
}

#define TMP_AGE	SECS(36 * 3600)

void
scan_sweep(const struct box *b)
{
	int		 fd = openat(b->dirfd, "tmp", O_RDONLY | O_DIRECTORY |
			    O_CLOEXEC | O_NOFOLLOW);
	usec_t		 now = clock_wall();
	struct dirent	*e;
	struct stat	 st;
	DIR		*d;

	if (fd < 0 || (d = fdopendir(fd)) == NULL) {
		if (fd >= 0)
			close(fd);
		return;
	}
	while ((e = readdir(d)) != NULL)
		/* INTERNALDATE may be old: the inode's time counts. */
		if (fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    S_ISREG(st.st_mode) &&
		    now - SECS(st.st_ctim.tv_sec) > TMP_AGE)
			(void)unlinkat(fd, e->d_name, 0);
	closedir(d);
}

void
scan_clear(struct scan *s)
{
	hash_free(&s->by_base);
	mem_free(&s->files);
	arena_free(&s->mem);
	*s = (struct scan){ .mem = NULL };
}
