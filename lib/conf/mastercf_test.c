/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/buf.h"
#include "base/check_run.h"
#include "conf/mastercf.h"

/* One line per service, so that a table can say what is expected. */
static const char *
describe(const struct master_cf *cf, struct buf *b)
{
	for (size_t i = 0; i < cf->count; i++) {
		const struct master_service	*s = &cf->services[i];

		buf_addf(b, "%s/%s %s|%s %c%c%c %lld%s %d %s",
		    s->name, mastercf_type_name(s->type), s->host, s->port,
		    s->is_private ? 'y' : 'n', s->unpriv ? 'y' : 'n',
		    s->chroot ? 'y' : 'n',
		    (long long)(s->wakeup / USEC_PER_SEC),
		    s->wakeup_if_used ? "?" : "", s->maxproc, s->command);
		for (size_t k = 0; s->args[k] != NULL; k++)
			buf_addf(b, " [%s]", s->args[k]);
		for (size_t k = 0; s->overrides[k] != NULL; k++)
			buf_addf(b, " {%s}", s->overrides[k]);
		buf_adds(b, ";");
	}
	return buf_cstr(b);
}

static const struct {
	const char	*text, *want;
} good[] = {
	{ "", "" },
	{ "smtp inet n - y - - smtpd\n",
	    "smtp/inet |smtp nyy 0 100 smtpd;" },
	{ "#c\npickup unix n - n 60 1 pickup\n",
	    "pickup/unix | nyn 60 1 pickup;" },
	{ "qmgr unix n - n 300? 1 qmgr",
	    "qmgr/unix | nyn 300? 1 qmgr;" },
	{ "a unix - - - - 0 x", "a/unix | yyn 0 0 x;" },
	{ "a unix - n n 0 - x -v", "a/unix | ynn 0 100 x [-v];" },
	{ "127.0.0.1:25 inet n n n - - smtpd",
	    "127.0.0.1:25/inet 127.0.0.1|25 nnn 0 100 smtpd;" },
	{ "[::1]:smtp inet n - n - - smtpd",
	    "[::1]:smtp/inet ::1|smtp nyn 0 100 smtpd;" },
	{ ":25 inet n - n - - smtpd", ":25/inet |25 nyn 0 100 smtpd;" },
	{ "s inet n - n - - smtpd\n  -o a=b\n#x\n  -o c=d,e\n\n  -v",
	    "s/inet |s nyn 0 100 smtpd [-v] {a=b} {c=d,e};" },
	{ "s inet n - n - - smtpd -o { a = b c } -oe=f -o {g=}",
	    "s/inet |s nyn 0 100 smtpd {a=b c} {e=f} {g=};" },
	{ "s inet n - n - - smtpd -o { a = {x y} {z} }",
	    "s/inet |s nyn 0 100 smtpd {a={x y} {z}};" },
	{ "p unix - n n - - pipe flags=DRhu user=v argv=/bin/x -o y=z {a b}",
	    "p/unix | ynn 0 100 pipe [flags=DRhu] [user=v] [argv=/bin/x] "
	    "[-o] [y=z] [a b];" },
	{ "p unix - n n - - pipe -i 5 -o a=b {} { {x }",
	    NULL },
	{ "p unix - n n - - pipe -i 5 -o a=b {} {{x}}",
	    "p/unix | ynn 0 100 pipe [-i] [5] [] [{x}] {a=b};" },
	{ "a unix - - n - 1 x\na unix - - n - 2 y\na fifo - - n - - z",
	    "a/unix | yyn 0 2 y;a/fifo | yyn 0 100 z;" },
	{ "postlog unix-dgram n - n - 1 postlogd",
	    "postlog/unix-dgram | nyn 0 1 postlogd;" },
	{ "x pass - - n - - smtpd", "x/pass | yyn 0 100 smtpd;" },
};

START_TEST(test_good)
{
	struct arena		*a = arena_new();
	struct master_cf	 cf;
	struct error		 err = { .text = "" };
	struct buf		 b;
	int			 rc = mastercf_parse(slice_str(good[_i].text),
				    "master.cf", 100, false, a, &cf, &err);

	buf_init(&b, 65536);
	if (good[_i].want == NULL) {
		ck_assert_int_eq(rc, -1);
	} else {
		ck_assert_msg(rc == 0, "%s: %s", good[_i].text, err.text);
		ck_assert_str_eq(describe(&cf, &b), good[_i].want);
	}
	buf_clear(&b);
	arena_free(&a);
}
END_TEST

