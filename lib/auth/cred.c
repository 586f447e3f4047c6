/* SPDX-License-Identifier: Apache-2.0 */
#include <crypt.h>
#include <stdlib.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include "auth/cred.h"
#include "base/mem.h"
#include "codec/base64.h"

#define SALT_LEN	16

enum kind { KIND_CRYPT, KIND_DIGEST, KIND_SALTED, KIND_PLAIN, KIND_SCRAM };

struct scheme {
	const char	*label;
	enum kind	 kind;
	/* What crypt(3)'s text must begin with, the digest, or for SCRAM the
	 * hash. */
	const char	*prefix, *digest;
	enum scram_hash	 hash;
};

static const struct scheme schemes[] = {
	{ .label = "CRYPT", .kind = KIND_CRYPT, .prefix = "" },
	{ .label = "BLF-CRYPT", .kind = KIND_CRYPT, .prefix = "$2" },
	{ .label = "SHA512-CRYPT", .kind = KIND_CRYPT, .prefix = "$6$" },
	{ .label = "SHA256-CRYPT", .kind = KIND_CRYPT, .prefix = "$5$" },
	{ .label = "SHA", .kind = KIND_DIGEST, .digest = "SHA1" },
	{ .label = "SHA1", .kind = KIND_DIGEST, .digest = "SHA1" },
	{ .label = "SHA256", .kind = KIND_DIGEST, .digest = "SHA256" },
	{ .label = "SHA512", .kind = KIND_DIGEST, .digest = "SHA512" },
	{ .label = "SSHA", .kind = KIND_SALTED, .digest = "SHA1" },
	{ .label = "SSHA256", .kind = KIND_SALTED, .digest = "SHA256" },
	{ .label = "SSHA512", .kind = KIND_SALTED, .digest = "SHA512" },
	{ .label = "PLAIN", .kind = KIND_PLAIN },
	{ .label = "CLEAR", .kind = KIND_PLAIN },
	{ .label = "CLEARTEXT", .kind = KIND_PLAIN },
	{ .label = "SCRAM-SHA-256", .kind = KIND_SCRAM,
	    .hash = SCRAM_SHA_256 },
	{ .label = "SCRAM-SHA-1", .kind = KIND_SCRAM, .hash = SCRAM_SHA_1 },
};

/* The scheme of "{LABEL}text"; *text_out is behind the label. */
static const struct scheme *
split(const char *stored, const char **text_out)
{
	struct slice	 s = slice_str(stored), label;

	*text_out = stored;
	if (!slice_starts(s, "{"))
		return s.len > 0 ? &schemes[0] : NULL;
	if (!slice_cut(&s, '}', &label) || s.len == 0)
		return NULL;
	*text_out = (const char *)s.p;
	label = slice_from(label, 1);
	for (size_t i = 0; i < COUNT(schemes); i++)
		if (slice_iis(label, schemes[i].label))
			return &schemes[i];
	return NULL;
}

static bool
same(const void *a, size_t alen, const void *b, size_t blen)
{
	return alen == blen && CRYPTO_memcmp(a, b, alen) == 0;
}

static enum cred_result
check_crypt(const char *text, struct slice password)
{
	char		 clear[CRED_PASSWORD_MAX + 1];
	struct crypt_data *data = mem_new(1, sizeof(*data));
	const char	*got;
	enum cred_result r = CRED_BAD;

	memcpy(clear, password.p, password.len);
	clear[password.len] = '\0';
	/* NULL, or "*0" and "*1": never equal to anything stored. */
	got = crypt_r(clear, text, data);
	if (got != NULL && got[0] != '*')
		r = same(got, strlen(got), text, strlen(text)) ? CRED_MATCH :
		    CRED_MISMATCH;
	mem_wipe(clear, sizeof(clear));
	mem_wipe(data, sizeof(*data));
	mem_free(&data);
	return r;
}

