/* SPDX-License-Identifier: Apache-2.0 */
/* Group commit, and a reader that follows it.  What a crash leaves is in
 * journal_start_test.c. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check_child.h"
#include "base/check_run.h"
#include "base/mem.h"
#include "queue/inflight.h"
#include "queue/journal_fixture.h"
#include "sys/file.h"
#include "sys/loop.h"

static void
tell(void *arg, const struct queue_place *p)
{
	(void)arg;
	if (p->segment != NULL && j != NULL)
		journal_told(j, p->segment, p->end);
}

/* All that was taken was found, once, and can be read. */
static void
all_found(size_t from)
{
	for (size_t i = from; i < nsent; i++) {
		ck_assert_msg(sent[i].seen == (sent[i].result == 0),
		    "message %zu: result %d, seen %d", i, sent[i].result,
		    sent[i].seen);
		if (sent[i].result == 0)
			ck_assert_msg(rec_is_good(&sent[i]), "message %zu: %s",
			    i, err.text);
	}
	ck_assert_uint_eq(nstrangers, 0);
}

static void
settle_all(void)
{
	for (size_t i = 0; i < nsent; i++)
		if (sent[i].rec != NULL)
			journal_settle(&sent[i].rec);
}

/*
 * Writing.
 */

START_TEST(syncs_are_shared)
{
	int	n;

	commit(1, 3000);
	atomic_store(&batches, 0);
	commit(200, 3000);
	n = atomic_load(&batches);
	ck_assert_int_ge(n, 1);
	ck_assert_int_le(n, 3);
	commit_apart(10, 3000);
	ck_assert_int_eq(atomic_load(&batches), n + 10);
	for (size_t i = 0; i < nsent; i++)
		ck_assert_int_eq(sent[i].result, 0);
}
END_TEST

START_TEST(told_of_all)
{
	queue_listen(writer, tell, NULL);
	start_reader();
	commit_apart(3, 50);
	commit(300, 3000);
	commit(2, 200000);
	commit(20, 4096 - 64);
	all_found(0);
	for (size_t i = 0; i < nsent; i++)
		ck_assert(!sent[i].rec->old);
	journal_look(j);
	all_found(0);
}
END_TEST

START_TEST(found_untold)
{
	start_reader();
	commit(40, 3000);
	journal_look(j);
	all_found(0);
	commit_apart(10, 100);
	close_writer();			/* it could not tell any more */
	journal_look(j);
	all_found(0);
}
END_TEST

static uint64_t
size_of(const char *name)
{
	struct stat	st;

	ck_assert_int_eq(fstatat(q->journal, name, &st, 0), 0);
	return (uint64_t)st.st_size;
}

START_TEST(segments_grow)
{
	char		names[40][QUEUE_ID_MAX];
	size_t		n;
	uint64_t	most = 0;

	queue_listen(writer, tell, NULL);
	start_reader();
	commit_apart(100, 200000);
	all_found(0);
	n = segments(names, 40);
	ck_assert_uint_ge(n, 2);
	ck_assert_uint_le(n, 20);
	for (size_t i = 0; i < n; i++)
		if (size_of(names[i]) > most)
			most = size_of(names[i]);
	ck_assert_uint_ge(most, 4 * SEG_MIN);
	ck_assert_uint_le(most, SEG_MAX);
	/* All but the writer's may go: this and the next. */
	settle_all();
	journal_flush(j);
	journal_look(j);
	ck_assert_uint_le(segments(names, 1), 2);
	ck_assert(in_journal("free.0"));
}
END_TEST

/* A burst is larger than a segment. */
START_TEST(more_than_a_segment)
{
	queue_listen(writer, tell, NULL);
	start_reader();
	commit(60, 200000);
	all_found(0);
	commit(900, 20);
	all_found(0);
}
END_TEST

static bool
count_notes(void *arg, const char *name)
{
	*(size_t *)arg += done_log_name(name);
	return true;
}

static size_t
note_logs(void)
{
	size_t	n = 0;

	ck_assert_int_eq(queue_each_name(q->journal, count_notes, &n, &err),
	    0);
	return n;
}

START_TEST(segments_are_used_again)
{
	char	names[2][QUEUE_ID_MAX];
	struct stat	was, is;

	start_reader();
	commit(50, 3000);
	journal_look(j);
	ck_assert_uint_eq(segments(names, 2), 1);
	ck_assert_int_eq(fstatat(q->journal, names[0], &was, 0), 0);
	close_writer();
	journal_look(j);
	ck_assert_uint_eq(segments(names, 2), 1);	/* not settled */
	settle_all();
	journal_flush(j);
	ck_assert_uint_eq(note_logs(), 1);
	journal_look(j);
	ck_assert_uint_eq(segments(names, 2), 0);
	ck_assert_uint_eq(note_logs(), 0);
	ck_assert(in_journal("free.0"));
	open_writer();
	commit_apart(2, 100);
	ck_assert_uint_eq(segments(names, 2), 1);
	ck_assert_int_eq(fstatat(q->journal, names[0], &is, 0), 0);
	ck_assert_uint_eq(was.st_ino, is.st_ino);
	close_writer();
	for (size_t i = 0; i < nsent; i++)
		sent[i].seen = 0;
	journal_look(j);
	for (size_t i = 0; i < nsent; i++)
		ck_assert_int_eq(sent[i].seen, i >= 50);
	all_found(50);
	ck_assert_uint_eq(nstrangers, 0);
}
END_TEST

/* Only so many are kept. */
START_TEST(free_slots_are_few)
{
	char	name[QUEUE_ID_MAX];

	start_reader();
	for (int i = 0; i < SEG_FREE_SLOTS + 2; i++) {
		struct seg	*s;

		/* Hidden from the next one, which makes its own. */
		for (int k = 0; k < i && k < SEG_FREE_SLOTS; k++) {
			char	free_name[32], hidden[32];

			(void)snprintf(free_name, 32, "free.%d", k);
			(void)snprintf(hidden, 32, "hidden.%d", k);
			ck_assert_int_eq(renameat(q->journal, free_name,
			    q->journal, hidden), 0);
		}
		s = seg_begin(writer, SEG_MIN, &err);
		ck_assert_ptr_nonnull(s);
		memcpy(name, s->name, sizeof(name));
		for (int k = 0; k < i && k < SEG_FREE_SLOTS; k++) {
			char	free_name[32], hidden[32];

			(void)snprintf(free_name, 32, "free.%d", k);
			(void)snprintf(hidden, 32, "hidden.%d", k);
			ck_assert_int_eq(renameat(q->journal, hidden,
			    q->journal, free_name), 0);
		}
		ck_assert_int_eq(seg_retire(q, s->fd, s->name, &err), 0);
		ck_assert(!in_journal(name));
		seg_end(&s);
	}
	ck_assert(in_journal("free.7"));
	ck_assert(!in_journal("free.8"));
}
END_TEST

