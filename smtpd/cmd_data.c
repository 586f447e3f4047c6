/* SPDX-License-Identifier: Apache-2.0 */
/* DATA and BDAT: the content.
 *
 * A message is accepted or refused once, at its end; what comes before is
 * passed to lib/intake.  Whatever goes wrong, all bytes up to the end of the
 * content are content: they never become commands. */
#include "smtpd/smtpd.h"
#include "sys/log.h"

#define CHUNKS_FREE	1000	/* BDATs that may be of any size */
#define CHUNK_MEAN	512	/* bytes, on average, beyond that */
#define DROP_MAX	((uint64_t)1048576)	/* above message_size_limit */

/* As long as a client keeps up smtpd_min_data_rate, for the largest message
 * it may send. */
static void
content_deadline(struct conn *c)
{
	const struct smtpd_conf	*conf = c->s->conf;
	int64_t			 limit = c->s->common->message_size_limit;

	if (limit <= 0 || limit > INT64_C(1) << 40)
		limit = INT64_C(1) << 30;
	stream_deadline(c->stream, conf->timeout +
	    SECS(limit / conf->min_data_rate));
	c->timed = true;
}

static void
content_over(struct conn *c)
{
	c->mode = MODE_COMMAND;
	stream_deadline(c->stream, 0);
	c->timed = false;
}

struct refusal {
	int		 code;
	const char	*dsn, *text;
};

/* The state in which content may come: NULL. */
static const struct refusal *
not_ready(const struct conn *c)
{
	static const struct refusal	no_mail = { 503, "5.5.1",
	    "Error: need MAIL command" };
	static const struct refusal	no_rcpt = { 503, "5.5.1",
	    "Error: need RCPT command" };
	static const struct refusal	no_valid = { 554, "5.5.1",
	    "Error: no valid recipients" };

	if (c->tx == NULL)
		return &no_mail;
	if (c->tx->nrcpts > 0)
		return NULL;
	return c->tx->rcpt_tried ? &no_valid : &no_rcpt;
}

/*
 * DATA
 */
static void
data_checked(struct conn *c, const struct verdict *v)
{
	if (v->kind == VERDICT_REJECT) {
		reply_verdict(c, v);
		return;
	}
	tx_content(c);
	c->data = (struct smtp_data){ SMTP_DATA_START };
	c->mode = MODE_DATA;
	reply_raw(c, "354 End data with <CR><LF>.<CR><LF>");
	c->reply_code = 354;
	content_deadline(c);
}

void
cmd_data(struct conn *c, struct slice arg)
{
	const struct refusal	*r = not_ready(c);

	if (c->tx != NULL && c->tx->bdat) {
		reply(c, 503, "5.5.1", "Error: DATA after BDAT");
		return;
	}
	if (r != NULL) {
		reply(c, r->code, r->dsn, "%s", r->text);
		return;
	}
	if (arg.len > 0) {
		reply(c, 501, "5.5.4", "Syntax: DATA");
		return;
	}
	check_run(c, STAGE_DATA, c->tx->mail.address,
	    c->tx->nrcpts == 1 ? c->tx->rcpts[0] : NULL, data_checked);
}

static void
end_checked(struct conn *c, const struct verdict *v)
{
	if (v->kind == VERDICT_REJECT) {
		tx_end(c);
		reply_verdict(c, v);
		return;
	}
	tx_commit(c);
}

static void
end_of_content(struct conn *c)
{
	content_over(c);
	c->where = "END-OF-MESSAGE";
	check_run(c, STAGE_END, c->tx->mail.address, NULL, end_checked);
}

bool
data_input(struct conn *c)
{
	struct slice		in = stream_in(c->stream), piece;
	size_t			before = in.len;
	enum smtp_data_got	got;

	if (before == 0)
		return false;
	while ((got = smtp_data_take(&c->data, &in, &piece)) ==
	    SMTP_DATA_PIECE)
		(void)intake_write(c->tx->msg, piece);
	stream_take(c->stream, before - in.len);
	if (got == SMTP_DATA_MORE)
		return false;
	end_of_content(c);
	return true;
}

/*
 * BDAT.  RFC 3030
 */

/* The chunk must be read before anything else; then this is the reply. */
static void
drop_chunk(struct conn *c, int code, const char *dsn, const char *text)
{
	c->bdat_drop = true;
	c->drop_code = code;
	c->drop_dsn = dsn;
	c->drop_text = text;
}

