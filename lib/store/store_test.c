/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/check_child.h"
#include "base/check_run.h"
#include "store/box.h"
#include "store/store.h"
#include "store/store_fixture.h"
#include "store/view.h"
#include "sys/clock.h"
#include "sys/loop.h"

static char *
message(int n)
{
	return arena_printf(mem, "From: Sender %d <s%d@example.com>\r\n"
	    "To: a@example.org, \"B, C\" <b@example.org>\r\n"
	    "Subject: number %d\r\nDate: Mon, 02 Jan 2006 15:04:05 +0000\r\n"
	    "Message-ID: <%d@example.com>\r\nX-Other: x\r\n\r\nBody %d\r\n",
	    n, n, n, n, n);
}

static uint32_t
deliver_text(const char *mailbox, const char *text, unsigned int flags)
{
	struct store_delivery	d = { .mailbox = mailbox, .create = true,
				    .flags = flags, .size = strlen(text) };
	struct store_done	r;

	d.prefix = SLICE_LIT("Return-Path: <x@y>\r\n");
	d.fd = temp_fd(text, d.size);
	ck_assert_msg(store_deliver_now(user, &d, &r, &err) == 0, "%s",
	    err.text);
	close(d.fd);
	ck_assert_uint_eq(r.uid_count, 1);
	return r.uid;
}

static uint32_t
deliver(int n)
{
	return deliver_text(NULL, message(n), 0);
}

static struct view *
open_view(const char *name)
{
	struct view	*v;

	ck_assert_msg(view_open(user, name, false, &v, &fail, &err) == 0,
	    "%s: %s", name, err.text);
	return v;
}

static struct view_changes
sync_view(struct view *v)
{
	struct view_changes	c;

	ck_assert_msg(view_sync(v, true, mem, &c, &err) == 0, "%s", err.text);
	return c;
}

static char *
body_of(struct view *v, uint32_t seq)
{
	struct view_body	 b;
	char			*text;

	ck_assert_msg(view_body_open(v, seq, &b, &fail, &err) == 0, "%s",
	    err.text);
	text = arena_alloc(mem, b.size + 1);
	ck_assert(view_body_read(&b, 0, text, b.size) == (ssize_t)b.size);
	view_body_close(&b);
	return text;
}

static usec_t
date_of(struct view *v, uint32_t seq)
{
	usec_t	date;

	ck_assert_msg(view_date(v, seq, &date, &err) == 0, "%s", err.text);
	return date;
}

static void
set_flags(struct view *v, uint32_t seq, enum view_flag_op op,
    unsigned int flags)
{
	struct view_store	s = { .op = op, .flags = flags,
				    .unchanged_since = UINT64_MAX };

	ck_assert_msg(view_store(v, &seq, 1, &s, NULL, NULL, &err) == 0, "%s",
	    err.text);
}

START_TEST(basic)
{
	struct view		*v;
	struct view_msg		 m;
	struct envelope		 e;
	struct mime_message	 mime;
	struct store_status	 st;
	struct view_changes	 c;
	uint32_t		 uid;

	for (int i = 1; i <= 5; i++)
		ck_assert_uint_eq(deliver(i), (unsigned int)i);
	v = open_view("inbox");
	ck_assert_uint_eq(view_count(v), 5);
	ck_assert_uint_eq(view_recent(v), 5);
	ck_assert_uint_eq(view_uidnext(v), 6);
	ck_assert_uint_eq(view_first_unseen(v), 1);
	view_get(v, 3, &m);
	ck_assert_uint_eq(m.uid, 3);
	ck_assert(m.recent && m.flags == 0);
	ck_assert_uint_eq(m.size, strlen(message(3)) +
	    strlen("Return-Path: <x@y>\r\n"));
	ck_assert(view_envelope(v, 3, mem, &e, &err) == 0);
	ck_assert(slice_is(e.subject, "number 3"));
	ck_assert_uint_eq(e.to.count, 2);
	ck_assert(slice_is(e.to.items[1].name, "B, C"));
	ck_assert(view_structure(v, 3, mem, &mime, &err) == 0);
	ck_assert(slice_is(mime.root->subtype, "plain"));
	ck_assert_uint_eq(mime.root->lines, 1);
	ck_assert(strstr(body_of(v, 3), "\r\n\r\nBody 3\r\n") != NULL);
	set_flags(v, 2, VIEW_FLAGS_ADD, STORE_SEEN | STORE_FLAGGED);
	view_get(v, 2, &m);
	ck_assert_uint_eq(m.flags, STORE_SEEN | STORE_FLAGGED);
	ck_assert(store_status(user, "INBOX", &st, &fail, &err) == 0);
	ck_assert_uint_eq(st.messages, 5);
	ck_assert_uint_eq(st.unseen, 4);
	ck_assert_uint_eq(st.recent, 0);
	uid = 4;
	ck_assert(view_expunge(v, &uid, 1, &err) == 0);
	ck_assert_uint_eq(view_count(v), 5);
	c = sync_view(v);
	ck_assert_uint_eq(c.nexpunged, 1);
	ck_assert_uint_eq(c.expunged[0], 4);
	ck_assert_uint_eq(view_count(v), 4);
	ck_assert_uint_eq(view_uid(v, 4), 5);
	ck_assert_uint_eq(view_seq(v, 5), 4);
	ck_assert_uint_eq(view_seq(v, 4), 0);
	ck_assert_uint_eq(view_seq_at_least(v, 4), 4);
	ck_assert(view_flush_now(v, &err) == 0);
	view_close(&v);
	close_store();
	open_store();
	v = open_view("INBOX");
	ck_assert_uint_eq(view_count(v), 4);
	ck_assert_uint_eq(view_recent(v), 0);
	view_get(v, 2, &m);
	ck_assert_uint_eq(m.flags, STORE_SEEN | STORE_FLAGGED);
	ck_assert(strstr(view_filename(v, 2, mem), ",S=") != NULL);
	view_close(&v);
}
END_TEST

