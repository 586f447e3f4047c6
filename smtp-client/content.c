/* SPDX-License-Identifier: Apache-2.0 */
/* How the content of a message goes out.
 *
 * A short one comes with the request or is read, and leaves in one write with
 * what ends it: there, a system call costs more than a copy.  A long one goes
 * with sendfile; if it has lines that begin with a dot, it is read and
 * stuffed, and for a server without 8BITMIME mapped and converted, a piece
 * each time that the output has drained.
 *
 * With BDAT (RFC 3030) nothing is stuffed and nobody says 354. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "mail/downgrade.h"
#include "smtp-client/smtpc.h"
#include "sys/file.h"
#include "sys/log.h"

#define CHUNK		((size_t)32768)
#define HEADER_MAX	((size_t)1 << 20)

struct converted {
	struct arena		*mem;		/* this lives in it */
	void			*map;		/* NULL: none */
	size_t			 size;		/* mapped */
	struct slice		 all;		/* the content */
	struct downgrade	*d;
	struct buf		 piece;
};

/* As pread(), wherever the content is. */
static ssize_t
content_pread(const struct deliver_req *m, void *to, size_t n, uint64_t at)
{
	struct slice	s;

	if (m->content >= 0)
		return file_pread(m->content, to, n, (off_t)at);
	s = slice_first(slice_from(m->text, (size_t)at), n);
	if (s.len > 0)
		memcpy(to, s.p, s.len);
	return (ssize_t)s.len;
}

/* Do the header fields need SMTPUTF8? */
bool
content_header_8bit(const struct job *j)
{
	size_t		 want = j->m.content_size < HEADER_MAX ?
			    j->m.content_size : HEADER_MAX;
	unsigned char	*p = mem_new(want + 1, 1);
	ssize_t		 n;
	bool		 found = false;

	n = content_pread(&j->m, p, want, j->m.content_offset);
	for (ssize_t i = 0; i < n && !found; i++) {
		if (p[i] == '\n' && i + 2 < n && p[i + 1] == '\r' &&
		    p[i + 2] == '\n')
			break;
		found = p[i] > 127;
	}
	mem_free(&p);
	return found;
}

void
content_free(struct conn *c)
{
	struct converted	*v = c->tx.converted;
	struct arena		*mem;

	c->tx.converted = NULL;
	if (v == NULL)
		return;
	if (v->map != NULL)
		munmap(v->map, v->size);
	buf_clear(&v->piece);
	mem = v->mem;
	arena_free(&mem);
}

/* -1 with errno: it cannot be read. */
static int
map_content(const struct deliver_req *m, struct converted *v)
{
	struct stat	st;

	if (m->content < 0) {
		v->all = m->text;
		return 0;
	}
	v->size = (size_t)(m->content_offset + m->content_size);
	if (fstat(m->content, &st) < 0)
		return -1;
	if ((uint64_t)st.st_size < v->size) {
		errno = EIO;
		return -1;
	}
	v->map = mmap(NULL, v->size, PROT_READ, MAP_PRIVATE, m->content, 0);
	if (v->map == MAP_FAILED) {
		v->map = NULL;
		return -1;
	}
	v->all = slice_of((unsigned char *)v->map + m->content_offset,
	    (size_t)m->content_size);
	return 0;
}

static struct converted *
converted_new(void)
{
	struct arena		*mem = arena_new();
	struct converted	*v = arena_alloc(mem, sizeof(*v));

	v->mem = mem;
	buf_init(&v->piece, DOWNGRADE_ROOM);
	return v;
}

bool
content_convert(struct conn *c)
{
	static const struct {
		const char	*dsn, *why;
	} bad[] = {
		[DOWNGRADE_HEADER] = { "5.6.7", "SMTPUTF8 is required for "
		    "8-bit header fields" },
		[DOWNGRADE_MIME] = { "5.6.3", "8BITMIME is required as the "
		    "MIME structure cannot be converted" },
	};
	struct job		*j = c->job;
	struct converted	*v = converted_new();
	enum downgrade_result	 result;

	c->tx.converted = v;
	if (map_content(&j->m, v) < 0) {
		log_warn("%s: mapping the message: %s", j->m.queue_id,
		    strerror(errno));
		tx_refuse(j, DELIVER_DEFERRED, "4.3.0",
		    "queue file read error");
		return false;
	}
	result = downgrade_new(v->all, v->mem, &v->d);
	if (result == DOWNGRADE_OK)
		return true;
	tx_refuse(j, DELIVER_BOUNCED, bad[result].dsn, arena_printf(j->mem,
	    "%s, but was not offered by host %s", bad[result].why,
	    c->target.where));
	return false;
}

/* Ends what is in the buffer or behind the file. */
static void
put_end(struct conn *c)
{
	struct buf	*out = stream_out(c->stream);

	if (!c->tx.ends_crlf)
		buf_adds(out, "\r\n");
	if (!c->tx.bdat)
		buf_adds(out, ".\r\n");
}

static void
wait_for_verdict(struct conn *c)
{
	c->state = CONN_DOT;
	stream_timeout(c->stream, 0);
	conn_expect(c, c->p->conf->data_done_timeout);
}

static void
content_sent(struct conn *c)
{
	put_end(c);
	wait_for_verdict(c);
	stream_flush(c->stream);
}

