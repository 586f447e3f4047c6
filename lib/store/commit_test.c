/* SPDX-License-Identifier: Apache-2.0 */
/* What deliveries share: rounds, syncs, and mailboxes that stay open.  fsync()
 * and fdatasync() are ours here: they note what is synced, and fail on
 * order. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/check_run.h"
#include "base/list.h"
#include "store/box.h"
#include "store/store.h"
#include "store/store_fixture.h"
#include "store/view.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "sys/loop.h"

enum { SYNC_TMP, SYNC_NEW, SYNC_CUR, SYNC_LOG, SYNC_OTHER, SYNC_KINDS };

static const char *const	endings[SYNC_KINDS] = {
	[SYNC_NEW] = "/new", [SYNC_CUR] = "/cur", [SYNC_LOG] = "/" LOG_FILE,
};

static pthread_mutex_t	mutex = PTHREAD_MUTEX_INITIALIZER;
static unsigned int	synced[SYNC_KINDS];
static int		fail_kind = -1;		/* this one fails, once */
static char		fail_in[100];		/* ... with this in its path */

static int
kind_of(int fd, char path[1000])
{
	char	link[64];
	ssize_t	n;

	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, 999);
	path[n < 0 ? 0 : n] = '\0';
	if (strstr(path, "/tmp/") != NULL && strstr(path, ".host") != NULL)
		return SYNC_TMP;
	for (int k = 0; k < SYNC_KINDS; k++) {
		size_t	len = endings[k] == NULL ? 0 : strlen(endings[k]);

		if (len > 0 && (size_t)n >= len &&
		    strcmp(path + (size_t)n - len, endings[k]) == 0)
			return k;
	}
	return SYNC_OTHER;
}

/* False: it shall fail. */
static bool
note(int fd)
{
	char		 path[1000];
	int		 k = kind_of(fd, path);
	bool		 good;

	pthread_mutex_lock(&mutex);
	synced[k]++;
	good = k != fail_kind || strstr(path, fail_in) == NULL;
	if (!good)
		fail_kind = -1;
	pthread_mutex_unlock(&mutex);
	return good;
}

int
fsync(int fd)
{
	if (note(fd))
		return (int)syscall(SYS_fsync, fd);
	errno = EIO;
	return -1;
}

int
fdatasync(int fd)
{
	if (note(fd))
		return (int)syscall(SYS_fdatasync, fd);
	errno = EIO;
	return -1;
}

struct waiting {
	bool			 ran;
	struct store_done	 r;
	unsigned int		 seen[SYNC_KINDS];	/* when it ran */
};

static void
done_cb(void *arg, const struct store_done *r)
{
	struct waiting	*w = arg;

	ck_assert(!w->ran);
	w->ran = true;
	w->r = *r;
	pthread_mutex_lock(&mutex);
	memcpy(w->seen, synced, sizeof(synced));
	pthread_mutex_unlock(&mutex);
}

static void
begin(struct waiting *w, const char *mailbox, unsigned int flags, int n)
{
	char			*text = arena_printf(mem, "Subject: number %d\n"
				    "\nBody\r\n", n);
	struct store_delivery	 d = { .mailbox = mailbox, .create = true,
				    .flags = flags, .size = strlen(text) };

	*w = (struct waiting){ .ran = false };
	d.fd = temp_fd(text, d.size);
	store_deliver(user, &d, done_cb, w);
	close(d.fd);
	ck_assert(!w->ran);
}

static enum store_fail
deliver(const char *mailbox, int n)
{
	struct waiting	w;

	begin(&w, mailbox, 0, n);
	wait_for(&w.ran);
	return w.r.fail;
}

static uint32_t
messages(const char *mailbox)
{
	struct store_status	st;

	ck_assert_msg(store_status(user, mailbox, &st, &fail, &err) == 0,
	    "%s: %s", mailbox, err.text);
	return st.messages;
}

static unsigned int
syncs(int kind)
{
	unsigned int	n;

	pthread_mutex_lock(&mutex);
	n = synced[kind];
	pthread_mutex_unlock(&mutex);
	return n;
}

