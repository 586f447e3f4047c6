/* SPDX-License-Identifier: Apache-2.0 */
#include "sys/privs.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The kernel's interface as numbers: headers may be older than the kernel. */
#define NR_LL_CREATE	444
#define NR_LL_ADD	445
#define NR_LL_RESTRICT	446
#define LL_VERSION	1u
#define LL_RULE_PATH	1

#define LL_EXECUTE	(1ull << 0)
#define LL_WRITE_FILE	(1ull << 1)
#define LL_READ_FILE	(1ull << 2)
#define LL_READ_DIR	(1ull << 3)
#define LL_REMOVE_DIR	(1ull << 4)
#define LL_REMOVE_FILE	(1ull << 5)
#define LL_MAKE_DIR	(1ull << 7)
#define LL_MAKE_REG	(1ull << 8)
#define LL_MAKE_SOCK	(1ull << 9)
#define LL_MAKE_FIFO	(1ull << 10)
#define LL_MAKE_SYM	(1ull << 12)
#define LL_ALL_V1	((1ull << 13) - 1)
#define LL_REFER	(1ull << 13)	/* version 2 */
#define LL_TRUNCATE	(1ull << 14)	/* version 3 */

#define LL_ON_FILES	(LL_EXECUTE | LL_WRITE_FILE | LL_READ_FILE | \
			 LL_TRUNCATE)

struct ll_ruleset {
	uint64_t	 handled_fs;
};

struct ll_path {
	uint64_t	 allowed;
	int32_t		 parent_fd;
} __attribute__((packed));

int
privs_find(const char *user, struct privs_user *out, struct error *err)
{
	struct passwd	*pw;

	errno = 0;
	pw = getpwnam(user);
	if (pw == NULL && errno != 0)
		return error_sys(err, "look up user %s", user);
	if (pw == NULL)
		return error_set(err, "unknown user: %s", user);
	*out = (struct privs_user){ .uid = pw->pw_uid, .gid = pw->pw_gid };
	return 0;
}

int
privs_find_group(const char *group, gid_t *out, struct error *err)
{
	struct group	*gr;

	errno = 0;
	gr = getgrnam(group);
	if (gr == NULL && errno != 0)
		return error_sys(err, "look up group %s", group);
	if (gr == NULL)
		return error_set(err, "unknown group: %s", group);
	*out = gr->gr_gid;
	return 0;
}

int
privs_chroot(const char *dir, struct error *err)
{
	if (chroot(dir) != 0)
		return error_sys(err, "chroot to %s", dir);
	if (chdir("/") != 0)
		return error_sys(err, "chdir to / behind chroot to %s", dir);
	return 0;
}

static int
verify_drop(struct privs_user u, struct error *err)
{
	uid_t	r, e, s;
	gid_t	rg, eg, sg;

	if (getresuid(&r, &e, &s) != 0 || getresgid(&rg, &eg, &sg) != 0)
		return error_sys(err, "getresuid");
	if (r != u.uid || e != u.uid || s != u.uid ||
	    rg != u.gid || eg != u.gid || sg != u.gid)
		return error_set(err, "user or group is not as was set");
	if (getgroups(0, NULL) > 1)
		return error_set(err, "supplementary groups are left");
	if (u.uid != 0 && (setuid(0) == 0 || seteuid(0) == 0))
		return error_set(err, "root privileges can be had back");
	return 0;
}

int
privs_drop(struct privs_user u, struct error *err)
{
	if (setgroups(1, &u.gid) != 0)
		return error_sys(err, "setgroups to %ld", (long)u.gid);
	if (setresgid(u.gid, u.gid, u.gid) != 0)
		return error_sys(err, "setresgid to %ld", (long)u.gid);
	if (setresuid(u.uid, u.uid, u.uid) != 0)
		return error_sys(err, "setresuid to %ld", (long)u.uid);
	return verify_drop(u, err);
}

