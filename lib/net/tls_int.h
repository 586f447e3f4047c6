/* SPDX-License-Identifier: Apache-2.0 */
/* tls_int.h - what stream.c needs of tls.c. */
#ifndef NET_TLS_INT_H
#define NET_TLS_INT_H

#include <openssl/ssl.h>

#include "net/tls.h"

struct tls_sessions;

struct tls_ctx {
	SSL_CTX			*ssl;
	struct tls_sessions	*sessions;	/* NULL: none are kept */
	int			 refs;
};

/* One more holder. */
struct tls_ctx	*tls_ctx_ref(struct tls_ctx *c) MUST_USE;

/* A connection object on fd.  NULL: out of resources. */
SSL	*tls_begin_accept(struct tls_ctx *c, int fd) MUST_USE;
SSL	*tls_begin_connect(struct tls_ctx *c, int fd, enum tls_level level,
	    const char *host) MUST_USE;

/* tls_sessions.c: sessions that a client may take up again, for at most
 * `life`.  They end after the last connection of ctx. */
struct tls_sessions	*tls_sessions_new(SSL_CTX *ctx, usec_t life) MUST_USE;
void	 tls_sessions_free(struct tls_sessions **t);

/* Before the handshake: offer the server what we have of it, and keep what it
 * gives. */
void	 tls_sessions_use(struct tls_sessions *t, SSL *ssl,
	    enum tls_level level, const char *host);
bool	 tls_session_offered(const SSL *ssl);

/* The handshake failed: offer none the next time. */
void	 tls_session_failed(const SSL *ssl);

/* After the handshake.  One piece of memory; free it with mem_free(). */
struct tls_info	*tls_describe(SSL *ssl) MUST_USE;

/* Say why the last operation failed, and empty OpenSSL's error queue. */
void	 tls_why(SSL *ssl, const char *what, char *out, size_t size);

#endif
