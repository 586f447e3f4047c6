/* SPDX-License-Identifier: Apache-2.0 */
#include <unistd.h>

#include "daemon/daemon.h"
#include "smtp-client/smtpc.h"
#include "sys/clock.h"
#include "sys/log.h"

static void	 job_next(struct job *j);

static void
job_end(struct job *j)
{
	struct arena	*mem = j->mem;
	struct daemon	*d = j->p->d;

	result_finish(j);
	close(j->m.content);
	arena_free(&mem);
	daemon_session_end(d);
}

bool
job_done(const struct job *j)
{
	for (size_t i = 0; i < j->nrcpts; i++)
		if (j->rcpts[i].state != RCPT_DONE)
			return false;
	return true;
}

/* An idle connection to any of the best servers is better than a new one to
 * a particular one of them. */
static bool
reuse_any(struct job *j)
{
	struct target	*t;

	for (size_t i = j->next; i < j->ntargets &&
	    j->targets[i].preference == j->targets[j->next].preference; i++) {
		if (!conn_reuse(j, &j->targets[i]))
			continue;
		/* The others move up behind it. */
		t = &j->targets[i];
		if (i != j->next) {
			struct target	keep = *t;

			*t = j->targets[j->next];
			j->targets[j->next] = keep;
		}
		j->target = &j->targets[j->next++];
		return true;
	}
	return false;
}

static void
job_next(struct job *j)
{
	const struct smtpc_conf	*c = j->p->conf;

	if (job_done(j) || j->next >= j->ntargets ||
	    j->addresses >= c->address_limit ||
	    j->sessions >= c->session_limit) {
		job_end(j);
		return;
	}
	if (reuse_any(j)) {
		tx_begin(j->conn);
		return;
	}
	j->target = &j->targets[j->next++];
	if (!j->target->clear)
		j->addresses++;
	conn_open(j, j->target);
}

void
job_host_failed(struct job *j, const char *dsn, bool hard, const char *why)
{
	j->why = arena_strdup(j->mem, why);
	j->why_dsn = arena_strdup(j->mem, dsn);
	j->why_hard = hard;
	j->conn = NULL;
	if (hard)
		j->next = j->ntargets;
	job_next(j);
}

void
job_tx_over(struct job *j)
{
	j->conn = NULL;
	j->sessions++;
	job_next(j);
}

/* A request's strings live until its handler returns, so it is packed and
 * unpacked into memory of the job.  The descriptor goes with it. */
static int
keep_request(struct job *j, const struct deliver_req *m, struct error *err)
{
	struct buf	b;
	struct ipc_fds	fds = { .n = 0 };
	int		result;

	buf_init(&b, IPC_FRAME_MAX);
	result = ipc_encode(&deliver_req_desc, m, &b, &fds, err);
	if (result == 0)
		result = ipc_decode(&deliver_req_desc, buf_slice(&b), &fds,
		    j->mem, &j->m, err);
	buf_clear(&b);
	return result;
}

static struct job *
job_new(struct daemon *d, struct ipc_request req)
{
	struct arena	*mem = arena_new();
	struct job	*j = arena_alloc(mem, sizeof(*j));

	j->mem = mem;
	j->p = daemon_state(d);
	j->req = req;
	return j;
}

void
smtpc_deliver(void *daemon, struct ipc_request req, void *msg)
{
	struct deliver_res		 none = { .site_failed = false };
	struct deliver_req		*m = msg;
	struct job			*j = job_new(daemon, req);
	const struct deliver_rcpt	*r;
	struct error			 err;

	if (keep_request(j, m, &err) < 0) {
		/* It was decoded a moment ago from the same table. */
		log_error("%s: delivery request: %s", m->queue_id, err.text);
		ipc_reply(req, &deliver_res_desc, &none);
		close(m->content);
		arena_free(&j->mem);
		return;
	}
	daemon_session_begin(daemon);
	j->started = clock_wall() - j->m.active;
	if (j->started < 0)
		j->started = 0;
	j->nrcpts = j->m.rcpts.count;
	j->rcpts = arena_array(j->mem, j->nrcpts + 1, sizeof(*j->rcpts));
	r = j->m.rcpts.items;
	for (size_t i = 0; i < j->nrcpts; i++)
		j->rcpts[i].r = &r[i];
	j->why = "no host was tried";
	j->why_dsn = "4.4.1";
	if (target_make(j) < 0)
		job_end(j);
	else
		job_next(j);
}
