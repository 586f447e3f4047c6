/* SPDX-License-Identifier: Apache-2.0 */
#include "net/tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#include "base/ascii.h"
#include "base/mem.h"
#include "net/tls_int.h"

/* Levels 2 and up refuse what old mail servers have; refusing it at an
 * opportunistic level means to send in clear. */
#define OPPORTUNISTIC_CIPHERS	"aNULL:-aNULL:HIGH:MEDIUM:+RC4:@STRENGTH"
#define DEFAULT_CIPHERS		"HIGH:!aNULL:!MD5:!RC4:!3DES:@STRENGTH"

static const struct protocol {
	const char	*name;
	int		 version;
	uint64_t	 off;		/* SSL_OP_NO_..., 0: not built in */
} protocols[] = {
	{ "SSLv2", 0, 0 },
	{ "SSLv3", SSL3_VERSION, SSL_OP_NO_SSLv3 },
	{ "TLSv1", TLS1_VERSION, SSL_OP_NO_TLSv1 },
	{ "TLSv1.0", TLS1_VERSION, SSL_OP_NO_TLSv1 },
	{ "TLSv1.1", TLS1_1_VERSION, SSL_OP_NO_TLSv1_1 },
	{ "TLSv1.2", TLS1_2_VERSION, SSL_OP_NO_TLSv1_2 },
	{ "TLSv1.3", TLS1_3_VERSION, SSL_OP_NO_TLSv1_3 },
};

/* A list in Postfix's syntax: ">=TLSv1.2", "<=TLSv1.3", "!SSLv3", "TLSv1.2". */
struct versions {
	int		 min, max;	/* 0: any */
	uint64_t	 off, only;
};

static int
ssl_error(struct error *err, const char *what, const char *name)
{
	unsigned long	 code = ERR_peek_error();
	const char	*reason = code == 0 ? NULL :
			    ERR_reason_error_string(code);
	int		 sys = code != 0 && ERR_SYSTEM_ERROR(code) ?
			    ERR_GET_REASON(code) : 0;

	ERR_clear_error();
	if (sys != 0)
		reason = strerror(sys);
	return error_set(err, "%s %s: %s", what, name,
	    reason == NULL ? "unknown TLS library error" : reason);
}

static const struct protocol *
protocol_find(struct slice name)
{
	for (size_t i = 0; i < COUNT(protocols); i++)
		if (slice_iis(name, protocols[i].name))
			return &protocols[i];
	return NULL;
}

static int
parse_versions(const char *text, struct versions *out, struct error *err)
{
	struct slice		 rest = slice_str(text), word, name;
	const struct protocol	*p;

	*out = (struct versions){ 0 };
	while (slice_word(&rest, " \t\r\n,:", &word)) {
		name = word;
		if (slice_starts(word, ">=") || slice_starts(word, "<="))
			name = slice_from(word, 2);
		else if (slice_starts(word, "!"))
			name = slice_from(word, 1);
		if ((p = protocol_find(name)) == NULL)
			return error_set(err, "unknown TLS protocol: %.*s",
			    SLICE_ARG(word));
		if (slice_starts(word, ">="))
			out->min = p->version;
		else if (slice_starts(word, "<="))
			out->max = p->version;
		else if (slice_starts(word, "!"))
			out->off |= p->off;
		else
			out->only |= p->off;
	}
	return 0;
}

static int
lowest(const struct versions *v)
{
	for (size_t i = 1; i < COUNT(protocols); i++) {
		const struct protocol	*p = &protocols[i];

		if (p->version < v->min || (v->off & p->off) != 0 ||
		    (v->only != 0 && (v->only & p->off) == 0))
			continue;
		return p->version;
	}
	return TLS1_3_VERSION;
}

static int
set_versions(SSL_CTX *ssl, const char *text, bool opportunistic,
    struct error *err)
{
	struct versions	v;

	if (parse_versions(text == NULL ? ">=TLSv1.2" : text, &v, err) < 0)
		return -1;
	for (size_t i = 1; i < COUNT(protocols); i++)
		if (v.only != 0 && (v.only & protocols[i].off) == 0)
			v.off |= protocols[i].off;
	/* Explicitly, because openssl.cnf sets a minimum of its own. */
	if (SSL_CTX_set_min_proto_version(ssl, v.min) != 1 ||
	    SSL_CTX_set_max_proto_version(ssl, v.max) != 1)
		return ssl_error(err, "TLS protocols", text);
	SSL_CTX_set_options(ssl, v.off);
	/* TLS 1.0 and 1.1 exist at security level 0 only. */
	if (opportunistic || lowest(&v) < TLS1_2_VERSION)
		SSL_CTX_set_security_level(ssl, 0);
	return 0;
}

