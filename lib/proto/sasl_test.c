/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/check_run.h"
#include "proto/sasl.h"

#define LIT(s)	SLICE_LIT(s)
#define BYTES(s)	{ (const unsigned char *)(s), sizeof(s) - 1 }

static const struct {
	const char	*label;
	struct slice	 in;
	const char	*authzid, *authcid, *passwd;	/* NULL: refused */
} plain_cases[] = {
	{ "RFC 4616 example 1", BYTES("\0tim\0tanstaaftanstaaf"),
	    "", "tim", "tanstaaftanstaaf" },
	{ "RFC 4616 example 2", BYTES("Ursel\0Kurt\0xipj3plmq"),
	    "Ursel", "Kurt", "xipj3plmq" },
	{ "TAB stays in the password", BYTES("\0a\0p\tnopassword"),
	    "", "a", "p\tnopassword" },
	{ "empty", BYTES(""), NULL, NULL, NULL },
	{ "no NUL", BYTES("tim"), NULL, NULL, NULL },
	{ "one NUL", BYTES("\0tim"), NULL, NULL, NULL },
	{ "no user", BYTES("\0\0secret"), NULL, NULL, NULL },
	{ "no password", BYTES("\0tim\0"), NULL, NULL, NULL },
	{ "three NULs", BYTES("\0tim\0a\0b"), NULL, NULL, NULL },
};

START_TEST(plain)
{
	struct sasl_plain	 p;
	int			 r;

	r = sasl_plain_parse(plain_cases[_i].in, &p, NULL);
	if (plain_cases[_i].authcid == NULL) {
		ck_assert_msg(r < 0, "%s", plain_cases[_i].label);
		return;
	}
	ck_assert_msg(r == 0, "%s", plain_cases[_i].label);
	ck_assert(slice_is(p.authzid, plain_cases[_i].authzid));
	ck_assert(slice_is(p.authcid, plain_cases[_i].authcid));
	ck_assert(slice_is(p.passwd, plain_cases[_i].passwd));
}
END_TEST

static const struct {
	const char	*in;
	bool		 ok;
	enum scram_bind	 bind;
	const char	*gs2, *authzid, *user, *nonce;
} first_cases[] = {
	{ "n,,n=user,r=fyko", true, SCRAM_BIND_NO, "n,,", "", "user", "fyko" },
	{ "y,,n=user,r=fyko", true, SCRAM_BIND_UNUSED, "y,,", "", "user",
	    "fyko" },
	{ "p=tls-exporter,,n=u,r=x", true, SCRAM_BIND_USED,
	    "p=tls-exporter,,", "", "u", "x" },
	{ "n,a=boss,n=u,r=x", true, SCRAM_BIND_NO, "n,a=boss,", "boss", "u",
	    "x" },
	{ "n,,n=u,r=x,t=ext,u=y", true, SCRAM_BIND_NO, "n,,", "", "u", "x" },
	{ "n,,n=a=2Cb=3D,r=x", true, SCRAM_BIND_NO, "n,,", "", "a=2Cb=3D",
	    "x" },
	{ .in = "" }, { .in = "n" }, { .in = "n," }, { .in = "n,," },
	{ .in = "n,,n=u" }, { .in = "n,,n=u,r=" }, { .in = "n,,n=,r=x" },
	{ .in = "n,,m=1,n=u,r=x" }, { .in = "x,,n=u,r=x" },
	{ .in = "p=,,n=u,r=x" }, { .in = "p=a b,,n=u,r=x" },
	{ .in = "n,b=boss,n=u,r=x" }, { .in = "n,a=,n=u,r=x" },
	{ .in = "n,,n=u,r=x y" }, { .in = "n,,n=u,r=x,1=2" },
	{ .in = "n,,n=u,r=x,,", }, { .in = "n,,r=x,n=u" },
	{ .in = "n=u,r=x" },
};

START_TEST(scram_first)
{
	struct scram_first	 f;
	int			 r;

	r = scram_first_parse(slice_str(first_cases[_i].in), &f, NULL);
	ck_assert_msg((r == 0) == first_cases[_i].ok, "%s",
	    first_cases[_i].in);
	if (r < 0)
		return;
	ck_assert_int_eq(f.bind, first_cases[_i].bind);
	ck_assert(slice_is(f.gs2, first_cases[_i].gs2));
	ck_assert(slice_is(f.authzid, first_cases[_i].authzid));
	ck_assert(slice_is(f.user, first_cases[_i].user));
	ck_assert(slice_is(f.nonce, first_cases[_i].nonce));
	ck_assert(slice_ends(slice_str(first_cases[_i].in),
	    (const char *)f.bare.p));
}
END_TEST

