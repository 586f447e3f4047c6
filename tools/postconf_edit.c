/* SPDX-License-Identifier: Apache-2.0 */
/* Changing main.cf: comments, order and the form of what is not named stay;
 * the file is replaced as a whole. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/ascii.h"
#include "base/hash.h"
#include "conf/lines.h"
#include "sys/file.h"
#include "tools/postconf.h"

bool
pc_line(struct slice *text, struct slice *line_out)
{
	ptrdiff_t	at = slice_find(*text, '\n');
	size_t		n = at < 0 ? text->len : (size_t)at + 1;

	*line_out = slice_first(*text, n);
	*text = slice_from(*text, n);
	return n > 0;
}

bool
pc_is_noise(struct slice line)
{
	struct slice	t = slice_trim(line);

	return t.len == 0 || t.p[0] == '#';
}

/* The file, locked against other editors: the lock is on the file that has
 * the name now, so look again after waiting. */
static int
open_locked(const char *path, struct stat *st)
{
	for (;;) {
		struct stat	now;
		int		fd = open(path, O_RDWR | O_CLOEXEC);

		if (fd < 0)
			pc_fatal("open %s: %s", path, strerror(errno));
		if (file_lock(fd, true, true) < 0)
			pc_fatal("lock %s: %s", path, strerror(errno));
		if (fstat(fd, st) == 0 && stat(path, &now) == 0 &&
		    st->st_ino == now.st_ino && st->st_dev == now.st_dev)
			return fd;
		close(fd);
	}
}

void
pc_rewrite(struct postconf *pc, const char *file,
    void (*fn)(struct postconf *pc, struct slice old, struct buf *out,
    char **args), char **args)
{
	const char	*path = arena_printf(pc->mem, "%s/%s", pc->dir, file);
	struct buf	 old, out;
	struct stat	 st;
	struct error	 err;
	int		 fd = open_locked(path, &st);

	buf_init(&old, CONF_FILE_MAX);
	buf_init(&out, 2 * CONF_FILE_MAX);
	if (conf_read_fd(fd, path, &old, &err) < 0)
		pc_fatal("%s", err.text);
	fn(pc, buf_slice(&old), &out, args);
	if (out.overflow)
		pc_fatal("%s: larger than %zu bytes", path, out.max);
	if (file_replace(AT_FDCWD, path, st.st_mode & 07777,
	    buf_slice(&out).p, buf_len(&out), &err) < 0)
		pc_fatal("%s", err.text);
	close(fd);
	buf_clear(&old);
	buf_clear(&out);
}

/* One name to be changed. */
struct change {
	const char	*name, *value;
	int		 found;
};

static struct hash *
parse_changes(struct postconf *pc, char **args)
{
	struct hash	*h = hash_new();

	for (; *args != NULL; args++) {
		struct change	*c = arena_alloc(pc->mem, sizeof(*c));
		struct slice	 rest = slice_str(*args), name;
		bool		 has = slice_cut(&rest, '=', &name);

		if (has != (pc->edit == PC_EDIT))
			pc_fatal(pc->edit == PC_EDIT ?
			    "%s: expected name=value" :
			    "%s: expected a name", *args);
		if (!has) {
			name = rest;
			rest = slice_of("", 0);
		}
		name = slice_trim(name);
		rest = slice_trim(rest);
		if (name.len == 0 || strpbrk(*args, "\n") != NULL ||
		    slice_find(name, ' ') >= 0 || slice_find(name, '#') == 0)
			pc_fatal("%s: expected a parameter name", *args);
		c->name = arena_strndup(pc->mem, (const char *)name.p,
		    name.len);
		c->value = arena_strndup(pc->mem, (const char *)rest.p,
		    rest.len);
		hash_puts(h, c->name, c);
	}
	return h;
}

static void
put_assignment(struct buf *out, const struct change *c)
{
	buf_addf(out, "%s =%s%s\n", c->name, c->value[0] != '\0' ? " " : "",
	    c->value);
}

static struct change *
change_of(struct postconf *pc, const struct hash *h, struct slice line)
{
	size_t	n = 0;

	while (n < line.len && line.p[n] != '=' &&
	    !ascii_is_blank(line.p[n]) && line.p[n] != '\n')
		n++;
	return hash_gets(h, arena_strndup(pc->mem, (const char *)line.p, n));
}

static void
change_line(struct postconf *pc, struct change *c, struct slice line,
    struct buf *out)
{
	if (c->found++ == 1)
		pc_warn("%s/main.cf: multiple entries for \"%s\"", pc->dir,
		    c->name);
	if (pc->edit == PC_EDIT)
		put_assignment(out, c);
	else if (pc->edit == PC_COMMENT)
		buf_addf(out, "#%.*s", SLICE_ARG(line));
}

static void
change_main(struct postconf *pc, struct slice old, struct buf *out,
    char **args)
{
	struct hash	*h = parse_changes(pc, args);
	struct change	*c = NULL;
	struct slice	 line;

	while (pc_line(&old, &line)) {
		if (pc_is_noise(line)) {
			buf_add_slice(out, line);
			continue;
		}
		if (ascii_is_blank(line.p[0])) {
			/* It belongs to the line before. */
			if (c == NULL)
				buf_add_slice(out, line);
			else if (pc->edit == PC_COMMENT)
				buf_addf(out, "#%.*s", SLICE_ARG(line));
			continue;
		}
		c = change_of(pc, h, line);
		if (c == NULL)
			buf_add_slice(out, line);
		else
			change_line(pc, c, line, out);
	}
	if (buf_len(out) > 0 && !slice_ends(buf_slice(out), "\n"))
		buf_addc(out, '\n');
	/* In the order in which they were given. */
	for (; pc->edit == PC_EDIT && *args != NULL; args++) {
		c = change_of(pc, h, slice_trim(slice_str(*args)));
		if (c != NULL && c->found++ == 0)
			put_assignment(out, c);
	}
	hash_free(&h);
}

void
pc_edit_main(struct postconf *pc, char **names)
{
	pc_rewrite(pc, "main.cf", change_main, names);
}
