/* SPDX-License-Identifier: Apache-2.0 */
#include "auth/mech.h"
#include "base/mem.h"
#include "base/panic.h"
#include "codec/base64.h"
#include "proto/sasl.h"

#define SCRAM_MESSAGE_MAX	8192

enum family { FAMILY_PLAIN, FAMILY_LOGIN, FAMILY_SCRAM };

struct kind {
	const char	*name;
	enum family	 family;
	enum scram_hash	 hash;
	bool		 plus;
};

static const struct kind kinds[] = {
	{ "PLAIN", FAMILY_PLAIN, 0, false },
	{ "LOGIN", FAMILY_LOGIN, 0, false },
	{ "SCRAM-SHA-256-PLUS", FAMILY_SCRAM, SCRAM_SHA_256, true },
	{ "SCRAM-SHA-256", FAMILY_SCRAM, SCRAM_SHA_256, false },
	{ "SCRAM-SHA-1-PLUS", FAMILY_SCRAM, SCRAM_SHA_1, true },
	{ "SCRAM-SHA-1", FAMILY_SCRAM, SCRAM_SHA_1, false },
};

enum state {
	ST_START,		/* first response, or none yet */
	ST_FIRST,		/* LOGIN: the name; others: first response */
	ST_LOGIN_PASSWORD,
	ST_PASSWORD,		/* the owner checks it */
	ST_KEYS,		/* the owner looks for the keys */
	ST_SCRAM_FINAL,
	ST_OVER
};

struct mech {
	struct arena		*mem;
	const struct kind	*kind;
	enum state		 state;
	struct slice		 exporter;
	const char		*server_nonce;
	const char		*user, *authzid, *reason;
	struct slice		 challenge;
	unsigned char		*password;
	size_t			 password_len;

	/* SCRAM: parts of a copy of the client's first message. */
	struct scram_first	 first;
	struct scram_keys	 keys;
	struct slice		 server_first;
};

const char *
mech_names(bool binding)
{
	return binding ? "PLAIN LOGIN SCRAM-SHA-256-PLUS SCRAM-SHA-256 "
	    "SCRAM-SHA-1-PLUS SCRAM-SHA-1" :
	    "PLAIN LOGIN SCRAM-SHA-256 SCRAM-SHA-1";
}

struct mech *
mech_new(struct arena *a, const char *name, struct slice exporter,
    const char *server_nonce)
{
	struct mech	*m;

	for (size_t i = 0; i < COUNT(kinds); i++) {
		if (strcmp(name, kinds[i].name) != 0)
			continue;
		if (kinds[i].plus && exporter.len == 0)
			return NULL;
		m = arena_alloc(a, sizeof(*m));
		m->mem = a;
		m->kind = &kinds[i];
		m->state = ST_START;
		m->exporter = slice_dup(a, exporter);
		m->server_nonce = arena_strdup(a, server_nonce);
		m->challenge = SLICE_LIT("");
		return m;
	}
	return NULL;
}

static enum mech_status
fail(struct mech *m, const char *reason)
{
	m->state = ST_OVER;
	m->reason = reason;
	m->challenge = SLICE_LIT("");
	return MECH_FAILED;
}

static enum mech_status
more(struct mech *m, enum state next, struct slice challenge)
{
	m->state = next;
	m->challenge = challenge;
	return MECH_MORE;
}

static void
keep_password(struct mech *m, struct slice p)
{
	m->password = arena_alloc(m->mem, p.len + 1);
	memcpy(m->password, p.p, p.len);
	m->password_len = p.len;
}

static enum mech_status
step_plain(struct mech *m, struct slice response)
{
	struct sasl_plain	 p;
	struct error		 err;

	if (sasl_plain_parse(response, &p, &err) < 0)
		return fail(m, arena_strdup(m->mem, err.text));
	m->user = slice_cstr(m->mem, p.authcid);
	if (p.authzid.len > 0)
		m->authzid = slice_cstr(m->mem, p.authzid);
	keep_password(m, p.passwd);
	m->state = ST_PASSWORD;
	return MECH_PASSWORD;
}

