/* SPDX-License-Identifier: Apache-2.0 */
/* Where services listen: inet_interfaces, inet_protocols, private/ and
 * public/, and login's directory. */
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "master/master.h"
#include "sys/log.h"

#define ADDRESSES_MAX	64

/* The sockets that login may reach from its chroot. */
static const char *const	login_sockets[] = {
	"auth", "imap-session", "pop3-session", "anvil", "resolver",
};

struct addresses {
	struct sock_addr	 a[ADDRESSES_MAX];
	size_t			 n;
};

static bool
protocol_is_on(const struct config *c, int family)
{
	struct slice	 s = slice_str(c->common.inet_protocols), word;

	while (slice_word(&s, ", \t\r\n", &word))
		if (slice_iis(word, "all") || slice_iis(word,
		    family == AF_INET ? "ipv4" : "ipv6"))
			return true;
	return false;
}

static bool
same_addr(const struct sock_addr *a, const struct sock_addr *b)
{
	char	 ta[SOCK_TEXT_MAX], tb[SOCK_TEXT_MAX];

	return sock_port(a) == sock_port(b) &&
	    a->ss.ss_family == b->ss.ss_family &&
	    strcmp(sock_host(a, ta), sock_host(b, tb)) == 0;
}

/* Listed twice, or host name and its address both listed: once is enough. */
static int
add(struct addresses *all, const struct sock_addr *a, struct error *err)
{
	for (size_t i = 0; i < all->n; i++)
		if (same_addr(&all->a[i], a))
			return 0;
	if (all->n == ADDRESSES_MAX)
		return error_set(err, "more than %d addresses to listen on",
		    ADDRESSES_MAX);
	all->a[all->n++] = *a;
	return 0;
}

static int
add_numeric(const struct config *c, struct addresses *all, const char *ip,
    uint16_t port, struct error *err)
{
	struct sock_addr	 a;

	if (sock_parse(ip, port, &a, err) < 0)
		return -1;
	if (!protocol_is_on(c, a.ss.ss_family))
		return 0;
	return add(all, &a, err);
}

static int
add_name(const struct config *c, struct addresses *all, const char *host,
    uint16_t port, struct error *err)
{
	struct addrinfo	 hints = {
		.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM,
		.ai_flags = AI_PASSIVE,
	};
	struct addrinfo	*res;
	struct sock_addr a;
	char		 service[8];
	int		 r;

	if (sock_parse(host, port, &a, NULL) == 0)
		return add_numeric(c, all, host, port, err);
	(void)snprintf(service, sizeof(service), "%u", (unsigned int)port);
	r = getaddrinfo(host, service, &hints, &res);
	if (r != 0)
		return error_set(err, "host \"%s\": %s", host,
		    gai_strerror(r));
	r = 0;
	for (struct addrinfo *ai = res; ai != NULL && r == 0;
	    ai = ai->ai_next) {
		if (ai->ai_addrlen > sizeof(a.ss) ||
		    !protocol_is_on(c, ai->ai_family))
			continue;
		memset(&a, 0, sizeof(a));
		memcpy(&a.ss, ai->ai_addr, ai->ai_addrlen);
		a.len = ai->ai_addrlen;
		r = add(all, &a, err);
	}
	freeaddrinfo(res);
	return r;
}

static int
add_pair(const struct config *c, struct addresses *all, const char *v4,
    const char *v6, uint16_t port, struct error *err)
{
	if (add_numeric(c, all, v4, port, err) < 0)
		return -1;
	return add_numeric(c, all, v6, port, err);
}

static int
add_interfaces(const struct config *c, struct addresses *all, uint16_t port,
    struct error *err)
{
	struct slice	 s = slice_str(c->common.inet_interfaces), word;
	char		 name[256];

	while (slice_word(&s, ", \t\r\n", &word)) {
		int	 r;

		if (word.len >= sizeof(name))
			return error_set(err, "inet_interfaces: name too long");
		memcpy(name, word.p, word.len);
		name[word.len] = '\0';
		if (slice_iis(word, "all"))
			r = add_pair(c, all, "0.0.0.0", "::", port, err);
		else if (slice_iis(word, "loopback-only"))
			r = add_pair(c, all, "127.0.0.1", "::1", port, err);
		else
			r = add_name(c, all, name, port, err);
		if (r < 0)
			return error_in(err, "inet_interfaces");
	}
	return 0;
}

