/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/check_run.h"
#include "ipc/deliver_msg.h"
#include "ipc/dns_msg.h"
#include "ipc/ipc.h"
#include "sys/clock.h"
#include "sys/loop.h"
#include "sys/sock.h"

static struct arena	*a;

static void
setup(void)
{
	a = arena_new();
}

static void
teardown(void)
{
	arena_free(&a);
}

static struct dns_rr	records[] = {
	{ 10, "mx1.example.com", { NULL, 0 } },
	{ 20, "", { (const unsigned char *)"a\0b", 3 } },
};
static const struct dns_res	answer = {
	.result = DNS_OK, .secure = true, .ttl = 300,
	.records = { records, 2 }
};

static struct slice
encoded(struct buf *b)
{
	struct ipc_fds	fds;
	struct error	err;

	buf_init(b, 65536);
	ck_assert_int_eq(ipc_encode(&dns_res_desc, &answer, b, &fds, &err), 0);
	return buf_slice(b);
}

START_TEST(round_trip)
{
	struct buf	b;
	struct slice	in = encoded(&b);
	struct ipc_fds	fds = { .n = 0 };
	struct dns_res	out;
	struct dns_rr	*rr;
	struct error	err;

	ck_assert_int_eq(ipc_decode(&dns_res_desc, in, &fds, a, &out, &err), 0);
	ck_assert_uint_eq(out.ttl, 300);
	ck_assert(out.secure && !out.bogus);
	ck_assert_ptr_null(out.why);
	ck_assert_uint_eq(out.records.count, 2);
	rr = out.records.items;
	ck_assert_str_eq(rr[0].text, "mx1.example.com");
	ck_assert_uint_eq(rr[1].data.len, 3);
	buf_clear(&b);
}
END_TEST

/* Whatever a peer sends: an answer, never a crash, never a half message. */
START_TEST(every_truncation_is_refused)
{
	struct buf	b;
	struct slice	in = encoded(&b);
	struct dns_res	out;
	struct error	err;

	for (size_t n = 0; n < in.len; n++) {
		struct ipc_fds	fds = { .n = 0 };

		ck_assert_int_eq(ipc_decode(&dns_res_desc, slice_first(in, n),
		    &fds, a, &out, &err), -1);
	}
	buf_clear(&b);
}
END_TEST

START_TEST(flipped_bytes_do_no_harm)
{
	struct buf	b;
	struct slice	in = encoded(&b);
	unsigned char	*copy = malloc(in.len);
	struct dns_res	out;
	struct error	err;

	for (size_t i = 0; i < in.len; i++) {
		for (int bit = 0; bit < 8; bit++) {
			struct ipc_fds	fds = { .n = 0 };

			memcpy(copy, in.p, in.len);
			copy[i] ^= (unsigned char)(1 << bit);
			(void)!ipc_decode(&dns_res_desc,
			    slice_of(copy, in.len), &fds, a, &out, &err);
		}
		arena_reset(a);
	}
	free(copy);
	buf_clear(&b);
}
END_TEST

struct strict {
	const char	*name;
	uint64_t	 n;
};
static const struct ipc_field strict_fields[] = {
	IPC_F_STR(struct strict, name, 4),
	IPC_F_U64(struct strict, n),
};
static const struct ipc_desc strict_desc =
    IPC_DESC("strict", struct strict, strict_fields);

#define NAME	"\4name\1\2\0\0\0ab"
#define N	"\1n\2\10\0\0\0\7\0\0\0\0\0\0\0"

