/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/check_run.h"
#include "conf/common.h"
#include "route/route.h"

#define BASE	"myhostname=mail.example.com\n" \
		"local_recipient_maps=inline:{root=x,joe=x,postmaster=x}\n" \
		"virtual_mailbox_domains=box.example\n" \
		"virtual_mailbox_maps=inline:{ann@box.example=x," \
		"bob@box.example=x}\n" \
		"relay_domains=relay.example\n" \
		"relay_recipient_maps=inline:{ok@relay.example=x}\n" \
		"virtual_alias_domains=alias.example\n" \
		"virtual_alias_maps=inline:{a@alias.example=ann@box.example," \
		"{all@alias.example=ann@box.example bob@box.example}," \
		"{list@alias.example=all@alias.example, joe}," \
		"{self@box.example=self@box.example bob@box.example}," \
		"@dom.alias.example=@box.example," \
		"loop1@x.example=loop2@x.example," \
		"loop2@x.example=loop1@x.example," \
		"{ dup@alias.example = ann@box.example Ann@box.example," \
		" <ann@box.example> }," \
		"{ empty@alias.example = , }," \
		"abuse=joe}\n" \
		"recipient_delimiter=+\n"

static struct conf	*conf;
static struct route	*route;
static struct arena	*arena;

static void
open_with(const char *more)
{
	struct error	err = { .text = "" };

	arena = arena_new();
	conf = conf_new();
	conf_know(conf, conf_common_params, conf_common_nparams);
	conf_know(conf, route_params, route_nparams);
	ck_assert_int_eq(conf_parse(conf, slice_str(arena_printf(arena,
	    "%s%s", BASE, more)), "main.cf", &err), 0);
	ck_assert_msg(route_open(conf, NULL, &route, &err) == 0, "%s",
	    err.text);
}

static void
close_all(void)
{
	route_close(&route);
	conf_free(&conf);
	arena_free(&arena);
}

static const struct {
	const char	*more, *addr, *want;
} canonical[] = {
	{ "", "joe", "joe@mail.example.com" },
	{ "", "joe@", "joe@mail.example.com" },
	{ "", "Joe@EXAMPLE.Com", "Joe@example.com" },
	{ "", "joe@example.com.", "joe@example.com" },
	{ "", "@a.x,@b.x:joe@c.x", "joe@c.x" },
	{ "", "@[IPv6:::1]:joe@c.x", "joe@c.x" },
	{ "", "", "" },
	{ "", "joe@host", "joe@host" },
	{ "append_dot_mydomain=yes", "joe@host", "joe@host.example.com" },
	{ "append_dot_mydomain=yes", "joe@[1.2.3.4]", "joe@[1.2.3.4]" },
	{ "append_at_myorigin=no", "joe", "joe" },
	{ "myorigin=$mydomain", "joe", "joe@example.com" },
	{ "", "\"a@b\"@C.x", "\"a@b\"@c.x" },
	{ "", "\"a@b\"", "\"a@b\"@mail.example.com" },
};

START_TEST(test_canonical)
{
	const char	*got;

	open_with(canonical[_i].more);
	ck_assert_int_eq(route_canonical(route, slice_str(canonical[_i].addr),
	    arena, &got, NULL), ROUTE_DONE);
	ck_assert_str_eq(got, canonical[_i].want);
	close_all();
}
END_TEST

static const struct {
	const char		*more, *domain;
	enum route_class	 want;
} classes[] = {
	{ "", "mail.example.com", CLASS_LOCAL },
	{ "", "localhost", CLASS_LOCAL },
	{ "", "localhost.example.com", CLASS_LOCAL },
	{ "", "", CLASS_LOCAL },
	{ "inet_interfaces=loopback-only", "[127.0.0.1]", CLASS_LOCAL },
	{ "inet_interfaces=127.0.0.1", "[127.0.0.1]", CLASS_LOCAL },
	{ "inet_interfaces=loopback-only\nproxy_interfaces=192.0.2.9",
	    "[192.0.2.9]", CLASS_LOCAL },
	{ "", "[192.0.2.200]", CLASS_DEFAULT },
	{ "", "box.example", CLASS_VIRTUAL_MAILBOX },
	{ "", "BOX.example", CLASS_VIRTUAL_MAILBOX },
	{ "", "sub.box.example", CLASS_DEFAULT },
	{ "", "alias.example", CLASS_VIRTUAL_ALIAS },
	{ "", "relay.example", CLASS_RELAY },
	{ "", "sub.relay.example", CLASS_RELAY },
	{ "parent_domain_matches_subdomains=", "sub.relay.example",
	    CLASS_DEFAULT },
	{ "", "else.example", CLASS_DEFAULT },
	{ "mydestination=box.example", "box.example", CLASS_LOCAL },
};

