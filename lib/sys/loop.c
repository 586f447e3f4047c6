/* SPDX-License-Identifier: Apache-2.0 */
/* Two libevent events per descriptor, one for each direction: a change of
 * interest is then one system call.  Changes are collected until the loop is
 * about to wait, since many are undone within the same turn; libevent's own
 * change list is not used, it leaves registrations behind for descriptors that
 * another process shares.  Taking a watch away works at once.
 *
 * A turn: what was to run at once (deferred calls, timers without delay), then
 * what was to run before waiting, then the changes, then events.
 *
 * "A callback may free any object": nothing here is touched after a callback
 * was entered, and libevent itself promises the same for its events. */
#include "sys/loop.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/time.h>

#include "base/list.h"
#include "base/mem.h"
#include "base/panic.h"
#include "sys/clock.h"

struct loop {
	struct event_base	*base;
	struct event		*once;
	struct list		 soon, late;	/* struct task */
	struct list		 changed;	/* struct loop_fd */
	void			(*turn)(void *arg);
	void			*turn_arg;
	bool			 calling;	/* callbacks of descriptors */
	usec_t			 now;		/* meanwhile; 0: not asked */
	bool			 stop;
};

struct task {
	struct list	 link;
	void		(*cb)(void *arg);
	void		*arg;
	bool		 is_ours;	/* to be freed when it runs */
};

/* Readiness to write is rare: its event is not looked at otherwise. */
struct loop_fd {
	void		(*cb)(void *arg, int what);
	void		*arg;
	int		 what;		/* wanted */
	int		 has;		/* of libevent */
	struct loop	*loop;
	struct list	 change;
	struct event	 read, write;
};

struct loop_timer {
	struct loop	*loop;
	struct event	 ev;
	struct task	 task;
};

struct loop_signal {
	struct event	 ev;
	void		(*cb)(void *arg);
	void		*arg;
};

/* Runs what was there when it began: a call deferred by a deferred call waits
 * for its turn, so that descriptors are served in between. */
static void
run_tasks(struct list *tasks)
{
	struct list	 now, *link;
	struct task	*t;

	list_init(&now);
	while ((link = list_take(tasks)) != NULL)
		list_put_last(&now, link);
	while ((link = list_take(&now)) != NULL) {
		void	(*cb)(void *);
		void	*arg;

		t = LIST_ENTRY(link, struct task, link);
		cb = t->cb;
		arg = t->arg;
		if (t->is_ours)
			mem_free(&t);
		cb(arg);
	}
}

static void
set_wanted(struct event *ev, int was, int want)
{
	if (was == want)
		return;
	if (want == 0)
		event_del(ev);
	else if (event_add(ev, NULL) != 0)
		panic("event_add(%d) failed", (int)event_get_fd(ev));
}

static void
apply(struct loop_fd *f, int what)
{
	set_wanted(&f->read, f->has & LOOP_READ, what & LOOP_READ);
	set_wanted(&f->write, f->has & LOOP_WRITE, what & LOOP_WRITE);
	f->has = what;
}

/* The loop is about to wait. */
static void
settle(struct loop *l)
{
	struct list	*link;

	if (l->turn != NULL)
		l->turn(l->turn_arg);
	if (!list_empty(&l->late)) {
		/* What one of them gives rise to goes out with it. */
		for (int i = 0; i < 2 && !list_empty(&l->late); i++)
			run_tasks(&l->late);
		if (l->turn != NULL)
			l->turn(l->turn_arg);
	}
	while ((link = list_take(&l->changed)) != NULL) {
		struct loop_fd	*f = LIST_ENTRY(link, struct loop_fd, change);

		apply(f, f->what);
	}
}

static void
poll_once(struct loop *l, bool wait)
{
	settle(l);
	if (!list_empty(&l->soon) || !list_empty(&l->late))
		wait = false;
	l->now = 0;
	l->calling = true;
	/* Once in any case: changes of interest are due after each round. */
	if (event_base_loop(l->base, EVLOOP_ONCE | (wait ?
	    EVLOOP_NO_EXIT_ON_EMPTY : EVLOOP_NONBLOCK)) < 0)
		panic("event_base_loop() failed");
	l->calling = false;
}

static void
do_nothing(evutil_socket_t fd UNUSED, short what UNUSED, void *arg UNUSED)
{
}

struct loop *
loop_new(void)
{
	struct loop		*l = mem_new(1, sizeof(*l));
	struct event_config	*c = event_config_new();

	ASSERT(c != NULL);
	signal(SIGPIPE, SIG_IGN);
	event_config_set_flag(c, EVENT_BASE_FLAG_NOLOCK);
	/* Timers count from the call, not from when the loop woke up. */
	event_config_set_flag(c, EVENT_BASE_FLAG_NO_CACHE_TIME);
	l->base = event_base_new_with_config(c);
	event_config_free(c);
	if (l->base == NULL)
		panic("event_base_new_with_config() failed");
	list_init(&l->soon);
	list_init(&l->late);
	list_init(&l->changed);
	l->once = event_new(l->base, -1, 0, do_nothing, NULL);
	ASSERT(l->once != NULL);
	return l;
}