START_TEST(decoder_is_strict)
{
	static const struct {
		const char	*label, *bytes;
		size_t		 len;
		const char	*error;		/* NULL: good */
	} rows[] = {
		{ "good", NAME N, sizeof(NAME N) - 1, NULL },
		{ "other order", N NAME, sizeof(N NAME) - 1, NULL },
		{ "missing", NAME, sizeof(NAME) - 1, "strict: n: missing" },
		{ "repeated", NAME N NAME, sizeof(NAME N NAME) - 1,
		    "strict: name: repeated" },
		{ "unknown", NAME N "\1x\2\0\0\0\0",
		    sizeof(NAME N "\1x\2\0\0\0\0") - 1,
		    "strict: unknown field \"x\"" },
		{ "trailing", NAME N "\0", sizeof(NAME N "\0") - 1,
		    "strict: truncated" },
		{ "type", "\4name\2\2\0\0\0ab", 12, "strict: name: wrong type" },
		{ "long", "\4name\1\5\0\0\0abcde", 15,
		    "strict: name: 5 bytes, limit 4" },
		{ "NUL", "\4name\1\2\0\0\0a\0", 12, "strict: name: NUL byte" },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		struct ipc_fds	fds = { .n = 0 };
		struct strict	out;
		struct error	err;
		int		r = ipc_decode(&strict_desc,
		    slice_of(rows[i].bytes, rows[i].len), &fds, a, &out, &err);

		ck_assert_msg((r == 0) == (rows[i].error == NULL), "%s",
		    rows[i].label);
		if (r < 0)
			ck_assert_str_eq(err.text, rows[i].error);
		else
			ck_assert_uint_eq(out.n, 7);
	}
}
END_TEST

/*
 * Connections.
 */
static struct loop	*loop;
static int		 got_fd, calls_done, closed;
static const char	*last_why;
static struct ipc_request	kept;
static struct dns_req		*kept_msg;
static struct arena		*kept_mem;

static void
serve_dns(void *arg, struct ipc_request req, void *msg)
{
	struct dns_req	*q = msg;

	(void)arg;
	ck_assert_uint_eq(q->type, DNS_MX);
	if (strcmp(q->name, "later") == 0)
		kept = req;
	else if (strcmp(q->name, "keep") == 0) {
		kept = req;
		kept_msg = q;
		kept_mem = ipc_request_keep(req);
	}
	else
		ipc_reply(req, &dns_res_desc, &answer);
}

struct file_msg {
	int	file;
};
static const struct ipc_field file_fields[] = {
	IPC_F_FD(struct file_msg, file),
};
static const struct ipc_desc file_desc =
    IPC_DESC("file", struct file_msg, file_fields);

static void
serve_file(void *arg, struct ipc_request req, void *msg)
{
	(void)arg;
	(void)req;
	got_fd = ((struct file_msg *)msg)->file;
}

static void
on_closed(void *arg, struct ipc *c, const char *why)
{
	(void)arg;
	(void)c;
	(void)why;
	closed++;
}

static const struct ipc_handler handlers[] = {
	{ &dns_req_desc, serve_dns },
	{ &file_desc, serve_file },
};
static const struct ipc_ops	server_ops = { handlers, 2, on_closed };
static const struct ipc_ops	client_ops = { NULL, 0, on_closed };
static struct ipc		*server, *client;

static void
connect_pair(void)
{
	int	fds[2];

	setup();
	loop = loop_new();
	ck_assert_int_eq(sock_pair(fds, NULL), 0);
	server = ipc_new(loop, fds[0], &server_ops, NULL);
	client = ipc_new(loop, fds[1], &client_ops, NULL);
	calls_done = closed = 0;
	got_fd = -1;
	last_why = NULL;
}

static void
disconnect_pair(void)
{
	ipc_close(&server);
	ipc_close(&client);
	loop_free(&loop);
	teardown();
}

static void
on_answer(void *arg, void *reply, const char *why)
{
	(void)arg;
	calls_done++;
	last_why = why == NULL ? NULL : arena_strdup(a, why);
	if (reply != NULL)
		ck_assert_uint_eq(((struct dns_res *)reply)->records.count, 2);
}

static uint32_t
ask(const char *name, usec_t timeout)
{
	struct dns_req	q = { name, DNS_MX };
	struct error	err;
	uint32_t	n = ipc_call(client, &dns_req_desc, &q, &dns_res_desc,
	    timeout, on_answer, NULL, &err);

	ck_assert_uint_ne(n, 0);
	return n;
}

#define PATIENCE	SECS(50)

static void
run_until(const int *counter, int want)
{
	usec_t	until = clock_mono() + PATIENCE;

	while (*counter < want && clock_mono() < until)
		loop_once(loop, MSECS(100));
	ck_assert_int_ge(*counter, want);
}

