/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "daemon/daemon.h"
#include "smtp-client/smtpc.h"
#include "sys/clock.h"
#include "sys/log.h"
#include "sys/loop.h"

#define IN_MAX		((size_t)32768)
#define OUT_MAX		((size_t)131072)

static void
conn_free(struct conn *c)
{
	struct arena	*mem = c->mem;

	if (c->gone != NULL)
		*c->gone = true;
	content_free(c);
	dial_cancel(&c->dial);
	stream_close(&c->stream);
	loop_timer_free(&c->timer);
	arena_free(&c->scratch);
	arena_free(&mem);
}

void
conn_drop(struct conn **c)
{
	if (*c != NULL)
		conn_free(*c);
	*c = NULL;
}

const char *
conn_doing(const struct conn *c)
{
	static const char *const	text[CONN_STATES] = {
		[CONN_DIAL] = "connecting",
		[CONN_GREETING] = "receiving the initial server greeting",
		[CONN_EHLO] = "performing the EHLO handshake",
		[CONN_HELO] = "performing the HELO handshake",
		[CONN_STARTTLS] = "sending STARTTLS",
		[CONN_SHAKE] = "performing the TLS handshake",
		[CONN_AUTH] = "performing SASL authentication",
		[CONN_MAIL] = "sending MAIL FROM",
		[CONN_DATA] = "sending DATA command",
		[CONN_CONTENT] = "sending message body",
		[CONN_DOT] = ("sending end of data -- message may be sent "
		    "more than once"),
		[CONN_RSET] = "sending RSET",
		[CONN_IDLE] = "idle",
	};

	if (c->state == CONN_MAIL && c->tx.ahead && !c->tx.mail_failed)
		return text[CONN_DOT];
	if (c->state == CONN_MAIL && c->tx.mail_answered)
		return "sending RCPT TO";
	if (c->state == CONN_EHLO && c->p->lmtp)
		return "performing the LHLO handshake";
	return text[c->state];
}

void
conn_expect(struct conn *c, usec_t timeout)
{
	stream_deadline(c->stream, timeout);
}

void
conn_command(struct conn *c, const char *fmt, ...)
{
	struct buf	*out = stream_out(c->stream);
	va_list		 ap;

	va_start(ap, fmt);
	buf_addv(out, fmt, ap);
	va_end(ap);
	buf_adds(out, "\r\n");
	stream_flush(c->stream);
}

void
conn_failed(struct conn *c, const char *dsn, bool hard, const char *why)
{
	struct job	*j = c->job;

	if (j == NULL) {
		conn_release(c, false);
		return;
	}
	if (!hard && j->next < j->ntargets)
		log_info("%s: %s", j->m.queue_id, why);
	j->why_relay = arena_strdup(j->mem, c->target.relay);
	why = arena_strdup(j->mem, why);
	dsn = arena_strdup(j->mem, dsn);
	/* A server that talks to us deserves a QUIT. */
	if (c->stream != NULL && c->state != CONN_SHAKE)
		conn_command(c, "QUIT");
	if (c->stream != NULL)
		stream_finish(&c->stream, SECS(5));
	conn_free(c);
	j->sessions++;
	job_host_failed(j, dsn, hard, why);
}

/* A TLS handshake failed that was to take up a session, or that need not
 * succeed: the same host once more, without a session, or in clear. */
static void
shake_again(struct conn *c, bool offered, const char *reason)
{
	struct job	*j = c->job;

	if (!offered) {
		log_info("%s: Cannot start TLS: handshake failure with %s: "
		    "%s", j->m.queue_id, c->target.where, reason);
		j->target->clear = true;
	}
	j->next--;
	conn_free(c);
	job_host_failed(j, "4.7.5", false,
	    "Cannot start TLS: handshake failure");
}

/* The connection is dead.  In a transaction that is the transaction's
 * affair. */
