/* SPDX-License-Identifier: Apache-2.0 */
/* check_run.h - the end of main() in every test program that uses libcheck. */
#ifndef BASE_CHECK_RUN_H
#define BASE_CHECK_RUN_H

#include <check.h>
#include <stdlib.h>

/* Run all tests of s (CK_VERBOSITY says how much is printed) and free it.  What
 * main() returns. */
static inline int
check_run(Suite *s)
{
	SRunner	*r = srunner_create(s);
	int	 failed;

	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#endif
