/* SPDX-License-Identifier: Apache-2.0 */
/* fmt.h - printf() for the formats that every message and log line uses: text,
 * characters and whole numbers without width.  Several times as fast as the C
 * library's, which does the rest. */
#ifndef BASE_FMT_H
#define BASE_FMT_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"

#define FMT_DIGITS	20		/* of the largest number */

/* As vsnprintf(): the length that the text has or would have; a NUL behind
 * what fits, if size > 0. */
size_t	 fmt_put(char *out, size_t size, const char *fmt, va_list ap)
	    PRINTF(3, 0);
size_t	 fmt_print(char *out, size_t size, const char *fmt, ...) PRINTF(3, 4);

/* v in decimal, right in front of end, where FMT_DIGITS bytes are free.  Where it
 * begins; no NUL. */
char	*fmt_digits(char *end, uint64_t v) MUST_USE;

#endif
