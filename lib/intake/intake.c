/* SPDX-License-Identifier: Apache-2.0 */
/* A message's content on its way into a queue file.
 *
 * Bytes pass lines.c (CRLF only), collect in m->head until the header section
 * is over, and go to the queue file from then on.  After the first failure
 * (intake_fail) the file is removed at once and the rest is only counted: the
 * peer is answered at the end of its data, not in the middle. */
#include "intake/intake_int.h"

#include <stdint.h>

#include "base/mem.h"
#include "base/panic.h"
#include "sys/clock.h"

#define PREPEND_MAX	((size_t)65536)

/*
 * The process.
 */
static int
open_list(const char *spec, const struct map_env *env, const char *param,
    struct map_list **out, struct error *err)
{
	if (map_list_open(spec, env, out, err) < 0)
		return error_in(err, "parameter %s", param);
	return 0;
}

static int
open_tables(struct intake *in, const struct map_env *env, struct error *err)
{
	const struct intake_conf	*c = &in->conf;

	if (open_list(c->sender_bcc_maps, env, "sender_bcc_maps",
	    &in->sender_bcc, err) < 0 ||
	    open_list(c->recipient_bcc_maps, env, "recipient_bcc_maps",
	    &in->rcpt_bcc, err) < 0 ||
	    open_list(c->canonical_maps, env, "canonical_maps",
	    &in->canonical, err) < 0 ||
	    open_list(c->sender_canonical_maps, env, "sender_canonical_maps",
	    &in->sender_canonical, err) < 0 ||
	    open_list(c->recipient_canonical_maps, env,
	    "recipient_canonical_maps", &in->rcpt_canonical, err) < 0)
		return -1;
	return 0;
}

static bool
list_names(const char *list, const char *name)
{
	struct slice	s = slice_str(list), word;

	while (slice_word(&s, ", \t\r\n", &word))
		if (slice_is(word, name))
			return true;
	return false;
}

int
intake_open(const struct conf *conf, const struct conf_common *common,
    struct route *route, const struct map_env *env, struct intake **out,
    struct error *err)
{
	struct intake	*in = mem_new(1, sizeof(*in));

	in->mem = arena_new();
	in->common = common;
	in->route = route;
	list_init(&in->waiting);
	if (conf_fill(conf, intake_params, intake_nparams, in->mem,
	    &in->conf, err) < 0 || open_tables(in, env, err) < 0) {
		intake_close(&in);
		return -1;
	}
	buf_init(&in->scratch, (size_t)in->conf.header_section_limit +
	    1048576);
	intake_head_open(in);
	/* The row of this parameter is lib/route's. */
	in->propagate = list_names(conf_value(conf, in->mem,
	    "propagate_unmatched_extensions"), "canonical");
	*out = in;
	return 0;
}

void
intake_close(struct intake **in)
{
	if (*in == NULL)
		return;
	buf_clear(&(*in)->scratch);
	map_list_close(&(*in)->sender_bcc);
	map_list_close(&(*in)->rcpt_bcc);
	map_list_close(&(*in)->canonical);
	map_list_close(&(*in)->sender_canonical);
	map_list_close(&(*in)->rcpt_canonical);
	arena_free(&(*in)->mem);
	mem_free(in);
}

/*
 * A message.
 */
static const char *
copy(struct arena *a, const char *s)
{
	return arena_strdup(a, s);
}

static void
copy_origin(struct arena *a, struct intake_origin *o)
{
	o->client_name = copy(a, o->client_name);
	o->client_address = copy(a, o->client_address);
	o->client_port = copy(a, o->client_port);
	o->helo = copy(a, o->helo);
	o->protocol = copy(a, o->protocol);
	o->tls = copy(a, o->tls);
	o->sasl_method = copy(a, o->sasl_method);
	o->sasl_username = copy(a, o->sasl_username);
	o->userid = copy(a, o->userid);
	o->full_name = copy(a, o->full_name);
	if (o->arrival == 0)
		o->arrival = clock_wall();
}

