/* SPDX-License-Identifier: Apache-2.0 */
/* What is decided on the bytes must be what decoding, converting and folding
 * would have found. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/check_run.h"
#include "codec/base64.h"
#include "codec/qp.h"
#include "codec/rfc2047.h"
#include "codec/utf8.h"
#include "imapd/texts.h"
#include "mail/header.h"

static uint32_t	state = 12345;

static unsigned int
dice(unsigned int n)
{
	state = state * 1103515245 + 12345;
	return (state >> 16) % n;
}

START_TEST(find)
{
	static const struct {
		const char	*needle, *text;
		bool		 found;
	} t[] = {
		{ "a", "", false }, { "a", "A", true }, { "ab", "a", false },
		{ "ab", "xxxxxxxxxxxxxxAB", true }, { "ab", "xxaxxbxa", false },
		{ "k", "\xe2\x84\xaa", false },		/* KELVIN SIGN */
		{ "[", "{", false }, { "@", "`", false }, { "{", "[", false },
		{ "3", "\x13", false }, { "quick", "the QUICKest", true },
		{ "zzz", "zzyzzyzzz", true }, { "\x01", "!", false },
		{ "x y", "xxyx Y", true }, { "e", "aaaaaaaaaaaaaaaaaE", true },
	};
	struct find	 f;

	for (size_t i = 0; i < COUNT(t); i++) {
		find_init(&f, slice_str(t[i].needle));
		ck_assert(f.ascii);
		ck_assert_msg(find_in(&f, slice_str(t[i].text)) == t[i].found,
		    "%s in %s", t[i].needle, t[i].text);
	}
	find_init(&f, SLICE_LIT("\xc3\xa4"));
	ck_assert(!f.ascii && !f.solid);
	find_init(&f, SLICE_LIT(""));
	ck_assert(!f.ascii && !f.solid);
}
END_TEST

/* Every place of a short text, against the plain way. */
START_TEST(find_random)
{
	static const char	letters[] = "aAbBkKzZ [{\xc3\xa4";

	for (int round = 0; round < 200000; round++) {
		char		text[40], needle[5];
		size_t		n = dice(sizeof(text)), k = 1 + dice(4);
		struct buf	folded;
		struct find	f;

		for (size_t i = 0; i < n; i++)
			text[i] = letters[dice(sizeof(letters) - 1)];
		for (size_t i = 0; i < k; i++)
			needle[i] = "abkz [{"[dice(7)];
		find_init(&f, slice_of(needle, k));
		buf_init(&folded, 400);
		utf8_fold(&folded, slice_of(text, n));
		ck_assert_msg(find_in(&f, slice_of(text, n)) ==
		    (slice_search(buf_slice(&folded),
		    slice_of(needle, k)) >= 0), "round %d", round);
		buf_clear(&folded);
	}
}
END_TEST

static void
put_random_text(struct buf *out, size_t n)
{
	static const char *const	bits[] = {
		"a", "b", "K", "needle", "NEEDLE", "need", "le", " ", "\r\n",
		"=", "\xc3\xa4", "\xe4", "\xc3", "\xe2\x84\xaa", "\xc5\xbf",
		"\x1b$B", "~", "\\", "+", "\x83\x41", "\t", "ab\r\n ",
	};

	for (size_t i = 0; i < n; i++)
		buf_adds(out, bits[dice(COUNT(bits))]);
}

static bool
part_has(struct texts *t, struct view_body *body, bool whole,
    const char *encoding, const char *charset, const char *needle)
{
	struct mime_param	 param = { SLICE_LIT("charset"),
				    slice_str(charset) };
	struct mime_part	 p = { .kind = MIME_LEAF,
				    .type = SLICE_LIT("text"),
				    .params = &param,
				    .nparams = *charset != '\0' ? 1 : 0,
				    .encoding = slice_str(encoding),
				    .body_size = body->size };
	struct find		 f;
	bool			 r;

	find_init(&f, slice_str(needle));
	if (whole)
		texts_begin(t, body);
	r = texts_part_has(t, body, &p, &f);
	texts_end(t);
	return r;
}