static bool
digest(const char *name, struct slice a, struct slice b,
    unsigned char out[EVP_MAX_MD_SIZE], unsigned int *len_out)
{
	EVP_MD_CTX	*c = EVP_MD_CTX_new();
	bool		 ok;

	ok = c != NULL &&
	    EVP_DigestInit_ex(c, EVP_get_digestbyname(name), NULL) == 1 &&
	    EVP_DigestUpdate(c, a.p, a.len) == 1 &&
	    EVP_DigestUpdate(c, b.p, b.len) == 1 &&
	    EVP_DigestFinal_ex(c, out, len_out) == 1;
	EVP_MD_CTX_free(c);
	return ok;
}

/* base64(digest(password salt) salt): what follows the digest is the salt. */
static enum cred_result
check_digest(const struct scheme *s, const char *text, struct slice password)
{
	unsigned char	 raw[CRED_MAX], sum[EVP_MAX_MD_SIZE];
	unsigned int	 len;
	size_t		 n;

	if (!base64_get_into(slice_str(text), raw, sizeof(raw), &n) ||
	    !digest(s->digest, SLICE_LIT(""), SLICE_LIT(""), sum, &len) ||
	    n < len || (s->kind == KIND_DIGEST && n != len))
		return CRED_BAD;
	if (!digest(s->digest, password, slice_of(raw + len, n - len), sum,
	    &len))
		return CRED_BAD;
	return same(sum, len, raw, len) ? CRED_MATCH : CRED_MISMATCH;
}

static enum cred_result
check_scram(const char *stored, enum scram_hash hash, struct slice password)
{
	struct scram_keys	 want, got;

	if (!scram_keys_parse(stored, hash, &want))
		return CRED_BAD;
	got = want;
	if (scram_keys_derive(&got, password) < 0)
		return CRED_BAD;
	return same(got.stored_key, scram_key_len(hash), want.stored_key,
	    scram_key_len(hash)) ? CRED_MATCH : CRED_MISMATCH;
}

enum cred_result
cred_check(const char *stored, struct slice password)
{
	const char		*text;
	const struct scheme	*s = split(stored, &text);

	if (s == NULL || strlen(stored) > CRED_MAX)
		return CRED_BAD;
	if (password.len == 0 || password.len > CRED_PASSWORD_MAX ||
	    slice_find(password, '\0') >= 0)
		return CRED_MISMATCH;
	switch (s->kind) {
	case KIND_CRYPT:
		if (!slice_starts(slice_str(text), s->prefix))
			return CRED_BAD;
		return check_crypt(text, password);
	case KIND_DIGEST:
	case KIND_SALTED:
		return check_digest(s, text, password);
	case KIND_PLAIN:
		return same(text, strlen(text), password.p, password.len) ?
		    CRED_MATCH : CRED_MISMATCH;
	case KIND_SCRAM:
		return check_scram(stored, s->hash, password);
	}
	return CRED_BAD;
}

static bool
valid_crypt(const char *text, const char *prefix)
{
	int	r = crypt_checksalt(text);

	/* "!" and "*" lock an account: no password matches, which is not
	 * valid but not a reason to complain either. */
	return slice_starts(slice_str(text), prefix) &&
	    r != CRYPT_SALT_INVALID && r != CRYPT_SALT_METHOD_DISABLED;
}

bool
cred_valid(const char *stored)
{
	const char		*text;
	const struct scheme	*s = split(stored, &text);
	unsigned char		 raw[CRED_MAX];
	struct scram_keys	 keys;
	size_t			 n;

	if (s == NULL || strlen(stored) > CRED_MAX)
		return false;
	switch (s->kind) {
	case KIND_CRYPT:
		return valid_crypt(text, s->prefix);
	case KIND_DIGEST:
	case KIND_SALTED:
		return base64_get_into(slice_str(text), raw, sizeof(raw), &n) &&
		    n >= (size_t)EVP_MD_get_size(
			EVP_get_digestbyname(s->digest));
	case KIND_PLAIN:
		return true;
	case KIND_SCRAM:
		return scram_keys_parse(stored, s->hash, &keys);
	}
	return false;
}