static void
forget_syncs(void)
{
	pthread_mutex_lock(&mutex);
	memset(synced, 0, sizeof(synced));
	pthread_mutex_unlock(&mutex);
}

/* Every file is synced; the directory a few times for all of them, and cur/,
 * where nothing went, not at all. */
START_TEST(shared)
{
	enum { N = 100 };
	static struct waiting	w[N];

	ck_assert_int_eq(deliver(NULL, 0), STORE_OK);
	forget_syncs();
	for (int i = 0; i < N; i++)
		begin(&w[i], NULL, 0, i);
	for (int i = 0; i < N; i++) {
		wait_for(&w[i].ran);
		ck_assert_int_eq(w[i].r.fail, STORE_OK);
		ck_assert_uint_ge(w[i].seen[SYNC_NEW], 1);
		ck_assert_uint_ge(w[i].seen[SYNC_TMP], 1);
	}
	ck_assert_uint_eq(syncs(SYNC_TMP), N);
	ck_assert_uint_le(syncs(SYNC_NEW), N / 10);
	ck_assert_uint_eq(syncs(SYNC_CUR), 0);
	ck_assert_uint_eq(messages("INBOX"), N + 1);
}
END_TEST

/* Flags mean cur/. */
START_TEST(flagged)
{
	struct waiting	w;

	ck_assert_int_eq(deliver(NULL, 0), STORE_OK);
	forget_syncs();
	begin(&w, NULL, STORE_SEEN, 1);
	wait_for(&w.ran);
	ck_assert_int_eq(w.r.fail, STORE_OK);
	ck_assert_uint_eq(w.seen[SYNC_CUR], 1);
	ck_assert_uint_eq(w.seen[SYNC_NEW], 0);
}
END_TEST

/* The log of a delivery is synced soon; that of APPEND before its UID is
 * told. */
START_TEST(log_sync)
{
	struct view_append	*p;
	struct waiting		 w;
	usec_t			 end;

	ck_assert_int_eq(deliver(NULL, 0), STORE_OK);
	forget_syncs();
	begin(&w, NULL, 0, 1);
	wait_for(&w.ran);
	ck_assert_uint_eq(w.seen[SYNC_LOG], 0);
	end = clock_mono() + SECS(100);
	while (syncs(SYNC_LOG) == 0 && clock_mono() < end)
		loop_once(loop, MSECS(50));
	ck_assert_uint_eq(syncs(SYNC_LOG), 1);
	forget_syncs();
	w.ran = false;
	ck_assert(view_append_new(user, "INBOX", &p, &fail, &err) == 0);
	ck_assert(view_append_begin(p, 0, NULL, 0, &err) == 0);
	ck_assert(view_append_write(p, "a: b\r\n\r\n", 8, &err) == 0);
	ck_assert(view_append_end(p, &err) == 0);
	view_append_commit(&p, done_cb, &w);
	wait_for(&w.ran);
	ck_assert_int_eq(w.r.fail, STORE_OK);
	ck_assert_uint_eq(w.r.uid, 3);
	ck_assert_uint_eq(w.seen[SYNC_LOG], 1);
	ck_assert_uint_eq(w.seen[SYNC_NEW], 1);
}
END_TEST

/* Everybody who waited for a sync that failed hears of it, nobody else does,
 * and the next delivery works. */
START_TEST(shared_failure)
{
	enum { N = 20 };
	static struct waiting	w[N], other;
	unsigned int		failed = 0;

	ck_assert_int_eq(deliver(NULL, 0), STORE_OK);
	ck_assert_int_eq(deliver("Other", 0), STORE_OK);
	forget_syncs();
	(void)snprintf(fail_in, sizeof(fail_in), "Maildir/new");
	fail_kind = SYNC_NEW;
	for (int i = 0; i < N; i++)
		begin(&w[i], NULL, 0, i);
	begin(&other, "Other", 0, 1);
	for (int i = 0; i < N; i++) {
		wait_for(&w[i].ran);
		ck_assert(w[i].r.fail == STORE_OK ||
		    w[i].r.fail == STORE_TEMP);
		failed += w[i].r.fail == STORE_TEMP ? 1 : 0;
		ck_assert(w[i].r.fail == STORE_OK || w[i].r.uid == 0);
	}
	wait_for(&other.ran);
	ck_assert_int_eq(other.r.fail, STORE_OK);
	ck_assert_int_eq(fail_kind, -1);
	/* They came together, so they went together. */
	ck_assert_uint_eq(failed, N);
	ck_assert_int_eq(deliver(NULL, 1), STORE_OK);
}
END_TEST

