/* SPDX-License-Identifier: Apache-2.0 */
/* newaliases - make all tables of $alias_database anew. */
#include <stdio.h>
#include <unistd.h>

#include "map/map.h"
#include "tools/params.h"
#include "tools/table.h"

int
main(int argc, char **argv)
{
	struct table_options	 o = TABLE_DEFAULTS;
	struct tool		 t;
	struct tool_conf	 conf;
	struct error		 err;
	const char		*dir = NULL;
	struct slice		 list, spec;
	int			 ch;

	tool_begin("newaliases");
	while ((ch = getopt(argc, argv, "c:v")) != -1) {
		if (ch == 'c')
			dir = optarg;
		else if (ch != 'v') {
			fprintf(stderr, "usage: newaliases [-v] "
			    "[-c config_dir]\n");
			return 1;
		}
	}
	tool_open(&t, dir);
	if (conf_fill(t.conf, tool_params, tool_nparams, t.mem, &conf,
	    &err) < 0)
		tool_fatal(1, "%s", err.text);
	list = slice_str(conf.alias_database);
	while (map_list_word(&list, &spec))
		table_create(&t, &table_aliases, &o, arena_strndup(t.mem,
		    (const char *)spec.p, spec.len));
	conf_free(&t.conf);
	arena_free(&t.mem);
	return 0;
}
