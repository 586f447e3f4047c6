/* SPDX-License-Identifier: Apache-2.0 */
/* Commands about the session: HELO EHLO STARTTLS RSET NOOP VRFY HELP ETRN
 * QUIT. */
#include "base/mem.h"
#include "ipc/queue_msg.h"
#include "smtpd/smtpd.h"
#include "sys/clock.h"
#include "sys/log.h"

#define MECHS_WAIT	SECS(5)
#define MECHS_KEPT	SECS(60)
#define FLUSH_AGAIN	SECS(300)
#define FLUSHED_MAX	1000

/*
 * HELO and EHLO.  RFC 5321 4.1.1.1
 */
static bool
discarded(const struct conn *c, const char *text)
{
	struct slice	in = slice_str(c->s->conf->discard_ehlo_keywords);
	struct slice	line = slice_str(text), keyword, word;

	if (in.len == 0)
		return false;
	(void)slice_word(&line, " ", &keyword);
	while (slice_word(&in, ", \t\r\n", &word))
		if (slice_ieq(word, keyword))
			return true;
	return false;
}

static bool
auth_offered(const struct conn *c)
{
	return c->s->conf->sasl_enable && !auth_wants_tls(c);
}

/* What is offered, so that the last line can be told from the others. */
struct offers {
	const char	*lines[16];
	size_t		 n;
	unsigned int	 ext;
};

/* ext: the MAIL and RCPT parameters that come with it. */
static void
offer(const struct conn *c, struct offers *o, const char *text,
    unsigned int ext)
{
	if (discarded(c, text))
		return;
	o->lines[o->n++] = text;
	o->ext |= ext;
}

static void
offer_all(const struct conn *c, struct offers *o)
{
	const struct conf_common	*common = c->s->common;
	bool				 tls = stream_is_tls(c->stream);
	const char			*mechs = c->s->mechs[tls].names;

	o->lines[o->n++] = common->myhostname;
	offer(c, o, "PIPELINING", 0);
	offer(c, o, common->message_size_limit > 0 ?
	    arena_printf(c->cmd_mem, "SIZE %lld",
	    (long long)common->message_size_limit) : "SIZE", SMTP_EXT_SIZE);
	if (!c->s->conf->disable_vrfy)
		offer(c, o, "VRFY", 0);
	offer(c, o, "ETRN", 0);
	if (c->s->tls != NULL && !tls)
		offer(c, o, "STARTTLS", 0);
	if (auth_offered(c) && mechs != NULL && mechs[0] != '\0')
		offer(c, o, arena_printf(c->cmd_mem, "AUTH %s", mechs),
		    SMTP_EXT_AUTH);
	offer(c, o, "ENHANCEDSTATUSCODES", 0);
	offer(c, o, "8BITMIME", SMTP_EXT_8BITMIME);
	offer(c, o, "DSN", SMTP_EXT_DSN);
	if (common->smtputf8_enable)
		offer(c, o, "SMTPUTF8", SMTP_EXT_UTF8);
	offer(c, o, "CHUNKING", 0);
}

static void
make_answer(const struct conn *c, struct ehlo_answer *out)
{
	struct offers	o = { .n = 0 };
	struct buf	text;

	offer_all(c, &o);
	buf_init(&text, 8192);
	for (size_t i = 0; i < o.n; i++)
		buf_addf(&text, "250%c%s\r\n", i + 1 < o.n ? '-' : ' ',
		    o.lines[i]);
	out->text = mem_strdup(buf_cstr(&text));
	out->ext = o.ext;
	buf_clear(&text);
}

/* The same for all clients, with and without TLS, until authd has something new
 * to say. */
static void
ehlo_ok(struct conn *c)
{
	struct ehlo_answer	*a = &c->s->ehlo[stream_is_tls(c->stream)];

	if (a->text == NULL)
		make_answer(c, a);
	buf_adds(stream_out(c->stream), a->text);
	c->ext = a->ext;
	c->reply_code = 250;
}

/* authd knows the mechanisms; its answer is good for a while. */
static void
got_mechs(void *arg, void *msg, const char *why)
{
	struct conn			*c = arg;
	const struct auth_mechs		*r = msg;
	bool				 tls = stream_is_tls(c->stream);
	struct mechs			*m = &c->s->mechs[tls];

	conn_enter(c);
	c->mechs_call = 0;
	if (r == NULL) {
		log_warn("authentication server not available: %s", why);
	} else {
		mem_free(&m->names);
		m->names = mem_strdup(r->names);
		m->until_mono = clock_mono() + MECHS_KEPT;
		mem_free(&c->s->ehlo[tls].text);
	}
	ehlo_ok(c);
	conn_leave(c);
}

