/* SPDX-License-Identifier: Apache-2.0 */
/* The log is written once per transaction, which is the notification of our
 * own programs; the directories tell of others'.  Several views may watch one
 * file: the kernel gives them the same watch descriptor, so that it is removed
 * only with its last user. */
#include <stdbool.h>

#include "store/watch.h"

#include <errno.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/mem.h"
#include "store/log.h"
#include "store/store_int.h"
#include "sys/loop.h"

struct watcher {
	int		 fd;
	struct loop_fd	*event;
	struct list	 watches;
};

static void
mark(struct watcher *w, int wd)
{
	for (struct list *l = w->watches.next; l != &w->watches; l = l->next) {
		struct watch	*x = LIST_ENTRY(l, struct watch, link);

		for (size_t i = 0; i < COUNT(x->wds); i++)
			if (x->wds[i] == wd || wd < 0)
				x->pending = true;
	}
}

/* A callback may end any watch: start over after each. */
static void
tell(struct watcher *w)
{
	struct list	*l = w->watches.next;

	while (l != &w->watches) {
		struct watch	*x = LIST_ENTRY(l, struct watch, link);

		l = l->next;
		if (!x->pending)
			continue;
		x->pending = false;
		x->notify(x->arg);
		l = w->watches.next;
	}
}

static void
readable(void *arg, int what)
{
	struct watcher	*w = arg;
	_Alignas(struct inotify_event) char	buf[8192];
	ssize_t		 n;

	(void)what;
	while ((n = read(w->fd, buf, sizeof(buf))) > 0) {
		for (ssize_t at = 0; at < n;) {
			const struct inotify_event	*e =
			    (const void *)(buf + at);

			mark(w, (e->mask & IN_Q_OVERFLOW) != 0 ? -1 : e->wd);
			at += (ssize_t)(sizeof(*e) + e->len);
		}
	}
	tell(w);
}

static struct watcher *
watcher_of(struct store *s, struct error *err)
{
	struct watcher	*w = s->watcher;

	if (w != NULL)
		return w;
	if (s->loop == NULL) {
		error_set(err, "no event loop");
		return NULL;
	}
	w = mem_new(1, sizeof(*w));
	w->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (w->fd < 0) {
		error_sys(err, "inotify_init");
		mem_free(&w);
		return NULL;
	}
	list_init(&w->watches);
	w->event = loop_fd_new(s->loop, w->fd, LOOP_READ, readable, w);
	s->watcher = w;
	return w;
}

int
watch_on(struct store *s, struct watch *x, const char *path,
    struct error *err)
{
	static const struct { const char *name; uint32_t mask; } what[] = {
		{ LOG_FILE, IN_MODIFY | IN_ATTRIB },
		{ "new", IN_CREATE | IN_DELETE | IN_MOVE | IN_ONLYDIR },
		{ "cur", IN_CREATE | IN_DELETE | IN_MOVE | IN_ONLYDIR },
	};
	struct watcher	*w = watcher_of(s, err);
	bool		 on = list_linked(&x->link);

	if (w == NULL)
		return -1;
	if (!on) {
		for (size_t i = 0; i < COUNT(x->wds); i++)
			x->wds[i] = -1;
		list_put_last(&w->watches, &x->link);
	}
	for (size_t i = 0; i < COUNT(what); i++) {
		char	*file = mem_printf("%s/%s", path, what[i].name);

		x->wds[i] = inotify_add_watch(w->fd, file, what[i].mask);
		mem_free(&file);
		if (x->wds[i] < 0) {
			error_sys(err, "watch %s/%s", path, what[i].name);
			watch_off(s, x);
			return -1;
		}
	}
	return 0;
}

static bool
used(const struct watcher *w, int wd)
{
	for (const struct list *l = w->watches.next; l != &w->watches;
	    l = l->next) {
		const struct watch	*x = LIST_ENTRY(l, struct watch, link);

		for (size_t i = 0; i < COUNT(x->wds); i++)
			if (x->wds[i] == wd)
				return true;
	}
	return false;
}

void
watch_off(struct store *s, struct watch *x)
{
	struct watcher	*w = s->watcher;

	if (w == NULL || !list_linked(&x->link))
		return;
	list_remove(&x->link);
	for (size_t i = 0; i < COUNT(x->wds); i++)
		if (x->wds[i] >= 0 && !used(w, x->wds[i]))
			(void)inotify_rm_watch(w->fd, x->wds[i]);
}

void
watch_free(struct watcher **wp)
{
	struct watcher	*w = *wp;

	if (w == NULL)
		return;
	loop_fd_free(&w->event);
	close(w->fd);
	mem_free(wp);
}
