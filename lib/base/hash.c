/* SPDX-License-Identifier: Apache-2.0 */
/* Open addressing with linear probing and tombstones; at most 3/4 full. */
#include "base/hash.h"

#include <string.h>
#include <sys/random.h>

#include "base/mem.h"
#include "base/panic.h"

struct slot {
	char		*key;		/* NULL: never used */
	size_t		 len;
	uint64_t	 sum;
	void		*value;		/* NULL: deleted, if key is set */
};

struct hash {
	struct slot	*slots;
	size_t		 size;		/* power of two, or 0 */
	size_t		 live, used;	/* used counts tombstones too */
};

static inline uint64_t
rotl(uint64_t x, int n)
{
	return x << n | x >> (64 - n);
}

static inline void
sip_round(uint64_t v[4])
{
	v[0] += v[1]; v[1] = rotl(v[1], 13); v[1] ^= v[0]; v[0] = rotl(v[0], 32);
	v[2] += v[3]; v[3] = rotl(v[3], 16); v[3] ^= v[2];
	v[0] += v[3]; v[3] = rotl(v[3], 21); v[3] ^= v[0];
	v[2] += v[1]; v[1] = rotl(v[1], 17); v[1] ^= v[2]; v[2] = rotl(v[2], 32);
}

static const uint64_t *
process_key(void)
{
	static uint64_t	key[2];
	static bool	ready;

	if (!ready) {
		if (getrandom(key, sizeof(key), 0) != sizeof(key))
			panic("getrandom failed");
		ready = true;
	}
	return key;
}

uint64_t
hash_bytes(const void *data, size_t len)
{
	const unsigned char	*p = data;
	const uint64_t		*k = process_key();
	uint64_t		 m = 0, v[4] = {
		k[0] ^ 0x736f6d6570736575u, k[1] ^ 0x646f72616e646f6du,
		k[0] ^ 0x6c7967656e657261u, k[1] ^ 0x7465646279746573u,
	};
	size_t			 left = len;

	for (; left >= 8; left -= 8, p += 8) {
		memcpy(&m, p, 8);
		v[3] ^= m;
		sip_round(v);
		v[0] ^= m;
	}
	m = 0;
	if (left > 0)
		memcpy(&m, p, left);
	m |= (uint64_t)len << 56;
	v[3] ^= m;
	sip_round(v);
	v[0] ^= m;
	v[2] ^= 0xff;
	for (int i = 0; i < 3; i++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

struct hash *
hash_new(void)
{
	return mem_new(1, sizeof(struct hash));
}

void
hash_free(struct hash **h)
{
	if (*h == NULL)
		return;
	for (size_t i = 0; i < (*h)->size; i++)
		mem_free(&(*h)->slots[i].key);
	mem_free(&(*h)->slots);
	mem_free(h);
}

/* The slot that holds the key, or NULL. */
static struct slot *
find(const struct hash *h, struct slice key, uint64_t sum)
{
	if (h->size == 0)
		return NULL;
	for (size_t i = sum & (h->size - 1);; i = (i + 1) & (h->size - 1)) {
		struct slot	*s = &h->slots[i];

		if (s->key == NULL)
			return NULL;
		if (s->value != NULL && s->sum == sum &&
		    slice_eq(slice_of(s->key, s->len), key))
			return s;
	}
}

static void
place(struct slot *slots, size_t size, struct slot s)
{
	size_t	i = s.sum & (size - 1);

	while (slots[i].key != NULL)
		i = (i + 1) & (size - 1);
	slots[i] = s;
}

static void
grow(struct hash *h)
{
	size_t		 size = 16;
	struct slot	*slots;

	while (size < (h->live + 1) * 2)
		size *= 2;
	slots = mem_new(size, sizeof(*slots));
	for (size_t i = 0; i < h->size; i++) {
		if (h->slots[i].value != NULL)
			place(slots, size, h->slots[i]);
		else
			mem_free(&h->slots[i].key);
	}
	mem_free(&h->slots);
	h->slots = slots;
	h->size = size;
	h->used = h->live;
}

void *
hash_get(const struct hash *h, struct slice key)
{
	struct slot	*s = find(h, key, hash_bytes(key.p, key.len));

	return s == NULL ? NULL : s->value;
}

void *
hash_put(struct hash *h, struct slice key, void *value)
{
	uint64_t	 sum = hash_bytes(key.p, key.len);
	struct slot	*s = find(h, key, sum);
	struct slot	 fresh = { NULL, key.len, sum, value };
	void		*old;

	ASSERT(value != NULL);
	if (s != NULL) {
		old = s->value;
		s->value = value;
		return old;
	}
	if ((h->used + 1) * 4 > h->size * 3)
		grow(h);
	fresh.key = mem_new(1, key.len + 1);
	if (key.len > 0)
		memcpy(fresh.key, key.p, key.len);
	place(h->slots, h->size, fresh);
	h->live++;
	h->used++;
	return NULL;
}

void *
hash_del(struct hash *h, struct slice key)
{
	struct slot	*s = find(h, key, hash_bytes(key.p, key.len));
	void		*old;

	if (s == NULL)
		return NULL;
	old = s->value;
	s->value = NULL;
	h->live--;
	return old;
}

void *
hash_gets(const struct hash *h, const char *key)
{
	return hash_get(h, slice_str(key));
}

void *
hash_puts(struct hash *h, const char *key, void *value)
{
	return hash_put(h, slice_str(key), value);
}

void *
hash_dels(struct hash *h, const char *key)
{
	return hash_del(h, slice_str(key));
}

size_t
hash_count(const struct hash *h)
{
	return h->live;
}

bool
hash_each(const struct hash *h, size_t *at, struct slice *key_out,
    void **value_out)
{
	for (; *at < h->size; (*at)++) {
		struct slot	*s = &h->slots[*at];

		if (s->value == NULL)
			continue;
		if (key_out != NULL)
			*key_out = slice_of(s->key, s->len);
		*value_out = s->value;
		(*at)++;
		return true;
	}
	return false;
}
