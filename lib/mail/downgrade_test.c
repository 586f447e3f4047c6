/* SPDX-License-Identifier: Apache-2.0 */
/* POSTHOUSE_CORPUS names a directory of messages to be converted as well. */
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check_run.h"
#include "codec/base64.h"
#include "codec/qp.h"
#include "mail/downgrade.h"
#include "mail/mime.h"

#define MAX	((size_t)1 << 28)
#define CTE	"Content-Transfer-Encoding: "
#define QP	CTE "quoted-printable\r\n"
#define MV	"MIME-Version: 1.0\r\n"
#define MIXED	"Content-Type: multipart/mixed; boundary=b\r\n"
#define AE	"\xc3\xa4"

static const struct {
	const char		*label, *in;
	enum downgrade_result	 result;
	const char		*out;
} rows[] = {
	{ "plain, no MIME", "Subject: x\r\n\r\nh" AE "\r\n", DOWNGRADE_OK,
	  "Subject: x\r\n" QP MV "\r\nh=C3=A4\r\n" },
	{ "plain, MIME", MV CTE "8bit\r\nA: b\r\n\r\n" AE " \r\n=\r\n",
	  DOWNGRADE_OK, MV QP "A: b\r\n\r\n=C3=A4=20\r\n=3D\r\n" },
	{ "nothing to do", "A: b\r\n\r\nhello \r\n=\r\n", DOWNGRADE_OK,
	  "A: b\r\n\r\nhello \r\n=\r\n" },
	{ "empty", "", DOWNGRADE_OK, "" },
	{ "8bit without need", MV CTE "8bit\r\n\r\nx\r\n", DOWNGRADE_OK,
	  MV CTE "7bit\r\n\r\nx\r\n" },
	{ "folded field", MV CTE "\r\n (it is)\r\n 8BIT\r\n\r\n" AE,
	  DOWNGRADE_OK, MV QP "\r\n=C3=A4" },
	{ "7bit that is not", MV CTE "7bit\r\n\r\n" AE "\r\n", DOWNGRADE_OK,
	  MV QP "\r\n=C3=A4\r\n" },
	{ "no header", "\r\n" AE "\r\n", DOWNGRADE_OK,
	  QP MV "\r\n=C3=A4\r\n" },
	{ "no header nor empty line", "a " AE "\r\n", DOWNGRADE_OK,
	  QP MV "\r\na =C3=A4\r\n" },
	{ "no empty line", "A: b\r\na " AE "\r\n", DOWNGRADE_OK,
	  "A: b\r\n" QP MV "\r\na =C3=A4\r\n" },
	{ "not text", MV "Content-Type: image/png\r\n" CTE "binary\r\n\r\n"
	  AE "\r\n", DOWNGRADE_OK, MV "Content-Type: image/png\r\n" CTE
	  "base64\r\n\r\nw6QNCg==\r\n" },
	{ "binary without need", MV "Content-Type: image/png\r\n" CTE
	  "binary\r\n\r\nxx\r\n", DOWNGRADE_OK, MV "Content-Type: image/png\r\n"
	  CTE "7bit\r\n\r\nxx\r\n" },
	{ "multipart", MV CTE "8bit\r\n" MIXED "\r\npre\r\n--b\r\n" CTE
	  "8bit\r\n\r\n" AE "\r\n--b\r\nA: b\r\n\r\nx\r\n--b\r\n\r\n" AE
	  "\r\n\r\n--b--\r\nend\r\n", DOWNGRADE_OK, MV CTE "7bit\r\n" MIXED
	  "\r\npre\r\n--b\r\n" QP "\r\n=C3=A4\r\n--b\r\nA: b\r\n\r\nx\r\n--b"
	  "\r\n" QP "\r\n=C3=A4\r\n\r\n--b--\r\nend\r\n" },
	{ "part without header or empty line", MV MIXED "\r\n--b\r\n" AE
	  " x\r\n--b--\r\n", DOWNGRADE_OK, MV MIXED "\r\n--b\r\n" QP
	  "\r\n=C3=A4 x\r\n--b--\r\n" },
	{ "empty parts", MV MIXED "\r\n--b\r\n--b\r\nA: b\r\n--b\r\n\r\n\r\n"
	  "--b\r\n\r\n" AE "\r\n--b--", DOWNGRADE_OK, MV MIXED "\r\n--b\r\n"
	  "--b\r\nA: b\r\n--b\r\n\r\n\r\n--b\r\n" QP "\r\n=C3=A4\r\n--b--" },
	{ "multipart without MIME-Version", MIXED "\r\n--b\r\n\r\n" AE
	  "\r\n--b--\r\n", DOWNGRADE_OK, MIXED MV "\r\n--b\r\n" QP
	  "\r\n=C3=A4\r\n--b--\r\n" },
	{ "preamble and epilogue", MV MIXED "\r\n" AE "\r\n--b\r\n\r\nx\r\n"
	  "--b--\r\n" AE "\r\n", DOWNGRADE_OK, MV MIXED "\r\n??\r\n--b\r\n"
	  "\r\nx\r\n--b--\r\n??\r\n" },
	{ "message inside", MV "Content-Type: message/rfc822\r\n" CTE
	  "8bit\r\n\r\nSubject: y\r\n\r\n" AE "\r\n", DOWNGRADE_OK, MV
	  "Content-Type: message/rfc822\r\n" CTE "7bit\r\n\r\nSubject: y\r\n"
	  QP MV "\r\n=C3=A4\r\n" },
	{ "header fields of a report", MV
	  "Content-Type: message/delivery-status\r\n\r\n" AE "\r\n",
	  DOWNGRADE_OK, MV "Content-Type: message/delivery-status\r\n" QP
	  "\r\n=C3=A4\r\n" },
	{ "bare LF", "A: b\n" CTE "8bit\nMime-Version: 1.0\n\n" AE "\n",
	  DOWNGRADE_OK, "A: b\n" QP "Mime-Version: 1.0\n\n=C3=A4\r\n" },
	{ "bare LF in parts", MV MIXED "\n\n--b\n\n" AE "\n--b\n\nx\n--b--\n",
	  DOWNGRADE_OK, MV MIXED "\n\n--b\n" QP "\n=C3=A4\n--b\n\nx\n--b--\n" },
	{ "8-bit header", "Subject: " AE "\r\n\r\nx\r\n", DOWNGRADE_HEADER,
	  NULL },
	{ "8-bit header of a part", MV MIXED "\r\n--b\r\nA: " AE "\r\n\r\nx"
	  "\r\n--b--\r\n", DOWNGRADE_HEADER, NULL },
	{ "8-bit header inside", MV "Content-Type: message/rfc822\r\n\r\n"
	  "Subject: " AE "\r\n\r\nx\r\n", DOWNGRADE_HEADER, NULL },
	{ "8-bit in base64", MV CTE "base64\r\n\r\n" AE "\r\n",
	  DOWNGRADE_MIME, NULL },
	{ "8-bit in QP", MV QP "\r\n" AE "\r\n", DOWNGRADE_MIME, NULL },
	{ "8-bit in a strange encoding", MV CTE "x-mine\r\n\r\n" AE "\r\n",
	  DOWNGRADE_MIME, NULL },
	{ "encoded multipart", MV MIXED QP "\r\n--b\r\n\r\n" AE
	  "\r\n--b--\r\n", DOWNGRADE_MIME, NULL },
	{ "multipart without parts", MV MIXED "\r\n" AE "\r\n",
	  DOWNGRADE_MIME, NULL },
	{ "multipart without boundary", MV "Content-Type: multipart/mixed\r\n"
	  "\r\n" AE "\r\n", DOWNGRADE_MIME, NULL },
	{ "two types", MV "Content-Type: text/plain\r\n"
	  "Content-Type: image/png\r\n\r\n" AE "\r\n", DOWNGRADE_MIME, NULL },
	{ "two encodings", MV CTE "8bit\r\n" CTE "base64\r\n\r\n" AE "\r\n",
	  DOWNGRADE_MIME, NULL },
	{ "a piece of a message", MV "Content-Type: message/partial; id=x\r\n"
	  "\r\n" AE "\r\n", DOWNGRADE_MIME, NULL },
};

