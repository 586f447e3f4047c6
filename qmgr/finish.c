/* SPDX-License-Identifier: Apache-2.0 */
/* An attempt is over when no recipient is in a job.  Then, in this order:
 * wishes of the administrator; expiry; notices (each committed as a message
 * of its own before anything is forgotten); removal, or a due time. */
#include "qmgr/qmgr.h"

#include <string.h>

#include "base/mem.h"
#include "sys/clock.h"
#include "sys/log.h"
#include "sys/loop.h"

#define NOTICE_TIMEOUT	SECS(600)

static usec_t
age_of(const struct active *a)
{
	usec_t	age = clock_wall() - a->file.env.arrival;

	return age < 0 ? 0 : age;
}

static size_t
count_state(const struct active *a, enum rcpt_state s)
{
	size_t	n = 0;

	for (size_t i = 0; i < a->file.env.nrcpts; i++)
		n += a->rcpts[i].state == s;
	return n;
}

static void
put_off(struct qmgr *q, struct active *a)
{
	struct msg	*m = a->m;
	usec_t		 wait = backoff_time(q->conf, age_of(a), m->attempts,
	    a->crashed);
	struct error	 err;

	msg_set_attempts(m, m->attempts + 1U);
	/* A file could not be made: the journal keeps it, due at a restart. */
	if (a->file.rec == NULL && queue_msg_set_due(&a->file, clock_wall() +
	    wait, m->attempts, &err) < 0)
		log_error("%s: %s", m->id, err.text);
	active_release(q, a);
	msg_wait_until(q, m, clock_wall() + wait);
	loop_timer_set(q->pump_timer, 0);
}

/* A full btrfs or a disk that became read-only: the file stays, and nobody
 * must deliver it once more.  We remember it, the marks tell the next queue
 * manager if they can still be written. */
static void
keep_settled(struct qmgr *q, struct active *a)
{
	a->m->settled = true;
	for (size_t i = 0; i < a->file.env.nrcpts; i++)
		if (a->rcpts[i].q->status == RCPT_TODO)
			owed_mark(q, a, i, RCPT_DONE);
	durable_marks(q->durable, a);
	put_off(q, a);
}

static int
remove_file(struct qmgr *q, const struct msg *m)
{
	struct error	err;

	if (queue_remove(q->queue, m->id, m->dir, &err) < 0) {
		log_error("%s: %s", m->id, err.text);
		return -1;
	}
	durable_removal(q->durable);
	log_info("%s: removed", m->id);
	return 0;
}

void
finish_settled(struct qmgr *q, struct msg *m)
{
	if (remove_file(q, m) == 0)
		msg_free(q, m);
	else
		msg_wait_until(q, m, clock_wall() + q->conf->minimal_backoff);
}

static void
remove_message(struct qmgr *q, struct active *a)
{
	struct msg	*m = a->m;

	if (m->rec != NULL) {
		qmgr_journal_settle(q, m);
		log_info("%s: removed", m->id);
	} else if (remove_file(q, m) < 0) {
		keep_settled(q, a);
		return;
	}
	active_release(q, a);
	msg_free(q, m);
	loop_timer_set(q->pump_timer, 0);
}

/*
 * Notices.
 */
static bool
log_has(const struct queue_log_rec *r, size_t n, enum queue_log_kind kind,
    int about)
{
	bool	has = false;

	for (size_t i = 0; i < n; i++) {
		if (r[i].kind == QLOG_NOTICED && r[i].about == about)
			has = false;
		else if (r[i].kind == kind)
			has = true;
	}
	return has;
}

static bool
noticed(const struct queue_log_rec *r, size_t n, int about)
{
	for (size_t i = 0; i < n; i++) {
		if (r[i].kind == QLOG_NOTICED && r[i].about == about)
			return true;
	}
	return false;
}

static int
bounce_kind(const struct active *a)
{
	return a->file.env.sender[0] == '\0' ? NOTICE_DOUBLE : NOTICE_BOUNCE;
}

