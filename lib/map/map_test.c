/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check_run.h"
#include "base/mem.h"
#include "map/cidr_int.h"
#include "map/map.h"
#include "map/map_write.h"

static char	dir[64];

static void
setup(void)
{
	snprintf(dir, sizeof(dir), "/tmp/map_test.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	ck_assert_int_eq(chdir(dir), 0);
}

static void
teardown(void)
{
	static const char	*const names[] = { "t", "t.db", "b.db", "bare.db",
				    "DB_CONFIG", "list" };

	for (size_t i = 0; i < COUNT(names); i++)
		unlink(names[i]);
	ck_assert_int_eq(chdir("/"), 0);
	/* Nothing else may have been left behind. */
	ck_assert_int_eq(rmdir(dir), 0);
}

static void
put_file(const char *name, const char *text)
{
	FILE	*f = fopen(name, "w");

	ck_assert_ptr_nonnull(f);
	fputs(text, f);
	fclose(f);
}

/* "value", or "NONE", "ERROR: words", "OPEN: words". */
static const char *
ask(const char *spec, const char *key, struct arena *a)
{
	static const struct map_env	env = { .default_type = "texthash" };
	struct map	*m;
	struct error	 err = { .text = "" };
	const char	*value = "?";

	if (map_open(spec, &env, &m, &err) < 0)
		return arena_printf(a, "OPEN: %s", err.text);
	switch (map_get(m, slice_str(key), a, &value, &err)) {
	case MAP_FOUND:
		break;
	case MAP_NONE:
		value = "NONE";
		break;
	case MAP_ERROR:
		value = arena_printf(a, "ERROR: %s", err.text);
		break;
	case MAP_WAIT:
		value = "WAIT";
		break;
	}
	map_close(&m);
	return value;
}

static const struct {
	const char	*spec, *key, *want;
} simple[] = {
	{ "inline:{a=1, b=2}", "b", "2" },
	{ "inline:{a=1, b=2}", "B", "2" },
	{ "inline:{ A=1 }", "a", "1" },
	{ "inline:{ { a = x, y z }, b=2 }", "a", "x, y z" },
	{ "inline:{a=1}", "c", "NONE" },
	{ "inline:a=1", "a", "OPEN: table inline:a=1: expected "
	    "inline:{ name=value, { name = text } }" },
	{ "inline:{a}", "a", "OPEN: table inline:{a}: \"a\": expected "
	    "name=value" },
	{ "static:x y", "anything", "x y" },
	{ "static:{ x y }", "anything", "x y" },
	{ "fail:", "a", "ERROR: table fail:: fails as configured" },
	{ "nosuch:x", "a", "OPEN: table \"nosuch:x\": unsupported type "
	    "\"nosuch\"; expected one of those `postconf -m` lists" },
	{ "proxy:inline:{a=1}", "a", "1" },
	{ "unionmap:{inline:{a=1},inline:{b=2},static:3}", "a", "1,3" },
	{ "unionmap:{inline:{a=1}, inline:{b=2}}", "c", "NONE" },
	{ "unionmap:{inline:{a=1}, fail:x}", "a", "ERROR: table "
	    "unionmap:{inline:{a=1}, fail:x}: table fail:x: fails as "
	    "configured" },
	{ "pipemap:{inline:{a=b}, inline:{b=c}}", "a", "c" },
	{ "pipemap:{inline:{a=b}, inline:{x=c}}", "a", "NONE" },
	{ "unix:passwd.byname", "root", "root:x:0:0:root:/root:/bin/bash" },
	{ "unix:passwd.byname", "no-such-user-here", "NONE" },
	{ "unix:group.byname", "root", "root:x:0:" },
	{ "unix:x", "root", "OPEN: table unix:x: expected unix:passwd.byname "
	    "or unix:group.byname" },
	{ "regexp:{{/^a(.*)b$/ <$1>}}", "aXXb", "<XX>" },
	{ "regexp:{{/^a(.*)b$/ <$1>}}", "AxxB", "<xx>" },
	{ "regexp:{{/^a/i low}}", "A", "NONE" },
	{ "regexp:{{!/^a/ not}}", "b", "not" },
	{ "regexp:{{!/^a/ not}}", "a", "NONE" },
	{ "regexp:{{/(x|xy)(z*)/ $1}}", "xyz", "xy" },
	{ "regexp:{{/^[^A-Z]/ Bogus}}", "1", "Bogus" },
	{ "regexp:{{/[\\d]/ digit}}", "\\", "digit" },
	{ "regexp:{{/a/ $$1}}", "a", "$1" },
	{ "regexp:{{/(a)(b)?/ ${1}-$(2)}}", "a", "a-" },
	{ "regexp:{{/a/ $1}}", "a", "OPEN: table regexp:{{/a/ $1}}: rule 1: "
	    "\"$1\": there is no group 1" },
	{ "regexp:{{!/(a)/ $1}}", "a", "OPEN: table regexp:{{!/(a)/ $1}}: "
	    "rule 1: \"$1\": there is no group 1" },
	{ "regexp:{{/a/ $x}}", "a", "OPEN: table regexp:{{/a/ $x}}: rule 1: "
	    "\"$x\": expected $number, ${number} or $$" },
	{ "regexp:{{/(/ x}}", "a", "OPEN: table regexp:{{/(/ x}}: rule 1: "
	    "\"(\": Unmatched ( or \\(" },
	{ "regexp:{{/a/q x}}", "a", "OPEN: table regexp:{{/a/q x}}: rule 1: "
	    "unknown flag \"q\"; expected i, m or x" },
	{ "regexp:{{/a x}}", "a", "OPEN: table regexp:{{/a x}}: rule 1: "
	    "\"/a x\": no closing \"/\"" },
	{ "regexp:{{/a/}}", "a", "OPEN: table regexp:{{/a/}}: rule 1: "
	    "a pattern without a result" },
	{ "regexp:{{if /a/} {/b/ ab} {endif} {/b/ b}}", "ab", "ab" },
	{ "regexp:{{if /a/} {/b/ ab} {endif} {/b/ b}}", "xb", "b" },
	{ "regexp:{{if !/a/} {if /c/} {/b/ cb} {endif} {/b/ b} {endif}}",
	    "bc", "cb" },
	{ "regexp:{{if !/a/} {if /c/} {/b/ cb} {endif} {/b/ b} {endif}}",
	    "b", "b" },
	{ "regexp:{{if !/a/} {if /c/} {/b/ cb} {endif} {/b/ b} {endif}}",
	    "abc", "NONE" },
	{ "regexp:{{endif}}", "a", "OPEN: table regexp:{{endif}}: rule 1: "
	    "endif without if" },
	{ "regexp:{{if /a/}}", "a", "OPEN: table regexp:{{if /a/}}: if "
	    "without endif" },
	{ "regexp:{{if /a/ x}}", "a", "OPEN: table regexp:{{if /a/ x}}: "
	    "rule 1: \"x\": expected nothing behind the pattern of an if" },
	{ "pcre:{{/^a(.*?)b/ <$1>}}", "aXbb", "<X>" },
	{ "pcre:{{/^\\d+$/ digits}}", "123", "digits" },
	{ "pcre:{{/a.c/ dot}}", "a\nc", "dot" },
	{ "pcre:{{/^b$/m multi}}", "a\nb\nc", "multi" },
	{ "pcre:{{/a b/x ext}}", "ab", "ext" },
	{ "pcre:{{/^(?<n>x)|(y)/ $1$2}}", "y", "y" },
	{ "pcre:{{/\xc3\xa9/ e}}", "caf\xc3\xa9", "e" },
	{ "pcre:{{/caf/ ok}}", "caf\xe9", "ok" },
	{ "pcre:{{#a#b# x}}", "ab", "OPEN: table pcre:{{#a#b# x}}: rule 1: "
	    "unknown flag \"b\"; expected one of i m s x A E U X" },
	{ "pcre:{{/(a+)+$/ x}}",
	    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab",
	    "ERROR: table pcre:{{/(a+)+$/ x}}: match limit exceeded" },
	{ "cidr:{{192.0.2.0/24 net}}", "192.0.2.77", "net" },
	{ "cidr:{{192.0.2.0/24 net}}", "192.0.3.1", "NONE" },
	{ "cidr:{{192.0.2.1 host}}", "192.0.2.1", "host" },
	{ "cidr:{{!192.0.2.0/24 other}}", "10.1.1.1", "other" },
	{ "cidr:{{2001:db8::/32 six}}", "2001:db8:1::5", "six" },
	{ "cidr:{{[2001:db8::]/32 six}}", "2001:db9::", "NONE" },
	{ "cidr:{{0.0.0.0/0 all}}", "8.8.8.8", "all" },
	{ "cidr:{{0.0.0.0/0 all}}", "::1", "NONE" },
	{ "cidr:{{10.0.0.0/8 $1}}", "10.1.1.1", "$1" },
	{ "cidr:{{if 10.0.0.0/8} {10.1.0.0/16 x} {endif} {0.0.0.0/0 y}}",
	    "10.2.0.1", "y" },
	{ "cidr:{{10.0.0.0/8 x}}", "not an address", "NONE" },
	{ "cidr:{{10.0.0.1/8 x}}", "10.0.0.1", "OPEN: table "
	    "cidr:{{10.0.0.1/8 x}}: rule 1: \"10.0.0.1/8\": the address has "
	    "bits set beyond its prefix" },
	{ "cidr:{{10.0.0.0/33 x}}", "10.0.0.1", "OPEN: table "
	    "cidr:{{10.0.0.0/33 x}}: rule 1: \"10.0.0.0/33\": expected an "
	    "address or address/prefix" },
};

START_TEST(test_simple)
{
	struct arena	*a = arena_new();

	ck_assert_str_eq(ask(simple[_i].spec, simple[_i].key, a),
	    simple[_i].want);
	arena_free(&a);
}
END_TEST

/* Every prefix of a specification opens or is refused with words. */
START_TEST(test_every_cut)
{
	const char	*spec = simple[_i].spec;
	struct arena	*a = arena_new();

	for (size_t n = 0; n <= strlen(spec); n++) {
		char	*cut = strndup(spec, n);

		(void)ask(cut, simple[_i].key, a);
		free(cut);
	}
	arena_free(&a);
}
END_TEST

START_TEST(test_texthash)
{
	struct arena	*a = arena_new();

	put_file("t", "# c\nAlice  one two\n  three\n\"b c\"@x y\nalice no\n");
	ck_assert_str_eq(ask("texthash:t", "alice", a), "one two  three");
	ck_assert_str_eq(ask("t", "ALICE", a), "one two  three");
	ck_assert_str_eq(ask("t", "\"b c\"@x", a), "y");
	put_file("t", "a b\nlonely\n");
	ck_assert_str_eq(ask("t", "a", a), "OPEN: table t: t, line 2: "
	    "a key without a value; expected key and value");
	put_file("t", "/^a/ x\n  # no\n  y\nif /b/\n/c/ d\nendif\n");
	ck_assert_str_eq(ask("regexp:t", "abc", a), "x  y");
	ck_assert_str_eq(ask("pcre:t", "bc", a), "d");
	put_file("t", "/^a/ x\n/b(/ y\n");
	ck_assert_str_eq(ask("regexp:t", "x", a), "OPEN: table regexp:t: "
	    "t, line 2: \"b(\": Unmatched ( or \\(");
	ck_assert_str_eq(ask("texthash:none", "x", a), "OPEN: table "
	    "texthash:none: open none: No such file or directory");
	arena_free(&a);
}
END_TEST

static void
write_db(const char *type, const char *path, unsigned int flags,
    const char *value)
{
	struct map_writer	*w;
	struct error		 err = { .text = "" };

	ck_assert_msg(map_write_open(type, path, 0644, flags, &w, &err) == 0,
	    "%s", err.text);
	ck_assert_int_eq(map_write_put(w, slice_str("key"), slice_str(value),
	    false, &err), 0);
	ck_assert_int_eq(map_write_put(w, slice_str("key"), slice_str("x"),
	    false, &err), 1);
	ck_assert_int_eq(map_write_put(w, slice_str("gone"), slice_str("x"),
	    false, &err), 0);
	ck_assert_int_eq(map_write_delete(w, slice_str("gone"), &err), 0);
	ck_assert_int_eq(map_write_delete(w, slice_str("gone"), &err), 1);
	for (int i = 0; i < 5000; i++) {
		char	k[16];

		snprintf(k, sizeof(k), "k%d", i);
		ck_assert_int_eq(map_write_put(w, slice_str(k), slice_str(k),
		    false, &err), 0);
	}
	ck_assert_msg(map_write_commit(&w, &err) == 0, "%s", err.text);
	ck_assert_ptr_null(w);
}

static int
count_one(void *arg, struct slice key, struct slice value)
{
	if (slice_is(key, "key") && slice_is(value, "value"))
		*(int *)arg += 1000000;
	++*(int *)arg;
	return 0;
}

START_TEST(test_db)
{
	struct arena	*a = arena_new();
	struct error	 err = { .text = "" };
	struct stat	 st;
	int		 n = 0;

	write_db("hash", "t", 0, "value");
	ck_assert_str_eq(ask("hash:t", "key", a), "value");
	ck_assert_str_eq(ask("hash:t", "KEY", a), "value");
	ck_assert_str_eq(ask("hash:t", "k4999", a), "k4999");
	ck_assert_str_eq(ask("hash:t", "gone", a), "NONE");
	ck_assert_str_eq(ask("hash:t", "", a), "NONE");
	ck_assert_int_eq(stat("t.db", &st), 0);
	ck_assert_int_eq(st.st_mode & 07777, 0644);
	write_db("btree", "b", 0, "bee");
	ck_assert_str_eq(ask("btree:b", "key", a), "bee");
	write_db("hash", "bare", MAP_WRITE_NO_NUL, "bare");
	ck_assert_str_eq(ask("hash:bare", "key", a), "bare");
	ck_assert_str_eq(ask("hash:bare", "k1", a), "k1");
	ck_assert_int_eq(map_read_all("hash", "t", count_one, &n, &err), 0);
	ck_assert_int_eq(n, 1005001);
	ck_assert_str_eq(ask("btree:t", "key", a), "OPEN: table btree:t: "
	    "open database t.db: not a database of this type");
	put_file("t.db", "this is not a database\n");
	ck_assert(strncmp(ask("hash:t", "key", a), "OPEN: ", 6) == 0);
	ck_assert(strncmp(ask("hash:missing", "key", a), "OPEN: ", 6) == 0);
	arena_free(&a);
}
END_TEST

/* A DB_CONFIG in the working directory is read by nobody. */
START_TEST(test_db_config)
{
	struct arena	*a = arena_new();

	write_db("hash", "t", 0, "value");
	put_file("DB_CONFIG", "set_lg_dir /\nthis is an error\n"
	    "add_data_dir /\n");
	ck_assert_str_eq(ask("hash:t", "key", a), "value");
	write_db("hash", "t", 0, "new");
	ck_assert_str_eq(ask("hash:t", "key", a), "new");
	arena_free(&a);
}
END_TEST

START_TEST(test_abort)
{
	struct map_writer	*w;
	struct error		 err;
	struct arena		*a = arena_new();

	write_db("hash", "t", 0, "value");
	ck_assert_int_eq(map_write_open("hash", "t", 0644, 0, &w, &err), 0);
	ck_assert_int_eq(map_write_put(w, slice_str("key"), slice_str("n"),
	    false, &err), 0);
	map_write_abort(&w);
	ck_assert_str_eq(ask("hash:t", "key", a), "value");
	ck_assert_int_eq(map_write_open("lmdb", "t", 0644, 0, &w, &err), -1);
	ck_assert_int_eq(map_write_open("hash", "/nowhere/t", 0644, 0, &w,
	    &err), -1);
	arena_free(&a);
}
END_TEST

/* Replaced tables are noticed, the old content is served until then. */
START_TEST(test_changed)
{
	struct map	*m[2];
	struct error	 err;
	struct arena	*a = arena_new();
	const char	*value;

	write_db("hash", "t", 0, "value");
	put_file("list", "a b\n");
	ck_assert_int_eq(map_open("hash:t", NULL, &m[0], &err), 0);
	ck_assert_int_eq(map_open("texthash:list", NULL, &m[1], &err), 0);
	ck_assert(!map_changed(m[0]));
	ck_assert(!map_changed(m[1]));
	write_db("hash", "t", 0, "new");
	put_file("list", "a bb\n");
	ck_assert_int_eq(map_get(m[0], slice_str("key"), a, &value, &err),
	    MAP_FOUND);
	ck_assert_str_eq(value, "value");
	usleep(1100000);	/* files are looked at once a second */
	ck_assert(map_changed(m[0]));
	ck_assert(map_changed(m[1]));
	map_close(&m[0]);
	map_close(&m[1]);
	arena_free(&a);
}
END_TEST

#define FORMS	(MAP_ADDR_FULL | MAP_ADDR_NOEXT | MAP_ADDR_USER | \
		MAP_ADDR_AT_DOM)
