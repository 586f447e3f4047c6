/* SPDX-License-Identifier: Apache-2.0 */
/* What a stream does with OpenSSL. */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <string.h>

#include "net/stream_int.h"
#include "net/tls_int.h"

ssize_t
stream_read_tls(struct stream *s, void *p, size_t n)
{
	char	why[256];
	size_t	did;

	ERR_clear_error();
	errno = 0;
	s->read_wants_write = false;
	if (SSL_read_ex(s->ssl, p, n, &did) == 1)
		return (ssize_t)did;
	switch (SSL_get_error(s->ssl, 0)) {
	case SSL_ERROR_WANT_READ:
		return 0;
	case SSL_ERROR_WANT_WRITE:
		s->read_wants_write = true;
		return 0;
	case SSL_ERROR_ZERO_RETURN:
		stream_set_ended(s, STREAM_EOF, "connection closed");
		return -1;
	case SSL_ERROR_SYSCALL:
		s->dead = true;
		if (errno == 0)
			stream_set_ended(s, STREAM_EOF, "connection closed");
		else
			stream_set_ended(s, STREAM_ERROR, strerror(errno));
		ERR_clear_error();
		return -1;
	}
	/* Without close_notify: no byte that arrived is in doubt, and every
	 * protocol above has an end mark of its own. */
	s->dead = true;
	if (ERR_GET_REASON(ERR_peek_error()) ==
	    SSL_R_UNEXPECTED_EOF_WHILE_READING) {
		ERR_clear_error();
		stream_set_ended(s, STREAM_EOF, "connection closed");
	} else {
		tls_why(s->ssl, "TLS read", why, sizeof(why));
		stream_set_ended(s, STREAM_ERROR, why);
	}
	return -1;
}

ssize_t
stream_write_tls(struct stream *s, const void *p, size_t n)
{
	char	why[256];
	size_t	did;
	int	e;

	ERR_clear_error();
	errno = 0;
	s->write_wants_read = false;
	if (SSL_write_ex(s->ssl, p, n, &did) == 1)
		return (ssize_t)did;
	e = SSL_get_error(s->ssl, 0);
	if (e == SSL_ERROR_WANT_WRITE)
		return 0;
	if (e == SSL_ERROR_WANT_READ) {
		s->write_wants_read = true;
		return 0;
	}
	tls_why(s->ssl, "TLS write", why, sizeof(why));
	stream_write_failed(s, why);
	return -1;
}

void
stream_handshake(struct stream *s)
{
	char	why[256];
	int	e;

	ERR_clear_error();
	errno = 0;
	s->read_wants_write = s->write_wants_read = false;
	if (SSL_do_handshake(s->ssl) == 1) {
		s->phase = TLS_ON;
		s->info = tls_describe(s->ssl);
		s->due |= DUE_SECURED;
		stream_moved(s);
		return;
	}
	e = SSL_get_error(s->ssl, 0);
	if (e == SSL_ERROR_WANT_READ)
		return;
	if (e == SSL_ERROR_WANT_WRITE) {
		s->read_wants_write = true;
		return;
	}
	tls_why(s->ssl, SSL_is_server(s->ssl) ? "SSL_accept error" :
	    "SSL_connect error", why, sizeof(why));
	tls_session_failed(s->ssl);
	s->dead = true;
	stream_set_ended(s, STREAM_ERROR, why);
}

void
stream_say_goodbye(struct stream *s)
{
	if (s->phase == TLS_ON && !s->dead) {
		ERR_clear_error();
		SSL_shutdown(s->ssl);
		ERR_clear_error();
	}
	s->dead = true;
}

static int
begin_tls(struct stream *s, struct tls_ctx *c, SSL *ssl)
{
	if (ssl == NULL)
		return -1;
	s->ssl = ssl;
	s->ctx = tls_ctx_ref(c);
	s->phase = TLS_SOON;
	s->clear_left = buf_len(&s->out);
	s->due &= ~(unsigned int)DUE_INPUT;
	stream_kick(s);
	stream_settle(s);
	return 0;
}

static bool
may_begin_tls(const struct stream *s)
{
	return s->phase == PLAIN && buf_len(&s->in) == 0 && !s->dead &&
	    s->file == NULL;
}

int
stream_tls_accept(struct stream *s, struct tls_ctx *c)
{
	if (!may_begin_tls(s))
		return -1;
	return begin_tls(s, c, tls_begin_accept(c, s->fd));
}

int
stream_tls_connect(struct stream *s, struct tls_ctx *c, enum tls_level level,
    const char *host)
{
	if (!may_begin_tls(s))
		return -1;
	return begin_tls(s, c, tls_begin_connect(c, s->fd, level, host));
}

bool
stream_is_tls(const struct stream *s)
{
	return s->phase == TLS_ON;
}

const struct tls_info *
stream_tls_info(const struct stream *s)
{
	return s->info;
}

bool
stream_tls_offered(const struct stream *s)
{
	return s->ssl != NULL && tls_session_offered(s->ssl);
}

bool
stream_tls_exporter(const struct stream *s, unsigned char out[32])
{
	static const char	label[] = "EXPORTER-Channel-Binding";

	if (s->phase != TLS_ON)
		return false;
	if (SSL_version(s->ssl) < TLS1_3_VERSION &&
	    SSL_get_extms_support(s->ssl) != 1)
		return false;
	if (SSL_export_keying_material(s->ssl, out, 32, label,
	    sizeof(label) - 1, NULL, 0, 0) == 1)
		return true;
	ERR_clear_error();
	return false;
}
