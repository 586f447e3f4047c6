/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check_run.h"
#include "local-delivery/known.h"
#include "sys/stamp.h"

#define LIFE	SECS(5)

static char		 file[256];
static struct known	*k;

static void
put_file(const char *path, const char *text)
{
	FILE	*f = fopen(path, "w");

	ck_assert(f != NULL && fputs(text, f) >= 0 && fclose(f) == 0);
}

static void
setup(void)
{
	const char	*tmp = getenv("TMPDIR");
	int		 fd;

	(void)snprintf(file, sizeof(file), "%s/known_test.XXXXXX",
	    tmp != NULL ? tmp : "/tmp");
	fd = mkstemp(file);
	ck_assert(fd >= 0);
	close(fd);
	put_file(file, "one");
	k = known_new(3, LIFE);
}

static void
teardown(void)
{
	known_free(&k);
	ck_assert(k == NULL);
	(void)unlink(file);
}

static struct auth_account
account(uint64_t uid)
{
	struct auth_account	acc = { .found = ACCOUNT_FOUND, .uid = uid,
				    .user = "u@d", .mailbox = "/m",
				    .source = file };
	struct stat		st;
	struct stamp		s;

	ck_assert(stat(file, &st) == 0);
	s = stamp_of(&st);
	acc.source_dev = s.dev;
	acc.source_ino = s.ino;
	acc.source_size = s.size;
	acc.source_mtime_ns = s.mtime_ns;
	return acc;
}

static void
put(const char *address, uint64_t uid, usec_t now)
{
	struct auth_account	acc = account(uid);

	known_put(k, address, &acc, now);
}

START_TEST(lifetime)
{
	const struct auth_account	*acc;

	put("a@d", 7, 1);
	acc = known_find(k, "a@d", LIFE);
	ck_assert(acc != NULL && acc->uid == 7);
	ck_assert_str_eq(acc->mailbox, "/m");
	ck_assert(acc->home == NULL);
	ck_assert(known_find(k, "b@d", 1) == NULL);
	ck_assert(known_find(k, "a@d", LIFE + 1) == NULL);
	/* It is gone, not only passed over. */
	ck_assert(known_find(k, "a@d", 1) == NULL);
}
END_TEST

/* Replaced, as `posthouse user` does, changed in place, or gone. */
START_TEST(source_changes)
{
	char		other[300];
	struct timespec	times[2] = { { .tv_sec = 1 }, { .tv_sec = 1 } };

	put("a@d", 7, 1);
	(void)snprintf(other, sizeof(other), "%s.new", file);
	put_file(other, "two");
	ck_assert(utimensat(0, file, times, 0) == 0);
	ck_assert(utimensat(0, other, times, 0) == 0);
	put("a@d", 7, 1);
	ck_assert(rename(other, file) == 0);
	ck_assert(known_find(k, "a@d", 1) == NULL);
	put("a@d", 8, 1);
	ck_assert(known_find(k, "a@d", 1) != NULL);
	put_file(file, "longer");
	ck_assert(known_find(k, "a@d", 1) == NULL);
	put("a@d", 9, 1);
	ck_assert(utimensat(0, file, times, 0) == 0);
	ck_assert(known_find(k, "a@d", 1) == NULL);
	put("a@d", 9, 1);
	ck_assert(known_find(k, "a@d", 1)->uid == 9);
	ck_assert(unlink(file) == 0);
	ck_assert(known_find(k, "a@d", 1) == NULL);
}
END_TEST

START_TEST(not_remembered)
{
	struct auth_account	acc = account(7);

	acc.source = NULL;
	known_put(k, "a@d", &acc, 1);
	ck_assert(known_find(k, "a@d", 1) == NULL);
	acc = account(7);
	acc.found = ACCOUNT_NONE;
	known_put(k, "a@d", &acc, 1);
	ck_assert(known_find(k, "a@d", 1) == NULL);
	/* A new answer replaces the old one, even one that is not kept. */
	put("a@d", 7, 1);
	known_put(k, "a@d", &acc, 1);
	ck_assert(known_find(k, "a@d", 1) == NULL);
}
END_TEST

START_TEST(bounded)
{
	put("a@d", 1, 1);
	put("b@d", 2, 1);
	put("a@d", 1, 1);
	put("c@d", 3, 1);
	put("d@d", 4, 1);
	/* b was the oldest by then. */
	ck_assert(known_find(k, "b@d", 1) == NULL);
	ck_assert(known_find(k, "a@d", 1)->uid == 1);
	ck_assert(known_find(k, "c@d", 1)->uid == 3);
	ck_assert(known_find(k, "d@d", 1)->uid == 4);
}
END_TEST

int
main(void)
{
	Suite	*s = suite_create("known");
	TCase	*t = tcase_create("all");

	suite_add_tcase(s, t);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, lifetime);
	tcase_add_test(t, source_changes);
	tcase_add_test(t, not_remembered);
	tcase_add_test(t, bounded);
	return check_run(s);
}
