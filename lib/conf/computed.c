/* SPDX-License-Identifier: Apache-2.0 */
/* Defaults that depend on the machine: its name and its addresses. */
#include <sys/socket.h>

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netdb.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "conf/conf_int.h"

#define NO_DOMAIN	"localdomain"

static const char *
value_at(struct conf_expansion *x, const char *name, int depth)
{
	const char	*text = conf_source(x, name, depth);

	if (text != NULL)
		text = conf_expand_at(x, text, depth + 1);
	return text == NULL ? "" : text;
}

/* The host name; without a dot, $mydomain is put behind it, but only one that
 * was set: the default of mydomain is made from myhostname. */
static const char *
hostname(struct conf_expansion *x, int depth)
{
	char		 name[256] = "";
	const char	*domain = NO_DOMAIN;

	if (gethostname(name, sizeof(name) - 1) < 0 || name[0] == '\0')
		snprintf(name, sizeof(name), "localhost");
	if (strchr(name, '.') != NULL)
		return arena_strdup(x->a, name);
	if (conf_entry_find(x->c, "mydomain") != NULL)
		domain = value_at(x, "mydomain", depth);
	return arena_printf(x->a, "%s.%s", name, domain);
}

static const char *
domain(struct conf_expansion *x, int depth)
{
	const char	*name = value_at(x, "myhostname", depth);
	const char	*dot = strchr(name, '.');

	return dot == NULL || dot[1] == '\0' ? NO_DOMAIN : dot + 1;
}

static bool
is_loopback(const struct sockaddr *sa)
{
	if (sa->sa_family == AF_INET) {
		struct sockaddr_in	in;

		memcpy(&in, sa, sizeof(in));
		return ntohl(in.sin_addr.s_addr) >> 24 == 127;
	} else {
		struct sockaddr_in6	in6;

		memcpy(&in6, sa, sizeof(in6));
		return IN6_IS_ADDR_LOOPBACK(&in6.sin6_addr);
	}
}

/* Is this own address one of inet_interfaces? */
static bool
is_selected(const char *interfaces, const char *numeric,
    const struct sockaddr *sa)
{
	struct slice	s = slice_str(interfaces), word;

	while (slice_word(&s, ", \t\r\n", &word)) {
		if (slice_iis(word, "all") || slice_iis(word, numeric))
			return true;
		if ((slice_iis(word, "loopback-only") ||
		    slice_iis(word, "localhost")) && is_loopback(sa))
			return true;
		if (word.len > 2 && word.p[0] == '[' && slice_iis(
		    slice_of(word.p + 1, word.len - 2), numeric))
			return true;
	}
	return false;
}

static bool
protocol_used(const char *protocols, int family)
{
	struct slice	s = slice_str(protocols), word;

	while (slice_word(&s, ", \t\r\n", &word))
		if (slice_iis(word, "all") || slice_iis(word,
		    family == AF_INET ? "ipv4" : "ipv6"))
			return true;
	return protocols[0] == '\0';
}

static int
mask_bits(const struct sockaddr *mask)
{
	unsigned char	bytes[16];
	size_t		n = 4;
	int		bits = 0;

	if (mask->sa_family == AF_INET) {
		struct sockaddr_in	in;

		memcpy(&in, mask, sizeof(in));
		memcpy(bytes, &in.sin_addr, n);
	} else {
		struct sockaddr_in6	in6;

		memcpy(&in6, mask, sizeof(in6));
		n = sizeof(in6.sin6_addr);
		memcpy(bytes, &in6.sin6_addr, n);
	}
	for (size_t i = 0; i < n; i++)
		bits += __builtin_popcount(bytes[i]);
	return bits;
}

static int
class_bits(const unsigned char *addr)
{
	if (addr[0] < 128)
		return 8;
	return addr[0] < 192 ? 16 : 24;
}

/* One word of a list, whole? */
static bool
has_word(struct slice list, struct slice word)
{
	struct slice	w;

	while (slice_word(&list, " ", &w))
		if (slice_ieq(w, word))
			return true;
	return false;
}

static void
add_word(struct buf *out, const char *text)
{
	if (!has_word(buf_slice(out), slice_str(text)))
		buf_addf(out, "%s%s", buf_len(out) > 0 ? " " : "", text);
}

/* "192.0.2.0/24 " or "[2001:db8::]/64 ", host bits cleared. */
static void
add_network(struct buf *out, const struct ifaddrs *i, const char *style)
{
	unsigned char	addr[16];
	size_t		n;
	int		family = i->ifa_addr->sa_family, bits;
	char		text[INET6_ADDRSTRLEN], net[INET6_ADDRSTRLEN + 8];

	if (family == AF_INET) {
		struct sockaddr_in	in;

		memcpy(&in, i->ifa_addr, sizeof(in));
		memcpy(addr, &in.sin_addr, n = 4);
	} else {
		struct sockaddr_in6	in6;

		memcpy(&in6, i->ifa_addr, sizeof(in6));
		memcpy(addr, &in6.sin6_addr, n = 16);
	}
	bits = (int)n * 8;
	if (strcmp(style, "host") != 0 && i->ifa_netmask != NULL)
		bits = mask_bits(i->ifa_netmask);
	if (strcmp(style, "class") == 0 && family == AF_INET)
		bits = class_bits(addr);
	for (int b = bits; b < (int)n * 8; b++)
		addr[b / 8] &= (unsigned char)~(0x80 >> b % 8);
	if (inet_ntop(family, addr, text, sizeof(text)) == NULL)
		return;
	snprintf(net, sizeof(net), family == AF_INET ? "%s/%d" : "[%s]/%d",
	    text, bits);
	add_word(out, net);
}

