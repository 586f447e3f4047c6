/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "base/check_run.h"
#include "proto/imap_args.h"
#include "proto/imap_fetch.h"
#include "proto/imap_mbox.h"
#include "proto/imap_out.h"
#include "proto/imap_search.h"
#include "proto/imap_set.h"

static struct arena	*mem;
static struct buf	 out;

static void
setup(void)
{
	mem = arena_new();
	buf_init(&out, 1 << 16);
}

static void
teardown(void)
{
	arena_free(&mem);
	buf_clear(&out);
}

static struct imap_in
over(const char *text)
{
	struct imap_in	 in;

	imap_in_init(&in, slice_str(text), mem);
	return in;
}

struct row {
	const char	*in, *expected;		/* expected NULL: bad */
};

/* Compare what was formatted into out. */
static void
expect(const struct row *r, bool ok, const struct imap_in *in)
{
	if (r->expected == NULL) {
		ck_assert_msg(!ok, "%s: accepted: %s", r->in, buf_cstr(&out));
		ck_assert_msg(in->error != NULL, "%s: no error", r->in);
	} else {
		ck_assert_msg(ok, "%s: %s", r->in, in->error);
		ck_assert_str_eq(buf_cstr(&out), r->expected);
	}
}

static const struct row	astrings[] = {
	{ "INBOX rest", "INBOX" }, { "a]b", "a]b" }, { "\"\"", "" },
	{ "\"a\\\\b\\\"c\"", "a\\b\"c" }, { "{3}\r\na b", "a b" },
	{ "\"a", NULL }, { "\"a\\b\"", NULL }, { "{3}\r\nab", NULL },
	{ "{3}ab", NULL }, { "", NULL }, { "(", NULL }, { "%", NULL },
	{ "\"a\rb\"", NULL },
};

START_TEST(astring)
{
	struct imap_in	 in = over(astrings[_i].in);
	struct slice	 s;
	bool		 ok = imap_take_astring(&in, &s);

	if (ok)
		buf_add_slice(&out, s);
	expect(&astrings[_i], ok, &in);
}
END_TEST

static const struct row	sets[] = {
	{ "1", "1" }, { "1,2,3", "1:3" }, { "5:3", "3:5" }, { "*", "10" },
	{ "8:*", "8:10" }, { "*:8", "8:10" }, { "20:*", "10:20" },
	{ "4,1:2,9,2:3", "1:4,9" }, { "1:4294967295,7", "1:4294967295" },
	{ "4294967295,1", "1,4294967295" },
	{ "0", NULL }, { "4294967296", NULL }, { "1,", NULL }, { "1:", NULL },
	{ ":1", NULL }, { "1a", NULL }, { "", NULL }, { "1:2:3", NULL },
};

START_TEST(set)
{
	struct imap_in	 in = over(sets[_i].in);
	struct imap_set	 s;
	bool		 ok = imap_take_set(&in, &s);

	if (ok) {
		imap_set_resolve(&s, 10);
		imap_set_format(&s, &out);
	}
	expect(&sets[_i], ok, &in);
}
END_TEST

START_TEST(set_walk)
{
	struct imap_in		 in = over("7,2:3,9:*");
	struct imap_set		 s;
	struct imap_set_builder	 b = { 0 };

	ck_assert(imap_take_set(&in, &s));
	imap_set_resolve(&s, 11);
	for (uint32_t n = imap_set_next(&s, 1); n != 0;
	    n = imap_set_next(&s, n + 1))
		imap_set_add(&b, mem, n);
	imap_set_format(&b.set, &out);
	ck_assert_str_eq(buf_cstr(&out), "2:3,7,9:11");
	ck_assert(imap_set_has(&s, 7) && !imap_set_has(&s, 8));
	ck_assert_uint_eq(imap_set_last(&s), 11);
	in = over("*:1,*");
	ck_assert(imap_take_set(&in, &s));
	imap_set_resolve(&s, 0);
	ck_assert_uint_eq(s.count, 0);
}
END_TEST

