/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/smtp_data.h"

#include "base/wire.h"

/* Where a line stands behind this input, which continues one. */
static enum smtp_data_at
state_after(const struct smtp_data *d, struct slice in)
{
	unsigned char	before = in.len > 1 ? in.p[in.len - 2] :
			    d->at == SMTP_DATA_CR ? '\r' : ' ';

	switch (in.p[in.len - 1]) {
	case '\r':
		return SMTP_DATA_CR;
	case '\n':
		return before == '\r' ? SMTP_DATA_START : SMTP_DATA_LINE;
	}
	return SMTP_DATA_LINE;
}

/* Length of the longest piece at the front of in (which continues a line)
 * that can be passed on without looking at a dot: up to the end of input or
 * up to and including a CRLF that a dot follows.  Sets d->at for what comes
 * after. */
static size_t
plain_run(struct smtp_data *d, struct slice in)
{
	size_t	n;

	if (d->at == SMTP_DATA_CR && in.len > 1 && in.p[0] == '\n' &&
	    in.p[1] == '.')
		n = 1;
	else
		n = wire_find_dot(in);
	d->at = n < in.len ? SMTP_DATA_START : state_after(d, in);
	return n;
}

enum smtp_data_got
smtp_data_take(struct smtp_data *d, struct slice *in, struct slice *piece_out)
{
	size_t	n;

	while (in->len > 0) {
		switch (d->at) {
		case SMTP_DATA_START:
			if (in->p[0] != '.') {
				d->at = SMTP_DATA_LINE;
				break;
			}
			*in = slice_from(*in, 1);
			d->at = SMTP_DATA_DOT;
			continue;
		case SMTP_DATA_DOT:
			/* Anything but the end: the dot was stuffing. */
			if (in->p[0] != '\r') {
				d->at = SMTP_DATA_LINE;
				break;
			}
			*in = slice_from(*in, 1);
			d->at = SMTP_DATA_DOT_CR;
			continue;
		case SMTP_DATA_DOT_CR:
			if (in->p[0] == '\n') {
				*in = slice_from(*in, 1);
				d->at = SMTP_DATA_OVER;
				return SMTP_DATA_END;
			}
			*piece_out = SLICE_LIT("\r");
			d->at = SMTP_DATA_CR;
			return SMTP_DATA_PIECE;
		case SMTP_DATA_LINE:
		case SMTP_DATA_CR:
			break;
		case SMTP_DATA_OVER:
			return SMTP_DATA_END;
		}
		n = plain_run(d, *in);
		*piece_out = slice_first(*in, n);
		*in = slice_from(*in, n);
		return SMTP_DATA_PIECE;
	}
	return d->at == SMTP_DATA_OVER ? SMTP_DATA_END : SMTP_DATA_MORE;
}
