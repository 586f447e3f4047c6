/* SPDX-License-Identifier: Apache-2.0 */
/* cred.h - stored credentials: "{SCHEME}text", as Dovecot writes them.
 *
 * Known: BLF-CRYPT CRYPT SHA512-CRYPT SHA256-CRYPT (crypt(3): bcrypt, yescrypt
 * and whatever libxcrypt knows), SHA SSHA SHA256 SSHA256 SHA512 SSHA512, PLAIN
 * (CLEAR, CLEARTEXT), SCRAM-SHA-256 and SCRAM-SHA-1.  Without a label: CRYPT.
 *
 * Checking may take 100 ms of processor time on purpose: call cred_check()
 * and cred_make() in a worker thread.  They share nothing between threads. */
#ifndef AUTH_CRED_H
#define AUTH_CRED_H

#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/slice.h"

#define CRED_MAX	1024		/* longest stored credential */
#define CRED_PASSWORD_MAX	512	/* libxcrypt's own limit */

enum cred_result {
	CRED_MATCH,
	CRED_MISMATCH,
	CRED_BAD		/* not a credential that we understand */
};

/* Compares in constant time where the scheme is ours. */
enum cred_result cred_check(const char *stored, struct slice password)
		    MUST_USE;

/* Its label is known and its text has the right form.  Says nothing of the
 * password. */
bool	 cred_valid(const char *stored);

/* Append "{SCHEME}text" of the password with fresh salt.  scheme: "yescrypt"
 * (written as {CRYPT}), "BLF-CRYPT", "SHA512-CRYPT", "SHA256-CRYPT",
 * "SSHA512", "SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN".  -1: unknown scheme, or
 * a password that is empty, too long, or contains a NUL. */
int	 cred_make(const char *scheme, struct slice password, struct buf *out,
	    struct error *err) MUST_USE;

/*
 * SCRAM verifiers (RFC 5802 3, RFC 7677): what the server keeps.
 */
enum scram_hash { SCRAM_SHA_1, SCRAM_SHA_256 };

#define SCRAM_KEY_MAX	32
#define SCRAM_SALT_MAX	64
#define SCRAM_ITERATIONS	4096

struct scram_keys {
	enum scram_hash	 hash;
	unsigned int	 iterations;
	unsigned char	 salt[SCRAM_SALT_MAX];
	size_t		 salt_len;
	unsigned char	 stored_key[SCRAM_KEY_MAX], server_key[SCRAM_KEY_MAX];
};

size_t	 scram_key_len(enum scram_hash h);
const char	*scram_scheme(enum scram_hash h);	/* "SCRAM-SHA-256" */

/* Derive; salt, salt_len and iterations are set by the caller. */
int	 scram_keys_derive(struct scram_keys *k, struct slice password)
	    MUST_USE;

/* From "{SCRAM-SHA-256}4096,salt,StoredKey,ServerKey" (base64).  False: it is
 * another scheme or malformed. */
bool	 scram_keys_parse(const char *stored, enum scram_hash want,
	    struct scram_keys *out) MUST_USE;
void	 scram_keys_format(const struct scram_keys *k, struct buf *out);

/* Does the proof in the client's final message show the password?  On true,
 * signature_out (scram_key_len bytes) is what the server answers. */
bool	 scram_proof_check(const struct scram_keys *k,
	    struct slice auth_message, struct slice proof,
	    unsigned char signature_out[SCRAM_KEY_MAX]) MUST_USE;

#endif
