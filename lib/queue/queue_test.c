/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/check_child.h"
#include "base/check_run.h"
#include "base/crc32c.h"
#include "base/mem.h"
#include "queue/queue.h"
#include "queue/queue_format.h"
#include "queue/queue_int.h"
#include "sys/file.h"
#include "sys/loop.h"
#include "sys/syncer.h"

static char		 dir[64];
static struct queue	*q;
static struct arena	*a;
static struct error	 err;

static void
setup(void)
{
	const char	*tmp = getenv("TMPDIR");
	struct queue_conf conf = { .dir = dir, .minfree = 0 };

	(void)snprintf(dir, sizeof(dir), "%s/queue-test-XXXXXX",
	    tmp != NULL && strlen(tmp) < 30 ? tmp : "/tmp");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	ck_assert_int_eq(queue_open(&conf, true, NULL, &q, &err), 0);
	a = arena_new();
}

/* rm -r of two levels. */
static bool
rm_one(void *arg, const char *id)
{
	return unlinkat(*(int *)arg, id, 0) == 0;
}

static void
teardown(void)
{
	static const char *const subs[] = {
		"tmp", "new", "cur", "hold", "corrupt", "log", "journal"
	};
	char	 path[128];

	for (int i = 0; i < QUEUE_DIRS; i++)
		ck_assert_int_eq(queue_each(q, (enum queue_dir)i, rm_one,
		    &q->dirs[i], &err), 0);
	(void)queue_sweep(q, -SECS(10), NULL);	/* the logs */
	queue_close(&q);
	for (size_t i = 0; i < COUNT(subs); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", dir, subs[i]);
		(void)rmdir(path);
	}
	ck_assert_int_eq(rmdir(dir), 0);
	arena_free(&a);
}

static struct queue_rcpt	two[] = {
	{ .address = "bob@example.net", .original = "bob@example.org",
	  .dsn_orcpt = "rfc822;bob+tag@example.org", .notify = 12 },
	{ .address = "j\xc3\xb6rg@example.net" },
};
static const struct queue_env	sample = {
	.sender = "alice@example.com", .dsn_envid = "QQ314159", .dsn_ret = 2,
	.flags = QUEUE_UTF8, .arrival = 1700000000123456,
	.client_name = "mx.example.com", .client_address = "192.0.2.1",
	.client_port = "4242", .client_helo = "mx", .client_protocol = "ESMTPS",
	.sasl_method = "PLAIN", .sasl_username = "alice",
	.message_id = "<1@example.com>", .rcpts = two, .nrcpts = 2
};
static const char	body[] = "Subject: x\r\n\r\n.dot\r\n\xc3\xa9\r\n";

/* Commit the sample with this content; its id. */
static char *
commit_as(const char *content, size_t n, bool hold)
{
	struct queue_file	*f;
	char			*id;

	queue_file_new(q, &f);
	id = arena_strdup(a, queue_file_id(f));
	ck_assert_int_eq(queue_file_write(f, content, n, &err), 0);
	ck_assert_msg(queue_file_commit_now(&f, &sample, hold, &err) == 0,
	    "%s", err.text);
	ck_assert_ptr_null(f);
	return id;
}

static enum queue_read
open_msg(const char *id, struct queue_msg *m)
{
	return queue_msg_open(q, QUEUE_NEW, id, true, true, a, m, &err);
}

START_TEST(crc)
{
	unsigned char	bytes[300];

	ck_assert_uint_eq(crc32c(0, "123456789", 9), 0xe3069283);
	ck_assert_uint_eq(crc32c_portable(0, "123456789", 9), 0xe3069283);
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (unsigned char)(i * 7);
	for (size_t i = 0; i <= sizeof(bytes); i++) {
		uint32_t	whole = crc32c(0, bytes, sizeof(bytes));
		uint32_t	part = crc32c(0, bytes, i);

		ck_assert_uint_eq(part, crc32c_portable(0, bytes, i));
		ck_assert_uint_eq(crc32c(part, bytes + i, sizeof(bytes) - i),
		    whole);
	}
}
END_TEST

START_TEST(ids)
{
	static const struct {
		const char	*id;
		bool		 ok;
	} names[] = {
		{ "4Fh2Kz1XyZz3Wq", true }, { "7F2A31C0045", true },
		{ "ABCDE", false }, { "", false }, { "../../etc/passwd", false },
		{ "ABCDEF/", false }, { "ABC.DEF", false },
		{ "0123456789012345678901234567890", true },
		{ "01234567890123456789012345678901", false },
	};
	char	 id[QUEUE_ID_MAX], last[QUEUE_ID_MAX] = "";
	int	 ends[2];

	for (size_t i = 0; i < COUNT(names); i++)
		ck_assert_msg(queue_id_ok(names[i].id) == names[i].ok, "%s",
		    names[i].id);
	/* Within a process ids rise, so no step of the clock repeats one. */
	for (int i = 0; i < 10000; i++) {
		queue_id_make(id);
		ck_assert(queue_id_ok(id));
		ck_assert_uint_eq(strlen(id), 17);
		ck_assert_int_eq(id[10], 'z');
		ck_assert_int_lt(strncmp(last, id, 10), 0);
		memcpy(last, id, sizeof(id));
	}
	/* A child counts from elsewhere. */
	ck_assert_int_eq(pipe(ends), 0);
	if (fork() == 0) {
		queue_id_make(id);
		_exit(write(ends[1], id, sizeof(id)) == sizeof(id) ? 0 : 1);
	}
	ck_assert_int_eq(read(ends[0], last, sizeof(last)), sizeof(last));
	queue_id_make(id);
	ck_assert_int_ne(strncmp(id + 11, last + 11, 5), 0);
	queue_id_format(0, 0, id);
	ck_assert_str_eq(id, "0000000000z000000");
	queue_id_format(SECS(52) + 51, 52, id);
	ck_assert_str_eq(id, "000010000zz000011");
	queue_id_format(-5, UINT64_MAX, id);
	ck_assert(queue_id_ok(id));
}
END_TEST

