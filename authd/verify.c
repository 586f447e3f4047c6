/* SPDX-License-Identifier: Apache-2.0 */
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "authd/authd.h"
#include "base/mem.h"
#include "sys/clock.h"
#include "sys/loop.h"
#include "sys/syncer.h"

enum job_kind { JOB_PASSWORD, JOB_KEYS, JOB_FIND };

struct job {
	struct authd	*ad;
	struct authdb	*db;
	struct arena	*mem;		/* the asker's */
	enum job_kind	 kind;
	const char	*user;
	struct slice	 password;
	enum scram_hash	 hash;
	struct verdict	 v;
	verify_done	*done;
	void		*arg;
};

/* SCRAM verifiers are used for passwords only where nothing else is there:
 * comparing with both would cost twice. */
static bool
is_scram(const char *stored)
{
	return slice_istarts(slice_str(stored), "{SCRAM-");
}

static bool
try_hash(struct job *j, const char *stored)
{
	const usec_t	now = clock_mono();

	if (cache_has(j->ad->cache, j->user, j->password, stored, now))
		return true;
	if (cred_check(stored, j->password) != CRED_MATCH)
		return false;
	cache_put(j->ad->cache, j->user, j->password, stored, now);
	return true;
}

static void
check_password(struct job *j)
{
	const struct account	*acc = &j->v.account;
	bool			 good = false, tried = false;

	if (j->v.result == VERDICT_GOOD)
		for (int scram = 0; scram <= 1 && !tried; scram++)
			for (size_t i = 0; i < acc->nhashes && !good; i++)
				if (is_scram(acc->hashes[i]) == scram) {
					tried = true;
					good = try_hash(j, acc->hashes[i]);
				}
	if (!tried) {
		/* Nobody learns from the time that there is no such user. */
		(void)!cred_check(j->ad->dummy_hash, j->password);
		return;
	}
	if (!good)
		j->v.result = VERDICT_BAD;
	else if (acc->disabled)
		j->v.result = VERDICT_DISABLED;
}

/* For users without keys: a salt that stays the same for a name, as a real
 * one does, and keys that fit no password. */
static void
dummy_keys(struct job *j)
{
	unsigned char		 sum[EVP_MAX_MD_SIZE];
	unsigned int		 len = 0;
	struct scram_keys	*k = &j->v.keys;

	memset(k, 0, sizeof(*k));
	k->hash = j->hash;
	k->iterations = SCRAM_ITERATIONS;
	k->salt_len = 16;
	HMAC(EVP_sha512(), j->ad->secret, sizeof(j->ad->secret),
	    (const void *)j->user, strlen(j->user), sum, &len);
	memcpy(k->salt, sum, k->salt_len);
	memcpy(k->stored_key, sum + 16, SCRAM_KEY_MAX);
	memcpy(k->server_key, sum + 24, SCRAM_KEY_MAX);
}

static bool
plain_keys(struct job *j, const char *stored)
{
	static const char	*const labels[] = { "{PLAIN}", "{CLEAR}",
				    "{CLEARTEXT}" };

	for (size_t i = 0; i < COUNT(labels); i++)
		if (slice_istarts(slice_str(stored), labels[i])) {
			dummy_keys(j);
			return scram_keys_derive(&j->v.keys,
			    slice_str(stored + strlen(labels[i]))) == 0;
		}
	return false;
}

static void
find_keys(struct job *j)
{
	if (j->v.result == VERDICT_GOOD)
		for (size_t i = 0; i < j->v.account.nhashes; i++)
			if (scram_keys_parse(j->v.account.hashes[i], j->hash,
			    &j->v.keys) || plain_keys(j,
			    j->v.account.hashes[i])) {
				if (j->v.account.disabled)
					j->v.result = VERDICT_DISABLED;
				return;
			}
	dummy_keys(j);
	if (j->v.result == VERDICT_GOOD)
		j->v.result = VERDICT_BAD;
}

/* In a thread: touches the job, the authdb and the cache (both locked). */
static void
work(void *arg)
{
	struct job	*j = arg;

	switch (authdb_find(j->db, j->user, j->mem, &j->v.account,
	    &j->v.backend, &j->v.err)) {
	case AUTHDB_FOUND:
		j->v.result = VERDICT_GOOD;
		break;
	case AUTHDB_NONE:
		j->v.result = VERDICT_UNKNOWN;
		break;
	case AUTHDB_ERROR:
		j->v.result = VERDICT_ERROR;
		break;
	}
	switch (j->kind) {
	case JOB_PASSWORD:
		check_password(j);
		break;
	case JOB_KEYS:
		find_keys(j);
		break;
	case JOB_FIND:
		break;
	}
}

static void
finished(void *arg)
{
	struct job	*j = arg;

	j->done(j->arg, &j->v);
	authdb_close(&j->db);
	mem_free(&j);
}

static void
overloaded(void *arg)
{
	struct job	*j = arg;

	j->v.result = VERDICT_ERROR;
	error_set(&j->v.err, "too many authentications are waiting");
	finished(j);
}

static struct job *
job_new(struct authd *ad, struct arena *a, enum job_kind kind,
    const char *user, verify_done *done, void *arg)
{
	struct job	*j = mem_new(1, sizeof(*j));

	j->ad = ad;
	j->db = authdb_hold(ad->db);
	j->mem = a;
	j->kind = kind;
	j->user = user;
	j->done = done;
	j->arg = arg;
	j->v.backend = "none";
	return j;
}

static void
run(struct syncer *s, struct job *j)
{
	if (syncer_pending(s) >= (size_t)j->ad->conf->queue_limit)
		loop_defer(j->ad->loop, overloaded, j);
	else
		syncer_run(s, work, finished, j);
}

void
verify_password(struct authd *ad, struct arena *a, const char *user,
    struct slice password, verify_done *done, void *arg)
{
	struct job	*j = job_new(ad, a, JOB_PASSWORD, user, done, arg);

	j->password = password;
	run(ad->hashers, j);
}

void
verify_keys(struct authd *ad, struct arena *a, const char *user,
    enum scram_hash hash, verify_done *done, void *arg)
{
	struct job	*j = job_new(ad, a, JOB_KEYS, user, done, arg);

	j->hash = hash;
	run(ad->hashers, j);
}

void
verify_find(struct authd *ad, struct arena *a, const char *user,
    verify_done *done, void *arg)
{
	run(ad->finders, job_new(ad, a, JOB_FIND, user, done, arg));
}
