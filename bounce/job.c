/* SPDX-License-Identifier: Apache-2.0 */
/* One request of qmgr: read the delivery log, write the notice, commit it,
 * tell qmgr of the new message, note in the log that it was sent, answer.
 *
 * In that order, so that a crash anywhere leaves either the request undone
 * (qmgr asks again) or a second copy of the notice, never none.  Some reports
 * have two readers, the sender and the postmaster; they go out one after the
 * other, and the log is marked behind the last. */
#include "bounce/bounce.h"

#include <string.h>

#include "base/mem.h"
#include "base/panic.h"
#include "codec/date.h"
#include "intake/intake_service.h"
#include "mail/header.h"
#include "queue/queue.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "sys/log.h"
#include "sys/loop.h"
#include "sys/syncer.h"

#define TEXT_MAX	((size_t)64 << 20)
#define CHUNK		((size_t)65536)

/* A notice to write: to whom, and how the log calls it. */
struct letter {
	const char	*to, *sender, *log_name;
	bool		 copy;
};

struct job {
	struct arena		*mem;
	struct bounce		*b;
	struct ipc_request	 req;
	enum notice_kind	 kind;
	char			 id[QUEUE_ID_MAX];
	struct queue_msg	 msg;
	struct queue_log_rec	*recs;
	size_t			 nrecs;
	struct letter		 letters[2];
	size_t			 nletters, next;
	char			 notice_id[QUEUE_ID_MAX];
	struct error		 err;
	int			 marked;
};

static void	 write_next(struct job *j);

static void
job_end(struct job *j, bool ok, const char *reason)
{
	struct queue_notice_res	 res = {
		.ok = ok,
		.notice_id = j->notice_id[0] != '\0' ? j->notice_id : NULL,
		.reason = reason,
	};
	struct daemon		*d = j->b->d;
	struct arena		*mem = j->mem;

	if (!ok)
		log_warn("%s: cannot send a notification: %s", j->id, reason);
	ipc_reply(j->req, &queue_notice_res_desc, &res);
	queue_msg_close(&j->msg);
	arena_free(&mem);
	daemon_session_end(d);
}

/*
 * The mark: what was reported is settled.
 */

static void
mark_work(void *arg)
{
	struct job		*j = arg;
	struct queue_log_rec	 rec = {
		.kind = QLOG_NOTICED, .about = (int)j->kind,
		.when = clock_wall(),
	};

	j->marked = queue_log_append(j->b->queue, j->id, &rec, 1, true,
	    &j->err);
}

static void
mark_done(void *arg)
{
	struct job	*j = arg;

	if (j->marked < 0)
		job_end(j, false, j->err.text);
	else
		job_end(j, true, NULL);
}

static void
mark(struct job *j)
{
	syncer_run(daemon_syncer(j->b->d), mark_work, mark_done, j);
}

/*
 * Writing.
 */

static bool
copy_out(struct intake_msg *m, struct buf *text)
{
	bool	ok = !text->overflow && intake_write(m, buf_slice(text));

	buf_clear(text);
	return ok;
}

/* The message, or its header, from the queue file. */
static bool
copy_content(struct job *j, struct intake_msg *m, bool headers_only)
{
	struct header_scan	 scan = { .any = false };
	unsigned char		*chunk = mem_new(1, CHUNK);
	uint64_t		 done = 0;
	bool			 over = false, ok = true;

	while (ok && !over && done < j->msg.content_size) {
		uint64_t	 left = j->msg.content_size - done;
		ssize_t		 got;
		size_t		 n;

		n = left < CHUNK ? (size_t)left : CHUNK;
		got = file_pread(j->msg.fd, chunk, n,
		    (off_t)(j->msg.content_offset + done));
		if (got <= 0) {
			ok = false;
			break;
		}
		n = (size_t)got;
		done += n;
		if (headers_only)
			n = header_scan(&scan, slice_of(chunk, n), &over);
		ok = intake_write(m, slice_of(chunk, n));
	}
	mem_free(&chunk);
	return ok;
}

