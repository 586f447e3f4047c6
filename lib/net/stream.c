/* SPDX-License-Identifier: Apache-2.0 */
/* One event is handled in three steps: progress() moves bytes and notes in
 * `due` what the owner must hear, report() calls the owner, settle() frees
 * idle buffers and says what to wait for.  Calls made by the owner only note
 * and settle; that is how callbacks come from the loop alone.
 *
 * The owner may close the stream in any callback.  stream_close() then sets
 * *gone, which lives on the stack of pump(), and nothing is touched after. */
#include "net/stream.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/panic.h"
#include "net/tls_int.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "sys/loop.h"

#define CHUNK_MIN	((size_t)2048)
#define CHUNK_MAX	((size_t)65536)
#define TLS_RECORD	((size_t)16384)
#define SENDFILE_MAX	((size_t)262144)
#define WRITE_ROUNDS	8
#define DISCARD_MAX	((size_t)65536)

enum {
	DUE_SECURED = 1,
	DUE_FILE    = 2,
	DUE_INPUT   = 4,
	DUE_DRAINED = 8,
	DUE_TIMEOUT = 16,
	DUE_ENDED   = 32
};

/* There is no way back from any of these to an earlier one. */
enum phase {
	PLAIN,
	TLS_SOON,		/* output is written first */
	TLS_SHAKES,
	TLS_ON
};

struct file {
	bool	 active;
	int	 fd, result;
	off_t	 at;
	size_t	 left;
	size_t	 before;	/* bytes of `out` that go first */
	void	(*done)(void *arg, int result);
	void	*arg;
};

struct stream {
	struct loop		*loop;
	struct loop_fd		*watch;
	struct loop_timer	*kick;		/* to be back in the loop */
	struct loop_timer	*timer;
	const struct stream_ops	*ops;		/* NULL: finishing */
	void			*arg;
	bool			*gone;		/* inside pump() */
	int			 fd;

	enum phase		 phase;
	SSL			*ssl;
	struct tls_ctx		*ctx;
	struct tls_info		*info;
	size_t			 clear_left;	/* of `out`, goes before TLS */
	bool			 read_wants_write, write_wants_read;

	struct buf		 in, out;
	size_t			 chunk;		/* to read at once */
	bool			 paused;
	bool			 eof;		/* nothing more to read */
	bool			 dead;		/* nothing can be written */
	bool			 drain_wanted;
	bool			 last_words;	/* to be read after a failed
						 * write */

	struct file		*file;
	struct buf		*clear;		/* of the file, to be encrypted */

	unsigned int		 due;
	enum stream_end		 end;
	char			*why;

	usec_t			 idle_after, idle_mono;	/* 0: none */
	usec_t			 deadline_mono;		/* 0: none */
	uint64_t		 bytes_in, bytes_out;
};

static void	 pump(struct stream *s, int what);
static void	 settle(struct stream *s);

static bool
file_active(const struct stream *s)
{
	return s->file != NULL && s->file->active;
}

static bool
has_output(const struct stream *s)
{
	return !s->dead && (buf_len(&s->out) > 0 || file_active(s));
}

