/* SPDX-License-Identifier: Apache-2.0 */
/* stamp.h - what a file looked like: to see whether it was changed or
 * replaced since.  A change in place within one tick of the clock that keeps
 * the size does not show. */
#ifndef SYS_STAMP_H
#define SYS_STAMP_H

#include <stdbool.h>
#include <stdint.h>

struct stat;

struct stamp {
	uint64_t	 dev, ino, size;
	int64_t		 mtime_ns;
};

struct stamp	 stamp_of(const struct stat *st);

/* Does the file at path look like this?  False if it cannot be seen. */
bool	 stamp_holds(const struct stamp *s, const char *path);

#endif
