/* SPDX-License-Identifier: Apache-2.0 */
/* The order of records is a rank that must not fall: a forged file cannot
 * put a second sender behind the recipients or an envelope behind content. */
#include "queue/maildrop.h"

#include <string.h>

#include "queue/queue_format.h"

enum rank { RANK_FIRST, RANK_ATTR, RANK_RCPT, RANK_MESSAGE, RANK_CONTENT };

struct row {
	int		 type;
	enum rank	 rank;
	unsigned int	 bit;		/* may come once */
	uint64_t	 most;		/* 0: text; else a decimal number */
};

static const struct row	rows[] = {
	{ DROP_SENDER,   RANK_FIRST,   1,  0 },
	{ DROP_FULLNAME, RANK_ATTR,    2,  0 },
	{ DROP_ENVID,    RANK_ATTR,    4,  0 },
	{ DROP_RET,      RANK_ATTR,    8,  2 },
	{ DROP_NOTIFY,   RANK_ATTR,    16, 15 },
	{ DROP_FLAGS,    RANK_ATTR,    32, 1 },
	{ DROP_RCPT,     RANK_RCPT,    0,  0 },
	{ DROP_MESSAGE,  RANK_MESSAGE, 64, 0 },
	{ DROP_CONTENT,  RANK_CONTENT, 0,  0 },
	{ DROP_END,      RANK_CONTENT, 128, 0 },
};

bool
maildrop_text_ok(struct slice s)
{
	if (s.len > MAILDROP_STRING)
		return false;
	for (size_t i = 0; i < s.len; i++)
		if (s.p[i] < 32 || s.p[i] == 127)
			return false;
	return true;
}

static const struct row *
find_row(int type)
{
	for (size_t i = 0; i < COUNT(rows); i++)
		if (rows[i].type == type)
			return &rows[i];
	return NULL;
}

static int
check_envelope(struct maildrop *d, const struct row *r, struct slice value,
    struct error *err)
{
	uint64_t	 n;

	if (d->in_content)
		return error_set(err, "envelope record behind the message");
	if (!maildrop_text_ok(value))
		return error_set(err, "control character or too long in an "
		    "envelope record");
	if (r->most > 0 && (!slice_u64(value, r->most, &n) || n == 0))
		return error_set(err, "bad number in an envelope record");
	if (r->rank == RANK_ATTR && d->nrcpts > 0)
		return error_set(err, "attribute behind a recipient");
	if (r->type != DROP_SENDER && (d->seen & 1) == 0)
		return error_set(err, "the sender does not come first");
	if (r->type == DROP_RCPT) {
		if (value.len == 0)
			return error_set(err, "empty recipient");
		if (++d->nrcpts > MAILDROP_RCPTS)
			return error_set(err, "too many recipients");
	}
	if (r->type == DROP_MESSAGE) {
		if (d->nrcpts == 0)
			return error_set(err, "no recipients");
		if (value.len != 0)
			return error_set(err, "bad message record");
		d->in_content = true;
	}
	return 0;
}

static enum maildrop_take
check_content(struct maildrop *d, int type, struct slice value,
    struct error *err)
{
	if (!d->in_content) {
		(void)error_set(err, "content before the envelope ended");
		return MAILDROP_BAD;
	}
	if (type == DROP_CONTENT) {
		d->content += value.len;
		return d->content > d->most_content ? MAILDROP_SIZE :
		    MAILDROP_RECORD;
	}
	if (value.len != 8 || queue_get64(value.p) != d->content) {
		(void)error_set(err, "content is not of the promised size");
		return MAILDROP_BAD;
	}
	d->ended = true;
	return MAILDROP_END;
}

static enum maildrop_take
check(struct maildrop *d, int type, struct slice value, struct error *err)
{
	const struct row	*r = find_row(type);

	if (r == NULL) {
		(void)error_set(err, "record of unknown type %d", type);
		return MAILDROP_BAD;
	}
	if ((d->seen & r->bit) != 0) {
		(void)error_set(err, "repeated record of type %c", type);
		return MAILDROP_BAD;
	}
	d->seen |= r->bit;
	if (r->rank == RANK_CONTENT)
		return check_content(d, type, value, err);
	return check_envelope(d, r, value, err) < 0 ? MAILDROP_BAD :
	    MAILDROP_RECORD;
}

static enum maildrop_take
take_magic(struct maildrop *d, struct slice *in, struct error *err)
{
	size_t	n = in->len < MAILDROP_MAGIC_LEN ? in->len :
	    MAILDROP_MAGIC_LEN;

	if (n > 0 && memcmp(in->p, MAILDROP_MAGIC, n) != 0) {
		(void)error_set(err, "not a maildrop file");
		return MAILDROP_BAD;
	}
	if (n < MAILDROP_MAGIC_LEN)
		return MAILDROP_MORE;
	d->begun = true;
	*in = slice_from(*in, n);
	return MAILDROP_RECORD;
}

enum maildrop_take
maildrop_take(struct maildrop *d, struct slice *in, int *type_out,
    struct slice *value_out, struct error *err)
{
	enum maildrop_take	 r;
	uint32_t		 n;

	if (d->ended) {
		if (in->len == 0)
			return MAILDROP_MORE;
		(void)error_set(err, "bytes behind the end");
		return MAILDROP_BAD;
	}
	if (!d->begun && (r = take_magic(d, in, err)) != MAILDROP_RECORD)
		return r;
	if (in->len < MAILDROP_HEAD)
		return MAILDROP_MORE;
	n = queue_get32(in->p + 1);
	if (n > MAILDROP_CHUNK) {
		(void)error_set(err, "record too long");
		return MAILDROP_BAD;
	}
	if (in->len - MAILDROP_HEAD < n)
		return MAILDROP_MORE;
	*type_out = in->p[0];
	*value_out = slice_of(in->p + MAILDROP_HEAD, n);
	r = check(d, *type_out, *value_out, err);
	*in = slice_from(*in, MAILDROP_HEAD + n);
	return r;
}

void
maildrop_put_magic(struct buf *out)
{
	buf_add(out, MAILDROP_MAGIC, MAILDROP_MAGIC_LEN);
}

void
maildrop_put(struct buf *out, enum maildrop_type type, struct slice value)
{
	unsigned char	 head[MAILDROP_HEAD];

	head[0] = (unsigned char)type;
	queue_put32(head + 1, (uint32_t)value.len);
	buf_add(out, head, sizeof(head));
	buf_add_slice(out, value);
}

void
maildrop_put_end(struct buf *out, uint64_t content)
{
	unsigned char	 n[8];

	queue_put64(n, content);
	maildrop_put(out, DROP_END, slice_of(n, sizeof(n)));
}
