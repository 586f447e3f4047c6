/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/check_run.h"
#include "codec/base64.h"
#include "codec/date.h"
#include "codec/qp.h"
#include "codec/rfc2047.h"
#include "codec/utf7.h"
#include "codec/utf8.h"
#include "codec/xtext.h"

static void
is(const char *label, struct buf *b, const char *want)
{
	ck_assert_msg(slice_is(buf_slice(b), want), "%s: got \"%s\" not \"%s\"",
	    label, buf_cstr(b), want);
}

START_TEST(base64)
{
	static const struct { const char *text, *code; } rows[] = {
		{ "", "" }, { "f", "Zg==" }, { "fo", "Zm8=" },
		{ "foo", "Zm9v" }, { "foob", "Zm9vYg==" },
		{ "fooba", "Zm9vYmE=" }, { "foobar", "Zm9vYmFy" },
		{ "\xff\xfe\xfd", "//79" },
	};
	static const char *const bad[] = {
		"Z", "Zg", "Zg=", "Zh==", "Zm9=", "Z===", "====", "Zg==Zg==",
		"Zm9v\n", "Zm 9", "Zm-_", "=Zg=",
	};
	struct buf	b;
	unsigned char	raw[8];
	size_t		n, len;

	buf_init(&b, 1000);
	for (size_t i = 0; i < COUNT(rows); i++) {
		buf_reset(&b);
		base64_put(&b, slice_str(rows[i].text));
		is(rows[i].text, &b, rows[i].code);
		ck_assert_uint_eq(base64_encoded_len(strlen(rows[i].text)),
		    strlen(rows[i].code));
		buf_reset(&b);
		ck_assert(base64_get(slice_str(rows[i].code), &b));
		is(rows[i].code, &b, rows[i].text);
		n = strlen(rows[i].text);
		ck_assert(base64_get_into(slice_str(rows[i].code), raw, n,
		    &len) && len == n && memcmp(raw, rows[i].text, n) == 0);
		ck_assert(n == 0 || !base64_get_into(slice_str(rows[i].code),
		    raw, n - 1, &len));
	}
	for (size_t i = 0; i < COUNT(bad); i++) {
		buf_reset(&b);
		ck_assert_msg(!base64_get(slice_str(bad[i]), &b), "%s", bad[i]);
		ck_assert(!base64_get_into(slice_str(bad[i]), raw, 8, &len));
		ck_assert_uint_eq(buf_len(&b), 0);
	}
	buf_clear(&b);
}
END_TEST

/* Decode text cut at every point: the answer is always the same. */
#define EVERY_SPLIT(type, feed, end, text, want) do {			\
	struct slice	all_ = slice_str(text);				\
	struct buf	b_;						\
	buf_init(&b_, 1000);						\
	for (size_t n_ = 0; n_ <= all_.len; n_++) {			\
		struct type	d_ = { 0 };				\
		buf_reset(&b_);						\
		feed(&d_, slice_first(all_, n_), &b_);			\
		feed(&d_, slice_from(all_, n_), &b_);			\
		end;							\
		is(text, &b_, want);					\
	}								\
	buf_clear(&b_);							\
} while (0)

START_TEST(base64_body)
{
	EVERY_SPLIT(base64_dec, base64_dec_feed, (void)0,
	    "Zm9v\r\n YmFy!\r\nZg==Zg==\r\n", "foobarff");
	EVERY_SPLIT(base64_dec, base64_dec_feed, (void)0, "======Zm9v",
	    "foo");
}
END_TEST

START_TEST(qp_body)
{
#define QP(text, want) \
	EVERY_SPLIT(qp_dec, qp_dec_feed, qp_dec_end(&d_, &b_), text, want)
	QP("a=3Db=c3=a9", "a=b\xc3\xa9");
	QP("one=\r\ntwo=\nthree= \t\r\nfour", "onetwothreefour");
	QP("trail \t\r\nnext  \nlast  ", "trail\r\nnext\nlast"
	    /* blanks before line ends go */);
	QP("in side\tof", "in side\tof");
	QP("bad =ZZ =4 =", "bad =ZZ =4 ");
	QP("=\r\n=\r\n=\r\n=\r\nx", "x");
	QP("==41=", "=A");
	QP("cr\rin\r\n", "cr\rin\r\n");
}
END_TEST

