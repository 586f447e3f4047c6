/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>

#include "conf/conf.h"

static const char *const	type_names[] = {
	[PARAM_STR] = "str", [PARAM_RAW] = "raw", [PARAM_BOOL] = "bool",
	[PARAM_INT] = "int", [PARAM_TIME] = "time", [PARAM_SIZE] = "size",
	[PARAM_ENUM] = "enum",
};

void
conf_print_rows(const char *program, const struct param *params, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct param	*p = &params[i];

		printf("%s\t%s\t%s\t%s\t%" PRId64 "\t%" PRId64 "\t%.*s\t%s"
		    "\t%s\n", program, p->name, type_names[p->type],
		    p->def == NULL ? "" : p->def, p->min, p->max,
		    p->unit != 0, &p->unit,
		    p->choices == NULL ? "" : p->choices,
		    p->doc == NULL ? "" : p->doc);
	}
}
