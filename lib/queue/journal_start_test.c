/* SPDX-License-Identifier: Apache-2.0 */
/* What a crash leaves in the journal, and what the next start makes of it. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check_run.h"
#include "base/mem.h"
#include "queue/inflight.h"
#include "queue/journal_fixture.h"
#include "sys/file.h"

#define IMAGE	(32 * SEG_BLOCK)	/* of a segment: what is used of it */

/* Each committed message is a good file in new/, or never was. */
static void
all_replayed(size_t n)
{
	ck_assert_uint_eq(got.replayed, n);
	ck_assert_uint_eq(in_dir(QUEUE_NEW), n);
	for (size_t i = 0; i < n; i++)
		ck_assert_msg(file_is_good(&sent[i], QUEUE_NEW) == 1,
		    "message %zu: %s", i, err.text);
}

static void
remove_files(void)
{
	static const enum queue_dir	dirs[] = {
		QUEUE_NEW, QUEUE_CUR, QUEUE_HOLD
	};

	for (size_t d = 0; d < COUNT(dirs); d++)
		for (size_t i = 0; i < nsent; i++)
			(void)unlinkat(q->dirs[dirs[d]], sent[i].id, 0);
}

START_TEST(power_cut)
{
	char	names[1][QUEUE_ID_MAX];

	commit(30, 3000);
	commit_apart(3, 200);
	close_writer();
	start_reader();
	all_replayed(33);
	ck_assert_uint_ge(got.segments, 1);
	ck_assert_uint_eq(got.torn + got.damaged, 0);
	ck_assert_uint_eq(segments(names, 1), 0);
	/* And again: nothing is left to do. */
	remove_files();
	close_reader();
	start_reader();
	ck_assert_uint_eq(got.replayed, 0);
	ck_assert_uint_eq(in_dir(QUEUE_NEW), 0);
}
END_TEST

/* A file that is whole is the message; a damaged one is written over where it
 * is, or it would be in the way for ever. */
START_TEST(damaged_files)
{
	int	fd;

	commit(6, 3000);
	start_reader();
	journal_look(j);
	for (size_t i = 0; i < 5; i++) {
		static const enum queue_dir	to[] = {
			QUEUE_CUR, QUEUE_HOLD, QUEUE_CUR, QUEUE_NEW, QUEUE_CUR
		};
		struct journal_copy	c;
		struct queue_msg	m;

		ck_assert_int_eq(journal_msg_open(sent[i].rec, a, &m, &err),
		    QUEUE_OK);
		journal_copy_of(q, &m, to[i], a, &c);
		ck_assert_int_eq(journal_copy(&c, &fd, &err), 0);
		if (i == 0 || i == 1)
			ck_assert_int_eq(ftruncate(fd, i == 0 ? 0 : 700), 0);
		else if (i == 2)
			ck_assert_int_eq(fchmod(fd, 0600), 0);
		else if (i == 3)
			ck_assert_int_eq(file_pwrite(fd, "XX", 2, 1000), 0);
		(void)close(fd);
	}
	close_writer();
	kill_reader();
	start_reader();
	ck_assert_uint_eq(got.replayed, 5);
	ck_assert_int_eq(file_is_good(&sent[0], QUEUE_CUR), 1);
	ck_assert_int_eq(file_is_good(&sent[1], QUEUE_HOLD), 1);
	ck_assert_int_eq(file_is_good(&sent[2], QUEUE_CUR), 1);
	ck_assert_int_eq(file_is_good(&sent[3], QUEUE_NEW), 1);
	ck_assert_int_eq(file_is_good(&sent[4], QUEUE_CUR), 1);
	ck_assert_int_eq(file_is_good(&sent[5], QUEUE_NEW), 1);
	ck_assert_uint_eq(in_dir(QUEUE_NEW), 2);
	ck_assert_uint_eq(in_dir(QUEUE_CUR), 3);
	ck_assert_uint_eq(in_dir(QUEUE_HOLD), 1);
}
END_TEST

/*
 * The bytes of a segment, as some crash left them.
 */

static unsigned char	image[IMAGE];
static uint64_t		used;		/* of it */

static void
take_image(void)
{
	char	name[QUEUE_ID_MAX];
	int	fd = segment_fd(name);

	ck_assert_int_eq(file_pread(fd, image, IMAGE, 0), IMAGE);
	(void)close(fd);
	used = IMAGE;
	while (used > 0 && image[used - 1] == 0)
		used--;
}

