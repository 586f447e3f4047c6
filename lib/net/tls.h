/* SPDX-License-Identifier: Apache-2.0 */
/* tls.h - TLS contexts.  Only lib/net uses OpenSSL's TLS.
 * Keys are read when the context is made: as root, before chroot. */
#ifndef NET_TLS_H
#define NET_TLS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/error.h"
#include "base/slice.h"
#include "base/times.h"

struct tls_ctx;

struct tls_server_conf {
	const char	*chain_file;	/* PEM: key, certificate, chain; or */
	const char	*cert_file, *key_file;	/* separate files */
	const char	*protocols;	/* ">=TLSv1.2"; Postfix syntax */
	const char	*ciphers;	/* OpenSSL list, NULL: default */
	const char	*session_id;	/* context of tickets: name of service */
	int		 tickets;	/* TLS 1.3 tickets sent; 0 for port 25 */
};

struct tls_ctx	*tls_server_new(const struct tls_server_conf *c,
		    struct error *err) MUST_USE;

/* Verification mode of a client connection. */
enum tls_level {
	TLS_MAY,		/* opportunistic: any certificate, low ciphers */
	TLS_ENCRYPT,		/* mandatory, any certificate */
	TLS_VERIFY		/* chain and name must match */
};

struct tls_client_conf {
	const char	*ca_file, *ca_path;	/* NULL: none */
	const char	*protocols, *ciphers;
	bool		 opportunistic;	/* security level 0 (old peers) */
	usec_t		 session_life;	/* how long a session may be taken up
					 * again; 0: never */
};

struct tls_ctx	*tls_client_new(const struct tls_client_conf *c,
		    struct error *err) MUST_USE;

/* Contexts are counted: streams hold them while they live. */
void	 tls_ctx_free(struct tls_ctx **c);

/* What a finished handshake agreed on; strings live as long as the stream. */
struct tls_info {
	const char	*protocol;	/* "TLSv1.3" */
	const char	*cipher;
	int		 bits_used, bits_max;
	bool		 resumed;	/* a session of before */
	bool		 peer_cert;	/* the peer sent one */
	bool		 verified;	/* chain and name are right */
	const char	*peer_name;	/* common name or "" */
	const char	*sni;		/* server side; "" if none */
};

#endif