#define RACERS	6

struct race {
	int	 out[2], go[2], stop[2];
	pid_t	 pids[RACERS];
	ino_t	 inodes[RACERS];
};

/* Tells the inode of what it got and holds it until all have. */
static void
run_racer(struct race *r)
{
	struct seg	*s;
	struct stat	 st;
	char		 byte;

	check_child();
	(void)close(r->go[1]);
	(void)close(r->stop[1]);
	(void)!read(r->go[0], &byte, 1);
	s = seg_begin(q, SEG_MIN, &err);
	if (s == NULL || fstat(s->fd, &st) < 0 ||
	    write(r->out[1], &st.st_ino, sizeof(st.st_ino)) < 0)
		_exit(1);
	(void)!read(r->stop[0], &byte, 1);
	_exit(0);
}

static void
begin_race(struct race *r)
{
	ck_assert_int_eq(pipe(r->out), 0);
	ck_assert_int_eq(pipe(r->go), 0);
	ck_assert_int_eq(pipe(r->stop), 0);
	for (int i = 0; i < RACERS; i++) {
		r->pids[i] = fork();
		if (r->pids[i] == 0)
			run_racer(r);
	}
	(void)close(r->go[0]);
	(void)close(r->stop[0]);
	(void)close(r->out[1]);
	(void)close(r->go[1]);
}

static void
end_race(struct race *r)
{
	int	status;

	for (int i = 0; i < RACERS; i++)
		ck_assert_int_eq(read(r->out[0], &r->inodes[i],
		    sizeof(ino_t)), (ssize_t)sizeof(ino_t));
	(void)close(r->stop[1]);
	(void)close(r->out[0]);
	for (int i = 0; i < RACERS; i++) {
		ck_assert_int_eq(waitpid(r->pids[i], &status, 0), r->pids[i]);
		ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	}
}

START_TEST(writers_race)
{
	struct race	r;
	char		names[RACERS + 1][QUEUE_ID_MAX];

	start_reader();
	for (int round = 0; round < 20; round++) {
		begin_race(&r);
		end_race(&r);
		for (int i = 0; i < RACERS; i++)
			for (int k = 0; k < i; k++)
				ck_assert_uint_ne(r.inodes[i],
				    r.inodes[k]);
		ck_assert_uint_eq(segments(names, RACERS + 1), RACERS);
		journal_look(j);	/* all free again */
		ck_assert_uint_eq(segments(names, 1), 0);
	}
	/* No round needed more than there were. */
	ck_assert(!in_journal("free.6"));
}
END_TEST

/*
 * Writes that fail.
 */

START_TEST(failed_sync)
{
	size_t	bad = 0;
	char	names[4][QUEUE_ID_MAX];

	queue_listen(writer, tell, NULL);
	start_reader();
	commit(5, 3000);
	atomic_store(&fail_sync, 1);
	commit(20, 3000);
	for (size_t i = 0; i < nsent; i++)
		bad += sent[i].result < 0;
	ck_assert_uint_gt(bad, 0);
	commit(5, 3000);
	for (size_t i = 25; i < 30; i++)
		ck_assert_int_eq(sent[i].result, 0);
	ck_assert_uint_eq(segments(names, 4), 2);
	/* Not while it lives, not when it is looked at, not after a crash. */
	all_found(0);
	journal_look(j);
	all_found(0);
	close_writer();
	journal_look(j);
	all_found(0);
	close_reader();
	start_reader();
	ck_assert_uint_eq(got.replayed, nsent - bad);
	for (size_t i = 0; i < nsent; i++)
		ck_assert_int_eq(file_is_good(&sent[i], QUEUE_NEW),
		    sent[i].result == 0);
}
END_TEST

static void
wait_for_syncs(const atomic_int *count, int n)
{
	for (int i = 0; i < 5000 && atomic_load(count) < n; i++)
		(void)usleep(1000);
	ck_assert_int_eq(atomic_load(count), n);
}

/* A long turn of the loop does not keep the disk idle; and what is handed over
 * while it works waits for its end. */
START_TEST(large_batches_go_at_once)
{
	size_t	bad = 0;

	commit(1, 3000);
	atomic_store(&hold_syncs, true);
	for (size_t i = 0; i < 64; i++)
		commit_begin(3000);
	wait_for_syncs(&held_syncs, 1);
	atomic_store(&fail_sync, 1);
	for (size_t i = 0; i < 100; i++)
		commit_begin(3000);
	(void)usleep(20000);
	ck_assert_int_eq(atomic_load(&held_syncs), 1);
	ck_assert_uint_eq(ndone, 1);
	atomic_store(&hold_syncs, false);
	wait_all();
	/* Only the batch whose sync failed. */
	for (size_t i = 0; i < nsent; i++) {
		ck_assert_int_eq(sent[i].result < 0, i >= 1 && i < 65);
		bad += sent[i].result < 0;
	}
	ck_assert_uint_eq(bad, 64);
	ck_assert_int_eq(atomic_load(&batches), 4);
}
END_TEST

/* With many clients more of them share a sync. */
START_TEST(large_is_what_many_send)
{
	static const size_t	clients[] = { 20, 600, 100000 },
				large[] = { 64, 100, 160 };

	commit(1, 3000);
	for (size_t i = 0; i < COUNT(clients); i++) {
		nclients = clients[i];
		atomic_store(&hold_syncs, true);
		for (size_t k = 1; k < large[i]; k++)
			commit_begin(3000);
		(void)usleep(20000);
		ck_assert_int_eq(atomic_load(&held_syncs), 0);
		commit_begin(3000);
		wait_for_syncs(&held_syncs, 1);
		atomic_store(&hold_syncs, false);
		wait_all();
	}
}
END_TEST

