/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>

#include <openssl/rand.h>

#include "authd/authd.h"
#include "base/mem.h"
#include "codec/base64.h"
#include "sys/clock.h"
#include "sys/log.h"
#include "sys/loop.h"

#define NONCE_BYTES	18

/*
 * What an exchange waits for decides what may happen to it:
 *
 *	WAIT_CLIENT	the next auth_continue; a timer ends it
 *	WAIT_JOB	a thread has its memory: it cannot be freed now
 *	WAIT_DELAY	it has failed, and a timer will say so
 *
 * orphan: the peer is gone; the end of the job frees it.
 */
enum waits { WAIT_CLIENT, WAIT_JOB, WAIT_DELAY };

struct exchange {
	struct list		 all;
	struct authd		*ad;
	struct arena		*mem;
	uint64_t		 id;
	enum waits		 waits;
	bool			 orphan;
	struct ipc		*from;
	struct ipc_request	 req;	/* to be answered next */
	struct mech		*mech;
	const char		*service, *mechanism, *remote_ip;
	const char		*user;	/* normalised */
	const char		*backend;
	bool			 secured, known, disabled;
	struct loop_timer	*timer;
};

static void	 advance(struct exchange *x, enum mech_status s);

static struct slice
id_key(const uint64_t *id)
{
	return slice_of(id, sizeof(*id));
}

static void
exchange_free(struct exchange *x)
{
	struct arena	*mem = x->mem;

	list_remove(&x->all);
	hash_del(x->ad->exchange_ids, id_key(&x->id));
	loop_timer_free(&x->timer);
	mech_wipe(x->mech);
	daemon_session_end(x->ad->daemon);
	arena_free(&mem);
}

static void
reply(struct exchange *x, enum auth_status status, const char *cookie,
    const char *reason)
{
	const struct auth_step	step = {
		.exchange = x->id,
		.status = (uint64_t)status,
		.challenge = mech_challenge(x->mech),
		.user = x->user != NULL ? x->user : mech_user(x->mech),
		.cookie = cookie,
		.reason = reason,
	};

	ipc_reply(x->req, &auth_step_desc, &step);
}

static void
on_timer(void *arg)
{
	struct exchange	*x = arg;

	if (x->waits == WAIT_DELAY)
		reply(x, AUTH_FAILED, NULL, "authentication failed");
	/* In WAIT_CLIENT nobody is asking; the next auth_continue finds no
	 * such exchange. */
	exchange_free(x);
}

/* Dovecot's words, under its tag, so that fail2ban's filter finds them:
 * "auth[123]: userdb(user,192.0.2.1): unknown user". */
static void
log_failure(const struct exchange *x, const char *what)
{
	const char	*user = x->user != NULL ? x->user :
			    mech_user(x->mech);

	log_info_as("auth", "%s(%s,%s): %s", x->backend,
	    user == NULL ? "" : user, x->remote_ip, what);
}

/* The exchange is lost: say so, later. */
static void
fail(struct exchange *x, const char *what)
{
	const struct authd_conf	*conf = x->ad->conf;

	log_failure(x, what);
	x->waits = WAIT_DELAY;
	loop_timer_set(x->timer, penalty_failed(x->ad->penalties,
	    x->remote_ip, conf->failure_delay, clock_mono()));
}

static void
tempfail(struct exchange *x, const char *why)
{
	log_warn("%s(%s,%s): %s", x->backend, x->user == NULL ? "" : x->user,
	    x->remote_ip, why);
	reply(x, AUTH_TEMPFAIL, NULL, why);
	exchange_free(x);
}

/* Nobody listens any more, but each request must be answered once. */
static void
abandon(struct exchange *x)
{
	reply(x, AUTH_TEMPFAIL, NULL, "the asker is gone");
	exchange_free(x);
}

static bool
wants_cookie(const char *service)
{
	return strcmp(service, "imap") == 0 || strcmp(service, "pop3") == 0;
}

static void
succeed(struct exchange *x)
{
	struct authd	*ad = x->ad;
	const char	*cookie = NULL;

	penalty_forget(ad->penalties, x->remote_ip);
	if (wants_cookie(x->service)) {
		cookie = cookie_make(ad->cookies, x->mem, x->service, x->user,
		    clock_mono() + ad->conf->cookie_lifetime);
		if (cookie == NULL) {
			tempfail(x, "no random bytes");
			return;
		}
	}
	log_debug("authenticated: service=%s mech=%s user=%s rip=%s%s",
	    x->service, x->mechanism, x->user, x->remote_ip,
	    x->secured ? " secured" : "");
	daemon_count(ad->daemon, COUNT_ACCEPTED, 1);
	reply(x, AUTH_OK, cookie, NULL);
	exchange_free(x);
}

static void
password_checked(void *arg, struct verdict *v)
{
	struct exchange	*x = arg;

	x->backend = v->backend;
	if (x->orphan) {
		abandon(x);
		return;
	}
	switch (v->result) {
	case VERDICT_GOOD:
		advance(x, mech_verdict(x->mech, true));
		return;
	case VERDICT_BAD:
		fail(x, "invalid credentials");
		return;
	case VERDICT_UNKNOWN:
		fail(x, "unknown user");
		return;
	case VERDICT_DISABLED:
		log_info("%s: account is disabled", x->user);
		fail(x, "invalid credentials");
		return;
	case VERDICT_ERROR:
		tempfail(x, v->err.text);
		return;
	}
}