void
intake_begin(struct intake *in, struct queue *q,
    const struct intake_origin *o, struct intake_msg **out)
{
	struct queue_file	*file;
	struct arena		*mem;
	struct intake_msg	*m;

	queue_file_new(q, &file);
	mem = arena_new();
	m = arena_alloc(mem, sizeof(*m));
	m->mem = mem;
	m->in = in;
	m->file = file;
	memcpy(m->id, queue_file_id(file), strlen(queue_file_id(file)) + 1);
	m->origin = *o;
	copy_origin(mem, &m->origin);
	m->sender = "";
	m->message_id = "";
	buf_init(&m->head, (size_t)in->conf.header_section_limit + 2);
	buf_init(&m->prepend, PREPEND_MAX);
	*out = m;
}

const char *
intake_id(const struct intake_msg *m)
{
	return m->id;
}

void
intake_abort(struct intake_msg **mp)
{
	struct intake_msg	*m = *mp;
	struct arena		*mem;

	if (m == NULL)
		return;
	mem = m->mem;
	queue_file_abort(&m->file);
	buf_clear(&m->head);
	buf_clear(&m->prepend);
	arena_free(&mem);
	*mp = NULL;
}

void
intake_fail(struct intake_msg *m, enum intake_status s,
    const struct error *err)
{
	if (m->status != INTAKE_OK)
		return;
	m->status = s;
	if (err != NULL) {
		m->err = arena_alloc(m->mem, sizeof(*m->err));
		*m->err = *err;
	}
	/* m->head stays: somebody may be reading it. */
	queue_file_abort(&m->file);
}

void
intake_sender(struct intake_msg *m, const char *sender, const char *dsn_envid,
    unsigned int dsn_ret, unsigned int flags)
{
	m->sender = copy(m->mem, sender);
	m->dsn_envid = copy(m->mem, dsn_envid);
	m->dsn_ret = dsn_ret;
	m->flags = flags;
}

void
intake_rcpt(struct intake_msg *m, const struct queue_rcpt *r)
{
	struct queue_rcpt	*to;

	if (m->nrcpts == m->rcpts_size) {
		struct queue_rcpt	*more;

		m->rcpts_size = m->rcpts_size == 0 ? 4 : 2 * m->rcpts_size;
		more = arena_array(m->mem, m->rcpts_size, sizeof(*more));
		if (m->nrcpts > 0)
			memcpy(more, m->rcpts, m->nrcpts * sizeof(*more));
		m->rcpts = more;
	}
	to = &m->rcpts[m->nrcpts++];
	to->address = copy(m->mem, r->address);
	to->original = r->original == NULL ? to->address :
	    copy(m->mem, r->original);
	to->dsn_orcpt = copy(m->mem, r->dsn_orcpt);
	to->notify = r->notify;
	to->status = RCPT_TODO;
}

size_t
intake_nrcpts(const struct intake_msg *m)
{
	return m->nrcpts;
}

void
intake_prepend(struct intake_msg *m, const char *line)
{
	buf_adds(&m->prepend, line);
	buf_adds(&m->prepend, "\r\n");
	if (m->prepend.overflow)
		intake_fail(m, INTAKE_SIZE, NULL);
}

void
intake_hold(struct intake_msg *m)
{
	m->hold = true;
}

void
intake_redirect(struct intake_msg *m, const char *address)
{
	m->redirect = copy(m->mem, address);
}

void
intake_discard(struct intake_msg *m)
{
	m->discard = true;
}

/*
 * Content.
 */
void
intake_put(struct intake_msg *m, struct slice s)
{
	struct error	err;

	if (s.len > 0 && m->file != NULL &&
	    queue_file_write(m->file, s.p, s.len, &err) < 0)
		intake_fail(m, INTAKE_QUEUE, &err);
}

static bool
is_from_line(struct slice line)
{
	while (line.len > 0 && line.p[0] == '>')
		line = slice_from(line, 1);
	return slice_starts(line, "From ");
}

