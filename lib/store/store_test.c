/* SPDX-License-Identifier: Apache-2.0 */
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "store/store.h"
#include "store/view.h"
#include "sys/clock.h"
#include "sys/loop.h"
#include "sys/syncer.h"

static char			 root[256], maildir[300];
static struct loop		*loop;
static struct syncer		*syncer;
static struct store		*store;
static struct store_user	*user;
static struct arena		*mem;
static struct error		 err;
static enum store_fail		 fail;

static const struct store_special	special[] = {
	{ "Drafts", STORE_USE_DRAFTS, false },
	{ "Sent", STORE_USE_SENT, true },
};

static int
remove_one(const char *path, const struct stat *st, int what, struct FTW *f)
{
	(void)st;
	(void)what;
	(void)f;
	return remove(path);
}

static void
open_store(void)
{
	struct store_conf	conf = { .hostname = "host.test",
				    .separator = '/', .special = special,
				    .nspecial = COUNT(special) };

	loop = loop_new();
	syncer = syncer_new(loop, 4);
	store = store_new(loop, syncer, &conf);
	ck_assert_msg(store_user_open(store, maildir, true, &user, &fail,
	    &err) == 0, "%s", err.text);
}

static void
close_store(void)
{
	store_user_close(&user);
	store_free(&store);
	syncer_free(&syncer);
	loop_free(&loop);
}

static void
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