/* Put them under a segment's name, with nobody's lock, and recover. */
static void
recover_image(const unsigned char *bytes)
{
	int	fd;

	if (q == NULL)
		open_reader();
	fd = openat(q->journal, "4jXKSw6x0PzNJJNWG", O_RDWR | O_CREAT |
	    O_CLOEXEC, 0600);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, (off_t)SEG_MIN), 0);
	ck_assert_int_eq(file_pwrite(fd, bytes, IMAGE, 0), 0);
	(void)close(fd);
	close_reader();
	start_reader();
	(void)unlinkat(q->journal, "free.0", 0);
	(void)unlinkat(q->journal, "4jXKSw6x0PzNJJNWG", 0);
}

static void
no_segments(void)
{
	char	names[4][QUEUE_ID_MAX];
	size_t	n = segments(names, 4);

	for (size_t i = 0; i < n; i++)
		(void)unlinkat(writer->journal, names[i], 0);
}

struct frame_place {
	uint64_t	at, length;	/* of the image */
};

static void
places(struct frame_place *out, size_t n)
{
	uint64_t	generation = queue_get64(image + 8);
	size_t		i = 0;

	for (uint64_t at = SEG_BLOCK; at < used && i < n; at += SEG_FRAME) {
		struct seg_frame	f;

		if (!seg_frame_get(image + at, generation, &f))
			continue;
		out[i].at = at + SEG_FRAME;
		out[i++].length = f.length;
	}
	ck_assert_uint_eq(i, n);
}

/* The end torn at every 64 bytes, and at some bytes between: whatever is whole
 * is there, the rest forgotten. */
START_TEST(torn_everywhere)
{
	static unsigned char	torn[IMAGE];
	struct frame_place	f[6];

	commit_apart(2, 300);
	commit(4, 900);
	atomic_store(&no_syncs, true);
	take_image();
	no_segments();
	close_writer();
	places(f, 6);
	for (uint64_t cut = SEG_BLOCK; cut <= used; cut +=
	    cut + 64 > used && cut < used ? used - cut : cut % 192 == 0 ? 57 :
	    64 - cut % 64) {
		size_t	whole = 0;

		memset(torn, 0, sizeof(torn));
		memcpy(torn, image, cut);
		for (size_t i = 0; i < 6; i++)
			whole += f[i].at + f[i].length <= cut;
		recover_image(torn);
		ck_assert_uint_eq(got.damaged, 0);
		all_replayed(whole);
		remove_files();
	}
}
END_TEST

/* Pages of a batch reach the disk in any order: what is whole is there, and
 * nothing else is believed. */
START_TEST(torn_pages)
{
	static unsigned char	torn[IMAGE];
	struct frame_place	f[8];

	commit(1, 100);
	commit(7, 3000);
	atomic_store(&no_syncs, true);
	take_image();
	no_segments();
	close_writer();
	places(f, 8);
	for (uint64_t lost = 2 * SEG_BLOCK; lost < used; lost += SEG_BLOCK) {
		memcpy(torn, image, IMAGE);
		memset(torn + lost, 0, SEG_BLOCK);
		recover_image(torn);
		for (size_t i = 0; i < 8; i++) {
			bool	hit = f[i].at - SEG_FRAME < lost + SEG_BLOCK &&
			    f[i].at + f[i].length > lost;

			ck_assert_int_eq(file_is_good(&sent[i], QUEUE_NEW),
			    !hit);
		}
		remove_files();
	}
}
END_TEST

static size_t
in_corrupt(void)
{
	return in_dir(QUEUE_CORRUPT);
}

static bool
rm_one(void *arg, const char *id)
{
	return unlinkat(*(int *)arg, id, 0) == 0;
}

/* A flipped bit costs at most the message it is in, which is then in corrupt/
 * unless it is the last; and is never a message with other content. */
START_TEST(flipped_bits)
{
	struct frame_place	f[3];

	commit_apart(3, 200);
	atomic_store(&no_syncs, true);
	take_image();
	no_segments();
	close_writer();
	places(f, 3);
	for (uint64_t at = 0; at < used; at += at % SEG_BLOCK < 64 ? 3 : 17) {
		bool	last = at >= f[2].at - SEG_FRAME;

		image[at] ^= (unsigned char)(1 << at % 8);
		recover_image(image);
		image[at] ^= (unsigned char)(1 << at % 8);
		for (size_t i = 0; i < 3; i++) {
			bool	hit = at >= f[i].at - SEG_FRAME &&
			    at < f[i].at + f[i].length;
			int	good = file_is_good(&sent[i], QUEUE_NEW);

			ck_assert_msg(good == 1 || (hit && good == 0),
			    "bit at %llu: message %zu: %d",
			    (unsigned long long)at, i, good);
			if (good == 0 && !last)
				ck_assert_msg(in_corrupt() == 1,
				    "bit at %llu: message %zu is nowhere",
				    (unsigned long long)at, i);
		}
		remove_files();
		ck_assert_int_eq(queue_each(q, QUEUE_CORRUPT, rm_one,
		    &q->dirs[QUEUE_CORRUPT], &err), 0);
	}
}
END_TEST

