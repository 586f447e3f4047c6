/* SPDX-License-Identifier: Apache-2.0 */
#include "sys/stamp.h"

#include <sys/stat.h>

struct stamp
stamp_of(const struct stat *st)
{
	return (struct stamp){
		.dev = st->st_dev, .ino = st->st_ino,
		.size = (uint64_t)st->st_size,
		.mtime_ns = (int64_t)st->st_mtim.tv_sec * 1000000000 +
		    st->st_mtim.tv_nsec,
	};
}

bool
stamp_holds(const struct stamp *s, const char *path)
{
	struct stat	 st;
	struct stamp	 now;

	if (stat(path, &st) < 0)
		return false;
	now = stamp_of(&st);
	return now.dev == s->dev && now.ino == s->ino &&
	    now.size == s->size && now.mtime_ns == s->mtime_ns;
}
