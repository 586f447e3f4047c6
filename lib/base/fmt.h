/* SPDX-License-Identifier: Apache-2.0 */
/* fmt.h - printf() for the formats that every message and log line uses: text,
 * characters and whole numbers without width.  Several times as fast as the C
 * library's, which does the rest. */
#ifndef BASE_FMT_H
#define BASE_FMT_H

#include <stdarg.h>
#include <stddef.h>

#include "base/attr.h"

/* As vsnprintf(): the length that the text has or would have; a NUL behind
 * what fits, if size > 0. */
size_t	 fmt_put(char *out, size_t size, const char *fmt, va_list ap)
	    PRINTF(3, 0);
size_t	 fmt_print(char *out, size_t size, const char *fmt, ...) PRINTF(3, 4);

#endif
