/* SPDX-License-Identifier: Apache-2.0 */
/* macro.h - $name, ${name}, $(name), ${name?text}, ${name:text} in delivery
 * commands and paths.  Values are put in as they are: never expanded again,
 * never split. */
#ifndef LOCAL_DELIVERY_MACRO_H
#define LOCAL_DELIVERY_MACRO_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/error.h"
#include "base/slice.h"

/* The value of a name; NULL: there is no such name.  "" counts as not set for
 * '?' and ':'. */
typedef const char	*macro_get(void *arg, struct slice name);

/* NULL: *err (unknown name, unbalanced, over 64 KiB).  empty_out (may be NULL)
 * is set if some plain $name was empty. */
const char	*macro_expand(const char *text, macro_get *get, void *arg,
		    struct arena *a, bool *empty_out, struct error *err)
		    MUST_USE;

/* Copy of value with every byte outside `allowed` replaced by '_'; bytes above
 * 127 are replaced too. */
const char	*macro_filter(const char *value, const char *allowed,
		    struct arena *a);

#endif
