/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/check_run.h"
#include "conf/common.h"
#include "conf/conf.h"
#include "conf/lines.h"

static struct conf *
parsed(const char *text)
{
	struct conf	*c = conf_new();
	struct error	 err = { .text = "" };

	ck_assert_msg(conf_parse(c, slice_str(text), "main.cf", &err) == 0,
	    "%s", err.text);
	return c;
}

static const struct {
	const char	*label, *text, *name, *want;
} grammar[] = {
	{ "plain", "a = b\n", "a", "b" },
	{ "no space", "a=b", "a", "b" },
	{ "spaces", "a \t=\t b  \t\n", "a", "b" },
	{ "empty value", "a =\n", "a", "" },
	{ "equals in value", "a = b = c\n", "a", "b = c" },
	{ "last wins", "a = 1\na = 2\n", "a", "2" },
	{ "comment", "# x = y\n  # more\na = 1\n", "a", "1" },
	{ "no trailing comment", "a = 1 # 2\n", "a", "1 # 2" },
	{ "continued", "a = 1,\n  2\n\t3\nb = 4\n", "a", "1,  2\t3" },
	{ "comment between", "a = 1\n# c = 5\n\n   # d\n 2\n", "a", "1 2" },
	{ "after continuation", "a = 1\n 2\nb = 4\n", "b", "4" },
	{ "value on next line", "a =\n  x y\n", "a", "x y" },
	{ "carriage returns", "a = 1\r\nb = 2\r\n", "a", "1" },
	{ "leading space", "  a = 1\n", "a", "1" },
	{ "white line does not end", "a = 1\n   \n 2\n", "a", "1 2" },
	{ "no final newline", "b = 1\na = 7", "a", "7" },
};

START_TEST(test_grammar)
{
	struct conf	*c = parsed(grammar[_i].text);

	ck_assert_msg(conf_raw(c, grammar[_i].name) != NULL, "%s",
	    grammar[_i].label);
	ck_assert_str_eq(conf_raw(c, grammar[_i].name), grammar[_i].want);
	conf_free(&c);
}
END_TEST

static const struct {
	const char	*text, *want;
} bad_lines[] = {
	{ "a = 1\nfoo bar\n", "main.cf, line 2: missing '=' after attribute "
	    "name: \"foo bar\"; expected name = value" },
	{ "\n\n= x\n", "main.cf, line 3: missing attribute name: \"= x\"; "
	    "expected name = value" },
	{ "foo\n", "main.cf, line 1: missing '=' after attribute name: "
	    "\"foo\"; expected name = value" },
	{ "a = 1\n#\nb\n  c\n", "main.cf, line 3: missing '=' after attribute "
	    "name: \"b  c\"; expected name = value" },
};

START_TEST(test_bad_lines)
{
	struct conf	*c = conf_new();
	struct error	 err = { .text = "" };

	ck_assert_int_eq(conf_parse(c, slice_str(bad_lines[_i].text),
	    "main.cf", &err), -1);
	ck_assert_str_eq(err.text, bad_lines[_i].want);
	conf_free(&c);
}
END_TEST

static const struct {
	const char	*text, *want;	/* NULL: an error */
} expansions[] = {
	{ "plain", "plain" },
	{ "$one", "1" },
	{ "${one}", "1" },
	{ "${ one }", "1" },
	{ "$(one)", "1" },
	{ "$$one", "$one" },
	{ "$one.x", "1.x" },
	{ "$one-$two", "1-2" },
	{ "$nothing", "" },
	{ "x$nothing", "x" },
	{ "$chain", "<1>" },
	{ "${one?yes}", "yes" },
	{ "${nothing?yes}", "" },
	{ "${empty?yes}", "" },
	{ "${one:no}", "" },
	{ "${nothing:no}", "no" },
	{ "${one?; $two}", "; 2" },
	{ "${one?{ yes }:{ no }}", "yes" },
	{ "${nothing?{ yes }:{ no }}", "no" },
	{ "${one?{yes} : {no}}", "yes" },
	{ "${nothing?{yes}:plain}", "plain" },
	{ "${nothing:{a b}}", "a b" },
	{ "${one?{${two?{deep}:{x}}}:{y}}", "deep" },
	{ "${{$one} == {1} ? {a} : {b}}", "a" },
	{ "${{$one}=={2}?{a}:{b}}", "b" },
	{ "${{10} > {9} ? {num} : {str}}", "num" },
	{ "${{10} < {9x} ? {str} : {num}}", "str" },
	{ "${{a} != {b} ? {ne}}", "ne" },
	{ "${{a} == {b} ? {ne}}", "" },
	{ "${{a} == {b} : {ne}}", "ne" },
	{ "${{2} <= {2} ? {y} : {n}}", "y" },
	{ "${{2} >= {3} ? {y} : {n}}", "n" },
	{ "${{a} == {a}}", "bool" },
	{ "${{$level} <level {3.10} ? {old} : {new}}", "old" },
	{ "${{$level} < {3.10} ? {old} : {new}}", "new" },
	{ "${{3.6} >=level {3.6} ? {y} : {n}}", "y" },
	{ "${{1} == {${one}} ? {$chain} : {b}}", "<1>" },
	{ "${one?}", "" },
	{ "a$", NULL },
	{ "$-", NULL },
	{ "${one", NULL },
	{ "$(one", NULL },
	{ "${}", NULL },
	{ "${one!x}", NULL },
	{ "${one?{a} x}", NULL },
	{ "${one?{a}:{b} x}", NULL },
	{ "${{a} ~ {b} ? {c}}", NULL },
	{ "${{a} == b ? {c}}", NULL },
	{ "${{a == {b} ? {c}}", NULL },
	{ "$loop", NULL },
	{ "$self", NULL },
	{ "$bomb0", NULL },
};

