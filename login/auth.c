/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "base/mem.h"
#include "codec/base64.h"
#include "login/login.h"
#include "sys/log.h"
#include "sys/loop.h"

/* authd hashes and holds failures back, so it may take its time. */
#define AUTH_TIMEOUT	SECS(60)
#define RETRY_MECHS	SECS(1)

static void
mechs_known(void *arg, void *reply, const char *why)
{
	struct login			*lg = arg;
	const struct auth_mechs		*m = reply;

	if (m == NULL) {
		log_warn("authd: %s", why);
		loop_timer_set(lg->mechs_timer, RETRY_MECHS);
		return;
	}
	lg->mechs = mem_strdup(m->names);
	LIST_EACH(l, &lg->conns) {
		struct conn	*c = LIST_ENTRY(l, struct conn, all);

		if (c->state == CONN_WAIT)
			conn_greet(c);
	}
}

void
auth_ask_mechs(void *arg)
{
	struct login			*lg = arg;
	const struct auth_mechs_req	 req = { .service = lg->proto->name,
					    .secured = true };

	(void)ipc_client_call(lg->authd, &auth_mechs_req_desc, &req,
	    &auth_mechs_desc, SECS(10), mechs_known, lg);
}

static bool
is_plaintext(struct slice mech)
{
	return slice_is(mech, "PLAIN") || slice_is(mech, "LOGIN");
}

static bool
usable(struct conn *c, struct slice mech, bool binding)
{
	if (is_plaintext(mech) && !conn_plaintext_ok(c))
		return false;
	return binding || !slice_ends(mech, "-PLUS");
}

static bool
has_binding(struct conn *c)
{
	unsigned char	 exporter[32];

	return stream_is_tls(c->stream) &&
	    stream_tls_exporter(c->stream, exporter);
}

void
auth_list_mechs(struct conn *c, const char *prefix, struct buf *out)
{
	struct slice	 in = slice_str(c->lg->mechs), word;
	const bool	 binding = has_binding(c);

	while (slice_word(&in, " ", &word))
		if (usable(c, word, binding)) {
			buf_adds(out, prefix);
			buf_add_slice(out, word);
		}
}

bool
auth_offered(struct conn *c, const char *mech)
{
	struct slice	 in = slice_str(c->lg->mechs), word;

	while (slice_word(&in, " ", &word))
		if (slice_is(word, mech))
			return usable(c, word, has_binding(c));
	return false;
}

static void
note_user(struct conn *c, const char *user)
{
	if (user != NULL && *user != '\0')
		(void)snprintf(c->user, sizeof(c->user), "%s", user);
}

/* RFC 3501 7.5 and RFC 5034 4 say the same. */
static void
challenge(struct conn *c, struct slice data)
{
	struct buf	*out = stream_out(c->stream);

	buf_adds(out, "+ ");
	base64_put(out, data);
	buf_adds(out, "\r\n");
	stream_flush(c->stream);
}

static void
stepped(void *arg, void *reply, const char *why)
{
	struct conn			*c = arg;
	const struct auth_step		*s = reply;
	enum auth_status		 status = AUTH_TEMPFAIL;

	c->call = 0;
	if (s == NULL) {
		log_warn("authd: %s", why);
	} else {
		note_user(c, s->user);
		status = (enum auth_status)s->status;
	}
	if (s != NULL && status == AUTH_MORE) {
		c->exchange = s->exchange;
		c->state = CONN_RESPONSE;
		challenge(c, s->challenge);
		conn_run(c);
	} else if (s != NULL && status == AUTH_OK && s->cookie != NULL &&
	    s->challenge.len > 0) {
		/* The server's last word (SCRAM) goes as a challenge that the
		 * client acknowledges with an empty response: RFC 3501 6.2.2
		 * and RFC 5034 4 know no data in the success reply. */
		(void)snprintf(c->won, sizeof(c->won), "%s", s->cookie);
		c->state = CONN_RESPONSE;
		challenge(c, s->challenge);
		conn_run(c);
	} else if (s != NULL && status == AUTH_OK && s->cookie != NULL) {
		handoff_begin(c, s->cookie);
	} else {
		if (status != AUTH_FAILED)
			status = AUTH_TEMPFAIL;
		else
			c->attempts++;
		c->state = CONN_COMMAND;
		c->lg->proto->failed(c, status);
		if (c->attempts >= c->lg->conf->attempts_max)
			conn_end(c, "Too many failed logins.",
			    "Disconnected: Too many failed logins");
		else
			conn_run(c);
	}
}

