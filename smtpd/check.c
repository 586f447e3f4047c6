/* SPDX-License-Identifier: Apache-2.0 */
/* Running restriction lists.
 *
 * A run is a stack of places in lists.  Each restriction answers at once or
 * says that it waits (for DNS, or for a table); then the run stops where it
 * is, and check_wake() repeats that one restriction.  Restrictions therefore
 * do nothing but look until they know their answer. */
#include "smtpd/check.h"

#include "base/mem.h"
#include "base/panic.h"
#include "sys/log.h"

static const struct {
	const char	*where, *class;
} stages[STAGE_COUNT] = {
	[STAGE_CLIENT] = { "CONNECT", "Client host" },
	[STAGE_HELO]   = { "HELO", "Helo command" },
	[STAGE_SENDER] = { "MAIL", "Sender address" },
	[STAGE_RELAY]  = { "RCPT", "Recipient address" },
	[STAGE_RCPT]   = { "RCPT", "Recipient address" },
	[STAGE_DATA]   = { "DATA", "Data command" },
	[STAGE_END]    = { "END-OF-MESSAGE", "End-of-data" },
	[STAGE_ETRN]   = { "ETRN", "Etrn command" },
};

const char *
stage_where(enum stage s)
{
	return stages[s].where;
}

const char *
check_class(const struct check *k)
{
	return stages[k->stages[k->stage]].class;
}

/* What the text of a refusal is about. */
const char *
check_name(const struct check *k)
{
	switch (k->stages[k->stage]) {
	case STAGE_CLIENT:
		return k->c->namaddr;
	case STAGE_HELO:
		return k->c->helo != NULL ? k->c->helo : "";
	case STAGE_SENDER:
		return k->sender != NULL ? k->sender : "";
	case STAGE_RELAY:
	case STAGE_RCPT:
		return k->recipient != NULL ? k->recipient : "";
	case STAGE_DATA:
		return "DATA";
	case STAGE_END:
		return "END-OF-MESSAGE";
	case STAGE_ETRN:
		return k->c->vrfy != NULL ? k->c->vrfy : "";
	case STAGE_COUNT:
		break;
	}
	return "";
}

/*
 * Results.
 */
static void	 fill(struct check *k, struct verdict *v, int code,
		    const char *dsn, const char *fmt, va_list ap)
		    PRINTF(5, 0);

static void
fill(struct check *k, struct verdict *v, int code, const char *dsn,
    const char *fmt, va_list ap)
{
	struct buf	b;

	buf_init(&b, 2048);
	buf_addv(&b, fmt, ap);
	*v = (struct verdict){
		.kind = VERDICT_REJECT, .code = code,
		.dsn = arena_strdup(k->mem, dsn),
		.text = arena_strdup(k->mem, buf_cstr(&b)),
	};
	buf_clear(&b);
	policy_fix(v, k->c->s->common->soft_bounce, k->mem);
}

enum check_result
check_reject(struct check *k, int code, const char *dsn, const char *fmt, ...)
{
	struct verdict	v;
	va_list		ap;
	bool		warn = k->warn;
	char		text[1100];

	va_start(ap, fmt);
	fill(k, &v, code, dsn, fmt, ap);
	va_end(ap);
	/* An earlier temporary failure might have let this pass. */
	if (!warn && v.code >= 500 &&
	    k->defer_if_reject.kind == VERDICT_REJECT)
		v = k->defer_if_reject;
	(void)snprintf(text, sizeof(text), "%d %s %s", v.code, v.dsn, v.text);
	log_reject(k->c, warn ? "reject_warning" : "reject",
	    stage_where(k->at), k->recipient, text);
	if (warn)
		return CHECK_DUNNO;
	k->v = v;
	return CHECK_REJECT;
}

enum check_result
check_defer_if_permit(struct check *k, int code, const char *dsn,
    const char *fmt, ...)
{
	va_list	ap;

	if (k->defer_if_permit.kind == VERDICT_REJECT)
		return CHECK_DUNNO;
	va_start(ap, fmt);
	fill(k, &k->defer_if_permit, code, dsn, fmt, ap);
	va_end(ap);
	return CHECK_DUNNO;
}

enum check_result
check_lookup_failed(struct check *k, const char *name,
    const struct error *err)
{
	bool	warn = k->warn;

	log_warn("%s", err->text);
	/* Whatever warn_if_reject says: without its tables the policy is
	 * unknown. */
	k->warn = false;
	(void)check_reject(k, 451, "4.3.0", "<%s>: Temporary lookup failure",
	    name);
	k->warn = warn;
	return CHECK_REJECT;
}

enum check_result
check_wait_table(struct check *k)
{
	if (!list_linked(&k->table_wait))
		list_put_last(&k->c->s->waiting, &k->table_wait);
	return CHECK_WAIT;
}

enum check_result
check_push(struct check *k, const struct rlist *l)
{
	if (k->depth == CHECK_DEPTH) {
		log_warn("parameter %s: restriction lists nest too deeply",
		    l->param);
		return check_reject(k, 451, "4.3.5",
		    "Server configuration error");
	}
	k->stack[k->depth++] = (struct frame){ l, 0 };
	return CHECK_DUNNO;
}

/*
 * The run.
 */