static SSL_CTX *
new_ctx(const SSL_METHOD *method, const char *versions, const char *ciphers,
    bool opportunistic, struct error *err)
{
	SSL_CTX	*ssl = SSL_CTX_new(method);

	if (ssl == NULL) {
		ssl_error(err, "TLS", "context");
		return NULL;
	}
	SSL_CTX_set_mode(ssl, SSL_MODE_ENABLE_PARTIAL_WRITE |
	    SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_options(ssl, SSL_OP_NO_RENEGOTIATION |
	    SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
	SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
	if (set_versions(ssl, versions, opportunistic, err) < 0)
		goto bad;
	if (ciphers == NULL || ciphers[0] == '\0')
		ciphers = opportunistic ? OPPORTUNISTIC_CIPHERS :
		    DEFAULT_CIPHERS;
	if (SSL_CTX_set_cipher_list(ssl, ciphers) == 1)
		return ssl;
	ssl_error(err, "TLS ciphers", ciphers);
bad:
	SSL_CTX_free(ssl);
	return NULL;
}

static int
use_pair(SSL_CTX *ssl, const char *cert, const char *key, struct error *err)
{
	if (SSL_CTX_use_certificate_chain_file(ssl, cert) != 1)
		return ssl_error(err, "cannot load certificate from", cert);
	if (SSL_CTX_use_PrivateKey_file(ssl, key, SSL_FILETYPE_PEM) != 1)
		return ssl_error(err, "cannot load private key from", key);
	if (SSL_CTX_check_private_key(ssl) != 1)
		return ssl_error(err, "key and certificate do not match:",
		    key);
	return 0;
}

/* Several files, one for each kind of key, are a list. */
static int
use_chains(SSL_CTX *ssl, const char *list, struct error *err)
{
	struct slice	rest = slice_str(list), word;
	char		path[4096];

	while (slice_word(&rest, " \t\r\n,", &word)) {
		if (word.len >= sizeof(path))
			return error_set(err, "path of TLS file is too long");
		memcpy(path, word.p, word.len);
		path[word.len] = '\0';
		if (use_pair(ssl, path, path, err) < 0)
			return -1;
	}
	return 0;
}

static int
accept_any_name(SSL *ssl UNUSED, int *alert UNUSED, void *arg UNUSED)
{
	return SSL_TLSEXT_ERR_OK;
}

static struct tls_ctx *
wrap(SSL_CTX *ssl)
{
	struct tls_ctx	*c = mem_new(1, sizeof(*c));

	c->ssl = ssl;
	c->refs = 1;
	return c;
}

static void
set_tickets(SSL_CTX *ssl, int n)
{
	SSL_CTX_set_num_tickets(ssl, n > 0 ? (size_t)n : 0);
	if (n <= 0)
		SSL_CTX_set_options(ssl, SSL_OP_NO_TICKET);
}

struct tls_ctx *
tls_server_new(const struct tls_server_conf *c, struct error *err)
{
	bool	 chain = c->chain_file != NULL && c->chain_file[0] != '\0';
	SSL_CTX	*ssl;
	int	 result;

	ssl = new_ctx(TLS_server_method(), c->protocols, c->ciphers, false,
	    err);
	if (ssl == NULL)
		return NULL;
	SSL_CTX_set_dh_auto(ssl, 1);
	SSL_CTX_set_tlsext_servername_callback(ssl, accept_any_name);
	set_tickets(ssl, c->tickets);
	if (c->session_id != NULL)
		SSL_CTX_set_session_id_context(ssl,
		    (const unsigned char *)c->session_id,
		    (unsigned int)strnlen(c->session_id,
		    SSL_MAX_SID_CTX_LENGTH));
	if (chain)
		result = use_chains(ssl, c->chain_file, err);
	else if (c->cert_file != NULL && c->cert_file[0] != '\0')
		result = use_pair(ssl, c->cert_file,
		    c->key_file != NULL && c->key_file[0] != '\0' ?
		    c->key_file : c->cert_file, err);
	else
		result = error_set(err, "no TLS certificate is configured");
	if (result == 0)
		return wrap(ssl);
	SSL_CTX_free(ssl);
	return NULL;
}

struct tls_ctx *
tls_client_new(const struct tls_client_conf *c, struct error *err)
{
	SSL_CTX		*ssl;
	struct tls_ctx	*ctx;
	const char	*file = c->ca_file, *path = c->ca_path;

	ssl = new_ctx(TLS_client_method(), c->protocols, c->ciphers,
	    c->opportunistic, err);
	if (ssl == NULL)
		return NULL;
	if (file != NULL && file[0] == '\0')
		file = NULL;
	if (path != NULL && path[0] == '\0')
		path = NULL;
	if ((file != NULL || path != NULL) &&
	    SSL_CTX_load_verify_locations(ssl, file, path) != 1) {
		ssl_error(err, "cannot load CA certificates from",
		    file != NULL ? file : path);
		SSL_CTX_free(ssl);
		return NULL;
	}
	ctx = wrap(ssl);
	if (c->session_life > 0)
		ctx->sessions = tls_sessions_new(ssl, c->session_life);
	return ctx;
}

struct tls_ctx *
tls_ctx_ref(struct tls_ctx *c)
{
	c->refs++;
	return c;
}

void
tls_ctx_free(struct tls_ctx **cp)
{
	struct tls_ctx	*c = *cp;

	*cp = NULL;
	if (c == NULL || --c->refs > 0)
		return;
	SSL_CTX_free(c->ssl);
	tls_sessions_free(&c->sessions);
	mem_free(&c);
}

static SSL *
begin(struct tls_ctx *c, int fd)
{
	SSL	*ssl = SSL_new(c->ssl);

	if (ssl != NULL && SSL_set_fd(ssl, fd) != 1) {
		SSL_free(ssl);
		ssl = NULL;
	}
	if (ssl == NULL)
		ERR_clear_error();
	return ssl;
}

SSL *
tls_begin_accept(struct tls_ctx *c, int fd)
{
	SSL	*ssl = begin(c, fd);

	if (ssl != NULL)
		SSL_set_accept_state(ssl);
	return ssl;
}

static bool
is_ip(const char *host)
{
	unsigned char	addr[16];

	return inet_pton(AF_INET, host, addr) == 1 ||
	    inet_pton(AF_INET6, host, addr) == 1;
}

/* The name is checked at every level, because the log says how far a peer
 * can be trusted; only TLS_VERIFY insists. */
SSL *
tls_begin_connect(struct tls_ctx *c, int fd, enum tls_level level,
    const char *host)
{
	SSL	*ssl = begin(c, fd);
	bool	 ok = true;

	if (ssl == NULL)
		return NULL;
	SSL_set_connect_state(ssl);
	SSL_set_verify(ssl, level == TLS_VERIFY ? SSL_VERIFY_PEER :
	    SSL_VERIFY_NONE, NULL);
	if (host != NULL && is_ip(host))
		ok = X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl),
		    host) == 1;
	else if (host != NULL) {
		SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
		ok = SSL_set_tlsext_host_name(ssl, host) == 1 &&
		    SSL_set1_host(ssl, host) == 1;
	} else
		ok = level != TLS_VERIFY;
	if (ok) {
		if (c->sessions != NULL)
			tls_sessions_use(c->sessions, ssl, level, host);
		return ssl;
	}
	ERR_clear_error();
	SSL_free(ssl);
	return NULL;
}

