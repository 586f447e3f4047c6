/* SPDX-License-Identifier: Apache-2.0 */
/* FETCH, pull-style: a message's cached items go out in one piece, then its
 * bodies in pieces, only as fast as the client reads.  A message's file is
 * opened only for items that the store has not cached. */
#include "imapd/imapd.h"

#include "base/mem.h"
#include "imapd/section.h"
#include "proto/imap_fetch.h"
#include "proto/imap_out.h"
#include "proto/imap_struct.h"
#include "sys/log.h"

#define PIECE		((size_t)32 << 10)
#define SENDFILE_MIN	((uint64_t)128 << 10)

struct fetch {
	struct imap_fetch	*f;
	struct imap_set		 seqs;
	const char		*ok_text;
	bool			 need_file, mark_seen;
	uint32_t		 seq;		/* current; 0: between two */
	uint32_t		 next;		/* where to look for the next */
	size_t			 item;		/* next body item */
	struct view_msg		 msg;
	struct section_source	 src;		/* file and structure */
	uint64_t		 at, left;	/* of the body being sent */
	bool			 missing;	/* some could not be read */
	uint32_t		*seen;		/* to be marked at the end */
	size_t			 nseen, seen_room;
};

/*
 * Which items need what.
 */
static bool
fields_cached(const struct imap_section *sec)
{
	if (sec->part != IMAP_PART_FIELDS || sec->npath > 0)
		return false;
	for (size_t i = 0; i < sec->nfields; i++)
		if (!view_header_stored(sec->fields[i]))
			return false;
	return true;
}

static bool
from_file(const struct imap_fetch_item *item)
{
	switch (item->kind) {
	case IMAP_FETCH_RFC822:
	case IMAP_FETCH_RFC822_HEADER:
	case IMAP_FETCH_RFC822_TEXT:
		return true;
	case IMAP_FETCH_SECTION:
		return !fields_cached(&item->section);
	case IMAP_FETCH_UID:
	case IMAP_FETCH_FLAGS:
	case IMAP_FETCH_INTERNALDATE:
	case IMAP_FETCH_RFC822_SIZE:
	case IMAP_FETCH_ENVELOPE:
	case IMAP_FETCH_BODY:
	case IMAP_FETCH_BODYSTRUCTURE:
	case IMAP_FETCH_MODSEQ:
		break;
	}
	return false;
}

static bool
wants(const struct imap_fetch *f, enum imap_fetch_kind kind)
{
	for (size_t i = 0; i < f->nitems; i++)
		if (f->items[i].kind == kind)
			return true;
	return false;
}

/* Cached items first, else in the client's order: then one message's cached
 * part can still be dropped if something of it cannot be read. */
static void
sort_items(struct imap_fetch *f, struct arena *mem)
{
	struct imap_fetch_item	*sorted = arena_array(mem, f->nitems + 1,
				    sizeof(*sorted));
	size_t			 n = 0;

	for (int pass = 0; pass < 2; pass++)
		for (size_t i = 0; i < f->nitems; i++)
			if (from_file(&f->items[i]) == (pass == 1))
				sorted[n++] = f->items[i];
	f->items = sorted;
}

/*
 * Cached items.
 */
static int
add_structure_item(struct fetch *x, struct session *s, bool extended,
    struct error *err)
{
	if (section_structure(&x->src, s->view, x->seq, err) < 0)
		return -1;
	imap_add_structure(session_out(s), x->src.mime.root, extended,
	    x->src.mem);
	return 0;
}

static int
add_envelope_item(struct fetch *x, struct session *s, struct error *err)
{
	struct envelope	 e;

	if (view_envelope(s->view, x->seq, x->src.mem, &e, err) < 0)
		return -1;
	imap_add_envelope(session_out(s), &e);
	return 0;
}

static int
add_date_item(struct fetch *x, struct session *s, struct error *err)
{
	usec_t	 date;

	if (view_date(s->view, x->seq, &date, err) < 0)
		return -1;
	imap_add_date_time(session_out(s), date / USEC_PER_SEC);
	return 0;
}

static int
add_fields_item(struct fetch *x, struct session *s,
    const struct imap_section *sec, struct error *err)
{
	struct slice	 all, text;

	if (view_headers(s->view, x->seq, x->src.mem, &all, err) < 0)
		return -1;
	text = section_partial(sec, section_filter(sec, all, x->src.mem));
	buf_addf(session_out(s), "{%zu}\r\n", text.len);
	buf_add_slice(session_out(s), text);
	s->stats.hdr_count++;
	s->stats.hdr_bytes += text.len;
	return 0;
}

