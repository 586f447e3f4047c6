/* SPDX-License-Identifier: Apache-2.0 */
/* The Received: line, in Postfix's three forms (RFC 5321 4.4). */
#include "intake/intake_int.h"

static void
put_date(struct buf *out, const struct intake_second *s)
{
	buf_adds(out, s->date);
	if (s->zone[0] != '\0')
		buf_addf(out, " (%s)", s->zone);
}

static bool
is_harmless(unsigned char c)
{
	return c > ' ' && c != 127 && c != '(' && c != ')' && c != '\\' &&
	    c != ';';
}

/* What peers say about themselves must not be able to end a comment or begin
 * a new part of the line. */
static void
put_word(struct buf *out, const char *s)
{
	const char	*from = s;

	for (; *s != '\0'; s++) {
		if (is_harmless((unsigned char)*s))
			continue;
		buf_add(out, from, (size_t)(s - from));
		buf_addc(out, '?');
		from = s + 1;
	}
	buf_add(out, from, (size_t)(s - from));
}

static void
put_from(struct buf *out, const struct intake_origin *o)
{
	const char	*name = o->client_name, *addr = o->client_address;

	buf_adds(out, "from ");
	put_word(out, o->helo != NULL && o->helo[0] != '\0' ? o->helo :
	    name != NULL ? name : "unknown");
	buf_adds(out, " (");
	put_word(out, name != NULL ? name : "unknown");
	buf_addf(out, " [%s%s])\r\n\t",
	    addr != NULL && strchr(addr, ':') != NULL ? "IPv6:" : "",
	    addr != NULL ? addr : "unknown");
	if (o->tls != NULL)
		buf_addf(out, "%s\r\n\t", o->tls);
	if (o->show_sasl && o->sasl_username != NULL) {
		buf_adds(out, "(Authenticated sender: ");
		put_word(out, o->sasl_username);
		buf_adds(out, ")\r\n\t");
	}
}

void
intake_received_put(struct buf *out, const struct intake_msg *m)
{
	const struct intake_origin	*o = &m->origin;
	const struct conf_common	*c = m->in->common;

	buf_adds(out, "Received: ");
	if (o->client_address != NULL && !o->hide_client)
		put_from(out, o);
	buf_addf(out, "by %s (%s", c->myhostname, c->mail_name);
	if (o->userid != NULL)
		buf_addf(out, ", from userid %s", o->userid);
	buf_adds(out, ")");
	if (o->protocol != NULL)
		buf_addf(out, " with %s id %s\r\n\t", o->protocol, m->id);
	else
		buf_addf(out, "\r\n\tid %s; ", m->id);
	if (o->protocol != NULL && m->nrcpts == 1)
		buf_addf(out, "for <%s>; ", m->rcpts[0].original);
	else if (o->protocol != NULL) {
		/* No other recipients are given away. */
		buf_truncate(out, buf_len(out) - 3);
		buf_adds(out, ";\r\n\t");
	}
	put_date(out, intake_second(m->in, o->arrival));
	buf_adds(out, "\r\n");
}
