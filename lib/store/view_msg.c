/* SPDX-License-Identifier: Apache-2.0 */
/* What a session reads of a message: from the log's record if it is sound,
 * else from the file. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "mail/header.h"
#include "store/rebuild.h"
#include "store/record.h"
#include "store/view_int.h"
#include "sys/file.h"

const char *
view_filename(struct view *v, uint32_t seq, struct arena *a)
{
	struct slice	name;

	if (!box_name(&v->box, view_index(v, seq), &name))
		return arena_printf(a, "%u", view_uid(v, seq));
	name = record_base(name);
	return arena_strndup(a, (const char *)name.p, name.len);
}

int
view_msg_open(struct view *v, uint32_t uid, enum store_fail *fail_out,
    struct error *err)
{
	for (int tries = 0; tries < 2; tries++) {
		size_t		i = box_find(&v->box, uid);
		struct slice	name;
		char		path[320];
		int		fd;

		*fail_out = STORE_GONE;
		if (i == box_count(&v->box) ||
		    box_rec(&v->box, i)->uid != uid)
			return error_set(err, "message %u is gone", uid);
		if (!box_name(&v->box, i, &name) ||
		    name.len >= sizeof(path)) {
			if ((box_rec(&v->box, i)->flags & REC_DEAD) != 0 ||
			    rebuild_forced(&v->box, err) < 0)
				return error_set(err, "message %u is gone",
				    uid);
			view_remap(v);
			continue;
		}
		*fail_out = STORE_TEMP;
		memcpy(path, name.p, name.len);
		path[name.len] = '\0';
		fd = openat(v->box.dirfd, path, O_RDONLY | O_CLOEXEC |
		    O_NOFOLLOW);
		if (fd >= 0)
			return fd;
		*fail_out = errno == ENOENT ? STORE_GONE : STORE_TEMP;
		error_sys(err, "open %s", path);
		if (errno != ENOENT || (box_rec(&v->box, i)->flags &
		    REC_DEAD) != 0)
			return -1;
		/* Renamed by another session, or by another program. */
		if (box_refresh(&v->box, err) < 0)
			return -1;
		view_remap(v);
		if (view_merge(v, false, err) < 0)
			return -1;
	}
	return -1;
}

/* The message parsed anew. */
static int
reread(struct view *v, uint32_t seq, struct arena *a, struct box_msg *m,
    struct error *err)
{
	enum store_fail	fail;
	int		fd = view_msg_open(v, view_uid(v, seq), &fail, err), r;

	if (fd < 0)
		return -1;
	r = record_of(fd, a, m, err);
	close(fd);
	return r;
}

/* A message that nobody has read yet: its headers or its structure. */
static int
lazy_part(struct view *v, uint32_t uid, bool structure, struct slice *out,
    bool *partial_out, struct error *err)
{
	const struct box_msg	*m;

	if (view_lazy_get(v, uid, &m, err) < 0)
		return -1;
	*out = structure ? m->structure : m->headers;
	*partial_out = m->partial;
	return 0;
}

/* Headers or structure as the log has them.  False: it does not. */
static bool
logged_part(struct view *v, uint32_t seq, bool structure, struct slice *out,
    bool *partial_out)
{
	struct log_append	p;
	struct slice		name, other;

	if (!box_append_rec(&v->box, view_index(v, seq), &p, &name,
	    structure ? &other : out, structure ? out : &other))
		return false;
	*partial_out = (p.partial & LOG_PARTIAL) != 0;
	return true;
}

/* The kept headers or structure; good until anything else is done with v.
 * 1: whoever needs it must read the file, -1: *err. */
static int
kept_part(struct view *v, uint32_t seq, bool structure, struct slice *out,
    struct error *err)
{
	uint32_t	uid = view_uid(v, seq);
	bool		partial;

	if (view_lazy_unread(v, uid)) {
		if (lazy_part(v, uid, structure, out, &partial, err) < 0)
			return -1;
	} else if (!logged_part(v, seq, structure, out, &partial)) {
		return 1;
	}
	return structure ? out->len == 0 : partial;
}

int
view_headers(struct view *v, uint32_t seq, struct arena *a,
    struct slice *out, struct error *err)
{
	struct box_msg		m = { .flags = 0 };
	int			r = kept_part(v, seq, false, out, err);

