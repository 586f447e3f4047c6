/* SPDX-License-Identifier: Apache-2.0 */
/* intake_int.h - shared by the files of lib/intake. */
#ifndef INTAKE_INT_H
#define INTAKE_INT_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/list.h"
#include "intake/intake.h"
#include "intake/lines.h"
#include "mail/header.h"

struct intake_conf {
	int64_t		 header_section_limit, hopcount_limit;
	const char	*message_drop_headers;
	bool		 always_add_missing_headers;
	const char	*always_bcc, *sender_bcc_maps, *recipient_bcc_maps;
	const char	*canonical_maps, *sender_canonical_maps,
			*recipient_canonical_maps;
};

struct intake {
	struct arena			*mem;
	struct intake_conf		 conf;
	const struct conf_common	*common;
	struct route			*route;
	struct map_list			*sender_bcc, *rcpt_bcc, *canonical,
					*sender_canonical, *rcpt_canonical;
	bool				 propagate;	/* canonical */
	struct list			 waiting; /* commits, for a table */
	struct slice			*dropped; /* names of header fields */
	size_t				 ndropped;
	struct buf			 scratch; /* empty between calls */
	struct intake_second {
		int64_t	 second;	/* of wall time */
		char	 date[48];	/* "Sat, 22 Nov 2025 10:00:00 +0000" */
		char	 zone[24];	/* "UTC"; "" if it has no name */
		char	 digits[80];	/* "20251122100000", UTC */
	}				 now;	/* intake_second()'s */
};

enum intake_stage {
	STAGE_FIRST_LINE,	/* of the header section */
	STAGE_HEADER,
	STAGE_BODY
};

struct intake_msg {
	struct arena		*mem;
	struct intake		*in;
	struct intake_origin	 origin;
	struct queue_file	*file;
	char			 id[QUEUE_ID_MAX];

	/* Envelope as given. */
	const char		*sender, *dsn_envid;
	unsigned int		 dsn_ret, flags;
	struct queue_rcpt	*rcpts;
	size_t			 nrcpts, rcpts_size;
	const char		*redirect;
	bool			 hold, discard;

	/* Content. */
	struct lines		 lines;
	enum intake_stage	 stage;
	struct header_scan	 scan;
	struct buf		 head; /* section, if it comes in pieces */
	size_t			 scanned; /* whole lines of it looked at */
	bool			 from_line; /* it begins with an mbox line */
	struct buf		 prepend;
	uint64_t		 size;		/* as it came */
	const char		*message_id;

	/* Verdict. */
	enum intake_status	 status;
	struct error		*err;	/* NULL: none, or no words */
};

/* The first problem counts; the file is of no use from here on. */
void	 intake_fail(struct intake_msg *m, enum intake_status s,
	    const struct error *err);

/* Content as it is to be; after a failure it goes nowhere. */
void	 intake_put(struct intake_msg *m, struct slice s);

/* head.c: the names of fields that are dropped. */
void	 intake_head_open(struct intake *in);

/* This is the whole section, perhaps with the empty line: edit and write it.
 * body: an empty line or more follows. */
void	 intake_head_write(struct intake_msg *m, struct slice section,
	    bool body);

/* second.c: how a moment is written, made once for all messages of a second.
 * Good until the next call. */
const struct intake_second	*intake_second(struct intake *in, usec_t wall);

/* received.c */
void	 intake_received_put(struct buf *out, const struct intake_msg *m);

/* commit.c: the content is complete; m belongs to it from here on. */
void	 intake_commit_begin(struct intake_msg *m, struct loop *l,
	    void (*done)(void *arg, const struct intake_result *r),
	    void *arg);

#endif
