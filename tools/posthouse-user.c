/* SPDX-License-Identifier: Apache-2.0 */
/*
 * posthouse user: the accounts of the user database.
 *
 * Passwords come from standard input, or are asked for at the terminal; never
 * from the command line, where every user of the machine can read them.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "auth/cred.h"
#include "auth/userdb.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/mem.h"
#include "conf/common.h"
#include "conf/conf.h"
#include "sys/file.h"

#define EX_USAGE	64
#define EX_FAILED	1

static const char	usage_text[] =
"usage: posthouse user add NAME [--uid UID] [--gid GID] [--home DIR]\n"
"           [--mailbox DIR] [--quota BYTES[K|M|G|T]] [--scheme SCHEME]\n"
"           [--password-stdin] [--no-password]\n"
"       posthouse user passwd NAME [--scheme SCHEME] [--password-stdin]\n"
"       posthouse user modify NAME [--uid UID] [--gid GID] [--home DIR]\n"
"           [--mailbox DIR] [--quota BYTES|none] [--enable|--disable]\n"
"       posthouse user remove NAME...\n"
"       posthouse user list\n"
"       posthouse user info NAME\n"
"NAME is user@domain, or user for a name without domain.  The password is\n"
"asked for, or the first line of standard input with --password-stdin.\n"
"Files of removed accounts stay where they are.\n";

struct options {
	const char	*uid, *gid, *home, *mailbox, *quota, *scheme;
	bool		 password_stdin, no_password, enable, disable;
	char		**names;
	int		 nnames;
};

struct context {
	struct arena		*mem;
	struct conf		*conf;
	struct conf_common	 common;
	struct auth_conf	 auth;
	struct options		 opt;
};

static int
complain(const char *text)
{
	fprintf(stderr, "posthouse user: %s\n", text);
	return EX_FAILED;
}

static int
usage(void)
{
	fputs(usage_text, stderr);
	return EX_USAGE;
}

/* A terminal, without echo; otherwise standard input. */
static int
read_line(int fd, char *out, size_t max)
{
	size_t	 n = 0;
	ssize_t	 r;
	char	 c;

	while ((r = read(fd, &c, 1)) == 1 && c != '\n') {
		if (n + 1 >= max)
			return -1;
		out[n++] = c;
	}
	if (r < 0)
		return -1;
	if (n > 0 && out[n - 1] == '\r')
		n--;
	out[n] = '\0';
	return (int)n;
}

static int
prompt(const char *text, char *out, size_t max)
{
	struct termios	 saved, quiet;
	int		 fd = open("/dev/tty", O_RDWR | O_CLOEXEC), n;

	if (fd < 0 || tcgetattr(fd, &saved) < 0) {
		if (fd >= 0)
			close(fd);
		return -1;
	}
	quiet = saved;
	quiet.c_lflag &= ~(tcflag_t)ECHO;
	(void)tcsetattr(fd, TCSAFLUSH, &quiet);
	(void)!write(fd, text, strlen(text));
	n = read_line(fd, out, max);
	(void)!write(fd, "\n", 1);
	(void)tcsetattr(fd, TCSAFLUSH, &saved);
	close(fd);
	return n;
}

static int
get_password(const struct options *opt, char *out, size_t max)
{
	char	again[CRED_PASSWORD_MAX];
	bool	same;

	if (opt->password_stdin || !isatty(STDIN_FILENO)) {
		if (read_line(STDIN_FILENO, out, max) <= 0)
			return complain("no password on standard input"), -1;
		return 0;
	}
	if (prompt("New password: ", out, max) <= 0)
		return complain("no password"), -1;
	if (prompt("Once more: ", again, sizeof(again)) < 0)
		return complain("no password"), -1;
	same = strcmp(out, again) == 0;
	mem_wipe(again, sizeof(again));
	return same ? 0 : (complain("the passwords differ"), -1);
}

/* A slow hash for PLAIN and LOGIN, verifiers for SCRAM beside it. */
static int
set_password(struct context *c, struct userdb_edit *e, struct account *acc)
{
	char		 clear[CRED_PASSWORD_MAX];
	const char	*schemes[] = { c->opt.scheme != NULL ? c->opt.scheme :
			    c->auth.password_scheme, "SCRAM-SHA-256",
			    "SCRAM-SHA-1" };
	struct error	 err;
	struct buf	 b;
	int		 r = 0;

	if (get_password(&c->opt, clear, sizeof(clear)) < 0)
		return -1;
	buf_init(&b, CRED_MAX);
	acc->nhashes = 0;
	for (size_t i = 0; r == 0 && i < COUNT(schemes); i++) {
		buf_reset(&b);
		r = cred_make(schemes[i], slice_str(clear), &b, &err);
		if (r < 0)
			complain(err.text);
		else
			acc->hashes[acc->nhashes++] = arena_strdup(
			    userdb_edit_arena(e), buf_cstr(&b));
	}
	mem_wipe(clear, sizeof(clear));
	buf_clear(&b);
	return r;
}

