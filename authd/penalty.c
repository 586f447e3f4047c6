/* SPDX-License-Identifier: Apache-2.0 */
#include <netinet/in.h>

#include "authd/authd.h"
#include "base/mem.h"
#include "sys/sock.h"

#define ADDRESSES_MAX	65536
#define FORGET_AFTER	SECS(120)
#define DELAY_MAX	SECS(15)

struct penalty {
	struct list	 age;		/* oldest failure first */
	unsigned char	 key[SOCK_TEXT_MAX];
	size_t		 key_len;
	unsigned int	 failures;
	usec_t		 last;
};

struct penalties {
	struct hash	*by_key;
	struct list	 by_age;
};

struct penalties *
penalties_new(void)
{
	struct penalties	*p = mem_new(1, sizeof(*p));

	p->by_key = hash_new();
	list_init(&p->by_age);
	return p;
}

static void
drop(struct penalties *ps, struct penalty *p)
{
	list_remove(&p->age);
	hash_del(ps->by_key, slice_of(p->key, p->key_len));
	mem_free(&p);
}

void
penalties_free(struct penalties **ps)
{
	if (*ps == NULL)
		return;
	LIST_EACH(l, &(*ps)->by_age)
		drop(*ps, LIST_ENTRY(l, struct penalty, age));
	hash_free(&(*ps)->by_key);
	mem_free(ps);
}

/* A client with a /64 has as many addresses as it likes. */
static struct slice
key_of(const char *ip, unsigned char mem[8])
{
	struct sock_addr		 a;
	const struct sockaddr_in6	*sin6;

	if (sock_parse(ip, 0, &a, NULL) < 0 || a.ss.ss_family != AF_INET6)
		return slice_first(slice_str(ip), SOCK_TEXT_MAX);
	sin6 = (const void *)&a.ss;
	memcpy(mem, &sin6->sin6_addr, 8);
	return slice_of(mem, 8);
}

usec_t
penalty_failed(struct penalties *ps, const char *ip, usec_t base,
    usec_t now)
{
	unsigned char	 mem[8];
	struct slice	 k = key_of(ip, mem);
	struct penalty	*p;
	usec_t		 delay = base;

	LIST_EACH(l, &ps->by_age) {
		struct penalty	*old = LIST_ENTRY(l, struct penalty, age);

		if (old->last + FORGET_AFTER > now &&
		    hash_count(ps->by_key) < ADDRESSES_MAX)
			break;
		drop(ps, old);
	}
	p = hash_get(ps->by_key, k);
	if (p == NULL) {
		p = mem_new(1, sizeof(*p));
		memcpy(p->key, k.p, k.len);
		p->key_len = k.len;
		hash_put(ps->by_key, k, p);
	}
	list_remove(&p->age);
	list_put_last(&ps->by_age, &p->age);
	p->last = now;
	for (unsigned int i = 0; i < p->failures && delay < DELAY_MAX; i++)
		delay *= 2;
	if (p->failures < 16)
		p->failures++;
	return base == 0 ? 0 : delay > DELAY_MAX && base < DELAY_MAX ?
	    DELAY_MAX : delay;
}

void
penalty_forget(struct penalties *ps, const char *ip)
{
	unsigned char	 mem[8];
	struct slice	 k = key_of(ip, mem);
	struct penalty	*p;

	p = hash_get(ps->by_key, k);
	if (p != NULL)
		drop(ps, p);
}
