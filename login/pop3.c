/* SPDX-License-Identifier: Apache-2.0 */
/* POP3 before authentication: CAPA USER PASS AUTH STLS NOOP QUIT.
 * RFC 1939 4, RFC 2449, RFC 2595 4, RFC 5034 */
#include "base/ascii.h"
#include "base/mem.h"
#include "codec/base64.h"
#include "login/login.h"
#include "proto/pop3.h"

static void
say(struct conn *c, const char *text)
{
	buf_addf(stream_out(c->stream), "%s\r\n", text);
	stream_flush(c->stream);
}

static void
greet(struct conn *c)
{
	buf_addf(stream_out(c->stream), "+OK %s\r\n", c->lg->conf->greeting);
	stream_flush(c->stream);
}

static void
bye(struct conn *c, const char *why)
{
	buf_addf(stream_out(c->stream), "-ERR %s\r\n", why);
	stream_flush(c->stream);
}

/* RFC 3206, RFC 2449 8.1.1 */
static void
failed(struct conn *c, enum auth_status status)
{
	say(c, status == AUTH_FAILED ? "-ERR [AUTH] Authentication failed." :
	    "-ERR [SYS/TEMP] Temporary authentication failure.");
}

static void
cancelled(struct conn *c, const char *why)
{
	bye(c, why);
}

static void
cmd_capa(struct conn *c)
{
	struct buf	*out = stream_out(c->stream);

	buf_adds(out, "+OK\r\nCAPA\r\nTOP\r\nUIDL\r\nRESP-CODES\r\n"
	    "PIPELINING\r\nAUTH-RESP-CODE\r\n");
	if (c->lg->tls != NULL && !conn_is_secure(c))
		buf_adds(out, "STLS\r\n");
	if (conn_plaintext_ok(c))
		buf_adds(out, "USER\r\n");
	buf_adds(out, "SASL");
	auth_list_mechs(c, " ", out);
	buf_adds(out, "\r\n.\r\n");
	stream_flush(c->stream);
}

static bool
refuse_plaintext(struct conn *c)
{
	if (conn_plaintext_ok(c))
		return false;
	c->tried_plaintext = true;
	say(c, "-ERR [AUTH] Passwords in clear are accepted under TLS only.");
	return true;
}

static void
cmd_user(struct conn *c, struct slice args)
{
	if (refuse_plaintext(c))
		return;
	args = slice_trim(args);
	mem_free(&c->pop3_user);
	if (args.len == 0 || args.len > LOGIN_USER_MAX) {
		say(c, "-ERR A name is expected.");
		return;
	}
	c->pop3_user = mem_printf("%.*s", SLICE_ARG(args));
	say(c, "+OK");
}

static void
cmd_pass(struct conn *c, struct slice args)
{
	if (refuse_plaintext(c))
		return;
	if (c->pop3_user == NULL)
		say(c, "-ERR USER comes first.");
	else
		auth_password(c, "PLAIN", slice_str(c->pop3_user), args);
}

/* "AUTH" alone lists the mechanisms: old Outlook asks so. */
static void
list_mechs(struct conn *c)
{
	struct buf	*out = stream_out(c->stream);

	buf_adds(out, "+OK");
	auth_list_mechs(c, "\r\n", out);
	buf_adds(out, "\r\n.\r\n");
	stream_flush(c->stream);
}

static void
cmd_auth(struct conn *c, struct slice args)
{
	struct slice	 name, initial;
	char		 mech[33];
	bool		 has;
	struct buf	 b;

	if (!slice_word(&args, " ", &name)) {
		list_mechs(c);
		return;
	}
	has = slice_word(&args, " ", &initial);
	if (name.len >= sizeof(mech) || slice_trim(args).len > 0) {
		say(c, "-ERR Error in the arguments.");
		return;
	}
	for (size_t i = 0; i < name.len; i++)
		mech[i] = (char)ascii_upper(name.p[i]);
	mech[name.len] = '\0';
	if ((strcmp(mech, "PLAIN") == 0 || strcmp(mech, "LOGIN") == 0) &&
	    refuse_plaintext(c))
		return;
	if (!auth_offered(c, mech)) {
		say(c, "-ERR Unsupported authentication mechanism.");
		return;
	}
	buf_init(&b, LOGIN_LINE_MAX);
	if (has && !slice_is(initial, "=") && !base64_get(initial, &b))
		say(c, "-ERR Invalid base64 data in initial response.");
	else
		auth_begin(c, mech, has, buf_slice(&b));
	buf_clear(&b);
}

static void
cmd_stls(struct conn *c)
{
	if (c->lg->tls == NULL || conn_is_secure(c)) {
		say(c, c->lg->tls == NULL ? "-ERR TLS is not available." :
		    "-ERR TLS is active already.");
		return;
	}
	say(c, "+OK Begin TLS negotiation now.");
	conn_starttls(c);
}

static void
run(struct conn *c, struct slice line)
{
	struct slice		 args;
	const enum pop3_verb	 verb = pop3_command(line, &args);

	switch (verb) {
	case POP3_CAPA:
		cmd_capa(c);
		return;
	case POP3_USER:
		cmd_user(c, args);
		return;
	case POP3_PASS:
		cmd_pass(c, args);
		return;
	case POP3_AUTH:
		cmd_auth(c, args);
		return;
	case POP3_STLS:
		cmd_stls(c);
		return;
	case POP3_NOOP:
		say(c, "+OK");
		return;
	case POP3_QUIT:
		say(c, "+OK Logging out.");
		conn_end(c, NULL, "Aborted login");
		return;
	case POP3_APOP:
	case POP3_DELE:
	case POP3_LIST:
	case POP3_RETR:
	case POP3_RSET:
	case POP3_STAT:
	case POP3_TOP:
	case POP3_UIDL:
	case POP3_UNKNOWN:
	case POP3_UTF8:
	case POP3_XCLIENT:
		break;
	}
	say(c, "-ERR Unknown command before login.");
	(void)conn_bad_command(c);
}

static void
input(struct conn *c)
{
	while (conn_may_go_on(c)) {
		struct slice	 in = stream_in(c->stream), line;
		const size_t	 before = in.len;
		struct arena	*mem;

		switch (pop3_line_take(&in, LOGIN_LINE_MAX, &line)) {
		case POP3_LINE_MORE:
			return;
		case POP3_LINE_BAD:
			conn_end(c, "Line is too long, or not text.",
			    "Disconnected: Bad input line");
			return;
		case POP3_LINE_DONE:
			break;
		}
		/* STLS looks whether anything is left behind the line. */
		mem = arena_new();
		line = slice_dup(mem, line);
		stream_take(c->stream, before - in.len);
		run(c, line);
		mem_wipe((void *)(uintptr_t)line.p, line.len);
		arena_free(&mem);
	}
}

const struct login_proto login_pop3 = {
	.name = "pop3",
	.session = "pop3-session",
	.greet = greet,
	.input = input,
	.failed = failed,
	.cancelled = cancelled,
	.bye = bye,
};
