/* SPDX-License-Identifier: Apache-2.0 */
/* tls_int.h - what stream.c needs of tls.c. */
#ifndef NET_TLS_INT_H
#define NET_TLS_INT_H

#include <openssl/ssl.h>

#include "net/tls.h"

struct tls_ctx {
	SSL_CTX		*ssl;
	int		 refs;
};

/* One more holder. */
struct tls_ctx	*tls_ctx_ref(struct tls_ctx *c) MUST_USE;

/* A connection object on fd.  NULL: out of resources. */
SSL	*tls_begin_accept(struct tls_ctx *c, int fd) MUST_USE;
SSL	*tls_begin_connect(struct tls_ctx *c, int fd, enum tls_level level,
	    const char *host) MUST_USE;

/* After the handshake.  One piece of memory; free it with mem_free(). */
struct tls_info	*tls_describe(SSL *ssl) MUST_USE;

/* Say why the last operation failed, and empty OpenSSL's error queue. */
void	 tls_why(SSL *ssl, const char *what, char *out, size_t size);

#endif
