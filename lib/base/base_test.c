/* SPDX-License-Identifier: Apache-2.0 */
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/check_run.h"
#include "base/error.h"
#include "base/fmt.h"
#include "base/hash.h"
#include "base/heap.h"
#include "base/list.h"
#include "base/mem.h"
#include "base/slice.h"
#include "base/wire.h"

START_TEST(slices_cut_and_trim)
{
	struct slice	s = slice_str("a=b=c"), head;

	ck_assert(slice_cut(&s, '=', &head));
	ck_assert(slice_is(head, "a") && slice_is(s, "b=c"));
	ck_assert(!slice_cut(&s, ';', &head));
	ck_assert(slice_is(s, "b=c"));
	ck_assert(slice_is(slice_trim(slice_str(" \tx y\r\n")), "x y"));
	ck_assert(slice_is(slice_trim(slice_str(" \t")), ""));
}
END_TEST

START_TEST(slices_give_words)
{
	struct slice	s = slice_str(", a,b  c"), w;
	const char	*want[] = { "a", "b", "c" };

	for (size_t i = 0; i < 3; i++) {
		ck_assert(slice_word(&s, ", ", &w));
		ck_assert(slice_is(w, want[i]));
	}
	ck_assert(!slice_word(&s, ", ", &w));
	s = slice_str("one|two\xffthree\n|");
	for (size_t i = 0; i < 3; i++) {
		static const char *const	parts[] = { "one", "two",
						    "three" };

		ck_assert(slice_word(&s, "|\xff\n", &w));
		ck_assert(slice_is(w, parts[i]));
	}
	ck_assert(!slice_word(&s, "|\xff\n", &w));
}
END_TEST

START_TEST(slices_compare)
{
	ck_assert(slice_ieq(slice_str("MaIl"), slice_str("mAiL")));
	ck_assert(!slice_ieq(slice_str("mail"), slice_str("mails")));
	ck_assert_int_lt(slice_cmp(slice_str("a"), slice_str("ab")), 0);
	ck_assert_int_gt(slice_cmp(slice_str("\xff"), slice_str("a")), 0);
	ck_assert_int_eq(slice_search(slice_str("hay needle"),
	    slice_str("needle")), 4);
	ck_assert_int_eq(slice_search(slice_str("hay"), slice_str("hayy")), -1);
	ck_assert(slice_istarts(slice_str("Received: x"), "received:"));
	ck_assert(slice_ends(slice_str("a.db"), ".db"));
}
END_TEST

START_TEST(numbers_are_strict)
{
	static const struct {
		const char	*text;
		uint64_t	 max;
		bool		 ok;
		uint64_t	 value;
	} rows[] = {
		{ "0", 10, true, 0 },
		{ "10", 10, true, 10 },
		{ "11", 10, false, 0 },
		{ "", 10, false, 0 },
		{ "+1", 10, false, 0 },
		{ "1 ", 10, false, 0 },
		{ "9", 5, false, 0 },
		{ "18446744073709551615", UINT64_MAX, true, UINT64_MAX },
		{ "18446744073709551616", UINT64_MAX, false, 0 },
		{ "99999999999999999999999", UINT64_MAX, false, 0 },
		{ "0000000000000000000000001", UINT64_MAX, true, 1 },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		uint64_t	v = 0;

		ck_assert_msg(slice_u64(slice_str(rows[i].text), rows[i].max,
		    &v) == rows[i].ok, "%s", rows[i].text);
		ck_assert_msg(v == rows[i].value, "%s", rows[i].text);
	}
}
END_TEST

START_TEST(buffers_are_bounded)
{
	struct buf	b;

	buf_init(&b, 1000);
	for (int i = 0; i < 100; i++)
		ck_assert(buf_put(&b, "0123456789", 10));
	ck_assert(!buf_put(&b, "x", 1));
	ck_assert_uint_eq(buf_len(&b), 1000);
	buf_consume(&b, 995);
	ck_assert(slice_is(buf_slice(&b), "56789"));
	buf_addf(&b, "%d-%s", 7, "seven");
	ck_assert_str_eq(buf_cstr(&b), "567897-seven");
	buf_reset(&b);
	buf_addf(&b, "%1001d", 1);
	ck_assert(b.overflow);
	ck_assert_uint_eq(buf_len(&b), 0);
	buf_clear(&b);
}
END_TEST

