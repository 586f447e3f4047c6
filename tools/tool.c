/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/tool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/slice.h"

static const char	*tool_name = "posthouse";

static void	 complain(const char *kind, const char *fmt, va_list ap)
		    PRINTF(2, 0);

static void
complain(const char *kind, const char *fmt, va_list ap)
{
	(void)fprintf(stderr, "%s: %s: ", tool_name, kind);
	(void)vfprintf(stderr, fmt, ap);
	(void)fputc('\n', stderr);
}

void
tool_fatal(int status, const char *fmt, ...)
{
	va_list	 ap;

	va_start(ap, fmt);
	complain("fatal", fmt, ap);
	va_end(ap);
	exit(status);
}

void
tool_warn(const char *fmt, ...)
{
	va_list	 ap;

	va_start(ap, fmt);
	complain("warning", fmt, ap);
	va_end(ap);
}

void
tool_begin(const char *name)
{
	struct stat	 st;

	tool_name = name;
	for (int fd = 0; fd < 3; fd++)
		if (fstat(fd, &st) < 0 && open("/dev/null", O_RDWR) != fd)
			_exit(EX_OSERR);
	(void)close_range(3, ~0U, 0);
}

/* Is dir one of the words of list? */
static bool
listed(const char *list, const char *dir)
{
	struct slice	 s = slice_str(list), word;

	while (slice_word(&s, " ,\t\n", &word))
		if (slice_is(word, dir))
			return true;
	return false;
}

/* A user who could choose the configuration could choose the queue directory
 * that our group may write to. */
static void
check_allowed(struct arena *a, const char *dir)
{
	struct conf		*conf;
	struct conf_common	 common;
	struct error		 err;

	if (strcmp(dir, PH_CONFDIR) == 0 || getuid() == 0 ||
	    (getgid() == getegid() && getuid() == geteuid()))
		return;
	if (conf_load(PH_CONFDIR, &conf, &err) < 0)
		tool_fatal(EX_CONFIG, "%s", err.text);
	conf_know(conf, conf_common_params, conf_common_nparams);
	if (conf_fill(conf, conf_common_params, conf_common_nparams, a,
	    &common, &err) < 0)
		tool_fatal(EX_CONFIG, "%s", err.text);
	if (!listed(common.alternate_config_directories, dir))
		tool_fatal(EX_CONFIG,
		    "unauthorized configuration directory name: %s", dir);
	conf_free(&conf);
}

void
tool_open(struct tool *t, const char *dir)
{
	struct error	 err;

	t->mem = arena_new();
	if (dir == NULL)
		dir = getenv("MAIL_CONFIG");
	if (dir == NULL || dir[0] == '\0')
		dir = PH_CONFDIR;
	dir = arena_strdup(t->mem, dir);	/* the environment may go */
	check_allowed(t->mem, dir);
	if (conf_load(dir, &t->conf, &err) < 0)
		tool_fatal(EX_CONFIG, "%s", err.text);
	conf_know(t->conf, conf_common_params, conf_common_nparams);
	if (conf_fill(t->conf, conf_common_params, conf_common_nparams, t->mem,
	    &t->common, &err) < 0)
		tool_fatal(EX_CONFIG, "%s", err.text);
}

void
tool_close(struct tool *t)
{
	conf_free(&t->conf);
	arena_free(&t->mem);
}

void
tool_chdir(const struct tool *t)
{
	if (chdir(t->common.queue_directory) < 0)
		tool_fatal(EX_OSERR, "chdir %s: %s",
		    t->common.queue_directory, strerror(errno));
}

void
tool_act_as(const struct stat *st)
{
	if (geteuid() != 0 || st->st_uid == 0)
		return;
	if (setegid(st->st_gid) < 0 || seteuid(st->st_uid) < 0)
		tool_fatal(1, "cannot become user %lu: %s",
		    (unsigned long)st->st_uid, strerror(errno));
}

void
tool_act_as_self(void)
{
	if (getuid() == 0 && geteuid() != 0 &&
	    (seteuid(0) < 0 || setegid(getgid()) < 0))
		tool_fatal(1, "cannot become root again: %s",
		    strerror(errno));
}

void
tool_exec(const struct tool *t, const char *command, char *const argv[])
{
	char	*path = arena_printf(t->mem, "%s/%s",
	    t->common.command_directory, command);

	/* The program that follows must use the same configuration. */
	if (setenv("MAIL_CONFIG", conf_dir(t->conf), 1) < 0)
		tool_fatal(EX_OSERR, "setenv: %s", strerror(errno));
	(void)execv(path, argv);
	tool_fatal(EX_UNAVAILABLE, "cannot run %s: %s", path,
	    strerror(errno));
}
