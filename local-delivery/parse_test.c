/* SPDX-License-Identifier: Apache-2.0 */
/* Aliases, macros and verdicts: everything of local-delivery that is pure. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/check_run.h"
#include "local-delivery/alias.h"
#include "local-delivery/macro.h"
#include "local-delivery/verdict.h"

/* Aliases: items as "A:user|F:\\user|C:cmd|f:/path|I:/list". */

static const struct {
	const char	*label, *in, *want;
} aliases[] = {
	{ "one", "joe", "A:joe" },
	{ "list", "joe, ann@example.com ,bob", "A:joe;A:ann@example.com;A:bob" },
	{ "lines", "joe\nann\n\n,bob\n", "A:joe;A:ann;A:bob" },
	{ "comment", "# all of us\njoe\n  # more, here\nann", "A:joe;A:ann" },
	{ "final", "\\joe, ann", "F:joe;A:ann" },
	{ "command", "|/bin/cat", "C:/bin/cat" },
	{ "quoted command", "\"|/bin/cat -n, -x\"", "C:/bin/cat -n, -x" },
	{ "quote behind bar", "|\"/bin/cat -n, -x\"", "C:/bin/cat -n, -x" },
	{ "quotes inside", "\"|echo \\\"a b\\\"\"", "C:echo \"a b\"" },
	{ "command of shell", "\"|a > /x; b $EXT (c)\"", "C:a > /x; b $EXT (c)" },
	{ "file", "/var/mail/x/", "f:/var/mail/x/" },
	{ "quoted file", "\"/var/a b/\"", "f:/var/a b/" },
	{ "include", ":include:/etc/list", "I:/etc/list" },
	{ "include spaced", ":include: /etc/list", "I:/etc/list" },
	{ "angle", "<joe@example.com>", "A:joe@example.com" },
	{ "rfc comment", "joe (the plumber, esq), ann", "A:joe;A:ann" },
	{ "quoted local", "\"a b\"@example.com", "A:\"a b\"@example.com" },
	{ "empty", "", "" },
	{ "only commas", ",, ,", "" },
	{ "open quote", "\"|cat", "ERROR" },
	{ "relative include", ":include:list", "ERROR" },
	{ "empty command", "|", "ERROR" },
	{ "too many", "a,b,c,d,e,f,g", "ERROR" },
};

static const char *
alias_text(struct slice in, struct arena *a)
{
	static const char	 kinds[] = "AFCfI";
	struct alias_item	*items;
	struct error		 err;
	struct buf		 b;
	size_t			 n;
	const char		*s;

	if (alias_parse(in, 6, a, &items, &n, &err) < 0)
		return "ERROR";
	buf_init(&b, 4096);
	for (size_t i = 0; i < n; i++)
		buf_addf(&b, "%s%c:%s", i > 0 ? ";" : "",
		    kinds[items[i].kind], items[i].text);
	s = arena_strdup(a, buf_cstr(&b));
	buf_clear(&b);
	return s;
}

START_TEST(test_alias)
{
	struct arena	*a = arena_new();

	ck_assert_msg(strcmp(alias_text(slice_str(aliases[_i].in), a),
	    aliases[_i].want) == 0, "%s: got %s", aliases[_i].label,
	    alias_text(slice_str(aliases[_i].in), a));
	arena_free(&a);
}
END_TEST

/* Cut anywhere: an answer or an error, never a read beyond the end (each
 * piece is on the heap of its own, for the sanitizer). */
START_TEST(test_alias_splits)
{
	size_t	 len = strlen(aliases[_i].in);

	for (size_t n = 0; n <= len; n++) {
		struct arena	*a = arena_new();
		char		*copy = malloc(n + 1);

		memcpy(copy, aliases[_i].in, n);
		ck_assert_ptr_nonnull(alias_text(slice_of(copy, n), a));
		free(copy);
		arena_free(&a);
	}
}
END_TEST

START_TEST(test_alias_nul)
{
	struct arena	*a = arena_new();

	ck_assert_str_eq(alias_text(slice_of("a\0b", 3), a), "ERROR");
	arena_free(&a);
}
END_TEST

/* Macros */

static const char *
values(void *arg, struct slice name)
{
	(void)arg;
	if (slice_is(name, "recipient"))
		return "joe $user; rm -rf /@example.com";
	if (slice_is(name, "user"))
		return "joe";
	if (slice_is(name, "extension"))
		return "";
	return NULL;
}

static const struct {
	const char	*in, *want;
} macros[] = {
	{ "plain", "plain" },
	{ "$user", "joe" },
	{ "${user}", "joe" },
	{ "$(user)x", "joex" },
	{ "$user$user.", "joejoe." },
	{ "$$user", "$user" },
	/* a value is never expanded again and stays one argument */
	{ "${recipient}", "joe $user; rm -rf /@example.com" },
	{ "${extension?+$extension}", "" },
	{ "${user?+${user}}", "+joe" },
	{ "${extension:none}", "none" },
	{ "${user:none}", "" },
	{ "$unknown", NULL },
	{ "${user", NULL },
	{ "$", NULL },
	{ "${}", NULL },
	{ "${user!x}", NULL },
};

