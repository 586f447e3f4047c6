/* SPDX-License-Identifier: Apache-2.0 */
/* check_child.h - for tests that fork.
 *
 * With each assertion, good or bad, libcheck writes to a temporary file, which a
 * child has in common with its parent.  Children that wrote there, too, and were
 * killed, made libcheck end with "Bad message type" now and then. */
#ifndef BASE_CHECK_CHILD_H
#define BASE_CHECK_CHILD_H

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/slice.h"

/* In the child, first of all: what it asserts is said to nobody.  It tells its
 * parent by its exit status, as before: who fails an assertion does not exit
 * with 0. */
static inline void
check_child(void)
{
	DIR		*d = opendir("/proc/self/fd");
	int		 null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	struct dirent	*e;
	char		 path[32], to[64];

	if (d == NULL || null < 0)
		_exit(99);
	while ((e = readdir(d)) != NULL) {
		uint64_t	fd;
		ssize_t		n;

		if (!slice_u64(slice_str(e->d_name), INT_MAX, &fd))
			continue;
		(void)snprintf(path, sizeof(path), "/proc/self/fd/%.12s",
		    e->d_name);
		n = readlink(path, to, sizeof(to) - 1);
		if (n < 0)
			continue;
		to[n] = '\0';
		/* tmpfile()'s, or libcheck's own where that fails. */
		if (strncmp(to, "/tmp/#", 6) == 0 ||
		    strstr(to, "/check_") != NULL)
			(void)dup2(null, (int)fd);
	}
	(void)close(null);
	(void)closedir(d);
}

#endif