START_TEST(round_trip)
{
	struct queue_msg	 m;
	struct stat		 st;
	char			 got[sizeof(body)];
	char			*id = commit_as(body, sizeof(body) - 1, false);

	ck_assert_msg(open_msg(id, &m) == QUEUE_OK, "%s", err.text);
	ck_assert_int_eq(fstat(m.fd, &st), 0);
	ck_assert_int_eq(st.st_mode & 07777, 0700);
	ck_assert_str_eq(m.id, id);
	ck_assert_uint_eq(m.content_size, sizeof(body) - 1);
	ck_assert_int_eq(file_pread(m.fd, got, m.content_size,
	    (off_t)m.content_offset), sizeof(body) - 1);
	ck_assert_mem_eq(got, body, sizeof(body) - 1);
	ck_assert_str_eq(m.env.sender, sample.sender);
	ck_assert_str_eq(m.env.dsn_envid, sample.dsn_envid);
	ck_assert_uint_eq(m.env.dsn_ret, 2);
	ck_assert_uint_eq(m.env.flags, QUEUE_UTF8 | QUEUE_8BIT | QUEUE_DOTS);
	ck_assert_int_eq(m.env.arrival, sample.arrival);
	ck_assert_str_eq(m.env.client_name, sample.client_name);
	ck_assert_str_eq(m.env.client_address, sample.client_address);
	ck_assert_str_eq(m.env.client_port, sample.client_port);
	ck_assert_str_eq(m.env.client_helo, sample.client_helo);
	ck_assert_str_eq(m.env.client_protocol, sample.client_protocol);
	ck_assert_str_eq(m.env.sasl_method, sample.sasl_method);
	ck_assert_str_eq(m.env.sasl_username, sample.sasl_username);
	ck_assert_str_eq(m.env.message_id, sample.message_id);
	ck_assert_uint_eq(m.env.nrcpts, 2);
	ck_assert_str_eq(m.env.rcpts[0].address, two[0].address);
	ck_assert_str_eq(m.env.rcpts[0].original, two[0].original);
	ck_assert_str_eq(m.env.rcpts[0].dsn_orcpt, two[0].dsn_orcpt);
	ck_assert_uint_eq(m.env.rcpts[0].notify, 12);
	ck_assert_int_eq(m.env.rcpts[0].status, RCPT_TODO);
	ck_assert_str_eq(m.env.rcpts[1].original, two[1].address);
	ck_assert_ptr_null(m.env.rcpts[1].dsn_orcpt);
	queue_msg_close(&m);
	ck_assert_int_eq(m.fd, -1);
}
END_TEST

/* Content of all sizes around the buffer's, and none at all. */
START_TEST(sizes)
{
	static const size_t	 want[] = {
		0, 2, 64510, 65022, 65024, 65026, 65536, 131072, 300000
	};
	char			*big = mem_new(1, 300000);
	struct queue_msg	 m;

	for (size_t i = 0; i < 300000; i++)
		big[i] = i % 2 == 0 ? '\r' : '\n';
	for (size_t i = 0; i < COUNT(want); i++) {
		ck_assert_msg(open_msg(commit_as(big, want[i], false), &m) ==
		    QUEUE_OK, "size %zu: %s", want[i], err.text);
		ck_assert_uint_eq(m.content_size, want[i]);
		ck_assert_uint_eq(m.env.flags, QUEUE_UTF8);
		queue_msg_close(&m);
	}
	mem_free(&big);
}
END_TEST

/* A thousand clients between MAIL and DATA take none of it. */
START_TEST(memory_comes_with_content)
{
	struct queue_file	*f[3];
	size_t			 before;

	(void)commit_as("a\r\n", 3, false);
	before = q->nspare;
	ck_assert_uint_gt(before, 0);
	for (size_t i = 0; i < COUNT(f); i++)
		queue_file_new(q, &f[i]);
	ck_assert_uint_eq(q->nspare, before);
	ck_assert_int_eq(queue_file_write(f[0], "a\r\n", 3, &err), 0);
	ck_assert_uint_eq(q->nspare, before - 1);
	for (size_t i = 0; i < COUNT(f); i++)
		queue_file_abort(&f[i]);
	ck_assert_uint_eq(q->nspare, before);
}
END_TEST

/* Memory that is used again shows nothing of the message before, neither in
 * the file nor in what is known of the content. */
START_TEST(used_again)
{
	char			*big = mem_new(1, 100000);
	char			 got[4096];
	struct queue_msg	 m;
	struct stat		 st;
	ssize_t			 n;

	memset(big, '\xfe', 100000);
	big[0] = '.';
	for (size_t i = 0; i < 2 * QUEUE_SPARES; i++)
		(void)commit_as(big, 100000, false);
	ck_assert_uint_gt(q->nspare, 0);
	ck_assert_uint_le(q->spare_bytes, QUEUE_SPARE_BYTES);
	ck_assert(open_msg(commit_as("a\r\n", 3, false), &m) == QUEUE_OK);
	ck_assert_uint_eq(m.env.flags, QUEUE_UTF8);
	ck_assert_int_eq(fstat(m.fd, &st), 0);
	n = file_pread(m.fd, got, sizeof(got), 0);
	ck_assert_int_eq(n, st.st_size);
	/* One alone may be part of a checksum. */
	ck_assert_ptr_null(memmem(got, (size_t)n, "\xfe\xfe\xfe\xfe", 4));
	queue_msg_close(&m);
	mem_free(&big);
}
END_TEST