#define TFORMS	(MAP_ADDR_FULL | MAP_ADDR_NOEXT | MAP_ADDR_DOM | \
		MAP_ADDR_PARENT)

static const struct {
	const char	*spec, *addr;
	unsigned int	 forms;
	const char	*want;
	bool		 ext;
} addrs[] = {
	{ "inline:{u+e@d.x=1,u@d.x=2,u+e=3,u=4,@d.x=5}", "u+e@d.x", FORMS,
	    "1", false },
	{ "inline:{u@d.x=2,u+e=3,u=4,@d.x=5}", "u+e@d.x", FORMS, "2", true },
	{ "inline:{u+e=3,u=4,@d.x=5}", "u+e@d.x", FORMS, "3", false },
	{ "inline:{u=4,@d.x=5}", "u+e@d.x", FORMS, "4", true },
	{ "inline:{@d.x=5}", "u+e@d.x", FORMS, "5", true },
	{ "inline:{u=4,@d.x=5}", "u+e@d.x", FORMS & ~(unsigned)MAP_ADDR_USER,
	    "5", true },
	{ "inline:{@d.x=5}", "u@d.x", FORMS, "5", false },
	{ "inline:{@x=5}", "u@d.x", FORMS, NULL, false },
	{ "inline:{U@D.x=2}", "u@d.X", FORMS, "2", false },
	{ "regexp:{{/^u$/ 1} {/^@d/ 2}}", "u@d.x", FORMS, NULL, false },
	{ "regexp:{{/^u@d/ 1}}", "u@d.x", FORMS, "1", false },
	{ "inline:{d.x=1}", "u@d.x", TFORMS, "1", false },
	{ "inline:{.x.y=1}", "u@d.x.y", TFORMS, "1", false },
	{ "inline:{.y=1}", "u@d.x.y", TFORMS, "1", false },
	{ "inline:{.x.y=1}", "u@x.y", TFORMS, NULL, false },
	{ "inline:{x.y=1}", "u@d.x.y", TFORMS, NULL, false },
	{ "inline:{x.y=1}", "u@d.x.y", MAP_ADDR_PARENT_NODOT, "1", false },
	{ "inline:{a@b=1, \"a@c\"@b=2}", "\"a@c\"@b", FORMS, "2", false },
	{ "inline:{+x=1}", "+x@d", FORMS, "1", false },
	{ "inline:{postmaster=1}", "postmaster+a@d", FORMS, "1", true },
	{ "inline:{u=1}, inline:{u@d=2}", "u@d", FORMS, "2", false },
	{ "", "u@d", FORMS, NULL, false },
};