/* What waits for a sync is sealed meanwhile; one of it that may not be in the
 * queue takes no other with it. */
START_TEST(sealed_meanwhile)
{
	commit(1, 3000);
	atomic_store(&hold_syncs, true);
	commit_begin(3000);
	loop_once(loop, MSECS(1));
	wait_for_syncs(&held_syncs, 1);
	for (size_t i = 0; i < 3; i++)
		commit_begin(40000);
	commit_begin_bad(3000);
	/* The first turn hands them over, later ones bring them back. */
	for (int i = 0; i < 20; i++)
		loop_once(loop, MSECS(5));
	commit_begin(3000);
	loop_once(loop, MSECS(1));
	ck_assert_uint_eq(ndone, 1);
	atomic_store(&hold_syncs, false);
	wait_all();
	for (size_t i = 0; i < nsent; i++)
		ck_assert_int_eq(sent[i].result, i == 5 ? -1 : 0);
	/* Those that were sealed and the one behind them share a sync. */
	ck_assert_int_eq(atomic_load(&batches), 3);
	close_writer();
	start_reader();
	ck_assert_uint_eq(got.replayed, nsent - 1);
	for (size_t i = 0; i < nsent; i++)
		ck_assert_int_eq(file_is_good(&sent[i], QUEUE_NEW), i != 5);
}
END_TEST

/* Who is alone does not pay for threads; the first one of a segment, which has
 * to be made, does. */
START_TEST(alone_without_threads)
{
	nclients = 1;
	commit(1, 3000);
	for (size_t i = 0; i < 5; i++) {
		commit_begin(3000);
		ck_assert_uint_eq(ndone, i + 1);
		loop_once(loop, 0);
		ck_assert_uint_eq(ndone, i + 2);
	}
	atomic_store(&fail_sync, 1);
	commit_begin(3000);
	loop_once(loop, 0);
	ck_assert_uint_eq(ndone, nsent);
	ck_assert_int_eq(sent[nsent - 1].result, -1);
	commit(1, 3000);
	ck_assert_int_eq(sent[nsent - 1].result, 0);
	/* Two at the same time share a sync, in a thread. */
	atomic_store(&batches, 0);
	commit_begin(3000);
	commit_begin(3000);
	wait_all();
	ck_assert_int_eq(atomic_load(&batches), 1);
	close_writer();
	start_reader();
	ck_assert_uint_eq(got.replayed, nsent - 1);
}
END_TEST

/* What is written and not synced yet may still be refused: neither who looks
 * nor who starts takes it. */
static void
not_certain(bool fails)
{
	size_t	n = nsent;

	atomic_store(&hold_syncs, true);
	commit_begin(3000);
	for (int i = 0; i < 5000 && atomic_load(&held_syncs) == 0; i++)
		loop_once(loop, MSECS(1));
	ck_assert_int_eq(atomic_load(&held_syncs), 1);
	journal_look(j);
	ck_assert_int_eq(sent[n].seen, 0);
	close_reader();
	start_reader();
	journal_look(j);
	ck_assert_int_eq(sent[n - 1].seen, 1);
	ck_assert_int_eq(sent[n].seen, 0);
	if (fails)
		atomic_store(&fail_sync, 1);
	atomic_store(&hold_syncs, false);
	wait_all();
	ck_assert_int_eq(sent[n].result, fails ? -1 : 0);
	journal_look(j);
	ck_assert_int_eq(sent[n].seen, !fails);
}

START_TEST(looks_before_the_sync)
{
	start_reader();
	commit(1, 3000);
	not_certain(false);
	not_certain(true);
}
END_TEST

/* Nobody works off what comes: then it becomes files. */
START_TEST(segments_are_bounded)
{
	char	name[QUEUE_ID_MAX];

	open_reader();
	for (size_t i = 0; i < SEG_USED_MAX; i++) {
		queue_id_make(name);
		(void)close(openat(q->journal, name, O_WRONLY | O_CREAT,
		    0600));
	}
	commit(20, 3000);
	ck_assert_uint_eq(in_dir(QUEUE_NEW), 20);
	for (size_t i = 0; i < nsent; i++)
		ck_assert_int_eq(sent[i].result, 0);
}
END_TEST

/* The write is cut short in the middle of a batch. */
START_TEST(failed_write)
{
	size_t	bad = 0, good = 0;

	queue_listen(writer, tell, NULL);
	start_reader();
	commit(50, 3000);
	limit_files(300000);
	commit(100, 3000);
	unlimit_files();
	for (size_t i = 0; i < nsent; i++) {
		bad += sent[i].result < 0;
		good += sent[i].result == 0;
	}
	ck_assert_uint_gt(bad, 0);
	ck_assert_uint_gt(good, 50);	/* files, by and by */
	journal_look(j);
	for (size_t i = 0; i < nsent; i++) {
		bool	is_file = file_is_good(&sent[i], QUEUE_NEW) == 1;

		ck_assert_int_eq(sent[i].seen + is_file, sent[i].result == 0);
	}
}
END_TEST

/* No room for a segment: a file each, and a segment later. */
START_TEST(no_new_segment)
{
	char	names[1][QUEUE_ID_MAX];

	queue_listen(writer, tell, NULL);
	start_reader();
	limit_files(300000);
	commit_apart(10, 3000);
	/* It is not tried for each of them. */
	ck_assert_int_le(atomic_load(&fills), 2);
	ck_assert_uint_eq(segments(names, 1), 0);
	ck_assert_uint_eq(in_dir(QUEUE_TMP), 0);
	for (size_t i = 0; i < nsent; i++) {
		ck_assert_int_eq(sent[i].result, 0);
		ck_assert_int_eq(file_is_good(&sent[i], QUEUE_NEW), 1);
	}
	unlimit_files();
	close_writer();
	open_writer();
	queue_listen(writer, tell, NULL);
	commit(10, 3000);
	all_found(10);
}
END_TEST

