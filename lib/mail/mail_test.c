/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/check_run.h"
#include "base/mem.h"
#include "mail/address.h"
#include "mail/envelope.h"
#include "mail/header.h"
#include "mail/mime.h"

static struct arena	*mem;

static void
setup(void)
{
	mem = arena_new();
}

static void
teardown(void)
{
	arena_free(&mem);
}

/* The text in memory of its own size, so that reading beyond shows. */
static struct slice
exact(struct slice s)
{
	unsigned char	*p = mem_new(s.len + 1, 1);

	if (s.len > 0)
		memcpy(p + 1, s.p, s.len);
	return slice_of(p + 1, s.len);
}

static void
exact_free(struct slice s)
{
	void	*p = (void *)(uintptr_t)(s.p - 1);

	mem_free(&p);
}

#define STRICT	ADDRESS_OK_NULL

START_TEST(paths)
{
	static const struct {
		const char	*in;
		unsigned int	 ok;
		const char	*want;		/* NULL: refused */
		unsigned int	 flags;
	} rows[] = {
		{ "<>", STRICT, "", ADDRESS_NULL },
		{ "<>", 0, NULL, 0 },
		{ "<a@b>", 0, "a@b", 0 },
		{ "<a.b+c@Example.COM>", 0, "a.b+c@Example.COM", 0 },
		{ "<@x,@y:a@b>", 0, "a@b", 0 },
		{ "<@x,@y a@b>", 0, NULL, 0 },
		{ "<\"a b\"@c>", 0, "\"a b\"@c", ADDRESS_QUOTED },
		{ "<\"a\\\"b\"@c>", 0, "\"a\\\"b\"@c", ADDRESS_QUOTED },
		{ "<\"a\"b@c>", 0, NULL, 0 },
		{ "<\"a\nb\"@c>", 0, NULL, 0 },
		{ "<\"a\\", 0, NULL, 0 },
		{ "<a@[192.0.2.1]>", 0, "a@[192.0.2.1]", ADDRESS_LITERAL },
		{ "<a@[IPv6:2001:db8::1]>", 0, "a@[IPv6:2001:db8::1]",
		  ADDRESS_LITERAL },
		{ "<a@[999.0.2.1]>", 0, NULL, 0 },
		{ "<a@[192.0.2.1>", 0, NULL, 0 },
		{ "<.a@b>", 0, NULL, 0 }, { "<a.@b>", 0, NULL, 0 },
		{ "<a..b@c>", 0, NULL, 0 },
		{ "<a..b.@c>", ADDRESS_OK_LOOSE, "a..b.@c", 0 },
		{ "<a@b..c>", 0, NULL, 0 }, { "<a@-b>", 0, NULL, 0 },
		{ "<a@b->", 0, NULL, 0 }, { "<a@b_c.d>", 0, "a@b_c.d", 0 },
		{ "<a@>", 0, NULL, 0 }, { "<@b>", 0, NULL, 0 },
		{ "<a@b", 0, NULL, 0 }, { "<a@b>x", 0, NULL, 0 },
		{ "<a@b> SIZE=1", 0, "a@b", 0 }, { "< a@b>", 0, NULL, 0 },
		{ "<postmaster>", 0, NULL, 0 },
		{ "<postmaster>", ADDRESS_OK_NODOMAIN, "postmaster",
		  ADDRESS_NODOMAIN },
		{ "a@b", 0, NULL, 0 }, { "a@b", ADDRESS_OK_BARE, "a@b", 0 },
		{ "<\xc3\xa4@b>", 0, NULL, 0 },
		{ "<\xc3\xa4@b>", ADDRESS_OK_UTF8, "\xc3\xa4@b",
		  ADDRESS_UTF8 },
		{ "<\xc3@b>", ADDRESS_OK_UTF8, NULL, 0 },
		{ "<a@\xc3\xa4.b>", 0, NULL, 0 },
		{ "<a@\xc3\xa4.b>", ADDRESS_OK_UTF8, "a@\xc3\xa4.b",
		  ADDRESS_UTF8 },
		{ "<a@\xc3.b>", ADDRESS_OK_UTF8, NULL, 0 },
		{ "<a@b.\xa4>", ADDRESS_OK_UTF8, NULL, 0 },
		/* OpenSMTPD CVE-2020-7247: nothing of a shell's */
		{ "<;sleep 1;>", ADDRESS_OK_NODOMAIN | ADDRESS_OK_LOOSE, NULL,
		  0 },
		{ "", ADDRESS_OK_BARE, NULL, 0 },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct slice	all = slice_str(rows[i].in);
		struct address	ad;
		const char	*why = NULL;

		/* Cut anywhere: never more is read, never accepted unless the
		 * rest is only parameters. */
		for (size_t n = 0; n <= all.len; n++) {
			struct slice	own = exact(slice_first(all, n));
			struct slice	in = own;

			(void)!address_path_take(&in, rows[i].ok, &ad, &why);
			exact_free(own);
		}
		if (rows[i].want == NULL) {
			ck_assert_msg(!address_path_take(&all, rows[i].ok,
			    &ad, &why), "%s", rows[i].in);
			ck_assert(why != NULL && slice_is(all, rows[i].in));
			continue;
		}
		ck_assert_msg(address_path_take(&all, rows[i].ok, &ad, &why),
		    "%s: %s", rows[i].in, why);
		ck_assert_str_eq(address_str(mem, &ad), rows[i].want);
		ck_assert_uint_eq(ad.flags, rows[i].flags);
	}
}
END_TEST

