/* SPDX-License-Identifier: Apache-2.0 */
/* file.h - files done right: whole writes, atomic replacement, locks. */
#ifndef SYS_FILE_H
#define SYS_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/error.h"

/* All n bytes, EINTR and short writes handled.  -1 with errno. */
int	 file_write(int fd, const void *p, size_t n) MUST_USE;
int	 file_pwrite(int fd, const void *p, size_t n, off_t at) MUST_USE;

/* Up to n bytes at `at`; short only at end of file.  -1 with errno. */
ssize_t	 file_pread(int fd, void *p, size_t n, off_t at) MUST_USE;

/* Append the whole file to out (bounded by out's maximum). */
int	 file_read_all(int dirfd, const char *path, struct buf *out,
	    struct error *err) MUST_USE;

/* Replace path by these bytes: temporary file beside it, fsync, rename, fsync
 * of the directory.  A crash leaves the old or the new file. */
int	 file_replace(int dirfd, const char *path, mode_t mode, const void *p,
	    size_t n, struct error *err) MUST_USE;

/* fsync a directory by descriptor / by path.  Once: a failed sync is not
 * repeated. */
int	 file_sync_dir(int dirfd, struct error *err) MUST_USE;
int	 file_sync_path(const char *dir, struct error *err) MUST_USE;

/* Whole-file lock that belongs to the open file description (F_OFD_SETLK).
 * 0, or -1 with errno EAGAIN when wait is false and it is taken. */
int	 file_lock(int fd, bool exclusive, bool wait) MUST_USE;
int	 file_unlock(int fd);
/* Of a whole-file lock of ours, give up what is before `at`: where it begins is
 * a number that others can see, and that ends with us. */
int	 file_lock_from(int fd, off_t at);
/* Where does somebody else's lock begin?  1: *at_out; 0: there is none; -1:
 * cannot tell. */
int	 file_locked_from(int fd, off_t *at_out) MUST_USE;

/* mkdir -p; modes of existing directories stay. */
int	 file_mkdirs(const char *path, mode_t mode, struct error *err) MUST_USE;

#endif