static struct conf *
expansion_conf(void)
{
	struct conf	*c = parsed("one = 1\ntwo = 2\nempty =\n"
	    "chain = <$one>\nloop = $pool\npool = ${loop}\nself = $self\n"
	    "level = 3.6\nbomb40 =\n");
	struct arena	*a = arena_new();

	for (int i = 0; i < 40; i++)
		conf_set(c, arena_printf(a, "bomb%d", i),
		    arena_printf(a, "$bomb%d$bomb%d", i + 1, i + 1));
	arena_free(&a);
	return c;
}

START_TEST(test_expand)
{
	struct conf	*c = expansion_conf();
	struct arena	*a = arena_new();
	struct error	 err = { .text = "" };
	const char	*got = conf_expand(c, a, expansions[_i].text, &err);

	if (expansions[_i].want == NULL) {
		ck_assert_msg(got == NULL, "%s -> %s", expansions[_i].text,
		    got);
		ck_assert(err.text[0] != '\0');
	} else {
		ck_assert_msg(got != NULL, "%s: %s", expansions[_i].text,
		    err.text);
		ck_assert_str_eq(got, expansions[_i].want);
	}
	arena_free(&a);
	conf_free(&c);
}
END_TEST

/* Cut anywhere, an expansion is an answer or an error with words, never a
 * read beyond the end (the copy is exact, for the sanitizer). */
START_TEST(test_expand_every_cut)
{
	struct conf	*c = expansion_conf();
	struct arena	*a = arena_new();
	const char	*text = expansions[_i].text;

	for (size_t n = 0; n <= strlen(text); n++) {
		struct error	 err = { .text = "" };
		char		*cut = strndup(text, n);

		if (conf_expand(c, a, cut, &err) == NULL)
			ck_assert(err.text[0] != '\0');
		free(cut);
	}
	arena_free(&a);
	conf_free(&c);
}
END_TEST

struct sample {
	const char	*str, *raw;
	bool		 flag;
	int64_t		 num, size;
	usec_t		 time;
	int		 level;
};

static const struct param sample_params[] = {
	P_STR(struct sample, str, "str", "$raw/x", "A string."),
	P_RAW(struct sample, raw, "raw", "$str", "Not expanded."),
	P_BOOL(struct sample, flag, "flag", "no", "A flag."),
	P_INT(struct sample, num, "num", "5", 1, 10, "A number."),
	P_SIZE(struct sample, size, "size", "1024", 0, 0, "A size."),
	P_TIME(struct sample, time, "time", "5m", 'h', 1, 86400, "A time."),
	P_ENUM(struct sample, level, "level", "may", "none may encrypt",
	    "A level."),
};

static int
fill(const char *text, struct arena *a, struct sample *out, struct error *err)
{
	struct conf	*c = parsed(text);
	int		 rc;

	conf_know(c, sample_params, COUNT(sample_params));
	rc = conf_fill(c, sample_params, COUNT(sample_params), a, out, err);
	conf_free(&c);
	return rc;
}

