/* SPDX-License-Identifier: Apache-2.0 */
/* stream.h - a connection with bounded buffers, with or without TLS.
 *
 * Input collects in a buffer; input() is called when there is more of it and
 * takes what it understands with stream_take().  While the buffer is full or
 * input is paused, the socket is not read.  Output is added to a buffer and
 * written by the loop; drained() is called when it has become empty.
 *
 * Callbacks come only from the loop, never from inside a call made here.  A
 * callback may call stream_close(). */
#ifndef NET_STREAM_H
#define NET_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/slice.h"
#include "base/times.h"
#include "net/tls.h"

struct loop;
struct stream;

enum stream_end {
	STREAM_EOF,		/* the peer closed; what it sent is in the buffer
				 * and has been offered to input().  Waits
				 * while input is paused.  Writing may still
				 * work (then STREAM_ERROR may follow) */
	STREAM_ERROR,		/* reset, TLS failure, ...; see the text */
	STREAM_TIMEOUT		/* stream_timeout() ran out; still usable, so
				 * that a 421 can be sent */
};

struct stream_ops {
	/* New input, or input was resumed.  May leave bytes behind; is called
	 * again when more arrive (not before).  If the buffer is full and
	 * nothing was taken, the owner must act: no more will be read. */
	void	(*input)(void *arg);

	/* All output is written to the socket.  May be NULL. */
	void	(*drained)(void *arg);

	/* The TLS handshake is over and succeeded.  May be NULL. */
	void	(*secured)(void *arg);

	/* No more input, or a time-out.  why: for the log. */
	void	(*ended)(void *arg, enum stream_end end, const char *why);
};

/* Take over fd (connected, non-blocking).  in_max, out_max: most bytes held
 * in each direction.  Nothing is allocated for buffers until used. */
struct stream	*stream_new(struct loop *l, int fd, size_t in_max,
		    size_t out_max, const struct stream_ops *ops, void *arg)
		    MUST_USE;

/* Close at once; unwritten output is lost, and the done function of
 * stream_send_file() does not run.  Stores NULL; *s may be NULL. */
void	 stream_close(struct stream **s);

/* Write what is left (at most `linger`), then close.  The owner is done with
 * it: no callback comes any more.  A file that is being sent is cut off, and
 * the connection with it.  Stores NULL. */
void	 stream_finish(struct stream **s, usec_t linger);

/* Unread input.  Good until the next call on this stream or return to the
 * loop. */
struct slice	 stream_in(const struct stream *s);
void	 stream_take(struct stream *s, size_t n);

/* Stop and go on reading.  Input that is buffered already is offered again
 * after stream_resume(). */
void	 stream_pause(struct stream *s);
void	 stream_resume(struct stream *s);

/* The output buffer: add to it, then call stream_flush().  Flushing tries to
 * write at once and leaves the rest to the loop. */
struct buf	*stream_out(struct stream *s);
void	 stream_flush(struct stream *s);

/* The same.  True: all is written, and drained() will not say so. */
bool	 stream_flush_now(struct stream *s);
size_t	 stream_out_len(const struct stream *s);

/* Send n bytes of fd from offset behind what is in the output buffer
 * (sendfile without TLS, read and encrypt with it).  done(arg, -1) if the file
 * is shorter or cannot be read: then the connection must end.  fd must stay
 * open until done.  One at a time. */
void	 stream_send_file(struct stream *s, int fd, off_t at, size_t n,
	    void (*done)(void *arg, int result), void *arg);

/* Without input for this long: ended(STREAM_TIMEOUT).  0: none.  Counts from
 * this call and again from each arrival, and from each progress of output (a
 * client that takes its time over a large message is not idle). */
void	 stream_timeout(struct stream *s, usec_t after);

/* An absolute limit from now on, whatever arrives; 0: none.  Also ends in
 * STREAM_TIMEOUT.  For commands that must be complete. */
void	 stream_deadline(struct stream *s, usec_t after);

/* Begin TLS.  -1: plaintext input is buffered behind the command that asked
 * for TLS (then close: RFC 3207 4, no injection), or no memory.  Output that
 * is buffered is written before the handshake begins. */
int	 stream_tls_accept(struct stream *s, struct tls_ctx *c) MUST_USE;

/* host: for SNI and, with TLS_VERIFY, for the name check. */
int	 stream_tls_connect(struct stream *s, struct tls_ctx *c,
	    enum tls_level level, const char *host) MUST_USE;
bool	 stream_is_tls(const struct stream *s);

/* NULL without TLS. */
const struct tls_info	*stream_tls_info(const struct stream *s);

/* Did we offer to take up a session?  After a failure: without that it may go
 * better, and the next handshake with this server will be without. */
bool	 stream_tls_offered(const struct stream *s);

/* 32 bytes of RFC 9266 tls-exporter channel binding. False without TLS 1.3 or
 * TLS 1.2 with extended master secret. */
bool	 stream_tls_exporter(const struct stream *s, unsigned char out[32]);

/* Give the descriptor back: no TLS, output empty.  *rest_out: unread input,
 * copied into `rest`.  The stream is gone. */
int	 stream_detach(struct stream **s, struct buf *rest);

int	 stream_fd(const struct stream *s);

/* Bytes through this stream so far, as the protocol sees them. */
uint64_t	 stream_bytes_in(const struct stream *s);
uint64_t	 stream_bytes_out(const struct stream *s);

#endif
