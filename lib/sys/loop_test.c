/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/check_run.h"
#include "sys/clock.h"
#include "sys/loop.h"
#include "sys/syncer.h"

static struct loop		*loop;
static int			 count, seen;
static struct loop_fd		*watch, *other;
static struct loop_timer	*timer;

static void
setup(void)
{
	loop = loop_new();
	count = seen = 0;
}

static void
teardown(void)
{
	loop_free(&loop);
	ck_assert_ptr_null(loop);
}

static void
stop(void *arg)
{
	count++;
	loop_stop(arg);
}

START_TEST(timer_runs_once_and_can_be_moved)
{
	struct loop_timer	*t = loop_timer_new(loop, stop, loop);
	usec_t			 began = clock_mono();

	loop_timer_set(t, SECS(100));
	loop_timer_set(t, MSECS(30));
	loop_run(loop);
	ck_assert_int_eq(count, 1);
	ck_assert_int_ge(clock_mono() - began, MSECS(25));
	loop_timer_set(t, MSECS(1));
	loop_timer_stop(t);
	loop_once(loop, MSECS(30));
	ck_assert_int_eq(count, 1);
	loop_timer_set(t, -5);
	ck_assert_int_eq(count, 1);
	loop_once(loop, SECS(5));
	ck_assert_int_eq(count, 2);
	loop_timer_free(&t);
	ck_assert_ptr_null(t);
}
END_TEST

static void
again(void *arg UNUSED)
{
	if (++count < 1000)
		loop_defer(loop, again, NULL);
	else
		loop_stop(loop);
}

static void
on_fd(void *arg UNUSED, int what)
{
	char	c;

	seen |= what;
	if (what == LOOP_READ)
		ck_assert_int_eq(read(*(int *)arg, &c, 1), 1);
}

/* Deferred calls that breed do not keep descriptors waiting. */
START_TEST(deferred_calls)
{
	int	p[2];

	ck_assert_int_eq(pipe2(p, O_NONBLOCK), 0);
	ck_assert_int_eq(write(p[1], "x", 1), 1);
	watch = loop_fd_new(loop, p[0], LOOP_READ, on_fd, &p[0]);
	loop_defer(loop, again, NULL);
	ck_assert_int_eq(count, 0);
	loop_run(loop);
	ck_assert_int_eq(count, 1000);
	ck_assert_int_eq(seen, LOOP_READ);
	loop_fd_free(&watch);
	close(p[0]);
	close(p[1]);
}
END_TEST

static void
free_both(void *arg UNUSED, int what UNUSED)
{
	count++;
	loop_fd_free(&watch);
	loop_fd_free(&other);
	loop_timer_free(&timer);
	loop_stop(loop);
}

static void
count_up(void *arg UNUSED)
{
	count++;
}

/* Both descriptors are ready; whichever runs first frees everything. */
START_TEST(callback_frees_itself_and_others)
{
	int	p[2];

	ck_assert_int_eq(pipe2(p, O_NONBLOCK), 0);
	ck_assert_int_eq(write(p[1], "x", 1), 1);
	watch = loop_fd_new(loop, p[0], LOOP_READ, free_both, NULL);
	other = loop_fd_new(loop, p[1], LOOP_WRITE, free_both, NULL);
	timer = loop_timer_new(loop, count_up, NULL);
	loop_timer_set(timer, MSECS(20));
	loop_run(loop);
	ck_assert_int_eq(count, 1);
	loop_once(loop, MSECS(40));
	ck_assert_int_eq(count, 1);
	close(p[0]);
	close(p[1]);
}
END_TEST

START_TEST(interest_changes)
{
	int	p[2];

	ck_assert_int_eq(pipe2(p, O_NONBLOCK), 0);
	watch = loop_fd_new(loop, p[1], 0, on_fd, &p[1]);
	loop_once(loop, MSECS(5));
	ck_assert_int_eq(seen, 0);
	loop_fd_want(watch, LOOP_WRITE);
	loop_once(loop, SECS(5));
	ck_assert_int_eq(seen, LOOP_WRITE);
	seen = 0;
	loop_fd_want(watch, 0);
	loop_once(loop, MSECS(5));
	ck_assert_int_eq(seen, 0);
	loop_fd_free(&watch);
	close(p[0]);
	close(p[1]);
}
END_TEST

static char			 order[64];
static struct loop_timer	*late;

static void
note(void *arg)
{
	if (strlen(order) < sizeof(order) - 1)
		order[strlen(order)] = *(const char *)arg;
}

static void
note_and_wait(void *arg)
{
	note(arg);
	loop_timer_before_wait(late);
	loop_timer_before_wait(late);
}