START_TEST(test_fill)
{
	struct arena	*a = arena_new();
	struct error	 err = { .text = "" };
	struct sample	 s;

	ck_assert_msg(fill("", a, &s, &err) == -1, "raw is a circle");
	ck_assert_int_eq(fill("raw = r$$\n", a, &s, &err), 0);
	ck_assert_str_eq(s.str, "r$/x");
	ck_assert_str_eq(s.raw, "r$$");
	ck_assert(!s.flag);
	ck_assert_int_eq(s.num, 5);
	ck_assert_int_eq(s.size, 1024);
	ck_assert_int_eq(s.time, SECS(300));
	ck_assert_int_eq(s.level, 1);
	ck_assert_int_eq(fill("raw=q\nflag = YES\nnum = 10\nsize=0\ntime=2\n"
	    "level = Encrypt\nstr = ${flag}$num\n", a, &s, &err), 0);
	ck_assert_str_eq(s.str, "YES10");
	ck_assert(s.flag);
	ck_assert_int_eq(s.num, 10);
	ck_assert_int_eq(s.size, 0);
	ck_assert_int_eq(s.time, SECS(7200));
	ck_assert_int_eq(s.level, 2);
	arena_free(&a);
}
END_TEST

static const struct {
	const char	*text, *want;
} bad_values[] = {
	{ "x=y\nflag = maybe", "main.cf, line 2: parameter flag: bad value "
	    "\"maybe\"; expected yes or no" },
	{ "flag =", "main.cf, line 1: parameter flag: bad value \"\"; "
	    "expected yes or no" },
	{ "num = 0", "main.cf, line 1: parameter num: bad value \"0\"; "
	    "expected a value from 1 to 10" },
	{ "num = 11", "main.cf, line 1: parameter num: bad value \"11\"; "
	    "expected a value from 1 to 10" },
	{ "num = 5x", "main.cf, line 1: parameter num: bad value \"5x\"; "
	    "expected a whole number" },
	{ "size = -1", "main.cf, line 1: parameter size: bad value \"-1\"; "
	    "expected at least 0" },
	{ "size = 99999999999999999999", "main.cf, line 1: parameter size: "
	    "bad value \"99999999999999999999\"; expected a whole number" },
	{ "time = 5y", "main.cf, line 1: parameter time: bad value \"5y\"; "
	    "expected a time: digits and one of s m h d w" },
	{ "time = s", "main.cf, line 1: parameter time: bad value \"s\"; "
	    "expected a time: digits and one of s m h d w" },
	{ "time = 0", "main.cf, line 1: parameter time: bad value \"0\"; "
	    "expected a value from 1 to 86400 seconds" },
	{ "time = 9999999999999999w", "main.cf, line 1: parameter time: bad "
	    "value \"9999999999999999w\"; expected a time: digits and one of "
	    "s m h d w" },
	{ "level = high", "main.cf, line 1: parameter level: bad value "
	    "\"high\"; expected one of: none may encrypt" },
	{ "str = ${raw", "main.cf, line 1: parameter str: bad value "
	    "\"${raw\"; expected a closing \"}\" near \"{raw\"" },
};

START_TEST(test_bad_values)
{
	struct arena	*a = arena_new();
	struct error	 err = { .text = "" };
	struct sample	 s;
	const char	*text = arena_printf(a, "%s\nraw = q\n",
			    bad_values[_i].text);

	ck_assert_int_eq(fill(text, a, &s, &err), -1);
	ck_assert_str_eq(err.text, bad_values[_i].want);
	arena_free(&a);
}
END_TEST

START_TEST(test_override)
{
	struct conf	*c = parsed("a = 1\nb = $a\n");
	struct arena	*a = arena_new();
	struct error	 err;
	const char	*name, *value;
	size_t		 at = 0;

	ck_assert_int_eq(conf_override(c, "a=2", &err), 0);
	ck_assert_int_eq(conf_override(c, "c = 3 = 4", &err), 0);
	ck_assert_int_eq(conf_override(c, "nothing", &err), -1);
	ck_assert_str_eq(err.text, "-o nothing: missing '=' after attribute "
	    "name; expected name=value");
	ck_assert_str_eq(conf_value(c, a, "b"), "2");
	ck_assert_str_eq(conf_value(c, a, "c"), "3 = 4");
	ck_assert_str_eq(conf_value(c, a, "d"), "");
	ck_assert(conf_each(c, &at, &name, &value));
	ck_assert_str_eq(name, "a");
	ck_assert_str_eq(value, "2");
	ck_assert(conf_each(c, &at, &name, &value));
	ck_assert(conf_each(c, &at, &name, &value));
	ck_assert_str_eq(name, "c");
	ck_assert(!conf_each(c, &at, &name, &value));
	arena_free(&a);
	conf_free(&c);
}
END_TEST

