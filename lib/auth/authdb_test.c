/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth/cred.h"
#include "auth/userdb.h"
#include "base/check_run.h"
#include "map/map.h"

static struct arena	*a;
static char		 dir[64];
static struct auth_conf	 conf;

static void
setup(void)
{
	a = arena_new();
	snprintf(dir, sizeof(dir), "/tmp/authdb_test.XXXXXX");
	ck_assert(mkdtemp(dir) != NULL);
	conf = (struct auth_conf){ .databases = "userdb",
	    .default_realm = "", .mailbox_base = "/base",
	    .mailbox_owner = "nobody", .password_scheme = "PLAIN",
	    .home_mailbox = "", .first_valid_uid = 1000 };
}

static void
teardown(void)
{
	struct dirent	*d;
	DIR		*open_dir = opendir(dir);

	while ((d = readdir(open_dir)) != NULL)
		(void)unlink(arena_printf(a, "%s/%s", dir, d->d_name));
	closedir(open_dir);
	ck_assert_int_eq(rmdir(dir), 0);
	arena_free(&a);
}

static void
add(const char *user, const char *hash, const char *mailbox)
{
	struct userdb_edit	*e;
	struct error		 err;
	struct account		 acc = { .user = user, .home = "",
				    .mailbox = mailbox, .nhashes = 1,
				    .hashes = { hash },
				    .quota_bytes = ACCOUNT_NO_QUOTA };

	ck_assert_msg(userdb_edit_begin(dir, &e, &err) == 0, "%s", err.text);
	ck_assert(userdb_edit_find(e, user) == NULL);
	userdb_edit_add(e, &acc);
	ck_assert_msg(userdb_edit_commit(&e, (uid_t)-1, &err) == 0, "%s",
	    err.text);
}

static void
write_file(const char *name, const char *text)
{
	FILE	*f = fopen(arena_printf(a, "%s/%s", dir, name), "w");

	ck_assert(f != NULL);
	fputs(text, f);
	fclose(f);
}

