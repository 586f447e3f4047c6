/* SPDX-License-Identifier: Apache-2.0 */
#include "local-delivery/known.h"

#include "base/arena.h"
#include "base/hash.h"
#include "base/list.h"
#include "base/mem.h"
#include "sys/stamp.h"

struct known {
	struct hash	*by_address;
	struct list	 age;		/* struct entry, oldest first */
	size_t		 most;
	usec_t		 lifetime;
};

struct entry {
	struct list	 link;
	struct arena	*mem;		/* holds it */
	const char	*address;
	struct auth_account acc;
	struct stamp	 stamp;
	usec_t		 expires_mono;
};

struct known *
known_new(size_t most, usec_t lifetime)
{
	struct known	*k = mem_new(1, sizeof(*k));

	k->by_address = hash_new();
	list_init(&k->age);
	k->most = most;
	k->lifetime = lifetime;
	return k;
}

static void
forget(struct known *k, struct entry *e)
{
	struct arena	*mem = e->mem;

	(void)hash_dels(k->by_address, e->address);
	list_remove(&e->link);
	arena_free(&mem);
}

void
known_free(struct known **kp)
{
	struct known	*k = *kp;

	if (k == NULL)
		return;
	LIST_EACH(l, &k->age)
		forget(k, LIST_ENTRY(l, struct entry, link));
	hash_free(&k->by_address);
	mem_free(kp);
}

static const char *
copy(struct arena *a, const char *s)
{
	return s == NULL ? NULL : arena_strdup(a, s);
}

void
known_put(struct known *k, const char *address,
    const struct auth_account *acc, usec_t now)
{
	struct entry	*e = hash_gets(k->by_address, address);
	struct arena	*mem;

	if (e != NULL)
		forget(k, e);
	if (acc->found != ACCOUNT_FOUND || acc->source == NULL)
		return;
	if (hash_count(k->by_address) >= k->most)
		forget(k, LIST_ENTRY(list_first(&k->age), struct entry,
		    link));
	mem = arena_new();
	e = arena_alloc(mem, sizeof(*e));
	e->mem = mem;
	e->address = arena_strdup(mem, address);
	e->acc = *acc;
	e->acc.user = copy(mem, acc->user);
	e->acc.home = copy(mem, acc->home);
	e->acc.mailbox = copy(mem, acc->mailbox);
	e->acc.source = copy(mem, acc->source);
	e->stamp = (struct stamp){ .dev = acc->source_dev,
	    .ino = acc->source_ino, .size = acc->source_size,
	    .mtime_ns = acc->source_mtime_ns };
	e->expires_mono = now + k->lifetime;
	list_put_last(&k->age, &e->link);
	(void)hash_puts(k->by_address, address, e);
}

const struct auth_account *
known_find(struct known *k, const char *address, usec_t now)
{
	struct entry	*e = hash_gets(k->by_address, address);

	if (e == NULL)
		return NULL;
	if (now < e->expires_mono && stamp_holds(&e->stamp, e->acc.source))
		return &e->acc;
	forget(k, e);
	return NULL;
}