START_TEST(test_service)
{
	struct conf	*c = parsed("num = 7\nslow_num = 2\nbad_num = 99\n"
	    "x_time = 3\n");
	struct error	 err;
	int64_t		 n;
	usec_t		 t;

	conf_know(c, sample_params, COUNT(sample_params));
	ck_assert_int_eq(conf_service_int(c, "fast", "num", "num", &n, &err),
	    0);
	ck_assert_int_eq(n, 7);
	ck_assert_int_eq(conf_service_int(c, "slow", "num", "num", &n, &err),
	    0);
	ck_assert_int_eq(n, 2);
	ck_assert_int_eq(conf_service_int(c, "bad", "num", "num", &n, &err),
	    -1);
	ck_assert_str_eq(err.text, "main.cf, line 3: parameter bad_num: bad "
	    "value \"99\"; expected a value from 1 to 10");
	ck_assert_int_eq(conf_service_time(c, "x", "time", "time", &t, &err),
	    0);
	ck_assert_int_eq(t, SECS(3 * 3600));
	conf_free(&c);
}
END_TEST

static const struct {
	const char	*text;
	char		 unit;
	int64_t		 secs;
} times[] = {
	{ "0", 's', 0 }, { "10", 's', 10 }, { "10", 'm', 600 },
	{ "10s", 'm', 10 }, { "2h", 's', 7200 }, { "5d", 's', 432000 },
	{ "1w", 's', 604800 }, { "1W", 's', 604800 }, { "", 's', -1 },
	{ "x", 's', -1 }, { "1ms", 's', -1 }, { "-1", 's', -1 },
	{ "1.5h", 's', -1 }, { "9223372036854775807", 's', -1 },
};

START_TEST(test_time)
{
	usec_t	t;

	ck_assert_int_eq(conf_parse_time(times[_i].text, times[_i].unit, &t),
	    times[_i].secs < 0 ? -1 : 0);
	if (times[_i].secs >= 0)
		ck_assert_int_eq(t, SECS(times[_i].secs));
}
END_TEST

static struct conf_common
common(const char *text, struct arena *a)
{
	struct conf		*c = parsed(text);
	struct conf_common	 cc;
	struct error		 err = { .text = "" };

	conf_know(c, conf_common_params, conf_common_nparams);
	ck_assert_msg(conf_fill(c, conf_common_params, conf_common_nparams, a,
	    &cc, &err) == 0, "%s", err.text);
	conf_free(&c);
	return cc;
}

START_TEST(test_common)
{
	struct arena		*a = arena_new();
	struct conf_common	 cc = common("", a);
	char			 host[256] = "";

	gethostname(host, sizeof(host) - 1);
	ck_assert(strchr(cc.myhostname, '.') != NULL);
	ck_assert(strncmp(cc.myhostname, host, strlen(host)) == 0);
	ck_assert_str_eq(cc.mydomain, strchr(cc.myhostname, '.') + 1);
	ck_assert_str_eq(cc.myorigin, cc.myhostname);
	ck_assert_str_eq(cc.syslog_name, "posthouse");
	ck_assert_int_eq(cc.message_size_limit, 10240000);
	ck_assert(cc.smtputf8_enable);
	ck_assert_ptr_nonnull(strstr(cc.mynetworks, "127.0.0.1/32"));

	cc = common("myhostname = mail.example.com\n", a);
	ck_assert_str_eq(cc.mydomain, "example.com");
	ck_assert_str_eq(cc.mydestination,
	    "mail.example.com, localhost.example.com, localhost");
	cc = common("mydomain = example.org\nmyorigin = $mydomain\n", a);
	ck_assert_str_eq(cc.myorigin, "example.org");
	cc = common("mynetworks_style = subnet\ninet_protocols = ipv4\n"
	    "inet_interfaces = loopback-only\n", a);
	ck_assert_str_eq(cc.mynetworks, "127.0.0.0/8");
	/* A circle through computed defaults ends. */
	cc = common("mydomain = x$myhostname\n", a);
	ck_assert_ptr_nonnull(cc.mydomain);
	arena_free(&a);
}
END_TEST