static enum mech_status
step_login_name(struct mech *m, struct slice response)
{
	m->user = slice_cstr(m->mem, response);
	if (m->user == NULL || response.len == 0) {
		m->user = NULL;
		return fail(m, "LOGIN: empty user name, or a NUL in it");
	}
	return more(m, ST_LOGIN_PASSWORD, SLICE_LIT("Password:"));
}

static enum mech_status
step_login_password(struct mech *m, struct slice response)
{
	if (response.len == 0 || slice_find(response, '\0') >= 0)
		return fail(m, "LOGIN: empty password, or a NUL in it");
	keep_password(m, response);
	m->state = ST_PASSWORD;
	return MECH_PASSWORD;
}

/*
 * RFC 5802 6: "y" from a client while we do offer -PLUS means that somebody
 * took the -PLUS names out of our list; "p" is for the -PLUS names alone; and
 * tls-exporter (RFC 9266) is the only binding we have.
 */
static const char *
bind_problem(const struct mech *m)
{
	switch (m->first.bind) {
	case SCRAM_BIND_NO:
		return m->kind->plus ? "SCRAM: -PLUS without channel binding" :
		    NULL;
	case SCRAM_BIND_UNUSED:
		return m->kind->plus || m->exporter.len > 0 ?
		    "SCRAM: channel binding downgrade" : NULL;
	case SCRAM_BIND_USED:
		if (!m->kind->plus)
			return "SCRAM: channel binding without -PLUS";
		return slice_is(m->first.bind_name, "tls-exporter") ? NULL :
		    "SCRAM: unsupported channel binding type";
	}
	return "SCRAM: bad channel binding";
}

static enum mech_status
step_scram_first(struct mech *m, struct slice response)
{
	struct error	 err;
	const char	*problem;

	if (response.len > SCRAM_MESSAGE_MAX)
		return fail(m, "SCRAM: message too long");
	response = slice_dup(m->mem, response);
	if (scram_first_parse(response, &m->first, &err) < 0)
		return fail(m, arena_strdup(m->mem, err.text));
	m->user = scram_name_decode(m->mem, m->first.user);
	if (m->user == NULL)
		return fail(m, "SCRAM: bad user name");
	if (m->first.authzid.len > 0) {
		m->authzid = scram_name_decode(m->mem, m->first.authzid);
		if (m->authzid == NULL)
			return fail(m, "SCRAM: bad authorization identity");
	}
	problem = bind_problem(m);
	if (problem != NULL)
		return fail(m, problem);
	m->state = ST_KEYS;
	return MECH_KEYS;
}

/* c= is base64 of the GS2 header, and of the binding data if used. */
static bool
binding_is(const struct mech *m, struct slice encoded)
{
	unsigned char	 raw[SCRAM_MESSAGE_MAX];
	size_t		 len, gs2 = m->first.gs2.len;

	if (!base64_get_into(encoded, raw, sizeof(raw), &len) || len < gs2 ||
	    memcmp(raw, m->first.gs2.p, gs2) != 0)
		return false;
	if (!m->kind->plus)
		return len == gs2;
	return slice_eq(slice_of(raw + gs2, len - gs2), m->exporter);
}

/* The nonce must be the client's with ours behind it. */
static bool
nonce_is(const struct mech *m, struct slice nonce)
{
	const size_t	n = m->first.nonce.len;

	return nonce.len > n &&
	    slice_eq(slice_first(nonce, n), m->first.nonce) &&
	    slice_is(slice_from(nonce, n), m->server_nonce);
}