START_TEST(test_macro)
{
	struct arena	*a = arena_new();
	struct error	 err;
	const char	*got = macro_expand(macros[_i].in, values, NULL, a,
			    NULL, &err);

	if (macros[_i].want == NULL)
		ck_assert_ptr_null(got);
	else
		ck_assert_pstr_eq(got, macros[_i].want);
	arena_free(&a);
}
END_TEST

START_TEST(test_filter)
{
	struct arena	*a = arena_new();

	ck_assert_str_eq(macro_filter("() { :;}; x@y`\n\xc3", "x@y", a),
	    "__________x@y___");
	arena_free(&a);
}
END_TEST

/* Verdicts */

static const struct {
	int		 status;	/* of wait() */
	const char	*output;
	enum deliver_status	 want;
	const char	*dsn, *text;
} exits[] = {
	{ 0, "", DELIVER_SENT, "2.0.0", "done" },
	{ 0, "hello", DELIVER_SENT, "2.0.0", "done (hello)" },
	{ 75 << 8, "", DELIVER_DEFERRED, "4.3.0", "temporary failure" },
	{ 75 << 8, "4.2.2 full", DELIVER_DEFERRED, "4.2.2", "full" },
	{ 75 << 8, "5.2.2 full", DELIVER_DEFERRED, "4.3.0",
	    "temporary failure. Command output: 5.2.2 full" },
	{ 67 << 8, "", DELIVER_BOUNCED, "5.1.1", "user unknown" },
	{ 67 << 8, "who?", DELIVER_BOUNCED, "5.1.1",
	    "user unknown. Command output: who?" },
	{ 77 << 8, "", DELIVER_BOUNCED, "5.7.0", "permission denied" },
	{ 1 << 8, "", DELIVER_BOUNCED, "5.3.0",
	    "Command died with status 1: \"cmd\"" },
	{ 9, "oops", DELIVER_DEFERRED, "4.3.0",
	    "Command died with signal 9: \"cmd\". Command output: oops" },
};

START_TEST(test_exit)
{
	struct arena	*a = arena_new();
	struct verdict	 v = verdict_exit(exits[_i].status, "cmd",
			    exits[_i].output, "done", a);

	ck_assert_int_eq(v.status, exits[_i].want);
	ck_assert_str_eq(v.dsn, exits[_i].dsn);
	ck_assert_str_eq(v.text, exits[_i].text);
	arena_free(&a);
}
END_TEST

START_TEST(test_store)
{
	static const struct {
		enum store_fail	 fail;
		int		 sys;
		enum deliver_status	 want;
		const char	*dsn;
	} rows[] = {
		{ STORE_OK, 0, DELIVER_SENT, "2.0.0" },
		{ STORE_OVER_QUOTA, 0, DELIVER_BOUNCED, "5.2.2" },
		{ STORE_NO_SPACE, ENOSPC, DELIVER_DEFERRED, "4.3.0" },
		{ STORE_NO_SPACE, EDQUOT, DELIVER_DEFERRED, "4.2.2" },
		{ STORE_NO_SPACE, EFBIG, DELIVER_BOUNCED, "5.2.2" },
		{ STORE_TEMP, EIO, DELIVER_DEFERRED, "4.2.0" },
		{ STORE_REFUSED, 0, DELIVER_DEFERRED, "4.2.0" },
	};
	struct arena	*a = arena_new();

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct error	 err = { .text = "why", .sys = rows[i].sys };
		struct verdict	 v = verdict_store(rows[i].fail, &err, a);

		ck_assert_int_eq(v.status, rows[i].want);
		ck_assert_str_eq(v.dsn, rows[i].dsn);
	}
	arena_free(&a);
}
END_TEST

START_TEST(test_worse)
{
	struct verdict	 none = { .text = NULL }, sent, deferred, bounced;

	sent = (struct verdict){ DELIVER_SENT, "2.0.0", "sent" };
	bounced = (struct verdict){ DELIVER_BOUNCED, "5.0.0", "bounced" };
	deferred = (struct verdict){ DELIVER_DEFERRED, "4.0.0", "deferred" };
	ck_assert_str_eq(verdict_worse(none, sent).text, "sent");
	ck_assert_str_eq(verdict_worse(bounced, sent).text, "bounced");
	ck_assert_str_eq(verdict_worse(bounced, deferred).text, "deferred");
	ck_assert_str_eq(verdict_worse(deferred, bounced).text, "deferred");
}
END_TEST

int
main(void)
{
	Suite	*s = suite_create("local-delivery");
	TCase	*t = tcase_create("pure");

	tcase_add_loop_test(t, test_alias, 0, (int)COUNT(aliases));
	tcase_add_loop_test(t, test_alias_splits, 0, (int)COUNT(aliases));
	tcase_add_test(t, test_alias_nul);
	tcase_add_loop_test(t, test_macro, 0, (int)COUNT(macros));
	tcase_add_test(t, test_filter);
	tcase_add_loop_test(t, test_exit, 0, (int)COUNT(exits));
	tcase_add_test(t, test_store);
	tcase_add_test(t, test_worse);
	suite_add_tcase(s, t);
	return check_run(s);
}
