/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/smtp_cmd.h"

#include "base/ascii.h"
#include "base/buf.h"
#include "codec/utf8.h"
#include "codec/xtext.h"
#include "mail/address.h"

#define ENVID_MAX	100		/* RFC 3461 4.4, as encoded */
#define ORCPT_MAX	500		/* RFC 3461 4.2, as encoded */
#define AUTH_MAX	500		/* RFC 4954 5 */
#define HELO_MAX	255

void
smtp_cmd_split(struct slice line, struct slice *verb_out,
    struct slice *arg_out)
{
	line = slice_trim(line);
	(void)slice_word(&line, " \t", verb_out);
	*arg_out = slice_trim(line);
}

/*
 * Parameters.  esmtp-param = esmtp-keyword ["=" esmtp-value]
 */
struct parse {
	struct arena		*a;
	unsigned int		 ext, seen;
	struct smtp_mail	*mail;
	struct smtp_rcpt	*rcpt;
};

struct keyword {
	const char	*name;
	unsigned int	 ext;
	bool		 value;		/* it must have one, or none */
	bool		 (*get)(struct parse *p, struct slice value);
};

/* xtext with a bound on the encoded form; NULL: bad. */
static const char *
xtext(struct arena *a, struct slice s, size_t max)
{
	struct buf	 b;
	const char	*out = NULL;

	buf_init(&b, max);
	if (s.len > 0 && s.len <= max && xtext_get(s, &b))
		out = slice_cstr(a, buf_slice(&b));
	buf_clear(&b);
	return out;
}

static bool
get_size(struct parse *p, struct slice v)
{
	p->mail->has_size = true;
	/* RFC 1870 3: up to 20 digits.  A number beyond 64 bits is a size that
	 * nobody takes, not a syntax error. */
	if (slice_u64(v, UINT64_MAX, &p->mail->size))
		return true;
	for (size_t i = 0; i < v.len; i++)
		if (!ascii_is_digit(v.p[i]))
			return false;
	p->mail->size = UINT64_MAX;
	return v.len > 0 && v.len <= 20;
}

static bool
get_body(struct parse *p, struct slice v)
{
	p->mail->eight_bit = slice_iis(v, "8BITMIME");
	return p->mail->eight_bit || slice_iis(v, "7BIT");
}

static bool
get_utf8(struct parse *p, struct slice v)
{
	(void)v;
	p->mail->utf8 = true;
	return true;
}

static bool
get_ret(struct parse *p, struct slice v)
{
	if (slice_iis(v, "FULL"))
		p->mail->ret = SMTP_RET_FULL;
	else if (slice_iis(v, "HDRS"))
		p->mail->ret = SMTP_RET_HDRS;
	return p->mail->ret != 0;
}

static bool
get_envid(struct parse *p, struct slice v)
{
	p->mail->envid = xtext(p->a, v, ENVID_MAX);
	return p->mail->envid != NULL;
}

static bool
get_auth(struct parse *p, struct slice v)
{
	p->mail->auth = xtext(p->a, v, AUTH_MAX);
	return p->mail->auth != NULL;
}

/* notify-esmtp-value = "NEVER" / 1#notify-list-element */
static bool
get_notify(struct parse *p, struct slice v)
{
	static const struct { const char *name; unsigned int bit; } names[] = {
		{ "NEVER",   SMTP_NOTIFY_NEVER },
		{ "SUCCESS", SMTP_NOTIFY_SUCCESS },
		{ "FAILURE", SMTP_NOTIFY_FAILURE },
		{ "DELAY",   SMTP_NOTIFY_DELAY },
	};
	struct slice	word;
	bool		more = true;

	while (more) {
		unsigned int	bit = 0;

		more = slice_cut(&v, ',', &word);
		if (!more)
			word = v;
		for (size_t i = 0; i < COUNT(names); i++)
			if (slice_iis(word, names[i].name))
				bit = names[i].bit;
		if (bit == 0 || (p->rcpt->notify & bit) != 0)
			return false;
		p->rcpt->notify |= bit;
	}
	return (p->rcpt->notify & SMTP_NOTIFY_NEVER) == 0 ||
	    p->rcpt->notify == SMTP_NOTIFY_NEVER;
}

