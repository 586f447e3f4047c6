/* SPDX-License-Identifier: Apache-2.0 */
/* master.h - starts, watches and restarts the daemons; knows no mail. */
#ifndef MASTER_MASTER_H
#define MASTER_MASTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/error.h"
#include "base/list.h"
#include "base/times.h"
#include "conf/common.h"
#include "conf/conf.h"
#include "conf/mastercf.h"
#include "daemon/board.h"
#include "sys/cpu.h"
#include "sys/loop.h"
#include "sys/sock.h"

#define MASTER_SLOTS	1024

struct master_conf {
	usec_t		 throttle_time, stop_time, stress_time;
	const char	*service_disable;
	int64_t		 backlog;
	const char	*import_environment;
};

/* One generation of configuration. */
struct config {
	struct arena		*mem;
	struct conf		*conf;
	struct conf_common	 common;
	struct master_conf	 own;
	struct master_cf	 services;
	struct config		*older;
};

enum program_need {
	PROGRAM_RUN,
	PROGRAM_ONE,		/* never two at a time, not even on reload */
	PROGRAM_SUCCEEDED,	/* one serves; the next begins at once while an
				 * older one finishes: they lock their work */
	PROGRAM_UNNEEDED	/* another part of Posthouse does its work */
};

/* What a command name of master.cf means to us. */
struct program {
	const char		*command;
	const char		*file;		/* below daemon_directory */
	enum program_need	 need;
};

/* One listening socket. */
struct endpoint {
	char			*text;	/* "127.0.0.1:25", "private/bounce" */
	struct sock_addr	 addr;	/* inet */
	int			 fd;	/* -1: not open (any more) */
	struct loop_fd		*watch;
	struct service		*s;
};

struct service {
	struct list	 link;
	struct master	*m;
	char		*key;		/* "inet 25", "unix private/bounce" */
	const struct master_service	*cf;
	const struct program	*program;
	uint64_t	 generation;
	struct endpoint	*endpoints;
	size_t		 nendpoints;
	struct list	 children;
	struct loop_timer	*wake_timer, *throttle_timer;
	bool		 throttled, wanted, used, wake_pending, removed;
	unsigned int	 failures;
	usec_t		 failed_mono, stressed_until_mono, warned_mono;
};

enum child_state {
	CHILD_STARTING, CHILD_ROOM, CHILD_FULL, CHILD_RETIRING
};

struct child {
	struct list	 link;
	struct service	*s;		/* NULL: its service was removed */
	struct master	*m;
	pid_t		 pid;
	enum child_state	 state;
	bool		 was_ready;
	usec_t		 started_mono;
	int		 control;
	struct loop_fd	*watch;
	unsigned int	 slot;
	char		*path;		/* for the log */
};

struct master {
	const char	*config_dir;
	struct config	*config;
	struct loop	*loop;
	uint64_t	 generation;
	struct list	 services;
	struct list	 orphans;	/* children of removed services */
	size_t		 nchildren;
	int		 board_fd;
	void		*board;
	unsigned char	 slots[MASTER_SLOTS];	/* 1: in use */
	bool		 privileged, stopping, verbose;
	struct cpu_watch cpu;
	struct loop_timer	*stop_timer;
};

/* config.c: read main.cf and master.cf.  On success the new one is current;
 * the older stay, because services point into them. */
int	 config_load(struct master *m, struct error *err) MUST_USE;
void	 config_free(struct master *m);
const struct program	*config_program(const struct master_service *s);
extern const struct param	master_params[];
extern const size_t		master_nparams;

/* directories.c: make what is missing; say (log_warn) what is wrong.  Returns
 * the number of faults, -1 with *err if mail cannot work. */
int	 directories_make(const struct config *c, bool privileged,
	    struct error *err) MUST_USE;
int	 directories_check(const struct config *c, bool privileged);

/* check.c: all of the configuration; the number of faults, each logged. */
int	 check_all(struct master *m);

/* endpoint.c: where a service listens.  The array is the caller's to
 * endpoint_free(); nothing is opened. */
int	 endpoint_list(const struct config *c, const struct master_service *s,
	    struct endpoint **out, size_t *n_out, struct error *err) MUST_USE;
int	 endpoint_open(struct endpoint *e, const struct service *s,
	    struct error *err) MUST_USE;
void	 endpoint_close(struct endpoint *e, bool gone);
void	 endpoint_free(struct endpoint **e, size_t n);
/* "inet 127.0.0.1:25": numeric port, the same for all spellings. */
char	*endpoint_key(const struct master_service *s);

/* service.c */
int	 service_apply(struct master *m, bool starting, struct error *err)
	    MUST_USE;
void	 service_free_all(struct master *m);
/* Something changed (a child began, filled up, ended): watch sockets or not,
 * start another process or not. */
void	 service_update(struct service *s);

/* One process at a time does its work. */
bool	 service_is_single(const struct service *s);
/* A process of this age ended badly: how long to wait before the next. */
void	 service_failed(struct service *s, bool was_ready, usec_t age);
void	 service_stop_listening(struct master *m, bool gone);

/* child.c */
int	 child_start(struct service *s);
void	 child_wake(struct service *s);
/* Tell all of its processes: read the configuration again, or (reload false)
 * end when what is under way is done. */
void	 child_renew(struct service *s, bool reload);
void	 child_reap(struct master *m);
void	 child_signal_all(struct master *m, int signo, bool groups);
size_t	 child_count(const struct service *s, enum child_state state);
void	 child_orphan(struct service *s);

#endif