START_TEST(two_sessions)
{
	struct view		*a, *b;
	struct view_changes	 c;
	uint32_t		 uids[] = { 1, 3 };

	for (int i = 1; i <= 4; i++)
		(void)deliver(i);
	a = open_view("INBOX");
	b = open_view("INBOX");
	ck_assert_uint_eq(view_recent(b), 0);
	set_flags(a, 2, VIEW_FLAGS_ADD, STORE_SEEN);
	(void)deliver(5);
	ck_assert(view_expunge(a, uids, 2, &err) == 0);
	ck_assert_uint_eq(view_count(b), 4);
	ck_assert(view_sync(b, false, mem, &c, &err) == 0);
	ck_assert_uint_eq(c.nexpunged, 0);
	ck_assert_uint_eq(c.count, 5);
	ck_assert_uint_eq(c.nflags, 1);
	ck_assert_uint_eq(c.flags[0], 2);
	c = sync_view(b);
	ck_assert_uint_eq(c.nexpunged, 2);
	ck_assert_uint_eq(c.expunged[0], 1);
	ck_assert_uint_eq(c.expunged[1], 2);
	ck_assert_uint_eq(c.count, 3);
	ck_assert_uint_eq(view_uid(b, 1), 2);
	ck_assert_uint_eq(view_uid(b, 3), 5);
	c = sync_view(a);
	ck_assert_uint_eq(c.nexpunged, 2);
	ck_assert_uint_eq(c.count_before, 2);
	ck_assert_uint_eq(c.count, 3);
	/* b was first to see number 5. */
	ck_assert_uint_eq(view_recent(b), 1);
	c = sync_view(a);
	ck_assert_uint_eq(c.nexpunged + c.nflags, 0);
	view_close(&a);
	view_close(&b);
}
END_TEST

struct waiting {
	bool			 ran;
	struct store_done	 r;
};

static void
done_cb(void *arg, const struct store_done *r)
{
	struct waiting	*w = arg;

	ck_assert(!w->ran);
	w->ran = true;
	w->r = *r;
}

START_TEST(async_delivery)
{
	enum { N = 200 };
	static struct waiting	 w[N];
	char			 seen[N + 1] = { 0 };
	struct view		*v;
	struct store_status	 st;

	memset(w, 0, sizeof(w));
	for (int i = 0; i < N; i++) {
		char			*text = message(i);
		struct store_delivery	 d = { .size = strlen(text) };

		d.fd = temp_fd(text, d.size);
		store_deliver(user, &d, done_cb, &w[i]);
		close(d.fd);
		ck_assert(!w[i].ran);
	}
	for (int i = 0; i < N; i++) {
		wait_for(&w[i].ran);
		ck_assert_int_eq(w[i].r.fail, STORE_OK);
		ck_assert(w[i].r.uid >= 1 && w[i].r.uid <= N);
		ck_assert(!seen[w[i].r.uid]);
		seen[w[i].r.uid] = 1;
	}
	v = open_view("INBOX");
	ck_assert_uint_eq(view_count(v), N);
	/* The UID that was told is the one of that message. */
	for (int i = 0; i < N; i += 17)
		ck_assert(strstr(body_of(v, view_seq(v, w[i].r.uid)),
		    arena_printf(mem, "Body %d\r\n", i)) != NULL);
	view_close(&v);
	ck_assert(store_status(user, "INBOX", &st, &fail, &err) == 0);
	ck_assert_uint_eq(st.messages, N);
}
END_TEST

START_TEST(append_copy_move)
{
	struct view_append	*p;
	struct view		*v, *t;
	struct waiting		 w = { .ran = false }, w2 = w, w3 = w;
	static const char *const keys[] = { "$Junk", "Custom", NULL };
	const uint32_t		 both[] = { 1, 2 };
	struct view_msg		 m;
	struct view_changes	 c;
	unsigned int		 n;

	ck_assert(view_append_new(user, "Nope", &p, &fail, &err) < 0);
	ck_assert_int_eq(fail, STORE_NO_MAILBOX);
	ck_assert(store_create(user, "A/B", 0, &fail, &err) == 0);
	ck_assert(view_append_new(user, "A/B", &p, &fail, &err) == 0);
	for (int i = 0; i < 2; i++) {
		ck_assert(view_append_begin(p, STORE_SEEN | STORE_DRAFT, keys,
		    SECS(1000000 + i), &err) == 0);
		/* Bare LF becomes CRLF, however it is cut. */
		ck_assert(view_append_write(p, "Subject: x\r", 11, &err) == 0);
		ck_assert(view_append_write(p, "\n\nbody\n", 7, &err) == 0);
		ck_assert(view_append_end(p, &err) == 0);
	}
	view_append_commit(&p, done_cb, &w);
	wait_for(&w.ran);
	ck_assert_int_eq(w.r.fail, STORE_OK);
	ck_assert_uint_eq(w.r.uid, 1);
	ck_assert_uint_eq(w.r.uid_count, 2);
	v = open_view("A/B");
	ck_assert_uint_eq(w.r.uidvalidity, view_uidvalidity(v));
	ck_assert_str_eq(body_of(v, 1), "Subject: x\r\n\r\nbody\r\n");
	view_get(v, 2, &m);
	ck_assert_uint_eq(m.flags, STORE_SEEN | STORE_DRAFT);
	ck_assert_int_eq(date_of(v, 2), SECS(1000001));
	ck_assert(view_keyword_find(v, SLICE_LIT("custom"), &n));
	ck_assert((m.keywords >> n & 1) != 0);
	(void)deliver(1);
	view_copy(v, both, 2, "INBOX", false, done_cb, &w2);
	wait_for(&w2.ran);
	ck_assert_int_eq(w2.r.fail, STORE_OK);
	ck_assert_uint_eq(w2.r.uid, 2);
	ck_assert_uint_eq(w2.r.uid_count, 2);
	t = open_view("INBOX");
	ck_assert_uint_eq(view_count(t), 3);
	view_get(t, 2, &m);
	ck_assert_int_eq(date_of(t, 2), SECS(1000000));
	ck_assert(view_keyword_find(t, SLICE_LIT("Custom"), &n));
	ck_assert((m.keywords >> n & 1) != 0);
	ck_assert_str_eq(body_of(t, 3), "Subject: x\r\n\r\nbody\r\n");
	view_copy(t, both, 2, "A/B", true, done_cb, &w3);
	wait_for(&w3.ran);
	ck_assert_int_eq(w3.r.fail, STORE_OK);
	ck_assert_uint_eq(w3.r.uid, 3);
	c = sync_view(t);
	ck_assert_uint_eq(c.nexpunged, 2);
	c = sync_view(v);
	ck_assert_uint_eq(c.count, 4);
	w = (struct waiting){ .ran = false };
	view_copy(v, both, 1, "Missing", false, done_cb, &w);
	wait_for(&w.ran);
	ck_assert_int_eq(w.r.fail, STORE_NO_MAILBOX);
	view_close(&v);
	view_close(&t);
}
END_TEST

