/* SPDX-License-Identifier: Apache-2.0 */
#include "store/table.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "store/log.h"
#include "sys/file.h"

#define NAME		"posthouse.mailboxes"
#define MAX_SLOTS	100000

struct slot {				/* the file is an array of these */
	char		 dir[256];
	struct table_key key;
	struct store_status status;
	char		 pad[92];
	uint32_t	 crc;
};
_Static_assert(sizeof(struct slot) % 8 == 0, "slot");

static uint32_t
crc(const struct slot *s)
{
	return crc32c(1, s, offsetof(struct slot, crc));
}

static bool
stat_at(const char *path, const char *name, struct stat *st)
{
	char	file[4096];
	int	n = snprintf(file, sizeof(file), "%s/%s", path, name);

	return n > 0 && (size_t)n < sizeof(file) && stat(file, st) == 0;
}

static int64_t
ns(const struct stat *st)
{
	return (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
}

bool
table_key(const char *path, struct table_key *out)
{
	struct stat	log, new, cur;

	if (!stat_at(path, LOG_FILE, &log) || !stat_at(path, "new", &new) ||
	    !stat_at(path, "cur", &cur))
		return false;
	*out = (struct table_key){ .log_ino = log.st_ino,
	    .log_size = (uint64_t)log.st_size, .new_ns = ns(&new),
	    .cur_ns = ns(&cur) };
	return true;
}

static int
open_table(const char *root, int flags)
{
	char	file[4096];
	int	n = snprintf(file, sizeof(file), "%s/%s", root, NAME);

	if (n < 0 || (size_t)n >= sizeof(file))
		return -1;
	return open(file, flags | O_CLOEXEC | O_NOFOLLOW, 0600);
}

/* Slot number of dir; of a free one if it has none; or where the file ends. */
static size_t
find_slot(int fd, const char *dir, struct slot *out, bool *found_out)
{
	struct slot	chunk[64];
	size_t		at = 0, unused = SIZE_MAX;
	ssize_t		n;

	*found_out = false;
	while (at < MAX_SLOTS && (n = file_pread(fd, chunk, sizeof(chunk),
	    (off_t)(at * sizeof(*chunk)))) >= (ssize_t)sizeof(*chunk)) {
		size_t	got = (size_t)n / sizeof(*chunk);

		for (size_t i = 0; i < got; i++, at++) {
			bool	good = crc(&chunk[i]) == chunk[i].crc;

			if (!good && unused == SIZE_MAX)
				unused = at;
			if (!good || strncmp(chunk[i].dir, dir,
			    sizeof(chunk[i].dir)) != 0)
				continue;
			*out = chunk[i];
			*found_out = true;
			return at;
		}
		if (got < COUNT(chunk))
			break;
	}
	return unused != SIZE_MAX ? unused : at;
}

bool
table_get(const char *root, const char *dir, const struct table_key *key,
    struct store_status *out)
{
	int		fd = open_table(root, O_RDONLY);
	struct slot	s;
	bool		found;

	if (fd < 0)
		return false;
	(void)find_slot(fd, dir, &s, &found);
	close(fd);
	if (!found || memcmp(&s.key, key, sizeof(*key)) != 0)
		return false;
	*out = s.status;
	return true;
}

void
table_put(const char *root, const char *dir, const struct table_key *key,
    const struct store_status *status)
{
	int		fd = open_table(root, O_RDWR | O_CREAT);
	struct slot	s, old;
	size_t		at;
	bool		found;

	if (fd < 0)
		return;
	memset(&s, 0, sizeof(s));
	(void)snprintf(s.dir, sizeof(s.dir), "%s", dir);
	s.key = *key;
	s.status = *status;
	s.crc = crc(&s);
	/* Lost updates would do no harm, two slots for one mailbox neither;
	 * the lock keeps the file tidy. */
	if (file_lock(fd, true, true) == 0) {
		at = find_slot(fd, dir, &old, &found);
		if (at < MAX_SLOTS)
			(void)!file_pwrite(fd, &s, sizeof(s),
			    (off_t)(at * sizeof(s)));
	}
	close(fd);
}
