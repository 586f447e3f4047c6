/* SPDX-License-Identifier: Apache-2.0 */
/* access(5) tables: which keys are looked up, and what the answer does. */
#include "smtpd/check.h"

#include "sys/log.h"

/*
 * Keys.
 */
static enum map_result
get(struct check *k, struct map_list *t, const char *key, bool partial,
    const char **value, struct error *err)
{
	return partial ?
	    map_list_get_partial(t, slice_str(key), k->mem, value, err) :
	    map_list_get(t, slice_str(key), k->mem, value, err);
}

/* A name, then its parent domains. */
static enum map_result
by_domain(struct check *k, struct map_list *t, const char *name,
    const char **value, struct error *err)
{
	bool	partial = false;

	for (const char *p = name; p != NULL && *p != '\0';) {
		enum map_result	r = get(k, t, p, partial, value, err);

		if (r != MAP_NONE)
			return r;
		p = strchr(p, '.');
		if (p != NULL)
			p++;
		partial = true;
	}
	return MAP_NONE;
}

/* 192.0.2.1, 192.0.2, 192.0, 192; 2001:db8::1, 2001:db8:, ... */
static enum map_result
by_address(struct check *k, struct map_list *t, const char *ip,
    const char **value, struct error *err)
{
	char	*key = arena_strdup(k->mem, ip);
	char	 sep = strchr(ip, ':') != NULL ? ':' : '.';
	bool	 partial = false;

	for (;;) {
		enum map_result	r = get(k, t, key, partial, value, err);
		char		*end = strrchr(key, sep);

		if (r != MAP_NONE || end == NULL)
			return r;
		*end = '\0';
		while (end > key && end[-1] == sep)
			*--end = '\0';
		if (key[0] == '\0')
			return MAP_NONE;
		partial = true;
	}
}

static enum map_result
by_mail(struct check *k, struct map_list *t, const char *address,
    const char **value, struct error *err)
{
	const char	*at = strrchr(address, '@'), *local;
	struct slice	 user, ext;
	bool		 unmatched;
	enum map_result	 r;

	if (address[0] == '\0')
		return get(k, t, k->c->s->conf->null_access_key, false, value,
		    err);
	r = map_list_get_addr(t, slice_str(address),
	    k->c->s->common->recipient_delimiter, MAP_ADDR_FULL |
	    MAP_ADDR_NOEXT | MAP_ADDR_DOM | MAP_ADDR_PARENT_NODOT, k->mem,
	    value, &unmatched, err);
	if (r != MAP_NONE || at == NULL)
		return r;
	local = arena_strndup(k->mem, address, (size_t)(at - address));
	r = get(k, t, arena_printf(k->mem, "%s@", local), true, value, err);
	if (r != MAP_NONE || !map_split_ext(slice_str(local),
	    k->c->s->common->recipient_delimiter, &user, &ext))
		return r;
	return get(k, t, arena_printf(k->mem, "%.*s@", SLICE_ARG(user)),
	    true, value, err);
}

static enum map_result
look_up(struct check *k, const struct restriction *r, const char **value,
    struct error *err)
{
	struct conn	*c = k->c;
	enum map_result	 got;

	switch ((enum stage)r->type->what) {
	case STAGE_CLIENT:
		got = by_domain(k, r->table, c->name, value, err);
		return got != MAP_NONE ? got :
		    by_address(k, r->table, c->ip, value, err);
	case STAGE_HELO:
		return c->helo == NULL ? MAP_NONE :
		    by_domain(k, r->table, c->helo, value, err);
	case STAGE_SENDER:
		return k->sender == NULL ? MAP_NONE :
		    by_mail(k, r->table, k->sender, value, err);
	default:
		return k->recipient == NULL ? MAP_NONE :
		    by_mail(k, r->table, k->recipient, value, err);
	}
}

/*
 * Actions.
 */
struct subject {
	const char	*name, *class;
};

/* What the texts say, by what was looked up. */
static struct subject
subject_of(struct check *k, const struct restriction *r)
{
	switch ((enum stage)r->type->what) {
	case STAGE_CLIENT:
		return (struct subject){ k->c->namaddr, "Client host" };
	case STAGE_HELO:
		return (struct subject){ k->c->helo, "Helo command" };
	case STAGE_SENDER:
		return (struct subject){ k->sender, "Sender address" };
	default:
		return (struct subject){ k->recipient, "Recipient address" };
	}
}

static void
note(struct check *k, const struct subject *s, const char *what,
    const char *text)
{
	log_reject(k->c, what, stage_where(k->at), k->recipient,
	    arena_printf(k->mem, "<%s>: %s%s%s", s->name, s->class,
	    text[0] != '\0' ? " " : "", text));
}