/* The value of a cached item; -1: not readable. */
static int
add_value(struct fetch *x, struct session *s,
    const struct imap_fetch_item *item, struct error *err)
{
	struct buf	*out = session_out(s);

	switch (item->kind) {
	case IMAP_FETCH_UID:
		buf_addu(out, x->msg.uid);
		return 0;
	case IMAP_FETCH_INTERNALDATE:
		return add_date_item(x, s, err);
	case IMAP_FETCH_RFC822_SIZE:
		buf_addu(out, x->msg.size);
		return 0;
	case IMAP_FETCH_MODSEQ:
		buf_addf(out, "(%llu)", (unsigned long long)x->msg.modseq);
		return 0;
	case IMAP_FETCH_ENVELOPE:
		return add_envelope_item(x, s, err);
	case IMAP_FETCH_BODY:
		return add_structure_item(x, s, false, err);
	case IMAP_FETCH_BODYSTRUCTURE:
		return add_structure_item(x, s, true, err);
	case IMAP_FETCH_SECTION:
		return add_fields_item(x, s, &item->section, err);
	case IMAP_FETCH_FLAGS:		/* done by add_flags() */
	case IMAP_FETCH_RFC822:
	case IMAP_FETCH_RFC822_HEADER:
	case IMAP_FETCH_RFC822_TEXT:
		break;
	}
	return 0;
}

static int
add_cached(struct fetch *x, struct session *s, bool seen, struct error *err)
{
	struct buf	*out = session_out(s);
	const char	*sep = "";

	for (; x->item < x->f->nitems; x->item++) {
		const struct imap_fetch_item	*item = &x->f->items[x->item];

		if (from_file(item))
			break;
		buf_adds(out, sep);
		sep = " ";
		if (item->kind == IMAP_FETCH_FLAGS) {
			add_msg_flags(s, &x->msg, seen, out);
			continue;
		}
		imap_fetch_name(item, out);
		buf_addc(out, ' ');
		if (add_value(x, s, item, err) < 0)
			return -1;
	}
	/* The change of \Seen is told even if FLAGS was not asked for. */
	if (seen && !wants(x->f, IMAP_FETCH_FLAGS)) {
		buf_adds(out, sep);
		add_msg_flags(s, &x->msg, true, out);
	}
	return 0;
}

static void
note_seen(struct fetch *x, struct arena *mem)
{
	uint32_t	*old = x->seen;

	if (x->nseen == x->seen_room) {
		x->seen_room = x->seen_room == 0 ? 64 : x->seen_room * 2;
		x->seen = arena_array(mem, x->seen_room, sizeof(*x->seen));
		if (x->nseen > 0)
			memcpy(x->seen, old, x->nseen * sizeof(*old));
	}
	x->seen[x->nseen++] = x->seq;
}

/* Begin message x->seq.  False: it is left out. */
static bool
begin_message(struct fetch *x, struct session *s)
{
	struct buf	*out = session_out(s);
	size_t		 mark = buf_len(out);
	enum store_fail	 fail;
	struct error	 err;
	bool		 seen;

	view_get(s->view, x->seq, &x->msg);
	if (x->f->changedsince && x->msg.modseq <= x->f->modseq)
		return false;
	seen = x->mark_seen && (x->msg.flags & STORE_SEEN) == 0;
	x->item = 0;
	if (x->need_file && section_open(&x->src, s->view, x->seq, &fail,
	    &err) < 0) {
		x->missing = true;
		return false;
	}
	buf_addf(out, "* %u FETCH (", x->seq);
	if (add_cached(x, s, seen, &err) < 0) {
		buf_truncate(out, mark);
		section_close(&x->src);
		x->missing = true;
		return false;
	}
	if (seen)
		note_seen(x, s->cmd->mem);
	return true;
}

/*
 * Items from the file.
 */
static void
begin_body(struct fetch *x, struct session *s)
{
	const struct imap_fetch_item	*item = &x->f->items[x->item];
	struct buf			*out = session_out(s);
	struct section			 part;
	bool				 header;

	/* Without cached items this is the first one. */
	if (x->item > 0 || (x->nseen > 0 &&
	    x->seen[x->nseen - 1] == x->seq))
		buf_addc(out, ' ');
	imap_fetch_name(item, out);
	x->item++;
	if (!section_find(&x->src, s->view, x->seq, &item->section, &part)) {
		buf_adds(out, " NIL");
		return;
	}
	buf_addf(out, " {%llu}\r\n", (unsigned long long)part.size);
	header = item->section.part != IMAP_PART_ALL &&
	    item->section.part != IMAP_PART_TEXT;
	*(header ? &s->stats.hdr_count : &s->stats.body_count) += 1;
	*(header ? &s->stats.hdr_bytes : &s->stats.body_bytes) += part.size;
	if (part.text.p != NULL) {
		buf_add_slice(out, part.text);
		return;
	}
	x->at = part.offset;
	x->left = part.size;
}

static void
mark_seen(struct fetch *x, struct session *s)
{
	struct view_store	 st = { .op = VIEW_FLAGS_ADD,
				    .flags = STORE_SEEN,
				    .unchanged_since = UINT64_MAX,
				    /* RFC 7162 3.2: told with MODSEQ, which
				     * is known only now. */
				    .report = s->condstore };
	size_t			 nfailed;
	struct error		 err;

	if (x->nseen == 0 || s->view == NULL)
		return;
	if (view_store(s->view, x->seen, x->nseen, &st, NULL, &nfailed,
	    &err) < 0)
		log_error("imap(%s)<%s>: %s", s->user_name, s->session_id,
		    err.text);
	x->nseen = 0;
}

