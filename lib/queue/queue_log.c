/* SPDX-License-Identifier: Apache-2.0 */
/* The delivery log of a message: frames of magic, length, checksum, records.
 *
 * A crash may leave a torn frame anywhere a write was under way, and later
 * frames are appended behind it.  So the reader does not stop at damage: it
 * looks for the next magic whose frame has a right checksum.  Text cannot
 * pretend to be a frame, because lengths contain NUL bytes and strings do
 * not. */
#include "queue/queue.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "base/panic.h"
#include "queue/queue_format.h"
#include "queue/queue_int.h"
#include "queue/queue_log.h"
#include "sys/file.h"

#define MAGIC		"\xf5QL1"
#define FRAME_HEAD	12			/* magic, length, checksum */
#define FRAME_MAX	((size_t)65536)		/* of the records */
#define LOG_MAX		((size_t)256 << 20)

enum {
	L_KIND = 'k', L_ABOUT = 'b', L_ADDRESS = 'R', L_ORIGINAL = 'O',
	L_ORCPT = 'o', L_NOTIFY = 'n', L_DSN = 'd', L_ACTION = 'a',
	L_MTA = 'm', L_DIAG_TYPE = 't', L_DIAGNOSTIC = 'D', L_WHEN = 'w'
};

/*
 * Format.
 */

static int
put_records(const struct queue_log_rec *r, struct buf *out, struct error *err)
{
	queue_rec_put_num(out, L_KIND, r->kind);
	if (r->kind == QLOG_NOTICED)
		queue_rec_put_num(out, L_ABOUT, (uint64_t)r->about);
	if (r->notify != 0)
		queue_rec_put_num(out, L_NOTIFY, r->notify);
	queue_rec_put_num(out, L_WHEN, (uint64_t)r->when);
	if (queue_rec_put(out, L_ADDRESS, r->address, err) < 0 ||
	    queue_rec_put(out, L_ORIGINAL, r->original, err) < 0 ||
	    queue_rec_put(out, L_ORCPT, r->dsn_orcpt, err) < 0 ||
	    queue_rec_put(out, L_DSN, r->dsn, err) < 0 ||
	    queue_rec_put(out, L_ACTION, r->action, err) < 0 ||
	    queue_rec_put(out, L_MTA, r->mta, err) < 0 ||
	    queue_rec_put(out, L_DIAG_TYPE, r->diag_type, err) < 0 ||
	    queue_rec_put(out, L_DIAGNOSTIC, r->diagnostic, err) < 0)
		return -1;
	return 0;
}

int
queue_log_put(const struct queue_log_rec *r, struct buf *out,
    struct error *err)
{
	struct buf	 body;
	unsigned char	 head[FRAME_HEAD];
	struct slice	 s;
	int		 result = -1;

	buf_init(&body, FRAME_MAX);
	if (put_records(r, &body, err) < 0)
		goto out;
	s = buf_slice(&body);
	memcpy(head, MAGIC, 4);
	queue_put32(head + 4, (uint32_t)s.len);
	queue_put32(head + 8, crc32c(0, s.p, s.len));
	if (body.overflow || !buf_put(out, head, sizeof(head)) ||
	    !buf_put_slice(out, s))
		(void)error_set(err, "delivery log record too large");
	else
		result = 0;
out:
	buf_clear(&body);
	return result;
}

static const char **
log_string(struct queue_log_rec *r, int type)
{
	switch (type) {
	case L_ADDRESS:
		return &r->address;
	case L_ORIGINAL:
		return &r->original;
	case L_ORCPT:
		return &r->dsn_orcpt;
	case L_DSN:
		return &r->dsn;
	case L_ACTION:
		return &r->action;
	case L_MTA:
		return &r->mta;
	case L_DIAG_TYPE:
		return &r->diag_type;
	case L_DIAGNOSTIC:
		return &r->diagnostic;
	}
	return NULL;
}

static int
get_number(struct queue_log_rec *r, int type, struct slice value)
{
	uint64_t	 n;

	if (queue_rec_num(value, INT64_MAX, &n, NULL) < 0)
		return -1;
	switch (type) {
	case L_KIND:
		r->kind = (enum queue_log_kind)n;
		return n <= QLOG_NOTICED ? 0 : -1;
	case L_ABOUT:
		r->about = (int)n;
		return n <= 255 ? 0 : -1;
	case L_NOTIFY:
		r->notify = (unsigned int)n;
		return n <= 15 ? 0 : -1;
	case L_WHEN:
		r->when = (usec_t)n;
		return 0;
	}
	return -1;
}