static const struct {
	const char	*label, *in;
	unsigned int	 flags;
	bool		 ok;
} lines[] = {
	{ "plain", "a\r\nb\r\n", 0, true },
	{ "no final line end", "a\r\nb", 0, true },
	{ "dot inside", "a.b\r\nc.\r\n", 0, true },
	{ "dot first", ".", QUEUE_DOTS, true },
	{ "dot on a later line", "a\r\n.\r\n", QUEUE_DOTS, true },
	{ "8 bit", "\r\n\xff\r\n", QUEUE_8BIT, true },
	{ "8 bit far away", "0123456789abcdefg\x80", QUEUE_8BIT, true },
	{ "bare LF", "a\nb\r\n", 0, false },
	{ "LF first", "\n", 0, false },
	{ "CR CR LF", "a\r\r\n", 0, false },
	{ "bare CR", "a\rb\r\n", 0, false },
	{ "CR last", "a\r\nb\r", 0, false },
	{ "LF CR", "a\r\n\n\r", 0, false },
};

/* Every row at every split. */
START_TEST(content_rules)
{
	for (size_t i = 0; i < COUNT(lines); i++) {
		size_t	n = strlen(lines[i].in);

		for (size_t cut = 0; cut <= n; cut++) {
			struct queue_file	*f;
			struct queue_msg	 m;
			char			 id[QUEUE_ID_MAX];
			int			 r;

			queue_file_new(q, &f);
			memcpy(id, queue_file_id(f), sizeof(id));
			r = queue_file_write(f, lines[i].in, cut, &err);
			if (r == 0)
				r = queue_file_write(f, lines[i].in + cut,
				    n - cut, &err);
			if (queue_file_commit_now(&f, &sample, false,
			    &err) < 0)
				r = -1;
			ck_assert_msg((r == 0) == lines[i].ok, "%s at %zu",
			    lines[i].label, cut);
			if (!lines[i].ok)
				continue;
			ck_assert(open_msg(id, &m) == QUEUE_OK);
			ck_assert_msg(m.env.flags ==
			    (lines[i].flags | QUEUE_UTF8), "%s at %zu: "
			    "flags %u", lines[i].label, cut, m.env.flags);
			queue_msg_close(&m);
		}
	}
}
END_TEST

static bool
count(void *arg, const char *id)
{
	(void)id;
	(*(int *)arg)++;
	return true;
}

static int
in_dir(enum queue_dir d)
{
	int	n = 0;

	ck_assert_int_eq(queue_each(q, d, count, &n, &err), 0);
	return n;
}

/* A bad envelope is refused and leaves nothing. */
START_TEST(bad_envelopes)
{
	static char		 longs[QUEUE_STRING_MAX + 2];
	struct queue_rcpt	 r = { .address = longs };
	struct queue_rcpt	 none = { .address = NULL };
	struct queue_rcpt	 good = { .address = "a@b" };
	struct queue_env	 rows[] = {
		{ .sender = NULL, .rcpts = &good, .nrcpts = 1 },
		{ .sender = "", .rcpts = NULL, .nrcpts = 0 },
		{ .sender = "", .rcpts = &none, .nrcpts = 1 },
		{ .sender = "", .rcpts = &r, .nrcpts = 1 },
		{ .sender = longs, .rcpts = &good, .nrcpts = 1 },
		{ .sender = "", .rcpts = &good, .nrcpts = QUEUE_RCPTS_MAX + 1 },
	};

	memset(longs, 'x', sizeof(longs) - 1);
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct queue_file	*f;

		queue_file_new(q, &f);
		ck_assert_int_eq(queue_file_commit_now(&f, &rows[i], false,
		    &err), -1);
	}
	ck_assert_int_eq(in_dir(QUEUE_TMP) + in_dir(QUEUE_NEW), 0);
}
END_TEST

START_TEST(marks_and_due)
{
	struct queue_msg	 m;
	usec_t			 due = 1;
	unsigned int		 attempts = 1;
	char			*id = commit_as(body, sizeof(body) - 1, false);

	ck_assert_int_eq(open_msg(id, &m), QUEUE_OK);
	ck_assert_int_eq(queue_msg_get_due(&m, &due, &attempts, &err), 0);
	ck_assert_int_eq(due, 0);
	ck_assert_uint_eq(attempts, 0);
	ck_assert_int_eq(queue_msg_mark(&m, 1, RCPT_BOUNCED, &err), 0);
	ck_assert_int_eq(queue_msg_set_due(&m, sample.arrival, 7, &err), 0);
	ck_assert_int_eq(queue_msg_sync(&m, &err), 0);
	queue_msg_close(&m);
	ck_assert_msg(open_msg(id, &m) == QUEUE_OK, "%s", err.text);
	ck_assert_int_eq(m.env.rcpts[0].status, RCPT_TODO);
	ck_assert_int_eq(m.env.rcpts[1].status, RCPT_BOUNCED);
	ck_assert_int_eq(queue_msg_get_due(&m, &due, &attempts, &err), 0);
	ck_assert_int_eq(due, sample.arrival);
	ck_assert_uint_eq(attempts, 7);
	/* A torn slot is an empty one. */
	ck_assert_int_eq(file_pwrite(m.fd, "\xff", 1, QUEUE_SLOT_OFFSET + 3),
	    0);
	ck_assert_int_eq(queue_msg_get_due(&m, &due, &attempts, &err), 0);
	ck_assert_int_eq(due, 0);
	ck_assert_uint_eq(attempts, 0);
	queue_msg_close(&m);
}
END_TEST

