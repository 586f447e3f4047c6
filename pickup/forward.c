/* SPDX-License-Identifier: Apache-2.0 */
/* local-delivery sends a message on to other recipients.  It marks its own
 * recipient done when we answer, so we answer when the new message is on
 * stable storage. */
#include "pickup/pickup.h"

#include <unistd.h>

#include "base/mem.h"
#include "intake/intake_service.h"
#include "sys/file.h"
#include "sys/log.h"
#include "sys/loop.h"

#define CHUNK	((size_t)65536)

struct forward {
	struct pickup		*p;
	struct ipc_request	 req;
};

static void
answer(struct pickup *p, struct ipc_request req, const char *id,
    const char *reason)
{
	struct queue_forward_res	 res = {
		.ok = id != NULL, .queue_id = id, .reason = reason,
	};

	ipc_reply(req, &queue_forward_res_desc, &res);
	daemon_session_end(p->d);
}

static void
on_committed(void *arg, const struct intake_result *r)
{
	struct forward	*f = arg;
	struct pickup	*p = f->p;

	if (r->status == INTAKE_OK) {
		intake_service_log(r);
		if (!r->held && !r->discarded)
			count_message(p);
		answer(p, f->req, r->queue_id, NULL);
	} else {
		log_warn("%s: forwarding failed: %s%s%s", r->queue_id,
		    r->text, r->detail != NULL ? ": " : "",
		    r->detail != NULL ? r->detail : "");
		answer(p, f->req, NULL, r->text);
	}
	mem_free(&f);
}

static int
copy(struct intake_msg *m, const struct queue_forward *in, struct error *err)
{
	unsigned char	*chunk = mem_new(1, CHUNK);
	uint64_t	 done = 0;
	int		 result = 0;

	(void)intake_write(m, slice_str(in->prepend));
	while (done < in->size) {
		size_t	want = in->size - done < CHUNK ?
		    (size_t)(in->size - done) : CHUNK;
		ssize_t	n = file_pread(in->content, chunk, want,
		    (off_t)(in->offset + done));

		if (n <= 0) {
			result = n < 0 ? error_sys(err, "read the message") :
			    error_set(err, "the message is too short");
			break;
		}
		/* After a failure the rest is of no use. */
		if (!intake_write(m, slice_of(chunk, (size_t)n)))
			break;
		done += (uint64_t)n;
	}
	mem_free(&chunk);
	return result;
}

static int
fill(struct pickup *p, const struct queue_forward *in, struct intake_msg **m,
    struct error *err)
{
	struct intake_origin	 o = {
		.lines = INTAKE_NORMALIZE, .arrival = in->arrival,
	};
	const struct queue_forward_rcpt	*r = in->rcpts.items;

	if (in->rcpts.count == 0)
		return error_set(err, "no recipients");
	if (in->offset > INT64_MAX || in->size > INT64_MAX - in->offset)
		return error_set(err, "bad size");
	intake_begin(p->intake, p->queue, &o, m);
	intake_sender(*m, in->sender, in->dsn_envid,
	    (unsigned int)in->dsn_ret & 3, in->smtputf8 ? QUEUE_UTF8 : 0);
	for (size_t i = 0; i < in->rcpts.count; i++) {
		struct queue_rcpt	q = {
			.address = r[i].address, .original = r[i].original,
			.dsn_orcpt = r[i].dsn_orcpt,
			.notify = (unsigned int)r[i].notify & 15,
		};

		intake_rcpt(*m, &q);
	}
	if (copy(*m, in, err) == 0)
		return 0;
	intake_abort(m);
	return -1;
}

void
forward_begin(void *daemon, struct ipc_request req, void *msg)
{
	struct pickup		*p = daemon_state(daemon);
	struct queue_forward	*in = msg;
	struct intake_msg	*m = NULL;
	uid_t			 uid = ipc_peer_uid(req.from);
	struct forward		*f;
	struct error		 err;

	daemon_session_begin(p->d);
	/* Whoever may use the socket may submit mail by postdrop; only our own
	 * programs may say what a message looked like before. */
	if (uid != 0 && uid != geteuid()) {
		log_warn("uid %u may not forward", (unsigned int)uid);
		answer(p, req, NULL, "not allowed");
	} else if (fill(p, in, &m, &err) < 0) {
		log_warn("forwarding failed: %s", err.text);
		answer(p, req, NULL, err.text);
	} else {
		f = mem_new(1, sizeof(*f));
		*f = (struct forward){ .p = p, .req = req };
		intake_commit(&m, daemon_loop(p->d), on_committed, f);
	}
	(void)close(in->content);
}
