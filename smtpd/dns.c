/* SPDX-License-Identifier: Apache-2.0 */
/* DNS for restrictions.  A restriction that needs an answer asks for it, gets
 * NULL, and is repeated when the answer is there; answers are kept for the
 * session, so that the repetition finds them, and so that each recipient does
 * not ask again about the same client. */
#include "base/mem.h"
#include "smtpd/smtpd.h"
#include "sys/log.h"

#define DNS_WAIT	SECS(15)
#define ANSWERS_MAX	200

struct answer {
	struct list	 link;		/* in conn->dns_waiting */
	struct conn	*c;
	uint64_t	 call;
	bool		 there;
	struct dns_res	 res;
};

static void
keep(struct answer *a, const struct dns_res *r)
{
	struct arena		*mem = a->c->dns_mem;
	const struct dns_rr	*from = r->records.items;
	struct dns_rr		*to;

	a->res = *r;
	a->res.why = arena_strdup(mem, r->why);
	to = arena_array(mem, r->records.count + 1, sizeof(*to));
	for (size_t i = 0; i < r->records.count; i++) {
		to[i] = from[i];
		to[i].text = arena_strdup(mem, from[i].text);
		to[i].data = slice_dup(mem, from[i].data);
	}
	a->res.records.items = to;
}

static void
answered(void *arg, void *msg, const char *why)
{
	struct answer	*a = arg;

	list_remove(&a->link);
	a->there = true;
	if (msg != NULL)
		keep(a, msg);
	else
		a->res = (struct dns_res){
			.result = DNS_TEMPFAIL,
			.why = arena_strdup(a->c->dns_mem, why),
		};
	check_wake(a->c);
}

const struct dns_res *
dns_get(struct conn *c, const char *name, uint64_t type)
{
	char			 key[1100];
	struct answer		*a;
	struct dns_req		 q = { .name = name, .type = type };

	if (c->dns == NULL) {
		c->dns = hash_new();
		c->dns_mem = arena_new();
	}
	(void)snprintf(key, sizeof(key), "%llu %s", (unsigned long long)type,
	    name);
	a = hash_gets(c->dns, key);
	if (a != NULL)
		return a->there ? &a->res : NULL;
	a = arena_alloc(c->dns_mem, sizeof(*a));
	a->c = c;
	hash_puts(c->dns, key, a);
	list_put_last(&c->dns_waiting, &a->link);
	a->call = ipc_client_call(c->s->resolver, &dns_req_desc, &q,
	    &dns_res_desc, DNS_WAIT, answered, a);
	return NULL;
}

void
dns_trim(struct conn *c)
{
	if (c->dns != NULL && list_empty(&c->dns_waiting) &&
	    hash_count(c->dns) >= ANSWERS_MAX)
		dns_free(c);
}

void
dns_free(struct conn *c)
{
	LIST_EACH(l, &c->dns_waiting) {
		struct answer	*a = LIST_ENTRY(l, struct answer, link);

		ipc_client_cancel(c->s->resolver, a->call);
		list_remove(l);
	}
	hash_free(&c->dns);
	arena_free(&c->dns_mem);
}