#define NOT_KNOWN	(-2)

/* Which notice is owed next, by the delivery log?  -1: none. */
static int
owed(struct qmgr *q, struct active *a, size_t undone)
{
	struct queue_log_rec	*r;
	size_t			 n;
	struct error		 err;
	int			 bounce = bounce_kind(a);

	if (queue_log_read(q->queue, a->m->id, a->mem, &r, &n, &err) < 0) {
		log_error("%s: %s", a->m->id, err.text);
		return NOT_KNOWN;
	}
	if (log_has(r, n, QLOG_BOUNCE, bounce))
		return bounce;
	if (log_has(r, n, QLOG_SUCCESS, NOTICE_SUCCESS))
		return NOTICE_SUCCESS;
	if (undone > 0 && q->conf->delay_warning > 0 &&
	    age_of(a) >= q->conf->delay_warning &&
	    a->file.env.sender[0] != '\0' && !noticed(r, n, NOTICE_DELAY))
		return NOTICE_DELAY;
	return -1;
}

static void
on_notice(void *arg, void *reply, const char *why)
{
	struct active			*a = arg;
	struct qmgr			*q = a->q;
	const struct queue_notice_res	*res = reply;

	a->under_way--;
	a->finishing = false;
	if (res == NULL || !res->ok) {
		log_warn("%s: cannot send a notification: %s", a->m->id,
		    res == NULL ? why : res->reason);
		put_off(q, a);
		return;
	}
	finish_if_idle(q, a);
}

static void
notify(struct qmgr *q, struct active *a, int kind)
{
	struct queue_notice	req = {
		(uint64_t)kind, a->m->id, queue_dir_names[a->m->dir]
	};

	a->finishing = true;
	a->under_way++;
	ipc_client_call(q->bounce, &queue_notice_desc, &req,
	    &queue_notice_res_desc, NOTICE_TIMEOUT, on_notice, a);
}

/*
 * Expiry.
 */
static bool
expired(const struct qmgr *q, const struct active *a)
{
	usec_t	life = a->file.env.sender[0] == '\0' ?
	    q->conf->bounce_lifetime : q->conf->maximal_lifetime;

	return age_of(a) >= life;
}

static void
expire(struct qmgr *q, struct active *a, size_t undone)
{
	struct outcome	*o = arena_array(a->mem, undone, sizeof(*o));
	size_t		 n = 0;

	log_info("%s: from=<%s>, status=expired, returned to sender",
	    a->m->id, a->file.env.sender);
	for (size_t i = 0; i < a->file.env.nrcpts; i++) {
		struct rcpt	*r = &a->rcpts[i];

		if (r->state != RS_DEFERRED)
			continue;
		o[n++] = (struct outcome){
			.rcpt = r, .status = DELIVER_BOUNCED,
			.dsn = r->why_dsn, .diag_type = "x-posthouse",
			.diagnostic = r->why,
		};
	}
	settle(q, a, o, n);
}

void
finish_if_idle(struct qmgr *q, struct active *a)
{
	size_t	undone;
	int	kind;
	bool	plain;

	if (a->let_go || a->jobs > 0 || a->under_way > 0 || a->finishing ||
	    a->next_route < a->file.env.nrcpts)
		return;
	if (a->m->wish != WISH_NONE && admin_grant(q, a->m))
		return;
	undone = count_state(a, RS_DEFERRED);
	if (undone > 0 && expired(q, a) && !q->common->soft_bounce) {
		expire(q, a, undone);
		return;
	}
	plain = undone == 0 && a->m->attempts == 0 && !a->has_log;
	kind = plain ? -1 : owed(q, a, undone);
	if (kind >= 0 && a->file.rec == NULL)
		notify(q, a, kind);
	else if (undone == 0 && kind < 0 && kind != NOT_KNOWN)
		remove_message(q, a);
	else
		put_off(q, a);
}
