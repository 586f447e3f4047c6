/* SPDX-License-Identifier: Apache-2.0 */
/* All inputs of up to 7 bytes over CR, LF, dot and a letter, at each split:
 * the same as looking at the whole at once. */
#include <stdlib.h>
#include <string.h>

#include "base/check_run.h"
#include "intake/lines.h"

struct result {
	char	 text[64];
	size_t	 len;
	bool	 bare_cr, bare_lf;
};

static void
put(struct result *r, const char *s)
{
	memcpy(r->text + r->len, s, strlen(s));
	r->len += strlen(s);
}

static void
reference(const char *in, size_t n, struct result *r)
{
	bool	middle = false;

	memset(r, 0, sizeof(*r));
	for (size_t i = 0; i < n; i++) {
		if (in[i] == '\r' && i + 1 < n && in[i + 1] == '\n') {
			put(r, "\r\n");
			i++;
			middle = false;
		} else if (in[i] == '\n') {
			put(r, "\r\n");
			r->bare_lf = true;
			middle = false;
		} else if (in[i] == '\r') {
			put(r, " ");
			r->bare_cr = middle = true;
		} else {
			r->text[r->len++] = in[i];
			middle = true;
		}
	}
	if (middle)
		put(r, "\r\n");
}

static void
feed(struct lines *l, const char *in, size_t n, struct result *r)
{
	char		*mem = malloc(n == 0 ? 1 : n);
	struct slice	 s = slice_of(mem, n), piece;

	memcpy(mem, in, n);
	while (lines_take(l, &s, &piece)) {
		ck_assert_uint_gt(piece.len, 0);
		memcpy(r->text + r->len, piece.p, piece.len);
		r->len += piece.len;
	}
	ck_assert_uint_eq(s.len, 0);
	free(mem);
}

static void
compare(const char *in, size_t n, size_t split, const struct result *want)
{
	struct lines	l = { .held_cr = false };
	struct result	got = { .len = 0 };
	struct slice	end;

	feed(&l, in, split, &got);
	feed(&l, in + split, n - split, &got);
	end = lines_end(&l);
	if (end.len > 0)
		memcpy(got.text + got.len, end.p, end.len);
	got.len += end.len;
	ck_assert_msg(got.len == want->len &&
	    memcmp(got.text, want->text, got.len) == 0 &&
	    l.bare_cr == want->bare_cr && l.bare_lf == want->bare_lf,
	    "%zu bytes split at %zu: \"%.*s\"", n, split, (int)got.len,
	    got.text);
}

START_TEST(all)
{
	static const char	alphabet[] = { '\r', '\n', '.', 'a' };

	for (unsigned int n = 0; n <= 7; n++)
		for (unsigned int code = 0; code < 1u << 2 * n; code++) {
			char		in[8];
			struct result	want;

			for (unsigned int i = 0; i < n; i++)
				in[i] = alphabet[code >> 2 * i & 3];
			reference(in, n, &want);
			for (size_t split = 0; split <= n; split++)
				compare(in, n, split, &want);
		}
}
END_TEST

int
main(void)
{
	Suite	*s = suite_create("lines");
	TCase	*t = tcase_create("lines");

	tcase_set_timeout(t, 120);
	tcase_add_test(t, all);
	suite_add_tcase(s, t);
	return check_run(s);
}
