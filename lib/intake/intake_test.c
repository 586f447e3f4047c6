/* SPDX-License-Identifier: Apache-2.0 */
/* From intake_begin() to the committed queue file, in a temporary queue. */
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/check_run.h"
#include "intake/intake_int.h"
#include "sys/file.h"
#include "sys/loop.h"
#include "sys/syncer.h"

static struct world {
	char			 dir[64];
	struct conf		*conf;
	struct conf_common	 common;
	struct arena		*mem;
	struct map_env		 env;
	struct route		*route;
	struct intake		*intake;
	struct loop		*loop;
	struct syncer		*syncer;
	struct queue		*queue;

	/* What the last commit said. */
	bool			 done;
	struct intake_result	 r;
	char			 id[QUEUE_ID_MAX], message_id[256];
} w;

static void
set_up(void)
{
	static const char	settings[] =
	    "myhostname = mx.example\nmyorigin = example\n"
	    "mydestination = example\nlocal_recipient_maps =\n"
	    "message_size_limit = 5000\nheader_section_limit = 4096\n"
	    "recipient_delimiter = +\n"
	    "virtual_alias_maps = inline:{list@example=a@x.example, "
	    "two@example=a@x.example}\n"
	    "virtual_alias_domains =\n"
	    "canonical_maps = inline:{old@example=new@example, "
	    "@was.example=@is.example}\n"
	    "sender_bcc_maps = inline:{spy@example=copy@example}\n";
	struct error		err;
	struct queue_conf	q;

	memset(&w, 0, sizeof(w));
	(void)snprintf(w.dir, sizeof(w.dir), "/tmp/intake-test.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(w.dir));
	w.mem = arena_new();
	w.conf = conf_new();
	conf_know(w.conf, conf_common_params, conf_common_nparams);
	conf_know(w.conf, route_params, route_nparams);
	conf_know(w.conf, intake_params, intake_nparams);
	ck_assert_int_eq(conf_parse(w.conf, slice_str(settings), "test",
	    &err), 0);
	ck_assert_int_eq(conf_fill(w.conf, conf_common_params,
	    conf_common_nparams, w.mem, &w.common, &err), 0);
	w.env.default_type = "hash";
	ck_assert_msg(route_open(w.conf, &w.env, &w.route, &err) == 0, "%s",
	    err.text);
	ck_assert_msg(intake_open(w.conf, &w.common, w.route, &w.env,
	    &w.intake, &err) == 0, "%s", err.text);
	w.loop = loop_new();
	w.syncer = syncer_new(w.loop, 1);
	q = (struct queue_conf){ .dir = w.dir };
	ck_assert_int_eq(queue_open(&q, true, w.syncer, &w.queue, &err), 0);
}

static int
remove_one(const char *path, const struct stat *st, int flag,
    struct FTW *where)
{
	(void)st, (void)flag, (void)where;
	return remove(path);
}

static void
tear_down(void)
{
	queue_close(&w.queue);
	syncer_free(&w.syncer);
	intake_close(&w.intake);
	route_close(&w.route);
	loop_free(&w.loop);
	conf_free(&w.conf);
	arena_free(&w.mem);
	(void)nftw(w.dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void
committed(void *arg, const struct intake_result *r)
{
	(void)arg;
	w.done = true;
	w.r = *r;
	(void)snprintf(w.id, sizeof(w.id), "%s", r->queue_id);
	(void)snprintf(w.message_id, sizeof(w.message_id), "%s",
	    r->message_id);
}

static struct intake_msg *
begin_at(usec_t arrival, enum intake_lines lines, bool local)
{
	struct intake_origin	 o = {
		.lines = lines, .local = local, .arrival = arrival,
	};
	struct intake_msg	*m;

	intake_begin(w.intake, w.queue, &o, &m);
	return m;
}

static struct intake_msg *
begin(enum intake_lines lines, bool local)
{
	return begin_at(SECS(1700000000), lines, local);
}

static void
rcpt(struct intake_msg *m, const char *address)
{
	intake_rcpt(m, &(struct queue_rcpt){ .address = address });
}

static void
commit(struct intake_msg *m)
{
	intake_commit(&m, w.loop, committed, NULL);
	ck_assert_ptr_null(m);
	ck_assert(!w.done);
	for (int i = 0; i < 1000 && !w.done; i++)
		loop_once(w.loop, MSECS(100));
	ck_assert(w.done);
	w.done = false;
}

/* The content behind our own Received: field, and the envelope. */
static const char *
read_back(struct queue_msg *q)
{
	struct error	 err;
	char		*text, *p;

	ck_assert_int_eq(queue_msg_open(w.queue, QUEUE_NEW, w.id, false, true,
	    w.mem, q, &err), QUEUE_OK);
	text = arena_alloc(w.mem, (size_t)q->content_size + 1);
	ck_assert_int_eq(file_pread(q->fd, text, (size_t)q->content_size,
	    (off_t)q->content_offset), (ssize_t)q->content_size);
	queue_msg_close(q);
	p = strstr(text, "\r\n\tid ");
	ck_assert_ptr_nonnull(p);
	ck_assert(strncmp(text, "Received: by mx.example (Posthouse)\r\n\tid ",
	    41) == 0);
	return strstr(p + 2, "\r\n") + 2;
}

static const struct {
	const char		*label;
	enum intake_lines	 lines;
	const char		*in;
	enum intake_status	 status;
	const char		*out;
} contents[] = {
	{ "plain", INTAKE_CRLF_ONLY, "A: b\r\n\r\nbody\r\n", INTAKE_OK,
	    "A: b\r\n\r\nbody\r\n" },
	{ "empty", INTAKE_CRLF_ONLY, "", INTAKE_OK, "" },
	{ "header only", INTAKE_CRLF_ONLY, "A: b\r\n", INTAKE_OK,
	    "A: b\r\n" },
	{ "no header", INTAKE_CRLF_ONLY, "\r\nbody\r\n", INTAKE_OK,
	    "\r\nbody\r\n" },
	{ "no colon", INTAKE_CRLF_ONLY, "A: b\r\nno field\r\nC: d\r\n",
	    INTAKE_OK, "A: b\r\n\r\nno field\r\nC: d\r\n" },
	{ "blank first", INTAKE_CRLF_ONLY, " x: y\r\n", INTAKE_OK,
	    "\r\n x: y\r\n" },
	{ "dropped", INTAKE_CRLF_ONLY, "Bcc: x,\r\n y\r\nA: b\r\n"
	    "RETURN-PATH: <x>\r\nContent-Length: 3\r\n\r\nBcc: stays\r\n",
	    INTAKE_OK, "A: b\r\n\r\nBcc: stays\r\n" },
	{ "folded", INTAKE_CRLF_ONLY, "A: b\r\n\tc\r\n\r\n", INTAKE_OK,
	    "A: b\r\n\tc\r\n\r\n" },
	{ "mbox", INTAKE_LF, ">From a b\nA: b\n\nx", INTAKE_OK,
	    "X-Mailbox-Line: >From a b\r\nA: b\r\n\r\nx\r\n" },
	{ "LF", INTAKE_LF, "A: b\n\nx\r\ny\rz\n", INTAKE_OK,
	    "A: b\r\n\r\nx\r\ny z\r\n" },
	{ "normalized", INTAKE_NORMALIZE, "A: b\n\nx\r", INTAKE_OK,
	    "A: b\r\n\r\nx \r\n" },
	{ "bare LF", INTAKE_CRLF_ONLY, "A: b\r\n\r\nx\ny\r\n", INTAKE_LINES,
	    NULL },
	{ "bare CR", INTAKE_CRLF_ONLY, "A: b\r\n\r\nx\ry\r\n", INTAKE_LINES,
	    NULL },
	{ "CR at the end", INTAKE_CRLF_ONLY, "A: b\r\n\r\nx\r", INTAKE_LINES,
	    NULL },
};

static void
content_in_pieces(int i, size_t split)
{
	struct intake_msg	*m = begin(contents[i].lines, false);
	struct slice		 in = slice_str(contents[i].in);
	struct queue_msg	 q;

	intake_sender(m, "s@x.example", NULL, 0, 0);
	rcpt(m, "r@x.example");
	(void)intake_write(m, slice_first(in, split));
	(void)intake_write(m, slice_from(in, split));
	commit(m);
	ck_assert_int_eq(w.r.status, contents[i].status);
	ck_assert_uint_eq(w.r.size, in.len);
	if (contents[i].out != NULL)
		ck_assert_str_eq(read_back(&q), contents[i].out);
	else
		ck_assert(!queue_find(w.queue, w.id,
		    &(enum queue_dir){ QUEUE_NEW }));
}

START_TEST(content)
{
	for (size_t n = 0; n <= strlen(contents[_i].in); n++)
		content_in_pieces(_i, n);
}
END_TEST

START_TEST(missing_headers)
{
	struct intake_msg	*m = begin(INTAKE_LF, true);
	struct queue_msg	 q;
	char			 want[512];

	intake_sender(m, "s@x.example", NULL, 0, 0);
	rcpt(m, "r@x.example");
	(void)intake_write(m, SLICE_LIT("To: r\n\nx\n"));
	commit(m);
	(void)snprintf(want, sizeof(want), "To: r\r\nMessage-Id: "
	    "<20231114221320.%s@mx.example>\r\nDate: ", w.id);
	ck_assert_int_eq(strncmp(read_back(&q), want, strlen(want)), 0);
	ck_assert_ptr_nonnull(strstr(read_back(&q),
	    "\r\nFrom: <s@x.example>\r\n\r\nx\r\n"));
	ck_assert_str_eq(q.env.message_id, w.message_id);

	m = begin(INTAKE_LF, true);
	rcpt(m, "r@x.example");
	(void)intake_write(m, SLICE_LIT("from: f\ndate: d\nmessage-id:\n"
	    " <folded>\n\nx\n"));
	commit(m);
	ck_assert_str_eq(read_back(&q), "from: f\r\ndate: d\r\nmessage-id:"
	    "\r\n <folded>\r\n\r\nx\r\n");
	ck_assert_str_eq(w.message_id, "<folded>");
}
END_TEST

/* Each message has the time of its own arrival, whatever came before it. */
START_TEST(seconds)
{
	static const struct {
		int64_t		 second;
		const char	*id, *date;
	} all[] = {
		{ 1700000000, "20231114221320", "14 Nov 2023 22:13:20" },
		{ 1700000001, "20231114221321", "14 Nov 2023 22:13:21" },
		{ 1700000001, "20231114221321", "14 Nov 2023 22:13:21" },
		{ 1, "19700101000001", "01 Jan 1970 00:00:01" },
		{ 1700000000, "20231114221320", "14 Nov 2023 22:13:20" },
	};
	struct queue_msg	 q;
	char			 want[100];

	setenv("TZ", "UTC0", 1);
	tzset();
	for (size_t i = 0; i < COUNT(all); i++) {
		struct intake_msg	*m = begin_at(SECS(all[i].second) + 7,
					    INTAKE_LF, true);

		rcpt(m, "r@x.example");
		(void)intake_write(m, SLICE_LIT("To: r\n\nx\n"));
		commit(m);
		(void)snprintf(want, sizeof(want), "Message-Id: <%s.%s@",
		    all[i].id, w.id);
		ck_assert_ptr_nonnull(strstr(read_back(&q), want));
		(void)snprintf(want, sizeof(want), "%s +0000\r\n",
		    all[i].date);
		ck_assert_ptr_nonnull(strstr(read_back(&q), want));
	}
}
END_TEST

START_TEST(limits)
{
	static char		 big[8192];
	struct intake_msg	*m;

	memset(big, 'x', sizeof(big));
	m = begin(INTAKE_CRLF_ONLY, false);
	rcpt(m, "r@x.example");
	(void)intake_write(m, SLICE_LIT("\r\n"));
	ck_assert(!intake_write(m, slice_of(big, sizeof(big))));
	commit(m);
	ck_assert_int_eq(w.r.status, INTAKE_SIZE);
	ck_assert_int_eq(w.r.code, 552);

	/* The section is too large, the message is not. */
	m = begin(INTAKE_CRLF_ONLY, false);
	rcpt(m, "r@x.example");
	(void)intake_write(m, SLICE_LIT("A: "));
	ck_assert(!intake_write(m, slice_of(big, 4500)));
	commit(m);
	ck_assert_int_eq(w.r.status, INTAKE_SIZE);

	/* A short section, and a piece that holds much of the body, too. */
	m = begin(INTAKE_CRLF_ONLY, false);
	rcpt(m, "r@x.example");
	memcpy(big, "A: b\r\n\r\n", 8);
	ck_assert(intake_write(m, slice_of(big, 4900)));
	commit(m);
	ck_assert_int_eq(w.r.status, INTAKE_OK);

	m = begin(INTAKE_CRLF_ONLY, false);
	(void)intake_write(m, SLICE_LIT("\r\n"));
	commit(m);
	ck_assert_int_eq(w.r.status, INTAKE_NO_RCPT);

	m = begin(INTAKE_CRLF_ONLY, false);
	rcpt(m, "r@x.example");
	for (int i = 0; i < 101; i++)
		(void)intake_write(m, SLICE_LIT("Received: x\r\n"));
	(void)intake_write(m, SLICE_LIT("\r\n"));
	commit(m);
	ck_assert_int_eq(w.r.status, INTAKE_HOPS);
}
END_TEST

START_TEST(envelope)
{
	static const struct { const char *final, *original; } want[] = {
		{ "a@x.example", "list@example" },
		{ "new+ext@example", "old+ext@example" },
		{ "b@is.example", "b@was.example" },
		{ "plain@example", "plain" },
		{ "copy@example", "copy@example" },
	};
	struct intake_msg	*m = begin(INTAKE_CRLF_ONLY, false);
	struct queue_msg	 q;

	intake_sender(m, "spy", "envid", 2, QUEUE_UTF8);
	rcpt(m, "list@example");
	rcpt(m, "two@example");		/* the same again */
	rcpt(m, "old+ext@example");
	rcpt(m, "b@was.example");
	rcpt(m, "plain");
	(void)intake_write(m, SLICE_LIT("\r\n"));
	intake_prepend(m, "never: seen");
	commit(m);
	ck_assert_int_eq(w.r.status, INTAKE_OK);
	ck_assert_str_eq(read_back(&q), "\r\n");
	ck_assert_str_eq(q.env.sender, "spy@example");
	ck_assert_str_eq(q.env.dsn_envid, "envid");
	ck_assert_uint_eq(q.env.nrcpts, COUNT(want));
	for (size_t i = 0; i < COUNT(want); i++) {
		ck_assert_str_eq(q.env.rcpts[i].address, want[i].final);
		ck_assert_str_eq(q.env.rcpts[i].original, want[i].original);
	}
	/* Nobody asked for the copy: nobody hears of it. */
	ck_assert_uint_eq(q.env.rcpts[4].notify, 1);
}
END_TEST

/* More recipients than are compared one by one; each comes twice. */
START_TEST(many_recipients)
{
	struct intake_msg	*m = begin(INTAKE_CRLF_ONLY, false);
	struct queue_msg	 q;
	char			 address[32];

	for (int i = 0; i < 40; i++) {
		(void)snprintf(address, sizeof(address), "%s%d@x.example",
		    i % 2 == 0 ? "user" : "USER", i / 2);
		rcpt(m, address);
	}
	for (int i = 19; i >= 0; i--) {
		(void)snprintf(address, sizeof(address), "User%d@x.example", i);
		rcpt(m, address);
	}
	(void)intake_write(m, SLICE_LIT("\r\n"));
	commit(m);
	ck_assert_int_eq(w.r.status, INTAKE_OK);
	(void)read_back(&q);
	ck_assert_uint_eq(q.env.nrcpts, 20);
	for (int i = 0; i < 20; i++) {
		(void)snprintf(address, sizeof(address), "user%d@x.example", i);
		ck_assert_str_eq(q.env.rcpts[i].address, address);
	}
}
END_TEST

/* The queue fails while a section that came in pieces is being written: what
 * is still to be read of it is there (under AddressSanitizer). */
START_TEST(section_cannot_be_written)
{
	static char		 line[1000];
	struct intake_msg	*m;
	char			 path[300];

	w.common.message_size_limit = 1 << 20;
	w.intake->conf.header_section_limit = 1 << 20;
	m = begin(INTAKE_CRLF_ONLY, false);
	rcpt(m, "r@x.example");
	memset(line, 'x', sizeof(line));
	memcpy(line, "A: ", 3);
	memcpy(line + sizeof(line) - 2, "\r\n", 2);
	for (int i = 0; i < 300; i++)
		ck_assert(intake_write(m, slice_of(line, sizeof(line))));
	ck_assert(intake_write(m, SLICE_LIT("Bcc: x\r\nC: d\r\n")));
	(void)snprintf(path, sizeof(path), "%s/new", w.dir);
	ck_assert_int_eq(rmdir(path), 0);
	ck_assert(!intake_write(m, SLICE_LIT("\r\nbody\r\n")));
	ck_assert(!intake_write(m, SLICE_LIT("more\r\n")));
	commit(m);
	ck_assert_int_eq(w.r.status, INTAKE_QUEUE);
	ck_assert_int_eq(w.r.code, 451);
}
END_TEST

START_TEST(verdicts)
{
	struct intake_msg	*m = begin(INTAKE_CRLF_ONLY, false);
	enum queue_dir		 where;
	struct queue_msg	 q;

	rcpt(m, "r@x.example");
	intake_hold(m);
	commit(m);
	ck_assert(w.r.held);
	ck_assert(queue_find(w.queue, w.id, &where) && where == QUEUE_HOLD);

	m = begin(INTAKE_CRLF_ONLY, false);
	rcpt(m, "r@x.example");
	intake_discard(m);
	commit(m);
	ck_assert(w.r.discarded && w.r.status == INTAKE_OK);
	ck_assert(!queue_find(w.queue, w.id, &where));

	m = begin(INTAKE_CRLF_ONLY, false);
	rcpt(m, "r@x.example");
	rcpt(m, "q@x.example");
	intake_redirect(m, "to@x.example");
	commit(m);
	(void)read_back(&q);
	ck_assert_uint_eq(q.env.nrcpts, 1);
	ck_assert_str_eq(q.env.rcpts[0].address, "to@x.example");

	m = begin(INTAKE_CRLF_ONLY, false);
	(void)snprintf(w.id, sizeof(w.id), "%s", intake_id(m));
	(void)intake_write(m, SLICE_LIT("A: b\r\n"));
	intake_abort(&m);
	ck_assert(!queue_find(w.queue, w.id, &where));
}
END_TEST

int
main(void)
{
	Suite	*s = suite_create("intake");
	TCase	*t = tcase_create("intake");

	tcase_set_timeout(t, 120);
	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_loop_test(t, content, 0, COUNT(contents));
	tcase_add_test(t, missing_headers);
	tcase_add_test(t, seconds);
	tcase_add_test(t, limits);
	tcase_add_test(t, envelope);
	tcase_add_test(t, many_recipients);
	tcase_add_test(t, section_cannot_be_written);
	tcase_add_test(t, verdicts);
	suite_add_tcase(s, t);
	return check_run(s);
}
