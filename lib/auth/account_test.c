/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "auth/account.h"
#include "base/check_run.h"

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

static const struct {
	const char	*in, *realm, *out;	/* out NULL: refused */
} names[] = {
	{ "alice", NULL, "alice" },
	{ "Alice@Example.ORG", NULL, "alice@example.org" },
	{ " alice ", NULL, "alice" },
	{ "alice", "example.org", "alice@example.org" },
	{ "alice", "", "alice" },
	{ "alice@b", "example.org", "alice@b" },
	{ "", "example.org", NULL },
	{ "@example.org", NULL, NULL },
	{ "alice@", NULL, NULL },
	{ "..", NULL, NULL },
	{ "..@example.org", NULL, NULL },
	{ "alice@..", NULL, NULL },
	{ "../../etc/x", NULL, NULL },
	{ "a/b@example.org", NULL, NULL },
	{ "a b@example.org", NULL, NULL },
	{ "a\tnopassword", NULL, NULL },
	{ "a\r\nDELE 1", NULL, NULL },
	{ "a:b", NULL, NULL },
};

START_TEST(name)
{
	const char	*got = account_name(a, slice_str(names[_i].in),
			    names[_i].realm);

	if (names[_i].out == NULL)
		ck_assert_msg(got == NULL, "%s", names[_i].in);
	else
		ck_assert_str_eq(got, names[_i].out);
}
END_TEST

START_TEST(name_limits)
{
	char	big[ACCOUNT_NAME_MAX + 1];

	memset(big, 'x', sizeof(big));
	ck_assert(account_name(a, slice_of(big, sizeof(big)), NULL) == NULL);
	ck_assert(account_name(a, slice_of(big, sizeof(big) - 1), NULL) !=
	    NULL);
	ck_assert(account_name(a, SLICE_LIT("a\0b"), NULL) == NULL);
}
END_TEST

START_TEST(round_trip)
{
	struct account	 in = { .user = "u@d", .has_ids = true, .uid = 1000,
			    .gid = 8, .home = "/home/u", .mailbox = "/m/u",
			    .quota_bytes = 5, .disabled = true,
			    .nhashes = 2, .hashes = { "{PLAIN}a=b", "x" } }, out;
	struct buf	 b, again;
	struct error	 err;

	buf_init(&b, 10000);
	buf_init(&again, 10000);
	account_encode(&in, &b);
	ck_assert_msg(account_decode(a, "u@d", buf_cstr(&b), &out, &err) == 0,
	    "%s", err.text);
	ck_assert_str_eq(out.user, "u@d");
	ck_assert(out.has_ids && out.disabled);
	ck_assert_uint_eq(out.uid, 1000);
	ck_assert_uint_eq(out.gid, 8);
	ck_assert_str_eq(out.home, "/home/u");
	ck_assert_str_eq(out.mailbox, "/m/u");
	ck_assert_uint_eq(out.quota_bytes, 5);
	ck_assert_uint_eq(out.nhashes, 2);
	ck_assert_str_eq(out.hashes[0], "{PLAIN}a=b");
	account_encode(&out, &again);
	ck_assert(slice_eq(buf_slice(&b), buf_slice(&again)));
	buf_clear(&b);
	buf_clear(&again);
}
END_TEST

static const char *const	bad_records[] = {
	"", "2\tuid=1", "uid=1", "1\tuid=", "1\tuid=-1", "1\tuid=4294967295",
	"1\tnonesuch=1", "1\tuid", "1\tnologin=2", "1\tquota=x", "1\t\t",
	("1\thash=1\thash=2\thash=3\thash=4\thash=5\thash=6\thash=7\thash=8"
	    "\thash=9"),
};

START_TEST(bad_record)
{
	struct account	 out;

	ck_assert_msg(account_decode(a, "u", bad_records[_i], &out, NULL) < 0,
	    "%s", bad_records[_i]);
}
END_TEST

