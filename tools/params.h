/* SPDX-License-Identifier: Apache-2.0 */
/* params.h - parameters that only commands use. */
#ifndef TOOLS_PARAMS_H
#define TOOLS_PARAMS_H

#include "conf/conf.h"

struct tool_conf {
	const char	*alias_database;
};

extern const struct param	tool_params[];
extern const size_t		tool_nparams;

#endif