/* What an earlier use left behind the end is not seen, wherever the end is. */
START_TEST(used_before)
{
	static unsigned char	older[IMAGE];
	struct frame_place	f[1];

	commit(12, 3000);
	take_image();
	memcpy(older, image, IMAGE);
	close_writer();
	start_reader();
	remove_files();
	open_writer();
	nsent = ndone = 0;
	commit(1, 300);
	take_image();
	places(f, 1);
	ck_assert_mem_eq(image + IMAGE / 2, older + IMAGE / 2, 1000);
	close_writer();
	close_reader();
	start_reader();
	all_replayed(1);
}
END_TEST

/* Taken from the free ones, but its new name did not reach the disk. */
START_TEST(name_was_lost)
{
	char	name[QUEUE_ID_MAX];

	commit(3, 3000);
	(void)close(segment_fd(name));
	ck_assert_int_eq(renameat(writer->journal, name, writer->journal,
	    "free.3"), 0);
	close_writer();
	start_reader();
	all_replayed(3);
	remove_files();
	close_reader();
	start_reader();
	ck_assert_uint_eq(got.replayed, 0);
	/* Still of use. */
	ck_assert(in_journal("free.3") || in_journal("free.0"));
}
END_TEST

/* Forgotten but not renamed, made but not begun, a name without a size: none
 * stays for ever. */
START_TEST(not_begun)
{
	char		 name[QUEUE_ID_MAX], names[1][QUEUE_ID_MAX];
	static char	 zeros[32];
	int		 fd;

	commit(1, 3000);
	fd = segment_fd(name);
	ck_assert_int_eq(file_pwrite(fd, zeros, 20, 0), 0);
	(void)close(fd);
	start_reader();
	ck_assert_uint_eq(segments(names, 1), 1);	/* somebody has it */
	journal_look(j);
	ck_assert_uint_eq(segments(names, 1), 1);
	close_writer();
	journal_look(j);
	ck_assert_uint_eq(segments(names, 1), 0);
	ck_assert(in_journal("free.0"));
	ck_assert_int_eq(renameat(q->journal, "free.0", q->journal, name), 0);
	fd = openat(q->journal, "4jXKSw6x0PzNJJNWG", O_WRONLY | O_CREAT, 0600);
	ck_assert_int_ge(fd, 0);
	(void)close(fd);
	close_reader();
	start_reader();
	ck_assert(in_journal("free.0"));
	ck_assert(!in_journal(name));
	ck_assert(!in_journal("4jXKSw6x0PzNJJNWG"));
}
END_TEST

/* Nothing tells what it holds: it stays, and the start goes on. */
START_TEST(lost_segment)
{
	commit(1, 3000);
	take_image();
	no_segments();
	close_writer();
	image[3] ^= 1;
	image[SEG_BLOCK + 3] ^= 1;
	open_reader();
	recover_image(image);
	ck_assert_uint_eq(got.replayed, 0);
	/* recover_image() removed it: it was there. */
	ck_assert(!in_journal("free.0"));
	journal_look(j);
}
END_TEST

/*
 * Another reader's.
 */

START_TEST(with_agents)
{
	int	fd;

	commit(3, 3000);
	open_reader();
	fd = inflight_open(q, &err);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(inflight_add(fd, sent[1].id), 0);
	close_writer();
	ck_assert_int_eq(journal_start(j, &got, &err), 0);
	ck_assert_uint_eq(got.replayed, 2);
	ck_assert_int_eq(sent[1].seen, 1);
	ck_assert_int_eq(file_is_good(&sent[0], QUEUE_NEW), 1);
	ck_assert_int_eq(file_is_good(&sent[1], QUEUE_NEW), 0);
	/* Kept as long as it is not settled. */
	journal_look(j);
	ck_assert(rec_is_good(&sent[1]));
	ck_assert_int_eq(journal_fate(sent[1].rec, &err), FATE_OPEN);
	journal_settle(&sent[1].rec);
	journal_flush(j);
	journal_look(j);
	ck_assert(list_empty(&j->segs));
	(void)close(fd);
}
END_TEST

/*
 * The disk fails.
 */

/* No room for files: the reader gets the messages, and what is damaged stays
 * where it is until it can be saved. */
