/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/check_run.h"
#include "proto/smtp_cmd.h"
#include "proto/smtp_data.h"
#include "proto/smtp_line.h"

/*
 * Lines.
 */
static const struct {
	const char	*in;
	size_t		 len, max;
	bool		 lf;
	enum smtp_line	 want;
	const char	*line;
} lines[] = {
	{ "NOOP\r\n",    6, 512, false, SMTP_LINE_DONE, "NOOP" },
	{ "\r\n",        2, 512, false, SMTP_LINE_DONE, "" },
	{ "A\r\nB\r\n",  6, 512, false, SMTP_LINE_DONE, "A" },
	{ "NOOP",        4, 512, false, SMTP_LINE_MORE, NULL },
	{ "NOOP\r",      5, 512, false, SMTP_LINE_MORE, NULL },
	{ "",            0, 512, false, SMTP_LINE_MORE, NULL },
	{ "NOOP\n",      5, 512, false, SMTP_LINE_BARE, NULL },
	{ "NOOP\n",      5, 512, true,  SMTP_LINE_DONE, "NOOP" },
	{ "NO\rOP\r\n",  8, 512, true,  SMTP_LINE_BARE, NULL },
	{ "NO\r\r\n",    5, 512, true,  SMTP_LINE_BARE, NULL },
	{ "NO\0P\r\n",   6, 512, true,  SMTP_LINE_NUL,  NULL },
	{ "12345678\r\n", 10, 10, false, SMTP_LINE_DONE, "12345678" },
	{ "123456789\r\n", 11, 10, false, SMTP_LINE_LONG, NULL },
	{ "1234567890",  10, 10, false, SMTP_LINE_LONG, NULL },
};

START_TEST(line_table)
{
	struct slice	in = slice_of(lines[_i].in, lines[_i].len), out;

	ck_assert_int_eq(smtp_line_take(&in, lines[_i].max, lines[_i].lf,
	    &out), lines[_i].want);
	if (lines[_i].line != NULL)
		ck_assert(slice_is(out, lines[_i].line));
	else
		ck_assert_uint_eq(in.len, lines[_i].len);
}
END_TEST

START_TEST(line_split)
{
	for (size_t n = 0; n < lines[_i].len; n++) {
		struct slice	in = slice_of(lines[_i].in, n), out;
		enum smtp_line	got = smtp_line_take(&in, lines[_i].max,
				    lines[_i].lf, &out);

		if (got != SMTP_LINE_MORE) {
			/* All that is needed was there: the same answer. */
			ck_assert_int_eq(got, lines[_i].want);
			if (lines[_i].line != NULL)
				ck_assert(slice_is(out, lines[_i].line));
		}
	}
}
END_TEST

START_TEST(line_skip)
{
	struct slice	in = SLICE_LIT("abc\rdef\nNOOP\r\n");

	ck_assert(smtp_line_skip(&in));
	ck_assert(slice_is(in, "NOOP\r\n"));
	in = SLICE_LIT("no end");
	ck_assert(!smtp_line_skip(&in));
	ck_assert_uint_eq(in.len, 0);
}
END_TEST

/*
 * DATA.  The reference knows the whole input and looks at each line by itself.
 */
struct result {
	char	 text[64];
	size_t	 len, used;
	bool	 end;
};

static void
reference(const char *in, size_t n, struct result *r)
{
	bool	start = true;

	memset(r, 0, sizeof(*r));
	for (size_t i = 0; i < n; i++) {
		if (start && in[i] == '.') {
			if (i + 2 < n && in[i + 1] == '\r' &&
			    in[i + 2] == '\n') {
				r->end = true;
				r->used = i + 3;
				return;
			}
			/* Not known yet what this dot is. */
			if (i + 1 == n || (i + 2 == n && in[i + 1] == '\r'))
				break;
			start = false;
			continue;
		}
		r->text[r->len++] = in[i];
		start = i > 0 && in[i] == '\n' && in[i - 1] == '\r';
	}
	r->used = n;
}