static void
fill_notice(const struct job *j, const struct letter *l, const char *id,
    struct notice *n)
{
	const struct bounce	*b = j->b;
	usec_t			 now = clock_wall();

	*n = (struct notice){
		.kind = j->kind,
		.postmaster_copy = l->copy,
		.queue_id = j->id,
		.notice_id = id,
		.hostname = b->common->myhostname,
		.origin = b->common->myorigin,
		.to = l->to,
		.env = &j->msg.env,
		.recs = j->recs,
		.nrecs = j->nrecs,
		.now = now,
		.zone = date_local_zone(now),
		.lifetime = b->conf->lifetime,
		.threaded = b->conf->threaded,
	};
	/* RFC 3461 4.3: RET speaks of failures; all else gets the header. */
	n->headers_only = l->copy || j->kind == NOTICE_DELAY ||
	    j->kind == NOTICE_SUCCESS ||
	    j->msg.env.dsn_ret == RET_HDRS ||
	    j->msg.content_size > (uint64_t)b->conf->size_limit;
}

static void
on_committed(void *arg, const struct intake_result *r)
{
	struct job		*j = arg;
	const struct letter	*l = &j->letters[j->next];

	if (r->status != INTAKE_OK) {
		job_end(j, false, r->detail != NULL ? r->detail : r->text);
		return;
	}
	intake_service_log(r);
	log_info("%s: %s: %s", j->id, l->log_name, r->queue_id);
	if (j->notice_id[0] == '\0')
		memcpy(j->notice_id, r->queue_id, strlen(r->queue_id));
	j->next++;
	write_next(j);
}

static bool
write_letter(struct job *j, const struct letter *l, struct intake_msg *m)
{
	struct queue_rcpt	 rcpt = { .address = l->to,
	    .notify = NOTIFY_NEVER };
	struct notice		 n;
	struct buf		 text;
	unsigned int		 flags = QUEUE_NOTICE;

	/* Failures of a notice to postmaster are only logged, so its sender
	 * may be told of them; nobody is told of a bounce's failure. */
	if (l->sender[0] != '\0')
		rcpt.notify = 0;
	fill_notice(j, l, intake_id(m), &n);
	if (notice_needs_utf8(&n))
		flags |= QUEUE_UTF8;
	intake_sender(m, l->sender, NULL, 0, flags);
	intake_rcpt(m, &rcpt);
	buf_init(&text, TEXT_MAX);
	notice_begin(&n, &text);
	if (!copy_out(m, &text) || !copy_content(j, m, n.headers_only))
		return false;
	buf_init(&text, TEXT_MAX);
	notice_end(&n, &text);
	return copy_out(m, &text);
}

static void
write_next(struct job *j)
{
	static const struct intake_origin	 origin = {
		.lines = INTAKE_NORMALIZE, .local = true,
	};
	struct intake_msg	*m;

	if (j->next == j->nletters) {
		mark(j);
		return;
	}
	intake_begin(j->b->intake, j->b->queue, &origin, &m);
	if (!write_letter(j, &j->letters[j->next], m)) {
		intake_abort(&m);
		job_end(j, false, "cannot write the notification");
		return;
	}
	intake_commit(&m, daemon_loop(j->b->d), on_committed, j);
}

/*
 * Who is told.
 */

static void
add_letter(struct job *j, const char *to, const char *sender,
    const char *log_name, bool copy)
{
	ASSERT(j->nletters < COUNT(j->letters));
	j->letters[j->nletters++] = (struct letter){
		to, sender, log_name, copy
	};
}

/* To postmaster, from an address that says: do not report failures of this. */
static void
add_staff_letter(struct job *j, const char *to, const char *log_name,
    bool copy)
{
	const struct conf_common	*c = j->b->common;

	if (strchr(to, '@') == NULL)
		to = arena_printf(j->mem, "%s@%s", to, c->myorigin);
	add_letter(j, to, arena_printf(j->mem, "%s@%s",
	    c->double_bounce_sender, c->myhostname), log_name, copy);
}

