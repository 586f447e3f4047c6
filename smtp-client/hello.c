/* SPDX-License-Identifier: Apache-2.0 */
/* From the greeting to the point where mail can be sent: EHLO (or HELO, or
 * LHLO), STARTTLS and EHLO again, AUTH. */
#include <string.h>
#include <strings.h>

#include "codec/base64.h"
#include "daemon/daemon.h"
#include "map/map.h"
#include "smtp-client/smtpc.h"
#include "sys/clock.h"
#include "sys/log.h"

static void
refused(struct conn *c, const struct smtp_reply *r)
{
	struct job	*j = c->job;
	const char	*why;
	bool		 hard;

	why = arena_printf(j->mem, "host %s refused to talk to me: %s",
	    c->target.where, r->text);
	hard = r->code >= 500 && c->state == CONN_GREETING &&
	    !c->p->conf->skip_5xx;
	conn_failed(c, hard ? r->dsn : r->code < 500 ? r->dsn : "4.0.0", hard,
	    why);
}

static void
send_ehlo(struct conn *c)
{
	c->state = CONN_EHLO;
	c->can = 0;
	c->size_limit = 0;
	conn_command(c, "%s %s", c->p->lmtp ? "LHLO" : "EHLO",
	    c->p->my_name);
	conn_expect(c, c->p->conf->helo_timeout);
}

static void
send_helo(struct conn *c)
{
	c->state = CONN_HELO;
	c->tried_helo = true;
	conn_command(c, "HELO %s", c->p->my_name);
	conn_expect(c, c->p->conf->helo_timeout);
}

static void
note_auth(struct conn *c, struct slice words)
{
	struct slice	word;

	while (slice_word(&words, " \t=", &word)) {
		if (slice_iis(word, "PLAIN"))
			c->can |= CAN_AUTH_PLAIN;
		else if (slice_iis(word, "LOGIN"))
			c->can |= CAN_AUTH_LOGIN;
	}
}

static bool
discarded(const struct conn *c, struct slice keyword)
{
	struct slice	in = slice_str(c->p->conf->discard_keywords), word;

	while (slice_word(&in, ", \t\r\n", &word))
		if (slice_ieq(word, keyword))
			return true;
	return false;
}

static void
note_feature(struct conn *c, const char *line)
{
	static const struct {
		const char	*name;
		unsigned int	 can;
	} plain[] = {
		{ "PIPELINING", CAN_PIPELINE }, { "8BITMIME", CAN_8BIT },
		{ "DSN", CAN_DSN }, { "SMTPUTF8", CAN_UTF8 },
		{ "STARTTLS", CAN_TLS }, { "SIZE", CAN_SIZE },
		{ "CHUNKING", CAN_BDAT },
	};
	struct slice	rest = slice_str(line), word, number;

	if (!slice_word(&rest, " \t=", &word) || discarded(c, word))
		return;
	for (size_t i = 0; i < COUNT(plain); i++)
		if (slice_iis(word, plain[i].name))
			c->can |= plain[i].can;
	if (slice_iis(word, "AUTH"))
		note_auth(c, rest);
	if (slice_iis(word, "SIZE") && slice_word(&rest, " \t", &number) &&
	    !slice_u64(number, INT64_MAX, &c->size_limit))
		c->size_limit = 0;
}

/* RFC 5321 5.1: a server among our MX hosts that calls itself by our name is
 * us.  A port of its own means that the administrator knows. */
static bool
is_loop(const struct conn *c, const struct smtp_reply *r)
{
	struct slice	line = slice_str(r->lines[0]), word;

	return !c->p->lmtp && c->job->m.port == 0 && c->target.ip != NULL &&
	    slice_word(&line, " \t", &word) &&
	    slice_iis(word, daemon_common(c->p->d)->myhostname);
}

static void
need_tls(struct conn *c, const char *what)
{
	conn_failed(c, "4.7.4", false, arena_printf(c->job->mem,
	    "TLS is required, but %s", what));
}

