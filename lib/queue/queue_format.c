/* SPDX-License-Identifier: Apache-2.0 */
/* head | content | envelope records | padding | status bytes | end record
 *
 * Bytes that change in place (status bytes, due slot) are in no checksum;
 * everything else is in exactly one, and the end record repeats the head's so
 * that the two ends of a file prove that they belong together.  All lengths
 * are checked against what contains them before they are used. */
#include "queue/queue_format.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/ascii.h"
#include "base/crc32c.h"

#define MAGIC		"PHqueue\n"
#define END_MAGIC	"PHend\r\n\032"
#define MAGIC_SIZE	8
#define VERSION		1

/* Offsets in the head. */
enum {
	H_MAGIC = 0, H_VERSION = 8, H_FLAGS = 12, H_CONTENT_OFFSET = 16,
	H_CONTENT_SIZE = 24, H_ENV_OFFSET = 32, H_ENV_SIZE = 40,
	H_STATUS_OFFSET = 48, H_NRCPTS = 56, H_HEAD_SIZE = 60,
	H_ARRIVAL = 64, H_FILE_SIZE = 72, H_ID = 80, H_CRC = 112
};

/* Offsets in the end record. */
enum {
	E_MAGIC = 0, E_FILE_SIZE = 8, E_NRCPTS = 16, E_HEAD_CRC = 20,
	E_CONTENT_CRC = 24, E_ENV_CRC = 28, E_SPARE = 32, E_CRC = 36
};

/* Record types; never reused with another meaning. */
enum {
	R_SENDER = 'S', R_ENVID = 'i', R_RET = '<', R_CLIENT_NAME = 'c',
	R_CLIENT_ADDR = 'a', R_CLIENT_PORT = 'p', R_CLIENT_HELO = 'h',
	R_CLIENT_PROTO = 'P', R_SASL_METHOD = 'm', R_SASL_USER = 'u',
	R_MESSAGE_ID = 'I',
	/* Of a recipient; R_RCPT comes last and closes it. */
	R_ORIGINAL = 'O', R_ORCPT = 'o', R_NOTIFY = 'n', R_RCPT = 'R'
};
#define REC_HEAD	5

void
queue_put32(unsigned char *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (unsigned char)(v >> (8 * i));
}

void
queue_put64(unsigned char *p, uint64_t v)
{
	for (int i = 0; i < 8; i++)
		p[i] = (unsigned char)(v >> (8 * i));
}

uint32_t
queue_get32(const unsigned char *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
	    (uint32_t)p[3] << 24;
}

uint64_t
queue_get64(const unsigned char *p)
{
	return queue_get32(p) | (uint64_t)queue_get32(p + 4) << 32;
}

/*
 * Names and layout.
 */

bool
queue_id_ok(const char *id)
{
	size_t	n = strnlen(id, QUEUE_ID_MAX);

	if (n < 6 || n >= QUEUE_ID_MAX)
		return false;
	for (size_t i = 0; i < n; i++)
		if (!ascii_is_alnum((unsigned char)id[i]))
			return false;
	return true;
}

uint64_t
queue_env_offset(const struct queue_head *h)
{
	return QUEUE_HEAD_SIZE + h->content_size;
}

/* The sizes are within bounds here, so that nothing can overflow. */
void
queue_head_layout(struct queue_head *h)
{
	uint64_t	 end = queue_env_offset(h) + h->env_size;

	h->status_offset = (end + 7) & ~(uint64_t)7;
	h->file_size = h->status_offset + h->nrcpts + QUEUE_END_SIZE;
}

uint32_t
queue_head_crc(const unsigned char head[QUEUE_HEAD_SIZE])
{
	return crc32c(0, head, H_CRC);
}

