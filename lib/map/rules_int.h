/* SPDX-License-Identifier: Apache-2.0 */
/* rules_int.h - tables that are a list of rules tried in order: regexp:,
 * pcre:, cidr:.
 *
 *	pattern result / !pattern result / if pattern / if !pattern / endif
 */
#ifndef MAP_RULES_INT_H
#define MAP_RULES_INT_H

#include "map/map_int.h"

#define RULES_GROUPS_MAX	100

struct rule_match {
	struct slice	group[RULES_GROUPS_MAX];	/* 0: the whole */
	size_t		n;
};

struct rule_kind {
	/* Take the pattern off the front of *rest.  *groups_out: how many
	 * $n there may be.  NULL: *err. */
	void	*(*compile)(struct slice *rest, size_t *groups_out,
		    struct error *err);
	/* 1 matches, 0 not, -1 *err. */
	int	(*match)(const void *pattern, const char *key,
		    struct rule_match *out, struct error *err);
	void	(*free)(void *pattern);
	bool	substitutes;
};

/* arg: a file, or { {rule} {rule} }. */
int	 rules_open(struct map *m, const struct rule_kind *kind,
	    const char *arg, struct error *err) MUST_USE;
void	 rules_close(struct map *m);
enum map_result	 rules_get(struct map *m, const char *key, struct arena *a,
		    const char **value_out, struct error *err);

#endif