START_TEST(many_calls_are_answered)
{
	for (int i = 0; i < 500; i++)
		(void)ask("example.com", PATIENCE);
	run_until(&calls_done, 500);
	ck_assert_ptr_null(last_why);
}
END_TEST

START_TEST(requests_can_be_kept)
{
	(void)ask("keep", PATIENCE);
	for (int i = 0; i < 10; i++)
		(void)ask("somebody.else.example.com", PATIENCE);
	run_until(&calls_done, 10);
	ck_assert_str_eq(kept_msg->name, "keep");
	ipc_reply(kept, &dns_res_desc, &answer);
	arena_free(&kept_mem);
	run_until(&calls_done, 11);
	ck_assert_ptr_null(last_why);
}
END_TEST

START_TEST(slow_answers_time_out_and_late_ones_are_dropped)
{
	(void)ask("later", MSECS(20));
	run_until(&calls_done, 1);
	ck_assert_str_eq(last_why, "timed out");
	ipc_reply(kept, &dns_res_desc, &answer);
	(void)ask("example.com", PATIENCE);
	run_until(&calls_done, 2);
	ck_assert_ptr_null(last_why);
}
END_TEST

START_TEST(cancelled_calls_stay_silent)
{
	ipc_cancel(client, ask("example.com", PATIENCE));
	(void)ask("example.com", PATIENCE);
	run_until(&calls_done, 1);
	loop_once(loop, MSECS(20));
	ck_assert_int_eq(calls_done, 1);
}
END_TEST

START_TEST(a_lost_server_fails_its_calls)
{
	(void)ask("later", PATIENCE);
	while (kept.from == NULL)
		loop_once(loop, MSECS(10));
	ipc_close(&server);
	run_until(&closed, 1);
	ck_assert_int_eq(calls_done, 1);
	ck_assert_ptr_nonnull(last_why);
	client = NULL;
	ipc_reply(kept, &dns_res_desc, &answer);	/* to nobody */
}
END_TEST

START_TEST(descriptors_travel)
{
	struct file_msg	m;
	struct error	err;
	char		text[3] = "";
	int		fds[2];

	ck_assert_int_eq(pipe(fds), 0);
	m.file = fds[1];
	ck_assert_int_eq(ipc_send(client, &file_desc, &m, &err), 0);
	close(fds[1]);
	for (int i = 0; i < 100 && got_fd < 0; i++)
		loop_once(loop, MSECS(10));
	ck_assert_int_ge(got_fd, 0);
	ck_assert_int_eq(write(got_fd, "hi", 2), 2);
	close(got_fd);
	ck_assert_int_eq(read(fds[0], text, 2), 2);
	ck_assert_str_eq(text, "hi");
	close(fds[0]);
}
END_TEST

START_TEST(bad_frames_cost_the_connection)
{
	int	fds[2];
	char	junk[64];

	memset(junk, 'x', sizeof(junk));
	ck_assert_int_eq(sock_pair(fds, NULL), 0);
	(void)!ipc_new(loop, fds[0], &server_ops, NULL);
	ck_assert_int_eq(write(fds[1], junk, sizeof(junk)), sizeof(junk));
	run_until(&closed, 1);
	close(fds[1]);
	(void)ask("example.com", SECS(10));	/* others are served */
	run_until(&calls_done, 1);
	ck_assert_ptr_null(last_why);
}
END_TEST

START_TEST(big_messages_arrive_whole)
{
	static struct deliver_rcpt	r[5000];
	struct deliver_req		m = {
		.queue_id = "x", .transport = "smtp", .nexthop = "y",
		.content = 0, .lock = 1, .sender = "", .rcpts = { r, 5000 },
	};
	struct buf			b;
	struct ipc_fds			fds;
	struct error			err;
	struct deliver_req		out;

	for (size_t i = 0; i < 5000; i++)
		r[i] = (struct deliver_rcpt){ i, "someone@example.com",
		    "orig@example.com", NULL, 0 };
	buf_init(&b, IPC_FRAME_MAX);
	ck_assert_int_eq(ipc_encode(&deliver_req_desc, &m, &b, &fds, &err), 0);
	ck_assert_uint_eq(fds.n, 2);
	ck_assert_int_eq(ipc_decode(&deliver_req_desc, buf_slice(&b), &fds, a,
	    &out, &err), 0);
	ck_assert_uint_eq(((struct deliver_rcpt *)out.rcpts.items)[4999].index,
	    4999);
	buf_clear(&b);
}
END_TEST

