/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "auth/mech.h"
#include "base/check_run.h"

#define NONE	SLICE_LIT("")

/* RFC 7677 3. */
#define FIRST	"n,,n=user,r=rOprNGfwEbeRWgbNEkqO"
#define NONCE	"%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
#define KEYS	"{SCRAM-SHA-256}4096,W22ZaJ0SNY7soEsUEjb6gQ==,WG5d8oPm3OtcPn" \
    "kdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=,wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2" \
    "dU="
#define FINAL	"c=biws,r=rOprNGfwEbeRWgbNEkqO" NONCE \
    ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="

static struct arena	*a;

static void
setup(void)
{
	a = arena_new();
}

static void
teardown(void)
{
	arena_free(&a);
}

static struct mech *
scram_until_final(const char *name, struct slice exporter, const char *first)
{
	struct mech		*m = mech_new(a, name, exporter, NONCE);
	struct scram_keys	 k;

	ck_assert(m != NULL);
	ck_assert_int_eq(mech_step(m, true, slice_str(first)), MECH_KEYS);
	ck_assert_str_eq(mech_user(m), "user");
	ck_assert(scram_keys_parse(KEYS, SCRAM_SHA_256, &k));
	ck_assert_int_eq(mech_keys(m, &k), MECH_MORE);
	return m;
}

