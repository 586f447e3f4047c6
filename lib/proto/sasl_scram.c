/* SPDX-License-Identifier: Apache-2.0 */
#include "base/ascii.h"
#include "proto/sasl.h"

/* printable = %x21-2B / %x2D-7E (RFC 5802 7) */
static bool
is_printable(int c)
{
	return ascii_is_graph(c) && c != ',';
}

static bool
all_printable(struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!is_printable(s.p[i]))
			return false;
	return s.len > 0;
}

/* cb-name = 1*(ALPHA / DIGIT / "." / "-") */
static bool
is_bind_name(struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!ascii_is_alnum(s.p[i]) && s.p[i] != '.' && s.p[i] != '-')
			return false;
	return s.len > 0;
}

/* Take "x=value" up to a comma or the end off *in. */
static bool
take_attr(struct slice *in, int name, struct slice *value_out)
{
	struct slice	 head, rest = *in;

	if (!slice_cut(&rest, ',', &head)) {
		head = rest;
		rest = slice_from(rest, rest.len);
	}
	if (head.len < 3 || head.p[0] != name || head.p[1] != '=')
		return false;
	*value_out = slice_from(head, 2);
	*in = rest;
	return true;
}

/* Only "x=..." attributes may follow. */
static bool
only_extensions(struct slice in)
{
	struct slice	 head;

	while (in.len > 0) {
		if (!slice_cut(&in, ',', &head)) {
			head = in;
			in.len = 0;
		}
		if (head.len < 3 || !ascii_is_alpha(head.p[0]) ||
		    head.p[1] != '=' || slice_find(head, '\0') >= 0)
			return false;
	}
	return true;
}

/* gs2-header = gs2-cbind-flag "," [ authzid ] "," */
static int
parse_gs2(struct slice *in, struct scram_first *out, struct error *err)
{
	const struct slice	 all = *in;
	struct slice		 flag, authzid;

	if (!slice_cut(in, ',', &flag) || !slice_cut(in, ',', &authzid))
		return error_set(err, "SCRAM: no GS2 header");
	out->bind_name = slice_from(flag, flag.len);
	if (slice_is(flag, "n"))
		out->bind = SCRAM_BIND_NO;
	else if (slice_is(flag, "y"))
		out->bind = SCRAM_BIND_UNUSED;
	else if (slice_starts(flag, "p=") &&
	    is_bind_name(slice_from(flag, 2))) {
		out->bind = SCRAM_BIND_USED;
		out->bind_name = slice_from(flag, 2);
	} else
		return error_set(err, "SCRAM: bad channel binding flag");
	if (authzid.len > 0 && (!slice_starts(authzid, "a=") ||
	    authzid.len == 2))
		return error_set(err, "SCRAM: bad authorization identity");
	out->authzid = slice_from(authzid, 2);
	out->gs2 = slice_first(all, (size_t)(in->p - all.p));
	return 0;
}

int
scram_first_parse(struct slice in, struct scram_first *out, struct error *err)
{
	if (parse_gs2(&in, out, err) < 0)
		return -1;
	out->bare = in;
	/* RFC 5802 5.1: an m= extension must make us fail; so do any others
	 * before n=. */
	if (!take_attr(&in, 'n', &out->user))
		return error_set(err, "SCRAM: no user name");
	if (!take_attr(&in, 'r', &out->nonce) || !all_printable(out->nonce))
		return error_set(err, "SCRAM: no nonce");
	if (!only_extensions(in))
		return error_set(err, "SCRAM: text behind the nonce");
	return 0;
}

int
scram_final_parse(struct slice in, struct scram_final *out, struct error *err)
{
	const struct slice	 all = in;
	ptrdiff_t		 proof = slice_rfind(in, ',');

	if (proof < 0)
		return error_set(err, "SCRAM: no proof");
	out->without_proof = slice_first(all, (size_t)proof);
	out->proof = slice_from(all, (size_t)proof + 1);
	if (!slice_starts(out->proof, "p=") || out->proof.len == 2)
		return error_set(err, "SCRAM: no proof");
	out->proof = slice_from(out->proof, 2);
	in = out->without_proof;
	if (!take_attr(&in, 'c', &out->binding))
		return error_set(err, "SCRAM: no channel binding");
	if (!take_attr(&in, 'r', &out->nonce) || !all_printable(out->nonce))
		return error_set(err, "SCRAM: no nonce");
	if (!only_extensions(in))
		return error_set(err, "SCRAM: text behind the nonce");
	return 0;
}

char *
scram_name_decode(struct arena *a, struct slice name)
{
	char	*out = arena_alloc(a, name.len + 1), *to = out;

	for (size_t i = 0; i < name.len; i++) {
		if (name.p[i] == '\0')
			return NULL;
		if (name.p[i] != '=') {
			*to++ = (char)name.p[i];
			continue;
		}
		if (slice_starts(slice_from(name, i), "=2C"))
			*to++ = ',';
		else if (slice_starts(slice_from(name, i), "=3D"))
			*to++ = '=';
		else
			return NULL;
		i += 2;
	}
	return to == out ? NULL : out;
}

void
scram_server_first(struct buf *out, struct slice client_nonce,
    struct slice server_nonce, struct slice salt_base64,
    unsigned int iterations)
{
	buf_adds(out, "r=");
	buf_add_slice(out, client_nonce);
	buf_add_slice(out, server_nonce);
	buf_adds(out, ",s=");
	buf_add_slice(out, salt_base64);
	buf_addf(out, ",i=%u", iterations);
}