/* A segment whose head cannot be synced is none. */
START_TEST(failed_begin)
{
	queue_listen(writer, tell, NULL);
	start_reader();
	atomic_store(&fail_sync, 1);
	commit(10, 3000);
	commit(10, 3000);
	for (size_t i = 0; i < nsent; i++) {
		ck_assert_int_eq(sent[i].result, 0);
		ck_assert_int_eq(sent[i].seen + file_is_good(&sent[i],
		    QUEUE_NEW), 1);
	}
	ck_assert_int_eq(file_is_good(&sent[0], QUEUE_NEW), 1);
	/* By and by there is one again. */
	while (sent[nsent - 1].seen == 0) {
		(void)usleep(10000);
		commit(1, 3000);
	}
}
END_TEST

/*
 * Following what is being written.
 */

/* Frames of sent[] as the writer would write them. */
static size_t
frame_bytes(const struct seg *s, size_t n, unsigned char *out, size_t max)
{
	char	name[QUEUE_ID_MAX];
	struct seg_frame	f;
	struct seg_walk		w;
	uint64_t		at;
	size_t			len = 0;
	int			fd = segment_fd(name);

	memset(&w, 0, sizeof(w));
	w.fd = fd;
	w.next = SEG_BLOCK;
	w.end = SEG_MIN;
	ck_assert_int_eq(seg_generation(fd, &w.generation), 1);
	while (n-- > 0) {
		uint64_t	room;

		ck_assert_int_eq(seg_walk(&w, &f, &at), 1);
		room = seg_frame_room(f.length);
		ck_assert_uint_le(len + room, max);
		seg_frame_put(s->generation, f.id, f.length, out + len);
		ck_assert_int_eq(file_pread(fd, out + len + SEG_FRAME,
		    (size_t)room - SEG_FRAME, (off_t)at),
		    (ssize_t)(room - SEG_FRAME));
		len += (size_t)room;
	}
	(void)close(fd);
	return len;
}

/* A batch of which the reader sees the first k 64-byte pieces, then all. */
START_TEST(half_a_batch)
{
	static unsigned char	bytes[65536];
	struct seg		*s;
	size_t			 len = 0;

	commit(4, 500);
	commit(1, 5000);
	start_reader();
	/* The same messages once more, by a writer that we drive. */
	for (size_t cut = 0; cut == 0 || cut < len; cut += SEG_FRAME) {
		char	name[QUEUE_ID_MAX];

		s = NULL;
		if (cut == 0) {
			s = seg_begin(writer, SEG_MIN, &err);
			ck_assert_ptr_nonnull(s);
			memcpy(name, s->name, sizeof(name));
			ck_assert_int_eq(renameat(q->journal, s->name,
			    q->journal, "aside"), 0);
			len = frame_bytes(s, 5, bytes, sizeof(bytes));
			ck_assert_int_eq(renameat(q->journal, "aside",
			    q->journal, name), 0);
			for (size_t i = 0; i < nsent; i++)
				if (sent[i].rec != NULL)
					journal_settle(&sent[i].rec);
			seg_end(&s);
			journal_look(j);
		}
		s = seg_begin(writer, SEG_MIN, &err);
		ck_assert_ptr_nonnull(s);
		for (size_t at = 0; at < len;) {	/* its generation */
			struct seg_frame	f;
			uint32_t		length;

			memcpy(f.id, bytes + at + 16, sizeof(f.id));
			length = queue_get32(bytes + at + 48);
			seg_frame_put(s->generation, f.id, length,
			    bytes + at);
			at += seg_frame_room(length);
		}
		for (size_t i = 0; i < nsent; i++)
			sent[i].seen = 0;
		ck_assert_int_eq(file_pwrite(s->fd, bytes, cut, SEG_BLOCK),
		    0);
		journal_look(j);
		journal_retire(j);
		ck_assert_int_eq(file_pwrite(s->fd, bytes, len, SEG_BLOCK),
		    0);
		if (cut % 128 == 0)
			journal_told(j, s->name, SEG_BLOCK + len);
		else
			seg_end(&s);	/* died before it told */
		journal_look(j);
		for (size_t i = 0; i < nsent; i++)
			ck_assert_msg(sent[i].seen == 1,
			    "cut at %zu: message %zu seen %d times", cut, i,
			    sent[i].seen);
		all_found(0);
		settle_all();
		journal_flush(j);
		seg_end(&s);
		journal_look(j);
	}
}
END_TEST

/* Told less than there is, or of the middle of a frame. */
START_TEST(told_too_little)
{
	char	name[QUEUE_ID_MAX];
	int	fd;

	start_reader();
	commit(6, 3000);
	fd = segment_fd(name);
	for (uint64_t end = 0; end < SEG_BLOCK * 8; end += 500)
		journal_told(j, name, end);
	journal_told(j, name, UINT64_MAX);
	journal_told(j, "4jXKSw6x0PzNJJNWG", SEG_BLOCK);
	journal_told(j, "../new", SEG_BLOCK);
	all_found(0);
	(void)close(fd);
}
END_TEST

static int	told_fd;

static void
tell_parent(void *arg, int result, const struct error *e)
{
	(void)e;
	if (result == 0)
		(void)!write(told_fd, arg, QUEUE_ID_MAX);
	((char *)arg)[0] = '\0';
}

static void
write_for_ever(int fd)
{
	static const char	 line[] =
				    "0123456789012345678901234567890123\r\n";
	static char		 ids[16][QUEUE_ID_MAX];
	struct queue_rcpt	 r = { .address = "a@b" };
	struct queue_env	 e = { .sender = "", .rcpts = &r, .nrcpts = 1 };

	check_child();
	told_fd = fd;
	open_writer();
	for (size_t n = 0;; n++) {
		for (size_t i = 0; i < COUNT(ids); i++) {
			struct queue_file	*f;

			if (ids[i][0] != '\0')
				continue;
			queue_file_new(writer, &f);
			for (size_t k = n % 40; k > 0; k--)
				if (queue_file_write(f, line, sizeof(line) -
				    1, &err) < 0)
					_exit(1);
			(void)snprintf(ids[i], QUEUE_ID_MAX, "%s",
			    queue_file_id(f));
			queue_file_commit(&f, &e, false, tell_parent, ids[i]);
		}
		loop_once(loop, SECS(1));
	}
}

/* Of a process that is killed: what it told of is sent[]. */
static void
hear(int fd, size_t n)
{
	while (n-- > 0 && nsent < MOST) {
		struct sent	*s = &sent[nsent];

		if (read(fd, s->id, sizeof(s->id)) != (ssize_t)sizeof(s->id))
			return;
		s->result = 0;
		nsent++;
	}
}