static void
on_change(void *arg)
{
	*(usec_t *)arg = clock_mono();
}

START_TEST(watching)
{
	struct view	*v;
	usec_t		 told = 0, before;
	pid_t		 pid;
	int		 status;

	(void)deliver(1);
	v = open_view("INBOX");
	ck_assert(view_watch(v, on_change, &told, &err) == 0);
	loop_once(loop, 0);
	told = 0;
	pid = fork();
	if (pid == 0) {
		check_child();
		(void)deliver(2);
		_exit(0);
	}
	ck_assert(waitpid(pid, &status, 0) == pid && status == 0);
	before = clock_mono();
	/* Told, and not found out by looking now and then. */
	while (told == 0 && clock_mono() < before + SECS(60))
		loop_once(loop, MSECS(100));
	ck_assert(told != 0);
	ck_assert_uint_eq(sync_view(v).count, 2);
	/* The claim of \Recent is a change too; after it there is silence. */
	for (int i = 0; i < 100; i++) {
		told = 0;
		loop_once(loop, MSECS(20));
		if (told == 0)
			break;
		(void)sync_view(v);
	}
	ck_assert(told == 0);
	ck_assert(view_watch(v, NULL, NULL, &err) == 0);
	(void)deliver(3);
	loop_once(loop, MSECS(20));
	ck_assert(told == 0);
	view_close(&v);
}
END_TEST

static char *
find_file(const char *sub, const char *part)
{
	DIR		*d = opendir(arena_printf(mem, "%s/%s", maildir, sub));
	struct dirent	*e;
	char		*found = NULL;

	ck_assert(d != NULL);
	while ((e = readdir(d)) != NULL)
		if (e->d_name[0] != '.' && strstr(e->d_name, part) != NULL)
			found = arena_printf(mem, "%s/%s/%s", maildir, sub,
			    e->d_name);
	closedir(d);
	return found;
}

static void
put_file(const char *rel, const char *text)
{
	char	*path = arena_printf(mem, "%s/%s", maildir, rel);
	FILE	*f = fopen(path, "w");

	ck_assert(f != NULL && fputs(text, f) >= 0 && fclose(f) == 0);
}

static char *
path_of(struct view *v, uint32_t seq)
{
	const char	*base = view_filename(v, seq, mem);
	char		*p = find_file("new", base);

	return p != NULL ? p : find_file("cur", base);
}

START_TEST(foreign)
{
	struct view		*v;
	struct view_changes	 c;
	struct view_msg		 m;
	char			*p;

	for (int i = 1; i <= 3; i++)
		(void)deliver(i);
	v = open_view("INBOX");
	/* A mail program marks, removes and adds. */
	p = path_of(v, 1);
	ck_assert(rename(p, arena_printf(mem, "%s/cur/%s:2,FS", maildir,
	    strrchr(p, '/') + 1)) == 0);
	ck_assert(unlink(path_of(v, 2)) == 0);
	put_file("new/1.lf.other", "Subject: lf\n\none\ntwo\n");
	put_file("cur/0.lf.other:2,RZ,x=1", "Subject: early\n\nx\n");
	c = sync_view(v);
	ck_assert_uint_eq(c.nexpunged, 1);
	ck_assert_uint_eq(c.expunged[0], 2);
	ck_assert_uint_eq(c.count, 4);
	ck_assert_uint_eq(c.nflags, 1);
	view_get(v, 1, &m);
	ck_assert_uint_eq(m.flags, STORE_FLAGGED | STORE_SEEN);
	view_get(v, 3, &m);
	ck_assert_uint_eq(m.uid, 4);
	ck_assert_uint_eq(m.flags, STORE_ANSWERED);
	ck_assert_str_eq(body_of(v, 4), "Subject: lf\r\n\r\none\r\ntwo\r\n");
	view_get(v, 4, &m);
	ck_assert_uint_eq(m.size, strlen("Subject: lf\r\n\r\none\r\ntwo\r\n"));
	ck_assert(m.size != m.disk_size);
	/* Our flags reach the name when we close; foreign letters stay. */
	set_flags(v, 3, VIEW_FLAGS_ADD, STORE_SEEN);
	set_flags(v, 1, VIEW_FLAGS_REMOVE, STORE_FLAGGED);
	view_close(&v);
	ck_assert(find_file("cur", "0.lf.other:2,RSZ,x=1") != NULL);
	v = open_view("INBOX");
	ck_assert_uint_eq(view_count(v), 4);
	ck_assert(strstr(path_of(v, 1), ":2,S") != NULL);
	ck_assert_uint_eq(view_uid(v, 4), 5);
	/* The same, seen by a session that is open: still there. */
	ck_assert(strstr(body_of(v, 1), "Body 1") != NULL);
	p = path_of(v, 1);
	ck_assert(rename(p, arena_printf(mem, "%s/cur/%.*s:2,S", maildir,
	    (int)strcspn(strrchr(p, '/') + 1, ":"),
	    strrchr(p, '/') + 1)) == 0);
	ck_assert(strstr(body_of(v, 1), "Body 1") != NULL);
	view_close(&v);
}
END_TEST

