/* SPDX-License-Identifier: Apache-2.0 */
/* Pages of the queue for postqueue.  The loop decides which messages are on a
 * page; what is in files is read by a thread, so that a listing of a long queue
 * on a slow disk holds up no delivery.  What is with agents or in the journal
 * the loop itself knows.
 *
 * A page ends with a cursor "state:serial:id" of its last message.  The next
 * one begins behind it; if that message is not in that place any more, behind
 * the first one with a larger serial. */
#include "qmgr/qmgr.h"

#include <string.h>

#include "sys/syncer.h"

/* Encoded size of one page stays well below a frame; reasons count apart. */
#define PAGE_BYTES	((size_t)1 << 20)
#define PAGE_MOST	1000

struct entry {
	char		 id[QUEUE_ID_MAX];
	enum msg_state	 state;
	enum queue_dir	 dir;
	uint64_t	 serial;
	bool		 in_file;	/* the thread reads it */
	bool		 found;
	struct queue_list_item	item;
};

struct page {
	struct list		 link;	/* in q->lists */
	struct qmgr		*q;
	struct ipc_request	 req;
	struct arena		*mem;
	int			 state;		/* the cursor */
	uint64_t		 serial;
	const char		*id;
	size_t			 most;
	struct entry		*entries;
	size_t			 n;	/* of them */
	size_t			 shown;	/* that fit */
	size_t			 bytes;
	bool			 last;	/* the queue ends with this page */
};

/*
 * What is said of one.
 */
static const char *
last_reason(const struct queue_log_rec *recs, size_t n, const char *address)
{
	for (size_t i = n; i-- > 0;) {
		if (recs[i].kind == QLOG_DELAY && recs[i].address != NULL &&
		    strcmp(recs[i].address, address) == 0)
			return recs[i].diagnostic;
	}
	return NULL;
}

static size_t
length(const char *s)
{
	return s == NULL ? 0 : strlen(s);
}

/* rcpts: of an active message, whose memory may go before the page does; it
 * copies.  NULL: file is in our memory. */
static void
fill_item(struct page *p, struct entry *e, const struct queue_msg *file,
    const struct rcpt *rcpts)
{
	const struct queue_env	*env = &file->env;
	struct queue_list_rcpt	*out = arena_array(p->mem, env->nrcpts + 1,
	    sizeof(*out));
	size_t			 n = 0;

	p->bytes += 256 + strlen(env->sender);
	for (size_t i = 0; i < env->nrcpts; i++) {
		const struct queue_rcpt	*r = &env->rcpts[i];
		const char		*orig = r->original != NULL ?
					    r->original : r->address;

		if (rcpts != NULL ? rcpts[i].state == RS_DONE :
		    r->status != RCPT_TODO)
			continue;
		out[n].address = rcpts == NULL ? r->address :
		    arena_strdup(p->mem, r->address);
		out[n].original = rcpts == NULL ? orig :
		    arena_strdup(p->mem, orig);
		p->bytes += 64 + strlen(r->address) + strlen(orig);
		n++;
	}
	e->found = true;
	e->item = (struct queue_list_item){
		.queue_name = msg_state_names[e->state], .queue_id = e->id,
		.arrival = env->arrival, .size = file->content_size,
		.sender = rcpts == NULL ? env->sender :
		    arena_strdup(p->mem, env->sender), .rcpts = { out, n },
	};
}

/* Why it waits, by its delivery log. */
static void
add_reasons(struct page *p, struct entry *e)
{
	struct queue_list_rcpt	*r = e->item.rcpts.items;
	struct queue_log_rec	*recs = NULL;
	size_t			 n = 0;

	if (queue_log_read(p->q->queue, e->id, p->mem, &recs, &n, NULL) < 0)
		n = 0;
	for (size_t i = 0; i < e->item.rcpts.count; i++) {
		r[i].reason = last_reason(recs, n, r[i].address);
		p->bytes += length(r[i].reason);
	}
}

static void
read_file(struct page *p, struct entry *e)
{
	struct queue	*q = p->q->queue;
	struct queue_msg m;
	enum queue_read	 got;

	got = queue_msg_open(q, e->dir, e->id, false, false, p->mem, &m,
	    NULL);
	/* It was moved since. */
	if (got == QUEUE_GONE && queue_find(q, e->id, &e->dir))
		got = queue_msg_open(q, e->dir, e->id, false, false, p->mem,
		    &m, NULL);
	if (got != QUEUE_OK)
		return;
	fill_item(p, e, &m, NULL);
	queue_msg_close(&m);
}

/*
 * Which are on the page.
 */
