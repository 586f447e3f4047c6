/* SPDX-License-Identifier: Apache-2.0 */
/* MAIL and RCPT: the envelope. */
#include "smtpd/smtpd.h"
#include "sys/log.h"

/* A result of the parser that is not OK, as a reply. */
static void
refuse(struct conn *c, enum smtp_cmd_result r, bool mail, const char *bad)
{
	switch (r) {
	case SMTP_CMD_OK:
		break;
	case SMTP_CMD_SYNTAX:
		reply(c, 501, "5.5.4", "Syntax: %s:<address>",
		    mail ? "MAIL FROM" : "RCPT TO");
		break;
	case SMTP_CMD_ADDRESS:
		if (mail)
			reply(c, 501, "5.1.7", "Bad sender address syntax");
		else
			reply(c, 501, "5.1.3",
			    "Bad recipient address syntax");
		break;
	case SMTP_CMD_UTF8:
		reply(c, 553, "5.6.7", "Must declare SMTPUTF8 to send "
		    "unicode address");
		break;
	case SMTP_CMD_OPTION:
		reply(c, 555, "5.5.4", "Unsupported option: %s",
		    bad != NULL ? bad : "?");
		break;
	case SMTP_CMD_PARAM:
		reply(c, 501, "5.5.4", "Bad %s parameter syntax",
		    bad != NULL ? bad : "?");
		break;
	}
}

/* An argument vector must not take an address for an option. */
static bool
hyphen(const struct conn *c, const char *address)
{
	return address[0] == '-' && !c->s->conf->allow_min_user;
}

/* What the size alone says. */
static bool
too_big(struct conn *c, const struct smtp_mail *m)
{
	int64_t	limit = c->s->common->message_size_limit;

	if (limit > 0 && m->has_size && m->size > (uint64_t)limit) {
		reply(c, 552, "5.3.4", "Message size exceeds fixed limit");
		return true;
	}
	if (!queue_has_room(c->s->queue, m->has_size ? m->size : 0)) {
		log_warn("not enough free space in mail queue");
		reply(c, 452, "4.3.1", "Insufficient system storage");
		return true;
	}
	return false;
}

static void
mail_checked(struct conn *c, const struct verdict *v)
{
	struct smtp_mail	*m = c->mail;

	c->mail = NULL;
	c->pending_sender = NULL;
	if (v->kind == VERDICT_REJECT) {
		arena_free(&c->mail_mem);
		reply_verdict(c, v);
		return;
	}
	tx_begin(c, m, &c->mail_mem);
	reply(c, 250, "2.1.0", "Ok");
}

static void
check_sender(struct conn *c)
{
	struct verdict	ok = { .kind = VERDICT_OK };

	if (c->s->conf->delay_reject)
		mail_checked(c, &ok);
	else
		check_run(c, STAGE_SENDER, c->mail->address, NULL,
		    mail_checked);
}

static void
mail_counted(struct conn *c, const struct anvil_res *r)
{
	if (r != NULL && !c->excepted &&
	    r->rate > (uint64_t)c->s->conf->message_rate_limit) {
		log_warn("Message delivery request rate limit exceeded: %llu "
		    "from %s for service %s", (unsigned long long)r->rate,
		    c->namaddr, daemon_service_name(c->s->d));
		reply(c, 450, "4.7.1", "Error: too much mail from %s", c->ip);
		arena_free(&c->mail_mem);
		c->mail = NULL;
		c->pending_sender = NULL;
	} else
		check_sender(c);
}

void
cmd_mail(struct conn *c, struct slice arg)
{
	struct arena		*mem;
	struct smtp_mail	*m;
	enum smtp_cmd_result	 r;
	const char		*bad = NULL;

	if (c->tx != NULL) {
		reply(c, 503, "5.5.1", "Error: nested MAIL command");
		return;
	}
	mem = arena_new();
	m = arena_alloc(mem, sizeof(*m));
	r = smtp_cmd_mail(arg, c->ext, !c->s->conf->strict_envelopes, mem, m,
	    &bad);
	if (r == SMTP_CMD_OK && hyphen(c, m->address))
		r = SMTP_CMD_ADDRESS;
	if (r != SMTP_CMD_OK) {
		refuse(c, r, true, bad);
		arena_free(&mem);
		return;
	}
	if (too_big(c, m)) {
		arena_free(&mem);
		return;
	}
	c->mail = m;
	c->mail_mem = mem;
	c->pending_sender = m->address;
	if (c->s->conf->message_rate_limit > 0) {
		conn_busy(c, "anvil");
		anvil_event(c, ANVIL_MESSAGE, mail_counted);
	} else
		check_sender(c);
}

/*
 * RCPT
 */
static void
rcpt_checked(struct conn *c, const struct verdict *v)
{
	struct smtp_rcpt	*r = c->rcpt;

	c->rcpt = NULL;
	if (v->kind == VERDICT_REJECT) {
		reply_verdict(c, v);
	} else {
		tx_rcpt(c, r);
		reply(c, 250, "2.1.5", "Ok");
	}
}

static void
rcpt_counted(struct conn *c, const struct anvil_res *res)
{
	if (res != NULL && !c->excepted &&
	    res->rate > (uint64_t)c->s->conf->rcpt_rate_limit) {
		log_warn("Recipient address rate limit exceeded: %llu from %s "
		    "for service %s", (unsigned long long)res->rate,
		    c->namaddr, daemon_service_name(c->s->d));
		reply(c, 450, "4.7.1", "Error: too many recipients from %s",
		    c->ip);
		c->rcpt = NULL;
	} else
		check_run(c, STAGE_RCPT, c->tx->mail.address,
		    c->rcpt->address, rcpt_checked);
}

void
cmd_rcpt(struct conn *c, struct slice arg)
{
	struct smtp_rcpt	*r;
	enum smtp_cmd_result	 got;
	const char		*bad = NULL;

	if (c->tx == NULL) {
		reply(c, 503, "5.5.1", "Error: need MAIL command");
		return;
	}
	c->tx->rcpt_tried = true;
	r = arena_alloc(c->cmd_mem, sizeof(*r));
	got = smtp_cmd_rcpt(arg, c->ext, !c->s->conf->strict_envelopes,
	    c->tx->mail.utf8, c->cmd_mem, r, &bad);
	if (got == SMTP_CMD_OK && hyphen(c, r->address))
		got = SMTP_CMD_ADDRESS;
	if (got != SMTP_CMD_OK) {
		refuse(c, got, false, bad);
		return;
	}
	if (c->tx->nrcpts >= (size_t)c->s->conf->recipient_limit) {
		reply(c, 452, "4.5.3", "Error: too many recipients");
		return;
	}
	c->rcpt = r;
	if (c->s->conf->rcpt_rate_limit > 0) {
		conn_busy(c, "anvil");
		anvil_event(c, ANVIL_RCPT, rcpt_counted);
	} else
		check_run(c, STAGE_RCPT, c->tx->mail.address, r->address,
		    rcpt_checked);
}
