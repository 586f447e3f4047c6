/* SPDX-License-Identifier: Apache-2.0 */
/* Replies, and the log lines that go with refusals. */
#include "smtpd/smtpd.h"
#include "sys/log.h"

/* "250 2.1.0 " */
static void
put_head(struct buf *out, int code, const char *dsn)
{
	char	text[5] = { (char)('0' + code / 100),
	    (char)('0' + code / 10 % 10), (char)('0' + code % 10), ' ',
	    (char)('0' + code / 100) };

	buf_add(out, text, sizeof(text));
	buf_adds(out, dsn + 1);
	buf_addc(out, ' ');
}

void
reply(struct conn *c, int code, const char *dsn, const char *fmt, ...)
{
	struct buf	*out = stream_out(c->stream);
	va_list		 ap;

	/* A session that is ended says so in its last reply. */
	if (c->s->common->soft_bounce && code >= 500)
		code -= 100;
	put_head(out, code, dsn);
	/* Most replies are constant. */
	if (strchr(fmt, '%') == NULL)
		buf_adds(out, fmt);
	else {
		va_start(ap, fmt);
		buf_addv(out, fmt, ap);
		va_end(ap);
	}
	buf_adds(out, "\r\n");
	c->reply_code = code;
	if (code >= 400)
		c->errors++;
}

void
reply_raw(struct conn *c, const char *line)
{
	struct buf	*out = stream_out(c->stream);

	buf_adds(out, line);
	buf_adds(out, "\r\n");
}

/* Text of tables may hold anything; lines of a reply may not. */
void
reply_verdict(struct conn *c, const struct verdict *v)
{
	reply(c, v->code, v->dsn, "%s", v->text);
	daemon_count(c->s->d, COUNT_REJECTED, 1);
	/* RFC 5321 3.8, RFC 7504: these close the connection. */
	if (v->code == 421 || v->code == 521)
		conn_close(c);
}

const char *
proto_name(const struct conn *c)
{
	return c->esmtp ? "ESMTP" : "SMTP";
}

void
log_reject(struct conn *c, const char *what, const char *where,
    const char *recipient, const char *text)
{
	struct buf	b;

	buf_init(&b, 4096);
	if (c->tx != NULL)
		buf_addf(&b, " from=<%s>", c->tx->mail.address);
	else if (c->pending_sender != NULL)
		buf_addf(&b, " from=<%s>", c->pending_sender);
	if (recipient != NULL)
		buf_addf(&b, " to=<%s>", recipient);
	buf_addf(&b, " proto=%s", proto_name(c));
	if (c->helo != NULL)
		buf_addf(&b, " helo=<%s>", c->helo);
	log_info("%s: %s: %s from %s: %s;%s", tx_id(c), what, where,
	    c->namaddr, text, buf_cstr(&b));
	buf_clear(&b);
}
