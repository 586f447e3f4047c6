/* SPDX-License-Identifier: Apache-2.0 */
/* One message to those recipients of a job that have no result yet.
 *
 * MAIL, the RCPTs and DATA are sent in one go where the server can PIPELINE.
 * A server that then says 354 although it took no recipient gets a lone dot
 * (RFC 2920 3.1).  Where the server knows BDAT (RFC 3030), no DATA is sent, and
 * a short content goes out together with the commands: one round trip.  If
 * nobody is accepted, that was for nothing.
 *
 * Before the final dot a broken connection means: not delivered, try the next
 * host.  Behind it (or all the content of BDAT) nobody knows, so the message
 * is kept and tried again later: rather twice than never (RFC 5321 4.5.4.1,
 * 6.1). */
#include "base/ascii.h"
#include "codec/xtext.h"
#include "daemon/daemon.h"
#include "smtp-client/smtpc.h"
#include "sys/clock.h"
#include "sys/log.h"

#define PIPELINE_MAX	500		/* commands without reply */
#define OUT_ENOUGH	((size_t)65536)

static void	 pump(struct conn *c);

/* The last act: nothing of c or its job may be used afterwards. */
static void
tx_over(struct conn *c, bool keep)
{
	struct job	*j = c->job;

	content_free(c);
	conn_release(c, keep);
	job_tx_over(j);
}

/* Begun, but not ended with a dot: tell the server to forget it. */
static void
tx_reset(struct conn *c)
{
	struct job	*j = c->job;

	content_free(c);
	c->job = NULL;
	c->state = CONN_RSET;
	conn_command(c, "RSET");
	conn_expect(c, c->p->conf->rset_timeout);
	job_tx_over(j);
}

/* 354, but for nobody: an empty message ends the matter.  An LMTP server
 * answers once for each recipient that it took, which is not at all. */
static void
lone_dot(struct conn *c)
{
	struct job	*j = c->job;

	if (c->p->lmtp) {
		stream_close(&c->stream);
		tx_over(c, false);
		return;
	}
	content_free(c);
	c->job = NULL;
	c->state = CONN_RSET;
	c->tx.lone_dot = true;
	conn_command(c, ".");
	conn_expect(c, c->p->conf->rset_timeout);
	job_tx_over(j);
}

void
tx_refuse(struct job *j, enum deliver_status status, const char *dsn,
    const char *why)
{
	for (size_t i = 0; i < j->nrcpts; i++)
		if (j->rcpts[i].state != RCPT_DONE)
			result_set(j, &j->rcpts[i], status, dsn, why);
}

static void
reply_all(struct job *j, enum rcpt_state in, const struct smtp_reply *r,
    const char *command)
{
	for (size_t i = 0; i < j->nrcpts; i++)
		if (j->rcpts[i].state == in)
			result_reply(j, &j->rcpts[i], r, command);
}

static bool
has_8bit(const char *s)
{
	for (; *s != '\0'; s++)
		if ((unsigned char)*s > 127)
			return true;
	return false;
}

static bool
needs_utf8(const struct job *j)
{
	if (has_8bit(j->m.sender))
		return true;
	for (size_t i = 0; i < j->nrcpts; i++)
		if (has_8bit(j->rcpts[i].r->address))
			return true;
	return j->m.smtputf8 && content_header_8bit(j);
}

/* An address must not end its command or become a parameter. */
static bool
address_ok(const char *s)
{
	bool	quoted = false;

	for (; *s != '\0'; s++) {
		if (ascii_is_cntrl((unsigned char)*s))
			return false;
		if (quoted && *s == '\\' && s[1] != '\0')
			s++;
		else if (*s == '"')
			quoted = !quoted;
		else if (!quoted && (*s == '>' || *s == '<' || *s == ' '))
			return false;
	}
	return !quoted;
}

/* False: all have their result already, if only for a reason of this
 * server's. */
static bool
possible(struct conn *c)
{
	struct job	*j = c->job;

	if (!address_ok(j->m.sender)) {
		tx_refuse(j, DELIVER_BOUNCED, "5.1.7",
		    "bad sender address syntax");
		return false;
	}
	for (size_t i = 0; i < j->nrcpts; i++)
		if (j->rcpts[i].state != RCPT_DONE &&
		    !address_ok(j->rcpts[i].r->address))
			result_set(j, &j->rcpts[i], DELIVER_BOUNCED, "5.1.3",
			    "bad address syntax");
	if (job_done(j))
		return false;
	if ((c->can & CAN_UTF8) == 0 && needs_utf8(j)) {
		tx_refuse(j, DELIVER_BOUNCED, "5.6.7", arena_printf(j->mem,
		    "SMTPUTF8 is required, but was not offered by host %s",
		    c->target.where));
		return false;
	}
	if (j->m.eight_bit && (c->can & CAN_8BIT) == 0 &&
	    !c->p->conf->no_conversion)
		return content_convert(c);
	return true;
}

