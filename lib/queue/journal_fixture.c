/* SPDX-License-Identifier: Apache-2.0 */
#include "queue/journal_fixture.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/mem.h"
#include "sys/file.h"
#include "sys/loop.h"
#include "sys/syncer.h"

char			 dir[64];
struct loop		*loop;
struct queue		*writer, *q;
struct journal		*j;
struct arena		*a;
struct error		 err;
struct journal_recovery	 got;
struct sent		 sent[MOST];
size_t			 nsent, ndone, nstrangers;

size_t			 nclients;

static struct syncer	*syncer;

atomic_int	syncs, fail_sync, batches, fills;
atomic_llong	fail_read = -1, stale_read = -1;
atomic_bool	no_syncs, hold_syncs, fail_syncfs;
atomic_int	held_syncs;

/*
 * The disk.
 */

static bool
sync_fails(void)
{
	(void)atomic_fetch_add(&syncs, 1);
	if (atomic_load(&fail_sync) <= 0 ||
	    atomic_fetch_sub(&fail_sync, 1) != 1)
		return false;
	errno = EIO;
	return true;
}

/* Without an effect it is still a call, for who counts those. */
static int
real_sync(long call, int fd)
{
	if (sync_fails())
		return -1;
	return (int)(atomic_load(&no_syncs) ? syscall(SYS_getppid) * 0 :
	    syscall(call, fd));
}

int
fdatasync(int fd)
{
	(void)atomic_fetch_add(&batches, 1);
	(void)atomic_fetch_add(&held_syncs, 1);
	while (atomic_load(&hold_syncs))
		(void)usleep(1000);
	(void)atomic_fetch_sub(&held_syncs, 1);
	return real_sync(SYS_fdatasync, fd);
}

ssize_t
pwrite(int fd, const void *p, size_t n, off_t at)
{
	if (n == (size_t)1 << 20)
		(void)atomic_fetch_add(&fills, 1);
	return syscall(SYS_pwrite64, fd, p, n, at);
}

int
fsync(int fd)
{
	return real_sync(SYS_fsync, fd);
}

int
syncfs(int fd)
{
	if (atomic_load(&fail_syncfs)) {
		errno = EIO;
		return -1;
	}
	return real_sync(SYS_syncfs, fd);
}

ssize_t
pread(int fd, void *p, size_t n, off_t at)
{
	long long	from = atomic_load(&fail_read);
	long long	stale = atomic_load(&stale_read);
	ssize_t		did;

	if (from >= 0 && at >= from) {
		errno = EIO;
		return -1;
	}
	did = syscall(SYS_pread64, fd, p, n, at);
	if (stale >= at && stale + (long long)SEG_FRAME <= at + did) {
		memset((char *)p + (stale - at), 0, SEG_FRAME);
		atomic_store(&stale_read, -1);
	}
	return did;
}

/* Nothing is asserted while little may be written: that writes. */
void
limit_files(size_t to)
{
	struct rlimit	lim;

	(void)signal(SIGXFSZ, SIG_IGN);
	(void)getrlimit(RLIMIT_FSIZE, &lim);
	lim.rlim_cur = to;
	if (setrlimit(RLIMIT_FSIZE, &lim) < 0)
		abort();
}

void
unlimit_files(void)
{
	struct rlimit	lim;

	(void)getrlimit(RLIMIT_FSIZE, &lim);
	lim.rlim_cur = lim.rlim_max;
	if (setrlimit(RLIMIT_FSIZE, &lim) < 0)
		abort();
}

/*
 * Who takes part.
 */

static size_t
count_clients(void *arg)
{
	(void)arg;
	return nclients;
}

void
open_writer(void)
{
	struct queue_conf	 c = { .dir = dir, .journal = true,
	    .clients = count_clients };

	loop = loop_new();
	syncer = syncer_new(loop, 2);
	ck_assert_msg(queue_open(&c, true, syncer, &writer, &err) == 0, "%s",
	    err.text);
}

void
close_writer(void)
{
	if (writer == NULL)
		return;
	syncer_free(&syncer);
	queue_close(&writer);
	loop_free(&loop);
}

