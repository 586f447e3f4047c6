/* SPDX-License-Identifier: Apache-2.0 */
/* The tree of mailboxes: directories of the user's root.  A mailbox becomes
 * visible by one rename and vanishes by one, so that others never see half of
 * it. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "store/box.h"
#include "store/store_int.h"
#include "store/subs.h"
#include "sys/file.h"

static int
make_dir(int at, const char *name, struct error *err)
{
	if (mkdirat(at, name, 0700) < 0 && errno != EEXIST)
		return error_sys(err, "mkdir %s", name);
	return 0;
}

static int
make_subs(int fd, bool folder, struct error *err)
{
	int	mark;

	if (make_dir(fd, "tmp", err) < 0 || make_dir(fd, "new", err) < 0 ||
	    make_dir(fd, "cur", err) < 0)
		return -1;
	if (folder) {
		mark = openat(fd, "maildirfolder", O_WRONLY | O_CREAT |
		    O_CLOEXEC, 0600);
		if (mark < 0)
			return error_sys(err, "create maildirfolder");
		close(mark);
	}
	return file_sync_dir(fd, err);
}

static int
open_root(const struct store_user *u, struct error *err)
{
	int	fd = open(u->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		error_sys(err, "open %s", u->path);
	return fd;
}

static bool
has_dir(int root, const char *dir)
{
	struct stat	st;

	return fstatat(root, dir, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    S_ISDIR(st.st_mode);
}

/* A hidden name in the root that is nobody's mailbox (".." cannot begin
 * one). */
static void
hidden_name(char *out, size_t size, const char *what)
{
	static unsigned int	n;

	(void)snprintf(out, size, "..%s.%d.%u.%lld", what, (int)getpid(),
	    __atomic_fetch_add(&n, 1, __ATOMIC_RELAXED),
	    (long long)time(NULL));
}

