/* SPDX-License-Identifier: Apache-2.0 */
/* The header section: looked at, edited and written in one go.  Header checks
 * and milters will look at it here, before it is written. */
#include "base/ascii.h"
#include "intake/intake_int.h"

#define MESSAGE_ID_MAX	900
#define SCRATCH_KEPT	((size_t)65536)
#define SEPARATORS	", \t\r\n"

struct seen {
	bool	 date, from, message_id;
	int64_t	 received;
};

void
intake_head_open(struct intake *in)
{
	struct slice	list = slice_str(in->conf.message_drop_headers);
	struct slice	word, again = list;
	size_t		n = 0;

	while (slice_word(&again, SEPARATORS, &word))
		n++;
	in->dropped = arena_array(in->mem, n + 1, sizeof(*in->dropped));
	while (slice_word(&list, SEPARATORS, &word))
		in->dropped[in->ndropped++] = word;
}

static bool
is_dropped(const struct intake *in, struct slice name)
{
	for (size_t i = 0; i < in->ndropped; i++)
		if (slice_ieq(in->dropped[i], name))
			return true;
	return false;
}

static void
keep_message_id(struct intake_msg *m, struct slice body)
{
	struct buf	b;

	buf_init(&b, MESSAGE_ID_MAX + 1);
	header_unfold(&b, slice_first(slice_trim(body), MESSAGE_ID_MAX));
	m->message_id = arena_strndup(m->mem, (const char *)buf_slice(&b).p,
	    buf_len(&b));
	buf_clear(&b);
}

static void
look_at(struct intake_msg *m, const struct header_field *f, struct seen *seen)
{
	if (slice_iis(f->name, "received"))
		seen->received++;
	else if (slice_iis(f->name, "date"))
		seen->date = true;
	else if (slice_iis(f->name, "from"))
		seen->from = true;
	else if (slice_iis(f->name, "message-id")) {
		seen->message_id = true;
		keep_message_id(m, f->body);
	}
}

static void
add_from(struct buf *out, const struct intake_msg *m)
{
	const char	*name = m->origin.full_name;
	const char	*addr = m->sender;

	if (addr[0] == '\0') {
		addr = "MAILER-DAEMON";
		name = "Mail Delivery System";
	}
	buf_adds(out, "From: ");
	if (name != NULL && name[0] != '\0') {
		buf_addc(out, '"');
		for (; *name != '\0'; name++) {
			unsigned char	c = (unsigned char)*name;

			if (c == '"' || c == '\\')
				buf_addc(out, '\\');
			buf_addc(out, ascii_is_cntrl(c) ? ' ' : c);
		}
		buf_adds(out, "\" ");
	}
	buf_addf(out, "<%s%s%s>\r\n", addr,
	    strchr(addr, '@') == NULL ? "@" : "",
	    strchr(addr, '@') == NULL ? m->in->common->myorigin : "");
}

static void
add_missing(struct buf *out, struct intake_msg *m, const struct seen *seen)
{
	const struct intake_second	*now = intake_second(m->in,
					    m->origin.arrival);

	if (!m->origin.local && !m->in->conf.always_add_missing_headers)
		return;
	if (!seen->message_id) {
		m->message_id = arena_printf(m->mem, "<%s.%s@%s>",
		    now->digits, m->id, m->in->common->myhostname);
		buf_addf(out, "Message-Id: %s\r\n", m->message_id);
	}
	if (!seen->date) {
		buf_adds(out, "Date: ");
		buf_adds(out, now->date);
		buf_adds(out, "\r\n");
	}
	if (!seen->from)
		add_from(out, m);
}

/* An mbox "From " line in front becomes a field that means nothing. */
static void
put_from_line(struct buf *out, struct slice *section)
{
	ptrdiff_t	n = slice_find(*section, '\n');

	buf_adds(out, "X-Mailbox-Line: ");
	buf_add_slice(out, slice_first(*section, (size_t)n + 1));
	*section = slice_from(*section, (size_t)n + 1);
}

/* Fields stay where they are and go out in runs between those that are
 * dropped. */
static void
write_fields(struct intake_msg *m, struct slice section, struct seen *seen)
{
	struct header_field	 f;
	struct slice		 run = slice_first(section, 0);

	while (header_next(&section, &f)) {
		look_at(m, &f, seen);
		if (is_dropped(m->in, f.name)) {
			intake_put(m, run);
			run = slice_first(section, 0);
		} else
			run.len += f.whole.len;
	}
	intake_put(m, run);
}

void
intake_head_write(struct intake_msg *m, struct slice section, bool body)
{
	struct seen	 seen = { .date = false };
	struct buf	*out = &m->in->scratch;

	buf_add_slice(out, buf_slice(&m->prepend));
	intake_received_put(out, m);
	if (m->from_line)
		put_from_line(out, &section);
	if (out->overflow)
		intake_fail(m, INTAKE_SIZE, NULL);
	intake_put(m, buf_slice(out));
	write_fields(m, section, &seen);
	if (seen.received > m->in->conf.hopcount_limit)
		intake_fail(m, INTAKE_HOPS, NULL);
	buf_reset(out);
	add_missing(out, m, &seen);
	if (body)
		buf_adds(out, "\r\n");
	intake_put(m, buf_slice(out));
	buf_reset(out);
	if (out->size > SCRATCH_KEPT)
		buf_clear(out);
}
