/* SPDX-License-Identifier: Apache-2.0 */
/* Which messages are with delivery agents?  A byte of journal/inflight is
 * locked for each.  The lock belongs to the open file, of which agents get a
 * duplicate with each request: so it outlives a queue manager that drains or
 * is killed, until the last of its agents is through.  The file stays empty;
 * holding it open gives access to nothing. */
#include "queue/inflight.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "queue/queue_int.h"

/* Two messages on one byte would only wait for each other. */
static struct flock
range_of(const char *id, int type)
{
	uint64_t	 n = 14695981039346656037ULL;	/* FNV-1a */

	for (const char *p = id; *p != '\0'; p++)
		n = (n ^ (unsigned char)*p) * 1099511628211ULL;
	return (struct flock){
		.l_type = (short)type, .l_whence = SEEK_SET,
		.l_start = (off_t)(n & 0x3fffffffffffffffULL), .l_len = 1,
	};
}

int
inflight_open(struct queue *q, struct error *err)
{
	int	 fd = openat(q->journal, "inflight", O_RDONLY | O_CREAT |
	    O_NOFOLLOW | O_CLOEXEC, 0600);

	return fd < 0 ? error_sys(err, "open journal/inflight") : fd;
}

int
leader_open(struct queue *q, struct error *err)
{
	int	 fd = openat(q->journal, "leader", O_RDONLY | O_CREAT |
	    O_NOFOLLOW | O_CLOEXEC, 0600);

	return fd < 0 ? error_sys(err, "open journal/leader") : fd;
}

/* flock(), because it wants no descriptor for writing: one that is always open
 * would forbid that the file system is made read-only.  (A header of ours hides
 * the one that declares it.) */
int
leader_lock(int fd)
{
	return (int)syscall(SYS_flock, fd, LOCK_EX | LOCK_NB);
}

void
leader_unlock(int fd)
{
	(void)syscall(SYS_flock, fd, LOCK_UN);
}

int
inflight_add(int fd, const char *id)
{
	struct flock	 f = range_of(id, F_RDLCK);

	return fcntl(fd, F_OFD_SETLK, &f);
}

void
inflight_remove(int fd, const char *id)
{
	struct flock	 f = range_of(id, F_UNLCK);

	(void)fcntl(fd, F_OFD_SETLK, &f);
}

bool
inflight_elsewhere(int fd, const char *id)
{
	struct flock	 f = range_of(id, F_WRLCK);

	/* "Cannot tell" waits. */
	return fcntl(fd, F_OFD_GETLK, &f) < 0 || f.l_type != F_UNLCK;
}