static void
keys_found(void *arg, struct verdict *v)
{
	struct exchange	*x = arg;

	x->backend = v->backend;
	if (x->orphan) {
		abandon(x);
		return;
	}
	if (v->result == VERDICT_ERROR) {
		tempfail(x, v->err.text);
		return;
	}
	x->known = v->result != VERDICT_UNKNOWN;
	x->disabled = v->result == VERDICT_DISABLED;
	advance(x, mech_keys(x->mech, &v->keys));
}

/* The name as we know it; an authorization identity must be the same one:
 * nobody may act as another. */
static bool
take_user(struct exchange *x)
{
	const char	*authzid = mech_authzid(x->mech), *as;
	const char	*realm = x->ad->auth->default_realm;

	x->user = account_name(x->mem, slice_str(mech_user(x->mech)), realm);
	if (x->user == NULL)
		return false;
	if (authzid == NULL)
		return true;
	as = account_name(x->mem, slice_str(authzid), realm);
	return as != NULL && strcmp(as, x->user) == 0;
}

static void
ask_client(struct exchange *x)
{
	reply(x, AUTH_MORE, NULL, NULL);
	x->waits = WAIT_CLIENT;
	loop_timer_set(x->timer, x->ad->conf->client_timeout);
}

static void
advance(struct exchange *x, enum mech_status s)
{
	switch (s) {
	case MECH_MORE:
		ask_client(x);
		return;
	case MECH_PASSWORD:
	case MECH_KEYS:
		if (!take_user(x)) {
			fail(x, "unknown user");
			return;
		}
		x->waits = WAIT_JOB;
		if (s == MECH_PASSWORD)
			verify_password(x->ad, x->mem, x->user,
			    mech_password(x->mech), password_checked, x);
		else
			verify_keys(x->ad, x->mem, x->user,
			    mech_hash(x->mech), keys_found, x);
		return;
	case MECH_OK:
		if (x->disabled)
			fail(x, "invalid credentials");
		else
			succeed(x);
		return;
	case MECH_FAILED:
		fail(x, x->user != NULL && !x->known ? "unknown user" :
		    "invalid credentials");
		return;
	}
}

static const char *
new_nonce(struct arena *a)
{
	unsigned char	 raw[NONCE_BYTES];
	struct buf	 b;
	const char	*text;

	if (RAND_bytes(raw, sizeof(raw)) != 1)
		return NULL;
	buf_init(&b, 64);
	base64_put(&b, slice_of(raw, sizeof(raw)));
	text = arena_strdup(a, buf_cstr(&b));
	buf_clear(&b);
	return text;
}

/* Refused before there is an exchange. */
static void
refuse(struct ipc_request req, enum auth_status status, const char *reason)
{
	const struct auth_step	step = { .status = (uint64_t)status,
				    .challenge = SLICE_LIT(""),
				    .reason = reason };

	ipc_reply(req, &auth_step_desc, &step);
}

void
exchange_start(struct authd *ad, struct ipc_request req,
    const struct auth_start *msg)
{
	struct arena	*mem;
	struct exchange	*x;
	const char	*nonce;
	struct mech	*mech;

	if (hash_count(ad->exchange_ids) >= (size_t)ad->conf->exchange_limit) {
		refuse(req, AUTH_TEMPFAIL, "too many authentications");
		return;
	}
	mem = arena_new();
	nonce = new_nonce(mem);
	mech = nonce == NULL ? NULL : mech_new(mem, msg->mechanism,
	    msg->exporter, nonce);
	if (mech == NULL) {
		refuse(req, AUTH_FAILED, "unsupported mechanism");
		arena_free(&mem);
		return;
	}
	x = arena_alloc(mem, sizeof(*x));
	x->ad = ad;
	x->mem = mem;
	x->mech = mech;
	x->id = ++ad->last_id;
	x->from = req.from;
	x->req = req;
	x->service = arena_strdup(mem, msg->service);
	x->mechanism = arena_strdup(mem, msg->mechanism);
	x->remote_ip = arena_strdup(mem, msg->remote_ip);
	x->backend = "auth";
	x->secured = msg->secured;
	x->timer = loop_timer_new(ad->loop, on_timer, x);
	list_put_last(&ad->exchanges, &x->all);
	hash_put(ad->exchange_ids, id_key(&x->id), x);
	daemon_session_begin(ad->daemon);
	advance(x, mech_step(mech, msg->has_initial, msg->initial));
}

static struct exchange *
find(struct authd *ad, struct ipc *from, uint64_t id)
{
	struct exchange	*x = hash_get(ad->exchange_ids, id_key(&id));

	/* Only who began it may go on with it. */
	return x != NULL && x->from == from && !x->orphan &&
	    x->waits == WAIT_CLIENT ? x : NULL;
}

void
exchange_continue(struct authd *ad, struct ipc_request req,
    const struct auth_continue *msg)
{
	struct exchange	*x = find(ad, req.from, msg->exchange);

	if (x == NULL) {
		refuse(req, AUTH_FAILED, "no such authentication");
		return;
	}
	loop_timer_stop(x->timer);
	x->req = req;
	advance(x, mech_step(x->mech, true, msg->response));
}

void
exchange_cancel(struct authd *ad, struct ipc *from, uint64_t id)
{
	struct exchange	*x = find(ad, from, id);

	if (x != NULL)
		exchange_free(x);
}

void
exchange_drop(struct authd *ad, struct ipc *from)
{
	LIST_EACH(l, &ad->exchanges) {
		struct exchange	*x = LIST_ENTRY(l, struct exchange, all);

		if (x->from != from)
			continue;
		if (x->waits == WAIT_JOB) {
			x->orphan = true;
			continue;
		}
		if (x->waits == WAIT_DELAY)
			abandon(x);
		else
			exchange_free(x);
	}
}
