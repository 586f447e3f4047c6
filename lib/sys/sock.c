/* SPDX-License-Identifier: Apache-2.0 */
#include "sys/sock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fmt.h"
#include "base/slice.h"

static struct sockaddr_in *
in4(const struct sock_addr *a)
{
	return (struct sockaddr_in *)(void *)&a->ss;
}

static struct sockaddr_in6 *
in6(const struct sock_addr *a)
{
	return (struct sockaddr_in6 *)(void *)&a->ss;
}

const char *
sock_host(const struct sock_addr *a, char out[SOCK_TEXT_MAX])
{
	const char	*text = NULL;
	unsigned char	 b[4];

	if (a->ss.ss_family == AF_INET) {
		memcpy(b, &in4(a)->sin_addr, sizeof(b));
		(void)fmt_print(out, SOCK_TEXT_MAX, "%d.%d.%d.%d", b[0], b[1],
		    b[2], b[3]);
		return out;
	}
	if (a->ss.ss_family == AF_INET6)
		text = inet_ntop(AF_INET6, &in6(a)->sin6_addr, out,
		    SOCK_TEXT_MAX);
	if (text == NULL)
		snprintf(out, SOCK_TEXT_MAX, "unknown");
	return out;
}

uint16_t
sock_port(const struct sock_addr *a)
{
	if (a->ss.ss_family == AF_INET)
		return ntohs(in4(a)->sin_port);
	if (a->ss.ss_family == AF_INET6)
		return ntohs(in6(a)->sin6_port);
	return 0;
}

/* text without the brackets around it, if there are any.  -1: too long or
 * brackets that do not match. */
static int
unbracket(const char *text, size_t len, char out[SOCK_TEXT_MAX])
{
	if (len > 0 && text[0] == '[') {
		if (text[len - 1] != ']')
			return -1;
		text++;
		len -= 2;
	}
	if (len == 0 || len >= SOCK_TEXT_MAX)
		return -1;
	memcpy(out, text, len);
	out[len] = '\0';
	return 0;
}

int
sock_parse(const char *host, uint16_t port, struct sock_addr *out,
    struct error *err)
{
	char	text[SOCK_TEXT_MAX];

	memset(out, 0, sizeof(*out));
	if (unbracket(host, strlen(host), text) < 0)
		return error_set(err, "bad address: %s", host);
	if (inet_pton(AF_INET, text, &in4(out)->sin_addr) == 1) {
		out->ss.ss_family = AF_INET;
		in4(out)->sin_port = htons(port);
		out->len = sizeof(struct sockaddr_in);
		return 0;
	}
	if (inet_pton(AF_INET6, text, &in6(out)->sin6_addr) == 1) {
		out->ss.ss_family = AF_INET6;
		in6(out)->sin6_port = htons(port);
		out->len = sizeof(struct sockaddr_in6);
		return 0;
	}
	return error_set(err, "bad address: %s", host);
}

int
sock_service(const char *name, uint16_t *port_out, struct error *err)
{
	uint64_t	 n;
	struct servent	*se;

	if (slice_u64(slice_str(name), 65535, &n) && n > 0) {
		*port_out = (uint16_t)n;
		return 0;
	}
	se = getservbyname(name, "tcp");
	if (se == NULL)
		return error_set(err, "unknown service: %s/tcp", name);
	*port_out = ntohs((uint16_t)se->s_port);
	return 0;
}

void
sock_unmap(struct sock_addr *a)
{
	struct sockaddr_in	four = { .sin_family = AF_INET };

	if (a->ss.ss_family != AF_INET6 ||
	    !IN6_IS_ADDR_V4MAPPED(&in6(a)->sin6_addr))
		return;
	four.sin_port = in6(a)->sin6_port;
	memcpy(&four.sin_addr, in6(a)->sin6_addr.s6_addr + 12, 4);
	memset(&a->ss, 0, sizeof(a->ss));
	memcpy(&a->ss, &four, sizeof(four));
	a->len = sizeof(four);
}

static int
new_socket(int family, struct error *err)
{
	int	fd;

	fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return error_sys(err, "socket");
	return fd;
}

