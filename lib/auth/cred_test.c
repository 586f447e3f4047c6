/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "auth/cred.h"
#include "base/check_run.h"

#define HASH5	"$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3h" \
    "sxY/GNooZaBBGWEc5"
#define HASH6	"$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnI" \
    "FNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1"

/* Hashes made by other programs: openssl passwd, Python's hashlib, crypt(3)'s
 * specifications, and RFC 7677's user. */
static const struct {
	const char		*stored, *password;
	enum cred_result	 expected;
} cases[] = {
	{ "{PLAIN}secret", "secret", CRED_MATCH },
	{ "{plain}secret", "secret", CRED_MATCH },
	{ "{PLAIN}secret", "Secret", CRED_MISMATCH },
	{ "{PLAIN}secret", "secre", CRED_MISMATCH },
	{ "{PLAIN}secret", "", CRED_MISMATCH },
	{ "{CLEARTEXT}a}b", "a}b", CRED_MATCH },
	/* From the specification of SHA-crypt. */
	{ "{SHA512-CRYPT}" HASH6, "Hello world!",
	    CRED_MATCH },
	{ "{SHA256-CRYPT}" HASH5, "Hello world!", CRED_MATCH },
	{ HASH5, "Hello world!", CRED_MATCH },
	{ "{CRYPT}" HASH5, "Hello world?", CRED_MISMATCH },
	/* The label is a promise. */
	{ "{SHA512-CRYPT}" HASH5, "Hello world!", CRED_BAD },
	/* From OpenBSD's and libxcrypt's test vectors. */
	{ "{BLF-CRYPT}$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJK"
	    "vyOeW", "U*U", CRED_MATCH },
	{ "{BLF-CRYPT}$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJK"
	    "vyOeW", "U*V", CRED_MISMATCH },
	/* sha1("abc"), sha256("abc") */
	{ "{SHA}qZk+NkcGgWq6PiVxeFDCbJzQ2J0=", "abc", CRED_MATCH },
	{ "{SHA256}ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=", "abc",
	    CRED_MATCH },
	/* sha1("abc" "d") d: the salt follows the digest */
	{ "{SSHA}gf6L/odXbD7LIkJvjleEc4KRes9k", "abc", CRED_MATCH },
	{ "{SSHA}gf6L/odXbD7LIkJvjleEc4KRes9l", "abc", CRED_MISMATCH },
	/* RFC 7677 3: user "user", password "pencil". */
	{ "{SCRAM-SHA-256}4096,W22ZaJ0SNY7soEsUEjb6gQ==,WG5d8oPm3OtcPnkdi4Uo7"
	    "BkeZkBFzpcXkuLmtbsT4qY=,wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2"
	    "dU=", "pencil", CRED_MATCH },
	{ "{SCRAM-SHA-256}4096,W22ZaJ0SNY7soEsUEjb6gQ==,WG5d8oPm3OtcPnkdi4Uo7"
	    "BkeZkBFzpcXkuLmtbsT4qY=,wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2"
	    "dU=", "pencils", CRED_MISMATCH },
	{ "", "x", CRED_BAD },
	{ "{", "x", CRED_BAD },
	{ "{}x", "x", CRED_BAD },
	{ "{PLAIN}", "", CRED_BAD },
	{ "{NONESUCH}x", "x", CRED_BAD },
	{ "{SSHA}!!!!", "x", CRED_BAD },
	{ "{SSHA}YWJj", "x", CRED_BAD },
	{ "{SHA}gf6L/odXbD7LIkJvjleEc4KRes9k", "abc", CRED_BAD },
	{ "{SCRAM-SHA-256}4096,W22Z", "x", CRED_BAD },
	{ "{SCRAM-SHA-256}0,AAAA,AAAA,AAAA", "x", CRED_BAD },
	{ "*", "*", CRED_BAD },
	{ "!", "!", CRED_BAD },
	{ "*LK*", "*LK*", CRED_BAD },
	{ "{CRYPT}*0", "x", CRED_BAD },
};

START_TEST(check)
{
	ck_assert_msg(cred_check(cases[_i].stored,
	    slice_str(cases[_i].password)) == cases[_i].expected, "%s %s",
	    cases[_i].stored, cases[_i].password);
}
END_TEST