/* First what is to run at once, then what collects; the call of each turn
 * stands around that.  loop_once() does it before and after it looks. */
START_TEST(order_of_a_turn)
{
	static char		 t[] = "t", d[] = "d", w[] = "w", z[] = "0";
	struct loop_timer	*soon;

	memset(order, 0, sizeof(order));
	late = loop_timer_new(loop, note, w);
	soon = loop_timer_new(loop, note, z);
	loop_each_turn(loop, note, t);
	loop_defer(loop, note_and_wait, d);
	loop_timer_set(soon, 0);
	loop_once(loop, 0);
	ck_assert_str_eq(order, "d0twtt");
	memset(order, 0, sizeof(order));
	loop_timer_before_wait(late);
	loop_timer_stop(late);
	loop_timer_set(soon, 0);
	loop_timer_set(soon, MSECS(1));
	loop_once(loop, SECS(5));
	ck_assert_str_eq(order, "t0t");
	loop_timer_set(soon, 0);
	loop_timer_free(&soon);
	loop_timer_before_wait(late);
	loop_timer_free(&late);
	memset(order, 0, sizeof(order));
	loop_once(loop, 0);
	ck_assert_str_eq(order, "tt");
}
END_TEST

static struct loop_timer	*later;

static void
note_and_collect(void *arg)
{
	note(arg);
	loop_timer_before_wait(later);
}

/* What collects in what collects is not left for after the look, but there the
 * turn ends. */
START_TEST(late_of_late)
{
	static char	t[] = "t", w[] = "w", a[] = "a";

	memset(order, 0, sizeof(order));
	late = loop_timer_new(loop, note_and_collect, w);
	later = loop_timer_new(loop, note_and_collect, a);
	loop_each_turn(loop, note, t);
	loop_timer_before_wait(late);
	loop_once(loop, 0);
	ck_assert_str_eq(order, "twattaat");
	loop_timer_free(&late);
	loop_timer_free(&later);
}
END_TEST

static void
on_edge(void *arg UNUSED, int what)
{
	seen |= what;
	count++;
}

/* Each write is one event, read or not. */
static void
look_twice(void *arg)
{
	usec_t	first = loop_now(loop), *out = arg;

	while (clock_mono() <= first)
		;
	ck_assert(loop_now(loop) == first);
	*out = first;
	loop_stop(loop);
}

/* One time within a turn; the right one in every turn and outside. */
START_TEST(now)
{
	usec_t	began = clock_mono(), seen_at = 0;

	timer = loop_timer_new(loop, look_twice, &seen_at);
	for (int i = 0; i < 2; i++) {
		loop_timer_set(timer, MSECS(5));
		loop_run(loop);
		ck_assert(seen_at >= began + MSECS(5));
		began = loop_now(loop);
		ck_assert(began > seen_at);
	}
	loop_timer_free(&timer);
}
END_TEST

START_TEST(edges)
{
	uint64_t	one = 1;
	int		fd = eventfd(0, EFD_NONBLOCK);

	watch = loop_fd_new(loop, fd, LOOP_READ | LOOP_EDGE, on_edge, NULL);
	for (int i = 1; i < 4; i++) {
		ck_assert_int_eq(write(fd, &one, sizeof(one)), sizeof(one));
		loop_once(loop, SECS(5));
		ck_assert_int_eq(count, i);
		loop_once(loop, MSECS(1));
		ck_assert_int_eq(count, i);
	}
	ck_assert_int_eq(seen, LOOP_READ);
	loop_fd_free(&watch);
	close(fd);
}
END_TEST

static void
lose_interest(void *arg UNUSED, int what UNUSED)
{
	count++;
	loop_fd_want(watch, 0);
	loop_fd_want(other, 0);
}

/* Both are ready; what the first one gave up is not reported any more. */
START_TEST(lost_interest_counts_at_once)
{
	int	p[2];

	ck_assert_int_eq(pipe2(p, O_NONBLOCK), 0);
	ck_assert_int_eq(write(p[1], "x", 1), 1);
	watch = loop_fd_new(loop, p[0], LOOP_READ, lose_interest, NULL);
	other = loop_fd_new(loop, p[1], LOOP_WRITE, lose_interest, NULL);
	loop_once(loop, SECS(5));
	loop_once(loop, MSECS(1));
	ck_assert_int_eq(count, 1);
	loop_fd_want(other, LOOP_WRITE);
	loop_once(loop, SECS(5));
	ck_assert_int_eq(count, 2);
	loop_fd_free(&watch);
	loop_fd_free(&other);
	close(p[0]);
	close(p[1]);
}
END_TEST

