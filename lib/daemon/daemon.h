/* SPDX-License-Identifier: Apache-2.0 */
/* daemon.h - the skeleton: the only copy of options, logging, configuration,
 * opening as root, chroot, giving up privileges, loop, stop and retirement.
 *
 * A program is a const struct daemon_desc and
 *	int main(int argc, char **argv) { return daemon_run(&desc, argc, argv); }
 *
 * Order in daemon_run(): options, main.cf and -o, log, desc->open_as_root,
 * chroot, setgroups/setgid/setuid, verification, no_new_privs, Landlock,
 * seccomp, loop, desc->start, then serving. */
#ifndef DAEMON_DAEMON_H
#define DAEMON_DAEMON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/error.h"
#include "conf/common.h"
#include "conf/conf.h"
#include "ipc/ipc.h"
#include "sys/privs.h"
#include "sys/sock.h"

struct daemon;
struct loop;
struct syncer;

enum daemon_kind {
	DAEMON_STREAM,		/* desc->accept gets each connection */
	DAEMON_IPC		/* connections speak lib/ipc: desc->handlers */
};

enum daemon_user {
	DAEMON_MAIL,		/* $mail_owner */
	DAEMON_NET,		/* $net_owner */
	DAEMON_AUTH,		/* $auth_owner */
	DAEMON_LOGIN,		/* $login_owner */
	DAEMON_ROOT		/* keeps root; its workers act as others */
};

enum daemon_root {
	DAEMON_ROOT_NONE,	/* no chroot; working directory is the queue */
	DAEMON_ROOT_QUEUE,	/* $queue_directory, if master.cf says chroot */
	DAEMON_ROOT_EMPTY,	/* $queue_directory/empty, always */
	DAEMON_ROOT_LOGIN	/* $queue_directory/login, always: holds only the
				 * sockets that login may connect to */
};

struct daemon_desc {
	const char		*name;		/* program: "smtp-client" */
	const char		*log_tag;	/* "smtp"; NULL: the service */
	enum daemon_kind	 kind;
	enum daemon_user	 user;
	enum daemon_root	 root;

	const struct param	*params;	/* its own rows */
	size_t			 nparams;
	size_t			 conf_size;

	/* Further tables of libraries it uses, filled into structs of their
	 * own (route, intake, tls ...); find them with daemon_conf_of().
	 * size 0: the rows are only made known, the library reads them
	 * itself. */
	const struct daemon_conf_part {
		const struct param	*params;
		const size_t		*nparams;
		size_t			 size;
	}			*parts;
	size_t			 nparts;

	/* Reload in place instead of retirement (singletons).  May be NULL. */
	void	(*reload)(struct daemon *d);

	int	(*open_as_root)(struct daemon *d, struct error *err);
	int	(*start)(struct daemon *d, struct error *err);

	/* DAEMON_STREAM: a client.  Count it with daemon_session_begin(). */
	void	(*accept)(struct daemon *d, int fd,
		    const struct sock_addr *peer);

	/* DAEMON_IPC: what peers may ask; arg of the handlers is the daemon.
	 * Requests that are answered later are bracketed by
	 * daemon_session_begin/end, so that a drain waits for them.  The
	 * connections are the skeleton's: never ipc_close() them. */
	const struct ipc_handler	*handlers;
	size_t				 nhandlers;
	void	(*ipc_closed)(void *daemon, struct ipc *c, const char *why);

	/* A wakeup from master (pickup, qmgr).  May be NULL. */
	void	(*wakeup)(struct daemon *d);

	/* Stop was asked for: finish what is under way, begin nothing, and
	 * call daemon_exit() when done.  NULL: exit when no session is left.
	 * Called a second time when the suite stops while a retirement is
	 * under way: look at daemon_stopping(). */
	void	(*drain)(struct daemon *d);

	/* The process ends; the loop is still there: free what does not live
	 * in an arena.  May be NULL. */
	void	(*finish)(struct daemon *d);

	int64_t		 client_limit;	/* default of <service>_client_limit */
	const struct privs_path	*landlock;	/* NULL: none */
	size_t			 nlandlock;
};

/* Never returns before the process ends.  Options, as master gives them:
 *	-n service  -t type  -u  -c  -s N  -o name=value  -m max_use
 *	-i max_idle  -v  -l  arguments
 * and for a process started by hand (tests, debugging):
 *	-c config_dir	instead of MAIL_CONFIG
 *	-L path		listen on this UNIX socket (below the queue directory)
 *	-L host:port	listen there; port 0: any, it is logged.  May be
 *			repeated.  Log lines go to stderr without maillog_file
 *	-u		as root: chroot and give up root as under master;
 *			without it privileges stay (daemon_privileged() false)
 *	-K		read the configuration, say what is wrong with it, exit
 *	-P		print the parameter rows as tab separated values:
 *			program name type default min max unit choices doc
 * By hand there is no retirement unless -m or -i asks for it. */
int	 daemon_run(const struct daemon_desc *desc, int argc, char **argv);

struct loop		*daemon_loop(struct daemon *d);
struct syncer		*daemon_syncer(struct daemon *d);	/* 8 threads */
const struct conf	*daemon_conf(const struct daemon *d);
const struct conf_common	*daemon_common(const struct daemon *d);

/* The program's own struct / the struct of a part, by its table. */
const void	*daemon_params(const struct daemon *d);
const void	*daemon_conf_of(const struct daemon *d,
		    const struct param *params);

/* As in master.cf: "127.0.0.1:submission"; and without host and port form,
 * for parameter names and logs: "submission". */
const char	*daemon_service(const struct daemon *d);
const char	*daemon_service_name(const struct daemon *d);

/* What master.cf has behind the command besides -o and options, in order,
 * NULL-terminated: "flags=DRhu", "user=vmail", "argv=/usr/bin/x", ... */
const char *const	*daemon_args(const struct daemon *d);

/* Process lifetime: freed at exit. */
struct arena	*daemon_arena(struct daemon *d);

/* The program's state, set in open_as_root or start. */
void	 daemon_set_state(struct daemon *d, void *state);
void	*daemon_state(const struct daemon *d);

/* Sessions count against <service>_client_limit; at the limit no more
 * connections are accepted by this process.  They keep a drain waiting. */
void	 daemon_session_begin(struct daemon *d);
void	 daemon_session_end(struct daemon *d);
uint64_t	 daemon_sessions(const struct daemon *d);
bool	 daemon_draining(const struct daemon *d);

/* The whole suite stops (not just a new configuration): sessions should end
 * themselves politely within a few seconds. */
bool	 daemon_stopping(const struct daemon *d);

/* Drain, because something that cannot be renewed in place has changed (a
 * table on disk); master starts a fresh process.  why is logged. */
void	 daemon_retire(struct daemon *d, const char *why);

/* Leave the loop and exit(0). */
void	 daemon_exit(struct daemon *d);

/* Are we root with privileges to give up?  False when the suite runs under
 * an ordinary user: then chroot and user changes are skipped. */
bool	 daemon_privileged(const struct daemon *d);

/* Public counters on the scoreboard, for `posthouse status`. */
enum daemon_counter {
	COUNT_ACCEPTED, COUNT_MESSAGES, COUNT_DELIVERED, COUNT_DEFERRED,
	COUNT_BOUNCED, COUNT_REJECTED, COUNT_BYTES, COUNT_MAX
};
void	 daemon_count(struct daemon *d, enum daemon_counter c, uint64_t n);

#endif
