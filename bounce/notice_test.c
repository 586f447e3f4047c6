/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/check_run.h"
#include "bounce/bounce.h"
#include "ipc/deliver_msg.h"

static struct arena	*a;

static void
setup(void)
{
	a = arena_new();
}

static void
teardown(void)
{
	arena_free(&a);
}

/*
 * Wrapping.
 */

static const struct {
	const char	*label, *in, *want;
	size_t		 column;
	bool		 utf8;
} wraps[] = {
	{ "empty", "", "", 0, false },
	{ "short", "a b", "a b", 0, false },
	{ "blanks fold", "  a \t b\r\n c  ", "a b c", 0, false },
	{ "exact", "aaaa bbbbb", "aaaa bbbbb", 0, false },
	{ "one over", "aaaa bbbbbb", "aaaa\r\n    bbbbbb", 0, false },
	{ "begins further right", "aa bb", "aa\r\n    bb", 6, false },
	{ "first word stays", "aaaaaaaaaaaaa b", "aaaaaaaaaaaaa\r\n    b", 6,
	  false },
	{ "controls", "a\x01\x7f" "b", "a??b", 0, false },
	{ "8 bit", "\xc3\xa9", "??", 0, false },
	{ "UTF-8", "\xc3\xa9", "\xc3\xa9", 0, true },
	{ "broken UTF-8", "\xc3(", "?(", 0, true },
	{ "C1 control", "\xc2\x85", "?", 0, true },
};

START_TEST(wrapping)
{
	for (size_t i = 0; i < COUNT(wraps); i++) {
		struct buf	b;

		buf_init(&b, 10000);
		notice_wrap(&b, wraps[i].in, wraps[i].column, 10, 4,
		    wraps[i].utf8);
		if (strcmp(wraps[i].label, "8 bit") == 0)
			ck_assert_str_eq(buf_cstr(&b), "?");
		else
			ck_assert_msg(strcmp(buf_cstr(&b), wraps[i].want) == 0,
			    "%s: <%s>", wraps[i].label, buf_cstr(&b));
		buf_clear(&b);
	}
}
END_TEST

START_TEST(long_word)
{
	char		 word[3000];
	struct buf	 b;
	struct slice	 s, line;

	memset(word, 'x', sizeof(word) - 1);
	word[sizeof(word) - 1] = '\0';
	buf_init(&b, 10000);
	notice_wrap(&b, word, 0, 79, 4, false);
	s = buf_slice(&b);
	while (slice_cut(&s, '\n', &line))
		ck_assert_uint_le(line.len, 998);
	ck_assert_uint_le(s.len, 998);
	buf_clear(&b);
}
END_TEST

/*
 * Which records.
 */

static const struct queue_log_rec	history[] = {
	{ .kind = QLOG_BOUNCE, .address = "old" },
	{ .kind = QLOG_NOTICED, .about = NOTICE_BOUNCE },
	{ .kind = QLOG_BOUNCE, .address = "plain" },
	{ .kind = QLOG_BOUNCE, .address = "never", .notify = NOTIFY_NEVER },
	{ .kind = QLOG_BOUNCE, .address = "delay", .notify = NOTIFY_DELAY },
	{ .kind = QLOG_BOUNCE, .address = "failure",
	  .notify = NOTIFY_FAILURE | NOTIFY_SUCCESS },
	{ .kind = QLOG_NOTICED, .about = NOTICE_DELAY },
	{ .kind = QLOG_SUCCESS, .address = "unasked" },
	{ .kind = QLOG_SUCCESS, .address = "asked", .notify = NOTIFY_SUCCESS },
	{ .kind = QLOG_DELAY, .address = "slow", .diagnostic = "first" },
	{ .kind = QLOG_DELAY, .address = "slow", .diagnostic = "second" },
	{ .kind = QLOG_DELAY, .address = "quick", .diagnostic = "x" },
};
static struct queue_rcpt	waiting[] = {
	{ .address = "slow", .original = "orig", .status = RCPT_TODO },
	{ .address = "quick", .status = RCPT_DONE },
	{ .address = "unheard", .status = RCPT_TODO },
	{ .address = "quiet", .status = RCPT_TODO, .notify = NOTIFY_FAILURE },
};
static const struct queue_env	env = {
	.sender = "alice@example.com", .rcpts = waiting,
	.nrcpts = COUNT(waiting), .arrival = 1700000000000000,
	.dsn_envid = "QQ314159", .message_id = "<m@example.com>",
};

static const struct {
	enum notice_kind	 kind;
	const char		*want;
} selections[] = {
	{ NOTICE_BOUNCE, "plain failure " },
	{ NOTICE_DOUBLE, "old plain never delay failure " },
	{ NOTICE_SUCCESS, "asked " },
	{ NOTICE_DELAY, "slow unheard " },
};