static const struct row	fetches[] = {
	{ "ALL", "FLAGS;INTERNALDATE;RFC822.SIZE;ENVELOPE;" },
	{ "FULL", "FLAGS;INTERNALDATE;RFC822.SIZE;ENVELOPE;BODY;" },
	{ "fast", "FLAGS;INTERNALDATE;RFC822.SIZE;" },
	{ "(uid UID flags)", "UID;FLAGS;" },
	{ "BODY[]", "BODY[];+" }, { "BODY.PEEK[]", "BODY[];" },
	{ "BODY[]<0.10>", "BODY[]<0>;+" },
	{ "BODY.PEEK[1.2.MIME]<4294967295.1>",
	    "BODY[1.2.MIME]<4294967295>;" },
	{ "BODY[TEXT]", "BODY[TEXT];+" },
	{ "BODY[1.TEXT]", "BODY[1.TEXT];+" },
	{ "BODY[3.HEADER]", "BODY[3.HEADER];+" },
	{ "body.peek[header.fields (From \"To\")]",
	    "BODY[HEADER.FIELDS (From To)];" },
	{ "(BODY.PEEK[HEADER.FIELDS.NOT (X)] RFC822.SIZE)",
	    "BODY[HEADER.FIELDS.NOT (X)];RFC822.SIZE;" },
	{ "BODYSTRUCTURE", "BODYSTRUCTURE;" }, { "BODY", "BODY;" },
	{ "RFC822", "RFC822;+" }, { "RFC822.HEADER", "RFC822.HEADER;" },
	{ "(FLAGS) (CHANGEDSINCE 0)", "FLAGS;MODSEQ;" },
	{ "BODY[P", NULL }, { "BODY.PEEK[", NULL }, { "BODY[MIME]", NULL },
	{ "BODY[1.]", NULL }, { "BODY[0]", NULL }, { "BODY[1..2]", NULL },
	{ "BODY[]<1>", NULL }, { "BODY[]<1.0>", NULL }, { "()", NULL },
	{ "BODY[HEADER.FIELDS ()]", NULL }, { "FOO", NULL },
	{ "BODY[HEADER.FIELDS (\"a\\\"b\"\r)]", NULL }, { "(FLAGS", NULL },
	{ "(ALL)", NULL }, { "BODY[]<4294967296.1>", NULL },
	{ "BODY[HEADER.FIELDS (\"a:b\")]", NULL }, { "ENVELOPE[]", NULL },
};

START_TEST(fetch)
{
	struct imap_in		 in = over(fetches[_i].in);
	struct imap_fetch	 f;
	bool			 ok = imap_take_fetch(&in, false, &f) &&
				    imap_take_end(&in);

	for (size_t i = 0; ok && i < f.nitems; i++) {
		imap_fetch_name(&f.items[i], &out);
		buf_addc(&out, ';');
	}
	if (ok && f.seen)
		buf_addc(&out, '+');
	expect(&fetches[_i], ok, &in);
}
END_TEST

