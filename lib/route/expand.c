/* SPDX-License-Identifier: Apache-2.0 */
/* virtual_alias_maps.  A work list: each address is looked up until nothing
 * is found or it expands to itself, its first result takes its place, the
 * others go to the end. */
#include <string.h>

#include "base/ascii.h"
#include "base/hash.h"
#include "base/mem.h"
#include "route/route_int.h"

struct expansion {
	struct route	*r;
	struct arena	*a;
	struct error	*err;
	const char	**list;
	size_t		 n, room;
	struct hash	*selves;	/* those that expand to themselves;
					 * NULL: none yet */
};

static void
is_itself(struct expansion *x, const char *address)
{
	if (x->selves == NULL)
		x->selves = hash_new();
	hash_puts(x->selves, address, x);
}

static void
push(struct expansion *x, const char *address)
{
	if (x->n == x->room) {
		x->room = x->room * 2 + 8;
		x->list = mem_grow(x->list, x->room, sizeof(*x->list));
	}
	x->list[x->n++] = address;
}

/* The next address of a result: separated by comma and white space, which
 * double quotes protect; "<" and ">" around are dropped. */
static bool
take_address(struct slice *s, struct slice *out)
{
	static const char	seps[] = ", \t\r\n";
	bool			quoted = false;
	size_t			i = 0;

	while (s->len > 0 && memchr(seps, s->p[0], 5) != NULL)
		*s = slice_from(*s, 1);
	for (; i < s->len; i++) {
		if (quoted && s->p[i] == '\\')
			i++;
		else if (s->p[i] == '"')
			quoted = !quoted;
		else if (!quoted && memchr(seps, s->p[i], 5) != NULL)
			break;
	}
	if (i > s->len)
		i = s->len;
	*out = slice_first(*s, i);
	*s = slice_from(*s, i);
	if (out->len > 2 && out->p[0] == '<' && out->p[out->len - 1] == '>')
		*out = slice_of(out->p + 1, out->len - 2);
	return i > 0;
}

/* One result in full: "@new" keeps the user, the rest of the extension is
 * put behind the user, what lacks is completed. */
static enum route_result
complete(struct expansion *x, struct slice result, const char *from,
    bool unmatched_ext, const char **out)
{
	struct slice		 whole = slice_str(from), user, ext, local;
	const char		*domain = route_domain(from);
	char			 delim = '\0';
	enum route_result	 res;

	if (domain[0] != '\0')
		whole.len -= strlen(domain) + 1;
	if (map_split_ext(whole, x->r->common.recipient_delimiter, &user,
	    &ext))
		delim = (char)ext.p[-1];
	if (result.p[0] == '@')
		result = slice_str(arena_printf(x->a, "%.*s%.*s",
		    SLICE_ARG(unmatched_ext ? user : whole),
		    SLICE_ARG(result)));
	res = route_canonical(x->r, result, x->a, out, x->err);
	if (res != ROUTE_DONE || !unmatched_ext || delim == '\0' ||
	    !x->r->propagate_virtual)
		return res;
	domain = route_domain(*out);
	local = slice_str(*out);
	if (domain[0] != '\0')
		local.len -= strlen(domain) + 1;
	/* A quoted local part has its end inside the quotes. */
	if (local.len > 1 && local.p[local.len - 1] == '"')
		*out = arena_printf(x->a, "%.*s%c%.*s\"@%s",
		    (int)local.len - 1, *out, delim, SLICE_ARG(ext), domain);
	else
		*out = arena_printf(x->a, "%.*s%c%.*s%s%s", SLICE_ARG(local),
		    delim, SLICE_ARG(ext), domain[0] != '\0' ? "@" : "",
		    domain);
	return ROUTE_DONE;
}

static enum route_result
failed(struct expansion *x, const char *what, const char *address)
{
	(void)error_set(x->err, "unreasonable virtual_alias_maps map %s for "
	    "%.200s", what, address);
	return ROUTE_ERROR;
}

/* Put the results of value in the place of list[at] and at the end. */
static enum route_result
replace(struct expansion *x, size_t at, const char *value, bool ext)
{
	struct slice	 s = slice_str(value), one;
	const char	*from = x->list[at], *address;
	bool		 first = true;

	while (take_address(&s, &one)) {
		enum route_result	res = complete(x, one, from, ext,
					    &address);

		if (res != ROUTE_DONE)
			return res;
		if ((int64_t)strlen(address) >
		    x->r->conf.virtual_alias_address_length_limit)
			return failed(x, "address length", from);
		if ((int64_t)x->n >= x->r->conf.virtual_alias_expansion_limit
		    && !first)
			return failed(x, "expansion size", from);
		if (strcasecmp(address, from) == 0)
			is_itself(x, address);
		if (first)
			x->list[at] = address;
		else
			push(x, address);
		first = false;
	}
	if (first) {
		(void)error_set(x->err, "no address in the "
		    "virtual_alias_maps result for %.200s", from);
		return ROUTE_ERROR;
	}
	return ROUTE_DONE;
}

static enum route_result
expand_at(struct expansion *x, size_t at)
{
	int64_t	count = 0;

	for (;; count++) {
		const char		*value;
		bool			 ext = false;
		enum route_result	 res;

		if (x->selves != NULL &&
		    hash_gets(x->selves, x->list[at]) != NULL)
			return ROUTE_DONE;
		res = route_find(x->r, x->r->virtual_alias, x->list[at], x->a,
		    &value, &ext, x->err);
		if (res != ROUTE_DONE || value == NULL)
			return res;
		if (count >= x->r->conf.virtual_alias_recursion_limit)
			return failed(x, "nesting", x->list[at]);
		res = replace(x, at, value, ext);
		if (res != ROUTE_DONE)
			return res;
	}
}

/* Without duplicates (the case of the local part is not ours to judge, but
 * mail systems that tell it apart are not known; Postfix ignores it too). */
static void
unique(struct expansion *x, const char ***out, size_t *n_out)
{
	struct hash	*seen;
	const char	**list = arena_array(x->a, x->n, sizeof(*list));
	size_t		 n = 0;

	*out = list;
	if (x->n == 1) {
		list[0] = x->list[0];
		*n_out = 1;
		return;
	}
	seen = hash_new();
	for (size_t i = 0; i < x->n; i++) {
		char	*key = arena_strdup(x->a, x->list[i]);

		for (char *p = key; *p != '\0'; p++)
			*p = (char)ascii_lower((unsigned char)*p);
		if (hash_puts(seen, key, x) == NULL)
			list[n++] = x->list[i];
	}
	hash_free(&seen);
	*n_out = n;
}

enum route_result
route_expand(struct route *r, const char *address, struct arena *a,
    const char ***out, size_t *n_out, struct error *err)
{
	struct expansion	x = { .r = r, .a = a, .err = err };
	enum route_result	res = ROUTE_DONE;

	push(&x, arena_strdup(a, address));
	if (!map_list_empty(r->virtual_alias) && address[0] != '\0')
		for (size_t i = 0; res == ROUTE_DONE && i < x.n; i++)
			res = expand_at(&x, i);
	if (res == ROUTE_DONE)
		unique(&x, out, n_out);
	hash_free(&x.selves);
	mem_free(&x.list);
	return res;
}
