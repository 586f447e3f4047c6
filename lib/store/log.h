/* SPDX-License-Identifier: Apache-2.0 */
/* log.h - posthouse.log: the file and its frames (doc/store.md).
 *
 * A frame is one transaction: written with one call at the end of the file
 * under the lock, checked by its CRC.  What does not check is not there.  A
 * frame holds records and carries the mailbox's totals after it, so that the
 * last frame alone says where the mailbox stands. */
#ifndef STORE_LOG_H
#define STORE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/slice.h"
#include "base/times.h"

#define LOG_FILE	"posthouse.log"
#define LOG_FRAME_MAX	(UINT32_C(1) << 30)

/* Numbers on disk are little-endian; the structs are the format. */
struct log_header {			/* offset 0, never changed */
	char		 magic[8];	/* "PHLOG\0\0\1" */
	uint32_t	 uidvalidity;
	uint32_t	 zero;
	unsigned char	 guid[16];	/* of the mailbox */
	uint64_t	 generation;	/* differs in each file of a mailbox */
	int64_t		 created;
	uint32_t	 zero2;
	uint32_t	 crc;		/* of the bytes before */
};

struct log_mutable {			/* offset 64, changed in place */
	unsigned char	 boot[16];	/* boot in which `reserved` was set */
	uint32_t	 reserved;	/* UIDs below this may be given out:
					 * durable before it is used */
	uint32_t	 reserving;	/* being made durable */
	uint32_t	 zero;
	uint32_t	 crc;		/* of boot..zero */
	uint64_t	 last_frame;	/* hint; its frame's CRC decides */
};

#define LOG_FIRST	128		/* offset of the first frame */

struct log_totals {
	uint64_t	 modseq;	/* highest */
	uint64_t	 size;		/* CRLF bytes of all messages */
	uint32_t	 uidnext, messages, unseen, deleted;
	uint32_t	 first_recent;	/* UIDs from here on are \Recent */
	uint32_t	 zero;
	/* Times of new/ and cur/ (ns) that hold nothing unknown to us, and
	 * when they were last read in full. */
	int64_t		 new_ns, cur_ns, scan_ns;
};

struct log_frame {
	uint32_t	 magic;
	uint32_t	 len;		/* all of it, multiple of 8 */
	uint32_t	 crc;		/* of the rest: from nrecs on */
	uint32_t	 nrecs;
	struct log_totals totals;	/* after this frame */
};

enum log_type {
	LOG_APPEND = 1,			/* struct log_append and bytes */
	LOG_FLAGS,			/* struct log_flags: new values */
	LOG_EXPUNGE,			/* uid alone */
	LOG_NAME,			/* bytes: "cur/name:2,S" */
	LOG_KEYWORD,			/* uid is its bit; bytes: its name */
	LOG_RECENT,			/* uid is the new first_recent */
	LOG_NOTE,			/* nothing: totals alone (scan, UIDs) */
	LOG_DETAILS,			/* as LOG_APPEND, which it replaces: what
					 * was found when the file was read */
	LOG_DATE			/* int64_t: internal date */
};

struct log_rec {
	uint32_t	 len;		/* with this header, multiple of 8 */
	uint16_t	 type;
	uint16_t	 magic;
	uint32_t	 crc;		/* of the bytes behind this struct */
	uint32_t	 uid;
	uint32_t	 bytes;		/* of the variable part, unpadded */
	uint32_t	 zero;
};

struct log_append {
	uint64_t	 modseq;	/* 0: the frame's */
	uint64_t	 keywords;
	int64_t		 internaldate, savedate;	/* usec */
	uint64_t	 disk_size, wire_size;
	uint32_t	 flags;
	uint32_t	 name_len, headers_len, structure_len;
	uint32_t	 partial;	/* LOG_PARTIAL ... */
	uint32_t	 zero;
};

#define LOG_PARTIAL	1u		/* some header did not fit */
#define LOG_UNREAD	2u		/* nobody looked into the file: sizes are
					 * its name's, there is no more */
#define LOG_UNDATED	4u		/* nor at its time: no internaldate */

struct log_flags {
	uint64_t	 keywords;
	uint32_t	 flags;
	uint32_t	 zero;
};

