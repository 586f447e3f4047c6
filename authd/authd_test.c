/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "authd/authd.h"
#include "base/check_run.h"
#include "base/mem.h"

START_TEST(penalties_grow)
{
	struct penalties	*p = penalties_new();
	const usec_t		 base = SECS(2);

	ck_assert_int_eq(penalty_failed(p, "192.0.2.1", base, 0), SECS(2));
	ck_assert_int_eq(penalty_failed(p, "192.0.2.1", base, 0), SECS(4));
	ck_assert_int_eq(penalty_failed(p, "192.0.2.1", base, 0), SECS(8));
	ck_assert_int_eq(penalty_failed(p, "192.0.2.1", base, 0), SECS(15));
	for (int i = 0; i < 100; i++)
		ck_assert_int_eq(penalty_failed(p, "192.0.2.1", base, 0),
		    SECS(15));
	/* another address, and after a success */
	ck_assert_int_eq(penalty_failed(p, "192.0.2.2", base, 0), SECS(2));
	penalty_forget(p, "192.0.2.1");
	ck_assert_int_eq(penalty_failed(p, "192.0.2.1", base, 0), SECS(2));
	/* forgotten after two minutes */
	ck_assert_int_eq(penalty_failed(p, "192.0.2.1", base, SECS(121)),
	    SECS(2));
	ck_assert_int_eq(penalty_failed(p, "192.0.2.1", 0, SECS(121)), 0);
	penalties_free(&p);
}
END_TEST

START_TEST(penalties_ipv6)
{
	struct penalties	*p = penalties_new();

	ck_assert_int_eq(penalty_failed(p, "2001:db8::1", SECS(2), 0),
	    SECS(2));
	ck_assert_int_eq(penalty_failed(p, "2001:db8::ffff:1", SECS(2), 0),
	    SECS(4));
	ck_assert_int_eq(penalty_failed(p, "2001:db8:0:1::1", SECS(2), 0),
	    SECS(2));
	penalties_free(&p);
}
END_TEST

/* A million addresses do not fill the memory. */
START_TEST(penalties_bounded)
{
	struct penalties	*p = penalties_new();
	char			 ip[32];

	for (int i = 0; i < 200000; i++) {
		snprintf(ip, sizeof(ip), "10.%d.%d.%d", i >> 16, i >> 8 & 255,
		    i & 255);
		(void)!penalty_failed(p, ip, SECS(2), 0);
	}
	/* the oldest is gone, the newest is known */
	ck_assert_int_eq(penalty_failed(p, "10.0.0.0", SECS(2), 0), SECS(2));
	ck_assert_int_eq(penalty_failed(p, ip, SECS(2), 0), SECS(4));
	penalties_free(&p);
}
END_TEST

START_TEST(cookies_once)
{
	struct cookies	*cs = cookies_new();
	struct arena	*a = arena_new();
	const char	*c, *d, *user;

	c = cookie_make(cs, a, "imap", "alice", SECS(60));
	d = cookie_make(cs, a, "imap", "bob", SECS(60));
	ck_assert_uint_eq(strlen(c), 32);
	ck_assert_str_ne(c, d);
	ck_assert(cookie_claim(cs, a, "00000000000000000000000000000000",
	    "imap", 0) == NULL);
	ck_assert(cookie_claim(cs, a, "", "imap", 0) == NULL);
	user = cookie_claim(cs, a, c, "imap", 0);
	ck_assert_str_eq(user, "alice");
	ck_assert(cookie_claim(cs, a, c, "imap", 0) == NULL);
	/* for another service: refused, and spent */
	ck_assert(cookie_claim(cs, a, d, "pop3", 0) == NULL);
	ck_assert(cookie_claim(cs, a, d, "imap", 0) == NULL);
	/* too late */
	c = cookie_make(cs, a, "imap", "alice", SECS(60));
	ck_assert(cookie_claim(cs, a, c, "imap", SECS(60)) == NULL);
	arena_free(&a);
	cookies_free(&cs);
}
END_TEST

START_TEST(cache_keys)
{
	const unsigned char	 secret[32] = "not so secret";
	struct cache		*c = cache_new(secret, SECS(10));

	cache_put(c, "alice", slice_str("secret"), "{X}hash", 0);
	ck_assert(cache_has(c, "alice", slice_str("secret"), "{X}hash", 1));
	ck_assert(!cache_has(c, "alice", slice_str("secret"), "{X}new", 1));
	ck_assert(!cache_has(c, "alice", slice_str("secre"), "{X}hash", 1));
	ck_assert(!cache_has(c, "bob", slice_str("secret"), "{X}hash", 1));
	ck_assert(!cache_has(c, "alice", SLICE_LIT("secret\0{X}hash"), "",
	    1));
	ck_assert(!cache_has(c, "alice", slice_str("secret"), "{X}hash",
	    SECS(10)));
	cache_free(&c);
	c = cache_new(secret, 0);
	cache_put(c, "alice", slice_str("secret"), "{X}hash", 0);
	ck_assert(!cache_has(c, "alice", slice_str("secret"), "{X}hash", 0));
	cache_free(&c);
}
END_TEST

int
main(void)
{
	Suite	*s = suite_create("authd");
	TCase	*t = tcase_create("tables");

	tcase_set_timeout(t, 60);
	tcase_add_test(t, penalties_grow);
	tcase_add_test(t, penalties_ipv6);
	tcase_add_test(t, penalties_bounded);
	tcase_add_test(t, cookies_once);
	tcase_add_test(t, cache_keys);
	suite_add_tcase(s, t);
	return check_run(s);
}