/* Which messages does the reader hold, and is each there once? */
static size_t
held(const char *id)
{
	size_t	n = 0;

	LIST_EACH(l, &j->segs)
		LIST_EACH(m, &LIST_ENTRY(l, struct journal_seg, link)->recs)
			n += strcmp(LIST_ENTRY(m, struct journal_rec,
			    link)->id, id) == 0;
	return n;
}

START_TEST(starts_while_written)
{
	close_writer();
	for (int round = 0; round < 15; round++) {
		int	p[2];
		pid_t	pid;

		nsent = ndone = 0;
		ck_assert_int_eq(pipe(p), 0);
		pid = fork();
		if (pid == 0)
			write_for_ever(p[1]);
		(void)close(p[1]);
		hear(p[0], 1 + (size_t)round * 3);
		start_reader();
		for (int k = 0; k < round; k++) {
			journal_look(j);
			hear(p[0], 10);
		}
		ck_assert_int_eq(kill(pid, SIGKILL), 0);
		ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
		hear(p[0], MOST);
		(void)close(p[0]);
		journal_look(j);
		for (size_t i = 0; i < nsent; i++)
			ck_assert_msg(held(sent[i].id) == 1,
			    "round %d: message %zu of %zu held %zu times",
			    round, i, nsent, held(sent[i].id));
		/* The next one makes files of them. */
		kill_reader();
		start_reader();
		for (size_t i = 0; i < nsent; i++)
			ck_assert(faccessat(q->dirs[QUEUE_NEW], sent[i].id,
			    F_OK, 0) == 0);
		close_reader();
		clear_queue();
	}
}
END_TEST

/* A reader is overtaken: where it has looked for the last message of a batch
 * in vain there is one when it finds the next batch. */
START_TEST(overtaken)
{
	start_reader();
	commit(3, 100);		/* the first one by itself */
	commit_apart(2, 100);
	journal_look(j);
	ck_assert_uint_eq(sent[2].rec->at / SEG_BLOCK,
	    sent[1].rec->at / SEG_BLOCK);
	atomic_store(&stale_read, (long long)(sent[2].rec->at - SEG_FRAME));
	close_reader();
	start_reader();
	ck_assert_int_eq(atomic_load(&stale_read), -1);
	for (size_t i = 0; i < nsent; i++)
		ck_assert_msg(sent[i].seen == 1, "message %zu: %d", i,
		    sent[i].seen);
}
END_TEST

/*
 * Trouble while following.
 */

/* What cannot be read now is not what was settled. */
START_TEST(unreadable_is_not_given_up)
{
	char	names[1][QUEUE_ID_MAX];

	start_reader();
	commit_apart(20, 5000);
	close_writer();
	atomic_store(&fail_read, SEG_BLOCK * 4);
	for (int i = 0; i < 3; i++) {
		journal_look(j);
		settle_all();
		journal_retire(j);
	}
	atomic_store(&fail_read, -1);
	ck_assert_uint_eq(segments(names, 1), 1);
	journal_look(j);
	for (size_t i = 0; i < nsent; i++)
		ck_assert_int_eq(sent[i].seen, 1);
}
END_TEST

static void
flip(int fd, off_t at)
{
	unsigned char	c;

	ck_assert_int_eq(file_pread(fd, &c, 1, at), 1);
	c ^= 0x10;
	ck_assert_int_eq(file_pwrite(fd, &c, 1, at), 0);
}

/* One of a writer that died without a word. */
START_TEST(damage_behind_a_dead_writer)
{
	char	name[QUEUE_ID_MAX];
	int	fd;

	start_reader();
	commit_apart(4, 3000);
	fd = segment_fd(name);
	flip(fd, SEG_BLOCK * 2 + 1000);		/* content of the second */
	(void)close(fd);
	close_writer();
	journal_look(j);
	ck_assert_int_eq(sent[0].seen, 1);
	ck_assert_int_eq(sent[2].seen, 1);
	ck_assert_int_eq(sent[3].seen, 1);
	ck_assert(sent[1].seen == 1 || in_dir(QUEUE_CORRUPT) == 1);
}
END_TEST

/*
 * Notes.
 */

START_TEST(settled_stay_away)
{
	start_reader();
	commit(10, 3000);
	journal_look(j);
	for (size_t i = 0; i < 5; i++)
		journal_settle(&sent[i].rec);
	journal_mark(sent[7].rec, 1, RCPT_DONE);
	journal_mark(sent[7].rec, 2, RCPT_BOUNCED);
	close_reader();
	start_reader();			/* the writer lives */
	ck_assert_uint_eq(got.segments, 0);
	for (size_t i = 0; i < 10; i++)
		ck_assert_int_eq(sent[i].seen, i >= 5);
	for (size_t i = 5; i < 10; i++) {
		struct queue_msg	m;

		ck_assert(sent[i].rec->old);
		ck_assert_int_eq(journal_msg_open(sent[i].rec, a, &m, &err),
		    QUEUE_OK);
		ck_assert_int_eq(m.env.rcpts[0].status, RCPT_TODO);
		ck_assert_int_eq(m.env.rcpts[1].status, i == 7 ? RCPT_DONE :
		    RCPT_TODO);
		ck_assert_int_eq(m.env.rcpts[2].status, i == 7 ?
		    RCPT_BOUNCED : RCPT_TODO);
	}
}
END_TEST

static int
note_log_fd(void)
{
	struct journal_seg	*s = LIST_ENTRY(j->segs.next,
				    struct journal_seg, link);
	char			 name[64];
	int			 fd;

	(void)snprintf(name, sizeof(name), "done.%016llx",
	    (unsigned long long)s->walk.generation);
	fd = openat(q->journal, name, O_RDWR);
	ck_assert_int_ge(fd, 0);
	return fd;
}

/* Cut at every byte: what was whole counts; what is noted after that does,
 * too. */
