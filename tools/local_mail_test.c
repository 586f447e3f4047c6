/* SPDX-License-Identifier: Apache-2.0 */
/* Local mail as programs meet it: sendmail, postdrop, pickup, bounce,
 * postsuper and postcat as they are built, in an instance of their own.
 * Run in the top of the build directory. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/check_run.h"
#include "base/mem.h"
#include "ipc/deliver_msg.h"
#include "ipc/ipc.h"
#include "ipc/queue_msg.h"
#include "queue/queue.h"
#include "sys/file.h"
#include "sys/loop.h"
#include "sys/sock.h"

#define PATIENCE	60000		/* steps of a millisecond */

static char		 build[256], top[64], spool[80];
static struct queue	*q;
static struct arena	*a;
static struct error	 err;
static pid_t		 pickup_pid, bounce_pid;

static void
make_dir(const char *name)
{
	char	*path = arena_printf(a, "%s/%s", top, name);

	ck_assert_msg(mkdir(path, 0700) == 0, "%s", path);
}

static void
setup(void)
{
	static const char *const	dirs[] = {
		"etc", "spool", "spool/maildrop", "spool/public",
		"spool/private", "data"
	};
	struct queue_conf	 qc = { .dir = spool };
	FILE			*f;

	a = arena_new();
	ck_assert_ptr_nonnull(getcwd(build, sizeof(build)));
	(void)snprintf(top, sizeof(top), "/tmp/local-mail-test-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(top));
	(void)snprintf(spool, sizeof(spool), "%s/spool", top);
	for (size_t i = 0; i < COUNT(dirs); i++)
		make_dir(dirs[i]);
	f = fopen(arena_printf(a, "%s/etc/main.cf", top), "w");
	ck_assert_ptr_nonnull(f);
	(void)fprintf(f, "queue_directory = %s\ncommand_directory = "
	    "%s/tools\ndata_directory = %s/data\nmyhostname = "
	    "mail.example.org\nmyorigin = example.org\nmydestination =\n"
	    "local_recipient_maps =\nalias_maps =\nalias_database =\n"
	    "virtual_mailbox_maps =\nmaillog_file = %s/log\n"
	    "message_size_limit = 1000000\n"
	    "queue_sync = file\n", spool, build, top, top);
	ck_assert_int_eq(fclose(f), 0);
	ck_assert_int_eq(setenv("MAIL_CONFIG",
	    arena_printf(a, "%s/etc", top), 1), 0);
	ck_assert_int_eq(queue_open(&qc, true, NULL, &q, &err), 0);
	pickup_pid = bounce_pid = 0;
}

static pid_t
start(const char *program, const char *socket)
{
	char	*path = arena_printf(a, "%s/%s", build, program);
	char	*at = arena_printf(a, "%s/%s", spool, socket);
	pid_t	 pid = fork();
	int	 fd;

	if (pid == 0) {
		fd = open(arena_printf(a, "%s/stderr", top),
		    O_WRONLY | O_CREAT | O_APPEND, 0600);
		(void)dup2(fd, STDERR_FILENO);
		(void)execl(path, path, "-L", socket, NULL);
		_exit(127);
	}
	/* The file is there before it can be connected to. */
	for (int i = 0; sock_connect_unix(at, &fd, &err) < 0; i++) {
		ck_assert_msg(i < PATIENCE, "%s: %s", program, err.text);
		(void)usleep(1000);
	}
	close(fd);
	return pid;
}

static void
stop(pid_t *pid, int signo)
{
	if (*pid == 0)
		return;
	(void)kill(*pid, signo);
	ck_assert_int_eq(waitpid(*pid, NULL, 0), *pid);
	*pid = 0;
}

static void
teardown(void)
{
	char	*argv[] = { mem_strdup("rm"), mem_strdup("-rf"),
	    mem_strdup(top), NULL };
	pid_t	 pid;

	stop(&pickup_pid, SIGKILL);
	stop(&bounce_pid, SIGKILL);
	queue_close(&q);
	pid = fork();
	if (pid == 0) {
		(void)execv("/bin/rm", argv);
		_exit(127);
	}
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	for (int i = 0; i < 3; i++)
		mem_free(&argv[i]);
	arena_free(&a);
}

/* Run a tool with this input; its exit status, and its output. */
static int
run_tool(const char *input, size_t n, char **out, char *const *argv)
{
	char	*in_path = arena_printf(a, "%s/in", top);
	char	*out_path = arena_printf(a, "%s/out", top);
	int	 in = open(in_path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	int	 o = open(out_path, O_RDWR | O_CREAT | O_TRUNC, 0600), status;
	ssize_t	 got;
	pid_t	 pid;

	ck_assert_int_eq(file_write(in, input, n), 0);
	ck_assert_int_eq(lseek(in, 0, SEEK_SET), 0);
	pid = fork();
	if (pid == 0) {
		(void)dup2(in, 0);
		(void)dup2(o, 1);
		(void)dup2(o, 2);
		(void)execv(arena_printf(a, "%s/tools/%s", build, argv[0]),
		    argv);
		_exit(127);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	*out = arena_alloc(a, 65536);
	got = file_pread(o, *out, 65535, 0);
	ck_assert_int_ge(got, 0);
	(void)close(in);
	(void)close(o);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int
run_text(const char *input, char **out, char *const *argv)
{
	return run_tool(input, strlen(input), out, argv);
}

#define RUN(input, out, ...) \
	run_text(input, out, (char *const []){ __VA_ARGS__, NULL })
#define S(lit)	((char *)(uintptr_t)(lit))

struct names {
	size_t	 n;
	char	 id[4000][QUEUE_ID_MAX];
};
static struct names	names;

static bool
add_name(void *arg, const char *id)
{
	(void)arg;
	if (names.n < COUNT(names.id))
		memcpy(names.id[names.n++], id, strlen(id) + 1);
	return true;
}

static size_t
list(enum queue_dir dir)
{
	names.n = 0;
	ck_assert_int_eq(queue_each(q, dir, add_name, NULL, &err), 0);
	return names.n;
}

static size_t
in_maildrop(void)
{
	char	*out;

	ck_assert_int_eq(run_tool("", 0, &out, (char *const []){
	    S("../../../../../../../../bin/ls"),
	    arena_printf(a, "%s/maildrop", spool), NULL }), 0);
	return strlen(out);
}

/* The file goes after the message has come. */
static void
wait_drained(void)
{
	for (int i = 0; i < PATIENCE && in_maildrop() > 0; i++)
		(void)usleep(1000);
	ck_assert_uint_eq(in_maildrop(), 0);
}

static void
wait_for(enum queue_dir dir, size_t n)
{
	for (int i = 0; i < PATIENCE && list(dir) < n; i++)
		(void)usleep(1000);
	ck_assert_uint_eq(names.n, n);
}

/* The only message in new/. */
static void
open_only(struct queue_msg *m)
{
	wait_for(QUEUE_NEW, 1);
	for (int i = 0; i < PATIENCE; i++) {
		enum queue_read	r = queue_msg_open(q, QUEUE_NEW, names.id[0],
		    true, true, a, m, &err);

		if (r == QUEUE_OK)
			return;
		/* Another try of the writer has another name. */
		if (r == QUEUE_GONE)
			wait_for(QUEUE_NEW, 1);
		else
			ck_assert_msg(r == QUEUE_INCOMPLETE, "%s", err.text);
		(void)usleep(1000);
	}
	ck_abort_msg("message stays incomplete");
}

static char *
content_of(const struct queue_msg *m)
{
	char	*s = arena_alloc(a, m->content_size + 1);

	ck_assert_int_eq(file_pread(m->fd, s, m->content_size,
	    (off_t)m->content_offset), (ssize_t)m->content_size);
	return s;
}

/* Body behind the first empty line. */
static const char *
body_of(const struct queue_msg *m)
{
	char	*s = strstr(content_of(m), "\r\n\r\n");

	ck_assert_ptr_nonnull(s);
	return s + 4;
}

static void
drop_only(struct queue_msg *m)
{
	ck_assert_int_eq(queue_remove(q, m->id, QUEUE_NEW, &err), 0);
	queue_msg_close(m);
}

/*
 * sendmail.
 */

static const struct {
	const char	*label, *input, *body;
	char		*args[4];
} inputs[] = {
	{ "plain", "Subject: x\n\nhello\n", "hello\r\n", { S("a@b.example") } },
	{ "dot ends", "Subject: x\n\nhello\n.\nrest\n", "hello\r\n",
	  { S("a@b.example") } },
	{ "dot stays", "Subject: x\n\nhello\n.\nrest\n",
	  "hello\r\n.\r\nrest\r\n", { S("-i"), S("a@b.example") } },
	{ "-oi", "Subject: x\n\n.\n..\n", ".\r\n..\r\n",
	  { S("-oi"), S("a@b.example") } },
	{ "CRLF", "Subject: x\r\n\r\nhello\r\n", "hello\r\n",
	  { S("a@b.example") } },
	{ "mixed", "Subject: x\n\na\r\nb\nc", "a\r\nb\r\nc\r\n",
	  { S("a@b.example") } },
	{ "bare CR", "Subject: x\n\na\rb\n", "a b\r\n",
	  { S("a@b.example") } },
	{ "8 bit", "Subject: x\n\n\xc3\xa9\xff\n", "\xc3\xa9\xff\r\n",
	  { S("a@b.example") } },
};

START_TEST(line_ends)
{
	pickup_pid = start("pickup/pickup", "public/pickup");
	for (size_t i = 0; i < COUNT(inputs); i++) {
		struct queue_msg	 m;
		char			*out;
		int			 status;

		status = RUN(inputs[i].input, &out, S("sendmail"), S("-f"),
		    S("me@example.com"), inputs[i].args[0],
		    inputs[i].args[1]);
		ck_assert_msg(status == 0, "%s: %d %s", inputs[i].label,
		    status, out);
		open_only(&m);
		ck_assert_str_eq(m.env.sender, "me@example.com");
		ck_assert_msg(strcmp(body_of(&m), inputs[i].body) == 0,
		    "%s: <%s>", inputs[i].label, body_of(&m));
		drop_only(&m);
	}
	wait_drained();
}
END_TEST

START_TEST(from_header)
{
	static const char	text[] =
	    "From: me\nTo: Bob <bob@example.net>,\n \"x, y\" <xy@example.com>\n"
	    "Bcc: secret@example.net\nSubject: hi\n\nTo: nobody@example.net\n";
	struct queue_msg	 m;
	char			*out;

	pickup_pid = start("pickup/pickup", "public/pickup");
	ck_assert_int_eq(RUN(text, &out, S("sendmail"), S("-t"), S("-N"),
	    S("success,failure"), S("-V"), S("QQ1"), S("-R"), S("hdrs"),
	    S("-f"), S("<>"), S("also@example.net")), 0);
	open_only(&m);
	ck_assert_str_eq(m.env.sender, "");
	ck_assert_str_eq(m.env.dsn_envid, "QQ1");
	ck_assert_uint_eq(m.env.dsn_ret, RET_HDRS);
	ck_assert_uint_eq(m.env.nrcpts, 4);
	ck_assert_str_eq(m.env.rcpts[0].address, "also@example.net");
	ck_assert_str_eq(m.env.rcpts[1].address, "bob@example.net");
	ck_assert_str_eq(m.env.rcpts[2].address, "xy@example.com");
	ck_assert_str_eq(m.env.rcpts[3].address, "secret@example.net");
	ck_assert_uint_eq(m.env.rcpts[3].notify,
	    NOTIFY_SUCCESS | NOTIFY_FAILURE);
	ck_assert_ptr_null(strstr(content_of(&m), "secret"));
	ck_assert_ptr_nonnull(strstr(content_of(&m), "from userid"));
	ck_assert_str_eq(body_of(&m), "To: nobody@example.net\r\n");
	queue_msg_close(&m);
}
END_TEST

static const struct {
	const char	*label, *input;
	int		 status;
	char		*args[4];
} refusals[] = {
	{ "no recipient", "x\n", EX_USAGE, { NULL } },
	{ "-t without", "Subject: x\n\n", EX_USAGE, { S("-t") } },
	{ "bad -N", "", EX_USAGE, { S("-N"), S("never,delay"), S("a@b") } },
	{ "bad -R", "", EX_USAGE, { S("-R"), S("all"), S("a@b") } },
	{ "bad -V", "", EX_USAGE, { S("-V"), S("a\nb"), S("a@b") } },
	{ "bad -B", "", EX_USAGE, { S("-B"), S("9BIT"), S("a@b") } },
	{ "bad mode", "", EX_USAGE, { S("-bz"), S("a@b") } },
	{ "unknown option", "", EX_USAGE, { S("-Z"), S("a@b") } },
	{ "LF in the sender", "", EX_USAGE, { S("-f"), S("a\nb"), S("a@b") } },
	{ "no such verification", "", EX_UNAVAILABLE,
	  { S("-bv"), S("a@b") } },
};

START_TEST(usage)
{
	for (size_t i = 0; i < COUNT(refusals); i++) {
		char	*out;
		int	 status = RUN(refusals[i].input, &out, S("sendmail"),
		    refusals[i].args[0], refusals[i].args[1],
		    refusals[i].args[2], refusals[i].args[3]);

		ck_assert_msg(status == refusals[i].status, "%s: %d %s",
		    refusals[i].label, status, out);
		ck_assert_msg(strncmp(out, "sendmail: fatal: ", 17) == 0 ||
		    strstr(out, "\nsendmail: fatal: ") != NULL, "%s: %s",
		    refusals[i].label, out);
	}
	ck_assert_uint_eq(in_maildrop(), 0);
}
END_TEST

START_TEST(too_big)
{
	char	*big = mem_new(1, 1100001);
	char	*out;

	memset(big, 'x', 1100000);
	ck_assert_int_eq(RUN(big, &out, S("sendmail"), S("a@b.example")),
	    EX_UNAVAILABLE);
	ck_assert_ptr_nonnull(strstr(out, "message file too big"));
	ck_assert_uint_eq(in_maildrop(), 0);
	mem_free(&big);
}
END_TEST

START_TEST(smtp_on_stdin)
{
	static const char	text[] =
	    "EHLO x\r\nRCPT TO:<a@b>\r\nMAIL FROM:<a@b.example>\r\n"
	    "MAIL FROM:<a@b.example>\r\nDATA\r\nRCPT TO:<c@d.example> "
	    "NOTIFY=DELAY\r\nDATA\r\nSubject: x\r\n\r\n..dot\r\n.\r\n"
	    "XYZZY\r\nQUIT\r\n";
	struct queue_msg	 m;
	char			*out;

	pickup_pid = start("pickup/pickup", "public/pickup");
	ck_assert_int_eq(RUN(text, &out, S("sendmail"), S("-bs")), 0);
	ck_assert_ptr_nonnull(strstr(out, "250 SMTPUTF8\r\n"
	    "503 5.5.1 Error: need MAIL command\r\n250 2.1.0 Ok\r\n"
	    "503 5.5.1 Error: nested MAIL command\r\n"
	    "554 5.5.1 Error: no valid recipients\r\n250 2.1.5 Ok\r\n"
	    "354 End data with <CR><LF>.<CR><LF>\r\n"
	    "250 2.0.0 Ok: queued\r\n"
	    "502 5.5.2 Error: command not recognized\r\n221 2.0.0 Bye\r\n"));
	open_only(&m);
	ck_assert_str_eq(body_of(&m), ".dot\r\n");
	ck_assert_uint_eq(m.env.rcpts[0].notify, NOTIFY_DELAY);
	queue_msg_close(&m);
}
END_TEST

/*
 * postdrop and maildrop/.
 */

START_TEST(bad_submissions)
{
	static const struct {
		const char	*label, *in;
		size_t		 n;
	} rows[] = {
		{ "nothing", "", 0 },
		{ "not ours", "From: me\n", 9 },
		{ "cut off", "PHdrop1\nS\1\0\0\0a", 14 },
		{ "LF in the sender",
		  "PHdrop1\nS\3\0\0\0a\nbR\1\0\0\0xM\0\0\0\0"
		  "E\10\0\0\0\0\0\0\0\0\0\0\0", 40 },
		{ "absurd length", "PHdrop1\nS\377\377\377\377", 13 },
	};

	for (size_t i = 0; i < COUNT(rows); i++) {
		char	*out;
		int	 status = run_tool(rows[i].in, rows[i].n, &out,
		    (char *const []){ S("postdrop"), S("-r"), NULL });

		ck_assert_msg(status == EX_DATAERR, "%s: %d %s",
		    rows[i].label, status, out);
		ck_assert_uint_eq(in_maildrop(), 0);
	}
}
END_TEST

static void
put_file(const char *name, const char *text, mode_t mode)
{
	char	*path = arena_printf(a, "%s/maildrop/%s", spool, name);
	int	 fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(file_write(fd, text, strlen(text)), 0);
	ck_assert_int_eq(fchmod(fd, mode), 0);
	(void)close(fd);
}

/* What is no submission is moved away, what is none yet is left, and neither
 * keeps other mail. */
START_TEST(hostile_maildrop)
{
	struct queue_msg	 m;
	char			*out;

	put_file("GARBAGE", "hello", 0744);
	put_file("GARBAGE2", "PHdrop1\nXXXXXXXXXX", 0744);
	put_file("UNREADY", "PHdrop1\n", 0600);
	ck_assert_int_eq(symlink("/etc/passwd",
	    arena_printf(a, "%s/maildrop/SYMLINK", spool)), 0);
	ck_assert_int_eq(mkfifo(arena_printf(a, "%s/maildrop/FIFOFIFO",
	    spool), 0744), 0);
	ck_assert_int_eq(RUN("Subject: x\n\nok\n", &out, S("sendmail"),
	    S("a@b.example")), 0);
	pickup_pid = start("pickup/pickup", "public/pickup");
	open_only(&m);
	ck_assert_str_eq(body_of(&m), "ok\r\n");
	queue_msg_close(&m);
	for (int i = 0; i < PATIENCE && list(QUEUE_CORRUPT) < 4; i++)
		(void)usleep(1000);
	ck_assert_uint_eq(names.n, 4);
	for (int i = 0; i < PATIENCE && in_maildrop() > strlen("UNREADY\n");
	    i++)
		(void)usleep(1000);
	ck_assert_int_eq(RUN("", &out,
	    S("../../../../../../../../bin/ls"),
	    arena_printf(a, "%s/maildrop", spool)), 0);
	ck_assert_str_eq(out, "UNREADY\n");
}
END_TEST

/* Killed again and again: every submission that was answered with success
 * becomes a message. */
START_TEST(pickup_killed)
{
	enum { MESSAGES = 120 };
	bool	seen[MESSAGES] = { false };
	int	found = 0;

	for (int i = 0; i < MESSAGES; i++) {
		char	*text = arena_printf(a, "Subject: x\n\nnumber %d\n", i);
		char	*out;

		ck_assert_int_eq(RUN(text, &out, S("sendmail"),
		    S("a@b.example")), 0);
		if (i % 20 == 19) {
			pickup_pid = start("pickup/pickup", "public/pickup");
			(void)usleep(2000 * (useconds_t)(i / 20));
			stop(&pickup_pid, SIGKILL);
			(void)unlink(arena_printf(a, "%s/public/pickup",
			    spool));
		}
	}
	pickup_pid = start("pickup/pickup", "public/pickup");
	wait_drained();
	stop(&pickup_pid, SIGTERM);
	(void)list(QUEUE_NEW);
	for (size_t i = 0; i < names.n; i++) {
		struct queue_msg	 m;
		int			 number;

		/* What a kill left half done is not a message. */
		if (queue_msg_open(q, QUEUE_NEW, names.id[i], false, true, a,
		    &m, &err) == QUEUE_INCOMPLETE)
			continue;
		ck_assert_msg(m.fd >= 0, "%s", err.text);
		ck_assert_int_eq(sscanf(body_of(&m), "number %d", &number), 1);
		found += !seen[number];
		seen[number] = true;
		queue_msg_close(&m);
	}
	ck_assert_int_eq(found, MESSAGES);
}
END_TEST

/* Too many hops: the sender must hear of it, through a message that failed. */
START_TEST(refused_later)
{
	struct buf		 text;
	struct queue_msg	 m;
	struct queue_log_rec	*recs;
	size_t			 n;
	char			*out;

	buf_init(&text, 100000);
	for (int i = 0; i < 200; i++)
		buf_adds(&text, "Received: by x\n");
	buf_adds(&text, "Subject: loop\n\nround\nand round\n");
	pickup_pid = start("pickup/pickup", "public/pickup");
	ck_assert_int_eq(RUN(buf_cstr(&text), &out, S("sendmail"), S("-f"),
	    S("me"), S("a@b.example"), S("c@d.example")), 0);
	open_only(&m);
	ck_assert_str_eq(m.env.sender, "me@example.org");
	ck_assert_uint_eq(m.env.nrcpts, 2);
	ck_assert_int_eq(m.env.rcpts[0].status, RCPT_BOUNCED);
	ck_assert_int_eq(m.env.rcpts[1].status, RCPT_BOUNCED);
	ck_assert_str_eq(body_of(&m), "round\r\nand round\r\n");
	ck_assert_int_eq(queue_log_read(q, m.id, a, &recs, &n, &err), 0);
	ck_assert_uint_eq(n, 2);
	ck_assert_int_eq(recs[0].kind, QLOG_BOUNCE);
	ck_assert_str_eq(recs[1].address, "c@d.example");
	ck_assert_str_eq(recs[1].dsn, "5.4.6");
	wait_drained();
	queue_msg_close(&m);
	buf_clear(&text);
}
END_TEST

/*
 * IPC: forwards and notices.
 */

struct call {
	struct loop		*loop;
	struct ipc		*c;
	bool			 done, ok;
	char			 id[QUEUE_ID_MAX], reason[256];
};

static void
keep(char *to, size_t size, const char *from)
{
	(void)snprintf(to, size, "%s", from != NULL ? from : "");
}

static void
on_forward(void *arg, void *reply, const char *why)
{
	struct queue_forward_res	*r = reply;
	struct call			*c = arg;

	c->done = true;
	ck_assert_msg(r != NULL, "%s", why);
	c->ok = r->ok;
	keep(c->id, sizeof(c->id), r->queue_id);
	keep(c->reason, sizeof(c->reason), r->reason);
}

static void
on_notice(void *arg, void *reply, const char *why)
{
	struct queue_notice_res	*r = reply;
	struct call		*c = arg;

	c->done = true;
	ck_assert_msg(r != NULL, "%s", why);
	c->ok = r->ok;
	keep(c->id, sizeof(c->id), r->notice_id);
	keep(c->reason, sizeof(c->reason), r->reason);
}

static struct call
ask(const char *socket, const struct ipc_desc *d, const void *msg,
    const struct ipc_desc *rd, ipc_done *done)
{
	struct ipc_ops	 none = { NULL, 0, NULL };
	struct call	 c = { .loop = loop_new() };

	/* The daemon may be on its way to listen. */
	for (int i = 0; c.c == NULL && i < 1200; i++)
		if (ipc_connect(c.loop, arena_printf(a, "%s/%s", spool,
		    socket), &none, NULL, &c.c, &err) < 0)
			loop_once(c.loop, MSECS(50));
	ck_assert_msg(c.c != NULL, "%s", err.text);
	ck_assert_uint_ne(ipc_call(c.c, d, msg, rd, SECS(60), done, &c, &err),
	    0);
	while (!c.done)
		loop_once(c.loop, SECS(1));
	ipc_close(&c.c);
	loop_free(&c.loop);
	return c;
}

START_TEST(forward)
{
	static const char	text[] =
	    "xxSubject: x\r\n\r\nhello\r\nyy";
	struct queue_forward_rcpt r[] = {
		{ .address = "new@example.net", .original = "old@example.org",
		  .dsn_orcpt = "rfc822;old@example.org", .notify = 4 },
		{ .address = "two@example.net", .original = "old@example.org" },
	};
	struct queue_forward	 f = {
		.offset = 2, .size = 23 - 2, .sender = "s@example.com",
		.prepend = "Delivered-To: old@example.org\r\n",
		.arrival = 1700000000000000, .rcpts = { r, 2 },
		.dsn_envid = "E", .dsn_ret = RET_FULL,
	};
	struct queue_msg	 m;
	struct call		 c;

	f.content = open(arena_printf(a, "%s/text", top), O_RDWR | O_CREAT,
	    0600);
	ck_assert_int_eq(file_write(f.content, text, sizeof(text) - 1), 0);
	pickup_pid = start("pickup/pickup", "public/pickup");
	c = ask("public/pickup", &queue_forward_desc, &f,
	    &queue_forward_res_desc, on_forward);
	ck_assert_msg(c.ok, "%s", c.reason);
	open_only(&m);
	ck_assert_str_eq(m.id, c.id);
	ck_assert_int_eq(m.env.arrival, 1700000000000000);
	ck_assert_str_eq(m.env.dsn_envid, "E");
	ck_assert_uint_eq(m.env.nrcpts, 2);
	ck_assert_str_eq(m.env.rcpts[0].address, "new@example.net");
	ck_assert_str_eq(m.env.rcpts[0].original, "old@example.org");
	ck_assert_str_eq(m.env.rcpts[0].dsn_orcpt, "rfc822;old@example.org");
	ck_assert_ptr_nonnull(strstr(content_of(&m),
	    "Delivered-To: old@example.org\r\n"));
	ck_assert_ptr_nonnull(strstr(content_of(&m), "\r\n\r\nhello\r\n"));
	drop_only(&m);
	/* More than there is. */
	f.size = 1000;
	c = ask("public/pickup", &queue_forward_desc, &f,
	    &queue_forward_res_desc, on_forward);
	ck_assert(!c.ok);
	ck_assert_uint_eq(list(QUEUE_NEW) + list(QUEUE_TMP), 0);
	(void)close(f.content);
}
END_TEST

/* A message in cur/ with all its recipients failed. */
static char *
failed_message(const char *sender, unsigned int notify)
{
	struct queue_rcpt	 r = { .address = "bob@example.net",
	    .original = "info@example.org", .notify = notify,
	    .status = RCPT_BOUNCED };
	struct queue_env	 env = { .sender = sender, .arrival = 1,
	    .rcpts = &r, .nrcpts = 1, .message_id = "<m@x>" };
	struct queue_log_rec	 rec = { .kind = QLOG_BOUNCE,
	    .address = r.address, .original = r.original, .notify = notify,
	    .dsn = "5.1.1", .action = "failed", .mta = "mx.example.net",
	    .diag_type = "smtp", .diagnostic = "550 no such user" };
	struct queue_file	*f;
	char			*id;

	queue_file_new(q, &f);
	id = arena_strdup(a, queue_file_id(f));
	ck_assert_int_eq(queue_file_write(f, "Subject: x\r\n\r\nbody\r\n", 20,
	    &err), 0);
	ck_assert_int_eq(queue_file_commit_now(&f, &env, false, &err), 0);
	ck_assert_int_eq(queue_move(q, id, QUEUE_NEW, QUEUE_CUR, &err), 0);
	ck_assert_int_eq(queue_log_append(q, id, &rec, 1, true, &err), 0);
	return id;
}

static struct call
notice(enum notice_kind kind, const char *id)
{
	struct queue_notice	n = { kind, id, "cur" };

	return ask("private/bounce", &queue_notice_desc, &n,
	    &queue_notice_res_desc, on_notice);
}

START_TEST(notices)
{
	static const struct {
		const char		*label, *sender;
		unsigned int		 notify;
		enum notice_kind	 kind;
		const char		*from, *to;	/* NULL: none */
	} rows[] = {
		{ "failure", "alice@example.com", 0, NOTICE_BOUNCE, "",
		  "alice@example.com" },
		{ "failure wanted", "alice@example.com",
		  NOTIFY_FAILURE | NOTIFY_DELAY, NOTICE_BOUNCE, "",
		  "alice@example.com" },
		{ "never", "alice@example.com", NOTIFY_NEVER, NOTICE_BOUNCE,
		  NULL, NULL },
		{ "no success to tell", "alice@example.com", 0,
		  NOTICE_SUCCESS, NULL, NULL },
		{ "bounce of a bounce", "", 0, NOTICE_DOUBLE,
		  "double-bounce@mail.example.org", "postmaster@example.org" },
		{ "the same, badly asked for", "", 0, NOTICE_BOUNCE,
		  "double-bounce@mail.example.org", "postmaster@example.org" },
		{ "and that bounced", "double-bounce@mail.example.org", 0,
		  NOTICE_BOUNCE, NULL, NULL },
	};

	bounce_pid = start("bounce/bounce", "private/bounce");
	for (size_t i = 0; i < COUNT(rows); i++) {
		char			*id = failed_message(rows[i].sender,
		    rows[i].notify);
		struct call		 c = notice(rows[i].kind, id);
		struct queue_msg	 m;

		ck_assert_msg(c.ok, "%s: %s", rows[i].label, c.reason);
		ck_assert_msg((c.id[0] != '\0') == (rows[i].from != NULL),
		    "%s", rows[i].label);
		if (rows[i].from != NULL) {
			open_only(&m);
			ck_assert_str_eq(m.id, c.id);
			ck_assert_str_eq(m.env.sender, rows[i].from);
			ck_assert_str_eq(m.env.rcpts[0].address, rows[i].to);
			ck_assert((m.env.flags & QUEUE_NOTICE) != 0);
			ck_assert_ptr_nonnull(strstr(content_of(&m),
			    "\r\nContent-Type: multipart/report"));
			drop_only(&m);
		}
		/* It is settled: asked again, there is nothing to say. */
		c = notice(rows[i].kind, id);
		ck_assert_msg(c.ok && c.id[0] == '\0', "%s", rows[i].label);
		ck_assert_uint_eq(list(QUEUE_NEW), 0);
	}
}
END_TEST

START_TEST(bad_notices)
{
	struct queue_notice	n = { 99, "ABCDEF", "cur" };
	struct call		c;

	bounce_pid = start("bounce/bounce", "private/bounce");
	ck_assert(!notice(NOTICE_BOUNCE, "NOSUCHMESSAGE").ok);
	ck_assert(!notice(NOTICE_BOUNCE, "../../etc").ok);
	c = ask("private/bounce", &queue_notice_desc, &n,
	    &queue_notice_res_desc, on_notice);
	ck_assert(!c.ok);
	n = (struct queue_notice){ NOTICE_BOUNCE, "ABCDEF", "../new" };
	c = ask("private/bounce", &queue_notice_desc, &n,
	    &queue_notice_res_desc, on_notice);
	ck_assert(!c.ok);
}
END_TEST

/*
 * postsuper, postcat.
 */

START_TEST(superuser)
{
	char	*one = failed_message("a@example.com", 0);
	char	*two = failed_message("b@example.com", 0);
	char	*out;
	enum queue_dir d;

	ck_assert_int_eq(RUN("", &out, S("postsuper"), S("-h"), one), 0);
	ck_assert_str_eq(out, arena_printf(a, "postsuper: %s: placed on hold\n"
	    "postsuper: Placed on hold: 1 message\n", one));
	ck_assert(queue_find(q, one, &d) && d == QUEUE_HOLD);
	ck_assert_int_eq(RUN("", &out, S("postsuper"), S("-d"), S("ALL"),
	    S("incoming")), 0);
	ck_assert_str_eq(out, "");
	ck_assert_int_eq(RUN("", &out, S("postsuper"), S("-H"), S("ALL")), 0);
	ck_assert_str_eq(out, "postsuper: Released from hold: 1 message\n");
	ck_assert(queue_find(q, one, &d) && d == QUEUE_NEW);
	ck_assert_int_eq(RUN("", &out, S("postsuper"), S("-r"), S("ALL")), 0);
	ck_assert_str_eq(out, "postsuper: Requeued: 2 messages\n");
	ck_assert(queue_find(q, two, &d) && d == QUEUE_NEW);
	ck_assert_int_eq(RUN("", &out, S("postcat"), S("-q"), S("-b"), two),
	    0);
	ck_assert_str_eq(out, "body\n");
	ck_assert_int_eq(RUN("", &out, S("postcat"), S("-e"), S("-q"), two),
	    0);
	ck_assert_ptr_nonnull(strstr(out, "\nsender: b@example.com\n"));
	ck_assert_ptr_nonnull(strstr(out,
	    "\nbounced_recipient: bob@example.net\n"));
	ck_assert_int_eq(RUN("", &out, S("postcat"), S("-q"), S("NONENONE")),
	    EX_NOINPUT);
	/* Ids on standard input. */
	ck_assert_int_eq(RUN(arena_printf(a, "%s\n\n%s\n", one, two), &out,
	    S("postsuper"), S("-d"), S("-")), 0);
	ck_assert_ptr_nonnull(strstr(out, "postsuper: Deleted: 2 messages\n"));
	ck_assert(!queue_find(q, one, &d) && !queue_find(q, two, &d));
}
END_TEST

int
main(void)
{
	Suite	*s = suite_create("local mail");
	TCase	*t = tcase_create("local mail");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 120);
	tcase_add_test(t, line_ends);
	tcase_add_test(t, from_header);
	tcase_add_test(t, usage);
	tcase_add_test(t, too_big);
	tcase_add_test(t, smtp_on_stdin);
	tcase_add_test(t, bad_submissions);
	tcase_add_test(t, hostile_maildrop);
	tcase_add_test(t, pickup_killed);
	tcase_add_test(t, refused_later);
	tcase_add_test(t, forward);
	tcase_add_test(t, notices);
	tcase_add_test(t, bad_notices);
	tcase_add_test(t, superuser);
	suite_add_tcase(s, t);
	return check_run(s);
}