START_TEST(domains)
{
	static const struct {
		const char	*name;
		bool		 plain, utf8;
	} all[] = {
		{ "a", true, true }, { "a-b.c_d.9", true, true },
		{ "-a.b", false, false }, { "a-.b", false, false },
		{ ".a", false, false }, { "a.", false, false },
		{ "\xc3\xa4.b", false, true }, { "a.\xe2\x82\xac", false, true },
		{ "\xc3.b", false, false }, { "b.\xa4", false, false },
		{ "", false, false }, { "[192.0.2.1]", false, false },
	};

	for (size_t i = 0; i < COUNT(all); i++) {
		struct slice	s = slice_str(all[i].name);

		ck_assert_msg(address_domain_ok(s, false, false) ==
		    all[i].plain, "%s", all[i].name);
		ck_assert_msg(address_domain_ok(s, true, false) ==
		    all[i].utf8, "%s with UTF-8", all[i].name);
	}
}
END_TEST

START_TEST(lengths)
{
	struct address	 ad;
	const char	*why;
	char		*local = arena_alloc(mem, 400);

	for (size_t n = 60; n < 300; n++) {
		char	*text;

		memset(local, 'x', n);
		local[n] = '\0';
		text = arena_printf(mem, "%s@example.com", local);
		ck_assert_int_eq(address_parse(slice_str(text), 0, &ad, &why),
		    n <= 64);
		ck_assert_int_eq(address_parse(slice_str(text),
		    ADDRESS_OK_LOOSE, &ad, &why), n <= 255);
		text = arena_printf(mem, "a@%s.com", local);
		ck_assert_int_eq(address_parse(slice_str(text), 0, &ad, &why),
		    n <= 63);
	}
}
END_TEST

START_TEST(quoting)
{
	struct address	 ad;
	const char	*why;
	struct buf	 b;

	ck_assert(address_parse(SLICE_LIT("\"a\\\\b\\\"c d\"@e"), 0, &ad,
	    &why));
	ck_assert(slice_is(address_local(mem, &ad), "a\\b\"c d"));
	buf_init(&b, 100);
	address_put(&b, address_local(mem, &ad), ad.domain);
	ck_assert_str_eq(buf_cstr(&b), "\"a\\\\b\\\"c d\"@e");
	buf_reset(&b);
	address_put(&b, SLICE_LIT("plain.x"), SLICE_LIT("e"));
	ck_assert_str_eq(buf_cstr(&b), "plain.x@e");
	buf_clear(&b);
}
END_TEST

