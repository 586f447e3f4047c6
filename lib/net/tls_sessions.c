/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions of TLS that a client can take up again with the same server: a
 * handshake without certificates and signatures.
 *
 * A session stands for the checks made when it began, so it is found only by
 * a connection that would make the same ones: same context, level, name and
 * address.  A server that does not know it any more makes a full handshake of
 * it; one that chokes on it is offered none the next time.  TLS 1.3 tickets are
 * used more than once: our address tells who we are anyway. */
#include "net/tls_int.h"

#include <openssl/err.h>
#include <time.h>

#include "base/hash.h"
#include "base/list.h"
#include "base/mem.h"
#include "sys/sock.h"

#define SESSIONS_MAX	1000

struct session {
	struct list	 link;		/* newest use first */
	char		*key;
	SSL_SESSION	*s;
};

struct tls_sessions {
	struct hash	*by_key;
	struct list	 all;
	time_t		 life;
};

/* Belongs to one connection. */
struct user {
	struct tls_sessions	*t;
	char			*key;
	bool			 offered;
};

static void
user_free(void *parent UNUSED, void *ptr, CRYPTO_EX_DATA *ad UNUSED,
    int idx UNUSED, long argl UNUSED, void *argp UNUSED)
{
	struct user	*u = ptr;

	if (u != NULL)
		mem_free(&u->key);
	mem_free(&u);
}

static int
user_index(void)
{
	static int	index = -1;

	if (index < 0)
		index = SSL_get_ex_new_index(0, NULL, NULL, NULL, user_free);
	return index;
}

static struct user *
user_of(const SSL *ssl)
{
	return SSL_get_ex_data(ssl, user_index());
}

static void
session_free(struct tls_sessions *t, struct session *s)
{
	hash_dels(t->by_key, s->key);
	list_remove(&s->link);
	SSL_SESSION_free(s->s);
	mem_free(&s->key);
	mem_free(&s);
}

static void
forget(struct tls_sessions *t, const char *key)
{
	struct session	*s = hash_gets(t->by_key, key);

	if (s != NULL)
		session_free(t, s);
}

static struct session *
find(struct tls_sessions *t, const char *key)
{
	struct session	*s = hash_gets(t->by_key, key);

	if (s == NULL)
		return NULL;
	if (time(NULL) - (time_t)SSL_SESSION_get_time(s->s) > t->life ||
	    !SSL_SESSION_is_resumable(s->s)) {
		session_free(t, s);
		return NULL;
	}
	list_remove(&s->link);
	list_put_first(&t->all, &s->link);
	return s;
}

/* OpenSSL has a new one: at the end of a handshake, or behind it.  1: we keep
 * it. */
static int
on_session(SSL *ssl, SSL_SESSION *got)
{
	struct user	*u = user_of(ssl);
	struct session	*s;

	if (u == NULL)
		return 0;
	forget(u->t, u->key);
	s = mem_new(1, sizeof(*s));
	s->key = mem_strdup(u->key);
	s->s = got;
	hash_puts(u->t->by_key, s->key, s);
	list_put_first(&u->t->all, &s->link);
	if (hash_count(u->t->by_key) > SESSIONS_MAX)
		session_free(u->t, LIST_ENTRY(u->t->all.prev, struct session,
		    link));
	return 1;
}

struct tls_sessions *
tls_sessions_new(SSL_CTX *ctx, usec_t life)
{
	struct tls_sessions	*t = mem_new(1, sizeof(*t));

	t->by_key = hash_new();
	list_init(&t->all);
	t->life = (time_t)(life / USEC_PER_SEC);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT |
	    SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(ctx, on_session);
	return t;
}

void
tls_sessions_free(struct tls_sessions **tp)
{
	struct tls_sessions	*t = *tp;

	*tp = NULL;
	if (t == NULL)
		return;
	while (!list_empty(&t->all))
		session_free(t, LIST_ENTRY(list_first(&t->all),
		    struct session, link));
	hash_free(&t->by_key);
	mem_free(&t);
}

void
tls_sessions_use(struct tls_sessions *t, SSL *ssl, enum tls_level level,
    const char *host)
{
	struct user		*u = mem_new(1, sizeof(*u));
	struct session		*s;
	struct sock_addr	 a;
	char			 text[SOCK_TEXT_MAX] = "";
	uint16_t		 port = 0;

	if (sock_peer(SSL_get_fd(ssl), &a) == 0) {
		(void)sock_host(&a, text);
		port = sock_port(&a);
	}
	u->t = t;
	u->key = mem_printf("%d %s %u %s", (int)level, text,
	    (unsigned int)port, host == NULL ? "" : host);
	if (SSL_set_ex_data(ssl, user_index(), u) != 1) {
		user_free(NULL, u, NULL, 0, 0, NULL);
		return;
	}
	if ((s = find(t, u->key)) != NULL)
		u->offered = SSL_set_session(ssl, s->s) == 1;
	ERR_clear_error();
}

bool
tls_session_offered(const SSL *ssl)
{
	const struct user	*u = user_of(ssl);

	return u != NULL && u->offered;
}

void
tls_session_failed(const SSL *ssl)
{
	const struct user	*u = user_of(ssl);

	if (u != NULL)
		forget(u->t, u->key);
}
