/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/smtp_line.h"

static enum smtp_line
done(struct slice *in, size_t text, size_t whole, struct slice *line_out)
{
	*line_out = slice_first(*in, text);
	*in = slice_from(*in, whole);
	return SMTP_LINE_DONE;
}

/* A CR at the very end of the input may still be the first half of CRLF. */
enum smtp_line
smtp_line_take(struct slice *in, size_t max, bool bare_lf,
    struct slice *line_out)
{
	for (size_t i = 0; i < in->len; i++) {
		if (i + 2 > max)
			return SMTP_LINE_LONG;
		if (in->p[i] > '\r')	/* almost all */
			continue;
		switch (in->p[i]) {
		case '\0':
			return SMTP_LINE_NUL;
		case '\n':
			if (!bare_lf)
				return SMTP_LINE_BARE;
			return done(in, i, i + 1, line_out);
		case '\r':
			if (i + 1 == in->len)
				return SMTP_LINE_MORE;
			if (in->p[i + 1] != '\n')
				return SMTP_LINE_BARE;
			return done(in, i, i + 2, line_out);
		}
	}
	return SMTP_LINE_MORE;
}

bool
smtp_line_skip(struct slice *in)
{
	ptrdiff_t	i = slice_find(*in, '\n');

	*in = slice_from(*in, i < 0 ? in->len : (size_t)i + 1);
	return i >= 0;
}
