/* SPDX-License-Identifier: Apache-2.0 */
/* postmap - make and ask look-up tables. */
#include "map/map_write.h"
#include "tools/table.h"

static const char *
split(struct slice line, struct arena *a, struct slice *key_out,
    struct slice *value_out)
{
	(void)a;
	if (map_source_split(line, key_out, value_out) != NULL)
		return "expected format: key whitespace value";
	return NULL;
}

static const struct table_kind	kind = {
	.name = "postmap",
	.options = "c:d:fFijnNopq:rsuUvw",
	.query_sep = "\t",
	.split = split,
};

int
main(int argc, char **argv)
{
	return table_main(&kind, argc, argv);
}
