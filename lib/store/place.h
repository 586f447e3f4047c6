/* SPDX-License-Identifier: Apache-2.0 */
/* place.h - mailboxes that get messages: what waits for them, and their logs
 * and directories, kept open for a while. */
#ifndef STORE_PLACE_H
#define STORE_PLACE_H

#include <pthread.h>
#include <stdatomic.h>

#include "store/delivery.h"

/* Messages for one mailbox, from one caller. */
struct commit {
	struct list	 link;
	struct delivery	*delivery;	/* its file is to be written first */
	bool		 written;
	struct incoming	**in;
	size_t		 n;
	struct store_done r;
	struct error	 err;
	void		(*done)(void *arg, const struct store_done *r);
	void		*arg;
	struct store_user *user;	/* kept alive */
};

struct place {
	struct places	*all;
	char		*path;
	struct list	 link;		/* store->ready */
	struct list	 waiting;	/* struct commit */
	struct list	 age;		/* all->places, longest unused first */
	unsigned int	 rounds;	/* that it is in */
	unsigned int	 holds;		/* log being synced */
	bool		 fleeting;	/* closed after use: too many */
	uint64_t	 frames, synced;	/* of the log, by us */
	usec_t		 unsynced_mono;	/* since when they differ; 0 */
	usec_t		 used_mono;

	/* A round waits for the lock of its log, as long as it takes. */
	atomic_bool	 stuck;
	/* Of threads, under the mutex; of the loop while in no round. */
	pthread_mutex_t	 mutex;
	struct box	 box;		/* light */
	bool		 is_open;
	unsigned int	 opened;	/* how often */
};

/* What one round does in one place. */
struct group {
	struct list	 link;
	struct place	*place;
	struct list	 commits;
	int		 dirfd;		/* of the mailbox; -1: failed */
	struct incoming	**in;		/* what was written */
	size_t		 n;
	bool		 sync_log;
	bool		 added, synced_log;
	unsigned int	 opened;	/* place->opened when they were added */
	bool		 locked_out;	/* somebody else has the lock */
	uint64_t	 before;	/* place->frames at the beginning */
};

void	 places_init(struct store *s);
/* Nothing is under way any more. */
void	 places_clear(struct store *s);

/* The place of this path; made if there is none. */
struct place	*place_of(struct store *s, const char *path);

/* In a thread, with the mutex: its box is open and the one that its path
 * names. */
int	 place_open(struct place *p, struct error *err) MUST_USE;
void	 place_close(struct place *p);
const char	*place_host(const struct place *p);

/* In the loop: a round begins and ends with it.  A log that no round syncs is
 * synced within a second or so. */
struct group	*place_begin(struct place *p) MUST_USE;
void	 place_end(struct group **g);

/*
 * commit.c
 */
/* d: may be NULL, then files are put in that are ready. */
struct commit	*commit_new(struct store_user *u, struct delivery *d,
		    void (*done)(void *arg, const struct store_done *r),
		    void *arg) MUST_USE;
void	 commit_add(struct store_user *u, const char *path, struct commit *c);

/* Tell the caller; c->r and c->err say what. */
void	 commit_end(struct commit *c, const char *path);

#endif
