/* SPDX-License-Identifier: Apache-2.0 */
#include "qmgr/qmgr.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

/* A port behind the last colon, unless that colon belongs to an IPv6
 * address without brackets. */
static void
cut_port(struct slice *host, struct slice *port)
{
	ptrdiff_t	i = slice_rfind(*host, ':');

	if (i < 0 || slice_find(*host, ':') != i)
		return;
	*port = slice_from(*host, (size_t)i + 1);
	*host = slice_first(*host, (size_t)i);
}

int
nexthop_parse(const char *text, struct nexthop *out)
{
	struct slice	s = slice_str(text);
	ptrdiff_t	i;

	*out = (struct nexthop){ .local_socket = false };
	if (slice_istarts(s, "unix:")) {
		out->local_socket = true;
		out->host = slice_from(s, 5);
		return out->host.len > 0 ? 0 : -1;
	}
	if (slice_istarts(s, "inet:")) {
		s = slice_from(s, 5);
		out->literal = true;
	}
	if (slice_starts(s, "[")) {
		if ((i = slice_find(s, ']')) < 2)
			return -1;
		out->literal = true;
		out->host = slice_of(s.p + 1, (size_t)i - 1);
		s = slice_from(s, (size_t)i + 1);
		if (s.len > 0 && s.p[0] != ':')
			return -1;
		out->port = slice_from(s, 1);
		if (s.len == 1)
			return -1;
		if (slice_istarts(out->host, "ipv6:"))
			out->host = slice_from(out->host, 5);
		return 0;
	}
	out->host = s;
	cut_port(&out->host, &out->port);
	return out->host.len > 0 ? 0 : -1;
}

static int
by_name(const void *a, const void *b)
{
	return strcasecmp(*(const char *const *)a, *(const char *const *)b);
}

const char *
nexthop_site_key(struct arena *a, const struct deliver_host *hosts, size_t n,
    uint64_t port)
{
	const char	**names = arena_array(a, n + 1, sizeof(*names));
	struct buf	  b;
	char		 *key;

	for (size_t i = 0; i < n; i++)
		names[i] = hosts[i].name;
	qsort(names, n, sizeof(*names), by_name);
	buf_init(&b, 65536);
	for (size_t i = 0; i < n; i++) {
		if (i > 0 && strcasecmp(names[i], names[i - 1]) == 0)
			continue;
		buf_addf(&b, "%s%s", buf_len(&b) > 0 ? "," : "", names[i]);
	}
	buf_addf(&b, ":%llu", (unsigned long long)port);
	key = arena_strdup(a, buf_cstr(&b));
	buf_clear(&b);
	for (char *p = key; *p != '\0'; p++)
		*p = (char)(*p >= 'A' && *p <= 'Z' ? *p + 32 : *p);
	return key;
}
