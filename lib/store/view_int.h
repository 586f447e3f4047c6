/* SPDX-License-Identifier: Apache-2.0 */
/* view_int.h - between the files of the view. */
#ifndef STORE_VIEW_INT_H
#define STORE_VIEW_INT_H

#include "store/box.h"
#include "store/store_int.h"
#include "store/view.h"
#include "store/watch.h"

struct uid_range {
	uint32_t	 from, to;	/* inclusive */
};

/* What was read of messages and is not in the log yet (view_lazy.c). */
struct view_lazy {
	struct arena	*mem;
	struct lazy_found *found;
	size_t		 n, size;
	size_t		 bytes;
	uint32_t	 highest;	/* UID */
};

struct view {
	struct store_user *user;
	char		*name;
	bool		 readonly;
	struct box	 box;
	/* Messages by sequence number: the box's records before `visible`,
	 * without those in `gone` (ascending indexes). */
	size_t		 visible;
	struct idxs	 gone;
	uint32_t	 uidvalidity;	/* when it was opened */
	struct uid_range *recent;
	size_t		 nrecent;
	uint32_t	 told_recent;
	unsigned int	 told_keywords;
	bool		 dead;		/* mailbox deleted or made anew */
	struct view_lazy lazy;
	struct idxs	 touched;	/* UIDs whose names are behind */
	struct watch	 watch;
	struct loop_timer *later;	/* look at the directories again */
	unsigned int	 holds;		/* moves under way */
	bool		 closing;	/* closed when they are done */
};

/* Index of a record / back (0: not visible). */
size_t	 view_index(const struct view *v, uint32_t seq);
uint32_t view_seq_of(const struct view *v, size_t i);

/* After anything that may have reloaded the box. */
void	 view_remap(struct view *v);

/* Merge foreign changes if there are any. */
int	 view_merge(struct view *v, bool force, struct error *err) MUST_USE;

/* Transaction with remapped indexes. */
int	 view_begin(struct view *v, struct error *err) MUST_USE;

void	 view_list_put(struct idxs *x, size_t i);

/* End a hold. */
void	 view_release(struct view *v);

/* Rename files whose flags changed. */
void	 view_sync_names(struct view *v);

/* Open the file of a message; its name may have changed. */
int	 view_msg_open(struct view *v, uint32_t uid,
	    enum store_fail *fail_out, struct error *err) MUST_USE;

/*
 * view_lazy.c
 */

/* Does the record say nothing of the content? */
bool	 view_lazy_unread(const struct view *v, uint32_t uid);

/* Date, sizes, headers, structure and partial of such a message, from its file or
 * from what this view has read before; until the next call of any of these. */
int	 view_lazy_get(struct view *v, uint32_t uid,
	    const struct box_msg **out, struct error *err) MUST_USE;
/* Its true sizes alone. */
int	 view_lazy_sizes(struct view *v, uint32_t uid, int fd,
	    uint64_t *disk_out, uint64_t *wire_out, struct error *err)
	    MUST_USE;
/* As view_lazy_get(), with the file open. */
int	 view_lazy_read(struct view *v, uint32_t uid, int fd,
	    const struct box_msg **out, struct error *err) MUST_USE;

/* Write it to the log if there is enough of it, or all the same. */
void	 view_lazy_write(struct view *v, bool all);
void	 view_lazy_drop(struct view *v);

#endif