START_TEST(selection)
{
	for (size_t i = 0; i < COUNT(selections); i++) {
		struct queue_log_rec	*r;
		size_t			 n = select_records(
		    selections[i].kind, &env, history, COUNT(history), a, &r);
		struct buf		 b;

		buf_init(&b, 1000);
		for (size_t k = 0; k < n; k++)
			buf_addf(&b, "%s ", r[k].address);
		ck_assert_str_eq(buf_cstr(&b), selections[i].want);
		if (selections[i].kind == NOTICE_DELAY) {
			ck_assert_str_eq(r[0].diagnostic, "second");
			ck_assert_str_eq(r[0].original, "orig");
		}
		buf_clear(&b);
	}
}
END_TEST

START_TEST(names)
{
	ck_assert(select_is_double("double-bounce", "double-bounce", "h"));
	ck_assert(select_is_double("Double-Bounce@H", "double-bounce", "h"));
	ck_assert(!select_is_double("double-bounce@x", "double-bounce", "h"));
	ck_assert(!select_is_double("", "double-bounce", "h"));
	ck_assert(!select_is_double("a@h", "double-bounce", "h"));
	ck_assert(select_class("2bounce, resource", "2bounce"));
	ck_assert(!select_class("2bounce, resource", "bounce"));
	ck_assert(!select_class("", "bounce"));
}
END_TEST

/*
 * The whole notice, as another program's parser sees it.
 */

static const struct queue_log_rec	failures[] = {
	{ .kind = QLOG_BOUNCE, .address = "bob@example.net",
	  .original = "info@example.org", .dsn_orcpt = "rfc822;i@example.org",
	  .dsn = "5.1.1", .action = "failed", .mta = "mx.example.net",
	  .diag_type = "smtp", .diagnostic = "host mx.example.net[192.0.2.1] "
	  "said: 550 5.1.1 <bob@example.net>: User unknown in local recipient "
	  "table (in reply to RCPT TO command)", .when = 1700000100000000 },
	{ .kind = QLOG_BOUNCE, .address = "evil@example.net",
	  .original = "evil@example.net", .dsn = "5.bad\r\nX: y",
	  .action = "failed\r\nX: y", .mta = "mx\r\nX-Injected: yes",
	  .diag_type = "smtp\r\n\r\n", .diagnostic =
	  "550 x\ry\r\n--boundary\r\nX-Injected: yes" },
};

static const char	original[] =
    "Subject: hello\r\nFrom: alice@example.com\r\n\r\nbody\r\n";

/* What dsn_check.py says of it. */
static char *
understood(const struct notice *n)
{
	const char	*top = getenv("srcdir");
	char		*script = arena_printf(a, "%s/bounce/dsn_check.py",
	    top != NULL ? top : ".");
	char		 path[] = "/tmp/notice-test-XXXXXX";
	struct buf	 b;
	char		*out = arena_alloc(a, 65536);
	int		 fd = mkstemp(path), fds[2], status;
	size_t		 got = 0;
	ssize_t		 r;
	pid_t		 pid;

	buf_init(&b, 1 << 20);
	notice_begin(n, &b);
	buf_adds(&b, original);
	notice_end(n, &b);
	ck_assert(!b.overflow);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, buf_slice(&b).p, buf_len(&b)),
	    (ssize_t)buf_len(&b));
	ck_assert_int_eq(lseek(fd, 0, SEEK_SET), 0);
	(void)unlink(path);
	buf_clear(&b);
	ck_assert_int_eq(pipe(fds), 0);
	pid = fork();
	if (pid == 0) {
		(void)dup2(fd, 0);
		(void)dup2(fds[1], 1);
		(void)close(fds[0]);
		(void)setenv("PYTHONIOENCODING", "utf-8", 1);
		(void)execl("/usr/bin/python3", "python3", script, NULL);
		_exit(127);
	}
	(void)close(fds[1]);
	(void)close(fd);
	while ((r = read(fds[0], out + got, 65535 - got)) > 0)
		got += (size_t)r;
	(void)close(fds[0]);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0,
	    "%s failed on this notice: %s", script, out);
	return out;
}

static struct notice
sample(enum notice_kind kind)
{
	return (struct notice){
		.kind = kind, .queue_id = "4Fh2Kz1XyZz3Wq",
		.notice_id = "4Fh2Kz2AbCz3Wr", .hostname = "mail.example.org",
		.origin = "example.org", .to = "alice@example.com",
		.env = &env, .recs = failures, .nrecs = 2,
		.now = 1700000200000000, .lifetime = SECS(432000),
	};
}

