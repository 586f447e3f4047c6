/* SPDX-License-Identifier: Apache-2.0 */
#include "net/dial.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "sys/loop.h"

struct dial {
	int			 fd;
	struct loop_fd		*watch;
	struct loop_timer	*timer;
	int			 failed;	/* errno; told from the loop */
	void			(*done)(void *arg, int fd,
				    const struct error *err);
	void			*arg;
};

static void
dial_free(struct dial *d)
{
	loop_fd_free(&d->watch);
	loop_timer_free(&d->timer);
	mem_free(&d);
}

/* fd < 0: why is e. */
static void
finish(struct dial *d, int fd, int e)
{
	void		(*done)(void *, int, const struct error *) = d->done;
	void		*arg = d->arg;
	struct error	 err = { .sys = e };

	dial_free(d);
	if (fd < 0)
		error_set(&err, "%s", strerror(e));
	err.sys = e;
	done(arg, fd, &err);
}

static void
on_writable(void *arg, int what UNUSED)
{
	struct dial	*d = arg;
	struct error	 err;
	int		 fd = d->fd;

	if (sock_connected(fd, &err) == 0) {
		finish(d, fd, 0);
		return;
	}
	loop_fd_free(&d->watch);
	close(fd);
	finish(d, -1, err.sys);
}

static void
on_timer(void *arg)
{
	struct dial	*d = arg;
	int		 e = d->failed != 0 ? d->failed : ETIMEDOUT;

	loop_fd_free(&d->watch);
	if (d->fd >= 0)
		close(d->fd);
	finish(d, -1, e);
}

struct dial *
dial_tcp(struct loop *l, const struct sock_addr *to,
    const struct sock_addr *from, usec_t timeout,
    void (*done)(void *, int, const struct error *), void *arg)
{
	struct dial	*d = mem_new(1, sizeof(*d));
	struct error	 err;

	d->done = done;
	d->arg = arg;
	d->timer = loop_timer_new(l, on_timer, d);
	if (sock_connect(to, from, &d->fd, &err) < 0) {
		d->fd = -1;
		d->failed = err.sys;
		loop_timer_set(d->timer, 0);
		return d;
	}
	d->watch = loop_fd_new(l, d->fd, LOOP_WRITE, on_writable, d);
	loop_timer_set(d->timer, timeout);
	return d;
}

void
dial_cancel(struct dial **dp)
{
	struct dial	*d = *dp;

	*dp = NULL;
	if (d == NULL)
		return;
	loop_fd_free(&d->watch);
	if (d->fd >= 0)
		close(d->fd);
	dial_free(d);
}