struct log {
	int		 dirfd;		/* of the mailbox, not ours */
	int		 fd;		/* -1: closed */
	ino_t		 ino;
	dev_t		 dev;
	bool		 locked;
	bool		 no_wait;	/* log_lock() fails with EAGAIN */
	struct log_header header;
	struct log_mutable mut;
	bool		 mut_good;	/* mut was right in this boot */
	uint64_t	 end;		/* of the last good frame seen */
	uint64_t	 last;		/* where that frame begins, 0: none */
	struct log_totals totals;	/* of it */
	unsigned char	*map;		/* of what was found good */
	size_t		 map_len;
	usec_t		 looked_mono;	/* at the length of the file; 0 */
	unsigned char	*chunk;		/* read ahead of that */
	uint64_t	 chunk_at;
	size_t		 chunk_len, chunk_size;
};

enum log_open { LOG_OPENED, LOG_MISSING, LOG_DAMAGED, LOG_ERROR };

/* Open the log in dirfd.  DAMAGED: header unreadable (the file is open all the
 * same, so that it can be locked). */
enum log_open	 log_attach(struct log *l, int dirfd, struct error *err)
		    MUST_USE;
void	 log_close(struct log *l);

/* Has the file been replaced?  1: yes, 0: no, -1: the system cannot say. */
int	 log_replaced(const struct log *l, struct error *err) MUST_USE;

/* Exclusive lock.  1: the log was replaced meanwhile (not locked; open
 * again), 0: locked, -1: error. */
int	 log_lock(struct log *l, struct error *err) MUST_USE;
void	 log_unlock(struct log *l);

/* The next good frame behind l->end, which moves on.  False: none (yet).  The
 * slice is good until the next call. */
bool	 log_next(struct log *l, struct slice *frame_out);

/* Let go of the memory that reading took. */
void	 log_idle(struct log *l);

/* Stand behind the last frame, by the hint or by walking. */
void	 log_to_last(struct log *l);

/* Is there a good frame somewhere behind l->end, though not at it?  Then the
 * file is damaged in the middle; *at_out is where. */
bool	 log_frame_beyond(struct log *l, uint64_t *at_out);

/* Bytes behind the last good frame (torn). */
bool	 log_has_tail(struct log *l);
int	 log_cut_tail(struct log *l, struct error *err) MUST_USE;

/* The record at this offset (of any frame) if it is sound, of that type and
 * uid.  Its bytes behind struct log_rec. */
bool	 log_record(struct log *l, uint64_t at, uint32_t uid,
	    enum log_type type, struct slice *body_out);

/* Iterate records of a frame: *at is 0 at first.  *offset_out: in the frame. */
bool	 log_each(struct slice frame, size_t *at, const struct log_rec **out,
	    struct slice *body_out);

/* Split the body of an append record. */
bool	 log_append_split(struct slice body, struct log_append *a,
	    struct slice *name_out, struct slice *headers_out,
	    struct slice *structure_out);

/*
 * Building frames.
 */
void	 log_frame_begin(struct buf *b);
size_t	 log_frame_add(struct buf *b, enum log_type type, uint32_t uid,
	    const void *fixed, size_t nfixed, const struct slice *parts,
	    size_t nparts);	/* where in the frame */
/* Fill in header and CRC. */
struct slice log_frame_end(const struct log *l, struct buf *b,
	    const struct log_totals *t);

/* Write a finished frame (lock held).  On error nothing is left of it. */
int	 log_write(struct log *l, struct slice frame, struct error *err)
	    MUST_USE;

/* Write a whole new file: header, then frames added by the caller through
 * log_write() on *out; log_install() makes it the log. */
int	 log_new(struct log *out, int dirfd, const struct log_header *h,
	    uint32_t reserved, struct error *err) MUST_USE;
int	 log_install(struct log *l, bool replace, struct error *err) MUST_USE;

/* Under the lock: make UIDs from first to first + n - 1 safe to give out. The
 * first that may be used is returned (it jumps after a crash of the machine);
 * 0: *err. */
uint32_t log_reserve(struct log *l, uint32_t uidnext, uint32_t n,
	    struct error *err) MUST_USE;

/* UIDs from here on were never given out, whatever happened to the frames. */
uint32_t log_reserved(struct log *l, uint32_t uidnext);

#endif