static void
show(const struct imap_search *s)
{
	static const char *const	 names[] = {
		[IMAP_KEY_AND] = "and", [IMAP_KEY_OR] = "or",
		[IMAP_KEY_NOT] = "not", [IMAP_KEY_SET] = "set",
		[IMAP_KEY_UID] = "uid", [IMAP_KEY_FLAG] = "flag",
		[IMAP_KEY_UNFLAG] = "unflag", [IMAP_KEY_KEYWORD] = "kw",
		[IMAP_KEY_NEW] = "new", [IMAP_KEY_HEADER] = "header",
		[IMAP_KEY_BODY] = "body", [IMAP_KEY_TEXT] = "text",
		[IMAP_KEY_BEFORE] = "before", [IMAP_KEY_ON] = "on",
		[IMAP_KEY_SINCE] = "since",
		[IMAP_KEY_SENTBEFORE] = "sentbefore",
		[IMAP_KEY_SENTON] = "senton",
		[IMAP_KEY_SENTSINCE] = "sentsince",
		[IMAP_KEY_LARGER] = "larger", [IMAP_KEY_SMALLER] = "smaller",
		[IMAP_KEY_OLDER] = "older", [IMAP_KEY_YOUNGER] = "younger",
		[IMAP_KEY_MODSEQ] = "modseq",
	};

	for (; s != NULL; s = s->next) {
		buf_adds(&out, names[s->key]);
		if (s->field.len > 0)
			buf_addf(&out, "<%.*s>", SLICE_ARG(s->field));
		if (s->value.len > 0)
			buf_addf(&out, "=%.*s", SLICE_ARG(s->value));
		if (s->n != 0)
			buf_addf(&out, "=%lld", (long long)s->n);
		imap_set_format(&s->set, &out);
		if (s->child != NULL) {
			buf_addc(&out, '(');
			show(s->child);
			buf_addc(&out, ')');
		}
		if (s->next != NULL)
			buf_addc(&out, ' ');
	}
}

static const struct row	searches[] = {
	{ "ALL", "and(and)" }, { "1:3 seen", "and(set1:3 flag=8)" },
	{ "UID 5,9", "and(uid5,9)" },
	{ "OR (FROM a TO b) NOT DELETED",
	    "and(or(and(header<FROM>=a header<TO>=b) not(flag=4)))" },
	{ "UNKEYWORD $x", "and(not(kw=$x))" },
	{ "HEADER X-Y \"\"", "and(header<X-Y>)" },
	{ "SINCE 1-Jan-1970", "and(since)" },
	{ "ON \"02-Jan-1970\"", "and(on=1)" },
	{ "SENTBEFORE 29-Feb-2024", "and(sentbefore=19782)" },
	{ "CHARSET UTF-8 BODY {3}\r\nabc", "UTF-8:and(body=abc)" },
	{ "RETURN (MIN COUNT) OLDER 5", "9:and(older=5)" },
	{ "RETURN () NEW", "4:and(new)" },
	{ "MODSEQ \"/flags/\\\\draft\" all 620", "and(modseq=620)" },
	{ "LARGER 9223372036854775807 ", "and(larger=9223372036854775807)" },
	{ "SENTBEFORE 30-Feb-2024", NULL }, { "SENTON 1-Foo-2024", NULL },
	{ "FOO", NULL }, { "NOT", NULL }, { "OR SEEN", NULL }, { "(", NULL },
	{ "()", NULL }, { "SEEN)", NULL }, { "1:", NULL }, { "", NULL },
	{ "YOUNGER 0", NULL }, { "LARGER -1", NULL },
	{ "RETURN (X) ALL", NULL },
	{ "KEYWORD \\Seen", NULL },
};

START_TEST(search)
{
	struct imap_in		 in = over(searches[_i].in);
	struct imap_search_args	 a;
	bool			 ok = imap_take_search(&in, &a);

	if (ok) {
		if (a.charset.len > 0)
			buf_addf(&out, "%.*s:", SLICE_ARG(a.charset));
		if (a.esearch)
			buf_addf(&out, "%u:", a.returns);
		show(a.program);
	}
	expect(&searches[_i], ok, &in);
}
END_TEST

START_TEST(search_depth)
{
	static const char *const	 units[] = { "NOT ", "(", "OR ALL " };
	struct imap_search_args		 a;
	struct imap_in			 in;

	for (size_t u = 0; u < COUNT(units); u++)
		for (int n = 90; n < 5000; n += 4800) {
			buf_reset(&out);
			for (int i = 0; i < n; i++)
				buf_adds(&out, units[u]);
			buf_adds(&out, "ALL");
			for (int i = 0; u == 1 && i < n; i++)
				buf_addc(&out, ')');
			imap_in_init(&in, buf_slice(&out), mem);
			ck_assert_int_eq(imap_take_search(&in, &a), n == 90);
		}
}
END_TEST