static int
get_records(struct slice in, struct arena *a, struct queue_log_rec *r)
{
	struct slice	 value;
	int		 type;
	bool		 has_kind = false;

	*r = (struct queue_log_rec){ .when = 0 };
	while (in.len > 0) {
		const char	**member;

		if (queue_rec_get(&in, &type, &value, NULL) < 0)
			return -1;
		member = log_string(r, type);
		if (member != NULL ? queue_rec_str(value, a, member, NULL) < 0
		    : get_number(r, type, value) < 0)
			return -1;
		has_kind |= type == L_KIND;
	}
	return has_kind ? 0 : -1;
}

/* Is there a whole, right frame at the front? */
static bool
frame_at(struct slice in, struct slice *body_out)
{
	uint32_t	 n;

	if (in.len < FRAME_HEAD || memcmp(in.p, MAGIC, 4) != 0)
		return false;
	n = queue_get32(in.p + 4);
	if (n > FRAME_MAX || n > in.len - FRAME_HEAD)
		return false;
	*body_out = slice_of(in.p + FRAME_HEAD, n);
	return crc32c(0, body_out->p, n) == queue_get32(in.p + 8);
}

size_t
queue_log_get(struct slice in, struct arena *a, struct queue_log_rec *out)
{
	struct slice		 body;
	struct queue_log_rec	 r;
	size_t			 n = 0;

	while (in.len >= FRAME_HEAD) {
		ptrdiff_t	next;

		if (frame_at(in, &body)) {
			in = slice_from(in, FRAME_HEAD + body.len);
			if (get_records(body, a, &r) < 0)
				continue;
			if (out != NULL)
				out[n] = r;
			n++;
			continue;
		}
		in = slice_from(in, 1);
		next = slice_search(in, slice_of(MAGIC, 4));
		if (next < 0)
			break;
		in = slice_from(in, (size_t)next);
	}
	return n;
}

/*
 * Files.
 */

static int
append(int fd, struct slice bytes, const char *id, bool sync,
    struct error *err)
{
	if (file_write(fd, bytes.p, bytes.len) < 0)
		return error_sys(err, "write log/%s", id);
	if (sync && fsync(fd) < 0)
		return error_sys(err, "sync log/%s", id);
	return 0;
}

int
queue_log_append(struct queue *q, const char *id,
    const struct queue_log_rec *recs, size_t n, bool sync, struct error *err)
{
	struct buf	 out;
	int		 fd, result = -1;

	ASSERT(queue_id_ok(id));
	buf_init(&out, LOG_MAX);
	for (size_t i = 0; i < n; i++)
		if (queue_log_put(&recs[i], &out, err) < 0)
			goto out;
	fd = openat(q->log, id, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW |
	    O_CLOEXEC, 0600);
	if (fd < 0) {
		(void)error_sys(err, "open log/%s", id);
		goto out;
	}
	result = append(fd, buf_slice(&out), id, sync, err);
	if (close(fd) < 0 && result == 0)
		result = error_sys(err, "close log/%s", id);
out:
	buf_clear(&out);
	return result;
}

int
queue_log_read(struct queue *q, const char *id, struct arena *a,
    struct queue_log_rec **recs_out, size_t *n_out, struct error *err)
{
	struct arena	*scratch;
	struct buf	 in;
	int		 result = -1;

	*recs_out = NULL;
	*n_out = 0;
	ASSERT(queue_id_ok(id));
	buf_init(&in, LOG_MAX);
	if (file_read_all(q->log, id, &in, err) < 0) {
		if (faccessat(q->log, id, F_OK, AT_SYMLINK_NOFOLLOW) < 0 &&
		    errno == ENOENT)
			result = 0;
		goto out;
	}
	/* Twice over the bytes: first to count. */
	scratch = arena_new();
	*n_out = queue_log_get(buf_slice(&in), scratch, NULL);
	arena_free(&scratch);
	*recs_out = arena_array(a, *n_out, sizeof(**recs_out));
	(void)queue_log_get(buf_slice(&in), a, *recs_out);
	result = 0;
out:
	buf_clear(&in);
	return result;
}

int
queue_log_remove(struct queue *q, const char *id, struct error *err)
{
	ASSERT(queue_id_ok(id));
	if (unlinkat(q->log, id, 0) < 0 && errno != ENOENT)
		return error_sys(err, "remove log/%s", id);
	return 0;
}