static void
conn_broken(struct conn *c, bool timed_out, const char *reason)
{
	struct job	*j = c->job;
	const char	*why;
	bool		 offered;

	if (j == NULL) {
		conn_release(c, false);
		return;
	}
	if (timed_out)
		why = arena_printf(j->mem, "conversation with %s timed out "
		    "while %s", c->target.where, conn_doing(c));
	else
		why = arena_printf(j->mem, "lost connection with %s while %s",
		    c->target.where, conn_doing(c));
	reason = arena_strdup(j->mem, reason);	/* it is the stream's */
	log_debug("%s: %s: %s", j->m.queue_id, why, reason);
	if (c->state >= CONN_MAIL) {
		tx_broken(c, timed_out, why);
		return;
	}
	offered = stream_tls_offered(c->stream);
	stream_close(&c->stream);
	if (c->state == CONN_SHAKE && !timed_out && (offered ||
	    c->p->conf->tls_level == LEVEL_MAY)) {
		shake_again(c, offered, reason);
		return;
	}
	if (c->state == CONN_SHAKE && !timed_out)
		conn_failed(c, "4.7.5", false, arena_printf(j->mem,
		    "Cannot start TLS: handshake failure: %s", reason));
	else
		conn_failed(c, "4.4.2", false, why);
}

static void
on_reply(struct conn *c, const struct smtp_reply *r)
{
	switch (c->state) {
	case CONN_GREETING:
	case CONN_EHLO:
	case CONN_HELO:
	case CONN_STARTTLS:
	case CONN_AUTH:
		hello_reply(c, r);
		return;
	case CONN_MAIL:
	case CONN_DATA:
	case CONN_CONTENT:
	case CONN_DOT:
	case CONN_RSET:
		tx_reply(c, r);
		return;
	case CONN_DIAL:
	case CONN_SHAKE:
	case CONN_IDLE:
	case CONN_STATES:
		break;
	}
	/* Nobody asked: an idle server says 421. */
	conn_broken(c, false, r->text);
}

/* False: there is none yet, or the connection is gone. */
static bool
take_reply(struct conn *c)
{
	struct slice		 in = stream_in(c->stream);
	struct smtp_reply	 r;
	const char		*why;

	arena_reset(c->scratch);
	switch (smtp_reply_take(&in, c->scratch, &r, &why)) {
	case SMTP_REPLY_MORE:
		return false;
	case SMTP_REPLY_BAD:
		conn_broken(c, false, why);
		return false;
	case SMTP_REPLY_DONE:
		break;
	}
	stream_take(c->stream, stream_in(c->stream).len - in.len);
	on_reply(c, &r);
	return true;
}

/* Handling a reply may end the connection. */
static void
on_input(void *arg)
{
	struct conn	*c = arg;
	bool		 gone = false;

	c->gone = &gone;
	while (take_reply(c) && !gone)
		;
	if (!gone)
		c->gone = NULL;
}

static void
on_drained(void *arg)
{
	struct conn	*c = arg;

	if (c->state == CONN_CONTENT)
		content_drained(c);
}

static void
on_secured(void *arg)
{
	hello_secured(arg);
}

static void
on_ended(void *arg, enum stream_end end, const char *why)
{
	conn_broken(arg, end == STREAM_TIMEOUT, why);
}

static const struct stream_ops	stream_ops = {
	.input = on_input,
	.drained = on_drained,
	.secured = on_secured,
	.ended = on_ended,
};

static void
connected(struct conn *c, int fd)
{
	sock_nodelay(fd);
	c->stream = stream_new(daemon_loop(c->p->d), fd, IN_MAX, OUT_MAX,
	    &stream_ops, c);
	c->state = CONN_GREETING;
	conn_expect(c, c->p->conf->helo_timeout);
}

/* "connect to host[ip]:25: Connection refused" has a log line of its own. */
static void
not_connected(struct conn *c, const char *reason)
{
	struct job	*j = c->job;
	const char	*why;

	why = arena_printf(j->mem, "connect to %s: %s", c->target.relay,
	    reason);
	log_info("%s", why);
	j->why_relay = NULL;
	conn_free(c);
	job_host_failed(j, "4.4.1", false, why);
}

static void
on_dialed(void *arg, int fd, const struct error *err)
{
	struct conn	*c = arg;

	c->dial = NULL;
	if (fd < 0)
		not_connected(c, strerror(err->sys));
	else
		connected(c, fd);
}