START_TEST(test_addr)
{
	struct map_list	*l;
	struct error	 err = { .text = "" };
	struct arena	*a = arena_new();
	const char	*value = NULL;
	bool		 ext = false;

	ck_assert_int_eq(map_list_open(addrs[_i].spec, NULL, &l, &err), 0);
	ck_assert_int_eq(map_list_get_addr(l, slice_str(addrs[_i].addr), "+-",
	    addrs[_i].forms, a, &value, &ext, &err),
	    addrs[_i].want == NULL ? MAP_NONE : MAP_FOUND);
	if (addrs[_i].want != NULL) {
		ck_assert_str_eq(value, addrs[_i].want);
		ck_assert_int_eq(ext, addrs[_i].ext);
	}
	map_list_close(&l);
	arena_free(&a);
}
END_TEST

static const struct {
	const char	*local, *delims, *user, *ext;
} splits[] = {
	{ "u+e", "+", "u", "e" }, { "u", "+", "u", NULL },
	{ "u+", "+", "u", "" }, { "+e", "+", "+e", NULL },
	{ "u+e-f", "-+", "u", "e-f" }, { "u-e", "+", "u-e", NULL },
	{ "u+e", "", "u+e", NULL }, { "owner-x", "-", "owner-x", NULL },
	{ "x-request", "-", "x-request", NULL },
	{ "postmaster+x", "+", "postmaster", "x" },
	{ "mailer-daemon", "-", "mailer-daemon", NULL },
	{ "Double-bounce", "-", "Double-bounce", NULL }, { "", "+", "", NULL },
};