START_TEST(buffers_take_numbers)
{
	static const struct {
		uint64_t	 v;
		const char	*text;
	} all[] = {
		{ 0, "0" }, { 9, "9" }, { 10, "10" }, { 4294967296, "4294967296" },
		{ UINT64_MAX, "18446744073709551615" },
	};
	struct buf	b;

	for (size_t i = 0; i < COUNT(all); i++) {
		buf_init(&b, strlen(all[i].text));
		buf_addu(&b, all[i].v);
		ck_assert_str_eq(buf_cstr(&b), all[i].text);
		buf_addu(&b, all[i].v);
		ck_assert(b.overflow);
		buf_clear(&b);
	}
}
END_TEST

START_TEST(buffers_borrow)
{
	struct buf	 b;
	unsigned char	*lent = mem_new(101, 1), *back;

	buf_init(&b, 100);
	buf_lend(&b, lent, 100);
	ck_assert_ptr_eq(buf_space(&b, 100), lent);
	memcpy(lent, "abcdef", 6);
	buf_added(&b, 6);
	buf_consume(&b, 2);
	back = buf_yield(&b);
	ck_assert_ptr_eq(back, lent);
	memset(lent, 'x', 100);
	ck_assert_str_eq(buf_cstr(&b), "cdef");
	buf_addf(&b, "%s", "gh");
	ck_assert_str_eq(buf_cstr(&b), "cdefgh");
	buf_clear(&b);
	buf_lend(&b, back, 100);
	ck_assert_ptr_eq(buf_yield(&b), lent);
	ck_assert_uint_eq(buf_len(&b), 0);
	ck_assert(buf_put(&b, "own", 3));
	ck_assert_str_eq(buf_cstr(&b), "own");
	buf_clear(&b);
	mem_free(&lent);
}
END_TEST

START_TEST(buffer_content_survives_any_pattern)
{
	struct buf	b;
	unsigned char	next_in = 0, next_out = 0;

	buf_init(&b, 4096);
	srand(1);
	for (int i = 0; i < 500; i++) {
		size_t	n = (size_t)rand() % 300;

		while (n-- > 0 && buf_put(&b, &next_in, 1))
			next_in++;
		n = (size_t)rand() % (buf_len(&b) + 1);
		for (size_t k = 0; k < n; k++)
			ck_assert_uint_eq(buf_slice(&b).p[k], next_out++);
		buf_consume(&b, n);
	}
	buf_clear(&b);
}
END_TEST

static void
count_up(void *arg)
{
	++*(int *)arg;
}

START_TEST(arenas_free_all)
{
	struct arena	*a = arena_new();
	int		 freed = 0, dirty = 0;
	char		*big;

	arena_at_free(a, count_up, &freed);
	for (int i = 0; i < 1000; i++) {
		unsigned char	*p = arena_alloc(a, (size_t)i);

		for (int k = 0; k < i; k++) {
			dirty += p[k] != 0;
			p[k] = 0xff;
		}
	}
	ck_assert_int_eq(dirty, 0);
	big = arena_alloc(a, 1000000);
	ck_assert_int_eq(big[999999], 0);
	ck_assert_str_eq(arena_printf(a, "%s-%d", "x", 42), "x-42");
	ck_assert_str_eq(arena_join(a, slice_str("a"), "@", slice_str("b.c")),
	    "a@b.c");
	ck_assert_str_eq(arena_join(a, slice_of(NULL, 0), "", slice_str("")),
	    "");
	arena_reset(a);
	ck_assert_int_eq(freed, 1);
	ck_assert_int_eq(*(char *)arena_alloc(a, 500), 0);
	arena_at_free(a, count_up, &freed);
	arena_free(&a);
	ck_assert_int_eq(freed, 2);
	ck_assert_ptr_null(a);
}
END_TEST

/* Wherever the end of a block or of a buffer comes, text is whole and memory
 * behind it is clean. */