static void
feed(struct smtp_data *d, const char *in, size_t n, struct result *r)
{
	/* A copy of exact size, so that a sanitizer sees an over-read. */
	char		*mem = malloc(n == 0 ? 1 : n);
	struct slice	 s = slice_of(mem, n), piece;

	memcpy(mem, in, n);
	for (;;) {
		enum smtp_data_got	got = smtp_data_take(d, &s, &piece);

		if (got == SMTP_DATA_END)
			r->end = true;
		if (got != SMTP_DATA_PIECE)
			break;
		ck_assert_uint_gt(piece.len, 0);
		ck_assert_uint_le(r->len + piece.len, sizeof(r->text));
		memcpy(r->text + r->len, piece.p, piece.len);
		r->len += piece.len;
	}
	r->used += n - s.len;
	free(mem);
}

static void
compare(const char *in, size_t n, const struct result *want, size_t split)
{
	struct smtp_data	d = { SMTP_DATA_START };
	struct result		got = { .len = 0 };

	feed(&d, in, split, &got);
	if (!got.end)
		feed(&d, in + split, n - split, &got);
	ck_assert_msg(got.end == want->end && got.len == want->len &&
	    got.used == want->used &&
	    memcmp(got.text, want->text, got.len) == 0,
	    "input of %zu bytes split at %zu", n, split);
}

/* All inputs of up to 8 bytes over four letters, at each split. */
START_TEST(data_all)
{
	static const char	alphabet[] = { '.', '\r', '\n', 'a' };

	for (unsigned int n = 0; n <= 8; n++)
		for (unsigned int code = 0; code < 1u << 2 * n; code++) {
			char		in[8];
			struct result	want;

			for (unsigned int i = 0; i < n; i++)
				in[i] = alphabet[code >> 2 * i & 3];
			reference(in, n, &want);
			for (size_t split = 0; split <= n; split++)
				compare(in, n, &want, split);
		}
}
END_TEST

static const struct {
	const char	*in, *content;
	bool		 end;
} datas[] = {
	{ ".\r\n", "", true },
	{ "a\r\n.\r\n", "a\r\n", true },
	{ "a\r\n..\r\n.\r\nNOOP\r\n", "a\r\n.\r\n", true },
	{ "..a\r\n.\r\n", ".a\r\n", true },
	{ "a\n.\nb\r\n.\r\n", "a\n.\nb\r\n", true },
	{ "a\r\n.\nb\r\n.\r\n", "a\r\n\nb\r\n", true },
	{ "a\n.\r\nb\r\n.\r\n", "a\n.\r\nb\r\n", true },
	{ "a\r.\rb\r\n.\r\n", "a\r.\rb\r\n", true },
	{ "a\r\n.\r\r\nb\r\n.\r\n", "a\r\n\r\r\nb\r\n", true },
	{ "a\r\r\n.\r\r\n\r\n.\r\n", "a\r\r\n\r\r\n\r\n", true },
	{ "a\r\n.\r", "a\r\n", false },
};

START_TEST(data_table)
{
	size_t	n = strlen(datas[_i].in);

	for (size_t split = 0; split <= n; split++) {
		struct smtp_data	d = { SMTP_DATA_START };
		struct result		got = { .len = 0 };

		feed(&d, datas[_i].in, split, &got);
		if (!got.end)
			feed(&d, datas[_i].in + split, n - split, &got);
		ck_assert_int_eq(got.end, datas[_i].end);
		ck_assert_uint_eq(got.len, strlen(datas[_i].content));
		ck_assert_mem_eq(got.text, datas[_i].content, got.len);
	}
}
END_TEST

/*
 * Commands.
 */
#define ALL	(SMTP_EXT_SIZE | SMTP_EXT_8BITMIME | SMTP_EXT_UTF8 | \
		SMTP_EXT_DSN | SMTP_EXT_AUTH)

