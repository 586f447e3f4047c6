/* SPDX-License-Identifier: Apache-2.0 */
/* lines.h - logical lines, as in main.cf, master.cf and table sources.
 * Empty lines and lines whose first visible byte is '#' are skipped, also
 * inside a logical line; a line that begins with white space continues the
 * one before. */
#ifndef CONF_LINES_H
#define CONF_LINES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/slice.h"

#define CONF_FILE_MAX	((size_t)64 << 20)

struct conf_lines {
	struct slice	 in;		/* what is not yet read */
	int		 line;		/* last physical line read */
	int		 first;		/* where the current one begins */
	struct buf	 text;
};

/* text must outlive *l. */
void	 conf_lines_init(struct conf_lines *l, struct slice text);
void	 conf_lines_clear(struct conf_lines *l);

/* The next logical line, without white space at its end; it lives until the
 * next call.  A first line that begins with white space is taken as it is.
 * False: no more. */
bool	 conf_lines_next(struct conf_lines *l, struct slice *line_out);

/* Append the whole file to out.  Files with a NUL byte are refused. */
int	 conf_read_file(const char *path, struct buf *out, struct error *err)
	    MUST_USE;

/* The same from a descriptor; path is for errors only. */
int	 conf_read_fd(int fd, const char *path, struct buf *out,
	    struct error *err) MUST_USE;

#endif
