/* SPDX-License-Identifier: Apache-2.0 */
/* AUTH (RFC 4954).  authd knows mechanisms and passwords; here is only the
 * carrier: base64 lines and an exchange that ends on every path. */
#include "base/ascii.h"
#include "base/mem.h"
#include "codec/base64.h"
#include "smtpd/smtpd.h"
#include "sys/log.h"

#define SASL_MAX	((size_t)12288)
#define AUTH_WAIT	SECS(60)

/* One exchange; a new one for each AUTH. */
struct auth {
	struct conn	*c;
	char		 mechanism[32];
	uint64_t	 exchange;	/* authd's number, while it goes on */
	bool		 has_exchange;
	uint64_t	 call;		/* under way, or 0 */
	char		*done_user;	/* OK, but its last data is to be
					 * answered first */
};

void
auth_free(struct conn *c)
{
	struct auth		*a = c->auth;
	struct auth_cancel	 q;

	if (a == NULL)
		return;
	if (a->call != 0)
		ipc_client_cancel(c->s->auth, a->call);
	if (a->has_exchange) {
		q.exchange = a->exchange;
		(void)!ipc_client_send(c->s->auth, &auth_cancel_desc, &q,
		    NULL);
	}
	mem_free(&a->done_user);
	mem_free(&c->auth);
	c->mode = MODE_COMMAND;
}

static void
succeed(struct conn *c, const char *user)
{
	c->sasl_method = arena_strdup(c->mem, c->auth->mechanism);
	c->sasl_user = arena_strdup(c->mem, user);
	auth_free(c);
	reply(c, 235, "2.7.0", "Authentication successful");
}

static void
fail(struct conn *c, const struct auth_step *r)
{
	bool		temp = r == NULL || r->status == AUTH_TEMPFAIL;
	const char	*reason = r != NULL && r->reason != NULL ? r->reason :
			    temp ? "authentication server not available" :
			    "authentication failure";

	log_warn("%s: SASL %s authentication failed: %s%s%s", c->namaddr,
	    c->auth->mechanism, reason,
	    r != NULL && r->user != NULL ? ", sasl_username=" : "",
	    r != NULL && r->user != NULL ? r->user : "");
	auth_free(c);
	if (temp)
		reply(c, 454, "4.7.0", "Temporary authentication failure: "
		    "try again later");
	else {
		anvil_note(c, ANVIL_AUTH_FAILURE);
		reply(c, 535, "5.7.8", "Error: authentication failed: "
		    "authentication failure");
	}
}

static void
challenge(struct conn *c, struct slice data)
{
	struct buf	*out = stream_out(c->stream);

	buf_adds(out, "334 ");
	base64_put(out, data);
	buf_adds(out, "\r\n");
	c->mode = MODE_AUTH;
}

static void
stepped(void *arg, void *msg, const char *why)
{
	struct auth		*a = arg;
	struct conn		*c = a->c;
	const struct auth_step	*r = msg;

	conn_enter(c);
	a->call = 0;
	a->has_exchange = false;
	if (r == NULL) {
		log_warn("authentication server: %s", why);
		fail(c, NULL);
	} else if (r->status == AUTH_MORE) {
		a->exchange = r->exchange;
		a->has_exchange = true;
		challenge(c, r->challenge);
	} else if (r->status != AUTH_OK || r->user == NULL) {
		fail(c, r);
	} else if (r->challenge.len > 0) {
		/* RFC 4954 4: additional data of success is a challenge
		 * that the client answers with nothing. */
		a->done_user = mem_strdup(r->user);
		challenge(c, r->challenge);
	} else
		succeed(c, r->user);
	conn_leave(c);
}

/*
 * The command and its lines.
 */

/* base64 or "=" for empty. */
static bool
decode(struct slice in, bool initial, struct buf *out)
{
	buf_init(out, SASL_MAX);
	if (initial && slice_is(in, "="))
		return true;
	return base64_get(in, out);
}

bool
auth_wants_tls(const struct conn *c)
{
	const struct smtpd_conf	*conf = c->s->conf;

	return !stream_is_tls(c->stream) && (conf->tls_auth_only ||
	    conf->tls_level == TLS_LEVEL_ENCRYPT);
}

static bool
refused(struct conn *c, struct slice arg)
{
	if (!c->s->conf->sasl_enable)
		reply(c, 503, "5.5.1", "Error: authentication not enabled");
	else if (auth_wants_tls(c))
		reply(c, 538, "5.7.11", "Encryption required for requested "
		    "authentication mechanism");
	else if (c->helo == NULL || !c->esmtp)
		reply(c, 503, "5.5.1", "Error: send EHLO first");
	else if (c->tx != NULL)
		reply(c, 503, "5.5.1", "Error: MAIL transaction in progress");
	else if (c->sasl_user != NULL)
		reply(c, 503, "5.5.1", "Error: already authenticated");
	else if (arg.len == 0)
		reply(c, 501, "5.5.4", "Syntax: AUTH mechanism");
	else
		return false;
	return true;
}

