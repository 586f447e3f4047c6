/* SPDX-License-Identifier: Apache-2.0 */
#include "auth/account.h"
#include "auth/cred.h"
#include "base/ascii.h"



static bool
bad_component(struct slice s)
{
	return s.len == 0 || slice_is(s, ".") || slice_is(s, "..");
}

const char *
account_name(struct arena *a, struct slice name, const char *realm)
{
	char		*out, *p;
	struct slice	 user = slice_trim(name), domain;
	ptrdiff_t	 at;

	name = user;
	if (name.len > ACCOUNT_NAME_MAX)
		return NULL;
	at = slice_rfind(name, '@');
	if (at >= 0) {
		user = slice_first(name, (size_t)at);
		domain = slice_from(name, (size_t)at + 1);
		if (bad_component(domain))
			return NULL;
	}
	if (bad_component(user))
		return NULL;
	for (size_t i = 0; i < name.len; i++)
		if (ascii_is_cntrl(name.p[i]) || name.p[i] == ' ' ||
		    name.p[i] == '/' || name.p[i] == ':')
			return NULL;
	if (at < 0 && realm != NULL && *realm != '\0')
		out = arena_printf(a, "%.*s@%s", SLICE_ARG(name), realm);
	else
		out = arena_strndup(a, (const char *)name.p, name.len);
	for (p = out; *p != '\0'; p++)
		*p = (char)ascii_lower((unsigned char)*p);
	return out;
}

void
account_encode(const struct account *acc, struct buf *out)
{
	buf_adds(out, "1");
	if (acc->has_ids)
		buf_addf(out, "\tuid=%lu\tgid=%lu", (unsigned long)acc->uid,
		    (unsigned long)acc->gid);
	if (acc->home[0] != '\0')
		buf_addf(out, "\thome=%s", acc->home);
	if (acc->mailbox[0] != '\0')
		buf_addf(out, "\tmailbox=%s", acc->mailbox);
	if (acc->quota_bytes != ACCOUNT_NO_QUOTA)
		buf_addf(out, "\tquota=%llu",
		    (unsigned long long)acc->quota_bytes);
	if (acc->disabled)
		buf_adds(out, "\tnologin=1");
	for (size_t i = 0; i < acc->nhashes; i++)
		buf_addf(out, "\thash=%s", acc->hashes[i]);
}

static int
get_id(struct slice s, uint32_t *out)
{
	uint64_t	v;

	/* The largest value means "no change" to chown(2). */
	if (!slice_u64(s, UINT32_MAX - 1, &v))
		return -1;
	*out = (uint32_t)v;
	return 0;
}

static int
record_field(struct arena *a, struct slice key, struct slice value,
    struct account *acc)
{
	uint64_t	 n;

	if (slice_is(key, "uid")) {
		acc->has_ids = true;
		return get_id(value, &acc->uid);
	}
	if (slice_is(key, "gid"))
		return get_id(value, &acc->gid);
	if (slice_is(key, "quota"))
		return slice_u64(value, UINT64_MAX, &acc->quota_bytes) ? 0 :
		    -1;
	if (slice_is(key, "nologin")) {
		if (!slice_u64(value, 1, &n))
			return -1;
		acc->disabled = n == 1;
		return 0;
	}
	if (slice_is(key, "home"))
		acc->home = slice_cstr(a, value);
	else if (slice_is(key, "mailbox"))
		acc->mailbox = slice_cstr(a, value);
	else if (slice_is(key, "hash") && acc->nhashes < ACCOUNT_HASHES)
		acc->hashes[acc->nhashes++] = slice_cstr(a, value);
	else
		return -1;
	return 0;
}

static void
account_init(struct account *acc)
{
	memset(acc, 0, sizeof(*acc));
	acc->home = acc->mailbox = "";
	acc->quota_bytes = ACCOUNT_NO_QUOTA;
}

int
account_decode(struct arena *a, const char *user, const char *record,
    struct account *out, struct error *err)
{
	struct slice	 in = slice_str(record), field, key;

	account_init(out);
	out->user = arena_strdup(a, user);
	if (!slice_cut(&in, '\t', &field)) {
		field = in;
		in.len = 0;
	}
	if (!slice_is(field, "1"))
		return error_set(err, "account %s: unknown kind of record",
		    user);
	while (in.len > 0) {
		if (!slice_cut(&in, '\t', &field)) {
			field = in;
			in.len = 0;
		}
		if (!slice_cut(&field, '=', &key) ||
		    record_field(a, key, field, out) < 0)
			return error_set(err, "account %s: bad field in the "
			    "record", user);
	}
	return 0;
}

