/* SPDX-License-Identifier: Apache-2.0 */
/* nosync.c - preloaded by the control run: every sync succeeds and does
 * nothing.  A harness that finds no lost mail then sees nothing at all. */
#include <sys/types.h>

int	fsync(int fd);
int	fdatasync(int fd);
int	syncfs(int fd);
int	msync(void *p, size_t len, int flags);
int	sync_file_range(int fd, off_t from, off_t len, unsigned int flags);
void	sync(void);

int
fsync(int fd)
{
	(void)fd;
	return 0;
}

int
fdatasync(int fd)
{
	(void)fd;
	return 0;
}

int
syncfs(int fd)
{
	(void)fd;
	return 0;
}

int
msync(void *p, size_t len, int flags)
{
	(void)p;
	(void)len;
	(void)flags;
	return 0;
}

int
sync_file_range(int fd, off_t from, off_t len, unsigned int flags)
{
	(void)fd;
	(void)from;
	(void)len;
	(void)flags;
	return 0;
}

void
sync(void)
{
}
