/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <pthread.h>
#include <pwd.h>
#include <shadow.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "auth/authdb_int.h"
#include "auth/cred.h"
#include "base/ascii.h"
#include "base/mem.h"
#include "sys/privs.h"
#include "sys/sock.h"

/*
 * authd must not be root, and /etc/shadow must not be readable for the user
 * it runs as.  So a child keeps the group "shadow", and nothing else, and
 * answers one question: the hash of this name?
 */
struct shadow {
	int		 fd;
	pid_t		 pid;
	pthread_mutex_t	 mutex;		/* question and answer */
};

/* Names that are asked over the socket pair, one packet each. */
static void NORETURN
serve(int fd)
{
	char		 name[ACCOUNT_NAME_MAX + 1], reply[CRED_MAX + 1];
	ssize_t		 n;

	while ((n = recv(fd, name, sizeof(name) - 1, 0)) > 0) {
		struct spwd	 sp, *found = NULL;
		char		 mem[4096];
		size_t		 len = 0;

		name[n] = '\0';
		if (getspnam_r(name, &sp, mem, sizeof(mem), &found) == 0 &&
		    found != NULL && sp.sp_pwdp != NULL)
			len = strnlen(sp.sp_pwdp, CRED_MAX);
		reply[0] = '=';
		if (len > 0)
			memcpy(reply + 1, sp.sp_pwdp, len);
		if (send(fd, reply, len + 1, MSG_NOSIGNAL) < 0)
			break;
	}
	_exit(0);
}

static void NORETURN
child(int fd)
{
	struct privs_user	 u;
	struct error		 err;

	/* The user is nobody, the group is what opens the file. */
	if (privs_find("nobody", &u, &err) < 0 ||
	    privs_find_group("shadow", &u.gid, &err) < 0 ||
	    privs_drop(u, &err) < 0 || privs_no_new(&err) < 0)
		_exit(1);
	serve(fd);
}

int
shadow_open(struct shadow **out, struct error *err)
{
	int	 fds[2];
	pid_t	 pid;

	*out = NULL;
	if (geteuid() != 0)
		return 0;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return error_sys(err, "cannot make a socket pair");
	pid = fork();
	if (pid < 0) {
		close(fds[0]);
		close(fds[1]);
		return error_sys(err, "cannot fork the shadow reader");
	}
	if (pid == 0) {
		close(fds[0]);
		child(fds[1]);
	}
	close(fds[1]);
	*out = mem_new(1, sizeof(**out));
	(*out)->fd = fds[0];
	(*out)->pid = pid;
	pthread_mutex_init(&(*out)->mutex, NULL);
	return 0;
}

void
shadow_close(struct shadow **s)
{
	if (*s == NULL)
		return;
	close((*s)->fd);		/* the child ends when it reads EOF */
	while (waitpid((*s)->pid, NULL, 0) < 0 && errno == EINTR)
		continue;
	mem_free(s);
}

const char *
shadow_find(struct shadow *s, const char *user, struct arena *a)
{
	char		 reply[CRED_MAX + 2];
	ssize_t		 n;

	if (s == NULL) {
		/* Readable for us all the same (a test, an odd system)? */
		struct spwd	*sp = geteuid() == 0 ? NULL : getspnam(user);

		return sp == NULL ? "" : arena_strdup(a, sp->sp_pwdp);
	}
	pthread_mutex_lock(&s->mutex);
	n = send(s->fd, user, strlen(user), MSG_NOSIGNAL);
	if (n > 0)
		n = recv(s->fd, reply, sizeof(reply) - 1, 0);
	pthread_mutex_unlock(&s->mutex);
	if (n <= 1)
		return "";
	reply[n] = '\0';
	return arena_strdup(a, reply + 1);
}

/* "user", or "user@" our own name or the default realm. */
static const char *
local_part(const struct authdb_env *env, const char *user, struct arena *a)
{
	const char	*at = strchr(user, '@');

	if (at == NULL)
		return user;
	if (strcasecmp(at + 1, env->myhostname) != 0 &&
	    strcasecmp(at + 1, env->conf->default_realm) != 0)
		return NULL;
	return arena_strndup(a, user, (size_t)(at - user));
}

enum authdb_result
system_find(struct shadow *s, const struct authdb_env *env, const char *user,
    struct arena *a, struct account *out, struct error *err)
{
	const char	*name = local_part(env, user, a), *box, *hash;
	struct passwd	 pw, *found = NULL;
	char		*mem = arena_alloc(a, 16384);
	int		 r;

	if (name == NULL)
		return AUTHDB_NONE;
	r = getpwnam_r(name, &pw, mem, 16384, &found);
	if (found == NULL && r != 0 && r != ENOENT && r != ESRCH) {
		errno = r;
		error_sys(err, "cannot look up %s", name);
		return AUTHDB_ERROR;
	}
	if (found == NULL || (int64_t)pw.pw_uid < env->conf->first_valid_uid ||
	    pw.pw_uid == 0)
		return AUTHDB_NONE;
	memset(out, 0, sizeof(*out));
	out->user = user;
	out->has_ids = true;
	out->uid = pw.pw_uid;
	out->gid = pw.pw_gid;
	out->home = pw.pw_dir;
	box = env->conf->home_mailbox;
	if (*box == '\0')
		box = "Maildir/";
	/* Without the slash at its end. */
	out->mailbox = arena_printf(a, "%s/%.*s", pw.pw_dir,
	    (int)(strlen(box) - (box[strlen(box) - 1] == '/')), box);
	out->quota_bytes = ACCOUNT_NO_QUOTA;
	hash = strcmp(pw.pw_passwd, "x") == 0 ? shadow_find(s, name, a) :
	    pw.pw_passwd;
	/* "!" and "*" lock; an empty field would let everybody in. */
	if (*hash != '\0' && *hash != '!' && *hash != '*')
		out->hashes[out->nhashes++] = hash;
	return AUTHDB_FOUND;
}
