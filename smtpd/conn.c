/* SPDX-License-Identifier: Apache-2.0 */
/* A connection: begin, input, output, close.
 *
 * process() is the only place that runs commands and the only one that ends a
 * connection: everything else marks (busy, closing, lost) and calls
 * conn_go().  After conn_go(), conn_close() and conn_lost() outside of
 * process() the connection may be gone. */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fmt.h"
#include "base/mem.h"
#include "base/panic.h"
#include "proto/smtp_line.h"
#include "smtpd/check.h"
#include "sys/log.h"
#include "sys/loop.h"

#define IN_MAX		((size_t)65536)
#define OUT_MAX		((size_t)262144)
#define OUT_HIGH	((size_t)16384)
#define SKIP_MAX	((size_t)65536)	/* of a line without end */
#define AUTH_LINE_MAX	((size_t)16400)	/* base64 of 12288 bytes */
#define LINGER		SECS(10)

static const char	waits_for_output[] = "output";
static const char	is_slowed_down[] = "error delay";

static void
end(struct conn *c)
{
	struct smtpd	*s = c->s;
	struct buf	 text;

	command_done(c);
	buf_init(&text, 1024);
	command_counts(c, &text);
	log_info("disconnect from %s%s", c->namaddr, buf_cstr(&text));
	buf_clear(&text);
	/* Asked is as good as counted: anvil reads in order. */
	if (c->counted || c->counting)
		anvil_note(c, ANVIL_DISCONNECT);
	check_free(c);
	auth_free(c);
	peer_free(c);
	dns_free(c);
	tx_end(c);
	if (c->commit != NULL)
		c->commit->c = NULL;
	if (c->anvil_call != 0)
		ipc_client_cancel(s->anvil, c->anvil_call);
	if (c->mechs_call != 0)
		ipc_client_cancel(s->auth, c->mechs_call);
	loop_timer_free(&c->timer);
	if (c->lost)
		stream_close(&c->stream);
	else
		stream_finish(&c->stream, LINGER);
	list_remove(&c->link);
	list_remove(&c->outbox);
	arena_free(&c->mail_mem);
	arena_free(&c->cmd_mem);
	arena_free(&c->mem);
	mem_free(&c);
	daemon_session_end(s->d);
	smtpd_look_for_end(s);
}

/*
 * Input.
 */
static void
bad_line(struct conn *c, enum smtp_line got)
{
	c->skip_line = true;
	c->skipped = 0;
	command_bad_line(c, got == SMTP_LINE_BARE ? BAD_BARE :
	    got == SMTP_LINE_NUL ? BAD_NUL : BAD_LONG);
}

static bool
skip(struct conn *c)
{
	struct slice	in = stream_in(c->stream);
	size_t		before = in.len;
	bool		over = smtp_line_skip(&in);

	c->skipped += before - in.len;
	stream_take(c->stream, before - in.len);
	if (over) {
		c->skip_line = false;
		return true;
	}
	if (c->skipped > SKIP_MAX) {
		reply(c, 421, "5.5.2", "%s Error: line too long",
		    c->s->common->myhostname);
		conn_close(c);
	}
	return false;
}

static bool
line_input(struct conn *c)
{
	struct slice	in = stream_in(c->stream), line;
	size_t		before = in.len;
	enum smtp_line	got;

	if (c->skip_line)
		return skip(c);
	got = smtp_line_take(&in, c->mode == MODE_AUTH ? AUTH_LINE_MAX :
	    (size_t)c->s->conf->line_limit, command_bare_ok(c), &line);
	if (got == SMTP_LINE_MORE)
		return false;
	if (got != SMTP_LINE_DONE) {
		bad_line(c, got);
		return true;
	}
	if (c->mode == MODE_AUTH) {
		auth_line(c, slice_dup(c->cmd_mem, line));
		/* What auth_line() did with it is asynchronous; the bytes go
		 * now. */
		stream_take(c->stream, before - in.len);
		return true;
	}
	arena_reset(c->cmd_mem);
	line = slice_dup(c->cmd_mem, line);
	stream_take(c->stream, before - in.len);
	stream_deadline(c->stream, 0);
	c->timed = false;
	command_run(c, line);
	return true;
}

