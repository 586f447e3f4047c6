/* SPDX-License-Identifier: Apache-2.0 */
/* The directories and what moves between them.  A message's name is its id
 * everywhere, so a file that comes back from the dead after a power cut can
 * only meet itself. */
#include "queue/queue_int.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/panic.h"
#include "queue/journal_write.h"
#include "queue/queue_format.h"
#include "queue/queue_walk.h"
#include "sys/clock.h"
#include "sys/file.h"

const char *const	queue_dir_names[QUEUE_DIRS] = {
	[QUEUE_TMP] = "tmp",
	[QUEUE_NEW] = "new",
	[QUEUE_CUR] = "cur",
	[QUEUE_HOLD] = "hold",
	[QUEUE_CORRUPT] = "corrupt",
};

/* Files that must stay creatable. */
#define SPARE_FILES	64

static int
open_dir(int top, const char *name, bool create, int *fd_out,
    struct error *err)
{
	if (create && mkdirat(top, name, 0700) < 0 && errno != EEXIST)
		return error_sys(err, "create directory %s", name);
	*fd_out = openat(top, name,
	    O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (*fd_out < 0)
		return error_sys(err, "open directory %s", name);
	return 0;
}

/* What the last run of the machine left in the directories becomes certain
 * once, before anything is built on it. */
static int
sync_dir(int path_fd, const char *name, struct error *err)
{
	int	 fd, r;

	fd = openat(path_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return error_sys(err, "open directory %s", name);
	r = fsync(fd) < 0 ? error_sys(err, "sync directory %s", name) : 0;
	(void)close(fd);
	return r;
}

static int
open_all(struct queue *q, int top, bool create, struct error *err)
{
	for (int i = 0; i < QUEUE_DIRS; i++)
		if (open_dir(top, queue_dir_names[i], create, &q->dirs[i],
		    err) < 0)
			return -1;
	if (open_dir(top, "log", create, &q->log, err) < 0)
		return -1;
	/* A queue from before there was one has none. */
	if (open_dir(top, "journal", create, &q->journal, err) < 0 &&
	    (create || q->syncer != NULL || errno != ENOENT))
		return -1;
	if (!create)
		return 0;
	for (int i = 0; i < QUEUE_DIRS; i++)
		if (sync_dir(q->dirs[i], queue_dir_names[i], err) < 0)
			return -1;
	return sync_dir(top, "of the queue", err);
}

int
queue_open(const struct queue_conf *c, bool create, struct syncer *s,
    struct queue **out, struct error *err)
{
	struct queue	*q;
	int		 top, r;

	top = open(c->dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (top < 0)
		return error_sys(err, "open queue directory %s", c->dir);
	q = mem_new(1, sizeof(*q));
	for (int i = 0; i < QUEUE_DIRS; i++)
		q->dirs[i] = -1;
	q->log = q->journal = -1;
	buf_init(&q->tail, QUEUE_ENV_MAX + QUEUE_RCPTS_MAX + 4096);
	q->syncer = s;
	q->minfree = c->minfree;
	q->clients = c->clients;
	q->clients_arg = c->clients_arg;
	r = open_all(q, top, create, err);
	(void)close(top);
	if (r < 0) {
		queue_close(&q);
		return error_in(err, "queue directory %s", c->dir);
	}
	if (c->journal && s != NULL)
		q->writer = journal_writer_new(q);
	*out = q;
	return 0;
}

void
queue_close(struct queue **q)
{
	if (*q == NULL)
		return;
	for (int i = 0; i < QUEUE_DIRS; i++)
		if ((*q)->dirs[i] >= 0)
			(void)close((*q)->dirs[i]);
	if ((*q)->log >= 0)
		(void)close((*q)->log);
	if ((*q)->journal >= 0)
		(void)close((*q)->journal);
	journal_writer_free(&(*q)->writer);
	for (size_t i = 0; i < (*q)->nspare; i++)
		mem_free(&(*q)->spare[i].mem);
	buf_clear(&(*q)->tail);
	mem_free(q);
}

bool
queue_has_room(struct queue *q, uint64_t size)
{
	struct statvfs	 st;
	usec_t		 now = clock_mono();
	uint64_t	 keep = q->minfree > 0 ? (uint64_t)q->minfree : 0;

	if (q->room_asked == 0 || now - q->room_asked >= USEC_PER_SEC) {
		if (fstatvfs(q->dirs[QUEUE_TMP], &st) < 0)
			return false;
		q->room_asked = now;
		q->room_bytes = (uint64_t)st.f_bavail * st.f_frsize;
		/* File systems without a fixed number of inodes say 0. */
		q->room_files = st.f_files == 0 ? UINT64_MAX : st.f_favail;
	}
	return q->room_files > SPARE_FILES && q->room_bytes > keep &&
	    q->room_bytes - keep > size;
}

bool
queue_find(struct queue *q, const char *id, enum queue_dir *dir_out)
{
	static const enum queue_dir	order[] = {
		QUEUE_NEW, QUEUE_CUR, QUEUE_HOLD, QUEUE_CORRUPT
	};
	struct stat	 st;

	if (!queue_id_ok(id))
		return false;
	for (size_t i = 0; i < COUNT(order); i++)
		/* "Cannot tell" is not "no": who reads it will see. */
		if (fstatat(q->dirs[order[i]], id, &st,
		    AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT) {
			*dir_out = order[i];
			return true;
		}
	return false;
}

int
queue_rename(int from_fd, const char *from, int to_fd, const char *to)
{
	struct stat	 st;

	if (renameat2(from_fd, from, to_fd, to, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -1;
	if (fstatat(to_fd, to, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		errno = EEXIST;
		return -1;
	}
	return renameat(from_fd, from, to_fd, to);
}

/* The fixed part of a message's head, by which we know it again. */
static bool
read_identity(int dir, const char *id, unsigned char out[QUEUE_SLOT_OFFSET])
{
	int	 fd = openat(dir, id, O_RDONLY | O_NOFOLLOW | O_CLOEXEC |
	    O_NONBLOCK);
	bool	 ok;

	if (fd < 0)
		return false;
	ok = file_pread(fd, out, QUEUE_SLOT_OFFSET, 0) == QUEUE_SLOT_OFFSET;
	(void)close(fd);
	return ok;
}

/* A power cut may bring a moved message back to where it was (btrfs), so that
 * it is in two directories.  The copy that went further has the marks. */
static int
settle_twin(struct queue *q, const char *id, enum queue_dir from,
    enum queue_dir to, struct error *err)
{
	unsigned char	 a[QUEUE_SLOT_OFFSET], b[QUEUE_SLOT_OFFSET];

	if (!read_identity(q->dirs[from], id, a) ||
	    !read_identity(q->dirs[to], id, b) ||
	    memcmp(a, b, sizeof(a)) != 0)
		return error_set(err, "%s: another file with this name is in "
		    "%s", id, queue_dir_names[to]);
	if (unlinkat(q->dirs[from], id, 0) < 0 && errno != ENOENT)
		return error_sys(err, "remove %s/%s", queue_dir_names[from],
		    id);
	return 0;
}

int
queue_move(struct queue *q, const char *id, enum queue_dir from,
    enum queue_dir to, struct error *err)
{
	ASSERT(queue_id_ok(id));
	if (queue_rename(q->dirs[from], id, q->dirs[to], id) == 0)
		return 0;
	if (errno == EEXIST && from != to)
		return settle_twin(q, id, from, to, err);
	return error_sys(err, "move %s from %s to %s", id,
	    queue_dir_names[from], queue_dir_names[to]);
}

int
queue_remove(struct queue *q, const char *id, enum queue_dir dir,
    struct error *err)
{
	ASSERT(queue_id_ok(id));
	if (unlinkat(q->dirs[dir], id, 0) < 0 && errno != ENOENT)
		return error_sys(err, "remove %s/%s", queue_dir_names[dir],
		    id);
	return queue_log_remove(q, id, err);
}

int
queue_each_name(int path_fd, bool (*each)(void *arg, const char *name),
    void *arg, struct error *err)
{
	struct dirent	*e;
	DIR		*d;
	int		 fd;

	fd = openat(path_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return error_sys(err, "open queue directory");
	d = fdopendir(fd);
	if (d == NULL) {
		(void)close(fd);
		return error_sys(err, "list queue directory");
	}
	for (errno = 0; (e = readdir(d)) != NULL; errno = 0)
		if (e->d_name[0] != '.' && !each(arg, e->d_name))
			break;
	if (e == NULL && errno != 0) {
		(void)error_sys(err, "list queue directory");
		(void)closedir(d);
		return -1;
	}
	(void)closedir(d);
	return 0;
}

struct ids {
	bool	(*each)(void *arg, const char *id);
	void	*arg;
};

static bool
only_ids(void *arg, const char *name)
{
	const struct ids	*i = arg;

	return !queue_id_ok(name) || i->each(i->arg, name);
}

int
queue_each(struct queue *q, enum queue_dir dir,
    bool (*each)(void *arg, const char *id), void *arg, struct error *err)
{
	struct ids	i = { each, arg };

	return queue_each_name(q->dirs[dir], only_ids, &i, err);
}

/*
 * Sweeping.
 */

enum sweep_what { SWEEP_ALL, SWEEP_INCOMPLETE, SWEEP_ORPHANS };

struct sweep {
	struct queue		*q;
	int			 fd;
	enum sweep_what		 what;
	time_t			 before;
	const atomic_bool	*stop;
	int			 gone;
};

/* A message that is moved while we look may be missed once, not twice. */
static bool
is_orphan(struct queue *q, const char *id)
{
	enum queue_dir	dir;

	return !queue_find(q, id, &dir) && !queue_find(q, id, &dir);
}

static void
sweep_one(struct sweep *s, const char *id)
{
	struct stat	st;

	if (fstatat(s->fd, id, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    !S_ISREG(st.st_mode) || st.st_mtime >= s->before)
		return;
	if (s->what == SWEEP_INCOMPLETE &&
	    (st.st_mode & 07777) == QUEUE_MODE_COMPLETE)
		return;
	if (s->what == SWEEP_ORPHANS && !is_orphan(s->q, id))
		return;
	if (unlinkat(s->fd, id, 0) == 0)
		s->gone++;
}

static bool
goes_on(const struct sweep *s)
{
	return s->stop == NULL || !atomic_load(s->stop);
}

/* A directory that cannot be listed now is swept next time. */
static void
sweep_dir(struct sweep *s, struct queue_walk *w, int fd, enum sweep_what what)
{
	const char	(*ids)[QUEUE_ID_MAX];
	size_t		 n;

	s->fd = fd;
	s->what = what;
	while (goes_on(s) && queue_walk_next(w, &ids, &n, NULL) == 0 && n > 0)
		for (size_t i = 0; i < n && goes_on(s); i++)
			sweep_one(s, ids[i]);
}

int
queue_sweep(struct queue *q, usec_t age, const atomic_bool *stop)
{
	static const struct {
		enum queue_dir	dir;
		enum sweep_what	what;
	} dirs[] = {
		{ QUEUE_TMP, SWEEP_ALL }, { QUEUE_NEW, SWEEP_INCOMPLETE },
		{ QUEUE_HOLD, SWEEP_INCOMPLETE },
	};
	struct sweep		 s = {
		.q = q, .stop = stop,
		.before = (time_t)((clock_wall() - age) / USEC_PER_SEC),
	};
	struct queue_walk	*w;

	for (size_t i = 0; i < COUNT(dirs); i++) {
		if (queue_walk_open(q, dirs[i].dir, &w, NULL) < 0)
			continue;
		sweep_dir(&s, w, q->dirs[dirs[i].dir], dirs[i].what);
		queue_walk_close(&w);
	}
	if (queue_walk_open_log(q, &w, NULL) == 0) {
		sweep_dir(&s, w, q->log, SWEEP_ORPHANS);
		queue_walk_close(&w);
	}
	return s.gone;
}

int
queue_sync_dir(struct queue *q, enum queue_dir dir, struct error *err)
{
	return sync_dir(q->dirs[dir], queue_dir_names[dir], err);
}
