/* SPDX-License-Identifier: Apache-2.0 */
/* queue_int.h - shared by the files of lib/queue only. */
#ifndef QUEUE_QUEUE_INT_H
#define QUEUE_QUEUE_INT_H

#include "base/list.h"
#include "queue/queue.h"
#include "queue/queue_format.h"
#include "queue/queue_id.h"

struct journal_writer;

/* What is kept of memory for images: fresh memory has to be cleared by the
 * system and grows by copying. */
#define QUEUE_SPARES		256
#define QUEUE_SPARE_BYTES	((size_t)2 << 20)

struct queue {
	int		 dirs[QUEUE_DIRS];	/* O_PATH */
	int		 log;			/* O_PATH of log/ */
	int		 journal;		/* O_PATH of journal/; -1 */
	struct syncer	*syncer;		/* NULL: no asynchronous commit */
	struct journal_writer	*writer;	/* NULL: a file per message */
	void		(*tell)(void *arg, const struct queue_place *where);
	void		*tell_arg;
	size_t		(*clients)(void *arg);	/* NULL: not known */
	void		*clients_arg;
	int64_t		 minfree;

	/* Memory of messages that are done with, for those to come. */
	struct queue_spare {
		unsigned char	*mem;
		size_t		 size;
	}		 spare[QUEUE_SPARES];
	size_t		 nspare, spare_bytes;
	struct buf	 tail;			/* empty between calls */

	usec_t		 room_asked;		/* mono; 0: never */
	uint64_t	 room_bytes, room_files;
};

/* Mode of a message that was written to its end. */
#define QUEUE_MODE_COMPLETE	0700
#define QUEUE_MODE_WRITING	0600

/* An image larger than this goes to a file of its own. */
#define QUEUE_IMAGE_MAX		((size_t)256 << 10)

struct queue_file {
	struct queue	*q;
	int		 fd;			/* -1: all is in memory */
	char		 id[QUEUE_ID_MAX];
	uint64_t	 size;			/* of the content */
	unsigned int	 flags;
	uint32_t	 crc;
	bool		 line_start, after_cr, lost;
	bool		 created;		/* there is, or was, a file */

	/* Bytes not written yet; the head's place is at the front until the
	 * first flush.  Content is looked at when it leaves memory, which is
	 * in a thread if it is small. */
	unsigned char	*pending;
	size_t		 npending, looked, room;
	bool		 flushed;
};

/* Room for n more pending bytes. */
void	 queue_file_grow(struct queue_file *f, size_t n);
/* Look at what is pending up to `end`: line ends, flags, checksum. */
int	 queue_file_look(struct queue_file *f, size_t end, struct error *err)
	    MUST_USE;
/* Create the file if there is none yet, and write what is pending. */
int	 queue_file_flush(struct queue_file *f, struct error *err) MUST_USE;
void	 queue_file_free(struct queue_file **f);

/* A message on its way to being ours. */
struct commit {
	struct queue_file	*f;
	enum queue_dir		 to;
	struct queue_head	 h;	/* without what the content says */
	size_t			 env_at; /* the envelope, in what is pending */
	bool			 sealed;
	int			 result;
	void			(*done)(void *arg, int result,
				    const struct error *err);
	void			*arg;

	/* Of a journal. */
	struct list		 link;
	char			 segment[QUEUE_ID_MAX];	/* "": has a file */
	uint64_t		 segment_end;

	struct error		 err;	/* last: large, and set if result < 0 */
};

/* Look at the content and make head and end record: in a thread.  -1: c->err,
 * and c->result. */
int	 commit_seal(struct commit *c) MUST_USE;
/* Make it a file of its own, synced: in a thread. */
void	 commit_as_file(struct commit *c);
/* Tell whoever waits, in the loop; c is gone. */
void	 commit_report(struct commit *c);

/* Tell who listens (queue_listen) of new mail. */
void	 queue_tell(struct queue *q, const struct queue_place *where);

/* renameat2 without replacing; plain check and rename where the file system
 * has no such thing.  -1 with errno. */
int	 queue_rename(int from_fd, const char *from, int to_fd, const char *to)
	    MUST_USE;

/* Each entry of a directory until each() returns false. */
int	 queue_each_name(int path_fd, bool (*each)(void *arg, const char *name),
	    void *arg, struct error *err) MUST_USE;

/* Read the image of message `id` at `base`.  size: of the image, or of what
 * may be one.  known: its bytes, if they are in memory; else empty. */
enum queue_read	 queue_image_read(int fd, uint64_t base, uint64_t size,
		    struct slice known, bool verify, const char *id,
		    struct arena *a, struct queue_msg *out,
		    struct error *err) MUST_USE;

#endif
