/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/check_run.h"
#include "proto/imap_struct.h"

static const struct {
	const char	*label, *in, *envelope, *body, *structure;
}	 cases[] = {
	{ "plain",
	    "Date: Mon, 7 Feb 1994 21:52:25 -0800\r\n"
	    "From: Fred Foobar <foobar@Blurdybloop.COM>\r\n"
	    "Subject: a \"b\"\r\n\r\nhi\r\n",
	    "(\"Mon, 7 Feb 1994 21:52:25 -0800\" \"a \\\"b\\\"\" "
	    "((\"Fred Foobar\" NIL \"foobar\" \"Blurdybloop.COM\")) "
	    "((\"Fred Foobar\" NIL \"foobar\" \"Blurdybloop.COM\")) "
	    "((\"Fred Foobar\" NIL \"foobar\" \"Blurdybloop.COM\")) "
	    "NIL NIL NIL NIL NIL)",
	    "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" "
	    "4 1)",
	    "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" "
	    "4 1 NIL NIL NIL NIL)" },
	{ "group and nothing else", "To: team:a@b, c;\r\n\r\n",
	    "(NIL NIL NIL NIL NIL ((NIL NIL \"team\" NIL)(NIL NIL \"a\" \"b\")"
	    "(NIL NIL \"c\" \"MISSING_DOMAIN\")(NIL NIL NIL NIL)) "
	    "NIL NIL NIL NIL)", NULL, NULL },
	{ "multipart",
	    "Content-Type: multipart/mixed; boundary=x\r\n\r\n"
	    "--x\r\n\r\na\r\n--x\r\nContent-Type: image/gif; name=\"y z\"\r\n"
	    "Content-Transfer-Encoding: base64\r\n"
	    "Content-Disposition: attachment; filename=f\r\n"
	    "Content-Language: en, de\r\n\r\nAA==\r\n--x--\r\n",
	    NULL,
	    "((\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" "
	    "1 0)(\"image\" \"gif\" (\"name\" \"y z\") NIL NIL \"base64\" 4) "
	    "\"mixed\")",
	    "((\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" "
	    "1 0 NIL NIL NIL NIL)(\"image\" \"gif\" (\"name\" \"y z\") NIL "
	    "NIL \"base64\" 4 NIL (\"attachment\" (\"filename\" \"f\")) "
	    "(\"en\" \"de\") NIL) \"mixed\" (\"boundary\" \"x\") NIL NIL "
	    "NIL)" },
	{ "message inside",
	    "Content-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\nb\r\n",
	    NULL,
	    "(\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 18 (NIL \"in\" NIL "
	    "NIL NIL NIL NIL NIL NIL NIL) (\"text\" \"plain\" (\"charset\" "
	    "\"us-ascii\") NIL NIL \"7bit\" 3 1) 3)", NULL },
	{ "empty multipart",
	    "Content-Type: multipart/mixed; boundary=x\r\n\r\nnothing\r\n",
	    NULL, "((\"text\" \"plain\" NIL NIL NIL \"7bit\" 0 0) \"mixed\")",
	    NULL },
};

START_TEST(formats)
{
	struct arena		*mem = arena_new();
	struct mime_message	 m;
	struct envelope		 e;
	struct buf		 out;

	buf_init(&out, 1 << 16);
	if (cases[_i].envelope != NULL) {
		envelope_parse(slice_str(cases[_i].in), mem, &e);
		imap_add_envelope(&out, &e);
		ck_assert_str_eq(buf_cstr(&out), cases[_i].envelope);
		buf_reset(&out);
	}
	mime_parse(slice_str(cases[_i].in), mem, &m);
	if (cases[_i].body != NULL) {
		imap_add_structure(&out, m.root, false, mem);
		ck_assert_str_eq(buf_cstr(&out), cases[_i].body);
		buf_reset(&out);
	}
	if (cases[_i].structure != NULL) {
		imap_add_structure(&out, m.root, true, mem);
		ck_assert_str_eq(buf_cstr(&out), cases[_i].structure);
	}
	buf_clear(&out);
	arena_free(&mem);
}
END_TEST

int
main(void)
{
	Suite	*s = suite_create("imap_struct");
	TCase	*t = tcase_create("all");

	tcase_add_loop_test(t, formats, 0, (int)COUNT(cases));
	suite_add_tcase(s, t);
	return check_run(s);
}