START_TEST(rfc7677)
{
	struct mech	*m = scram_until_final("SCRAM-SHA-256", NONE, FIRST);

	ck_assert(slice_is(mech_challenge(m), "r=rOprNGfwEbeRWgbNEkqO" NONCE
	    ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"));
	ck_assert_int_eq(mech_step(m, true, slice_str(FINAL)), MECH_OK);
	ck_assert(slice_is(mech_challenge(m),
	    "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="));
	ck_assert_int_eq(mech_step(m, true, slice_str(FINAL)), MECH_FAILED);
}
END_TEST

/* RFC 5802 5 */
START_TEST(rfc5802)
{
	struct mech		*m = mech_new(a, "SCRAM-SHA-1", NONE,
				    "3rfcNHYJY1ZVvWVs7j");
	struct scram_keys	 k = { .hash = SCRAM_SHA_1,
				    .iterations = 4096, .salt_len = 16 };
	static const unsigned char salt[] = { 0x41, 0x25, 0xc2, 0x47, 0xe4,
	    0x3a, 0xb1, 0xe9, 0x3c, 0x6d, 0xff, 0x76 };

	k.salt_len = sizeof(salt);
	memcpy(k.salt, salt, sizeof(salt));
	ck_assert_int_eq(scram_keys_derive(&k, slice_str("pencil")), 0);
	ck_assert_int_eq(mech_step(m, true,
	    slice_str("n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL")), MECH_KEYS);
	ck_assert_int_eq(mech_keys(m, &k), MECH_MORE);
	ck_assert(slice_is(mech_challenge(m), "r=fyko+d2lbbFgONRv9qkxdawL"
	    "3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096"));
	ck_assert_int_eq(mech_step(m, true, slice_str("c=biws,r=fyko+d2lbbFgO"
	    "NRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=")),
	    MECH_OK);
	ck_assert(slice_is(mech_challenge(m),
	    "v=rmF9pqV8S7suAoZWja4dJRkFsKQ="));
}
END_TEST

static const struct {
	const char	*label, *text;
} bad_finals[] = {
	{ "wrong proof", "c=biws,r=rOprNGfwEbeRWgbNEkqO" NONCE
	    ",p=eHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=" },
	{ "short proof", "c=biws,r=rOprNGfwEbeRWgbNEkqO" NONCE ",p=dHzb" },
	{ "proof not base64", "c=biws,r=rOprNGfwEbeRWgbNEkqO" NONCE
	    ",p=!!!!" },
	{ "client's nonce alone", "c=biws,r=rOprNGfwEbeRWgbNEkqO"
	    ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=" },
	{ "another nonce", "c=biws,r=rOprNGfwEbeRWgbNEkqO" NONCE "x"
	    ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=" },
	{ "other header bound", "c=eSws,r=rOprNGfwEbeRWgbNEkqO" NONCE
	    ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=" },
	{ "empty", "" },
	{ "nonsense", "p=x" },
};

START_TEST(scram_refuses)
{
	struct mech	*m = scram_until_final("SCRAM-SHA-256", NONE, FIRST);

	ck_assert_msg(mech_step(m, true, slice_str(bad_finals[_i].text)) ==
	    MECH_FAILED, "%s", bad_finals[_i].label);
	ck_assert(mech_reason(m) != NULL);
	/* and stays refused: no replay of the right one */
	ck_assert_int_eq(mech_step(m, true, slice_str(FINAL)), MECH_FAILED);
}
END_TEST

/* Every proper prefix of the right final message fails. */
START_TEST(scram_every_cut)
{
	for (size_t n = 0; n < strlen(FINAL); n++) {
		struct mech	*m = scram_until_final("SCRAM-SHA-256", NONE,
				    FIRST);

		ck_assert_int_eq(mech_step(m, true,
		    slice_first(slice_str(FINAL), n)), MECH_FAILED);
	}
}
END_TEST

static const struct {
	const char	*mech, *first;
	bool		 exporter, ok;
} binds[] = {
	{ "SCRAM-SHA-256", "n,,n=user,r=x", false, true },
	{ "SCRAM-SHA-256", "n,,n=user,r=x", true, true },
	{ "SCRAM-SHA-256", "y,,n=user,r=x", false, true },
	{ "SCRAM-SHA-256", "y,,n=user,r=x", true, false },
	{ "SCRAM-SHA-256", "p=tls-exporter,,n=user,r=x", true, false },
	{ "SCRAM-SHA-256-PLUS", "p=tls-exporter,,n=user,r=x", true, true },
	{ "SCRAM-SHA-256-PLUS", "p=tls-unique,,n=user,r=x", true, false },
	{ "SCRAM-SHA-256-PLUS", "n,,n=user,r=x", true, false },
	{ "SCRAM-SHA-256-PLUS", "y,,n=user,r=x", true, false },
};

START_TEST(bindings)
{
	struct mech	*m = mech_new(a, binds[_i].mech, binds[_i].exporter ?
			    slice_str("0123456789abcdef0123456789abcdef") :
			    NONE, NONCE);

	ck_assert(m != NULL);
	ck_assert_msg((mech_step(m, true, slice_str(binds[_i].first)) ==
	    MECH_KEYS) == binds[_i].ok, "%s %s", binds[_i].mech,
	    binds[_i].first);
}
END_TEST

/* The bound bytes must be those of this connection (CVE-2026-33603). */
START_TEST(plus_wrong_exporter)
{
	struct mech	*m = scram_until_final("SCRAM-SHA-256-PLUS",
			    slice_str("0123456789abcdef0123456789abcdef"),
			    "p=tls-exporter,,n=user,r=abc");

	/* base64 of "p=tls-exporter,," alone */
	ck_assert_int_eq(mech_step(m, true, slice_str("c=cD10bHMtZXhwb3J0ZXIs"
	    "LA==,r=abc" NONCE ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndV"
	    "Q=")), MECH_FAILED);
	ck_assert_str_eq(mech_reason(m), "SCRAM: wrong channel binding");
}
END_TEST

START_TEST(plus_needs_exporter)
{
	ck_assert(mech_new(a, "SCRAM-SHA-256-PLUS", NONE, NONCE) == NULL);
	ck_assert(mech_new(a, "NTLM", NONE, NONCE) == NULL);
	ck_assert(mech_new(a, "plain", NONE, NONCE) == NULL);
	ck_assert(mech_new(a, "", NONE, NONCE) == NULL);
}
END_TEST

START_TEST(plain)
{
	struct mech	*m = mech_new(a, "PLAIN", NONE, NONCE);

	ck_assert_int_eq(mech_step(m, true, SLICE_LIT("\0tim\0secret")),
	    MECH_PASSWORD);
	ck_assert_str_eq(mech_user(m), "tim");
	ck_assert(mech_authzid(m) == NULL);
	ck_assert(slice_is(mech_password(m), "secret"));
	ck_assert_int_eq(mech_verdict(m, true), MECH_OK);
	ck_assert_uint_eq(mech_password(m).len, 0);

	m = mech_new(a, "PLAIN", NONE, NONCE);
	ck_assert_int_eq(mech_step(m, false, NONE), MECH_MORE);
	ck_assert_uint_eq(mech_challenge(m).len, 0);
	ck_assert_int_eq(mech_step(m, true, SLICE_LIT("a\0tim\0secret")),
	    MECH_PASSWORD);
	ck_assert_str_eq(mech_authzid(m), "a");
	ck_assert_int_eq(mech_verdict(m, false), MECH_FAILED);

	m = mech_new(a, "PLAIN", NONE, NONCE);
	ck_assert_int_eq(mech_step(m, true, SLICE_LIT("tim secret")),
	    MECH_FAILED);
}
END_TEST

START_TEST(login)
{
	struct mech	*m = mech_new(a, "LOGIN", NONE, NONCE);

	ck_assert_int_eq(mech_step(m, false, NONE), MECH_MORE);
	ck_assert(slice_is(mech_challenge(m), "Username:"));
	ck_assert_int_eq(mech_step(m, true, SLICE_LIT("tim")), MECH_MORE);
	ck_assert(slice_is(mech_challenge(m), "Password:"));
	ck_assert_int_eq(mech_step(m, true, SLICE_LIT("s3")), MECH_PASSWORD);
	ck_assert_str_eq(mech_user(m), "tim");
	ck_assert(slice_is(mech_password(m), "s3"));
	ck_assert_int_eq(mech_verdict(m, true), MECH_OK);

	m = mech_new(a, "LOGIN", NONE, NONCE);
	ck_assert_int_eq(mech_step(m, true, SLICE_LIT("tim")), MECH_MORE);
	ck_assert_int_eq(mech_step(m, true, NONE), MECH_FAILED);

	m = mech_new(a, "LOGIN", NONE, NONCE);
	ck_assert_int_eq(mech_step(m, true, SLICE_LIT("t\0m")), MECH_FAILED);
}
END_TEST

int
main(void)
{
	Suite	*s = suite_create("mech");
	TCase	*t = tcase_create("mechanisms");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, rfc7677);
	tcase_add_test(t, rfc5802);
	tcase_add_loop_test(t, scram_refuses, 0, (int)COUNT(bad_finals));
	tcase_add_test(t, scram_every_cut);
	tcase_add_loop_test(t, bindings, 0, (int)COUNT(binds));
	tcase_add_test(t, plus_wrong_exporter);
	tcase_add_test(t, plus_needs_exporter);
	tcase_add_test(t, plain);
	tcase_add_test(t, login);
	suite_add_tcase(s, t);
	return check_run(s);
}
