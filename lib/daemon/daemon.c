/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/daemon.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/panic.h"
#include "daemon/daemon_int.h"
#include "sys/clock.h"
#include "sys/log.h"

#define SYNC_THREADS	8

static int
open_board(struct daemon *d, struct error *err)
{
	const struct board_place	*p = &d->opt.place;

	d->control_fd = d->zygote_fd = -1;
	if (!d->opt.by_master)
		return 0;
	d->control_fd = p->control_fd;
	if (fcntl(d->control_fd, F_SETFD, FD_CLOEXEC) < 0)
		return error_sys(err, "socket to master");
	if (p->board_fd < 0)
		return 0;
	d->slot = board_map_slot(p->board_fd, p->slot, err);
	/* Only our own page stays within reach. */
	close(p->board_fd);
	return d->slot == NULL ? -1 : 0;
}

/* All up to the event loop, in the order the header promises. */
static int
start_up(struct daemon *d, struct error *err)
{
	const struct daemon_desc	*desc = d->desc;

	if (open_board(d, err) < 0 || startup_config(d, err) < 0)
		return -1;
	if (chdir(d->gen->common.queue_directory) < 0)
		return error_sys(err, "chdir %s",
		    d->gen->common.queue_directory);
	if (startup_log(d, err) < 0 || serve_open(d, err) < 0)
		return -1;
	d->privileged = geteuid() == 0 &&
	    (d->opt.by_master || d->opt.unpriv);
	if (startup_users(d, err) < 0)
		return -1;
	if (desc->open_as_root != NULL && desc->open_as_root(d, err) < 0)
		return -1;
	if (desc->user == DAEMON_ROOT && userproc_prepare(d, err) < 0)
		return -1;
	if (startup_privileges(d, err) < 0)
		return -1;
	d->loop = loop_new();
	d->peers = hash_new();
	return desc->start == NULL ? 0 : desc->start(d, err);
}

/* What programs hang on their daemon is theirs until the process ends: it is
 * not freed, and stays reachable, so that leak checkers speak of lost memory
 * only. */
static struct daemon	*running;

static void
clean_up(struct daemon *d)
{
	if (d->loop != NULL) {
		if (d->desc->finish != NULL)
			d->desc->finish(d);
		serve_end(d);
		syncer_free(&d->syncer);
		loop_free(&d->loop);
	}
}

static void
flush_log(void *arg UNUSED)
{
	log_flush();
}

void
daemon_turn(struct daemon *d)
{
	log_hold();
	loop_each_turn(d->loop, flush_log, NULL);
	loop_run(d->loop);
	log_flush();
}

int
daemon_run(const struct daemon_desc *desc, int argc, char **argv)
{
	struct arena	*mem = arena_new();
	struct daemon	*d = arena_alloc(mem, sizeof(*d));
	struct error	 err;

	running = d;
	d->desc = desc;
	d->mem = mem;
	(void)umask(077);
	signal(SIGPIPE, SIG_IGN);
	if (options_parse(running, argc, argv, &err) < 0)
		log_fatal("%s: %s", desc->name, err.text);
	if (d->opt.print_params) {
		params_print(desc);
		arena_free(&mem);
		return 0;
	}
	if (d->opt.check_config) {
		if (startup_config(d, &err) < 0)
			log_fatal("%s: %s", desc->name, err.text);
		clean_up(d);
		return 0;
	}
	if (start_up(d, &err) < 0)
		log_fatal("%s", err.text);
	serve_begin(d);
	if (!d->exiting)
		daemon_turn(d);
	clean_up(d);
	return 0;
}

struct loop *
daemon_loop(struct daemon *d)
{
	ASSERT(d->loop != NULL);
	return d->loop;
}

struct syncer *
daemon_syncer(struct daemon *d)
{
	if (d->syncer == NULL)
		d->syncer = syncer_new(daemon_loop(d), SYNC_THREADS);
	return d->syncer;
}

const struct conf *
daemon_conf(const struct daemon *d)
{
	return d->gen->conf;
}

const struct conf_common *
daemon_common(const struct daemon *d)
{
	return &d->gen->common;
}

const void *
daemon_params(const struct daemon *d)
{
	return d->gen->params;
}

const void *
daemon_conf_of(const struct daemon *d, const struct param *params)
{
	for (size_t i = 0; i < d->desc->nparts; i++)
		if (d->desc->parts[i].params == params)
			return d->gen->parts[i];
	panic("daemon_conf_of: %s has no such part", d->desc->name);
}

const char *
daemon_service(const struct daemon *d)
{
	return d->service;
}

const char *
daemon_service_name(const struct daemon *d)
{
	return d->service_name;
}

const char *const *
daemon_args(const struct daemon *d)
{
	return d->opt.args;
}

struct arena *
daemon_arena(struct daemon *d)
{
	return d->mem;
}

void
daemon_set_state(struct daemon *d, void *state)
{
	d->state = state;
}

void *
daemon_state(const struct daemon *d)
{
	return d->state;
}

uint64_t
daemon_sessions(const struct daemon *d)
{
	return d->sessions;
}

bool
daemon_draining(const struct daemon *d)
{
	return d->draining;
}

bool
daemon_stopping(const struct daemon *d)
{
	return d->stopping;
}

void
daemon_retire(struct daemon *d, const char *why)
{
	if (d->draining)
		return;
	log_info("%s -- restarting", why);
	serve_drain(d, false);
}

void
daemon_exit(struct daemon *d)
{
	d->exiting = true;
	loop_stop(d->loop);
}

bool
daemon_privileged(const struct daemon *d)
{
	return d->privileged;
}

void
daemon_count(struct daemon *d, enum daemon_counter c, uint64_t n)
{
	_Static_assert(COUNT_MAX <= BOARD_COUNTERS, "scoreboard too small");
	if (d->slot != NULL)
		atomic_fetch_add_explicit(&d->slot->counters[c], n,
		    memory_order_relaxed);
}
