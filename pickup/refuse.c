/* SPDX-License-Identifier: Apache-2.0 */
/* A local submission that intake refuses for good.  postdrop has said yes
 * already and nobody waits for an answer, so the refusal becomes a message
 * whose recipients have all failed: the delivery log first, then the file.
 * qmgr finds nothing to deliver and has the sender told. */
#include "pickup/pickup.h"

#include <string.h>

#include "sys/clock.h"

struct writer {
	struct queue_file	*f;
	struct error		*err;
	int			 last;		/* byte before; -1: none */
	bool			 failed;
};

/* LF and CRLF end lines; a CR elsewhere becomes a space. */
static bool
write_lines(void *arg, struct slice s)
{
	struct writer	*w = arg;
	unsigned char	 out[4096];
	size_t		 n = 0;

	for (size_t i = 0; i < s.len && !w->failed; i++) {
		unsigned char	c = s.p[i];

		if (w->last == '\r' && c != '\n')
			out[n++] = ' ';
		if (c == '\n')
			out[n++] = '\r';
		if (c != '\r')
			out[n++] = c;
		w->last = c;
		if (n > sizeof(out) - 4) {
			w->failed = queue_file_write(w->f, out, n,
			    w->err) < 0;
			n = 0;
		}
	}
	if (!w->failed && n > 0)
		w->failed = queue_file_write(w->f, out, n, w->err) < 0;
	return !w->failed;
}

static int
write_log(struct pickup *p, const struct submission *s, const char *id,
    const char *dsn, const char *text, struct error *err)
{
	struct arena		*a = arena_new();
	struct queue_log_rec	*recs = arena_array(a, s->nrcpts,
	    sizeof(*recs));
	int			 r;

	for (size_t i = 0; i < s->nrcpts; i++)
		recs[i] = (struct queue_log_rec){
			.kind = QLOG_BOUNCE, .address = s->rcpts[i],
			.original = s->rcpts[i], .notify = s->notify,
			.dsn = dsn, .action = "failed",
			.diag_type = "x-posthouse", .diagnostic = text,
			.when = clock_wall(),
		};
	r = queue_log_append(p->queue, id, recs, s->nrcpts, true, err);
	arena_free(&a);
	return r;
}

static int
commit(struct pickup *p, const struct submission *s, struct queue_file **f,
    struct error *err)
{
	struct arena		*a = arena_new();
	struct queue_env	 env = {
		.dsn_envid = s->envid, .dsn_ret = s->ret,
		.flags = s->flags, .arrival = s->arrival,
		.nrcpts = s->nrcpts,
	};
	enum route_result	 r;
	int			 result;

	env.rcpts = arena_array(a, s->nrcpts, sizeof(*env.rcpts));
	for (size_t i = 0; i < s->nrcpts; i++)
		env.rcpts[i] = (struct queue_rcpt){
			.address = s->rcpts[i], .notify = s->notify,
			.status = RCPT_BOUNCED,
		};
	r = s->sender[0] == '\0' ? ROUTE_DONE : route_canonical(p->route,
	    slice_str(s->sender), a, &env.sender, err);
	if (s->sender[0] == '\0')
		env.sender = "";
	if (r != ROUTE_DONE) {
		queue_file_abort(f);
		result = error_set(err, "cannot complete the sender address");
	} else
		result = queue_file_commit_now(f, &env, false, err);
	arena_free(&a);
	return result;
}

int
refuse(struct pickup *p, const struct submission *s, const char *dsn,
    const char *text, char id_out[QUEUE_ID_MAX], struct error *err)
{
	struct writer	w = { .err = err, .last = -1 };

	queue_file_new(p->queue, &w.f);
	memcpy(id_out, queue_file_id(w.f), strlen(queue_file_id(w.f)) + 1);
	if (content_each(s->fd, s->content_at, write_lines, &w, err) < 0 ||
	    w.failed ||
	    write_log(p, s, id_out, dsn, text, err) < 0) {
		queue_file_abort(&w.f);
		return -1;
	}
	if (commit(p, s, &w.f, err) < 0) {
		/* A log without a message is swept if this fails as well. */
		(void)!queue_log_remove(p->queue, id_out, NULL);
		return -1;
	}
	return 0;
}
