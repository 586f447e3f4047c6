/* SPDX-License-Identifier: Apache-2.0 */
/* Every length in a packet is the peer's word: each read says how much it
 * needs, and a record's data are read inside the record only.  A pointer in
 * a name must go further back than everything the name has used so far, so a
 * name ends after at most as many jumps as the packet has bytes. */
#include "resolver/answer.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "base/ascii.h"

#define HEADER_SIZE	12
#define CLASS_IN	1
#define TYPE_SOA	6
#define ALIASES_MAX	16
#define TTL_MAX		86400u

enum { RCODE_OK = 0, RCODE_NXDOMAIN = 3 };

struct wire {
	struct slice	 all;
	size_t		 at;
};

struct record {
	char		 name[ANSWER_NAME_MAX];
	uint16_t	 type, class;
	uint32_t	 ttl;
	size_t		 data, end;	/* offsets */
};

static bool
get16(struct wire *w, uint16_t *out)
{
	if (w->all.len - w->at < 2)
		return false;
	*out = (uint16_t)(w->all.p[w->at] << 8 | w->all.p[w->at + 1]);
	w->at += 2;
	return true;
}

static bool
get32(struct wire *w, uint32_t *out)
{
	uint16_t	high, low;

	if (!get16(w, &high) || !get16(w, &low))
		return false;
	*out = (uint32_t)high << 16 | low;
	return true;
}

/* Text form of one label.  Bytes that are no part of a host name come out as
 * \DDD, so that no label can look like two. */
static size_t
put_label(const unsigned char *p, size_t len, char *out)
{
	size_t	o = 0;

	for (size_t i = 0; i < len; i++) {
		if (ascii_is_graph(p[i]) && p[i] != '.' && p[i] != '\\')
			out[o++] = (char)p[i];
		else
			o += (size_t)snprintf(out + o, 5, "\\%03u", p[i]);
	}
	return o;
}

/* Name at w->at, compressed or not.  255 bytes on the wire are at most 1020
 * bytes of text. */
static bool
get_name(struct wire *w, char out[ANSWER_NAME_MAX])
{
	const unsigned char	*p = w->all.p;
	size_t			 len = w->all.len, pos = w->at, low = w->at;
	size_t			 o = 0, total = 1, to;
	bool			 jumped = false;

	for (;;) {
		if (pos >= len)
			return false;
		if ((p[pos] & 0xc0) == 0xc0) {
			if (len - pos < 2)
				return false;
			to = (size_t)(p[pos] & 0x3f) << 8 | p[pos + 1];
			if (to >= low)
				return false;
			if (!jumped)
				w->at = pos + 2;
			jumped = true;
			low = pos = to;
			continue;
		}
		if (p[pos] > 63 || len - pos < (size_t)p[pos] + 1)
			return false;
		if (p[pos] == 0)
			break;
		total += (size_t)p[pos] + 1;
		if (total > 255)
			return false;
		if (o > 0)
			out[o++] = '.';
		o += put_label(p + pos + 1, p[pos], out + o);
		pos += (size_t)p[pos] + 1;
	}
	if (!jumped)
		w->at = pos + 1;
	out[o] = '\0';
	return true;
}

static bool
get_record(struct wire *w, struct record *r)
{
	uint16_t	len;

	if (!get_name(w, r->name) || !get16(w, &r->type) ||
	    !get16(w, &r->class) || !get32(w, &r->ttl) || !get16(w, &len) ||
	    w->all.len - w->at < len)
		return false;
	if (r->ttl > INT32_MAX)
		r->ttl = 0;		/* RFC 2181 8 */
	r->data = w->at;
	w->at = r->end = w->at + len;
	return true;
}

/* A name that fills the record's data from `skip` on. */
static bool
data_name(const struct wire *w, const struct record *r, size_t skip,
    char out[ANSWER_NAME_MAX])
{
	struct wire	in = { slice_first(w->all, r->end), r->data + skip };

	return r->end - r->data > skip && get_name(&in, out) &&
	    in.at == r->end;
}