START_TEST(lf_ranges)
{
	struct view		*v;
	struct view_body	 b;
	char			 got[64];
	const char		*want = "A: b\r\n\r\nx\r\n\r\r\ny\r\n\r\nz";

	put_file("new/1.x", "A: b\n\nx\r\n\r\r\ny\n\nz");
	v = open_view("INBOX");
	ck_assert(view_body_open(v, 1, &b, &fail, &err) == 0);
	ck_assert_uint_eq(b.size, strlen(want));
	for (size_t from = 0; from <= strlen(want); from++)
		for (size_t n = 0; n <= strlen(want) + 1 - from; n++) {
			ssize_t	r = view_body_read(&b, from, got, n);
			size_t	max = strlen(want) - from;

			ck_assert_int_eq(r, (int)(n < max ? n : max));
			ck_assert(memcmp(got, want + from, (size_t)r) == 0);
		}
	view_body_close(&b);
	view_close(&v);
}
END_TEST

START_TEST(index_gone)
{
	static const char *const	files[] = { "posthouse.index",
					    "posthouse.log", NULL };
	struct view	*v;
	struct view_msg	 m;
	uint32_t	 validity, uid = 2, next;

	for (int i = 1; i <= 5; i++)
		(void)deliver(i);
	v = open_view("INBOX");
	validity = view_uidvalidity(v);
	set_flags(v, 3, VIEW_FLAGS_ADD, STORE_FLAGGED);
	ck_assert(view_expunge(v, &uid, 1, &err) == 0);
	(void)sync_view(v);
	next = view_uidnext(v);
	view_close(&v);
	for (int k = 0; files[k] != NULL; k++) {
		(void)unlink(arena_printf(mem, "%s/%s", maildir, files[k]));
		v = open_view("INBOX");
		ck_assert_uint_eq(view_uidvalidity(v), validity);
		ck_assert_uint_eq(view_count(v), 4);
		ck_assert_uint_eq(view_uid(v, 1), 1);
		ck_assert_uint_eq(view_uid(v, 2), 3);
		ck_assert_uint_eq(view_uid(v, 4), 5);
		ck_assert_uint_ge(view_uidnext(v), next);
		view_get(v, 2, &m);
		ck_assert_uint_eq(m.flags, STORE_FLAGGED);
		ck_assert(strstr(body_of(v, 2), "Body 3") != NULL);
		view_close(&v);
	}
	ck_assert_uint_ge(deliver(6), next);
}
END_TEST

/* The first deliveries of a new user race for the making of the mailbox; the
 * list of UIDs must know them all. */
static void
first_deliverer(int who)
{
	close_store();
	open_store();
	for (int i = 0; i < 3; i++)
		(void)deliver(who * 10 + i);
}

static uint32_t
uid_by_number[100];

static void
note_uids(bool check, uint32_t count)
{
	struct view	*v = open_view("INBOX");
	struct arena	*a = arena_new();

	ck_assert_uint_eq(view_count(v), count);
	for (uint32_t seq = 1; seq <= count; seq++) {
		struct envelope	e;
		unsigned int	n;

		ck_assert(view_envelope(v, seq, a, &e, &err) == 0);
		n = (unsigned int)strtoul(arena_strndup(a,
		    (const char *)e.subject.p + 7, e.subject.len - 7), NULL,
		    10);
		ck_assert_uint_lt(n, 100);
		if (check && uid_by_number[n] != 0)
			ck_assert_uint_eq(uid_by_number[n], view_uid(v, seq));
		uid_by_number[n] = view_uid(v, seq);
	}
	arena_free(&a);
	view_close(&v);
}

START_TEST(first_of_many)
{
	pid_t	pids[4];
	int	status;

	for (int who = 0; who < 4; who++) {
		pids[who] = fork();
		if (pids[who] == 0) {
			check_child();
			first_deliverer(who);
			_exit(0);
		}
		ck_assert_int_gt(pids[who], 0);
	}
	for (int who = 0; who < 4; who++) {
		ck_assert(waitpid(pids[who], &status, 0) == pids[who]);
		ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	}
	note_uids(false, 12);
	/* Twice: the first time a delivery meets the loss. */
	for (int k = 0; k < 2; k++) {
		(void)unlink(arena_printf(mem, "%s/posthouse.index", maildir));
		ck_assert(unlink(arena_printf(mem, "%s/posthouse.log",
		    maildir)) == 0);
		close_store();
		open_store();
		if (k == 0)
			(void)deliver(50);
		note_uids(true, 13);
	}
}
END_TEST