	if (r == 0)
		*out = slice_dup(a, *out);
	if (r <= 0)
		return r;
	if (reread(v, seq, a, &m, err) < 0)
		return -1;
	*out = m.headers;
	return 0;
}

bool
view_header_stored(struct slice name)
{
	return record_keeps(name);
}

int
view_envelope(struct view *v, uint32_t seq, struct arena *a,
    struct envelope *out, struct error *err)
{
	struct slice	headers;

	if (view_headers(v, seq, a, &headers, err) < 0)
		return -1;
	envelope_parse(headers, a, out);
	return 0;
}

int
view_structure(struct view *v, uint32_t seq, struct arena *a,
    struct mime_message *out, struct error *err)
{
	struct slice		kept, message;
	enum store_fail		fail;
	bool			mapped;
	int			fd, r = kept_part(v, seq, true, &kept, err);

	if (r < 0 || (r == 0 && mime_get(slice_dup(a, kept), a, out)))
		return r;
	if ((fd = view_msg_open(v, view_uid(v, seq), &fail, err)) < 0)
		return -1;
	r = record_read(fd, &message, &mapped, NULL, err);
	if (r == 0) {
		mime_parse(message, a, out);
		record_unread(&message, mapped);
	}
	close(fd);
	return r;
}

/* Sizes that the log knows, or that the file turns out to have: a name may
 * lie, and what was promised to a client must come. */
static int
sizes(struct view *v, uint32_t uid, int fd, uint64_t *disk, uint64_t *wire,
    struct error *err)
{
	const struct rec	*r;

	if (view_lazy_unread(v, uid))
		return view_lazy_sizes(v, uid, fd, disk, wire, err);
	r = box_rec(&v->box, box_find(&v->box, uid));
	*disk = r->disk_size;
	*wire = r->wire_size;
	return 0;
}

int
view_body_open(struct view *v, uint32_t seq, struct view_body *out,
    enum store_fail *fail_out, struct error *err)
{
	uint32_t	uid = view_uid(v, seq);
	struct stat	st;
	uint64_t	disk, wire;

	*out = (struct view_body){ .fd = view_msg_open(v, uid, fail_out,
	    err) };
	if (out->fd < 0)
		return -1;
	*fail_out = STORE_TEMP;
	if (sizes(v, uid, out->fd, &disk, &wire, err) < 0) {
		view_body_close(out);
		return -1;
	}
	if (fstat(out->fd, &st) < 0) {
		view_body_close(out);
		return error_sys(err, "fstat");
	}
	out->plain = disk == wire;
	/* Somebody changed a message; never promise bytes that are not
	 * there. */
	out->size = out->plain ? (uint64_t)st.st_size : wire;
	*fail_out = STORE_OK;
	return 0;
}

/* Convert from where we stand; bytes before `offset` are dropped.  Returns
 * how many were put at p. */
static ssize_t
convert(struct view_body *b, uint64_t offset, unsigned char *p, size_t n)
{
	unsigned char	chunk[16384];
	size_t		have = 0;

	while (have < n) {
		ssize_t	got = file_pread(b->fd, chunk, sizeof(chunk),
			    (off_t)b->at_disk);

		if (got < 0)
			return -1;
		if (got == 0)
			break;
		for (ssize_t i = 0; i < got && have < n;) {
			unsigned char	c = chunk[i];

			if (c == '\n' && !b->after_cr) {
				c = '\r';
				b->after_cr = true;
			} else {
				b->after_cr = c == '\r';
				b->at_disk++;
				i++;
			}
			if (b->at_wire++ >= offset)
				p[have++] = c;
		}
	}
	return (ssize_t)have;
}

ssize_t
view_body_read(struct view_body *b, uint64_t offset, void *p, size_t n)
{
	if (offset >= b->size)
		return 0;
	if (n > b->size - offset)
		n = (size_t)(b->size - offset);
	if (b->plain)
		return file_pread(b->fd, p, n, (off_t)offset);
	if (offset < b->at_wire) {
		b->at_wire = b->at_disk = 0;
		b->after_cr = false;
	}
	return convert(b, offset, p, n);
}

void
view_body_close(struct view_body *b)
{
	if (b->fd >= 0)
		close(b->fd);
	b->fd = -1;
}
