/* SPDX-License-Identifier: Apache-2.0 */
/* queue_int.h - shared by the files of lib/queue only. */
#ifndef QUEUE_QUEUE_INT_H
#define QUEUE_QUEUE_INT_H

#include "queue/queue.h"
#include "queue/queue_id.h"

struct queue {
	int		 dirs[QUEUE_DIRS];	/* O_PATH */
	int		 log;			/* O_PATH of log/ */
	struct syncer	*syncer;		/* NULL: no asynchronous commit */
	int64_t		 minfree;

	usec_t		 room_asked;		/* mono; 0: never */
	uint64_t	 room_bytes, room_files;
};

/* Mode of a message that was written to its end. */
#define QUEUE_MODE_COMPLETE	0700
#define QUEUE_MODE_WRITING	0600

/* renameat2 without replacing; plain check and rename where the file system
 * has no such thing.  -1 with errno. */
int	 queue_rename(int from_fd, const char *from, int to_fd, const char *to)
	    MUST_USE;

#endif
