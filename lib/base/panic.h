/* SPDX-License-Identifier: Apache-2.0 */
/* panic.h - for states that only a bug of ours can bring about.
 * Never reachable by anything a peer, a file or an administrator does. */
#ifndef BASE_PANIC_H
#define BASE_PANIC_H

#include "base/attr.h"

/* Hand the text to the hook (the logger installs one; default: standard
 * error) and abort(). */
void	 panic(const char *fmt, ...) COLD NORETURN PRINTF(1, 2);

/* hook must not return to the caller's state; it only reports. */
void	 panic_hook(void (*hook)(const char *text));

/* Stays on in production builds. */
#define ASSERT(x) \
	((x) ? (void)0 : panic("%s:%d: %s", __FILE__, __LINE__, #x))

#endif