START_TEST(test_class)
{
	enum route_class	got;

	open_with(classes[_i].more);
	ck_assert_int_eq(route_class_of(route, classes[_i].domain, &got,
	    NULL), ROUTE_DONE);
	ck_assert_int_eq(got, classes[_i].want);
	close_all();
}
END_TEST

static const struct {
	const char	*more, *addr;
	bool		 want;
} authorized[] = {
	{ "", "joe@mail.example.com", true },
	{ "", "nobody@box.example", true },
	{ "", "x@relay.example", true },
	{ "", "x@else.example", false },
	{ "", "postmaster", true },
	{ "", "a%else.example@relay.example", false },
	{ "", "a@else.example@relay.example", false },
	{ "", "\"a@else.example\"@relay.example", false },
	{ "", "else.example!a@relay.example", false },
	{ "allow_untrusted_routing=yes", "a%else.example@relay.example",
	    true },
	{ "", "a%else.example@mail.example.com", true },
};

START_TEST(test_authorized)
{
	bool	got;

	open_with(authorized[_i].more);
	ck_assert_int_eq(route_is_authorized(route, authorized[_i].addr, &got,
	    NULL), ROUTE_DONE);
	ck_assert_int_eq(got, authorized[_i].want);
	close_all();
}
END_TEST

static const struct {
	const char	*more, *addr, *want;	/* "": exists */
} exists[] = {
	{ "", "joe@mail.example.com", "" },
	{ "", "joe+ext@mail.example.com", "" },
	{ "", "JOE@localhost", "" },
	{ "", "nobody@mail.example.com", "550 5.1.1 User unknown in local "
	    "recipient table" },
	{ "unknown_local_recipient_reject_code=450",
	    "nobody@mail.example.com", "450 4.1.1 User unknown in local "
	    "recipient table" },
	{ "local_recipient_maps=", "nobody@mail.example.com", "" },
	{ "", "postmaster", "" },
	{ "", "abuse@mail.example.com", "" },
	{ "", "ann@box.example", "" },
	{ "", "ann+x@box.example", "" },
	{ "", "joe@box.example", "550 5.1.1 User unknown in virtual mailbox "
	    "table" },
	{ "", "a@alias.example", "" },
	{ "", "z@alias.example", "550 5.1.1 User unknown in virtual alias "
	    "table" },
	{ "show_user_unknown_table_name=no", "z@alias.example",
	    "550 5.1.1 User unknown" },
	{ "", "ok@relay.example", "" },
	{ "", "no@relay.example", "550 5.1.1 User unknown in relay recipient "
	    "table" },
	{ "relay_recipient_maps=", "no@relay.example", "" },
	{ "", "any@else.example", "" },
	{ "", "double-bounce@mail.example.com", "" },
	{ "relocated_maps=inline:{joe=new@else.example}",
	    "joe@mail.example.com", "550 5.1.6 User has moved to "
	    "new@else.example" },
	{ "transport_maps=inline:{{ok@relay.example = error:5.7.0 closed}}",
	    "ok@relay.example", "550 5.7.0 closed" },
	{ "local_recipient_maps=fail:x", "joe@mail.example.com", "ERROR" },
	{ "virtual_alias_maps=fail:x", "joe@mail.example.com", "ERROR" },
};