START_TEST(qp_round_trip)
{
	struct buf	enc, dec;

	buf_init(&enc, 100000);
	buf_init(&dec, 100000);
	for (unsigned int seed = 1; seed < 300; seed++) {
		unsigned char	text[400];
		size_t		n = seed;
		struct qp_dec	d = { .nheld = 0 };

		srandom(seed);
		for (size_t i = 0; i < n; i++) {
			text[i] = (unsigned char)(random() % 4 == 0 ? ' ' :
			    random());
			if (text[i] == '\n' || text[i] == '\r')
				text[i] = 'x';
		}
		buf_reset(&enc);
		buf_reset(&dec);
		qp_put(&enc, slice_of(text, n));
		qp_dec_feed(&d, buf_slice(&enc), &dec);
		qp_dec_end(&d, &dec);
		ck_assert(slice_eq(buf_slice(&dec), slice_of(text, n)));
		for (struct slice l = buf_slice(&enc), line;
		    slice_cut(&l, '\n', &line);)
			ck_assert_uint_le(line.len, 77);
	}
	buf_clear(&enc);
	buf_clear(&dec);
}
END_TEST

START_TEST(xtext)
{
	static const char *const bad[] = { "a=b", "a b", "+4", "+G0", "+0A",
	    "+00", "+", "\x80" };
	struct buf	b;

	buf_init(&b, 100);
	xtext_put(&b, slice_str("a+b=c d\xc3"));
	is("put", &b, "a+2Bb+3Dc+20d+C3");
	buf_reset(&b);
	ck_assert(xtext_get(SLICE_LIT("a+2Bb+3Dc+20d+C3+c3"), &b));
	is("get", &b, "a+b=c d\xc3\xc3");
	for (size_t i = 0; i < COUNT(bad); i++) {
		buf_reset(&b);
		ck_assert_msg(!xtext_get(slice_str(bad[i]), &b), "%s", bad[i]);
	}
	buf_clear(&b);
}
END_TEST

START_TEST(utf8)
{
	static const char *const bad[] = { "\x80", "\xc0\x80", "\xc3",
	    "\xe0\x80\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xf5\x80",
	    "\xf0\x9f\x98", "a\xff" };
	struct buf	b;

	for (size_t i = 0; i < COUNT(bad); i++)
		ck_assert_msg(!utf8_valid(slice_str(bad[i])), "%zu", i);
	buf_init(&b, 100);
	for (uint32_t cp = 1; cp < 0x110000; cp += 7) {
		struct slice	s;
		uint32_t	got;

		if (cp >= 0xd800 && cp < 0xe000)
			continue;
		buf_reset(&b);
		utf8_put(&b, cp);
		s = buf_slice(&b);
		ck_assert(utf8_take(&s, &got) && got == cp && s.len == 0);
	}
	buf_reset(&b);
	utf8_fold(&b, slice_str("ABC \xc3\x84 \xd0\x96 \xce\xa9\xff"));
	is("fold", &b, "abc \xc3\xa4 \xd0\xb6 \xcf\x89\xef\xbf\xbd");
	buf_clear(&b);
}
END_TEST

START_TEST(charsets)
{
	static const struct { const char *set, *in, *out; bool known; }
	rows[] = {
		{ "ISO-8859-1", "\xe4\x80", "\xc3\xa4\xe2\x82\xac", true },
		{ "utf-8", "\xc3\xa4\xff", "\xc3\xa4\xef\xbf\xbd", true },
		{ "us-ascii", "a\xe4", "a\xef\xbf\xbd", true },
		{ "koi8-r", "\xd0", "\xd0\xbf", true },
		{ "iso-2022-jp", "\x1b$B$\"", "\xe3\x81\x82", true },
		{ "no-such", "a\xe4", "a\xef\xbf\xbd", false },
		{ "../../etc/x", "a", "a", false },
	};
	struct buf	b;

	buf_init(&b, 100);
	for (size_t i = 0; i < COUNT(rows); i++) {
		buf_reset(&b);
		ck_assert_int_eq(utf8_from_charset(&b, slice_str(rows[i].set),
		    slice_str(rows[i].in)), rows[i].known);
		is(rows[i].set, &b, rows[i].out);
	}
	buf_clear(&b);
}
END_TEST