static bool
data_text(struct slice d, struct arena *a, struct dns_rr *rr)
{
	unsigned char	*to = arena_alloc(a, d.len + 1);
	size_t		 n = 0, len;

	for (size_t i = 0; i < d.len; i += len + 1) {
		len = d.p[i];
		if (d.len - i - 1 < len)
			return false;
		memcpy(to + n, d.p + i + 1, len);
		n += len;
	}
	rr->data = slice_of(to, n);
	return d.len > 0;
}

static bool
data_address(struct slice d, int family, struct arena *a, struct dns_rr *rr)
{
	char	text[INET6_ADDRSTRLEN];

	if (d.len != (family == AF_INET ? 4u : 16u) ||
	    inet_ntop(family, d.p, text, sizeof(text)) == NULL)
		return false;
	rr->text = arena_strdup(a, text);
	return true;
}

static bool
convert(const struct wire *w, const struct record *r, struct arena *a,
    struct dns_rr *rr)
{
	struct slice	d = slice_of(w->all.p + r->data, r->end - r->data);
	char		name[ANSWER_NAME_MAX];

	*rr = (struct dns_rr){ .text = "", .data = slice_of("", 0) };
	switch (r->type) {
	case DNS_A:
		return data_address(d, AF_INET, a, rr);
	case DNS_AAAA:
		return data_address(d, AF_INET6, a, rr);
	case DNS_TXT:
		return data_text(d, a, rr);
	case DNS_MX:
		if (!data_name(w, r, 2, name))
			return false;
		rr->preference = (uint64_t)(d.p[0] << 8 | d.p[1]);
		rr->text = arena_strdup(a, name);
		return true;
	case DNS_NS:
	case DNS_CNAME:
	case DNS_PTR:
		if (!data_name(w, r, 0, name))
			return false;
		rr->text = arena_strdup(a, name);
		return true;
	}
	/* TLSA and whatever else is asked for: as it is. */
	if (r->type == DNS_TLSA && d.len < 4)
		return false;
	rr->data = slice_dup(a, d);
	return true;
}

/* Records of the answer section that have this name and type.  1: found. */
static int
collect(struct wire w, size_t count, const char *name, uint16_t type,
    struct arena *a, struct answer *out)
{
	struct record	r;

	out->nrr = 0;
	out->rr = arena_array(a, count < ANSWER_RR_MAX ? count + 1 :
	    ANSWER_RR_MAX, sizeof(*out->rr));
	for (size_t i = 0; i < count; i++) {
		if (!get_record(&w, &r))
			return -1;
		if (r.type != type || r.class != CLASS_IN ||
		    !slice_ieq(slice_str(r.name), slice_str(name)))
			continue;
		if (out->nrr == ANSWER_RR_MAX)
			break;
		if (!convert(&w, &r, a, &out->rr[out->nrr]))
			return -1;
		if (r.ttl < out->ttl)
			out->ttl = r.ttl;
		out->nrr++;
	}
	return out->nrr > 0 ? 1 : 0;
}

/* Follow one alias: 1: name was one, 0: it was not. */
static int
follow(struct wire w, size_t count, char name[ANSWER_NAME_MAX],
    struct answer *out)
{
	struct record	r;

	for (size_t i = 0; i < count; i++) {
		if (!get_record(&w, &r))
			return -1;
		if (r.type != DNS_CNAME || r.class != CLASS_IN ||
		    !slice_ieq(slice_str(r.name), slice_str(name)))
			continue;
		if (r.ttl < out->ttl)
			out->ttl = r.ttl;
		return data_name(&w, &r, 0, name) ? 1 : -1;
	}
	return 0;
}

/* RFC 2308 5: how long a denial may be kept stands in the SOA. */
static int
negative_ttl(struct wire w, size_t answers, size_t authorities,
    struct answer *out)
{
	struct record	r;
	struct wire	in;
	uint32_t	minimum;
	char		name[ANSWER_NAME_MAX];
	bool		found = false;