/* A file that cannot be synced is its own sender's trouble. */
START_TEST(file_failure)
{
	enum { N = 20 };
	static struct waiting	w[N];
	unsigned int		failed = 0;

	ck_assert_int_eq(deliver(NULL, 0), STORE_OK);
	fail_in[0] = '\0';
	fail_kind = SYNC_TMP;
	for (int i = 0; i < N; i++)
		begin(&w[i], NULL, 0, i);
	for (int i = 0; i < N; i++) {
		wait_for(&w[i].ran);
		failed += w[i].r.fail == STORE_TEMP ? 1 : 0;
	}
	ck_assert_uint_eq(failed, 1);
	ck_assert_uint_eq(messages("INBOX"), N);
	/* Nothing of it is left: rmdir wants an empty directory. */
	ck_assert_int_eq(rmdir(arena_printf(mem, "%s/tmp", maildir)), 0);
	ck_assert_int_eq(deliver(NULL, 1), STORE_OK);
}
END_TEST

/* Somebody else has the lock of one log: only that mailbox waits. */
START_TEST(locked_log)
{
	struct waiting	w[3];
	int		fd;

	ck_assert_int_eq(deliver(NULL, 0), STORE_OK);
	fd = open(arena_printf(mem, "%s/%s", maildir, LOG_FILE), O_RDWR);
	ck_assert_int_eq(file_lock(fd, true, false), 0);
	begin(&w[0], NULL, 0, 1);
	begin(&w[1], "Other", 0, 2);
	wait_for(&w[1].ran);
	ck_assert_int_eq(w[1].r.fail, STORE_OK);
	begin(&w[2], NULL, 0, 3);
	for (int i = 0; i < 10; i++)
		ck_assert_int_eq(deliver("Other", i), STORE_OK);
	ck_assert(!w[0].ran && !w[2].ran);
	close(fd);
	wait_for(&w[0].ran);
	wait_for(&w[2].ran);
	ck_assert_int_eq(w[0].r.fail, STORE_OK);
	ck_assert_int_eq(w[2].r.fail, STORE_OK);
	ck_assert_uint_eq(messages("INBOX"), 3);
}
END_TEST

/* A mailbox that is kept open must still be the one that the path names. */
START_TEST(moved_away)
{
	char	*from, *to;

	ck_assert_int_eq(deliver("A", 0), STORE_OK);
	ck_assert(store_rename(user, "A", "B", &fail, &err) == 0);
	ck_assert_int_eq(deliver("A", 1), STORE_OK);
	ck_assert_int_eq(deliver("A", 2), STORE_OK);
	ck_assert_uint_eq(messages("A"), 2);
	ck_assert_uint_eq(messages("B"), 1);
	ck_assert(store_delete(user, "A", &fail, &err) == 0);
	ck_assert_int_eq(deliver("A", 3), STORE_OK);
	ck_assert_uint_eq(messages("A"), 1);
	/* new/ replaced, as by a restored backup: its sync counts. */
	from = arena_printf(mem, "%s/.A/new", maildir);
	to = arena_printf(mem, "%s/.A/old", maildir);
	ck_assert(rename(from, to) == 0 && mkdir(from, 0700) == 0);
	ck_assert_int_eq(deliver("A", 4), STORE_OK);
	ck_assert_int_eq(rmdir(from), -1);
	ck_assert_int_eq(errno, ENOTEMPTY);
}
END_TEST

static size_t
open_files(void)
{
	size_t	n = 0;

	for (int fd = 0; fd < 1000; fd++)
		n += fcntl(fd, F_GETFD) >= 0 ? 1 : 0;
	return n;
}

/* More mailboxes than may be kept: all get their mail, few stay open, and
 * those that do not have their logs synced. */
