/* SPDX-License-Identifier: Apache-2.0 */
/* One event is handled in three steps: progress() moves bytes and notes in
 * `due` what the owner must hear, report() calls the owner, stream_settle()
 * frees idle buffers and says what to wait for.  Calls made by the owner only
 * note and settle; that is how callbacks come from the loop alone.
 *
 * The owner may close the stream in any callback.  stream_close() then sets
 * *gone, which lives on the stack of stream_pump(), and nothing is touched
 * after. */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "net/stream_int.h"
#include "net/tls_int.h"
#include "sys/loop.h"

#define DISCARD_MAX	((size_t)65536)

void
stream_set_ended(struct stream *s, enum stream_end end, const char *why)
{
	s->eof = true;
	if (s->why != NULL)
		return;
	s->end = end;
	s->why = mem_strdup(why);
	s->due |= DUE_ENDED;
}

static bool
may_read(const struct stream *s)
{
	return !s->eof && !s->paused && s->ops != NULL &&
	    (s->phase == PLAIN || s->phase == TLS_ON);
}

static bool
should_fill(const struct stream *s, int what)
{
	if (!may_read(s))
		return false;
	if ((what & LOOP_READ) != 0 || s->dead)
		return true;
	return s->phase == TLS_ON && (SSL_pending(s->ssl) > 0 ||
	    (s->read_wants_write && (what & LOOP_WRITE) != 0));
}

static bool
should_write(const struct stream *s, int what)
{
	if (!stream_has_output(s) || (s->phase != PLAIN && s->phase != TLS_ON))
		return false;
	return (what & LOOP_WRITE) != 0 ||
	    (s->write_wants_read && (what & LOOP_READ) != 0);
}

static void
progress(struct stream *s, int what)
{
	if (s->phase == TLS_SOON) {
		stream_write_out(s);
		if (s->clear_left == 0 && !s->dead)
			s->phase = TLS_SHAKES;
	}
	if (s->phase == TLS_SHAKES && !s->dead)
		stream_handshake(s);
	if (should_write(s, what))
		stream_write_out(s);
	if (should_fill(s, what)) {
		s->last_words = false;
		stream_fill(s);
	}
}

static bool
take_due(struct stream *s, unsigned int what)
{
	if ((s->due & what) == 0)
		return false;
	s->due &= ~what;
	return true;
}

static void
report_file(struct stream *s)
{
	struct file	f = *s->file;

	mem_free(&s->file);
	f.done(f.arg, f.result);
}

/* Input that waits behind a pause comes before the end of input. */
static bool
end_is_ripe(const struct stream *s)
{
	if (s->last_words && may_read(s))
		return false;
	return s->end == STREAM_ERROR ||
	    (!s->paused && (s->due & DUE_INPUT) == 0);
}

static void
report(struct stream *s, const bool *gone)
{
	if (take_due(s, DUE_SECURED) && s->ops->secured != NULL)
		s->ops->secured(s->arg);
	if (!*gone && take_due(s, DUE_FILE))
		report_file(s);
	if (!*gone && !s->paused && take_due(s, DUE_INPUT) &&
	    buf_len(&s->in) > 0)
		s->ops->input(s->arg);
	if (!*gone && take_due(s, DUE_DRAINED) && s->ops->drained != NULL)
		s->ops->drained(s->arg);
	if (!*gone && take_due(s, DUE_TIMEOUT))
		s->ops->ended(s->arg, STREAM_TIMEOUT, "timeout");
	if (!*gone && end_is_ripe(s) && take_due(s, DUE_ENDED))
		s->ops->ended(s->arg, s->end, s->why);
}

void
stream_pump(struct stream *s, int what)
{
	bool	gone = false;

	s->gone = &gone;
	progress(s, what);
	if (s->ops != NULL)
		report(s, &gone);
	if (gone)
		return;
	s->gone = NULL;
	stream_settle(s);
}

static void
on_ready(void *arg, int what)
{
	stream_pump(arg, what);
}

static void
on_kick(void *arg)
{
	struct stream	*s = arg;

	loop_timer_free(&s->kick);
	stream_pump(s, 0);
}

void
stream_kick(struct stream *s)
{
	if (s->kick == NULL)
		s->kick = loop_timer_new(s->loop, on_kick, s);
	loop_timer_set(s->kick, 0);
}

static int
wanted(const struct stream *s)
{
	int	want = 0;

	if (s->phase == TLS_SOON)
		return s->dead ? 0 : LOOP_WRITE;
	if (s->phase == TLS_SHAKES)
		return s->dead ? 0 :
		    s->read_wants_write ? LOOP_WRITE : LOOP_READ;
	if (may_read(s) && buf_room(&s->in) > 0)
		want |= s->read_wants_write ? LOOP_WRITE : LOOP_READ;
	if (stream_has_output(s))
		want |= s->write_wants_read ? LOOP_READ : LOOP_WRITE;
	return want;
}

static bool
must_kick(const struct stream *s)
{
	unsigned int	due = s->due;

	if (s->paused)
		due &= ~(unsigned int)DUE_INPUT;
	if (!end_is_ripe(s))
		due &= ~(unsigned int)DUE_ENDED;
	if (due != 0 || (s->last_words && may_read(s)))
		return true;
	return s->phase == TLS_ON && may_read(s) && buf_room(&s->in) > 0 &&
	    SSL_pending(s->ssl) > 0;
}

