/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes between the socket and the buffers, and a file behind them. */
#include <errno.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>

#include "base/mem.h"
#include "base/panic.h"
#include "net/stream_int.h"
#include "sys/file.h"

#define TLS_RECORD	((size_t)16384)
#define SENDFILE_MAX	((size_t)262144)
#define WRITE_ROUNDS	8

bool
stream_file_active(const struct stream *s)
{
	return s->file != NULL && s->file->active;
}

bool
stream_has_output(const struct stream *s)
{
	return !s->dead && (buf_len(&s->out) > 0 || stream_file_active(s));
}

static void
file_over(struct stream *s, int result)
{
	s->file->active = false;
	s->file->result = result;
	s->due |= DUE_FILE;
	if (s->clear != NULL)
		buf_clear(s->clear);
	mem_free(&s->clear);
}

/* What the peer said before it went away may explain it, so input is read
 * once more before the owner hears of the failure. */
void
stream_write_failed(struct stream *s, const char *why)
{
	s->dead = true;
	buf_reset(&s->out);
	if (stream_file_active(s))
		file_over(s, -1);
	s->last_words = true;
	if (s->why != NULL && s->end == STREAM_ERROR)
		return;
	mem_free(&s->why);
	s->end = STREAM_ERROR;
	s->why = mem_strdup(why);
	s->due |= DUE_ENDED;
}

