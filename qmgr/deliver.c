/* SPDX-License-Identifier: Apache-2.0 */
#include "qmgr/qmgr.h"

#include "base/mem.h"
#include "base/panic.h"
#include "queue/inflight.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "sys/log.h"

/* Agents have time-outs of their own for every step; this one only ends what
 * has lost its way. */
#define DELIVER_TIMEOUT	SECS(4 * 3600)

void
job_free(struct qmgr *q, struct job *j)
{
	struct active	*a = j->act;

	list_remove(&j->link);
	dest_done(q, j->dest);
	ASSERT(a->jobs > 0);
	a->jobs--;
	mem_free(&j);
}

static struct ipc_list
request_rcpts(const struct job *j, struct arena *a)
{
	struct deliver_rcpt	*r = arena_array(a, j->n, sizeof(*r));

	for (size_t i = 0; i < j->n; i++) {
		const struct queue_rcpt	*from = j->rcpts[i]->q;

		r[i].index = j->rcpts[i]->index;
		r[i].address = from->address;
		r[i].original = from->original != NULL ? from->original :
		    from->address;
		r[i].dsn_orcpt = from->dsn_orcpt;
		r[i].notify = from->notify;
	}
	return (struct ipc_list){ r, j->n };
}

static void
fill_request(const struct job *j, struct arena *a, struct deliver_req *req)
{
	const struct active	*act = j->act;
	const struct queue_env	*e = &act->file.env;

	*req = (struct deliver_req){
		.queue_id = act->m->id,
		.transport = j->dest->transport->name,
		.nexthop = j->dest->nexthop,
		.port = j->dest->port,
		.content = act->file.shared,
		.content_offset = act->file.shared_offset,
		.content_size = act->file.content_size,
		.lock = act->q->inflight,
		.eight_bit = e->flags & QUEUE_8BIT,
		.smtputf8 = e->flags & QUEUE_UTF8,
		.dot_lines = e->flags & QUEUE_DOTS,
		.sender = e->sender,
		.dsn_envid = e->dsn_envid,
		.dsn_ret = e->dsn_ret,
		.arrival = e->arrival,
		.active = act->since,
		.client_name = e->client_name,
		.client_address = e->client_address,
		.client_helo = e->client_helo,
		.client_protocol = e->client_protocol,
		.sasl_method = e->sasl_method,
		.sasl_username = e->sasl_username,
		.hosts = j->dest->hosts,
		.rcpts = request_rcpts(j, a),
	};
	if (req->hosts.items == NULL)
		req->hosts.items = req->rcpts.items;	/* count is 0 */
}

/*
 * The window of a site, as in Postfix's default feedback: a success adds
 * 1/window, a failure takes 1; what fails as often as the window is wide
 * without one success in between is dead for a while.
 */
static void
site_succeeded(struct site *s)
{
	s->failures = 0;
	if (s->window < (double)s->transport->dest_concurrency)
		s->window += 1.0 / s->window;
}

static void
suspend_jobs(struct qmgr *q, struct site *s)
{
	struct list	*l, jobs;

	list_init(&jobs);
	while ((l = list_take(&s->jobs)) != NULL)
		list_put_last(&jobs, l);
	while ((l = list_take(&jobs)) != NULL) {
		struct job	*j = LIST_ENTRY(l, struct job, link);
		struct active	*a = j->act;
		struct rcpt	**rcpts = j->rcpts;
		size_t		 n = j->n;
		const char	*why = arena_printf(a->mem,
		    "delivery temporarily suspended: %s", s->dead_why);

		a->under_way++;
		job_free(q, j);
		a->under_way--;
		settle_verdict(q, a, rcpts, n, "smtp", false, "4.4.1", why);
	}
}

static void
site_failed(struct qmgr *q, struct site *s, const char *why)
{
	s->failures += 1.0 / s->window;
	if (s->window > 1.0)
		s->window -= 1.0;
	if (s->window < 1.0)
		s->window = 1.0;
	if (s->failures < 1.0)
		return;
	s->failures = 0;
	s->window = (double)s->transport->initial;
	s->dead_until = clock_mono() + q->conf->minimal_backoff;
	mem_free(&s->dead_why);
	s->dead_why = mem_strdup(why != NULL ? why : "unknown reason");
	suspend_jobs(q, s);
}

static const char *
keep(struct arena *a, const char *s)
{
	return arena_strdup(a, s);
}

/* One outcome per recipient of the job, whatever the agent answered. */
static struct outcome *
outcomes_of(const struct job *j, const struct deliver_res *res,
    const char *why)
{
	struct arena		*a = j->act->mem;
	struct outcome		*o = arena_array(a, j->n, sizeof(*o));
	const struct deliver_rcpt_result *r = res == NULL ? NULL :
	    res->results.items;
	size_t			 n = res == NULL ? 0 : res->results.count;

	for (size_t i = 0; i < j->n; i++) {
		o[i] = (struct outcome){
			.rcpt = j->rcpts[i], .status = DELIVER_DEFERRED,
			.dsn = "4.3.0", .diag_type = "x-posthouse",
			.diagnostic = keep(a, why == NULL ?
			    "delivery agent said nothing of this recipient" :
			    why),
		};
		for (size_t k = 0; k < n; k++) {
			if (r[k].index != j->rcpts[i]->index)
				continue;
			o[i].status = r[k].status > DELIVER_EXPANDED ?
			    DELIVER_DEFERRED : (enum deliver_status)r[k].status;
			o[i].dsn = keep(a, r[k].dsn);
			o[i].action = keep(a, r[k].action);
			o[i].mta = keep(a, r[k].mta);
			o[i].diag_type = keep(a, r[k].diag_type);
			o[i].diagnostic = keep(a, r[k].diagnostic);
		}
		if (!j->dest->transport->remote && o[i].action == NULL &&
		    o[i].status == DELIVER_SENT)
			o[i].action = "delivered";
	}
	return o;
}

