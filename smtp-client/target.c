/* SPDX-License-Identifier: Apache-2.0 */
/* Which addresses are tried, in which order: by preference; within one
 * preference at random, so that equal servers share the load and a retry
 * does not meet the same dead one first (RFC 5321 5.1). */
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "daemon/daemon.h"
#include "map/map.h"
#include "smtp-client/smtpc.h"

/* Of more addresses than this, the first are in random order, and the others
 * come behind them. */
#define RANDOM_MAX	64

struct order {
	struct target	 t;
	int		 family;	/* 0: preferred */
	uint32_t	 random;
	size_t		 index;
};

static int
compare(const void *x, const void *y)
{
	const struct order	*a = x, *b = y;

	if (a->t.preference != b->t.preference)
		return a->t.preference < b->t.preference ? -1 : 1;
	if (a->family != b->family)
		return a->family - b->family;
	if (a->random != b->random)
		return a->random < b->random ? -1 : 1;
	return a->index < b->index ? -1 : a->index > b->index;
}

static size_t
count_addresses(const struct deliver_req *m)
{
	const struct deliver_host	*h = m->hosts.items;
	size_t				 n = 0;

	for (size_t i = 0; i < m->hosts.count; i++)
		n += h[i].addresses.count;
	return n;
}

/* Servers that are reached with a password are not shared with nexthops that
 * have another one. */
void
target_describe(struct job *j, struct target *t)
{
	const char	*secret = map_list_empty(j->p->sasl_maps) ? "" :
			    j->m.nexthop;
	unsigned int	 port = t->port;

	if (t->ip == NULL) {
		t->key = arena_printf(j->mem, "%s %s", t->host, secret);
		t->where = t->relay = arena_printf(j->mem, "%s[%s]",
		    daemon_common(j->p->d)->myhostname, t->host);
		return;
	}
	t->key = arena_printf(j->mem, "%s %u %s", t->ip, port, secret);
	t->relay = arena_printf(j->mem, "%s[%s]:%u", t->host, t->ip, port);
	t->where = arena_strndup(j->mem, t->relay, strlen(t->host) +
	    strlen(t->ip) + 2);
}

/* False: not a family that we use. */
static bool
one_address(struct job *j, const struct deliver_host *h, const char *ip,
    struct order *o)
{
	const struct smtpc	*p = j->p;
	bool			 six = strchr(ip, ':') != NULL;

	if (six ? !p->inet6 : !p->inet4)
		return false;
	o->t.host = h->name;
	o->t.ip = ip;
	o->t.port = j->m.port != 0 ? (uint16_t)j->m.port : p->port;
	o->t.preference = h->preference;
	switch ((enum smtpc_family)p->conf->address_preference) {
	case PREFER_ANY:
		break;
	case PREFER_IPV4:
		o->family = six;
		break;
	case PREFER_IPV6:
		o->family = !six;
		break;
	}
	return true;
}

/* What there is no choice of needs no dice. */
static void
shuffle(const struct smtpc *p, struct order *list, size_t n)
{
	uint32_t	dice[RANDOM_MAX];
	size_t		some = n < RANDOM_MAX ? n : RANDOM_MAX;

	if (n < 2 || !p->conf->randomize ||
	    getrandom(dice, some * sizeof(*dice), GRND_NONBLOCK) < 0)
		return;
	for (size_t i = 0; i < n; i++)
		list[i].random = i < some ? dice[i] : UINT32_MAX;
}

static int
unix_target(struct job *j)
{
	const char	*path = j->m.nexthop + strlen("unix:");

	j->targets = arena_alloc(j->mem, sizeof(*j->targets));
	j->targets->host = path;
	j->ntargets = 1;
	return 0;
}

int
target_make(struct job *j)
{
	const struct deliver_host	*h = j->m.hosts.items;
	const struct deliver_addr	*a;
	struct order			*list;
	size_t				 n = 0;

	if (slice_istarts(slice_str(j->m.nexthop), "unix:"))
		return unix_target(j);
	list = arena_array(j->mem, count_addresses(&j->m) + 1, sizeof(*list));
	for (size_t i = 0; i < j->m.hosts.count; i++) {
		a = h[i].addresses.items;
		for (size_t k = 0; k < h[i].addresses.count; k++) {
			list[n].index = n;
			n += one_address(j, &h[i], a[k].ip, &list[n]);
		}
	}
	if (n == 0) {
		j->why = arena_printf(j->mem, "no usable address of %s",
		    j->m.nexthop);
		j->why_dsn = "4.4.4";
		return -1;
	}
	shuffle(j->p, list, n);
	qsort(list, n, sizeof(*list), compare);
	j->targets = arena_array(j->mem, n, sizeof(*j->targets));
	j->ntargets = n;
	for (size_t i = 0; i < n; i++)
		j->targets[i] = list[i].t;
	return 0;
}