static int
parse_id(const char *text, uint32_t *out)
{
	uint64_t	v;

	if (!slice_u64(slice_str(text), UINT32_MAX - 1, &v) || v == 0) {
		complain("--uid and --gid want a number above 0");
		return -1;
	}
	*out = (uint32_t)v;
	return 0;
}

static int
parse_quota(const char *text, uint64_t *out)
{
	struct slice	 s = slice_str(text);
	static const char letters[] = "kmgt";
	uint64_t	 unit = 1;

	if (slice_is(s, "none")) {
		*out = ACCOUNT_NO_QUOTA;
		return 0;
	}
	for (size_t i = 0; i < 4; i++)
		if (s.len > 1 && (s.p[s.len - 1] | 0x20) == letters[i]) {
			unit = (uint64_t)1 << (10 * (i + 1));
			s.len--;
			break;
		}
	if (!slice_u64(s, UINT64_MAX / unit - 1, out)) {
		complain("--quota wants a size like 500M, or none");
		return -1;
	}
	*out *= unit;
	return 0;
}

static int
check_path(const char *path, const char *option)
{
	if (path[0] == '/' && strpbrk(path, "\t\r\n") == NULL &&
	    strstr(path, "/../") == NULL)
		return 0;
	fprintf(stderr, "posthouse user: %s wants an absolute path\n", option);
	return -1;
}

static int
apply_options(const struct options *o, struct account *acc)
{
	if ((o->uid == NULL) != (o->gid == NULL) && !acc->has_ids) {
		complain("--uid and --gid belong together");
		return -1;
	}
	if (o->uid != NULL && parse_id(o->uid, &acc->uid) < 0)
		return -1;
	if (o->gid != NULL && parse_id(o->gid, &acc->gid) < 0)
		return -1;
	acc->has_ids |= o->uid != NULL;
	if (o->home != NULL) {
		if (check_path(o->home, "--home") < 0)
			return -1;
		acc->home = o->home;
	}
	if (o->mailbox != NULL) {
		if (check_path(o->mailbox, "--mailbox") < 0)
			return -1;
		acc->mailbox = o->mailbox;
	}
	if (o->quota != NULL && parse_quota(o->quota, &acc->quota_bytes) < 0)
		return -1;
	if (o->enable || o->disable)
		acc->disabled = o->disable;
	return 0;
}

/*
 * The directory in which delivery will create the Maildir, owned by who
 * delivers.  What is above it and missing is made too, 0755 and ours, so that
 * owners can go through it and change nothing there.
 */
static int
make_parent(struct context *c, const struct account *acc)
{
	struct privs_user	 owner = { acc->uid, acc->gid };
	struct error		 err;
	const char		*slash = strrchr(acc->mailbox, '/');
	char			*dir, *above;
	struct stat		 st;

	if (!acc->has_ids && authdb_owner(&c->auth, geteuid() == 0,
	    &owner, &err) < 0)
		return complain(err.text), -1;
	dir = arena_strndup(c->mem, acc->mailbox,
	    (size_t)(slash - acc->mailbox));
	if (dir[0] == '\0' || lstat(dir, &st) == 0)
		return 0;
	above = arena_strdup(c->mem, dir);
	*strrchr(above, '/') = '\0';
	if (above[0] != '\0' && file_mkdirs(above, 0755, &err) < 0)
		return complain(err.text), -1;
	if (mkdir(dir, 0700) < 0 && errno != EEXIST) {
		error_sys(&err, "cannot create %s", dir);
		return complain(err.text), -1;
	}
	if (geteuid() == 0 && lchown(dir, owner.uid, owner.gid) < 0) {
		error_sys(&err, "cannot give %s to its owner", dir);
		return complain(err.text), -1;
	}
	return 0;
}

static int
commit(struct context *c, struct userdb_edit **e)
{
	struct privs_user	 u = { .uid = (uid_t)-1 };
	struct error		 err;

	if (geteuid() == 0 && privs_find(c->common.auth_owner, &u, &err) < 0) {
		userdb_edit_abort(e);
		return complain(err.text);
	}
	return userdb_edit_commit(e, u.uid, &err) < 0 ? complain(err.text) : 0;
}

