/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The services and when a process is started for one.
 *
 * Master watches a service's sockets only while no process of it could accept
 * a connection: then the first connection starts one.  A process says when it
 * is ready, full, has room again, or retires (child.c), and each of these
 * ends in service_update(), the only place that decides.
 */
#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/panic.h"
#include "master/master.h"
#include "sys/clock.h"
#include "sys/log.h"

#define QUICK_RESTARTS	5	/* early crashes that are not waited for */
#define EARLY		SECS(1)	/* younger ones die of the same cause again */

bool
service_is_single(const struct service *s)
{
	return s->program != NULL && (s->program->need == PROGRAM_ONE ||
	    s->program->need == PROGRAM_SUCCEEDED);
}

static unsigned int
processes(const struct service *s)
{
	size_t	 n = child_count(s, CHILD_STARTING) +
	    child_count(s, CHILD_ROOM) + child_count(s, CHILD_FULL);

	/* Processes of an older configuration that finish their sessions do
	 * not keep new ones from starting, except where two would fight over
	 * one file. */
	if (s->program != NULL && s->program->need == PROGRAM_ONE)
		n += child_count(s, CHILD_RETIRING);
	return (unsigned int)n;
}

static bool
at_limit(const struct service *s)
{
	unsigned int	 max = (unsigned int)s->cf->maxproc;

	if (service_is_single(s))
		max = 1;
	return max > 0 && processes(s) >= max;
}

static void
warn_limit(struct service *s)
{
	usec_t	 now = clock_mono();

	if (s->cf->maxproc <= 1 || child_count(s, CHILD_FULL) == 0)
		return;
	s->stressed_until_mono = now + s->m->config->own.stress_time;
	if (s->warned_mono != 0 && now - s->warned_mono < SECS(60))
		return;
	s->warned_mono = now;
	log_warn("service \"%s\" (%s) has reached its process limit \"%d\": "
	    "new clients may experience noticeable delays", s->cf->name,
	    s->endpoints[0].text, s->cf->maxproc);
	log_warn("to avoid this condition, increase the process count in "
	    "master.cf, %s_client_limit in main.cf, or reduce the service "
	    "time per client", s->cf->name);
}

static void
watch(struct service *s, bool on)
{
	for (size_t i = 0; i < s->nendpoints; i++)
		if (s->endpoints[i].watch != NULL)
			loop_fd_want(s->endpoints[i].watch,
			    on ? LOOP_READ : 0);
}

static void
start(struct service *s)
{
	s->wanted = false;
	if (child_start(s) < 0)
		service_failed(s, false, 0);
}

void
service_update(struct service *s)
{
	bool	 can;

	if (s->m->stopping || s->removed)
		return;
	can = child_count(s, CHILD_ROOM) + child_count(s, CHILD_STARTING) == 0;
	if (can && at_limit(s)) {
		warn_limit(s);
		can = false;
	}
	if (s->throttled)
		can = false;
	if (can && s->wanted) {
		start(s);
		can = false;
	}
	watch(s, can);
}

static void
on_connection(void *arg, int what)
{
	struct endpoint	*e = arg;

	(void)what;
	e->s->wanted = true;
	service_update(e->s);
}

/* Failures */

static void
on_throttle_over(void *arg)
{
	struct service	*s = arg;

	s->throttled = false;
	service_update(s);
}

static usec_t
restart_delay(const struct service *s, bool was_ready)
{
	usec_t		 max = s->m->config->own.throttle_time;
	unsigned int	 n = s->failures;

	/* Whatever killed a working process may be gone at once. */
	if (was_ready) {
		if (n <= QUICK_RESTARTS)
			return 0;
		n -= QUICK_RESTARTS;
	}
	n = n > 20 ? 20 : n;
	return SECS(1) << (n - 1) < max ? SECS(1) << (n - 1) : max;
}

void
service_failed(struct service *s, bool was_ready, usec_t age)
{
	usec_t	 now = clock_mono(), delay;

	/* It was in use a moment ago: do not wait to be asked. */
	s->wanted = true;
	if (was_ready && age >= EARLY) {
		s->failures = 0;
		return;
	}
	if (s->failures > 0 &&
	    now - s->failed_mono > 2 * s->m->config->own.throttle_time)
		s->failures = 0;
	s->failures++;
	s->failed_mono = now;
	delay = restart_delay(s, was_ready);
	if (delay == 0)
		return;
	log_warn("%s: %s -- throttling", s->cf->command,
	    was_ready ? "repeated process failure" : "bad command startup");
	s->throttled = true;
	loop_timer_set(s->throttle_timer, delay);
}

/* Wake-ups */

