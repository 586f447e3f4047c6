/* SPDX-License-Identifier: Apache-2.0 */
/* One file of maildrop/ on its way into the queue.
 *
 * The file is the submission: it is removed when the queue has the message
 * on stable storage, and not before.  A crash between the two delivers the
 * message twice.  postdrop has checked everything; we check everything again,
 * because the file belongs to a user. */
#include "pickup/pickup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "intake/intake_service.h"
#include "queue/maildrop.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "sys/log.h"
#include "sys/loop.h"

#define COMPLETE	0744		/* postdrop's last word */
#define DEAD_AFTER	SECS(36 * 3600)	/* postdrop gives up after 24 h */
#define RCPTS_STEP	64

struct drop {
	struct arena		*mem;
	struct pickup		*p;
	struct submission	 s;
	size_t			 rcpts_size;
	struct intake_msg	*m;
};

static void
drop_free(struct drop *d)
{
	struct arena	*mem = d->mem;

	if (d->s.fd >= 0)
		(void)close(d->s.fd);
	intake_abort(&d->m);
	arena_free(&mem);
}

static void
drop_end(struct drop *d)
{
	struct pickup	*p = d->p;
	char		 name[QUEUE_ID_MAX] = "";

	memcpy(name, d->s.name, strlen(d->s.name));
	drop_free(d);
	daemon_session_end(p->d);
	scan_done(p, name);
}

static void
remove_file(const struct drop *d)
{
	if (unlinkat(d->p->maildrop, d->s.name, 0) < 0 && errno != ENOENT)
		log_error("cannot remove maildrop/%s: %s -- its message will "
		    "be sent again", d->s.name, strerror(errno));
}

/* Not what postdrop writes: out of the way, for a person to look at. */
static void
quarantine(const struct pickup *p, const char *name, uid_t uid,
    const char *why)
{
	char	*to = mem_printf("corrupt/%s", name);

	log_warn("uid=%u: maildrop/%s: %s -- moved to corrupt/",
	    (unsigned int)uid, name, why);
	if (renameat(p->maildrop, name, AT_FDCWD, to) < 0)
		log_error("cannot move maildrop/%s: %s", name,
		    strerror(errno));
	mem_free(&to);
}

/*
 * Reading the envelope.
 */

static unsigned int
number(struct slice value)
{
	uint64_t	n;

	return slice_u64(value, 15, &n) ? (unsigned int)n : 0;
}

static void
add_rcpt(struct drop *d, const char *address)
{
	if (d->s.nrcpts == d->rcpts_size) {
		size_t		 size = d->rcpts_size * 2 + RCPTS_STEP;
		const char	**more = arena_array(d->mem, size,
		    sizeof(*more));

		if (d->s.nrcpts > 0)
			memcpy(more, d->s.rcpts,
			    d->s.nrcpts * sizeof(*more));
		d->s.rcpts = more;
		d->rcpts_size = size;
	}
	d->s.rcpts[d->s.nrcpts++] = address;
}

static void
take_record(struct drop *d, int type, struct slice value)
{
	const char	*text = slice_cstr(d->mem, value);

	for (size_t i = 0; i < value.len; i++)
		if (value.p[i] > 127 &&
		    (type == DROP_SENDER || type == DROP_RCPT))
			d->s.flags |= QUEUE_UTF8;
	switch (type) {
	case DROP_SENDER:
		d->s.sender = text;
		break;
	case DROP_FULLNAME:
		d->s.full_name = text;
		break;
	case DROP_ENVID:
		d->s.envid = text;
		break;
	case DROP_RET:
		d->s.ret = number(value);
		break;
	case DROP_NOTIFY:
		d->s.notify = number(value);
		break;
	case DROP_FLAGS:
		d->s.flags |= QUEUE_UTF8;
		break;
	case DROP_RCPT:
		add_rcpt(d, text);
		break;
	}
}

/* Up to the M record.  0, or -1 with *err: not a submission. */
static int
read_envelope(struct drop *d, struct error *err)
{
	struct maildrop		 state = { .most_content = INT64_MAX };
	unsigned char		*chunk = mem_new(1, 2 * MAILDROP_CHUNK);
	enum maildrop_take	 r;
	uint64_t		 at = 0;
	int			 result = -1, type = 0;

	while (type != DROP_MESSAGE) {
		struct slice	in, value;
		ssize_t		n = file_pread(d->s.fd, chunk,
		    2 * MAILDROP_CHUNK, (off_t)at);

		if (n < 0) {
			(void)error_sys(err, "read");
			goto out;
		}
		in = slice_of(chunk, (size_t)n);
		while ((r = maildrop_take(&state, &in, &type, &value, err)) ==
		    MAILDROP_RECORD && type != DROP_MESSAGE)
			take_record(d, type, value);
		at += (uint64_t)n - in.len;
		if (r == MAILDROP_MORE && in.len == (size_t)n)
			(void)error_set(err, "cut off");
		if (r != MAILDROP_RECORD &&
		    (r != MAILDROP_MORE || in.len == (size_t)n))
			goto out;
	}
	d->s.content_at = at;
	result = 0;
out:
	mem_free(&chunk);
	return result;
}

