/* SPDX-License-Identifier: Apache-2.0 */
/* The directories of an instance: who owns them and with what modes. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "master/master.h"
#include "sys/file.h"
#include "sys/log.h"
#include "sys/privs.h"

enum owner { OWNER_ROOT, OWNER_MAIL, OWNER_AUTH };
enum group { GROUP_ROOT, GROUP_MAIL, GROUP_AUTH, GROUP_DROP, GROUP_LOGIN };

struct directory {
	const char	*name;		/* below queue_directory; "": itself */
	mode_t		 mode;
	enum owner	 owner;
	enum group	 group;
};

static const struct directory directories[] = {
	{ "",		0755, OWNER_ROOT, GROUP_ROOT },
	{ "pid",	0755, OWNER_ROOT, GROUP_ROOT },
	{ "empty",	0755, OWNER_ROOT, GROUP_ROOT },
	/* Root makes the links in it; login may only look through. */
	{ "login",	0750, OWNER_ROOT, GROUP_LOGIN },
	{ "private",	0700, OWNER_MAIL, GROUP_MAIL },
	{ "public",	0710, OWNER_MAIL, GROUP_DROP },
	/* Set-gid postdrop may create in it but not list it. */
	{ "maildrop",	0730, OWNER_MAIL, GROUP_DROP },
	{ "tmp",	0700, OWNER_MAIL, GROUP_MAIL },
	{ "new",	0700, OWNER_MAIL, GROUP_MAIL },
	{ "cur",	0700, OWNER_MAIL, GROUP_MAIL },
	{ "hold",	0700, OWNER_MAIL, GROUP_MAIL },
	{ "corrupt",	0700, OWNER_MAIL, GROUP_MAIL },
	{ "log",	0700, OWNER_MAIL, GROUP_MAIL },
	{ "journal",	0700, OWNER_MAIL, GROUP_MAIL },
};

struct ids {
	struct privs_user	 mail, auth, login;
	gid_t			 drop;
};

static int
find_ids(const struct config *c, bool privileged, struct ids *out,
    struct error *err)
{
	struct privs_user	 me = { geteuid(), getegid() };
	struct privs_user	 net;

	if (!privileged) {
		*out = (struct ids){ me, me, me, me.gid };
		return 0;
	}
	if (privs_find(c->common.mail_owner, &out->mail, err) < 0)
		return error_in(err, "mail_owner");
	if (privs_find(c->common.auth_owner, &out->auth, err) < 0)
		return error_in(err, "auth_owner");
	if (privs_find(c->common.login_owner, &out->login, err) < 0)
		return error_in(err, "login_owner");
	if (privs_find(c->common.net_owner, &net, err) < 0)
		return error_in(err, "net_owner");
	if (privs_find_group(c->common.setgid_group, &out->drop, err) < 0)
		return error_in(err, "setgid_group");
	if (out->mail.uid == 0 || out->auth.uid == 0 || out->login.uid == 0 ||
	    net.uid == 0)
		return error_set(err, "mail_owner, net_owner, auth_owner and "
		    "login_owner must not be root");
	return 0;
}

static uid_t
uid_of(const struct ids *ids, enum owner o)
{
	switch (o) {
	case OWNER_ROOT:
		return geteuid();
	case OWNER_MAIL:
		return ids->mail.uid;
	case OWNER_AUTH:
		return ids->auth.uid;
	}
	return geteuid();
}

static gid_t
gid_of(const struct ids *ids, enum group g)
{
	switch (g) {
	case GROUP_ROOT:
		return getegid();
	case GROUP_MAIL:
		return ids->mail.gid;
	case GROUP_AUTH:
		return ids->auth.gid;
	case GROUP_DROP:
		return ids->drop;
	case GROUP_LOGIN:
		return ids->login.gid;
	}
	return getegid();
}

/* Made by us: then owner and mode are ours to set.  What exists stays as it
 * is and is only spoken of. */
static int
make(const char *path, const struct directory *d, const struct ids *ids,
    struct error *err)
{
	struct stat	 st;
	int		 fd;

	if (lstat(path, &st) == 0) {
		if (!S_ISDIR(st.st_mode))
			return error_set(err, "%s is not a directory", path);
		return 0;
	}
	if (file_mkdirs(path, 0755, err) < 0)
		return -1;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return error_sys(err, "open %s", path);
	if ((geteuid() == 0 && fchown(fd, uid_of(ids, d->owner),
	    gid_of(ids, d->group)) < 0) || fchmod(fd, d->mode) < 0) {
		error_sys(err, "%s: owner and mode", path);
		close(fd);
		return -1;
	}
	close(fd);
	return 0;
}

static int
check(const char *path, const struct directory *d, const struct ids *ids,
    bool privileged)
{
	struct stat	 st;
	int		 faults = 0;

	if (lstat(path, &st) < 0) {
		log_warn("%s: %s", path, strerror(errno));
		return 1;
	}
	if (!S_ISDIR(st.st_mode)) {
		log_warn("%s is not a directory", path);
		return 1;
	}
	if (st.st_uid != uid_of(ids, d->owner)) {
		log_warn("not owned by the right user: %s (uid %u, expected "
		    "%u)", path, (unsigned int)st.st_uid,
		    (unsigned int)uid_of(ids, d->owner));
		faults++;
	}
	if (privileged && (d->group == GROUP_DROP ||
	    d->group == GROUP_LOGIN) && st.st_gid != gid_of(ids, d->group)) {
		log_warn("not owned by the right group: %s (gid %u, expected "
		    "%u)", path, (unsigned int)st.st_gid,
		    (unsigned int)gid_of(ids, d->group));
		faults++;
	}
	if ((st.st_mode & 07777 & ~d->mode) != 0) {
		log_warn("mode too wide: %s (%04o, expected %04o)", path,
		    (unsigned int)(st.st_mode & 07777),
		    (unsigned int)d->mode);
		faults++;
	}
	return faults;
}

static char *
path_of(const struct config *c, const struct directory *d)
{
	return mem_printf("%s%s%s", c->common.queue_directory,
	    d->name[0] == '\0' ? "" : "/", d->name);
}

static const struct directory data = { "", 0755, OWNER_AUTH, GROUP_AUTH };

int
directories_make(const struct config *c, bool privileged, struct error *err)
{
	struct ids	 ids;
	int		 faults = 0;

	if (find_ids(c, privileged, &ids, err) < 0)
		return -1;
	for (size_t i = 0; i < COUNT(directories); i++) {
		char	*path = path_of(c, &directories[i]);
		int	 r = make(path, &directories[i], &ids, err);

		if (r == 0)
			faults += check(path, &directories[i], &ids,
			    privileged);
		mem_free(&path);
		if (r < 0)
			return -1;
	}
	if (make(c->common.data_directory, &data, &ids, err) < 0)
		return -1;
	return faults;
}

int
directories_check(const struct config *c, bool privileged)
{
	struct error	 err;
	struct ids	 ids;
	int		 faults = 0;

	if (find_ids(c, privileged, &ids, &err) < 0) {
		log_warn("%s", err.text);
		return 1;
	}
	for (size_t i = 0; i < COUNT(directories); i++) {
		char	*path = path_of(c, &directories[i]);

		faults += check(path, &directories[i], &ids, privileged);
		mem_free(&path);
	}
	return faults + check(c->common.data_directory, &data, &ids,
	    privileged);
}