START_TEST(bodies)
{
	static const char *const	charsets[] = {
		"", "utf-8", "us-ascii", "iso-8859-1", "ISO-8859-15", "koi8-r",
		"shift_jis", "iso-2022-jp", "utf-16", "gbk", "big5", "euc-jp",
		"nonsense", "utf-7",
	};
	static const char *const	needles[] = {
		"needle", "k", "needle a", "a\r\nb", "lenee", "\xc3\xa4",
		"\xc3\xa4" "a", "\\", "~", "ss",
	};
	char		 path[] = "/tmp/texts_test.XXXXXX";
	int		 fd = mkstemp(path);
	unsigned int	 yes = 0, no = 0;
	struct texts	 t;

	ck_assert(fd >= 0 && unlink(path) == 0);
	texts_init(&t);
	for (int round = 0; round < 4000; round++) {
		unsigned int	 how = dice(3);
		struct buf	 text, raw;
		struct view_body body = { .fd = fd, .plain = true };
		const char	*cs = charsets[dice(COUNT(charsets))];

		buf_init(&text, 1 << 20);
		buf_init(&raw, 1 << 20);
		put_random_text(&text, dice(30));
		if (how == 0)
			buf_add_slice(&raw, buf_slice(&text));
		else if (how == 1)
			base64_put_lines(&raw, buf_slice(&text));
		else
			qp_put(&raw, buf_slice(&text));
		ck_assert(ftruncate(fd, 0) == 0);
		ck_assert(pwrite(fd, buf_slice(&raw).p, buf_len(&raw), 0) ==
		    (ssize_t)buf_len(&raw));
		body.size = buf_len(&raw);
		for (size_t i = 0; i < COUNT(needles); i++) {
			const char	*enc = how == 0 ? "8bit" : how == 1 ?
					    "base64" : "quoted-printable";
			bool		 fast = part_has(&t, &body, true, enc,
					    cs, needles[i]);

			ck_assert_msg(fast == part_has(&t, &body, false, enc,
			    cs, needles[i]), "round %d: %s %s %s", round, enc,
			    cs, needles[i]);
			*(fast ? &yes : &no) += 1;
		}
		buf_clear(&text);
		buf_clear(&raw);
	}
	/* Or it says nothing. */
	ck_assert_uint_gt(yes, 1000);
	ck_assert_uint_gt(no, 1000);
	texts_clear(&t);
	close(fd);
}
END_TEST

/* As it is defined: unfold, decode, fold, search. */
static bool
plain_way(struct slice header, struct slice name, struct slice needle)
{
	struct header_field	 h;
	bool			 found = false;

	while (!found && header_next(&header, &h)) {
		struct buf	 a, b, c;

		if (name.len > 0 && !slice_ieq(h.name, name))
			continue;
		buf_init(&a, 1 << 20);
		buf_init(&b, 1 << 20);
		buf_init(&c, 1 << 20);
		if (name.len == 0) {
			buf_add_slice(&a, h.name);
			buf_adds(&a, ": ");
		}
		header_unfold(&a, h.body);
		rfc2047_decode(&b, buf_slice(&a));
		utf8_fold(&c, buf_slice(&b));
		found = slice_search(buf_slice(&c), needle) >= 0;
		buf_clear(&a);
		buf_clear(&b);
		buf_clear(&c);
	}
	return found;
}

START_TEST(headers)
{
	static const char *const	bits[] = {
		"Subject: ", "subject:", "X-K: ", "\r\n", "\r\n ", "\n\t",
		"Needle", "need", "le", " ", "=?utf-8?q?Needle?=",
		"=?utf-8?q?need?= =?utf-8?q?le?=", "=?", "\r", "\xc3\xa4",
		"\xe4", ":", "a", "\t", "=?iso-8859-1?b?5A==?=",
	};
	static const char *const	needles[] = {
		"needle", "subject", "subject: needle", "t:n", "e le", "k: a",
		"\xc3\xa4", "a", " ", "", "need le", "need  le", "needle:",
	};
	struct texts	 t;
	unsigned int	 yes = 0, no = 0;

	texts_init(&t);
	for (int round = 0; round < 20000; round++) {
		struct buf	 h;

		buf_init(&h, 1 << 20);
		for (unsigned int i = dice(20); i > 0; i--)
			buf_adds(&h, bits[dice(COUNT(bits))]);
		for (size_t i = 0; i < COUNT(needles); i++)
			for (int named = 0; named < 2; named++) {
				struct slice	name = named == 0 ?
						    slice_of(NULL, 0) :
						    SLICE_LIT("Subject");
				struct find	f;
				bool		found;

				find_init(&f, slice_str(needles[i]));
				found = texts_header_has(&t, buf_slice(&h),
				    name, &f);
				ck_assert_msg(found == plain_way(buf_slice(&h),
				    name, f.needle), "round %d: \"%s\" in "
				    "\"%s\"", round, needles[i],
				    buf_cstr(&h));
				*(found ? &yes : &no) += 1;
			}
		buf_clear(&h);
	}
	ck_assert_uint_gt(yes, 10000);
	ck_assert_uint_gt(no, 10000);
	texts_clear(&t);
}
END_TEST

int
main(void)
{
	Suite	*s = suite_create("texts");
	TCase	*c = tcase_create("all");

	suite_add_tcase(s, c);
	tcase_set_timeout(c, 300);
	tcase_add_test(c, find);
	tcase_add_test(c, find_random);
	tcase_add_test(c, bodies);
	tcase_add_test(c, headers);
	return check_run(s);
}
