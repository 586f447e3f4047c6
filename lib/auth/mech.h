/* SPDX-License-Identifier: Apache-2.0 */
/* mech.h - SASL mechanisms, server side, as state machines without I/O.
 *
 * The owner feeds the client's responses (decoded) to mech_step() and does
 * what the answer says.  A new machine is made for each exchange; nothing is
 * carried from one to the next.  All memory is the arena's. */
#ifndef AUTH_MECH_H
#define AUTH_MECH_H

#include <stdbool.h>

#include "auth/cred.h"
#include "base/arena.h"
#include "base/attr.h"
#include "base/slice.h"

struct mech;

enum mech_status {
	MECH_MORE,		/* send mech_challenge(), step() on response */
	MECH_PASSWORD,		/* check mech_password() of mech_user(), then
				 * mech_verdict() */
	MECH_KEYS,		/* find the SCRAM keys of mech_user(), then
				 * mech_keys() */
	MECH_OK,		/* mech_user() it is; mech_challenge() may hold
				 * final data for the client */
	MECH_FAILED		/* mech_reason() says why, for the log */
};

/* "PLAIN LOGIN SCRAM-SHA-256 SCRAM-SHA-1": all, the -PLUS forms first if
 * `binding`. */
const char	*mech_names(bool binding);

/* NULL: no such mechanism.  exporter: channel binding data of tls-exporter,
 * or empty: then there are no -PLUS forms.  server_nonce: printable, unique,
 * no comma; copied. */
struct mech	*mech_new(struct arena *a, const char *name,
		    struct slice exporter, const char *server_nonce) MUST_USE;

/* The next response; has: false at the start without an initial response.
 * The bytes are copied. */
enum mech_status mech_step(struct mech *m, bool has, struct slice response)
		    MUST_USE;

/* Answers to MECH_PASSWORD and MECH_KEYS.  Callers give keys that nobody
 * knows the password of for users who do not exist. */
enum mech_status mech_verdict(struct mech *m, bool good) MUST_USE;
enum mech_status mech_keys(struct mech *m, const struct scram_keys *k)
		    MUST_USE;

/* Good as long as the arena; user NULL while unknown. */
const char	*mech_user(const struct mech *m);
const char	*mech_authzid(const struct mech *m);	/* NULL: none */
struct slice	 mech_password(const struct mech *m);
struct slice	 mech_challenge(const struct mech *m);
enum scram_hash	 mech_hash(const struct mech *m);	/* for MECH_KEYS */
const char	*mech_reason(const struct mech *m);

/* Overwrite the password. */
void	 mech_wipe(struct mech *m);

#endif
