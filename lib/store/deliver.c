/* SPDX-License-Identifier: Apache-2.0 */
/* From a file in tmp/ to a message: content synced, renamed and logged under
 * the lock of the mailbox, then directory and log synced outside of it, so that
 * others need not wait for the disk.  Until both syncs are done nobody was told
 * that the message is there for good; a session may see it a moment earlier,
 * and after a crash of the machine its UID is not used again (log_reserve). */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/ascii.h"
#include "base/mem.h"
#include "store/record.h"
#include "store/store_int.h"
#include "store/uidlist.h"
#include "sys/clock.h"
#include "sys/file.h"

enum store_fail
store_fail_of(int sys)
{
	switch (sys) {
	case 0:
		return STORE_TEMP;
	case ENOSPC:
	case EDQUOT:
	case EFBIG:
		return STORE_NO_SPACE;
	case ENOENT:
		return STORE_NO_MAILBOX;
	default:
		return STORE_TEMP;
	}
}

char *
incoming_name(const struct store *s, struct arena *a)
{
	static atomic_uint	n;
	usec_t			now = clock_wall();

	return arena_printf(a, "%lld.M%06lldP%dQ%u.%s",
	    (long long)(now / USEC_PER_SEC), (long long)(now % USEC_PER_SEC),
	    (int)getpid(), atomic_fetch_add(&n, 1), s->host);
}

int
incoming_create(int dirfd, const char *tmp, struct error *err)
{
	int	fd = openat(dirfd, tmp, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC |
		    O_NOFOLLOW, 0600);

	if (fd < 0 && errno == ENOENT &&
	    (mkdirat(dirfd, "tmp", 0700) == 0 || errno == EEXIST))
		fd = openat(dirfd, tmp, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC |
		    O_NOFOLLOW, 0600);
	if (fd < 0)
		error_sys(err, "create %s", tmp);
	return fd;
}

int
incoming_finish(struct incoming *in, int fd, struct error *err)
{
	usec_t		t = in->m.internaldate;
	struct timespec	times[2] = {
		{ .tv_nsec = UTIME_OMIT },
		{ .tv_sec = t / USEC_PER_SEC,
		  .tv_nsec = t % USEC_PER_SEC * 1000 },
	};

	if (record_of(fd, in->mem, &in->m, err) < 0)
		return -1;
	/* INTERNALDATE is the file's time for other programs. */
	if (times[1].tv_nsec < 0)
		times[1].tv_nsec = 0;
	(void)!futimens(fd, times);
	if (fsync(fd) < 0)
		return error_sys(err, "sync %s", in->tmp);
	in->base = arena_printf(in->mem, "%s,S=%llu,W=%llu", in->base,
	    (unsigned long long)in->m.disk_size,
	    (unsigned long long)in->m.wire_size);
	return 0;
}

/* Bits of the keywords in this mailbox; new ones are made. */
static uint64_t
keyword_bits(struct box *b, const struct incoming *in)
{
	uint64_t	bits = 0;

	for (size_t i = 0; i < in->nkeywords; i++) {
		unsigned int	n = 0;

		while (n < b->nkeywords &&
		    !slice_iis(slice_str(b->keywords[n]), in->keywords[i]))
			n++;
		/* No room for its name: the message is more important. */
		if (n == STORE_KEYWORDS_MAX)
			continue;
		if (n == b->nkeywords)
			box_put_keyword(b, n, slice_str(in->keywords[i]));
		bits |= UINT64_C(1) << n;
	}
	return bits;
}

static int
add_one(struct box *b, struct incoming *in, uint32_t uid, struct buf *rows,
    struct error *err)
{
	struct buf	name;
	const char	*to;

	in->m.keywords |= keyword_bits(b, in);
	buf_init(&name, 1024);
	buf_addf(&name, "new/%s", in->base);
	to = arena_strdup(in->mem, buf_cstr(&name));
	buf_reset(&name);
	record_name(&name, slice_str(to), in->m.flags, in->m.keywords);
	to = arena_strdup(in->mem, buf_cstr(&name));
	buf_clear(&name);
	if (renameat2(b->dirfd, in->tmp, b->dirfd, to, RENAME_NOREPLACE) < 0)
		return error_sys(err, "rename %s to %s", in->tmp, to);
	in->tmp = arena_strdup(in->mem, to);
	in->m.name = slice_str(to);
	uidlist_row(rows, uid, in->m.name);
	box_put_append(b, uid, &in->m);
	return 0;
}

int
incoming_add(struct box *b, struct incoming **in, size_t n,
    struct store_done *done, struct error *err)
{
	struct buf	rows;
	unsigned int	keywords;
	uint32_t	uid;
	int		r = 0;

	if (box_begin(b, err) < 0)
		return -1;
	keywords = b->nkeywords;
	if ((uid = box_uids(b, (uint32_t)n, err)) == 0) {
		box_abort(b);
		return -1;
	}
	buf_init(&rows, (size_t)1 << 30);
	box_dirs_begin(b);
	for (size_t i = 0; r == 0 && i < n; i++)
		r = add_one(b, in[i], uid + (uint32_t)i, &rows, err);
	box_dirs_end(b);
	if (r == 0) {
		/* Before the log: then a log that is lost later finds its
		 * UIDs here. */
		uidlist_append(b->dirfd, buf_slice(&rows));
		r = box_commit(b, err);
	} else {
		box_abort(b);
	}
	buf_clear(&rows);
	if (r < 0)
		return -1;
	if (keywords != b->nkeywords)
		(void)!uidlist_keywords_write(b, NULL);
	/* From here on they are messages; cleaning up leaves them alone. */
	for (size_t i = 0; i < n; i++)
		in[i]->tmp = NULL;
	*done = (struct store_done){ .fail = STORE_OK,
	    .uidvalidity = b->log.header.uidvalidity, .uid = uid,
	    .uid_count = (uint32_t)n };
	return 0;
}

int
incoming_sync(struct box *b, struct error *err)
{
	if (file_sync_dir(b->newfd, err) < 0 ||
	    file_sync_dir(b->curfd, err) < 0)
		return -1;
	if (fdatasync(b->log.fd) < 0)
		return error_sys(err, "sync %s", LOG_FILE);
	return 0;
}

static bool
has_keywords(struct incoming **in, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (in[i]->nkeywords > 0)
			return true;
	return false;
}

static int
sys_of(const struct error *err)
{
	return err->sys != 0 ? err->sys : EIO;
}

int
commit_now(const char *path, const char *host, struct incoming **in,
    size_t n, struct store_done *r, struct error *err)
{
	struct box	b;
	int		result = -1;

	*r = (struct store_done){ .fail = STORE_TEMP };
	err->sys = 0;
	if (box_open(&b, path, host, !has_keywords(in, n), err) < 0) {
		r->fail = store_fail_of(sys_of(err));
		return -1;
	}
	if (incoming_add(&b, in, n, r, err) == 0)
		result = incoming_sync(&b, err);
	if (result < 0)
		*r = (struct store_done){ .fail = err->sys == ENOENT ?
		    STORE_GONE : store_fail_of(sys_of(err)) };
	box_close(&b);
	return result;
}