static const struct {
	const char		*arg;
	bool			 lax;
	enum smtp_cmd_result	 want;
	const char		*address, *bad;
} mails[] = {
	{ "FROM:<a@b.example>", false, SMTP_CMD_OK, "a@b.example", NULL },
	{ "from:<>", false, SMTP_CMD_OK, "", NULL },
	{ "FROM:<@x,@y:a@b.example>", false, SMTP_CMD_OK, "a@b.example", NULL },
	{ "FROM: <a@b.example>", true, SMTP_CMD_OK, "a@b.example", NULL },
	{ "FROM: <a@b.example>", false, SMTP_CMD_ADDRESS, NULL, NULL },
	{ "FROM:a@b.example", true, SMTP_CMD_OK, "a@b.example", NULL },
	{ "FROM:a@b.example", false, SMTP_CMD_ADDRESS, NULL, NULL },
	{ "FROM:<a..b.@c.example>", false, SMTP_CMD_OK, "a..b.@c.example",
	    NULL },
	{ "FROM:<\"a b\"@c.example>", false, SMTP_CMD_OK,
	    "\"a b\"@c.example", NULL },
	{ "FROM:<;id;>", true, SMTP_CMD_ADDRESS, NULL, NULL },
	{ "FROM:<;id;@>", true, SMTP_CMD_ADDRESS, NULL, NULL },
	{ "FROM:<a@b>x", true, SMTP_CMD_ADDRESS, NULL, NULL },
	{ "FROM:", true, SMTP_CMD_SYNTAX, NULL, NULL },
	{ "TO:<a@b>", true, SMTP_CMD_SYNTAX, NULL, NULL },
	{ "", true, SMTP_CMD_SYNTAX, NULL, NULL },
	{ "FROM:<a@b> SIZE=100 BODY=8BITMIME", false, SMTP_CMD_OK, "a@b",
	    NULL },
	{ "FROM:<a@b> SIZE=-1", false, SMTP_CMD_PARAM, NULL, "SIZE" },
	{ "FROM:<a@b> SIZE=", false, SMTP_CMD_PARAM, NULL, "SIZE" },
	{ "FROM:<a@b> SIZE", false, SMTP_CMD_PARAM, NULL, "SIZE" },
	{ "FROM:<a@b> SIZE=1 SIZE=1", false, SMTP_CMD_PARAM, NULL, "SIZE" },
	{ "FROM:<a@b> BODY=BINARYMIME", false, SMTP_CMD_PARAM, NULL, "BODY" },
	{ "FROM:<a@b> SMTPUTF8=1", false, SMTP_CMD_PARAM, NULL, "SMTPUTF8" },
	{ "FROM:<a@b> RET=FULL RET=HDRS", false, SMTP_CMD_PARAM, NULL, "RET" },
	{ "FROM:<a@b> ENVID=a+00b", false, SMTP_CMD_PARAM, NULL, "ENVID" },
	{ "FROM:<a@b> ENVID=a+0Ab", false, SMTP_CMD_PARAM, NULL, "ENVID" },
	{ "FROM:<> AUTH=a+0Ab", false, SMTP_CMD_PARAM, NULL, "AUTH" },
	{ "FROM:<a> =\"", false, SMTP_CMD_OPTION, NULL, "" },
	{ "FROM:<a> AUTH=\"", false, SMTP_CMD_OK, "a", NULL },
	{ "FROM:<a@b> FOO=1", false, SMTP_CMD_OPTION, NULL, "FOO" },
	{ "FROM:<\xc3\xa9@b.example>", false, SMTP_CMD_UTF8, NULL, NULL },
	{ "FROM:<\xc3\xa9@b.example> SMTPUTF8", false, SMTP_CMD_OK,
	    "\xc3\xa9@b.example", NULL },
	{ "FROM:<\xc3> SMTPUTF8", false, SMTP_CMD_ADDRESS, NULL, NULL },
	{ "FROM:<\xed\xa0\x80@b> SMTPUTF8", false, SMTP_CMD_ADDRESS, NULL,
	    NULL },
	{ "FROM:<\xff@b>", false, SMTP_CMD_ADDRESS, NULL, NULL },
	{ "FROM:<><><>", true, SMTP_CMD_SYNTAX, NULL, NULL },
};

START_TEST(mail_table)
{
	struct arena		*a = arena_new();
	struct smtp_mail	 m;
	const char		*bad = NULL;
	enum smtp_cmd_result	 got;

	got = smtp_cmd_mail(slice_str(mails[_i].arg), ALL, mails[_i].lax, a,
	    &m, &bad);
	ck_assert_msg(got == mails[_i].want, "\"%s\": %d", mails[_i].arg, got);
	if (got == SMTP_CMD_OK)
		ck_assert_str_eq(m.address, mails[_i].address);
	if (mails[_i].bad != NULL)
		ck_assert_str_eq(bad, mails[_i].bad);
	arena_free(&a);
}
END_TEST