START_TEST(many_places)
{
	enum { N = 100, FILES = 320, KEPT = FILES / 16 };
	static struct waiting	w[N];
	struct rlimit		r, was;
	size_t			before;

	close_store();
	ck_assert(getrlimit(RLIMIT_NOFILE, &was) == 0);
	r = was;
	r.rlim_cur = FILES;
	ck_assert(setrlimit(RLIMIT_NOFILE, &r) == 0);
	open_store();
	ck_assert(setrlimit(RLIMIT_NOFILE, &was) == 0);
	before = open_files();
	forget_syncs();
	for (int round = 1; round <= 2; round++) {
		for (int i = 0; i < N; i++)
			begin(&w[i], arena_printf(mem, "box%d", i), 0, i);
		for (int i = 0; i < N; i++) {
			wait_for(&w[i].ran);
			ck_assert_int_eq(w[i].r.fail, STORE_OK);
		}
		/* dir, new, cur and log of each */
		ck_assert_uint_le(open_files(), before + (size_t)4 * KEPT + 2);
	}
	ck_assert_uint_ge(syncs(SYNC_LOG), 2 * N - 2 * KEPT);
	for (int i = 0; i < N; i++)
		ck_assert_uint_eq(messages(arena_printf(mem, "box%d", i)), 2);
}
END_TEST

/* A large message goes in pieces, a small one whole: the same file. */
START_TEST(sizes)
{
	static const size_t	bytes[] = { 0, 1, 1 << 20, (1 << 20) + 1,
				    3 << 20 };

	for (size_t i = 0; i < COUNT(bytes); i++) {
		struct store_delivery	 d = { .size = bytes[i],
					    .prefix = SLICE_LIT("X: y\n") };
		struct waiting		 w = { .ran = false };
		char			*text = arena_alloc(mem, bytes[i] + 1);
		struct view		*v;
		struct view_msg		 m;

		memset(text, 'a', bytes[i]);
		for (size_t k = 70; k < bytes[i]; k += 71)
			text[k] = '\n';
		d.fd = temp_fd(text, d.size);
		store_deliver(user, &d, done_cb, &w);
		close(d.fd);
		wait_for(&w.ran);
		ck_assert_int_eq(w.r.fail, STORE_OK);
		ck_assert(view_open(user, "INBOX", true, &v, &fail,
		    &err) == 0);
		view_get(v, (uint32_t)i + 1, &m);
		ck_assert_uint_eq(m.size, 6 + bytes[i] + bytes[i] / 71);
		view_close(&v);
	}
}
END_TEST

/* Another process (here: another store) appends to a mailbox that is kept
 * open. */
START_TEST(two_writers)
{
	struct store_conf	 conf = { .hostname = "host",
				    .separator = '/' };
	struct store		*s2 = store_new(NULL, NULL, &conf);
	struct store_user	*u2;
	struct store_delivery	 d = { .size = 6 };
	struct store_done	 r;

	ck_assert(store_user_open(s2, maildir, true, &u2, &fail, &err) == 0);
	d.fd = temp_fd("a: b\r\n", 6);
	for (uint32_t i = 1; i < 600; i += 2) {
		struct waiting	w;

		begin(&w, NULL, 0, 1);
		wait_for(&w.ran);
		ck_assert_uint_eq(w.r.uid, i);
		ck_assert(store_deliver_now(u2, &d, &r, &err) == 0);
		ck_assert_uint_eq(r.uid, i + 1);
	}
	close(d.fd);
	store_user_close(&u2);
	store_free(&s2);
	ck_assert_uint_eq(messages("INBOX"), 600);
}
END_TEST

int
main(void)
{
	Suite	*s = suite_create("commit");
	TCase	*t = tcase_create("all");

	suite_add_tcase(s, t);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 120);
	tcase_add_test(t, shared);
	tcase_add_test(t, flagged);
	tcase_add_test(t, log_sync);
	tcase_add_test(t, shared_failure);
	tcase_add_test(t, file_failure);
	tcase_add_test(t, locked_log);
	tcase_add_test(t, moved_away);
	tcase_add_test(t, many_places);
	tcase_add_test(t, sizes);
	tcase_add_test(t, two_writers);
	return check_run(s);
}