START_TEST(torn_notes)
{
	struct stat	st;
	int		fd;

	start_reader();
	commit(5, 3000);
	journal_look(j);
	journal_settle(&sent[0].rec);
	journal_settle(&sent[1].rec);
	journal_settle(&sent[2].rec);
	journal_flush(j);
	fd = note_log_fd();
	ck_assert_int_eq(fstat(fd, &st), 0);
	ck_assert_int_eq(st.st_size, 48);
	close_reader();
	for (off_t cut = 47; cut >= 0; cut--) {
		ck_assert_int_eq(ftruncate(fd, cut), 0);
		start_reader();
		for (off_t i = 0; i < 5; i++)
			ck_assert_int_eq(sent[i].seen, i >= cut / 16);
		if (cut % 8 == 3) {
			journal_settle(&sent[4].rec);
			close_reader();
			start_reader();
			ck_assert_int_eq(sent[4].seen, 0);
			ck_assert_int_eq(ftruncate(fd, cut), 0);
		}
		close_reader();
	}
	(void)close(fd);
}
END_TEST

START_TEST(flipped_notes)
{
	int	fd;

	start_reader();
	commit(3, 3000);
	journal_look(j);
	journal_settle(&sent[0].rec);
	journal_settle(&sent[1].rec);
	journal_flush(j);
	fd = note_log_fd();
	close_reader();
	for (off_t at = 0; at < 32; at++) {
		flip(fd, at);
		start_reader();
		ck_assert_int_eq(sent[0].seen, at < 16);
		ck_assert_int_eq(sent[1].seen, at >= 16);
		ck_assert_int_eq(sent[2].seen, 1);
		close_reader();
		flip(fd, at);
	}
	(void)close(fd);
}
END_TEST

/* A full disk takes no notes; they are taken when it has room again. */
START_TEST(notes_wait_for_room)
{
	start_reader();
	commit(2, 3000);
	journal_look(j);
	journal_settle(&sent[0].rec);
	limit_files(8);
	journal_flush(j);
	unlimit_files();
	journal_settle(&sent[1].rec);
	close_reader();
	start_reader();
	ck_assert_int_eq(sent[0].seen, 0);
	ck_assert_int_eq(sent[1].seen, 0);
}
END_TEST

START_TEST(notes_are_synced)
{
	int	fds[4];

	start_reader();
	commit(2, 3000);
	journal_look(j);
	ck_assert_uint_eq(journal_dirty(j, fds, 4), 0);
	ck_assert(journal_wants_flush(j));
	ck_assert(!journal_wants_flush(j));
	journal_settle(&sent[0].rec);
	ck_assert_uint_eq(journal_dirty(j, fds, 4), 1);
	ck_assert_int_eq(fdatasync(fds[0]), 0);
	(void)close(fds[0]);
	ck_assert(journal_wants_flush(j));
	ck_assert_uint_eq(journal_dirty(j, fds, 4), 0);
	journal_settle(&sent[1].rec);
	ck_assert_uint_eq(journal_dirty(j, fds, 0), 0);
	ck_assert_uint_eq(journal_dirty(j, fds, 4), 1);
	(void)close(fds[0]);
}
END_TEST

/*
 * A copy of its own.
 */

START_TEST(spill)
{
	struct journal_copy	c;
	struct queue_msg	m, f;
	struct journal_rec	*r;
	int			fd;

	start_reader();
	commit(1, 20000);
	journal_look(j);
	r = sent[0].rec;
	journal_mark(r, 0, RCPT_DONE);
	ck_assert_int_eq(journal_msg_open(r, a, &m, &err), QUEUE_OK);
	journal_copy_of(q, &m, QUEUE_CUR, a, &c);
	/* While the copy is made. */
	ck_assert_int_eq(queue_msg_mark(&m, 1, RCPT_DONE, &err), 0);
	ck_assert_msg(journal_copy(&c, &fd, &err) == 0, "%s", err.text);
	ck_assert_int_eq(file_is_good(&sent[0], QUEUE_CUR), 1);
	ck_assert_uint_eq(in_dir(QUEUE_TMP), 0);
	ck_assert_int_eq(queue_msg_open(q, QUEUE_CUR, sent[0].id, false, true,
	    a, &f, &err), QUEUE_OK);
	ck_assert_int_eq(f.env.rcpts[0].status, RCPT_DONE);
	ck_assert_int_eq(f.env.rcpts[1].status, RCPT_TODO);
	queue_msg_close(&f);
	(void)close(fd);
	journal_moved(&r);
	close_reader();
	start_reader();
	ck_assert_int_eq(sent[0].seen, 0);
	ck_assert_uint_eq(in_dir(QUEUE_NEW), 0);
}
END_TEST

/* The reader died before it said that there is a file, after it had noted
 * another recipient.  That one is not done again. */
START_TEST(spill_cut_short)
{
	struct journal_copy	c;
	struct queue_msg	m, f;

	start_reader();
	commit(1, 20000);
	journal_look(j);
	journal_mark(sent[0].rec, 0, RCPT_DONE);
	ck_assert_int_eq(journal_msg_open(sent[0].rec, a, &m, &err),
	    QUEUE_OK);
	journal_copy_of(q, &m, QUEUE_CUR, a, &c);
	ck_assert_int_eq(queue_msg_mark(&m, 1, RCPT_DONE, &err), 0);
	ck_assert_int_eq(journal_copy(&c, NULL, &err), 0);
	journal_flush(j);
	close_writer();
	kill_reader();
	start_reader();
	ck_assert_int_eq(sent[0].seen, 0);
	ck_assert_uint_eq(in_dir(QUEUE_NEW), 0);
	ck_assert_int_eq(queue_msg_open(q, QUEUE_CUR, sent[0].id, false, true,
	    a, &f, &err), QUEUE_OK);
	ck_assert_int_eq(f.env.rcpts[0].status, RCPT_DONE);
	ck_assert_int_eq(f.env.rcpts[1].status, RCPT_DONE);
	ck_assert_int_eq(f.env.rcpts[2].status, RCPT_TODO);
	queue_msg_close(&f);
}
END_TEST

