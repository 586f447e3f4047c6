/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/check_run.h"
#include "proto/pop3.h"

static const struct {
	const char	*label;
	const char	*in;
	size_t		 len, max;
	enum pop3_line	 result;
	const char	*line, *rest;
} lines[] = {
	{ "CRLF", "STAT\r\nX", 7, 100, POP3_LINE_DONE, "STAT", "X" },
	{ "LF", "STAT\nX", 6, 100, POP3_LINE_DONE, "STAT", "X" },
	{ "empty", "\r\n", 2, 100, POP3_LINE_DONE, "", "" },
	{ "CR inside", "A\rB\r\n", 5, 100, POP3_LINE_DONE, "A\rB", "" },
	{ "no end yet", "STAT\r", 5, 100, POP3_LINE_MORE, NULL, NULL },
	{ "nothing", "", 0, 100, POP3_LINE_MORE, NULL, NULL },
	{ "NUL", "ST\0AT\r\n", 7, 100, POP3_LINE_BAD, NULL, NULL },
	{ "just fits", "STAT\r\n", 6, 6, POP3_LINE_DONE, "STAT", "" },
	{ "too long", "STATS\r\n", 7, 6, POP3_LINE_BAD, NULL, NULL },
	{ "too long, no end", "STATST", 6, 6, POP3_LINE_BAD, NULL, NULL },
};

START_TEST(line)
{
	struct slice	 in = slice_of(lines[_i].in, lines[_i].len), got;
	enum pop3_line	 r = pop3_line_take(&in, lines[_i].max, &got);

	ck_assert_msg(r == lines[_i].result, "%s", lines[_i].label);
	if (r != POP3_LINE_DONE) {
		ck_assert_uint_eq(in.len, lines[_i].len);
		return;
	}
	ck_assert_msg(slice_is(got, lines[_i].line), "%s", lines[_i].label);
	ck_assert(slice_is(in, lines[_i].rest));
}
END_TEST

START_TEST(line_every_split)
{
	const struct slice	 all = SLICE_LIT("RETR 1\r\n");
	struct slice		 got;

	for (size_t n = 0; n <= all.len; n++) {
		unsigned char	*copy = malloc(n + 1);
		struct slice	 in = slice_of(copy, n);

		memcpy(copy, all.p, n);
		ck_assert((pop3_line_take(&in, 100, &got) ==
		    POP3_LINE_DONE) == (n == all.len));
		free(copy);
	}
}
END_TEST

static const struct {
	const char	*line;
	enum pop3_verb	 verb;
	const char	*args;
} commands[] = {
	{ "STAT", POP3_STAT, "" }, { "stat", POP3_STAT, "" },
	{ "RETR 1", POP3_RETR, "1" }, { "TOP 1 2", POP3_TOP, "1 2" },
	{ "PASS  a b ", POP3_PASS, " a b " }, { "", POP3_UNKNOWN, "" },
	{ "STATS", POP3_UNKNOWN, "" }, { " STAT", POP3_UNKNOWN, "STAT" },
	{ "UIDL ", POP3_UIDL, "" },
};

START_TEST(command)
{
	struct slice	 args;

	ck_assert_int_eq(pop3_command(slice_str(commands[_i].line), &args),
	    commands[_i].verb);
	ck_assert(slice_is(args, commands[_i].args));
}
END_TEST

static const struct {
	const char	*in;
	bool		 ok;
	uint32_t	 out;
} numbers[] = {
	{ "1", true, 1 }, { " 7 ", true, 7 }, { "4294967295", true,
	    UINT32_MAX }, { .in = "0" }, { .in = "-1" }, { .in = "" },
	{ .in = "4294967296" }, { .in = "4294967297" }, { .in = "1x" },
	{ .in = "+1" }, { .in = "99999999999999999999999" },
};

START_TEST(number)
{
	struct slice	 in = slice_str(numbers[_i].in);
	uint32_t	 n = 0;

	ck_assert_msg(pop3_take_number(&in, UINT32_MAX, &n) ==
	    numbers[_i].ok, "%s", numbers[_i].in);
	if (numbers[_i].ok)
		ck_assert_uint_eq(n, numbers[_i].out);
}
END_TEST

static const struct {
	const char	*format, *out;	/* NULL: refused */
} uidls[] = {
	{ "%08Xu%08Xv", "0000002a65f0c3b1" },
	{ "%08Xv%08Xu", "65f0c3b10000002a" },
	{ "%v.%u", "1710277553.42" },
	{ "UID%u-%v", "UID42-1710277553" },
	{ "%f", "17.M1P2.host" },
	{ "%g%%", "abcd%" },
	{ "", NULL }, { "%", NULL }, { "%q", NULL }, { "%08", NULL },
	{ "%99u", NULL }, { "a b", NULL }, { "%9u", NULL },
	{ "01234567890123456789012345678901234567890123456789012345678901234"
	    "567890", NULL },
};

