/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "authd/authd.h"
#include "base/mem.h"

/*
 * A fixed table: an entry is overwritten by the next one of its slot.  Only
 * right passwords come in, so what an attacker tries cannot push them out.
 */
#define SLOTS		16384
#define TAG_LEN		32

struct slot {
	unsigned char	 tag[TAG_LEN];
	usec_t		 expires;	/* 0: empty */
};

struct cache {
	unsigned char	 secret[32];
	usec_t		 ttl;
	pthread_mutex_t	 mutex;
	struct slot	*slots;
};

struct cache *
cache_new(const unsigned char secret[32], usec_t ttl)
{
	struct cache	*c = mem_new(1, sizeof(*c));

	memcpy(c->secret, secret, sizeof(c->secret));
	c->ttl = ttl;
	c->slots = mem_new(SLOTS, sizeof(*c->slots));
	pthread_mutex_init(&c->mutex, NULL);
	return c;
}

void
cache_free(struct cache **c)
{
	if (*c == NULL)
		return;
	mem_wipe((*c)->secret, sizeof((*c)->secret));
	pthread_mutex_destroy(&(*c)->mutex);
	mem_free(&(*c)->slots);
	mem_free(c);
}

/* The parts are parted by NULs, which none of them contains. */
static bool
tag_of(struct cache *c, const char *user, struct slice password,
    const char *stored, unsigned char tag[TAG_LEN])
{
	struct buf	 b;
	unsigned int	 len;
	bool		 ok;

	buf_init(&b, ACCOUNT_NAME_MAX + CRED_PASSWORD_MAX + CRED_MAX + 16);
	buf_adds(&b, user);
	buf_addc(&b, '\0');
	buf_add_slice(&b, password);
	buf_addc(&b, '\0');
	buf_adds(&b, stored);
	ok = !b.overflow && slice_find(password, '\0') < 0 &&
	    HMAC(EVP_sha256(), c->secret, sizeof(c->secret),
		buf_slice(&b).p, buf_len(&b), tag, &len) != NULL;
	mem_wipe(b.mem, b.size);
	buf_clear(&b);
	return ok;
}

static struct slot *
slot_of(struct cache *c, const unsigned char tag[TAG_LEN])
{
	return &c->slots[(tag[0] << 8 | tag[1]) % SLOTS];
}

bool
cache_has(struct cache *c, const char *user, struct slice password,
    const char *stored, usec_t now)
{
	unsigned char	 tag[TAG_LEN];
	struct slot	*s;
	bool		 hit;

	if (c->ttl == 0 || !tag_of(c, user, password, stored, tag))
		return false;
	pthread_mutex_lock(&c->mutex);
	s = slot_of(c, tag);
	hit = s->expires > now && CRYPTO_memcmp(s->tag, tag, TAG_LEN) == 0;
	pthread_mutex_unlock(&c->mutex);
	return hit;
}

void
cache_put(struct cache *c, const char *user, struct slice password,
    const char *stored, usec_t now)
{
	unsigned char	 tag[TAG_LEN];
	struct slot	*s;

	if (c->ttl == 0 || !tag_of(c, user, password, stored, tag))
		return;
	pthread_mutex_lock(&c->mutex);
	s = slot_of(c, tag);
	memcpy(s->tag, tag, TAG_LEN);
	s->expires = now + c->ttl;
	pthread_mutex_unlock(&c->mutex);
}