START_TEST(failed_spill)
{
	struct journal_copy	c;
	struct queue_msg	m;

	start_reader();
	commit(1, 20000);
	journal_look(j);
	ck_assert_int_eq(journal_msg_open(sent[0].rec, a, &m, &err),
	    QUEUE_OK);
	journal_copy_of(q, &m, QUEUE_CUR, a, &c);
	atomic_store(&fail_sync, 1);
	ck_assert_int_eq(journal_copy(&c, NULL, &err), -1);
	limit_files(5000);
	ck_assert_int_eq(journal_copy(&c, NULL, &err), -1);
	unlimit_files();
	ck_assert_uint_eq(in_dir(QUEUE_CUR) + in_dir(QUEUE_TMP), 0);
	ck_assert(rec_is_good(&sent[0]));
	ck_assert_int_eq(journal_copy(&c, NULL, &err), 0);
	ck_assert_int_eq(file_is_good(&sent[0], QUEUE_CUR), 1);
}
END_TEST

/* What agents are given: this content and nothing else, and only to read. */
START_TEST(shared_copy)
{
	struct queue_msg	m;
	char			*have = mem_new(1, 20000);
	struct stat		 st;

	start_reader();
	commit(3, 20000);
	journal_look(j);
	ck_assert_int_eq(journal_msg_open(sent[1].rec, a, &m, &err),
	    QUEUE_OK);
	ck_assert_int_eq(queue_msg_share(q, QUEUE_NEW, &m, &err), 0);
	ck_assert_int_eq(fstat(m.shared, &st), 0);
	ck_assert_int_eq(st.st_size, 20000);
	ck_assert_uint_eq(m.shared_offset, 0);
	ck_assert_int_eq(file_pread(m.shared, have, 20000, 0), 20000);
	ck_assert_int_eq(have[7], 'b');
	ck_assert_int_eq(file_pwrite(m.shared, "x", 1, 0), -1);
	ck_assert_int_eq(ftruncate(m.shared, 0), -1);
	queue_msg_close(&m);
	mem_free(&have);
}
END_TEST

/*
 * Two readers, one of which ends.
 */

START_TEST(fates)
{
	struct journal	*old;
	struct queue	*old_q;
	struct journal_rec	*r[4];
	struct queue_msg	 m;
	struct journal_copy	 c;

	start_reader();
	commit(4, 3000);
	close_writer();
	journal_look(j);
	for (int i = 0; i < 4; i++) {
		r[i] = sent[i].rec;
		sent[i].seen = 0;
		ck_assert_int_eq(inflight_add(journal_inflight(j), r[i]->id),
		    0);
	}
	old = j;
	old_q = q;
	start_reader();
	ck_assert_uint_eq(got.replayed, 0);
	for (int i = 0; i < 4; i++) {
		ck_assert_int_eq(sent[i].seen, 1);
		ck_assert(sent[i].rec->old);
		ck_assert_int_eq(journal_fate(sent[i].rec, &err), FATE_OPEN);
	}
	journal_settle(&r[0]);
	ck_assert_int_eq(journal_msg_open(r[1], a, &m, &err), QUEUE_OK);
	journal_copy_of(old_q, &m, QUEUE_CUR, a, &c);
	ck_assert_int_eq(journal_copy(&c, NULL, &err), 0);
	journal_moved(&r[1]);
	/* A file, but nobody said so. */
	ck_assert_int_eq(journal_msg_open(r[2], a, &m, &err), QUEUE_OK);
	journal_copy_of(old_q, &m, QUEUE_CUR, a, &c);
	ck_assert_int_eq(journal_copy(&c, NULL, &err), 0);
	journal_mark(r[3], 1, RCPT_DONE);
	journal_flush(old);
	ck_assert_int_eq(journal_fate(sent[0].rec, &err), FATE_SETTLED);
	ck_assert_int_eq(journal_fate(sent[1].rec, &err), FATE_FILE);
	ck_assert_int_eq(journal_fate(sent[2].rec, &err), FATE_FILE);
	ck_assert_int_eq(journal_fate(sent[3].rec, &err), FATE_OPEN);
	ck_assert_int_eq(journal_msg_open(sent[3].rec, a, &m, &err),
	    QUEUE_OK);
	ck_assert_int_eq(m.env.rcpts[1].status, RCPT_DONE);
	/* Neither the old nor the new one may lose it to the other. */
	journal_look(j);
	ck_assert(rec_is_good(&sent[3]));
	journal_close(&old);
	queue_close(&old_q);
}
END_TEST

START_TEST(locks_outlive_the_holder)
{
	int	mine, theirs, kept, p[2];
	pid_t	pid;
	char	byte;

	start_reader();
	mine = inflight_open(q, &err);
	theirs = inflight_open(q, &err);
	ck_assert_int_ge(mine, 0);
	ck_assert_int_eq(inflight_add(theirs, "4jXKSw6x0PzNJJNWG"), 0);
	ck_assert(inflight_elsewhere(mine, "4jXKSw6x0PzNJJNWG"));
	ck_assert(!inflight_elsewhere(theirs, "4jXKSw6x0PzNJJNWG"));
	ck_assert(!inflight_elsewhere(mine, "4jXKSw6x0PzNJJNWH"));
	/* An agent has a duplicate when the holder dies. */
	ck_assert_int_eq(pipe(p), 0);
	kept = dup(theirs);
	pid = fork();
	if (pid == 0) {
		(void)close(p[1]);
		(void)!read(p[0], &byte, 1);
		_exit(0);
	}
	(void)close(kept);
	(void)close(theirs);
	ck_assert(inflight_elsewhere(mine, "4jXKSw6x0PzNJJNWG"));
	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	ck_assert(!inflight_elsewhere(mine, "4jXKSw6x0PzNJJNWG"));
	ck_assert_int_eq(inflight_add(mine, "4jXKSw6x0PzNJJNWG"), 0);
	inflight_remove(mine, "4jXKSw6x0PzNJJNWG");
	(void)close(mine);
}
END_TEST

START_TEST(one_leads)
{
	int	one, two;

	start_reader();
	one = leader_open(q, &err);
	two = leader_open(q, &err);
	ck_assert_int_ge(one, 0);
	ck_assert_int_ge(two, 0);
	ck_assert_int_eq(leader_lock(one), 0);
	ck_assert_int_eq(leader_lock(two), -1);
	leader_unlock(one);
	ck_assert_int_eq(leader_lock(two), 0);
	(void)close(two);
	ck_assert_int_eq(leader_lock(one), 0);
	/* Or the disk could not be made read-only under it. */
	ck_assert_int_eq(fcntl(one, F_GETFL) & O_ACCMODE, O_RDONLY);
	ck_assert_int_eq(fcntl(journal_inflight(j), F_GETFL) & O_ACCMODE,
	    O_RDONLY);
	(void)close(one);
}
END_TEST