START_TEST(add_find_remove)
{
	struct userdb		*db;
	struct userdb_edit	*e;
	struct account		 acc;
	struct error		 err;
	struct stat		 st;

	/* opened before there is a file */
	ck_assert(userdb_open(dir, &db, &err) == 0);
	ck_assert_int_eq(userdb_find(db, "u@d", a, &acc, &err), AUTHDB_NONE);
	add("u@d", "{PLAIN}x", "/m/u");
	add("a@d", "{PLAIN}y", "/m/a");
	ck_assert_int_eq(userdb_find(db, "u@d", a, &acc, &err), AUTHDB_FOUND);
	ck_assert_str_eq(acc.mailbox, "/m/u");
	ck_assert_str_eq(acc.hashes[0], "{PLAIN}x");
	ck_assert_int_eq(stat(arena_printf(a, "%s/users.db", dir), &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
	/* a change is seen at once */
	ck_assert(userdb_edit_begin(dir, &e, &err) == 0);
	ck_assert_uint_eq(userdb_edit_count(e), 2);
	ck_assert_str_eq(userdb_edit_at(e, 0)->user, "a@d");
	userdb_edit_remove(e, userdb_edit_find(e, "u@d"));
	userdb_edit_find(e, "a@d")->hashes[0] = "{PLAIN}new";
	ck_assert(userdb_edit_commit(&e, (uid_t)-1, &err) == 0);
	ck_assert_int_eq(userdb_find(db, "u@d", a, &acc, &err), AUTHDB_NONE);
	ck_assert_int_eq(userdb_find(db, "a@d", a, &acc, &err), AUTHDB_FOUND);
	ck_assert_str_eq(acc.hashes[0], "{PLAIN}new");
	userdb_close(&db);
}
END_TEST

START_TEST(publishes_mailboxes)
{
	const struct map_env	 env = { .default_type = "hash" };
	struct map		*m;
	const char		*v;
	struct error		 err;
	struct stat		 st;

	add("u@d", "{PLAIN}x", "/m/u");
	add("local", "{PLAIN}x", "/m/local");
	ck_assert(map_open(arena_printf(a, "hash:%s/mailboxes", dir), &env,
	    &m, &err) == 0);
	ck_assert_int_eq(map_get(m, slice_str("U@D"), a, &v, &err),
	    MAP_FOUND);
	ck_assert_str_eq(v, "/m/u/");
	ck_assert_int_eq(map_get(m, slice_str("local"), a, &v, &err),
	    MAP_NONE);
	map_close(&m);
	ck_assert_int_eq(stat(arena_printf(a, "%s/mailboxes.db", dir), &st),
	    0);
	ck_assert_uint_eq(st.st_mode & 07777, 0644);
}
END_TEST

START_TEST(abort_changes_nothing)
{
	struct userdb_edit	*e;
	struct userdb		*db;
	struct account		 acc;
	struct error		 err;

	add("u@d", "{PLAIN}x", "/m/u");
	ck_assert(userdb_edit_begin(dir, &e, &err) == 0);
	userdb_edit_remove(e, userdb_edit_find(e, "u@d"));
	userdb_edit_abort(&e);
	ck_assert(userdb_open(dir, &db, &err) == 0);
	ck_assert_int_eq(userdb_find(db, "u@d", a, &acc, &err), AUTHDB_FOUND);
	userdb_close(&db);
}
END_TEST

START_TEST(passwd_file_and_order)
{
	struct authdb_env	 env = { .data_directory = dir,
				    .myhostname = "h", .conf = &conf };
	struct authdb		*db;
	struct account		 acc;
	struct error		 err;
	const char		*where;

	write_file("pw", "# c\nu@d:{PLAIN}file:5:6::/h::\n"
	    "both@d:{PLAIN}file::::::\n");
	add("both@d", "{PLAIN}db", "/m/both");
	conf.databases = arena_printf(a, "userdb, passwd-file:%s/pw", dir);
	ck_assert_msg(authdb_open(&env, &db, &err) == 0, "%s", err.text);
	ck_assert_int_eq(authdb_find(db, "u@d", a, &acc, &where, &err),
	    AUTHDB_FOUND);
	ck_assert_str_eq(where, "passwd-file");
	ck_assert_uint_eq(acc.uid, 5);
	ck_assert_str_eq(acc.mailbox, "/h/Maildir");
	/* userdb was asked before: no single file decided. */
	ck_assert(acc.source == NULL);
	ck_assert_int_eq(authdb_find(db, "both@d", a, &acc, &where, &err),
	    AUTHDB_FOUND);
	ck_assert_str_eq(acc.hashes[0], "{PLAIN}db");
	ck_assert(acc.source != NULL &&
	    stamp_holds(&acc.source_stamp, acc.source));
	add("more@d", "{PLAIN}db", "/m/more");
	ck_assert(!stamp_holds(&acc.source_stamp, acc.source));
	ck_assert_int_eq(authdb_find(db, "none@d", a, &acc, &where, &err),
	    AUTHDB_NONE);
	/* another content, noticed; then one that is broken: the old stays */
	write_file("pw.new", "v@d:{PLAIN}new::::::\n");
	ck_assert_int_eq(rename(arena_printf(a, "%s/pw.new", dir),
	    arena_printf(a, "%s/pw", dir)), 0);
	ck_assert_int_eq(authdb_find(db, "u@d", a, &acc, &where, &err),
	    AUTHDB_NONE);
	ck_assert_int_eq(authdb_find(db, "v@d", a, &acc, &where, &err),
	    AUTHDB_FOUND);
	ck_assert_str_eq(acc.mailbox, "/base/d/v/Maildir");
	write_file("pw", "v@d:x:bad:bad\n");
	ck_assert_int_eq(authdb_find(db, "v@d", a, &acc, &where, &err),
	    AUTHDB_FOUND);
	authdb_close(&db);
}
END_TEST

/* Who owns mailboxes depends on how the suite runs, not on who asks: authd
 * itself is an ordinary user when it reads its settings again. */
START_TEST(owner)
{
	struct authdb_env	 env = { .data_directory = dir,
				    .myhostname = "h", .conf = &conf,
				    .privileged = true };
	struct authdb		*db, *again;
	struct account		 acc;
	struct error		 err;
	const char		*where;
	const struct passwd	*pw = getpwnam("nobody");

	add("u@d", "{PLAIN}x", "/m/u");
	ck_assert(authdb_open(&env, &db, &err) == 0);
	ck_assert(authdb_reopen(db, &env, &again, &err) == 0);
	authdb_close(&db);
	ck_assert_int_eq(authdb_find(again, "u@d", a, &acc, &where, &err),
	    AUTHDB_FOUND);
	ck_assert(acc.has_ids && acc.uid == pw->pw_uid);
	env.privileged = false;
	ck_assert(authdb_reopen(again, &env, &db, &err) == 0);
	authdb_close(&again);
	ck_assert_int_eq(authdb_find(db, "u@d", a, &acc, &where, &err),
	    AUTHDB_FOUND);
	ck_assert(acc.has_ids && acc.uid == geteuid());
	authdb_close(&db);
}
END_TEST

START_TEST(bad_settings)
{
	struct authdb_env	 env = { .data_directory = dir,
				    .myhostname = "h", .conf = &conf };
	struct authdb		*db;
	struct error		 err;

	conf.databases = "userdb, ldap";
	ck_assert(authdb_open(&env, &db, &err) < 0);
	conf.databases = "passwd-file:/nonexistent";
	ck_assert(authdb_open(&env, &db, &err) < 0);
}
END_TEST

/* The system's users: whoever root is, root is no mail user. */
START_TEST(system_users)
{
	struct authdb_env	 env = { .data_directory = dir,
				    .myhostname = "h", .conf = &conf };
	struct authdb		*db;
	struct account		 acc;
	struct error		 err;
	const char		*where;

	conf.databases = "system";
	conf.first_valid_uid = 1;
	ck_assert_msg(authdb_open(&env, &db, &err) == 0, "%s", err.text);
	ck_assert_int_eq(authdb_find(db, "root", a, &acc, &where, &err),
	    AUTHDB_NONE);
	ck_assert_int_eq(authdb_find(db, "nobody@h", a, &acc, &where, &err),
	    AUTHDB_FOUND);
	ck_assert(acc.has_ids && acc.uid != 0);
	/* "nobody" is locked: no password opens it */
	ck_assert_uint_eq(acc.nhashes, 0);
	ck_assert_int_eq(authdb_find(db, "nobody@elsewhere", a, &acc, &where,
	    &err), AUTHDB_NONE);
	authdb_close(&db);
}
END_TEST

int
main(void)
{
	Suite	*s = suite_create("authdb");
	TCase	*t = tcase_create("back ends");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, add_find_remove);
	tcase_add_test(t, publishes_mailboxes);
	tcase_add_test(t, abort_changes_nothing);
	tcase_add_test(t, passwd_file_and_order);
	tcase_add_test(t, owner);
	tcase_add_test(t, bad_settings);
	tcase_add_test(t, system_users);
	suite_add_tcase(s, t);
	return check_run(s);
}
