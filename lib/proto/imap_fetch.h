/* SPDX-License-Identifier: Apache-2.0 */
/* imap_fetch.h - the data items of FETCH.  RFC 3501 6.4.5 */
#ifndef PROTO_IMAP_FETCH_H
#define PROTO_IMAP_FETCH_H

#include "base/buf.h"
#include "proto/imap_args.h"

enum imap_fetch_kind {
	IMAP_FETCH_UID,
	IMAP_FETCH_FLAGS,
	IMAP_FETCH_INTERNALDATE,
	IMAP_FETCH_RFC822_SIZE,
	IMAP_FETCH_ENVELOPE,
	IMAP_FETCH_BODY,		/* without extension data */
	IMAP_FETCH_BODYSTRUCTURE,
	IMAP_FETCH_MODSEQ,		/* RFC 7162 */
	IMAP_FETCH_RFC822,
	IMAP_FETCH_RFC822_HEADER,
	IMAP_FETCH_RFC822_TEXT,
	IMAP_FETCH_SECTION		/* BODY[...] */
};

enum imap_section_part {
	IMAP_PART_ALL,			/* BODY[], BODY[1.2] */
	IMAP_PART_HEADER,
	IMAP_PART_FIELDS,
	IMAP_PART_FIELDS_NOT,
	IMAP_PART_TEXT,
	IMAP_PART_MIME
};

/* A path longer than this, or a number in it beyond 32 bits, is bad. */
#define IMAP_PATH_MAX	100
#define IMAP_FIELDS_MAX	1000

struct imap_section {
	uint32_t		*path;
	size_t			 npath;
	enum imap_section_part	 part;
	struct slice		*fields;
	size_t			 nfields;
	bool			 peek;
	bool			 partial;
	uint32_t		 from, count;	/* partial */
};

struct imap_fetch_item {
	enum imap_fetch_kind	 kind;
	struct imap_section	 section;	/* SECTION, and RFC822* */
};

#define IMAP_ITEMS_MAX	200

struct imap_fetch {
	struct imap_fetch_item	*items;
	size_t			 nitems;
	bool			 seen;		/* an item sets \Seen */
	bool			 changedsince;	/* RFC 7162 3.1.4.1 */
	uint64_t		 modseq;
};

/* "ALL" / "FULL" / "FAST" / fetch-att / "(" fetch-att *(SP fetch-att) ")"
 * and optional modifiers.  uid: for UID FETCH, so UID is an item.  UID comes
 * first and only once, whatever the client's order. */
bool	 imap_take_fetch(struct imap_in *in, bool uid, struct imap_fetch *out);

/* The name of an item as the answer repeats it: BODY[1.MIME]<0>, with the
 * fields as strings that need no literal (atoms or quoted). */
void	 imap_fetch_name(const struct imap_fetch_item *item, struct buf *out);

#endif
