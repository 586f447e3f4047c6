/* SPDX-License-Identifier: Apache-2.0 */
/* map_int.h - what the table types share. */
#ifndef MAP_MAP_INT_H
#define MAP_MAP_INT_H

#include <sys/stat.h>

#include "base/buf.h"
#include "base/times.h"
#include "map/map.h"

#define MAP_KEY_MAX	((size_t)8192)	/* longer keys are in no table */
#define MAP_DEPTH_MAX	10		/* of tables inside tables, files */

struct map_type {
	const char	*name;
	bool		 keyed;
	bool		 folds;		/* keys are folded to lower case */

	/* arg is what stands behind "type:".  -1: *err. */
	int		(*open)(struct map *m, const char *arg,
			    struct error *err);
	/* key is a C string without NUL inside. */
	enum map_result	(*get)(struct map *m, const char *key,
			    struct arena *a, const char **value_out,
			    struct error *err);
	void		(*close)(struct map *m);	/* may be NULL */
	bool		(*changed)(struct map *m);	/* may be NULL */
};

struct map {
	const struct map_type	*type;
	char			*name;
	void			*impl;
	struct map_env		 env;
	struct arena		*mem;
	int			 depth;
	bool			 keyed;		/* type's, or of all parts */

	/* The file behind it, kept open: that works after chroot. */
	int			 fd;		/* -1: none */
	bool			 own_fd;
	struct stat		 st;
	usec_t			 looked_mono;
	bool			 is_changed;
};

extern const struct map_type	map_type_hash, map_type_btree, map_type_inline,
				map_type_texthash, map_type_static,
				map_type_fail, map_type_unix,
				map_type_unionmap, map_type_pipemap,
				map_type_regexp, map_type_pcre, map_type_cidr;

/* Remember fd as the one to watch. */
int	 map_watch(struct map *m, int fd, bool own, const char *path,
	    struct error *err) MUST_USE;

/* Read a source file into text and watch it. */
int	 map_read_source(struct map *m, const char *path, struct buf *text,
	    struct error *err) MUST_USE;

/* "{ a, {b c} }" -> the inside; false: no braces around. */
bool	 map_unbrace(struct slice text, struct slice *inside_out);

int	 map_open_at(const char *spec, const struct map_env *env, int depth,
	    struct map **out, struct error *err) MUST_USE;

/* As map_open_at(), but a table whose file is not there or not readable
 * becomes one that answers MAP_ERROR until it is: one missing file must not
 * stop a whole service (Postfix does the same). */
int	 map_open_lenient(const char *spec, const struct map_env *env,
	    int depth, struct map **out, struct error *err) MUST_USE;

#endif
