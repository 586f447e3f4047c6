/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Giving the client away.  In clear the session process gets the client's own
 * descriptor and we forget it; under TLS it gets one end of a socket pair and
 * we keep the other.  What the client sent ahead of the answer goes along.
 */
#include <unistd.h>

#include "base/mem.h"
#include "ipc/session_msg.h"
#include "login/login.h"
#include "sys/log.h"

#define HANDOFF_TIMEOUT	SECS(45)
#define NO_SESSION	"Internal error: the mailbox is not available now."

struct handoff {
	struct conn	*c;
	int		 theirs, ours;	/* socket pair; -1 in clear */
};

static void
refused(struct conn *c)
{
	/* In clear the stream was taken apart: make one again to answer. */
	if (c->stream == NULL)
		conn_revive(c);
	c->state = CONN_COMMAND;
	c->lg->proto->failed(c, AUTH_TEMPFAIL);
	conn_end(c, NO_SESSION, "Disconnected: Internal login failure");
}

static void
answered(void *arg, void *reply, const char *why)
{
	struct handoff			*h = arg;
	struct conn			*c = h->c;
	const struct session_res	*r = reply;
	const int			 ours = h->ours;

	mem_free(&h);
	c->handoff = NULL;
	c->call = 0;
	if (r == NULL || !r->ok) {
		log_warn("%s: session of %s refused: %s", c->lg->proto->session,
		    c->user, r == NULL ? why : r->reason != NULL ? r->reason :
		    "no reason given");
		if (ours >= 0)
			close(ours);
		refused(c);
		return;
	}
	report_login(c, r->pid);
	if (ours < 0) {
		close(c->fd);
		c->fd = -1;
		conn_free(c);
		return;
	}
	relay_begin(c, ours);
}

static void
ask(struct conn *c, const char *cookie, int fd, struct slice input,
    struct handoff *h)
{
	const struct session_req	req = {
		.client = fd,
		.service = c->lg->proto->name,
		.cookie = cookie,
		.session_id = c->session_id,
		.remote_ip = c->remote_ip,
		.local_ip = c->local_ip,
		.remote_port = sock_port(&c->remote),
		.local_port = sock_port(&c->local),
		.secured = h->ours >= 0 || c->trusted,
		.tag = c->tag,
		.input = input,
	};

	c->call_at = c->lg->session;
	c->call = ipc_client_call(c->lg->session, &session_req_desc, &req,
	    &session_res_desc, HANDOFF_TIMEOUT, answered, h);
}

static void
give_plain(struct conn *c, const char *cookie, struct handoff *h)
{
	struct buf	rest;

	buf_init(&rest, LOGIN_IN_MAX);
	c->fd = stream_detach(&c->stream, &rest);
	ask(c, cookie, c->fd, buf_slice(&rest), h);
	buf_clear(&rest);
}

static void
give_tls(struct conn *c, const char *cookie, struct handoff *h)
{
	struct slice	 in = stream_in(c->stream);

	ask(c, cookie, h->theirs, in, h);
	stream_take(c->stream, in.len);
	close(h->theirs);
	h->theirs = -1;
}

/* A stream can be taken apart only when its output is written. */
void
handoff_drained(struct conn *c)
{
	struct handoff	*h;
	char		*cookie = c->cookie;
	struct error	 err;
	int		 pair[2] = { -1, -1 };

	if (cookie == NULL || stream_out_len(c->stream) > 0)
		return;
	c->cookie = NULL;
	if (stream_is_tls(c->stream) && sock_pair(pair, &err) < 0) {
		log_warn("%s", err.text);
		mem_free(&cookie);
		refused(c);
		return;
	}
	h = mem_new(1, sizeof(*h));
	h->c = c;
	h->ours = pair[0];
	h->theirs = pair[1];
	c->handoff = h;
	if (h->ours >= 0)
		give_tls(c, cookie, h);
	else
		give_plain(c, cookie, h);
	mem_free(&cookie);
}

void
handoff_begin(struct conn *c, const char *cookie)
{
	c->state = CONN_HANDOFF;
	c->cookie = mem_strdup(cookie);
	stream_pause(c->stream);
	stream_deadline(c->stream, 0);
	handoff_drained(c);
}

void
handoff_abandon(struct conn *c)
{
	mem_free(&c->cookie);
	if (c->handoff == NULL)
		return;
	if (c->handoff->ours >= 0)
		close(c->handoff->ours);
	mem_free(&c->handoff);
}
