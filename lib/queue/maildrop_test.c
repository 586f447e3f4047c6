/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/check_run.h"
#include "queue/maildrop.h"

/* Records as "Tvalue" words; 'E' takes its number from the digits; '|' splits;
 * the magic comes by itself. */
static struct slice
build(struct buf *b, const char *text)
{
	struct slice	 s = slice_str(text), w;

	buf_init(b, 1 << 20);
	maildrop_put_magic(b);
	while (slice_word(&s, "|", &w)) {
		uint64_t	n = 0;

		if (w.p[0] == 'E') {
			ck_assert(slice_u64(slice_from(w, 1), 1000, &n));
			maildrop_put_end(b, n);
		} else
			maildrop_put(b, (enum maildrop_type)w.p[0],
			    slice_from(w, 1));
	}
	ck_assert(!b->overflow);
	return buf_slice(b);
}

/* Feed the first n bytes, then the rest. */
static enum maildrop_take
run(struct slice in, size_t n, uint64_t most, size_t *records_out)
{
	struct maildrop		 d = { .most_content = most };
	enum maildrop_take	 r = MAILDROP_MORE;
	struct slice		 now = slice_first(in, n), value;
	struct error		 err;
	int			 type;

	*records_out = 0;
	for (int pass = 0; pass < 2; pass++) {
		while ((r = maildrop_take(&d, &now, &type, &value, &err)) ==
		    MAILDROP_RECORD)
			(*records_out)++;
		if (r == MAILDROP_END)
			r = maildrop_take(&d, &now, &type, &value, &err);
		if (r != MAILDROP_MORE)
			return r;
		now = slice_of(now.p, in.len - (size_t)(now.p - in.p));
	}
	return d.ended ? MAILDROP_END : r;
}

static const struct {
	const char		*label, *in;
	enum maildrop_take	 want;
} rows[] = {
	{ "smallest", "S|Ra|M|E0", MAILDROP_END },
	{ "all", "Sa@b|FAlice|iid|<1|n15|f1|Ra|Rb@c|M|Chello\n|Cx|E7",
	  MAILDROP_END },
	{ "8-bit address", "S\xc3\xa9@x|R\xc3\xa9|M|E0", MAILDROP_END },
	{ "cut off", "Sa|Rb|M|Cabc", MAILDROP_MORE },
	{ "no sender", "Ra|M|E0", MAILDROP_BAD },
	{ "two senders", "Sa|Sb|Rc|M|E0", MAILDROP_BAD },
	{ "no recipient", "Sa|M|E0", MAILDROP_BAD },
	{ "empty recipient", "Sa|R|M|E0", MAILDROP_BAD },
	{ "LF in recipient", "Sa|Rb\nRc|M|E0", MAILDROP_BAD },
	{ "CR in sender", "Sa\r|Rb|M|E0", MAILDROP_BAD },
	{ "DEL in name", "Sa|Fx\x7f|Rb|M|E0", MAILDROP_BAD },
	{ "attribute late", "Sa|Rb|FAlice|M|E0", MAILDROP_BAD },
	{ "sender late", "FAlice|Sa|Rb|M|E0", MAILDROP_BAD },
	{ "attribute twice", "Sa|n1|n2|Rb|M|E0", MAILDROP_BAD },
	{ "content early", "Sa|Rb|Cx|M|E1", MAILDROP_BAD },
	{ "recipient late", "Sa|Rb|M|Cx|Rc|E1", MAILDROP_BAD },
	{ "sender behind content", "Sa|Rb|M|Cx|Sc|E1", MAILDROP_BAD },
	{ "M twice", "Sa|Rb|M|M|E0", MAILDROP_BAD },
	{ "M with text", "Sa|Rb|Mx|E0", MAILDROP_BAD },
	{ "E early", "Sa|Rb|E0", MAILDROP_BAD },
	{ "wrong size", "Sa|Rb|M|Cx|E2", MAILDROP_BAD },
	{ "behind the end", "Sa|Rb|M|E0|Cx", MAILDROP_BAD },
	{ "unknown type", "Sa|Xy|Rb|M|E0", MAILDROP_BAD },
	{ "ret 3", "Sa|<3|Rb|M|E0", MAILDROP_BAD },
	{ "ret 0", "Sa|<0|Rb|M|E0", MAILDROP_BAD },
	{ "notify 16", "Sa|n16|Rb|M|E0", MAILDROP_BAD },
	{ "notify -1", "Sa|n-1|Rb|M|E0", MAILDROP_BAD },
	{ "unknown flag", "Sa|f2|Rb|M|E0", MAILDROP_BAD },
	{ "too much", "Sa|Rb|M|C123456789|E9", MAILDROP_SIZE },
};

START_TEST(table)
{
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct buf	b;
		struct slice	in = build(&b, rows[i].in);
		size_t		n, first = 0;

		for (size_t cut = 0; cut <= in.len; cut++) {
			ck_assert_msg(run(in, cut, 8, &n) == rows[i].want,
			    "%s cut at %zu", rows[i].label, cut);
			if (cut == 0)
				first = n;
			ck_assert_msg(n == first, "%s cut at %zu",
			    rows[i].label, cut);
		}
		buf_clear(&b);
	}
}
END_TEST

START_TEST(raw)
{
	static const struct {
		const char		*label;
		const char		*in;
		size_t			 n;
		enum maildrop_take	 want;
	} raws[] = {
		{ "empty", "", 0, MAILDROP_MORE },
		{ "half a magic", "PHd", 3, MAILDROP_MORE },
		{ "wrong magic", "PHqueue\n", 8, MAILDROP_BAD },
		{ "NUL in sender", "PHdrop1\nS\1\0\0\0\0", 14, MAILDROP_BAD },
		{ "length 4G", "PHdrop1\nS\377\377\377\377", 13,
		  MAILDROP_BAD },
		{ "length 64K+1", "PHdrop1\nS\1\0\1\0", 13, MAILDROP_BAD },
	};
	static char	 longs[MAILDROP_STRING + 1];
	struct buf	 b;
	size_t		 n;

	for (size_t i = 0; i < COUNT(raws); i++)
		ck_assert_msg(run(slice_of(raws[i].in, raws[i].n), 0, 8, &n) ==
		    raws[i].want, "%s", raws[i].label);
	memset(longs, 'a', sizeof(longs));
	buf_init(&b, 10000);
	maildrop_put_magic(&b);
	maildrop_put(&b, DROP_SENDER, slice_of(longs, sizeof(longs)));
	ck_assert_int_eq(run(buf_slice(&b), 0, 8, &n), MAILDROP_BAD);
	buf_clear(&b);
}
END_TEST

int
main(void)
{
	Suite	*s = suite_create("maildrop");
	TCase	*t = tcase_create("maildrop");

	tcase_add_test(t, table);
	tcase_add_test(t, raw);
	suite_add_tcase(s, t);
	return check_run(s);
}
