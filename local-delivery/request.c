/* SPDX-License-Identifier: Apache-2.0 */
/* Requests of qmgr: each recipient goes its own way at the same time; the
 * answer is sent when the last one has its verdict. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "codec/date.h"
#include "local-delivery/locald.h"
#include "mail/address.h"
#include "sys/clock.h"
#include "sys/log.h"

#define PREFIX_MAX	16384
#define STORE_TIMEOUT	SECS(600)

const struct locald_conf *
locald_conf(const struct locald *ld)
{
	return daemon_params(ld->d);
}

static const char *
status_name(enum deliver_status s)
{
	switch (s) {
	case DELIVER_SENT:
	case DELIVER_EXPANDED:
		return "sent";
	case DELIVER_DEFERRED:
		return "deferred";
	case DELIVER_BOUNCED:
		return "bounced";
	}
	return "deferred";
}

static const char *
relay_name(const struct locald *ld)
{
	switch (ld->mode) {
	case MODE_LOCAL:
		return "local";
	case MODE_VIRTUAL:
		return "virtual";
	case MODE_PIPE:
		break;
	}
	return daemon_service_name(ld->d);
}

void
request_log(const struct delivery *dl, const char *to,
    const struct verdict *v)
{
	const struct job	*j = dl->job;
	const struct deliver_req	*r = &j->req;
	usec_t			 now = clock_wall();
	struct buf		 b;

	buf_init(&b, 1800);
	buf_addf(&b, "%s: to=<%s>, ", r->queue_id, to);
	if (dl->rcpt->original[0] != '\0' &&
	    strcmp(dl->rcpt->original, to) != 0)
		buf_addf(&b, "orig_to=<%s>, ", dl->rcpt->original);
	buf_addf(&b, "relay=%s, delay=", relay_name(j->ld));
	date_put_delay(&b, now - r->arrival);
	buf_adds(&b, ", delays=");
	date_put_delay(&b, r->active - r->arrival);
	buf_addc(&b, '/');
	date_put_delay(&b, j->started - r->active);
	buf_adds(&b, "/0/");
	date_put_delay(&b, now - j->started);
	log_info("%s, dsn=%s, status=%s (%s)", buf_cstr(&b), v->dsn,
	    status_name(v->status), v->text);
	buf_clear(&b);
}

/* The answer */

static void
count(struct daemon *d, enum deliver_status s)
{
	static const enum daemon_counter	counters[] = {
		[DELIVER_SENT] = COUNT_DELIVERED,
		[DELIVER_DEFERRED] = COUNT_DEFERRED,
		[DELIVER_BOUNCED] = COUNT_BOUNCED,
		[DELIVER_EXPANDED] = COUNT_DELIVERED,
	};

	daemon_count(d, counters[s], 1);
}

static void
job_end(struct job *j)
{
	struct daemon			*d = j->ld->d;
	struct deliver_res		 res = { .site_failed = false };
	struct deliver_rcpt_result	*r;
	struct arena			*mem = j->mem;

	r = arena_array(mem, j->n, sizeof(*r));
	for (size_t i = 0; i < j->n; i++) {
		const struct verdict	*v = &j->deliveries[i].verdict;

		r[i] = (struct deliver_rcpt_result){
			.index = j->deliveries[i].rcpt->index,
			.status = v->status, .dsn = v->dsn,
			.relay = relay_name(j->ld), .diagnostic = v->text,
			.diag_type = "x-unix", .connected = -1,
			.started = j->started - j->req.active,
		};
		count(d, v->status);
	}
	res.results.items = r;
	res.results.count = j->n;
	ipc_reply(j->from, &deliver_res_desc, &res);
	deliver_req_close(&j->req);
	arena_free(&mem);
	daemon_session_end(d);
}

void
request_verdict(struct delivery *dl, struct verdict v)
{
	struct job	*j = dl->job;

	if (dl->done)
		return;
	dl->done = true;
	dl->verdict = v;
	if (--j->left == 0)
		job_end(j);
}

struct verdict
request_answer(const struct delivery *dl, const struct work_result *reply,
    const char *why)
{
	struct arena	*a = dl->job->mem;

	if (reply == NULL)
		return verdict_of(DELIVER_DEFERRED, "4.3.0", a,
		    "delivery process failed: %s", why);
	if (reply->status > DELIVER_EXPANDED)
		return verdict_of(DELIVER_DEFERRED, "4.3.0", a,
		    "delivery process gave a bad answer");
	return verdict_of((enum deliver_status)reply->status, reply->dsn, a,
	    "%s", reply->text);
}

/* Delivering */

static bool
listed(const char *list, const char *what)
{
	struct slice	 s = slice_str(list), word;

	while (slice_word(&s, ", \t\r\n", &word))
		if (slice_iis(word, what))
			return true;
	return false;
}

