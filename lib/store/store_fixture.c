/* SPDX-License-Identifier: Apache-2.0 */
#include "store/store_fixture.h"

#include <check.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sys/clock.h"
#include "sys/loop.h"
#include "sys/syncer.h"

char			 root[256], maildir[300];
struct loop		*loop;
struct store		*store;
struct store_user	*user;
struct arena		*mem;
struct error		 err;
enum store_fail		 fail;

static struct syncer	*syncer;

static const struct store_special	special[] = {
	{ "Drafts", STORE_USE_DRAFTS, false },
	{ "Sent", STORE_USE_SENT, true },
};

static int
remove_one(const char *path, const struct stat *st UNUSED, int what UNUSED,
    struct FTW *f UNUSED)
{
	return remove(path);
}

void
open_store(void)
{
	struct store_conf	conf = { .hostname = "host.test",
				    .separator = '/', .special = special,
				    .nspecial = COUNT(special) };

	loop = loop_new();
	syncer = syncer_new(loop, 8);
	store = store_new(loop, syncer, &conf);
	ck_assert_msg(store_user_open(store, maildir, true, &user, &fail,
	    &err) == 0, "%s", err.text);
}

void
close_store(void)
{
	store_user_close(&user);
	store_free(&store);
	syncer_free(&syncer);
	loop_free(&loop);
}

void
setup(void)
{
	const char	*tmp = getenv("TMPDIR");

	(void)snprintf(root, sizeof(root), "%s/store_test.XXXXXX",
	    tmp != NULL ? tmp : "/tmp");
	ck_assert(mkdtemp(root) != NULL);
	(void)snprintf(maildir, sizeof(maildir), "%s/user/Maildir", root);
	mem = arena_new();
	open_store();
}

void
teardown(void)
{
	close_store();
	arena_free(&mem);
	(void)nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

void
wait_for(const bool *flag)
{
	usec_t	end = clock_mono() + SECS(100);

	while (!*flag && clock_mono() < end)
		loop_once(loop, MSECS(50));
	ck_assert(*flag);
}

int
temp_fd(const char *text, size_t len)
{
	int	fd = open(root, O_RDWR | O_TMPFILE, 0600);

	ck_assert(fd >= 0);
	ck_assert(write(fd, text, len) == (ssize_t)len);
	return fd;
}