static const struct {
	const char	*in;
	bool		 ok;
	const char	*binding, *nonce, *proof, *without;
} final_cases[] = {
	{ "c=biws,r=abc,p=v0X8v3==", true, "biws", "abc", "v0X8v3==",
	    "c=biws,r=abc" },
	{ "c=biws,r=abc,x=1,p=v0", true, "biws", "abc", "v0",
	    "c=biws,r=abc,x=1" },
	{ .in = "" }, { .in = "c=biws" }, { .in = "c=biws,r=abc" },
	{ .in = "c=biws,r=abc,p=" }, { .in = "r=abc,c=biws,p=v0" },
	{ .in = "c=,r=abc,p=v0" }, { .in = "c=biws,r=,p=v0" },
	{ .in = "c=biws,r=abc,p=v0,x=1" }, { .in = "p=v0" },
};

START_TEST(scram_final)
{
	struct scram_final	 f;
	int			 r;

	r = scram_final_parse(slice_str(final_cases[_i].in), &f, NULL);
	ck_assert_msg((r == 0) == final_cases[_i].ok, "%s",
	    final_cases[_i].in);
	if (r < 0)
		return;
	ck_assert(slice_is(f.binding, final_cases[_i].binding));
	ck_assert(slice_is(f.nonce, final_cases[_i].nonce));
	ck_assert(slice_is(f.proof, final_cases[_i].proof));
	ck_assert(slice_is(f.without_proof, final_cases[_i].without));
}
END_TEST

/* A message that was cut off is refused, or is a shorter valid one: never
 * does a parser look behind its end (the copy is exactly as long). */
START_TEST(every_cut)
{
	const struct slice	 first = LIT("p=tls-exporter,a=z,n=us,r=no"),
				 final = LIT("c=biws,r=nonce,p=proof="),
				 clear = LIT("z\0user\0secret");
	struct scram_first	 f;
	struct scram_final	 e;
	struct sasl_plain	 p;

	for (size_t n = 0; n <= first.len; n++) {
		unsigned char	*copy = malloc(n + 1);

		memcpy(copy, first.p, n);
		ck_assert((scram_first_parse(slice_of(copy, n), &f, NULL) ==
		    0) == (n > first.len - 2));
		free(copy);
	}
	for (size_t n = 0; n <= final.len; n++) {
		unsigned char	*copy = malloc(n + 1);

		memcpy(copy, final.p, n);
		ck_assert((scram_final_parse(slice_of(copy, n), &e, NULL) ==
		    0) == (n > final.len - 6));
		free(copy);
	}
	for (size_t n = 0; n <= clear.len; n++)
		ck_assert((sasl_plain_parse(slice_first(clear, n), &p, NULL) ==
		    0) == (n > clear.len - 6));
}
END_TEST

START_TEST(names)
{
	struct arena	*a = arena_new();

	ck_assert_str_eq(scram_name_decode(a, slice_str("a=2Cb=3Dc")),
	    "a,b=c");
	ck_assert(scram_name_decode(a, slice_str("a=2cb")) == NULL);
	ck_assert(scram_name_decode(a, slice_str("a=")) == NULL);
	ck_assert(scram_name_decode(a, slice_str("a=2")) == NULL);
	ck_assert(scram_name_decode(a, LIT("a\0b")) == NULL);
	ck_assert(scram_name_decode(a, LIT("")) == NULL);
	arena_free(&a);
}
END_TEST

/* The server's message has the parts that RFC 7677 3 shows. */
START_TEST(server_first)
{
	struct buf	 b;

	buf_init(&b, 1000);
	scram_server_first(&b, slice_str("rOprNGfwEbeRWgbNEkqO"),
	    slice_str("%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"),
	    slice_str("W22ZaJ0SNY7soEsUEjb6gQ=="), 4096);
	ck_assert_str_eq(buf_cstr(&b), "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCA"
	    "fuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096");
	buf_clear(&b);
}
END_TEST

int
main(void)
{
	Suite	*s = suite_create("sasl");
	TCase	*t = tcase_create("messages");

	tcase_add_loop_test(t, plain, 0, (int)COUNT(plain_cases));
	tcase_add_loop_test(t, scram_first, 0, (int)COUNT(first_cases));
	tcase_add_loop_test(t, scram_final, 0, (int)COUNT(final_cases));
	tcase_add_test(t, every_cut);
	tcase_add_test(t, names);
	tcase_add_test(t, server_first);
	suite_add_tcase(s, t);
	return check_run(s);
}
