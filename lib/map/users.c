/* SPDX-License-Identifier: Apache-2.0 */
/* unix:passwd.byname and unix:group.byname: the system's own tables, in the
 * form of their files.  The password field is always "x".
 *
 * After chroot the system cannot be asked any more, and Postfix sends such
 * look-ups to proxymap.  Here the names that the system lists are remembered
 * when the table is opened, as root, and asked for where the system knows
 * nothing; the file behind them is watched, so that a change has the table
 * opened again. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "map/map_int.h"

#define ENTRY_MAX	((size_t)1 << 20)

struct users {
	bool		 groups;
	struct hash	*seen;		/* name -> line */
};

static const char *
passwd_line(struct arena *a, const struct passwd *pw)
{
	return arena_printf(a, "%s:x:%lu:%lu:%s:%s:%s", pw->pw_name,
	    (unsigned long)pw->pw_uid, (unsigned long)pw->pw_gid,
	    pw->pw_gecos, pw->pw_dir, pw->pw_shell);
}

static const char *
group_line(struct arena *a, const struct group *gr)
{
	struct buf	 b;
	const char	*line;

	buf_init(&b, ENTRY_MAX);
	buf_addf(&b, "%s:x:%lu:", gr->gr_name, (unsigned long)gr->gr_gid);
	for (char **p = gr->gr_mem; *p != NULL; p++)
		buf_addf(&b, "%s%s", p == gr->gr_mem ? "" : ",", *p);
	line = arena_strdup(a, buf_cstr(&b));
	buf_clear(&b);
	return line;
}

static void
remember(struct map *m, const char *name, const char *line)
{
	struct users	*u = m->impl;
	union { const char *c; void *p; } value = { line };

	if (hash_gets(u->seen, name) == NULL)
		hash_puts(u->seen, name, value.p);
}

static void
remember_all(struct map *m)
{
	const struct users	*u = m->impl;
	struct passwd		*pw;
	struct group		*gr;

	if (u->groups) {
		setgrent();
		while ((gr = getgrent()) != NULL)
			remember(m, gr->gr_name, group_line(m->mem, gr));
		endgrent();
	} else {
		setpwent();
		while ((pw = getpwent()) != NULL)
			remember(m, pw->pw_name, passwd_line(m->mem, pw));
		endpwent();
	}
}

static int
users_open(struct map *m, const char *arg, struct error *err)
{
	struct users	*u = arena_alloc(m->mem, sizeof(*u));
	int		 fd;

	u->groups = strcmp(arg, "group.byname") == 0;
	if (!u->groups && strcmp(arg, "passwd.byname") != 0)
		return error_set(err, "expected unix:passwd.byname or "
		    "unix:group.byname");
	u->seen = hash_new();
	m->impl = u;
	/* Watched first: what changes while we read is seen as a change. */
	fd = open(u->groups ? "/etc/group" : "/etc/passwd",
	    O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && map_watch(m, fd, true, arg, err) < 0)
		return -1;
	remember_all(m);
	return 0;
}

static void
users_close(struct map *m)
{
	struct users	*u = m->impl;

	if (u != NULL)
		hash_free(&u->seen);
}

/* 0, *out NULL if there is none; or an errno. */
static int
ask_system(const struct users *u, const char *key, char *mem, size_t size,
    struct arena *a, const char **out)
{
	struct passwd	 pw, *user = NULL;
	struct group	 gr, *group = NULL;
	int		 rc;

	if (u->groups) {
		rc = getgrnam_r(key, &gr, mem, size, &group);
		if (rc == 0 && group != NULL)
			*out = group_line(a, group);
	} else {
		rc = getpwnam_r(key, &pw, mem, size, &user);
		if (rc == 0 && user != NULL)
			*out = passwd_line(a, user);
	}
	return rc;
}

/* What "there is no such name" looks like differs between NSS modules. */
static bool
means_none(int rc)
{
	return rc == 0 || rc == ENOENT || rc == ESRCH || rc == EBADF ||
	    rc == EPERM;
}

static enum map_result
users_get(struct map *m, const char *key, struct arena *a,
    const char **value_out, struct error *err)
{
	const struct users	*u = m->impl;
	const char		*line = NULL;
	size_t			 size = 4096;
	int			 rc;

	do {
		char	*mem = mem_new(size, 1);

		rc = ask_system(u, key, mem, size, a, &line);
		mem_free(&mem);
		size *= 4;
	} while (rc == ERANGE && size <= ENTRY_MAX);
	if (line == NULL)
		line = arena_strdup(a, hash_gets(u->seen, key));
	if (line != NULL) {
		*value_out = line;
		return MAP_FOUND;
	}
	if (means_none(rc))
		return MAP_NONE;
	errno = rc;
	(void)error_sys(err, "look up \"%.100s\"", key);
	return MAP_ERROR;
}

const struct map_type	map_type_unix = {
	.name = "unix", .keyed = true, .folds = true,
	.open = users_open, .get = users_get, .close = users_close,
};
