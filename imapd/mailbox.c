/* SPDX-License-Identifier: Apache-2.0 */
/* The selected mailbox: what the client knows of it, and how it is told what
 * changed.  Lists of changes can be as long as the mailbox, so they go out
 * piece by piece. */
#include "imapd/imapd.h"

#include "codec/utf7.h"
#include "proto/imap_out.h"
#include "sys/log.h"

/* The P of Maildir names; Dovecot shows it to nobody, Thunderbird and Apple
 * Mail know it by this name. */
#define FORWARDED	"$Forwarded"

static const struct {
	unsigned	 imap, store;
}	 flag_map[] = {
	{ IMAP_SEEN, STORE_SEEN },
	{ IMAP_ANSWERED, STORE_ANSWERED },
	{ IMAP_FLAGGED, STORE_FLAGGED },
	{ IMAP_DELETED, STORE_DELETED },
	{ IMAP_DRAFT, STORE_DRAFT },
};

unsigned
flags_from_imap(unsigned system)
{
	unsigned	 flags = 0;

	for (size_t i = 0; i < COUNT(flag_map); i++)
		if ((system & flag_map[i].imap) != 0)
			flags |= flag_map[i].store;
	return flags;
}

unsigned
flags_to_imap(unsigned flags)
{
	unsigned	 system = 0;

	for (size_t i = 0; i < COUNT(flag_map); i++)
		if ((flags & flag_map[i].store) != 0)
			system |= flag_map[i].imap;
	return system;
}

bool
flags_to_store(struct view *v, const struct imap_flags *f, bool create,
    unsigned *flags_out, uint64_t *keywords_out, bool *made_out)
{
	*flags_out = flags_from_imap(f->system);
	*keywords_out = 0;
	*made_out = false;
	for (size_t i = 0; i < f->nkeywords; i++) {
		unsigned	 bit;

		if (slice_iis(f->keywords[i], FORWARDED)) {
			*flags_out |= STORE_PASSED;
			continue;
		}
		if (!view_keyword_find(v, f->keywords[i], &bit)) {
			if (!create)
				continue;
			if (!view_keyword_make(v, f->keywords[i], &bit))
				return false;
			*made_out = true;
		}
		*keywords_out |= (uint64_t)1 << bit;
	}
	return true;
}

static void
add_keywords(struct view *v, uint64_t bits, struct buf *out, const char *sep)
{
	for (unsigned i = 0; i < STORE_KEYWORDS_MAX; i++) {
		const char	*name = view_keyword(v, i);

		if (name == NULL || (bits >> i & 1) == 0)
			continue;
		buf_adds(out, sep);
		buf_adds(out, name);
		sep = " ";
	}
}

void
add_msg_flags(struct session *s, const struct view_msg *m, bool seen,
    struct buf *out)
{
	unsigned	 system = flags_to_imap(m->flags);
	const char	*sep;

	if (seen)
		system |= IMAP_SEEN;
	if (m->recent)
		system |= IMAP_RECENT;
	buf_adds(out, "FLAGS (");
	imap_add_flags(out, system);
	sep = system != 0 ? " " : "";
	if ((m->flags & STORE_PASSED) != 0) {
		buf_adds(out, sep);
		buf_adds(out, FORWARDED);
		sep = " ";
	}
	add_keywords(s->view, m->keywords, out, sep);
	buf_addc(out, ')');
}

static void
add_flag_names(struct session *s, const char *more)
{
	struct buf	*out = session_out(s);

	imap_add_flags(out, IMAP_FLAGS_SYSTEM);
	buf_adds(out, " " FORWARDED);
	add_keywords(s->view, UINT64_MAX, out, " ");
	buf_adds(out, more);
}

void
mailbox_flags_untagged(struct session *s)
{
	struct buf	*out = session_out(s);

	buf_adds(out, "* FLAGS (");
	add_flag_names(s, "");
	buf_adds(out, ")\r\n* OK [PERMANENTFLAGS (");
	if (!view_readonly(s->view))
		add_flag_names(s, " \\*");
	buf_adds(out, view_readonly(s->view) ?
	    ")] Read-only mailbox.\r\n" : ")] Flags permitted.\r\n");
}

