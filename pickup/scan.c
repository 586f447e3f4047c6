/* SPDX-License-Identifier: Apache-2.0 */
/* Looking into maildrop/: one listing at a time, a few files of it under way,
 * and another listing when something happened meanwhile. */
#include "pickup/pickup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "sys/log.h"
#include "sys/loop.h"
#include "sys/sock.h"

#define AT_ONCE		32
#define LISTING_MAX	10000

int
scan_open(struct pickup *p, struct error *err)
{
	p->maildrop = open("maildrop", O_PATH | O_DIRECTORY | O_NOFOLLOW |
	    O_CLOEXEC);
	if (p->maildrop < 0)
		return error_sys(err, "open directory maildrop");
	p->under_way = hash_new();
	p->names_mem = arena_new();
	return 0;
}

static void
list(struct pickup *p)
{
	struct dirent	*e;
	DIR		*d;
	int		 fd;

	p->again = false;
	p->nnames = p->at = 0;
	arena_reset(p->names_mem);
	p->names = arena_array(p->names_mem, LISTING_MAX, sizeof(*p->names));
	fd = openat(p->maildrop, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	d = fd < 0 ? NULL : fdopendir(fd);
	if (d == NULL) {
		log_error("list directory maildrop: error %d", errno);
		if (fd >= 0)
			(void)close(fd);
		return;
	}
	while ((e = readdir(d)) != NULL) {
		if (!queue_id_ok(e->d_name))
			continue;
		if (p->nnames == LISTING_MAX) {
			p->again = true;
			break;
		}
		p->names[p->nnames++] = arena_strdup(p->names_mem, e->d_name);
	}
	(void)closedir(d);
}

static void	 schedule(struct pickup *p);

/* Tables cannot be opened again without root.  A fresh process does it, and
 * is wanted now: master starts one when somebody connects. */
static void
hand_over(struct pickup *p)
{
	struct error	 err;
	int		 fd;

	daemon_retire(p->d, "a table has changed");
	if (sock_connect_unix("public/pickup", &fd, &err) == 0)
		(void)close(fd);
}

static void
run(void *arg)
{
	struct pickup	*p = arg;
	const char	*name;

	p->scheduled = false;
	if (daemon_draining(p->d))
		return;
	if (route_changed(p->route) || intake_changed(p->intake)) {
		hand_over(p);
		return;
	}
	if (p->at == p->nnames && p->again)
		list(p);
	while (p->at < p->nnames && hash_count(p->under_way) < AT_ONCE) {
		name = p->names[p->at++];
		if (hash_gets(p->under_way, name) != NULL)
			continue;
		/* Marked first: the end may come from inside. */
		(void)hash_puts(p->under_way, name, p);
		if (!drop_begin(p, name))
			(void)hash_dels(p->under_way, name);
	}
	if (p->at == p->nnames && p->again &&
	    hash_count(p->under_way) < AT_ONCE)
		schedule(p);
}

static void
schedule(struct pickup *p)
{
	if (p->scheduled)
		return;
	p->scheduled = true;
	loop_defer(daemon_loop(p->d), run, p);
}

void
scan_start(struct pickup *p)
{
	p->again = true;
	schedule(p);
}

void
scan_done(struct pickup *p, const char *name)
{
	(void)hash_dels(p->under_way, name);
	schedule(p);
}