/* Items as "kind[name]<route>local@domain{spec}" in one line. */
static const char *
show_list(const char *body)
{
	struct address_item	*it;
	struct slice		 own = exact(slice_str(body));
	size_t			 n = address_list_parse(own, 100, mem, &it);
	struct buf		 b;
	const char		*text;

	buf_init(&b, 10000);
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			buf_addc(&b, ' ');
		if (it[i].kind == ADDRESS_GROUP_END) {
			buf_addc(&b, ';');
			continue;
		}
		if (it[i].name.p != NULL)
			buf_addf(&b, "[%.*s]", SLICE_ARG(it[i].name));
		if (it[i].kind == ADDRESS_GROUP) {
			buf_addc(&b, ':');
			continue;
		}
		if (it[i].route.p != NULL)
			buf_addf(&b, "<%.*s>", SLICE_ARG(it[i].route));
		buf_addf(&b, "%.*s@%.*s{%.*s}%s", SLICE_ARG(it[i].local),
		    SLICE_ARG(it[i].domain), SLICE_ARG(it[i].spec),
		    it[i].ok ? "" : "!");
	}
	text = arena_strdup(mem, buf_cstr(&b));
	buf_clear(&b);
	exact_free(own);
	return text;
}

START_TEST(lists)
{
	static const struct { const char *in, *want; } rows[] = {
		{ "", "" }, { " , ,", "" },
		{ "a@b", "a@b{a@b}" },
		{ "A B <a@b>, c@d", "[A B]a@b{a@b} c@d{c@d}" },
		{ "\"Q, \\\"x\\\"\" <a@b>", "[Q, \"x\"]a@b{a@b}" },
		{ "a@b (Full Name)", "[Full Name]a@b{a@b}" },
		{ "J. R. Doe <j@d>", "[J. R. Doe]j@d{j@d}" },
		{ "G: a@b, C <c@d>;, e@f",
		  "[G]: a@b{a@b} [C]c@d{c@d} ; e@f{e@f}" },
		{ "undisclosed-recipients:;", "[undisclosed-recipients]: ;" },
		{ "G: a@b", "[G]: a@b{a@b} ;" },
		{ "<@x,@y:a@b>", "<@x,@y>a@b{a@b}" },
		{ "postmaster", "postmaster@{postmaster}!" },
		{ "a . b @ c . d", "a.b@c.d{a . b @ c . d}" },
		{ "=?utf-8?q?x?= <a@b>", "[=?utf-8?q?x?=]a@b{a@b}" },
		{ "x\r\n y <a@b>", "[x y]a@b{a@b}" },
		{ "\"a b\"@c", "a b@c{\"a b\"@c}" },
		{ "a@[1.2.3.4]", "a@[1.2.3.4]{a@[1.2.3.4]}" },
		{ "<", "@{}!" }, { "<a@b", "a@b{a@b}!" },
		{ "(a\\", "" }, { "\"a\\", "a\\@{\"a\\}!" },
		{ "((((", "" }, { "@", "@{@}!" }, { ":;", "" },
		{ "<>", "@{}!" },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		ck_assert_str_eq(show_list(rows[i].in), rows[i].want);
		for (size_t n = 0; n < strlen(rows[i].in); n++)
			(void)show_list(arena_strndup(mem, rows[i].in, n));
	}
}
END_TEST

/* Dovecot CVE-2024-23184: time must not grow with the square. */
START_TEST(many_addresses)
{
	struct buf		 b;
	struct envelope		 e;
	struct address_item	*it;

	buf_init(&b, (size_t)64 << 20);
	for (int i = 0; i < 100000; i++)
		buf_adds(&b, "To: a@b\r\n");
	envelope_parse(buf_slice(&b), mem, &e);
	ck_assert_uint_eq(e.to.count, 1);
	buf_reset(&b);
	for (int i = 0; i < 500000; i++)
		buf_adds(&b, "a@b,");
	ck_assert_uint_le(address_list_parse(buf_slice(&b), 10000, mem, &it),
	    10002);
	buf_reset(&b);
	for (int i = 0; i < 1000000; i++)
		buf_adds(&b, "(\"<:");
	(void)address_list_parse(buf_slice(&b), 10000, mem, &it);
	buf_clear(&b);
}
END_TEST