static void
finish(struct check *k)
{
	struct conn	*c = k->c;
	struct arena	*mem = k->mem;
	struct verdict	 v = k->v;

	/* Mail that might have been refused is not accepted now. */
	if (v.kind != VERDICT_REJECT &&
	    k->defer_if_permit.kind == VERDICT_REJECT) {
		k->defer_if_reject.kind = VERDICT_DUNNO;
		(void)check_reject(k, k->defer_if_permit.code,
		    k->defer_if_permit.dsn, "%s", k->defer_if_permit.text);
		v = k->v;
	}
	list_remove(&k->table_wait);
	c->check = NULL;
	k->then(c, &v);
	arena_free(&mem);
}

/* One restriction.  False: the run is over or waits. */
static bool
one(struct check *k)
{
	struct frame			*f = &k->stack[k->depth - 1];
	const struct restriction	*r;
	size_t				 depth = k->depth;
	enum check_result		 got;

	if (f->next == f->list->n) {
		k->depth--;
		k->warn = false;
		return k->depth > 0;
	}
	r = &f->list->items[f->next];
	if (r->sub != NULL) {
		f->next++;
		return check_push(k, r->sub) != CHECK_REJECT;
	}
	got = r->type->run(k, r);
	if (got == CHECK_WAIT) {
		k->waiting = true;
		return false;
	}
	/* The answer may have put another list on top. */
	k->stack[depth - 1].next++;
	if (strcmp(r->type->name, "warn_if_reject") != 0)
		k->warn = false;
	if (got == CHECK_OK || got == CHECK_SKIP) {
		k->depth = 0;
		return false;
	}
	if (got == CHECK_REJECT)
		k->v.kind = VERDICT_REJECT;
	return got == CHECK_DUNNO;
}

/* The next list.  False: there is none. */
static bool
next_stage(struct check *k)
{
	k->warn = false;
	if (k->stage + 1 == k->nstages) {
		if (k->at != STAGE_RCPT || k->implicit_done)
			return false;
		k->implicit_done = true;
		return check_push(k, k->c->s->implicit) == CHECK_DUNNO;
	}
	k->stage++;
	(void)check_push(k, k->c->s->lists[k->stages[k->stage]]);
	return true;
}

/* END is about all recipients, one after the other. */
static bool
next_rcpt(struct check *k)
{
	struct tx	*tx = k->c->tx;

	if (k->at != STAGE_END || tx == NULL || k->rcpt + 1 >= tx->nrcpts)
		return false;
	k->rcpt++;
	k->recipient = tx->rcpts[k->rcpt];
	k->stage = 0;
	k->depth = 0;
	(void)check_push(k, k->c->s->lists[STAGE_END]);
	return true;
}

static void
go_on(struct check *k)
{
	k->waiting = false;
	for (;;) {
		while (k->depth > 0 && k->v.kind != VERDICT_REJECT && one(k))
			;
		if (k->waiting) {
			conn_busy(k->c, "restrictions");
			return;
		}
		if (k->v.kind == VERDICT_REJECT ||
		    (!next_stage(k) && !next_rcpt(k)))
			break;
	}
	finish(k);
}

void
check_wake(struct conn *c)
{
	struct check	*k = c->check;

	if (k == NULL || !k->waiting)
		return;
	list_remove(&k->table_wait);
	conn_enter(c);
	go_on(k);
	conn_leave(c);
}

static void
add(struct check *k, enum stage s)
{
	k->stages[k->nstages++] = s;
}

static void
plan(struct check *k, enum stage at)
{
	const struct smtpd_conf	*conf = k->c->s->conf;

	if (at == STAGE_RCPT || at == STAGE_ETRN) {
		if (conf->delay_reject) {
			add(k, STAGE_CLIENT);
			add(k, STAGE_HELO);
			if (at == STAGE_RCPT)
				add(k, STAGE_SENDER);
		}
		if (at == STAGE_RCPT && conf->relay_first)
			add(k, STAGE_RELAY);
		add(k, at);
		if (at == STAGE_RCPT && !conf->relay_first)
			add(k, STAGE_RELAY);
	} else
		add(k, at);
}

/* Most servers ask nothing at DATA nor at its end. */
static bool
asks_nothing(const struct conn *c, enum stage at)
{
	return (at == STAGE_DATA || at == STAGE_END) &&
	    c->s->lists[at]->n == 0;
}

void
check_run(struct conn *c, enum stage at, const char *sender,
    const char *recipient,
    void (*then)(struct conn *c, const struct verdict *v))
{
	struct arena	*mem;
	struct check	*k;

	ASSERT(c->check == NULL);
	if (asks_nothing(c, at)) {
		then(c, &(struct verdict){ .kind = VERDICT_DUNNO });
		return;
	}
	mem = arena_new();
	k = arena_alloc(mem, sizeof(*k));
	dns_trim(c);
	c->check = k;
	k->c = c;
	k->mem = mem;
	k->at = at;
	k->sender = sender;
	k->recipient = recipient;
	k->then = then;
	plan(k, at);
	if (at == STAGE_END && c->tx != NULL)
		k->recipient = c->tx->rcpts[0];
	(void)check_push(k, c->s->lists[k->stages[0]]);
	go_on(k);
}

void
check_free(struct conn *c)
{
	struct arena	*mem;

	if (c->check == NULL)
		return;
	list_remove(&c->check->table_wait);
	mem = c->check->mem;
	c->check = NULL;
	arena_free(&mem);
}
