/* SPDX-License-Identifier: Apache-2.0 */
/* From a complete message to a durable one.
 *
 * Steps, each of which may have to wait for a table and is then repeated as a
 * whole from intake_wake(): the sender, then each recipient in turn (rewrite,
 * expand, add without duplicates), then the blind copies.  Then the queue file
 * is committed.  done() is called exactly once on every path. */
#include <errno.h>

#include "base/ascii.h"
#include "base/hash.h"
#include "base/mem.h"
#include "intake/intake_int.h"
#include "sys/loop.h"

/* After expansion; a single message cannot fill the queue manager. */
#define RCPTS_MAX	((size_t)50000)
#define RCPTS_FEW	((size_t)8)

struct commit {
	struct intake_msg	*m;
	struct list		 waiting;	/* link */
	void			(*done)(void *arg,
				    const struct intake_result *r);
	void			*arg;

	const char		*sender;	/* rewritten; NULL: not yet */
	size_t			 next;		/* recipient to expand */
	struct queue_rcpt	*out;
	size_t			 nout, size;
	struct hash		*seen;	/* of many recipients; NULL: few */
	bool			 bcc_done;
};

static const struct verdict {
	int		 code;
	const char	*dsn, *text;
} verdicts[] = {
	[INTAKE_OK]      = { 250, "2.0.0", "Ok" },
	[INTAKE_SIZE]    = { 552, "5.3.4", "Error: message file too big" },
	[INTAKE_LINES]   = { 550, "5.5.2", "Error: bare <LF> received" },
	[INTAKE_HOPS]    = { 554, "5.4.6", "Error: too many hops" },
	[INTAKE_NO_RCPT] = { 554, "5.5.1", "Error: no valid recipients" },
	[INTAKE_ADDRESS] = { 554, "5.4.6",
	    "Error: unreasonable alias expansion" },
	[INTAKE_TABLE]   = { 451, "4.3.0", "Error: temporary lookup failure" },
	[INTAKE_QUEUE]   = { 451, "4.3.0", "Error: queue file write error" },
};

static void
report(struct commit *c)
{
	struct intake_msg	*m = c->m;
	const struct verdict	*v = &verdicts[m->status];
	struct intake_result	 r = {
		.status = m->status, .code = v->code, .dsn = v->dsn,
		.text = v->text, .queue_id = m->id,
		.message_id = m->message_id,
		.sender = c->sender != NULL ? c->sender : m->sender,
		.size = m->size, .nrcpts = c->nout, .held = m->hold,
		.discarded = m->discard,
	};

	/* Whoever hears of it finds nothing left of what was not committed. */
	queue_file_abort(&m->file);
	if (m->err != NULL && m->err->text[0] != '\0')
		r.detail = m->err->text;
	if (m->status == INTAKE_LINES && m->lines.bare_cr)
		r.text = "Error: bare <CR> received";
	if (m->status == INTAKE_QUEUE && m->err != NULL &&
	    (m->err->sys == ENOSPC || m->err->sys == EDQUOT)) {
		r.code = 452;
		r.dsn = "4.3.1";
		r.text = "Insufficient system storage";
	}
	c->done(c->arg, &r);
	hash_free(&c->seen);
	mem_free(&c->out);
	intake_abort(&m);
	mem_free(&c);
}

static void
committed(void *arg, int result, const struct error *err)
{
	struct commit	*c = arg;

	if (result < 0)
		intake_fail(c->m, INTAKE_QUEUE, err);
	report(c);
}

/*
 * Rewriting.
 */
static bool
is_local(struct intake *in, const char *addr)
{
	const char		*at = strrchr(addr, '@');
	enum route_class	 cls;

	return at != NULL && route_class_of(in->route, at + 1, &cls, NULL) ==
	    ROUTE_DONE && cls == CLASS_LOCAL;
}

/* What a table says in place of addr: complete, with the extension that was
 * not part of the key. */
static const char *
apply(struct intake *in, struct arena *a, const char *addr,
    const char *value, bool unmatched_ext)
{
	struct slice	local = slice_str(addr), user, ext;
	ptrdiff_t	at = slice_rfind(local, '@');
	const char	*to = strrchr(value, '@');

	if (at >= 0)
		local = slice_first(local, (size_t)at);
	if (value[0] == '@')
		return arena_printf(a, "%.*s%s", SLICE_ARG(local), value);
	if (!unmatched_ext || !in->propagate)
		return value;
	route_split_ext(in->route, local, &user, &ext);
	if (ext.p == NULL)
		return value;
	/* user.len is where the delimiter stands. */
	ext = slice_from(local, user.len);
	return to == NULL ?
	    arena_printf(a, "%s%.*s", value, SLICE_ARG(ext)) :
	    arena_printf(a, "%.*s%.*s%s", (int)(to - value), value,
	    SLICE_ARG(ext), to);
}