void
queue_head_put(const struct queue_head *h, unsigned char out[QUEUE_HEAD_SIZE])
{
	memset(out, 0, QUEUE_HEAD_SIZE);
	memcpy(out + H_MAGIC, MAGIC, MAGIC_SIZE);
	queue_put32(out + H_VERSION, VERSION);
	queue_put32(out + H_FLAGS, h->flags);
	queue_put64(out + H_CONTENT_OFFSET, QUEUE_HEAD_SIZE);
	queue_put64(out + H_CONTENT_SIZE, h->content_size);
	queue_put64(out + H_ENV_OFFSET, queue_env_offset(h));
	queue_put64(out + H_ENV_SIZE, h->env_size);
	queue_put64(out + H_STATUS_OFFSET, h->status_offset);
	queue_put32(out + H_NRCPTS, h->nrcpts);
	queue_put32(out + H_HEAD_SIZE, QUEUE_HEAD_SIZE);
	queue_put64(out + H_ARRIVAL, (uint64_t)h->arrival);
	queue_put64(out + H_FILE_SIZE, h->file_size);
	memcpy(out + H_ID, h->id, strlen(h->id));
	queue_put32(out + H_CRC, queue_head_crc(out));
	queue_slot_put(0, 0, out + QUEUE_SLOT_OFFSET);
}

/* What the checksum cannot say: does the writer agree with our arithmetic? */
static int
check_layout(const unsigned char *p, const struct queue_head *h,
    struct error *err)
{
	struct queue_head	 want = *h;

	if (h->content_size > QUEUE_CONTENT_MAX)
		return error_set(err, "head: content too large");
	if (h->env_size > QUEUE_ENV_MAX)
		return error_set(err, "head: envelope too large");
	if (h->nrcpts == 0 || h->nrcpts > QUEUE_RCPTS_MAX)
		return error_set(err, "head: bad number of recipients");
	queue_head_layout(&want);
	if (queue_get64(p + H_CONTENT_OFFSET) != QUEUE_HEAD_SIZE ||
	    queue_get32(p + H_HEAD_SIZE) != QUEUE_HEAD_SIZE ||
	    queue_get64(p + H_ENV_OFFSET) != queue_env_offset(h) ||
	    h->status_offset != want.status_offset ||
	    h->file_size != want.file_size)
		return error_set(err, "head: offsets do not add up");
	return 0;
}

int
queue_head_get(struct slice in, struct queue_head *h, struct error *err)
{
	const unsigned char	*p = in.p;
	struct queue_head	 v = { .nrcpts = 0 };

	if (in.len < QUEUE_HEAD_SIZE)
		return error_set(err, "head: file too short");
	if (memcmp(p + H_MAGIC, MAGIC, MAGIC_SIZE) != 0)
		return error_set(err, "head: not a queue file");
	if (queue_get32(p + H_CRC) != queue_head_crc(p))
		return error_set(err, "head: wrong checksum");
	if (queue_get32(p + H_VERSION) != VERSION)
		return error_set(err, "head: unknown version %" PRIu32,
		    queue_get32(p + H_VERSION));
	v.flags = queue_get32(p + H_FLAGS);
	v.nrcpts = queue_get32(p + H_NRCPTS);
	v.arrival = (usec_t)queue_get64(p + H_ARRIVAL);
	v.content_size = queue_get64(p + H_CONTENT_SIZE);
	v.env_size = queue_get64(p + H_ENV_SIZE);
	v.file_size = queue_get64(p + H_FILE_SIZE);
	v.status_offset = queue_get64(p + H_STATUS_OFFSET);
	memcpy(v.id, p + H_ID, QUEUE_ID_MAX);
	if (v.id[QUEUE_ID_MAX - 1] != '\0' || !queue_id_ok(v.id))
		return error_set(err, "head: bad queue id");
	if (check_layout(p, &v, err) < 0)
		return -1;
	*h = v;
	return 0;
}

/*
 * Records.
 */