START_TEST(moves)
{
	struct queue_msg	 m;
	enum queue_dir		 d;
	char			*id = commit_as(body, sizeof(body) - 1, false);
	char			*held = commit_as(body, 2 + 10, true);
	char			 from[128], to[128];
	int			 fd;

	ck_assert(queue_find(q, id, &d) && d == QUEUE_NEW);
	ck_assert(queue_find(q, held, &d) && d == QUEUE_HOLD);
	ck_assert(!queue_find(q, "../new/x", &d));
	ck_assert(!queue_find(q, "4jXKSw6x0PzNJJNWG", &d));
	fd = q->dirs[QUEUE_NEW];	/* a system that fails does not say no */
	q->dirs[QUEUE_NEW] = -1;
	ck_assert(queue_find(q, id, &d) && d == QUEUE_NEW);
	q->dirs[QUEUE_NEW] = fd;
	ck_assert_int_eq(queue_move(q, id, QUEUE_NEW, QUEUE_CUR, &err), 0);
	ck_assert(queue_find(q, id, &d) && d == QUEUE_CUR);
	ck_assert_int_eq(queue_move(q, id, QUEUE_NEW, QUEUE_CUR, &err), -1);
	ck_assert_int_eq(open_msg(id, &m), QUEUE_GONE);
	/* The message came back to new/ as well. */
	(void)snprintf(from, sizeof(from), "%s/cur/%s", dir, id);
	(void)snprintf(to, sizeof(to), "%s/new/%s", dir, id);
	ck_assert_int_eq(link(from, to), 0);
	ck_assert_msg(queue_move(q, id, QUEUE_NEW, QUEUE_CUR, &err) == 0, "%s",
	    err.text);
	ck_assert_int_eq(in_dir(QUEUE_NEW), 0);
	ck_assert_int_eq(in_dir(QUEUE_CUR), 1);
	/* A stranger under the same name is not overwritten. */
	(void)snprintf(from, sizeof(from), "%s/hold/%s", dir, held);
	ck_assert_int_eq(rename(from, to), 0);
	ck_assert_int_eq(queue_move(q, id, QUEUE_NEW, QUEUE_CUR, &err), -1);
	ck_assert_int_eq(queue_remove(q, id, QUEUE_CUR, &err), 0);
	ck_assert_int_eq(queue_remove(q, id, QUEUE_CUR, &err), 0);
	ck_assert_int_eq(queue_sync_dir(q, QUEUE_CUR, &err), 0);
	/* There, but not under its own name. */
	ck_assert_int_eq(open_msg(id, &m), QUEUE_BAD);
}
END_TEST

/*
 * Damage.
 */