static const struct {
	const char	*line;
	int		 result;
	const char	*user, *hash;
	bool		 ids;
	uid_t		 uid;
	gid_t		 gid;
	const char	*home, *mailbox;
	uint64_t	 quota;
	bool		 disabled;
} lines[] = {
	{ "alice:{PLAIN}x:1000:100:Alice,,:/home/a:/bin/sh:", 1, "alice",
	    "{PLAIN}x", true, 1000, 100, "/home/a", "/home/a/Maildir",
	    ACCOUNT_NO_QUOTA, false },
	{ "Bob@D:$5$s$h", 1, "bob@d", "$5$s$h", false, 0, 0, "", "",
	    ACCOUNT_NO_QUOTA, false },
	{ "u:{PLAIN}p::::::userdb_mail=maildir:/m/u:LAYOUT=fs nologin=y", 1,
	    "u", "{PLAIN}p", false, 0, 0, "", "/m/u:LAYOUT=fs",
	    ACCOUNT_NO_QUOTA, true },
	{ "u:{PLAIN}p:1:2::/h::userdb_mail=maildir:~/mail "
	    "userdb_quota_rule=*:storage=10M allow_nets=1.2.3.4", 1, "u",
	    "{PLAIN}p", true, 1, 2, "/h", "/h/mail", 10 << 20, false },
	{ "u:{PLAIN}p:1:2::/h::userdb_quota_rule=*:storage=5", 1, "u",
	    "{PLAIN}p", true, 1, 2, "/h", "/h/Maildir", 5 << 10, false },
	{ "u:{PLAIN}p:1:2::/h::userdb_quota_storage_size=5", 1, "u",
	    "{PLAIN}p", true, 1, 2, "/h", "/h/Maildir", 5, false },
	{ .line = "" }, { .line = "# comment" }, { .line = ":x:1:1" },
	{ .line = "\r\n" },
	{ .line = "../x:y", .result = -1 }, { .line = "u:p:x:1", .result = -1 },
	{ .line = "u:p:1:", .result = -1 },
	{ .line = "u:p:1:1::/h::userdb_quota_rule=*:storage=x", .result = -1 },
	{ .line = "u:p:1:1::/h::userdb_mail=mail", .result = -1 },
};

START_TEST(passwd_line)
{
	struct account	 acc;
	int		 r;

	r = account_passwd_line(a, slice_str(lines[_i].line), &acc, NULL);
	ck_assert_msg(r == lines[_i].result, "%s: %d", lines[_i].line, r);
	if (r <= 0)
		return;
	ck_assert_str_eq(acc.user, lines[_i].user);
	ck_assert_uint_eq(acc.nhashes, 1);
	ck_assert_str_eq(acc.hashes[0], lines[_i].hash);
	ck_assert_int_eq(acc.has_ids, lines[_i].ids);
	ck_assert_uint_eq(acc.uid, lines[_i].uid);
	ck_assert_uint_eq(acc.gid, lines[_i].gid);
	ck_assert_str_eq(acc.home, lines[_i].home);
	ck_assert_str_eq(acc.mailbox, lines[_i].mailbox);
	ck_assert_uint_eq(acc.quota_bytes, lines[_i].quota);
	ck_assert_int_eq(acc.disabled, lines[_i].disabled);
}
END_TEST

/* No cut of a line makes the parser look behind it (exact copies). */
START_TEST(every_cut)
{
	const char	*full = "u:{PLAIN}p:1:2:g:/h:/s:userdb_quota_rule=*:"
	    "storage=10MB userdb_mail=maildir:~/x nologin";

	for (size_t n = 0; n <= strlen(full); n++) {
		struct account	 acc;
		unsigned char	*copy = malloc(n + 1);

		memcpy(copy, full, n);
		(void)!account_passwd_line(a, slice_of(copy, n), &acc, NULL);
		free(copy);
	}
}
END_TEST

int
main(void)
{
	Suite	*s = suite_create("account");
	TCase	*t = tcase_create("accounts");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, name, 0, (int)COUNT(names));
	tcase_add_test(t, name_limits);
	tcase_add_test(t, round_trip);
	tcase_add_loop_test(t, bad_record, 0, (int)COUNT(bad_records));
	tcase_add_loop_test(t, passwd_line, 0, (int)COUNT(lines));
	tcase_add_test(t, every_cut);
	suite_add_tcase(s, t);
	return check_run(s);
}