START_TEST(utf7)
{
	static const struct { const char *utf8, *utf7; } rows[] = {
		{ "INBOX", "INBOX" }, { "a&b", "a&-b" }, { "&", "&-" },
		{ "Entw\xc3\xbcrfe", "Entw&APw-rfe" },
		{ "\xe5\x8f\xb0\xe5\x8c\x97", "&U,BTFw-" },
		{ "~peter/mail/\xe5\x8f\xb0\xe5\x8c\x97/"
		  "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e",
		  "~peter/mail/&U,BTFw-/&ZeVnLIqe-" },
		{ "\xf0\x9f\x98\x80", "&2D3eAA-" }, { "\x01", "&AAE-" },
		{ "\xc3\xbc&\xc3\xbc", "&APw-&-&APw-" },
	};
	static const char *const bad[] = { "&", "&AP", "&AGE-", "&2AA-",
	    "&3AA-", "&AAA-", "&AAAA-", "&APx-", "&Jjo!", "a\xc3\xbc", "&APw",
	    "&APw-&APw-", "&A/-", "\x01" };
	struct buf	b;

	buf_init(&b, 200);
	for (size_t i = 0; i < COUNT(rows); i++) {
		buf_reset(&b);
		ck_assert(utf7_put(&b, slice_str(rows[i].utf8)));
		is("put", &b, rows[i].utf7);
		buf_reset(&b);
		ck_assert(utf7_get(slice_str(rows[i].utf7), &b));
		is("get", &b, rows[i].utf8);
	}
	for (size_t i = 0; i < COUNT(bad); i++) {
		buf_reset(&b);
		ck_assert_msg(!utf7_get(slice_str(bad[i]), &b), "%s", bad[i]);
		ck_assert_uint_eq(buf_len(&b), 0);
	}
	ck_assert(!utf7_put(&b, slice_str("\xff")));
	buf_clear(&b);
}
END_TEST

START_TEST(rfc2047)
{
	static const struct { const char *in, *out; } rows[] = {
		{ "plain text", "plain text" },
		{ "=?utf-8?Q?a_b=C3=A4?=", "a b\xc3\xa4" },
		{ "=?ISO-8859-1?B?5A==?= x", "\xc3\xa4 x" },
		{ "=?utf-8?q?a?= =?utf-8?q?b?=", "ab" },
		{ "=?utf-8?q?a?=\r\n =?utf-8?q?b?= c", "ab c" },
		{ "=?utf-8?b?w6Q=?= =?iso-8859-1?q?=E4?=",
		  "\xc3\xa4\xc3\xa4" },
		/* a character cut between two words */
		{ "=?utf-8?q?=C3?= =?utf-8?q?=A4?=", "\xc3\xa4" },
		{ "=?utf-8?q?a=0D=0ABcc:_b=00?=", "a  Bcc: b " },
		{ "=?utf-8*en?q?x?=", "x" }, { "=?utf-8?x?y?=", "=?utf-8?x?y?=" },
		{ "=?", "=?" }, { "=?a?q?", "=?a?q?" }, { "a\xff", "a\xef\xbf\xbd" },
		{ "one\r\n two", "one two" },
		{ "=?utf-8?b?YWI?=", "ab" },
	};
	struct buf	b, c;

	buf_init(&b, 10000);
	buf_init(&c, 10000);
	for (size_t i = 0; i < COUNT(rows); i++) {
		buf_reset(&b);
		rfc2047_decode(&b, slice_str(rows[i].in));
		is(rows[i].in, &b, rows[i].out);
	}
	buf_reset(&b);
	rfc2047_encode(&b, slice_str("plain"));
	is("plain", &b, "plain");
	for (size_t n = 1; n < 200; n++) {
		buf_reset(&c);
		for (size_t i = 0; i < n; i++)
			buf_adds(&c, i % 3 == 0 ? "x" : "\xe2\x82\xac");
		buf_adds(&c, "\xc3\xa4");
		buf_reset(&b);
		rfc2047_encode(&b, buf_slice(&c));
		for (struct slice l = buf_slice(&b), line;
		    slice_cut(&l, '\r', &line);)
			ck_assert_uint_le(line.len, 77);
		struct buf	d;
		buf_init(&d, 10000);
		rfc2047_decode(&d, buf_slice(&b));
		ck_assert(slice_eq(buf_slice(&d), buf_slice(&c)));
		buf_clear(&d);
	}
	buf_clear(&b);
	buf_clear(&c);
}
END_TEST