START_TEST(failure)
{
	struct notice	n = sample(NOTICE_BOUNCE);

	ck_assert_str_eq(understood(&n),
	    "subject Undelivered Mail Returned to Sender\n"
	    "to alice@example.com\n"
	    "from Mail Delivery System <MAILER-DAEMON@example.org>\n"
	    "auto auto-replied\n"
	    "headers 7\n"
	    "parts text/plain message/delivery-status message/rfc822\n"
	    "block Arrival-Date Original-Envelope-Id Reporting-MTA "
	    "X-Posthouse-Queue-ID X-Posthouse-Sender\n"
	    "  Original-Envelope-Id QQ314159\n"
	    "block Action Diagnostic-Code Final-Recipient Last-Attempt-Date "
	    "Original-Recipient Remote-MTA Status\n"
	    "  Final-Recipient rfc822; bob@example.net\n"
	    "  Original-Recipient rfc822;i@example.org\n"
	    "  Action failed\n"
	    "  Status 5.1.1\n"
	    "  Remote-MTA dns; mx.example.net\n"
	    "  Diagnostic-Code smtp; host mx.example.net[192.0.2.1] said: 550 "
	    "5.1.1 <bob@example.net>: User unknown in local recipient table "
	    "(in reply to RCPT TO command)\n"
	    "block Action Diagnostic-Code Final-Recipient Remote-MTA Status\n"
	    "  Final-Recipient rfc822; evil@example.net\n"
	    "  Action failed\n"
	    "  Status 5.0.0\n"
	    "  Remote-MTA dns; mx??X-Injected: yes\n"
	    "  Diagnostic-Code x-posthouse; 550 x y --boundary X-Injected: "
	    "yes\n"
	    "message ['Return-Path: <alice@example.com>', 'Subject: hello', "
	    "'From: alice@example.com', '', 'body']\n");
}
END_TEST

START_TEST(headers_only)
{
	struct notice	n = sample(NOTICE_BOUNCE);
	char		*said;

	n.headers_only = true;
	n.threaded = true;
	said = understood(&n);
	ck_assert_ptr_nonnull(strstr(said, "headers 9\n"));
	ck_assert_ptr_nonnull(strstr(said,
	    "parts text/plain message/delivery-status text/rfc822-headers\n"));
	ck_assert_ptr_nonnull(strstr(said,
	    "text ['Return-Path: <alice@example.com>', 'Subject: hello'"));
}
END_TEST

START_TEST(delay)
{
	struct notice		 n = sample(NOTICE_DELAY);
	struct queue_log_rec	*r;
	char			*said;

	n.nrecs = select_records(NOTICE_DELAY, &env, history, COUNT(history),
	    a, &r);
	n.recs = r;
	said = understood(&n);
	ck_assert_ptr_nonnull(strstr(said,
	    "subject Delayed Mail (still being retried)\n"));
	ck_assert_ptr_nonnull(strstr(said, "Action delayed\n  Status 4.0.0\n"));
	ck_assert_ptr_nonnull(strstr(said, "Will-Retry-Until"));
	ck_assert_ptr_nonnull(strstr(said,
	    "Original-Recipient rfc822; orig\n"));
}
END_TEST

START_TEST(utf8)
{
	struct queue_log_rec	 r = { .kind = QLOG_BOUNCE,
	    .address = "j\xc3\xb6rg@example.net", .dsn = "5.1.1",
	    .diagnostic = "kein Empf\xc3\xa4nger" };
	struct notice		 n = sample(NOTICE_BOUNCE);
	char			*said;

	n.recs = &r;
	n.nrecs = 1;
	ck_assert(notice_needs_utf8(&n));
	said = understood(&n);
	ck_assert_ptr_nonnull(strstr(said, "parts text/plain "
	    "message/global-delivery-status message/global\n"));
	ck_assert_ptr_nonnull(strstr(said,
	    "Final-Recipient utf-8; j\xc3\xb6rg@example.net\n"));
	ck_assert_ptr_nonnull(strstr(said, "Empf\xc3\xa4nger"));
	n.recs = failures;
	ck_assert(!notice_needs_utf8(&n));
}
END_TEST

START_TEST(postmaster)
{
	struct notice	 n = sample(NOTICE_DOUBLE);
	char		*said;

	n.to = "postmaster@example.org";
	said = understood(&n);
	ck_assert_ptr_nonnull(strstr(said,
	    "subject Postmaster Copy: Undelivered Mail\n"));
	ck_assert_ptr_nonnull(strstr(said, "auto auto-generated\n"));
}
END_TEST

/* More recipients than anyone reads. */
START_TEST(many)
{
	size_t			 count = NOTICE_RCPTS_MAX + 5;
	struct queue_log_rec	*r = arena_array(a, count, sizeof(*r));
	struct notice		 n = sample(NOTICE_BOUNCE);
	struct buf		 b;

	for (size_t i = 0; i < count; i++)
		r[i] = failures[0];
	n.recs = r;
	n.nrecs = count;
	buf_init(&b, 64 << 20);
	notice_begin(&n, &b);
	ck_assert(!b.overflow);
	ck_assert_int_ge(slice_search(buf_slice(&b),
	    SLICE_LIT("\r\n(and 5 more)\r\n")), 0);
	buf_clear(&b);
}
END_TEST

int
main(void)
{
	Suite	*s = suite_create("bounce");
	TCase	*t = tcase_create("notice");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, wrapping);
	tcase_add_test(t, long_word);
	tcase_add_test(t, selection);
	tcase_add_test(t, names);
	tcase_add_test(t, failure);
	tcase_add_test(t, headers_only);
	tcase_add_test(t, delay);
	tcase_add_test(t, utf8);
	tcase_add_test(t, postmaster);
	tcase_add_test(t, many);
	suite_add_tcase(s, t);
	return check_run(s);
}
