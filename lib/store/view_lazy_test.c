/* SPDX-License-Identifier: Apache-2.0 */
/* Messages that another program put there: known by their names at first, read
 * when somebody asks. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check_child.h"
#include "base/check_run.h"
#include "store/box.h"
#include "store/rebuild.h"
#include "store/store.h"
#include "store/store_fixture.h"
#include "store/view.h"

#define N	40			/* messages; their details need no more
					 * than is kept while a command runs */

static struct view *
open_view(bool readonly)
{
	struct view	*v;

	ck_assert_msg(view_open(user, "INBOX", readonly, &v, &fail,
	    &err) == 0, "%s", err.text);
	return v;
}

#define DATE	INT64_C(1100000000)

/* A file of another program: its name says s and w. */
static const char *
put_file(int n, const char *text, size_t s, size_t w)
{
	char		*rel = arena_printf(mem, "cur/%d.x,S=%zu,W=%zu:2,",
			    1000 + n, s, w);
	char		*path = arena_printf(mem, "%s/%s", maildir, rel);
	struct timespec	 times[2] = { { .tv_sec = DATE + n },
			    { .tv_sec = DATE + n } };
	FILE		*f = fopen(path, "w");

	ck_assert(f != NULL && fputs(text, f) >= 0 && fclose(f) == 0);
	ck_assert(utimensat(AT_FDCWD, path, times, 0) == 0);
	return path;
}

static const char *
put_message(int n)
{
	const char	*text = arena_printf(mem, "From: s%d@example.com\r\n"
			    "Subject: number %d\r\n\r\nBody %d\r\n", n, n, n);

	return put_file(n, text, strlen(text), strlen(text));
}

static void
fill(void)
{
	for (int n = 1; n <= N; n++)
		(void)put_message(n);
	/* A directory that changed just now is read again, which counts as a
	 * change. */
	(void)usleep(30000);
}

/* How many records in the log are of this type. */
static unsigned int
records(enum log_type type)
{
	int			 dir = open(maildir, O_RDONLY | O_DIRECTORY);
	struct log		 l;
	struct slice		 frame, body;
	const struct log_rec	*r;
	unsigned int		 n = 0;

	ck_assert(log_attach(&l, dir, &err) == LOG_OPENED);
	while (log_next(&l, &frame))
		for (size_t at = 0; log_each(frame, &at, &r, &body);)
			n += r->type == type ? 1 : 0;
	log_close(&l);
	close(dir);
	return n;
}

static unsigned int
unread(uint32_t flag)
{
	struct box	b;
	unsigned int	n = 0;

	ck_assert_msg(box_open(&b, maildir, "host.test", false, &err) == 0,
	    "%s", err.text);
	for (size_t i = 0; i < box_count(&b); i++)
		n += (box_rec(&b, i)->flags & flag) != 0 ? 1 : 0;
	box_close(&b);
	return n;
}

static void
check_subject(struct view *v, uint32_t seq, int n)
{
	struct envelope	e;

	ck_assert_msg(view_envelope(v, seq, mem, &e, &err) == 0, "%s",
	    err.text);
	ck_assert(slice_is(e.subject, arena_printf(mem, "number %d", n)));
}

static void
check_all(struct view *v)
{
	struct mime_message	m;
	struct view_msg		msg;
	usec_t			date;

	ck_assert_uint_eq(view_count(v), N);
	for (uint32_t seq = 1; seq <= N; seq++) {
		check_subject(v, seq, (int)seq);
		ck_assert(view_structure(v, seq, mem, &m, &err) == 0);
		view_get(v, seq, &msg);
		ck_assert_uint_eq(msg.uid, seq);
		ck_assert_uint_eq(msg.size, m.size);
		ck_assert(view_date(v, seq, &date, &err) == 0);
		ck_assert_int_eq(date, SECS(DATE + (int)seq));
	}
}