	for (size_t i = 0; i < answers + authorities; i++) {
		if (!get_record(&w, &r))
			return -1;
		if (i < answers || r.type != TYPE_SOA)
			continue;
		in = (struct wire){ slice_first(w.all, r.end), r.data };
		if (!get_name(&in, name) || !get_name(&in, name) ||
		    r.end - in.at != 20)
			return -1;
		in.at += 16;
		if (!get32(&in, &minimum))
			return -1;
		found = true;
		if (r.ttl < out->ttl)
			out->ttl = r.ttl;
		if (minimum < out->ttl)
			out->ttl = minimum;
	}
	if (!found)
		out->ttl = 0;
	return 0;
}

static const char *
rcode_text(unsigned int rcode)
{
	static const char *const	text[] = {
		"no error", "format error", "server failure", "no such name",
		"not implemented", "query refused"
	};

	return rcode < COUNT(text) ? text[rcode] : "unexpected answer";
}

static int
sections(struct wire *w, uint16_t *answers, uint16_t *authorities)
{
	uint16_t	questions, more;
	char		name[ANSWER_NAME_MAX];

	w->at = 4;
	if (!get16(w, &questions) || !get16(w, answers) ||
	    !get16(w, authorities) || !get16(w, &more) || questions > 1)
		return -1;
	if (questions == 1) {
		if (!get_name(w, name) || w->all.len - w->at < 4)
			return -1;
		w->at += 4;
	}
	return 0;
}

int
answer_parse(struct slice packet, const char *name, uint16_t type,
    struct arena *a, struct answer *out)
{
	struct wire	w = { packet, 0 };
	uint16_t	answers, authorities;
	unsigned int	rcode;
	char		at[ANSWER_NAME_MAX];
	int		found, alias = 1;

	*out = (struct answer){ .result = DNS_TEMPFAIL, .ttl = TTL_MAX };
	if (packet.len < HEADER_SIZE || strlen(name) >= sizeof(at) ||
	    sections(&w, &answers, &authorities) < 0)
		return -1;
	rcode = packet.p[3] & 0x0fu;
	if (rcode != RCODE_OK && rcode != RCODE_NXDOMAIN) {
		out->ttl = 0;
		out->why = rcode_text(rcode);
		return 0;
	}
	memcpy(at, name, strlen(name) + 1);
	found = collect(w, answers, at, type, a, out);
	for (int i = 0; found == 0 && alias == 1 && i < ALIASES_MAX; i++) {
		alias = follow(w, answers, at, out);
		if (alias == 1)
			found = collect(w, answers, at, type, a, out);
	}
	if (found < 0 || alias < 0)
		return -1;
	if (found == 1) {
		out->result = DNS_OK;
		return 0;
	}
	out->result = rcode == RCODE_NXDOMAIN ? DNS_NXDOMAIN : DNS_NODATA;
	return negative_ttl(w, answers, authorities, out);
}

bool
answer_name_ok(const char *name)
{
	size_t	len = 0, label = 0;

	for (; name[len] != '\0'; len++) {
		if (len >= 253 || name[len] == '\\' ||
		    !ascii_is_graph((unsigned char)name[len]))
			return false;
		if (name[len] != '.')
			label++;
		else if (label == 0)
			return false;
		else
			label = 0;
		if (label > 63)
			return false;
	}
	return label > 0;
}

const char *
answer_reverse(struct arena *a, const char *ip)
{
	static const char	hex[] = "0123456789abcdef";
	unsigned char		addr[16];
	char			text[80];
	size_t			n = 0;

	if (inet_pton(AF_INET, ip, addr) == 1)
		return arena_printf(a, "%u.%u.%u.%u.in-addr.arpa", addr[3],
		    addr[2], addr[1], addr[0]);
	if (inet_pton(AF_INET6, ip, addr) != 1)
		return NULL;
	for (int i = 15; i >= 0; i--) {
		text[n++] = hex[addr[i] & 15];
		text[n++] = '.';
		text[n++] = hex[addr[i] >> 4];
		text[n++] = '.';
	}
	text[n] = '\0';
	return arena_printf(a, "%sip6.arpa", text);
}