static void
ask_mechs(struct conn *c)
{
	struct auth_mechs_req	q = {
		.service = "smtp", .secured = stream_is_tls(c->stream)
	};

	conn_busy(c, "mechanisms");
	c->mechs_call = ipc_client_call(c->s->auth, &auth_mechs_req_desc, &q,
	    &auth_mechs_desc, MECHS_WAIT, got_mechs, c);
}

static void
helo_checked(struct conn *c, const struct verdict *v)
{
	struct mechs	*m = &c->s->mechs[stream_is_tls(c->stream)];

	if (v->kind == VERDICT_REJECT) {
		c->helo = NULL;
		reply_verdict(c, v);
	} else if (!c->esmtp) {
		reply_raw(c, arena_printf(c->cmd_mem, "250 %s",
		    c->s->common->myhostname));
		c->reply_code = 250;
	} else if (auth_offered(c) &&
	    (m->names == NULL || m->until_mono < clock_mono()))
		ask_mechs(c);
	else
		ehlo_ok(c);
}

static void
hello(struct conn *c, struct slice arg, bool esmtp)
{
	const char	*name = smtp_cmd_helo(arg, c->cmd_mem);

	if (name == NULL) {
		reply(c, 501, "5.5.4", "Syntax: %s hostname",
		    esmtp ? "EHLO" : "HELO");
		return;
	}
	/* RFC 5321 4.1.4: also ends a transaction. */
	tx_end(c);
	/* Bounded, although one session may say it often: the junk limit. */
	c->helo = arena_strdup(c->mem, name);
	c->esmtp = esmtp;
	c->ext = 0;
	if (c->s->conf->delay_reject) {
		struct verdict	ok = { .kind = VERDICT_OK };

		helo_checked(c, &ok);
	} else
		check_run(c, STAGE_HELO, NULL, NULL, helo_checked);
}

void
cmd_helo(struct conn *c, struct slice arg)
{
	hello(c, arg, false);
}

void
cmd_ehlo(struct conn *c, struct slice arg)
{
	hello(c, arg, true);
}

/*
 * STARTTLS.  RFC 3207
 */
void
cmd_starttls(struct conn *c, struct slice arg)
{
	if (arg.len > 0) {
		reply(c, 501, "5.5.4", "Syntax: STARTTLS");
		return;
	}
	if (stream_is_tls(c->stream)) {
		reply(c, 554, "5.5.1", "Error: TLS already active");
		return;
	}
	if (c->s->tls == NULL || discarded(c, "STARTTLS")) {
		reply(c, 502, "5.5.1", "Error: command not implemented");
		return;
	}
	reply(c, 220, "2.0.0", "Ready to start TLS");
	conn_busy(c, "TLS handshake");
	if (stream_tls_accept(c->stream, c->s->tls) < 0)
		conn_close(c);
}

static void
tls_counted(struct conn *c, const struct anvil_res *r)
{
	int64_t	limit = c->s->conf->tls_rate_limit;

	if (r != NULL && !c->excepted && r->rate > (uint64_t)limit) {
		log_warn("New TLS session rate limit exceeded: %llu from %s "
		    "for service %s", (unsigned long long)r->rate,
		    c->namaddr, daemon_service_name(c->s->d));
		reply(c, 421, "4.7.0", "%s Error: too many new TLS sessions "
		    "from %s", c->s->common->myhostname, c->ip);
		conn_close(c);
	} else if (!c->greeted)
		conn_greet(c);
}

/* Nothing that was said in clear counts any more. */
void
tls_secured(struct conn *c)
{
	const struct tls_info	*t = stream_tls_info(c->stream);

	conn_enter(c);
	tx_end(c);
	c->helo = NULL;
	c->esmtp = false;
	c->ext = 0;
	c->sasl_user = c->sasl_method = NULL;
	if (c->s->conf->tls_loglevel >= 1)
		log_info("Anonymous TLS connection established from %s: %s "
		    "with cipher %s (%d/%d bits)", c->namaddr, t->protocol,
		    t->cipher, t->bits_used, t->bits_max);
	if (c->s->conf->tls_rate_limit > 0) {
		conn_busy(c, "anvil");
		anvil_event(c, ANVIL_NEWTLS, tls_counted);
	} else
		tls_counted(c, NULL);
	conn_leave(c);
}

