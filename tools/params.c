/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/params.h"

const struct param tool_params[] = {
	P_STR(struct tool_conf, alias_database, "alias_database",
	    "$default_database_type:/etc/aliases",
	    "The alias tables that newaliases makes anew."),
};

const size_t	tool_nparams = COUNT(tool_params);