#define LONG_TEXT	"some forty characters and a number:"
START_TEST(formats_at_every_fill_level)
{
	char		want[64];
	struct buf	b;

	for (size_t used = 0; used <= 2048; used += 16) {
		struct arena	*a = arena_new();
		const char	*text;

		ck_assert_ptr_nonnull(arena_alloc(a, 16));
		ck_assert_ptr_nonnull(arena_alloc(a, used));
		text = arena_printf(a, "%s/%zu", LONG_TEXT, used);
		snprintf(want, sizeof(want), "%s/%zu", LONG_TEXT, used);
		ck_assert_str_eq(text, want);
		for (int i = 0; i < 20; i++) {
			const char	*next = arena_alloc(a, 16);

			for (int k = 0; k < 16; k++)
				ck_assert_int_eq(next[k], 0);
		}
		ck_assert_str_eq(text, want);
		arena_free(&a);
	}
	for (size_t used = 0; used <= 600; used++) {
		buf_init(&b, 4096);
		for (size_t i = 0; i < used; i++)
			buf_addc(&b, 'x');
		buf_addf(&b, "%s/%zu", "text", used);
		snprintf(want, sizeof(want), "text/%zu", used);
		ck_assert_uint_eq(buf_len(&b), used + strlen(want));
		ck_assert_str_eq(buf_cstr(&b) + used, want);
		ck_assert(!b.overflow);
		buf_clear(&b);
	}
}
END_TEST

#define SAME(...) do {							\
	for (size_t n_ = 0; n_ < sizeof(want); n_ += n_ < 40 ? 1 : 19) {	\
		memset(want, '#', sizeof(want));			\
		memset(got, '#', sizeof(got));				\
		ck_assert_uint_eq(fmt_print(got, n_, __VA_ARGS__),	\
		    (size_t)snprintf(want, n_, __VA_ARGS__));		\
		ck_assert_msg(memcmp(want, got, sizeof(want)) == 0,	\
		    "%.*s", (int)sizeof(got), got);			\
	}								\
} while (0)

/* As the C library has it, whatever there is room for. */
START_TEST(formats_as_the_library)
{
	char	want[100], got[100];

	SAME("%s", "");
	SAME("text%s", ", longer than the forty bytes that are tried singly");
	SAME("%s: %c%s%% [%.*s]", "text", 'x', "y", 3, "abcdef");
	SAME("%.*s|%.*s", 0, "abc", -1, "def");
	SAME("%d %d %d", 0, INT_MIN, INT_MAX);
	SAME("%u %lu %llu", UINT_MAX, ULONG_MAX, ULLONG_MAX);
	SAME("%ld %lld %zu", LONG_MIN, LLONG_MIN, SIZE_MAX);
	SAME("%d %05d %-5s| %x %.3f %s", 1, 42, "ab", 255u, 1.5, "end");
}
END_TEST

START_TEST(hash_behaves_like_a_model)
{
	struct hash	*h = hash_new();
	static char	 present[500];
	size_t		 count = 0, at = 0, seen = 0;
	void		*v;

	memset(present, 0, sizeof(present));
	srand(2);
	for (int i = 0; i < 5000; i++) {
		int	k = rand() % 500;
		char	key[16];

		snprintf(key, sizeof(key), "key%d", k);
		if (rand() % 2) {
			v = hash_puts(h, key, &present[k]);
			ck_assert((v != NULL) == present[k]);
			count += !present[k];
			present[k] = 1;
		} else {
			v = hash_dels(h, key);
			ck_assert((v != NULL) == present[k]);
			count -= (size_t)present[k];
			present[k] = 0;
		}
		ck_assert_uint_eq(hash_count(h), count);
	}
	while (hash_each(h, &at, NULL, &v)) {
		ck_assert_int_eq(*(char *)v, 1);
		seen++;
	}
	ck_assert_uint_eq(seen, count);
	hash_free(&h);
}
END_TEST

struct item {
	struct heap_node	node;
};

