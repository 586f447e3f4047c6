/* SPDX-License-Identifier: Apache-2.0 */
#include "base/slice.h"

#include "base/arena.h"
#include "base/ascii.h"

bool
slice_eq(struct slice a, struct slice b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

bool
slice_is(struct slice a, const char *s)
{
	return slice_eq(a, slice_str(s));
}

int
slice_icmp(struct slice a, struct slice b)
{
	size_t	n = a.len < b.len ? a.len : b.len;

	for (size_t i = 0; i < n; i++) {
		int	x = ascii_lower(a.p[i]), y = ascii_lower(b.p[i]);

		if (x != y)
			return x < y ? -1 : 1;
	}
	return a.len < b.len ? -1 : a.len > b.len;
}

bool
slice_starts(struct slice s, const char *prefix)
{
	return slice_is(slice_first(s, strlen(prefix)), prefix);
}

bool
slice_istarts(struct slice s, const char *prefix)
{
	return slice_iis(slice_first(s, strlen(prefix)), prefix);
}

bool
slice_ends(struct slice s, const char *suffix)
{
	size_t	n = strlen(suffix);

	return s.len >= n && slice_is(slice_from(s, s.len - n), suffix);
}

int
slice_cmp(struct slice a, struct slice b)
{
	size_t	n = a.len < b.len ? a.len : b.len;
	int	c = n == 0 ? 0 : memcmp(a.p, b.p, n);

	if (c != 0)
		return c;
	return a.len < b.len ? -1 : a.len > b.len;
}

ptrdiff_t
slice_find(struct slice s, int c)
{
	const unsigned char	*q;

	if (s.len == 0)
		return -1;
	q = memchr(s.p, c, s.len);
	return q == NULL ? -1 : q - s.p;
}

ptrdiff_t
slice_rfind(struct slice s, int c)
{
	const unsigned char	*q;

	if (s.len == 0)
		return -1;
	q = memrchr(s.p, c, s.len);
	return q == NULL ? -1 : q - s.p;
}

ptrdiff_t
slice_search(struct slice s, struct slice needle)
{
	const unsigned char	*q;

	if (needle.len == 0)
		return 0;
	if (s.len < needle.len)
		return -1;
	q = memmem(s.p, s.len, needle.p, needle.len);
	return q == NULL ? -1 : q - s.p;
}

bool
slice_cut(struct slice *s, int c, struct slice *head_out)
{
	ptrdiff_t	i = slice_find(*s, c);

	if (i < 0)
		return false;
	*head_out = slice_first(*s, (size_t)i);
	*s = slice_from(*s, (size_t)i + 1);
	return true;
}

static bool
one_of(unsigned char c, const char *set)
{
	/* Sets are short: a call of strchr() costs more. */
	while (*set != '\0')
		if ((unsigned char)*set++ == c)
			return true;
	return false;
}

/* A set of bytes: a bit for each below 64, where separators are, and a list
 * of the others. */
struct set {
	uint64_t	 low;
	const char	*all;
	bool		 has_high;
};

static struct set
set_of(const char *all)
{
	struct set	 s = { .all = all };

	for (const char *p = all; *p != '\0'; p++)
		if ((unsigned char)*p < 64)
			s.low |= UINT64_C(1) << *p;
		else
			s.has_high = true;
	return s;
}

static bool
in_set(const struct set *s, unsigned char c)
{
	if (c < 64)
		return (s->low >> c & 1) != 0;
	return s->has_high && one_of(c, s->all);
}

bool
slice_word(struct slice *s, const char *seps, struct slice *word_out)
{
	struct set	set = set_of(seps);
	size_t		i = 0, from;

	while (i < s->len && in_set(&set, s->p[i]))
		i++;
	from = i;
	while (i < s->len && !in_set(&set, s->p[i]))
		i++;
	*word_out = slice_of(s->p == NULL ? NULL : s->p + from, i - from);
	*s = slice_from(*s, i);
	return i > from;
}

struct slice
slice_rtrim(struct slice s)
{
	while (s.len > 0 && one_of(s.p[s.len - 1], " \t\r\n"))
		s.len--;
	return s;
}

struct slice
slice_trim(struct slice s)
{
	size_t	i = 0;

	while (i < s.len && one_of(s.p[i], " \t\r\n"))
		i++;
	return slice_rtrim(slice_from(s, i));
}

bool
slice_u64(struct slice s, uint64_t max, uint64_t *out)
{
	uint64_t	n = 0;

	if (s.len == 0)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		unsigned int	d = (unsigned int)s.p[i] - '0';

		if (d > 9 || n > max / 10 || n * 10 > max - d || d > max)
			return false;
		n = n * 10 + d;
	}
	*out = n;
	return true;
}

char *
slice_cstr(struct arena *a, struct slice s)
{
	if (slice_find(s, '\0') >= 0)
		return NULL;
	return arena_strndup(a, (const char *)s.p, s.len);
}

struct slice
slice_dup(struct arena *a, struct slice s)
{
	unsigned char	*p = arena_alloc(a, s.len > 0 ? s.len : 1);

	if (s.len > 0)
		memcpy(p, s.p, s.len);
	return slice_of(p, s.len);
}
