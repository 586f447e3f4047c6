/* SPDX-License-Identifier: Apache-2.0 */
/* loop.h - the event loop: descriptors, timers, signals, deferred calls.
 * The only file that knows libevent is loop.c.  One loop per process,
 * created after the last fork.  Callbacks run one at a time; a callback may
 * free any object, its own included. */
#ifndef SYS_LOOP_H
#define SYS_LOOP_H

#include "base/attr.h"
#include "base/times.h"

struct loop;
struct loop_fd;
struct loop_timer;
struct loop_signal;

enum {
	LOOP_READ  = 1,
	LOOP_WRITE = 2,
	LOOP_EDGE  = 4		/* loop_fd_new() only: edge triggered */
};

/* SIGPIPE is ignored from here on; who runs other programs resets it. */
struct loop	*loop_new(void) MUST_USE;
void	 loop_free(struct loop **l);

/* Handle events until loop_stop(). */
void	 loop_run(struct loop *l);

/* Handle what is ready; wait at most `wait` for something to happen.  For
 * tests and for tools that need one answer. */
void	 loop_once(struct loop *l, usec_t wait);
void	 loop_stop(struct loop *l);

/* cb(arg) runs once, from the loop, before it waits again.  Never inside this
 * call.  Cannot be cancelled: arg must live until then. */
void	 loop_defer(struct loop *l, void (*cb)(void *arg), void *arg);

/* cb(arg) runs in every turn when its callbacks are over, before the loop
 * waits (twice if there was something to do before waiting).  One per loop. */
void	 loop_each_turn(struct loop *l, void (*cb)(void *arg), void *arg);

/* clock_mono(), for what happens many times in a turn and need not be exact: in
 * callbacks of descriptors and timers it is read once a turn. */
usec_t	 loop_now(struct loop *l);

/* Watch fd.  what: LOOP_READ | LOOP_WRITE, 0 for nothing yet.  Level
 * triggered without LOOP_EDGE; hang-up and errors are reported as readable and writable.  The
 * descriptor stays the caller's and must outlive the watch. */
struct loop_fd	*loop_fd_new(struct loop *l, int fd, int what,
		    void (*cb)(void *arg, int what), void *arg) MUST_USE;
void	 loop_fd_want(struct loop_fd *f, int what);
void	 loop_fd_free(struct loop_fd **f);

/* A timer that is not running yet.  cb runs once per loop_timer_set(). */
struct loop_timer	*loop_timer_new(struct loop *l, void (*cb)(void *arg),
			    void *arg) MUST_USE;

/* Run after `delay` from now (monotonic; <= 0: at once, from the loop).
 * Replaces an earlier setting. */
void	 loop_timer_set(struct loop_timer *t, usec_t delay);

/* Run when the callbacks of this turn are over: for what collects and goes out
 * together.  Set by such a callback, it still runs in this turn; set by that, in
 * the next.  Replaces an earlier setting. */
void	 loop_timer_before_wait(struct loop_timer *t);
void	 loop_timer_stop(struct loop_timer *t);
void	 loop_timer_free(struct loop_timer **t);

struct loop_signal	*loop_signal_new(struct loop *l, int signo,
			    void (*cb)(void *arg), void *arg) MUST_USE;
void	 loop_signal_free(struct loop_signal **s);

/* The struct event_base, for libunbound's ub_ctx_create_event() only. */
void	*loop_event_base(struct loop *l);

#endif
