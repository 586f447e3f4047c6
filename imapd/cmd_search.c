/* SPDX-License-Identifier: Apache-2.0 */
/* SEARCH, a time slice at a stretch so that other sessions of the process go
 * on; the answer goes out piece by piece. */
#include "imapd/imapd.h"
#include "proto/imap_search.h"
#include "sys/clock.h"

#define SLICE_TIME	MSECS(10)

struct search {
	struct imap_search_args	 args;
	struct matcher		*m;
	uint32_t		 seq;		/* next to look at */
	struct imap_set_builder	 found;
	uint32_t		 count;
	uint64_t		 modseq;	/* highest of those found */
	size_t			 range;		/* output */
	uint32_t		 next;
};

static bool
charset_ok(struct slice name)
{
	return name.len == 0 || slice_iis(name, "US-ASCII") ||
	    slice_iis(name, "UTF-8") || slice_iis(name, "ASCII");
}

static enum run
search_end(struct session *s, struct search *q)
{
	if (q->args.modseq && q->count > 0)
		buf_addf(session_out(s), " (MODSEQ %llu)",
		    (unsigned long long)q->modseq);
	buf_adds(session_out(s), "\r\n");
	return reply_ok(s, "Search completed.");
}

/* "* SEARCH 2 3 6" */
static enum run
answer_more(struct session *s)
{
	struct search		*q = s->cmd->data;
	const struct imap_set	*set = &q->found.set;

	while (q->range < set->count) {
		const struct imap_range	*r = &set->ranges[q->range];

		if (session_full(s))
			return RUN_WAIT_OUTPUT;
		if (q->next < r->from)
			q->next = r->from;
		buf_addf(session_out(s), " %u", q->next);
		if (q->next++ == r->to)
			q->range++;
	}
	return search_end(s, q);
}

/* The set of ESEARCH, some ranges at a time. */
static enum run
ranges_more(struct session *s)
{
	struct search	*q = s->cmd->data;

	while (q->range < q->found.set.count) {
		struct imap_set	 one = { &q->found.set.ranges[q->range], 1 };

		if (session_full(s))
			return RUN_WAIT_OUTPUT;
		buf_addc(session_out(s), q->range++ == 0 ? ' ' : ',');
		imap_set_format(&one, session_out(s));
	}
	if (q->args.modseq && q->count > 0)
		buf_addf(session_out(s), " MODSEQ %llu",
		    (unsigned long long)q->modseq);
	buf_adds(session_out(s), "\r\n");
	return reply_ok(s, "Search completed.");
}

/* RFC 4731 3.1: MIN, MAX and ALL are left out when nothing was found. */
static enum run
esearch_answer(struct session *s, struct search *q)
{
	const struct imap_set	*set = &q->found.set;
	struct buf		*out = session_out(s);

	buf_addf(out, "* ESEARCH (TAG \"%s\")%s", s->cmd->tag,
	    s->cmd->uid ? " UID" : "");
	if ((q->args.returns & IMAP_RETURN_COUNT) != 0)
		buf_addf(out, " COUNT %u", q->count);
	if (q->count > 0 && (q->args.returns & IMAP_RETURN_MIN) != 0)
		buf_addf(out, " MIN %u", set->ranges[0].from);
	if (q->count > 0 && (q->args.returns & IMAP_RETURN_MAX) != 0)
		buf_addf(out, " MAX %u", imap_set_last(set));
	if (q->count > 0 && (q->args.returns & IMAP_RETURN_ALL) != 0)
		buf_adds(out, " ALL");
	else
		q->range = set->count;
	s->cmd->more = ranges_more;
	return ranges_more(s);
}

static void
note(struct session *s, struct search *q, const struct view_msg *msg)
{
	imap_set_add(&q->found, s->cmd->mem, s->cmd->uid ? msg->uid : q->seq);
	q->count++;
	if (msg->modseq > q->modseq)
		q->modseq = msg->modseq;
}

static enum run
search_more(struct session *s)
{
	struct search	*q = s->cmd->data;
	uint32_t	 count = view_count(s->view);
	usec_t		 until = clock_mono() + SLICE_TIME;
	struct view_msg	 msg;

	while (q->seq <= count) {
		if (matcher_run(q->m, q->seq, &msg))
			note(s, q, &msg);
		q->seq++;
		if (q->seq % 16 == 0 && clock_mono() > until) {
			session_defer(s);
			return RUN_WAIT_EVENT;
		}
	}
	if (q->args.esearch)
		return esearch_answer(s, q);
	buf_adds(session_out(s), "* SEARCH");
	s->cmd->more = answer_more;
	return answer_more(s);
}

enum run
cmd_search(struct session *s)
{
	struct search	*q = arena_alloc(s->cmd->mem, sizeof(*q));

	if (!imap_take_search(&s->cmd->in, &q->args))
		return reply_syntax(s);
	if (!charset_ok(q->args.charset))
		return reply_no(s, "[BADCHARSET (US-ASCII UTF-8)] "
		    "Unknown charset");
	if (q->args.modseq)
		s->condstore = true;
	q->m = matcher_new(s, q->args.program, s->cmd->mem);
	q->seq = 1;
	s->cmd->data = q;
	s->cmd->more = search_more;
	return search_more(s);
}