int
queue_rec_put(struct buf *out, int type, const char *s, struct error *err)
{
	unsigned char	 head[REC_HEAD];
	size_t		 n;

	if (s == NULL)
		return 0;
	n = strlen(s);
	if (n > QUEUE_STRING_MAX)
		return error_set(err, "envelope string over %zu bytes",
		    QUEUE_STRING_MAX);
	head[0] = (unsigned char)type;
	queue_put32(head + 1, (uint32_t)n);
	if (!buf_put(out, head, sizeof(head)) || !buf_put(out, s, n))
		return error_set(err, "envelope too large");
	return 0;
}

void
queue_rec_put_num(struct buf *out, int type, uint64_t v)
{
	unsigned char	 rec[REC_HEAD + 8];

	rec[0] = (unsigned char)type;
	queue_put32(rec + 1, 8);
	queue_put64(rec + REC_HEAD, v);
	buf_add(out, rec, sizeof(rec));
}

int
queue_rec_get(struct slice *in, int *type_out, struct slice *value_out,
    struct error *err)
{
	uint32_t	 n;

	if (in->len < REC_HEAD)
		return error_set(err, "record: cut off");
	n = queue_get32(in->p + 1);
	if (n > QUEUE_STRING_MAX || n > in->len - REC_HEAD)
		return error_set(err, "record: length %" PRIu32
		    " leaves its place", n);
	*type_out = in->p[0];
	*value_out = slice_of(in->p + REC_HEAD, n);
	in->p += REC_HEAD + n;
	in->len -= REC_HEAD + n;
	return 0;
}

int
queue_rec_str(struct slice value, struct arena *a, const char **out,
    struct error *err)
{
	if (*out != NULL)
		return error_set(err, "record: repeated");
	*out = slice_cstr(a, value);
	if (*out == NULL)
		return error_set(err, "record: NUL in a string");
	return 0;
}

int
queue_rec_num(struct slice value, uint64_t max, uint64_t *out,
    struct error *err)
{
	if (value.len != 8 || queue_get64(value.p) > max)
		return error_set(err, "record: bad number");
	*out = queue_get64(value.p);
	return 0;
}

/*
 * Envelope.
 */

static int
put_rcpt(const struct queue_rcpt *r, struct buf *out, struct error *err)
{
	if (r->address == NULL)
		return error_set(err, "recipient without address");
	/* The usual case, both the same, is left out. */
	if (r->original != NULL && strcmp(r->original, r->address) != 0 &&
	    queue_rec_put(out, R_ORIGINAL, r->original, err) < 0)
		return -1;
	if (queue_rec_put(out, R_ORCPT, r->dsn_orcpt, err) < 0)
		return -1;
	if (r->notify != 0)
		queue_rec_put_num(out, R_NOTIFY, r->notify);
	return queue_rec_put(out, R_RCPT, r->address, err);
}

int
queue_env_put(const struct queue_env *env, struct buf *out, struct error *err)
{
	if (env->sender == NULL || env->nrcpts == 0)
		return error_set(err, "envelope without sender or recipient");
	if (env->nrcpts > QUEUE_RCPTS_MAX)
		return error_set(err, "too many recipients");
	if (queue_rec_put(out, R_SENDER, env->sender, err) < 0 ||
	    queue_rec_put(out, R_ENVID, env->dsn_envid, err) < 0 ||
	    queue_rec_put(out, R_CLIENT_NAME, env->client_name, err) < 0 ||
	    queue_rec_put(out, R_CLIENT_ADDR, env->client_address, err) < 0 ||
	    queue_rec_put(out, R_CLIENT_PORT, env->client_port, err) < 0 ||
	    queue_rec_put(out, R_CLIENT_HELO, env->client_helo, err) < 0 ||
	    queue_rec_put(out, R_CLIENT_PROTO, env->client_protocol, err) < 0 ||
	    queue_rec_put(out, R_SASL_METHOD, env->sasl_method, err) < 0 ||
	    queue_rec_put(out, R_SASL_USER, env->sasl_username, err) < 0 ||
	    queue_rec_put(out, R_MESSAGE_ID, env->message_id, err) < 0)
		return -1;
	if (env->dsn_ret != 0)
		queue_rec_put_num(out, R_RET, env->dsn_ret);
	for (size_t i = 0; i < env->nrcpts; i++)
		if (put_rcpt(&env->rcpts[i], out, err) < 0)
			return -1;
	if (out->overflow)
		return error_set(err, "envelope too large");
	return 0;
}

