/* SPDX-License-Identifier: Apache-2.0 */
/* conf_int.h - what the files of lib/conf share. */
#ifndef CONF_CONF_INT_H
#define CONF_CONF_INT_H

#include "base/hash.h"
#include "base/list.h"
#include "conf/conf.h"

#define CONF_EXPAND_DEPTH	100
#define CONF_EXPAND_STEPS	1000000
#define CONF_EXPAND_MAX		((size_t)16 << 20)

struct conf_entry {
	struct list	 link;
	const char	*name, *value;
	const char	*file;		/* NULL: an override */
	int		 line;
};

struct conf {
	char		*dir;
	struct arena	*mem;
	struct hash	*entries;	/* name -> struct conf_entry */
	struct list	 order;
	struct hash	*rows;		/* name -> const struct param */
};

/* One expansion: where the result goes and how much work is left. */
struct conf_expansion {
	const struct conf	*c;
	struct arena		*a;
	struct error		*err;
	int			 steps;
};

struct conf_entry	*conf_entry_find(const struct conf *c,
			    const char *name);

/* The value of a name, not expanded: entry, computed default, row default.
 * NULL: nobody knows it. */
const char	*conf_source(struct conf_expansion *x, const char *name,
		    int depth);

/* Expanded text in x->a, or NULL with *x->err. */
const char	*conf_expand_at(struct conf_expansion *x, const char *text,
		    int depth);

/* Defaults that are found out on the machine.  NULL: name is not one. */
const char	*conf_computed(struct conf_expansion *x, const char *name,
		    int depth);

/* "/etc/posthouse/main.cf, line 3: parameter x: bad ..." into *err; -1. */
int	 conf_error(const struct conf *c, const char *name, const char *value,
	    const char *expected, struct error *err);

#endif