/* All of what is asked for must be in the log: there are no files now. */
static void
check_without_files(void)
{
	char		*cur = arena_printf(mem, "%s/cur", maildir);
	char		*hidden = arena_printf(mem, "%s/hidden", maildir);
	struct view	*v = open_view(false);

	ck_assert(rename(cur, hidden) == 0);
	check_all(v);
	ck_assert(rename(hidden, cur) == 0);
	view_close(&v);
}

START_TEST(survives)
{
	struct view	*v;
	uint64_t	 modseq;

	fill();
	v = open_view(false);
	ck_assert_uint_eq(unread(REC_UNREAD), N);
	ck_assert_uint_eq(unread(REC_UNDATED), N);
	modseq = view_highestmodseq(v);
	check_all(v);
	view_close(&v);
	ck_assert_uint_eq(unread(REC_UNREAD | REC_UNDATED), 0);
	ck_assert_uint_eq(records(LOG_DETAILS), N);
	check_without_files();
	/* From the log alone; nobody was told of a change. */
	(void)unlink(arena_printf(mem, "%s/posthouse.index", maildir));
	check_without_files();
	v = open_view(false);
	ck_assert_uint_eq(view_highestmodseq(v), modseq);
	check_all(v);
	view_close(&v);
	ck_assert_uint_eq(records(LOG_DETAILS), N);
}
END_TEST

/* A read-only session finds the same and keeps it, too. */
START_TEST(examined)
{
	struct view	*v;

	fill();
	v = open_view(true);
	check_all(v);
	view_close(&v);
	ck_assert_uint_eq(unread(REC_UNREAD | REC_UNDATED), 0);
}
END_TEST

START_TEST(dates_alone)
{
	struct view	*v;
	usec_t		 date;

	fill();
	v = open_view(false);
	for (uint32_t seq = 1; seq <= N; seq++)
		ck_assert(view_date(v, seq, &date, &err) == 0);
	view_close(&v);
	ck_assert_uint_eq(unread(REC_UNDATED), 0);
	ck_assert_uint_eq(unread(REC_UNREAD), N);
	ck_assert_uint_eq(records(LOG_DATE), N);
	/* The date that was told stays, whatever happens to the file. */
	ck_assert(utimensat(AT_FDCWD, put_message(3),
	    (struct timespec[2]){ { 5, 0 }, { 5, 0 } }, 0) == 0);
	v = open_view(false);
	check_all(v);
	view_close(&v);
	ck_assert_uint_eq(unread(REC_UNREAD | REC_UNDATED), 0);
	check_without_files();
}
END_TEST

START_TEST(two_sessions)
{
	struct view		*a, *b;
	struct view_changes	 c;

	fill();
	a = open_view(false);
	b = open_view(false);
	check_all(a);
	check_all(b);
	view_close(&a);
	ck_assert_uint_eq(unread(REC_UNREAD | REC_UNDATED), 0);
	ck_assert(view_sync(b, true, mem, &c, &err) == 0);
	ck_assert_uint_eq(c.nflags, 0);
	ck_assert_uint_eq(c.nexpunged, 0);
	check_all(b);
	view_close(&b);
	/* The second saw that it need not write. */
	ck_assert_uint_eq(records(LOG_DETAILS), N);
	check_without_files();
}
END_TEST