START_TEST(full_disk)
{
	struct frame_place	f[4];
	char			name[QUEUE_ID_MAX];
	int			fd;

	commit_apart(4, 20000);
	take_image();
	places(f, 4);
	fd = segment_fd(name);
	ck_assert_int_eq(file_pwrite(fd, "X", 1, (off_t)f[1].at + 1000), 0);
	(void)close(fd);
	close_writer();
	limit_files(15000);
	start_reader();
	ck_assert_uint_eq(got.replayed, 0);
	ck_assert_uint_eq(in_dir(QUEUE_NEW) + in_dir(QUEUE_TMP), 0);
	for (size_t i = 0; i < 4; i++) {
		ck_assert_int_eq(sent[i].seen, i != 1);
		if (i == 1)
			continue;
		ck_assert(rec_is_good(&sent[i]));
		journal_settle(&sent[i].rec);
	}
	unlimit_files();
	journal_flush(j);
	journal_look(j);
	close_reader();
	start_reader();
	ck_assert_uint_eq(got.replayed, 0);
	ck_assert_uint_eq(in_corrupt(), 1);
	ck_assert(list_empty(&j->segs));
}
END_TEST

/* Files that may not be durable: the reader gets the messages all the same. */
START_TEST(failed_syncfs)
{
	struct queue_msg	m;
	char			names[1][QUEUE_ID_MAX];

	commit(5, 3000);
	close_writer();
	open_reader();
	atomic_store(&fail_syncfs, true);
	ck_assert_int_eq(journal_start(j, &got, &err), 0);
	atomic_store(&fail_syncfs, false);
	ck_assert_uint_eq(got.replayed, 0);
	ck_assert_uint_eq(in_dir(QUEUE_NEW) + in_dir(QUEUE_TMP), 0);
	ck_assert_uint_eq(segments(names, 1), 1);
	for (size_t i = 0; i < 5; i++) {
		ck_assert_int_eq(sent[i].seen, 1);
		ck_assert(rec_is_good(&sent[i]));
	}
	ck_assert_int_eq(journal_msg_open(sent[0].rec, a, &m, &err), QUEUE_OK);
	journal_settle(&sent[0].rec);
	close_reader();
	start_reader();
	ck_assert_uint_eq(got.replayed, 4);
	ck_assert_uint_eq(segments(names, 1), 0);
}
END_TEST

/* A failed sync: nothing is given up, and the next start has it all. */
START_TEST(failed_sync)
{
	commit(5, 3000);
	close_writer();
	for (int i = 1; i < 8; i++) {
		int	r;

		open_reader();
		atomic_store(&fail_sync, i);
		r = journal_start(j, &got, &err);
		if (atomic_exchange(&fail_sync, 0) > 0)
			break;		/* there was no such sync */
		if (r < 0)
			ck_assert_uint_eq(in_dir(QUEUE_NEW), 0);
		kill_reader();
	}
	close_reader();
	start_reader();
	ck_assert_uint_eq(in_dir(QUEUE_NEW), 5);
	for (size_t i = 0; i < 5; i++)
		ck_assert_int_eq(file_is_good(&sent[i], QUEUE_NEW), 1);
}
END_TEST

/* What cannot be read at start is found later, as something that another
 * reader may have had. */
START_TEST(unreadable)
{
	commit_apart(4, 3000);
	close_writer();
	open_reader();
	atomic_store(&fail_read, SEG_BLOCK * 3);
	ck_assert_int_eq(journal_start(j, &got, &err), 0);
	ck_assert_uint_lt(got.replayed, 4);
	journal_look(j);
	atomic_store(&fail_read, -1);
	journal_look(j);
	for (size_t i = 0; i < 4; i++) {
		ck_assert_int_eq(sent[i].seen + file_is_good(&sent[i],
		    QUEUE_NEW), 1);
		if (sent[i].seen == 1)
			ck_assert(sent[i].rec->old);
	}
}
END_TEST

/*
 * Killed at every system call of the recovery, one after the other.
 */

/* 0 1: settled; 2: a file in cur/, not noted; 3: marked; 4: a damaged file in
 * cur/; 5: content damaged; 6 7: nothing special; 8: torn. */