int
sock_listen(const struct sock_addr *a, int backlog, struct error *err)
{
	char	text[SOCK_TEXT_MAX];
	int	fd, on = 1;

	if ((fd = new_socket(a->ss.ss_family, err)) < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (a->ss.ss_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	if (bind(fd, (const struct sockaddr *)&a->ss, a->len) != 0)
		error_sys(err, "bind %s port %u", sock_host(a, text),
		    (unsigned int)sock_port(a));
	else if (listen(fd, backlog) != 0)
		error_sys(err, "listen on %s port %u", sock_host(a, text),
		    (unsigned int)sock_port(a));
	else
		return fd;
	close(fd);
	return -1;
}

static int
unix_addr(const char *path, struct sockaddr_un *un, struct error *err)
{
	size_t	len = strlen(path);

	*un = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (len >= sizeof(un->sun_path))
		return error_set(err, "path of socket is too long: %s", path);
	memcpy(un->sun_path, path, len);
	return 0;
}

int
sock_listen_unix(const char *path, mode_t mode, int backlog,
    struct error *err)
{
	struct sockaddr_un	un;
	struct stat		st;
	int			fd;

	if (unix_addr(path, &un, err) < 0 ||
	    (fd = new_socket(AF_UNIX, err)) < 0)
		return -1;
	if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode))
		unlink(path);
	/* On Linux the mode of the descriptor is the mode that bind() gives,
	 * less the umask: at no time is it wider than asked for. */
	if (fchmod(fd, mode) != 0 ||
	    bind(fd, (struct sockaddr *)&un, sizeof(un)) != 0)
		error_sys(err, "bind %s", path);
	else if (chmod(path, mode) != 0)
		error_sys(err, "chmod %s", path);
	else if (listen(fd, backlog) != 0)
		error_sys(err, "listen on %s", path);
	else
		return fd;
	close(fd);
	return -1;
}

int
sock_accept(int fd, struct sock_addr *peer)
{
	struct sock_addr	from;
	int			new;

	memset(&from, 0, sizeof(from));
	from.len = sizeof(from.ss);
	do
		new = accept4(fd, (struct sockaddr *)&from.ss, &from.len,
		    SOCK_CLOEXEC | SOCK_NONBLOCK);
	while (new < 0 && (errno == EINTR || errno == ECONNABORTED));
	if (new < 0)
		return -1;
	sock_unmap(&from);
	if (peer != NULL)
		*peer = from;
	return new;
}

int
sock_local(int fd, struct sock_addr *out)
{
	memset(out, 0, sizeof(*out));
	out->len = sizeof(out->ss);
	if (getsockname(fd, (struct sockaddr *)&out->ss, &out->len) != 0)
		return -1;
	sock_unmap(out);
	return 0;
}

int
sock_peer(int fd, struct sock_addr *out)
{
	memset(out, 0, sizeof(*out));
	out->len = sizeof(out->ss);
	if (getpeername(fd, (struct sockaddr *)&out->ss, &out->len) != 0)
		return -1;
	sock_unmap(out);
	return 0;
}

int
sock_connect(const struct sock_addr *to, const struct sock_addr *from,
    int *fd_out, struct error *err)
{
	char	text[SOCK_TEXT_MAX];
	int	fd, on = 1;

	if ((fd = new_socket(to->ss.ss_family, err)) < 0)
		return -1;
	if (from != NULL) {
		/* The port is chosen by connect(): more of them to go round. */
		setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on,
		    sizeof(on));
		if (bind(fd, (const struct sockaddr *)&from->ss,
		    from->len) != 0) {
			error_sys(err, "bind %s", sock_host(from, text));
			goto bad;
		}
	}
	if (connect(fd, (const struct sockaddr *)&to->ss, to->len) != 0 &&
	    errno != EINPROGRESS && errno != EINTR) {
		error_sys(err, "connect to %s port %u", sock_host(to, text),
		    (unsigned int)sock_port(to));
		goto bad;
	}
	*fd_out = fd;
	return 0;
bad:
	close(fd);
	return -1;
}

int
sock_connect_unix(const char *path, int *fd_out, struct error *err)
{
	struct sockaddr_un	un;
	int			fd;

	if (unix_addr(path, &un, err) < 0 ||
	    (fd = new_socket(AF_UNIX, err)) < 0)
		return -1;
	if (connect(fd, (struct sockaddr *)&un, sizeof(un)) != 0) {
		error_sys(err, "connect to %s", path);
		close(fd);
		return -1;
	}
	*fd_out = fd;
	return 0;
}

