/* SPDX-License-Identifier: Apache-2.0 */
/* journal_seg.h - one segment of the journal: its bytes, and its life as a
 * file (doc/queue.md).
 *
 * A segment is written over with zeros and synced before it is used, so that
 * later syncs move no metadata.  Each use has a random generation that is in
 * every frame: what an earlier use left is not seen, and nothing inside a
 * message can pass for a frame.  Who writes a segment holds a lock on it, from
 * the end of what it has synced on; one without a lock has lost its writer. */
#ifndef QUEUE_JOURNAL_SEG_H
#define QUEUE_JOURNAL_SEG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "queue/queue.h"

#define SEG_MIN		((uint64_t)1 << 20)	/* the first of a process */
#define SEG_MAX		((uint64_t)16 << 20)
#define SEG_BLOCK	((uint64_t)4096)	/* head; begin of each batch */
#define SEG_FRAME	((size_t)64)		/* head of a frame; alignment */
#define SEG_FREE_SLOTS	8
#define SEG_USED_MAX	64		/* then messages become files at once,
					 * until qmgr has caught up */

struct seg {
	int		 fd;		/* locked while it is ours */
	char		 name[QUEUE_ID_MAX];
	uint64_t	 generation, size;
	uint64_t	 end;		/* where the next frame goes */
};

struct seg_frame {
	char		 id[QUEUE_ID_MAX];
	uint32_t	 length;	/* of the image behind the head */
};

/* A retired one out of a free slot, or a new one of `size` bytes; its name is
 * durable.  NULL: *err. */
struct seg	*seg_begin(struct queue *q, uint64_t size, struct error *err);
/* Gives up the lock: qmgr takes care of it from here. */
void	 seg_end(struct seg **s);

/* The writer: all before `end` is on stable storage.  To be said after each
 * sync and before anybody is told, by whatever thread. */
void	 seg_is_certain(const struct seg *s, uint64_t end);
/* A reader: up to where has the writer said so?  0: nowhere, or there is none
 * (any more). */
uint64_t seg_certain_end(int fd);

/* Bytes that an image of this length takes up with its head. */
uint64_t seg_frame_room(uint64_t length);
bool	 seg_has_room(const struct seg *s, uint64_t length);

void	 seg_frame_put(uint64_t generation, const char *id, uint32_t length,
	    unsigned char out[SEG_FRAME]);

/* False: no frame of this generation. */
bool	 seg_frame_get(const unsigned char in[SEG_FRAME], uint64_t generation,
	    struct seg_frame *out);

/* Walks over frames.  Filled in by the caller but for the cache. */
struct seg_walk {
	int		 fd;
	uint64_t	 generation;
	uint64_t	 next, end;	/* where to look, and no further */
	bool		 search;	/* look behind damage for more; else only
					 * for the next batch */
	bool		 large;		/* the last frame was */
	uint64_t	 cache_at;
	size_t		 ncache;
	unsigned char	 cache[98304];
};

/* 1: *at_out is where its image begins; 0: no more; -1: cannot be read. */
int	 seg_walk(struct seg_walk *w, struct seg_frame *out,
	    uint64_t *at_out);

/* These bytes, as long as nothing else is walked over; empty: not at hand. */
struct slice	 seg_walk_has(const struct seg_walk *w, uint64_t at,
		    uint64_t length);

/* 1: begun and not retired since; 0: not; -1: cannot be read. */
int	 seg_generation(int fd, uint64_t *out);

/* One without a valid head.  The caller holds the lock. */
enum seg_state {
	SEG_BLANK,		/* not begun, or forgotten */
	SEG_MENDED,		/* was damaged; the first frame told */
	SEG_LOST,		/* neither */
	SEG_ERROR		/* errno */
};
enum seg_state	 seg_mend(int fd);

/* Nobody is to see the frame at this place: its message was refused. */
void	 seg_void(const struct seg *s, uint64_t at);

/* Make it forget its frames for good, then keep the file for another use or
 * remove it.  The caller holds the lock.  name: in journal/. */
int	 seg_retire(struct queue *q, int fd, const char *name,
	    struct error *err) MUST_USE;

#endif