/* Put these bytes in the place of message id and read it. */
static enum queue_read
read_bytes(const char *id, const unsigned char *p, size_t n, mode_t mode)
{
	struct queue_msg	 m;
	enum queue_read		 r;
	struct arena		*scratch = arena_new();
	int			 fd = openat(q->dirs[QUEUE_NEW], id,
	    O_WRONLY | O_CREAT | O_TRUNC, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(file_write(fd, p, n), 0);
	ck_assert_int_eq(fchmod(fd, mode), 0);
	(void)close(fd);
	r = queue_msg_open(q, QUEUE_NEW, id, false, true, scratch, &m, &err);
	if (r == QUEUE_OK)
		queue_msg_close(&m);
	arena_free(&scratch);
	return r;
}

static size_t
slurp(const char *id, unsigned char *p, size_t max)
{
	int	fd = openat(q->dirs[QUEUE_NEW], id, O_RDONLY);
	ssize_t	n = file_pread(fd, p, max, 0);

	(void)close(fd);
	ck_assert_int_gt(n, 0);
	ck_assert_uint_lt((size_t)n, max);
	return (size_t)n;
}

START_TEST(truncated)
{
	unsigned char	 bytes[4096];
	char		*id = commit_as(body, sizeof(body) - 1, false);
	size_t		 n = slurp(id, bytes, sizeof(bytes));

	ck_assert_int_eq(read_bytes(id, bytes, n, 0700), QUEUE_OK);
	ck_assert_int_eq(read_bytes(id, bytes, n, 0600), QUEUE_INCOMPLETE);
	for (size_t i = 0; i < n; i++)
		ck_assert_msg(read_bytes(id, bytes, i, 0700) == QUEUE_BAD,
		    "cut at %zu", i);
	bytes[n] = 0;
	ck_assert_int_eq(read_bytes(id, bytes, n + 1, 0700), QUEUE_BAD);
}
END_TEST

START_TEST(flipped)
{
	unsigned char	 bytes[4096];
	char		*id = commit_as(body, sizeof(body) - 1, false);
	size_t		 n = slurp(id, bytes, sizeof(bytes));

	for (size_t i = 0; i < n; i++) {
		/* Behind the head's checksum nothing is said of the message. */
		bool		free_place = i >= 116 && i < QUEUE_HEAD_SIZE;
		enum queue_read	r;

		for (int bit = 0; bit < 8; bit++) {
			bytes[i] ^= (unsigned char)(1 << bit);
			r = read_bytes(id, bytes, n, 0700);
			bytes[i] ^= (unsigned char)(1 << bit);
			ck_assert_msg(r == (free_place ? QUEUE_OK : QUEUE_BAD),
			    "byte %zu bit %d: %d", i, bit, (int)r);
		}
	}
}
END_TEST

START_TEST(zeroed)
{
	unsigned char	 bytes[4096], bad[4096];
	char		*id = commit_as(body, sizeof(body) - 1, false);
	size_t		 n = slurp(id, bytes, sizeof(bytes));

	for (size_t from = 0; from + 8 < n; from += 8) {
		memcpy(bad, bytes, n);
		memset(bad + from, 0, n - from);
		ck_assert_int_eq(read_bytes(id, bad, n, 0700), QUEUE_BAD);
		memcpy(bad, bytes, n);
		memset(bad, 0, from + 1);
		ck_assert_int_eq(read_bytes(id, bad, n, 0700), QUEUE_BAD);
	}
}
END_TEST

/* A head whose checksum is right and whose numbers are not. */
START_TEST(absurd)
{
	static const uint64_t	 values[] = {
		0, 1, 511, 512, 513, 0x7fffffff, 0xffffffff, 0x100000000,
		INT64_MAX, UINT64_MAX, UINT64_MAX - 512, UINT64_MAX - 1023
	};
	static const struct {
		size_t	at, width;
	} fields[] = {
		{ 16, 8 }, { 24, 8 }, { 32, 8 }, { 40, 8 }, { 48, 8 },
		{ 56, 4 }, { 60, 4 }, { 72, 8 },
	};
	unsigned char	 bytes[4096], bad[4096];
	char		*id = commit_as(body, sizeof(body) - 1, false);
	size_t		 n = slurp(id, bytes, sizeof(bytes));

	for (size_t f = 0; f < COUNT(fields); f++)
		for (size_t v = 0; v < COUNT(values); v++) {
			memcpy(bad, bytes, n);
			if (fields[f].width == 8)
				queue_put64(bad + fields[f].at, values[v]);
			else
				queue_put32(bad + fields[f].at,
				    (uint32_t)values[v]);
			if (memcmp(bad, bytes, n) == 0)
				continue;
			queue_put32(bad + 112, queue_head_crc(bad));
			ck_assert_msg(read_bytes(id, bad, n, 0700) ==
			    QUEUE_BAD, "field at %zu, value %zu",
			    fields[f].at, v);
		}
}
END_TEST

/* Envelopes that only a wrong writer could make: the checksums are right. */
START_TEST(wrong_records)
{
	const struct {
		const char	*label;
		struct slice	 in;
		bool		 ok;
	} rows[] = {
		{ "good", SLICE_LIT("S\0\0\0\0R\3\0\0\0a@b"), true },
		{ "empty", SLICE_LIT(""), false },
		{ "no sender", SLICE_LIT("R\3\0\0\0a@b"), false },
		{ "two senders",
		  SLICE_LIT("S\0\0\0\0S\0\0\0\0R\3\0\0\0a@b"), false },
		{ "no recipient", SLICE_LIT("S\0\0\0\0"), false },
		{ "two recipients",
		  SLICE_LIT("S\0\0\0\0R\1\0\0\0aR\1\0\0\0b"), false },
		{ "unknown type",
		  SLICE_LIT("S\0\0\0\0\0\0\0\0\0R\3\0\0\0a@b"), false },
		{ "NUL", SLICE_LIT("S\1\0\0\0\0R\3\0\0\0a@b"), false },
		{ "length too long", SLICE_LIT("S\0\0\0\0R\4\0\0\0a@b"), false },
		{ "length 4G",
		  SLICE_LIT("S\0\0\0\0R\377\377\377\377a@b"), false },
		{ "head cut", SLICE_LIT("S\0\0\0\0R\3\0"), false },
		{ "number of 3 bytes",
		  SLICE_LIT("S\0\0\0\0n\3\0\0\0abcR\1\0\0\0a"), false },
		{ "notify 16",
		  SLICE_LIT("S\0\0\0\0n\10\0\0\0\20\0\0\0\0\0\0\0R\1\0\0\0a"),
		  false },
		{ "left over", SLICE_LIT("S\0\0\0\0R\1\0\0\0aO\1\0\0\0b"),
		  false },
	};
	struct queue_env	 env;

	for (size_t i = 0; i < COUNT(rows); i++)
		ck_assert_msg((queue_env_get(rows[i].in, 1, a, &env, &err) ==
		    0) == rows[i].ok, "%s", rows[i].label);
	/* A count that the bytes cannot hold allocates nothing. */
	ck_assert_int_eq(queue_env_get(rows[0].in, QUEUE_RCPTS_MAX, a, &env,
	    &err), -1);
}
END_TEST

START_TEST(not_files)
{
	struct queue_msg	 m;
	int			 new = q->dirs[QUEUE_NEW];

	ck_assert_int_eq(symlinkat("/etc/passwd", new, "AAAAAA"), 0);
	ck_assert_int_eq(mkfifoat(new, "BBBBBB", 0700), 0);
	ck_assert_int_eq(open_msg("AAAAAA", &m), QUEUE_BAD);
	ck_assert_int_eq(open_msg("BBBBBB", &m), QUEUE_BAD);
	ck_assert_int_eq(open_msg("CCCCCC", &m), QUEUE_GONE);
	ck_assert_int_eq(open_msg("..", &m), QUEUE_GONE);
	ck_assert_int_eq(m.fd, -1);
}
END_TEST

/*
 * Commit through the syncer; failures; sweeping; room.
 */

struct outcome {
	struct loop	*loop;
	int		 done, failed;
};

static void
committed(void *arg, int result, const struct error *e)
{
	struct outcome	*o = arg;

	o->done++;
	if (result < 0) {
		ck_assert_ptr_nonnull(e);
		o->failed++;
	}
	if (o->done == 50)
		loop_stop(o->loop);
}

START_TEST(async_commits)
{
	struct outcome		 o = { .loop = loop_new() };
	struct syncer		*s = syncer_new(o.loop, 4);
	struct queue_env	 bad = sample;

	q->syncer = s;
	bad.sender = NULL;
	for (int i = 0; i < 50; i++) {
		struct queue_file	*f;

		queue_file_new(q, &f);
		ck_assert_int_eq(queue_file_write(f, body, sizeof(body) - 1,
		    &err), 0);
		queue_file_commit(&f, i % 10 == 9 ? &bad : &sample, false,
		    committed, &o);
		ck_assert_ptr_null(f);
		ck_assert_int_eq(o.done, 0);
	}
	loop_run(o.loop);
	ck_assert_int_eq(o.failed, 5);
	ck_assert_int_eq(in_dir(QUEUE_NEW), 45);
	ck_assert_int_eq(in_dir(QUEUE_TMP), 0);
	q->syncer = NULL;
	syncer_free(&s);
	loop_free(&o.loop);
}
END_TEST

/* More than stays in memory. */
static void
write_much(struct queue_file *f)
{
	for (int i = 0; i < 10000; i++)
		ck_assert_int_eq(queue_file_write(f, body, sizeof(body) - 1,
		    &err), 0);
}

/* What is being written is no message yet. */
START_TEST(half_written)
{
	struct queue_file	*f;
	struct queue_msg	 m;

	queue_file_new(q, &f);
	write_much(f);
	ck_assert_int_eq(open_msg(queue_file_id(f), &m), QUEUE_INCOMPLETE);
	queue_file_abort(&f);
}
END_TEST

START_TEST(abort_leaves_nothing)
{
	struct queue_file	*f, *none = NULL;

	queue_file_new(q, &f);
	ck_assert_int_eq(in_dir(QUEUE_NEW), 0);
	write_much(f);
	ck_assert_int_eq(in_dir(QUEUE_NEW), 1);
	queue_file_abort(&f);
	queue_file_abort(&none);
	ck_assert_int_eq(in_dir(QUEUE_NEW), 0);
}
END_TEST

/* A second file under the same name in hold/ must never be replaced. */
START_TEST(no_overwriting)
{
	struct queue_file	*f;
	char			 id[QUEUE_ID_MAX];
	int			 fd;

	queue_file_new(q, &f);
	memcpy(id, queue_file_id(f), sizeof(id));
	fd = openat(q->dirs[QUEUE_HOLD], id, O_WRONLY | O_CREAT, 0600);
	ck_assert_int_ge(fd, 0);
	(void)close(fd);
	ck_assert_int_eq(queue_file_commit_now(&f, &sample, true, &err), -1);
	ck_assert_int_eq(in_dir(QUEUE_HOLD), 1);
	ck_assert_int_eq(in_dir(QUEUE_NEW), 0);
}
END_TEST

/* A write that fails: there is no such message, and nothing is left. */
START_TEST(disk_full)
{
	struct rlimit	 small = { 20000, 20000 };
	char		*big = mem_new(1, 200000);
	pid_t		 pid;
	int		 status;

	memset(big, 'x', 200000);
	pid = fork();
	if (pid == 0) {
		struct queue_file	*f;
		int			 r;

		(void)signal(SIGXFSZ, SIG_IGN);
		(void)setrlimit(RLIMIT_FSIZE, &small);
		queue_file_new(q, &f);
		if (queue_file_write(f, big, 200000, &err) == 0 ||
		    queue_file_write(f, "x", 1, &err) == 0)
			_exit(1);
		r = queue_file_commit_now(&f, &sample, false, &err);
		queue_file_new(q, &f);
		if (r == 0 || queue_file_write(f, big, 30000, &err) < 0)
			_exit(2);
		/* Fits into the buffer, so that only the commit fails. */
		r = queue_file_commit_now(&f, &sample, false, &err);
		_exit(r == -1 && err.sys == EFBIG ? 0 : 3);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	ck_assert_int_eq(WEXITSTATUS(status), 0);
	ck_assert_int_eq(in_dir(QUEUE_TMP) + in_dir(QUEUE_NEW), 0);
	mem_free(&big);
}
END_TEST

START_TEST(sweep)
{
	struct queue_file	*f;
	struct queue_log_rec	 rec = { .kind = QLOG_BOUNCE };
	char			*id = commit_as(body, 12, false);
	int			 fd;

	queue_file_new(q, &f);
	write_much(f);
	fd = openat(q->dirs[QUEUE_NEW], "HALFWAY", O_WRONLY | O_CREAT, 0600);
	(void)close(fd);
	ck_assert_int_eq(queue_log_append(q, "ORPHAN", &rec, 1, false, &err),
	    0);
	ck_assert_int_eq(queue_log_append(q, id, &rec, 1, false, &err), 0);
	ck_assert_int_eq(queue_sweep(q, SECS(100), NULL), 0);
	ck_assert_int_eq(queue_sweep(q, -SECS(100), NULL), 3);
	ck_assert_int_eq(in_dir(QUEUE_TMP), 0);
	ck_assert_int_eq(in_dir(QUEUE_NEW), 1);
	queue_file_abort(&f);
}
END_TEST

START_TEST(room)
{
	ck_assert(queue_has_room(q, 1000));
	ck_assert(!queue_has_room(q, UINT64_MAX));
	q->minfree = INT64_MAX;
	ck_assert(!queue_has_room(q, 0));
}
END_TEST

/* Whatever is in new/ is whole, or not declared complete. */
static int
whole_messages(void)
{
	struct queue_msg	 m;
	struct arena		*mem = arena_new();
	int			 n = 0;
	DIR			*d = fdopendir(openat(q->dirs[QUEUE_NEW], ".",
	    O_RDONLY | O_DIRECTORY));
	struct dirent		*e;

	while ((e = readdir(d)) != NULL) {
		enum queue_read	r;

		if (!queue_id_ok(e->d_name))
			continue;
		r = queue_msg_open(q, QUEUE_NEW, e->d_name, false, true, mem,
		    &m, &err);
		ck_assert_msg(r == QUEUE_OK || r == QUEUE_INCOMPLETE ||
		    r == QUEUE_GONE, "%s", err.text);
		n += r == QUEUE_OK;
		queue_msg_close(&m);
	}
	(void)closedir(d);
	arena_free(&mem);
	return n;
}

#define PATIENCE	60000		/* steps of a millisecond */

/* The writer is killed somewhere: nothing of it looks like a message. */
START_TEST(killed_writer)
{
	for (int i = 0; i < 40; i++) {
		pid_t	pid = fork();

		if (pid == 0) {
			check_child();
			for (;;)
				(void)commit_as(body, sizeof(body) - 1, false);
		}
		(void)usleep(1000 + (useconds_t)i * 100);
		/* The last one gets something done, however slow the disk. */
		for (int k = 0; i == 39 && whole_messages() == 0; k++) {
			ck_assert_int_lt(k, PATIENCE);
			(void)usleep(1000);
		}
		ck_assert_int_eq(kill(pid, SIGKILL), 0);
		ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	}
	(void)queue_sweep(q, -SECS(100), NULL);
	ck_assert_int_eq(in_dir(QUEUE_TMP), 0);
	ck_assert_int_gt(in_dir(QUEUE_NEW), 0);
}
END_TEST

static bool
must_be_good(void *arg, const char *id)
{
	struct queue_msg	 m;

	(void)arg;
	ck_assert_msg(open_msg(id, &m) == QUEUE_OK, "%s: %s", id, err.text);
	queue_msg_close(&m);
	return true;
}

START_TEST(killed_writer_readable)
{
	pid_t	pid = fork();

	if (pid == 0) {
		check_child();
		for (;;)
			(void)commit_as(body, sizeof(body) - 1, false);
	}
	for (int k = 0; k < 50 || whole_messages() == 0; k++) {
		ck_assert_int_lt(k, PATIENCE);
		(void)usleep(1000);
	}
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
	(void)queue_sweep(q, -SECS(100), NULL);
	ck_assert_int_eq(queue_each(q, QUEUE_NEW, must_be_good, NULL, &err),
	    0);
}
END_TEST

/*
 * Killed at every system call of a commit, one after the other.
 */

static void
commit_and_tell(int fd)
{
	struct queue_file	*f;

	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
		_exit(77);
	(void)raise(SIGSTOP);
	queue_file_new(q, &f);
	if (queue_file_write(f, body, sizeof(body) - 1, &err) < 0 ||
	    queue_file_commit_now(&f, &sample, false, &err) < 0)
		_exit(1);
	(void)!write(fd, "250", 3);
	_exit(0);
}

/* Let the child make n steps into or out of system calls.  False: it ended
 * before. */
static bool
step(pid_t pid, int n)
{
	int	status;

	for (int i = 0; i < n; i++) {
		ck_assert_int_eq(ptrace(PTRACE_SYSCALL, pid, NULL, NULL), 0);
		ck_assert_int_eq(waitpid(pid, &status, 0), pid);
		if (WIFEXITED(status)) {
			ck_assert_int_eq(WEXITSTATUS(status), 0);
			return false;
		}
	}
	return true;
}

START_TEST(killed_at_every_step)
{
	bool	alive = true;
	int	before_ack = 0, steps = 0;

	while (alive) {
		char	said[4] = "";
		int	fds[2], status, n;
		pid_t	pid;

		ck_assert_int_eq(pipe(fds), 0);
		pid = fork();
		if (pid == 0)
			commit_and_tell(fds[1]);
		(void)close(fds[1]);
		ck_assert_int_eq(waitpid(pid, &status, 0), pid);
		if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
			/* No tracing in this place, so no steps. */
			(void)close(fds[0]);
			return;
		}
		alive = step(pid, ++steps);
		if (alive) {
			ck_assert_int_eq(kill(pid, SIGKILL), 0);
			ck_assert_int_eq(waitpid(pid, &status, 0), pid);
		}
		n = whole_messages();
		/* Said means done; done and not said is a duplicate. */
		if (read(fds[0], said, 3) == 3)
			ck_assert_int_eq(n, 1);
		else
			before_ack += n;
		(void)close(fds[0]);
		(void)queue_sweep(q, -SECS(100), NULL);
		ck_assert_int_eq(in_dir(QUEUE_TMP), 0);
		ck_assert_int_eq(queue_each(q, QUEUE_NEW, rm_one,
		    &q->dirs[QUEUE_NEW], &err), 0);
	}
	/* create, write, rename, fchmod, fsync, close, in and out. */
	ck_assert_int_gt(steps, 12);
	ck_assert_int_gt(before_ack, 0);
}
END_TEST

/*
 * Delivery log.
 */

static const struct queue_log_rec	recs[] = {
	{ .kind = QLOG_DELAY, .address = "a@b", .dsn = "4.4.1",
	  .action = "delayed", .diagnostic = "connection refused", .when = 5 },
	{ .kind = QLOG_NOTICED, .about = 1, .when = 6 },
	{ .kind = QLOG_BOUNCE, .address = "a@b", .original = "c@d",
	  .dsn_orcpt = "rfc822;c@d", .notify = 4, .dsn = "5.1.1",
	  .action = "failed", .mta = "mx", .diag_type = "smtp",
	  .diagnostic = "550 no such user", .when = 7 },
};

START_TEST(log_round_trip)
{
	struct queue_log_rec	*out;
	size_t			 n;

	ck_assert_int_eq(queue_log_read(q, "ABCDEF", a, &out, &n, &err), 0);
	ck_assert_uint_eq(n, 0);
	ck_assert_int_eq(queue_log_append(q, "ABCDEF", recs, 2, false, &err),
	    0);
	ck_assert_int_eq(queue_log_append(q, "ABCDEF", recs + 2, 1, true,
	    &err), 0);
	ck_assert_int_eq(queue_log_read(q, "ABCDEF", a, &out, &n, &err), 0);
	ck_assert_uint_eq(n, 3);
	ck_assert_int_eq(out[1].kind, QLOG_NOTICED);
	ck_assert_int_eq(out[1].about, 1);
	ck_assert_ptr_null(out[1].address);
	ck_assert_str_eq(out[2].original, "c@d");
	ck_assert_str_eq(out[2].dsn_orcpt, "rfc822;c@d");
	ck_assert_uint_eq(out[2].notify, 4);
	ck_assert_str_eq(out[2].dsn, "5.1.1");
	ck_assert_str_eq(out[2].action, "failed");
	ck_assert_str_eq(out[2].mta, "mx");
	ck_assert_str_eq(out[2].diag_type, "smtp");
	ck_assert_str_eq(out[2].diagnostic, "550 no such user");
	ck_assert_int_eq(out[2].when, 7);
	ck_assert_int_eq(queue_log_remove(q, "ABCDEF", &err), 0);
	ck_assert_int_eq(queue_log_remove(q, "ABCDEF", &err), 0);
}
END_TEST

/* Torn at every byte, then appended to: the whole records are all read. */
START_TEST(log_torn)
{
	struct queue_log_rec	*out;
	struct stat		 st;
	size_t			 n, first;
	char			 path[128];

	(void)snprintf(path, sizeof(path), "%s/log/ABCDEF", dir);
	ck_assert_int_eq(queue_log_append(q, "ABCDEF", recs, 1, false, &err),
	    0);
	ck_assert_int_eq(stat(path, &st), 0);
	first = (size_t)st.st_size;
	ck_assert_int_eq(queue_log_append(q, "ABCDEF", recs + 2, 1, false,
	    &err), 0);
	ck_assert_int_eq(stat(path, &st), 0);
	for (off_t cut = st.st_size - 1; cut >= 0; cut--) {
		ck_assert_int_eq(truncate(path, cut), 0);
		ck_assert_int_eq(queue_log_append(q, "ABCDEF", recs + 1, 1,
		    false, &err), 0);
		ck_assert_int_eq(queue_log_read(q, "ABCDEF", a, &out, &n,
		    &err), 0);
		ck_assert_uint_eq(n, (size_t)cut >= first ? 2 : 1);
		ck_assert_int_eq(out[n - 1].kind, QLOG_NOTICED);
	}
}
END_TEST

int
main(void)
{
	Suite	*s = suite_create("queue");
	TCase	*t = tcase_create("queue");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 120);
	tcase_add_test(t, crc);
	tcase_add_test(t, ids);
	tcase_add_test(t, round_trip);
	tcase_add_test(t, sizes);
	tcase_add_test(t, memory_comes_with_content);
	tcase_add_test(t, used_again);
	tcase_add_test(t, content_rules);
	tcase_add_test(t, bad_envelopes);
	tcase_add_test(t, marks_and_due);
	tcase_add_test(t, moves);
	tcase_add_test(t, truncated);
	tcase_add_test(t, flipped);
	tcase_add_test(t, zeroed);
	tcase_add_test(t, absurd);
	tcase_add_test(t, wrong_records);
	tcase_add_test(t, not_files);
	tcase_add_test(t, async_commits);
	tcase_add_test(t, half_written);
	tcase_add_test(t, abort_leaves_nothing);
	tcase_add_test(t, no_overwriting);
	tcase_add_test(t, disk_full);
	tcase_add_test(t, sweep);
	tcase_add_test(t, room);
	tcase_add_test(t, killed_writer);
	tcase_add_test(t, killed_writer_readable);
	tcase_add_test(t, killed_at_every_step);
	tcase_add_test(t, log_round_trip);
	tcase_add_test(t, log_torn);
	suite_add_tcase(s, t);
	return check_run(s);
}