START_TEST(test_exists)
{
	bool			 got;
	struct route_unknown	 why;
	struct error		 err = { .text = "" };
	const char		*text = "";
	enum route_result	 res;

	open_with(exists[_i].more);
	res = route_exists(route, exists[_i].addr, arena, &got, &why, &err);
	if (res == ROUTE_ERROR)
		text = "ERROR";
	else if (!got)
		text = arena_printf(arena, "%d %s %s", why.code, why.dsn,
		    why.text);
	ck_assert_str_eq(text, exists[_i].want);
	close_all();
}
END_TEST

static const struct {
	const char	*more, *addr, *want;
} expansions[] = {
	{ "", "joe@mail.example.com", "joe@mail.example.com" },
	{ "", "a@alias.example", "ann@box.example" },
	{ "", "a+tag@alias.example", "ann+tag@box.example" },
	{ "propagate_unmatched_extensions=", "a+tag@alias.example",
	    "ann@box.example" },
	{ "", "all@alias.example", "ann@box.example bob@box.example" },
	{ "", "list@alias.example", "ann@box.example joe@mail.example.com "
	    "bob@box.example" },
	{ "", "self@box.example", "self@box.example bob@box.example" },
	{ "", "x@dom.alias.example", "x@box.example" },
	{ "", "x+y@dom.alias.example", "x+y@box.example" },
	{ "", "dup@alias.example", "ann@box.example" },
	{ "", "loop1@x.example", "ERROR unreasonable virtual_alias_maps map "
	    "nesting for loop1@x.example" },
	{ "virtual_alias_recursion_limit=1", "list@alias.example",
	    "ERROR unreasonable virtual_alias_maps map nesting for "
	    "all@alias.example" },
	{ "virtual_alias_expansion_limit=1", "all@alias.example",
	    "ERROR unreasonable virtual_alias_maps map expansion size for "
	    "all@alias.example" },
	{ "virtual_alias_address_length_limit=10", "all@alias.example",
	    "ERROR unreasonable virtual_alias_maps map address length for "
	    "all@alias.example" },
	{ "", "empty@alias.example", "ERROR no address in the "
	    "virtual_alias_maps result for empty@alias.example" },
	{ "virtual_alias_maps=inline:{{u@d.x=\"a b\"@d.y}}", "u+e@d.x",
	    "\"a b+e\"@d.y" },
	{ "virtual_alias_maps=fail:x", "u@d.x", "ERROR table fail:x: fails "
	    "as configured" },
	{ "virtual_alias_maps=", "u@d.x", "u@d.x" },
	{ "", "", "" },
};

START_TEST(test_expand)
{
	const char	**list;
	size_t		 n;
	struct error	 err = { .text = "" };
	struct buf	 b;

	open_with(expansions[_i].more);
	buf_init(&b, 65536);
	if (route_expand(route, expansions[_i].addr, arena, &list, &n, &err)
	    == ROUTE_DONE)
		for (size_t i = 0; i < n; i++)
			buf_addf(&b, "%s%s", i > 0 ? " " : "", list[i]);
	else
		buf_addf(&b, "ERROR %s", err.text);
	ck_assert_str_eq(buf_cstr(&b), expansions[_i].want);
	buf_clear(&b);
	close_all();
}
END_TEST

