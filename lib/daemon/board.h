/* SPDX-License-Identifier: Apache-2.0 */
/* board.h - the scoreboard: one page of shared memory per process.
 * Master makes it; each daemon maps its own page only; `posthouse status`
 * reads it all.  For people and metrics: nothing is decided by what a daemon
 * writes here. */
#ifndef DAEMON_BOARD_H
#define DAEMON_BOARD_H

#include <stdatomic.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/attr.h"
#include "base/error.h"
#include "base/times.h"

#define BOARD_MAGIC		UINT64_C(0x3130445244424850)
#define BOARD_SLOT_SIZE		4096
#define BOARD_SLOTS_MAX		4096
#define BOARD_COUNTERS		16
#define BOARD_MEMFD_NAME	"posthouse-scoreboard"

enum board_state {
	BOARD_FREE, BOARD_STARTING, BOARD_SERVING, BOARD_FULL, BOARD_DRAINING
};

/* Written by master when a process is forked (the upper part) and by the
 * process itself (the atomics). */
struct board_slot {
	uint64_t	 magic;
	int64_t		 pid;
	uint64_t	 generation;	/* of the configuration */
	usec_t		 started_wall;
	char		 service[64];	/* as in master.cf */
	char		 type[8];
	char		 program[64];

	_Atomic uint64_t state;		/* enum board_state */
	_Atomic uint64_t sessions, sessions_total, limit;
	_Atomic int64_t	 changed_wall;	/* last begin or end of a session */
	_Atomic uint64_t counters[BOARD_COUNTERS];
};

/* What the environment variable says to a daemon: descriptors and place. */
#define BOARD_ENV	"POSTHOUSE_MASTER"

struct board_place {
	int		 control_fd;	/* socket to master */
	int		 board_fd;	/* -1: none */
	unsigned int	 slot;
	uint64_t	 generation;
};

/* Both directions of BOARD_ENV's value.  get: -1 if it is malformed. */
void	 board_place_put(const struct board_place *p, char *out, size_t size);
int	 board_place_get(const char *text, struct board_place *out) MUST_USE;

/* A new scoreboard of nslots pages: a memory file. */
int	 board_create(unsigned int nslots, int *fd_out, struct error *err)
	    MUST_USE;

/* Map all of it (for master: writable) / one page.  NULL: *err. */
void	*board_map(int fd, unsigned int nslots, int writable,
	    struct error *err) MUST_USE;
struct board_slot	*board_map_slot(int fd, unsigned int slot,
			    struct error *err) MUST_USE;

/* Slot number `slot` of a mapping of all. */
struct board_slot	*board_slot(void *map, unsigned int slot);

/* What goes over the control socket, one byte each.  EOF on it tells a daemon
 * that master is gone, and master that the daemon is. */
enum board_message {
	BOARD_READY	= 'R',	/* start-up succeeded */
	BOARD_IS_FULL	= 'F',	/* accepts no more connections */
	BOARD_HAS_ROOM	= 'A',	/* accepts again */
	BOARD_RETIRES	= 'D',	/* accepts no more, ever */
	BOARD_IS_BUSY	= 'B',	/* uses most of a processor */
	/* master to daemon */
	BOARD_WAKEUP	= 'W',
	BOARD_RELOAD	= 'H',	/* as SIGHUP */
	BOARD_RETIRE	= 'Q'	/* drain, whatever you are */
};

#endif
