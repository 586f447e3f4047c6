/* SPDX-License-Identifier: Apache-2.0 */
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "auth/cred.h"
#include "base/mem.h"
#include "base/panic.h"
#include "codec/base64.h"

/* More would let a stored verifier burn our time; RFC 7677 asks for 4096. */
#define ITERATIONS_MAX	10000000

static const struct {
	const char	*scheme;
	size_t		 len;
} hashes[] = {
	[SCRAM_SHA_1] = { "SCRAM-SHA-1", 20 },
	[SCRAM_SHA_256] = { "SCRAM-SHA-256", 32 },
};

size_t
scram_key_len(enum scram_hash h)
{
	return hashes[h].len;
}

const char *
scram_scheme(enum scram_hash h)
{
	return hashes[h].scheme;
}

static const EVP_MD *
md(enum scram_hash h)
{
	return h == SCRAM_SHA_1 ? EVP_sha1() : EVP_sha256();
}

static bool
hmac(enum scram_hash h, const unsigned char *key, struct slice text,
    unsigned char out[SCRAM_KEY_MAX])
{
	unsigned int	len;

	return HMAC(md(h), key, (int)hashes[h].len, text.p, text.len, out,
	    &len) != NULL;
}

int
scram_keys_derive(struct scram_keys *k, struct slice password)
{
	unsigned char	salted[SCRAM_KEY_MAX], client[SCRAM_KEY_MAX];
	unsigned int	len;
	bool		ok;

	ok = PKCS5_PBKDF2_HMAC((const char *)password.p, (int)password.len,
		k->salt, (int)k->salt_len, (int)k->iterations, md(k->hash),
		(int)hashes[k->hash].len, salted) == 1 &&
	    hmac(k->hash, salted, SLICE_LIT("Client Key"), client) &&
	    hmac(k->hash, salted, SLICE_LIT("Server Key"), k->server_key) &&
	    EVP_Digest(client, hashes[k->hash].len, k->stored_key, &len,
		md(k->hash), NULL) == 1;
	mem_wipe(salted, sizeof(salted));
	mem_wipe(client, sizeof(client));
	return ok ? 0 : -1;
}

bool
scram_keys_parse(const char *stored, enum scram_hash want,
    struct scram_keys *out)
{
	struct slice	 s = slice_str(stored), part;
	const size_t	 len = hashes[want].len;
	uint64_t	 n;
	size_t		 got;

	memset(out, 0, sizeof(*out));
	out->hash = want;
	if (!slice_starts(s, "{") || !slice_cut(&s, '}', &part) ||
	    !slice_iis(slice_from(part, 1), hashes[want].scheme))
		return false;
	if (!slice_cut(&s, ',', &part) ||
	    !slice_u64(part, ITERATIONS_MAX, &n) || n == 0)
		return false;
	out->iterations = (unsigned int)n;
	if (!slice_cut(&s, ',', &part) || !base64_get_into(part, out->salt,
	    sizeof(out->salt), &out->salt_len) || out->salt_len == 0)
		return false;
	if (!slice_cut(&s, ',', &part) ||
	    !base64_get_into(part, out->stored_key, len, &got) || got != len)
		return false;
	return base64_get_into(s, out->server_key, len, &got) && got == len;
}

void
scram_keys_format(const struct scram_keys *k, struct buf *out)
{
	buf_addf(out, "{%s}%u,", hashes[k->hash].scheme, k->iterations);
	base64_put(out, slice_of(k->salt, k->salt_len));
	buf_addc(out, ',');
	base64_put(out, slice_of(k->stored_key, hashes[k->hash].len));
	buf_addc(out, ',');
	base64_put(out, slice_of(k->server_key, hashes[k->hash].len));
}

bool
scram_proof_check(const struct scram_keys *k, struct slice auth_message,
    struct slice proof, unsigned char signature_out[SCRAM_KEY_MAX])
{
	const size_t	len = hashes[k->hash].len;
	unsigned char	sig[SCRAM_KEY_MAX], sum[SCRAM_KEY_MAX];
	unsigned int	n;

	if (proof.len != len || !hmac(k->hash, k->stored_key, auth_message,
	    sig))
		return false;
	for (size_t i = 0; i < len; i++)
		sig[i] ^= proof.p[i];
	if (EVP_Digest(sig, len, sum, &n, md(k->hash), NULL) != 1 ||
	    CRYPTO_memcmp(sum, k->stored_key, len) != 0)
		return false;
	return hmac(k->hash, k->server_key, auth_message, signature_out);
}