/* True: the conversation has gone another way. */
static bool
try_tls(struct conn *c)
{
	enum smtpc_level	level = (enum smtpc_level)
				    c->p->conf->tls_level;

	if (c->tls || level == LEVEL_NONE || c->target.ip == NULL ||
	    (level == LEVEL_MAY && c->target.clear))
		return false;
	if ((c->can & CAN_TLS) == 0) {
		if (level == LEVEL_MAY)
			return false;
		need_tls(c, arena_printf(c->job->mem,
		    "was not offered by host %s", c->target.where));
		return true;
	}
	c->state = CONN_STARTTLS;
	conn_command(c, "STARTTLS");
	conn_expect(c, c->p->conf->starttls_timeout);
	return true;
}

static void
start_tls(struct conn *c, const struct smtp_reply *r)
{
	int			 result;
	struct smtpc		*p = c->p;
	enum smtpc_level	 level = (enum smtpc_level)p->conf->tls_level;

	if (r->code != 220) {
		if (level != LEVEL_MAY) {
			need_tls(c, arena_printf(c->job->mem,
			    "host %s refused to start TLS: %s",
			    c->target.where, r->text));
			return;
		}
		c->target.clear = true;
		hello_begin(c);
		return;
	}
	c->state = CONN_SHAKE;
	result = stream_tls_connect(c->stream, level == LEVEL_MAY ?
	    p->tls_may : p->tls_must, level == LEVEL_MAY ? TLS_MAY :
	    level == LEVEL_ENCRYPT ? TLS_ENCRYPT : TLS_VERIFY,
	    c->target.host);
	/* What came behind the reply to STARTTLS was not protected: whoever
	 * put it there wants it to be taken for the server's answers. */
	if (result < 0)
		conn_failed(c, "4.7.5", false, arena_printf(c->job->mem,
		    "Cannot start TLS: host %s sent data in clear after its "
		    "reply", c->target.where));
}

void
hello_secured(struct conn *c)
{
	const struct tls_info	*i = stream_tls_info(c->stream);

	c->tls = true;
	if (c->p->conf->tls_loglevel > 0)
		log_info("%s TLS connection established to %s: %s with "
		    "cipher %s (%d/%d bits)", !i->peer_cert ? "Anonymous" :
		    i->verified ? "Verified" : "Untrusted", c->target.relay,
		    i->protocol, i->cipher, i->bits_used, i->bits_max);
	/* RFC 3207 4.2: all that was known before is forgotten. */
	send_ehlo(c);
}

static void
ready(struct conn *c)
{
	struct job	*j = c->job;

	c->connected = clock_wall() - j->m.active;
	j->talked = true;
	if ((c->can & CAN_SIZE) != 0 && c->size_limit > 0 &&
	    j->m.content_size > c->size_limit) {
		conn_failed(c, "5.3.4", true, arena_printf(j->mem,
		    "message size %llu exceeds size limit %llu of server %s",
		    (unsigned long long)j->m.content_size,
		    (unsigned long long)c->size_limit, c->target.where));
		return;
	}
	tx_begin(c);
}

/* 1: user and password are in *user_out, 0: none for this server. */
static int
find_secret(struct conn *c, const char **user_out, const char **pass_out)
{
	struct job	*j = c->job;
	const char	*keys[] = { j->m.nexthop, c->target.host }, *value;
	struct slice	 rest, user;
	struct error	 err;

	for (size_t i = 0; i < COUNT(keys); i++) {
		switch (map_list_get(c->p->sasl_maps, slice_str(keys[i]),
		    c->mem, &value, &err)) {
		case MAP_NONE:
			continue;
		case MAP_ERROR:
		case MAP_WAIT:
			return -1;
		case MAP_FOUND:
			break;
		}
		rest = slice_str(value);
		if (!slice_cut(&rest, ':', &user))
			return 0;
		*user_out = slice_cstr(c->mem, user);
		*pass_out = slice_cstr(c->mem, rest);
		return 1;
	}
	return 0;
}

static void
auth_failed(struct conn *c, const char *dsn, const char *why)
{
	conn_failed(c, dsn, false, arena_printf(c->job->mem,
	    "SASL authentication failed; %s", why));
}

static const char *
base64(struct arena *a, const void *p, size_t n)
{
	struct buf	 b;
	const char	*out;

	buf_init(&b, 4096);
	base64_put(&b, slice_of(p, n));
	out = b.overflow ? "" : arena_strdup(a, buf_cstr(&b));
	buf_clear(&b);
	return out;
}