static const struct {
	const char	*more, *sender, *addr, *want;
} resolved[] = {
	{ "", "", "joe@mail.example.com", "local mail.example.com" },
	{ "", "", "postmaster", "local mail.example.com" },
	{ "local_transport=lmtp:unix:x", "", "joe@localhost", "lmtp unix:x" },
	{ "", "", "ann@box.example", "virtual box.example" },
	{ "virtual_transport=lmtp:[127.0.0.1]:24", "", "ann@box.example",
	    "lmtp [127.0.0.1]:24" },
	{ "", "", "z@alias.example", "error! 5.1.1 User unknown in virtual "
	    "alias table" },
	{ "", "", "x@relay.example", "relay relay.example" },
	{ "", "", "x@else.example", "smtp else.example" },
	{ "relayhost=[hub]:587", "", "x@else.example", "smtp [hub]:587" },
	{ "relayhost=[hub]:587", "", "x@relay.example", "relay [hub]:587" },
	{ "relayhost=[hub]", "", "ann@box.example", "virtual box.example" },
	{ "default_transport=smtp:[d]\nrelayhost=[hub]", "", "x@else.example",
	    "smtp [d]" },
	{ "sender_dependent_relayhost_maps=inline:{s@a.x=[s]}\n"
	    "relayhost=[hub]", "s@a.x", "x@else.example", "smtp [s]" },
	{ "sender_dependent_relayhost_maps=inline:{@a.x=DUNNO}\n"
	    "relayhost=[hub]", "s@a.x", "x@else.example", "smtp [hub]" },
	{ "sender_dependent_relayhost_maps=inline:{<>=[null]}", "",
	    "x@else.example", "smtp [null]" },
	{ "sender_dependent_default_transport_maps="
	    "inline:{@a.x=slow:}", "s@a.x", "x@else.example",
	    "slow else.example" },
	{ "transport_maps=inline:{else.example=slow:[h]:26}", "",
	    "x@else.example", "slow [h]:26" },
	{ "transport_maps=inline:{else.example=slow:}\nrelayhost=[hub]", "",
	    "x@else.example", "slow else.example" },
	{ "transport_maps=inline:{else.example=:[h]}\nrelayhost=[hub]", "",
	    "x@else.example", "smtp [h]" },
	{ "transport_maps=inline:{else.example=:}\nrelayhost=[hub]", "",
	    "x@else.example", "smtp [hub]" },
	{ "transport_maps=inline:{.example=slow:}", "", "x@else.example",
	    "slow else.example" },
	{ "transport_maps=inline:{example=slow:}", "", "x@else.example",
	    "smtp else.example" },
	{ "transport_maps=inline:{example=slow:}\n"
	    "parent_domain_matches_subdomains=transport_maps", "",
	    "x@else.example", "slow else.example" },
	{ "transport_maps=inline:{*=slow:[h]}", "", "ann@box.example",
	    "slow [h]" },
	{ "transport_maps=inline:{x@else.example=a:,else.example=b:}", "",
	    "x+y@else.example", "a else.example" },
	{ "transport_maps=inline:{x+y@else.example=a:,x@else.example=b:}", "",
	    "x+y@else.example", "a else.example" },
	{ "transport_maps=regexp:{{/^(x)@else/ slow:[$$1]}}", "",
	    "x@else.example", "slow [x]" },
	{ "transport_maps=inline:{{else.example=error:5.7.1 no mail}}", "",
	    "x@else.example", "error! 5.7.1 no mail" },
	{ "transport_maps=inline:{{else.example=error:no mail}}", "",
	    "x@else.example", "error! 5.0.0 no mail" },
	{ "transport_maps=inline:{{else.example=retry:4.2.0 later}}", "",
	    "x@else.example", "retry! 4.2.0 later" },
	{ "transport_maps=inline:{else.example=retry:}", "",
	    "x@else.example", "retry! 4.0.0 delivery temporarily suspended" },
	{ "transport_maps=inline:{else.example=discard:silently}", "",
	    "x@else.example", "discard# silently" },
	{ "transport_maps=fail:x", "", "x@else.example", "ERROR" },
	{ "relocated_maps=inline:{x@else.example=y@z}", "",
	    "x@else.example", "error! 5.1.6 User has moved to y@z" },
	{ "", "", "double-bounce@mail.example.com", "discard# double "
	    "bounce" },
	{ "", "", "double-bounce@else.example", "smtp else.example" },
	{ "", "", "x@[192.0.2.1]", "smtp [192.0.2.1]" },
	{ "", "", "x@192.0.2.1", "error! 5.1.3 bad numeric domain name" },
	{ "resolve_numeric_domain=yes", "", "x@192.0.2.1",
	    "smtp [192.0.2.1]" },
	{ "", "", "x@a..b", "error! 5.1.3 bad address syntax" },
	{ "", "", "@a.b", "error! 5.1.3 bad address syntax" },
	{ "", "", "", "error! 5.1.3 bad address syntax" },
	{ "", "", "x@[]", "error! 5.1.3 bad address syntax" },
};