static enum downgrade_result
convert(struct slice in, struct arena *a, struct buf *out)
{
	struct downgrade	*d;
	enum downgrade_result	 result = downgrade_new(in, a, &d);
	struct buf		 piece;
	bool			 more = result == DOWNGRADE_OK;

	buf_init(&piece, DOWNGRADE_ROOM);
	while (more) {
		more = downgrade_next(d, &piece);
		ck_assert(!piece.overflow);
		buf_add_slice(out, buf_slice(&piece));
		buf_reset(&piece);
	}
	buf_clear(&piece);
	ck_assert(!out->overflow);
	return result;
}

START_TEST(table)
{
	struct arena		*a = arena_new();
	struct buf		 out;
	enum downgrade_result	 result;

	buf_init(&out, MAX);
	result = convert(slice_str(rows[_i].in), a, &out);
	ck_assert_msg(result == rows[_i].result, "%s: result %d",
	    rows[_i].label, (int)result);
	ck_assert_msg(rows[_i].out == NULL || strcmp(buf_cstr(&out),
	    rows[_i].out) == 0, "%s:\n%s\ninstead of\n%s", rows[_i].label,
	    buf_cstr(&out), rows[_i].out);
	buf_clear(&out);
	arena_free(&a);
}
END_TEST

/* The decoded body of a leaf, of a message that is all CRLF. */
static void
decode(struct slice message, const struct mime_part *p, struct buf *out)
{
	struct slice		s = slice_first(slice_from(message,
				    (size_t)p->body_offset),
				    (size_t)p->body_size);
	struct base64_dec	b = { 0, 0 };
	struct qp_dec		q = { .nheld = 0 };

	if (slice_iis(p->encoding, "base64")) {
		base64_dec_feed(&b, s, out);
	} else if (slice_iis(p->encoding, "quoted-printable")) {
		qp_dec_feed(&q, s, out);
		qp_dec_end(&q, out);
	} else {
		buf_add_slice(out, s);
	}
}