static void
on_wakeup(void *arg)
{
	struct service	*s = arg;

	loop_timer_set(s->wake_timer, s->cf->wakeup);
	if (s->m->stopping || (s->cf->wakeup_if_used && !s->used))
		return;
	s->wake_pending = true;
	child_wake(s);
	if (s->wake_pending && child_count(s, CHILD_STARTING) == 0) {
		s->wanted = true;
		service_update(s);
	}
}

/* From one configuration to the next */

static struct service *
find(struct master *m, const char *key)
{
	LIST_EACH(l, &m->services) {
		struct service	*s = LIST_ENTRY(l, struct service, link);

		if (strcmp(s->key, key) == 0)
			return s;
	}
	return NULL;
}

static bool
same_strings(const char **a, const char **b)
{
	for (; *a != NULL && *b != NULL; a++, b++)
		if (strcmp(*a, *b) != 0)
			return false;
	return *a == *b;
}

/* Would its processes be started with the same command line? */
static bool
same_command(const struct master_service *a, const struct master_service *b)
{
	return strcmp(a->command, b->command) == 0 &&
	    strcmp(a->name, b->name) == 0 && a->unpriv == b->unpriv &&
	    a->chroot == b->chroot && same_strings(a->args, b->args) &&
	    same_strings(a->overrides, b->overrides);
}

static struct service *
service_new(struct master *m, char *key)
{
	struct service	*s = mem_new(1, sizeof(*s));

	s->m = m;
	s->key = key;
	list_init(&s->children);
	s->wake_timer = loop_timer_new(m->loop, on_wakeup, s);
	s->throttle_timer = loop_timer_new(m->loop, on_throttle_over, s);
	list_put_last(&m->services, &s->link);
	return s;
}

static void
service_free(struct service *s)
{
	list_remove(&s->link);
	endpoint_free(&s->endpoints, s->nendpoints);
	loop_timer_free(&s->wake_timer);
	loop_timer_free(&s->throttle_timer);
	mem_free(&s->key);
	mem_free(&s);
}

/* Sockets that both configurations have stay open: nobody is refused. */
static void
adopt(struct service *s, struct endpoint *fresh, size_t n)
{
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < s->nendpoints; j++) {
			struct endpoint	*old = &s->endpoints[j];

			if (strcmp(fresh[i].text, old->text) != 0)
				continue;
			fresh[i].fd = old->fd;
			old->fd = -1;
		}
	for (size_t j = 0; j < s->nendpoints; j++)
		endpoint_close(&s->endpoints[j], true);
	endpoint_free(&s->endpoints, s->nendpoints);
	s->endpoints = fresh;
	s->nendpoints = n;
}

static bool
same_endpoints(const struct service *s, const struct endpoint *fresh, size_t n)
{
	if (s->nendpoints != n)
		return false;
	for (size_t i = 0; i < n; i++)
		if (strcmp(s->endpoints[i].text, fresh[i].text) != 0)
			return false;
	return true;
}

static int
open_endpoints(struct service *s, struct error *err)
{
	int	 r = 0;

	for (size_t i = 0; i < s->nendpoints; i++) {
		struct endpoint	*e = &s->endpoints[i];
		struct error	 why;

		e->s = s;
		if (e->fd < 0 && endpoint_open(e, s, &why) < 0) {
			/* A kernel without IPv6 is no fault of "all". */
			if (s->nendpoints > 1 && e->addr.ss.ss_family ==
			    AF_INET6 && (why.sys == EAFNOSUPPORT ||
			    why.sys == EADDRNOTAVAIL)) {
				log_warn("%s", why.text);
				continue;
			}
			*err = why;
			r = -1;
			continue;
		}
		if (e->watch == NULL)
			e->watch = loop_fd_new(s->m->loop, e->fd, 0,
			    on_connection, e);
	}
	return r;
}

static int
apply_one(struct master *m, const struct master_service *cf, bool starting,
    struct error *err)
{
	struct endpoint	*fresh;
	struct service	*s;
	size_t		 n;
	char		*key;
	bool		 is_new, same;

	if (endpoint_list(m->config, cf, &fresh, &n, err) < 0)
		return error_in(err, "master.cf line %d, service %s", cf->line,
		    cf->name);
	key = endpoint_key(cf);
	s = find(m, key);
	is_new = s == NULL;
	if (is_new)
		s = service_new(m, key);
	else
		mem_free(&key);
	same = !is_new && same_command(s->cf, cf) &&
	    same_endpoints(s, fresh, n);
	s->cf = cf;
	s->program = config_program(cf);
	s->generation = m->generation;
	s->failures = 0;
	adopt(s, fresh, n);
	if (open_endpoints(s, err) < 0) {
		if (starting)
			return -1;
		log_error("%s", err->text);
	}
	if (!is_new)
		child_renew(s, same);
	if (s->throttled)
		loop_timer_set(s->throttle_timer, 0);
	if (cf->wakeup > 0)
		loop_timer_set(s->wake_timer, 0);
	else
		loop_timer_stop(s->wake_timer);
	service_update(s);
	return 0;
}

