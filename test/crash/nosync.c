/* SPDX-License-Identifier: Apache-2.0 */
/* nosync.c - preloaded by the control run: every sync succeeds and does
 * nothing.  A harness that finds no lost mail then sees nothing at all. */
#define _GNU_SOURCE
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <fcntl.h>
#include <stdint.h>
#include <unistd.h>

#define NOTHING(name, ...)	\
	int name(__VA_ARGS__) { return 0; }
#pragma GCC diagnostic ignored "-Wunused-parameter"

NOTHING(fsync, int fd)
NOTHING(fdatasync, int fd)
NOTHING(syncfs, int fd)
NOTHING(msync, void *p, size_t n, int flags)
NOTHING(sync_file_range, int fd, off64_t at, off64_t n, unsigned int flags)

void
sync(void)
{
}

/* Written, but not so that it lasts. */
ssize_t
pwritev2(int fd, const struct iovec *v, int n, off_t at, int flags)
{
	return syscall(SYS_pwritev2, fd, v, (long)n, (long)at,
	    (long)((uint64_t)at >> 32), flags & ~(RWF_SYNC | RWF_DSYNC));
}

/* The name that programs with 64-bit offsets call. */
ssize_t
pwritev64v2(int fd, const struct iovec *v, int n, off64_t at, int flags)
{
	return pwritev2(fd, v, n, at, flags);
}