/*
 * Clients that connect by themselves.
 */
static void
serve_by_path(const char *path, int how_many_die)
{
	struct error	err;
	int		fd = sock_listen_unix(path, 0600, 10, &err);
	pid_t		pid = fork();

	ck_assert_int_ge(fd, 0);
	if (pid != 0) {
		close(fd);
		return;
	}
	loop = loop_new();
	for (;;) {
		int	c;

		while ((c = sock_accept(fd, NULL)) < 0)
			usleep(1000);
		if (how_many_die-- > 0) {
			char	byte;

			while (read(c, &byte, 1) < 0)
				usleep(1000);
			close(c);
			continue;
		}
		closed = 0;
		(void)!ipc_new(loop, c, &server_ops, NULL);
		while (closed == 0)
			loop_once(loop, MSECS(50));
		_exit(0);
	}
}

static void
try_client(int deaths, bool expect_answer)
{
	char			 path[] = "ipc_test.XXXXXX";
	struct dns_req		 q = { "example.com", DNS_MX };
	struct ipc_client	*c;

	ck_assert_int_ge(mkstemp(path), 0);
	ck_assert_int_eq(unlink(path), 0);
	serve_by_path(path, deaths);
	c = ipc_client_new(loop, path);
	ipc_client_call(c, &dns_req_desc, &q, &dns_res_desc, PATIENCE,
	    on_answer, NULL);
	ck_assert_int_eq(calls_done, 0);
	run_until(&calls_done, 1);
	ck_assert((last_why == NULL) == expect_answer);
	ipc_client_free(&c);
	unlink(path);
}

START_TEST(clients_connect_when_needed)
{
	try_client(0, true);
}
END_TEST

START_TEST(clients_ask_again_when_the_server_dies)
{
	try_client(1, true);
}
END_TEST

START_TEST(clients_ask_again_only_once)
{
	try_client(2, false);
}
END_TEST

START_TEST(nobody_there_is_an_error)
{
	struct dns_req		 q = { "example.com", DNS_MX };
	struct ipc_client	*c = ipc_client_new(loop, "does/not/exist");

	ipc_client_call(c, &dns_req_desc, &q, &dns_res_desc, MSECS(100),
	    on_answer, NULL);
	run_until(&calls_done, 1);
	ck_assert_ptr_nonnull(last_why);
	ipc_client_free(&c);
}
END_TEST

int
main(void)
{
	Suite	*s = suite_create("ipc");
	TCase	*m = tcase_create("messages"), *c = tcase_create("connections");

	tcase_add_checked_fixture(m, setup, teardown);
	tcase_add_test(m, round_trip);
	tcase_add_test(m, every_truncation_is_refused);
	tcase_add_test(m, flipped_bytes_do_no_harm);
	tcase_add_test(m, decoder_is_strict);
	tcase_add_test(m, big_messages_arrive_whole);
	suite_add_tcase(s, m);
	tcase_add_checked_fixture(c, connect_pair, disconnect_pair);
	tcase_set_timeout(c, 60);
	tcase_add_test(c, many_calls_are_answered);
	tcase_add_test(c, requests_can_be_kept);
	tcase_add_test(c, slow_answers_time_out_and_late_ones_are_dropped);
	tcase_add_test(c, cancelled_calls_stay_silent);
	tcase_add_test(c, a_lost_server_fails_its_calls);
	tcase_add_test(c, descriptors_travel);
	tcase_add_test(c, bad_frames_cost_the_connection);
	tcase_add_test(c, clients_connect_when_needed);
	tcase_add_test(c, clients_ask_again_when_the_server_dies);
	tcase_add_test(c, clients_ask_again_only_once);
	tcase_add_test(c, nobody_there_is_an_error);
	suite_add_tcase(s, c);
	return check_run(s);
}