START_TEST(headers)
{
	static const struct {
		const char	*in, *fields;
		ptrdiff_t	 end;		/* of header_end() */
	} rows[] = {
		{ "A: b\r\nC:d\r\n\r\nbody", "A= b|C=d|", 13 },
		{ "A: b\nC : d\n e\n\nbody", "A= b|C= d\n e|", 15 },
		{ "\r\nbody", "", 2 },
		{ " a: b\r\n", "", 0 }, { "nothing\r\n", "", 0 },
		{ "A: b\r\nnot a field\r\n", "A= b|", 6 },
		{ "A: b", "A= b|", -1 }, { "", "", -1 },
		{ "A: b\r\n", "A= b|", -1 },
		{ ": x\r\n", "", 0 }, { "A b: x\r\n", "", 0 },
		{ "A:\r\n \r\nB: c\r\n\r\n", "A=\r\n |B= c|", 15 },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct slice		 all = slice_str(rows[i].in);
		struct slice		 rest = all;
		struct header_field	 f;
		struct buf		 b;

		buf_init(&b, 1000);
		while (header_next(&rest, &f))
			buf_addf(&b, "%.*s=%.*s|", SLICE_ARG(f.name),
			    SLICE_ARG(f.body));
		ck_assert_str_eq(buf_cstr(&b), rows[i].fields);
		buf_clear(&b);
		ck_assert_int_eq(header_end(all), rows[i].end);
		if (rows[i].end < 0)
			continue;
		ck_assert_uint_eq((size_t)(rest.p - all.p),
		    (size_t)rows[i].end);
		/* Cut short it is never decided otherwise. */
		for (size_t n = 0; n < all.len; n++) {
			ptrdiff_t	at = header_end(slice_first(all, n));

			ck_assert(at == -1 || at == rows[i].end);
		}
	}
}
END_TEST

START_TEST(scanning)
{
	struct slice		 all = SLICE_LIT("A: b\r\n c\r\nD: e\r\n"
				    "\r\nbody\r\n");
	struct header_scan	 h = { false, false };
	size_t			 total = 0;
	bool			 done = false;
	struct buf		 b;

	while (!done) {
		struct slice	rest = slice_from(all, total);
		ptrdiff_t	lf = slice_find(rest, '\n');

		total += header_scan(&h, slice_first(rest, (size_t)lf + 1),
		    &done);
	}
	ck_assert_uint_eq(total, 18);
	buf_init(&b, 100);
	header_unfold(&b, SLICE_LIT(" a\r\n b\n\tc \r\n"));
	ck_assert_str_eq(buf_cstr(&b), "a b\tc");
	buf_clear(&b);
}
END_TEST

static void
show_part(struct buf *b, const struct mime_part *p)
{
	buf_addf(b, "%.*s/%.*s %llu+%llu %llu+%llu %llu\n",
	    SLICE_ARG(p->type), SLICE_ARG(p->subtype),
	    (unsigned long long)p->header_offset,
	    (unsigned long long)p->header_size,
	    (unsigned long long)p->body_offset,
	    (unsigned long long)p->body_size, (unsigned long long)p->lines);
	for (p = p->child; p != NULL; p = p->next)
		show_part(b, p);
}

/* Parse, store and get back: the same.  Offsets lie inside each other. */
static const char *
show_mime(struct slice text)
{
	struct slice		 own = exact(text);
	struct mime_message	 m, again;
	struct buf		 b, stored, second;
	const char		*out;

	mime_parse(own, mem, &m);
	exact_free(own);
	buf_init(&stored, (size_t)64 << 20);
	buf_init(&second, (size_t)64 << 20);
	mime_put(&stored, &m);
	ck_assert(mime_get(buf_slice(&stored), mem, &again));
	mime_put(&second, &again);
	ck_assert(slice_eq(buf_slice(&stored), buf_slice(&second)));
	buf_init(&b, (size_t)64 << 20);
	show_part(&b, m.root);
	out = arena_strdup(mem, buf_cstr(&b));
	buf_clear(&b);
	buf_clear(&stored);
	buf_clear(&second);
	return out;
}

#define MULTI(b)	"Content-Type: multipart/mixed; boundary=" b "\r\n\r\n"