static void
send_auth(struct conn *c, const char *user, const char *pass)
{
	size_t	 nu = strlen(user), np = strlen(pass);
	char	*plain;

	c->state = CONN_AUTH;
	if ((c->can & CAN_AUTH_PLAIN) != 0) {
		/* RFC 4616: NUL user NUL password */
		plain = arena_alloc(c->mem, nu + np + 3);
		memcpy(plain + 1, user, nu);
		memcpy(plain + nu + 2, pass, np);
		c->secret = NULL;
		conn_command(c, "AUTH PLAIN %s", base64(c->mem, plain,
		    nu + np + 2));
	} else {
		c->secret = base64(c->mem, pass, np);
		conn_command(c, "AUTH LOGIN %s", base64(c->mem, user, nu));
	}
	conn_expect(c, c->p->conf->helo_timeout);
}

/* True: the conversation has gone another way. */
static bool
try_auth(struct conn *c)
{
	const struct smtpc_conf	*f = c->p->conf;
	const char		*user, *pass, *options;
	int			 found;

	if (!f->sasl_enable || c->authenticated ||
	    map_list_empty(c->p->sasl_maps))
		return false;
	if ((found = find_secret(c, &user, &pass)) == 0)
		return false;
	options = c->tls ? f->sasl_tls_options : f->sasl_options;
	if (found < 0)
		auth_failed(c, "4.3.0", "password table look-up error");
	else if ((c->can & (CAN_AUTH_PLAIN | CAN_AUTH_LOGIN)) == 0 ||
	    strstr(options, "noplaintext") != NULL)
		auth_failed(c, "4.7.0", arena_printf(c->job->mem,
		    "cannot authenticate to server %s: no mechanism "
		    "available", c->target.where));
	else
		send_auth(c, user, pass);
	return true;
}

static void
auth_reply(struct conn *c, const struct smtp_reply *r)
{
	if (r->code == 334 && c->secret != NULL) {
		conn_command(c, "%s", c->secret);
		conn_expect(c, c->p->conf->helo_timeout);
		c->secret = NULL;
		return;
	}
	if (r->code != 235) {
		auth_failed(c, "4.7.8", arena_printf(c->job->mem,
		    "server %s said: %s", c->target.where, r->text));
		return;
	}
	c->authenticated = true;
	ready(c);
}

/* Features are known; go on towards mail. */
void
hello_begin(struct conn *c)
{
	if (!try_tls(c) && !try_auth(c))
		ready(c);
}

static void
ehlo_reply(struct conn *c, const struct smtp_reply *r)
{
	/* LMTP and mandatory TLS have no other way. */
	if (r->code >= 500 && c->state == CONN_EHLO && !c->p->lmtp &&
	    !c->tls) {
		send_helo(c);
		return;
	}
	if (r->code / 100 != 2) {
		refused(c, r);
		return;
	}
	if (is_loop(c, r)) {
		log_warn("host %s replied to HELO/EHLO with my own hostname "
		    "%s", c->target.relay,
		    daemon_common(c->p->d)->myhostname);
		conn_failed(c, "5.4.6", true, arena_printf(c->job->mem,
		    "mail for %s loops back to myself", c->job->m.nexthop));
		return;
	}
	if (c->state == CONN_EHLO)
		for (size_t i = 1; i < r->nlines; i++)
			note_feature(c, r->lines[i]);
	hello_begin(c);
}

void
hello_reply(struct conn *c, const struct smtp_reply *r)
{
	switch (c->state) {
	case CONN_GREETING:
		if (r->code / 100 != 2)
			refused(c, r);
		else if (c->p->lmtp || c->p->conf->always_ehlo ||
		    strstr(r->text, "ESMTP") != NULL)
			send_ehlo(c);
		else
			send_helo(c);
		return;
	case CONN_EHLO:
	case CONN_HELO:
		ehlo_reply(c, r);
		return;
	case CONN_STARTTLS:
		start_tls(c, r);
		return;
	case CONN_AUTH:
		auth_reply(c, r);
		return;
	case CONN_DIAL:
	case CONN_SHAKE:
	case CONN_MAIL:
	case CONN_DATA:
	case CONN_CONTENT:
	case CONN_DOT:
	case CONN_RSET:
	case CONN_IDLE:
	case CONN_STATES:
		break;
	}
}