/* The first reason counts; EOF may follow an error of writing. */
static void
set_ended(struct stream *s, enum stream_end end, const char *why)
{
	s->eof = true;
	if (s->why != NULL)
		return;
	s->end = end;
	s->why = mem_strdup(why);
	s->due |= DUE_ENDED;
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
static void
write_failed(struct stream *s, const char *why)
{
	s->dead = true;
	buf_reset(&s->out);
	if (file_active(s))
		file_over(s, -1);
	s->last_words = true;
	if (s->why != NULL && s->end == STREAM_ERROR)
		return;
	mem_free(&s->why);
	s->end = STREAM_ERROR;
	s->why = mem_strdup(why);
	s->due |= DUE_ENDED;
}

static void
moved(struct stream *s)
{
	if (s->idle_after > 0)
		s->idle_mono = clock_mono();
}

/* bytes, 0: later, -1: over (noted) */
static ssize_t
read_tls(struct stream *s, void *p, size_t n)
{
	char	why[256];
	size_t	did;

	ERR_clear_error();
	errno = 0;
	s->read_wants_write = false;
	if (SSL_read_ex(s->ssl, p, n, &did) == 1)
		return (ssize_t)did;
	switch (SSL_get_error(s->ssl, 0)) {
	case SSL_ERROR_WANT_READ:
		return 0;
	case SSL_ERROR_WANT_WRITE:
		s->read_wants_write = true;
		return 0;
	case SSL_ERROR_ZERO_RETURN:
		set_ended(s, STREAM_EOF, "connection closed");
		return -1;
	case SSL_ERROR_SYSCALL:
		s->dead = true;
		if (errno == 0)
			set_ended(s, STREAM_EOF, "connection closed");
		else
			set_ended(s, STREAM_ERROR, strerror(errno));
		ERR_clear_error();
		return -1;
	}
	/* Without close_notify: no byte that arrived is in doubt, and every
	 * protocol above has an end mark of its own. */
	s->dead = true;
	if (ERR_GET_REASON(ERR_peek_error()) ==
	    SSL_R_UNEXPECTED_EOF_WHILE_READING) {
		ERR_clear_error();
		set_ended(s, STREAM_EOF, "connection closed");
	} else {
		tls_why(s->ssl, "TLS read", why, sizeof(why));
		set_ended(s, STREAM_ERROR, why);
	}
	return -1;
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
		set_ended(s, STREAM_EOF, "connection closed");
	else {
		s->dead = true;
		set_ended(s, STREAM_ERROR, strerror(errno));
	}
	return -1;
}

static void
fill(struct stream *s)
{
	size_t	want = s->chunk;
	ssize_t	did;
	void	*to;

	if (want > buf_room(&s->in))
		want = buf_room(&s->in);
	if (want == 0)
		return;
	to = buf_space(&s->in, want);
	did = s->ssl != NULL ? read_tls(s, to, want) : read_plain(s, to, want);
	if (did <= 0)
		return;
	buf_added(&s->in, (size_t)did);
	s->bytes_in += (uint64_t)did;
	s->due |= DUE_INPUT;
	moved(s);
	if ((size_t)did == s->chunk && s->chunk < CHUNK_MAX)
		s->chunk *= 2;
	else if ((size_t)did < s->chunk / 4 && s->chunk > CHUNK_MIN)
		s->chunk /= 2;
}

static ssize_t
write_tls(struct stream *s, const void *p, size_t n)
{
	char	why[256];
	size_t	did;
	int	e;

	ERR_clear_error();
	errno = 0;
	s->write_wants_read = false;
	if (SSL_write_ex(s->ssl, p, n, &did) == 1)
		return (ssize_t)did;
	e = SSL_get_error(s->ssl, 0);
	if (e == SSL_ERROR_WANT_WRITE)
		return 0;
	if (e == SSL_ERROR_WANT_READ) {
		s->write_wants_read = true;
		return 0;
	}
	tls_why(s->ssl, "TLS write", why, sizeof(why));
	write_failed(s, why);
	return -1;
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
	write_failed(s, strerror(errno));
	return -1;
}

static ssize_t
write_some(struct stream *s, const void *p, size_t n, bool more)
{
	ssize_t	did;

	did = s->ssl != NULL && s->phase == TLS_ON ? write_tls(s, p, n) :
	    write_plain(s, p, n, more ? MSG_MORE : 0);
	if (did > 0) {
		s->bytes_out += (uint64_t)did;
		moved(s);
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
		write_failed(s, strerror(errno));
		return false;
	}
	if (did == 0) {
		file_over(s, -1);	/* shorter than was said */
		return false;
	}
	s->bytes_out += (uint64_t)did;
	moved(s);
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
	return file_active(s) ? s->file->before : buf_len(&s->out);
}

static void
write_out(struct stream *s)
{
	size_t	n;
	ssize_t	did;

	for (int i = 0; i < WRITE_ROUNDS && !s->dead; i++) {
		n = next_piece(s);
		if (n > 0) {
			did = write_some(s, buf_slice(&s->out).p, n,
			    file_active(s));
			if (did <= 0)
				return;
			buf_consume(&s->out, (size_t)did);
			if (s->phase == TLS_SOON)
				s->clear_left -= (size_t)did;
			else if (file_active(s))
				s->file->before -= (size_t)did;
		} else if (file_active(s) && s->phase != TLS_SOON) {
			if (!send_file(s))
				return;
		} else
			break;
	}
	if (s->drain_wanted && buf_len(&s->out) == 0 && !file_active(s) &&
	    !s->dead) {
		s->drain_wanted = false;
		s->due |= DUE_DRAINED;
	}
}

static void
handshake(struct stream *s)
{
	char	why[256];
	int	e;

	ERR_clear_error();
	errno = 0;
	s->read_wants_write = s->write_wants_read = false;
	if (SSL_do_handshake(s->ssl) == 1) {
		s->phase = TLS_ON;
		s->info = tls_describe(s->ssl);
		s->due |= DUE_SECURED;
		moved(s);
		return;
	}
	e = SSL_get_error(s->ssl, 0);
	if (e == SSL_ERROR_WANT_READ)
		return;
	if (e == SSL_ERROR_WANT_WRITE) {
		s->read_wants_write = true;
		return;
	}
	tls_why(s->ssl, SSL_is_server(s->ssl) ? "SSL_accept error" :
	    "SSL_connect error", why, sizeof(why));
	s->dead = true;
	set_ended(s, STREAM_ERROR, why);
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
	if (!has_output(s) || (s->phase != PLAIN && s->phase != TLS_ON))
		return false;
	return (what & LOOP_WRITE) != 0 ||
	    (s->write_wants_read && (what & LOOP_READ) != 0);
}

static void
progress(struct stream *s, int what)
{
	if (s->phase == TLS_SOON) {
		write_out(s);
		if (s->clear_left == 0 && !s->dead)
			s->phase = TLS_SHAKES;
	}
	if (s->phase == TLS_SHAKES && !s->dead)
		handshake(s);
	if (should_write(s, what))
		write_out(s);
	if (should_fill(s, what)) {
		s->last_words = false;
		fill(s);
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

static void
pump(struct stream *s, int what)
{
	bool	gone = false;

	s->gone = &gone;
	progress(s, what);
	if (s->ops != NULL)
		report(s, &gone);
	if (gone)
		return;
	s->gone = NULL;
	settle(s);
}

static void
on_ready(void *arg, int what)
{
	pump(arg, what);
}

static void
on_kick(void *arg)
{
	struct stream	*s = arg;

	loop_timer_free(&s->kick);
	pump(s, 0);
}

static void
kick(struct stream *s)
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
	if (has_output(s))
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

static void
say_goodbye(struct stream *s)
{
	if (s->phase == TLS_ON && !s->dead) {
		ERR_clear_error();
		SSL_shutdown(s->ssl);
		ERR_clear_error();
	}
	s->dead = true;
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
		say_goodbye(s);
	SSL_free(s->ssl);
	tls_ctx_free(&s->ctx);
	mem_free(&s->info);
	loop_fd_free(&s->watch);
	loop_timer_free(&s->kick);
	loop_timer_free(&s->timer);
	if (close_fd)
		close(s->fd);
	buf_clear(&s->in);
	buf_clear(&s->out);
	if (s->clear != NULL)
		buf_clear(s->clear);
	mem_free(&s->clear);
	mem_free(&s->file);
	mem_free(&s->why);
	mem_free(&s);
}

/* May free s when it is finishing: call it last. */
static void
settle(struct stream *s)
{
	if (s->gone != NULL)
		return;		/* pump() will */
	if (s->ops == NULL && (!has_output(s) || s->phase == TLS_SOON ||
	    s->phase == TLS_SHAKES)) {
		say_goodbye(s);
		shutdown(s->fd, SHUT_WR);
		discard_input(s->fd);
		destroy(s, true);
		return;
	}
	if (buf_len(&s->in) == 0)
		buf_clear(&s->in);
	if (buf_len(&s->out) == 0)
		buf_clear(&s->out);
	loop_fd_want(s->watch, wanted(s));
	if (s->ops != NULL && must_kick(s))
		kick(s);
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
	s->chunk = CHUNK_MIN;
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
	if (file_active(s)) {
		destroy(s, true);
		return;
	}
	mem_free(&s->file);
	loop_timer_free(&s->timer);
	if (s->phase == PLAIN || s->phase == TLS_ON)
		write_out(s);
	s->timer = loop_timer_new(s->loop, on_linger, s);
	loop_timer_set(s->timer, linger);
	settle(s);
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
	settle(s);
}

void
stream_pause(struct stream *s)
{
	s->paused = true;
	settle(s);
}

void
stream_resume(struct stream *s)
{
	if (!s->paused)
		return;
	s->paused = false;
	if (buf_len(&s->in) > 0)
		s->due |= DUE_INPUT;
	settle(s);
}

struct buf *
stream_out(struct stream *s)
{
	return &s->out;
}

void
stream_flush(struct stream *s)
{
	if (!has_output(s)) {
		buf_reset(&s->out);
		return;
	}
	s->drain_wanted = true;
	if (s->phase == PLAIN || s->phase == TLS_ON)
		write_out(s);
	settle(s);
}

size_t
stream_out_len(const struct stream *s)
{
	return buf_len(&s->out);
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
		write_out(s);
	settle(s);
}

static void	 arm_timer(struct stream *s);

static void
on_timer(void *arg)
{
	struct stream	*s = arg;
	usec_t		 now = clock_mono();

	if (s->deadline_mono != 0 && now >= s->deadline_mono) {
		s->deadline_mono = 0;
		s->due |= DUE_TIMEOUT;
	} else if (s->idle_after > 0 && now >= s->idle_mono + s->idle_after) {
		s->idle_after = 0;
		s->due |= DUE_TIMEOUT;
	}
	arm_timer(s);
	if ((s->due & DUE_TIMEOUT) != 0)
		pump(s, 0);
}

/* Arrivals do not touch the timer: when it fires too early it is set again. */
static void
arm_timer(struct stream *s)
{
	usec_t	at = s->deadline_mono, idle = s->idle_mono + s->idle_after;

	if (s->idle_after > 0 && (at == 0 || idle < at))
		at = idle;
	if (at == 0) {
		loop_timer_free(&s->timer);
		return;
	}
	if (s->timer == NULL)
		s->timer = loop_timer_new(s->loop, on_timer, s);
	loop_timer_set(s->timer, at - clock_mono());
}

void
stream_timeout(struct stream *s, usec_t after)
{
	s->idle_after = after;
	s->idle_mono = clock_mono();
	s->due &= ~(unsigned int)DUE_TIMEOUT;
	arm_timer(s);
}

void
stream_deadline(struct stream *s, usec_t after)
{
	s->deadline_mono = after > 0 ? clock_mono() + after : 0;
	s->due &= ~(unsigned int)DUE_TIMEOUT;
	arm_timer(s);
}

static int
begin_tls(struct stream *s, struct tls_ctx *c, SSL *ssl)
{
	if (ssl == NULL)
		return -1;
	s->ssl = ssl;
	s->ctx = tls_ctx_ref(c);
	s->phase = TLS_SOON;
	s->clear_left = buf_len(&s->out);
	s->due &= ~(unsigned int)DUE_INPUT;
	kick(s);
	settle(s);
	return 0;
}

static bool
may_begin_tls(const struct stream *s)
{
	return s->phase == PLAIN && buf_len(&s->in) == 0 && !s->dead &&
	    s->file == NULL;
}

int
stream_tls_accept(struct stream *s, struct tls_ctx *c)
{
	if (!may_begin_tls(s))
		return -1;
	return begin_tls(s, c, tls_begin_accept(c, s->fd));
}

int
stream_tls_connect(struct stream *s, struct tls_ctx *c, enum tls_level level,
    const char *host)
{
	if (!may_begin_tls(s))
		return -1;
	return begin_tls(s, c, tls_begin_connect(c, s->fd, level, host));
}

bool
stream_is_tls(const struct stream *s)
{
	return s->phase == TLS_ON;
}

const struct tls_info *
stream_tls_info(const struct stream *s)
{
	return s->info;
}

bool
stream_tls_exporter(const struct stream *s, unsigned char out[32])
{
	static const char	label[] = "EXPORTER-Channel-Binding";

	if (s->phase != TLS_ON)
		return false;
	if (SSL_version(s->ssl) < TLS1_3_VERSION &&
	    SSL_get_extms_support(s->ssl) != 1)
		return false;
	if (SSL_export_keying_material(s->ssl, out, 32, label,
	    sizeof(label) - 1, NULL, 0, 0) == 1)
		return true;
	ERR_clear_error();
	return false;
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