/* Cut anywhere: never more than what the whole would give, no over-read. */
START_TEST(mail_split)
{
	struct arena	*a = arena_new();

	for (size_t n = 0; n <= strlen(mails[_i].arg); n++) {
		struct smtp_mail	 m;
		const char		*bad;
		char			*mem = malloc(n == 0 ? 1 : n);

		memcpy(mem, mails[_i].arg, n);
		if (smtp_cmd_mail(slice_of(mem, n), ALL, true, a, &m, &bad) ==
		    SMTP_CMD_OK)
			ck_assert_ptr_nonnull(m.address);
		free(mem);
	}
	arena_free(&a);
}
END_TEST

START_TEST(mail_values)
{
	struct arena		*a = arena_new();
	struct smtp_mail	 m;
	const char		*bad;

	ck_assert_int_eq(smtp_cmd_mail(SLICE_LIT("FROM:<a@b> SIZE=12 "
	    "body=8bitmime RET=HDRS ENVID=q+2Bx AUTH=<>"), ALL, false, a, &m,
	    &bad), SMTP_CMD_OK);
	ck_assert(m.has_size && m.size == 12 && m.eight_bit && !m.utf8);
	ck_assert_uint_eq(m.ret, SMTP_RET_HDRS);
	ck_assert_str_eq(m.envid, "q+x");
	ck_assert_str_eq(m.auth, "<>");
	ck_assert_int_eq(smtp_cmd_mail(
	    SLICE_LIT("FROM:<a@b> SIZE=99999999999999999999"), ALL, false, a,
	    &m, &bad), SMTP_CMD_OK);
	ck_assert(m.size == UINT64_MAX);
	ck_assert_int_eq(smtp_cmd_mail(SLICE_LIT("FROM:<a@b> RET=HDRS"),
	    SMTP_EXT_SIZE, false, a, &m, &bad), SMTP_CMD_OPTION);
	arena_free(&a);
}
END_TEST

static const struct {
	const char		*arg;
	enum smtp_cmd_result	 want;
	unsigned int		 notify;
	const char		*orcpt;
} rcpts[] = {
	{ "TO:<a@b>", SMTP_CMD_OK, 0, NULL },
	{ "TO:<>", SMTP_CMD_ADDRESS, 0, NULL },
	{ "TO:< a@d>", SMTP_CMD_ADDRESS, 0, NULL },
	{ "TO:<postmaster>", SMTP_CMD_OK, 0, NULL },
	{ "TO:<a@b> NOTIFY=NEVER", SMTP_CMD_OK, SMTP_NOTIFY_NEVER, NULL },
	{ "TO:<a@b> NOTIFY=success,DELAY", SMTP_CMD_OK,
	    SMTP_NOTIFY_SUCCESS | SMTP_NOTIFY_DELAY, NULL },
	{ "TO:<a@b> NOTIFY=NEVER,SUCCESS", SMTP_CMD_PARAM, 0, NULL },
	{ "TO:<a@b> NOTIFY=", SMTP_CMD_PARAM, 0, NULL },
	{ "TO:<a@b> NOTIFY=DELAY,", SMTP_CMD_PARAM, 0, NULL },
	{ "TO:<a@b> NOTIFY=DELAY,DELAY", SMTP_CMD_PARAM, 0, NULL },
	{ "TO:<a@b> ORCPT=rfc822;a+2Bb", SMTP_CMD_OK, 0, "rfc822;a+b" },
	{ "TO:<a@b> ORCPT=rfc822;a+0D+0AX:", SMTP_CMD_PARAM, 0, NULL },
	{ "TO:<a@b> ORCPT=a@b", SMTP_CMD_PARAM, 0, NULL },
	{ "TO:<a@b> ORCPT=;a", SMTP_CMD_PARAM, 0, NULL },
	{ "TO:<a@b> ORCPT=rfc822;", SMTP_CMD_PARAM, 0, NULL },
	{ "TO:<a@b> SIZE=1", SMTP_CMD_OPTION, 0, NULL },
};