static void
same_leaf(const char *label, struct slice x, const struct mime_part *p,
    struct slice y, const struct mime_part *q)
{
	struct buf	a, b;

	buf_init(&a, MAX);
	buf_init(&b, MAX);
	decode(x, p, &a);
	decode(y, q, &b);
	ck_assert_msg(slice_eq(buf_slice(&a), buf_slice(&b)),
	    "%s: part at %llu has other content", label,
	    (unsigned long long)p->header_offset);
	buf_clear(&a);
	buf_clear(&b);
}

static const struct mime_part *
after(const struct mime_part *p)
{
	if (p->child != NULL)
		return p->child;
	while (p->next == NULL && p->parent != NULL)
		p = p->parent;
	return p->next;
}

static void
same_parts(const char *label, struct slice x, struct slice y, struct arena *a)
{
	struct mime_message	 m, n;
	const struct mime_part	*q;

	mime_parse(x, a, &m);
	mime_parse(y, a, &n);
	ck_assert_msg(m.nparts == n.nparts, "%s: %zu parts, were %zu", label,
	    n.nparts, m.nparts);
	q = n.root;
	for (const struct mime_part *p = m.root; p != NULL; p = after(p)) {
		ck_assert_msg(p->kind == q->kind && slice_ieq(p->type,
		    q->type) && slice_ieq(p->subtype, q->subtype), "%s: "
		    "other types", label);
		if (p->kind == MIME_LEAF)
			same_leaf(label, x, p, y, q);
		q = after(q);
	}
}

