/* SPDX-License-Identifier: Apache-2.0 */
/* Ten thousand domains hosted by one provider have ten thousand dests but one
 * site, and share its window.  Where a transport takes one recipient at a
 * time, the recipient is the site: one slow mailbox holds up nobody else. */
#include "qmgr/qmgr.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/panic.h"
#include "sys/clock.h"
#include "sys/log.h"

/* What master.cf runs for this service. */
static void
find_program(struct qmgr *q, struct transport *t)
{
	for (size_t i = 0; i < q->services.count; i++) {
		const struct master_service	*s = &q->services.services[i];

		if (s->type != SERVICE_UNIX || strcmp(s->name, t->name) != 0)
			continue;
		t->known = true;
		t->lmtp = strcmp(s->command, "lmtp") == 0 ||
		    strcmp(s->name, "lmtp") == 0;
		t->remote = t->lmtp || strcmp(s->command, "smtp") == 0 ||
		    strcmp(s->command, "relay") == 0 ||
		    strcmp(s->command, "smtp-client") == 0;
	}
}

static int64_t
limit(struct qmgr *q, const char *name, const char *suffix,
    const char *fallback)
{
	struct error	err;
	int64_t		v;

	if (conf_service_int(daemon_conf(q->d), name, suffix, fallback, &v,
	    &err) < 0) {
		log_warn("%s", err.text);
		return 1;
	}
	return v;
}

/* Agents that write mailboxes take one recipient at a time, and two
 * deliveries to one mailbox at once are plenty, as in Postfix. */
static void
set_limits(struct qmgr *q, struct transport *t)
{
	const struct conf	*c = daemon_conf(q->d);
	struct arena		*a = arena_new();
	bool			 single = !t->remote;

	t->dest_recipients = limit(q, t->name, "destination_recipient_limit",
	    "default_destination_recipient_limit");
	t->dest_concurrency = limit(q, t->name,
	    "destination_concurrency_limit",
	    "default_destination_concurrency_limit");
	t->initial = limit(q, t->name, "initial_destination_concurrency",
	    "initial_destination_concurrency");
	if (single && conf_raw(c, arena_printf(a,
	    "%s_destination_recipient_limit", t->name)) == NULL)
		t->dest_recipients = 1;
	if (t->initial > t->dest_concurrency)
		t->initial = t->dest_concurrency;
	arena_free(&a);
}

struct transport *
transport_get(struct qmgr *q, const char *name)
{
	struct transport	*t = hash_gets(q->transports, name);
	char			*path;

	if (t != NULL)
		return t;
	t = mem_new(1, sizeof(*t));
	t->name = mem_strdup(name);
	path = mem_printf("private/%s", name);
	t->client = ipc_client_new(q->loop, path);
	ipc_client_once(t->client);
	mem_free(&path);
	list_init(&t->ready);
	find_program(q, t);
	set_limits(q, t);
	hash_puts(q->transports, name, t);
	return t;
}

static char *
two_keys(const char *a, const char *b)
{
	return mem_printf("%s\n%s", a, b);
}

struct dest *
dest_get(struct qmgr *q, struct transport *t, const char *nexthop)
{
	char		*key = two_keys(t->name, nexthop);
	struct dest	*d = hash_gets(q->dests, key);

	if (d != NULL) {
		mem_free(&key);
		return d;
	}
	d = mem_new(1, sizeof(*d));
	d->key = key;
	d->transport = t;
	d->nexthop = mem_strdup(nexthop);
	list_init(&d->waiting);
	hash_puts(q->dests, key, d);
	return d;
}

static struct site *
site_get(struct qmgr *q, struct transport *t, const char *name)
{
	char		*key = two_keys(t->name, name);
	struct site	*s = hash_gets(q->sites, key);

	if (s != NULL) {
		mem_free(&key);
		return s;
	}
	s = mem_new(1, sizeof(*s));
	s->key = key;
	s->transport = t;
	s->window = (double)t->initial;
	list_init(&s->jobs);
	hash_puts(q->sites, key, s);
	return s;
}