static void
add_msg(struct page *p, struct msg *m)
{
	struct entry		*e = &p->entries[p->n++];
	struct queue_msg	 file;

	memcpy(e->id, m->id, strlen(m->id) + 1);
	e->state = m->state;
	e->dir = m->dir;
	e->serial = m->serial;
	e->in_file = m->act == NULL && m->rec == NULL;
	if (m->act != NULL)
		fill_item(p, e, &m->act->file, m->act->rcpts);
	else if (m->rec != NULL && msg_open(p->q, m, false, p->mem, &file,
	    NULL) == QUEUE_OK) {
		fill_item(p, e, &file, NULL);
		queue_msg_close(&file);
	}
}

/* The place behind the cursor in this state. */
static struct list *
behind(const struct page *p, int state)
{
	struct list	*head = &p->q->by_state[state];
	struct msg	*m;

	if (state != p->state || p->id == NULL)
		return head->next;
	m = msg_find(p->q, p->id);
	if (m != NULL && m->state == state && m->serial == p->serial)
		return m->link.next;
	LIST_EACH(l, head)
		if (LIST_ENTRY(l, struct msg, link)->serial > p->serial)
			return l;
	return head;
}

static void
gather(struct page *p)
{
	p->n = 0;
	for (int s = p->state; s < MSG_STATES; s++) {
		const struct list	*head = &p->q->by_state[s];

		for (struct list *l = behind(p, s); l != head; l = l->next) {
			if (p->n == p->most || p->bytes > PAGE_BYTES)
				return;
			add_msg(p, LIST_ENTRY(l, struct msg, link));
		}
	}
	p->last = scan_known(p->q) == KNOWN_ALL;
}

/*
 * The answer.
 */
static void
reply(struct page *p)
{
	struct arena		*mem = p->mem;		/* p lives in there */
	struct queue_list_item	*items = arena_array(mem, p->n + 1,
				    sizeof(*items));
	struct queue_list_res	 res = { .items = { items, 0 } };
	const struct entry	*e = NULL;

	for (size_t i = 0; i < p->shown; i++) {
		e = &p->entries[i];
		if (e->found)
			items[res.items.count++] = e->item;
	}
	if (e != NULL && (!p->last || p->shown < p->n))
		res.next = arena_printf(mem, "%d:%llu:%s", (int)e->state,
		    (unsigned long long)e->serial, e->id);
	ipc_reply(p->req, &queue_list_res_desc, &res);
	arena_free(&mem);
}

static void
work(void *arg)
{
	struct page	*p = arg;
	size_t		 files;

	/* Not in turns: each of both directories lies in one place. */
	for (files = 0; files < p->n && (files == 0 ||
	    p->bytes <= PAGE_BYTES); files++)
		if (p->entries[files].in_file)
			read_file(p, &p->entries[files]);
	p->bytes = 0;
	for (; p->shown < files && p->bytes <= PAGE_BYTES; p->shown++)
		if (p->entries[p->shown].found)
			add_reasons(p, &p->entries[p->shown]);
}

static void
done(void *arg)
{
	reply(arg);
}

static void
show(struct page *p)
{
	if (scan_known(p->q) != KNOWN_LITTLE)
		gather(p);
	if (p->n == 0 && !p->last)
		list_put_last(&p->q->lists, &p->link);
	else if (p->n == 0)
		reply(p);
	else
		syncer_run(daemon_syncer(p->q->d), work, done, p);
}

void
list_scanned(struct qmgr *q)
{
	struct list	*l, again;

	list_init(&again);
	while ((l = list_take(&q->lists)) != NULL)
		list_put_last(&again, l);
	while ((l = list_take(&again)) != NULL)
		show(LIST_ENTRY(l, struct page, link));
}

static bool
parse_cursor(struct page *p, const char *text)
{
	struct slice	s, head;
	uint64_t	n;

	if (text == NULL)
		return true;
	s = slice_str(text);
	if (!slice_cut(&s, ':', &head) ||
	    !slice_u64(head, MSG_STATES - 1, &n) ||
	    !slice_cut(&s, ':', &head) ||
	    !slice_u64(head, UINT64_MAX, &p->serial))
		return false;
	p->state = (int)n;
	p->id = slice_cstr(p->mem, s);
	return p->id != NULL && queue_id_ok(p->id);
}

void
list_request(struct qmgr *q, struct ipc_request req,
    const struct queue_list_req *ask)
{
	struct arena	*mem = arena_new();
	struct page	*p = arena_alloc(mem, sizeof(*p));

	*p = (struct page){ .q = q, .req = req, .mem = mem };
	p->most = ask->most < 1 || ask->most > PAGE_MOST ? PAGE_MOST :
	    (size_t)ask->most;
	p->entries = arena_array(mem, p->most, sizeof(*p->entries));
	if (parse_cursor(p, ask->after))
		show(p);
	else
		reply(p);
}
