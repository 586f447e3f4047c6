/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/check_run.h"
#include "proto/imap_frame.h"

/* Non-synchronising and synchronising literals are kept; what comes out is
 * one line per command: "text|error" and "+" for each synchronising one. */
static void
run(struct imap_frame *f, struct slice in, struct buf *out)
{
	while (in.len > 0) {
		enum imap_take	 t = imap_frame_take(f, &in);

		if (t == IMAP_TAKE_MORE)
			return;
		if (t == IMAP_TAKE_LITERAL) {
			if (f->sync)
				buf_addc(out, '+');
			if (imap_frame_fits(f))
				imap_frame_keep(f);
			else
				imap_frame_skip(f, "Literal too long");
			continue;
		}
		if (f->error == NULL)
			buf_add_slice(out, imap_frame_text(f));
		buf_addf(out, "|%s\n", f->error == NULL ? "" : f->error);
		imap_frame_reset(f);
	}
}

static const struct {
	const char	*label, *in, *expected;
}	 cases[] = {
	{ "line", "a NOOP\r\n", "a NOOP|\n" },
	{ "bare LF ends a line too", "a NOOP\nb X\r\n", "a NOOP|\nb X|\n" },
	{ "quoted", "a LOGIN \"x {3}\" y\r\n", "a LOGIN \"x {3}\" y|\n" },
	{ "escape", "a X \"\\\"{1}\"\r\nb\r\n", "a X \"\\\"{1}\"|\nb|\n" },
	{ "sync literal", "a X {3}\r\nab\n y\r\n", "+a X {3}\r\nab\n y|\n" },
	{ "non-sync", "a X {3+}\r\nabc\r\n", "a X {3}\r\nabc|\n" },
	{ "literal minus", "a X {3-}\r\nabc\r\n", "a X {3}\r\nabc|\n" },
	{ "two", "a X {1+}\r\na {1+}\r\nb\r\n", "a X {1}\r\na {1}\r\nb|\n" },
	{ "empty literal", "a X {0+}\r\n\r\n", "a X {0}\r\n|\n" },
	{ "leading zeros", "a X {0003+}\r\nabc\r\n", "a X {3}\r\nabc|\n" },
	{ "not a literal", "a X {3}x\r\nb\r\n", "a X {3}x|\nb|\n" },
	{ "no digits", "a X {}\r\n", "a X {}|\n" },
	{ "plus first", "a X {+3}\r\n", "a X {+3}|\n" },
	{ "open again", "a X {3{2+}\r\nab\r\n", "a X {3{2}\r\nab|\n" },
	{ "quote in literal",
	    "a X {1+}\r\n\"\r\nb\r\n", "a X {1}\r\n\"|\nb|\n" },
	{ "unbalanced quote", "a X \"y\r\nb Z\r\n",
	    "|Line end in quoted string\nb Z|\n" },
	{ "bare CR", "a X\ry\r\nb\r\n", "|CR without LF\nb|\n" },
	{ "too long", "a 0123456789012345678901234567890123456789\r\nb\r\n",
	    "|Command line too long\nb|\n" },
	{ "literal too long", "a {17+}\r\n01234567890123456\r\nb\r\n",
	    "|Literal too long\nb|\n" },
	{ "literals in aggregate",
	    "a {9+}\r\n012345678 {8+}\r\n01234567\r\nb\r\n",
	    "|Literal too long\nb|\n" },
	{ "literal in a line too long",
	    "a 0123456789012345678901234567890123456789 {4+}\r\nb X\n\r\nc\r\n",
	    "|Command line too long\nc|\n" },
	{ "huge", "a X {99999999999999999999999}\r\n", "+" },
};

START_TEST(table)
{
	struct imap_frame	 f;
	struct buf		 out;

	imap_frame_init(&f, 40, 16);
	buf_init(&out, 4096);
	run(&f, slice_str(cases[_i].in), &out);
	ck_assert_msg(slice_is(buf_slice(&out), cases[_i].expected),
	    "%s: %s", cases[_i].label, buf_cstr(&out));
	imap_frame_clear(&f);
	buf_clear(&out);
}
END_TEST

START_TEST(every_split)
{
	struct slice	 in = slice_str(cases[_i].in);

	for (size_t a = 0; a <= in.len; a++)
		for (size_t b = a; b <= in.len; b++) {
			struct imap_frame	 f;
			struct buf		 out;

			imap_frame_init(&f, 40, 16);
			buf_init(&out, 4096);
			run(&f, slice_first(in, a), &out);
			run(&f, slice_from(slice_first(in, b), a), &out);
			run(&f, slice_from(in, b), &out);
			ck_assert_msg(slice_is(buf_slice(&out),
			    cases[_i].expected), "%s at %zu,%zu: %s",
			    cases[_i].label, a, b, buf_cstr(&out));
			imap_frame_clear(&f);
			buf_clear(&out);
		}
}
END_TEST

START_TEST(nul)
{
	struct imap_frame	 f;
	struct slice		 in = SLICE_LIT("a X\0\r\nb {2+}\r\n\0x\r\n");

	imap_frame_init(&f, 40, 16);
	ck_assert_int_eq(imap_frame_take(&f, &in), IMAP_TAKE_DONE);
	ck_assert_str_eq(f.error, "NUL in command");
	imap_frame_reset(&f);
	ck_assert_int_eq(imap_frame_take(&f, &in), IMAP_TAKE_LITERAL);
	imap_frame_keep(&f);
	ck_assert_int_eq(imap_frame_take(&f, &in), IMAP_TAKE_DONE);
	ck_assert_str_eq(f.error, "NUL in literal");
	imap_frame_clear(&f);
}
END_TEST

START_TEST(streamed)
{
	struct imap_frame	 f;
	struct slice		 in = SLICE_LIT("t1 APPEND x {5}\r\n\r\nzz");

	imap_frame_init(&f, 40, 16);
	ck_assert_int_eq(imap_frame_take(&f, &in), IMAP_TAKE_LITERAL);
	ck_assert_uint_eq(f.literal, 5);
	ck_assert(f.sync);
	ck_assert(slice_is(imap_frame_text(&f), "t1 APPEND x "));
	ck_assert(slice_is(imap_frame_tag(&f), "t1"));
	imap_frame_stream(&f);
	ck_assert_int_eq(imap_frame_take(&f, &in), IMAP_TAKE_DONE);
	ck_assert(slice_is(imap_frame_text(&f), "t1 APPEND x {0}\r\n"));
	ck_assert(slice_is(in, "zz"));
	imap_frame_clear(&f);
}
END_TEST

int
main(void)
{
	Suite	*s = suite_create("imap_frame");
	TCase	*t = tcase_create("all");

	tcase_add_loop_test(t, table, 0, (int)COUNT(cases));
	tcase_add_loop_test(t, every_split, 0, (int)COUNT(cases));
	tcase_add_test(t, nul);
	tcase_add_test(t, streamed);
	suite_add_tcase(s, t);
	return check_run(s);
}