/* Processes that read the same messages at once and mark some. */
START_TEST(processes)
{
	enum { P = 4 };
	pid_t	pids[P];
	int	status;

	fill();
	for (int p = 0; p < P; p++) {
		if ((pids[p] = fork()) == 0) {
			struct view		*v;
			struct view_store	 s = { .op = VIEW_FLAGS_ADD,
						    .flags = STORE_FLAGGED,
						    .unchanged_since =
						    UINT64_MAX };
			uint32_t		 seq = (uint32_t)p + 1;

			check_child();
			v = open_view(false);
			check_all(v);
			if (view_store(v, &seq, 1, &s, NULL, NULL, &err) < 0)
				_exit(1);
			check_all(v);
			view_close(&v);
			_exit(0);
		}
	}
	for (int p = 0; p < P; p++)
		ck_assert(waitpid(pids[p], &status, 0) == pids[p] &&
		    status == 0);
	{
		struct view	*v = open_view(false);
		struct view_msg	 m;

		check_all(v);
		for (uint32_t seq = 1; seq <= N; seq++) {
			view_get(v, seq, &m);
			ck_assert_uint_eq(m.flags, seq <= P ?
			    STORE_FLAGGED : 0);
		}
		view_close(&v);
	}
	ck_assert_uint_eq(records(LOG_DETAILS), N);
	ck_assert_uint_eq(unread(REC_UNREAD | REC_UNDATED), 0);
}
END_TEST

START_TEST(killed)
{
	int		 status;
	pid_t		 pid;
	struct view	*v;

	fill();
	if ((pid = fork()) == 0) {
		check_child();
		v = open_view(false);
		check_all(v);
		_exit(0);		/* what was found is lost */
	}
	ck_assert(waitpid(pid, &status, 0) == pid && status == 0);
	ck_assert_uint_eq(unread(REC_UNREAD), N);
	v = open_view(false);
	check_all(v);
	view_close(&v);
	check_without_files();
}
END_TEST

/* A frame with details is torn: what it said is found again. */
START_TEST(torn)
{
	char		*log = arena_printf(mem, "%s/posthouse.log", maildir);
	struct view	*v;
	struct stat	 before, after;

	fill();
	v = open_view(false);
	view_close(&v);
	ck_assert(stat(log, &before) == 0);
	v = open_view(false);
	check_all(v);
	view_close(&v);
	ck_assert(stat(log, &after) == 0);
	ck_assert_int_gt(after.st_size, before.st_size);
	(void)unlink(arena_printf(mem, "%s/posthouse.index", maildir));
	ck_assert(truncate(log, (before.st_size + after.st_size) / 2) == 0);
	v = open_view(false);
	check_all(v);
	view_close(&v);
	ck_assert_uint_eq(unread(REC_UNREAD | REC_UNDATED), 0);
	check_without_files();
}
END_TEST

START_TEST(vanished)
{
	struct view		*v;
	struct view_changes	 c;
	struct view_body	 b;
	struct envelope		 e;
	struct mime_message	 m;
	struct view_msg		 msg;
	usec_t			 date;
	const char		*gone;

	fill();
	gone = arena_printf(mem, "%s/cur/1002.x,S=%zu,W=%zu:2,", maildir,
	    strlen("From: s2@example.com\r\nSubject: number 2\r\n\r\n"
	    "Body 2\r\n"), strlen("From: s2@example.com\r\n"
	    "Subject: number 2\r\n\r\nBody 2\r\n"));
	v = open_view(false);
	ck_assert(unlink(gone) == 0);
	ck_assert(view_envelope(v, 2, mem, &e, &err) < 0);
	ck_assert(view_structure(v, 2, mem, &m, &err) < 0);
	ck_assert(view_date(v, 2, &date, &err) < 0);
	ck_assert(view_body_open(v, 2, &b, &fail, &err) < 0);
	ck_assert_int_eq(fail, STORE_GONE);
	check_subject(v, 1, 1);
	check_subject(v, 3, 3);
	view_get(v, 2, &msg);
	ck_assert(msg.expunged);
	ck_assert(view_sync(v, true, mem, &c, &err) == 0);
	ck_assert_uint_eq(c.nexpunged, 1);
	ck_assert_uint_eq(c.expunged[0], 2);
	check_subject(v, 2, 3);
	view_close(&v);
}
END_TEST

