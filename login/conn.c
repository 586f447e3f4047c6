/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/mem.h"
#include "codec/base64.h"
#include "ipc/anvil_msg.h"
#include "login/login.h"
#include "proto/pop3.h"
#include "sys/clock.h"
#include "sys/log.h"
#include "sys/loop.h"

#define BAD_COMMANDS_MAX	10
#define LINGER			SECS(10)
#define HANDSHAKE_TIMEOUT	SECS(60)
#define ANVIL_PAUSE		SECS(10)

bool
conn_is_secure(const struct conn *c)
{
	return c->inner != NULL ||
	    (c->stream != NULL && stream_is_tls(c->stream));
}

bool
conn_plaintext_ok(const struct conn *c)
{
	return !c->lg->conf->auth_only || conn_is_secure(c) || c->trusted;
}

static void
anvil_tell(struct conn *c, enum anvil_event event)
{
	char			 ident[SOCK_TEXT_MAX + 16];
	const struct anvil_req	 req = { .event = (uint64_t)event,
				    .ident = ident };
	struct error		 err;

	(void)snprintf(ident, sizeof(ident), "%s:%s", c->lg->proto->name,
	    c->remote_ip);
	(void)!ipc_client_send(c->lg->anvil, &anvil_req_desc, &req, &err);
}

static void
free_memory(void *arg)
{
	struct conn	*c = arg;
	struct arena	*mem = c->mem;

	arena_free(&mem);
}

/* Callers up the stack look at the state once more before they go on, so the
 * struct stays until the loop is reached. */
void
conn_free(struct conn *c)
{
	if (c->state == CONN_OVER)
		return;
	if (c->call != 0)
		ipc_client_cancel(c->call_at, c->call);
	c->call = 0;
	auth_abandon(c);
	handoff_abandon(c);
	if (c->counted)
		anvil_tell(c, ANVIL_DISCONNECT);
	stream_close(&c->stream);
	stream_close(&c->inner);
	if (c->fd >= 0)
		close(c->fd);
	imap_frame_clear(&c->frame);
	mem_free(&c->tag);
	mem_free(&c->pop3_user);
	list_remove(&c->all);
	c->state = CONN_OVER;
	loop_defer(c->lg->loop, free_memory, c);
	daemon_session_end(c->lg->daemon);
	if (daemon_draining(c->lg->daemon) && list_empty(&c->lg->conns))
		daemon_exit(c->lg->daemon);
}

void
conn_end(struct conn *c, const char *bye, const char *why)
{
	report_end(c, why);
	if (bye != NULL && c->stream != NULL && !c->handshaking)
		c->lg->proto->bye(c, bye);
	stream_finish(&c->stream, LINGER);
	conn_free(c);
}

bool
conn_may_go_on(const struct conn *c)
{
	return c->state == CONN_COMMAND && !c->handshaking &&
	    buf_room(stream_out(c->stream)) >= LOGIN_REPLY_MAX;
}

bool
conn_bad_command(struct conn *c)
{
	if (++c->commands_bad < BAD_COMMANDS_MAX)
		return true;
	conn_end(c, "Too many invalid commands.",
	    "Disconnected: Too many invalid commands");
	return false;
}

static void
take_response(struct conn *c)
{
	struct slice	 in = stream_in(c->stream), line;
	const size_t	 before = in.len;

	switch (pop3_line_take(&in, LOGIN_LINE_MAX, &line)) {
	case POP3_LINE_MORE:
		return;
	case POP3_LINE_BAD:
		conn_end(c, "Response is too long.",
		    "Disconnected: Bad SASL response");
		return;
	case POP3_LINE_DONE:
		break;
	}
	if (line.len == 0 && auth_is_won(c)) {
		stream_take(c->stream, before - in.len);
		auth_acknowledged(c);
		return;
	}
	/* The line is part of the stream's buffer until it is taken. */
	auth_response(c, line);
	if (c->state == CONN_OVER)
		return;
	stream_take(c->stream, before - in.len);
	if (c->state == CONN_COMMAND)
		conn_run(c);
}

void
conn_run(struct conn *c)
{
	switch (c->state) {
	case CONN_COMMAND:
		c->lg->proto->input(c);
		return;
	case CONN_RESPONSE:
		take_response(c);
		return;
	case CONN_RELAY:
		relay_pump(c);
		return;
	case CONN_WAIT:
	case CONN_AUTHD:
	case CONN_HANDOFF:
	case CONN_OVER:
		return;
	}
}

static void
on_input(void *arg)
{
	conn_run(arg);
}

static void
on_drained(void *arg)
{
	struct conn	*c = arg;

	if (c->state == CONN_RELAY)
		relay_pump(c);
	else if (c->state == CONN_HANDOFF)
		handoff_drained(c);
	else
		conn_run(c);
}

static void
on_secured(void *arg)
{
	struct conn	*c = arg;

	c->handshaking = false;
	stream_deadline(c->stream, c->lg->conf->timeout);
	if (c->state == CONN_WAIT)
		conn_greet(c);
}