START_TEST(import)
{
	struct view	*v;
	struct view_msg	 m;
	unsigned int	 n;

	put_file("cur/1000.a.host,S=14:2,Sab", "Subject: a\n\na\n");
	put_file("cur/1001.b.host:2,", "Subject: b\n\nb\n");
	put_file("new/1002.c.host", "Subject: c\n\nc\n");
	put_file("new/0999.d.host", "Subject: d\n\nd\n");
	put_file("dovecot-uidlist", "3 V1234567 N90 "
	    "G00112233445566778899aabbccddeeff\n"
	    "17 W18 :1000.a.host,S=14\n"
	    "20 :1002.c.host\n19 :bad.order\nx y\n40 :gone\n");
	put_file("dovecot-keywords", "0 $Forwarded\n1 work\n");
	v = open_view("INBOX");
	ck_assert_uint_eq(view_uidvalidity(v), 1234567);
	ck_assert_uint_eq(view_guid(v)[1], 0x11);
	ck_assert_uint_eq(view_count(v), 4);
	ck_assert_uint_eq(view_uid(v, 1), 17);
	ck_assert_uint_eq(view_uid(v, 2), 20);
	ck_assert_uint_eq(view_uid(v, 3), 90);
	ck_assert_uint_eq(view_uid(v, 4), 91);
	ck_assert_str_eq(view_filename(v, 3, mem), "0999.d.host");
	view_get(v, 1, &m);
	ck_assert(view_keyword_find(v, SLICE_LIT("work"), &n));
	ck_assert_uint_eq(m.keywords, 3);
	ck_assert_uint_eq(m.flags, STORE_SEEN);
	view_close(&v);
}
END_TEST

/*
 * Several processes, and processes that are killed.  What anybody saw under a
 * UID is what everybody sees there for ever.
 */
#define MAX_UID	200000

struct shared {
	int	 bad;
	uint32_t validity;		/* of what follows; 0: the first */
	int	 seen[MAX_UID];		/* number of the message, 0: none */
	int	 acked[MAX_UID];
	char	 expunged[MAX_UID];
};

static struct shared	*shared;

static void
saw(uint32_t uid, int n)
{
	int	none = 0;

	if (uid >= MAX_UID || n == 0 ||
	    (!__atomic_compare_exchange_n(&shared->seen[uid], &none, n, false,
	    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST) && none != n)) {
		(void)fprintf(stderr, "uid %u is %d, was %d\n", uid, n,
		    none);
		shared->bad = 1;
	}
}

static int
number_of(struct view *v, uint32_t seq, struct arena *a)
{
	struct envelope	e;
	struct error	why;

	if (view_envelope(v, seq, a, &e, &why) < 0) {
		(void)fprintf(stderr, "envelope: %s\n", why.text);
		return 0;
	}
	if (e.subject.p == NULL || !slice_starts(e.subject, "number "))
		return 0;
	return (int)strtol(arena_strndup(a, (const char *)e.subject.p + 7,
	    e.subject.len - 7), NULL, 10);
}

static void
look(struct view *v)
{
	struct arena	*a = arena_new();

	for (uint32_t seq = 1; seq <= view_count(v); seq++) {
		struct view_msg	m;

		int		n;

		view_get(v, seq, &m);
		if (m.expunged)
			continue;
		/* One that a scan found is read only now: another session may
		 * have expunged it meanwhile. */
		if ((n = number_of(v, seq, a)) == 0)
			view_get(v, seq, &m);
		if (n != 0 || !m.expunged)
			saw(m.uid, n);
	}
	arena_free(&a);
}

static void
deliverer(int who)
{
	for (int i = 1;; i++) {
		int			 n = who * 100000 + i + (int)(clock_wall() %
					    100) * 1000;
		char			*text = message(n);
		struct store_delivery	 d = { .size = strlen(text) };
		struct store_done	 r;

		d.fd = temp_fd(text, d.size);
		if (store_deliver_now(user, &d, &r, &err) == 0) {
			saw(r.uid, n);
			shared->acked[r.uid] = n;
		} else if (shared->bad == 0) {
			(void)fprintf(stderr, "deliver: %s\n", err.text);
			shared->bad = 1;
		}
		close(d.fd);
		arena_reset(mem);
	}
}

static void
session(int who)
{
	struct view		*v = open_view("INBOX");
	struct view_changes	 c;

	srandom((unsigned int)who);
	for (;;) {
		uint32_t	seq, uid;

		arena_reset(mem);
		if (view_sync(v, true, mem, &c, &err) < 0) {
			(void)fprintf(stderr, "sync: %s\n", err.text);
			shared->bad = 1;
		}
		ck_assert(!c.gone);
		look(v);
		if (view_count(v) == 0)
			continue;
		seq = 1 + (uint32_t)random() % view_count(v);
		set_flags(v, seq, VIEW_FLAGS_SET, (unsigned int)random() &
		    (STORE_SEEN | STORE_FLAGGED | STORE_ANSWERED));
		uid = view_uid(v, seq);
		if (random() % 4 == 0) {
			shared->expunged[uid] = 1;
			if (view_expunge(v, &uid, 1, &err) < 0) {
				(void)fprintf(stderr, "expunge: %s\n",
				    err.text);
				shared->bad = 1;
			}
		}
		if (random() % 8 == 0) {
			view_close(&v);
			v = open_view("INBOX");
		}
	}
}

static pid_t
spawn(void (*run)(int who), int who)
{
	pid_t	pid = fork();

	if (pid == 0) {
		check_child();
		run(who);
		_exit(0);
	}
	ck_assert(pid > 0);
	return pid;
}

static void
sleep_ms(long ms)
{
	struct timespec	t = { .tv_sec = ms / 1000,
			    .tv_nsec = ms % 1000 * 1000000 };

	(void)nanosleep(&t, NULL);
}

static void
stop(pid_t *pids, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int	status;

		ck_assert(kill(pids[i], SIGKILL) == 0);
		ck_assert(waitpid(pids[i], &status, 0) == pids[i]);
		ck_assert(WIFSIGNALED(status) &&
		    WTERMSIG(status) == SIGKILL);
	}
}

static bool
is_there(const int *numbers, uint32_t count, int n)
{
	for (uint32_t i = 0; i < count; i++)
		if (numbers[i] == n)
			return true;
	return false;
}

/* Without its log, and killed before it had a list of UIDs, a mailbox begins
 * anew: no UID of before means anything, but no message is lost. */