START_TEST(mime)
{
	static const struct { const char *in, *want; } rows[] = {
		{ "A: b\r\n\r\nx\r\ny\r\n", "text/plain 0+8 8+6 2\n" },
		{ "", "text/plain 0+0 0+0 0\n" },
		{ "A: b\r\n", "text/plain 0+6 6+0 0\n" },
		{ "no header\r\n", "text/plain 0+0 0+11 1\n" },
		{ MULTI("x") "pre\r\n--x\r\nA: b\r\n\r\none\r\n--x\r\n\r\n"
		  "two\r\n--x--\r\npost\r\n",
		  "multipart/mixed 0+45 45+48 10\n"
		  "text/plain 55+8 63+3 0\ntext/plain 73+2 75+3 0\n" },
		/* a delimiter right after the header; no end */
		{ MULTI("x") "--x\r\nA: b\r\n--x\r\n\r\nq",
		  "multipart/mixed 0+45 45+19 4\n"
		  "text/plain 50+6 56+0 0\ntext/plain 61+2 63+1 0\n" },
		/* a boundary that begins with the other's */
		{ MULTI("x") "--xy\r\n\r\n--x\r\n\r\nq\r\n--x--",
		  "multipart/mixed 0+45 45+23 5\ntext/plain 58+2 60+1 0\n" },
		{ MULTI("x") "--x\r\nContent-Type: message/rfc822\r\n\r\n"
		  "Subject: s\r\n\r\nin\r\n--x--\r\n",
		  "multipart/mixed 0+45 45+62 7\n"
		  "message/rfc822 50+32 82+16 2\ntext/plain 82+14 96+2 0\n" },
		{ "Content-Type: multipart/mixed\r\n\r\nx\r\n",
		  "text/plain 0+33 33+3 1\n" },
		{ "Content-Type: multipart/digest; boundary=\"a b\"\r\n\r\n"
		  "--a b \t\r\n\r\nFrom: x\r\n\r\ny\r\n--a b--",
		  "multipart/digest 0+50 50+32 5\n"
		  "message/rfc822 59+2 61+12 2\ntext/plain 61+11 72+1 0\n" },
		{ "Content-Type: garbage\r\n\r\nx", "text/plain 0+25 25+1 0\n" },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		ck_assert_str_eq(show_mime(slice_str(rows[i].in)),
		    rows[i].want);
		for (size_t n = 0; n < strlen(rows[i].in); n++)
			(void)show_mime(slice_first(slice_str(rows[i].in),
			    n));
	}
}
END_TEST

/* With LF line ends the tree is that of the CRLF form. */
START_TEST(mime_lf)
{
	const char	*crlf = MULTI("x") "pre\r\n--x\r\nA: b\r\n\r\none\r\n"
			    "--x\r\n\r\ntwo\r\n--x--\r\npost\r\n";
	struct buf	 b;

	buf_init(&b, 1000);
	for (const char *p = crlf; *p != '\0'; p++)
		if (*p != '\r')
			buf_addc(&b, *p);
	ck_assert_str_eq(show_mime(buf_slice(&b)),
	    show_mime(slice_str(crlf)));
	buf_clear(&b);
}
END_TEST

START_TEST(mime_fields)
{
	struct mime_message	 m;
	const struct mime_part	*p;

	mime_parse(SLICE_LIT("Content-Type: text/html (c); charset=\"u\\tf\";\r\n"
	    "\tname*0=a; name*1=b; x ; bad name=z; file=my doc.pdf ;\r\n"
	    "Content-Transfer-Encoding: BASE64 (x)\r\n"
	    "Content-Type: text/plain\r\n"
	    "Content-Disposition: attachment; filename=\"a;b\"\r\n"
	    "Content-ID: <x@y>\r\nContent-Language: de, en\r\n\r\n"), mem, &m);
	p = m.root;
	ck_assert(m.ambiguous);
	ck_assert(slice_is(p->subtype, "html"));
	ck_assert(slice_is(mime_param(p->params, p->nparams, "CHARSET"),
	    "utf"));
	ck_assert(slice_is(mime_param(p->params, p->nparams, "name*1"), "b"));
	ck_assert(slice_is(mime_param(p->params, p->nparams, "file"),
	    "my doc.pdf"));
	ck_assert(mime_param(p->params, p->nparams, "none").p == NULL);
	ck_assert(slice_is(p->encoding, "BASE64"));
	ck_assert(slice_is(p->disposition, "attachment"));
	ck_assert(slice_is(mime_param(p->disposition_params,
	    p->ndisposition_params, "filename"), "a;b"));
	ck_assert(slice_is(p->id, "<x@y>"));
	ck_assert(slice_is(p->language, "de, en"));
	ck_assert(p->md5.p == NULL);
}
END_TEST