static const struct row	stores[] = {
	{ "FLAGS (\\Seen)", "0 8" },
	{ "+flags.silent \\Deleted $a", "1s 4 $a" },
	{ "-FLAGS ()", "2 0" }, { "FLAGS (a A b)", "0 0 a b" },
	{ "(UNCHANGEDSINCE 12) +FLAGS (x)", "1<12 0 x" },
	{ "FLAGS (\\Recent)", NULL }, { "FLAGS (\\Foo)", NULL },
	{ "FLAGS", NULL }, { "*FLAGS ()", NULL }, { "FLAGS (a", NULL },
	{ "FLAGS (a]b)", NULL }, { "FLAGS (\\Seen) x", NULL },
};

START_TEST(store)
{
	struct imap_in		 in = over(stores[_i].in);
	struct imap_store_args	 a;
	bool			 ok = imap_take_store(&in, &a);

	if (ok) {
		buf_addf(&out, "%d%s", (int)a.op, a.silent ? "s" : "");
		if (a.unchangedsince)
			buf_addf(&out, "<%d", (int)a.modseq);
		buf_addf(&out, " %u", a.flags.system);
		for (size_t i = 0; i < a.flags.nkeywords; i++)
			buf_addf(&out, " %.*s",
			    SLICE_ARG(a.flags.keywords[i]));
	}
	expect(&stores[_i], ok, &in);
}
END_TEST

static const struct row	appends[] = {
	{ "INBOX ", "INBOX 0 -" }, { "{1}\r\nx (\\Seen k) ", "x 8 -" },
	{ "a \" 1-Jan-2000 00:00:00 +0000\" ", "a 0 946684800" },
	{ "a (\\Draft) \"01-Jan-2000 01:30:00 +0130\" ", "a 16 946684800" },
	{ "a \"31-Dec-1999 16:00:00 -0800\" ", "a 0 946684800" },
	{ "a", NULL }, { "a (\\Seen)", NULL }, { "a b ", NULL },
	{ "a \"32-Jan-2000 00:00:00 +0000\" ", NULL },
	{ "a \"1-Jan-2000 00:00:00 +0000\" ", NULL },
	{ "a \"01-Jan-2000 24:00:00 +0000\" ", NULL }, { "", NULL },
};

START_TEST(append)
{
	struct imap_in		 in = over(appends[_i].in);
	struct imap_append_args	 a;
	bool			 ok = imap_take_append(&in, &a);

	if (ok) {
		buf_addf(&out, "%.*s %u ", SLICE_ARG(a.mailbox),
		    a.flags.system);
		if (a.has_date)
			buf_addf(&out, "%lld", (long long)a.date);
		else
			buf_addc(&out, '-');
	}
	expect(&appends[_i], ok, &in);
}
END_TEST

static const struct row	lists[] = {
	{ "\"\" *", "0 0 0 <> <*>" }, { "a. %.b", "0 0 0 <a.> <%.b>" },
	{ "\"\" \"\"", "0 0 0 <> <>" },
	{ "(SUBSCRIBED RECURSIVEMATCH) \"\" (a b)", "5 0 0 <> <a> <b>" },
	{ "() \"\" x RETURN (CHILDREN STATUS (MESSAGES SIZE) SUBSCRIBED)",
	    "0 11 33 <> <x>" },
	{ "(RECURSIVEMATCH) \"\" x", NULL }, { "\"\"", NULL },
	{ "\"\" x y", NULL }, { "\"\" ()", NULL }, { "(FOO) \"\" x", NULL },
	{ "\"\" x RETURN (STATUS ())", NULL }, { "\"\" x RETURN (FOO)", NULL },
};

