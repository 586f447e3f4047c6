/* SPDX-License-Identifier: Apache-2.0 */
/* store_int.h - between the files of lib/store. */
#ifndef STORE_STORE_INT_H
#define STORE_STORE_INT_H

#include "base/hash.h"
#include "base/list.h"
#include "store/box.h"
#include "store/store.h"

struct places;
struct watcher;

struct store {
	struct loop	*loop;
	struct syncer	*syncer;
	struct store_conf conf;
	char		*host;
	struct hash	*users;		/* path -> struct store_user */
	struct places	*places;	/* mailboxes kept open */
	struct list	 ready;		/* places with something waiting */
	unsigned int	 rounds;	/* under way */
	bool		 going;		/* one begins in this turn */
	struct watcher	*watcher;	/* made when first needed */
	size_t		 pending;	/* jobs under way */
};

struct store_user {
	struct store	*store;
	char		*path;		/* without "/" at the end */
	unsigned int	 refs;
	struct list_cache *list;	/* list.c; NULL: none */
};

/*
 * names.c
 */

/* Directory of a mailbox ("" : INBOX, ".A.B" else) for a client's name; in
 * a.  NULL: such a name may not be. */
char	*names_to_dir(const struct store *s, const char *name,
	    struct arena *a) MUST_USE;

/* The reverse; NULL: not a name that we would have made. */
char	*names_from_dir(const struct store *s, const char *dir,
	    struct arena *a) MUST_USE;

/* Path of the mailbox directory. */
char	*names_path(const struct store_user *u, const char *dir,
	    struct arena *a) MUST_USE;

/*
 * tree.c
 */

/* Make mailbox directory `dir` (with cur, new, tmp), durable.  EEXIST is 1. */
int	 tree_make(const struct store_user *u, const char *dir,
	    struct error *err) MUST_USE;

/* Remove a mailbox directory and its files. */
void	 tree_remove(int root, const char *dir);

/* Directories of mailboxes except INBOX (".A", ".A.B"), unsorted, in a. */
int	 tree_dirs(const struct store_user *u, struct arena *a, char ***out,
	    size_t *n_out, struct error *err) MUST_USE;
bool	 tree_has_children(struct store_user *u, const char *dir);
int	 tree_rename_inbox(struct store_user *u, const char *to,
	    enum store_fail *fail_out, struct error *err) MUST_USE;

/*
 * list.c
 */

/* Forget what the last store_list() found. */
void	 list_forget(struct store_user *u);

/*
 * store.c
 */

/* An answer without work, from the loop. */
void	 store_refuse(struct store *s, enum store_fail fail,
	    const struct error *err,
	    void (*done)(void *arg, const struct store_done *r), void *arg);

/*
 * incoming.c
 */

/* What STORE_... an errno stands for. */
enum store_fail	 store_fail_of(int sys);

/* A file in tmp/ of a mailbox that shall become a message. */
struct incoming {
	char		*tmp;		/* "tmp/...", or NULL: it is gone */
	char		*base;		/* name without directory, flags */
	struct box_msg	 m;
	char		*keywords[STORE_KEYWORDS_MAX];
	size_t		 nkeywords;
	struct arena	*mem;		/* holds all this */
};

/* A new one with a name, without a file. */
struct incoming	*incoming_new(struct store *s) MUST_USE;
void	 incoming_keywords(struct incoming *in, const char *const *keywords);

/* path: of the mailbox, where a file may be left to remove. */
void	 incoming_free(struct incoming *in, const char *path);

/* Put n files into the mailbox at `path` in one transaction: names, UIDs,
 * log.  Not durable yet: incoming_sync(). The box stays open. */
int	 incoming_add(struct box *b, struct incoming **in, size_t n,
	    struct store_done *done, struct error *err) MUST_USE;
/* The directories that got these files; and the log. */
int	 incoming_sync(struct box *b, struct incoming **in, size_t n,
	    bool log, struct error *err) MUST_USE;
bool	 incoming_keyworded(struct incoming **in, size_t n);

/* New unique name: "<sec>.M<usec>P<pid>Q<n>.<host>"; in a. */
char	*incoming_name(const struct store *s, struct arena *a) MUST_USE;

/* Create "tmp/<name>" in the mailbox directory. Returns the descriptor. */
int	 incoming_create(int dirfd, const char *tmp, struct error *err)
	    MUST_USE;

/* Append s so that each LF has its CR.  *last: the byte before it. */
void	 incoming_put_crlf(struct buf *out, struct slice s, int *last);
int	 incoming_write_crlf(int fd, const unsigned char *p, size_t n,
	    int *last, struct buf *tmp) MUST_USE;

/* The file is complete and its sizes are known: its time, and S= and W= in the
 * base name. */
void	 incoming_named(struct incoming *in, int fd);

/* The same for a file that is not looked at yet (size, structure ... into
 * in->m), and sync it. */
int	 incoming_finish(struct incoming *in, int fd, struct error *err)
	    MUST_USE;

/*
 * commit.c
 */

/* Commit in the background: transactions of one mailbox one after the other,
 * those that wait together in one, and with those of other mailboxes in one
 * round. done from the loop; the incoming is freed after it (its tmp file
 * removed if it is still there). */
void	 commit_start(struct store_user *u, const char *path,
	    struct incoming **in, size_t n,
	    void (*done)(void *arg, const struct store_done *r), void *arg);
int	 commit_now(const char *path, const char *host, struct incoming **in,
	    size_t n, struct store_done *r, struct error *err) MUST_USE;

/* Run work in the syncer if there is one, else here; done always from the
 * loop if there is one. */
void	 store_run(struct store *s, void (*work)(void *arg),
	    void (*done)(void *arg), void *arg);

#endif
