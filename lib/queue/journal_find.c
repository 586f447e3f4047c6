/* SPDX-License-Identifier: Apache-2.0 */
/* For tools: one message in the journal, while others write and read it. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "queue/journal_int.h"

struct find {
	struct journal		 j;	/* of one segment at a time */
	const char		*id;
	struct arena		*a;
	struct queue_msg	*out;
	enum queue_read		 got;
	struct error		*err;
};

static bool
in_segment(struct find *f, struct journal_seg *s)
{
	struct seg_frame	 frame;
	uint64_t		 at;
	struct journal_rec	*r;

	s->walk.end = s->size;
	s->walk.search = true;
	while (seg_walk(&s->walk, &frame, &at) > 0) {
		if (strcmp(frame.id, f->id) != 0 || done_log_whole(s, at) != 0)
			continue;
		r = journal_rec_new(s, frame.id, at, frame.length);
		f->got = journal_msg_open(r, f->a, f->out, f->err);
		return true;
	}
	return false;
}

static bool
in_name(void *arg, const char *name)
{
	struct find		*f = arg;
	struct journal_seg	*s;
	bool			 found;

	if (!journal_seg_name(name))
		return true;
	s = journal_seg_open(&f->j, name, f->err);
	if (s == NULL)
		return true;
	found = done_log_read(s, f->err) == 0 && in_segment(f, s);
	if (found && f->got == QUEUE_OK) {
		/* The message keeps the descriptor; the segment goes. */
		f->out->rec = NULL;
		f->out->fd = fcntl(s->walk.fd, F_DUPFD_CLOEXEC, 3);
		if (f->out->fd < 0)
			f->got = QUEUE_ERROR;
	}
	journal_seg_close(&s);
	return !found;
}

enum queue_read
journal_find(struct queue *q, const char *id, struct arena *a,
    struct queue_msg *out, struct error *err)
{
	struct find	f = {
		.j = { .q = q, .inflight = -1 }, .id = id, .a = a,
		.out = out, .got = QUEUE_GONE, .err = err
	};

	list_init(&f.j.segs);
	if (q->journal < 0)
		return QUEUE_GONE;
	if (queue_each_name(q->journal, in_name, &f, err) < 0)
		return QUEUE_ERROR;
	return f.got;
}
