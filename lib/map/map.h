/* SPDX-License-Identifier: Apache-2.0 */
/* map.h - look-up tables "type:name" with Postfix's types and meaning.
 * Only lib/map uses Berkeley DB and PCRE2.
 *
 * Open tables before privileges drop.  A look-up answers at once for local
 * types.  Types that ask a server may answer MAP_WAIT: then the wake function
 * given at open is called when it is worth asking again with the same key;
 * callers are therefore written so that the whole step can be repeated. */
#ifndef MAP_MAP_H
#define MAP_MAP_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/error.h"
#include "base/slice.h"

struct map;
struct map_list;

enum map_result {
	MAP_FOUND,		/* *value_out is set */
	MAP_NONE,		/* no such key */
	MAP_ERROR,		/* temporary failure; *err */
	MAP_WAIT		/* ask again after wake() */
};

struct map_env {
	const char	*default_type;	/* for names without "type:" */
	void		(*wake)(void *arg);	/* may be NULL */
	void		*arg;
};

int	 map_open(const char *spec, const struct map_env *env,
	    struct map **out, struct error *err) MUST_USE;
void	 map_close(struct map **m);
const char	*map_name(const struct map *m);		/* "hash:/etc/x" */

/* Keys of indexed types are folded to lower case.  The value is copied into
 * a. */
enum map_result	 map_get(struct map *m, struct slice key, struct arena *a,
		    const char **value_out, struct error *err) MUST_USE;

/* False for regexp, pcre, cidr, static...: whole key only, no partial look-ups
 * (user, domain), as in Postfix. */
bool	 map_is_keyed(const struct map *m);

/* The file behind it was replaced since it was opened (look at most once a
 * second); then the daemon retires or opens it again. */
bool	 map_changed(struct map *m);

/* "type:a, type:b": asked in order, first answer wins.  "" is an empty list.
 * A table whose file is missing answers MAP_ERROR until it is there. */
int	 map_list_open(const char *spec, const struct map_env *env,
	    struct map_list **out, struct error *err) MUST_USE;
void	 map_list_close(struct map_list **l);
bool	 map_list_empty(const struct map_list *l);
bool	 map_list_changed(struct map_list *l);
enum map_result	 map_list_get(struct map_list *l, struct slice key,
		    struct arena *a, const char **value_out,
		    struct error *err) MUST_USE;

/* For partial keys (a domain in place of an address): tables with patterns
 * are not asked. */
enum map_result	 map_list_get_partial(struct map_list *l, struct slice key,
		    struct arena *a, const char **value_out,
		    struct error *err);

/*
 * How an address is looked up (virtual(5), canonical(5), transport(5),
 * access(5)).  Flags say which forms are tried, in this order:
 * user+ext@domain, user@domain, user+ext, user, @domain.
 * matched_ext_out: the extension was not part of the matching key (it may be
 * propagated to the result).
 */
enum map_addr {
	MAP_ADDR_FULL    = 1,
	MAP_ADDR_NOEXT   = 2,
	MAP_ADDR_USER    = 4,	/* only asked for addresses in local domains */
	MAP_ADDR_AT_DOM  = 8,
	MAP_ADDR_DOM     = 16,	/* domain, for access and transport */
	MAP_ADDR_PARENT  = 32,	/* and ".parent" domains */
	MAP_ADDR_PARENT_NODOT = 64	/* and "parent" domains (access(5)) */
};
enum map_result	 map_list_get_addr(struct map_list *l, struct slice addr,
		    const char *delimiters, unsigned int forms,
		    struct arena *a, const char **value_out,
		    bool *unmatched_ext_out, struct error *err) MUST_USE;

/* Split a local part at the first of the delimiters: "user+ext" -> "user",
 * "ext".  False: there is no extension.  The names mailer-daemon and
 * double-bounce are never split, with '-' neither owner-x nor x-request. */
bool	 map_split_ext(struct slice local, const char *delimiters,
	    struct slice *user_out, struct slice *ext_out);

/* Take the next element of a list separated by comma and white space; braces
 * protect both.  False: nothing is left. */
bool	 map_list_word(struct slice *s, struct slice *word_out);

/* Match lists: "name, .parent, !name, /file, type:table". */
struct match_list;
enum match_kind { MATCH_DOMAIN, MATCH_HOST, MATCH_STRING };

/* parents: "example.com" matches its subdomains too. */
int	 match_list_open(const char *spec, enum match_kind kind, bool parents,
	    const struct map_env *env, struct match_list **out,
	    struct error *err) MUST_USE;
void	 match_list_close(struct match_list **l);

/* MAP_FOUND: it matches.  For MATCH_HOST, name is the host name and addr the
 * numeric address (networks "192.0.2.0/24" and "[2001:db8::]/32" match it). */
enum map_result	 match_list_has(struct match_list *l, const char *name,
		    const char *addr, struct error *err) MUST_USE;

bool	 match_list_changed(struct match_list *l);

/* Names of all types, NULL-terminated, for `postconf -m`. */
extern const char *const	map_types[];

#endif