START_TEST(heap_sorts)
{
	struct heap		 h = { 0 };
	static struct item	 items[300];
	int64_t			 last = INT64_MIN;
	struct heap_node	*n;

	memset(items, 0, sizeof(items));
	srand(3);
	for (int i = 0; i < 5000; i++) {
		struct item	*it = &items[rand() % 300];

		if (rand() % 3 == 0)
			heap_del(&h, &it->node);
		else
			heap_put(&h, &it->node, rand() % 1000);
	}
	while ((n = heap_first(&h)) != NULL) {
		ck_assert_int_ge(n->key, last);
		last = n->key;
		heap_del(&h, n);
	}
	heap_clear(&h);
}
END_TEST

START_TEST(errors_tell_where)
{
	struct error	err;

	ck_assert_int_eq(error_set(&err, "line %d", 7), -1);
	error_in(&err, "file %s", "main.cf");
	ck_assert_str_eq(err.text, "file main.cf: line 7");
	ck_assert_int_eq(error_set(NULL, "x"), -1);
}
END_TEST

/* The same, byte by byte. */
static size_t
slow_crlf_run(struct slice s, unsigned int *seen)
{
	for (size_t i = 0; i < s.len; i++) {
		if (i + 1 < s.len && s.p[i] == '\r' && s.p[i + 1] != '\n')
			return i;
		if (i > 0 && s.p[i] == '\n' && s.p[i - 1] != '\r')
			return i;
		if (s.p[i] > 127)
			*seen |= WIRE_8BIT;
		if (i > 1 && s.p[i] == '.' && s.p[i - 1] == '\n' &&
		    s.p[i - 2] == '\r')
			*seen |= WIRE_DOTS;
	}
	return s.len;
}

static size_t
slow_find_dot(struct slice s)
{
	ptrdiff_t	at = slice_search(s, SLICE_LIT("\r\n."));

	return at < 0 ? s.len : (size_t)at + 2;
}

/* Mostly good lines, so that blocks are passed before something is found. */
static size_t
random_content(unsigned char *p, size_t room)
{
	static const char *const	parts[] = {
		"\r\n", "\r\n", "\r\n", "\r\n.", "\r", "\n", ".", "\x80",
	};
	size_t	n = 0, want = (size_t)rand() % room;

	while (n < want) {
		size_t		 text = (size_t)rand() % 40;
		const char	*part = parts[(size_t)rand() % COUNT(parts)];

		for (; n < want && text > 0; text--)
			p[n++] = 'a';
		for (; n < want && *part != '\0'; part++)
			p[n++] = (unsigned char)*part;
	}
	return n;
}

START_TEST(wire_form_as_byte_by_byte)
{
	unsigned char	text[300];

	srand(1);
	for (int round = 0; round < 200000; round++) {
		size_t		n = random_content(text, sizeof(text));
		/* Of its own size, so that a byte too many is noticed. */
		unsigned char	*p = mem_grow(NULL, n, 1);
		struct slice	s = slice_of(p, n);
		unsigned int	seen = 0, want = 0;

		memcpy(p, text, n);
		ck_assert_uint_eq(wire_crlf_run(s, &seen),
		    slow_crlf_run(s, &want));
		ck_assert_uint_eq(seen, want);
		ck_assert_uint_eq(wire_find_dot(s), slow_find_dot(s));
		mem_free(&p);
	}
}
END_TEST

int
main(void)
{
	Suite	*s = suite_create("base");
	TCase	*t = tcase_create("base");

	tcase_add_test(t, slices_cut_and_trim);
	tcase_add_test(t, slices_give_words);
	tcase_add_test(t, slices_compare);
	tcase_add_test(t, numbers_are_strict);
	tcase_add_test(t, buffers_are_bounded);
	tcase_add_test(t, buffers_take_numbers);
	tcase_add_test(t, buffers_borrow);
	tcase_add_test(t, buffer_content_survives_any_pattern);
	tcase_add_test(t, arenas_free_all);
	tcase_add_test(t, formats_at_every_fill_level);
	tcase_add_test(t, formats_as_the_library);
	tcase_add_test(t, hash_behaves_like_a_model);
	tcase_add_test(t, heap_sorts);
	tcase_add_test(t, errors_tell_where);
	tcase_add_test(t, wire_form_as_byte_by_byte);
	suite_add_tcase(s, t);
	return check_run(s);
}
