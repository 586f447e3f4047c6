/* SPDX-License-Identifier: Apache-2.0 */
/* journal/done.GENERATION: what became of the messages of one segment, in
 * records of one size.  A reader that is killed loses none that it flushed,
 * a power cut those of the last second (qmgr syncs them with its marks); what
 * is lost is delivered again.  The log goes with its segment. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "base/mem.h"
#include "queue/journal_int.h"
#include "sys/file.h"
#include "sys/log.h"

#define PREFIX		"done."
#define LOG_NAME	32
#define RECORD		16
#define DONE_KEPT_MAX	((size_t)32 << 20)	/* of its buffer */

/* Offsets in a record. */
enum { R_PLACE = 0, R_RCPT = 4, R_STATUS = 8, R_CRC = 12 };

static void
log_name_of(const struct journal_seg *s, char out[LOG_NAME])
{
	(void)snprintf(out, LOG_NAME, PREFIX "%016llx",
	    (unsigned long long)s->walk.generation);
}

bool
done_log_name(const char *name)
{
	return strncmp(name, PREFIX, sizeof(PREFIX) - 1) == 0;
}

bool
done_log_is_of(const struct journal_seg *s, const char *name)
{
	char	mine[LOG_NAME];

	log_name_of(s, mine);
	return strcmp(mine, name) == 0;
}

static uint32_t
record_crc(const struct journal_seg *s, const unsigned char *rec)
{
	return crc32c((uint32_t)s->walk.generation, rec, R_CRC);
}

static struct slice
key_of(const uint64_t *at)
{
	return slice_of(at, sizeof(*at));
}

static void
note(struct journal_seg *s, uint64_t at, uint32_t rcpt, char status)
{
	struct mark	*m = arena_alloc(s->mem, sizeof(*m));

	*m = (struct mark){
		.next = hash_get(s->marks, key_of(&at)),
		.rcpt = rcpt, .status = status
	};
	(void)hash_put(s->marks, key_of(&at), m);
}

const struct mark *
done_log_marks(const struct journal_seg *s, uint64_t at)
{
	return hash_get(s->marks, key_of(&at));
}

char
done_log_whole(const struct journal_seg *s, uint64_t at)
{
	for (const struct mark *m = done_log_marks(s, at); m != NULL;
	    m = m->next)
		if (m->rcpt == MARK_WHOLE)
			return m->status;
	return 0;
}

static int
open_log(struct journal_seg *s, bool create)
{
	char	 name[LOG_NAME];

	if (s->done_fd >= 0)
		return 0;
	log_name_of(s, name);
	s->done_fd = openat(s->j->q->journal, name, O_RDWR | O_APPEND |
	    O_NOFOLLOW | O_CLOEXEC | (create ? O_CREAT : 0), 0600);
	return s->done_fd < 0 ? -1 : 0;
}

int
done_log_read(struct journal_seg *s, struct error *err)
{
	unsigned char	 chunk[256 * RECORD];
	ssize_t		 n;

	if (open_log(s, false) < 0)
		return errno == ENOENT ? 0 :
		    error_sys(err, "open notes of journal segment %s",
		    s->name);
	while ((n = file_pread(s->done_fd, chunk, sizeof(chunk),
	    (off_t)s->done_read)) >= RECORD) {
		for (ssize_t i = 0; i + RECORD <= n; i += RECORD) {
			const unsigned char	*r = chunk + i;

			if (queue_get32(r + R_CRC) == record_crc(s, r))
				note(s, (uint64_t)queue_get32(r + R_PLACE) *
				    SEG_FRAME, queue_get32(r + R_RCPT),
				    (char)r[R_STATUS]);
		}
		s->done_read += (uint64_t)(n - n % RECORD);
	}
	return n < 0 ? error_sys(err, "read notes of journal segment %s",
	    s->name) : 0;
}

void
done_log_add(struct journal_seg *s, uint64_t at, uint32_t rcpt, char status)
{
	unsigned char	rec[RECORD] = { 0 };

	/* What is settled as a whole is not asked for again. */
	if (rcpt != MARK_WHOLE)
		note(s, at, rcpt, status);
	queue_put32(rec + R_PLACE, (uint32_t)(at / SEG_FRAME));
	queue_put32(rec + R_RCPT, rcpt);
	rec[R_STATUS] = (unsigned char)status;
	queue_put32(rec + R_CRC, record_crc(s, rec));
	buf_add(&s->done_out, rec, sizeof(rec));
}

/* Records stay aligned for who reads them, whatever came of a write. */
static void
cut_torn(struct journal_seg *s)
{
	struct stat	st;

	if (fstat(s->done_fd, &st) == 0 && st.st_size % RECORD != 0)
		(void)!ftruncate(s->done_fd, st.st_size - st.st_size % RECORD);
}

/* They are kept, to be written later.  If they never are, the worst is a
 * second delivery after a crash. */
static void
cannot_note(struct journal_seg *s)
{
	if (!s->done_failed)
		log_error("journal: cannot note what was delivered: %s",
		    strerror(errno));
	s->done_failed = true;
	if (buf_len(&s->done_out) > DONE_KEPT_MAX)
		buf_reset(&s->done_out);
}

void
done_log_flush(struct journal_seg *s)
{
	struct slice	out = buf_slice(&s->done_out);

	if (out.len == 0)
		return;
	if (open_log(s, true) < 0) {
		cannot_note(s);
		return;
	}
	/* A reader may have died in the middle of a record. */
	cut_torn(s);
	s->done_dirty = true;
	if (file_write(s->done_fd, out.p, out.len) < 0) {
		cannot_note(s);
		cut_torn(s);
		return;
	}
	s->done_failed = false;
	buf_reset(&s->done_out);
}

void
done_log_remove(struct journal_seg *s)
{
	char	name[LOG_NAME];

	log_name_of(s, name);
	if (unlinkat(s->j->q->journal, name, 0) < 0 && errno != ENOENT)
		log_warn("remove journal/%s: %s", name, strerror(errno));
}

void
done_log_close(struct journal_seg *s)
{
	done_log_flush(s);
	if (s->done_fd >= 0)
		(void)close(s->done_fd);
	s->done_fd = -1;
}
