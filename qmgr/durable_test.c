/* SPDX-License-Identifier: Apache-2.0 */
/* durable.c with files of its own and counted syncs. */
#include <fcntl.h>
#include <stdatomic.h>
#include <unistd.h>

#include "base/check_run.h"
#include "qmgr/qmgr.h"
#include "sys/loop.h"
#include "sys/syncer.h"

#define MANY	100

static struct qmgr	 q;
static struct durable	*durable;
static struct syncer	*syncer;
static struct active	 files[MANY];
static atomic_int	 syncs, syncs_of_cur, inside, most;

/*
 * What it calls.
 */

/* Takes a while, or until others come. */
int
fdatasync(int fd)
{
	int	n = atomic_fetch_add(&inside, 1) + 1;

	ck_assert_int_ge(fcntl(fd, F_GETFD), 0);
	if (n > atomic_load(&most))
		atomic_store(&most, n);
	for (int i = 0; i < 20 && atomic_load(&inside) < 4; i++)
		(void)usleep(100);
	(void)atomic_fetch_add(&syncs, 1);
	(void)atomic_fetch_sub(&inside, 1);
	return 0;
}

int
queue_sync_dir(struct queue *queue, enum queue_dir dir, struct error *err)
{
	(void)queue, (void)err;
	ck_assert(dir == QUEUE_CUR);
	(void)atomic_fetch_add(&syncs_of_cur, 1);
	return 0;
}

/* Two segments have notes. */
size_t
journal_dirty(struct journal *j, int *fds, size_t max)
{
	(void)j;
	ck_assert_uint_ge(max, 2);
	for (int i = 0; i < 2; i++)
		ck_assert_int_ge(fds[i] = dup(STDIN_FILENO), 0);
	return 2;
}

void
qmgr_journal_noted(struct qmgr *unused)
{
	(void)unused;
}

struct syncer *
daemon_syncer(struct daemon *d)
{
	(void)d;
	return syncer;
}

static void
setup(void)
{
	q.loop = loop_new();
	syncer = syncer_new(q.loop, 8);
	durable = durable_new(&q);
	for (size_t i = 0; i < MANY; i++) {
		files[i].file.fd = open("/dev/null", O_RDWR | O_CLOEXEC);
		ck_assert_int_ge(files[i].file.fd, 0);
	}
}

/* n files are marked, each twice. */
static void
mark(size_t n)
{
	for (size_t i = 0; i < 2 * n; i++)
		durable_marks(durable, &files[i % n]);
}

static void
wait_all(void)
{
	durable_flush(durable);
	while (syncer_pending(syncer) > 0)
		loop_once(q.loop, MSECS(50));
}

START_TEST(few)
{
	mark(10);
	durable_removal(durable);
	wait_all();
	ck_assert_int_eq(atomic_load(&syncs), 10);
	ck_assert_int_eq(atomic_load(&most), 1);
	ck_assert_int_eq(atomic_load(&syncs_of_cur), 1);
}
END_TEST

/* One by one they took longer than the second they have (btrfs). */
START_TEST(many)
{
	mark(MANY);
	durable_journal(durable);
	durable_removal(durable);
	wait_all();
	ck_assert_int_eq(atomic_load(&syncs), MANY + 2);
	ck_assert_int_gt(atomic_load(&most), 1);
	ck_assert_int_le(atomic_load(&most), 4);
	ck_assert_int_eq(atomic_load(&syncs_of_cur), 1);
	/* Again: nothing was left in between. */
	for (size_t n = 30; n < 40; n++) {
		atomic_store(&syncs, 0);
		mark(n);
		wait_all();
		ck_assert_int_eq(atomic_load(&syncs), (int)n);
	}
}
END_TEST

int
main(void)
{
	Suite	*s = suite_create("durable");
	TCase	*t = tcase_create("durable");

	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_test(t, few);
	tcase_add_test(t, many);
	suite_add_tcase(s, t);
	return check_run(s);
}