START_TEST(dates)
{
	static const struct { const char *text; int64_t secs; } good[] = {
		{ "Mon, 02 Jan 2006 15:04:05 +0000", 1136214245 },
		{ "2 Jan 06 15:04 -0700", 1136239440 },
		{ "Mon,2 Jan 2006 15:04:05 (comment (nested) \\) x) GMT",
		  1136214245 },
		{ "Fri, 21 Nov 1997 09:55:06 EST", 880124106 },
		{ "29 Feb 2000 00:00:60 +0000", 951782459 },
		{ "Thu,\r\n 13 Feb 1969 23:32 -0330", -27723480 },
		{ "01-Jan-99 00:00:00 Z", 915148800 },
	};
	static const char *const bad[] = { "", "1 Jan 99999999 25:61:61 +9999",
	    "29 Feb 2001 00:00:00 +0000", "x", "1 Foo 2000 00:00:00 +0000",
	    "1 Jan 2000 24:00:00 +0000", "99999999999999999999",
	    "1 Jan 2000", "(((" };
	usec_t		 wall;
	int		 zone;
	struct buf	 b;

	for (size_t i = 0; i < COUNT(good); i++) {
		ck_assert_msg(date_get_rfc5322(slice_str(good[i].text), &wall,
		    NULL), "%s", good[i].text);
		ck_assert_msg(wall == SECS(good[i].secs), "%s: %lld",
		    good[i].text, (long long)(wall / USEC_PER_SEC));
	}
	for (size_t i = 0; i < COUNT(bad); i++)
		ck_assert_msg(!date_get_rfc5322(slice_str(bad[i]), &wall,
		    NULL), "%s", bad[i]);
	buf_init(&b, 100);
	for (int64_t t = -5000000000; t < 20000000000; t += 86399 * 31) {
		int	z = (int)(t % 720);

		buf_reset(&b);
		date_put_rfc5322(&b, SECS(t), z);
		ck_assert(date_get_rfc5322(buf_slice(&b), &wall, NULL));
		ck_assert(wall == SECS(t));
		buf_reset(&b);
		date_put_imap(&b, SECS(t), z);
		ck_assert_uint_eq(buf_len(&b), 26);
		ck_assert(date_get_imap(buf_slice(&b), &wall, &zone));
		ck_assert(wall == SECS(t) && zone == z);
	}
	buf_reset(&b);
	date_put_imap(&b, SECS(1136214245), -90);
	is("imap", &b, " 2-Jan-2006 13:34:05 -0130");
	ck_assert(date_get_imap_day(SLICE_LIT("1-Feb-1994"), &wall));
	ck_assert(wall == SECS(760060800));
	ck_assert(!date_get_imap_day(SLICE_LIT("31-Feb-1994"), &wall));
	ck_assert(!date_get_imap(SLICE_LIT("1-Feb-1994 00:00:00"), &wall,
	    &zone));
	buf_clear(&b);
}
END_TEST

START_TEST(delays)
{
	static const struct { usec_t t; const char *text; } rows[] = {
		{ -1, "0" }, { 0, "0" }, { 4999, "0" }, { 5000, "0.01" },
		{ 20000, "0.02" }, { 96000, "0.1" }, { 580000, "0.58" },
		{ 994999, "0.99" }, { 996000, "1" }, { 1300000, "1.3" },
		{ 9949999, "9.9" }, { 9960000, "10" }, { SECS(30), "30" },
		{ SECS(86400), "86400" },
	};
	struct buf	b;

	buf_init(&b, 100);
	for (size_t i = 0; i < COUNT(rows); i++) {
		buf_reset(&b);
		date_put_delay(&b, rows[i].t);
		is("delay", &b, rows[i].text);
	}
	buf_clear(&b);
}
END_TEST

int
main(void)
{
	Suite	*s = suite_create("codec");
	TCase	*t = tcase_create("all");

	suite_add_tcase(s, t);
	tcase_add_test(t, base64);
	tcase_add_test(t, base64_body);
	tcase_add_test(t, qp_body);
	tcase_add_test(t, qp_round_trip);
	tcase_add_test(t, xtext);
	tcase_add_test(t, utf8);
	tcase_add_test(t, charsets);
	tcase_add_test(t, utf7);
	tcase_add_test(t, rfc2047);
	tcase_add_test(t, dates);
	tcase_add_test(t, delays);
	return check_run(s);
}