static void
common_name(const X509 *cert, char *out, size_t size)
{
	int	n;

	n = X509_NAME_get_text_by_NID(X509_get_subject_name(cert),
	    NID_commonName, out, (int)size);
	if (n < 0 || strlen(out) != (size_t)n)
		out[0] = '\0';
	for (char *p = out; *p != '\0'; p++)
		if (!ascii_is_graph((unsigned char)*p))
			*p = '?';
}

struct tls_info *
tls_describe(SSL *ssl)
{
	struct {
		struct tls_info	 info;
		char		 peer[256], sni[256];
	}		*d = mem_new(1, sizeof(*d));
	const char	*sni = SSL_is_server(ssl) ?
			    SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name) :
			    NULL;
	X509		*cert = SSL_get1_peer_certificate(ssl);

	d->info.protocol = SSL_get_version(ssl);
	d->info.cipher = SSL_get_cipher_name(ssl);
	d->info.bits_used = SSL_get_cipher_bits(ssl, &d->info.bits_max);
	d->info.resumed = SSL_session_reused(ssl) == 1;
	d->info.peer_cert = cert != NULL;
	d->info.verified = cert != NULL &&
	    SSL_get_verify_result(ssl) == X509_V_OK;
	if (cert != NULL)
		common_name(cert, d->peer, sizeof(d->peer));
	if (sni != NULL)
		snprintf(d->sni, sizeof(d->sni), "%s", sni);
	d->info.peer_name = d->peer;
	d->info.sni = d->sni;
	X509_free(cert);
	return &d->info;
}

void
tls_why(SSL *ssl, const char *what, char *out, size_t size)
{
	unsigned long	 code = ERR_peek_error();
	const char	*reason = code == 0 ? NULL :
			    ERR_reason_error_string(code);
	long		 verify = SSL_get_verify_result(ssl);

	ERR_clear_error();
	if (reason == NULL)
		reason = errno != 0 ? strerror(errno) : "connection closed";
	if (verify != X509_V_OK && ERR_GET_LIB(code) == ERR_LIB_SSL &&
	    ERR_GET_REASON(code) == SSL_R_CERTIFICATE_VERIFY_FAILED)
		snprintf(out, size, "%s: %s: %s", what, reason,
		    X509_verify_cert_error_string(verify));
	else
		snprintf(out, size, "%s: %s", what, reason);
}
