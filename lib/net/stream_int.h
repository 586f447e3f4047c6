/* SPDX-License-Identifier: Apache-2.0 */
/* stream_int.h - between the files of the stream: stream.c (its life and
 * events), stream_io.c (bytes and files), stream_tls.c, stream_time.c. */
#ifndef NET_STREAM_INT_H
#define NET_STREAM_INT_H

#include <openssl/ssl.h>

#include "net/stream.h"

/* To read at once.  The largest piece goes to a buffer that is lent to
 * whoever reads. */
#define STREAM_CHUNK_MIN	((size_t)2048)
#define STREAM_CHUNK_MAX	((size_t)65536)

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

/* With a thousand connections each event brings it from far away, so what all
 * events look at stands in front. */
struct stream {
	struct loop		*loop;
	struct loop_fd		*watch;
	const struct stream_ops	*ops;		/* NULL: finishing */
	void			*arg;
	bool			*gone;		/* inside pump() */
	SSL			*ssl;
	int			 fd;
	enum phase		 phase;
	unsigned int		 due;

	bool			 read_wants_write, write_wants_read;
	bool			 paused;
	bool			 eof;		/* nothing more to read */
	bool			 dead;		/* nothing can be written */
	bool			 drain_wanted;
	bool			 last_words;	/* to be read after a failed
						 * write */

	size_t			 chunk;		/* to read at once */
	struct buf		 in, out;
	struct file		*file;

	usec_t			 idle_after, idle_mono;	/* 0: none */
	usec_t			 deadline_mono;		/* 0: none */
	usec_t			 armed_mono;	/* of the timer, 0: not set */
	uint64_t		 bytes_in, bytes_out;

	struct loop_timer	*kick;		/* to be back in the loop */
	struct loop_timer	*timer;
	struct tls_ctx		*ctx;
	struct tls_info		*info;
	size_t			 clear_left;	/* of `out`, goes before TLS */
	struct buf		*clear;		/* of the file, to be encrypted */
	enum stream_end		 end;
	char			*why;
};

/* stream.c */
/* To be back in the loop soon. */
void	 stream_kick(struct stream *s);

/* Free idle buffers and say what to wait for.  May free s when it is
 * finishing: call it last. */
void	 stream_settle(struct stream *s);

/* Handle these LOOP_... events; calls the owner. */
void	 stream_pump(struct stream *s, int what);

/* No more input.  The first reason counts; EOF may follow an error of
 * writing. */
void	 stream_set_ended(struct stream *s, enum stream_end end,
	    const char *why);

/* stream_io.c */
bool	 stream_file_active(const struct stream *s);
bool	 stream_has_output(const struct stream *s);

/* Nothing can be written any more. */
void	 stream_write_failed(struct stream *s, const char *why);

/* Read what is there, within bounds. */
void	 stream_fill(struct stream *s);

/* Back to the loop: keep no more memory for input than it has bytes. */
void	 stream_trim_in(struct stream *s);

/* Write what may be written now, of the buffer and of the file. */
void	 stream_write_out(struct stream *s);

/* stream_tls.c */
/* Bytes; 0: later; -1: over (noted). */
ssize_t	 stream_read_tls(struct stream *s, void *p, size_t n);
ssize_t	 stream_write_tls(struct stream *s, const void *p, size_t n);

/* A step of it. */
void	 stream_handshake(struct stream *s);

/* close_notify, if there is TLS.  Nothing can be written afterwards. */
void	 stream_say_goodbye(struct stream *s);

/* stream_time.c */
/* Bytes have moved: nobody is idle. */
void	 stream_moved(struct stream *s);

#endif