static void
note_validity(struct view *v)
{
	uint32_t	 now = view_uidvalidity(v), count = view_count(v);
	int		*numbers;

	if (shared->validity == 0)
		shared->validity = now;
	if (shared->validity == now)
		return;
	ck_assert_uint_gt(now, shared->validity);
	numbers = arena_alloc(mem, (count + 1) * sizeof(*numbers));
	for (uint32_t seq = 1; seq <= count; seq++)
		numbers[seq - 1] = number_of(v, seq, mem);
	for (int i = 0; i < MAX_UID; i++)
		if (shared->acked[i] != 0 && !shared->expunged[i])
			ck_assert_msg(is_there(numbers, count,
			    shared->acked[i]), "uid %d lost", i);
	ck_assert_int_eq(shared->bad, 0);
	memset(shared, 0, sizeof(*shared));
	shared->validity = now;
}

/* All that was acknowledged and not expunged is there under its UID, with its
 * content; the totals are right. */
static void
verify(void)
{
	struct view		*v = open_view("INBOX");
	struct store_status	 st;
	uint32_t		 unseen = 0;
	struct view_msg		 m;

	note_validity(v);
	look(v);
	ck_assert_int_eq(shared->bad, 0);
	for (uint32_t uid = 1; uid < view_uidnext(v) && uid < MAX_UID; uid++)
		if (shared->acked[uid] != 0 && !shared->expunged[uid]) {
			uint32_t	seq = view_seq(v, uid);

			ck_assert_msg(seq != 0, "uid %u lost", uid);
			ck_assert_int_eq(number_of(v, seq, mem),
			    shared->acked[uid]);
		}
	for (uint32_t seq = 1; seq <= view_count(v); seq++) {
		view_get(v, seq, &m);
		unseen += (m.flags & STORE_SEEN) == 0 ? 1 : 0;
		if (seq % 7 == 0)
			ck_assert_uint_eq(strlen(body_of(v, seq)), m.size);
	}
	ck_assert(store_status(user, "INBOX", &st, &fail, &err) == 0);
	ck_assert_uint_eq(st.messages, view_count(v));
	ck_assert_uint_eq(st.unseen, unseen);
	view_close(&v);
}

static void
new_shared(void)
{
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert(shared != MAP_FAILED);
}

START_TEST(stress)
{
	pid_t	pids[6];

	new_shared();
	for (int i = 0; i < 6; i++)
		pids[i] = spawn(i < 3 ? deliverer : session, i + 1);
	sleep_ms(4000);
	for (int i = 0; shared->acked[1] == 0 && i < 6000; i++)
		sleep_ms(10);
	stop(pids, 6);
	verify();
	ck_assert(shared->acked[1] != 0);
}
END_TEST

START_TEST(killed)
{
	new_shared();
	srandom(1);
	for (int round = 0; round < 60; round++) {
		pid_t	pids[3] = {
			spawn(deliverer, round * 3 + 1),
			spawn(session, round * 3 + 2),
			spawn(session, round * 3 + 3),
		};

		sleep_ms(random() % 60);
		stop(pids, 3);
		/* Sometimes the log goes too, or the snapshot. */
		if (round % 10 == 9)
			(void)unlink(arena_printf(mem, "%s/posthouse.%s",
			    maildir, round % 20 == 9 ? "index" : "log"));
		verify();
	}
}
END_TEST

/* Flip bytes, cut, fill with noise: nothing crashes, no UID names another
 * message, no file is lost. */
static void
damage(const char *name, int how)
{
	char		*path = arena_printf(mem, "%s/%s", maildir, name);
	int		 fd = open(path, O_RDWR);
	struct stat	 st;
	unsigned char	 c;
	off_t		 at;

	if (fd < 0)
		return;
	ck_assert(fstat(fd, &st) == 0);
	at = st.st_size == 0 ? 0 : random() % st.st_size;
	switch (how) {
	case 0:
		ck_assert(pread(fd, &c, 1, at) >= 0);
		c = (unsigned char)~c;
		ck_assert(pwrite(fd, &c, 1, at) == 1);
		break;
	case 1:
		ck_assert(ftruncate(fd, at) == 0);
		break;
	case 2:
		ck_assert(pwrite(fd, "garbage garbage garbage", 23,
		    st.st_size) == 23);
		break;
	case 3:
		for (int i = 0; i < 100; i++) {
			c = (unsigned char)random();
			ck_assert(pwrite(fd, &c, 1, random() %
			    (st.st_size + 1)) == 1);
		}
		break;
	default:
		ck_assert(ftruncate(fd, 0) == 0);
		break;
	}
	close(fd);
}

static int
files_in(const char *sub)
{
	DIR		*d = opendir(arena_printf(mem, "%s/%s", maildir, sub));
	struct dirent	*e;
	int		 n = 0;

	while ((e = readdir(d)) != NULL)
		n += e->d_name[0] != '.' ? 1 : 0;
	closedir(d);
	return n;
}

START_TEST(damaged)
{
	static const char *const	names[] = { "posthouse.log",
					    "posthouse.index",
					    "posthouse.mailboxes" };
	uint32_t			 validity = 0;
	int				 n = 0;

	new_shared();
	srandom(7);
	for (int round = 0; round < 150; round++) {
		struct view	*v;

		for (int i = 0; i < 3; i++) {
			uint32_t	uid = deliver(++n);

			ck_assert_uint_lt(uid, MAX_UID);
			saw(uid, n);
		}
		v = open_view("INBOX");
		look(v);
		set_flags(v, 1, VIEW_FLAGS_ADD, STORE_FLAGGED);
		view_close(&v);
		damage(names[round % 3], (round / 3) % 5);
		v = open_view("INBOX");
		if (validity == 0)
			validity = view_uidvalidity(v);
		ck_assert_uint_eq(view_uidvalidity(v), validity);
		look(v);
		ck_assert_msg(shared->bad == 0, "round %d", round);
		ck_assert_int_eq((int)view_count(v), n);
		ck_assert_int_eq(files_in("new") + files_in("cur"), n);
		view_close(&v);
		arena_reset(mem);
	}
}
END_TEST