/* The line end that put_end() adds is counted. */
static void
put_bdat(struct conn *c)
{
	buf_addf(stream_out(c->stream), "BDAT %llu LAST\r\n",
	    (unsigned long long)c->job->m.content_size +
	    (c->tx.ends_crlf ? 0 : 2));
}

/* -1 is either a file that is shorter than it was or a connection that is
 * gone; of the latter we hear in another way. */
static void
on_file_sent(void *arg, int result)
{
	struct conn		*c = arg;
	const struct deliver_req *m = &c->job->m;
	struct stat		 st;

	if (result == 0)
		content_sent(c);
	else if (fstat(m->content, &st) != 0 || (uint64_t)st.st_size <
	    m->content_offset + m->content_size)
		tx_cannot_read(c, "the file is too short");
}

/* A dot more for each line that begins with one. */
static void
stuff(struct tx *tx, struct buf *out, struct slice in)
{
	ptrdiff_t	nl;
	size_t		n;

	while (in.len > 0) {
		if (tx->line_start && in.p[0] == '.')
			buf_addc(out, '.');
		nl = slice_find(in, '\n');
		tx->line_start = nl >= 0;
		n = nl < 0 ? in.len : (size_t)nl + 1;
		buf_add_slice(out, slice_first(in, n));
		in = slice_from(in, n);
	}
}

/* NULL, or why not all of the n bytes at this place can be had. */
static const char *
read_content(const struct conn *c, void *to, size_t n, uint64_t at)
{
	ssize_t	did = content_pread(&c->job->m, to, n, at);

	if (did == (ssize_t)n)
		return NULL;
	return did < 0 ? strerror(errno) : "the file is too short";
}

/* The same for all of a short content, with what is before and behind it,
 * into the output. */
static const char *
put_whole(struct conn *c)
{
	const struct deliver_req *m = &c->job->m;
	unsigned char	 whole[CONTENT_SHORT];
	struct slice	 s = m->text;
	const char	*why = NULL;

	if (m->content >= 0) {
		s = slice_of(whole, (size_t)m->content_size);
		why = read_content(c, whole, s.len, m->content_offset);
	}
	if (why != NULL)
		return why;
	c->tx.ends_crlf = s.len == 0 || slice_ends(s, "\r\n");
	if (c->tx.bdat)
		put_bdat(c);
	if (c->tx.bdat || !m->dot_lines)
		buf_add_slice(stream_out(c->stream), s);
	else
		stuff(&c->tx, stream_out(c->stream), s);
	put_end(c);
	return NULL;
}

bool
content_put(struct conn *c)
{
	return put_whole(c) == NULL;
}

static void
send_converted(struct conn *c)
{
	struct converted	*v = c->tx.converted;
	bool			 more;

	more = downgrade_next(v->d, &v->piece);
	stuff(&c->tx, stream_out(c->stream), buf_slice(&v->piece));
	buf_reset(&v->piece);
	if (more) {
		stream_flush(c->stream);
		return;
	}
	c->tx.ends_crlf = c->tx.line_start;
	content_sent(c);
}

void
content_drained(struct conn *c)
{
	struct tx	*tx = &c->tx;
	unsigned char	 chunk[CHUNK];
	size_t		 n = tx->left < CHUNK ? (size_t)tx->left : CHUNK;
	const char	*why;

	if (tx->converted != NULL) {
		send_converted(c);
		return;
	}
	if (tx->left == 0)
		return;
	if ((why = read_content(c, chunk, n, tx->at)) != NULL) {
		tx_cannot_read(c, why);
		return;
	}
	stuff(tx, stream_out(c->stream), slice_of(chunk, n));
	tx->at += n;
	tx->left -= n;
	if (tx->left == 0)
		content_sent(c);
	else
		stream_flush(c->stream);
}

static bool
ends_with_crlf(const struct deliver_req *m)
{
	char	end[2];

	return m->content_size >= 2 &&
	    file_pread(m->content, end, 2, (off_t)(m->content_offset +
	    m->content_size - 2)) == 2 && memcmp(end, "\r\n", 2) == 0;
}

/* Piece by piece, as the server takes it. */
static void
send_long(struct conn *c)
{
	const struct deliver_req	*m = &c->job->m;

	c->tx.ends_crlf = ends_with_crlf(m);
	if (c->tx.bdat)
		put_bdat(c);
	if (c->tx.bdat || !m->dot_lines) {
		stream_send_file(c->stream, m->content,
		    (off_t)m->content_offset, (size_t)m->content_size,
		    on_file_sent, c);
		return;
	}
	c->tx.at = m->content_offset;
	c->tx.left = m->content_size;
	content_drained(c);
}

/* A server that takes a byte now and then makes progress all the time: there is
 * a limit in all, too. */
void
content_send(struct conn *c)
{
	const struct smtpc_conf	*f = c->p->conf;
	const char		*why;

	if (c->tx.converted == NULL &&
	    c->job->m.content_size <= CONTENT_SHORT) {
		if ((why = put_whole(c)) != NULL) {
			tx_cannot_read(c, why);
			return;
		}
		wait_for_verdict(c);
		stream_flush(c->stream);
		return;
	}
	c->state = CONN_CONTENT;
	conn_expect(c, f->data_xfer_timeout + SECS((int64_t)
	    c->job->m.content_size / f->min_data_rate));
	stream_timeout(c->stream, f->data_xfer_timeout);
	if (c->tx.converted != NULL)
		send_converted(c);
	else
		send_long(c);
}
