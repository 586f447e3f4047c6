/* SPDX-License-Identifier: Apache-2.0 */
#include "qmgr/qmgr.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "sys/clock.h"
#include "sys/log.h"
#include "sys/loop.h"

/* Encoded size of one page stays well below a frame. */
#define PAGE_BYTES	((size_t)1 << 20)
#define PAGE_MOST	1000

static struct qmgr *
qmgr_of(void *arg)
{
	return daemon_state(arg);
}

/* root, or whoever the suite runs as. */
static bool
is_trusted(const struct ipc_request *req)
{
	uid_t	uid = ipc_peer_uid(req->from);

	return uid == 0 || uid == geteuid();
}

/* Before we lead, the start will find it. */
static void
new_mail(struct qmgr *q, const struct queue_new *m)
{
	if (!q->leading)
		return;
	if (m->segment != NULL)
		qmgr_journal_told(q, m->segment, m->end);
	else
		scan_new_mail(q, m->queue_id);
}

/* Our own daemons run as us (or as root, when they act as others).  While we
 * end, the next queue manager is the one to be told. */
static void
on_new(void *arg, struct ipc_request req, void *msg)
{
	struct qmgr		*q = qmgr_of(arg);
	struct queue_new	*m = msg;
	struct error		 err;

	if (!is_trusted(&req))
		log_warn("uid %ld tells of new mail: ignored",
		    (long)ipc_peer_uid(req.from));
	else if (m->segment == NULL && (m->queue_id == NULL ||
	    !queue_id_ok(m->queue_id)))
		log_warn("bad queue id from uid %ld",
		    (long)ipc_peer_uid(req.from));
	else if (!q->draining)
		new_mail(q, m);
	else if (ipc_client_send(q->successor, &queue_new_desc, m, &err) < 0)
		log_debug("new mail: %s", err.text);
}

/*
 * After a start it takes a while until all is known that is on disk; who asks
 * about all of it, or about one that is not there, waits until then.
 */
typedef void	answer(struct qmgr *q, struct ipc_request req, void *msg);

struct waiting {
	struct list		 link;	/* in q->for_scan */
	struct ipc_request	 req;
	struct arena		*mem;
	answer			*run;
	void			*msg;
};

static void
when_known(struct qmgr *q, struct ipc_request req, answer *run, void *msg,
    const char *id)
{
	struct waiting	*w;

	if (scan_known(q) == KNOWN_ALL || (id != NULL && queue_id_ok(id) &&
	    scan_find(q, id) != NULL)) {
		run(q, req, msg);
		return;
	}
	w = mem_new(1, sizeof(*w));
	*w = (struct waiting){
		.req = req, .mem = ipc_request_keep(req), .run = run,
		.msg = msg
	};
	list_put_last(&q->for_scan, &w->link);
}

void
admin_scanned(struct qmgr *q)
{
	struct list	*l;

	list_scanned(q);
	while (scan_known(q) == KNOWN_ALL && (l = list_take(&q->for_scan)) != NULL) {
		struct waiting	*w = LIST_ENTRY(l, struct waiting, link);

		w->run(q, w->req, w->msg);
		arena_free(&w->mem);
		mem_free(&w);
	}
}

/*
 * Flushing.
 */
static bool
for_site(struct qmgr *q, struct msg *m, const char *site)
{
	struct arena		*a;
	struct queue_msg	 file;
	bool			 found = false;

	if (site == NULL)
		return true;
	a = arena_new();
	if (msg_open(q, m, false, a, &file, NULL) == QUEUE_OK) {
		for (size_t i = 0; i < file.env.nrcpts && !found; i++) {
			struct slice	addr =
			    slice_str(file.env.rcpts[i].address);
			ptrdiff_t	at = slice_rfind(addr, '@');

			found = at >= 0 && slice_iis(slice_from(addr,
			    (size_t)at + 1), site);
		}
		queue_msg_close(&file);
	}
	arena_free(&a);
	return found;
}

static bool
flush_one(struct qmgr *q, struct msg *m, const struct sweep_wish *wish)
{
	if (m->state != MSG_DEFERRED || !for_site(q, m, wish->site))
		return false;
	heap_put(&q->due, &m->due, 0);
	return true;
}

static void
flush(struct qmgr *q, struct ipc_request req, void *msg)
{
	const struct queue_flush	*f = msg;
	const struct sweep_wish		 wish = { .site = f->site };
	struct queue_done		 done = { .ok = true };
	struct msg			*m;

	dest_forget_failures(q);
	if (f->queue_id == NULL) {
		sweep_begin(q, req, flush_one, &wish);
		return;
	}
	m = msg_find(q, f->queue_id);
	if (m == NULL) {
		done.ok = false;
		done.reason = "no such message";
	} else
		done.count = flush_one(q, m, &wish);
	loop_timer_set(q->pump_timer, 0);
	ipc_reply(req, &queue_done_desc, &done);
}

static void
on_flush(void *arg, struct ipc_request req, void *msg)
{
	struct queue_flush	*f = msg;

	when_known(qmgr_of(arg), req, flush, msg, f->queue_id);
}

static void
on_list(void *arg, struct ipc_request req, void *msg)
{
	list_request(qmgr_of(arg), req, msg);
}

/*
 * postsuper's wishes.
 */
