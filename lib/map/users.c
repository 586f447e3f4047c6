/* SPDX-License-Identifier: Apache-2.0 */
/* unix:passwd.byname and unix:group.byname: the system's own tables, in the
 * form of their files.  The password field is always "x". */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>

#include "base/mem.h"
#include "map/map_int.h"

#define ENTRY_MAX	((size_t)1 << 20)

static int
users_open(struct map *m, const char *arg, struct error *err)
{
	static const char	passwd[] = "passwd", group[] = "group";

	if (strcmp(arg, "passwd.byname") == 0)
		m->impl = (void *)(uintptr_t)passwd;
	else if (strcmp(arg, "group.byname") == 0)
		m->impl = (void *)(uintptr_t)group;
	else
		return error_set(err, "expected unix:passwd.byname or "
		    "unix:group.byname");
	return 0;
}

static int
passwd_line(const char *key, char *mem, size_t size, struct arena *a,
    const char **out)
{
	struct passwd	pw, *found = NULL;
	int		rc = getpwnam_r(key, &pw, mem, size, &found);

	if (rc == 0 && found != NULL)
		*out = arena_printf(a, "%s:x:%lu:%lu:%s:%s:%s", pw.pw_name,
		    (unsigned long)pw.pw_uid, (unsigned long)pw.pw_gid,
		    pw.pw_gecos, pw.pw_dir, pw.pw_shell);
	return rc;
}

static int
group_line(const char *key, char *mem, size_t size, struct arena *a,
    const char **out)
{
	struct group	 gr, *found = NULL;
	struct buf	 b;
	int		 rc = getgrnam_r(key, &gr, mem, size, &found);

	if (rc != 0 || found == NULL)
		return rc;
	buf_init(&b, ENTRY_MAX);
	buf_addf(&b, "%s:x:%lu:", gr.gr_name, (unsigned long)gr.gr_gid);
	for (char **p = gr.gr_mem; *p != NULL; p++)
		buf_addf(&b, "%s%s", p == gr.gr_mem ? "" : ",", *p);
	*out = arena_strdup(a, buf_cstr(&b));
	buf_clear(&b);
	return 0;
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
	const char	*line = NULL;
	size_t		 size = 4096;
	int		 rc;

	do {
		char	*mem = mem_new(size, 1);

		rc = strcmp(m->impl, "passwd") == 0 ?
		    passwd_line(key, mem, size, a, &line) :
		    group_line(key, mem, size, a, &line);
		mem_free(&mem);
		size *= 4;
	} while (rc == ERANGE && size <= ENTRY_MAX);
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
	.open = users_open, .get = users_get,
};
