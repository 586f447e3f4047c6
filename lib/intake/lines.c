/* SPDX-License-Identifier: Apache-2.0 */
#include "intake/lines.h"

#include "base/wire.h"

/* Length of the front of in that needs no change: it stops before a bare LF,
 * before a bare CR and before a CR at the very end. */
static size_t
good_run(struct slice in)
{
	unsigned int	seen = 0;
	size_t		n;

	if (in.p[0] == '\n')
		return 0;
	n = wire_crlf_run(in, &seen);
	return n == in.len && in.p[n - 1] == '\r' ? n - 1 : n;
}

static bool
piece(struct lines *l, struct slice s, struct slice *out)
{
	*out = s;
	l->middle = s.p[s.len - 1] != '\n';
	return true;
}

bool
lines_take(struct lines *l, struct slice *in, struct slice *piece_out)
{
	size_t	n;

	while (in->len > 0) {
		if (l->held_cr) {
			l->held_cr = false;
			if (in->p[0] == '\n') {
				*in = slice_from(*in, 1);
				return piece(l, SLICE_LIT("\r\n"), piece_out);
			}
			l->bare_cr = true;
			return piece(l, SLICE_LIT(" "), piece_out);
		}
		n = good_run(*in);
		if (n > 0) {
			struct slice	s = slice_first(*in, n);

			/* A complete CRLF at the end stays in one piece. */
			*in = slice_from(*in, n);
			return piece(l, s, piece_out);
		}
		if (in->p[0] == '\r') {
			l->held_cr = true;
			*in = slice_from(*in, 1);
			continue;
		}
		l->bare_lf = true;
		*in = slice_from(*in, 1);
		return piece(l, SLICE_LIT("\r\n"), piece_out);
	}
	return false;
}

struct slice
lines_end(struct lines *l)
{
	bool	cr = l->held_cr;

	l->held_cr = false;
	if (cr)
		l->bare_cr = true;
	if (!cr && !l->middle)
		return slice_of(NULL, 0);
	l->middle = false;
	return cr ? SLICE_LIT(" \r\n") : SLICE_LIT("\r\n");
}
