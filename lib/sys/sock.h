/* SPDX-License-Identifier: Apache-2.0 */
/* sock.h - sockets: addresses as text, listening, accepting, peers.
 * All descriptors made here are non-blocking and close-on-exec. */
#ifndef SYS_SOCK_H
#define SYS_SOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "base/attr.h"
#include "base/error.h"

/* An address in a size that fits IPv4, IPv6 and UNIX. */
struct sock_addr {
	struct sockaddr_storage	 ss;
	socklen_t		 len;
};

#define SOCK_TEXT_MAX	64

/* The address without port: "192.0.2.1", "2001:db8::1", "unknown" for a UNIX
 * socket.  Returns out. */
const char	*sock_host(const struct sock_addr *a, char out[SOCK_TEXT_MAX]);
uint16_t	 sock_port(const struct sock_addr *a);

/* Numeric "192.0.2.1" or "2001:db8::1" (brackets allowed) with a port. */
int	 sock_parse(const char *host, uint16_t port, struct sock_addr *out,
	    struct error *err) MUST_USE;

/* Service name or number to port; proto is "tcp". */
int	 sock_service(const char *name, uint16_t *port_out, struct error *err)
	    MUST_USE;

/* IPv6-mapped IPv4 addresses become plain IPv4. */
void	 sock_unmap(struct sock_addr *a);

/* Listening descriptors.  IPv6 sockets are V6ONLY.  -1: *err. */
int	 sock_listen(const struct sock_addr *a, int backlog, struct error *err)
	    MUST_USE;

/* path is replaced if it is a socket.  mode: of the socket file. */
int	 sock_listen_unix(const char *path, mode_t mode, int backlog,
	    struct error *err) MUST_USE;

/* A connection, or -1 with errno EAGAIN and the like.  peer may be NULL. */
int	 sock_accept(int fd, struct sock_addr *peer) MUST_USE;

/* Our end / their end of a connected socket. */
int	 sock_local(int fd, struct sock_addr *out);
int	 sock_peer(int fd, struct sock_addr *out);

/* Start connecting; 0: connected or in progress (writable when done; then ask
 * sock_connected()).  from: local address or NULL. */
int	 sock_connect(const struct sock_addr *to, const struct sock_addr *from,
	    int *fd_out, struct error *err) MUST_USE;
int	 sock_connect_unix(const char *path, int *fd_out, struct error *err)
	    MUST_USE;

/* After writable: 0, or -1 with errno and *err. */
int	 sock_connected(int fd, struct error *err) MUST_USE;

int	 sock_pair(int fds[2], struct error *err) MUST_USE;

/* Who is at the other end of a UNIX socket. */
int	 sock_peer_cred(int fd, pid_t *pid, uid_t *uid, gid_t *gid);

int	 sock_nonblock(int fd);
void	 sock_nodelay(int fd);

/* "192.0.2.0/24", "[2001:db8::]/32", or a single address.  -1: not a
 * network; bits set beyond the mask are an error, as in Postfix. */
struct sock_net {
	int		 family;
	unsigned char	 addr[16];
	int		 bits;
};
int	 sock_net_parse(const char *text, struct sock_net *out,
	    struct error *err) MUST_USE;
bool	 sock_net_has(const struct sock_net *n, const struct sock_addr *a);

#endif