/* Neither may be taken for a segment. */
START_TEST(lock_files_stay)
{
	struct stat	was, is;
	int		fd;

	start_reader();
	fd = leader_open(q, &err);
	ck_assert_int_ge(fd, 0);
	(void)close(fd);
	ck_assert_int_eq(fstatat(q->journal, "leader", &was, 0), 0);
	for (int i = 0; i < 3; i++) {
		journal_look(j);
		close_reader();
		start_reader();
	}
	ck_assert_int_eq(fstatat(q->journal, "leader", &is, 0), 0);
	ck_assert_uint_eq(was.st_ino, is.st_ino);
	ck_assert(in_journal("inflight"));
}
END_TEST

/*
 * Tools.
 */

START_TEST(find)
{
	struct queue_msg	m;

	start_reader();
	commit(5, 3000);
	journal_look(j);
	journal_settle(&sent[0].rec);
	journal_moved(&sent[1].rec);
	journal_mark(sent[2].rec, 2, RCPT_DONE);
	journal_flush(j);
	for (size_t i = 0; i < 5; i++) {
		enum queue_read	want = i < 2 ? QUEUE_GONE : QUEUE_OK;

		ck_assert_int_eq(journal_find(q, sent[i].id, a, &m, &err),
		    want);
		if (want != QUEUE_OK)
			continue;
		ck_assert_str_eq(m.id, sent[i].id);
		ck_assert_uint_eq(m.content_size, 3000);
		ck_assert_int_eq(m.env.rcpts[2].status, i == 2 ? RCPT_DONE :
		    RCPT_TODO);
		queue_msg_close(&m);
	}
	ck_assert_int_eq(journal_find(q, "4jXKSw6x0PzNJJNWG", a, &m, &err),
	    QUEUE_GONE);
	/* A lone reader of a segment that is retired finds nothing. */
	settle_all();
	close_writer();
	journal_flush(j);
	journal_look(j);
	ck_assert_int_eq(journal_find(q, sent[3].id, a, &m, &err),
	    QUEUE_GONE);
}
END_TEST

static size_t	nold;

static void
count_old(void *arg, struct journal_rec *r)
{
	(void)arg;
	nold++;
	journal_settle(&r);
}

START_TEST(old_ones)
{
	start_reader();
	commit(5, 3000);
	journal_look(j);
	journal_each_old(j, 0, count_old, NULL);
	ck_assert_uint_eq(nold, 0);		/* its writer lives */
	close_writer();
	journal_look(j);
	journal_each_old(j, SECS(100), count_old, NULL);
	ck_assert_uint_eq(nold, 0);
	journal_each_old(j, 0, count_old, NULL);
	ck_assert_uint_eq(nold, 5);
}
END_TEST

static int
open_fds(void)
{
	int	n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* Through many segments: descriptors and files stay as few as they were. */
START_TEST(nothing_piles_up)
{
	int	before = 0;
	char	names[1][QUEUE_ID_MAX];

	start_reader();
	close_writer();
	for (int i = 0; i < 30; i++) {
		struct queue_msg	m;

		open_writer();
		queue_listen(writer, tell, NULL);
		nsent = ndone = 0;
		commit(10, 3000);
		ck_assert_int_eq(journal_find(q, sent[4].id, a, &m, &err),
		    QUEUE_OK);
		queue_msg_close(&m);
		all_found(0);
		settle_all();
		journal_flush(j);
		close_writer();
		journal_look(j);
		if (i == 0)
			before = open_fds();
	}
	ck_assert_int_eq(open_fds(), before);
	ck_assert(list_empty(&j->segs));
	ck_assert_uint_eq(segments(names, 1), 0);
	ck_assert_uint_eq(note_logs(), 0);
	ck_assert(!in_journal("free.1"));
}
END_TEST

static void
add_writing(Suite *s)
{
	TCase	*t = tcase_create("writing");

	tcase_set_timeout(t, 120);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, syncs_are_shared);
	tcase_add_test(t, told_of_all);
	tcase_add_test(t, found_untold);
	tcase_add_test(t, segments_grow);
	tcase_add_test(t, more_than_a_segment);
	tcase_add_test(t, segments_are_used_again);
	tcase_add_test(t, free_slots_are_few);
	tcase_add_test(t, writers_race);
	tcase_add_test(t, failed_sync);
	tcase_add_test(t, large_batches_go_at_once);
	tcase_add_test(t, large_is_what_many_send);
	tcase_add_test(t, sealed_meanwhile);
	tcase_add_test(t, alone_without_threads);
	tcase_add_test(t, looks_before_the_sync);
	tcase_add_test(t, segments_are_bounded);
	tcase_add_test(t, failed_write);
	tcase_add_test(t, no_new_segment);
	tcase_add_test(t, failed_begin);
	suite_add_tcase(s, t);
}

static void
add_reading(Suite *s)
{
	TCase	*t = tcase_create("reading");

	tcase_set_timeout(t, 120);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, half_a_batch);
	tcase_add_test(t, told_too_little);
	tcase_add_test(t, starts_while_written);
	tcase_add_test(t, overtaken);
	tcase_add_test(t, unreadable_is_not_given_up);
	tcase_add_test(t, damage_behind_a_dead_writer);
	tcase_add_test(t, settled_stay_away);
	tcase_add_test(t, torn_notes);
	tcase_add_test(t, flipped_notes);
	tcase_add_test(t, notes_wait_for_room);
	tcase_add_test(t, notes_are_synced);
	tcase_add_test(t, spill);
	tcase_add_test(t, spill_cut_short);
	tcase_add_test(t, failed_spill);
	tcase_add_test(t, shared_copy);
	tcase_add_test(t, fates);
	tcase_add_test(t, locks_outlive_the_holder);
	tcase_add_test(t, one_leads);
	tcase_add_test(t, lock_files_stay);
	tcase_add_test(t, find);
	tcase_add_test(t, old_ones);
	tcase_add_test(t, nothing_piles_up);
	suite_add_tcase(s, t);
}

int
main(void)
{
	Suite	*s = suite_create("journal");

	add_writing(s);
	add_reading(s);
	return check_run(s);
}