/* ENVELOPE, BODYSTRUCTURE and the rest come from the log alone: with the files
 * out of reach everything is still there. */
/* A directory that cannot be looked at for a moment: an error, not another
 * log, and nobody goes on without the lock. */
START_TEST(directory_fails)
{
	struct box	 b;
	int		 fd;

	ck_assert_int_eq(box_open(&b, maildir, "host", false, &err), 0);
	fd = b.log.dirfd;
	b.log.dirfd = -1;
	ck_assert_int_eq(log_replaced(&b.log, &err), -1);
	ck_assert_int_eq(box_refresh(&b, &err), -1);
	ck_assert_int_eq(box_begin(&b, &err), -1);
	ck_assert(!b.in_tx && !b.log.locked);
	b.log.dirfd = fd;
	ck_assert_int_eq(box_begin(&b, &err), 0);
	ck_assert(b.log.locked);
	box_abort(&b);
	/* One that could not be opened is opened when it can. */
	log_close(&b.log);
	ck_assert_int_eq(box_begin(&b, &err), 0);
	ck_assert(b.log.locked);
	box_abort(&b);
	box_close(&b);
}
END_TEST

START_TEST(no_file_opened)
{
	enum { N = 10000 };
	struct view	*v;
	struct arena	*a = arena_new();
	char		*hidden = arena_printf(mem, "%s/hidden", maildir);
	char		*cur = arena_printf(mem, "%s/cur", maildir);
	usec_t		 start;

	for (int i = 0; i < N; i++)
		put_file(arena_printf(mem, "cur/%d.x:2,", 100000 + i),
		    message(i));
	v = open_view("INBOX");
	ck_assert_uint_eq(view_count(v), N);
	view_close(&v);
	ck_assert(access(arena_printf(mem, "%s/posthouse.index", maildir),
	    F_OK) == 0);
	start = clock_mono();
	v = open_view("INBOX");
	ck_assert(rename(cur, hidden) == 0);
	for (uint32_t seq = 1; seq <= N; seq++) {
		struct envelope		e;
		struct mime_message	m;
		struct slice		h;
		struct view_msg		msg;

		view_get(v, seq, &msg);
		ck_assert(view_envelope(v, seq, a, &e, &err) == 0);
		ck_assert(e.from.count == 1 && e.message_id.len > 0);
		ck_assert(view_structure(v, seq, a, &m, &err) == 0);
		ck_assert(m.size == msg.size);
		ck_assert(view_headers(v, seq, a, &h, &err) == 0);
		ck_assert(h.len > 100);
		arena_reset(a);
	}
	if (getenv("CK_VERBOSITY") != NULL)
		(void)fprintf(stderr, "open and read %d: %lld us\n", N,
		    (long long)(clock_mono() - start));
	ck_assert(rename(hidden, cur) == 0);
	arena_free(&a);
	view_close(&v);
}
END_TEST

/* "name:attrs:use " of all, sorted as they come. */
static const char *
listed(void)
{
	struct store_listed	*l;
	size_t			 n;
	char			*out = arena_strdup(mem, "");

	ck_assert(store_list(user, mem, &l, &n, &err) == 0);
	for (size_t i = 0; i < n; i++)
		out = arena_printf(mem, "%s%s:%u:%u ", out, l[i].name,
		    l[i].attrs, l[i].use);
	return out;
}

static void
let_tick_pass(void)
{
	(void)usleep(30000);
}

/* What is remembered of the tree is never older than the tree, whoever changes
 * it, whether the last change was long ago or just now. */
START_TEST(list_follows)
{
	struct stat	st;
	struct timespec	times[2];
	char		*sub = arena_printf(mem, "%s/subscriptions", maildir);
	char		*dir = arena_printf(mem, "%s/.Other", maildir);
	FILE		*f;

	ck_assert_str_eq(listed(), "INBOX:0:0 Sent:4:32 ");
	for (int wait = 0; wait < 2; wait++) {
		ck_assert(store_create(user, "A", STORE_USE_JUNK, &fail,
		    &err) == 0);
		for (int k = 0; k < 2; k++) {
			if (wait == 1)
				let_tick_pass();
			ck_assert_str_eq(listed(),
			    "INBOX:0:0 A:0:16 Sent:4:32 ");
		}
		ck_assert(mkdir(dir, 0700) == 0);
		for (int k = 0; k < 2; k++) {
			if (wait == 1)
				let_tick_pass();
			ck_assert_str_eq(listed(),
			    "INBOX:0:0 A:0:16 Other:0:0 Sent:4:32 ");
		}
		/* Written in place: the root does not know. */
		f = fopen(sub, "a");
		ck_assert(f != NULL && fputs("Other\n", f) >= 0 &&
		    fclose(f) == 0);
		ck_assert_str_eq(listed(),
		    "INBOX:0:0 A:0:16 Other:4:0 Sent:4:32 ");
		if (wait == 1)
			let_tick_pass();
		ck_assert(rename(dir, arena_printf(mem, "%s/.A.B",
		    maildir)) == 0);
		ck_assert_str_eq(listed(), "INBOX:0:0 A:2:16 A/B:0:0 "
		    "Other:12:0 Sent:4:32 ");
		ck_assert_str_eq(listed(), "INBOX:0:0 A:2:16 A/B:0:0 "
		    "Other:12:0 Sent:4:32 ");
		ck_assert(store_subscribe(user, "Other", false, &fail,
		    &err) == 0);
		ck_assert(store_delete(user, "A/B", &fail, &err) == 0);
		ck_assert(store_delete(user, "A", &fail, &err) == 0);
		ck_assert_str_eq(listed(), "INBOX:0:0 Sent:4:32 ");
	}
	/* One who sets the time back does not hide a change. */
	let_tick_pass();
	(void)listed();
	ck_assert(stat(maildir, &st) == 0);
	ck_assert(mkdir(dir, 0700) == 0);
	times[0] = st.st_atim;
	times[1] = st.st_mtim;
	ck_assert(utimensat(AT_FDCWD, maildir, times, 0) == 0);
	let_tick_pass();
	ck_assert_str_eq(listed(), "INBOX:0:0 Other:0:0 Sent:4:32 ");
	/* What was answered stays the caller's. */
	ck_assert(rmdir(dir) == 0);
	ck_assert_str_eq(listed(), "INBOX:0:0 Sent:4:32 ");
}
END_TEST