/* The other way round: read, then gone before it is written down. */
START_TEST(expunged)
{
	struct view		*a, *b;
	struct view_changes	 c;
	uint32_t		 uid = 7;

	fill();
	a = open_view(false);
	b = open_view(false);
	check_all(a);
	ck_assert(view_expunge(b, &uid, 1, &err) == 0);
	view_close(&b);
	ck_assert(view_sync(a, true, mem, &c, &err) == 0);
	ck_assert_uint_eq(c.nexpunged, 1);
	view_close(&a);
	ck_assert_uint_eq(records(LOG_DETAILS), N - 1);
	a = open_view(false);
	ck_assert_uint_eq(view_count(a), N - 1);
	check_subject(a, 7, 8);
	view_close(&a);
}
END_TEST

/* Renamed by another program before it was read. */
START_TEST(renamed)
{
	struct view	*v;
	const char	*path;
	struct view_msg	 m;

	path = put_message(1);
	v = open_view(false);
	ck_assert(rename(path, arena_printf(mem, "%sS", path)) == 0);
	check_subject(v, 1, 1);
	view_close(&v);
	v = open_view(false);
	view_get(v, 1, &m);
	ck_assert_uint_eq(m.flags, STORE_SEEN);
	ck_assert_uint_eq(m.uid, 1);
	check_subject(v, 1, 1);
	view_close(&v);
}
END_TEST

/* Names that lie, and names that say nothing. */
START_TEST(sizes)
{
	static const char	lf[] = "Subject: number 1\n\nx\ny\n";
	static const char	crlf[] = "Subject: number 1\r\n\r\nx\r\ny\r\n";
	static const struct {
		const char	*label;
		size_t		 s, w;
		bool		 trusted;
	} t[] = {
		{ "right", sizeof(lf) - 1, sizeof(crlf) - 1, true },
		{ "no conversion", sizeof(lf) - 1, sizeof(lf) - 1, true },
		{ "too small", 4, 5, true },
		{ "too large", 2000, 2100, true },
		{ "smaller with CRLF", sizeof(lf) - 1, 3, false },
		{ "more than every line end", 24, 49, false },
	};
	struct view_body	 b;
	struct view_msg		 m;
	struct store_status	 st;
	struct view		*v;
	char			 got[sizeof(crlf)];

	for (size_t i = 0; i < COUNT(t); i++)
		(void)put_file((int)i, lf, t[i].s, t[i].w);
	v = open_view(false);
	ck_assert_uint_eq(view_count(v), COUNT(t));
	for (uint32_t seq = 1; seq <= COUNT(t); seq++) {
		view_get(v, seq, &m);
		ck_assert_msg(m.size == (t[seq - 1].trusted ? t[seq - 1].w :
		    sizeof(crlf) - 1), "%s", t[seq - 1].label);
		/* Whatever the name says: the bytes are the message's. */
		ck_assert(view_body_open(v, seq, &b, &fail, &err) == 0);
		ck_assert_uint_eq(b.size, sizeof(crlf) - 1);
		ck_assert(!b.plain);
		ck_assert(view_body_read(&b, 0, got, sizeof(got)) ==
		    (ssize_t)sizeof(crlf) - 1);
		ck_assert(memcmp(got, crlf, sizeof(crlf) - 1) == 0);
		view_body_close(&b);
	}
	view_close(&v);
	v = open_view(false);
	for (uint32_t seq = 1; seq <= COUNT(t); seq++) {
		view_get(v, seq, &m);
		ck_assert_uint_eq(m.size, sizeof(crlf) - 1);
		ck_assert_uint_eq(m.disk_size, sizeof(lf) - 1);
	}
	view_close(&v);
	/* Only where the name lied was the message parsed for its bytes. */
	ck_assert_uint_eq(unread(REC_UNREAD), 1);
	ck_assert(store_status(user, "INBOX", &st, &fail, &err) == 0);
	ck_assert_uint_eq(st.size, COUNT(t) * (sizeof(crlf) - 1));
}
END_TEST

static bool	kept;

static void
keep(void *arg, const struct store_done *r)
{
	*(struct store_done *)arg = *r;
	kept = true;
}