/* The client went away: what it has seen is still \Seen. */
static void
fetch_cancel(struct session *s)
{
	struct fetch	*x = s->cmd->data;

	mark_seen(x, s);
	section_close(&x->src);
	arena_free(&x->src.mem);
}

static void
broken(struct session *s, const char *why)
{
	log_error("imap(%s)<%s>: FETCH: %s", s->user_name, s->session_id,
	    why);
	/* The literal's octets were promised: only closing is honest. */
	s->view_dead = true;
	session_end(s, "Message cannot be read");
}

static void
file_sent(void *arg, int result)
{
	struct session	*s = arg;

	session_enter(s);
	s->sends = false;
	loop_timer_stop(s->timer);
	if (result < 0)
		broken(s, "message file is shorter than it was");
	else if (!s->closing && s->cmd != NULL)
		command_continue(s);
	session_leave(s);
}

/* Send some of the body; the file's bytes are the wire's, or are made so. */
static enum run
send_body(struct fetch *x, struct session *s)
{
	size_t		 n = x->left < PIECE ? (size_t)x->left : PIECE;
	unsigned char	*p;
	ssize_t		 got;

	if (x->src.body.plain && x->left >= SENDFILE_MIN) {
		off_t	 at = (off_t)x->at;
		size_t	 all = (size_t)x->left;

		x->at += all;
		x->left = 0;
		stream_send_file(s->stream, x->src.body.fd, at, all,
		    file_sent, s);
		session_sends(s);
		return RUN_WAIT_EVENT;
	}
	p = buf_space(session_out(s), n);
	if (p == NULL)
		return RUN_WAIT_OUTPUT;
	got = view_body_read(&x->src.body, x->at, p, n);
	if (got <= 0) {
		broken(s, "message file is shorter than it was");
		fetch_cancel(s);
		s->cmd->cancel = NULL;
		return RUN_DONE;
	}
	buf_added(session_out(s), (size_t)got);
	x->at += (uint64_t)got;
	x->left -= (uint64_t)got;
	return RUN_WAIT_OUTPUT;
}

static enum run
fetch_done(struct fetch *x, struct session *s)
{
	mark_seen(x, s);
	s->cmd->cancel = NULL;
	arena_free(&x->src.mem);
	if (x->missing)
		return reply_no(s, "[EXPUNGEISSUED] Some of the requested "
		    "messages no longer exist.");
	return reply_ok(s, "%s", x->ok_text);
}

static enum run
fetch_more(struct session *s)
{
	struct fetch	*x = s->cmd->data;

	while (!session_full(s)) {
		if (x->left > 0) {
			enum run	 r = send_body(x, s);

			if (r != RUN_WAIT_OUTPUT)
				return r;
		} else if (x->seq == 0) {
			x->seq = imap_set_next(&x->seqs, x->next);
			if (x->seq == 0)
				return fetch_done(x, s);
			x->next = x->seq + 1;
			if (!begin_message(x, s))
				x->seq = 0;
		} else if (x->item < x->f->nitems) {
			begin_body(x, s);
		} else {
			buf_adds(session_out(s), ")\r\n");
			section_close(&x->src);
			arena_reset(x->src.mem);
			x->seq = 0;
		}
	}
	return RUN_WAIT_OUTPUT;
}

enum run
fetch_start(struct session *s, const struct imap_set *seqs,
    struct imap_fetch *f, const char *ok_text)
{
	struct fetch	*x = arena_alloc(s->cmd->mem, sizeof(*x));

	sort_items(f, s->cmd->mem);
	x->f = f;
	x->seqs = *seqs;
	x->next = 1;
	x->ok_text = ok_text;
	x->mark_seen = f->seen && !view_readonly(s->view);
	for (size_t i = 0; i < f->nitems; i++)
		x->need_file |= from_file(&f->items[i]);
	section_init(&x->src);
	s->cmd->data = x;
	s->cmd->more = fetch_more;
	s->cmd->cancel = fetch_cancel;
	return fetch_more(s);
}

enum run
cmd_fetch(struct session *s)
{
	struct imap_fetch	*f = arena_alloc(s->cmd->mem, sizeof(*f));
	struct imap_set		 set;

	if (!take_seqs(s, &set))
		return RUN_DONE;
	if (!imap_take_space(&s->cmd->in) ||
	    !imap_take_fetch(&s->cmd->in, s->cmd->uid, f) ||
	    !imap_take_end(&s->cmd->in))
		return reply_syntax(s);
	/* RFC 7162 3.1: these are what enables CONDSTORE. */
	if (f->changedsince || wants(f, IMAP_FETCH_MODSEQ))
		s->condstore = true;
	return fetch_start(s, &set, f, "Fetch completed.");
}