/*
 * Into the queue.
 */

static void
log_start(const struct drop *d, const char *id)
{
	log_info("%s: uid=%u from=<%s>", id, (unsigned int)d->s.uid,
	    d->s.sender);
}

static void
turned_down(struct drop *d, const struct intake_result *r)
{
	char		id[QUEUE_ID_MAX] = "";
	struct error	err;

	if (refuse(d->p, &d->s, r->dsn, r->text, id, &err) < 0) {
		log_warn("maildrop/%s: %s", d->s.name, err.text);
		return;
	}
	log_start(d, id);
	log_warn("%s: message refused: %s%s%s", id, r->text,
	    r->detail != NULL ? ": " : "",
	    r->detail != NULL ? r->detail : "");
	remove_file(d);
	tell_qmgr(d->p, id);
	count_message(d->p);
}

static void
on_committed(void *arg, const struct intake_result *r)
{
	struct drop	*d = arg;

	if (r->status == INTAKE_OK) {
		log_start(d, r->queue_id);
		intake_service_log(r);
		remove_file(d);
		if (!r->held && !r->discarded)
			count_message(d->p);
	} else if (r->code >= 500)
		turned_down(d, r);
	else
		log_warn("maildrop/%s: %s: %s -- will try again", d->s.name,
		    r->text, r->detail != NULL ? r->detail : "no details");
	drop_end(d);
}

/* A failure is kept by intake and reported at commit. */
static bool
write_piece(void *arg, struct slice piece)
{
	struct drop	*d = arg;

	(void)intake_write(d->m, piece);
	return true;
}

static void
begin_intake(struct drop *d)
{
	struct intake_origin	 o = {
		.lines = INTAKE_LF, .local = true,
		.arrival = d->s.arrival, .full_name = d->s.full_name,
	};

	o.userid = arena_printf(d->mem, "%u", (unsigned int)d->s.uid);
	intake_begin(d->p->intake, d->p->queue, &o, &d->m);
	intake_sender(d->m, d->s.sender, d->s.envid, d->s.ret, d->s.flags);
	for (size_t i = 0; i < d->s.nrcpts; i++) {
		struct queue_rcpt	r = {
			.address = d->s.rcpts[i], .notify = d->s.notify,
		};

		intake_rcpt(d->m, &r);
	}
}

/* Is it a finished submission? */
static bool
usable(struct pickup *p, const char *name, const struct stat *st)
{
	usec_t	age = clock_wall() - SECS(st->st_mtime);

	if (!S_ISREG(st->st_mode)) {
		quarantine(p, name, st->st_uid, "not a regular file");
		return false;
	}
	if ((st->st_mode & 07777) == COMPLETE)
		return true;
	if (age > DEAD_AFTER && unlinkat(p->maildrop, name, 0) == 0)
		log_warn("maildrop/%s: removed, its writer died", name);
	return false;
}

static bool
open_drop(struct drop *d)
{
	struct stat	 st;

	/* The type is looked at before the open, which for a fifo or device
	 * may already have an effect, and again after it. */
	if (fstatat(d->p->maildrop, d->s.name, &st,
	    AT_SYMLINK_NOFOLLOW) < 0 || !usable(d->p, d->s.name, &st))
		return false;
	d->s.fd = openat(d->p->maildrop, d->s.name, O_RDONLY | O_NOFOLLOW |
	    O_NONBLOCK | O_CLOEXEC);
	if (d->s.fd < 0) {
		log_warn("open maildrop/%s: %s", d->s.name, strerror(errno));
		return false;
	}
	if (fstat(d->s.fd, &st) < 0 || !usable(d->p, d->s.name, &st))
		return false;
	d->s.uid = st.st_uid;
	d->s.arrival = SECS(st.st_mtim.tv_sec) + st.st_mtim.tv_nsec / 1000;
	return true;
}

/* Not to be repeated before the next wake-up. */
static bool
give_up(struct drop *d, const struct error *err, bool bad)
{
	if (bad)
		quarantine(d->p, d->s.name, d->s.uid, err->text);
	else if (err != NULL)
		log_warn("maildrop/%s: %s", d->s.name, err->text);
	drop_free(d);
	return false;
}

bool
drop_begin(struct pickup *p, const char *name)
{
	struct arena	*mem = arena_new();
	struct drop	*d = arena_alloc(mem, sizeof(*d));
	struct error	 err = { .sys = 0 };

	d->mem = mem;
	d->p = p;
	d->s.name = arena_strdup(mem, name);
	d->s.fd = -1;
	if (!open_drop(d))
		return give_up(d, NULL, false);
	if (read_envelope(d, &err) < 0)
		return give_up(d, &err, err.sys == 0);
	begin_intake(d);
	if (content_each(d->s.fd, d->s.content_at, write_piece, d, &err) < 0)
		return give_up(d, &err, err.sys == 0);
	daemon_session_begin(p->d);
	intake_commit(&d->m, daemon_loop(p->d), on_committed, d);
	return true;
}