static void
one(struct endpoint **out, size_t *n_out, char *text)
{
	struct endpoint	*e;

	*out = mem_grow(*out, *n_out + 1, sizeof(**out));
	e = &(*out)[(*n_out)++];
	memset(e, 0, sizeof(*e));
	e->fd = -1;
	e->text = text;
}

static int
inet_list(const struct config *c, const struct master_service *s,
    struct endpoint **out, size_t *n_out, struct error *err)
{
	struct addresses *all = mem_new(1, sizeof(*all));
	char		 host[SOCK_TEXT_MAX];
	uint16_t	 port;
	int		 r;

	r = sock_service(s->port, &port, err);
	if (r == 0)
		r = s->host[0] != '\0' ?
		    add_name(c, all, s->host, port, err) :
		    add_interfaces(c, all, port, err);
	if (r == 0 && all->n == 0)
		r = error_set(err, "no address of inet_protocols to listen on");
	for (size_t i = 0; r == 0 && i < all->n; i++) {
		const struct sock_addr	*a = &all->a[i];

		one(out, n_out, mem_printf(
		    a->ss.ss_family == AF_INET6 ? "[%s]:%u" : "%s:%u",
		    sock_host(a, host), (unsigned int)sock_port(a)));
		(*out)[*n_out - 1].addr = *a;
	}
	mem_free(&all);
	return r;
}

int
endpoint_list(const struct config *c, const struct master_service *s,
    struct endpoint **out, size_t *n_out, struct error *err)
{
	*out = NULL;
	*n_out = 0;
	if (s->type != SERVICE_INET) {
		one(out, n_out, mem_printf("%s/%s",
		    s->is_private ? "private" : "public", s->name));
		return 0;
	}
	if (inet_list(c, s, out, n_out, err) == 0)
		return 0;
	endpoint_free(out, *n_out);
	*n_out = 0;
	return -1;
}

char *
endpoint_key(const struct master_service *s)
{
	uint16_t	 port;

	if (s->type != SERVICE_INET)
		return mem_printf("unix %s/%s",
		    s->is_private ? "private" : "public", s->name);
	if (sock_service(s->port, &port, NULL) < 0)
		return mem_printf("inet %s:%s", s->host, s->port);
	return mem_printf("inet %s:%u", s->host, (unsigned int)port);
}

/* A second name of a socket; the first may be bound again at any time. */
static void
hard_link(const char *from, const char *to)
{
	char	*temporary = mem_printf("%s.new", to);

	unlink(temporary);
	if (link(from, temporary) < 0 || rename(temporary, to) < 0)
		log_warn("link %s to %s: %s", from, to, strerror(errno));
	mem_free(&temporary);
}

/* qmgr's one socket is public for the tools and private for the daemons;
 * some sockets are shown to login. */
static void
more_names(const struct endpoint *e, const struct service *s)
{
	const char	*name = s->cf->name;
	char		*to;

	if (strcmp(name, "qmgr") == 0 && !s->cf->is_private)
		hard_link(e->text, "private/qmgr");
	for (size_t i = 0; i < COUNT(login_sockets); i++) {
		if (strcmp(name, login_sockets[i]) != 0)
			continue;
		to = mem_printf("login/%s", name);
		hard_link(e->text, to);
		mem_free(&to);
	}
}

int
endpoint_open(struct endpoint *e, const struct service *s, struct error *err)
{
	int	 backlog = (int)s->m->config->own.backlog;

	if (s->cf->type == SERVICE_INET) {
		e->fd = sock_listen(&e->addr, backlog, err);
		return e->fd < 0 ? -1 : 0;
	}
	/* The directory says who may connect, the socket lets all. */
	e->fd = sock_listen_unix(e->text, 0666, backlog, err);
	if (e->fd < 0)
		return -1;
	more_names(e, s);
	return 0;
}

void
endpoint_close(struct endpoint *e, bool gone)
{
	loop_fd_free(&e->watch);
	if (e->fd < 0)
		return;
	close(e->fd);
	e->fd = -1;
	if (gone && e->addr.len == 0)
		unlink(e->text);
}

void
endpoint_free(struct endpoint **e, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		endpoint_close(&(*e)[i], false);
		mem_free(&(*e)[i].text);
	}
	mem_free(e);
}