/* The member that a record of the message fills; NULL: not one of those. */
static const char **
env_string(struct queue_env *env, int type)
{
	switch (type) {
	case R_SENDER:
		return &env->sender;
	case R_ENVID:
		return &env->dsn_envid;
	case R_CLIENT_NAME:
		return &env->client_name;
	case R_CLIENT_ADDR:
		return &env->client_address;
	case R_CLIENT_PORT:
		return &env->client_port;
	case R_CLIENT_HELO:
		return &env->client_helo;
	case R_CLIENT_PROTO:
		return &env->client_protocol;
	case R_SASL_METHOD:
		return &env->sasl_method;
	case R_SASL_USER:
		return &env->sasl_username;
	case R_MESSAGE_ID:
		return &env->message_id;
	}
	return NULL;
}

static int
get_rcpt_record(struct queue_rcpt *r, int type, struct slice value,
    struct arena *a, struct error *err)
{
	uint64_t	 num = 0;

	switch (type) {
	case R_ORIGINAL:
		return queue_rec_str(value, a, &r->original, err);
	case R_ORCPT:
		return queue_rec_str(value, a, &r->dsn_orcpt, err);
	case R_NOTIFY:
		if (queue_rec_num(value, 15, &num, err) < 0)
			return -1;
		r->notify = (unsigned int)num;
		return 0;
	case R_RCPT:
		return queue_rec_str(value, a, &r->address, err);
	}
	return error_set(err, "record: unknown type %d", type);
}

static int
get_record(struct queue_env *env, size_t nrcpts, int type, struct slice value,
    struct arena *a, struct error *err)
{
	const char	**member = env_string(env, type);
	uint64_t	 num = 0;

	if (member != NULL)
		return queue_rec_str(value, a, member, err);
	if (type == R_RET) {
		if (queue_rec_num(value, 3, &num, err) < 0)
			return -1;
		env->dsn_ret = (unsigned int)num;
		return 0;
	}
	if (env->nrcpts == nrcpts)
		return error_set(err, "envelope: more recipients than counted");
	if (get_rcpt_record(&env->rcpts[env->nrcpts], type, value, a, err) < 0)
		return -1;
	if (type == R_RCPT)
		env->nrcpts++;
	return 0;
}

int
queue_env_get(struct slice in, size_t nrcpts, struct arena *a,
    struct queue_env *env, struct error *err)
{
	struct slice	 value;
	int		 type = 0;

	*env = (struct queue_env){ .nrcpts = 0 };
	/* A recipient takes at least its record's head. */
	if (nrcpts > in.len / REC_HEAD)
		return error_set(err, "envelope: too short for its recipients");
	env->rcpts = arena_array(a, nrcpts, sizeof(*env->rcpts));
	while (in.len > 0) {
		if (queue_rec_get(&in, &type, &value, err) < 0 ||
		    get_record(env, nrcpts, type, value, a, err) < 0)
			return -1;
	}
	if (type != R_RCPT || env->nrcpts != nrcpts)
		return error_set(err, "envelope: fewer recipients than counted");
	if (env->sender == NULL)
		return error_set(err, "envelope: no sender");
	for (size_t i = 0; i < nrcpts; i++)
		if (env->rcpts[i].original == NULL)
			env->rcpts[i].original = env->rcpts[i].address;
	return 0;
}

/*
 * End record, tail, slot.
 */