START_TEST(mime_sections)
{
	struct mime_message	 m;
	const unsigned int	 one[] = { 1 }, two[] = { 2 };
	const unsigned int	 two_one[] = { 2, 1 }, three[] = { 3 };
	const unsigned int	 two_one_one[] = { 2, 1, 1 };

	mime_parse(SLICE_LIT(MULTI("x") "--x\r\n\r\na\r\n--x\r\n"
	    "Content-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\nb\r\n"
	    "--x--\r\n"), mem, &m);
	ck_assert_ptr_eq(mime_find(m.root, one, 1), m.root->child);
	ck_assert_ptr_eq(mime_find(m.root, two, 1), m.root->child->next);
	ck_assert_ptr_eq(mime_find(m.root, two_one, 2),
	    m.root->child->next->child);
	ck_assert_ptr_null(mime_find(m.root, two_one_one, 3));
	ck_assert_ptr_null(mime_find(m.root, three, 1));
	ck_assert(slice_is(m.root->child->next->envelope,
	    "Subject: inner\r\n"));
	mime_parse(SLICE_LIT("\r\nx"), mem, &m);
	ck_assert_ptr_eq(mime_find(m.root, one, 1), m.root);
	ck_assert_ptr_null(mime_find(m.root, two, 1));
}
END_TEST

/* CVE-2020-12100, CVE-2006-1173: depth and number are bounded, the result is
 * a tree all the same. */
START_TEST(mime_bombs)
{
	struct buf		 b;
	struct mime_message	 m;
	unsigned int		 depth = 0;

	buf_init(&b, (size_t)64 << 20);
	for (int i = 0; i < 20000; i++)
		buf_addf(&b, "Content-Type: multipart/mixed; boundary=%d\r\n"
		    "\r\n--%d\r\n", i, i);
	mime_parse(buf_slice(&b), mem, &m);
	for (const struct mime_part *p = m.root; p != NULL; p = p->child)
		depth++;
	ck_assert_uint_le(depth, MIME_MAX_DEPTH + 1);
	ck_assert(m.ambiguous);
	buf_reset(&b);
	for (int i = 0; i < 20000; i++)
		buf_adds(&b, "Content-Type: message/rfc822\r\n\r\n");
	(void)show_mime(buf_slice(&b));
	buf_reset(&b);
	buf_adds(&b, MULTI("x"));
	for (int i = 0; i < 100000; i++)
		buf_adds(&b, "--x\r\n");
	mime_parse(buf_slice(&b), mem, &m);
	ck_assert_uint_le(m.nparts, MIME_MAX_PARTS);
	(void)show_mime(buf_slice(&b));
	buf_reset(&b);
	buf_adds(&b, "Content-Type: x/y");
	for (int i = 0; i < 100000; i++)
		buf_addf(&b, "; a*%d*=b", i);
	buf_adds(&b, "\r\n\r\n");
	mime_parse(buf_slice(&b), mem, &m);
	ck_assert_uint_le(m.root->nparams, MIME_MAX_PARAMS);
	buf_clear(&b);
}
END_TEST

/* All storage is hostile input. */
START_TEST(mime_stored_damage)
{
	struct mime_message	 m, got;
	struct buf		 b;
	struct slice		 whole;

	mime_parse(SLICE_LIT(MULTI("x") "--x\r\n\r\na\r\n--x\r\n"
	    "Content-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\nb\r\n"
	    "--x--\r\n"), mem, &m);
	buf_init(&b, 10000);
	mime_put(&b, &m);
	whole = buf_slice(&b);
	for (size_t n = 0; n < whole.len; n++) {
		struct slice	cut = exact(slice_first(whole, n));

		ck_assert(!mime_get(cut, mem, &got));
		exact_free(cut);
	}
	for (size_t n = 0; n < whole.len; n++)
		for (int bit = 0; bit < 8; bit++) {
			struct slice	own = exact(whole);
			unsigned char	*p = (void *)(uintptr_t)own.p;

			p[n] ^= (unsigned char)(1 << bit);
			if (mime_get(own, mem, &got)) {
				struct buf	again;

				buf_init(&again, 100000);
				mime_put(&again, &got);
				buf_clear(&again);
			}
			exact_free(own);
			arena_reset(mem);
		}
	buf_clear(&b);
}
END_TEST

