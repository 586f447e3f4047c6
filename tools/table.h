/* SPDX-License-Identifier: Apache-2.0 */
/* table.h - what postmap, postalias and newaliases share: making tables and
 * asking them. */
#ifndef TOOLS_TABLE_H
#define TOOLS_TABLE_H

#include <stdbool.h>

#include "base/slice.h"
#include "tools/tool.h"

struct table_kind {
	const char	*name;		/* "postmap" */
	const char	*options;	/* for getopt() */
	const char	*query_sep;	/* between key and value in answers */

	/* One source line.  NULL, or what was expected. */
	const char	*(*split)(struct slice line, struct arena *a,
			    struct slice *key_out, struct slice *value_out);
};

struct table_options {
	bool		 fold, keep_root, inherit_mode, no_nul;
	bool		 replace, quiet, incremental, json, from_files;
	bool		 dump;
	const char	*delete_key, *query_key;
};

#define TABLE_DEFAULTS	((struct table_options){ \
	.fold = true, .inherit_mode = true })

extern const struct table_kind	table_aliases;

/* Read type:path and make type's file of it.  Ends the program if it
 * cannot. */
void	 table_create(const struct tool *t, const struct table_kind *kind,
	    const struct table_options *o, const char *spec);

int	 table_main(const struct table_kind *kind, int argc, char **argv);

#endif
