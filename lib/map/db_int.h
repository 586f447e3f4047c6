/* SPDX-License-Identifier: Apache-2.0 */
/* db_int.h - Berkeley DB with an environment of our own. */
#ifndef MAP_DB_INT_H
#define MAP_DB_INT_H

#include <db.h>
#include <stdint.h>

#include "base/error.h"
#include "base/slice.h"

struct map_db {
	DB_ENV	*env;
	DB	*db;
};

/* type: "hash" or "btree".  db_flags: DB_RDONLY, or DB_CREATE and so on. */
int	 map_db_open(struct map_db *d, const char *type, const char *path,
	    uint32_t db_flags, struct error *err) MUST_USE;

/* 0, or an errno or DB_ code.  Safe for one that is not open. */
int	 map_db_close(struct map_db *d);

DBT	 map_db_dbt(struct slice s);

#endif
