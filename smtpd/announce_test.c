/* SPDX-License-Identifier: Apache-2.0 */
/* announce.c with a queue and a queue manager of its own. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check_run.h"
#include "intake/intake_service.h"
#include "queue/queue.h"
#include "smtpd/announce.h"
#include "sys/clock.h"
#include "sys/loop.h"

static struct loop	*loop;
static struct announce	*a;
static void		(*commit)(void *arg, const struct queue_place *where);
static void		*commit_arg;
static char		 told[1000];	/* " place:end", one after the other */

void
queue_listen(struct queue *q, void (*tell)(void *arg,
    const struct queue_place *where), void *arg)
{
	(void)q;
	commit = tell;
	commit_arg = arg;
}

void
intake_service_announce(struct ipc_client *qmgr,
    const struct queue_place *where)
{
	size_t	n = strlen(told);

	(void)qmgr;
	(void)snprintf(told + n, sizeof(told) - n, " %s:%llu",
	    where->id != NULL ? where->id : where->segment,
	    (unsigned long long)where->end);
}

static void
setup(void)
{
	told[0] = '\0';
	loop = loop_new();
	a = announce_new(NULL, loop, NULL);
}

static void
teardown(void)
{
	announce_free(&a);
	loop_free(&loop);
}

static void
journal(const char *segment, uint64_t end)
{
	struct queue_place	 p = { .segment = segment, .end = end };

	commit(commit_arg, &p);
}

static void
file(const char *id)
{
	struct queue_place	 p = { .id = id };

	commit(commit_arg, &p);
}

/* The first one at once, what follows it closely in one. */
START_TEST(together)
{
	usec_t	begun = clock_mono();

	journal("one", 10);
	ck_assert_str_eq(told, " one:10");
	journal("one", 20);
	journal("one", 30);
	/* Unless somebody kept us from running. */
	if (clock_mono() - begun < MSECS(1))
		ck_assert_str_eq(told, " one:10");
	for (int i = 0; i < 100 && strstr(told, ":30") == NULL; i++)
		loop_once(loop, MSECS(50));
	ck_assert_ptr_nonnull(strstr(told, " one:30"));
	ck_assert_int_lt(clock_mono() - begun, SECS(2));
}
END_TEST

/* Of each segment its last end is told, whatever comes next; files do not
 * wait. */
START_TEST(nothing_is_forgotten)
{
	journal("one", 10);
	journal("one", 20);
	file("ID");
	journal("two", 5);
	ck_assert_ptr_nonnull(strstr(told, " one:20"));
	ck_assert_ptr_nonnull(strstr(told, " ID:0"));
	announce_free(&a);
	ck_assert_ptr_nonnull(strstr(told, " two:5"));
	ck_assert(commit == NULL);
}
END_TEST

/* Not again when nothing came. */
START_TEST(once)
{
	journal("one", 10);
	for (int i = 0; i < 5; i++)
		loop_once(loop, MSECS(5));
	announce_free(&a);
	ck_assert_str_eq(told, " one:10");
}
END_TEST

int
main(void)
{
	Suite	*s = suite_create("announce");
	TCase	*t = tcase_create("announce");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, together);
	tcase_add_test(t, nothing_is_forgotten);
	tcase_add_test(t, once);
	suite_add_tcase(s, t);
	return check_run(s);
}