START_TEST(uidl)
{
	const struct pop3_uidl	 u = { 42, 0x65f0c3b1, "abcd",
				    "17.M1P2.host" };
	char			 out[POP3_UIDL_MAX + 1];
	int			 r;

	r = pop3_uidl_format(uidls[_i].format, &u, out);
	if (uidls[_i].out == NULL)
		ck_assert_msg(r < 0, "%s", uidls[_i].format);
	else {
		ck_assert_msg(r == 0, "%s", uidls[_i].format);
		ck_assert_str_eq(out, uidls[_i].out);
	}
}
END_TEST

static const struct {
	const char	*label, *in, *out;
	uint32_t	 top;
} texts[] = {
	{ "plain", "A: b\r\n\r\nhi\r\n", "A: b\r\n\r\nhi\r\n.\r\n",
	    UINT32_MAX },
	{ "LF", "A: b\n\nhi\n", "A: b\r\n\r\nhi\r\n.\r\n", UINT32_MAX },
	{ "no end", "A: b\n\nhi", "A: b\r\n\r\nhi\r\n.\r\n", UINT32_MAX },
	{ "dots", "A: b\r\n\r\n.\r\n..\r\n.x\r\na.b\r\n",
	    "A: b\r\n\r\n..\r\n...\r\n..x\r\na.b\r\n.\r\n", UINT32_MAX },
	{ "dot first", ".x\n", "..x\r\n.\r\n", UINT32_MAX },
	{ "CR kept", "a\rb\r\r\nc\r", "a\rb\r\r\nc\r\r\n.\r\n",
	    UINT32_MAX },
	{ "empty", "", ".\r\n", UINT32_MAX },
	{ "top 0", "A: b\nC: d\n\n1\n2\n", "A: b\r\nC: d\r\n\r\n.\r\n", 0 },
	{ "top 1", "A: b\n\n1\n2\n", "A: b\r\n\r\n1\r\n.\r\n", 1 },
	{ "top 2", "A: b\n\n1\n2\n", "A: b\r\n\r\n1\r\n2\r\n.\r\n", 2 },
	{ "top 9", "A: b\n\n1\n2\n", "A: b\r\n\r\n1\r\n2\r\n.\r\n", 9 },
	{ "top, empty lines", "A: b\n\n\n\n3\n", "A: b\r\n\r\n\r\n\r\n.\r\n",
	    2 },
	{ "top, no header", "\n1\n2\n", "\r\n1\r\n.\r\n", 1 },
};

/* All splits of the input, and an output that is emptied in small steps. */
START_TEST(stuff)
{
	const struct slice	 all = slice_str(texts[_i].in);
	struct buf		 total, out;

	buf_init(&total, 10000);
	buf_init(&out, 7);
	for (size_t cut = 0; cut <= all.len; cut++) {
		struct pop3_stuff	 st = { 0 };
		bool			 stop = false;

		buf_reset(&total);
		for (int part = 0; part < 2 && !stop; part++) {
			struct slice	 in = part == 0 ?
					    slice_first(all, cut) :
					    slice_from(all, cut);

			while (in.len > 0 && !stop) {
				stop = pop3_stuff(&st, &in, texts[_i].top,
				    &out);
				buf_add_slice(&total, buf_slice(&out));
				buf_reset(&out);
			}
		}
		pop3_stuff_end(&st, &total);
		ck_assert_msg(slice_is(buf_slice(&total), texts[_i].out),
		    "%s, cut at %zu: %s", texts[_i].label, cut,
		    buf_cstr(&total));
	}
	buf_clear(&out);
	buf_clear(&total);
}
END_TEST

int
main(void)
{
	Suite	*s = suite_create("pop3");
	TCase	*t = tcase_create("protocol");

	tcase_add_loop_test(t, line, 0, (int)COUNT(lines));
	tcase_add_test(t, line_every_split);
	tcase_add_loop_test(t, command, 0, (int)COUNT(commands));
	tcase_add_loop_test(t, number, 0, (int)COUNT(numbers));
	tcase_add_loop_test(t, uidl, 0, (int)COUNT(uidls));
	tcase_add_loop_test(t, stuff, 0, (int)COUNT(texts));
	suite_add_tcase(s, t);
	return check_run(s);
}
