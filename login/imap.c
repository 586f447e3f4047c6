/* SPDX-License-Identifier: Apache-2.0 */
/* IMAP before authentication: CAPABILITY NOOP LOGOUT ID STARTTLS
 * AUTHENTICATE LOGIN.  RFC 3501 6.1, 6.2 */
#include "base/ascii.h"
#include "base/mem.h"
#include "codec/base64.h"
#include "login/login.h"
#include "proto/imap_args.h"
#include "sys/log.h"

/* Capabilities that the session after the login has are listed by imapd. */
static void
add_capabilities(struct conn *c, struct buf *out)
{
	buf_adds(out, "CAPABILITY IMAP4rev1 SASL-IR LITERAL+ ID ENABLE IDLE");
	if (c->lg->tls != NULL && !conn_is_secure(c))
		buf_adds(out, " STARTTLS");
	if (!conn_plaintext_ok(c))
		buf_adds(out, " LOGINDISABLED");
	auth_list_mechs(c, " AUTH=", out);
}

static void
greet(struct conn *c)
{
	struct buf	*out = stream_out(c->stream);

	buf_adds(out, "* OK [");
	add_capabilities(c, out);
	buf_addf(out, "] %s\r\n", c->lg->conf->greeting);
}

static void
reply(struct conn *c, const char *text)
{
	buf_addf(stream_out(c->stream), "%s %s\r\n", c->tag == NULL ? "*" :
	    c->tag, text);
	stream_flush(c->stream);
}

static void
bye(struct conn *c, const char *why)
{
	buf_addf(stream_out(c->stream), "* BYE %s\r\n", why);
	stream_flush(c->stream);
}

static void
failed(struct conn *c, enum auth_status status)
{
	reply(c, status == AUTH_FAILED ?
	    "NO [AUTHENTICATIONFAILED] Authentication failed." :
	    "NO [UNAVAILABLE] Temporary authentication failure.");
}

static void
cancelled(struct conn *c, const char *why)
{
	buf_addf(stream_out(c->stream), "%s BAD %s\r\n", c->tag, why);
	stream_flush(c->stream);
}

static bool
refuse_plaintext(struct conn *c)
{
	if (conn_plaintext_ok(c))
		return false;
	c->tried_plaintext = true;
	reply(c, "NO [PRIVACYREQUIRED] Passwords in clear are accepted under "
	    "TLS only.");
	return true;
}

static bool
cmd_capability(struct conn *c, struct imap_in *in)
{
	struct buf	*out = stream_out(c->stream);

	if (!imap_take_end(in))
		return false;
	buf_adds(out, "* ");
	add_capabilities(c, out);
	buf_adds(out, "\r\n");
	reply(c, "OK Pre-login capabilities listed, post-login capabilities "
	    "have more.");
	return true;
}

static bool
cmd_noop(struct conn *c, struct imap_in *in)
{
	if (!imap_take_end(in))
		return false;
	reply(c, "OK NOOP completed.");
	return true;
}

static bool
cmd_logout(struct conn *c, struct imap_in *in)
{
	if (!imap_take_end(in))
		return false;
	bye(c, "Logging out");
	reply(c, "OK Logout completed.");
	conn_end(c, NULL, "Aborted login");
	return true;
}

/* RFC 2971; what the client says of itself is of no use before the login, so
 * only its form is looked at. */
static bool
cmd_id(struct conn *c, struct imap_in *in)
{
	struct slice	 value;
	bool		 nil;
	int		 n = 0;

	if (!imap_take_space(in))
		return false;
	if (!imap_try_word(in, "NIL")) {
		if (!imap_take_char(in, '('))
			return false;
		while (!imap_try(in, ')')) {
			if (n++ > 60 || (n > 1 && !imap_take_space(in)) ||
			    !imap_take_string(in, &value) ||
			    !imap_take_space(in) ||
			    !imap_take_nstring(in, &value, &nil))
				return false;
		}
	}
	if (!imap_take_end(in))
		return false;
	buf_adds(stream_out(c->stream), "* ID (\"name\" \"Posthouse\")\r\n");
	reply(c, "OK ID completed.");
	return true;
}

static bool
cmd_starttls(struct conn *c, struct imap_in *in)
{
	if (!imap_take_end(in))
		return false;
	if (c->lg->tls == NULL || conn_is_secure(c)) {
		reply(c, c->lg->tls == NULL ? "BAD TLS is not available." :
		    "BAD TLS is active already.");
		return true;
	}
	reply(c, "OK Begin TLS negotiation now.");
	conn_starttls(c);
	return true;
}

static bool
cmd_login(struct conn *c, struct imap_in *in)
{
	struct slice	 user, password;

	if (!imap_take_space(in) || !imap_take_astring(in, &user) ||
	    !imap_take_space(in) || !imap_take_astring(in, &password) ||
	    !imap_take_end(in))
		return false;
	if (refuse_plaintext(c))
		return true;
	auth_password(c, "PLAIN", user, password);
	return true;
}