START_TEST(test_split)
{
	struct slice	user, ext;
	bool		has = map_split_ext(slice_str(splits[_i].local),
			    splits[_i].delims, &user, &ext);

	ck_assert_int_eq(has, splits[_i].ext != NULL);
	ck_assert(slice_is(user, splits[_i].user));
	if (has)
		ck_assert(slice_is(ext, splits[_i].ext));
	else
		ck_assert_ptr_null(ext.p);
}
END_TEST

static const struct {
	const char	*spec;
	enum match_kind	 kind;
	bool		 parents;
	const char	*name, *addr;
	bool		 want;
} matches[] = {
	{ "a.x, b.x", MATCH_DOMAIN, false, "b.x", NULL, true },
	{ "a.x, b.x", MATCH_DOMAIN, false, "B.X", NULL, true },
	{ "a.x", MATCH_DOMAIN, false, "s.a.x", NULL, false },
	{ "a.x", MATCH_DOMAIN, true, "s.a.x", NULL, true },
	{ "a.x", MATCH_DOMAIN, true, "sa.x", NULL, false },
	{ ".a.x", MATCH_DOMAIN, false, "s.a.x", NULL, true },
	{ ".a.x", MATCH_DOMAIN, false, "a.x", NULL, false },
	{ "!b.a.x, .a.x", MATCH_DOMAIN, false, "b.a.x", NULL, false },
	{ "!b.a.x, .a.x", MATCH_DOMAIN, false, "c.a.x", NULL, true },
	{ "inline:{a.x=1}", MATCH_DOMAIN, false, "a.x", NULL, true },
	{ "inline:{a.x=1}", MATCH_DOMAIN, true, "s.a.x", NULL, true },
	{ "inline:{a.x=1}", MATCH_DOMAIN, false, "s.a.x", NULL, false },
	{ "inline:{.a.x=1}", MATCH_DOMAIN, false, "s.a.x", NULL, true },
	{ "!inline:{a.x=1} static:all", MATCH_DOMAIN, false, "a.x", NULL,
	    false },
	{ "", MATCH_DOMAIN, false, "a", NULL, false },
	{ "192.0.2.0/24, [2001:db8::]/32, ::1/128", MATCH_STRING, false,
	    "x", NULL, false },
	{ "192.0.2.0/24", MATCH_HOST, false, "unknown", "192.0.2.1", true },
	{ "192.0.2.1", MATCH_HOST, false, "unknown", "192.0.2.1", true },
	{ "!192.0.2.1, 192.0.2.0/24", MATCH_HOST, false, "u", "192.0.2.1",
	    false },
	{ "[2001:db8::]/32", MATCH_HOST, false, "u", "2001:db8::1", true },
	{ "[::1]", MATCH_HOST, false, "u", "::1", true },
	{ "::1/128", MATCH_HOST, false, "u", "::1", true },
	{ "2001:db8::/32", MATCH_HOST, false, "u", "2001:db9::1", false },
	{ "h.x", MATCH_HOST, false, "h.x", "10.0.0.1", true },
	{ "cidr:{{10.0.0.0/8 y}}", MATCH_HOST, false, "h", "10.0.0.1", true },
	{ "inline:{10.0.0.1=y}", MATCH_HOST, false, "h", "10.0.0.1", true },
	{ "a b", MATCH_STRING, false, "B", NULL, true },
	{ "list", MATCH_STRING, false, "list", NULL, true },
};