void
queue_end_put(const struct queue_end *e, unsigned char out[QUEUE_END_SIZE])
{
	memset(out, 0, QUEUE_END_SIZE);
	memcpy(out + E_MAGIC, END_MAGIC, MAGIC_SIZE);
	queue_put64(out + E_FILE_SIZE, e->file_size);
	queue_put32(out + E_NRCPTS, e->nrcpts);
	queue_put32(out + E_HEAD_CRC, e->head_crc);
	queue_put32(out + E_CONTENT_CRC, e->content_crc);
	queue_put32(out + E_ENV_CRC, e->env_crc);
	queue_put32(out + E_CRC, crc32c(0, out, E_CRC));
}

int
queue_end_get(struct slice in, struct queue_end *e, struct error *err)
{
	const unsigned char	*p = in.p;

	if (in.len != QUEUE_END_SIZE ||
	    memcmp(p + E_MAGIC, END_MAGIC, MAGIC_SIZE) != 0)
		return error_set(err, "end: no end record");
	if (queue_get32(p + E_CRC) != crc32c(0, p, E_CRC))
		return error_set(err, "end: wrong checksum");
	e->file_size = queue_get64(p + E_FILE_SIZE);
	e->nrcpts = queue_get32(p + E_NRCPTS);
	e->head_crc = queue_get32(p + E_HEAD_CRC);
	e->content_crc = queue_get32(p + E_CONTENT_CRC);
	e->env_crc = queue_get32(p + E_ENV_CRC);
	return 0;
}

bool
queue_status_ok(char status)
{
	return status == RCPT_TODO || status == RCPT_DONE ||
	    status == RCPT_BOUNCED;
}

int
queue_tail_get(struct slice tail, const struct queue_head *h,
    uint32_t head_crc, struct arena *a, struct queue_env *env,
    uint32_t *content_crc_out, struct error *err)
{
	uint64_t		 status_at;
	struct queue_end	 end;
	struct slice		 records;

	if (tail.len != h->file_size - queue_env_offset(h))
		return error_set(err, "file has the wrong size");
	status_at = h->status_offset - queue_env_offset(h);
	if (queue_end_get(slice_from(tail, status_at + h->nrcpts), &end,
	    err) < 0)
		return -1;
	records = slice_first(tail, h->env_size);
	for (uint64_t i = h->env_size; i < status_at; i++)
		if (tail.p[i] != 0)
			return error_set(err, "padding: not empty");
	if (end.file_size != h->file_size || end.nrcpts != h->nrcpts ||
	    end.head_crc != head_crc)
		return error_set(err, "end: does not belong to this head");
	if (end.env_crc != crc32c(0, records.p, records.len))
		return error_set(err, "envelope: wrong checksum");
	if (queue_env_get(records, h->nrcpts, a, env, err) < 0)
		return -1;
	for (size_t i = 0; i < h->nrcpts; i++) {
		char	c = (char)tail.p[status_at + i];

		if (!queue_status_ok(c))
			return error_set(err, "recipient %zu: bad status", i);
		env->rcpts[i].status = c;
	}
	env->flags = h->flags;
	env->arrival = h->arrival;
	*content_crc_out = end.content_crc;
	return 0;
}

void
queue_slot_put(usec_t due, unsigned int attempts,
    unsigned char out[QUEUE_SLOT_SIZE])
{
	queue_put64(out, (uint64_t)due);
	queue_put32(out + 8, attempts);
	queue_put32(out + 12, crc32c(0, out, 12));
}

bool
queue_slot_get(const unsigned char in[QUEUE_SLOT_SIZE], usec_t *due_out,
    unsigned int *attempts_out)
{
	bool	ok = queue_get32(in + 12) == crc32c(0, in, 12);

	*due_out = ok ? (usec_t)queue_get64(in) : 0;
	*attempts_out = ok ? queue_get32(in + 8) : 0;
	return ok;
}