static ssize_t
read_plain(struct stream *s, void *p, size_t n)
{
	ssize_t	did;

	do
		did = recv(s->fd, p, n, 0);
	while (did < 0 && errno == EINTR);
	if (did > 0)
		return did;
	if (did < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return 0;
	if (did == 0)
		stream_set_ended(s, STREAM_EOF, "connection closed");
	else {
		s->dead = true;
		stream_set_ended(s, STREAM_ERROR, strerror(errno));
	}
	return -1;
}

/* One stream reads at a time, and mostly its owner takes all of it at once: one
 * buffer, warm in the cache, serves all of them.  What is left over moves to
 * memory of its own. */
static unsigned char	*spare;

static void
borrow(struct buf *b)
{
	if (spare == NULL)
		spare = mem_grow(NULL, STREAM_CHUNK_MAX + 1, 1);
	buf_lend(b, spare, STREAM_CHUNK_MAX);
	spare = NULL;
}

void
stream_trim_in(struct stream *s)
{
	if (s->in.mem != NULL && s->in.size == STREAM_CHUNK_MAX &&
	    spare == NULL) {
		spare = buf_yield(&s->in);
	} else if (buf_len(&s->in) == 0)
		buf_clear(&s->in);
}

void
stream_fill(struct stream *s)
{
	size_t	want = s->chunk;
	ssize_t	did;
	void	*to;

	if (s->in.mem == NULL && s->in.max >= STREAM_CHUNK_MAX) {
		borrow(&s->in);
		want = STREAM_CHUNK_MAX;
	}
	if (want > buf_room(&s->in))
		want = buf_room(&s->in);
	if (want == 0)
		return;
	to = buf_space(&s->in, want);
	did = s->ssl != NULL ? stream_read_tls(s, to, want) :
	    read_plain(s, to, want);
	if (did <= 0)
		return;
	buf_added(&s->in, (size_t)did);
	s->bytes_in += (uint64_t)did;
	s->due |= DUE_INPUT;
	stream_moved(s);
	if ((size_t)did >= s->chunk && s->chunk < STREAM_CHUNK_MAX)
		s->chunk *= 2;
	else if ((size_t)did < s->chunk / 4 && s->chunk > STREAM_CHUNK_MIN)
		s->chunk /= 2;
}

static ssize_t
write_plain(struct stream *s, const void *p, size_t n, int flags)
{
	ssize_t	did;

	do
		did = send(s->fd, p, n, MSG_NOSIGNAL | flags);
	while (did < 0 && errno == EINTR);
	if (did >= 0)
		return did;
	if (errno == EAGAIN || errno == EWOULDBLOCK)
		return 0;
	stream_write_failed(s, strerror(errno));
	return -1;
}

static ssize_t
write_some(struct stream *s, const void *p, size_t n, bool more)
{
	ssize_t	did;

	did = s->ssl != NULL && s->phase == TLS_ON ? stream_write_tls(s, p, n) :
	    write_plain(s, p, n, more ? MSG_MORE : 0);
	if (did > 0) {
		s->bytes_out += (uint64_t)did;
		stream_moved(s);
	}
	return did;
}

/* False: wait. */
static bool
send_file_plain(struct stream *s)
{
	struct file	*f = s->file;
	size_t		 n = f->left < SENDFILE_MAX ? f->left : SENDFILE_MAX;
	ssize_t		 did;

	do
		did = sendfile(s->fd, f->fd, &f->at, n);
	while (did < 0 && errno == EINTR);
	if (did < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return false;
	if (did < 0 && errno != EPIPE && errno != ECONNRESET) {
		file_over(s, -1);	/* the file cannot be read */
		return false;
	}
	if (did < 0) {
		stream_write_failed(s, strerror(errno));
		return false;
	}
	if (did == 0) {
		file_over(s, -1);	/* shorter than was said */
		return false;
	}
	s->bytes_out += (uint64_t)did;
	stream_moved(s);
	f->left -= (size_t)did;
	return true;
}

static bool
send_file_tls(struct stream *s)
{
	struct file	*f = s->file;
	size_t		 n = f->left < TLS_RECORD ? f->left : TLS_RECORD;
	ssize_t		 did;
	struct slice	 data;

	if (s->clear == NULL) {
		s->clear = mem_new(1, sizeof(*s->clear));
		buf_init(s->clear, TLS_RECORD);
	}
	if (buf_len(s->clear) == 0) {
		unsigned char	*to = buf_space(s->clear, n);

		ASSERT(to != NULL);
		did = file_pread(f->fd, to, n, f->at);
		if (did != (ssize_t)n) {
			file_over(s, -1);
			return false;
		}
		buf_added(s->clear, n);
		f->at += did;
	}
	data = buf_slice(s->clear);
	if ((did = write_some(s, data.p, data.len, false)) <= 0)
		return false;
	buf_consume(s->clear, (size_t)did);
	f->left -= (size_t)did;
	return true;
}

static bool
send_file(struct stream *s)
{
	if (s->file->left > 0 &&
	    !(s->ssl != NULL ? send_file_tls(s) : send_file_plain(s)))
		return false;
	if (s->file->left == 0)
		file_over(s, 0);
	return true;
}

/* What may be written now: not what goes behind the file, nor behind the
 * beginning of TLS. */
static size_t
next_piece(const struct stream *s)
{
	if (s->phase == TLS_SOON)
		return s->clear_left;
	return stream_file_active(s) ? s->file->before : buf_len(&s->out);
}

void
stream_write_out(struct stream *s)
{
	size_t	n;
	ssize_t	did;

	for (int i = 0; i < WRITE_ROUNDS && !s->dead; i++) {
		n = next_piece(s);
		if (n > 0) {
			did = write_some(s, buf_slice(&s->out).p, n,
			    stream_file_active(s));
			if (did <= 0)
				return;
			buf_consume(&s->out, (size_t)did);
			if (s->phase == TLS_SOON)
				s->clear_left -= (size_t)did;
			else if (stream_file_active(s))
				s->file->before -= (size_t)did;
		} else if (stream_file_active(s) && s->phase != TLS_SOON) {
			if (!send_file(s))
				return;
		} else
			break;
	}
	if (s->drain_wanted && buf_len(&s->out) == 0 && !stream_file_active(s) &&
	    !s->dead) {
		s->drain_wanted = false;
		s->due |= DUE_DRAINED;
	}
}

void
stream_send_file(struct stream *s, int fd, off_t at, size_t n,
    void (*done)(void *, int), void *arg)
{
	ASSERT(s->file == NULL);
	s->file = mem_new(1, sizeof(*s->file));
	*s->file = (struct file){ .active = true, .fd = fd, .at = at,
	    .left = n, .before = buf_len(&s->out), .done = done, .arg = arg };
	s->drain_wanted = true;
	if (s->dead)
		file_over(s, -1);
	else if (s->phase == PLAIN || s->phase == TLS_ON)
		stream_write_out(s);
	stream_settle(s);
}