static int
make_crypt(const char *prefix, const char *label, struct slice password,
    struct buf *out, struct error *err)
{
	char		 clear[CRED_PASSWORD_MAX + 1];
	char		 setting[CRYPT_GENSALT_OUTPUT_SIZE];
	struct crypt_data *data;
	const char	*got;
	int		 r = 0;

	if (crypt_gensalt_rn(prefix, 0, NULL, 0, setting,
	    (int)sizeof(setting)) == NULL)
		return error_sys(err, "cannot make a salt for %s", label);
	data = mem_new(1, sizeof(*data));
	memcpy(clear, password.p, password.len);
	clear[password.len] = '\0';
	got = crypt_r(clear, setting, data);
	if (got == NULL || got[0] == '*')
		r = error_sys(err, "cannot hash with %s", label);
	else
		buf_addf(out, "{%s}%s", label, got);
	mem_wipe(clear, sizeof(clear));
	mem_wipe(data, sizeof(*data));
	mem_free(&data);
	return r;
}

static int
make_scram(enum scram_hash hash, struct slice password, struct buf *out,
    struct error *err)
{
	struct scram_keys	 k = { .hash = hash,
				    .iterations = SCRAM_ITERATIONS,
				    .salt_len = SALT_LEN };

	if (RAND_bytes(k.salt, SALT_LEN) != 1 ||
	    scram_keys_derive(&k, password) < 0)
		return error_set(err, "cannot derive SCRAM keys");
	scram_keys_format(&k, out);
	mem_wipe(&k, sizeof(k));
	return 0;
}

static int
make_ssha512(struct slice password, struct buf *out, struct error *err)
{
	unsigned char	 raw[EVP_MAX_MD_SIZE + SALT_LEN];
	unsigned char	 salt[SALT_LEN];
	unsigned int	 len;

	if (RAND_bytes(salt, SALT_LEN) != 1 ||
	    !digest("SHA512", password, slice_of(salt, SALT_LEN), raw, &len))
		return error_set(err, "cannot hash with SSHA512");
	memcpy(raw + len, salt, SALT_LEN);
	buf_adds(out, "{SSHA512}");
	base64_put(out, slice_of(raw, len + SALT_LEN));
	return 0;
}

int
cred_make(const char *scheme, struct slice password, struct buf *out,
    struct error *err)
{
	const struct slice	 s = slice_str(scheme);

	if (password.len == 0)
		return error_set(err, "the password is empty");
	if (password.len > CRED_PASSWORD_MAX - 1)
		return error_set(err, "the password is longer than %d bytes",
		    CRED_PASSWORD_MAX - 1);
	if (slice_find(password, '\0') >= 0)
		return error_set(err, "the password contains a NUL byte");
	if (slice_iis(s, "yescrypt") || slice_iis(s, "CRYPT"))
		return make_crypt("$y$", "CRYPT", password, out, err);
	if (slice_iis(s, "bcrypt") || slice_iis(s, "BLF-CRYPT"))
		return make_crypt("$2b$", "BLF-CRYPT", password, out, err);
	if (slice_iis(s, "SHA512-CRYPT"))
		return make_crypt("$6$", "SHA512-CRYPT", password, out, err);
	if (slice_iis(s, "SHA256-CRYPT"))
		return make_crypt("$5$", "SHA256-CRYPT", password, out, err);
	if (slice_iis(s, "SSHA512"))
		return make_ssha512(password, out, err);
	if (slice_iis(s, "SCRAM-SHA-256"))
		return make_scram(SCRAM_SHA_256, password, out, err);
	if (slice_iis(s, "SCRAM-SHA-1"))
		return make_scram(SCRAM_SHA_1, password, out, err);
	if (slice_iis(s, "PLAIN")) {
		buf_adds(out, "{PLAIN}");
		buf_add_slice(out, password);
		return 0;
	}
	return error_set(err, "unknown password scheme \"%s\"", scheme);
}