START_TEST(test_match)
{
	struct match_list	*l;
	struct error		 err = { .text = "" };
	int			 rc = match_list_open(matches[_i].spec,
				    matches[_i].kind, matches[_i].parents,
				    NULL, &l, &err);

	if (strstr(matches[_i].spec, ", ::1/128") != NULL) {
		/* Where hosts do not belong it reads as a table. */
		ck_assert_int_eq(rc, -1);
		return;
	}
	ck_assert_msg(rc == 0, "%s", err.text);
	ck_assert_int_eq(match_list_has(l, matches[_i].name, matches[_i].addr,
	    &err), matches[_i].want ? MAP_FOUND : MAP_NONE);
	match_list_close(&l);
}
END_TEST

START_TEST(test_match_file)
{
	struct match_list	*l;
	struct error		 err = { .text = "" };
	char			 spec[128];

	put_file("list", "# domains\na.x b.x,\n c.x\n!d.x\n");
	snprintf(spec, sizeof(spec), "%s/list, d.x", dir);
	ck_assert_int_eq(match_list_open(spec, MATCH_DOMAIN, false, NULL, &l,
	    &err), 0);
	ck_assert_int_eq(match_list_has(l, "c.x", NULL, &err), MAP_FOUND);
	ck_assert_int_eq(match_list_has(l, "d.x", NULL, &err), MAP_NONE);
	ck_assert(!match_list_changed(l));
	match_list_close(&l);
	snprintf(spec, sizeof(spec), "!%s/list", dir);
	ck_assert_int_eq(match_list_open(spec, MATCH_DOMAIN, false, NULL, &l,
	    &err), 0);
	ck_assert_int_eq(match_list_has(l, "c.x", NULL, &err), MAP_NONE);
	ck_assert_int_eq(match_list_has(l, "d.x", NULL, &err), MAP_FOUND);
	match_list_close(&l);
	/* A file that names itself ends in words. */
	snprintf(spec, sizeof(spec), "%s/list", dir);
	put_file("list", spec);
	ck_assert_int_eq(match_list_open(spec, MATCH_DOMAIN, false, NULL, &l,
	    &err), -1);
	ck_assert_int_eq(match_list_open("10.0.0.1/8", MATCH_HOST, false,
	    NULL, &l, &err), -1);
	ck_assert_str_eq(err.text, "\"10.0.0.1/8\": the address has bits set "
	    "beyond its prefix");
	ck_assert_int_eq(match_list_open("fail:x", MATCH_HOST, false, NULL,
	    &l, &err), 0);
	ck_assert_int_eq(match_list_has(l, "a", "1.2.3.4", &err), MAP_ERROR);
	match_list_close(&l);
}
END_TEST