/* Is it one of those that authd offered? */
static bool
offered(const struct conn *c, struct slice mech)
{
	struct slice	in = slice_str(
			    c->s->mechs[stream_is_tls(c->stream)].names);
	struct slice	word;

	while (slice_word(&in, " ", &word))
		if (slice_ieq(word, mech))
			return true;
	return false;
}

static void
start(struct conn *c, bool has_initial, struct slice initial)
{
	unsigned char		exporter[32];
	struct auth_start	q = {
		.service = "smtp", .mechanism = c->auth->mechanism,
		.remote_ip = c->ip, .local_ip = c->local_ip,
		.secured = stream_is_tls(c->stream),
		.has_initial = has_initial, .initial = initial,
	};

	if (stream_is_tls(c->stream) &&
	    stream_tls_exporter(c->stream, exporter))
		q.exporter = slice_of(exporter, sizeof(exporter));
	conn_busy(c, "authentication");
	c->auth->call = ipc_client_call(c->s->auth, &auth_start_desc, &q,
	    &auth_step_desc, AUTH_WAIT, stepped, c->auth);
}

static void
begin(struct conn *c, struct slice mech, struct slice initial)
{
	struct buf	b;

	if (!decode(initial, true, &b)) {
		reply(c, 501, "5.5.2", "Error: authentication failed: "
		    "malformed initial response");
		buf_clear(&b);
		return;
	}
	c->auth = mem_new(1, sizeof(*c->auth));
	c->auth->c = c;
	for (size_t i = 0; i < mech.len; i++)
		c->auth->mechanism[i] = (char)ascii_upper(mech.p[i]);
	start(c, initial.len > 0, buf_slice(&b));
	if (b.mem != NULL)
		mem_wipe(b.mem, b.size);
	buf_clear(&b);
}

static void
counted(struct conn *c, const struct anvil_res *r)
{
	struct slice	arg = c->auth_arg, mech;

	(void)slice_word(&arg, " ", &mech);
	if (r != NULL && !c->excepted &&
	    r->rate > (uint64_t)c->s->conf->auth_rate_limit) {
		log_warn("AUTH command rate limit exceeded: %llu from %s for "
		    "service %s", (unsigned long long)r->rate, c->namaddr,
		    daemon_service_name(c->s->d));
		reply(c, 450, "4.7.1", "Error: too many AUTH commands from "
		    "%s", c->ip);
	} else
		begin(c, mech, slice_trim(arg));
}

void
cmd_auth(struct conn *c, struct slice arg)
{
	struct slice	rest = arg, mech;

	if (refused(c, arg))
		return;
	(void)slice_word(&rest, " ", &mech);
	rest = slice_trim(rest);
	if (slice_find(rest, ' ') >= 0) {
		reply(c, 501, "5.5.4", "Syntax: AUTH mechanism");
		return;
	}
	if (mech.len >= sizeof(c->auth->mechanism) || !offered(c, mech)) {
		reply(c, 535, "5.7.8", "Error: authentication failed: "
		    "Invalid authentication mechanism");
		return;
	}
	if (c->s->conf->auth_rate_limit > 0) {
		c->auth_arg = arg;
		conn_busy(c, "anvil");
		anvil_event(c, ANVIL_AUTH, counted);
	} else
		begin(c, mech, rest);
}

/* A line of the exchange. */
void
auth_line(struct conn *c, struct slice line)
{
	struct auth		*a = c->auth;
	struct auth_continue	 q;
	struct buf		 b;

	if (slice_is(line, "*")) {
		auth_free(c);
		reply(c, 501, "5.7.0", "Authentication aborted");
		return;
	}
	if (!decode(line, false, &b)) {
		auth_free(c);
		reply(c, 501, "5.5.2", "Error: authentication failed: "
		    "malformed response");
	} else if (a->done_user != NULL) {
		if (buf_len(&b) == 0)
			succeed(c, a->done_user);
		else
			fail(c, &(struct auth_step){
			    .status = AUTH_FAILED });
	} else {
		q.exchange = a->exchange;
		q.response = buf_slice(&b);
		conn_busy(c, "authentication");
		c->mode = MODE_COMMAND;
		a->call = ipc_client_call(c->s->auth, &auth_continue_desc,
		    &q, &auth_step_desc, AUTH_WAIT, stepped, a);
	}
	if (b.mem != NULL)
		mem_wipe(b.mem, b.size);
	buf_clear(&b);
}