static struct userdb_edit *
begin(struct context *c)
{
	struct userdb_edit	*e;
	struct error		 err;

	if (file_mkdirs(c->common.data_directory, 0755, &err) < 0 ||
	    userdb_edit_begin(c->common.data_directory, &e, &err) < 0) {
		complain(err.text);
		return NULL;
	}
	return e;
}

static const char *
name_of(struct context *c, const char *text)
{
	const char	*name = account_name(c->mem, slice_str(text),
			    c->auth.default_realm);

	if (name == NULL)
		fprintf(stderr, "posthouse user: \"%s\" is not a possible "
		    "name\n", text);
	return name;
}

static int
cmd_add(struct context *c)
{
	struct account		 acc = { .home = "", .mailbox = "",
				    .quota_bytes = ACCOUNT_NO_QUOTA };
	struct userdb_edit	*e;
	struct account		*added;

	acc.user = name_of(c, c->opt.names[0]);
	if (acc.user == NULL || apply_options(&c->opt, &acc) < 0)
		return EX_FAILED;
	if (acc.mailbox[0] == '\0' && acc.home[0] != '\0')
		acc.mailbox = arena_printf(c->mem, "%s/Maildir", acc.home);
	else if (acc.mailbox[0] == '\0')
		acc.mailbox = authdb_default_mailbox(c->mem, &c->auth,
		    acc.user);
	e = begin(c);
	if (e == NULL)
		return EX_FAILED;
	if (userdb_edit_find(e, acc.user) != NULL) {
		fprintf(stderr, "posthouse user: %s exists already\n",
		    acc.user);
		userdb_edit_abort(&e);
		return EX_FAILED;
	}
	added = userdb_edit_add(e, &acc);
	if ((!c->opt.no_password && set_password(c, e, added) < 0) ||
	    make_parent(c, added) < 0) {
		userdb_edit_abort(&e);
		return EX_FAILED;
	}
	return commit(c, &e);
}

/* The account of the first argument, ready to be changed. */
static struct account *
begin_known(struct context *c, struct userdb_edit **e_out)
{
	const char	*name = name_of(c, c->opt.names[0]);
	struct account	*acc;

	if (name == NULL || (*e_out = begin(c)) == NULL)
		return NULL;
	acc = userdb_edit_find(*e_out, name);
	if (acc == NULL) {
		fprintf(stderr, "posthouse user: there is no %s\n", name);
		userdb_edit_abort(e_out);
	}
	return acc;
}

static int
cmd_passwd(struct context *c)
{
	struct userdb_edit	*e;
	struct account		*acc = begin_known(c, &e);

	if (acc == NULL)
		return EX_FAILED;
	if (set_password(c, e, acc) < 0) {
		userdb_edit_abort(&e);
		return EX_FAILED;
	}
	return commit(c, &e);
}

static int
cmd_modify(struct context *c)
{
	struct userdb_edit	*e;
	struct account		*acc = begin_known(c, &e);

	if (acc == NULL)
		return EX_FAILED;
	if (apply_options(&c->opt, acc) < 0 || make_parent(c, acc) < 0) {
		userdb_edit_abort(&e);
		return EX_FAILED;
	}
	return commit(c, &e);
}

static int
cmd_remove(struct context *c)
{
	struct userdb_edit	*e = begin(c);
	const char		*name;
	struct account		*acc;

	if (e == NULL)
		return EX_FAILED;
	for (int i = 0; i < c->opt.nnames; i++) {
		name = name_of(c, c->opt.names[i]);
		acc = name == NULL ? NULL : userdb_edit_find(e, name);
		if (acc == NULL) {
			fprintf(stderr, "posthouse user: there is no %s\n",
			    c->opt.names[i]);
			userdb_edit_abort(&e);
			return EX_FAILED;
		}
		userdb_edit_remove(e, acc);
	}
	return commit(c, &e);
}

static int
cmd_list(struct context *c)
{
	struct userdb_edit	*e = begin(c);

	if (e == NULL)
		return EX_FAILED;
	for (size_t i = 0; i < userdb_edit_count(e); i++) {
		const struct account	*acc = userdb_edit_at(e, i);

		printf("%s\t%s%s\n", acc->user, acc->mailbox,
		    acc->disabled ? "\tdisabled" : "");
	}
	userdb_edit_abort(&e);
	return 0;
}