static void
prepare_crash(void)
{
	struct journal_copy	c;
	struct queue_msg	m;
	struct frame_place	f[9];
	char			name[QUEUE_ID_MAX];
	int			fd;

	nsent = ndone = 0;
	open_writer();
	commit(8, 500);
	commit(1, 500);
	take_image();
	places(f, 9);
	start_reader();
	journal_look(j);
	journal_settle(&sent[0].rec);
	journal_settle(&sent[1].rec);
	for (size_t i = 2; i <= 4; i += 2) {
		ck_assert_int_eq(journal_msg_open(sent[i].rec, a, &m, &err),
		    QUEUE_OK);
		journal_copy_of(q, &m, QUEUE_CUR, a, &c);
		ck_assert_int_eq(journal_copy(&c, &fd, &err), 0);
		if (i == 4)
			ck_assert_int_eq(ftruncate(fd, 700), 0);
		(void)close(fd);
	}
	journal_mark(sent[3].rec, 1, RCPT_DONE);
	journal_flush(j);
	fd = segment_fd(name);
	ck_assert_int_eq(file_pwrite(fd, "X", 1, (off_t)f[5].at + 600), 0);
	ck_assert_int_eq(ftruncate(fd, (off_t)(f[8].at + 700)), 0);
	ck_assert_int_eq(ftruncate(fd, (off_t)SEG_MIN), 0);
	(void)close(fd);
	close_reader();
	close_writer();
}

static void
recover_traced(void)
{
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
		_exit(77);
	(void)raise(SIGSTOP);
	open_reader();
	_exit(journal_start(j, &got, &err) == 0 ? 0 : 1);
}

/* False: it ended before. */
static bool
step(pid_t pid, int n)
{
	int	status;

	for (int i = 0; i < n; i++) {
		ck_assert_int_eq(ptrace(PTRACE_SYSCALL, pid, NULL, NULL), 0);
		ck_assert_int_eq(waitpid(pid, &status, 0), pid);
		if (WIFEXITED(status)) {
			ck_assert_int_eq(WEXITSTATUS(status), 0);
			return false;
		}
	}
	return true;
}

static void
check_recovered(int steps)
{
	struct queue_msg	m;

	ck_assert_msg(in_dir(QUEUE_NEW) == 3 && in_dir(QUEUE_CUR) == 2 &&
	    in_corrupt() == 1, "after %d steps: %zu, %zu, %zu", steps,
	    in_dir(QUEUE_NEW), in_dir(QUEUE_CUR), in_corrupt());
	for (size_t i = 0; i < 9; i++) {
		int	here = file_is_good(&sent[i], i == 2 || i == 4 ?
			    QUEUE_CUR : QUEUE_NEW);

		ck_assert_msg(here == (i >= 2 && i != 5 && i != 8),
		    "after %d steps: message %zu: %d", steps, i, here);
	}
	ck_assert_int_eq(queue_msg_open(q, QUEUE_NEW, sent[3].id, false, true,
	    a, &m, &err), QUEUE_OK);
	ck_assert_int_eq(m.env.rcpts[0].status, RCPT_TODO);
	ck_assert_int_eq(m.env.rcpts[1].status, RCPT_DONE);
	queue_msg_close(&m);
	ck_assert(list_empty(&j->segs));
}

START_TEST(killed_at_every_step)
{
	bool	alive = true;
	int	steps = 0;

	close_writer();
	/* Whoever is killed leaves the page cache; syncs are for power cuts. */
	atomic_store(&no_syncs, true);
	while (alive) {
		int	status;
		pid_t	pid;

		prepare_crash();
		pid = fork();
		if (pid == 0)
			recover_traced();
		ck_assert_int_eq(waitpid(pid, &status, 0), pid);
		if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
			return;		/* no tracing in this place */
		/* In and out of a call leave the same: every other stop. */
		steps += 2;
		alive = step(pid, steps);
		if (alive) {
			ck_assert_int_eq(kill(pid, SIGKILL), 0);
			ck_assert_int_eq(waitpid(pid, &status, 0), pid);
		}
		start_reader();
		check_recovered(steps);
		close_reader();
		clear_queue();
	}
	ck_assert_int_gt(steps, 150);
}
END_TEST

int
main(void)
{
	Suite	*s = suite_create("journal start");
	TCase	*t = tcase_create("start");

	tcase_set_timeout(t, 240);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, power_cut);
	tcase_add_test(t, damaged_files);
	tcase_add_test(t, torn_everywhere);
	tcase_add_test(t, torn_pages);
	tcase_add_test(t, flipped_bits);
	tcase_add_test(t, used_before);
	tcase_add_test(t, name_was_lost);
	tcase_add_test(t, not_begun);
	tcase_add_test(t, lost_segment);
	tcase_add_test(t, with_agents);
	tcase_add_test(t, full_disk);
	tcase_add_test(t, failed_syncfs);
	tcase_add_test(t, failed_sync);
	tcase_add_test(t, unreadable);
	tcase_add_test(t, killed_at_every_step);
	suite_add_tcase(s, t);
	return check_run(s);
}