static void
on_ended(void *arg, enum stream_end end, const char *why)
{
	struct conn	*c = arg;
	char		 text[256];

	if (c->state == CONN_RELAY) {
		c->outer_eof = true;
		relay_pump(c);
		return;
	}
	if (end == STREAM_TIMEOUT) {
		conn_end(c, "Disconnected for inactivity.",
		    "Disconnected: Inactivity");
		return;
	}
	if (c->handshaking) {
		(void)snprintf(text, sizeof(text),
		    "Disconnected: TLS handshaking: %s", why);
		conn_end(c, NULL, text);
		return;
	}
	conn_end(c, NULL, c->attempts > 0 ? "Aborted login" :
	    end == STREAM_EOF ? "Disconnected" :
	    "Disconnected: Connection closed");
}

static const struct stream_ops	ops = {
	.input = on_input,
	.drained = on_drained,
	.secured = on_secured,
	.ended = on_ended,
};

void
conn_revive(struct conn *c)
{
	c->stream = stream_new(c->lg->loop, c->fd, LOGIN_IN_MAX,
	    LOGIN_OUT_MAX, &ops, c);
	stream_pause(c->stream);
	c->fd = -1;
}

void
conn_starttls(struct conn *c)
{
	stream_flush(c->stream);
	imap_frame_clear(&c->frame);
	c->handshaking = true;
	if (stream_tls_accept(c->stream, c->lg->tls) < 0) {
		/* RFC 3207 4, RFC 2595: what came in clear behind the
		 * command must not be taken for protected text. */
		c->handshaking = false;
		conn_end(c, NULL, "Disconnected: Plaintext input behind "
		    "the request for TLS");
		return;
	}
	stream_deadline(c->stream, HANDSHAKE_TIMEOUT);
}

void
conn_greet(struct conn *c)
{
	if (c->greeted || !c->anvil_done || c->handshaking ||
	    c->lg->mechs == NULL)
		return;
	c->greeted = true;
	c->state = CONN_COMMAND;
	c->lg->proto->greet(c);
	stream_flush(c->stream);
	conn_run(c);
}

static void
counted(void *arg, void *reply, const char *why)
{
	struct conn			*c = arg;
	const struct anvil_res		*r = reply;

	c->call = 0;
	c->anvil_done = true;
	c->counted = r != NULL;
	/* Without anvil nobody is counted, and nobody waits for it either. */
	if (r == NULL) {
		log_warn("anvil: %s", why);
		c->lg->anvil_again_mono = clock_mono() + ANVIL_PAUSE;
	}
	if (r != NULL && !c->trusted &&
	    r->connections > (uint64_t)c->lg->conf->client_limit) {
		conn_end(c, "Too many connections from your address.",
		    "Disconnected: Too many connections from the address");
		return;
	}
	conn_greet(c);
}

static void
greet_later(void *arg)
{
	struct conn	*c = arg;

	if (c->state == CONN_WAIT)
		conn_greet(c);
}

static void
count(struct conn *c)
{
	char			 ident[SOCK_TEXT_MAX + 16];
	const struct anvil_req	 req = { .event = ANVIL_CONNECT,
				    .ident = ident };

	if (clock_mono() < c->lg->anvil_again_mono) {
		c->anvil_done = true;
		loop_defer(c->lg->loop, greet_later, c);
		return;
	}
	(void)snprintf(ident, sizeof(ident), "%s:%s", c->lg->proto->name,
	    c->remote_ip);
	c->call_at = c->lg->anvil;
	c->call = ipc_client_call(c->lg->anvil, &anvil_req_desc, &req,
	    &anvil_res_desc, SECS(3), counted, c);
}

static bool
is_trusted(struct conn *c)
{
	if (strcmp(c->remote_ip, c->local_ip) == 0)
		return true;
	for (size_t i = 0; i < c->lg->ntrusted; i++)
		if (sock_net_has(&c->lg->trusted[i], &c->remote))
			return true;
	return false;
}

static void
session_id(char out[17])
{
	unsigned char	 raw[12];
	struct buf	 b;

	if (getrandom(raw, sizeof(raw), 0) != (ssize_t)sizeof(raw))
		memset(raw, 0, sizeof(raw));
	buf_init(&b, 16);
	base64_put(&b, slice_of(raw, sizeof(raw)));
	memcpy(out, buf_cstr(&b), 17);
	buf_clear(&b);
}

void
conn_accept(struct daemon *d, int fd, const struct sock_addr *peer)
{
	struct login	*lg = daemon_state(d);
	struct arena	*mem = arena_new();
	struct conn	*c = arena_alloc(mem, sizeof(*c));

	daemon_session_begin(d);
	c->mem = mem;
	c->lg = lg;
	c->fd = -1;
	c->state = CONN_WAIT;
	c->began_mono = clock_mono();
	c->remote = *peer;
	sock_unmap(&c->remote);
	sock_host(&c->remote, c->remote_ip);
	if (sock_local(fd, &c->local) == 0)
		sock_unmap(&c->local);
	sock_host(&c->local, c->local_ip);
	session_id(c->session_id);
	c->trusted = is_trusted(c);
	imap_frame_init(&c->frame, LOGIN_LINE_MAX, LOGIN_LITERAL_MAX);
	list_put_last(&lg->conns, &c->all);
	sock_nodelay(fd);
	c->stream = stream_new(lg->loop, fd, LOGIN_IN_MAX, LOGIN_OUT_MAX,
	    &ops, c);
	stream_deadline(c->stream, lg->conf->timeout);
	count(c);
	if (lg->conf->wrappermode)
		conn_starttls(c);
}
