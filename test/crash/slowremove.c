/* SPDX-License-Identifier: Apache-2.0 */
/* slowremove.c - preloaded: to remove a file takes 50 ms while there is a file
 * "slow" in the working directory. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

int
unlinkat(int fd, const char *path, int flags)
{
	if (access("slow", F_OK) == 0)
		(void)usleep(50000);
	return (int)syscall(SYS_unlinkat, fd, path, flags);
}