int
sock_connected(int fd, struct error *err)
{
	int		e = 0;
	socklen_t	len = sizeof(e);

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &e, &len) != 0)
		return error_sys(err, "getsockopt");
	if (e == 0)
		return 0;
	error_set(err, "%s", strerror(e));
	if (err != NULL)
		err->sys = e;
	errno = e;
	return -1;
}

int
sock_pair(int fds[2], struct error *err)
{
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
	    fds) != 0)
		return error_sys(err, "socketpair");
	return 0;
}

int
sock_peer_cred(int fd, pid_t *pid, uid_t *uid, gid_t *gid)
{
	struct ucred	uc;
	socklen_t	len = sizeof(uc);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &uc, &len) != 0)
		return -1;
	if (pid != NULL)
		*pid = uc.pid;
	if (uid != NULL)
		*uid = uc.uid;
	if (gid != NULL)
		*gid = uc.gid;
	return 0;
}

int
sock_nonblock(int fd)
{
	int	flags = fcntl(fd, F_GETFL);

	if (flags < 0)
		return -1;
	return fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ? -1 : 0;
}

void
sock_nodelay(int fd)
{
	int	on = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

static int
family_bits(int family)
{
	return family == AF_INET ? 32 : 128;
}

/* Clear the bits behind `bits`; true if any was set. */
static bool
mask_host_bits(struct sock_net *n)
{
	bool	any = false;

	for (int i = n->bits; i < family_bits(n->family); i++) {
		unsigned char	bit = (unsigned char)(0x80u >> (i % 8));

		any = any || (n->addr[i / 8] & bit) != 0;
		n->addr[i / 8] &= (unsigned char)~bit;
	}
	return any;
}

static int
net_address(struct sock_net *out, const char *text)
{
	memset(out, 0, sizeof(*out));
	if (inet_pton(AF_INET, text, out->addr) == 1)
		out->family = AF_INET;
	else if (inet_pton(AF_INET6, text, out->addr) == 1)
		out->family = AF_INET6;
	else
		return -1;
	out->bits = family_bits(out->family);
	return 0;
}

int
sock_net_parse(const char *text, struct sock_net *out, struct error *err)
{
	char		 host[SOCK_TEXT_MAX];
	size_t		 len = strlen(text);
	const char	*slash = strrchr(text, '/'), *from = text;
	struct slice	 tail = slice_str(NULL);
	uint64_t	 bits;

	if (slash != NULL) {
		/* Both [net]/n and [net/n] are in use. */
		tail = slice_str(slash + 1);
		if (text[0] == '[' && slice_ends(tail, "]")) {
			tail.len--;
			from++;
		}
		len = (size_t)(slash - from);
	}
	if (unbracket(from, len, host) < 0 || net_address(out, host) < 0)
		return error_set(err, "bad net/mask pattern: \"%s\"", text);
	if (slash == NULL)
		return 0;
	if (!slice_u64(tail, (uint64_t)out->bits, &bits))
		return error_set(err, "bad net/mask pattern: \"%s\"", text);
	out->bits = (int)bits;
	if (!mask_host_bits(out))
		return 0;
	inet_ntop(out->family, out->addr, host, sizeof(host));
	return error_set(err, "non-null host address bits in \"%s\", perhaps "
	    "you should use \"%s/%d\" instead", text, host, out->bits);
}

bool
sock_net_has(const struct sock_net *n, const struct sock_addr *a)
{
	struct sock_addr	plain = *a;
	const unsigned char	*p;
	int			 whole = n->bits / 8, rest = n->bits % 8;

	sock_unmap(&plain);
	if (plain.ss.ss_family != n->family)
		return false;
	p = n->family == AF_INET ?
	    (const unsigned char *)&in4(&plain)->sin_addr :
	    in6(&plain)->sin6_addr.s6_addr;
	if (memcmp(p, n->addr, (size_t)whole) != 0)
		return false;
	return rest == 0 || ((p[whole] ^ n->addr[whole]) &
	    (0xff00 >> rest) & 0xff) == 0;
}
