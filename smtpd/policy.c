/* SPDX-License-Identifier: Apache-2.0 */
#include "smtpd/policy.h"

#include <arpa/inet.h>

#include "base/ascii.h"
#include "base/buf.h"
#include "mail/address.h"

#define TEXT_MAX	510

/* status code = class "." subject "." detail (RFC 3463 2) */
bool
policy_dsn_take(struct slice *text, struct arena *a, const char **dsn_out)
{
	struct slice	rest = *text, word, part, dsn;
	uint64_t	n;

	if (!slice_word(&rest, " \t", &word) || word.p != text->p)
		return false;
	dsn = word;
	if (!slice_cut(&word, '.', &part) || part.len != 1 ||
	    (part.p[0] != '2' && part.p[0] != '4' && part.p[0] != '5') ||
	    !slice_cut(&word, '.', &part) || part.len > 3 ||
	    !slice_u64(part, 999, &n) || word.len > 3 ||
	    !slice_u64(word, 999, &n))
		return false;
	*dsn_out = slice_cstr(a, dsn);
	*text = slice_trim(rest);
	return true;
}

void
policy_fix(struct verdict *v, bool soft_bounce, struct arena *a)
{
	char	*text, *dsn;

	if (v->code < 400 || v->code > 599) {
		v->code = 450;
		v->dsn = "4.7.1";
		v->text = "Service unavailable";
	}
	if (soft_bounce && v->code >= 500)
		v->code -= 100;
	text = arena_strndup(a, v->text, strnlen(v->text, TEXT_MAX));
	for (char *p = text; *p != '\0'; p++)
		if (ascii_is_cntrl((unsigned char)*p))
			*p = '?';
	v->text = text;
	dsn = arena_strdup(a, v->dsn);
	dsn[0] = (char)('0' + v->code / 100);
	v->dsn = dsn;
}

static const struct {
	const char		*name;
	enum access_kind	 kind;
} actions[] = {
	{ "OK", ACCESS_OK }, { "DUNNO", ACCESS_DUNNO },
	{ "REJECT", ACCESS_REJECT }, { "DEFER", ACCESS_DEFER },
	{ "DEFER_IF_PERMIT", ACCESS_DEFER_IF_PERMIT },
	{ "DEFER_IF_REJECT", ACCESS_DEFER_IF_REJECT },
	{ "HOLD", ACCESS_HOLD }, { "DISCARD", ACCESS_DISCARD },
	{ "REDIRECT", ACCESS_REDIRECT }, { "PREPEND", ACCESS_PREPEND },
	{ "WARN", ACCESS_WARN }, { "INFO", ACCESS_INFO },
};

void
policy_access_get(const char *value, struct arena *a, struct access *out)
{
	struct slice	rest = slice_trim(slice_str(value)), word;
	uint64_t	n;

	*out = (struct access){ .kind = ACCESS_LIST, .text = "" };
	(void)slice_word(&rest, " \t", &word);
	rest = slice_trim(rest);
	if (word.len == 3 && (word.p[0] == '4' || word.p[0] == '5') &&
	    slice_u64(word, 599, &n)) {
		out->kind = ACCESS_CODE;
		out->code = (int)n;
	} else if (slice_u64(word, UINT64_MAX, &n)) {
		/* All numbers are OK: tables of POP-before-SMTP. */
		out->kind = ACCESS_OK;
	} else {
		for (size_t i = 0; i < COUNT(actions); i++)
			if (slice_iis(word, actions[i].name))
				out->kind = actions[i].kind;
	}
	if (out->kind == ACCESS_LIST)
		rest = slice_trim(slice_str(value));
	else if (out->kind == ACCESS_CODE || out->kind == ACCESS_REJECT ||
	    out->kind == ACCESS_DEFER || out->kind == ACCESS_DEFER_IF_PERMIT ||
	    out->kind == ACCESS_DEFER_IF_REJECT)
		(void)policy_dsn_take(&rest, a, &out->dsn);
	out->text = arena_strndup(a, (const char *)rest.p, rest.len);
}

const char *
policy_domain(const char *address)
{
	const char	*at = strrchr(address, '@');

	return at == NULL || at[1] == '\0' ? NULL : at + 1;
}

bool
policy_fqdn(const char *domain)
{
	const char	*dot;

	if (domain == NULL)
		return false;
	if (domain[0] == '[')
		return true;
	dot = strchr(domain, '.');
	return dot != NULL && dot != domain && dot[1] != '\0';
}

bool
policy_helo_valid(const char *helo)
{
	struct slice	s = slice_str(helo);

	return address_domain_ok(s, true, true);
}

const char *
policy_rbl_name(const char *ip, const char *zone, struct arena *a)
{
	unsigned char	addr[16];
	struct buf	b;
	const char	*out;

	buf_init(&b, 512);
	if (inet_pton(AF_INET, ip, addr) == 1)
		buf_addf(&b, "%u.%u.%u.%u.", addr[3], addr[2], addr[1],
		    addr[0]);
	else if (inet_pton(AF_INET6, ip, addr) == 1)
		for (int i = 15; i >= 0; i--)
			buf_addf(&b, "%x.%x.", addr[i] & 15u, addr[i] >> 4);
	else
		return NULL;
	buf_adds(&b, zone);
	out = b.overflow ? NULL : arena_strdup(a, buf_cstr(&b));
	buf_clear(&b);
	return out;
}
