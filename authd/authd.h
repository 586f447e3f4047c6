/* SPDX-License-Identifier: Apache-2.0 */
/* authd.h - private to authd: who is who, and who may know it.
 *
 *	service.c	what peers may ask
 *	exchange.c	one SASL exchange, from start to verdict
 *	verify.c	look-ups and hashing, in threads
 *	penalty.c	how long an address waits after failures
 *	cookie.c	proofs of a login, for session processes
 *	cache.c		passwords that were right a moment ago */
#ifndef AUTHD_AUTHD_H
#define AUTHD_AUTHD_H

#include "auth/authdb.h"
#include "auth/mech.h"
#include "base/hash.h"
#include "base/list.h"
#include "base/times.h"
#include "daemon/daemon.h"
#include "ipc/auth_msg.h"

struct syncer;

struct authd_conf {
	int64_t	 worker_threads, queue_limit, exchange_limit;
	usec_t	 failure_delay, cookie_lifetime, cache_ttl, client_timeout;
};
extern const struct param	authd_params[];
extern const size_t		authd_nparams;

struct authd {
	struct daemon			*daemon;
	struct loop			*loop;
	const struct authd_conf		*conf;
	const struct auth_conf		*auth;
	struct authdb			*db;
	struct syncer			*hashers, *finders;
	uid_t				 mail_uid;
	struct list			 exchanges;
	struct hash			*exchange_ids;
	uint64_t			 last_id;
	struct penalties		*penalties;
	struct cookies			*cookies;
	struct cache			*cache;
	const char			*dummy_hash;
	unsigned char			 secret[32];	/* of this process */
};

/* service.c */
extern const struct ipc_handler	authd_handlers[];
extern const size_t		authd_nhandlers;
void	 authd_ipc_closed(void *daemon, struct ipc *c, const char *why);

/* exchange.c */
void	 exchange_start(struct authd *ad, struct ipc_request req,
	    const struct auth_start *msg);
void	 exchange_continue(struct authd *ad, struct ipc_request req,
	    const struct auth_continue *msg);
void	 exchange_cancel(struct authd *ad, struct ipc *from, uint64_t id);

/* The peer is gone. */
void	 exchange_drop(struct authd *ad, struct ipc *from);

/* verify.c: done runs from the loop.  The result's strings live in the
 * arena given, which must live until then. */
struct verdict {
	enum { VERDICT_GOOD, VERDICT_BAD, VERDICT_UNKNOWN, VERDICT_DISABLED,
	    VERDICT_ERROR } result;
	struct account		 account;
	const char		*backend;
	struct scram_keys	 keys;		/* verify_keys() */
	struct error		 err;
};
typedef void	 verify_done(void *arg, struct verdict *v);

/* Is it user's password?  Unknown users take as long as known ones. */
void	 verify_password(struct authd *ad, struct arena *a, const char *user,
	    struct slice password, verify_done *done, void *arg);

/* SCRAM keys of user, or made-up ones for users without (then the result is
 * not GOOD, and no proof will fit). */
void	 verify_keys(struct authd *ad, struct arena *a, const char *user,
	    enum scram_hash hash, verify_done *done, void *arg);

/* Only the account; GOOD, UNKNOWN or ERROR. */
void	 verify_find(struct authd *ad, struct arena *a, const char *user,
	    verify_done *done, void *arg);

/* penalty.c: IPv6 addresses count by /64. */
struct penalties;
struct penalties	*penalties_new(void) MUST_USE;
void	 penalties_free(struct penalties **p);

/* Count a failure; how long the answer to it is to be held back: base, then
 * doubling up to 15 s (or base if that is more). */
usec_t	 penalty_failed(struct penalties *p, const char *ip, usec_t base,
	    usec_t now_mono) MUST_USE;
void	 penalty_forget(struct penalties *p, const char *ip);

/* cookie.c */
struct cookies;
struct cookies	*cookies_new(void) MUST_USE;
void	 cookies_free(struct cookies **c);

/* 32 hexadecimal digits; lives in a. */
const char	*cookie_make(struct cookies *c, struct arena *a,
		    const char *service, const char *user, usec_t expires_mono);

/* The user it was made for; NULL: unknown, used, expired, or for another
 * service.  It works once. */
const char	*cookie_claim(struct cookies *c, struct arena *a,
		    const char *cookie, const char *service, usec_t now_mono);

/* cache.c: keyed hashes of (user, password, stored hash), so that a changed
 * password misses.  Thread safe. */
struct cache;
struct cache	*cache_new(const unsigned char secret[32], usec_t ttl)
		    MUST_USE;
void	 cache_free(struct cache **c);
bool	 cache_has(struct cache *c, const char *user, struct slice password,
	    const char *stored, usec_t now_mono);
void	 cache_put(struct cache *c, const char *user, struct slice password,
	    const char *stored, usec_t now_mono);

#endif
