/* SPDX-License-Identifier: Apache-2.0 */
/* sendmail.h - what the files of the sendmail command share. */
#ifndef TOOLS_SENDMAIL_H
#define TOOLS_SENDMAIL_H

#include <stdbool.h>
#include <stdio.h>

#include "base/slice.h"
#include "tools/submit.h"
#include "tools/tool.h"

enum sendmail_mode {
	MODE_DELIVER, MODE_SMTP, MODE_LIST, MODE_ALIASES, MODE_START,
	MODE_FLUSH
};

/* What the command line asks for. */
struct sendmail_opts {
	enum sendmail_mode	 mode;
	bool		 take_header;	/* -t */
	bool		 keep_dots;	/* -i */
	bool		 report;	/* -v */
	bool		 utf8;
	const char	*config_dir, *sender, *full_name, *envid;
	const char	*alias_file, *flush_id, *flush_site;
	unsigned int	 ret, notify;
};

/* Addresses on their way into the envelope. */
struct rcpts {
	struct arena	*mem;
	const char	**list;
	size_t		 n, size;
};
void	 rcpts_add(struct rcpts *r, const char *address);

/* Add the addresses of a list as people write it: "a@b, Name <c@d>". */
void	 rcpts_add_list(struct rcpts *r, struct slice text);

/* header.c: recipients of -t from the header section, and the section without
 * its Bcc fields.  kept is filled; pure. */
void	 header_take_rcpts(struct slice section, struct rcpts *r,
	    struct buf *kept);

/* smtp.c: -bs; returns the exit status. */
int	 smtp_serve(const struct tool *t, const struct sendmail_opts *o,
	    const char *full_name);

#endif