static void
agent_lost(struct qmgr *q, struct job *j, const char *why)
{
	struct active		*a = j->act;
	struct rcpt		**rcpts = j->rcpts;
	size_t			 n = j->n;

	log_warn("%s: transport %s: %s", a->m->id, j->dest->transport->name,
	    why);
	a->crashed = true;
	a->under_way++;
	job_free(q, j);
	a->under_way -= 2;
	settle_verdict(q, a, rcpts, n, "error", false, "4.3.0",
	    arena_printf(a->mem, "unknown mail transport error: %s", why));
}

static void
on_delivered(void *arg, void *reply, const char *why)
{
	struct job		*j = arg;
	struct qmgr		*q = j->q;
	struct active		*a = j->act;
	struct site		*s = j->site;
	struct transport	*t = s->transport;
	const struct deliver_res *res = reply;

	t->under_way--;
	s->under_way--;
	if (!list_empty(&s->jobs) && !list_linked(&s->link))
		list_put_last(&t->ready, &s->link);
	if (res == NULL)
		agent_lost(q, j, why);
	else {
		size_t		 n = j->n;
		struct outcome	*o = outcomes_of(j, res, NULL);

		if (res->site_failed)
			site_failed(q, s, res->site_reason);
		else
			site_succeeded(s);
		job_free(q, j);
		a->under_way--;
		settle(q, a, o, n);
	}
	deliver_pump(q, t);
}

/* A short content goes to smtp-client in the request: a copy costs less than a
 * descriptor on both sides does. */
static bool
short_enough(const struct job *j)
{
	return j->dest->transport->remote &&
	    j->act->file.content_size <= DELIVER_TEXT_MAX;
}

static int
read_text(const struct queue_msg *m, struct arena *scratch, struct slice *out,
    struct error *err)
{
	size_t		 n = (size_t)m->content_size;
	unsigned char	*p = arena_alloc(scratch, n + 1);
	ssize_t		 did = file_pread(m->fd, p, n,
			    (off_t)m->content_offset);

	*out = slice_of(p, n);
	if (did == (ssize_t)n)
		return 0;
	return did < 0 ? error_sys(err, "read content") :
	    error_set(err, "content is cut off");
}

/* -1: *err; it has not been handed out. */
static int
make_ready(struct qmgr *q, const struct job *j, struct arena *scratch,
    struct slice *text_out, struct error *err)
{
	struct active	*a = j->act;
	int		 got;

	*text_out = slice_of(NULL, 0);
	got = short_enough(j) ? read_text(&a->file, scratch, text_out, err) :
	    queue_msg_share(q->queue, a->m->dir, &a->file, err);
	if (got < 0)
		return -1;
	if (!a->inflight && inflight_add(q->inflight, a->m->id) < 0)
		return error_sys(err, "lock message");
	a->inflight = true;
	return 0;
}

/* The fault is ours and not the site's. */
static void
not_sent(struct qmgr *q, struct job *j, const char *why)
{
	struct active	*a = j->act;
	struct rcpt	**rcpts = j->rcpts;
	size_t		 n = j->n;

	log_error("%s: %s", a->m->id, why);
	a->crashed = true;
	a->under_way++;
	job_free(q, j);
	a->under_way--;
	settle_verdict(q, a, rcpts, n, "error", false, "4.3.0",
	    arena_printf(a->mem, "queue error: %s", why));
}

static void
send_job(struct transport *t, struct site *s, struct job *j)
{
	struct arena		*scratch = arena_new();
	struct deliver_req	 req;
	struct slice		 text;
	struct error		 err;

	if (make_ready(j->q, j, scratch, &text, &err) < 0) {
		arena_free(&scratch);
		not_sent(j->q, j, err.text);
		return;
	}
	fill_request(j, scratch, &req);
	if (short_enough(j)) {
		req.content = -1;
		req.content_offset = 0;
		req.text = text;
	}
	t->under_way++;
	s->under_way++;
	j->act->under_way++;
	ipc_client_call(t->client, &deliver_req_desc, &req, &deliver_res_desc,
	    DELIVER_TIMEOUT, on_delivered, j);
	arena_free(&scratch);
}

/* Round robin over the sites that have work and room, so that none starves
 * the others of the transport's deliveries. */
void
deliver_pump(struct qmgr *q, struct transport *t)
{
	struct list	*l;
	size_t		 limit = (size_t)q->conf->transport_concurrency;

	while (!q->draining && t->under_way < limit &&
	    (l = list_take(&t->ready)) != NULL) {
		struct site	*s = LIST_ENTRY(l, struct site, link);

		if (s->under_way >= (size_t)s->window)
			continue;	/* comes back with a result */
		if ((l = list_take(&s->jobs)) == NULL)
			continue;
		send_job(t, s, LIST_ENTRY(l, struct job, link));
		if (!list_empty(&s->jobs))
			list_put_last(&t->ready, &s->link);
	}
}
