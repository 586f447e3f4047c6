/* SPDX-License-Identifier: Apache-2.0 */
/* pickup.h - what the files of pickup share. */
#ifndef PICKUP_PICKUP_H
#define PICKUP_PICKUP_H

#include "base/hash.h"
#include "daemon/daemon.h"
#include "intake/intake.h"
#include "ipc/deliver_msg.h"
#include "ipc/queue_msg.h"
#include "queue/queue.h"

struct pickup {
	struct daemon			*d;
	const struct conf_common	*common;
	struct queue			*queue;
	struct route			*route;
	struct intake			*intake;
	struct ipc_client		*qmgr;

	/* scan.c */
	int			 maildrop;	/* O_PATH */
	struct hash		*under_way;	/* names of struct drop */
	struct arena		*names_mem;
	const char		**names;	/* of the last listing, */
	size_t			 nnames, at;	/* and how far we are */
	bool			 again;		/* list once more afterwards */
	bool			 scheduled;
};

/* scan.c: look into maildrop/ soon. */
int	 scan_open(struct pickup *p, struct error *err) MUST_USE;
void	 scan_start(struct pickup *p);

/* scan.c: this one is finished, whatever became of it. */
void	 scan_done(struct pickup *p, const char *name);

/* drop.c: take this file of maildrop/ into the queue.  scan_done() follows,
 * never inside this call unless false is returned (nothing was begun). */
bool	 drop_begin(struct pickup *p, const char *name);

/* forward.c: handler of queue_forward. */
void	 forward_begin(void *daemon, struct ipc_request req, void *msg);

/* What a local submission says of itself. */
struct submission {
	const char	*name;		/* in maildrop/ */
	int		 fd;		/* the file */
	uid_t		 uid;
	usec_t		 arrival;
	const char	*sender, *full_name, *envid;
	unsigned int	 ret, notify, flags;
	const char	**rcpts;
	size_t		 nrcpts;
	uint64_t	 content_at;	/* where the content records begin */
};

/* refuse.c: it cannot be accepted, ever: queue it as a message that failed
 * already, so that its sender is told.  -1: *err, try again later. */
int	 refuse(struct pickup *p, const struct submission *s, const char *dsn,
	    const char *text, char id_out[QUEUE_ID_MAX], struct error *err)
	    MUST_USE;

/* main.c: what follows a commit. */
void	 tell_qmgr(struct pickup *p, const char *id);
void	 count_message(struct pickup *p);

/* content.c: the content records from at on, in pieces; write returns false to
 * stop.  -1: the file is not what its envelope promised, *err. */
int	 content_each(int fd, uint64_t at,
	    bool (*write)(void *arg, struct slice piece), void *arg,
	    struct error *err) MUST_USE;

#endif
