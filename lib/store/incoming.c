/* SPDX-License-Identifier: Apache-2.0 */
/* From a file in tmp/ to a message: content synced, renamed and logged under
 * the lock of the mailbox, then directory and log synced outside of it, so that
 * others need not wait for the disk.  Until then nobody was told that the
 * message is there for good; a session may see it a moment earlier, and after a
 * crash of the machine its UID is not used again (log_reserve).
 *
 * The message does not need the log: a file without a record is found and gets
 * a UID.  So the log is synced at once only for those who tell a client the UID
 * (APPEND, COPY); a delivery leaves that to the next second (place.c). */
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

void
incoming_put_crlf(struct buf *out, struct slice s, int *last)
{
	while (s.len > 0) {
		ptrdiff_t	lf = slice_find(s, '\n');
		size_t		upto = lf < 0 ? s.len : (size_t)lf;
		int		before = upto > 0 ? s.p[upto - 1] : *last;

		buf_add(out, s.p, upto);
		*last = upto > 0 ? s.p[upto - 1] : *last;
		if (lf >= 0) {
			if (before != '\r')
				buf_addc(out, '\r');
			buf_addc(out, '\n');
			*last = '\n';
			upto++;
		}
		s = slice_from(s, upto);
	}
}

int
incoming_write_crlf(int fd, const unsigned char *p, size_t n, int *last,
    struct buf *tmp)
{
	buf_reset(tmp);
	incoming_put_crlf(tmp, slice_of(p, n), last);
	return file_write(fd, buf_slice(tmp).p, buf_len(tmp));
}

void
incoming_named(struct incoming *in, int fd)
{
	usec_t		t = in->m.internaldate;
	struct timespec	times[2] = {
		{ .tv_nsec = UTIME_OMIT },
		{ .tv_sec = t / USEC_PER_SEC,
		  .tv_nsec = t % USEC_PER_SEC * 1000 },
	};

	/* INTERNALDATE is the file's time for other programs. */
	if (times[1].tv_nsec < 0)
		times[1].tv_nsec = 0;
	(void)!futimens(fd, times);
	in->base = arena_printf(in->mem, "%s,S=%llu,W=%llu", in->base,
	    (unsigned long long)in->m.disk_size,
	    (unsigned long long)in->m.wire_size);
}

int
incoming_finish(struct incoming *in, int fd, struct error *err)
{
	if (record_of(fd, in->mem, &in->m, err) < 0)
		return -1;
	incoming_named(in, fd);
	if (fsync(fd) < 0)
		return error_sys(err, "sync %s", in->tmp);
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

/* Which directories they go to, as record_name() says. */
static void
where(struct incoming **in, size_t n, bool *new, bool *cur)
{
	*new = *cur = false;
	for (size_t i = 0; i < n; i++)
		if (in[i]->m.flags == 0 && in[i]->nkeywords == 0)
			*new = true;
		else
			*new = *cur = true;
}

int
incoming_add(struct box *b, struct incoming **in, size_t n,
    struct store_done *done, struct error *err)
{
	struct buf	rows;
	unsigned int	keywords;
	uint32_t	uid;
	bool		new, cur;
	int		r = 0;

	if (box_begin(b, err) < 0)
		return -1;
	keywords = b->nkeywords;
	if ((uid = box_uids(b, (uint32_t)n, err)) == 0) {
		box_abort(b);
		return -1;
	}
	buf_init(&rows, (size_t)1 << 30);
	where(in, n, &new, &cur);
	box_dirs_begin(b, new, cur);
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

/* Only directories that got something: a sync with nothing to do still makes
 * the disk empty its cache. */
int
incoming_sync(struct box *b, struct incoming **in, size_t n, bool log,
    struct error *err)
{
	bool	new = false, cur = false;

	for (size_t i = 0; i < n; i++)
		if (slice_starts(in[i]->m.name, "new/"))
			new = true;
		else
			cur = true;
	if ((new && file_sync_dir(b->newfd, err) < 0) ||
	    (cur && file_sync_dir(b->curfd, err) < 0))
		return -1;
	if (log && fdatasync(b->log.fd) < 0)
		return error_sys(err, "sync %s", LOG_FILE);
	return 0;
}

bool
incoming_keyworded(struct incoming **in, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (in[i]->nkeywords > 0)
			return true;
	return false;
}

struct incoming *
incoming_new(struct store *s)
{
	struct arena	*mem = arena_new();
	struct incoming	*in = arena_alloc(mem, sizeof(*in));

	in->mem = mem;
	in->base = incoming_name(s, mem);
	in->m.savedate = clock_wall();
	return in;
}

void
incoming_free(struct incoming *in, const char *path)
{
	struct arena	*mem = in->mem;

	if (in->tmp != NULL) {
		int	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		if (fd >= 0) {
			(void)unlinkat(fd, in->tmp, 0);
			close(fd);
		}
	}
	arena_free(&mem);
}

void
incoming_keywords(struct incoming *in, const char *const *keywords)
{
	for (; keywords != NULL && *keywords != NULL &&
	    in->nkeywords < STORE_KEYWORDS_MAX; keywords++)
		if ((*keywords)[0] != '\0' &&
		    strlen(*keywords) <= STORE_KEYWORD_LEN)
			in->keywords[in->nkeywords++] =
			    arena_strdup(in->mem, *keywords);
}
