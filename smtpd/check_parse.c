/* SPDX-License-Identifier: Apache-2.0 */
/* Restriction lists from main.cf: names, arguments, tables, classes. */
#include "smtpd/check.h"

#include "base/mem.h"

#define ITEMS_MAX	1000

struct parse {
	struct smtpd	*s;
	const char	*param;
	enum stage	 stage;
	bool		 tables;
	struct arena	*a;
	struct slice	 rest;
	struct error	*err;
};

static const struct restriction_type *
find_type(struct slice name)
{
	for (size_t i = 0; i < restriction_ntypes; i++)
		if (slice_iis(name, restriction_types[i].name))
			return &restriction_types[i];
	return NULL;
}

/* A bare table means check_..._access of the stage it stands in. */
static const struct restriction_type *
implicit_type(enum stage s)
{
	static const char *const	names[STAGE_COUNT] = {
		[STAGE_CLIENT] = "check_client_access",
		[STAGE_HELO]   = "check_helo_access",
		[STAGE_SENDER] = "check_sender_access",
		[STAGE_RELAY]  = "check_recipient_access",
		[STAGE_RCPT]   = "check_recipient_access",
		[STAGE_DATA]   = "check_recipient_access",
		[STAGE_END]    = "check_recipient_access",
		[STAGE_ETRN]   = "check_client_access",
	};

	return find_type(slice_str(names[s]));
}

static int
open_table(struct parse *p, struct restriction *r, const char *spec)
{
	if (!p->tables)
		return error_set(p->err, "parameter %s: %s: a list inside a "
		    "table cannot name tables; make it a restriction class",
		    p->param, spec);
	if (map_list_open(spec, &p->s->map_env, &r->table, p->err) < 0)
		return error_in(p->err, "parameter %s", p->param);
	r->arg = spec;
	return 0;
}

static int
argument(struct parse *p, struct restriction *r)
{
	struct slice	word;

	if (r->type->arg == ARG_NONE)
		return 0;
	if (!map_list_word(&p->rest, &word))
		return error_set(p->err, "parameter %s: %s needs an argument",
		    p->param, r->name);
	r->arg = slice_cstr(p->a, word);
	if (r->type->arg == ARG_TABLE)
		return open_table(p, r, r->arg);
	return 0;
}

static int
one(struct parse *p, struct slice word, struct restriction *r)
{
	r->name = slice_cstr(p->a, word);
	if (r->name == NULL)
		return error_set(p->err, "parameter %s: NUL byte", p->param);
	r->type = find_type(word);
	if (r->type != NULL)
		return argument(p, r);
	r->sub = hash_get(p->s->classes, word);
	if (r->sub != NULL)
		return 0;
	if (slice_find(word, ':') > 0) {
		r->type = implicit_type(p->stage);
		return open_table(p, r, r->name);
	}
	return error_set(p->err, "parameter %s: unknown restriction \"%s\"",
	    p->param, r->name);
}

int
check_parse(struct smtpd *s, const char *param, const char *text,
    enum stage stage, bool tables, struct arena *a, const struct rlist **out,
    struct error *err)
{
	struct parse	 p = { s, param, stage, tables, a, slice_str(text),
			    err };
	struct rlist	*l = arena_alloc(a, sizeof(*l));
	struct slice	 word, count = p.rest;
	size_t		 n = 0;

	while (n < ITEMS_MAX && map_list_word(&count, &word))
		n++;
	l->param = param;
	l->items = arena_array(a, n + 1, sizeof(*l->items));
	while (l->n < n && map_list_word(&p.rest, &word)) {
		if (one(&p, word, &l->items[l->n]) < 0)
			return -1;
		l->n++;
	}
	*out = l;
	return 0;
}

/*
 * All of main.cf.
 */

