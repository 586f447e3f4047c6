/* SPDX-License-Identifier: Apache-2.0 */
/* maildrop.h - how a local submission travels: from sendmail to postdrop, in
 * a file of maildrop/, and into pickup (doc/queue.md).  Pure: no I/O.
 *
 * "PHdrop1\n", then records: u8 type, u32 length (little endian), bytes.
 * The writer is any local user, so every reader checks all of it. */
#ifndef QUEUE_MAILDROP_H
#define QUEUE_MAILDROP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/slice.h"

#define MAILDROP_MAGIC		"PHdrop1\n"
#define MAILDROP_MAGIC_LEN	8
#define MAILDROP_HEAD		5		/* type and length */
#define MAILDROP_CHUNK		((size_t)65536)	/* most bytes of a record */
#define MAILDROP_STRING		((size_t)1024)	/* of an envelope record */
#define MAILDROP_RCPTS		((size_t)50000)

/* In this order: the sender; those that may be there once; recipients; M; any
 * number of C; E.  Envelope records hold no control characters. */
enum maildrop_type {
	DROP_SENDER   = 'S',	/* address, "" for the null sender */
	DROP_FULLNAME = 'F',	/* for a From: that has to be made */
	DROP_ENVID    = 'i',	/* RFC 3461 ENVID, decoded */
	DROP_RET      = '<',	/* "1" full, "2" headers */
	DROP_NOTIFY   = 'n',	/* "1".."15": or-ed NOTIFY_... */
	DROP_FLAGS    = 'f',	/* "1": SMTPUTF8 wanted */
	DROP_RCPT     = 'R',
	DROP_MESSAGE  = 'M',	/* empty: the envelope ends here */
	DROP_CONTENT  = 'C',	/* raw bytes; lines end with LF or CRLF */
	DROP_END      = 'E'	/* u64: bytes of content */
};

/* A reader's state; starts zeroed, with most_content set. */
struct maildrop {
	uint64_t	 most_content;
	uint64_t	 content;
	size_t		 nrcpts;
	unsigned int	 seen;
	bool		 begun, in_content, ended;
};

enum maildrop_take {
	MAILDROP_RECORD,	/* *type_out, *value_out; *in goes on */
	MAILDROP_MORE,		/* nothing consumed */
	MAILDROP_END,		/* the end record was taken */
	MAILDROP_SIZE,		/* content is over most_content */
	MAILDROP_BAD		/* *err says what */
};

/* Take the next record, checked, off the front of *in.  Bytes behind the end
 * record are an error. */
enum maildrop_take	 maildrop_take(struct maildrop *d, struct slice *in,
			    int *type_out, struct slice *value_out,
			    struct error *err) MUST_USE;

/* Append the magic / a record / the end record. */
void	 maildrop_put_magic(struct buf *out);
void	 maildrop_put(struct buf *out, enum maildrop_type type,
	    struct slice value);
void	 maildrop_put_end(struct buf *out, uint64_t content);

/* May these bytes be an envelope record?  (What writers check beforehand, to
 * give a better answer.) */
bool	 maildrop_text_ok(struct slice s);

#endif