static void
on_idle_over(void *arg)
{
	conn_release(arg, false);
}

void
conn_open(struct job *j, const struct target *t)
{
	struct arena		*mem = arena_new();
	struct conn		*c = arena_alloc(mem, sizeof(*c));
	const struct sock_addr	*from;
	struct sock_addr	 to;
	struct error		 err;
	int			 fd;

	c->mem = mem;
	c->p = j->p;
	c->job = j;
	c->scratch = arena_new();
	c->made_mono = clock_mono();
	c->connected = -1;
	c->target = *t;
	c->target.host = arena_strdup(mem, t->host);
	c->target.ip = arena_strdup(mem, t->ip);
	c->target.where = arena_strdup(mem, t->where);
	c->target.relay = arena_strdup(mem, t->relay);
	c->target.key = arena_strdup(mem, t->key);
	c->timer = loop_timer_new(daemon_loop(j->p->d), on_idle_over, c);
	j->conn = c;
	if (t->ip == NULL) {
		if (sock_connect_unix(t->host, &fd, &err) < 0)
			not_connected(c, strerror(err.sys));
		else
			connected(c, fd);
		return;
	}
	if (sock_parse(t->ip, t->port, &to, &err) < 0) {
		not_connected(c, err.text);
		return;
	}
	from = to.ss.ss_family == AF_INET ? &j->p->bind4 : &j->p->bind6;
	c->dial = dial_tcp(daemon_loop(j->p->d), &to,
	    from->len > 0 ? from : NULL, j->p->conf->connect_timeout,
	    on_dialed, c);
}

/* Idle connections of one key are a list, newest first. */
static struct list *
idle_list(struct smtpc *p, const char *key, bool make)
{
	struct list	*l = hash_gets(p->idle, key);

	if (l == NULL && make) {
		l = mem_new(1, sizeof(*l));
		list_init(l);
		hash_puts(p->idle, key, l);
	}
	return l;
}

static void
idle_leave(struct conn *c)
{
	struct list	*l = idle_list(c->p, c->target.key, false);

	list_remove(&c->link);
	list_remove(&c->all);
	if (l != NULL && list_empty(l)) {
		hash_dels(c->p->idle, c->target.key);
		mem_free(&l);
	}
	loop_timer_stop(c->timer);
}

bool
conn_reuse(struct job *j, const struct target *t)
{
	struct list	*l = idle_list(j->p, t->key, false);
	struct conn	*c;

	if (l == NULL)
		return false;
	c = LIST_ENTRY(list_first(l), struct conn, link);
	idle_leave(c);
	c->job = j;
	j->conn = c;
	return true;
}

void
conn_release(struct conn *c, bool keep)
{
	const struct smtpc_conf	*f = c->p->conf;

	if (c->state == CONN_IDLE && list_linked(&c->all))
		idle_leave(c);
	c->job = NULL;
	/* Bytes that nobody asked for would be taken for the answer to what
	 * we say next. */
	if (!keep || c->stream == NULL || stream_in(c->stream).len > 0 ||
	    stream_out_len(c->stream) > 0 || !f->cache_on_demand ||
	    daemon_draining(c->p->d) ||
	    clock_mono() - c->made_mono >= f->reuse_time) {
		if (c->stream != NULL) {
			conn_command(c, "QUIT");
			stream_finish(&c->stream, SECS(5));
		}
		conn_free(c);
		return;
	}
	c->state = CONN_IDLE;
	stream_deadline(c->stream, 0);
	stream_timeout(c->stream, 0);
	loop_timer_set(c->timer, f->cache_time);
	list_put_first(idle_list(c->p, c->target.key, true), &c->link);
	list_put_last(&c->p->all_idle, &c->all);
}

void
conn_close_idle(struct smtpc *p)
{
	struct conn	*c;

	LIST_EACH(l, &p->all_idle) {
		c = LIST_ENTRY(l, struct conn, all);
		idle_leave(c);
		/* At once: there is no loop any more that could linger. */
		conn_command(c, "QUIT");
		stream_close(&c->stream);
		conn_free(c);
	}
}