START_TEST(tree)
{
	static const char *const	bad[] = { "", "/", "a//b", "../x", "a/..",
	    "a/./b", "~x", "a.b", "x\ny", "a/", "/a", "\xff", "." };
	struct store_listed	*l;
	struct store_status	 st;
	size_t			 n;
	uint32_t		 validity;
	struct view		*v;
	struct view_changes	 c;

	for (size_t i = 0; i < COUNT(bad); i++) {
		ck_assert_msg(!store_name_ok(user, bad[i]), "%zu", i);
		ck_assert(store_create(user, bad[i], 0, &fail, &err) < 0);
		ck_assert_int_eq(fail, STORE_BAD_NAME);
	}
	ck_assert(store_create(user, "inbox", 0, &fail, &err) < 0);
	ck_assert_int_eq(fail, STORE_EXISTS);
	ck_assert(store_create(user, "Work/\xc3\xa4/x", STORE_USE_JUNK, &fail,
	    &err) == 0);
	ck_assert(store_create(user, "Work/\xc3\xa4/x", 0, &fail, &err) < 0);
	ck_assert_int_eq(fail, STORE_EXISTS);
	ck_assert(access(arena_printf(mem, "%s/.Work.&AOQ-.x/maildirfolder",
	    maildir), F_OK) == 0);
	ck_assert(store_subscribe(user, "Work/\xc3\xa4/x", true, &fail,
	    &err) == 0);
	ck_assert(store_subscribe(user, "Nowhere", true, &fail, &err) == 0);
	ck_assert(store_list(user, mem, &l, &n, &err) == 0);
	ck_assert_uint_eq(n, 6);
	ck_assert_str_eq(l[0].name, "INBOX");
	ck_assert_str_eq(l[1].name, "Nowhere");
	ck_assert_uint_eq(l[1].attrs, STORE_LIST_NONEXISTENT |
	    STORE_LIST_SUBSCRIBED);
	ck_assert_str_eq(l[2].name, "Sent");
	ck_assert_uint_eq(l[2].use, STORE_USE_SENT);
	ck_assert_str_eq(l[3].name, "Work");
	ck_assert_uint_eq(l[3].attrs, STORE_LIST_NOSELECT |
	    STORE_LIST_CHILDREN);
	ck_assert_str_eq(l[5].name, "Work/\xc3\xa4/x");
	ck_assert_uint_eq(l[5].use, STORE_USE_JUNK);
	ck_assert_uint_eq(l[5].attrs, STORE_LIST_SUBSCRIBED);
	(void)deliver_text("Work/\xc3\xa4/x", message(1), STORE_SEEN);
	ck_assert(store_rename(user, "Work", "Work/sub", &fail, &err) < 0);
	ck_assert(store_rename(user, "Work", "Play", &fail, &err) == 0);
	ck_assert(!store_exists(user, "Work/\xc3\xa4/x"));
	ck_assert(store_status(user, "Play/\xc3\xa4/x", &st, &fail,
	    &err) == 0);
	ck_assert_uint_eq(st.messages, 1);
	ck_assert_uint_eq(st.unseen, 0);
	validity = st.uidvalidity;
	v = open_view("Play/\xc3\xa4/x");
	ck_assert(store_delete(user, "Play/\xc3\xa4/x", &fail, &err) == 0);
	ck_assert(view_sync(v, true, mem, &c, &err) == 0);
	ck_assert(c.gone);
	view_close(&v);
	ck_assert(store_create(user, "Play/\xc3\xa4/x", 0, &fail, &err) == 0);
	ck_assert(store_status(user, "Play/\xc3\xa4/x", &st, &fail,
	    &err) == 0);
	ck_assert_uint_eq(st.messages, 0);
	ck_assert_uint_gt(st.uidvalidity, validity);
	ck_assert(store_delete(user, "INBOX", &fail, &err) < 0);
	ck_assert_int_eq(fail, STORE_REFUSED);
	(void)deliver(1);
	(void)deliver(2);
	ck_assert_msg(store_rename(user, "INBOX", "Old", &fail, &err) == 0,
	    "%s", err.text);
	ck_assert(store_status(user, "Old", &st, &fail, &err) == 0);
	ck_assert_uint_eq(st.messages, 2);
	ck_assert(store_status(user, "INBOX", &st, &fail, &err) == 0);
	ck_assert_uint_eq(st.messages, 0);
}
END_TEST

int
main(void)
{
	Suite	*s = suite_create("store");
	TCase	*t = tcase_create("all");

	suite_add_tcase(s, t);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 120);
	tcase_add_test(t, basic);
	tcase_add_test(t, two_sessions);
	tcase_add_test(t, async_delivery);
	tcase_add_test(t, append_copy_move);
	tcase_add_test(t, watching);
	tcase_add_test(t, foreign);
	tcase_add_test(t, lf_ranges);
	tcase_add_test(t, index_gone);
	tcase_add_loop_test(t, first_of_many, 0, 15);
	tcase_add_test(t, import);
	tcase_add_test(t, stress);
	tcase_add_test(t, killed);
	tcase_add_test(t, damaged);
	tcase_add_test(t, directory_fails);
	tcase_add_test(t, no_file_opened);
	tcase_add_test(t, list_follows);
	tcase_add_test(t, tree);
	return check_run(s);
}
