/* SPDX-License-Identifier: Apache-2.0 */
/* watch.h - hearing of changes: one inotify descriptor in a process. */
#ifndef STORE_WATCH_H
#define STORE_WATCH_H

#include "base/error.h"
#include "base/list.h"

struct store;
struct watcher;

struct watch {				/* member of a view; zeroed: off */
	struct list	 link;
	int		 wds[3];	/* log, new, cur */
	void		(*notify)(void *arg);
	void		*arg;
	bool		 pending;
};

/* Watch the mailbox directory at path.  Again: with a new log file. */
int	 watch_on(struct store *s, struct watch *w, const char *path,
	    struct error *err) MUST_USE;
void	 watch_off(struct store *s, struct watch *w);
void	 watch_free(struct watcher **w);

#endif