static void
address_letters(struct job *j)
{
	const struct bounce_conf	*conf = j->b->conf;
	const char			*sender = j->msg.env.sender;

	switch (j->kind) {
	case NOTICE_BOUNCE:
		add_letter(j, sender, "", "sender non-delivery notification",
		    false);
		if (select_class(conf->notify_classes, "bounce"))
			add_staff_letter(j, conf->notice_bounce,
			    "postmaster non-delivery notification", true);
		break;
	case NOTICE_DELAY:
		add_letter(j, sender, "", "sender delay notification", false);
		if (select_class(conf->notify_classes, "delay"))
			add_staff_letter(j, conf->notice_delay,
			    "postmaster delay notification", true);
		break;
	case NOTICE_SUCCESS:
		add_letter(j, sender, "",
		    "sender delivery status notification", false);
		break;
	case NOTICE_DOUBLE:
		if (select_class(conf->notify_classes, "2bounce"))
			add_staff_letter(j, conf->notice_2bounce,
			    "postmaster non-delivery notification", false);
		break;
	}
}

/* 0: read; -1: j->err. */
static int
read_all(struct job *j, const char *directory)
{
	struct queue_log_rec	*log;
	enum queue_read		 r;
	size_t			 n;
	int			 dir;

	for (dir = 0; dir < QUEUE_DIRS; dir++)
		if (strcmp(directory, queue_dir_names[dir]) == 0)
			break;
	if (dir == QUEUE_DIRS || dir == QUEUE_TMP)
		return error_set(&j->err, "no such directory");
	r = queue_msg_open(j->b->queue, (enum queue_dir)dir, j->id, false,
	    false, j->mem, &j->msg, &j->err);
	if (r != QUEUE_OK)
		return -1;
	if (j->msg.env.sender[0] == '\0' && j->kind == NOTICE_BOUNCE)
		j->kind = NOTICE_DOUBLE;
	if (queue_log_read(j->b->queue, j->id, j->mem, &log, &n, &j->err) < 0)
		return -1;
	j->nrecs = select_records(j->kind, &j->msg.env, log, n, j->mem,
	    &j->recs);
	return 0;
}

static void
job_run(struct job *j)
{
	const struct conf_common	*c = j->b->common;
	const char			*sender = j->msg.env.sender;

	if (select_is_double(sender, c->double_bounce_sender,
	    c->myhostname)) {
		/* The end of the line: a third report would have no reader. */
		if (j->kind != NOTICE_DELAY && j->nrecs > 0)
			log_warn("%s: undeliverable postmaster notification "
			    "discarded", j->id);
		mark(j);
		return;
	}
	if (j->nrecs > 0 && (sender[0] != '\0' || j->kind == NOTICE_DOUBLE))
		address_letters(j);
	write_next(j);
}

void
job_begin(void *daemon, struct ipc_request req, void *msg)
{
	const struct queue_notice	*in = msg;
	struct arena			*mem = arena_new();
	struct job			*j = arena_alloc(mem, sizeof(*j));

	j->mem = mem;
	j->b = daemon_state(daemon);
	j->req = req;
	j->kind = (enum notice_kind)in->kind;
	j->msg = QUEUE_MSG_NONE;
	daemon_session_begin(daemon);
	/* This one is still served; the next finds new tables. */
	if (!daemon_draining(daemon) && (route_changed(j->b->route) ||
	    intake_changed(j->b->intake)))
		daemon_retire(daemon, "a table has changed");
	if (in->kind > NOTICE_DOUBLE || !queue_id_ok(in->queue_id)) {
		job_end(j, false, "bad request");
		return;
	}
	memcpy(j->id, in->queue_id, strlen(in->queue_id));
	if (read_all(j, in->directory) < 0) {
		job_end(j, false, j->err.text);
		return;
	}
	job_run(j);
}