/* original-recipient-address = addr-type ";" xtext; the type is an atom. */
static bool
get_orcpt(struct parse *p, struct slice v)
{
	struct slice	 type;
	const char	*rest;

	if (v.len > ORCPT_MAX || !slice_cut(&v, ';', &type) || type.len == 0)
		return false;
	for (size_t i = 0; i < type.len; i++)
		if (!ascii_is_alnum(type.p[i]) && type.p[i] != '-')
			return false;
	/* utf-8-addr-xtext has the same "+" escapes for what we need to
	 * look at; its \x{...} stays as it came (RFC 6533 3). */
	rest = xtext(p->a, v, ORCPT_MAX);
	if (rest == NULL)
		return false;
	p->rcpt->orcpt = arena_printf(p->a, "%.*s;%s", SLICE_ARG(type), rest);
	return true;
}

static const struct keyword mail_keywords[] = {
	{ "SIZE",     SMTP_EXT_SIZE,     true,  get_size },
	{ "BODY",     SMTP_EXT_8BITMIME, true,  get_body },
	{ "SMTPUTF8", SMTP_EXT_UTF8,     false, get_utf8 },
	{ "RET",      SMTP_EXT_DSN,      true,  get_ret },
	{ "ENVID",    SMTP_EXT_DSN,      true,  get_envid },
	{ "AUTH",     SMTP_EXT_AUTH,     true,  get_auth },
};
static const struct keyword rcpt_keywords[] = {
	{ "NOTIFY",   SMTP_EXT_DSN,      true,  get_notify },
	{ "ORCPT",    SMTP_EXT_DSN,      true,  get_orcpt },
};

static enum smtp_cmd_result
one_param(struct parse *p, const struct keyword *k, size_t n,
    struct slice word, const char **bad_out)
{
	struct slice	name = word, value = { NULL, 0 };
	bool		has_value = slice_cut(&word, '=', &name);

	if (has_value)
		value = word;
	*bad_out = slice_cstr(p->a, name);
	for (size_t i = 0; i < n; i++) {
		if (!slice_iis(name, k[i].name) ||
		    (p->ext & k[i].ext) == 0)
			continue;
		if ((p->seen & 1u << i) != 0 || has_value != k[i].value ||
		    !k[i].get(p, value))
			return SMTP_CMD_PARAM;
		p->seen |= 1u << i;
		return SMTP_CMD_OK;
	}
	return SMTP_CMD_OPTION;
}

static enum smtp_cmd_result
params(struct parse *p, const struct keyword *k, size_t n, struct slice s,
    const char **bad_out)
{
	struct slice	word;

	while (slice_word(&s, " \t", &word)) {
		enum smtp_cmd_result	r = one_param(p, k, n, word, bad_out);

		if (r != SMTP_CMD_OK)
			return r;
	}
	return SMTP_CMD_OK;
}

/*
 * The path.  Bytes above 127 pass here; whether they may is known only after
 * the parameters.
 */
static enum smtp_cmd_result
path(struct slice *arg, const char *prefix, unsigned int ok, bool lax,
    struct address *out)
{
	const char	*why;

	if (!slice_istarts(*arg, prefix))
		return SMTP_CMD_SYNTAX;
	*arg = slice_from(*arg, strlen(prefix));
	/* RFC 5321 3.3 forbids blanks here; many clients send one. */
	while (lax && arg->len > 0 && ascii_is_blank(arg->p[0]))
		*arg = slice_from(*arg, 1);
	if (arg->len == 0)
		return SMTP_CMD_SYNTAX;
	/* Dots anywhere: carriers have given out such local parts. */
	ok |= ADDRESS_OK_UTF8 | ADDRESS_OK_NODOMAIN | ADDRESS_OK_LOOSE;
	if (lax)
		ok |= ADDRESS_OK_BARE;
	if (!address_path_take(arg, ok, out, &why))
		return SMTP_CMD_ADDRESS;
	if (arg->len > 0 && !ascii_is_blank(arg->p[0]))
		return SMTP_CMD_SYNTAX;
	return SMTP_CMD_OK;
}