/* The section is over: edit and write it, then what has come of the body. */
static void
head_over(struct intake_msg *m, struct slice section, struct slice rest)
{
	m->stage = STAGE_BODY;
	if (section.len > m->head.max)
		intake_fail(m, INTAKE_SIZE, NULL);
	else
		intake_head_write(m, section, true);
	if (m->status != INTAKE_OK)
		return;
	intake_put(m, rest);
	buf_clear(&m->head);
}

/* An mbox line is looked at as the field that it becomes.  False: the first
 * line is not complete. */
static bool
scan_first_line(struct intake_msg *m, struct slice all)
{
	ptrdiff_t	lf = slice_find(all, '\n');
	bool		done;

	if (lf < 0)
		return false;
	m->stage = STAGE_HEADER;
	m->from_line = is_from_line(slice_first(all, (size_t)lf));
	if (m->from_line) {
		(void)header_scan(&m->scan, SLICE_LIT("X-Mailbox-Line: x\r\n"),
		    &done);
		m->scanned = (size_t)lf + 1;
	}
	return true;
}

/* Look at the lines of `all` that are complete since the last time.  True:
 * the section is over at m->scanned. */
static bool
scan_head(struct intake_msg *m, struct slice all)
{
	struct slice	rest;
	ptrdiff_t	last;
	bool		done;

	if (m->stage == STAGE_FIRST_LINE && !scan_first_line(m, all))
		return false;
	rest = slice_from(all, m->scanned);
	last = slice_rfind(rest, '\n');
	if (last < 0)
		return false;
	m->scanned += header_scan(&m->scan, slice_first(rest,
	    (size_t)last + 1), &done);
	return done;
}

/* Mostly all of the section is in one piece, and is not copied then. */
static void
head_piece(struct intake_msg *m, struct slice s)
{
	struct slice	all = s, behind = slice_from(s, s.len);
	size_t		held = buf_len(&m->head), room = buf_room(&m->head);

	if (held > 0) {
		buf_add_slice(&m->head, slice_first(s, room));
		behind = slice_from(s, room);
		all = buf_slice(&m->head);
	}
	if (scan_head(m, all)) {
		head_over(m, slice_first(all, m->scanned),
		    slice_from(all, m->scanned));
		intake_put(m, behind);
	} else if (s.len > room)
		intake_fail(m, INTAKE_SIZE, NULL);
	else if (held == 0)
		buf_add_slice(&m->head, s);
}

static void
one_piece(struct intake_msg *m, struct slice s)
{
	if (m->status != INTAKE_OK)
		return;
	if (m->stage == STAGE_BODY)
		intake_put(m, s);
	else
		head_piece(m, s);
}

static void
check_limits(struct intake_msg *m)
{
	int64_t	limit = m->in->common->message_size_limit;

	if (limit > 0 && m->size > (uint64_t)limit)
		intake_fail(m, INTAKE_SIZE, NULL);
	if (m->origin.lines == INTAKE_CRLF_ONLY &&
	    (m->lines.bare_cr || m->lines.bare_lf))
		intake_fail(m, INTAKE_LINES, NULL);
}

bool
intake_write(struct intake_msg *m, struct slice in)
{
	struct slice	s;

	m->size += in.len;
	while (m->status == INTAKE_OK && lines_take(&m->lines, &in, &s)) {
		one_piece(m, s);
		check_limits(m);
	}
	check_limits(m);
	if (m->status != INTAKE_OK)
		buf_clear(&m->head);
	return m->status == INTAKE_OK;
}

/* The last line is ended, and a message that is all header is written. */
static void
content_end(struct intake_msg *m)
{
	struct slice	s = lines_end(&m->lines);

	if (s.len > 0)
		one_piece(m, s);
	check_limits(m);
	if (m->status == INTAKE_OK && m->stage != STAGE_BODY) {
		m->stage = STAGE_BODY;
		intake_head_write(m, buf_slice(&m->head), false);
	}
	buf_clear(&m->head);
}

void
intake_commit(struct intake_msg **mp, struct loop *l,
    void (*done)(void *arg, const struct intake_result *r), void *arg)
{
	struct intake_msg	*m = *mp;

	*mp = NULL;
	content_end(m);
	intake_commit_begin(m, l, done, arg);
}
