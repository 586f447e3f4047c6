/* SPDX-License-Identifier: Apache-2.0 */
/* A mail transaction: from MAIL to its reply.  tx_end() is the only way out,
 * whatever ends it: the reply to its content, RSET, EHLO, STARTTLS, an error,
 * the end of the connection.  Nothing of it can be left behind, because all
 * of it hangs off conn->tx. */
#include "base/mem.h"
#include "base/panic.h"
#include "intake/intake_service.h"
#include "ipc/deliver_msg.h"
#include "ipc/queue_msg.h"
#include "smtpd/smtpd.h"
#include "sys/clock.h"
#include "sys/log.h"

_Static_assert((int)SMTP_NOTIFY_NEVER == NOTIFY_NEVER &&
    (int)SMTP_NOTIFY_SUCCESS == NOTIFY_SUCCESS &&
    (int)SMTP_NOTIFY_FAILURE == NOTIFY_FAILURE &&
    (int)SMTP_NOTIFY_DELAY == NOTIFY_DELAY &&
    (int)SMTP_RET_FULL == RET_FULL && (int)SMTP_RET_HDRS == RET_HDRS,
    "numbers of proto and ipc agree");

const char *
tx_id(const struct conn *c)
{
	return c->tx != NULL && c->tx->msg != NULL ?
	    intake_id(c->tx->msg) : "NOQUEUE";
}

/* m's strings live in mem, which becomes the transaction's. */
void
tx_begin(struct conn *c, const struct smtp_mail *m, struct arena **mem)
{
	ASSERT(c->tx == NULL);
	c->tx = arena_alloc(*mem, sizeof(*c->tx));
	c->tx->mem = *mem;
	c->tx->mail = *m;
	*mem = NULL;
}

void
tx_end(struct conn *c)
{
	struct tx	*tx = c->tx;
	struct arena	*mem;

	/* What tables asked for at HELO or MAIL was for this message. */
	c->actions.hold = c->actions.discard = false;
	c->actions.redirect = NULL;
	c->actions.nprepend = 0;
	c->tx = NULL;
	if (tx == NULL)
		return;
	mem = tx->mem;
	intake_abort(&tx->msg);
	arena_free(&mem);
}

/*
 * The first recipient makes it a message with a queue id.
 */
static const char *
with_protocol(const struct conn *c)
{
	bool		 tls = stream_is_tls(c->stream);
	bool		 auth = c->sasl_user != NULL;

	/* RFC 3848, RFC 6531 4.3 */
	if (c->tx->mail.utf8)
		return tls ? auth ? "UTF8SMTPSA" : "UTF8SMTPS" :
		    auth ? "UTF8SMTPA" : "UTF8SMTP";
	if (!c->esmtp)
		return "SMTP";
	return tls ? auth ? "ESMTPSA" : "ESMTPS" : auth ? "ESMTPA" : "ESMTP";
}

static const char *
tls_text(struct conn *c)
{
	const struct tls_info	*t = stream_tls_info(c->stream);

	if (t == NULL || !c->s->conf->tls_received_header)
		return NULL;
	return arena_printf(c->tx->mem, "(using %s with cipher %s (%d/%d "
	    "bits))\r\n\t(No client certificate requested)", t->protocol,
	    t->cipher, t->bits_used, t->bits_max);
}

static bool
is_own(const struct conn *c)
{
	for (const char **a = c->s->own_addresses; *a != NULL; a++)
		if (strcmp(*a, c->ip) == 0)
			return true;
	return false;
}

/* local_header_rewrite_clients */
static bool
gets_missing_headers(struct conn *c)
{
	const struct smtpd	*s = c->s;

	if ((s->completes.own && is_own(c)) ||
	    (s->completes.trusted && c->trusted) ||
	    (s->completes.sasl && c->sasl_user != NULL))
		return true;
	return match_list_has(s->rewrite, c->name, c->ip, NULL) ==
	    MAP_FOUND;
}