static bool
disabled(const struct config *c, const struct master_service *s)
{
	struct slice	 list = slice_str(c->own.service_disable), word;
	const char	*type = mastercf_type_name(s->type);

	while (slice_word(&list, ", \t\r\n", &word)) {
		struct slice	 name;

		if (slice_is(word, type))
			return true;
		if (slice_cut(&word, '/', &name) && slice_is(word, type) &&
		    slice_is(name, s->name))
			return true;
	}
	return false;
}

/* Said once per start, in one line: the administrator of an unchanged
 * master.cf need not wonder. */
static void
say_unneeded(const struct config *c)
{
	struct buf	 text;

	buf_init(&text, 1500);
	for (size_t i = 0; i < c->services.count; i++) {
		const struct master_service	*s = &c->services.services[i];
		const struct program		*p = config_program(s);

		if (p != NULL && p->need == PROGRAM_UNNEEDED)
			buf_addf(&text, " %s/%s", s->name,
			    mastercf_type_name(s->type));
	}
	if (buf_len(&text) > 0)
		log_info("services accepted and not started (their work is "
		    "done elsewhere in Posthouse):%s", buf_cstr(&text));
	buf_reset(&text);
	for (size_t i = 0; i < c->services.count; i++)
		if (c->services.services[i].line == 0)
			buf_addf(&text, " %s", c->services.services[i].name);
	if (buf_len(&text) > 0)
		log_info("services that are not in master.cf and run with "
		    "default settings:%s", buf_cstr(&text));
	buf_clear(&text);
}

static void
remove_old(struct master *m)
{
	LIST_EACH(l, &m->services) {
		struct service	*s = LIST_ENTRY(l, struct service, link);

		if (s->generation == m->generation)
			continue;
		s->removed = true;
		for (size_t i = 0; i < s->nendpoints; i++)
			endpoint_close(&s->endpoints[i], true);
		child_renew(s, false);
		child_orphan(s);
		service_free(s);
	}
}

static int
apply_some(struct master *m, bool inet, bool starting, struct error *err)
{
	const struct config	*c = m->config;
	int			 r = 0;

	for (size_t i = 0; i < c->services.count && r == 0; i++) {
		const struct master_service	*cf = &c->services.services[i];
		const struct program		*p = config_program(cf);

		if ((cf->type == SERVICE_INET) != inet || disabled(c, cf) ||
		    (p != NULL && p->need == PROGRAM_UNNEEDED))
			continue;
		r = apply_one(m, cf, starting, err);
		if (r < 0 && !starting) {
			log_error("%s", err->text);
			r = 0;
		}
	}
	return r;
}

int
service_apply(struct master *m, bool starting, struct error *err)
{
	const struct config	*c = m->config;
	int			 r = 0;

	/* Sockets of services that are gone may be needed by new ones: mark
	 * all that stay, drop the others, then open. */
	LIST_EACH(l, &m->services) {
		struct service	*s = LIST_ENTRY(l, struct service, link);

		s->generation = 0;
	}
	for (size_t i = 0; i < c->services.count; i++) {
		const struct master_service	*cf = &c->services.services[i];
		char				*key = endpoint_key(cf);
		struct service			*s = find(m, key);

		if (s != NULL && !disabled(c, cf))
			s->generation = m->generation;
		mem_free(&key);
	}
	remove_old(m);
	/* Who is let in by a socket of the network finds all that serves him. */
	r = apply_some(m, false, starting, err);
	if (r == 0)
		r = apply_some(m, true, starting, err);
	if (starting && r == 0)
		say_unneeded(c);
	return r;
}

void
service_stop_listening(struct master *m, bool gone)
{
	LIST_EACH(l, &m->services) {
		struct service	*s = LIST_ENTRY(l, struct service, link);

		loop_timer_stop(s->wake_timer);
		loop_timer_stop(s->throttle_timer);
		for (size_t i = 0; i < s->nendpoints; i++)
			endpoint_close(&s->endpoints[i], gone);
	}
}

void
service_free_all(struct master *m)
{
	LIST_EACH(l, &m->services) {
		struct service	*s = LIST_ENTRY(l, struct service, link);

		child_orphan(s);
		service_free(s);
	}
}
