/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>

#include "daemon/daemon_int.h"

const struct param daemon_params_table[] = {
	P_INT(struct daemon_conf, max_use, "max_use", "100", 1, INT32_MAX,
	    "How many times its client limit a process serves before it "
	    "retires; services with one process do not retire."),
	P_TIME(struct daemon_conf, max_idle, "max_idle", "100s", 's', 1, INT32_MAX,
	    "How long a process waits for another client before it ends; "
	    "services with one process do not end."),
};
const size_t	daemon_nparams = COUNT(daemon_params_table);

/* One row per parameter: program, name, type, default, min, max, unit,
 * choices, documentation.  Rows of the skeleton say "daemon", those that all
 * programs share "common". */
void
params_print(const struct daemon_desc *desc)
{
	conf_print_rows(desc->name, desc->params, desc->nparams);
	for (size_t i = 0; i < desc->nparts; i++)
		conf_print_rows(desc->name, desc->parts[i].params,
		    *desc->parts[i].nparams);
	if (desc->client_limit > 0)
		printf("%s\t%s_client_limit\tint\t%" PRId64 "\t1\t1000000\t\t"
		    "\tSessions that one process serves at a time; "
		    "<service>_client_limit sets it for one service.\n",
		    desc->name, desc->name, desc->client_limit);
	conf_print_rows("daemon", daemon_params_table, daemon_nparams);
	conf_print_rows("common", conf_common_params, conf_common_nparams);
}