static void
chunk_refused(struct conn *c, const struct verdict *v)
{
	drop_chunk(c, v->code, arena_strdup(c->cmd_mem, v->dsn),
	    arena_strdup(c->cmd_mem, v->text));
	c->mode = MODE_BDAT;
	tx_end(c);
}

static void
bdat_checked(struct conn *c, const struct verdict *v)
{
	if (v->kind == VERDICT_REJECT)
		chunk_refused(c, v);
	else {
		tx_content(c);
		c->tx->bdat = true;
		c->mode = MODE_BDAT;
	}
	content_deadline(c);
}

/* Many tiny chunks are work without mail. */
static bool
too_tiny(struct conn *c)
{
	struct tx	*tx = c->tx;

	tx->chunks++;
	return tx->chunks > CHUNKS_FREE &&
	    tx->bdat_bytes / tx->chunks < CHUNK_MEAN;
}

static void
begin_chunk(struct conn *c, uint64_t size)
{
	uint64_t		 limit =
	    (uint64_t)c->s->common->message_size_limit;
	const struct refusal	*r = not_ready(c);

	c->bdat_left = c->bdat_size = size;
	c->bdat_drop = false;
	if (r != NULL)
		drop_chunk(c, r->code, r->dsn, r->text);
	else if (limit > 0 && (size > limit ||
	    c->tx->bdat_bytes > limit - size))
		drop_chunk(c, 552, "5.3.4",
		    "Message size exceeds fixed limit");
}

void
cmd_bdat(struct conn *c, struct slice arg)
{
	uint64_t		size = 0;
	enum smtp_bdat_result	r = smtp_cmd_bdat(arg, &size, &c->bdat_last);

	if (r == SMTP_BDAT_SYNTAX) {
		tx_end(c);
		reply(c, 501, "5.5.4", "Syntax: BDAT count [LAST]");
		return;
	}
	if (r == SMTP_BDAT_HUGE) {
		/* No use to wait for its end. */
		tx_end(c);
		reply(c, 552, "5.3.4", "Message size exceeds fixed limit");
		conn_close(c);
		return;
	}
	begin_chunk(c, size);
	if (!c->bdat_drop && too_tiny(c)) {
		tx_end(c);
		reply(c, 421, "4.7.0", "%s Error: too many small chunks",
		    c->s->common->myhostname);
		conn_close(c);
		return;
	}
	if (c->bdat_drop)
		tx_end(c);
	if (c->bdat_drop || c->tx->bdat) {
		c->mode = MODE_BDAT;
		content_deadline(c);
	} else
		check_run(c, STAGE_DATA, c->tx->mail.address,
		    c->tx->nrcpts == 1 ? c->tx->rcpts[0] : NULL,
		    bdat_checked);
}

/* A refused chunk is read, but not for ever. */
static bool
drop_input(struct conn *c)
{
	struct slice	in = stream_in(c->stream);
	uint64_t	limit = (uint64_t)c->s->common->message_size_limit;
	size_t		n = in.len < c->bdat_left ? in.len :
			    (size_t)c->bdat_left;

	stream_take(c->stream, n);
	c->bdat_left -= n;
	if (c->bdat_left == 0) {
		content_over(c);
		reply(c, c->drop_code, c->drop_dsn, "%s", c->drop_text);
		return true;
	}
	if (c->bdat_size - c->bdat_left > limit + DROP_MAX) {
		reply(c, 421, "4.7.0", "%s Error: too much data",
		    c->s->common->myhostname);
		conn_close(c);
	}
	return false;
}

bool
bdat_input(struct conn *c)
{
	struct slice	in = stream_in(c->stream);
	size_t		n = in.len < c->bdat_left ? in.len :
			    (size_t)c->bdat_left;

	if (c->bdat_drop)
		return drop_input(c);
	if (n > 0) {
		(void)intake_write(c->tx->msg, slice_first(in, n));
		stream_take(c->stream, n);
		c->bdat_left -= n;
	}
	if (c->bdat_left > 0)
		return false;
	c->tx->bdat_bytes += c->bdat_size;
	if (c->bdat_last)
		end_of_content(c);
	else {
		content_over(c);
		reply(c, 250, "2.0.0", "Ok: %llu bytes",
		    (unsigned long long)c->bdat_size);
	}
	return true;
}
