/* SPDX-License-Identifier: Apache-2.0 */
#include "mail/envelope.h"

#include "mail/header.h"

enum { F_DATE, F_SUBJECT, F_FROM, F_SENDER, F_REPLY_TO, F_TO, F_CC, F_BCC,
	F_IN_REPLY_TO, F_MESSAGE_ID, F_COUNT };

static const char *const	names[F_COUNT] = {
	[F_DATE] = "Date", [F_SUBJECT] = "Subject", [F_FROM] = "From",
	[F_SENDER] = "Sender", [F_REPLY_TO] = "Reply-To", [F_TO] = "To",
	[F_CC] = "Cc", [F_BCC] = "Bcc", [F_IN_REPLY_TO] = "In-Reply-To",
	[F_MESSAGE_ID] = "Message-ID",
};

static int
field_of(struct slice name)
{
	for (int i = 0; i < F_COUNT; i++)
		if (slice_iis(name, names[i]))
			return i;
	return -1;
}

static struct slice
text(struct arena *a, struct slice body)
{
	struct buf	b;
	struct slice	s;

	buf_init(&b, body.len);
	header_unfold(&b, body);
	s = slice_dup(a, buf_slice(&b));
	buf_clear(&b);
	return s;
}

/* Of several fields with one name (which RFC 5322 forbids) the first with an
 * address counts.  Merging them is what cost others quadratic time. */
static void
addresses(struct arena *a, struct slice body, struct envelope_addrs *out,
    size_t *left)
{
	if (*left == 0 || out->count > 0)
		return;
	out->count = address_list_parse(body, *left, a, &out->items);
	*left -= out->count < *left ? out->count : *left;
}

void
envelope_parse(struct slice headers, struct arena *a, struct envelope *out)
{
	struct header_field	 f;
	size_t			 left = ENVELOPE_MAX_ADDRS;
	struct envelope_addrs	*lists[F_COUNT] = {
		[F_FROM] = &out->from, [F_SENDER] = &out->sender,
		[F_REPLY_TO] = &out->reply_to, [F_TO] = &out->to,
		[F_CC] = &out->cc, [F_BCC] = &out->bcc,
	};
	struct slice		*texts[F_COUNT] = {
		[F_DATE] = &out->date, [F_SUBJECT] = &out->subject,
		[F_IN_REPLY_TO] = &out->in_reply_to,
		[F_MESSAGE_ID] = &out->message_id,
	};

	*out = (struct envelope){ .date = { NULL, 0 } };
	while (header_next(&headers, &f)) {
		int	i = field_of(f.name);

		if (i < 0)
			continue;
		if (lists[i] != NULL)
			addresses(a, f.body, lists[i], &left);
		else if (texts[i]->p == NULL)
			*texts[i] = text(a, f.body);
	}
	if (out->sender.count == 0)
		out->sender = out->from;
	if (out->reply_to.count == 0)
		out->reply_to = out->from;
}

bool
envelope_pick(struct buf *out, struct slice section, size_t max)
{
	struct header_field	f;
	bool			all = true;
	size_t			before = buf_len(out);

	while (header_next(&section, &f)) {
		if (field_of(f.name) < 0)
			continue;
		if (buf_len(out) - before + f.whole.len > max)
			all = false;
		else
			buf_add_slice(out, f.whole);
	}
	return all;
}