void
mailbox_open(struct session *s, struct view *v)
{
	struct buf	*out = session_out(s);

	s->view = v;
	s->state = ST_SELECTED;
	mailbox_flags_untagged(s);
	buf_addf(out, "* %u EXISTS\r\n* %u RECENT\r\n", view_count(v),
	    view_recent(v));
	if (view_first_unseen(v) != 0)
		buf_addf(out, "* OK [UNSEEN %u] First unseen.\r\n",
		    view_first_unseen(v));
	buf_addf(out, "* OK [UIDVALIDITY %u] UIDs valid\r\n",
	    view_uidvalidity(v));
	buf_addf(out, "* OK [UIDNEXT %u] Predicted next UID\r\n",
	    view_uidnext(v));
	buf_addf(out, "* OK [HIGHESTMODSEQ %llu] Highest\r\n",
	    (unsigned long long)view_highestmodseq(v));
}

void
mailbox_close(struct session *s)
{
	if (s->view == NULL)
		return;
	view_close(&s->view);
	s->state = ST_AUTH;
}

bool
name_to_utf7(const char *name, struct buf *out)
{
	return utf7_put(out, slice_str(name));
}

void
add_mailbox(struct buf *out, const char *name)
{
	struct buf	 raw;

	buf_init(&raw, 16384);
	if (name_to_utf7(name, &raw))
		imap_add_astring(out, buf_slice(&raw));
	else
		imap_add_string(out, slice_str(name));
	buf_clear(&raw);
}

/*
 * Telling changes.
 */
void
sync_free(struct session *s)
{
	struct arena	*mem;

	if (s->sync == NULL)
		return;
	mem = s->sync->mem;		/* sync itself lives there */
	s->sync = NULL;
	arena_free(&mem);
}

void
sync_begin(struct session *s, bool expunges, bool uid)
{
	struct arena	*mem = arena_new();
	struct sync	*sync = arena_alloc(mem, sizeof(*sync));
	struct error	 err;

	sync_free(s);
	sync->mem = mem;
	sync->uid = uid;
	s->sync = sync;
	if (view_sync(s->view, expunges, mem, &sync->changes, &err) < 0) {
		/* Nothing changed for the client; the next sync may do. */
		log_error("imap(%s)<%s>: %s", s->user_name, s->session_id,
		    err.text);
		sync_free(s);
		return;
	}
	if (!sync->changes.gone)
		return;
	sync_free(s);
	s->view_dead = true;
	session_bye(s, "Selected mailbox was deleted, have to disconnect.",
	    "Mailbox deleted under us");
}

static enum run
sync_expunges(struct session *s, struct sync *y)
{
	while (y->next < y->changes.nexpunged) {
		if (session_full(s))
			return RUN_WAIT_OUTPUT;
		buf_addf(session_out(s), "* %u EXPUNGE\r\n",
		    y->changes.expunged[y->next++]);
	}
	return RUN_DONE;
}

static void
sync_counts(struct session *s, const struct view_changes *c)
{
	if (c->count != c->count_before)
		buf_addf(session_out(s), "* %u EXISTS\r\n", c->count);
	if (c->recent_changed)
		buf_addf(session_out(s), "* %u RECENT\r\n", c->recent);
	if (c->keywords_changed)
		mailbox_flags_untagged(s);
}

static enum run
sync_flags(struct session *s, struct sync *y)
{
	struct buf	*out = session_out(s);

	while (y->next < y->changes.nflags) {
		uint32_t	 seq = y->changes.flags[y->next];
		struct view_msg	 m;

		if (session_full(s))
			return RUN_WAIT_OUTPUT;
		y->next++;
		view_get(s->view, seq, &m);
		buf_addf(out, "* %u FETCH (", seq);
		if (y->uid || s->condstore)
			buf_addf(out, "UID %u ", m.uid);
		if (s->condstore)
			buf_addf(out, "MODSEQ (%llu) ",
			    (unsigned long long)m.modseq);
		add_msg_flags(s, &m, false, out);
		buf_adds(out, ")\r\n");
	}
	return RUN_DONE;
}

enum run
sync_more(struct session *s)
{
	struct sync	*y = s->sync;

	if (y == NULL)
		return RUN_DONE;
	if (y->stage == 0) {
		if (sync_expunges(s, y) != RUN_DONE)
			return RUN_WAIT_OUTPUT;
		sync_counts(s, &y->changes);
		y->stage = 1;
		y->next = 0;
	}
	if (sync_flags(s, y) != RUN_DONE)
		return RUN_WAIT_OUTPUT;
	sync_free(s);
	return RUN_DONE;
}