START_TEST(copied)
{
	struct store_done	 r = { .fail = STORE_TEMP };
	struct view		*v;
	uint32_t		 seqs[] = { 1, 2 };
	struct mime_message	 m;
	usec_t			 date;

	fill();
	ck_assert(store_create(user, "Copy", 0, &fail, &err) == 0);
	v = open_view(false);
	check_subject(v, 1, 1);
	view_copy(v, seqs, 2, "Copy", false, keep, &r);
	wait_for(&kept);
	ck_assert_int_eq(r.fail, STORE_OK);
	view_close(&v);
	ck_assert(view_open(user, "Copy", false, &v, &fail, &err) == 0);
	ck_assert_uint_eq(view_count(v), 2);
	for (uint32_t seq = 1; seq <= 2; seq++) {
		check_subject(v, seq, (int)seq);
		ck_assert(view_date(v, seq, &date, &err) == 0);
		ck_assert_int_eq(date, SECS(DATE + (int)seq));
		ck_assert(view_structure(v, seq, mem, &m, &err) == 0);
	}
	view_close(&v);
}
END_TEST

/* A sound log that is written anew keeps what is known and what is not. */
START_TEST(rewritten)
{
	struct view	*v;
	struct box	 b;
	usec_t		 date;

	fill();
	v = open_view(false);
	check_subject(v, 1, 1);
	ck_assert(view_date(v, 2, &date, &err) == 0);
	view_close(&v);
	ck_assert(box_open(&b, maildir, "host.test", false, &err) == 0);
	ck_assert_msg(rebuild_forced(&b, &err) == 0, "%s", err.text);
	box_close(&b);
	ck_assert_uint_eq(records(LOG_DETAILS), 0);
	ck_assert_uint_eq(unread(REC_UNREAD), N - 1);
	ck_assert_uint_eq(unread(REC_UNDATED), N - 2);
	v = open_view(false);
	check_all(v);
	view_close(&v);
	check_without_files();
}
END_TEST

/* A log that is made anew knows what it knew, and does not know the rest. */
START_TEST(made_anew)
{
	char		*log = arena_printf(mem, "%s/posthouse.log", maildir);
	struct view	*v;
	usec_t		 date;
	uint32_t	 validity;
	int		 fd;

	fill();
	v = open_view(false);
	validity = view_uidvalidity(v);
	check_subject(v, 1, 1);
	ck_assert(view_date(v, 2, &date, &err) == 0);
	view_close(&v);
	/* Damage in the record of message 9's append. */
	(void)unlink(arena_printf(mem, "%s/posthouse.index", maildir));
	fd = open(log, O_RDWR);
	ck_assert(fd >= 0 && pwrite(fd, "\377\377\377\377", 4, 1500) == 4);
	close(fd);
	v = open_view(false);
	ck_assert_uint_eq(view_uidvalidity(v), validity);
	check_all(v);
	view_close(&v);
	ck_assert(unlink(log) == 0);
	v = open_view(false);
	ck_assert_uint_eq(view_uidvalidity(v), validity);
	ck_assert_uint_eq(unread(REC_UNREAD), N);
	check_all(v);
	view_close(&v);
	check_without_files();
}
END_TEST

int
main(void)
{
	Suite	*s = suite_create("view_lazy");
	TCase	*t = tcase_create("all");

	suite_add_tcase(s, t);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 120);
	tcase_add_test(t, survives);
	tcase_add_test(t, examined);
	tcase_add_test(t, dates_alone);
	tcase_add_test(t, two_sessions);
	tcase_add_test(t, processes);
	tcase_add_test(t, killed);
	tcase_add_test(t, torn);
	tcase_add_test(t, vanished);
	tcase_add_test(t, expunged);
	tcase_add_test(t, renamed);
	tcase_add_test(t, sizes);
	tcase_add_test(t, copied);
	tcase_add_test(t, rewritten);
	tcase_add_test(t, made_anew);
	return check_run(s);
}
