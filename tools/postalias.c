/* SPDX-License-Identifier: Apache-2.0 */
/* postalias - make and ask alias tables. */
#include "tools/table.h"

int
main(int argc, char **argv)
{
	return table_main(&table_aliases, argc, argv);
}