static const struct {
	const char	*text, *want;
} wrong[] = {
	{ "\nsmtp inet n - n -\n", "master.cf, line 2: missing \"maxproc\" "
	    "field; expected name type private unpriv chroot wakeup maxproc "
	    "command" },
	{ "smtp", "master.cf, line 1: missing \"type\" field; expected name "
	    "type private unpriv chroot wakeup maxproc command" },
	{ "smtp tcp n - n - - x", "master.cf, line 1: field \"type\": bad "
	    "value \"tcp\"; expected inet, unix, fifo, pass or unix-dgram" },
	{ "smtp inet - - n - - x", "master.cf, line 1: field \"private\": bad "
	    "value \"y\"; expected \"n\": an inet service cannot be private" },
	{ "a unix Y - n - - x", "master.cf, line 1: field \"private\": bad "
	    "value \"Y\"; expected \"y\", \"n\" or \"-\"" },
	{ "a unix - - yes - - x", "master.cf, line 1: field \"chroot\": bad "
	    "value \"yes\"; expected \"y\", \"n\" or \"-\"" },
	{ "a unix - - n 5x - x", "master.cf, line 1: field \"wakeup\": bad "
	    "value \"5x\"; expected seconds, with \"?\" behind them for "
	    "\"once in use\"" },
	{ "a unix - - n - -1 x", "master.cf, line 1: field \"maxproc\": bad "
	    "value \"-1\"; expected a number of processes" },
	{ "a unix - - n - - x -o", "master.cf, line 1: field \"command\": bad "
	    "value \"\"; expected -o name=value" },
	{ "a unix - - n - - x -o foo", "master.cf, line 1: field \"command\": "
	    "bad value \"foo\"; expected -o name=value" },
	{ "a unix - - n - - x -o { a=b", "master.cf, line 1: field "
	    "\"command\": bad value \"{ a=b\"; expected a closing \"}\"" },
	{ "a unix - - n - - x {a}b", "master.cf, line 1: field "
	    "\"command\": bad value \"b\"; expected white space behind the "
	    "closing \"}\"" },
	{ "::1:25 inet n - n - - x", "master.cf, line 1: field \"service "
	    "name\": bad value \"::1:25\"; expected an IPv6 address in "
	    "brackets: [address]:port" },
	{ "[::1] inet n - n - - x", "master.cf, line 1: field \"service "
	    "name\": bad value \"[::1]\"; expected [address]:port" },
	{ "h: inet n - n - - x", "master.cf, line 1: field \"service "
	    "name\": bad value \"h:\"; expected host:port or port" },
	{ "a unix - - n - - -", "master.cf, line 1: field \"command\": bad "
	    "value \"-\"; expected a program name" },
};

START_TEST(test_wrong)
{
	struct arena		*a = arena_new();
	struct master_cf	 cf;
	struct error		 err = { .text = "" };

	ck_assert_int_eq(mastercf_parse(slice_str(wrong[_i].text),
	    "master.cf", 100, false, a, &cf, &err), -1);
	ck_assert_str_eq(err.text, wrong[_i].want);
	arena_free(&a);
}
END_TEST

/* Any prefix of a good file is good or refused with words. */
START_TEST(test_every_cut)
{
	const char	*text = good[_i].text;

	for (size_t n = 0; n <= strlen(text); n++) {
		struct arena		*a = arena_new();
		struct master_cf	 cf;
		struct error		 err = { .text = "" };
		char			*cut = strndup(text, n);

		if (mastercf_parse(slice_of(cut, n), "m", 1, true, a, &cf,
		    &err) < 0)
			ck_assert(err.text[0] != '\0');
		free(cut);
		arena_free(&a);
	}
}
END_TEST

/* The forms that a Postfix master.cf has: all are read, whatever of it is
 * then started. */
static const char	stock[] =
"smtp      inet  n       -       y       -       -       smtpd\n"
"#smtp      inet  n       -       y       -       1       postscreen\n"
"#smtpd     pass  -       -       y       -       -       smtpd\n"
"submission inet n       -       y       -       -       smtpd\n"
"  -o syslog_name=postfix/submission\n"
"  -o smtpd_tls_security_level=encrypt\n"
"#  -o smtpd_client_restrictions=\n"
"  -o smtpd_relay_restrictions=permit_sasl_authenticated,reject\n"
"pickup    unix  n       -       y       60      1       pickup\n"
"cleanup   unix  n       -       y       -       0       cleanup\n"
"qmgr      unix  n       -       n       300     1       qmgr\n"
"tlsmgr    unix  -       -       y       1000?   1       tlsmgr\n"
"rewrite   unix  -       -       y       -       -       trivial-rewrite\n"
"relay     unix  -       -       y       -       -       smtp\n"
"        -o syslog_name=postfix/$service_name\n"
"#       -o smtp_helo_timeout=5 -o smtp_connect_timeout=5\n"
"local     unix  -       n       n       -       -       local\n"
"postlog   unix-dgram n  -       n       -       1       postlogd\n"
"maildrop  unix  -       n       n       -       -       pipe\n"
"  flags=DRXhu user=vmail argv=/usr/bin/maildrop -d ${recipient}\n"
"mailman   unix  -       n       n       -       -       pipe\n"
"  flags=FRX user=list argv=/usr/lib/mailman/bin/postfix-to-mailman.py\n"
"  ${nexthop} ${user}\n";

START_TEST(test_stock)
{
	struct arena		*a = arena_new();
	struct master_cf	 cf;
	struct error		 err = { .text = "" };

	ck_assert_msg(mastercf_parse(slice_str(stock), "master.cf", 100,
	    false, a, &cf, &err) == 0, "%s", err.text);
	ck_assert_int_eq(cf.count, 12);
	ck_assert_str_eq(cf.services[1].overrides[2],
	    "smtpd_relay_restrictions=permit_sasl_authenticated,reject");
	ck_assert_str_eq(cf.services[7].overrides[0],
	    "syslog_name=postfix/$service_name");
	ck_assert_str_eq(cf.services[11].args[3], "${nexthop}");
	arena_free(&a);
}
END_TEST

int
main(void)
{
	Suite	*s = suite_create("mastercf");
	TCase	*t = tcase_create("mastercf");

	tcase_add_loop_test(t, test_good, 0, COUNT(good));
	tcase_add_loop_test(t, test_wrong, 0, COUNT(wrong));
	tcase_add_loop_test(t, test_every_cut, 0, COUNT(good));
	tcase_add_test(t, test_stock);
	suite_add_tcase(s, t);
	return check_run(s);
}
