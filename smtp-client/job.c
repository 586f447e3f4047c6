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
	deliver_req_close(&j->m);
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
		t = &j->targets[i];
		if (t->key == NULL)
			target_describe(j, t);
		if (!conn_reuse(j, t))
			continue;
		/* The others move up behind it. */
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

void
smtpc_deliver(void *daemon, struct ipc_request req, void *msg)
{
	struct arena			*mem = ipc_request_keep(req);
	struct job			*j = arena_alloc(mem, sizeof(*j));
	const struct deliver_rcpt	*r;

	daemon_session_begin(daemon);
	j->mem = mem;
	j->p = daemon_state(daemon);
	j->req = req;
	j->m = *(const struct deliver_req *)msg;
	if (j->m.content < 0) {
		j->m.content_offset = 0;
		j->m.content_size = j->m.text.len;
	}
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