static void
start(struct conn *c, const char *mech, bool has_initial,
    struct slice initial)
{
	unsigned char		 exporter[32];
	struct auth_start	 msg = {
		.service = c->lg->proto->name,
		.mechanism = mech,
		.remote_ip = c->remote_ip,
		.local_ip = c->local_ip,
		.secured = conn_is_secure(c) || c->trusted,
		.has_initial = has_initial,
		.initial = initial,
		.exporter = SLICE_LIT(""),
	};

	if (stream_is_tls(c->stream) &&
	    stream_tls_exporter(c->stream, exporter))
		msg.exporter = slice_of(exporter, sizeof(exporter));
	c->state = CONN_AUTHD;
	c->call_at = c->lg->authd;
	c->call = ipc_client_call(c->lg->authd, &auth_start_desc, &msg,
	    &auth_step_desc, AUTH_TIMEOUT, stepped, c);
}

void
auth_begin(struct conn *c, const char *mech, bool has_initial,
    struct slice initial)
{
	(void)snprintf(c->method, sizeof(c->method), "%s", mech);
	start(c, mech, has_initial, initial);
}

void
auth_password(struct conn *c, const char *method, struct slice user,
    struct slice password)
{
	struct buf	 b;

	(void)snprintf(c->method, sizeof(c->method), "%s", method);
	(void)snprintf(c->user, sizeof(c->user), "%.*s", SLICE_ARG(user));
	buf_init(&b, (size_t)2 * LOGIN_LINE_MAX);
	buf_addc(&b, '\0');
	buf_add_slice(&b, user);
	buf_addc(&b, '\0');
	buf_add_slice(&b, password);
	start(c, "PLAIN", true, buf_slice(&b));
	mem_wipe(b.mem, b.size);
	buf_clear(&b);
}

static void
cancel_exchange(struct conn *c)
{
	const struct auth_cancel	msg = { .exchange = c->exchange };
	struct error			err;

	(void)!ipc_client_send(c->lg->authd, &auth_cancel_desc, &msg, &err);
}

bool
auth_is_won(const struct conn *c)
{
	return c->won[0] != '\0';
}

void
auth_acknowledged(struct conn *c)
{
	char	cookie[sizeof(c->won)];

	memcpy(cookie, c->won, sizeof(cookie));
	c->won[0] = '\0';
	handoff_begin(c, cookie);
}

/* RFC 3501 6.2.2, RFC 5034 4: "*" alone cancels. */
void
auth_response(struct conn *c, struct slice line)
{
	struct auth_continue	 msg = { .exchange = c->exchange };
	struct buf		 b;

	c->won[0] = '\0';
	buf_init(&b, LOGIN_LINE_MAX);
	if (slice_is(line, "*") || !base64_get(line, &b)) {
		cancel_exchange(c);
		c->state = CONN_COMMAND;
		c->lg->proto->cancelled(c, slice_is(line, "*") ?
		    "Authentication aborted by client." :
		    "Invalid base64 data in response.");
	} else {
		msg.response = buf_slice(&b);
		c->state = CONN_AUTHD;
		c->call_at = c->lg->authd;
		c->call = ipc_client_call(c->lg->authd, &auth_continue_desc,
		    &msg, &auth_step_desc, AUTH_TIMEOUT, stepped, c);
		if (b.mem != NULL)
			mem_wipe(b.mem, b.size);
	}
	buf_clear(&b);
}

void
auth_abandon(struct conn *c)
{
	if (c->state == CONN_RESPONSE)
		cancel_exchange(c);
}