void
tx_begin(struct conn *c)
{
	struct job	*j = c->job;

	c->tx = (struct tx){ .line_start = true };
	c->state = CONN_MAIL;
	c->uses++;
	c->connected = clock_wall() - j->m.active;
	j->talked = true;
	for (size_t i = 0; i < j->nrcpts; i++)
		if (j->rcpts[i].state != RCPT_DONE)
			j->rcpts[i].state = RCPT_TODO;
	if (!possible(c)) {
		tx_over(c, true);
		return;
	}
	/* What conversion makes of the content has no size yet.  LMTP servers
	 * are near: there is no round trip to save. */
	c->tx.bdat = (c->can & CAN_BDAT) != 0 && !c->p->lmtp &&
	    c->tx.converted == NULL;
	pump(c);
}

static void
put_xtext(struct buf *out, const char *name, const char *text)
{
	buf_adds(out, name);
	xtext_put(out, slice_str(text));
}

static void
put_mail(struct conn *c)
{
	const struct deliver_req	*m = &c->job->m;
	struct buf			*out = stream_out(c->stream);

	buf_addf(out, "MAIL FROM:<%s>", m->sender);
	if ((c->can & CAN_SIZE) != 0)
		buf_addf(out, " SIZE=%llu",
		    (unsigned long long)m->content_size);
	if ((c->can & CAN_8BIT) != 0 && m->eight_bit)
		buf_adds(out, " BODY=8BITMIME");
	if ((c->can & CAN_UTF8) != 0 && (m->smtputf8 || needs_utf8(c->job)))
		buf_adds(out, " SMTPUTF8");
	if ((c->can & CAN_DSN) != 0) {
		if (m->dsn_ret != 0)
			buf_adds(out, m->dsn_ret == RET_FULL ? " RET=FULL" :
			    " RET=HDRS");
		if (m->dsn_envid != NULL)
			put_xtext(out, " ENVID=", m->dsn_envid);
	}
	buf_adds(out, "\r\n");
}

static void
put_notify(struct buf *out, uint64_t notify)
{
	static const struct {
		uint64_t	 bit;
		const char	*name;
	} names[] = {
		{ NOTIFY_NEVER, "NEVER" }, { NOTIFY_SUCCESS, "SUCCESS" },
		{ NOTIFY_FAILURE, "FAILURE" }, { NOTIFY_DELAY, "DELAY" },
	};
	const char	*sep = " NOTIFY=";

	for (size_t i = 0; i < COUNT(names); i++) {
		if ((notify & names[i].bit) == 0)
			continue;
		buf_addf(out, "%s%s", sep, names[i].name);
		sep = ",";
	}
}

static void
put_rcpt(struct conn *c, const struct deliver_rcpt *r)
{
	struct buf	*out = stream_out(c->stream);
	struct slice	 rest, type;

	buf_addf(out, "RCPT TO:<%s>", r->address);
	if ((c->can & CAN_DSN) != 0) {
		put_notify(out, r->notify);
		rest = slice_str(r->dsn_orcpt);
		if (r->dsn_orcpt != NULL && slice_cut(&rest, ';', &type)) {
			buf_addf(out, " ORCPT=%.*s;", SLICE_ARG(type));
			xtext_put(out, rest);
		}
	}
	buf_adds(out, "\r\n");
}

/* What comes behind the last RCPT, without waiting for the answers to it. */
static void
put_data_ahead(struct conn *c)
{
	struct tx	*tx = &c->tx;

	if (!tx->bdat) {
		buf_adds(stream_out(c->stream), "DATA\r\n");
		tx->data_sent = true;
	} else if (c->job->m.content_size <= CONTENT_SHORT)
		tx->ahead = tx->data_sent = content_put(c);
}

/* All is answered, and somebody accepted.  The last act. */
static void
begin_data(struct conn *c)
{
	c->tx.data_sent = true;
	if (c->tx.bdat) {
		content_send(c);
		return;
	}
	c->state = CONN_DATA;
	conn_command(c, "DATA");
	conn_expect(c, c->p->conf->data_init_timeout);
}