static void
verdict(struct qmgr *q, struct job *j, bool hard, const char *dsn,
    const char *text)
{
	struct active	*a = j->act;
	struct rcpt	**rcpts = j->rcpts;
	size_t		 n = j->n;
	const char	*tag = j->dest->transport->lmtp ? "lmtp" : "smtp";
	const char	*why = arena_strdup(a->mem, text);

	dsn = arena_strdup(a->mem, dsn);
	a->under_way++;		/* so that freeing the job ends nothing */
	job_free(q, j);
	a->under_way--;
	settle_verdict(q, a, rcpts, n, tag, hard, dsn, why);
}

/* The hosts are known: take a place at the site. */
static void
enter_site(struct qmgr *q, struct job *j)
{
	struct dest	*d = j->dest;
	struct transport *t = d->transport;
	const char	*name = t->dest_recipients == 1 ?
	    j->rcpts[0]->q->address : t->remote ? d->site_key : d->nexthop;
	struct site	*s = site_get(q, t, name);

	if (s->dead_until > clock_mono()) {
		char	*why = mem_printf("delivery temporarily suspended: %s",
		    s->dead_why);

		verdict(q, j, false, "4.4.1", why);
		mem_free(&why);
		return;
	}
	j->site = s;
	list_put_last(&s->jobs, &j->link);
	if (!list_linked(&s->link))
		list_put_last(&t->ready, &s->link);
	deliver_pump(q, t);
}

void
dest_submit(struct qmgr *q, struct job *j)
{
	struct dest	*d = j->dest;

	d->users++;
	if (!d->transport->known) {
		char	*why = mem_printf("mail transport \"%s\" unavailable: "
		    "not in master.cf", d->transport->name);

		verdict(q, j, false, "4.3.5", why);
		mem_free(&why);
		return;
	}
	if (!d->transport->remote) {
		enter_site(q, j);
		return;
	}
	if (d->state == DEST_READY && d->good_until > clock_mono()) {
		enter_site(q, j);
		return;
	}
	list_put_last(&d->waiting, &j->link);
	if (d->state != DEST_ASKING)
		lookup_start(q, d);
}

void
lookup_answered(struct qmgr *q, struct dest *d)
{
	struct list	*l;

	d->users++;		/* stays while we use it */
	while ((l = list_take(&d->waiting)) != NULL) {
		struct job	*j = LIST_ENTRY(l, struct job, link);

		if (d->state == DEST_READY)
			enter_site(q, j);
		else
			verdict(q, j, d->fail_hard, d->fail_dsn, d->fail_text);
	}
	d->users--;
}

void
dest_done(struct qmgr *q, struct dest *d)
{
	(void)q;
	ASSERT(d->users > 0);
	d->users--;
}

static void
dest_free(struct qmgr *q, struct dest *d)
{
	hash_dels(q->dests, d->key);
	arena_free(&d->mem);
	arena_free(&d->fail_mem);
	mem_free(&d->key);
	mem_free(&d->nexthop);
	mem_free(&d->site_key);
	mem_free(&d);
}

static void
site_free(struct qmgr *q, struct site *s)
{
	hash_dels(q->sites, s->key);
	mem_free(&s->key);
	mem_free(&s->dead_why);
	mem_free(&s);
}

/* Forget what nobody uses and whose knowledge is stale. */
void
dest_tidy(struct qmgr *q)
{
	usec_t	now = clock_mono();
	size_t	at = 0;
	void	*v;

	while (hash_each(q->dests, &at, NULL, &v)) {
		struct dest	*d = v;

		if (d->users == 0 && d->state != DEST_ASKING &&
		    d->good_until < now)
			dest_free(q, d);
	}
	at = 0;
	while (hash_each(q->sites, &at, NULL, &v)) {
		struct site	*s = v;

		if (s->under_way == 0 && list_empty(&s->jobs) &&
		    !list_linked(&s->link) && s->dead_until < now)
			site_free(q, s);
	}
}

/* After a flush everything deserves a fresh try. */
void
dest_forget_failures(struct qmgr *q)
{
	size_t	at = 0;
	void	*v;

	while (hash_each(q->sites, &at, NULL, &v))
		((struct site *)v)->dead_until = 0;
	at = 0;
	while (hash_each(q->dests, &at, NULL, &v))
		((struct dest *)v)->good_until = 0;
	at = 0;
	while (hash_each(q->transports, &at, NULL, &v)) {
		struct transport	*t = v;

		t->known = t->remote = t->lmtp = false;
		find_program(q, t);
		set_limits(q, t);
	}
}
