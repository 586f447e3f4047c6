/* SPDX-License-Identifier: Apache-2.0 */
/* postconf.h - the parts of postconf. */
#ifndef TOOLS_POSTCONF_H
#define TOOLS_POSTCONF_H

#include <stdbool.h>
#include <stdio.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"
#include "conf/conf.h"

enum postconf_what { PC_MAIN, PC_SERVICES, PC_FIELDS, PC_OVERRIDES };
enum postconf_edit { PC_SHOW, PC_EDIT, PC_DELETE, PC_COMMENT };
enum postconf_class { PC_BUILTIN = 1, PC_SERVICE = 2, PC_USER = 4, PC_ALL = 7 };

struct postconf {
	struct arena		*mem;
	const char		*dir;
	struct conf		*conf;		/* main.cf, -o, all rows */
	struct conf		*defaults;	/* all rows, nothing set */
	enum postconf_what	 what;
	enum postconf_edit	 edit;
	unsigned int		 classes;
	bool			 show_defaults, only_set, expand;
	bool			 no_name, no_value, fold, json;
};

void	 pc_fatal(const char *fmt, ...) NORETURN PRINTF(1, 2);
void	 pc_warn(const char *fmt, ...) PRINTF(1, 2);

/* "name = value" in the form that the options ask for. */
void	 pc_print(const struct postconf *pc, const char *name,
	    const char *value);

/* Print words separated by one space, folded at 80 columns if asked for;
 * column: how far the line is already. */
void	 pc_print_words(const struct postconf *pc, const char *text,
	    size_t column);

/* postconf_main.c */
void	 pc_load_rows(struct postconf *pc);
void	 pc_show_main(struct postconf *pc, char **names);
void	 pc_warn_unused(struct postconf *pc);

/* postconf_edit.c: names are "name=value" or names. */
void	 pc_edit_main(struct postconf *pc, char **names);

/* Write path anew, under a lock: fn gets the old text and appends the new
 * one. */
void	 pc_rewrite(struct postconf *pc, const char *file,
	    void (*fn)(struct postconf *pc, struct slice old,
	    struct buf *out, char **args), char **args);

/* One physical line with its newline off the front of *text.  False: no
 * more. */
bool	 pc_line(struct slice *text, struct slice *line_out);

/* A comment or an empty line? */
bool	 pc_is_noise(struct slice line);

/* postconf_master.c */
struct pc_service {
	const char	*field[8];
	const char	**arg;		/* with braces as written */
	size_t		 nargs;
	int		 line;
};

struct pc_master {
	struct pc_service	*service;
	size_t			 n;
};

/* -1: no master.cf (then *out is empty). */
int	 pc_read_master(struct postconf *pc, struct pc_master *out);

/* The name and value of the -o at *at, which moves behind it; false: no
 * more. */
bool	 pc_next_override(struct postconf *pc, const struct pc_service *s,
	    size_t *at, const char **name_out, const char **value_out);
void	 pc_show_master(struct postconf *pc, char **patterns);
void	 pc_edit_master(struct postconf *pc, char **args);

#endif