static bool
delete_msg(struct qmgr *q, struct msg *m)
{
	struct error	err;

	if (m->rec != NULL)
		qmgr_journal_settle(q, m);
	else if (queue_remove(q->queue, m->id, m->dir, &err) < 0) {
		log_error("%s: %s", m->id, err.text);
		return false;
	}
	log_info("%s: removed", m->id);
	msg_free(q, m);
	return true;
}

static bool
hold_msg(struct qmgr *q, struct msg *m)
{
	struct error	err;

	if (m->rec != NULL ? qmgr_journal_to_file(q, m, QUEUE_HOLD, &err) < 0 :
	    m->dir != QUEUE_HOLD &&
	    queue_move(q->queue, m->id, m->dir, QUEUE_HOLD, &err) < 0) {
		log_error("%s: %s", m->id, err.text);
		return false;
	}
	m->dir = QUEUE_HOLD;
	log_info("%s: placed on hold", m->id);
	msg_set_state(q, m, MSG_HOLD);
	return true;
}

static bool
release_msg(struct qmgr *q, struct msg *m, const char *how)
{
	struct error	err;

	if (m->dir == QUEUE_HOLD && queue_move(q->queue, m->id, QUEUE_HOLD,
	    QUEUE_NEW, &err) < 0) {
		log_error("%s: %s", m->id, err.text);
		return false;
	}
	if (m->dir == QUEUE_HOLD)
		m->dir = QUEUE_NEW;
	m->attempts = 0;
	log_info("%s: %s", m->id, how);
	msg_set_state(q, m, MSG_INCOMING);
	loop_timer_set(q->pump_timer, 0);
	return true;
}

static bool
grant(struct qmgr *q, struct msg *m, enum msg_wish wish)
{
	switch (wish) {
	case WISH_NONE:
		return false;
	case WISH_DELETE:
		return delete_msg(q, m);
	case WISH_HOLD:
		return hold_msg(q, m);
	case WISH_REQUEUE:
		return release_msg(q, m, "requeued");
	}
	return false;
}

bool
admin_grant(struct qmgr *q, struct msg *m)
{
	enum msg_wish	wish = m->wish;

	m->wish = WISH_NONE;
	active_release(q, m->act);
	if (!grant(q, m, wish))
		msg_wait_until(q, m, clock_wall());
	return true;
}

void
admin_grant_waiting(struct qmgr *q, struct msg *m)
{
	enum msg_wish	wish = m->wish;

	m->wish = WISH_NONE;
	(void)grant(q, m, wish);
}

struct admin_op {
	const char	*name;
	enum msg_wish	 wish;
	bool		 release;	/* of held mail only */
};

static const struct admin_op ops[] = {
	{ "delete", WISH_DELETE, false },
	{ "hold", WISH_HOLD, false },
	{ "release", WISH_NONE, true },
	{ "requeue", WISH_REQUEUE, false },
};

static bool
admin_one(struct qmgr *q, struct msg *m, const struct sweep_wish *wish)
{
	const struct admin_op	*op = wish->op;
	/* Who was told that it is on hold need not know that it is busy. */
	enum msg_state		 state = m->wish == WISH_HOLD ? MSG_HOLD :
				    m->state;

	if (wish->queue_name != NULL &&
	    strcmp(wish->queue_name, msg_state_names[state]) != 0)
		return false;
	if (op->release && m->wish == WISH_HOLD) {
		m->wish = WISH_NONE;
		return true;
	}
	if (op->release)
		return m->state == MSG_HOLD &&
		    release_msg(q, m, "released from hold");
	if (op->wish == WISH_HOLD && state == MSG_HOLD)
		return false;
	if (m->converting) {
		m->wish = (uint8_t)op->wish;
		return true;
	}
	if (m->act != NULL) {
		m->wish = (uint8_t)op->wish;
		finish_if_idle(q, m->act);
		return true;
	}
	return grant(q, m, op->wish);
}

static void
carry_out(struct qmgr *q, struct ipc_request req, void *msg)
{
	const struct queue_admin	*m = msg;
	struct queue_done	 done = { .ok = true };
	struct sweep_wish	 wish = { .queue_name = m->queue_name };
	struct msg		*one;

	for (size_t i = 0; i < COUNT(ops); i++) {
		if (strcmp(ops[i].name, m->op) == 0)
			wish.op = &ops[i];
	}
	if (!is_trusted(&req) || wish.op == NULL) {
		done.ok = false;
		done.reason = wish.op == NULL ? "unknown operation" :
		    "only root may do this";
	} else if (strcmp(m->queue_id, "ALL") == 0) {
		sweep_begin(q, req, admin_one, &wish);
		return;
	} else if ((one = msg_find(q, m->queue_id)) != NULL)
		done.count = admin_one(q, one, &wish);
	ipc_reply(req, &queue_done_desc, &done);
}

static void
on_admin(void *arg, struct ipc_request req, void *msg)
{
	struct queue_admin	*m = msg;

	when_known(qmgr_of(arg), req, carry_out, msg, m->queue_id);
}

const struct ipc_handler	admin_handlers[] = {
	{ &queue_new_desc, on_new },
	{ &queue_flush_desc, on_flush },
	{ &queue_list_req_desc, on_list },
	{ &queue_admin_desc, on_admin },
};
const size_t	admin_nhandlers = COUNT(admin_handlers);
