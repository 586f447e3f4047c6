/* SPDX-License-Identifier: Apache-2.0 */
#include "conf/lines.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/ascii.h"

void
conf_lines_init(struct conf_lines *l, struct slice text)
{
	*l = (struct conf_lines){ .in = text };
	buf_init(&l->text, CONF_FILE_MAX);
}

void
conf_lines_clear(struct conf_lines *l)
{
	buf_clear(&l->text);
}

/* One physical line without its newline. */
static struct slice
peek(struct slice in, size_t *consumed_out)
{
	ptrdiff_t	at = slice_find(in, '\n');

	if (at < 0) {
		*consumed_out = in.len;
		return in;
	}
	*consumed_out = (size_t)at + 1;
	return slice_first(in, (size_t)at);
}

static bool
is_noise(struct slice line)
{
	struct slice	t = slice_trim(line);

	return t.len == 0 || t.p[0] == '#';
}

bool
conf_lines_next(struct conf_lines *l, struct slice *line_out)
{
	bool	have = false;

	buf_reset(&l->text);
	while (l->in.len > 0) {
		size_t		n;
		struct slice	line = peek(l->in, &n);

		if (!is_noise(line)) {
			if (have && !ascii_is_blank(line.p[0]))
				break;
			if (!have)
				l->first = l->line + 1;
			have = true;
			buf_add_slice(&l->text, line);
		}
		l->in = slice_from(l->in, n);
		l->line++;
	}
	*line_out = slice_rtrim(buf_slice(&l->text));
	return have;
}

int
conf_read_fd(int fd, const char *path, struct buf *out, struct error *err)
{
	for (;;) {
		unsigned char	*p = buf_space(out, 65536);
		ssize_t		 n;

		if (p == NULL)
			return error_set(err, "%s: larger than %zu bytes",
			    path, out->max);
		n = read(fd, p, 65536);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_sys(err, "read %s", path);
		if (n == 0)
			break;
		buf_added(out, (size_t)n);
	}
	if (slice_find(buf_slice(out), '\0') >= 0)
		return error_set(err, "%s: contains a NUL byte; "
		    "expected text", path);
	return 0;
}

int
conf_read_file(const char *path, struct buf *out, struct error *err)
{
	int	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY), rc;

	if (fd < 0)
		return error_sys(err, "open %s", path);
	rc = conf_read_fd(fd, path, out, err);
	close(fd);
	return rc;
}
