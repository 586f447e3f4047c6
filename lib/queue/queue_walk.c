/* SPDX-License-Identifier: Apache-2.0 */
#include "queue/queue_walk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "queue/queue_int.h"

/* At a time: 640 KiB, and long enough a way for a disk. */
#define PORTION		((size_t)8192)

struct name {
	ino_t	 inode;
	size_t	 which;
};

struct queue_walk {
	DIR		*d;
	char		 read[PORTION][QUEUE_ID_MAX];
	char		 sorted[PORTION][QUEUE_ID_MAX];
	struct name	 names[PORTION];
};

static int
open_walk(int path_fd, struct queue_walk **out, struct error *err)
{
	DIR	*d;
	int	 fd = openat(path_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return error_sys(err, "open queue directory");
	d = fdopendir(fd);
	if (d == NULL) {
		(void)error_sys(err, "list queue directory");
		(void)close(fd);
		return -1;
	}
	*out = mem_new(1, sizeof(**out));
	(*out)->d = d;
	return 0;
}

int
queue_walk_open(struct queue *q, enum queue_dir dir, struct queue_walk **out,
    struct error *err)
{
	return open_walk(q->dirs[dir], out, err);
}

int
queue_walk_open_log(struct queue *q, struct queue_walk **out,
    struct error *err)
{
	return open_walk(q->log, out, err);
}

static int
by_inode(const void *a, const void *b)
{
	const struct name	*x = a, *y = b;

	return (x->inode > y->inode) - (x->inode < y->inode);
}

int
queue_walk_next(struct queue_walk *w, const char (**ids_out)[QUEUE_ID_MAX],
    size_t *n_out, struct error *err)
{
	struct dirent	*e = NULL;
	size_t		 n = 0;

	errno = 0;
	while (n < PORTION && (e = readdir(w->d)) != NULL) {
		if (queue_id_ok(e->d_name)) {
			memcpy(w->read[n], e->d_name, strlen(e->d_name) + 1);
			w->names[n] = (struct name){ e->d_ino, n };
			n++;
		}
		errno = 0;
	}
	if (e == NULL && errno != 0)
		return error_sys(err, "list queue directory");
	qsort(w->names, n, sizeof(*w->names), by_inode);
	for (size_t i = 0; i < n; i++)
		memcpy(w->sorted[i], w->read[w->names[i].which],
		    QUEUE_ID_MAX);
	*ids_out = (const char (*)[QUEUE_ID_MAX])w->sorted;
	*n_out = n;
	return 0;
}

void
queue_walk_close(struct queue_walk **w)
{
	if (*w == NULL)
		return;
	(void)closedir((*w)->d);
	mem_free(w);
}