static enum map_result
rewrite(struct intake *in, struct arena *a, struct map_list *l,
    const char **addr, struct error *err)
{
	unsigned int	 forms = MAP_ADDR_FULL | MAP_ADDR_NOEXT |
			    MAP_ADDR_AT_DOM;
	bool		 unmatched = false;
	const char	*value;
	enum map_result	 r;

	if (map_list_empty(l) || (*addr)[0] == '\0')
		return MAP_NONE;
	if (is_local(in, *addr))
		forms |= MAP_ADDR_USER;
	r = map_list_get_addr(l, slice_str(*addr),
	    in->common->recipient_delimiter, forms, a, &value, &unmatched,
	    err);
	if (r == MAP_FOUND)
		*addr = apply(in, a, *addr, value, unmatched);
	return r;
}

/* How far a step got. */
enum step { STEP_ON, STEP_WAIT, STEP_FAILED };

static enum step
table_step(struct commit *c, bool wait, const struct error *err)
{
	if (wait)
		return STEP_WAIT;
	intake_fail(c->m, INTAKE_TABLE, err);
	return STEP_FAILED;
}

/* Complete an address and send it through the special and the general
 * canonical tables. */
static enum step
canonical(struct commit *c, struct map_list *special, const char *addr,
    const char **out)
{
	struct intake		*in = c->m->in;
	struct arena		*a = c->m->mem;
	struct map_list		*lists[2] = { special, in->canonical };
	struct error		 err;
	enum map_result		 m = MAP_FOUND;	/* something new */

	for (size_t i = 0; addr[0] != '\0'; i++) {
		enum route_result	r = m != MAP_FOUND ? ROUTE_DONE :
		    route_canonical(in->route, slice_str(addr), a, &addr,
		    &err);

		if (r != ROUTE_DONE)
			return table_step(c, r == ROUTE_WAIT, &err);
		if (i == COUNT(lists))
			break;
		m = rewrite(in, a, lists[i], &addr, &err);
		if (m == MAP_WAIT || m == MAP_ERROR)
			return table_step(c, m == MAP_WAIT, &err);
	}
	*out = addr;
	return STEP_ON;
}

/*
 * Recipients.
 */
static const char *
lower(struct arena *a, const char *address)
{
	char	*key = arena_strdup(a, address);

	for (char *p = key; *p != '\0'; p++)
		*p = (char)ascii_lower((unsigned char)*p);
	return key;
}

/* Most messages have a few recipients, which are soon looked through. */
static bool
is_there(const struct commit *c, const char *address)
{
	struct slice	s = slice_str(address);

	if (c->seen != NULL)
		return hash_gets(c->seen, lower(c->m->mem, address)) != NULL;
	for (size_t i = 0; i < c->nout; i++)
		if (slice_iis(s, c->out[i].address))
			return true;
	return false;
}

static void
remember(struct commit *c, size_t first)
{
	for (size_t i = first; i < c->nout; i++)
		hash_puts(c->seen, lower(c->m->mem, c->out[i].address), c);
}

static bool
put_rcpt(struct commit *c, const char *address, const struct queue_rcpt *from)
{
	if (is_there(c, address))
		return true;
	if (c->nout == RCPTS_MAX) {
		intake_fail(c->m, INTAKE_ADDRESS, NULL);
		return false;
	}
	if (c->nout == c->size) {
		c->size = c->size == 0 ? RCPTS_FEW : 2 * c->size;
		c->out = mem_grow(c->out, c->size, sizeof(*c->out));
	}
	c->out[c->nout] = *from;
	c->out[c->nout].address = address;
	c->out[c->nout].status = RCPT_TODO;
	c->nout++;
	if (c->seen != NULL) {
		remember(c, c->nout - 1);
	} else if (c->nout == RCPTS_FEW) {
		c->seen = hash_new();
		remember(c, 0);
	}
	return true;
}

/* A copy nobody asked for: no notification about it either. */
static enum step
put_bcc(struct commit *c, const char *address)
{
	struct queue_rcpt	r = { .notify = 1 /* NEVER */ };
	enum step		s = canonical(c, c->m->in->rcpt_canonical,
				    address, &r.address);

	if (s != STEP_ON)
		return s;
	r.original = r.address;
	return put_rcpt(c, r.address, &r) ? STEP_ON : STEP_FAILED;
}

