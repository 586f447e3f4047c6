/* SPDX-License-Identifier: Apache-2.0 */
/* daemon_int.h - what the files of lib/daemon share. */
#ifndef DAEMON_DAEMON_INT_H
#define DAEMON_DAEMON_INT_H

#include <signal.h>

#include "base/hash.h"
#include "base/list.h"
#include "daemon/board.h"
#include "daemon/daemon.h"
#include "daemon/userproc.h"
#include "sys/loop.h"
#include "sys/syncer.h"

#define DAEMON_SIGNALS	3

/* The command line, parsed. */
struct options {
	const char	*service;	/* -n */
	const char	*type;		/* -t */
	const char	*config_dir;	/* -c by hand, MAIL_CONFIG */
	const char	**overrides;	/* -o, NULL-terminated */
	const char	**listen;	/* -L, NULL-terminated */
	const char	**args;		/* what is behind the options */
	int		 nsockets;	/* -s */
	int		 verbose;	/* -v */
	bool		 unpriv;	/* -u */
	bool		 chroot;	/* -c from master */
	bool		 alone;		/* -l */
	bool		 check_config;	/* -K */
	bool		 print_params;	/* -P */
	bool		 by_master;
	int64_t		 max_use, max_idle;	/* -m, -i; -1: not given */
	struct board_place	 place;
};

struct daemon_conf {
	int64_t	 max_use;
	usec_t	 max_idle;
};

/* One generation of configuration; a reload makes the next. */
struct generation {
	struct arena		*mem;
	struct conf		*conf;
	struct conf_common	 common;
	struct daemon_conf	 own;
	void			*params;
	void			**parts;	/* desc->nparts */
	int64_t			 client_limit;
	struct generation	*older;
};

struct listener {
	struct daemon	*d;
	int		 fd;
	struct loop_fd	*watch;
};

struct daemon {
	const struct daemon_desc	*desc;
	struct arena	*mem;
	struct options	 opt;
	struct generation	*gen;
	const char	*service, *service_name;
	void		*state;
	bool		 privileged, chrooted;
	uid_t		 suite[4];	/* users of our daemons, if privileged */

	struct loop	*loop;
	struct syncer	*syncer;
	struct loop_signal	*signals[DAEMON_SIGNALS];
	struct loop_timer	*idle_timer, *pause_timer, *watchdog;
	struct loop_timer	*tell_timer;

	struct listener	*listeners;
	size_t		 nlisteners;
	bool		 accepting, paused;
	struct ipc_ops	 ops;
	struct hash	*peers;		/* struct ipc *, DAEMON_IPC */

	uint64_t	 sessions, used;
	bool		 draining, stopping, exiting, full;

	int		 control_fd;	/* -1: none */
	struct loop_fd	*control;
	unsigned char	 told, tell;	/* enum board_message */
	struct board_slot	*slot;
	usec_t		 sampled_mono, sampled_cpu;

	int		 zygote_fd;	/* userproc; -1: none */
	struct userproc	*userproc;
	struct worker	*worker;	/* in a worker: itself */
};

extern const struct param	daemon_params_table[];
extern const size_t		daemon_nparams;

/* daemon.c: the loop, until daemon_exit(). */
void	 daemon_turn(struct daemon *d);

/* options.c: -1 with *err on a bad command line. */
int	 options_parse(struct daemon *d, int argc, char **argv,
	    struct error *err) MUST_USE;

/* params.c: the rows of this program on standard output. */
void	 params_print(const struct daemon_desc *desc);

/* startup.c */
int	 startup_config(struct daemon *d, struct error *err) MUST_USE;
int	 startup_log(struct daemon *d, struct error *err) MUST_USE;
int	 startup_privileges(struct daemon *d, struct error *err) MUST_USE;

/* Before chroot and any fork: whom else the suite runs as. */
int	 startup_users(struct daemon *d, struct error *err) MUST_USE;

/* One of the users that our own daemons run as (root is not among them). */
bool	 startup_is_ours(const struct daemon *d, uid_t uid);

/* serve.c */
int	 serve_open(struct daemon *d, struct error *err) MUST_USE;
void	 serve_begin(struct daemon *d);
void	 serve_end(struct daemon *d);
void	 serve_drain(struct daemon *d, bool stop);
void	 serve_reload(struct daemon *d);
void	 serve_watchdog(struct daemon *d);
void	 serve_sessions_add(struct daemon *d, int64_t delta);

/* userproc.c: fork the process that forks workers, before anything of any
 * user is in memory. */
int	 userproc_prepare(struct daemon *d, struct error *err) MUST_USE;

/* The process is a worker: called when nothing holds it any more. */
void	 userproc_idle(struct daemon *d);

/* In the parent: no worker is left; end them all. */
bool	 userproc_finished(const struct daemon *d);
void	 userproc_end(struct daemon *d);

#endif
