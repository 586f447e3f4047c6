/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/socket.h>

#include <arpa/inet.h>
#include <string.h>

#include "base/ascii.h"
#include "base/mem.h"
#include "map/cidr_int.h"
#include "map/rules_int.h"

static bool
parse_addr(const char *text, struct cidr *out)
{
	out->family = strchr(text, ':') != NULL ? AF_INET6 : AF_INET;
	memset(out->addr, 0, sizeof(out->addr));
	out->bits = out->family == AF_INET ? 32 : 128;
	return inet_pton(out->family, text, out->addr) == 1;
}

/* Are all bits from `from` on zero in a ^ b? */
static bool
same_prefix(const unsigned char *a, const unsigned char *b, unsigned int bits)
{
	unsigned int	whole = bits / 8, rest = bits % 8;

	if (memcmp(a, b, whole) != 0)
		return false;
	return rest == 0 || ((a[whole] ^ b[whole]) >> (8 - rest)) == 0;
}

static bool
host_bits_clear(const struct cidr *c)
{
	unsigned int	n = c->family == AF_INET ? 32 : 128;

	for (unsigned int b = c->bits; b < n; b++)
		if (c->addr[b / 8] & (0x80 >> b % 8))
			return false;
	return true;
}

int
cidr_parse(struct slice text, struct cidr *out, struct error *err)
{
	struct slice	addr = text, bits = { NULL, 0 };
	char		buf[64];
	uint64_t	n;
	bool		has_bits = false;
	ptrdiff_t	slash = slice_rfind(text, '/');

	if (slash >= 0) {
		addr = slice_first(text, (size_t)slash);
		bits = slice_from(text, (size_t)slash + 1);
		has_bits = true;
	}
	if (addr.len > 2 && addr.p[0] == '[' && addr.p[addr.len - 1] == ']')
		addr = slice_of(addr.p + 1, addr.len - 2);
	if (addr.len >= sizeof(buf))
		goto bad;
	memcpy(buf, addr.p, addr.len);
	buf[addr.len] = '\0';
	if (strlen(buf) != addr.len || !parse_addr(buf, out))
		goto bad;
	if (has_bits) {
		if (!slice_u64(bits, out->bits, &n))
			goto bad;
		out->bits = (unsigned int)n;
	}
	if (!host_bits_clear(out))
		return error_set(err, "\"%.*s\": the address has bits set "
		    "beyond its prefix", SLICE_ARG(text));
	return 0;
bad:
	return error_set(err, "\"%.*s\": expected an address or "
	    "address/prefix", SLICE_ARG(text));
}

bool
cidr_has(const struct cidr *c, const char *addr)
{
	struct cidr	a;

	return parse_addr(addr, &a) && a.family == c->family &&
	    same_prefix(a.addr, c->addr, c->bits);
}

static void *
cidr_compile(struct slice *rest, size_t *groups_out, struct error *err)
{
	size_t		 n = 0;
	struct cidr	*c = mem_new(1, sizeof(*c));

	while (n < rest->len && !ascii_is_blank(rest->p[n]))
		n++;
	*groups_out = 0;
	if (cidr_parse(slice_first(*rest, n), c, err) < 0)
		mem_free(&c);
	else
		*rest = slice_from(*rest, n);
	return c;
}

static int
cidr_match(const void *pattern, const char *key, struct rule_match *out,
    struct error *err)
{
	(void)out;
	(void)err;
	return cidr_has(pattern, key);
}

static void
cidr_free(void *pattern)
{
	mem_free(&pattern);
}

static const struct rule_kind	cidr_kind = {
	.compile = cidr_compile, .match = cidr_match, .free = cidr_free,
};

static int
cidr_open(struct map *m, const char *arg, struct error *err)
{
	return rules_open(m, &cidr_kind, arg, err);
}

const struct map_type	map_type_cidr = {
	.name = "cidr", .open = cidr_open, .get = rules_get,
	.close = rules_close,
};
