/* SPDX-License-Identifier: Apache-2.0 */
/* slice.h - a borrowed run of bytes: no owner, no NUL promise.
 * Copy it freely, never free it.  To keep one beyond the current event,
 * slice_dup() it into an arena that lives long enough. */
#ifndef BASE_SLICE_H
#define BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/attr.h"

struct arena;

struct slice {
	const unsigned char	*p;
	size_t			 len;
};

/* For printf: "%.*s", SLICE_ARG(s). */
#define SLICE_ARG(s)	(int)(s).len, (const char *)(s).p
#define SLICE_LIT(lit) \
	((struct slice){ (const unsigned char *)(lit), sizeof(lit) - 1 })

static inline struct slice
slice_of(const void *p, size_t len)
{
	return (struct slice){ p, len };
}

/* s may be NULL: the empty slice. */
static inline struct slice
slice_str(const char *s)
{
	return slice_of(s, s == NULL ? 0 : strlen(s));
}

bool	 slice_eq(struct slice a, struct slice b);
bool	 slice_is(struct slice a, const char *s);

/* <0, 0, >0 by unsigned bytes, then by length: a total order.  ASCII case is
 * ignored by slice_i...(); bytes above 127 compare as they are. */
int	 slice_cmp(struct slice a, struct slice b);
int	 slice_icmp(struct slice a, struct slice b);

static inline bool
slice_ieq(struct slice a, struct slice b)
{
	return a.len == b.len && slice_icmp(a, b) == 0;
}

/* Mostly s is a literal, whose length the compiler knows. */
static inline bool
slice_iis(struct slice a, const char *s)
{
	return slice_ieq(a, slice_str(s));
}

bool	 slice_starts(struct slice s, const char *prefix);
bool	 slice_istarts(struct slice s, const char *prefix);
bool	 slice_ends(struct slice s, const char *suffix);

/* Index of the first/last byte c, or -1. */
ptrdiff_t	 slice_find(struct slice s, int c);
ptrdiff_t	 slice_rfind(struct slice s, int c);

/* Index where needle begins in s, or -1.  The empty needle is at 0. */
ptrdiff_t	 slice_search(struct slice s, struct slice needle);

/* The part from byte `from` on / the first n bytes; clamped to the slice. */
static inline struct slice
slice_from(struct slice s, size_t from)
{
	if (from > s.len)
		from = s.len;
	return slice_of(s.p == NULL ? NULL : s.p + from, s.len - from);
}

static inline struct slice
slice_first(struct slice s, size_t n)
{
	return slice_of(s.p, n < s.len ? n : s.len);
}

/* Split *s at the first byte c.  True: *head_out is the part before it and *s
 * the part after it.  False: c does not occur; nothing is changed. */
bool	 slice_cut(struct slice *s, int c, struct slice *head_out);

/* Take the next word: skip bytes of `seps`, then take up to the next of them.
 * False: nothing is left; *word_out is empty. */
bool	 slice_word(struct slice *s, const char *seps, struct slice *word_out);

/* Without space, TAB, CR and LF at both ends / at the end only. */
struct slice	 slice_trim(struct slice s);
struct slice	 slice_rtrim(struct slice s);

/* Decimal digits only, whole slice, no sign.  False: not a number, or more
 * than max. */
bool	 slice_u64(struct slice s, uint64_t max, uint64_t *out) MUST_USE;

/* Copy into a as a C string.  NULL if s contains a NUL byte (peer's fault). */
char	*slice_cstr(struct arena *a, struct slice s) MUST_USE;

/* Copy of the bytes in a. */
struct slice	 slice_dup(struct arena *a, struct slice s) MUST_USE;

#endif