void
loop_free(struct loop **lp)
{
	struct loop	*l = *lp;
	struct list	*link;
	struct task	*t;

	*lp = NULL;
	if (l == NULL)
		return;
	while ((link = list_take(&l->soon)) != NULL) {
		t = LIST_ENTRY(link, struct task, link);
		if (t->is_ours)
			mem_free(&t);
	}
	event_free(l->once);
	event_base_free(l->base);
	mem_free(&l);
}

void
loop_run(struct loop *l)
{
	while (!l->stop) {
		run_tasks(&l->soon);
		if (!l->stop)
			poll_once(l, true);
	}
	settle(l);
	l->stop = false;
}

static struct timeval
to_timeval(usec_t t)
{
	if (t < 0)
		t = 0;
	return (struct timeval){ .tv_sec = t / USEC_PER_SEC,
	    .tv_usec = t % USEC_PER_SEC };
}

void
loop_once(struct loop *l, usec_t wait)
{
	struct timeval	tv = to_timeval(wait);

	if (!list_empty(&l->soon)) {
		run_tasks(&l->soon);
		wait = 0;
	}
	if (wait > 0)
		event_add(l->once, &tv);
	poll_once(l, wait > 0);
	event_del(l->once);
	run_tasks(&l->soon);
	settle(l);
}

usec_t
loop_now(struct loop *l)
{
	if (!l->calling)
		return clock_mono();
	if (l->now == 0)
		l->now = clock_mono();
	return l->now;
}

void
loop_stop(struct loop *l)
{
	l->stop = true;
	event_base_loopbreak(l->base);
}

void
loop_each_turn(struct loop *l, void (*cb)(void *), void *arg)
{
	l->turn = cb;
	l->turn_arg = arg;
}

void
loop_defer(struct loop *l, void (*cb)(void *), void *arg)
{
	struct task	*t = mem_new(1, sizeof(*t));

	*t = (struct task){ .cb = cb, .arg = arg, .is_ours = true };
	list_put_last(&l->soon, &t->link);
}

/* libevent does not know yet of interest that was lost in this turn. */
static void
fd_ready(evutil_socket_t fd UNUSED, short what, void *arg)
{
	struct loop_fd	*f = arg;
	int		 is = (what & EV_READ) != 0 ? LOOP_READ : LOOP_WRITE;

	if ((f->what & is) != 0)
		f->cb(f->arg, is);
}

struct loop_fd *
loop_fd_new(struct loop *l, int fd, int what, void (*cb)(void *, int),
    void *arg)
{
	struct loop_fd	*f = mem_new(1, sizeof(*f));
	short		 how = EV_PERSIST | (what & LOOP_EDGE ? EV_ET : 0);

	f->loop = l;
	f->cb = cb;
	f->arg = arg;
	event_assign(&f->read, l->base, fd, EV_READ | how, fd_ready, f);
	event_assign(&f->write, l->base, fd, EV_WRITE | how, fd_ready, f);
	loop_fd_want(f, what & ~LOOP_EDGE);
	return f;
}

void
loop_fd_want(struct loop_fd *f, int what)
{
	f->what = what;
	if (what == f->has)
		list_remove(&f->change);
	else if (!list_linked(&f->change))
		list_put_last(&f->loop->changed, &f->change);
}

void
loop_fd_free(struct loop_fd **f)
{
	if (*f == NULL)
		return;
	list_remove(&(*f)->change);
	apply(*f, 0);
	mem_free(f);
}

static void
timer_ready(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct loop_timer	*t = arg;

	t->task.cb(t->task.arg);
}

struct loop_timer *
loop_timer_new(struct loop *l, void (*cb)(void *arg), void *arg)
{
	struct loop_timer	*t = mem_new(1, sizeof(*t));

	t->loop = l;
	t->task = (struct task){ .cb = cb, .arg = arg };
	evtimer_assign(&t->ev, l->base, timer_ready, t);
	return t;
}

void
loop_timer_set(struct loop_timer *t, usec_t delay)
{
	struct timeval	tv = to_timeval(delay);

	if (delay <= 0) {
		loop_timer_stop(t);
		list_put_last(&t->loop->soon, &t->task.link);
		return;
	}
	list_remove(&t->task.link);
	if (event_add(&t->ev, &tv) != 0)
		panic("event_add(timer) failed");
}

void
loop_timer_before_wait(struct loop_timer *t)
{
	loop_timer_stop(t);
	list_put_last(&t->loop->late, &t->task.link);
}

void
loop_timer_stop(struct loop_timer *t)
{
	list_remove(&t->task.link);
	event_del(&t->ev);
}

void
loop_timer_free(struct loop_timer **t)
{
	if (*t == NULL)
		return;
	loop_timer_stop(*t);
	mem_free(t);
}

static void
signal_ready(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct loop_signal	*s = arg;

	s->cb(s->arg);
}

struct loop_signal *
loop_signal_new(struct loop *l, int signo, void (*cb)(void *), void *arg)
{
	struct loop_signal	*s = mem_new(1, sizeof(*s));

	s->cb = cb;
	s->arg = arg;
	evsignal_assign(&s->ev, l->base, signo, signal_ready, s);
	if (event_add(&s->ev, NULL) != 0)
		panic("event_add(signal %d) failed", signo);
	return s;
}

void
loop_signal_free(struct loop_signal **s)
{
	if (*s == NULL)
		return;
	event_del(&(*s)->ev);
	mem_free(s);
}

void *
loop_event_base(struct loop *l)
{
	return l->base;
}