/* Lists that could let anybody relay are a mistake, not a policy. */
static bool
guards(const struct rlist *l, int depth)
{
	static const char *const	names[] = {
		"reject_unauth_destination", "defer_unauth_destination",
		"reject", "defer", "defer_if_permit",
	};

	for (size_t i = 0; i < l->n; i++) {
		const struct restriction	*r = &l->items[i];

		/* A class is run by this list, so it counts. */
		if (r->sub != NULL && depth < CHECK_DEPTH &&
		    guards(r->sub, depth + 1))
			return true;
		for (size_t j = 0; r->type != NULL && j < COUNT(names); j++)
			if (strcmp(r->type->name, names[j]) == 0 &&
			    (i == 0 || l->items[i - 1].type == NULL ||
			    strcmp(l->items[i - 1].type->name,
			    "warn_if_reject") != 0))
				return true;
	}
	return false;
}

/* Classes may use classes that stand before them in the list. */
static int
open_classes(struct smtpd *s, struct error *err)
{
	struct slice	in = slice_str(s->conf->restriction_classes), word;

	while (slice_word(&in, ", \t\r\n", &word)) {
		const struct rlist	*l;
		const char	*name = slice_cstr(s->mem, word);
		const char	*text = conf_value(daemon_conf(s->d), s->mem,
				    name);
		union { const struct rlist *c; void *v; } p;

		if (check_parse(s, name, text, STAGE_RCPT, true, s->mem, &l,
		    err) < 0)
			return -1;
		p.c = l;
		hash_put(s->classes, word, p.v);
	}
	return 0;
}

int
check_open(struct smtpd *s, struct error *err)
{
	s->classes = hash_new();
	if (open_classes(s, err) < 0)
		return -1;
	for (int i = 0; i < STAGE_COUNT; i++)
		if (check_parse(s, stage_params[i], s->conf->restrictions[i],
		    (enum stage)i, true, s->mem, &s->lists[i], err) < 0)
			return -1;
	if (check_parse(s, "smtpd_reject_unlisted_recipient",
	    arena_printf(s->mem, "%s %s", s->conf->unlisted_sender ?
	    "reject_unlisted_sender" : "", s->conf->unlisted_rcpt ?
	    "reject_unlisted_recipient" : ""), STAGE_RCPT, true, s->mem,
	    &s->implicit, err) < 0)
		return -1;
	if (!guards(s->lists[STAGE_RELAY], 0) &&
	    !guards(s->lists[STAGE_RCPT], 0))
		return error_set(err, "in parameter smtpd_relay_restrictions "
		    "or smtpd_recipient_restrictions, specify at least one "
		    "working instance of: reject_unauth_destination, "
		    "defer_unauth_destination, reject, defer or "
		    "defer_if_permit");
	return 0;
}

static void
list_close(const struct rlist *l)
{
	for (size_t i = 0; l != NULL && i < l->n; i++)
		map_list_close(&l->items[i].table);
}

void
check_close(struct smtpd *s)
{
	size_t	 at = 0;
	void	*l;

	for (int i = 0; i < STAGE_COUNT; i++)
		list_close(s->lists[i]);
	while (s->classes != NULL && hash_each(s->classes, &at,
	    &(struct slice){ NULL, 0 }, &l))
		list_close(l);
	hash_free(&s->classes);
}

static bool
list_changed(const struct rlist *l, int depth)
{
	for (size_t i = 0; i < l->n; i++)
		if ((l->items[i].table != NULL &&
		    map_list_changed(l->items[i].table)) ||
		    (l->items[i].sub != NULL && depth < CHECK_DEPTH &&
		    list_changed(l->items[i].sub, depth + 1)))
			return true;
	return false;
}

bool
check_changed(struct smtpd *s)
{
	size_t	 at = 0;
	void	*l;

	for (int i = 0; i < STAGE_COUNT; i++)
		if (list_changed(s->lists[i], 0))
			return true;
	while (hash_each(s->classes, &at, &(struct slice){ NULL, 0 }, &l))
		if (list_changed(l, 0))
			return true;
	return map_list_changed(s->login_maps) ||
	    match_list_changed(s->mynetworks);
}
