/* SPDX-License-Identifier: Apache-2.0 */
/* nomark.c - preloaded: no single byte can be written in place while there is a
 * file "nomark" in the working directory, as on a btrfs that is full. */
#define _GNU_SOURCE
#include <errno.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

ssize_t
pwrite(int fd, const void *p, size_t n, off_t at)
{
	if (n == 1 && access("nomark", F_OK) == 0) {
		errno = ENOSPC;
		return -1;
	}
	return syscall(SYS_pwrite64, fd, p, n, at);
}

/* The name that programs with 64-bit offsets call. */
ssize_t
pwrite64(int fd, const void *p, size_t n, off64_t at)
{
	return pwrite(fd, p, n, at);
}