/* "*:storage=10M", "10M", "1024": Dovecot's quota_rule and sizes. */
static bool
get_quota(struct slice s, uint64_t unit, uint64_t *out)
{
	uint64_t	 n;
	struct slice	 head;

	if (slice_starts(s, "*:storage=")) {
		s = slice_from(s, strlen("*:storage="));
		unit = 1024;		/* as in quota_rule */
	}
	if (slice_cut(&s, ':', &head))
		s = head;
	if (s.len > 0 && ascii_lower(s.p[s.len - 1]) == 'b')
		unit = 1, s.len--;
	if (s.len > 0) {
		static const char	 letters[] = "kmgt";
		const char		*l;

		l = strchr(letters, ascii_lower(s.p[s.len - 1]));
		if (l != NULL && *l != '\0') {
			unit = (uint64_t)1 << (10 * (l - letters + 1));
			s.len--;
		}
	}
	if (!slice_u64(s, UINT64_MAX / unit, &n))
		return false;
	*out = n * unit;
	return true;
}

static bool
extra_field(struct arena *a, struct slice word, struct account *acc)
{
	struct slice	 key;

	if (!slice_cut(&word, '=', &key)) {
		if (slice_is(word, "nologin"))
			acc->disabled = true;
		return true;
	}
	if (slice_is(key, "nologin")) {
		acc->disabled = !slice_iis(word, "no") && !slice_is(word, "n");
	} else if (slice_is(key, "userdb_mail") ||
	    slice_is(key, "userdb_mail_path")) {
		if (slice_starts(word, "maildir:"))
			word = slice_from(word, strlen("maildir:"));
		if (slice_starts(word, "~/"))
			acc->mailbox = arena_printf(a, "%s/%.*s", acc->home,
			    SLICE_ARG(slice_from(word, 2)));
		else
			acc->mailbox = slice_cstr(a, word);
		return acc->mailbox != NULL && acc->mailbox[0] == '/';
	} else if (slice_is(key, "userdb_quota_rule") ||
	    slice_is(key, "userdb_quota_storage_size")) {
		return get_quota(word, 1, &acc->quota_bytes);
	}
	/* Keys that mean nothing to us are for other readers of the file. */
	return true;
}

static int
line_ids(struct slice uid, struct slice gid, struct account *acc)
{
	if (uid.len == 0 && gid.len == 0)
		return 0;
	acc->has_ids = true;
	return get_id(uid, &acc->uid) < 0 || get_id(gid, &acc->gid) < 0 ? -1 :
	    0;
}

int
account_passwd_line(struct arena *a, struct slice line, struct account *out,
    struct error *err)
{
	struct slice	 f[7] = { { NULL, 0 } }, word;

	account_init(out);
	line = slice_rtrim(line);
	if (line.len == 0 || line.p[0] == '#' || line.p[0] == ':')
		return 0;
	if (slice_find(line, '\0') >= 0)
		return error_set(err, "NUL byte");
	for (size_t i = 0; i < COUNT(f) && line.len > 0; i++)
		if (!slice_cut(&line, ':', &f[i])) {
			f[i] = line;
			line = slice_from(line, line.len);
		}
	out->user = account_name(a, f[0], NULL);
	if (out->user == NULL)
		return error_set(err, "bad user name");
	if (f[1].len > CRED_MAX)
		return error_set(err, "%s: password field too long",
		    out->user);
	if (f[1].len > 0)
		out->hashes[out->nhashes++] = slice_cstr(a, f[1]);
	if (line_ids(f[2], f[3], out) < 0)
		return error_set(err, "%s: bad uid or gid", out->user);
	if (f[5].len > 0)
		out->home = slice_cstr(a, f[5]);
	while (slice_word(&line, " ", &word))
		if (!extra_field(a, word, out))
			return error_set(err, "%s: bad field \"%.*s\"",
			    out->user, SLICE_ARG(word));
	if (out->mailbox[0] == '\0' && out->home[0] == '/')
		out->mailbox = arena_printf(a, "%s/Maildir", out->home);
	return 1;
}