START_TEST(peer_bytes)
{
	char	 big[CRED_PASSWORD_MAX + 2];

	memset(big, 'x', sizeof(big));
	ck_assert(cred_check("{PLAIN}a", SLICE_LIT("a\0b")) == CRED_MISMATCH);
	ck_assert(cred_check(HASH5, slice_of(big, CRED_PASSWORD_MAX + 1)) ==
	    CRED_MISMATCH);
	ck_assert(cred_check(HASH5, slice_of(big, CRED_PASSWORD_MAX)) != CRED_MATCH);
}
END_TEST

static const char *const	made[] = {
	"yescrypt", "BLF-CRYPT", "SHA512-CRYPT", "SHA256-CRYPT", "SSHA512",
	"SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN"
};

/* What we make we accept, with the right password alone, and it differs from
 * time to time. */
START_TEST(round_trip)
{
	struct buf	 a, b;
	struct error	 err;
	struct slice	 pw = slice_str("p\xc3\xa4ss w\tord}{:");

	buf_init(&a, CRED_MAX);
	buf_init(&b, CRED_MAX);
	ck_assert_msg(cred_make(made[_i], pw, &a, &err) == 0, "%s", err.text);
	ck_assert(cred_make(made[_i], pw, &b, &err) == 0);
	ck_assert(cred_valid(buf_cstr(&a)));
	ck_assert(cred_check(buf_cstr(&a), pw) == CRED_MATCH);
	ck_assert(cred_check(buf_cstr(&b), pw) == CRED_MATCH);
	ck_assert(cred_check(buf_cstr(&a), slice_first(pw, pw.len - 1)) ==
	    CRED_MISMATCH);
	if (strcmp(made[_i], "PLAIN") != 0)
		ck_assert_str_ne(buf_cstr(&a), buf_cstr(&b));
	buf_clear(&a);
	buf_clear(&b);
}
END_TEST

START_TEST(refused_passwords)
{
	char		 big[CRED_PASSWORD_MAX + 1];
	struct buf	 b;

	memset(big, 'x', sizeof(big));
	buf_init(&b, CRED_MAX);
	ck_assert(cred_make("yescrypt", SLICE_LIT(""), &b, NULL) < 0);
	ck_assert(cred_make("yescrypt", SLICE_LIT("a\0b"), &b, NULL) < 0);
	ck_assert(cred_make("yescrypt", slice_of(big, sizeof(big)), &b,
	    NULL) < 0);
	ck_assert(cred_make("DES", SLICE_LIT("abc"), &b, NULL) < 0);
	ck_assert_uint_eq(buf_len(&b), 0);
	buf_clear(&b);
}
END_TEST

/* No prefix of a credential is taken for one of the same password. */
START_TEST(every_cut)
{
	const char	*full = "{SCRAM-SHA-256}4096,W22ZaJ0SNY7soEsUEjb6gQ==,"
	    "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=,wfPLwcE6nTWhTAmQ7tl"
	    "2KeoiWGPlZqQxSrmfPwDl2dU=";
	struct scram_keys k;

	for (size_t n = 0; n <= strlen(full); n++) {
		char	*cut = strndup(full, n);

		ck_assert(scram_keys_parse(cut, SCRAM_SHA_256, &k) ==
		    (n == strlen(full)));
		free(cut);
	}
	ck_assert(!scram_keys_parse(full, SCRAM_SHA_1, &k));
}
END_TEST

START_TEST(scram_format)
{
	const char	*full = "{SCRAM-SHA-256}4096,W22ZaJ0SNY7soEsUEjb6gQ==,"
	    "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=,wfPLwcE6nTWhTAmQ7tl"
	    "2KeoiWGPlZqQxSrmfPwDl2dU=";
	struct scram_keys k;
	struct buf	 b;

	buf_init(&b, CRED_MAX);
	ck_assert(scram_keys_parse(full, SCRAM_SHA_256, &k));
	scram_keys_format(&k, &b);
	ck_assert_str_eq(buf_cstr(&b), full);
	buf_clear(&b);
}
END_TEST

int
main(void)
{
	Suite	*s = suite_create("cred");
	TCase	*t = tcase_create("credentials");

	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, check, 0, (int)COUNT(cases));
	tcase_add_test(t, peer_bytes);
	tcase_add_loop_test(t, round_trip, 0, (int)COUNT(made));
	tcase_add_test(t, refused_passwords);
	tcase_add_test(t, every_cut);
	tcase_add_test(t, scram_format);
	suite_add_tcase(s, t);
	return check_run(s);
}
