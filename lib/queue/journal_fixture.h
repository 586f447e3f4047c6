/* SPDX-License-Identifier: Apache-2.0 */
/* journal_fixture.h - what the journal's tests share: a queue in a temporary
 * directory, a writer and a reader of it, and a disk that can be told to fail.
 * The programs that link this have their syncs and reads counted here. */
#ifndef QUEUE_JOURNAL_FIXTURE_H
#define QUEUE_JOURNAL_FIXTURE_H

#include <stdatomic.h>

#include "base/arena.h"
#include "queue/journal_int.h"
#include "queue/queue_int.h"

#define MOST	1000

struct sent {
	char	 id[QUEUE_ID_MAX];
	size_t	 size;
	int	 result;
	bool	 done;
	int	 seen;		/* times that the reader found it */
	struct journal_rec	*rec;	/* that it found last */
};

extern char			 dir[64];
extern struct loop		*loop;
extern struct queue		*writer, *q;
extern struct journal		*j;	/* q's reader */
extern struct arena		*a;
extern struct error		 err;
extern struct journal_recovery	 got;
extern struct sent		 sent[MOST];
extern size_t			 nsent, ndone, nstrangers;
extern size_t			 nclients;	/* the writer's */

/* Of the disk.  fail_sync: the how manieth sync from now on fails; fail_read:
 * reads that begin at or behind this place do. */
extern atomic_int	syncs, fail_sync;
extern atomic_bool	fail_syncfs;	/* each */
extern atomic_bool	no_syncs;	/* calls without an effect */
extern atomic_int	batches;	/* fdatasyncs */
/* Those wait while hold_syncs is set; so many do. */
extern atomic_bool	hold_syncs;
extern atomic_int	held_syncs;
extern atomic_int	fills;		/* MiB of segments prepared */
extern atomic_llong	fail_read;	/* -1: none */
extern atomic_llong	stale_read;	/* the next read of the frame that begins
					 * here finds none; -1: none */

/* No file may grow beyond this, until it may again.  libcheck's own files are
 * a few KiB and want room, too. */
void	 limit_files(size_t to);
void	 unlimit_files(void);

void	 setup(void);
void	 teardown(void);

void	 open_writer(void);
void	 close_writer(void);	/* as if it had ended */
void	 open_reader(void);
void	 close_reader(void);	/* what was noted is written */
void	 kill_reader(void);	/* what was not flushed is lost */
void	 start_reader(void);	/* open and recover; must work */

/* Commit n messages and wait; they are sent[nsent...]. */
void	 commit_begin(size_t size);
void	 commit_begin_bad(size_t size);	/* a bare LF is in it */
void	 wait_all(void);
void	 commit(size_t n, size_t size);
/* Each in a batch of its own. */
void	 commit_apart(size_t n, size_t size);

/* Is what the reader found of it right? */
bool	 rec_is_good(const struct sent *s);
/* 1: whole and with its own content; 0: not there; -1: not whole. */
int	 file_is_good(const struct sent *s, enum queue_dir where);
size_t	 in_dir(enum queue_dir d);

/* Segments by name, without free ones and empty ones. */
size_t	 segments(char (*out)[QUEUE_ID_MAX], size_t max);
/* The only one, for reading and writing. */
int	 segment_fd(char name[QUEUE_ID_MAX]);
bool	 in_journal(const char *name);
void	 clear_queue(void);	/* all files but the directories */

#endif
