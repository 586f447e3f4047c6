/* SPDX-License-Identifier: Apache-2.0 */
/* log.h - one line per event, in the shape that Postfix's tools parse:
 *	Nov 22 10:00:00 host posthouse/smtpd[123]: text
 * Peer data is made printable here (bytes below 32, 127 and above become
 * '?' unless they are valid UTF-8), so callers need not.  A line is cut at
 * 2000 bytes.  A log that cannot be written never blocks and never fails the
 * caller; lost lines are counted and the count is logged when it works again.
 * Only programs and lib/daemon log; other libraries return errors. */
#ifndef SYS_LOG_H
#define SYS_LOG_H

#include <stdarg.h>
#include <stdbool.h>

#include "base/attr.h"

enum log_dest {
	LOG_TO_SYSLOG,		/* facility mail, /dev/log */
	LOG_TO_FILE,		/* O_APPEND writes of whole lines */
	LOG_TO_STDERR		/* tools and tests; no time stamp */
};

/* tag: "posthouse/smtpd".  path: for LOG_TO_FILE, opened now (as root, before
 * chroot); "/dev/stdout" writes to descriptor 1.  -1 with errno: cannot open;
 * then lines go to standard error. */
int	 log_open(const char *tag, enum log_dest dest, const char *path);

/* From now on information lines of this thread may wait for log_flush(), if
 * they go to a regular file; lib/daemon calls it whenever the loop has nothing
 * else to do.  Warnings and worse, fork(), exit() and panic() do not wait, and
 * take along what does.  A child begins without it. */
void	 log_hold(void);
void	 log_flush(void);

/* Another tag for what follows (a library that logs under the old name of a
 * program: "posthouse/cleanup"). */
void	 log_info_as(const char *tag, const char *fmt, ...) PRINTF(2, 3);

void	 log_info(const char *fmt, ...) PRINTF(1, 2);

/* "warning: text", "error: text" */
void	 log_warn(const char *fmt, ...) COLD PRINTF(1, 2);
void	 log_error(const char *fmt, ...) COLD PRINTF(1, 2);

/* "fatal: text" and exit(1): at start-up only. */
void	 log_fatal(const char *fmt, ...) COLD NORETURN PRINTF(1, 2);

/* Only with -v. */
void	 log_debug(const char *fmt, ...) PRINTF(1, 2);
void	 log_verbose(bool on);

/* The tag's part before the slash, e.g. "posthouse"; for log_info_as(). */
const char	*log_name(void);

#endif