static void
found(void *arg, struct journal_rec *r)
{
	(void)arg;
	for (size_t i = 0; i < nsent; i++) {
		if (strcmp(sent[i].id, r->id) != 0)
			continue;
		sent[i].seen++;
		sent[i].rec = r;
		return;
	}
	nstrangers++;
}

void
open_reader(void)
{
	struct queue_conf	 c = { .dir = dir };

	ck_assert_int_eq(queue_open(&c, true, NULL, &q, &err), 0);
	ck_assert_int_eq(journal_open(q, found, NULL, &j, &err), 0);
}

static void
forget_recs(void)
{
	for (size_t i = 0; i < nsent; i++) {
		sent[i].seen = 0;
		sent[i].rec = NULL;
	}
	nstrangers = 0;
}

void
close_reader(void)
{
	journal_close(&j);
	queue_close(&q);
	forget_recs();
}

void
kill_reader(void)
{
	LIST_EACH(l, &j->segs)
		buf_reset(&LIST_ENTRY(l, struct journal_seg, link)->done_out);
	close_reader();
}

void
start_reader(void)
{
	open_reader();
	ck_assert_msg(journal_start(j, &got, &err) == 0, "%s", err.text);
}

void
setup(void)
{
	const char	*tmp = getenv("TMPDIR");

	(void)snprintf(dir, sizeof(dir), "%s/journal-test-XXXXXX",
	    tmp != NULL && strlen(tmp) < 30 ? tmp : "/tmp");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	a = arena_new();
	nsent = ndone = nstrangers = 0;
	nclients = 20;
	open_writer();
}

static int
rm(const char *path, const struct stat *st, int what, struct FTW *f)
{
	(void)st;
	(void)what;
	(void)f;
	return remove(path);
}

static int
rm_file(const char *path, const struct stat *st, int what, struct FTW *f)
{
	(void)f;
	return S_ISDIR(st->st_mode) ? what * 0 : remove(path);
}

void
clear_queue(void)
{
	ck_assert_int_eq(nftw(dir, rm_file, 16, FTW_PHYS), 0);
}

void
teardown(void)
{
	close_writer();
	journal_close(&j);
	queue_close(&q);
	arena_free(&a);
	ck_assert_int_eq(nftw(dir, rm, 16, FTW_DEPTH | FTW_PHYS), 0);
}

/*
 * Committing.
 */

static struct queue_rcpt	 three[] = {
	{ .address = "bob@example.net", .notify = 3 },
	{ .address = "carol@example.net", .dsn_orcpt = "rfc822;c@d" },
	{ .address = "dave@example.net" },
};
static const struct queue_env	 env = {
	.sender = "alice@example.com", .arrival = 1700000000123456,
	.client_helo = "mx", .rcpts = three, .nrcpts = COUNT(three)
};

static void
committed(void *arg, int result, const struct error *e)
{
	struct sent	*s = arg;

	ck_assert(!s->done);
	ck_assert((result < 0) == (e != NULL));
	s->done = true;
	s->result = result;
	ndone++;
}

static char *
content_of(const struct sent *s)
{
	char	*text = mem_new(s->size + 1, 1);
	size_t	 n = (size_t)(s - sent);

	memset(text, 'a' + (int)(n % 26), s->size);
	text[0] = (char)('A' + n / 26 % 26);
	memcpy(text + s->size - 2, "\r\n", 2);
	return text;
}

static void
begin(size_t size, bool bad)
{
	struct sent		*s = &sent[nsent++];
	struct queue_file	*f;
	char			*text;

	ck_assert_uint_le(nsent, MOST);
	*s = (struct sent){ .size = size };
	queue_file_new(writer, &f);
	(void)snprintf(s->id, sizeof(s->id), "%s", queue_file_id(f));
	text = content_of(s);
	if (bad)
		text[size / 2] = '\n';
	ck_assert_int_eq(queue_file_write(f, text, size, &err), 0);
	mem_free(&text);
	queue_file_commit(&f, &env, false, committed, s);
}

