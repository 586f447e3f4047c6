/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/check_run.h"
#include "base/mem.h"
#include "proto/smtp_reply.h"

static const struct {
	const char	*in;
	int		 code;		/* -1: bad */
	const char	*dsn, *text;
	size_t		 nlines;
	const char	*last;
} table[] = {
	{ "220 mx ESMTP\r\n", 220, "2.0.0", "220 mx ESMTP", 1, "mx ESMTP" },
	{ "250 2.1.5 Ok\r\n", 250, "2.1.5", "250 2.1.5 Ok", 1, "2.1.5 Ok" },
	{ "550 5.1.1\r\n", 550, "5.1.1", "550 5.1.1", 1, "5.1.1" },
	{ "250\r\n", 250, "2.0.0", "250", 1, "" },
	{ "250 \r\n", 250, "2.0.0", "250 ", 1, "" },
	{ "354\n", 354, "3.0.0", "354", 1, "" },
	{ "250-a\r\n250-SIZE 10\r\n250 DSN\r\n", 250, "2.0.0",
	    "250-a 250-SIZE 10 250 DSN", 3, "DSN" },
	{ "550-5.7.1 a\r\n550 5.7.1 b\r\n", 550, "5.7.1",
	    "550-5.7.1 a 550 5.7.1 b", 2, "5.7.1 b" },
	{ "450 5.1.1 class\r\n", 450, "4.0.0", "450 5.1.1 class", 1,
	    "5.1.1 class" },
	{ "250 2.0.0Ok\r\n", 250, "2.0.0", "250 2.0.0Ok", 1, "2.0.0Ok" },
	{ "550 5.1234.1 x\r\n", 550, "5.0.0", "550 5.1234.1 x", 1,
	    "5.1234.1 x" },
	{ "550 5.1. x\r\n", 550, "5.0.0", "550 5.1. x", 1, "5.1. x" },
	{ "250 a\rb\x01\r\n", 250, "2.0.0", "250 a b ", 1, "a b " },
	{ "150 x\r\n", -1, NULL, NULL, 0, NULL },
	{ "650 x\r\n", -1, NULL, NULL, 0, NULL },
	{ "25 x\r\n", -1, NULL, NULL, 0, NULL },
	{ "250x\r\n", -1, NULL, NULL, 0, NULL },
	{ "\r\n", -1, NULL, NULL, 0, NULL },
	{ "HTTP/1.1 400\r\n", -1, NULL, NULL, 0, NULL },
	{ "250-a\r\nb\r\n", -1, NULL, NULL, 0, NULL },
};

/* Fed byte by byte, from memory that ends where the input ends. */
START_TEST(every_split)
{
	for (size_t i = 0; i < COUNT(table); i++) {
		size_t			 len = strlen(table[i].in);
		enum smtp_reply_got	 got = SMTP_REPLY_MORE;
		struct smtp_reply	 r;
		struct arena		*a = arena_new();
		const char		*why;

		for (size_t n = 0; n <= len; n++) {
			char		*copy = mem_new(n + 1, 1);
			struct slice	 in = slice_of(copy, n);

			memcpy(copy, table[i].in, n);
			got = smtp_reply_take(&in, a, &r, &why);
			if (n < len && table[i].code >= 0)
				ck_assert_int_eq(got, SMTP_REPLY_MORE);
			if (got == SMTP_REPLY_DONE)
				ck_assert_uint_eq(in.len, 0);
			else
				ck_assert_uint_eq(in.len, n);
			mem_free(&copy);
		}
		if (table[i].code < 0) {
			ck_assert_int_eq(got, SMTP_REPLY_BAD);
		} else {
			ck_assert_int_eq(got, SMTP_REPLY_DONE);
			ck_assert_int_eq(r.code, table[i].code);
			ck_assert_str_eq(r.dsn, table[i].dsn);
			ck_assert_str_eq(r.text, table[i].text);
			ck_assert_uint_eq(r.nlines, table[i].nlines);
			ck_assert_str_eq(r.lines[r.nlines - 1],
			    table[i].last);
		}
		arena_free(&a);
	}
}
END_TEST

START_TEST(one_at_a_time)
{
	struct slice		 in = SLICE_LIT("250 a\r\n354 b\r\n55");
	struct arena		*a = arena_new();
	struct smtp_reply	 r;
	const char		*why;

	ck_assert_int_eq(smtp_reply_take(&in, a, &r, &why), SMTP_REPLY_DONE);
	ck_assert_int_eq(r.code, 250);
	ck_assert_int_eq(smtp_reply_take(&in, a, &r, &why), SMTP_REPLY_DONE);
	ck_assert_int_eq(r.code, 354);
	ck_assert_int_eq(smtp_reply_take(&in, a, &r, &why), SMTP_REPLY_MORE);
	ck_assert_uint_eq(in.len, 2);
	arena_free(&a);
}
END_TEST

START_TEST(limits)
{
	struct arena		*a = arena_new();
	struct smtp_reply	 r;
	struct slice		 in;
	const char		*why;
	char			*big = mem_new(40000, 1);

	memset(big, 'x', 40000);
	memcpy(big, "250 ", 4);
	in = slice_of(big, SMTP_REPLY_LINE_MAX);
	ck_assert_int_eq(smtp_reply_take(&in, a, &r, &why), SMTP_REPLY_MORE);
	in = slice_of(big, SMTP_REPLY_LINE_MAX + 2);
	ck_assert_int_eq(smtp_reply_take(&in, a, &r, &why), SMTP_REPLY_BAD);
	for (size_t i = 0; i < 5000; i++)
		memcpy(big + i * 7, "250-a\r\n", 7);
	in = slice_of(big, 7 * SMTP_REPLY_LINES_MAX);
	ck_assert_int_eq(smtp_reply_take(&in, a, &r, &why), SMTP_REPLY_MORE);
	in = slice_of(big, 7 * (SMTP_REPLY_LINES_MAX + 1));
	ck_assert_int_eq(smtp_reply_take(&in, a, &r, &why), SMTP_REPLY_BAD);
	mem_free(&big);
	arena_free(&a);
}
END_TEST

int
main(void)
{
	Suite	*s = suite_create("smtp_reply");
	TCase	*t = tcase_create("smtp_reply");

	tcase_add_test(t, every_split);
	tcase_add_test(t, one_at_a_time);
	tcase_add_test(t, limits);
	suite_add_tcase(s, t);
	return check_run(s);
}