enum smtp_cmd_result
smtp_cmd_mail(struct slice arg, unsigned int ext, bool lax, struct arena *a,
    struct smtp_mail *out, const char **bad_out)
{
	struct parse		p = { .a = a, .ext = ext, .mail = out };
	struct address		ad;
	enum smtp_cmd_result	r;

	memset(out, 0, sizeof(*out));
	r = path(&arg, "FROM:", ADDRESS_OK_NULL, lax, &ad);
	if (r != SMTP_CMD_OK)
		return r;
	r = params(&p, mail_keywords, COUNT(mail_keywords), arg, bad_out);
	if (r != SMTP_CMD_OK)
		return r;
	if ((ad.flags & ADDRESS_UTF8) != 0 && !out->utf8)
		return SMTP_CMD_UTF8;
	out->address = address_str(a, &ad);
	return SMTP_CMD_OK;
}

enum smtp_cmd_result
smtp_cmd_rcpt(struct slice arg, unsigned int ext, bool lax, bool utf8,
    struct arena *a, struct smtp_rcpt *out, const char **bad_out)
{
	struct parse		p = { .a = a, .ext = ext, .rcpt = out };
	struct address		ad;
	enum smtp_cmd_result	r;

	memset(out, 0, sizeof(*out));
	r = path(&arg, "TO:", 0, lax, &ad);
	if (r != SMTP_CMD_OK)
		return r;
	r = params(&p, rcpt_keywords, COUNT(rcpt_keywords), arg, bad_out);
	if (r != SMTP_CMD_OK)
		return r;
	if ((ad.flags & ADDRESS_UTF8) != 0 && !utf8)
		return SMTP_CMD_UTF8;
	out->address = address_str(a, &ad);
	return SMTP_CMD_OK;
}

/* bdat-cmd = "BDAT" SP chunk-size [ SP end-marker ] */
enum smtp_bdat_result
smtp_cmd_bdat(struct slice arg, uint64_t *size_out, bool *last_out)
{
	struct slice	size, word;

	*last_out = false;
	if (!slice_word(&arg, " \t", &size))
		return SMTP_BDAT_SYNTAX;
	if (slice_word(&arg, " \t", &word)) {
		if (!slice_iis(word, "LAST") || slice_trim(arg).len > 0)
			return SMTP_BDAT_SYNTAX;
		*last_out = true;
	}
	if (slice_u64(size, INT64_MAX, size_out))
		return SMTP_BDAT_OK;
	for (size_t i = 0; i < size.len; i++)
		if (!ascii_is_digit(size.p[i]))
			return SMTP_BDAT_SYNTAX;
	return SMTP_BDAT_HUGE;
}

const char *
smtp_cmd_address(struct slice arg, bool utf8, struct arena *a)
{
	unsigned int	 ok = ADDRESS_OK_NODOMAIN | ADDRESS_OK_LOOSE |
			    ADDRESS_OK_BARE | (utf8 ? ADDRESS_OK_UTF8 : 0);
	struct address	 ad;
	const char	*why;

	if (!address_path_take(&arg, ok, &ad, &why) || arg.len > 0)
		return NULL;
	return address_str(a, &ad);
}

const char *
smtp_cmd_helo(struct slice arg, struct arena *a)
{
	if (arg.len == 0 || arg.len > HELO_MAX || !utf8_valid(arg))
		return NULL;
	for (size_t i = 0; i < arg.len; i++)
		if (arg.p[i] <= ' ' || arg.p[i] == 127)
			return NULL;
	return slice_cstr(a, arg);
}
