/* SPDX-License-Identifier: Apache-2.0 */
#include "sys/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

#define READ_CHUNK	((size_t)16384)

int
file_write(int fd, const void *p, size_t n)
{
	const char	*at = p;
	ssize_t		 did;

	while (n > 0) {
		did = write(fd, at, n);
		if (did < 0 && errno == EINTR)
			continue;
		if (did < 0)
			return -1;
		if (did == 0) {
			errno = EIO;
			return -1;
		}
		at += did;
		n -= (size_t)did;
	}
	return 0;
}

int
file_pwrite(int fd, const void *p, size_t n, off_t at)
{
	const char	*from = p;
	ssize_t		 did;

	while (n > 0) {
		did = pwrite(fd, from, n, at);
		if (did < 0 && errno == EINTR)
			continue;
		if (did < 0)
			return -1;
		if (did == 0) {
			errno = EIO;
			return -1;
		}
		from += did;
		at += did;
		n -= (size_t)did;
	}
	return 0;
}

ssize_t
file_pread(int fd, void *p, size_t n, off_t at)
{
	char	*to = p;
	size_t	 got = 0;
	ssize_t	 did;

	while (got < n) {
		did = pread(fd, to + got, n - got, at + (off_t)got);
		if (did < 0 && errno == EINTR)
			continue;
		if (did < 0)
			return -1;
		if (did == 0)
			break;
		got += (size_t)did;
	}
	return (ssize_t)got;
}

/* One read into out; bytes read, 0 at the end, -1 with *err. */
static ssize_t
read_some(int fd, const char *path, struct buf *out, struct error *err)
{
	size_t		 want = READ_CHUNK;
	unsigned char	*to;
	char		 one;
	ssize_t		 did;

	if (want > buf_room(out))
		want = buf_room(out);
	to = want == 0 ? (unsigned char *)&one : buf_space(out, want);
	do
		did = read(fd, to, want == 0 ? 1 : want);
	while (did < 0 && errno == EINTR);
	if (did < 0)
		return error_sys(err, "read %s", path);
	if (did > 0 && want == 0) {
		errno = EFBIG;
		return error_sys(err, "read %s", path);
	}
	if (did > 0)
		buf_added(out, (size_t)did);
	return did;
}

int
file_read_all(int dirfd, const char *path, struct buf *out, struct error *err)
{
	int	fd;
	ssize_t	did;

	fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return error_sys(err, "open %s", path);
	while ((did = read_some(fd, path, out, err)) > 0)
		;
	close(fd);
	return did < 0 ? -1 : 0;
}

int
file_sync_dir(int dirfd, struct error *err)
{
	if (fsync(dirfd) != 0)
		return error_sys(err, "fsync directory");
	return 0;
}

static int
sync_at(int dirfd, const char *dir, struct error *err)
{
	int	fd, result = 0;

	fd = openat(dirfd, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return error_sys(err, "open %s", dir);
	if (fsync(fd) != 0)
		result = error_sys(err, "fsync %s", dir);
	close(fd);
	return result;
}

int
file_sync_path(const char *dir, struct error *err)
{
	return sync_at(AT_FDCWD, dir, err);
}

/* The directory part of path; "." without one. */
static char *
dir_of(const char *path)
{
	const char	*slash = strrchr(path, '/');

	if (slash == NULL)
		return mem_strdup(".");
	if (slash == path)
		return mem_strdup("/");
	return mem_printf("%.*s", (int)(slash - path), path);
}

static int
write_whole(int dirfd, const char *path, mode_t mode, const void *p, size_t n,
    struct error *err)
{
	int	fd, result = 0;

	fd = openat(dirfd, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return error_sys(err, "create %s", path);
	if (file_write(fd, p, n) < 0)
		result = error_sys(err, "write %s", path);
	else if (fchmod(fd, mode) != 0)
		result = error_sys(err, "chmod %s", path);
	else if (fsync(fd) != 0)
		result = error_sys(err, "fsync %s", path);
	if (close(fd) != 0 && result == 0)
		result = error_sys(err, "close %s", path);
	if (result < 0)
		unlinkat(dirfd, path, 0);
	return result;
}

int
file_replace(int dirfd, const char *path, mode_t mode, const void *p, size_t n,
    struct error *err)
{
	static atomic_uint	 serial;
	char			*dir = dir_of(path), *temp;
	int			 result;

	temp = mem_printf("%s.tmp%ld.%u", path, (long)getpid(),
	    atomic_fetch_add(&serial, 1));
	/* A process of this number that died may have left one behind. */
	unlinkat(dirfd, temp, 0);
	result = write_whole(dirfd, temp, mode, p, n, err);
	if (result == 0 && renameat(dirfd, temp, dirfd, path) != 0) {
		result = error_sys(err, "rename %s to %s", temp, path);
		unlinkat(dirfd, temp, 0);
	}
	if (result == 0)
		result = sync_at(dirfd, dir, err);
	mem_free(&temp);
	mem_free(&dir);
	return result;
}

static int
lock_op(int fd, short type, bool wait)
{
	struct flock	lk = { .l_type = type, .l_whence = SEEK_SET };
	int		result;

	do
		result = fcntl(fd, wait ? F_OFD_SETLKW : F_OFD_SETLK, &lk);
	while (result != 0 && errno == EINTR);
	if (result != 0 && errno == EACCES)
		errno = EAGAIN;
	return result == 0 ? 0 : -1;
}

int
file_lock(int fd, bool exclusive, bool wait)
{
	return lock_op(fd, exclusive ? F_WRLCK : F_RDLCK, wait);
}

int
file_unlock(int fd)
{
	/* A lock that stays would stop everybody for as long as the file is
	 * open, so one failure is not the last word. */
	return lock_op(fd, F_UNLCK, false) == 0 ? 0 :
	    lock_op(fd, F_UNLCK, false);
}

int
file_lock_from(int fd, off_t at)
{
	struct flock	lk = {
		.l_type = F_UNLCK, .l_whence = SEEK_SET, .l_len = at
	};

	return at > 0 ? fcntl(fd, F_OFD_SETLK, &lk) : 0;
}

int
file_locked_from(int fd, off_t *at_out)
{
	struct flock	lk = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	if (fcntl(fd, F_OFD_GETLK, &lk) < 0)
		return -1;
	*at_out = lk.l_start;
	return lk.l_type != F_UNLCK;
}

static int
mkdir_one(const char *path, mode_t mode, struct error *err)
{
	struct stat	st;

	if (mkdir(path, mode) == 0)
		return 0;
	if (errno != EEXIST && errno != EROFS && errno != EACCES)
		return error_sys(err, "mkdir %s", path);
	if (stat(path, &st) != 0)
		return error_sys(err, "mkdir %s", path);
	if (!S_ISDIR(st.st_mode)) {
		errno = ENOTDIR;
		return error_sys(err, "mkdir %s", path);
	}
	return 0;
}

int
file_mkdirs(const char *path, mode_t mode, struct error *err)
{
	char	*copy = mem_strdup(path);
	int	 result = 0;

	for (char *p = copy; result == 0 && *p != '\0'; p++) {
		if (*p != '/' || p == copy || p[-1] == '/')
			continue;
		*p = '\0';
		result = mkdir_one(copy, mode, err);
		*p = '/';
	}
	if (result == 0)
		result = mkdir_one(copy, mode, err);
	mem_free(&copy);
	return result;
}
