/* SPDX-License-Identifier: Apache-2.0 */
/* rows - print the parameters that belong to libraries and commands; those of
 * daemons are asked from the daemons (option -P). */
#include <stdio.h>

#include "conf/common.h"
#include "route/route.h"
#include "tools/params.h"

int
main(void)
{
	conf_print_rows("common", conf_common_params, conf_common_nparams);
	conf_print_rows("route", route_params, route_nparams);
	conf_print_rows("commands", tool_params, tool_nparams);
	return fflush(stdout) != 0;
}
