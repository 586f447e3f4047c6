/* SPDX-License-Identifier: Apache-2.0 */
/* announce.h - tell qmgr of new mail, but not of each message by itself while
 * one follows the other: to be woken costs qmgr more than the message does, and
 * takes a processor away from those who are about to send the next one. */
#ifndef SMTPD_ANNOUNCE_H
#define SMTPD_ANNOUNCE_H

#include "base/attr.h"

struct announce;
struct ipc_client;
struct loop;
struct queue;

/* From now on what is committed to q is told to qmgr.  Mail in the journal waits
 * until two milliseconds after the last notice; all others go at once. */
struct announce	*announce_new(struct queue *q, struct loop *l,
		    struct ipc_client *qmgr) MUST_USE;

/* What waits is told.  *a may be NULL. */
void	 announce_free(struct announce **a);

#endif