void
commit_begin(size_t size)
{
	begin(size, false);
}

void
commit_begin_bad(size_t size)
{
	begin(size, true);
}

void
wait_all(void)
{
	while (ndone < nsent)
		loop_once(loop, SECS(1));
}

void
commit(size_t n, size_t size)
{
	for (size_t i = 0; i < n; i++)
		commit_begin(size);
	wait_all();
}

void
commit_apart(size_t n, size_t size)
{
	for (size_t i = 0; i < n; i++)
		commit(1, size);
}

/*
 * Looking.
 */

static bool
msg_is_good(const struct queue_msg *m, const struct sent *s)
{
	char	*want = content_of(s), *have = mem_new(s->size, 1);
	bool	 good = m->content_size == s->size &&
		    file_pread(m->fd, have, s->size,
		    (off_t)m->content_offset) == (ssize_t)s->size &&
		    memcmp(want, have, s->size) == 0 &&
		    strcmp(m->id, s->id) == 0 &&
		    strcmp(m->env.sender, env.sender) == 0 &&
		    strcmp(m->env.client_helo, env.client_helo) == 0 &&
		    m->env.arrival == env.arrival &&
		    m->env.nrcpts == env.nrcpts;

	for (size_t i = 0; good && i < env.nrcpts; i++)
		good = strcmp(m->env.rcpts[i].address,
		    three[i].address) == 0 &&
		    m->env.rcpts[i].notify == three[i].notify;
	mem_free(&want);
	mem_free(&have);
	return good;
}

bool
rec_is_good(const struct sent *s)
{
	struct queue_msg	 m;
	struct arena		*mem = arena_new();
	bool			 good = s->rec != NULL &&
				    journal_msg_open(s->rec, mem, &m, &err) ==
				    QUEUE_OK && msg_is_good(&m, s);

	arena_free(&mem);
	return good;
}

int
file_is_good(const struct sent *s, enum queue_dir where)
{
	struct arena		*mem = arena_new();
	struct queue_msg	 m;
	enum queue_read		 r = queue_msg_open(q, where, s->id, false,
				    true, mem, &m, &err);
	int			 good = r == QUEUE_GONE ? 0 : -1;

	if (r == QUEUE_OK) {
		good = msg_is_good(&m, s) ? 1 : -1;
		queue_msg_close(&m);
	}
	arena_free(&mem);
	return good;
}

static bool
count_one(void *arg, const char *name)
{
	(void)name;
	++*(size_t *)arg;
	return true;
}

size_t
in_dir(enum queue_dir d)
{
	size_t	n = 0;

	ck_assert_int_eq(queue_each(q, d, count_one, &n, &err), 0);
	return n;
}

struct names {
	char	(*out)[QUEUE_ID_MAX];
	size_t	 n, max;
	int	 fd;
};

static bool
note_segment(void *arg, const char *name)
{
	struct names	*l = arg;
	struct stat	 st;

	if (!journal_seg_name(name) || fstatat(l->fd, name, &st, 0) < 0 ||
	    st.st_size == 0)
		return true;
	if (l->n < l->max)
		(void)snprintf(l->out[l->n], QUEUE_ID_MAX, "%s", name);
	l->n++;
	return true;
}

static int
journal_dir(void)
{
	return q != NULL ? q->journal : writer->journal;
}

size_t
segments(char (*out)[QUEUE_ID_MAX], size_t max)
{
	struct names	l = { .out = out, .max = max, .fd = journal_dir() };

	ck_assert_int_eq(queue_each_name(l.fd, note_segment, &l, &err), 0);
	return l.n;
}

int
segment_fd(char name[QUEUE_ID_MAX])
{
	char	one[1][QUEUE_ID_MAX];
	int	fd;

	ck_assert_uint_eq(segments(one, 1), 1);
	memcpy(name, one[0], QUEUE_ID_MAX);
	fd = openat(journal_dir(), name, O_RDWR | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	return fd;
}

bool
in_journal(const char *name)
{
	return faccessat(journal_dir(), name, F_OK, 0) == 0;
}