/*
 * The small ones.  None of them touches the transaction but RSET.
 */
void
cmd_rset(struct conn *c, struct slice arg)
{
	if (arg.len > 0) {
		reply(c, 501, "5.5.4", "Syntax: RSET");
		return;
	}
	tx_end(c);
	reply(c, 250, "2.0.0", "Ok");
}

void
cmd_noop(struct conn *c, struct slice arg)
{
	(void)arg;
	reply(c, 250, "2.0.0", "Ok");
}

void
cmd_help(struct conn *c, struct slice arg)
{
	(void)arg;
	reply(c, 214, "2.0.0", "HELO EHLO STARTTLS AUTH MAIL RCPT DATA BDAT "
	    "RSET NOOP VRFY ETRN QUIT HELP");
}

void
cmd_quit(struct conn *c, struct slice arg)
{
	(void)arg;
	reply(c, 221, "2.0.0", "Bye");
	conn_close(c);
}

static void
vrfy_checked(struct conn *c, const struct verdict *v)
{
	if (v->kind == VERDICT_REJECT)
		reply_verdict(c, v);
	else
		reply(c, 252, "2.0.0", "%s", c->vrfy);
	c->vrfy = NULL;
}

void
cmd_vrfy(struct conn *c, struct slice arg)
{
	if (c->s->conf->disable_vrfy) {
		reply(c, 502, "5.5.1", "VRFY command is disabled");
		return;
	}
	if (arg.len >= 8 && slice_iis(slice_from(arg, arg.len - 8),
	    "SMTPUTF8"))
		arg = slice_rtrim(slice_first(arg, arg.len - 8));
	if (arg.len == 0) {
		reply(c, 501, "5.5.4", "Syntax: VRFY address");
		return;
	}
	c->vrfy = smtp_cmd_address(arg, c->s->common->smtputf8_enable,
	    c->cmd_mem);
	if (c->vrfy == NULL) {
		reply(c, 501, "5.1.3", "Bad recipient address syntax");
		return;
	}
	/* As RCPT would answer now, whatever the transaction is. */
	check_run(c, STAGE_RCPT, c->tx != NULL ? c->tx->mail.address : "",
	    c->vrfy, vrfy_checked);
}

/* RFC 1985.  Only for domains that we relay to, and not too often: a flush
 * is work. */
static bool
flush(struct conn *c, const char *domain, struct error *err)
{
	struct smtpd		*s = c->s;
	struct queue_flush	 q = { .site = domain };
	usec_t			 now = clock_mono(), *when;

	when = hash_gets(s->flushed, domain);
	if (when != NULL && now - *when < FLUSH_AGAIN)
		return true;
	if (when == NULL && hash_count(s->flushed) >= FLUSHED_MAX)
		return true;
	if (when == NULL) {
		when = mem_new(1, sizeof(*when));
		hash_puts(s->flushed, domain, when);
	}
	*when = now;
	return ipc_client_send(s->qmgr_public, &queue_flush_desc, &q, err) ==
	    0;
}

static void
etrn_checked(struct conn *c, const struct verdict *v)
{
	const char	*domain = c->vrfy;
	struct error	 err;

	c->vrfy = NULL;
	if (v->kind == VERDICT_REJECT)
		reply_verdict(c, v);
	else if (match_list_has(c->s->flush_domains, domain, NULL, &err) !=
	    MAP_FOUND)
		reply(c, 459, "4.0.0", "<%s>: service unavailable", domain);
	else if (!flush(c, domain, &err)) {
		log_warn("flush %s: %s", domain, err.text);
		reply(c, 458, "4.0.0", "Unable to queue messages for %s",
		    domain);
	} else
		reply(c, 250, "2.0.0", "Queuing started");
}

void
cmd_etrn(struct conn *c, struct slice arg)
{
	const char	*name = smtp_cmd_helo(arg, c->cmd_mem);

	if (c->helo == NULL) {
		reply(c, 503, "5.5.1", "Error: send HELO/EHLO first");
		return;
	}
	if (c->tx != NULL) {
		reply(c, 503, "5.5.1", "Error: MAIL transaction in progress");
		return;
	}
	if (name == NULL || !policy_helo_valid(name)) {
		reply(c, 501, "5.5.4", "Error: invalid parameter syntax");
		return;
	}
	c->vrfy = name;
	check_run(c, STAGE_ETRN, NULL, NULL, etrn_checked);
}
