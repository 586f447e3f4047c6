/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of tables, and how addresses are looked up in them. */
#include <string.h>

#include "base/mem.h"
#include "map/map_int.h"

struct map_list {
	struct map	**maps;
	size_t		  n;
};

int
map_list_open(const char *spec, const struct map_env *env,
    struct map_list **out, struct error *err)
{
	struct map_list	*l = mem_new(1, sizeof(*l));
	struct slice	 s = slice_str(spec), word;

	while (map_list_word(&s, &word)) {
		char	*one = mem_printf("%.*s", SLICE_ARG(word));
		int	 rc;

		l->maps = mem_grow(l->maps, l->n + 1, sizeof(*l->maps));
		rc = map_open_lenient(one, env, 0, &l->maps[l->n], err);
		mem_free(&one);
		if (rc < 0) {
			map_list_close(&l);
			return -1;
		}
		l->n++;
	}
	*out = l;
	return 0;
}

void
map_list_close(struct map_list **lp)
{
	struct map_list	*l = *lp;

	if (l == NULL)
		return;
	for (size_t i = 0; i < l->n; i++)
		map_close(&l->maps[i]);
	mem_free(&l->maps);
	mem_free(lp);
}

bool
map_list_empty(const struct map_list *l)
{
	return l->n == 0;
}

bool
map_list_changed(struct map_list *l)
{
	bool	changed = false;

	for (size_t i = 0; i < l->n; i++)
		changed |= map_changed(l->maps[i]);
	return changed;
}

/* partial: only tables whose keys are names, not patterns. */
static enum map_result
list_get(struct map_list *l, struct slice key, bool partial, struct arena *a,
    const char **value_out, struct error *err)
{
	for (size_t i = 0; i < l->n; i++) {
		enum map_result	r;

		if (partial && !map_is_keyed(l->maps[i]))
			continue;
		r = map_get(l->maps[i], key, a, value_out, err);
		if (r != MAP_NONE)
			return r;
	}
	return MAP_NONE;
}

enum map_result
map_list_get(struct map_list *l, struct slice key, struct arena *a,
    const char **value_out, struct error *err)
{
	return list_get(l, key, false, a, value_out, err);
}

enum map_result
map_list_get_partial(struct map_list *l, struct slice key, struct arena *a,
    const char **value_out, struct error *err)
{
	return list_get(l, key, true, a, value_out, err);
}

bool
map_split_ext(struct slice local, const char *delimiters,
    struct slice *user_out, struct slice *ext_out)
{
	size_t	n = 0;

	*user_out = local;
	*ext_out = (struct slice){ NULL, 0 };
	if (delimiters == NULL || delimiters[0] == '\0')
		return false;
	if (slice_iis(local, "postmaster") ||
	    slice_iis(local, "mailer-daemon") ||
	    slice_iis(local, "double-bounce"))
		return false;
	while (n < local.len && (local.p[n] == '\0' ||
	    strchr(delimiters, local.p[n]) == NULL))
		n++;
	if (n == 0 || n == local.len)
		return false;
	/* owner-list and list-request are names of their own. */
	if (local.p[n] == '-' && (slice_istarts(local, "owner-") ||
	    (local.len > 8 && slice_iis(slice_from(local, local.len - 8),
	    "-request"))))
		return false;
	*user_out = slice_first(local, n);
	*ext_out = slice_from(local, n + 1);
	return true;
}

/* What the forms of one address are made of. */
struct address {
	struct slice	local, user, at_domain, domain;
	bool		has_ext, has_domain;
};

static struct address
address_split(struct slice addr, const char *delimiters)
{
	struct address	d = { .local = addr };
	struct slice	ext;
	ptrdiff_t	at = slice_rfind(addr, '@');

	if (at >= 0) {
		d.has_domain = true;
		d.local = slice_first(addr, (size_t)at);
		d.at_domain = slice_from(addr, (size_t)at);
		d.domain = slice_from(addr, (size_t)at + 1);
	}
	d.has_ext = map_split_ext(d.local, delimiters, &d.user, &ext);
	return d;
}

static enum map_result
get_parents(struct map_list *l, struct slice domain, bool dot,
    struct arena *a, const char **value_out, struct error *err)
{
	struct slice	label, rest = domain;

	/* An address literal has no parents. */
	if (domain.len == 0 || domain.p[0] == '[')
		return MAP_NONE;
	while (slice_cut(&rest, '.', &label)) {
		struct slice	key = rest;
		enum map_result	r;

		if (rest.len == 0)
			break;
		if (dot)
			key = slice_of(rest.p - 1, rest.len + 1);
		r = list_get(l, key, true, a, value_out, err);
		if (r != MAP_NONE)
			return r;
	}
	return MAP_NONE;
}

enum map_result
map_list_get_addr(struct map_list *l, struct slice addr,
    const char *delimiters, unsigned int forms, struct arena *a,
    const char **value_out, bool *unmatched_ext_out, struct error *err)
{
	struct address	d = address_split(addr, delimiters);
	char		*noext = arena_printf(a, "%.*s%.*s",
			    SLICE_ARG(d.user), SLICE_ARG(d.at_domain));
	const struct form {
		bool		use, partial, drops_ext;
		struct slice	key;
	} form[] = {
		{ (forms & MAP_ADDR_FULL) != 0, false, false, addr },
		{ (forms & MAP_ADDR_NOEXT) != 0 && d.has_ext, true, true,
		    slice_str(noext) },
		{ (forms & MAP_ADDR_USER) != 0 && d.has_domain, true, false,
		    d.local },
		{ (forms & MAP_ADDR_USER) != 0 && d.has_domain && d.has_ext,
		    true, true, d.user },
		{ (forms & MAP_ADDR_AT_DOM) != 0 && d.has_domain, true, true,
		    d.at_domain },
		{ (forms & MAP_ADDR_DOM) != 0 && d.has_domain, true, true,
		    d.domain },
	};
	enum map_result	r;

	if (unmatched_ext_out != NULL)
		*unmatched_ext_out = false;
	for (size_t i = 0; i < COUNT(form); i++) {
		if (!form[i].use || form[i].key.len == 0)
			continue;
		r = list_get(l, form[i].key, form[i].partial, a, value_out,
		    err);
		if (r == MAP_FOUND && unmatched_ext_out != NULL)
			*unmatched_ext_out = form[i].drops_ext && d.has_ext;
		if (r != MAP_NONE)
			return r;
	}
	r = MAP_NONE;
	if (unmatched_ext_out != NULL)
		*unmatched_ext_out = d.has_ext;
	if (forms & (MAP_ADDR_PARENT | MAP_ADDR_PARENT_NODOT))
		r = get_parents(l, d.domain, (forms & MAP_ADDR_PARENT) != 0, a,
		    value_out, err);
	return r;
}