static enum mech_status
step_scram_final(struct mech *m, struct slice response)
{
	struct scram_final	 f;
	struct error		 err;
	struct buf		 b;
	unsigned char		 proof[SCRAM_KEY_MAX], sig[SCRAM_KEY_MAX];
	size_t			 len;
	bool			 good;

	if (response.len > SCRAM_MESSAGE_MAX)
		return fail(m, "SCRAM: message too long");
	if (scram_final_parse(response, &f, &err) < 0)
		return fail(m, arena_strdup(m->mem, err.text));
	if (!nonce_is(m, f.nonce))
		return fail(m, "SCRAM: wrong nonce");
	if (!binding_is(m, f.binding))
		return fail(m, "SCRAM: wrong channel binding");
	if (!base64_get_into(f.proof, proof, sizeof(proof), &len))
		return fail(m, "SCRAM: bad proof");
	buf_init(&b, (size_t)4 * SCRAM_MESSAGE_MAX);
	buf_add_slice(&b, m->first.bare);
	buf_addc(&b, ',');
	buf_add_slice(&b, m->server_first);
	buf_addc(&b, ',');
	buf_add_slice(&b, f.without_proof);
	good = !b.overflow && scram_proof_check(&m->keys, buf_slice(&b),
	    slice_of(proof, len), sig);
	buf_reset(&b);
	if (!good) {
		buf_clear(&b);
		return fail(m, "invalid credentials");
	}
	buf_adds(&b, "v=");
	base64_put(&b, slice_of(sig, scram_key_len(m->kind->hash)));
	m->challenge = slice_dup(m->mem, buf_slice(&b));
	buf_clear(&b);
	m->state = ST_OVER;
	return MECH_OK;
}

enum mech_status
mech_step(struct mech *m, bool has, struct slice response)
{
	if (m->state == ST_START && !has)
		return more(m, ST_FIRST, m->kind->family == FAMILY_LOGIN ?
		    SLICE_LIT("Username:") : SLICE_LIT(""));
	if (!has)
		return fail(m, "no response");
	switch (m->state) {
	case ST_START:
	case ST_FIRST:
		switch (m->kind->family) {
		case FAMILY_PLAIN:
			return step_plain(m, response);
		case FAMILY_LOGIN:
			return step_login_name(m, response);
		case FAMILY_SCRAM:
			return step_scram_first(m, response);
		}
		break;
	case ST_LOGIN_PASSWORD:
		return step_login_password(m, response);
	case ST_SCRAM_FINAL:
		return step_scram_final(m, response);
	case ST_PASSWORD:
	case ST_KEYS:
	case ST_OVER:
		break;
	}
	return fail(m, "response out of turn");
}

enum mech_status
mech_verdict(struct mech *m, bool good)
{
	ASSERT(m->state == ST_PASSWORD);
	mech_wipe(m);
	if (!good)
		return fail(m, "invalid credentials");
	m->state = ST_OVER;
	m->challenge = SLICE_LIT("");
	return MECH_OK;
}

enum mech_status
mech_keys(struct mech *m, const struct scram_keys *k)
{
	struct buf	 b, salt;

	ASSERT(m->state == ST_KEYS);
	ASSERT(k->hash == m->kind->hash);
	m->keys = *k;
	buf_init(&salt, (size_t)2 * SCRAM_SALT_MAX);
	base64_put(&salt, slice_of(k->salt, k->salt_len));
	buf_init(&b, (size_t)2 * SCRAM_MESSAGE_MAX);
	scram_server_first(&b, m->first.nonce, slice_str(m->server_nonce),
	    buf_slice(&salt), k->iterations);
	m->server_first = slice_dup(m->mem, buf_slice(&b));
	buf_clear(&b);
	buf_clear(&salt);
	return more(m, ST_SCRAM_FINAL, m->server_first);
}

const char *
mech_user(const struct mech *m)
{
	return m->user;
}

const char *
mech_authzid(const struct mech *m)
{
	return m->authzid;
}

struct slice
mech_password(const struct mech *m)
{
	return slice_of(m->password, m->password_len);
}

struct slice
mech_challenge(const struct mech *m)
{
	return m->challenge;
}

enum scram_hash
mech_hash(const struct mech *m)
{
	return m->kind->hash;
}

const char *
mech_reason(const struct mech *m)
{
	return m->reason;
}

void
mech_wipe(struct mech *m)
{
	if (m->password != NULL)
		mem_wipe(m->password, m->password_len);
	mem_wipe(&m->keys, sizeof(m->keys));
	m->password_len = 0;
}