START_TEST(signals)
{
	struct loop_signal	*s = loop_signal_new(loop, SIGUSR1, stop, loop);

	raise(SIGUSR1);
	loop_run(loop);
	ck_assert_int_eq(count, 1);
	loop_signal_free(&s);
}
END_TEST

struct job {
	int	worked, done;
};

static int	finished;

static void
work(void *arg)
{
	usleep(500);
	((struct job *)arg)->worked++;
}

static void
done(void *arg)
{
	ck_assert_int_eq(((struct job *)arg)->worked, 1);
	((struct job *)arg)->done++;
	if (++finished == 200)
		loop_stop(loop);
}

START_TEST(syncer_does_all)
{
	static struct job	 jobs[300];
	struct syncer		*s = syncer_new(loop, 4);

	finished = 0;
	for (int i = 0; i < 200; i++)
		syncer_run(s, work, done, &jobs[i]);
	ck_assert_uint_eq(syncer_pending(s), 200);
	loop_run(loop);
	ck_assert_uint_eq(syncer_pending(s), 0);
	for (int i = 200; i < 300; i++)
		syncer_run(s, work, done, &jobs[i]);
	syncer_free(&s);
	ck_assert_int_eq(finished, 300);
	for (int i = 0; i < 300; i++)
		ck_assert_int_eq(jobs[i].done, 1);
}
END_TEST

struct member {
	int	*at;		/* of the line: how many have begun */
	int	 place;		/* what it found there */
	bool	 overlaps;
};

static void
work_in_line(void *arg)
{
	struct member	*m = arg;

	m->place = __atomic_add_fetch(m->at, 1, __ATOMIC_SEQ_CST);
	usleep(300);
	m->overlaps = __atomic_load_n(m->at, __ATOMIC_SEQ_CST) != m->place;
}

static void
done_in_line(void *arg)
{
	ck_assert(!((struct member *)arg)->overlaps);
	finished++;
}

/* One behind the other, in their order, and beside those of another line. */
START_TEST(syncer_lines)
{
	struct syncer		*s = syncer_new(loop, 4);
	struct syncer_line	 lines[2];
	struct member		 m[2][50];
	int			 at[2] = { 0, 0 };

	finished = 0;
	for (int l = 0; l < 2; l++)
		syncer_line_init(&lines[l]);
	for (int i = 0; i < 50; i++)
		for (int l = 0; l < 2; l++) {
			m[l][i] = (struct member){ .at = &at[l] };
			syncer_run_in(s, &lines[l], work_in_line, done_in_line,
			    &m[l][i]);
			if (i % 7 == 0)
				syncer_begin(s);
		}
	while (finished < 60)
		loop_once(loop, SECS(1));
	syncer_free(&s);
	ck_assert_int_eq(finished, 100);
	for (int l = 0; l < 2; l++)
		for (int i = 0; i < 50; i++)
			ck_assert_int_eq(m[l][i].place, i + 1);
}
END_TEST

/* Not when the turn is over: now. */
START_TEST(syncer_begins)
{
	struct syncer		*s = syncer_new(loop, 1);
	struct syncer_line	 line;
	struct member		 m = { .place = 0 };
	int			 at = 0;

	finished = 0;
	m.at = &at;
	syncer_line_init(&line);
	syncer_run_in(s, &line, work_in_line, done_in_line, &m);
	syncer_begin(s);
	for (int i = 0; i < 5000 &&
	    __atomic_load_n(&at, __ATOMIC_SEQ_CST) == 0; i++)
		usleep(1000);
	ck_assert_int_eq(__atomic_load_n(&at, __ATOMIC_SEQ_CST), 1);
	syncer_free(&s);
	ck_assert_int_eq(finished, 1);
}
END_TEST

int
main(void)
{
	Suite	*s = suite_create("loop");
	TCase	*t = tcase_create("loop");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, timer_runs_once_and_can_be_moved);
	tcase_add_test(t, deferred_calls);
	tcase_add_test(t, callback_frees_itself_and_others);
	tcase_add_test(t, interest_changes);
	tcase_add_test(t, order_of_a_turn);
	tcase_add_test(t, late_of_late);
	tcase_add_test(t, now);
	tcase_add_test(t, edges);
	tcase_add_test(t, lost_interest_counts_at_once);
	tcase_add_test(t, signals);
	tcase_add_test(t, syncer_does_all);
	tcase_add_test(t, syncer_lines);
	tcase_add_test(t, syncer_begins);
	suite_add_tcase(s, t);
	return check_run(s);
}