START_TEST(rcpt_table)
{
	struct arena		*a = arena_new();
	struct smtp_rcpt	 r;
	const char		*bad;
	enum smtp_cmd_result	 got;

	got = smtp_cmd_rcpt(slice_str(rcpts[_i].arg), ALL, false, false, a, &r,
	    &bad);
	ck_assert_msg(got == rcpts[_i].want, "\"%s\": %d", rcpts[_i].arg, got);
	if (got == SMTP_CMD_OK) {
		ck_assert_uint_eq(r.notify, rcpts[_i].notify);
		ck_assert_msg((r.orcpt == NULL) == (rcpts[_i].orcpt == NULL),
		    "%s", rcpts[_i].arg);
		if (r.orcpt != NULL)
			ck_assert_str_eq(r.orcpt, rcpts[_i].orcpt);
	}
	arena_free(&a);
}
END_TEST

static const struct {
	const char		*arg;
	enum smtp_bdat_result	 want;
	uint64_t		 size;
	bool			 last;
} bdats[] = {
	{ "10", SMTP_BDAT_OK, 10, false },
	{ "0 LAST", SMTP_BDAT_OK, 0, true },
	{ "1000000000 last", SMTP_BDAT_OK, 1000000000, true },
	{ "", SMTP_BDAT_SYNTAX, 0, false },
	{ "x", SMTP_BDAT_SYNTAX, 0, false },
	{ "-1", SMTP_BDAT_SYNTAX, 0, false },
	{ "10 LASTX", SMTP_BDAT_SYNTAX, 0, false },
	{ "10 LAST x", SMTP_BDAT_SYNTAX, 0, false },
	{ "99999999999999999999", SMTP_BDAT_HUGE, 0, false },
	{ "9223372036854775808 LAST", SMTP_BDAT_HUGE, 0, true },
};

START_TEST(bdat_table)
{
	uint64_t	size = 0;
	bool		last = false;

	ck_assert_int_eq(smtp_cmd_bdat(slice_str(bdats[_i].arg), &size, &last),
	    bdats[_i].want);
	if (bdats[_i].want == SMTP_BDAT_OK) {
		ck_assert_uint_eq(size, bdats[_i].size);
		ck_assert_int_eq(last, bdats[_i].last);
	}
}
END_TEST

START_TEST(small_things)
{
	struct arena	*a = arena_new();
	struct slice	 verb, arg;

	smtp_cmd_split(SLICE_LIT("  ehlo \t host  "), &verb, &arg);
	ck_assert(slice_is(verb, "ehlo") && slice_is(arg, "host"));
	smtp_cmd_split(SLICE_LIT(""), &verb, &arg);
	ck_assert(verb.len == 0 && arg.len == 0);
	ck_assert_str_eq(smtp_cmd_helo(SLICE_LIT("h.example"), a), "h.example");
	ck_assert_ptr_null(smtp_cmd_helo(SLICE_LIT("a b"), a));
	ck_assert_ptr_null(smtp_cmd_helo(SLICE_LIT("\xff"), a));
	ck_assert_str_eq(smtp_cmd_address(SLICE_LIT("<a@b>"), false, a), "a@b");
	ck_assert_str_eq(smtp_cmd_address(SLICE_LIT("root"), false, a), "root");
	ck_assert_ptr_null(smtp_cmd_address(SLICE_LIT("a b"), false, a));
	arena_free(&a);
}
END_TEST

int
main(void)
{
	Suite	*s = suite_create("smtp");
	TCase	*t = tcase_create("smtp");

	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, line_table, 0, COUNT(lines));
	tcase_add_loop_test(t, line_split, 0, COUNT(lines));
	tcase_add_test(t, line_skip);
	tcase_add_test(t, data_all);
	tcase_add_loop_test(t, data_table, 0, COUNT(datas));
	tcase_add_loop_test(t, mail_table, 0, COUNT(mails));
	tcase_add_loop_test(t, mail_split, 0, COUNT(mails));
	tcase_add_test(t, mail_values);
	tcase_add_loop_test(t, rcpt_table, 0, COUNT(rcpts));
	tcase_add_loop_test(t, bdat_table, 0, COUNT(bdats));
	tcase_add_test(t, small_things);
	suite_add_tcase(s, t);
	return check_run(s);
}