/* Tables opened before chroot answer behind it. */
START_TEST(test_chroot)
{
	struct map	*m[3];
	struct error	 err;
	struct arena	*a = arena_new();
	const char	*value;
	static const char *const	keys[] = { "root", "root", "key" };

	if (geteuid() != 0)
		return;
	write_db("hash", "t", 0, "value");
	ck_assert_int_eq(map_open("unix:passwd.byname", NULL, &m[0], &err), 0);
	ck_assert_int_eq(map_open("unix:group.byname", NULL, &m[1], &err), 0);
	ck_assert_int_eq(map_open("hash:t", NULL, &m[2], &err), 0);
	/* Each test has a process of its own, unless a debugger wants it
	 * otherwise; then the way out is kept. */
	int	out = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	ck_assert_int_eq(chroot(dir), 0);
	ck_assert_int_eq(chdir("/"), 0);
	for (size_t i = 0; i < COUNT(m); i++) {
		ck_assert_int_eq(map_get(m[i], slice_str(keys[i]), a, &value,
		    &err), MAP_FOUND);
		ck_assert_int_eq(map_get(m[i], slice_str("no-such-name"), a,
		    &value, &err), MAP_NONE);
		ck_assert(!map_changed(m[i]));
		map_close(&m[i]);
	}
	ck_assert_int_eq(fchdir(out), 0);
	ck_assert_int_eq(chroot("."), 0);
	ck_assert_int_eq(chdir(dir), 0);
	close(out);
	arena_free(&a);
}
END_TEST