START_TEST(envelopes)
{
	struct envelope	e;

	envelope_parse(SLICE_LIT("from: A <a@b>\r\nSubject: one\r\n two\r\n"
	    "Subject: second\r\nTO: x@y, z@w\r\nmessage-id: <1@2>\r\n"
	    "X: y\r\n\r\nCc: no@body\r\n"), mem, &e);
	ck_assert(slice_is(e.subject, "one two"));
	ck_assert_uint_eq(e.from.count, 1);
	ck_assert_uint_eq(e.to.count, 2);
	ck_assert_uint_eq(e.cc.count, 0);
	ck_assert_ptr_eq(e.sender.items, e.from.items);
	ck_assert_ptr_eq(e.reply_to.items, e.from.items);
	ck_assert(slice_is(e.message_id, "<1@2>"));
	ck_assert(e.date.p == NULL && e.in_reply_to.p == NULL);
	/* CVE-2011-1929, CVE-2008-4907 */
	envelope_parse(SLICE_LIT("Fr\0om: a@b\r\nFrom: <\r\n"), mem, &e);
	ck_assert_uint_eq(e.from.count, 0);
}
END_TEST

static void
one_file(const char *path)
{
	struct buf		 b;
	unsigned char		 chunk[65536];
	int			 fd = open(path, O_RDONLY);
	ssize_t			 n;
	struct envelope		 e;
	struct header_field	 f;
	struct slice		 rest;

	ck_assert_msg(fd >= 0, "%s", path);
	buf_init(&b, (size_t)64 << 20);
	while ((n = read(fd, chunk, sizeof(chunk))) > 0)
		buf_add(&b, chunk, (size_t)n);
	close(fd);
	(void)show_mime(buf_slice(&b));
	envelope_parse(buf_slice(&b), mem, &e);
	/* Fields and what is between them are all of the section. */
	rest = buf_slice(&b);
	for (const unsigned char *at = rest.p; header_next(&rest, &f);
	    at = rest.p) {
		ck_assert_ptr_eq(f.whole.p, at);
		(void)show_list(arena_strndup(mem, (const char *)f.body.p,
		    f.body.len));
	}
	buf_clear(&b);
	arena_reset(mem);
}

/* Real mail, if MAIL_CORPUS names a directory of directories of messages. */
START_TEST(corpus)
{
	const char	*root = getenv("MAIL_CORPUS");
	DIR		*top = root == NULL ? NULL : opendir(root);
	struct dirent	*sub, *e;

	while (top != NULL && (sub = readdir(top)) != NULL) {
		char	*path = mem_printf("%s/%s", root, sub->d_name);
		DIR	*d = sub->d_name[0] == '.' ? NULL : opendir(path);

		while (d != NULL && (e = readdir(d)) != NULL) {
			char	*file = mem_printf("%s/%s", path, e->d_name);

			if (e->d_name[0] != '.')
				one_file(file);
			mem_free(&file);
		}
		if (d != NULL)
			closedir(d);
		mem_free(&path);
	}
	if (top != NULL)
		closedir(top);
}
END_TEST

int
main(void)
{
	Suite	*s = suite_create("mail");
	TCase	*t = tcase_create("all");

	suite_add_tcase(s, t);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, paths);
	tcase_add_test(t, domains);
	tcase_add_test(t, lengths);
	tcase_add_test(t, quoting);
	tcase_add_test(t, lists);
	tcase_add_test(t, many_addresses);
	tcase_add_test(t, headers);
	tcase_add_test(t, scanning);
	tcase_add_test(t, mime);
	tcase_add_test(t, mime_lf);
	tcase_add_test(t, mime_fields);
	tcase_add_test(t, mime_sections);
	tcase_add_test(t, mime_bombs);
	tcase_add_test(t, mime_stored_damage);
	tcase_add_test(t, envelopes);
	tcase_add_test(t, corpus);
	return check_run(s);
}