START_TEST(test_resolve)
{
	struct route_dest	 d;
	struct error		 err = { .text = "" };
	const char		*got;

	open_with(resolved[_i].more);
	if (route_resolve(route, resolved[_i].sender, resolved[_i].addr,
	    arena, &d, &err) != ROUTE_DONE)
		got = "ERROR";
	else if (d.error_text != NULL)
		got = arena_printf(arena, "%s! %s %s", d.transport,
		    d.error_dsn, d.error_text);
	else
		got = arena_printf(arena, "%s%s %s", d.transport,
		    d.discard ? "#" : "", d.nexthop);
	ck_assert_str_eq(got, resolved[_i].want);
	close_all();
}
END_TEST

/* A missing table is a temporary failure, not the end of the service. */
START_TEST(test_missing_table)
{
	bool			 got;
	struct route_unknown	 why;
	struct error		 err = { .text = "" };

	open_with("local_recipient_maps=hash:/nonexistent/x\n");
	ck_assert_int_eq(route_exists(route, "joe@mail.example.com", arena,
	    &got, &why, &err), ROUTE_ERROR);
	ck_assert_ptr_nonnull(strstr(err.text, "/nonexistent/x.db"));
	ck_assert_int_eq(route_exists(route, "ann@box.example", arena, &got,
	    &why, &err), ROUTE_DONE);
	ck_assert(got);
	ck_assert(!route_changed(route));
	close_all();
}
END_TEST

static void
write_table(const char *path, const char *text)
{
	FILE	*f = fopen(path, "w");

	ck_assert_ptr_nonnull(f);
	fputs(text, f);
	fclose(f);
}

/* Nobody is refused for good by a table that is out of date. */
START_TEST(test_stale_table)
{
	bool			 got;
	struct route_unknown	 why;
	struct error		 err = { .text = "" };
	char			 path[] = "/tmp/route_test.XXXXXX";
	char			 more[128];
	int			 fd = mkstemp(path);

	ck_assert_int_ge(fd, 0);
	close(fd);
	write_table(path, "old@box.example x\n");
	snprintf(more, sizeof(more), "virtual_mailbox_maps=texthash:%s\n",
	    path);
	open_with(more);
	ck_assert_int_eq(route_exists(route, "new@box.example", arena, &got,
	    &why, &err), ROUTE_DONE);
	ck_assert(!got);
	write_table(path, "old@box.example x\nnew@box.example x\n");
	usleep(1100000);	/* files are looked at once a second */
	ck_assert_int_eq(route_exists(route, "new@box.example", arena, &got,
	    &why, &err), ROUTE_ERROR);
	ck_assert_int_eq(route_exists(route, "old@box.example", arena, &got,
	    &why, &err), ROUTE_DONE);
	ck_assert(got);
	ck_assert(route_changed(route));
	ck_assert(!route_destinations_changed(route));
	close_all();
	unlink(path);
}
END_TEST

START_TEST(test_bad_table)
{
	struct error	err = { .text = "" };

	conf = conf_new();
	conf_set(conf, "transport_maps", "regexp:{{/(/ x}}");
	ck_assert_int_eq(route_open(conf, NULL, &route, &err), -1);
	ck_assert_str_eq(err.text, "parameter transport_maps: table "
	    "regexp:{{/(/ x}}: rule 1: \"(\": Unmatched ( or \\(");
	conf_free(&conf);
}
END_TEST

int
main(void)
{
	Suite	*s = suite_create("route");
	TCase	*t = tcase_create("route");

	tcase_add_loop_test(t, test_canonical, 0, COUNT(canonical));
	tcase_add_loop_test(t, test_class, 0, COUNT(classes));
	tcase_add_loop_test(t, test_authorized, 0, COUNT(authorized));
	tcase_add_loop_test(t, test_exists, 0, COUNT(exists));
	tcase_add_loop_test(t, test_expand, 0, COUNT(expansions));
	tcase_add_loop_test(t, test_resolve, 0, COUNT(resolved));
	tcase_add_test(t, test_missing_table);
	tcase_add_test(t, test_stale_table);
	tcase_add_test(t, test_bad_table);
	suite_add_tcase(s, t);
	return check_run(s);
}