static void
wait_for_data(struct conn *c)
{
	c->state = c->tx.ahead ? CONN_DOT : CONN_DATA;
	conn_expect(c, c->tx.ahead ? c->p->conf->data_done_timeout :
	    c->p->conf->data_init_timeout);
}

/* The next recipient that this transaction asks for; NULL: all are asked. */
static struct rcpt *
next_rcpt(struct conn *c)
{
	struct job	*j = c->job;

	while (c->tx.next_rcpt < j->nrcpts &&
	    j->rcpts[c->tx.next_rcpt].state != RCPT_TODO)
		c->tx.next_rcpt++;
	return c->tx.next_rcpt < j->nrcpts ?
	    &j->rcpts[c->tx.next_rcpt++] : NULL;
}

static bool
all_asked(const struct conn *c)
{
	const struct job	*j = c->job;

	for (size_t i = c->tx.next_rcpt; i < j->nrcpts; i++)
		if (j->rcpts[i].state == RCPT_TODO)
			return false;
	return true;
}

static bool
room(const struct conn *c)
{
	size_t	most = (c->can & CAN_PIPELINE) != 0 ? PIPELINE_MAX : 1;

	return c->tx.asked < most && stream_out_len(c->stream) < OUT_ENOUGH;
}

/* Send what may be sent now; when all is answered, go on to DATA.  A 4xx puts
 * a recipient back to RCPT_TODO, but that is behind next_rcpt. */
static void
pump(struct conn *c)
{
	struct tx	*tx = &c->tx;
	struct rcpt	*r;

	if (!tx->mail_sent) {
		put_mail(c);
		tx->mail_sent = true;
		tx->asked++;
		conn_expect(c, c->p->conf->mail_timeout);
	}
	while (!tx->mail_failed && room(c) && (r = next_rcpt(c)) != NULL) {
		put_rcpt(c, r->r);
		r->state = RCPT_SENT_CMD;
		r->soft = false;
		tx->asked++;
	}
	if (tx->asked > 0 && !tx->data_sent && !tx->mail_failed &&
	    (c->can & CAN_PIPELINE) != 0 && room(c) && all_asked(c))
		put_data_ahead(c);
	stream_flush(c->stream);
	if (tx->asked > 0)
		return;
	if (tx->data_sent)
		wait_for_data(c);
	else if (tx->accepted > 0)
		begin_data(c);
	else
		tx_reset(c);
}

/* It has stopped there, and taken nothing that we sent behind. */
static void
said_421(struct conn *c, const struct smtp_reply *r, const char *command)
{
	c->tx.ahead = false;
	tx_broken(c, false, arena_printf(c->job->mem,
	    "host %s said: %s (in reply to %s)", c->target.where, r->text,
	    command));
}

static void
mail_reply(struct conn *c, const struct smtp_reply *r)
{
	c->tx.mail_answered = true;
	conn_expect(c, c->p->conf->rcpt_timeout);
	if (r->code / 100 != 2) {
		c->tx.mail_failed = true;
		reply_all(c->job, RCPT_SENT_CMD, r, "MAIL FROM command");
		reply_all(c->job, RCPT_TODO, r, "MAIL FROM command");
	}
	pump(c);
}

static void
rcpt_reply(struct conn *c, const struct smtp_reply *r)
{
	struct job	*j = c->job;
	struct tx	*tx = &c->tx;
	struct rcpt	*rcpt;

	if (!tx->mail_failed) {
		while (j->rcpts[tx->next_answer].state != RCPT_SENT_CMD)
			tx->next_answer++;
		rcpt = &j->rcpts[tx->next_answer++];
		if (r->code / 100 == 2) {
			rcpt->state = RCPT_ACCEPTED;
			tx->accepted++;
		} else
			result_reply(j, rcpt, r, "RCPT TO command");
	}
	conn_expect(c, c->p->conf->rcpt_timeout);
	if (r->code == 421)
		said_421(c, r, "RCPT TO command");
	else
		pump(c);
}

void
tx_cannot_read(struct conn *c, const char *reason)
{
	struct job	*j = c->job;

	log_warn("%s: reading the message: %s", j->m.queue_id, reason);
	tx_refuse(j, DELIVER_DEFERRED, "4.3.0", "queue file read error");
	stream_close(&c->stream);
	tx_over(c, false);
}