int
privs_only_read(struct error *err)
{
	struct __user_cap_header_struct	head = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct	caps[_LINUX_CAPABILITY_U32S_3] = {
		{ .effective = 1u << CAP_DAC_READ_SEARCH,
		  .permitted = 1u << CAP_DAC_READ_SEARCH },
	};

	/* Beyond the last one the kernel knows it says EINVAL; a container
	 * may not let us, and nothing can be executed anyway. */
	for (unsigned long c = 0; c < 64; c++)
		(void)prctl(PR_CAPBSET_DROP, c, 0, 0, 0);
	if (syscall(SYS_capset, &head, caps) != 0)
		return error_sys(err, "capset");
	if (setresuid(1, 1, 1) == 0)
		return error_set(err, "capabilities are left");
	return 0;
}

int
privs_no_new(struct error *err)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return error_sys(err, "PR_SET_NO_NEW_PRIVS");
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
		return error_sys(err, "PR_SET_DUMPABLE");
	return 0;
}

static uint64_t
rights(unsigned int allow)
{
	uint64_t	r = 0;

	if ((allow & PRIVS_READ) != 0)
		r |= LL_READ_FILE | LL_READ_DIR;
	if ((allow & PRIVS_LIST) != 0)
		r |= LL_READ_DIR;
	if ((allow & PRIVS_WRITE) != 0)
		r |= LL_WRITE_FILE | LL_TRUNCATE | LL_MAKE_REG | LL_MAKE_DIR |
		    LL_MAKE_SYM | LL_MAKE_SOCK;
	/* A rename needs to remove here and to make there. */
	if ((allow & PRIVS_RENAME) != 0)
		/* Whatever lies there can be moved aside. */
		r |= LL_REMOVE_FILE | LL_REMOVE_DIR | LL_REFER | LL_MAKE_REG |
		    LL_MAKE_DIR | LL_MAKE_SYM | LL_MAKE_FIFO | LL_MAKE_SOCK;
	return r;
}

static int
add_path(int ruleset, const struct privs_path *p, uint64_t handled,
    struct error *err)
{
	struct ll_path	rule;
	struct stat	st;
	int		result = 0;

	/* connect() to a socket needs no right. */
	rule.allowed = rights(p->allow) & handled;
	if (rule.allowed == 0)
		return 0;
	rule.parent_fd = open(p->path, O_PATH | O_CLOEXEC);
	if (rule.parent_fd < 0)
		return error_sys(err, "open %s", p->path);
	if (fstat(rule.parent_fd, &st) == 0 && !S_ISDIR(st.st_mode))
		rule.allowed &= LL_ON_FILES;
	if (syscall(NR_LL_ADD, ruleset, LL_RULE_PATH, &rule, 0) != 0)
		result = error_sys(err, "landlock rule for %s", p->path);
	close(rule.parent_fd);
	return result;
}

/* What this kernel can restrict; 0: Landlock is absent or switched off. */
static uint64_t
kernel_rights(const struct privs_path *paths, size_t n)
{
	long		version = syscall(NR_LL_CREATE, NULL, 0, LL_VERSION);
	unsigned int	wanted = 0;

	for (size_t i = 0; i < n; i++)
		wanted |= paths[i].allow;
	if (version < 1)
		return 0;
	/* Version 1 forbids every rename between directories. */
	if (version < 2)
		return (wanted & PRIVS_RENAME) != 0 ? 0 : LL_ALL_V1;
	if (version < 3)
		return LL_ALL_V1 | LL_REFER;
	return LL_ALL_V1 | LL_REFER | LL_TRUNCATE;
}

int
privs_landlock(const struct privs_path *paths, size_t n, struct error *err)
{
	struct ll_ruleset	attr = { .handled_fs = kernel_rights(paths, n) };
	long			ruleset;
	int			result = -1;

	if (attr.handled_fs == 0)
		return 0;
	ruleset = syscall(NR_LL_CREATE, &attr, sizeof(attr), 0);
	if (ruleset < 0)
		return error_sys(err, "landlock_create_ruleset");
	for (size_t i = 0; i < n; i++)
		if (add_path((int)ruleset, &paths[i], attr.handled_fs,
		    err) < 0)
			goto out;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		error_sys(err, "PR_SET_NO_NEW_PRIVS");
	else if (syscall(NR_LL_RESTRICT, (int)ruleset, 0) != 0)
		error_sys(err, "landlock_restrict_self");
	else
		result = 1;
out:
	close((int)ruleset);
	return result;
}
