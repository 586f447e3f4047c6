/* SPDX-License-Identifier: Apache-2.0 */
/* error.h - why an action failed: what the world did to us, in words.
 * A function that returns int answers 0 (done) or -1 (failed, *err filled).
 * err may be NULL where the caller does not care for the words. */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include "base/attr.h"

struct error {
	char	 text[512];	/* one line, no final period or newline */
	int	 sys;		/* errno of the failed call, 0 if none */
};

/* Fill *err and return -1, so that "return error_set(err, ...)" works. */
int	 error_set(struct error *err, const char *fmt, ...) COLD
	    PRINTF(2, 3);

/* The same, with ": strerror(errno)" behind the text and errno kept. */
int	 error_sys(struct error *err, const char *fmt, ...) COLD
	    PRINTF(2, 3);

/* Put "where: " in front of what *err says already.  Returns -1. */
int	 error_in(struct error *err, const char *fmt, ...) COLD
	    PRINTF(2, 3);

#endif
