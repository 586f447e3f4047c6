/* SPDX-License-Identifier: Apache-2.0 */
/* snapshot.h - posthouse.index: the state of a mailbox at one offset of its
 * log, to be mapped.  Derived: it may vanish at any time. */
#ifndef STORE_SNAPSHOT_H
#define STORE_SNAPSHOT_H

#include "store/box.h"

#define SNAPSHOT_NAME	"posthouse.index"

/* Fill a box that was just unloaded and whose log is open, and stand the log
 * where the snapshot ends.  Does nothing if there is none that fits. */
void	 snapshot_load(struct box *b);

/* Write one of the box's state.  -1: there is none, which is no harm. */
int	 snapshot_write(const struct box *b);

#endif