/* Told to stop: nothing that was not acknowledged matters. */
static bool
shut_down(struct conn *c)
{
	if (!daemon_stopping(c->s->d))
		return false;
	reply(c, 421, "4.3.2", "%s Service shutting down and closing "
	    "transmission channel", c->s->common->myhostname);
	conn_close(c);
	return true;
}

/* Content that is coming in now may still be finished. */
static void
stop_now(struct conn *c)
{
	if (c->busy == NULL && shut_down(c))
		return;
	conn_after(c, SECS(1), stop_now);
}

void
conn_stop(struct conn *c)
{
	if (!c->greeted || c->mode == MODE_AUTH)
		conn_close(c);
	else if (c->busy == is_slowed_down ||
	    (c->busy == NULL && c->mode == MODE_COMMAND))
		(void)shut_down(c);
	else
		conn_after(c, SECS(4), stop_now);
}

static bool
step(struct conn *c)
{
	if (c->mode == MODE_COMMAND) {
		command_done(c);
		if (c->busy != NULL || c->closing || shut_down(c))
			return false;
	}
	if (stream_out_len(c->stream) > OUT_HIGH) {
		conn_busy(c, waits_for_output);
		return false;
	}
	switch (c->mode) {
	case MODE_DATA:
		return data_input(c);
	case MODE_BDAT:
		return bdat_input(c);
	case MODE_COMMAND:
	case MODE_AUTH:
		break;
	}
	return line_input(c);
}

static void
process(struct conn *c)
{
	if (c->running || !c->greeted)
		return;
	c->running = true;
	while (c->busy == NULL && !c->closing && step(c))
		;
	if (c->busy == NULL && !c->closing && c->eof)
		conn_lost(c, "lost connection");
	c->running = false;
	if (c->closing) {
		end(c);
		return;
	}
	outbox_add(c);
	/* Once per command: however slowly it comes, it has to be complete by
	 * then. */
	if (c->busy == NULL && !c->timed) {
		stream_deadline(c->stream, c->s->conf->timeout);
		c->timed = true;
	}
}

void
conn_busy(struct conn *c, const char *what)
{
	c->busy = what;
}

void
conn_go(struct conn *c)
{
	c->busy = NULL;
	process(c);
}

void
conn_enter(struct conn *c)
{
	ASSERT(!c->running);
	c->running = true;
	c->busy = NULL;
}

void
conn_leave(struct conn *c)
{
	c->running = false;
	if (c->closing)
		end(c);
	else if (c->busy == NULL)
		process(c);
	else
		outbox_add(c);
}

void
conn_close(struct conn *c)
{
	c->closing = true;
	if (!c->running)
		end(c);
}

void
conn_lost(struct conn *c, const char *how)
{
	log_info("%s: %s after %s from %s", tx_id(c), how, c->where,
	    c->namaddr);
	conn_close(c);
}

static void
input(void *arg)
{
	struct conn	*c = arg;

	if (c->busy == NULL)
		process(c);
}

bool
conn_awaits_output(const struct conn *c)
{
	return c->busy == waits_for_output;
}

static void
drained(void *arg)
{
	struct conn	*c = arg;

	if (conn_awaits_output(c))
		conn_go(c);
}

static void
secured(void *arg)
{
	tls_secured(arg);
}

static void
timed_out(struct conn *c)
{
	if (c->busy != NULL && c->busy != waits_for_output && c->greeted) {
		/* It is we who are slow. */
		stream_timeout(c->stream, c->s->conf->timeout);
		return;
	}
	if (c->greeted && c->busy == NULL)
		reply(c, 421, "4.4.2", "%s Error: timeout exceeded",
		    c->s->common->myhostname);
	conn_lost(c, "timeout");
}

static void
ended(void *arg, enum stream_end how, const char *why)
{
	struct conn	*c = arg;

	if (how == STREAM_TIMEOUT) {
		timed_out(c);
		return;
	}
	/* A client may close its sending side and still read replies. */
	c->eof = true;
	c->lost = how == STREAM_ERROR;
	if (!c->lost && c->busy != NULL && c->greeted)
		return;
	log_debug("%s: %s", c->namaddr, why);
	conn_lost(c, "lost connection");
}

/*
 * Waiting.
 */
