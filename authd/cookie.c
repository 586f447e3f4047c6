/* SPDX-License-Identifier: Apache-2.0 */
#include <openssl/rand.h>

#include "authd/authd.h"
#include "base/mem.h"

#define COOKIES_MAX	20000
#define COOKIE_BYTES	16

struct cookie {
	struct list	 age;		/* first to expire first */
	char		 text[2 * COOKIE_BYTES + 1];
	char		*service, *user;
	usec_t		 expires;
};

struct cookies {
	struct hash	*by_text;
	struct list	 by_age;
};

struct cookies *
cookies_new(void)
{
	struct cookies	*c = mem_new(1, sizeof(*c));

	c->by_text = hash_new();
	list_init(&c->by_age);
	return c;
}

static void
drop(struct cookies *cs, struct cookie *c)
{
	list_remove(&c->age);
	hash_dels(cs->by_text, c->text);
	mem_wipe(c->text, sizeof(c->text));
	mem_free(&c->service);
	mem_free(&c->user);
	mem_free(&c);
}

void
cookies_free(struct cookies **cs)
{
	if (*cs == NULL)
		return;
	LIST_EACH(l, &(*cs)->by_age)
		drop(*cs, LIST_ENTRY(l, struct cookie, age));
	hash_free(&(*cs)->by_text);
	mem_free(cs);
}

const char *
cookie_make(struct cookies *cs, struct arena *a, const char *service,
    const char *user, usec_t expires)
{
	unsigned char	 raw[COOKIE_BYTES];
	struct cookie	*c = mem_new(1, sizeof(*c));

	if (RAND_bytes(raw, sizeof(raw)) != 1) {
		mem_free(&c);
		return NULL;
	}
	for (size_t i = 0; i < sizeof(raw); i++) {
		c->text[2 * i] = "0123456789abcdef"[raw[i] >> 4];
		c->text[2 * i + 1] = "0123456789abcdef"[raw[i] & 15];
	}
	c->service = mem_strdup(service);
	c->user = mem_strdup(user);
	c->expires = expires;
	if (hash_count(cs->by_text) >= COOKIES_MAX)
		drop(cs, LIST_ENTRY(list_first(&cs->by_age), struct cookie,
		    age));
	hash_puts(cs->by_text, c->text, c);
	list_put_last(&cs->by_age, &c->age);
	return arena_strdup(a, c->text);
}

const char *
cookie_claim(struct cookies *cs, struct arena *a, const char *text,
    const char *service, usec_t now)
{
	struct cookie	*c;
	const char	*user = NULL;

	LIST_EACH(l, &cs->by_age) {
		struct cookie	*old = LIST_ENTRY(l, struct cookie, age);

		if (old->expires > now)
			break;
		drop(cs, old);
	}
	/* The table is keyed with SipHash: its timing says nothing about
	 * cookies that exist. */
	c = hash_gets(cs->by_text, text);
	if (c == NULL)
		return NULL;
	if (strcmp(c->service, service) == 0)
		user = arena_strdup(a, c->user);
	drop(cs, c);
	return user;
}