static void
data_reply(struct conn *c, const struct smtp_reply *r)
{
	if (r->code == 354) {
		if (c->tx.accepted > 0)
			content_send(c);
		else
			lone_dot(c);
		return;
	}
	reply_all(c->job, RCPT_ACCEPTED, r, "DATA command");
	if (r->code == 421)
		said_421(c, r, "DATA command");
	else
		tx_reset(c);
}

/* The verdict came before we were done: no is no; and who says yes to half a
 * message is not to be believed.  What it makes of the rest we do not want to
 * know: the connection ends. */
static void
early_reply(struct conn *c, const struct smtp_reply *r)
{
	struct job	*j = c->job;

	reply_all(j, RCPT_ACCEPTED, r, "end of DATA command");
	stream_close(&c->stream);
	tx_over(c, false);
}

static void
verdict(struct conn *c, struct rcpt *rcpt, const struct smtp_reply *r)
{
	if (r->code / 100 == 2)
		result_sent(c->job, rcpt, r);
	else
		result_reply(c->job, rcpt, r, "end of DATA command");
}

static void
dot_reply(struct conn *c, const struct smtp_reply *r)
{
	struct job	*j = c->job;
	bool		 more = false, lmtp = c->p->lmtp, used = false;

	for (size_t i = 0; i < j->nrcpts; i++) {
		if (j->rcpts[i].state != RCPT_ACCEPTED)
			continue;
		/* LMTP: one reply for each, in the order of the RCPTs. */
		if (lmtp && used) {
			more = true;
			break;
		}
		verdict(c, &j->rcpts[i], r);
		used = true;
	}
	if (more)
		conn_expect(c, c->p->conf->data_done_timeout);
	else if (c->tx.bdat && r->code / 100 != 2 && r->code != 421)
		tx_reset(c);	/* RFC 3030 2: its state is undefined */
	else
		tx_over(c, r->code != 421);
}

void
tx_reply(struct conn *c, const struct smtp_reply *r)
{
	switch (c->state) {
	case CONN_MAIL:
		c->tx.asked--;
		if (!c->tx.mail_answered)
			mail_reply(c, r);
		else
			rcpt_reply(c, r);
		return;
	case CONN_DATA:
		data_reply(c, r);
		return;
	case CONN_CONTENT:
		early_reply(c, r);
		return;
	case CONN_DOT:
		if (stream_out_len(c->stream) > 0)
			early_reply(c, r);
		else
			dot_reply(c, r);
		return;
	case CONN_RSET:
		conn_release(c, c->tx.lone_dot ? r->code != 421 :
		    r->code / 100 == 2);
		return;
	case CONN_DIAL:
	case CONN_GREETING:
	case CONN_EHLO:
	case CONN_HELO:
	case CONN_STARTTLS:
	case CONN_SHAKE:
	case CONN_AUTH:
	case CONN_IDLE:
	case CONN_STATES:
		break;
	}
}

/* May the server have got all of the message? */
static bool
in_doubt(const struct conn *c, const struct rcpt *r)
{
	return c->state == CONN_DOT ? r->state == RCPT_ACCEPTED :
	    c->tx.ahead && (r->state == RCPT_ACCEPTED ||
	    r->state == RCPT_SENT_CMD);
}

/* A connection that was idle and breaks without an answer to MAIL had been
 * closed by then: the same host anew.  That is no more likely to deliver
 * twice than to try again later is. */
static bool
was_stale(const struct conn *c, bool timed_out)
{
	return c->uses > 1 && c->state == CONN_MAIL && !c->tx.mail_answered &&
	    !timed_out;
}

void
tx_broken(struct conn *c, bool timed_out, const char *why)
{
	struct job	*j = c->job;
	bool		 stale = was_stale(c, timed_out);
	const char	*text = arena_strdup(j->mem, why);

	for (size_t i = 0; i < j->nrcpts; i++) {
		struct rcpt	*r = &j->rcpts[i];

		if (!stale && in_doubt(c, r))
			result_set(j, r, DELIVER_DEFERRED, "4.4.2", text);
		else if (r->state != RCPT_DONE)
			r->state = RCPT_TODO;
	}
	j->why_relay = arena_strdup(j->mem, c->target.relay);
	stream_close(&c->stream);
	conn_drop(&c);
	if (stale)
		j->next--;
	else
		j->sessions++;
	if (!stale && j->next < j->ntargets)
		log_info("%s: %s", j->m.queue_id, text);
	job_host_failed(j, "4.4.2", false, text);
}
