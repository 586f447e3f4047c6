/* SPDX-License-Identifier: Apache-2.0 */
/* attr.h - compiler attributes and the few macros every file may use. */
#ifndef BASE_ATTR_H
#define BASE_ATTR_H

#include <stddef.h>

/* Called where something went wrong: what leads there is kept out of the way of
 * the code that runs. */
#define COLD		__attribute__((cold))

#define INLINE		inline __attribute__((always_inline))
#define MUST_USE	__attribute__((warn_unused_result))
#define NOINLINE	__attribute__((noinline))
#define NORETURN	__attribute__((noreturn))
#define PRINTF(f, a)	__attribute__((format(printf, f, a)))
#define UNUSED		__attribute__((unused))

#define COUNT(a)	(sizeof(a) / sizeof((a)[0]))

/* The struct s that contains member m at address p. */
#define CONTAINER(p, s, m) \
	((s *)(void *)((char *)(p) - offsetof(s, m)))

#endif
