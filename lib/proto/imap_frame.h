/* SPDX-License-Identifier: Apache-2.0 */
/* imap_frame.h - where one IMAP command ends: lines, quoted strings, literals.
 *
 * The frame takes bytes as they arrive and keeps one command, literals
 * included, until it is complete; what the command means is found out by the
 * parsers of imap_args.h on the complete text.  It never sends anything: at a
 * literal it stops, and the owner decides what becomes of it.
 *
 * A command that is too long, or holds what no command may hold, is still
 * followed to its end (nothing of it is kept), so that its successor starts
 * at the right byte.  RFC 3501 2.2, 4.3; RFC 7888 */
#ifndef PROTO_IMAP_FRAME_H
#define PROTO_IMAP_FRAME_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"

enum imap_take {
	IMAP_TAKE_MORE,		/* all input taken; no complete command yet */
	IMAP_TAKE_DONE,		/* a command; see imap_frame_text(), error */
	IMAP_TAKE_LITERAL	/* "{n}" CRLF came: literal, sync are set; call
				 * one of keep, skip, stream or reset */
};

/* Treat the members as read-only; state is of no interest to the owner. */
struct imap_frame {
	struct buf	 text;
	size_t		 line_max;	/* of a command without literals */
	size_t		 literal_max;	/* of all literals of a command */
	size_t		 line_bytes;
	size_t		 literal_bytes;
	uint64_t	 literal;	/* octets of the literal announced */
	bool		 sync;		/* the client waits for "+" */
	const char	*error;		/* why the command is bad, or NULL */
	int		 state;
	uint64_t	 left;		/* literal octets still to come */
	bool		 keeping;
};

/* Nothing is allocated until the first byte. */
void	 imap_frame_init(struct imap_frame *f, size_t line_max,
	    size_t literal_max);
void	 imap_frame_clear(struct imap_frame *f);

/* Begin a new command.  Big memory of the last one is given back. */
void	 imap_frame_reset(struct imap_frame *f);

/* Take bytes off the front of *in. */
enum imap_take	 imap_frame_take(struct imap_frame *f, struct slice *in);

/* After DONE: the command without its final line end, literals as they came:
 * "{n}" CRLF octets.  After LITERAL: up to and without the "{n}".  Good until
 * the next call. */
struct slice	 imap_frame_text(const struct imap_frame *f);

/* After LITERAL.  Would the literal fit under literal_max? */
bool	 imap_frame_fits(const struct imap_frame *f);

/* The literal becomes part of the command (it must fit). */
void	 imap_frame_keep(struct imap_frame *f);

/* The literal is read and thrown away, and the command fails with `error`
 * (a text that lives long). */
void	 imap_frame_skip(struct imap_frame *f, const char *error);

/* The owner takes the literal's octets from the input itself; then framing
 * goes on behind them.  The command's text has an empty literal there. */
void	 imap_frame_stream(struct imap_frame *f);

/* The command fails with `error` whatever follows in it. */
void	 imap_frame_spoil(struct imap_frame *f, const char *error);

/* The tag of what is there so far, or the empty slice. */
struct slice	 imap_frame_tag(const struct imap_frame *f);

#endif
