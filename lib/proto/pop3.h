/* SPDX-License-Identifier: Apache-2.0 */
/* pop3.h - POP3: lines, commands, UIDLs, dot-stuffing.  RFC 1939, 2449 */
#ifndef PROTO_POP3_H
#define PROTO_POP3_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/slice.h"

enum pop3_line {
	POP3_LINE_DONE,
	POP3_LINE_MORE,		/* no complete line yet; nothing consumed */
	POP3_LINE_BAD		/* NUL in it, or over max bytes */
};

/* Take one line off the front of *in; *line_out is without its line end.  LF
 * alone is accepted, because clients send it and nothing in POP3 depends on
 * it. */
enum pop3_line	 pop3_line_take(struct slice *in, size_t max,
		    struct slice *line_out) MUST_USE;

enum pop3_verb {
	POP3_UNKNOWN,
	POP3_APOP, POP3_AUTH, POP3_CAPA, POP3_DELE, POP3_LIST, POP3_NOOP,
	POP3_PASS, POP3_QUIT, POP3_RETR, POP3_RSET, POP3_STAT, POP3_STLS,
	POP3_TOP, POP3_UIDL, POP3_USER, POP3_UTF8, POP3_XCLIENT
};

/* The verb, and what is behind the space after it (PASS may hold spaces). */
enum pop3_verb	 pop3_command(struct slice line, struct slice *args_out);

/* Take a number 1 .. max off *args; blanks around it are skipped. */
bool	 pop3_take_number(struct slice *args, uint32_t max, uint32_t *out)
	    MUST_USE;

/* The same from 0 (lines of TOP). */
bool	 pop3_take_count(struct slice *args, uint32_t *out) MUST_USE;

/* Nothing may follow. */
bool	 pop3_take_end(struct slice args) MUST_USE;

/* What %-letters of a UIDL format stand for. */
struct pop3_uidl {
	uint32_t	 uid, uidvalidity;
	const char	*guid, *name;	/* name: file name, without flags */
};

#define POP3_UIDL_MAX	70

/* Format as Dovecot's pop3_uidl_format: %u uid, %v uidvalidity, %g guid, %f
 * file name, %% percent; between % and letter: [0]width, and X or x behind
 * it for hexadecimal ("%08Xu%08Xv").  -1: bad format, or the result is empty,
 * longer than 70 bytes or has bytes outside 0x21-0x7e. */
int	 pop3_uidl_format(const char *format, const struct pop3_uidl *u,
	    char out[POP3_UIDL_MAX + 1]) MUST_USE;

/*
 * Message text to wire form, in pieces of any size: line ends become CRLF,
 * lines that begin with a dot get another one.  A zeroed struct is the start.
 */
struct pop3_stuff {
	enum { POP3_AT_LINE, POP3_IN_LINE, POP3_AT_CR }	 state;
	bool		 in_body;
	bool		 empty_line;
	uint32_t	 body_lines;	/* complete ones */
};

/* Append the wire form of *in to out while there is room for it, consuming
 * it; top_lines: stop behind the header and this many lines of body
 * (UINT32_MAX: all).  True: stopped there; the rest of *in is not wanted. */
bool	 pop3_stuff(struct pop3_stuff *st, struct slice *in,
	    uint32_t top_lines, struct buf *out);

/* The end of the message: finishes the line if the text did not, and adds the
 * final ".". */
void	 pop3_stuff_end(struct pop3_stuff *st, struct buf *out);

#endif