/* What a table asks for counts for the message, not for this question: keep
 * the text for as long. */
static const char *
keep(struct check *k, const char *text)
{
	return arena_strdup(k->c->tx != NULL ? k->c->tx->mem : k->c->mem,
	    text);
}

static enum check_result
modify(struct check *k, const struct subject *s, const struct access *a)
{
	struct actions	*to = &k->c->actions;

	switch (a->kind) {
	case ACCESS_HOLD:
		to->hold = true;
		note(k, s, "hold", a->text);
		return CHECK_DUNNO;
	case ACCESS_DISCARD:
		to->discard = true;
		note(k, s, "discard", a->text);
		return CHECK_OK;
	case ACCESS_REDIRECT:
		if (smtp_cmd_address(slice_str(a->text), true, k->mem) ==
		    NULL) {
			log_warn("%s: bad REDIRECT address \"%s\"",
			    s->name, a->text);
			return check_reject(k, 451, "4.3.5",
			    "Server configuration error");
		}
		to->redirect = keep(k, a->text);
		note(k, s, "redirect", a->text);
		return CHECK_DUNNO;
	case ACCESS_PREPEND:
		if (strchr(a->text, ':') == NULL ||
		    to->nprepend == COUNT(to->prepend))
			log_warn("bad PREPEND in a table: \"%s\"", a->text);
		else
			to->prepend[to->nprepend++] = keep(k, a->text);
		return CHECK_DUNNO;
	case ACCESS_WARN:
		note(k, s, "warn", a->text);
		return CHECK_DUNNO;
	case ACCESS_INFO:
		note(k, s, "info", a->text);
		return CHECK_DUNNO;
	default:
		return CHECK_DUNNO;
	}
}

static enum check_result
refuse(struct check *k, const struct subject *s, const struct access *a,
    int code, const char *dsn)
{
	return check_reject(k, code, a->dsn != NULL ? a->dsn : dsn,
	    "<%s>: %s rejected: %s", s->name, s->class,
	    a->text[0] != '\0' ? a->text : "Access denied");
}

static enum check_result
run_list(struct check *k, const struct restriction *r,
    const struct access *a)
{
	const struct rlist	*l;
	struct error		 err;

	if (check_parse(k->c->s, r->arg, a->text, k->stages[k->stage], false,
	    k->mem, &l, &err) < 0) {
		log_warn("%s", err.text);
		return check_reject(k, 451, "4.3.5",
		    "Server configuration error");
	}
	return check_push(k, l);
}

static enum check_result
act(struct check *k, const struct restriction *r, const struct access *a)
{
	struct subject	s = subject_of(k, r);

	switch (a->kind) {
	case ACCESS_OK:
		return CHECK_OK;
	case ACCESS_DUNNO:
		return CHECK_DUNNO;
	case ACCESS_REJECT:
		return refuse(k, &s, a, (int)k->c->s->conf->access_code,
		    "5.7.1");
	case ACCESS_DEFER:
		return refuse(k, &s, a, (int)k->c->s->conf->defer_code,
		    "4.7.1");
	case ACCESS_CODE:
		return refuse(k, &s, a, a->code, "5.7.1");
	case ACCESS_DEFER_IF_PERMIT:
		return check_defer_if_permit(k, 450, a->dsn != NULL ? a->dsn :
		    "4.7.1", "<%s>: %s rejected: %s", s.name, s.class,
		    a->text[0] != '\0' ? a->text :
		    "Service is unavailable");
	case ACCESS_DEFER_IF_REJECT:
		k->defer_if_reject = (struct verdict){
			.kind = VERDICT_REJECT, .code = 450,
			.dsn = a->dsn != NULL ? a->dsn : "4.7.1",
			.text = arena_printf(k->mem, "<%s>: %s rejected: %s",
			    s.name, s.class, a->text[0] != '\0' ? a->text :
			    "Service is unavailable"),
		};
		policy_fix(&k->defer_if_reject, false, k->mem);
		return CHECK_DUNNO;
	case ACCESS_LIST:
		return run_list(k, r, a);
	default:
		return modify(k, &s, a);
	}
}

enum check_result
check_access(struct check *k, const struct restriction *r)
{
	const char	*value;
	struct error	 err;
	struct access	 a;

	switch (look_up(k, r, &value, &err)) {
	case MAP_NONE:
		return CHECK_DUNNO;
	case MAP_WAIT:
		return check_wait_table(k);
	case MAP_ERROR:
		return check_lookup_failed(k, subject_of(k, r).name, &err);
	case MAP_FOUND:
		break;
	}
	policy_access_get(value, k->mem, &a);
	return act(k, r, &a);
}
