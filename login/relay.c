/* SPDX-License-Identifier: Apache-2.0 */
/*
 * After the login of a TLS client: what the client says goes to the session
 * process, what that says goes to the client, through the bounded buffers of
 * the two streams.  A side that cannot take more stops the other side's
 * reading: its input buffer stays full until drained() makes room.
 */
#include "login/login.h"
#include "sys/loop.h"

/* Move what fits.  True: from is empty. */
static bool
move(struct stream *from, struct stream *to)
{
	struct slice	 in = stream_in(from);
	struct buf	*out = stream_out(to);
	const size_t	 n = in.len < buf_room(out) ? in.len : buf_room(out);

	if (n > 0 && buf_put(out, in.p, n)) {
		stream_take(from, n);
		stream_flush(to);
	}
	return stream_in(from).len == 0;
}

static void
client_left(struct conn *c)
{
	stream_finish(&c->inner, SECS(30));
	conn_free(c);
}

static void
session_left(struct conn *c)
{
	stream_finish(&c->stream, SECS(30));
	conn_free(c);
}

void
relay_pump(struct conn *c)
{
	const bool	outer_empty = move(c->stream, c->inner);
	const bool	inner_empty = move(c->inner, c->stream);

	if (c->inner_eof && inner_empty)
		session_left(c);
	else if (c->outer_eof && outer_empty)
		client_left(c);
}

static void
inner_moved(void *arg)
{
	relay_pump(arg);
}

static void
inner_ended(void *arg, enum stream_end end, const char *why)
{
	struct conn	*c = arg;

	(void)why;
	(void)end;
	c->inner_eof = true;
	relay_pump(c);
}

static const struct stream_ops	inner_ops = {
	.input = inner_moved,
	.drained = inner_moved,
	.ended = inner_ended,
};

void
relay_begin(struct conn *c, int fd)
{
	c->inner = stream_new(c->lg->loop, fd, LOGIN_OUT_MAX, LOGIN_OUT_MAX,
	    &inner_ops, c);
	c->state = CONN_RELAY;
	stream_deadline(c->stream, 0);
	stream_timeout(c->stream, 0);
	stream_resume(c->stream);
}