static void
begin_message(struct conn *c)
{
	const struct smtpd_conf	*conf = c->s->conf;
	struct smtp_mail	*m = &c->tx->mail;
	struct intake_origin	 o = {
		.lines = conf->bare_newline == BARE_REJECT ?
		    INTAKE_CRLF_ONLY : INTAKE_NORMALIZE,
		.local = gets_missing_headers(c),
		.hide_client = conf->hide_client,
		.arrival = clock_wall(),
		.client_name = c->name, .client_address = c->ip,
		.client_port = c->port, .helo = c->helo,
		.protocol = with_protocol(c), .tls = tls_text(c),
		.sasl_method = c->sasl_method, .sasl_username = c->sasl_user,
		.show_sasl = conf->sasl_header,
	};

	intake_begin(c->s->intake, c->s->queue, &o, &c->tx->msg);
	intake_sender(c->tx->msg, m->address, m->envid, m->ret,
	    m->utf8 ? QUEUE_UTF8 : 0);
	if (c->sasl_user != NULL)
		log_info("%s: client=%s, sasl_method=%s, sasl_username=%s",
		    tx_id(c), c->namaddr, c->sasl_method, c->sasl_user);
	else
		log_info("%s: client=%s", tx_id(c), c->namaddr);
}

static void
put_rcpt(struct tx *tx, const char *address)
{
	const char	**more;

	if (tx->nrcpts == tx->rcpts_size) {
		tx->rcpts_size = tx->rcpts_size == 0 ? 4 : 2 * tx->rcpts_size;
		more = arena_array(tx->mem, tx->rcpts_size, sizeof(*more));
		if (tx->nrcpts > 0)
			memcpy(more, tx->rcpts, tx->nrcpts * sizeof(*more));
		tx->rcpts = more;
	}
	tx->rcpts[tx->nrcpts++] = arena_strdup(tx->mem, address);
}

void
tx_rcpt(struct conn *c, const struct smtp_rcpt *r)
{
	struct tx		*tx = c->tx;
	struct queue_rcpt	 q = {
		.address = r->address, .dsn_orcpt = r->orcpt,
		.notify = r->notify,
	};

	if (tx->msg == NULL)
		begin_message(c);
	intake_rcpt(tx->msg, &q);
	put_rcpt(tx, r->address);
}

/* What goes into the header section must be known before it comes. */
void
tx_content(struct conn *c)
{
	c->tx->data = true;
	for (size_t i = 0; i < c->actions.nprepend; i++)
		intake_prepend(c->tx->msg, c->actions.prepend[i]);
}

/*
 * The end: durable, qmgr told, replied.
 */
static void
count(struct smtpd *s, const struct intake_result *r)
{
	if (r->status != INTAKE_OK || r->held || r->discarded)
		return;
	daemon_count(s->d, COUNT_MESSAGES, 1);
	daemon_count(s->d, COUNT_BYTES, r->size);
}

static void
answer(struct commit *t, const struct intake_result *r)
{
	struct conn	*c = t->c;

	conn_enter(c);
	c->commit = NULL;
	tx_end(c);
	if (r->status != INTAKE_OK) {
		reply(c, r->code, r->dsn, "%s", r->text);
	} else {
		/* Honest work pays for mistakes. */
		c->errors = c->junk = 0;
		c->cmd_errors = 0;
		if (t->bdat)
			reply(c, 250, "2.0.0", "Ok: %llu bytes queued as %s",
			    (unsigned long long)t->bdat_bytes, r->queue_id);
		else
			reply(c, 250, "2.0.0", "Ok: queued as %s",
			    r->queue_id);
	}
	conn_leave(c);
}

static void
committed(void *arg, const struct intake_result *r)
{
	struct commit	*t = arg;
	struct smtpd	*s = t->s;

	intake_service_log(r);
	if (r->detail != NULL)
		log_warn("%s: %s", r->queue_id, r->detail);
	if (r->status == INTAKE_HOPS || r->status == INTAKE_SIZE ||
	    r->status == INTAKE_LINES)
		log_info("%s: reject: END-OF-MESSAGE: %d %s %s; from=<%s>",
		    r->queue_id, r->code, r->dsn, r->text, r->sender);
	count(s, r);
	s->commits--;
	if (t->c != NULL)
		answer(t, r);
	else
		smtpd_look_for_end(s);
	mem_free(&t);
}

void
tx_commit(struct conn *c)
{
	struct commit		*t = mem_new(1, sizeof(*t));
	struct intake_msg	*m = c->tx->msg;

	t->s = c->s;
	t->s->commits++;
	t->c = c;
	t->bdat = c->tx->bdat;
	t->bdat_bytes = c->tx->bdat_bytes;
	c->commit = t;
	c->tx->msg = NULL;
	if (c->actions.hold)
		intake_hold(m);
	if (c->actions.redirect != NULL)
		intake_redirect(m, c->actions.redirect);
	if (c->actions.discard)
		intake_discard(m);
	conn_busy(c, "commit");
	intake_commit(&m, c->s->loop, committed, t);
}