/* Closing while the peer's bytes are unread makes the kernel send a reset,
 * which may overtake our last reply. */
static void
discard_input(int fd)
{
	char	bin[4096];
	size_t	total = 0;
	ssize_t	n;

	while (total < DISCARD_MAX &&
	    (n = recv(fd, bin, sizeof(bin), MSG_DONTWAIT)) > 0)
		total += (size_t)n;
}

static void
destroy(struct stream *s, bool close_fd)
{
	if (s->gone != NULL)
		*s->gone = true;
	if (close_fd)
		stream_say_goodbye(s);
	SSL_free(s->ssl);
	tls_ctx_free(&s->ctx);
	mem_free(&s->info);
	loop_fd_free(&s->watch);
	loop_timer_free(&s->kick);
	loop_timer_free(&s->timer);
	if (close_fd)
		close(s->fd);
	buf_reset(&s->in);
	stream_trim_in(s);
	buf_clear(&s->in);
	buf_clear(&s->out);
	if (s->clear != NULL)
		buf_clear(s->clear);
	mem_free(&s->clear);
	mem_free(&s->file);
	mem_free(&s->why);
	mem_free(&s);
}

void
stream_settle(struct stream *s)
{
	if (s->gone != NULL)
		return;		/* stream_pump() will */
	if (s->ops == NULL && (!stream_has_output(s) || s->phase == TLS_SOON ||
	    s->phase == TLS_SHAKES)) {
		stream_say_goodbye(s);
		discard_input(s->fd);
		destroy(s, true);
		return;
	}
	stream_trim_in(s);
	if (buf_len(&s->out) == 0)
		buf_clear(&s->out);
	loop_fd_want(s->watch, wanted(s));
	if (s->ops != NULL && must_kick(s))
		stream_kick(s);
}

struct stream *
stream_new(struct loop *l, int fd, size_t in_max, size_t out_max,
    const struct stream_ops *ops, void *arg)
{
	struct stream	*s = mem_new(1, sizeof(*s));

	s->loop = l;
	s->fd = fd;
	s->ops = ops;
	s->arg = arg;
	s->chunk = STREAM_CHUNK_MIN;
	buf_init(&s->in, in_max);
	buf_init(&s->out, out_max);
	s->watch = loop_fd_new(l, fd, LOOP_READ, on_ready, s);
	return s;
}

void
stream_close(struct stream **sp)
{
	struct stream	*s = *sp;

	*sp = NULL;
	if (s != NULL)
		destroy(s, true);
}

static void
on_linger(void *arg)
{
	destroy(arg, true);
}

void
stream_finish(struct stream **sp, usec_t linger)
{
	struct stream	*s = *sp;

	*sp = NULL;
	if (s == NULL)
		return;
	if (s->gone != NULL) {
		*s->gone = true;
		s->gone = NULL;
	}
	s->ops = NULL;
	s->due = 0;
	/* The file may be closed by its owner; a part of it is of no use. */
	if (stream_file_active(s)) {
		destroy(s, true);
		return;
	}
	mem_free(&s->file);
	loop_timer_free(&s->timer);
	if (s->phase == PLAIN || s->phase == TLS_ON)
		stream_write_out(s);
	if (stream_has_output(s)) {
		s->timer = loop_timer_new(s->loop, on_linger, s);
		loop_timer_set(s->timer, linger);
	}
	stream_settle(s);
}

struct slice
stream_in(const struct stream *s)
{
	return buf_slice(&s->in);
}

void
stream_take(struct stream *s, size_t n)
{
	buf_consume(&s->in, n);
	stream_settle(s);
}

void
stream_pause(struct stream *s)
{
	s->paused = true;
	stream_settle(s);
}

void
stream_resume(struct stream *s)
{
	if (!s->paused)
		return;
	s->paused = false;
	if (buf_len(&s->in) > 0)
		s->due |= DUE_INPUT;
	stream_settle(s);
}

struct buf *
stream_out(struct stream *s)
{
	return &s->out;
}

/* Unless a handshake comes first. */
static void
write_now(struct stream *s)
{
	s->drain_wanted = true;
	if (s->phase == PLAIN || s->phase == TLS_ON)
		stream_write_out(s);
}

void
stream_flush(struct stream *s)
{
	if (!stream_has_output(s)) {
		buf_reset(&s->out);
		return;
	}
	write_now(s);
	stream_settle(s);
}

bool
stream_flush_now(struct stream *s)
{
	bool	all;

	write_now(s);
	all = take_due(s, DUE_DRAINED);
	stream_settle(s);
	return all;
}

size_t
stream_out_len(const struct stream *s)
{
	return buf_len(&s->out);
}

int
stream_detach(struct stream **sp, struct buf *rest)
{
	struct stream	*s = *sp;
	int		 fd = s->fd;

	if (s->phase != PLAIN || buf_len(&s->out) > 0 || s->file != NULL)
		return -1;
	if (!buf_put_slice(rest, buf_slice(&s->in)))
		return -1;
	*sp = NULL;
	destroy(s, false);
	return fd;
}

int
stream_fd(const struct stream *s)
{
	return s->fd;
}

uint64_t
stream_bytes_in(const struct stream *s)
{
	return s->bytes_in;
}

uint64_t
stream_bytes_out(const struct stream *s)
{
	return s->bytes_out;
}