static int
cmd_info(struct context *c)
{
	struct userdb_edit	*e;
	const struct account	*acc = begin_known(c, &e);
	const char		*end;

	if (acc == NULL)
		return EX_FAILED;
	printf("user: %s\n", acc->user);
	if (acc->has_ids)
		printf("uid: %lu\ngid: %lu\n", (unsigned long)acc->uid,
		    (unsigned long)acc->gid);
	else
		printf("owner: %s\n", c->auth.mailbox_owner);
	printf("home: %s\nmailbox: %s\n", acc->home, acc->mailbox);
	if (acc->quota_bytes == ACCOUNT_NO_QUOTA)
		printf("quota: none\n");
	else
		printf("quota: %llu\n", (unsigned long long)acc->quota_bytes);
	printf("login: %s\npasswords:", acc->disabled ? "disabled" :
	    acc->nhashes == 0 ? "no password" : "enabled");
	for (size_t i = 0; i < acc->nhashes; i++) {
		end = strchr(acc->hashes[i], '}');
		printf(" %.*s", end == NULL ? 0 :
		    (int)(end - acc->hashes[i] + 1), acc->hashes[i]);
	}
	printf("\n");
	userdb_edit_abort(&e);
	return 0;
}

static const struct command {
	const char	*name;
	int		(*run)(struct context *c);
	int		 min, max;	/* names */
} commands[] = {
	{ "add", cmd_add, 1, 1 },
	{ "passwd", cmd_passwd, 1, 1 },
	{ "modify", cmd_modify, 1, 1 },
	{ "remove", cmd_remove, 1, 1000 },
	{ "list", cmd_list, 0, 0 },
	{ "info", cmd_info, 1, 1 },
};

/* "--name value" or "--name=value"; 1: taken, 0: not this one. */
static int
take_value(const char *name, const char **out, int argc, char **argv, int *i)
{
	const size_t	n = strlen(name);

	if (strncmp(argv[*i], name, n) != 0)
		return 0;
	if (argv[*i][n] == '=') {
		*out = argv[*i] + n + 1;
		return 1;
	}
	if (argv[*i][n] != '\0' || *i + 1 >= argc)
		return 0;
	*out = argv[++*i];
	return 1;
}

static bool
take_flag(struct options *o, const char *arg)
{
	if (strcmp(arg, "--password-stdin") == 0)
		o->password_stdin = true;
	else if (strcmp(arg, "--no-password") == 0)
		o->no_password = true;
	else if (strcmp(arg, "--enable") == 0)
		o->enable = true;
	else if (strcmp(arg, "--disable") == 0)
		o->disable = true;
	else
		return false;
	return true;
}

static int
parse_options(struct options *o, int argc, char **argv, const char **config)
{
	o->names = argv;
	for (int i = 0; i < argc; i++) {
		if (argv[i][0] != '-') {
			argv[o->nnames++] = argv[i];
			continue;
		}
		if (!take_value("--uid", &o->uid, argc, argv, &i) &&
		    !take_value("--gid", &o->gid, argc, argv, &i) &&
		    !take_value("--home", &o->home, argc, argv, &i) &&
		    !take_value("--mailbox", &o->mailbox, argc, argv, &i) &&
		    !take_value("--quota", &o->quota, argc, argv, &i) &&
		    !take_value("--scheme", &o->scheme, argc, argv, &i) &&
		    !take_value("-c", config, argc, argv, &i) &&
		    !take_flag(o, argv[i]))
			return -1;
	}
	return 0;
}

static int
load(struct context *c, const char *dir, struct error *err)
{
	if (conf_load(dir, &c->conf, err) < 0)
		return -1;
	conf_know(c->conf, conf_common_params, conf_common_nparams);
	conf_know(c->conf, auth_conf_params, auth_conf_nparams);
	if (conf_fill(c->conf, conf_common_params, conf_common_nparams,
	    c->mem, &c->common, err) < 0)
		return -1;
	return conf_fill(c->conf, auth_conf_params, auth_conf_nparams, c->mem,
	    &c->auth, err);
}

int
main(int argc, char **argv)
{
	struct context		 c = { .mem = arena_new() };
	const struct command	*cmd = NULL;
	const char		*dir = getenv("MAIL_CONFIG");
	struct error		 err;
	int			 r;

	argc--, argv++;
	if (argc > 1 && strcmp(argv[0], "-c") == 0) {
		dir = argv[1];
		argc -= 2, argv += 2;
	}
	for (size_t i = 0; argc > 0 && i < COUNT(commands); i++)
		if (strcmp(argv[0], commands[i].name) == 0)
			cmd = &commands[i];
	if (cmd == NULL ||
	    parse_options(&c.opt, argc - 1, argv + 1, &dir) < 0 ||
	    c.opt.nnames < cmd->min || c.opt.nnames > cmd->max)
		return usage();
	umask(022);
	if (load(&c, dir == NULL ? PH_CONFDIR : dir, &err) < 0)
		return complain(err.text);
	r = cmd->run(&c);
	conf_free(&c.conf);
	arena_free(&c.mem);
	return r;
}