START_TEST(list)
{
	struct imap_in		 in = over(lists[_i].in);
	struct imap_list_args	 a;
	bool			 ok = imap_take_list(&in, &a);

	if (ok) {
		buf_addf(&out, "%u %u %u <%.*s>", a.select, a.returns,
		    a.status, SLICE_ARG(a.reference));
		for (size_t i = 0; i < a.npatterns; i++)
			buf_addf(&out, " <%.*s>", SLICE_ARG(a.patterns[i]));
	}
	expect(&lists[_i], ok, &in);
}
END_TEST

static const struct {
	const char	*pattern, *name;
	bool		 match, below;
}	 patterns[] = {
	{ "*", "a.b", true, true }, { "%", "a", true, false },
	{ "%", "a.b", false, false }, { "%.%", "a.b", true, false },
	{ "%.%", "a", false, true }, { "a*c", "abbc", true, true },
	{ "a*c", "ab", false, true }, { "*b*", "abc", true, true },
	{ "inbox", "INBOX", true, false }, { "INB%", "inbox", true, false },
	{ "inbox.x", "INBOX.x", true, false }, { "A", "a", false, false },
	{ "", "a", false, false }, { "", "", true, false },
	{ "**%%", "abc", true, true }, { "a%.*", "ab", false, true },
	{ "x*", "ab", false, false },
};

START_TEST(pattern)
{
	struct slice	 p = slice_str(patterns[_i].pattern);
	struct slice	 n = slice_str(patterns[_i].name);

	ck_assert_msg(imap_pattern_match(p, n, '.') == patterns[_i].match,
	    "%s %s", patterns[_i].pattern, patterns[_i].name);
	ck_assert_msg(imap_pattern_below(p, n, '.') == patterns[_i].below,
	    "%s below %s", patterns[_i].pattern, patterns[_i].name);
}
END_TEST

/* What the formatters write, the parsers read back. */
START_TEST(round_trip)
{
	static const char *const	 strings[] = { "", "a", "NIL", "a b",
		"\"\\", "x\ry", "\xc3\xa4", "(", "a]b", "a[b", "{3}" };
	struct imap_in			 in;
	struct slice			 s;
	int64_t				 secs;

	for (size_t i = 0; i < COUNT(strings); i++) {
		buf_reset(&out);
		imap_add_astring(&out, slice_str(strings[i]));
		imap_in_init(&in, buf_slice(&out), mem);
		ck_assert(imap_take_astring(&in, &s) && in.rest.len == 0);
		ck_assert(slice_is(s, strings[i]));
		buf_reset(&out);
		imap_add_string(&out, slice_str(strings[i]));
		imap_in_init(&in, buf_slice(&out), mem);
		ck_assert(imap_take_string(&in, &s) && in.rest.len == 0);
		ck_assert(slice_is(s, strings[i]));
	}
	for (int64_t t = -3000000000; t < 9000000000; t += 12345677) {
		buf_reset(&out);
		imap_add_date_time(&out, t);
		imap_in_init(&in, buf_slice(&out), mem);
		ck_assert(imap_take_date_time(&in, &secs));
		ck_assert_int_eq(secs, t);
	}
}
END_TEST

int
main(void)
{
	Suite	*s = suite_create("imap_args");
	TCase	*t = tcase_create("all");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, astring, 0, (int)COUNT(astrings));
	tcase_add_loop_test(t, set, 0, (int)COUNT(sets));
	tcase_add_test(t, set_walk);
	tcase_add_loop_test(t, fetch, 0, (int)COUNT(fetches));
	tcase_add_loop_test(t, search, 0, (int)COUNT(searches));
	tcase_add_test(t, search_depth);
	tcase_add_loop_test(t, store, 0, (int)COUNT(stores));
	tcase_add_loop_test(t, append, 0, (int)COUNT(appends));
	tcase_add_loop_test(t, list, 0, (int)COUNT(lists));
	tcase_add_loop_test(t, pattern, 0, (int)COUNT(patterns));
	tcase_add_test(t, round_trip);
	suite_add_tcase(s, t);
	return check_run(s);
}
