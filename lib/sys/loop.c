/* SPDX-License-Identifier: Apache-2.0 */
/* Two libevent events per descriptor, one for each direction: a change of
 * interest is then one system call.  The epoll change list is not used; it
 * leaves registrations behind for descriptors that another process shares.
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

struct loop {
	struct event_base	*base;
	struct event		*defer;
	struct event		*once;
	struct list		 deferred;	/* struct deferred */
	bool			 stop;
};

struct deferred {
	struct list	 link;
	void		(*cb)(void *arg);
	void		*arg;
};

struct loop_fd {
	struct event	 read, write;
	int		 what;
	void		(*cb)(void *arg, int what);
	void		*arg;
};

struct loop_timer {
	struct event	 ev;
	void		(*cb)(void *arg);
	void		*arg;
};

struct loop_signal {
	struct event	 ev;
	void		(*cb)(void *arg);
	void		*arg;
};

/* Runs what was there when it began: a call deferred by a deferred call waits
 * for its turn, so that descriptors are served in between. */
static void
run_deferred(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct loop	*l = arg;
	struct list	*last = l->deferred.prev, *link;
	struct deferred	*d;
	bool		 end = list_empty(&l->deferred);

	while (!end && (link = list_take(&l->deferred)) != NULL) {
		end = link == last;
		d = LIST_ENTRY(link, struct deferred, link);
		d->cb(d->arg);
		mem_free(&d);
	}
	if (!list_empty(&l->deferred))
		event_active(l->defer, EV_TIMEOUT, 0);
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
	list_init(&l->deferred);
	l->defer = event_new(l->base, -1, 0, run_deferred, l);
	l->once = event_new(l->base, -1, 0, do_nothing, NULL);
	ASSERT(l->defer != NULL && l->once != NULL);
	return l;
}

void
loop_free(struct loop **lp)
{
	struct loop	*l = *lp;
	struct list	*link;
	struct deferred	*d;

	*lp = NULL;
	if (l == NULL)
		return;
	while ((link = list_take(&l->deferred)) != NULL) {
		d = LIST_ENTRY(link, struct deferred, link);
		mem_free(&d);
	}
	event_free(l->defer);
	event_free(l->once);
	event_base_free(l->base);
	mem_free(&l);
}

void
loop_run(struct loop *l)
{
	while (!l->stop)
		if (event_base_loop(l->base,
		    EVLOOP_ONCE | EVLOOP_NO_EXIT_ON_EMPTY) < 0)
			panic("event_base_loop() failed");
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

	if (wait > 0)
		event_add(l->once, &tv);
	if (event_base_loop(l->base, wait > 0 ?
	    EVLOOP_ONCE | EVLOOP_NO_EXIT_ON_EMPTY : EVLOOP_NONBLOCK) < 0)
		panic("event_base_loop() failed");
	event_del(l->once);
}

void
loop_stop(struct loop *l)
{
	l->stop = true;
	event_base_loopbreak(l->base);
}

void
loop_defer(struct loop *l, void (*cb)(void *), void *arg)
{
	struct deferred	*d = mem_new(1, sizeof(*d));

	d->cb = cb;
	d->arg = arg;
	list_put_last(&l->deferred, &d->link);
	event_active(l->defer, EV_TIMEOUT, 0);
}

static void
fd_ready(evutil_socket_t fd UNUSED, short what, void *arg)
{
	struct loop_fd	*f = arg;

	f->cb(f->arg, (what & EV_READ) != 0 ? LOOP_READ : LOOP_WRITE);
}

struct loop_fd *
loop_fd_new(struct loop *l, int fd, int what, void (*cb)(void *, int),
    void *arg)
{
	struct loop_fd	*f = mem_new(1, sizeof(*f));

	f->cb = cb;
	f->arg = arg;
	event_assign(&f->read, l->base, fd, EV_READ | EV_PERSIST, fd_ready, f);
	event_assign(&f->write, l->base, fd, EV_WRITE | EV_PERSIST, fd_ready,
	    f);
	loop_fd_want(f, what);
	return f;
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

void
loop_fd_want(struct loop_fd *f, int what)
{
	set_wanted(&f->read, f->what & LOOP_READ, what & LOOP_READ);
	set_wanted(&f->write, f->what & LOOP_WRITE, what & LOOP_WRITE);
	f->what = what;
}

void
loop_fd_free(struct loop_fd **f)
{
	if (*f == NULL)
		return;
	loop_fd_want(*f, 0);
	mem_free(f);
}

static void
timer_ready(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct loop_timer	*t = arg;

	t->cb(t->arg);
}

struct loop_timer *
loop_timer_new(struct loop *l, void (*cb)(void *), void *arg)
{
	struct loop_timer	*t = mem_new(1, sizeof(*t));

	t->cb = cb;
	t->arg = arg;
	evtimer_assign(&t->ev, l->base, timer_ready, t);
	return t;
}

void
loop_timer_set(struct loop_timer *t, usec_t delay)
{
	struct timeval	tv = to_timeval(delay);

	if (event_add(&t->ev, &tv) != 0)
		panic("event_add(timer) failed");
}

void
loop_timer_stop(struct loop_timer *t)
{
	event_del(&t->ev);
}

void
loop_timer_free(struct loop_timer **t)
{
	if (*t == NULL)
		return;
	event_del(&(*t)->ev);
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