/* RFC 3501 6.2.2, SASL-IR: RFC 4959.  "=" is an empty initial response. */
static bool
cmd_authenticate(struct conn *c, struct imap_in *in)
{
	struct slice	 name, initial = SLICE_LIT("");
	char		*mech;
	bool		 has;
	struct buf	 b;

	if (!imap_take_space(in) || !imap_take_atom(in, &name))
		return false;
	has = imap_at(in, ' ');
	if (has) {
		initial = slice_from(in->rest, 1);
		in->rest = slice_from(in->rest, in->rest.len);
	}
	if (!imap_take_end(in))
		return false;
	mech = arena_strndup(in->mem, (const char *)name.p, name.len);
	for (char *p = mech; *p != '\0'; p++)
		*p = (char)ascii_upper((unsigned char)*p);
	if ((strcmp(mech, "PLAIN") == 0 || strcmp(mech, "LOGIN") == 0) &&
	    refuse_plaintext(c))
		return true;
	if (!auth_offered(c, mech)) {
		reply(c, "NO [CANNOT] Unsupported authentication mechanism.");
		return true;
	}
	buf_init(&b, LOGIN_LINE_MAX);
	if (has && !slice_is(initial, "=") && !base64_get(initial, &b))
		reply(c, "BAD Invalid base64 data in initial response.");
	else
		auth_begin(c, mech, has, buf_slice(&b));
	buf_clear(&b);
	return true;
}

/* False: the arguments are wrong. */
static const struct command {
	const char	*name;
	bool		(*run)(struct conn *c, struct imap_in *in);
} commands[] = {
	{ "CAPABILITY", cmd_capability },
	{ "NOOP", cmd_noop },
	{ "LOGOUT", cmd_logout },
	{ "ID", cmd_id },
	{ "STARTTLS", cmd_starttls },
	{ "LOGIN", cmd_login },
	{ "AUTHENTICATE", cmd_authenticate },
};

static void
bad(struct conn *c, const char *why)
{
	buf_addf(stream_out(c->stream), "%s BAD %s.\r\n", c->tag == NULL ?
	    "*" : c->tag, why);
	stream_flush(c->stream);
	(void)conn_bad_command(c);
}

static void
dispatch(struct conn *c, struct imap_in *in)
{
	struct slice	 name;

	if (!imap_take_space(in) || !imap_take_word(in, &name)) {
		bad(c, "Command expected");
		return;
	}
	for (size_t i = 0; i < COUNT(commands); i++)
		if (slice_iis(name, commands[i].name)) {
			if (!commands[i].run(c, in))
				bad(c, in->error != NULL ? in->error :
				    "Error in the arguments");
			return;
		}
	bad(c, "Unknown command before login");
}

/* The frame must be empty before the command runs: LOGIN may end the
 * connection, STARTTLS begins anew. */
static void
run_command(struct conn *c)
{
	struct arena	*mem = arena_new();
	struct slice	 text = slice_dup(mem, imap_frame_text(&c->frame));
	const char	*error = c->frame.error;
	struct imap_in	 in;
	struct slice	 tag;

	imap_frame_reset(&c->frame);
	mem_free(&c->tag);
	imap_in_init(&in, text, mem);
	if (!imap_take_tag(&in, &tag)) {
		bad(c, "Tag expected");
	} else {
		c->tag = mem_printf("%.*s", SLICE_ARG(tag));
		if (error != NULL)
			bad(c, error);
		else
			dispatch(c, &in);
	}
	mem_wipe((void *)(uintptr_t)text.p, text.len);
	arena_free(&mem);
}

/* False: the connection is over. */
static bool
on_literal(struct conn *c)
{
	if (!imap_frame_fits(&c->frame)) {
		/* Nobody has a name or a password of this size; reading it
		 * to its end would only cost. */
		conn_end(c, "Literal is too long.",
		    "Disconnected: Too long literal");
		return false;
	}
	if (c->frame.sync) {
		buf_adds(stream_out(c->stream), "+ OK\r\n");
		stream_flush(c->stream);
	}
	imap_frame_keep(&c->frame);
	return true;
}

static void
input(struct conn *c)
{
	while (conn_may_go_on(c)) {
		struct slice	 in = stream_in(c->stream);
		const size_t	 before = in.len;
		enum imap_take	 r = imap_frame_take(&c->frame, &in);

		stream_take(c->stream, before - in.len);
		switch (r) {
		case IMAP_TAKE_MORE:
			/* Nobody needs to see where this ends. */
			if (c->frame.error != NULL &&
			    c->frame.line_bytes >= c->frame.line_max)
				conn_end(c, "Command line is too long.",
				    "Disconnected: Too long command line");
			return;
		case IMAP_TAKE_LITERAL:
			if (!on_literal(c))
				return;
			break;
		case IMAP_TAKE_DONE:
			run_command(c);
			break;
		}
	}
}

const struct login_proto login_imap = {
	.name = "imap",
	.session = "imap-session",
	.greet = greet,
	.input = input,
	.failed = failed,
	.cancelled = cancelled,
	.bye = bye,
};
