/* SPDX-License-Identifier: Apache-2.0 */
/* map_write.h - making hash: and btree: files: a new file beside the old one,
 * synced, then renamed over it.  Readers see the old table or the new one. */
#ifndef MAP_MAP_WRITE_H
#define MAP_MAP_WRITE_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/attr.h"
#include "base/error.h"
#include "base/slice.h"

struct map_writer;

enum map_write_flags {
	MAP_WRITE_NO_NUL = 1	/* keys and values without a final NUL; Postfix
				 * on Linux writes and expects one */
};

/* type "hash" or "btree"; path without ".db".  mode: of the new file. */
int	 map_write_open(const char *type, const char *path, mode_t mode,
	    unsigned int flags, struct map_writer **out, struct error *err)
	    MUST_USE;

/* Keys are stored as they are: fold them first where the reader folds.
 * 0 stored, 1 the key is there already (nothing is changed unless replace),
 * -1 failed. */
int	 map_write_put(struct map_writer *w, struct slice key,
	    struct slice value, bool replace, struct error *err) MUST_USE;

/* 0 removed, 1 there was none, -1 failed. */
int	 map_write_delete(struct map_writer *w, struct slice key,
	    struct error *err) MUST_USE;

/* Sync and rename; *w is freed in any case.  -1: the old file is still
 * there. */
int	 map_write_commit(struct map_writer **w, struct error *err) MUST_USE;
void	 map_write_abort(struct map_writer **w);

/* Every record of a file made by map_write or postmap, in the order of the
 * file, without final NULs.  each: -1 stops.  -1: *err. */
int	 map_read_all(const char *type, const char *path,
	    int (*each)(void *arg, struct slice key, struct slice value),
	    void *arg, struct error *err) MUST_USE;

/* "key value" of a source line: the key ends at white space outside double
 * quotes.  NULL, or what is wrong. */
const char	*map_source_split(struct slice line, struct slice *key_out,
		    struct slice *value_out);

#endif
