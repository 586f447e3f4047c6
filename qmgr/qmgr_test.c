/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/check_run.h"
#include "qmgr/qmgr.h"

START_TEST(nexthops_are_parsed)
{
	static const struct {
		const char	*text;
		int		 result;
		const char	*host, *port;
		bool		 literal, local_socket;
	} rows[] = {
		{ "example.com", 0, "example.com", "", false, false },
		{ "example.com:2525", 0, "example.com", "2525", false, false },
		{ "example.com:smtp", 0, "example.com", "smtp", false, false },
		{ "[mx.example.com]", 0, "mx.example.com", "", true, false },
		{ "[mx.example.com]:25", 0, "mx.example.com", "25", true,
		    false },
		{ "[192.0.2.1]", 0, "192.0.2.1", "", true, false },
		{ "[IPv6:2001:db8::1]:25", 0, "2001:db8::1", "25", true, false },
		{ "[2001:db8::1]", 0, "2001:db8::1", "", true, false },
		{ "2001:db8::1", 0, "2001:db8::1", "", false, false },
		{ "unix:/run/lmtp", 0, "/run/lmtp", "", false, true },
		{ "inet:host:24", 0, "host", "24", true, false },
		{ "", -1, "", "", false, false },
		{ "[]", -1, "", "", false, false },
		{ "[x", -1, "", "", false, false },
		{ "[x]:", -1, "", "", false, false },
		{ "[x]y", -1, "", "", false, false },
		{ ":25", -1, "", "", false, false },
		{ "unix:", -1, "", "", false, false },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct nexthop	nh;
		int		r = nexthop_parse(rows[i].text, &nh);

		ck_assert_msg(r == rows[i].result, "%s", rows[i].text);
		if (r < 0)
			continue;
		ck_assert_msg(slice_is(nh.host, rows[i].host), "%s",
		    rows[i].text);
		ck_assert_msg(slice_is(nh.port, rows[i].port), "%s",
		    rows[i].text);
		ck_assert_msg(nh.literal == rows[i].literal &&
		    nh.local_socket == rows[i].local_socket, "%s",
		    rows[i].text);
	}
}
END_TEST

START_TEST(sites_do_not_depend_on_order)
{
	struct deliver_host	 x[] = {
		{ .name = "MX2.example.net" }, { .name = "mx1.example.net" },
		{ .name = "mx2.example.net" },
	};
	struct deliver_host	 y[] = {
		{ .name = "mx1.example.net" }, { .name = "mx2.example.net" },
	};
	struct arena		*a = arena_new();

	ck_assert_str_eq(nexthop_site_key(a, x, 3, 25),
	    "mx1.example.net,mx2.example.net:25");
	ck_assert_str_eq(nexthop_site_key(a, y, 2, 25),
	    nexthop_site_key(a, x, 3, 25));
	ck_assert_str_ne(nexthop_site_key(a, y, 2, 26),
	    nexthop_site_key(a, x, 3, 25));
	arena_free(&a);
}
END_TEST

START_TEST(waiting_doubles_between_its_bounds)
{
	const struct qmgr_conf	c = {
		.minimal_backoff = SECS(300), .maximal_backoff = SECS(4000)
	};
	static const struct {
		usec_t		age;
		unsigned int	attempts;
		bool		crashed;
		usec_t		wait;
	} rows[] = {
		{ 0, 0, false, SECS(300) },
		{ SECS(299), 0, false, SECS(300) },
		{ SECS(1000), 2, false, SECS(1000) },
		{ SECS(100000), 9, false, SECS(4000) },
		{ SECS(10), 0, true, SECS(1) },
		{ SECS(10), 3, true, SECS(8) },
		{ SECS(10), 8, true, SECS(300) },
		{ SECS(10), 4000000000u, true, SECS(300) },
	};

	for (size_t i = 0; i < COUNT(rows); i++)
		ck_assert_int_eq(backoff_time(&c, rows[i].age,
		    rows[i].attempts, rows[i].crashed), rows[i].wait);
}
END_TEST

int
main(void)
{
	Suite	*s = suite_create("qmgr");
	TCase	*t = tcase_create("qmgr");

	tcase_add_test(t, nexthops_are_parsed);
	tcase_add_test(t, sites_do_not_depend_on_order);
	tcase_add_test(t, waiting_doubles_between_its_bounds);
	suite_add_tcase(s, t);
	return check_run(s);
}