/* Addresses that inet_interfaces names and no interface has as its own: all
 * of 127.0.0.0/8 can be listened on. */
static void
add_named(const char *interfaces, const char *protocols, bool networks,
    struct buf *out)
{
	struct slice	s = slice_str(interfaces), word;

	while (slice_word(&s, ", \t\r\n", &word)) {
		char		text[INET6_ADDRSTRLEN + 8], plain[64];
		unsigned char	addr[16];
		int		family;

		if (word.len > 2 && word.p[0] == '[')
			word = slice_of(word.p + 1, word.len - 2);
		if (word.len >= sizeof(plain))
			continue;
		snprintf(plain, sizeof(plain), "%.*s", SLICE_ARG(word));
		family = strchr(plain, ':') != NULL ? AF_INET6 : AF_INET;
		if (inet_pton(family, plain, addr) != 1 ||
		    !protocol_used(protocols, family))
			continue;
		if (!networks)
			add_word(out, plain);
		else if (slice_search(buf_slice(out), word) < 0) {
			snprintf(text, sizeof(text), family == AF_INET ?
			    "%.45s/32" : "[%.45s]/128", plain);
			add_word(out, text);
		}
	}
}

/* Append the networks of the selected own addresses, or with style NULL the
 * addresses. */
static void
own(struct conf_expansion *x, int depth, const char *style, struct buf *out)
{
	const char	*interfaces = value_at(x, "inet_interfaces", depth);
	const char	*protocols = value_at(x, "inet_protocols", depth);
	struct ifaddrs	*all;

	if (getifaddrs(&all) < 0)
		return;
	for (struct ifaddrs *i = all; i != NULL; i = i->ifa_next) {
		char		numeric[NI_MAXHOST];
		int		family = i->ifa_addr == NULL ? AF_UNSPEC :
				    i->ifa_addr->sa_family;
		socklen_t	len = family == AF_INET ?
				    sizeof(struct sockaddr_in) :
				    sizeof(struct sockaddr_in6);

		if ((family != AF_INET && family != AF_INET6) ||
		    (i->ifa_flags & IFF_UP) == 0 ||
		    !protocol_used(protocols, family) ||
		    getnameinfo(i->ifa_addr, len, numeric, sizeof(numeric),
		    NULL, 0, NI_NUMERICHOST) != 0)
			continue;
		/* A link-local address carries its interface. */
		numeric[strcspn(numeric, "%")] = '\0';
		if (!is_selected(interfaces, numeric, i->ifa_addr))
			continue;
		if (style != NULL)
			add_network(out, i, style);
		else
			add_word(out, numeric);
	}
	freeifaddrs(all);
	add_named(interfaces, protocols, style != NULL, out);
}

static const char *
networks(struct conf_expansion *x, int depth)
{
	struct buf	 out;
	const char	*result;

	buf_init(&out, 65536);
	own(x, depth, value_at(x, "mynetworks_style", depth), &out);
	result = arena_strdup(x->a, buf_cstr(&out));
	buf_clear(&out);
	return result;
}

const char *
conf_own_addresses(const struct conf *c, struct arena *a)
{
	struct conf_expansion	 x = { c, a, NULL, 0 };
	struct slice		 proxies = slice_str(value_at(&x,
				    "proxy_interfaces", 0)), word;
	struct buf		 out;
	const char		*result;

	buf_init(&out, 65536);
	own(&x, 0, NULL, &out);
	while (slice_word(&proxies, ", \t\r\n", &word))
		buf_addf(&out, " %.*s", SLICE_ARG(word));
	result = arena_strdup(a, buf_cstr(&out));
	buf_clear(&out);
	return result;
}

static const char *
directory(struct conf_expansion *x, int depth)
{
	(void)depth;
	return conf_dir(x->c)[0] == '\0' ? NULL : conf_dir(x->c);
}

static const char *
process(struct conf_expansion *x, int depth)
{
	(void)depth;
	return arena_printf(x->a, "%ld", (long)getpid());
}

const char *
conf_computed(struct conf_expansion *x, const char *name, int depth)
{
	static const struct {
		const char	*name;
		const char	*(*find)(struct conf_expansion *, int);
	} table[] = {
		{ "myhostname",       hostname },
		{ "mydomain",         domain },
		{ "mynetworks",       networks },
		{ "config_directory", directory },
		{ "process_id",       process },
	};

	if (depth > CONF_EXPAND_DEPTH)
		return NULL;
	for (size_t i = 0; i < COUNT(table); i++)
		if (strcmp(name, table[i].name) == 0)
			return table[i].find(x, depth + 1);
	return NULL;
}