int
tree_make(const struct store_user *u, const char *dir, struct error *err)
{
	char	tmp[128];
	int	root = open_root(u, err), fd, r = -1;

	if (root < 0)
		return -1;
	if (dir[0] == '\0') {
		r = make_subs(root, false, err);
		close(root);
		return r;
	}
	if (has_dir(root, dir)) {
		close(root);
		return 1;
	}
	hidden_name(tmp, sizeof(tmp), "new");
	if (make_dir(root, tmp, err) == 0) {
		fd = openat(root, tmp, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		r = fd < 0 ? error_sys(err, "open %s", tmp) :
		    make_subs(fd, true, err);
		if (fd >= 0)
			close(fd);
	}
	if (r == 0 && renameat2(root, tmp, root, dir, RENAME_NOREPLACE) < 0)
		r = errno == EEXIST ? 1 : error_sys(err, "rename to %s", dir);
	if (r == 0)
		r = file_sync_dir(root, err);
	if (r != 0)
		tree_remove(root, tmp);
	close(root);
	return r;
}

static void
empty_dir(int at, const char *name)
{
	int		 fd = openat(at, name, O_RDONLY | O_DIRECTORY |
			    O_CLOEXEC | O_NOFOLLOW);
	struct dirent	*e;
	DIR		*d;

	if (fd < 0)
		return;
	if ((d = fdopendir(fd)) == NULL) {
		close(fd);
		return;
	}
	while ((e = readdir(d)) != NULL)
		if (strcmp(e->d_name, ".") != 0 &&
		    strcmp(e->d_name, "..") != 0)
			(void)unlinkat(dirfd(d), e->d_name, 0);
	closedir(d);
}

/* A mailbox directory has one level below it. */
void
tree_remove(int root, const char *dir)
{
	static const char *const	subs[] = { "cur", "new", "tmp" };
	int				fd = openat(root, dir, O_RDONLY |
					    O_DIRECTORY | O_CLOEXEC |
					    O_NOFOLLOW);

	if (fd < 0)
		return;
	for (size_t i = 0; i < COUNT(subs); i++) {
		empty_dir(fd, subs[i]);
		(void)unlinkat(fd, subs[i], AT_REMOVEDIR);
	}
	close(fd);
	empty_dir(root, dir);
	(void)unlinkat(root, dir, AT_REMOVEDIR);
}

bool
store_name_ok(struct store_user *u, const char *name)
{
	struct arena	*a = arena_new();
	bool		 ok = names_to_dir(u->store, name, a) != NULL;

	arena_free(&a);
	return ok;
}

bool
store_exists(struct store_user *u, const char *name)
{
	struct arena	*a = arena_new();
	char		*dir = names_to_dir(u->store, name, a);
	struct stat	 st;
	bool		 yes = dir != NULL &&
			    stat(names_path(u, dir, a), &st) == 0 &&
			    S_ISDIR(st.st_mode);

	arena_free(&a);
	return yes;
}

static int
fail(enum store_fail *out, enum store_fail f, struct error *err,
    const char *text)
{
	*out = f;
	return error_set(err, "%s", text);
}

int
store_create(struct store_user *u, const char *name, unsigned int use,
    enum store_fail *fail_out, struct error *err)
{
	struct arena	*a = arena_new();
	char		*dir = names_to_dir(u->store, name, a);
	int		 r;

	if (dir == NULL) {
		r = fail(fail_out, STORE_BAD_NAME, err, "bad mailbox name");
	} else if (dir[0] == '\0') {
		r = fail(fail_out, STORE_EXISTS, err, "INBOX exists");
	} else {
		r = tree_make(u, dir, err);
		if (r > 0)
			r = fail(fail_out, STORE_EXISTS, err,
			    "mailbox exists");
		else if (r < 0)
			*fail_out = store_fail_of(err->sys);
		else if (use != 0)
			r = subs_set_use(u, dir, use, err);
	}
	arena_free(&a);
	return r < 0 ? -1 : 0;
}

int
store_delete(struct store_user *u, const char *name,
    enum store_fail *fail_out, struct error *err)
{
	struct arena	*a = arena_new();
	char		*dir = names_to_dir(u->store, name, a);
	char		 gone[128];
	int		 root, r = 0;

	if (dir == NULL || dir[0] == '\0') {
		r = dir == NULL ?
		    fail(fail_out, STORE_BAD_NAME, err, "bad mailbox name") :
		    fail(fail_out, STORE_REFUSED, err,
		    "INBOX cannot be deleted");
		arena_free(&a);
		return r;
	}
	*fail_out = STORE_TEMP;
	if ((root = open_root(u, err)) < 0) {
		arena_free(&a);
		return -1;
	}
	hidden_name(gone, sizeof(gone), "gone");
	if (!has_dir(root, dir) || renameat(root, dir, root, gone) < 0) {
		r = fail(fail_out, STORE_NO_MAILBOX, err, "no such mailbox");
	} else {
		r = file_sync_dir(root, err);
		tree_remove(root, gone);
		(void)!subs_set_use(u, dir, 0, NULL);
	}
	close(root);
	arena_free(&a);
	return r;
}

/* "..new.*" and "..gone.*" whose makers died. */
static void
sweep(int root, const char *name)
{
	struct stat	st;

	if ((strncmp(name, "..new.", 6) == 0 ||
	    strncmp(name, "..gone.", 7) == 0) &&
	    fstatat(root, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    time(NULL) - st.st_ctim.tv_sec > 3600)
		tree_remove(root, name);
}

int
tree_dirs(const struct store_user *u, struct arena *a, char ***out,
    size_t *n_out, struct error *err)
{
	int		 root = open_root(u, err);
	char		**names = NULL;
	size_t		 n = 0, size = 0;
	struct dirent	*e;
	DIR		*d;

	*out = NULL;
	*n_out = 0;
	if (root < 0)
		return -1;
	if ((d = fdopendir(root)) == NULL) {
		close(root);
		return error_sys(err, "read %s", u->path);
	}
	while ((e = readdir(d)) != NULL) {
		sweep(root, e->d_name);
		if (e->d_name[0] != '.' || e->d_name[1] == '.' ||
		    e->d_name[1] == '\0' || (e->d_type != DT_DIR &&
		    (e->d_type != DT_UNKNOWN || !has_dir(root, e->d_name))))
			continue;
		if (n == size) {
			size = size == 0 ? 16 : size * 2;
			names = mem_grow(names, size, sizeof(*names));
		}
		names[n++] = arena_strdup(a, e->d_name);
	}
	closedir(d);
	*out = arena_array(a, n + 1, sizeof(**out));
	if (n > 0)
		memcpy(*out, names, n * sizeof(*names));
	*n_out = n;
	mem_free(&names);
	return 0;
}

static int
rename_one(int root, const char *from, const char *to, struct error *err)
{
	if (renameat2(root, from, root, to, RENAME_NOREPLACE) < 0)
		return error_sys(err, "rename %s to %s", from, to);
	return 0;
}

/* ".A" and all of ".A.*". */
static int
rename_tree(struct store_user *u, const char *from, const char *to,
    struct arena *a, struct error *err)
{
	size_t	len = strlen(from), n;
	char	**dirs;
	int	root, r = 0;

	if (tree_dirs(u, a, &dirs, &n, err) < 0 ||
	    (root = open_root(u, err)) < 0)
		return -1;
	/* First see that nothing is in the way. */
	for (size_t i = 0; i < n && r == 0; i++)
		if (strncmp(dirs[i], from, len) == 0 &&
		    (dirs[i][len] == '.' || dirs[i][len] == '\0') &&
		    has_dir(root, arena_printf(a, "%s%s", to, dirs[i] + len))) {
			error_set(err, "%s%s exists", to, dirs[i] + len);
			err->sys = EEXIST;
			r = -1;
		}
	for (size_t i = 0; i < n && r == 0; i++)
		if (strncmp(dirs[i], from, len) == 0 &&
		    (dirs[i][len] == '.' || dirs[i][len] == '\0'))
			r = rename_one(root, dirs[i],
			    arena_printf(a, "%s%s", to, dirs[i] + len), err);
	if (r == 0)
		r = file_sync_dir(root, err);
	close(root);
	return r;
}

int
store_rename(struct store_user *u, const char *from, const char *to,
    enum store_fail *fail_out, struct error *err)
{
	struct arena	*a = arena_new();
	char		*old = names_to_dir(u->store, from, a);
	char		*new = names_to_dir(u->store, to, a);
	size_t		 len = old == NULL ? 0 : strlen(old);
	int		 r;

	if (old == NULL || new == NULL)
		r = fail(fail_out, STORE_BAD_NAME, err, "bad mailbox name");
	else if (new[0] == '\0' || store_exists(u, to))
		r = fail(fail_out, STORE_EXISTS, err, "mailbox exists");
	else if (old[0] == '\0')
		r = tree_rename_inbox(u, to, fail_out, err);
	else if (strncmp(new, old, len) == 0 && new[len] == '.')
		r = fail(fail_out, STORE_BAD_NAME, err,
		    "a mailbox cannot be inside itself");
	else if (!store_exists(u, from) && !tree_has_children(u, old))
		r = fail(fail_out, STORE_NO_MAILBOX, err, "no such mailbox");
	else if ((r = rename_tree(u, old, new, a, err)) < 0)
		*fail_out = err->sys == EEXIST ? STORE_EXISTS :
		    store_fail_of(err->sys);
	else
		(void)!subs_move_use(u, old, new, NULL);
	arena_free(&a);
	return r;
}

bool
tree_has_children(struct store_user *u, const char *dir)
{
	struct arena	*a = arena_new();
	char		**dirs;
	size_t		 n, len = strlen(dir);
	bool		 found = false;

	if (tree_dirs(u, a, &dirs, &n, NULL) == 0)
		for (size_t i = 0; i < n; i++)
			if (strncmp(dirs[i], dir, len) == 0 &&
			    dirs[i][len] == '.')
				found = true;
	arena_free(&a);
	return found;
}