/* Keys that no table can hold. */
START_TEST(test_bounds)
{
	struct map	*m;
	struct error	 err;
	struct arena	*a = arena_new();
	char		*big = mem_new(20000, 1);
	const char	*value;

	memset(big, 'a', 19999);
	ck_assert_int_eq(map_open("static:x", NULL, &m, &err), 0);
	ck_assert_int_eq(map_get(m, slice_str(big), a, &value, &err),
	    MAP_NONE);
	ck_assert_int_eq(map_get(m, slice_of("a\0b", 3), a, &value, &err),
	    MAP_NONE);
	map_close(&m);
	mem_free(&big);
	ck_assert_int_eq(map_open("bare", NULL, &m, &err), -1);
	ck_assert_str_eq(err.text, "table \"bare\": expected type:name");
	arena_free(&a);
}
END_TEST

int
main(void)
{
	Suite	*s = suite_create("map");
	TCase	*t = tcase_create("map");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, test_simple, 0, COUNT(simple));
	tcase_add_loop_test(t, test_every_cut, 0, COUNT(simple));
	tcase_add_test(t, test_texthash);
	tcase_add_test(t, test_db);
	tcase_add_test(t, test_db_config);
	tcase_add_test(t, test_abort);
	tcase_add_test(t, test_changed);
	tcase_add_loop_test(t, test_addr, 0, COUNT(addrs));
	tcase_add_loop_test(t, test_split, 0, COUNT(splits));
	tcase_add_loop_test(t, test_match, 0, COUNT(matches));
	tcase_add_test(t, test_match_file);
	tcase_add_test(t, test_chroot);
	tcase_add_test(t, test_bounds);
	suite_add_tcase(s, t);
	return check_run(s);
}
