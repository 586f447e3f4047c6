/* SPDX-License-Identifier: Apache-2.0 */
/* The tree is at most MIME_MAX_DEPTH deep, so recursion is bounded. */
#include "proto/imap_struct.h"

#include "proto/imap_out.h"

/* address = "(" addr-name SP addr-adl SP addr-mailbox SP addr-host ")".
 * Host NIL would begin a group and mailbox NIL end one, so neither is NIL
 * for a mailbox. */
static void
add_address(struct buf *out, const struct address_item *a)
{
	static const struct slice	 nil = { NULL, 0 };
	struct slice			 local = nil, host = nil;

	switch (a->kind) {
	case ADDRESS_MAILBOX:
		local = a->local.p != NULL ? a->local :
		    SLICE_LIT("MISSING_MAILBOX");
		host = a->domain.p != NULL && a->domain.len > 0 ? a->domain :
		    SLICE_LIT("MISSING_DOMAIN");
		break;
	case ADDRESS_GROUP:
		local = a->name.p != NULL ? a->name : SLICE_LIT("");
		break;
	case ADDRESS_GROUP_END:
		break;
	}
	buf_addc(out, '(');
	imap_add_nstring(out, a->kind == ADDRESS_MAILBOX ? a->name : nil);
	buf_addc(out, ' ');
	imap_add_nstring(out, a->kind == ADDRESS_MAILBOX ? a->route : nil);
	buf_addc(out, ' ');
	imap_add_nstring(out, local);
	buf_addc(out, ' ');
	imap_add_nstring(out, host);
	buf_addc(out, ')');
}

static void
add_addresses(struct buf *out, const struct envelope_addrs *l)
{
	buf_addc(out, ' ');
	if (l->count == 0) {
		buf_adds(out, "NIL");
		return;
	}
	buf_addc(out, '(');
	for (size_t i = 0; i < l->count; i++)
		add_address(out, &l->items[i]);
	buf_addc(out, ')');
}

void
imap_add_envelope(struct buf *out, const struct envelope *e)
{
	buf_addc(out, '(');
	imap_add_nstring(out, e->date);
	buf_addc(out, ' ');
	imap_add_nstring(out, e->subject);
	add_addresses(out, &e->from);
	add_addresses(out, &e->sender);
	add_addresses(out, &e->reply_to);
	add_addresses(out, &e->to);
	add_addresses(out, &e->cc);
	add_addresses(out, &e->bcc);
	buf_addc(out, ' ');
	imap_add_nstring(out, e->in_reply_to);
	buf_addc(out, ' ');
	imap_add_nstring(out, e->message_id);
	buf_addc(out, ')');
}

/* body-fld-param = "(" string SP string *(...) ")" / nil */
static void
add_params(struct buf *out, const struct mime_param *p, size_t n)
{
	if (n == 0) {
		buf_adds(out, "NIL");
		return;
	}
	for (size_t i = 0; i < n; i++) {
		buf_addc(out, i == 0 ? '(' : ' ');
		imap_add_string(out, p[i].name);
		buf_addc(out, ' ');
		imap_add_string(out, p[i].value);
	}
	buf_addc(out, ')');
}

/* body-fld-lang = nstring / "(" string *(SP string) ")" */
static void
add_language(struct buf *out, struct slice s)
{
	struct slice	 word;
	char		 sep = '(';

	while (slice_word(&s, ", \t\r\n", &word)) {
		buf_addc(out, sep);
		imap_add_string(out, word);
		sep = ' ';
	}
	buf_adds(out, sep == '(' ? "NIL" : ")");
}

/* What follows the basic fields of a part in BODYSTRUCTURE. */
static void
add_disposition(struct buf *out, const struct mime_part *p)
{
	buf_addc(out, ' ');
	if (p->disposition.p == NULL) {
		buf_adds(out, "NIL");
	} else {
		buf_addc(out, '(');
		imap_add_string(out, p->disposition);
		buf_addc(out, ' ');
		add_params(out, p->disposition_params,
		    p->ndisposition_params);
		buf_addc(out, ')');
	}
	buf_addc(out, ' ');
	add_language(out, p->language);
	buf_addc(out, ' ');
	imap_add_nstring(out, p->location);
}

static void
add_multipart(struct buf *out, const struct mime_part *p, bool extended,
    struct arena *mem)
{
	if (p->child == NULL)
		buf_adds(out, "(\"text\" \"plain\" NIL NIL NIL \"7bit\" 0 0)");
	for (const struct mime_part *c = p->child; c != NULL; c = c->next)
		imap_add_structure(out, c, extended, mem);
	buf_addc(out, ' ');
	imap_add_string(out, p->subtype);
	if (!extended)
		return;
	buf_addc(out, ' ');
	add_params(out, p->params, p->nparams);
	add_disposition(out, p);
}

/* A leaf must not bear a type that promises structure: a client would expect
 * the fields that belong to it. */
static bool
type_promises_more(const struct mime_part *p)
{
	return p->kind == MIME_LEAF && (slice_iis(p->type, "multipart") ||
	    (slice_iis(p->type, "message") &&
	    (slice_iis(p->subtype, "rfc822") ||
	    slice_iis(p->subtype, "global"))));
}

static void
add_single(struct buf *out, const struct mime_part *p, bool extended,
    struct arena *mem)
{
	bool	 opaque = type_promises_more(p);

	imap_add_string(out, opaque ? SLICE_LIT("application") : p->type);
	buf_addc(out, ' ');
	imap_add_string(out, opaque ? SLICE_LIT("octet-stream") : p->subtype);
	buf_addc(out, ' ');
	add_params(out, p->params, p->nparams);
	buf_addc(out, ' ');
	imap_add_nstring(out, p->id);
	buf_addc(out, ' ');
	imap_add_nstring(out, p->description);
	buf_addc(out, ' ');
	imap_add_string(out, p->encoding);
	buf_addf(out, " %llu", (unsigned long long)p->body_size);
	if (p->kind == MIME_MESSAGE) {
		struct envelope	 e;

		envelope_parse(p->envelope, mem, &e);
		buf_addc(out, ' ');
		imap_add_envelope(out, &e);
		buf_addc(out, ' ');
		imap_add_structure(out, p->child, extended, mem);
	}
	if (p->kind == MIME_MESSAGE || slice_iis(p->type, "text"))
		buf_addf(out, " %llu", (unsigned long long)p->lines);
	if (!extended)
		return;
	buf_addc(out, ' ');
	imap_add_nstring(out, p->md5);
	add_disposition(out, p);
}

void
imap_add_structure(struct buf *out, const struct mime_part *root,
    bool extended, struct arena *mem)
{
	buf_addc(out, '(');
	if (root->kind == MIME_MULTIPART)
		add_multipart(out, root, extended, mem);
	else
		add_single(out, root, extended, mem);
	buf_addc(out, ')');
}