static enum step
look_up_bcc(struct commit *c, struct map_list *l, const char *key)
{
	const char	*value;
	struct error	 err;
	bool		 unmatched;
	enum map_result	 r;

	if (map_list_empty(l) || key[0] == '\0')
		return STEP_ON;
	r = map_list_get_addr(l, slice_str(key),
	    c->m->in->common->recipient_delimiter, MAP_ADDR_FULL |
	    MAP_ADDR_NOEXT | MAP_ADDR_AT_DOM, c->m->mem, &value, &unmatched,
	    &err);
	if (r == MAP_WAIT || r == MAP_ERROR)
		return table_step(c, r == MAP_WAIT, &err);
	return r == MAP_FOUND ? put_bcc(c, value) : STEP_ON;
}

static enum step
one_rcpt(struct commit *c)
{
	struct intake		 *in = c->m->in;
	const struct queue_rcpt	 *r = &c->m->rcpts[c->next];
	const char		 *addr, **list;
	size_t			  n;
	struct error		  err;
	enum route_result	  got;
	enum step		  s;

	s = canonical(c, in->rcpt_canonical, r->address, &addr);
	if (s != STEP_ON)
		return s;
	got = route_expand(in->route, addr, c->m->mem, &list, &n, &err);
	if (got != ROUTE_DONE)
		return table_step(c, got == ROUTE_WAIT, &err);
	for (size_t i = 0; i < n; i++) {
		if (!put_rcpt(c, list[i], r))
			return STEP_FAILED;
		s = look_up_bcc(c, in->rcpt_bcc, list[i]);
		if (s != STEP_ON)
			return s;
	}
	c->next++;
	return STEP_ON;
}

static enum step
next_step(struct commit *c)
{
	struct intake	*in = c->m->in;
	enum step	 s;

	if (c->sender == NULL)
		return canonical(c, in->sender_canonical, c->m->sender,
		    &c->sender);
	if (c->next < c->m->nrcpts)
		return one_rcpt(c);
	if (in->conf.always_bcc[0] != '\0') {
		s = put_bcc(c, in->conf.always_bcc);
		if (s != STEP_ON)
			return s;
	}
	s = look_up_bcc(c, in->sender_bcc, c->sender);
	c->bcc_done = s == STEP_ON;
	return s;
}

/*
 * The end.
 */
static void
write_file(struct commit *c)
{
	struct intake_msg		*m = c->m;
	const struct intake_origin	*o = &m->origin;
	struct queue_env		 env = {
		.sender = c->sender, .dsn_envid = m->dsn_envid,
		.dsn_ret = m->dsn_ret, .flags = m->flags,
		.arrival = o->arrival, .client_name = o->client_name,
		.client_address = o->client_address,
		.client_port = o->client_port, .client_helo = o->helo,
		.client_protocol = o->protocol,
		.sasl_method = o->sasl_method,
		.sasl_username = o->sasl_username,
		.message_id = m->message_id[0] != '\0' ? m->message_id : NULL,
		.rcpts = c->out, .nrcpts = c->nout,
	};

	queue_file_commit(&m->file, &env, m->hold, committed, c);
}

static void
go_on(struct commit *c)
{
	struct intake_msg	*m = c->m;

	while (m->status == INTAKE_OK && !m->discard && !c->bcc_done)
		if (next_step(c) == STEP_WAIT) {
			list_put_last(&m->in->waiting, &c->waiting);
			return;
		}
	if (m->status == INTAKE_OK && !m->discard && c->nout == 0)
		intake_fail(m, INTAKE_NO_RCPT, NULL);
	if (m->status != INTAKE_OK || m->discard)
		report(c);
	else
		write_file(c);
}

static void
begin(void *arg)
{
	go_on(arg);
}

void
intake_commit_begin(struct intake_msg *m, struct loop *l,
    void (*done)(void *arg, const struct intake_result *r), void *arg)
{
	struct commit	*c = mem_new(1, sizeof(*c));

	c->m = m;
	c->done = done;
	c->arg = arg;
	if (m->redirect != NULL) {
		m->nrcpts = 0;
		intake_rcpt(m, &(struct queue_rcpt){
		    .address = m->redirect });
	}
	loop_defer(l, begin, c);
}

void
intake_wake(struct intake *in)
{
	struct list	 all;
	struct list	*l;

	/* Those that have to wait again are put on the emptied list. */
	list_init(&all);
	while ((l = list_take(&in->waiting)) != NULL)
		list_put_last(&all, l);
	while ((l = list_take(&all)) != NULL)
		go_on(LIST_ENTRY(l, struct commit, waiting));
}

bool
intake_changed(struct intake *in)
{
	/* Lists are looked at one by one by lib/map. */
	return map_list_changed(in->sender_bcc) ||
	    map_list_changed(in->rcpt_bcc) ||
	    map_list_changed(in->canonical) ||
	    map_list_changed(in->sender_canonical) ||
	    map_list_changed(in->rcpt_canonical);
}