const char *
request_prefix(const struct delivery *dl, const char *what)
{
	const struct job		*j = dl->job;
	const struct locald_conf	*c = locald_conf(j->ld);
	const struct deliver_rcpt	*r = dl->rcpt;
	struct buf			 b;
	const char			*text;

	buf_init(&b, PREFIX_MAX);
	if (strcmp(what, "forward") != 0)
		buf_addf(&b, "Return-Path: <%s>\r\n", j->req.sender);
	if (c->enable_original_recipient && r->original[0] != '\0' &&
	    strcmp(r->original, r->address) != 0)
		buf_addf(&b, "X-Original-To: %s\r\n", r->original);
	if (listed(c->prepend_delivered_header, what))
		buf_addf(&b, "Delivered-To: %s\r\n", r->address);
	text = arena_strdup(j->mem, buf_cstr(&b));
	buf_clear(&b);
	return text;
}

void
request_store(struct delivery *dl, uid_t uid, gid_t gid, const char *maildir,
    uint64_t quota_bytes, ipc_done *done)
{
	const struct deliver_req	*r = &dl->job->req;
	struct work_store		 m = {
		.content = r->content, .offset = r->content_offset,
		.size = r->content_size,
		.prefix = request_prefix(dl, "file"), .maildir = maildir,
		.quota_bytes = quota_bytes,
	};

	userproc_call(dl->job->ld->workers, uid, gid, &work_store_desc, &m,
	    &work_result_desc, STORE_TIMEOUT, done, dl);
}

/* Beginning */

/* Control characters would write header lines of their own. */
static bool
printable(const char *s)
{
	for (; *s != '\0'; s++)
		if ((unsigned char)*s < 32 || *s == 127)
			return false;
	return true;
}

static int
split_address(struct delivery *dl)
{
	struct locald	*ld = dl->job->ld;
	struct arena	*a = dl->job->mem;
	struct address	 ad;
	const char	*why;

	if (!printable(dl->rcpt->address) || !printable(dl->rcpt->original) ||
	    !address_parse(slice_str(dl->rcpt->address), ADDRESS_OK_UTF8 |
	    ADDRESS_OK_NODOMAIN | ADDRESS_OK_LOOSE, &ad, &why))
		return -1;
	dl->local = address_local(a, &ad);
	dl->domain = arena_strndup(a, (const char *)ad.domain.p,
	    ad.domain.len);
	dl->user = dl->local;
	dl->ext = slice_of(NULL, 0);
	if (ld->route != NULL)
		route_split_ext(ld->route, dl->local, &dl->user, &dl->ext);
	return 0;
}

static void
begin_one(struct delivery *dl)
{
	switch (dl->job->ld->mode) {
	case MODE_LOCAL:
		local_begin(dl);
		break;
	case MODE_VIRTUAL:
		virtual_begin(dl);
		break;
	case MODE_PIPE:
		break;		/* pipe_begin_all() */
	}
}

static void
copy_request(struct job *j, const struct deliver_req *r)
{
	struct arena		*a = j->mem;
	struct deliver_rcpt	*to;

	j->req = *r;
	j->req.hosts = (struct ipc_list){ NULL, 0 };
#define COPY(f)	j->req.f = arena_strdup(a, r->f)
	COPY(queue_id);
	COPY(transport);
	COPY(nexthop);
	COPY(sender);
	COPY(dsn_envid);
	COPY(client_name);
	COPY(client_address);
	COPY(client_helo);
	COPY(client_protocol);
	COPY(sasl_method);
	COPY(sasl_username);
#undef COPY
	to = arena_array(a, r->rcpts.count, sizeof(*to));
	for (size_t i = 0; i < r->rcpts.count; i++) {
		const struct deliver_rcpt	*from = r->rcpts.items;

		to[i] = from[i];
		to[i].address = arena_strdup(a, from[i].address);
		to[i].original = arena_strdup(a, from[i].original == NULL ?
		    "" : from[i].original);
		to[i].dsn_orcpt = arena_strdup(a, from[i].dsn_orcpt);
	}
	j->req.rcpts.items = to;
}

static void
on_deliver(void *arg, struct ipc_request req, void *msg)
{
	struct locald		*ld = daemon_state(arg);
	struct deliver_req	*r = msg;
	struct arena		*mem = arena_new();
	struct job		*j = arena_alloc(mem, sizeof(*j));
	struct deliver_rcpt	*rcpts;

	daemon_session_begin(ld->d);
	j->ld = ld;
	j->mem = mem;
	j->from = req;
	j->started = clock_wall();
	copy_request(j, r);
	rcpts = j->req.rcpts.items;
	j->n = j->req.rcpts.count;
	/* One more, so that the job lives until all have begun. */
	j->left = j->n + 1;
	j->deliveries = arena_array(mem, j->n + 1, sizeof(*j->deliveries));
	for (size_t i = 0; i < j->n; i++) {
		struct delivery	*dl = &j->deliveries[i];
		struct verdict	 v;

		dl->job = j;
		dl->rcpt = &rcpts[i];
		if (split_address(dl) == 0 && printable(j->req.sender)) {
			begin_one(dl);
			continue;
		}
		v = verdict_of(DELIVER_BOUNCED, "5.1.3", mem,
		    "bad address syntax");
		request_log(dl, dl->rcpt->address, &v);
		request_verdict(dl, v);
	}
	if (ld->mode == MODE_PIPE)
		pipe_begin_all(j);
	if (--j->left == 0)
		job_end(j);
}

const struct ipc_handler request_handlers[] = {
	{ &deliver_req_desc, on_deliver },
};
const size_t	request_nhandlers = COUNT(request_handlers);