static const struct {
	const char	*text, *own, *networks;
} owns[] = {
	{ "inet_interfaces = 127.0.0.1", "127.0.0.1", "127.0.0.1/32" },
	{ "inet_interfaces = 127.0.0.1, 127.1.2.3", "127.0.0.1 127.1.2.3",
	    "127.0.0.1/32 127.1.2.3/32" },
	{ "inet_interfaces = 127.1.2.3, [2001:db8::1]\n"
	    "proxy_interfaces = 192.0.2.1", "127.1.2.3 2001:db8::1 192.0.2.1",
	    "127.1.2.3/32 [2001:db8::1]/128" },
	{ "inet_interfaces = 127.1.2.3, [2001:db8::1]\n"
	    "inet_protocols = ipv6", "2001:db8::1", "[2001:db8::1]/128" },
	{ "inet_interfaces = loopback-only\ninet_protocols = ipv4\n"
	    "mynetworks_style = class", "127.0.0.1", "127.0.0.0/8" },
	{ "inet_interfaces = host.example.com", "", "" },
};

START_TEST(test_own)
{
	struct conf	*c = parsed(owns[_i].text);
	struct arena	*a = arena_new();

	conf_know(c, conf_common_params, conf_common_nparams);
	ck_assert_str_eq(conf_own_addresses(c, a), owns[_i].own);
	ck_assert_str_eq(conf_value(c, a, "mynetworks"), owns[_i].networks);
	arena_free(&a);
	conf_free(&c);
}
END_TEST

/* Every prefix of a good file is good or refused with words. */
START_TEST(test_every_cut)
{
	const char	*text = grammar[_i].text;

	for (size_t n = 0; n <= strlen(text); n++) {
		struct conf	*c = conf_new();
		struct error	 err = { .text = "" };
		char		*cut = strndup(text, n);

		if (conf_parse(c, slice_of(cut, n), "main.cf", &err) < 0)
			ck_assert(err.text[0] != '\0');
		free(cut);
		conf_free(&c);
	}
}
END_TEST

START_TEST(test_load)
{
	char		 dir[] = "/tmp/conf_test.XXXXXX", path[64];
	struct conf	*c;
	struct arena	*a = arena_new();
	struct error	 err;
	FILE		*f;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	ck_assert_int_eq(conf_load(dir, &c, &err), -1);
	ck_assert_ptr_nonnull(strstr(err.text, "/main.cf: No such file"));
	snprintf(path, sizeof(path), "%s/main.cf", dir);
	f = fopen(path, "w");
	fputs("a = $config_directory\n", f);
	fclose(f);
	ck_assert_int_eq(conf_load(dir, &c, &err), 0);
	ck_assert_str_eq(conf_value(c, a, "a"), dir);
	ck_assert_str_eq(conf_dir(c), dir);
	conf_free(&c);
	f = fopen(path, "w");
	fwrite("a = \0\n", 1, 6, f);
	fclose(f);
	ck_assert_int_eq(conf_load(dir, &c, &err), -1);
	ck_assert_ptr_nonnull(strstr(err.text, "NUL"));
	unlink(path);
	rmdir(dir);
	arena_free(&a);
}
END_TEST

START_TEST(test_line_numbers)
{
	struct conf_lines	 l;
	struct slice		 line;
	static const int	 want[] = { 2, 5, 8 };

	conf_lines_init(&l, SLICE_LIT("\na\n b\n#\nc\n\n # x\nd"));
	for (size_t i = 0; i < COUNT(want); i++) {
		ck_assert(conf_lines_next(&l, &line));
		ck_assert_int_eq(l.first, want[i]);
	}
	ck_assert(!conf_lines_next(&l, &line));
	conf_lines_clear(&l);
}
END_TEST

int
main(void)
{
	Suite	*s = suite_create("conf");
	TCase	*t = tcase_create("conf");

	tcase_add_loop_test(t, test_grammar, 0, COUNT(grammar));
	tcase_add_loop_test(t, test_bad_lines, 0, COUNT(bad_lines));
	tcase_add_loop_test(t, test_expand, 0, COUNT(expansions));
	tcase_add_loop_test(t, test_expand_every_cut, 0,
	    COUNT(expansions) - 1);
	tcase_add_test(t, test_fill);
	tcase_add_loop_test(t, test_bad_values, 0, COUNT(bad_values));
	tcase_add_test(t, test_override);
	tcase_add_test(t, test_service);
	tcase_add_loop_test(t, test_time, 0, COUNT(times));
	tcase_add_test(t, test_common);
	tcase_add_loop_test(t, test_own, 0, COUNT(owns));
	tcase_add_loop_test(t, test_every_cut, 0, COUNT(grammar));
	tcase_add_test(t, test_load);
	tcase_add_test(t, test_line_numbers);
	suite_add_tcase(s, t);
	return check_run(s);
}