static void
timer(void *arg)
{
	struct conn	*c = arg;
	void		(*run)(struct conn *) = c->timer_run;

	c->timer_run = NULL;
	if (run != NULL)
		run(c);
}

void
conn_after(struct conn *c, usec_t delay, void (*run)(struct conn *c))
{
	if (c->timer == NULL)
		c->timer = loop_timer_new(c->s->loop, timer, c);
	c->timer_run = run;
	if (run == NULL)
		loop_timer_stop(c->timer);
	else
		loop_timer_set(c->timer, delay);
}

/* The reply goes out; the next command is not looked at before the time is
 * over. */
void
conn_slow_down(struct conn *c)
{
	conn_busy(c, is_slowed_down);
	conn_after(c, c->s->conf->error_sleep, conn_go);
}

/*
 * Begin.
 */
static const struct stream_ops ops = {
	.input = input, .drained = drained, .secured = secured,
	.ended = ended,
};

static bool
matches(struct match_list *l, struct conn *c)
{
	struct error	err;
	enum map_result	r = match_list_has(l, c->name, c->ip, &err);

	if (r == MAP_ERROR)
		log_warn("%s", err.text);
	return r == MAP_FOUND;
}

/* The name is known. */
void
conn_named(struct conn *c)
{
	c->namaddr = c->s->conf->port_logging ?
	    arena_printf(c->mem, "%s[%s]:%s", c->name, c->ip, c->port) :
	    arena_printf(c->mem, "%s[%s]", c->name, c->ip);
	c->trusted = matches(c->s->mynetworks, c);
	c->excepted = matches(c->s->exceptions, c);
	log_info("connect from %s", c->namaddr);
	daemon_count(c->s->d, COUNT_ACCEPTED, 1);
}

static void
look_for_changes(struct smtpd *s)
{
	if (daemon_draining(s->d))
		return;
	if (route_changed(s->route) || intake_changed(s->intake) ||
	    check_changed(s))
		daemon_retire(s->d, "a table has changed");
}

void
conn_accept(struct daemon *d, int fd, const struct sock_addr *peer)
{
	struct smtpd	*s = daemon_state(d);
	struct arena	*mem = arena_new();
	struct conn	*c = mem_new(1, sizeof(*c));
	struct sock_addr local;

	c->s = s;
	c->mem = mem;
	c->cmd_mem = arena_new();
	c->addr = *peer;
	sock_unmap(&c->addr);
	(void)sock_host(&c->addr, c->ip);
	(void)fmt_print(c->port, sizeof(c->port), "%u",
	    (unsigned int)sock_port(&c->addr));
	if (sock_local(fd, &local) == 0) {
		sock_unmap(&local);
		(void)sock_host(&local, c->local_ip);
	}
	c->name = c->reverse_name = "unknown";
	c->namaddr = arena_printf(mem, "unknown[%s]", c->ip);
	c->where = "CONNECT";
	list_init(&c->dns_waiting);
	list_put_last(&s->conns, &c->link);
	daemon_session_begin(d);
	sock_nodelay(fd);
	c->stream = stream_new(s->loop, fd, IN_MAX, OUT_MAX, &ops, c);
	stream_pause(c->stream);
	/* This client is still served; without any we would leave at once. */
	look_for_changes(s);
	peer_start(c);
}

/* Did the client talk before it was greeted?  Asked of the socket, since
 * the stream does not read yet. */
static bool
spoke_first(struct conn *c)
{
	char	byte;

	return !stream_is_tls(c->stream) && recv(stream_fd(c->stream), &byte,
	    1, MSG_PEEK | MSG_DONTWAIT) == 1;
}

/* Name, counts and TLS (in wrappermode) are settled. */
void
conn_greet(struct conn *c)
{
	struct smtpd	*s = c->s;

	if (spoke_first(c) && s->conf->forbid_pipelining) {
		log_info("improper command pipelining after CONNECT from %s",
		    c->namaddr);
		reply(c, 554, "5.5.0", "Error: SMTP protocol "
		    "synchronization");
		conn_close(c);
		return;
	}
	c->greeted = true;
	c->busy = NULL;
	reply_raw(c, s->banner);
	stream_timeout(c->stream, s->conf->timeout);
	stream_resume(c->stream);
	outbox_add(c);
}
