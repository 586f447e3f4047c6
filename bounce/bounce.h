/* SPDX-License-Identifier: Apache-2.0 */
/* bounce.h - what the files of bounce share. */
#ifndef BOUNCE_BOUNCE_H
#define BOUNCE_BOUNCE_H

#include "bounce/notice.h"
#include "daemon/daemon.h"
#include "intake/intake.h"
#include "ipc/deliver_msg.h"
#include "ipc/queue_msg.h"

struct bounce_conf {
	int64_t		 size_limit;
	const char	*notify_classes;
	const char	*notice_2bounce, *notice_bounce, *notice_delay;
	usec_t		 lifetime;
	bool		 threaded;
};

struct bounce {
	struct daemon			*d;
	const struct bounce_conf	*conf;
	const struct conf_common	*common;
	struct queue			*queue;
	struct route			*route;
	struct intake			*intake;
	struct ipc_client		*qmgr;
};

/* job.c: a request of qmgr (handler of queue_notice). */
void	 job_begin(void *daemon, struct ipc_request req, void *msg);

/*
 * select.c: pure decisions.
 */

/* Which records of the delivery log does a notice of this kind report?  An
 * array in a, perhaps empty: then nothing is to be sent. */
size_t	 select_records(enum notice_kind kind, const struct queue_env *env,
	    const struct queue_log_rec *log, size_t nlog, struct arena *a,
	    struct queue_log_rec **out);

/* Is address the sender of our own notices to postmaster? */
bool	 select_is_double(const char *address, const char *local,
	    const char *host);

/* Is this word in a list separated by comma and space? */
bool	 select_class(const char *classes, const char *word);

#endif