/* True: could be converted. */
static bool
check(const char *label, struct slice in)
{
	struct arena	*a = arena_new();
	struct buf	 out, again;
	bool		 ok;

	buf_init(&out, MAX);
	buf_init(&again, MAX);
	ok = convert(in, a, &out) == DOWNGRADE_OK;
	if (ok) {
		struct slice	s = buf_slice(&out);

		for (size_t i = 0; i < s.len; i++)
			ck_assert_msg(s.p[i] < 128, "%s: 8 bit", label);
		same_parts(label, in, s, a);
		ck_assert_int_eq(convert(s, a, &again), DOWNGRADE_OK);
		ck_assert_msg(slice_eq(s, buf_slice(&again)), "%s: changes "
		    "again", label);
	}
	buf_clear(&out);
	buf_clear(&again);
	arena_free(&a);
	return ok;
}

/* Long lines, blanks and line ends where pieces are cut. */
START_TEST(cuts)
{
	struct buf	b;
	static const char *const	types[] = { "text/plain", "a/b" };

	for (size_t n = 16370; n < 16400; n++) {
		buf_init(&b, MAX);
		buf_addf(&b, MV "Content-Type: %s\r\n\r\n" AE, types[n % 2]);
		for (size_t i = 0; i < n; i++)
			buf_addc(&b, _i == 0 ? ' ' : "\xe4 \r="[i % 4]);
		buf_adds(&b, "\r\n");
		for (size_t i = 0; i < n; i++)
			buf_addc(&b, 'x');
		buf_adds(&b, "\r\n \r\n");
		ck_assert(check("cuts", buf_slice(&b)));
		buf_clear(&b);
	}
}
END_TEST

/* Whatever end a message has, it is converted without harm. */
START_TEST(cut_off)
{
	struct slice	s = slice_str(rows[_i].in);

	for (size_t n = 0; n <= s.len; n++) {
		/* With a bare LF offsets are not those of the bytes. */
		if (strstr(rows[_i].label, "bare LF") != NULL) {
			struct arena	*a = arena_new();
			struct buf	 out;

			buf_init(&out, MAX);
			(void)convert(slice_first(s, n), a, &out);
			buf_clear(&out);
			arena_free(&a);
		} else {
			check(rows[_i].label, slice_first(s, n));
		}
	}
}
END_TEST

static unsigned int	nfiles, nconverted;

static int
corpus_file(const char *path, const struct stat *st, int kind,
    struct FTW *where UNUSED)
{
	FILE		*f;
	struct buf	 b;
	int		 c, last = 0;

	if (kind != FTW_F || st->st_size > 1 << 26 ||
	    (f = fopen(path, "r")) == NULL)
		return 0;
	buf_init(&b, MAX);
	for (; (c = getc_unlocked(f)) != EOF; last = c) {
		if (c == '\n' && last != '\r')
			buf_addc(&b, '\r');
		buf_addc(&b, c);
	}
	fclose(f);
	nfiles++;
	nconverted += check(path, buf_slice(&b)) ? 1 : 0;
	buf_clear(&b);
	return 0;
}

START_TEST(corpus)
{
	const char	*dir = getenv("POSTHOUSE_CORPUS");

	if (dir == NULL)
		return;
	ck_assert_int_eq(nftw(dir, corpus_file, 20, FTW_PHYS), 0);
	printf("corpus: %u of %u converted\n", nconverted, nfiles);
	ck_assert_uint_gt(nconverted, 0);
}
END_TEST

int
main(void)
{
	Suite	*s = suite_create("downgrade");
	TCase	*t = tcase_create("downgrade");

	tcase_set_timeout(t, 300);
	tcase_add_loop_test(t, table, 0, (int)COUNT(rows));
	tcase_add_loop_test(t, cut_off, 0, (int)COUNT(rows));
	tcase_add_loop_test(t, cuts, 0, 2);
	tcase_add_test(t, corpus);
	suite_add_tcase(s, t);
	return check_run(s);
}
