/* SPDX-License-Identifier: Apache-2.0 */
/* How the content of a message goes out: with sendfile when no line of it
 * begins with a dot, else read and stuffed; for a server without 8BITMIME
 * mapped and converted, a piece each time that the output has drained. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "mail/downgrade.h"
#include "smtp-client/smtpc.h"
#include "sys/file.h"
#include "sys/log.h"

#define CHUNK		((size_t)16384)
#define HEADER_MAX	((size_t)1 << 20)

struct converted {
	struct arena		*mem;		/* this lives in it */
	void			*map;
	size_t			 size;		/* mapped */
	struct downgrade	*d;
	struct buf		 piece;
};

/* Do the header fields need SMTPUTF8? */
bool
content_header_8bit(const struct job *j)
{
	size_t		 want = j->m.content_size < HEADER_MAX ?
			    j->m.content_size : HEADER_MAX;
	unsigned char	*p = mem_new(want + 1, 1);
	ssize_t		 n;
	bool		 found = false;

	n = file_pread(j->m.content, p, want, (off_t)j->m.content_offset);
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

/* NULL: it cannot be read. */
static struct converted *
map_content(const struct deliver_req *m)
{
	struct arena		*mem;
	struct converted	*v;
	struct stat		 st;
	size_t			 size = (size_t)(m->content_offset +
				    m->content_size);
	void			*map;

	if (fstat(m->content, &st) < 0)
		return NULL;
	if ((uint64_t)st.st_size < size) {
		errno = EIO;
		return NULL;
	}
	map = mmap(NULL, size, PROT_READ, MAP_PRIVATE, m->content, 0);
	if (map == MAP_FAILED)
		return NULL;
	mem = arena_new();
	v = arena_alloc(mem, sizeof(*v));
	v->mem = mem;
	v->map = map;
	v->size = size;
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
	struct converted	*v = map_content(&j->m);
	enum downgrade_result	 result;

	if (v == NULL) {
		log_warn("%s: mapping the message: %s", j->m.queue_id,
		    strerror(errno));
		tx_refuse(j, DELIVER_DEFERRED, "4.3.0",
		    "queue file read error");
		return false;
	}
	c->tx.converted = v;
	result = downgrade_new(slice_of((unsigned char *)v->map +
	    j->m.content_offset, (size_t)j->m.content_size), v->mem, &v->d);
	if (result == DOWNGRADE_OK)
		return true;
	tx_refuse(j, DELIVER_BOUNCED, bad[result].dsn, arena_printf(j->mem,
	    "%s, but was not offered by host %s", bad[result].why,
	    c->target.where));
	return false;
}

static void
content_sent(struct conn *c)
{
	struct buf	*out = stream_out(c->stream);

	c->state = CONN_DOT;
	if (!c->tx.ends_crlf)
		buf_adds(out, "\r\n");
	buf_adds(out, ".\r\n");
	stream_timeout(c->stream, 0);
	conn_expect(c, c->p->conf->data_done_timeout);
	stream_flush(c->stream);
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

static void
stuff(struct tx *tx, struct buf *out, const unsigned char *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (tx->line_start && p[i] == '.')
			buf_addc(out, '.');
		buf_addc(out, p[i]);
		tx->line_start = p[i] == '\n';
	}
}

static void
send_converted(struct conn *c)
{
	struct converted	*v = c->tx.converted;
	struct slice		 piece;
	bool			 more;

	more = downgrade_next(v->d, &v->piece);
	piece = buf_slice(&v->piece);
	stuff(&c->tx, stream_out(c->stream), piece.p, piece.len);
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

	if (tx->converted != NULL) {
		send_converted(c);
		return;
	}
	if (tx->left == 0)
		return;
	if (file_pread(c->job->m.content, chunk, n, (off_t)tx->at) !=
	    (ssize_t)n) {
		tx_cannot_read(c, strerror(errno));
		return;
	}
	stuff(tx, stream_out(c->stream), chunk, n);
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

	return m->content_size == 0 || (m->content_size >= 2 &&
	    file_pread(m->content, end, 2, (off_t)(m->content_offset +
	    m->content_size - 2)) == 2 && memcmp(end, "\r\n", 2) == 0);
}

void
content_send(struct conn *c)
{
	const struct deliver_req	*m = &c->job->m;

	c->state = CONN_CONTENT;
	c->tx.ends_crlf = ends_with_crlf(m);
	stream_deadline(c->stream, 0);
	stream_timeout(c->stream, c->p->conf->data_xfer_timeout);
	if (c->tx.converted != NULL) {
		send_converted(c);
		return;
	}
	if (!m->dot_lines) {
		stream_send_file(c->stream, m->content,
		    (off_t)m->content_offset, (size_t)m->content_size,
		    on_file_sent, c);
		return;
	}
	c->tx.at = m->content_offset;
	c->tx.left = m->content_size;
	if (c->tx.left == 0)
		content_sent(c);
	else
		content_drained(c);
}

