/* SPDX-License-Identifier: Apache-2.0 */
/* locald.h - local(8), virtual(8) and pipe(8).
 *
 * The parent keeps root, looks accounts up and decides; it never reads a
 * message or a user's file.  Workers (daemon/userproc.h) act as one user each
 * and do that.  A request is answered when all its recipients have a verdict;
 * SENT is said only of what is durable. */
#ifndef LOCAL_DELIVERY_LOCALD_H
#define LOCAL_DELIVERY_LOCALD_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/arena.h"
#include "base/list.h"
#include "daemon/daemon.h"
#include "daemon/userproc.h"
#include "ipc/deliver_msg.h"
#include "local-delivery/known.h"
#include "local-delivery/verdict.h"
#include "local-delivery/work_msg.h"
#include "map/map.h"
#include "route/route.h"

enum locald_mode { MODE_LOCAL, MODE_VIRTUAL, MODE_PIPE };

struct locald_conf {
	const char	*home_mailbox, *mailbox_command, *forward_path;
	const char	*luser_relay;
	const char	*allow_mail_to_commands, *allow_mail_to_files;
	const char	*command_expansion_filter, *forward_expansion_filter;
	const char	*command_execution_directory;
	const char	*prepend_delivered_header;
	const char	*virtual_mailbox_base, *virtual_uid_maps,
			*virtual_gid_maps;
	int64_t		 virtual_minimum_uid;
	usec_t		 command_time_limit;
	bool		 enable_original_recipient, expand_owner_alias;
	bool		 biff;
};

/* One table of alias_maps and whom its commands run as. */
struct alias_map {
	struct map	*map;
	uid_t		 uid;		/* 0: default_privs */
	gid_t		 gid;
};

struct pipe_conf {
	const char	*flags;
	const char	**argv;		/* NULL-terminated, not expanded */
	const char	*directory, *null_sender, *eol;
	uint64_t	 size_limit;	/* 0: none */
	uid_t		 uid;
	gid_t		 gid;
};

struct locald {
	struct daemon	*d;
	enum locald_mode mode;
	struct userproc	*workers;
	struct ipc_client	*auth, *pickup;
	struct known	*known;		/* what auth said */
	struct route	*route;
	struct alias_map	*aliases;
	size_t		 naliases;
	struct map_list	*virtual_mailboxes, *virtual_uids, *virtual_gids;
	struct privs_user	 nobody;	/* default_privs */
	struct pipe_conf	 pipe;
};

/* One deliver_req. */
struct job {
	struct locald	*ld;
	struct arena	*mem;
	struct ipc_request	 from;
	struct deliver_req	 req;		/* copied; content is ours */
	struct delivery	*deliveries;
	size_t		 n, left;
	int64_t		 started;		/* wall */
};

/* One recipient of it. */
struct delivery {
	struct job	*job;
	const struct deliver_rcpt	*rcpt;
	struct slice	 local, user, ext;	/* of the address; unquoted */
	const char	*domain;
	struct verdict	 verdict;
	bool		 done;
	const char	*asked;		/* virtual.c: of authd */

	/* local.c: what is still to be done, and where we are */
	struct list	 todo;
	struct dest	*now;
	size_t		 ndests;
	bool		 looked, stepping;
	const char	*sender;	/* owner-alias; or the request's */
	struct queue_forward_rcpt	*forwards;
	size_t		 nforwards;
	const char	*forward_domain;
};

const struct locald_conf	*locald_conf(const struct locald *ld);

/* request.c */
extern const struct ipc_handler	request_handlers[];
extern const size_t		request_nhandlers;
/* The recipient has its verdict.  When all have, the request is answered. */
void	 request_verdict(struct delivery *dl, struct verdict v);
/* One line in the log: a final delivery on the way of a recipient. */
void	 request_log(const struct delivery *dl, const char *to,
	    const struct verdict *v);
/* Return-Path, X-Original-To, Delivered-To: with CRLF, in the job's arena.
 * what: "command", "file" or "forward" of prepend_delivered_header. */
const char	*request_prefix(const struct delivery *dl, const char *what);
/* A worker's answer (reply NULL: why) as a verdict. */
struct verdict	 request_answer(const struct delivery *dl,
		    const struct work_result *reply, const char *why);
/* Deliver into a Maildir as uid, gid. */
void	 request_store(struct delivery *dl, uid_t uid, gid_t gid,
	    const char *maildir, uint64_t quota_bytes, ipc_done *done);

/* virtual.c, local.c, pipe.c: open_as_root, and begin one recipient. */
int	 virtual_open(struct locald *ld, struct error *err) MUST_USE;
void	 virtual_begin(struct delivery *dl);
int	 local_open(struct locald *ld, struct error *err) MUST_USE;
void	 local_begin(struct delivery *dl);
int	 pipe_open(struct locald *ld, struct error *err) MUST_USE;
void	 pipe_begin_all(struct job *j);

/* environment.c: macro values and the environment of commands. */
const char	*environment_macro(void *delivery, struct slice name);
struct ipc_list	 environment_make(const struct delivery *dl,
		    const char *home, const char *user, const char *shell);

/* worker.c, command.c: inside the workers. */
extern const struct userproc_desc	worker_desc, worker_desc_virtual;
struct worker_state {
	struct daemon	*d;
	struct store	*store;
	struct hash	*users;		/* path -> struct store_user */
};
void	 command_run(struct worker_state *w, struct ipc_request req,
	    struct work_command *m);

#endif