static void
teardown(void)
{
	close_store();
	arena_free(&mem);
	(void)nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static int
temp_fd(const char *text, size_t len)
{
	int	fd = open(root, O_RDWR | O_TMPFILE, 0600);

	ck_assert(fd >= 0);
	ck_assert(write(fd, text, len) == (ssize_t)len);
	return fd;
}

static char *
message(int n)
{
	return arena_printf(mem, "From: Sender %d <s%d@example.com>\r\n"
	    "To: a@example.org, \"B, C\" <b@example.org>\r\n"
	    "Subject: number %d\r\nDate: Mon, 02 Jan 2006 15:04:05 +0000\r\n"
	    "Message-ID: <%d@example.com>\r\nX-Other: x\r\n\r\nBody %d\r\n",
	    n, n, n, n, n);
}

static uint32_t
deliver_text(const char *mailbox, const char *text, unsigned int flags)
{
	struct store_delivery	d = { .mailbox = mailbox, .create = true,
				    .flags = flags, .size = strlen(text) };
	struct store_done	r;

	d.prefix = SLICE_LIT("Return-Path: <x@y>\r\n");
	d.fd = temp_fd(text, d.size);
	ck_assert_msg(store_deliver_now(user, &d, &r, &err) == 0, "%s",
	    err.text);
	close(d.fd);
	ck_assert_uint_eq(r.uid_count, 1);
	return r.uid;
}

static uint32_t
deliver(int n)
{
	return deliver_text(NULL, message(n), 0);
}

static struct view *
open_view(const char *name)
{
	struct view	*v;

	ck_assert_msg(view_open(user, name, false, &v, &fail, &err) == 0,
	    "%s: %s", name, err.text);
	return v;
}

static struct view_changes
sync_view(struct view *v)
{
	struct view_changes	c;

	ck_assert_msg(view_sync(v, true, mem, &c, &err) == 0, "%s", err.text);
	return c;
}

static char *
body_of(struct view *v, uint32_t seq)
{
	struct view_body	 b;
	char			*text;

	ck_assert_msg(view_body_open(v, seq, &b, &fail, &err) == 0, "%s",
	    err.text);
	text = arena_alloc(mem, b.size + 1);
	ck_assert(view_body_read(&b, 0, text, b.size) == (ssize_t)b.size);
	view_body_close(&b);
	return text;
}

static void
set_flags(struct view *v, uint32_t seq, enum view_flag_op op,
    unsigned int flags)
{
	struct view_store	s = { .op = op, .flags = flags,
				    .unchanged_since = UINT64_MAX };

	ck_assert_msg(view_store(v, &seq, 1, &s, NULL, NULL, &err) == 0, "%s",
	    err.text);
}

START_TEST(basic)
{
	struct view		*v;
	struct view_msg		 m;
	struct envelope		 e;
	struct mime_message	 mime;
	struct store_status	 st;
	struct view_changes	 c;
	uint32_t		 uid;

	for (int i = 1; i <= 5; i++)
		ck_assert_uint_eq(deliver(i), (unsigned int)i);
	v = open_view("inbox");
	ck_assert_uint_eq(view_count(v), 5);
	ck_assert_uint_eq(view_recent(v), 5);
	ck_assert_uint_eq(view_uidnext(v), 6);
	ck_assert_uint_eq(view_first_unseen(v), 1);
	view_get(v, 3, &m);
	ck_assert_uint_eq(m.uid, 3);
	ck_assert(m.recent && m.flags == 0);
	ck_assert_uint_eq(m.size, strlen(message(3)) +
	    strlen("Return-Path: <x@y>\r\n"));
	ck_assert(view_envelope(v, 3, mem, &e, &err) == 0);
	ck_assert(slice_is(e.subject, "number 3"));
	ck_assert_uint_eq(e.to.count, 2);
	ck_assert(slice_is(e.to.items[1].name, "B, C"));
	ck_assert(view_structure(v, 3, mem, &mime, &err) == 0);
	ck_assert(slice_is(mime.root->subtype, "plain"));
	ck_assert_uint_eq(mime.root->lines, 1);
	ck_assert(strstr(body_of(v, 3), "\r\n\r\nBody 3\r\n") != NULL);
	set_flags(v, 2, VIEW_FLAGS_ADD, STORE_SEEN | STORE_FLAGGED);
	view_get(v, 2, &m);
	ck_assert_uint_eq(m.flags, STORE_SEEN | STORE_FLAGGED);
	ck_assert(store_status(user, "INBOX", &st, &fail, &err) == 0);
	ck_assert_uint_eq(st.messages, 5);
	ck_assert_uint_eq(st.unseen, 4);
	ck_assert_uint_eq(st.recent, 0);
	uid = 4;
	ck_assert(view_expunge(v, &uid, 1, &err) == 0);
	ck_assert_uint_eq(view_count(v), 5);
	c = sync_view(v);
	ck_assert_uint_eq(c.nexpunged, 1);
	ck_assert_uint_eq(c.expunged[0], 4);
	ck_assert_uint_eq(view_count(v), 4);
	ck_assert_uint_eq(view_uid(v, 4), 5);
	ck_assert_uint_eq(view_seq(v, 5), 4);
	ck_assert_uint_eq(view_seq(v, 4), 0);
	ck_assert_uint_eq(view_seq_at_least(v, 4), 4);
	ck_assert(view_flush_now(v, &err) == 0);
	view_close(&v);
	close_store();
	open_store();
	v = open_view("INBOX");
	ck_assert_uint_eq(view_count(v), 4);
	ck_assert_uint_eq(view_recent(v), 0);
	view_get(v, 2, &m);
	ck_assert_uint_eq(m.flags, STORE_SEEN | STORE_FLAGGED);
	ck_assert(strstr(view_filename(v, 2, mem), ",S=") != NULL);
	view_close(&v);
}
END_TEST

START_TEST(two_sessions)
{
	struct view		*a, *b;
	struct view_changes	 c;
	uint32_t		 uids[] = { 1, 3 };

	for (int i = 1; i <= 4; i++)
		(void)deliver(i);
	a = open_view("INBOX");
	b = open_view("INBOX");
	ck_assert_uint_eq(view_recent(b), 0);
	set_flags(a, 2, VIEW_FLAGS_ADD, STORE_SEEN);
	(void)deliver(5);
	ck_assert(view_expunge(a, uids, 2, &err) == 0);
	ck_assert_uint_eq(view_count(b), 4);
	ck_assert(view_sync(b, false, mem, &c, &err) == 0);
	ck_assert_uint_eq(c.nexpunged, 0);
	ck_assert_uint_eq(c.count, 5);
	ck_assert_uint_eq(c.nflags, 1);
	ck_assert_uint_eq(c.flags[0], 2);
	c = sync_view(b);
	ck_assert_uint_eq(c.nexpunged, 2);
	ck_assert_uint_eq(c.expunged[0], 1);
	ck_assert_uint_eq(c.expunged[1], 2);
	ck_assert_uint_eq(c.count, 3);
	ck_assert_uint_eq(view_uid(b, 1), 2);
	ck_assert_uint_eq(view_uid(b, 3), 5);
	c = sync_view(a);
	ck_assert_uint_eq(c.nexpunged, 2);
	ck_assert_uint_eq(c.count_before, 2);
	ck_assert_uint_eq(c.count, 3);
	/* b was first to see number 5. */
	ck_assert_uint_eq(view_recent(b), 1);
	c = sync_view(a);
	ck_assert_uint_eq(c.nexpunged + c.nflags, 0);
	view_close(&a);
	view_close(&b);
}
END_TEST

int
main(void)
{
	Suite	*s = suite_create("store");
	TCase	*t = tcase_create("all");
	SRunner	*r = srunner_create(s);
	int	 failed;

	suite_add_tcase(s, t);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 120);
	tcase_add_test(t, basic);
	tcase_add_test(t, two_sessions);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? 0 : 1;
}
