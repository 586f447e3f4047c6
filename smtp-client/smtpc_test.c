/* SPDX-License-Identifier: Apache-2.0 */
/* The program itself against a server that plays a script.  Lines of a
 * script:
 *	A1	accept a connection on the first address (A2: on the second)
 *	>text	send a line; "|" in it: a line end, all in one piece
 *	<text	a line comes that begins so
 *	D	content comes, up to the dot; it must be what was sent
 *	B	the same with BDAT
 *	d	content comes; some of it is read, no more
 *	z	content comes and is read slowly, until the client goes
 *	w	send blanks, one now and then, until the client goes
 *	W	send a line that does not end, and the client goes
 *	S	a TLS handshake succeeds, of a new session
 *	T	one succeeds that takes up the session of before
 *	G	garbage instead of a TLS handshake
 *	I	yes to STARTTLS with forged replies right behind
 *	R	the connection is idle now: the next message may come
 *	.	the client closes without another word, but for QUIT
 *	X	close */
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/check_run.h"
#include "base/mem.h"
#include "ipc/deliver_msg.h"
#include "ipc/ipc.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "sys/loop.h"
#include "sys/sock.h"

#define EHLO_FULL \
    "<EHLO client.example\n>250-mx\n>250-PIPELINING\n>250-SIZE 10000000\n" \
    ">250-8BITMIME\n>250-DSN\n>250-SMTPUTF8\n>250 STARTTLS\n"
#define HELLO		"A1\n>220 mx ESMTP\n" EHLO_FULL
#define CHUNKS \
    "A1\n>220 mx ESMTP\n<EHLO client.example\n>250-mx\n>250-PIPELINING\n" \
    ">250-8BITMIME\n>250-DSN\n>250 CHUNKING\n"
#define EHLO_OLD	"<EHLO client.example\n>250-mx\n>250 SIZE\n"
#define BYE		"<QUIT\n.\n"

/* Seconds; nothing that goes well waits so long. */
#define PATIENCE	60

static char	dir[64];
static uint16_t	port;
static int	listeners[2];
static atomic_int *idle;		/* R steps; shared with the server */

/* The server, in a process of its own. */

struct server {
	int	 fd;
	SSL	*ssl;
	char	 line[8192];
	size_t	 len;
};

static void
die(const char *what, const char *more)
{
	fprintf(stderr, "server: %s: %s\n", what, more);
	_exit(1);
}

static ssize_t
get(struct server *s, char *p, size_t n)
{
	return s->ssl != NULL ? SSL_read(s->ssl, p, (int)n) :
	    read(s->fd, p, n);
}

static void
put(struct server *s, const char *p, size_t n)
{
	if ((s->ssl != NULL ? SSL_write(s->ssl, p, (int)n) :
	    write(s->fd, p, n)) != (ssize_t)n)
		die("write", p);
}

/* A line without its end; false at the end of input. */
static bool
get_line(struct server *s)
{
	for (s->len = 0; s->len + 1 < sizeof(s->line); s->len++) {
		if (get(s, s->line + s->len, 1) != 1)
			return false;
		if (s->line[s->len] != '\n')
			continue;
		if (s->len == 0 || s->line[s->len - 1] != '\r')
			die("bare LF", s->line);
		s->line[--s->len] = '\0';
		return true;
	}
	die("line", "too long");
	return false;
}

/* The client adds the last line end if it is missing. */
static void
check_content(struct buf *b, const char *content)
{
	if (content[strlen(content) - 1] != '\n')
		buf_truncate(b, buf_len(b) - 2);
	if (strcmp(buf_cstr(b), content) != 0)
		die("content", "is not what was sent");
}

static void
get_content(struct server *s, const char *content)
{
	struct buf	b;

	buf_init(&b, 1 << 24);
	for (;;) {
		if (!get_line(s))
			die("content", "cut off");
		if (strcmp(s->line, ".") == 0)
			break;
		buf_adds(&b, s->line[0] == '.' ? s->line + 1 : s->line);
		buf_adds(&b, "\r\n");
	}
	check_content(&b, content);
	buf_clear(&b);
}

static void
get_chunk(struct server *s, const char *content)
{
	struct buf	 b;
	struct slice	 line;
	uint64_t	 n = 0;
	char		*to;
	ssize_t		 did;

	if (!get_line(s))
		die("BDAT", "missing");
	line = slice_str(s->line);
	if (!slice_starts(line, "BDAT ") || !slice_ends(line, " LAST") ||
	    !slice_u64(slice_first(slice_from(line, 5), line.len - 10),
	    1 << 24, &n))
		die("BDAT", s->line);
	buf_init(&b, 1 << 24);
	to = (char *)buf_space(&b, (size_t)n);
	for (size_t at = 0; at < n; at += (size_t)did)
		if ((did = get(s, to + at, (size_t)n - at)) <= 0)
			die("BDAT", "cut off");
	buf_added(&b, (size_t)n);
	check_content(&b, content);
	buf_clear(&b);
}

static void
make_cert(SSL_CTX *ctx)
{
	EVP_PKEY	*key = EVP_EC_gen("P-256");
	X509		*x = X509_new();

	X509_gmtime_adj(X509_getm_notBefore(x), -60);
	X509_gmtime_adj(X509_getm_notAfter(x), 3600);
	X509_set_pubkey(x, key);
	X509_sign(x, key, EVP_sha256());
	SSL_CTX_use_certificate(ctx, x);
	SSL_CTX_use_PrivateKey(ctx, key);
}

static void
handshake(struct server *s, bool again)
{
	static SSL_CTX	*ctx;

	if (ctx == NULL) {
		ctx = SSL_CTX_new(TLS_server_method());
		make_cert(ctx);
	}
	s->ssl = SSL_new(ctx);
	SSL_set_fd(s->ssl, s->fd);
	if (SSL_accept(s->ssl) != 1)
		die("SSL_accept", "failed");
	if (SSL_session_reused(s->ssl) != again)
		die("TLS session", again ? "is new" : "is not new");
}

static void
accept_one(struct server *s, int which)
{
	struct pollfd	p = { .fd = listeners[which], .events = POLLIN };

	if (s->fd >= 0)
		close(s->fd);
	s->ssl = NULL;
	if (poll(&p, 1, PATIENCE * 1000) != 1 || (s->fd = accept(p.fd, NULL, NULL)) < 0)
		die("accept", "nobody came");
}

static void
expect_close(struct server *s)
{
	while (get_line(s))
		if (strcmp(s->line, "QUIT") != 0)
			die("instead of the end", s->line);
}

static void
put_lines(struct server *s, const char *text)
{
	struct slice	rest = slice_str(text), line;
	struct buf	b;

	buf_init(&b, 8192);
	while (slice_cut(&rest, '|', &line))
		buf_addf(&b, "%.*s\r\n", SLICE_ARG(line));
	buf_addf(&b, "%.*s\r\n", SLICE_ARG(rest));
	put(s, (const char *)buf_slice(&b).p, buf_len(&b));
	buf_clear(&b);
}

static void
step(struct server *s, const char *line, const char *content)
{
	char	junk[4096];

	switch (line[0]) {
	case 'A':
		accept_one(s, line[1] - '1');
		break;
	case '>':
		put_lines(s, line + 1);
		break;
	case '<':
		if (!get_line(s))
			die("end of input instead of", line);
		if (strncmp(s->line, line + 1, strlen(line + 1)) != 0)
			die(line, s->line);
		break;
	case 'D':
		get_content(s, content);
		break;
	case 'B':
		get_chunk(s, content);
		break;
	case 'd':
		if (get(s, junk, sizeof(junk)) <= 0)
			die("content", "missing");
		break;
	case 'S':
	case 'T':
		handshake(s, line[0] == 'T');
		break;
	case 'R':
		atomic_fetch_add(idle, 1);
		break;
	case 'I':
		put(s, "220 go\r\n250-mx\r\n250 AUTH\r\n", 26);
		break;
	case 'z':
		while (get(s, junk, sizeof(junk)) > 0)
			usleep(8000);
		break;
	case 'w':
		while (write(s->fd, " ", 1) == 1)
			usleep(50000);
		break;
	case 'W':
		memset(junk, '2', sizeof(junk));
		put(s, junk, sizeof(junk));
		expect_close(s);
		break;
	case 'G':
		if (get(s, junk, 1) != 1)
			die("ClientHello", "missing");
		put(s, "this is no TLS\r\n", 16);
		break;
	case '.':
		expect_close(s);
		/* FALLTHROUGH */
	case 'X':
		close(s->fd);
		s->fd = -1;
		break;
	default:
		die("script", line);
	}
}

static pid_t
start_server(const char *script, const char *content)
{
	struct server	s = { .fd = -1 };
	struct slice	rest = slice_str(script), line;
	char		text[4096];
	pid_t		pid = fork();

	if (pid != 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	alarm(2 * PATIENCE);
	while (slice_cut(&rest, '\n', &line)) {
		snprintf(text, sizeof(text), "%.*s", SLICE_ARG(line));
		step(&s, text, content);
	}
	_exit(0);
}

/* The client. */

static pid_t
start_client(const char *const *options, bool lmtp)
{
	const char	*argv[24] = { lmtp ? "lmtp" : "smtp", "-n", lmtp ?
			    "lmtp" : "smtp", "-c", dir, "-L", "./sock" };
	size_t		 n = 7;
	pid_t		 pid;
	int		 fd;
	char		 log[96];

	for (; *options != NULL; options++) {
		argv[n++] = "-o";
		argv[n++] = *options;
	}
	if ((pid = fork()) != 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	snprintf(log, sizeof(log), "%s/log", dir);
	fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
	dup2(fd, 2);
	execv("./smtp-client/smtp-client", (char *const *)(uintptr_t)argv);
	_exit(127);
}

static void
wait_for_client(const char *path)
{
	usec_t		until = clock_mono() + SECS(PATIENCE);
	struct error	err;
	int		fd;

	while (sock_connect_unix(path, &fd, &err) < 0) {
		ck_assert_int_lt(clock_mono(), until);
		usleep(10000);
	}
	close(fd);
}

static int
content_file(const char *content)
{
	int	fd = open(dir, O_TMPFILE | O_RDWR, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(file_write(fd, "HEAD", 4), 0);
	ck_assert_int_eq(file_write(fd, content, strlen(content)), 0);
	return fd;
}

struct scenario {
	const char	*label;
	const char	*script;	/* of the server */
	const char	*options[8];
	const char	*nexthop;	/* NULL: example.com */
	const char	*content;	/* NULL: a short one */
	const char	*arrives;	/* NULL: the same */
	int		 hosts;		/* 0: one */
	int		 rcpts;		/* 0: one; a@, b@, c@example.com */
	int		 repeat;	/* messages, one after the other */
	bool		 lmtp, eight_bit, utf8, dsn, refused;
	bool		 default_port;	/* the request names none */
	bool		 kept;		/* the connection is, at the end */
	bool		 file;		/* a short content is in a file, too */
	const char	*results;	/* "sent 2.0.0 text; ..." */
	const char	*log;		/* somewhere in the log */
};

static bool		replied;
static char		got[8192];

static void
on_result(void *arg UNUSED, void *reply, const char *why)
{
	static const char *const	names[] = { "sent", "deferred",
					    "bounced", "expanded" };
	const struct deliver_res	*res = reply;
	const struct deliver_rcpt_result *r;
	struct buf			 b;

	replied = true;
	buf_init(&b, sizeof(got) - 1);
	buf_adds(&b, got);
	if (res == NULL)
		buf_addf(&b, "no reply: %s", why);
	r = res == NULL ? NULL : res->results.items;
	for (size_t i = 0; res != NULL && i < res->results.count; i++)
		buf_addf(&b, "%s%u %s %s%s %s", buf_len(&b) > 0 ? "\n" : "",
		    (unsigned int)r[i].index, names[r[i].status], r[i].dsn,
		    r[i].action != NULL ? " relayed" : "", r[i].diagnostic);
	if (res != NULL && res->site_failed)
		buf_adds(&b, "\nsite failed");
	snprintf(got, sizeof(got), "%s", buf_cstr(&b));
	buf_clear(&b);
}

static void
fill(const struct scenario *s, struct deliver_req *m, int fd,
    struct deliver_host hosts[2], struct deliver_rcpt rcpts[3])
{
	static const struct deliver_addr	addrs[] = {
		{ "127.0.0.1" }, { "127.0.0.2" } };
	static const char *const		names[] = { "a@example.com",
						    "b@example.com",
						    "c@example.com" };

	for (int i = 0; i < 2; i++) {
		hosts[i] = (struct deliver_host){
			.name = i == 0 ? "mx1.example.com" :
			    "mx2.example.com", .preference = 10u * (i + 1u),
			.addresses = { (void *)(uintptr_t)&addrs[i], 1 },
			.tlsa = { hosts, 0 } };
	}
	for (int i = 0; i < 3; i++)
		rcpts[i] = (struct deliver_rcpt){ .index = 10u + i,
			.address = names[i], .original = names[i],
			.notify = s->dsn ? NOTIFY_SUCCESS | NOTIFY_DELAY : 0,
			.dsn_orcpt = s->dsn ? "rfc822;a+b@x" : NULL };
	*m = (struct deliver_req){
		.queue_id = "QID1", .transport = "smtp",
		.nexthop = s->nexthop != NULL ? s->nexthop : "example.com",
		.port = s->default_port ? 0 : port, .content = fd, .lock = -1,
		.content_offset = fd < 0 ? 0 : 4, .text = slice_of(s->content,
		    fd < 0 ? strlen(s->content) : 0),
		.content_size = strlen(s->content), .eight_bit = s->eight_bit,
		.dot_lines = s->content[0] == '.' ||
		    strstr(s->content, "\n.") != NULL,
		.smtputf8 = s->utf8, .sender = "s@example.org",
		.dsn_envid = s->dsn ? "id=1" : NULL,
		.dsn_ret = s->dsn ? RET_HDRS : 0,
		.arrival = clock_wall() - SECS(1), .active = clock_wall(),
		.hosts = { hosts, (size_t)(s->lmtp ? 0 : s->hosts) },
		.rcpts = { rcpts, (size_t)s->rcpts },
	};
}

static void
deliver(const struct scenario *s, struct loop *loop, struct ipc_client *c)
{
	struct deliver_req	m;
	struct deliver_host	hosts[2];
	struct deliver_rcpt	rcpts[3];
	int			fd = -1;
	usec_t			until = clock_mono() + SECS(PATIENCE);

	if (s->file || strlen(s->content) > DELIVER_TEXT_MAX)
		fd = content_file(s->content);
	fill(s, &m, fd, hosts, rcpts);
	replied = false;
	ipc_client_call(c, &deliver_req_desc, &m, &deliver_res_desc,
	    SECS(2 * PATIENCE), on_result, NULL);
	while (!replied) {
		ck_assert_msg(clock_mono() < until, "%s: no result",
		    s->label);
		loop_once(loop, MSECS(100));
	}
	if (fd >= 0)
		close(fd);
}

/* A connection is free for the next message when RSET was answered, which is
 * after the result: the script says R when it has. */
static void
wait_idle(const struct scenario *s, int n)
{
	usec_t	until = clock_mono() + SECS(PATIENCE);

	if (strstr(s->script, "\nR\n") == NULL)
		return;
	while (atomic_load(idle) < n) {
		ck_assert_msg(clock_mono() < until, "%s: not idle", s->label);
		usleep(1000);
	}
}

static void
check_log(const struct scenario *s)
{
	struct buf	b;
	char		path[96];
	struct error	err;

	snprintf(path, sizeof(path), "%s/log", dir);
	buf_init(&b, 1 << 20);
	ck_assert_int_eq(file_read_all(AT_FDCWD, path, &b, &err), 0);
	if (s->log != NULL)
		ck_assert_msg(strstr(buf_cstr(&b), s->log) != NULL,
		    "%s: log has no \"%s\":\n%s", s->label, s->log,
		    buf_cstr(&b));
	ck_assert_msg(strstr(buf_cstr(&b), "Sanitizer") == NULL, "%s",
	    buf_cstr(&b));
	buf_clear(&b);
	unlink(path);
}

/* The temporary directory is DIR in the expected results. */
static void
hide_directory(void)
{
	char	*p;
	size_t	 n = strlen(dir);

	while ((p = strstr(got, dir)) != NULL) {
		memmove(p + 3, p + n, strlen(p + n) + 1);
		memcpy(p, "DIR", 3);
	}
}

static int
listen_tcp(const char *host)
{
	struct sock_addr	a;
	struct error		err;
	int			fd;

	ck_assert_int_eq(sock_parse(host, port, &a, &err), 0);
	if ((fd = sock_listen(&a, 8, &err)) < 0) {
		ck_assert_msg(err.sys == EADDRINUSE, "%s", err.text);
		return -1;
	}
	ck_assert_int_eq(sock_local(fd, &a), 0);
	port = sock_port(&a);
	return fd;
}

/* One port on two addresses: what is free on the first may be taken on the
 * second. */
static void
listen_twice(const struct scenario *s)
{
	struct error	err;
	char		path[96];

	for (int i = 0; i < 100; i++) {
		port = 0;
		if (s->lmtp) {
			snprintf(path, sizeof(path), "%s/lmtp", dir);
			listeners[0] = sock_listen_unix(path, 0666, 8, &err);
		} else
			listeners[0] = listen_tcp("127.0.0.1");
		listeners[1] = listen_tcp("127.0.0.2");
		if (listeners[1] >= 0)
			break;
		close(listeners[0]);
	}
	ck_assert_int_ge(listeners[0], 0);
	ck_assert_int_ge(listeners[1], 0);
	/* The server process blocks; the sockets that it accepts do. */
	fcntl(listeners[0], F_SETFL, 0);
	fcntl(listeners[1], F_SETFL, 0);
	/* It stays bound, so that nobody else listens there. */
	if (s->refused)
		ck_assert_int_eq(shutdown(listeners[0], SHUT_RD), 0);
}

static void
play(struct scenario s)
{
	struct loop		*loop = loop_new();
	struct ipc_client	*c;
	pid_t			 server, client;
	int			 status;
	char			 path[96], by_default[40];

	if (s.content == NULL)
		s.content = "Subject: x\r\n\r\nhello\r\n";
	s.hosts += s.hosts == 0;
	s.rcpts += s.rcpts == 0;
	s.repeat += s.repeat == 0;
	got[0] = '\0';
	snprintf(path, sizeof(path), "%s/sock", dir);
	unlink(path);
	listen_twice(&s);
	snprintf(by_default, sizeof(by_default), "smtp_tcp_port=%u", port);
	for (size_t i = 0; i < 7; i++)
		if (s.options[i] == NULL) {
			s.options[i] = by_default;
			break;
		}
	atomic_store(idle, 0);
	server = start_server(s.script, s.arrives != NULL ?
	    s.arrives : s.content);
	client = start_client(s.options, s.lmtp);
	wait_for_client(path);
	c = ipc_client_new(loop, path);
	for (int i = 0; i < s.repeat; i++) {
		wait_idle(&s, i);
		deliver(&s, loop, c);
	}
	/* It keeps its connection for longer than we want to wait. */
	if (s.kept)
		kill(client, SIGTERM);
	hide_directory();
	ck_assert_msg(strcmp(got, s.results) == 0, "%s:\n%s\ninstead of\n%s",
	    s.label, got, s.results);
	ck_assert_int_eq(waitpid(server, &status, 0), server);
	ck_assert_msg(status == 0, "%s: server is not content", s.label);
	ipc_client_free(&c);
	loop_free(&loop);
	/* Not twice: it may have given the signal back already. */
	if (!s.kept)
		kill(client, SIGTERM);
	waitpid(client, &status, 0);
	ck_assert_msg(status == 0, "%s: client ended with %#x", s.label,
	    (unsigned int)status);
	check_log(&s);
	close(listeners[0]);
	close(listeners[1]);
}

static void
setup(void)
{
	char		path[96];
	struct error	err;
	struct buf	b;

	idle = mmap(NULL, sizeof(*idle), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne((void *)idle, MAP_FAILED);
	snprintf(dir, sizeof(dir), "/tmp/ph-smtpc-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/main.cf", dir);
	buf_init(&b, 4096);
	buf_addf(&b, "queue_directory = %s\nmyhostname = client.example\n"
	    "smtp_tls_security_level = none\n"
	    "smtp_connection_cache_on_demand = no\n"
	    "smtp_randomize_addresses = no\n"
	    "smtp_connection_cache_time_limit = 300s\n", dir);
	ck_assert_int_eq(file_replace(AT_FDCWD, path, 0600, buf_slice(&b).p,
	    buf_len(&b), &err), 0);
	snprintf(path, sizeof(path), "%s/pass", dir);
	ck_assert_int_eq(file_replace(AT_FDCWD, path, 0600,
	    "example.com user:secret\n", 24, &err), 0);
	buf_clear(&b);
}

static void
teardown(void)
{
	pid_t	pid = fork();

	if (pid == 0)
		execl("/bin/rm", "rm", "-rf", dir, (char *)NULL);
	waitpid(pid, NULL, 0);
}

#define HOST1	"mx1.example.com[127.0.0.1]"
#define LOST(where) \
	"10 deferred 4.4.2 lost connection with " HOST1 " while " where

#define EIGHT	"x: y\r\n\r\n.\xc3\xa4\r\n..\r\n"
#define TAKES_IT \
	"A1\n>220 mx\n" EHLO_OLD "<MAIL FROM:<s@example.org>\n>250 ok\n" \
	"<RCPT\n>250 ok\n<DATA\n>354 go\nD\n>250 ok\n" BYE
#define SAID(text, command) \
	"host " HOST1 " said: " text " (in reply to " command " command)"
#define LINES4	"250-x|250-x|250-x|250-x|"
#define LINES16	LINES4 LINES4 LINES4 LINES4
#define LINES64	LINES16 LINES16 LINES16 LINES16
#define ENCRYPTED(shake, n) \
	HELLO "<STARTTLS\n>220 go\n" shake "\n<EHLO client.example\n" \
	">250 mx\n<MAIL\n>250 ok\n<RCPT\n>250 ok\n<DATA\n>354 go\nD\n" \
	">250 " n "\n" BYE
#define ALL_REFUSED \
	"10 bounced 5.1.1 " SAID("550 5.1.1 a", "RCPT TO") \
	"\n11 deferred 4.2.0 " SAID("450 4.2.0 b", "RCPT TO")

static const struct scenario	scenarios[] = {
	{ .label = "simple",
	  .script = HELLO "<MAIL FROM:<s@example.org> SIZE=21\n"
	    "<RCPT TO:<a@example.com>\n>250 ok\n>250 ok\n<DATA\n>354 go\nD\n"
	    ">250 2.0.0 Ok: queued as 1\n" BYE,
	  .results = "10 sent 2.0.0 250 2.0.0 Ok: queued as 1",
	  .log = "QID1: to=<a@example.com>, relay=" HOST1 ":" },
	{ .label = "simple, of a file", .file = true,
	  .script = HELLO "<MAIL FROM:<s@example.org> SIZE=21\n"
	    "<RCPT TO:<a@example.com>\n>250 ok\n>250 ok\n<DATA\n>354 go\nD\n"
	    ">250 2.0.0 Ok: queued as 1\n" BYE,
	  .results = "10 sent 2.0.0 250 2.0.0 Ok: queued as 1",
	  .log = "QID1: to=<a@example.com>, relay=" HOST1 ":" },
	{ .label = "no pipelining, no DSN, HELO",
	  .script = "A1\n>220 mx\n<EHLO\n>502 what\n<HELO client.example\n"
	    ">250 mx\n<MAIL FROM:<s@example.org>\n>250 ok\n"
	    "<RCPT TO:<a@example.com>\n>250 ok\n<RCPT TO:<b@example.com>\n"
	    ">550 5.1.1 who\n<RCPT TO:<c@example.com>\n>450 4.2.0 grey\n"
	    "<DATA\n>354 go\nD\n>250 ok\n" BYE,
	  .rcpts = 3,
	  .results = "10 sent 2.0.0 relayed 250 ok\n"
	    "11 bounced 5.1.1 host " HOST1 " said: 550 5.1.1 who (in reply "
	    "to RCPT TO command)\n12 deferred 4.2.0 host " HOST1 " said: 450 "
	    "4.2.0 grey (in reply to RCPT TO command)",
	  .log = "dsn=5.1.1, status=bounced (host " HOST1 " said: 550 5.1.1 "
	    "who (in reply to RCPT TO command))" },
	{ .label = "DSN and 8BITMIME",
	  .script = HELLO "<MAIL FROM:<s@example.org> SIZE=12 BODY=8BITMIME "
	    "RET=HDRS ENVID=id+3D1\n<RCPT TO:<a@example.com> NOTIFY=SUCCESS,"
	    "DELAY ORCPT=rfc822;a+2Bb@x\n>250 ok\n>250 ok\n<DATA\n>354 go\n"
	    "D\n>250 ok\n" BYE,
	  .dsn = true, .eight_bit = true, .content = "x: y\r\n\r\n\xc3\xa4\r\n",
	  .results = "10 sent 2.0.0 250 ok" },
	{ .label = "no line end at the end",
	  .script = HELLO "<MAIL\n<RCPT\n>250 ok\n>250 ok\n<DATA\n>354 go\nD\n"
	    ">250 ok\n" BYE,
	  .content = "x: y\r\n\r\nend",
	  .results = "10 sent 2.0.0 250 ok" },
	{ .label = "MAIL refused",
	  .script = HELLO "<MAIL\n<RCPT\n<RCPT\n<DATA\n>550 5.7.1 no\n"
	    ">503 5.5.1 x\n>503 5.5.1 x\n>503 5.5.1 x\n<RSET\n>250 ok\n"
	    BYE,
	  .rcpts = 2,
	  .results = "10 bounced 5.7.1 host " HOST1 " said: 550 5.7.1 no (in "
	    "reply to MAIL FROM command)\n11 bounced 5.7.1 host " HOST1
	    " said: 550 5.7.1 no (in reply to MAIL FROM command)" },
	{ .label = "DATA refused",
	  .script = HELLO "<MAIL\n<RCPT\n>250 ok\n>250 ok\n<DATA\n>451 later\n"
	    "<RSET\n>250 ok\n" BYE,
	  .results = "10 deferred 4.0.0 host " HOST1 " said: 451 later (in "
	    "reply to DATA command)" },
	{ .label = "some refused, DATA refused", .rcpts = 3,
	  .script = HELLO "<MAIL\n<RCPT\n<RCPT\n<RCPT\n<DATA\n>250 ok\n"
	    ">550 5.1.1 a\n>250 ok\n>450 4.2.0 c\n>451 4.3.0 d\n<RSET\n"
	    ">250 ok\n" BYE,
	  .results = "10 bounced 5.1.1 " SAID("550 5.1.1 a", "RCPT TO")
	    "\n11 deferred 4.3.0 " SAID("451 4.3.0 d", "DATA")
	    "\n12 deferred 4.2.0 " SAID("450 4.2.0 c", "RCPT TO") },
	{ .label = "some refused, content goes to the others", .rcpts = 2,
	  .script = HELLO "<MAIL\n<RCPT\n<RCPT\n<DATA\n>250 ok\n"
	    ">550 5.1.1 a\n>250 ok\n>354 go\nD\n>250 ok\n" BYE,
	  .results = "10 bounced 5.1.1 " SAID("550 5.1.1 a", "RCPT TO")
	    "\n11 sent 2.0.0 250 ok" },
	{ .label = "all refused, DATA refused", .rcpts = 2,
	  .script = HELLO "<MAIL\n<RCPT\n<RCPT\n<DATA\n>250 ok\n"
	    ">550 5.1.1 a\n>450 4.2.0 b\n>554 5.5.1 nobody\n<RSET\n"
	    ">250 ok\n" BYE, .results = ALL_REFUSED },
	{ .label = "all refused, DATA accepted", .rcpts = 2,
	  .script = HELLO "<MAIL\n<RCPT\n<RCPT\n<DATA\n>250 ok\n"
	    ">550 5.1.1 a\n>450 4.2.0 b\n>354 go\n<.\n>554 5.5.1 nobody\n"
	    BYE, .results = ALL_REFUSED },
	{ .label = "all refused, DATA and dot accepted", .rcpts = 2,
	  .script = HELLO "<MAIL\n<RCPT\n<RCPT\n<DATA\n>250 ok\n"
	    ">550 5.1.1 a\n>450 4.2.0 b\n>354 go\n<.\n>250 thanks\n" BYE,
	  .results = ALL_REFUSED },
	{ .label = "all refused, DATA accepted, lost at the dot", .rcpts = 2,
	  .script = HELLO "<MAIL\n<RCPT\n<RCPT\n<DATA\n>250 ok\n"
	    ">550 5.1.1 a\n>450 4.2.0 b\n>354 go\n<.\nX\n",
	  .results = ALL_REFUSED },
	{ .label = "all refused, lost at DATA", .rcpts = 2,
	  .script = HELLO "<MAIL\n<RCPT\n<RCPT\n<DATA\n>250 ok\n"
	    ">550 5.1.1 a\n>450 4.2.0 b\nX\n", .results = ALL_REFUSED },
	{ .label = "all refused, DATA accepted; next message", .repeat = 2,
	  .options = { "smtp_connection_cache_on_demand=yes" }, .kept = true,
	  .script = HELLO "<MAIL\n<RCPT\n<DATA\n>250 ok\n>550 no\n"
	    ">354 go\n<.\n>554 nobody\nR\n"
	    "<MAIL\n<RCPT\n<DATA\n>250 ok\n>250 ok\n>354 go\nD\n"
	    ">250 2\n" BYE,
	  .results = "10 bounced 5.0.0 " SAID("550 no", "RCPT TO")
	    "\n10 sent 2.0.0 250 2" },
	{ .label = "4xx at all RCPTs, next host",
	  .script = HELLO "<MAIL\n<RCPT\n<DATA\n>250 ok\n>450 no\n"
	    ">354 go\n<.\n>554 nobody\n.\n"
	    "A2\n>220 mx2\n" EHLO_OLD "<MAIL\n>250 ok\n<RCPT\n>250 ok\n"
	    "<DATA\n>354 go\nD\n>250 ok 2\n" BYE,
	  .hosts = 2, .results = "10 sent 2.0.0 relayed 250 ok 2" },
	{ .label = "MAIL refused, all the rest accepted",
	  .script = HELLO "<MAIL\n<RCPT\n<DATA\n>550 5.7.1 no\n>250 ok\n"
	    ">354 go\n<.\n>250 thanks\n" BYE,
	  .results = "10 bounced 5.7.1 " SAID("550 5.7.1 no", "MAIL FROM") },
	{ .label = "no pipelining, all refused: no DATA", .rcpts = 2,
	  .script = "A1\n>220 mx\n" EHLO_OLD "<MAIL\n>250 ok\n<RCPT\n"
	    ">550 5.1.1 a\n<RCPT\n>450 4.2.0 b\n<RSET\n>250 ok\n" BYE,
	  .results = ALL_REFUSED },
	{ .label = "LMTP, all refused, DATA accepted", .lmtp = true,
	  .script = "A1\n>220 mx\n<LHLO client.example\n>250-mx\n"
	    ">250 PIPELINING\n<MAIL\n<RCPT\n<DATA\n>250 ok\n>550 5.1.1 a\n"
	    ">354 go\n.\n",
	  .results = "10 bounced 5.1.1 host client.example[DIR/lmtp] said: "
	    "550 5.1.1 a (in reply to RCPT TO command)" },
	{ .label = "content refused",
	  .script = HELLO "<MAIL\n<RCPT\n>250 ok\n>250 ok\n<DATA\n>354 go\nD\n"
	    ">554 5.7.1 spam\n" BYE,
	  .results = "10 bounced 5.7.1 host " HOST1 " said: 554 5.7.1 spam (in "
	    "reply to end of DATA command)" },
	{ .label = "greeting refused, next host",
	  .script = "A1\n>554 go away\n.\nA2\n>220 mx2\n" EHLO_OLD
	    "<MAIL\n>250 ok\n<RCPT\n>250 ok\n<DATA\n>354 go\nD\n>250 ok\n"
	    BYE,
	  .hosts = 2, .results = "10 sent 2.0.0 relayed 250 ok",
	  .log = "host " HOST1 " refused to talk to me: 554 go away" },
	{ .label = "greeting refused, no other host",
	  .script = "A1\n>554 5.3.2 go away\n.\n",
	  .results = "10 deferred 4.0.0 host " HOST1 " refused to talk to me: "
	    "554 5.3.2 go away\nsite failed" },
	{ .label = "greeting refused, for good",
	  .script = "A1\n>554 5.3.2 go away\n.\n",
	  .options = { "smtp_skip_5xx_greeting=no" },
	  .results = "10 bounced 5.3.2 host " HOST1 " refused to talk to me: "
	    "554 5.3.2 go away" },
	{ .label = "4xx at RCPT, next host takes it",
	  .script = HELLO "<MAIL\n<RCPT\n<RCPT\n>250 ok\n>450 no\n>250 ok\n"
	    "<DATA\n>354 go\nD\n>250 ok 1\n.\n"
	    "A2\n>220 mx2\n" EHLO_OLD "<MAIL\n>250 ok\n"
	    "<RCPT TO:<a@example.com>\n>250 ok\n<DATA\n>354 go\nD\n"
	    ">250 ok 2\n" BYE,
	  .hosts = 2, .rcpts = 2,
	  .results = "10 sent 2.0.0 relayed 250 ok 2\n11 sent 2.0.0 250 ok "
	    "1" },
	{ .label = "lost at the greeting", .script = "A1\nX\n",
	  .results = LOST("receiving the initial server greeting")
	    "\nsite failed" },
	{ .label = "lost at EHLO", .script = "A1\n>220 mx\n<EHLO\nX\n",
	  .results = LOST("performing the EHLO handshake") "\nsite failed" },
	{ .label = "lost at MAIL", .script = HELLO "<MAIL\n<RCPT\n<DATA\nX\n",
	  .results = LOST("sending MAIL FROM") },
	{ .label = "lost at RCPT",
	  .script = HELLO "<MAIL\n<RCPT\n<DATA\n>250 ok\nX\n",
	  .results = LOST("sending RCPT TO") },
	{ .label = "lost at DATA",
	  .script = HELLO "<MAIL\n<RCPT\n>250 ok\n>250 ok\n<DATA\nX\n",
	  .results = LOST("sending DATA command") },
	{ .label = "lost behind the dot",
	  .script = HELLO "<MAIL\n<RCPT\n>250 ok\n>250 ok\n<DATA\n>354 go\nD\n"
	    "X\n", .hosts = 2,
	  .results = LOST("sending end of data -- message may be sent more "
	    "than once") },
	{ .label = "421 at RCPT",
	  .script = HELLO "<MAIL\n<RCPT\n<RCPT\n<DATA\n>250 ok\n>250 ok\n"
	    ">421 4.3.2 bye\n.\n", .rcpts = 2,
	  .results = "10 deferred 4.4.2 host " HOST1 " said: 421 4.3.2 bye (in "
	    "reply to RCPT TO command)\n11 deferred 4.3.2 host " HOST1
	    " said: 421 4.3.2 bye (in reply to RCPT TO command)" },
	{ .label = "silence at the greeting", .script = "A1\n.\n",
	  .options = { "smtp_helo_timeout=1s" },
	  .results = "10 deferred 4.4.2 conversation with " HOST1 " timed out "
	    "while receiving the initial server greeting\nsite failed" },
	{ .label = "silence behind the dot",
	  .options = { "smtp_data_done_timeout=1s" },
	  .script = HELLO "<MAIL\n<RCPT\n>250 ok\n>250 ok\n<DATA\n>354 go\nD\n"
	    ".\n",
	  .results = "10 deferred 4.4.2 conversation with " HOST1 " timed out "
	    "while sending end of data -- message may be sent more than "
	    "once" },
	{ .label = "nonsense", .script = "A1\n>HTTP/1.1 400 Bad\n.\n",
	  .results = LOST("receiving the initial server greeting")
	    "\nsite failed" },
	{ .label = "dots",
	  .script = HELLO "<MAIL\n<RCPT\n>250 ok\n>250 ok\n<DATA\n>354 go\nD\n"
	    ">250 ok\n" BYE,
	  .content = ".\r\n..\r\n.a\r\nb.\r\n\r\n.\r\n",
	  .results = "10 sent 2.0.0 250 ok" },
	{ .label = "dots, of a file", .file = true,
	  .script = HELLO "<MAIL\n<RCPT\n>250 ok\n>250 ok\n<DATA\n>354 go\nD\n"
	    ">250 ok\n" BYE,
	  .content = ".\r\n..\r\n.a\r\nb.\r\n\r\n.\r\n",
	  .results = "10 sent 2.0.0 250 ok" },
	{ .label = "too big",
	  .script = "A1\n>220 mx\n<EHLO\n>250-mx\n>250 SIZE 20\n" BYE,
	  .results = "10 bounced 5.3.4 message size 21 exceeds size limit 20 "
	    "of server " HOST1 },
	{ .label = "no 8BITMIME: converted", .eight_bit = true,
	  .script = TAKES_IT, .content = EIGHT, .arrives =
	    "x: y\r\nContent-Transfer-Encoding: quoted-printable\r\n"
	    "MIME-Version: 1.0\r\n\r\n.=C3=A4\r\n..\r\n",
	  .results = "10 sent 2.0.0 relayed 250 ok" },
	{ .label = "no 8BITMIME, of a file: converted", .file = true,
	  .eight_bit = true,
	  .script = TAKES_IT, .content = EIGHT, .arrives =
	    "x: y\r\nContent-Transfer-Encoding: quoted-printable\r\n"
	    "MIME-Version: 1.0\r\n\r\n.=C3=A4\r\n..\r\n",
	  .results = "10 sent 2.0.0 relayed 250 ok" },
	{ .label = "no 8BITMIME, no line end at the end", .eight_bit = true,
	  .script = TAKES_IT, .content = "\r\n\xc3\xa4", .arrives =
	    "Content-Transfer-Encoding: quoted-printable\r\n"
	    "MIME-Version: 1.0\r\n\r\n=C3=A4\r\n",
	  .results = "10 sent 2.0.0 relayed 250 ok" },
	{ .label = "no 8BITMIME, large", .eight_bit = true,
	  .script = TAKES_IT, .content = "HUGE8", .arrives = "HUGE8",
	  .results = "10 sent 2.0.0 relayed 250 ok" },
	{ .label = "no 8BITMIME, conversion disabled", .eight_bit = true,
	  .options = { "disable_mime_output_conversion=yes" },
	  .script = TAKES_IT, .content = EIGHT,
	  .results = "10 sent 2.0.0 relayed 250 ok" },
	{ .label = "no 8BITMIME, next host has it", .eight_bit = true,
	  .script = "A1\n>220 mx\n" EHLO_OLD "<MAIL\n>250 ok\n<RCPT\n"
	    ">250 ok\n<DATA\n>451 no\n<RSET\n>250 ok\n.\n"
	    "A2\n>220 mx2\n" EHLO_FULL "<MAIL FROM:<s@example.org> SIZE=17 "
	    "BODY=8BITMIME\n<RCPT\n>250 ok\n>250 ok\n<DATA\n>354 go\nD\n"
	    ">250 ok\n" BYE, .hosts = 2, .content = EIGHT,
	  .results = "10 sent 2.0.0 250 ok" },
	{ .label = "no 8BITMIME, lost", .eight_bit = true,
	  .script = "A1\n>220 mx\n" EHLO_OLD "<MAIL\n>250 ok\n<RCPT\nX\n",
	  .content = EIGHT, .results = LOST("sending RCPT TO") },
	{ .label = "no 8BITMIME, header has 8 bits", .eight_bit = true,
	  .script = "A1\n>220 mx\n" EHLO_OLD BYE,
	  .content = "Subject: \xc3\xa4\r\n\r\n",
	  .results = "10 bounced 5.6.7 SMTPUTF8 is required for 8-bit header "
	    "fields, but was not offered by host " HOST1 },
	{ .label = "no 8BITMIME, cannot be converted", .eight_bit = true,
	  .script = "A1\n>220 mx\n" EHLO_OLD BYE, .content =
	    "Content-Transfer-Encoding: base64\r\n\r\n\xc3\xa4\r\n",
	  .results = "10 bounced 5.6.3 8BITMIME is required as the MIME "
	    "structure cannot be converted, but was not offered by host "
	    HOST1 },
	{ .label = "no SMTPUTF8", .utf8 = true,
	  .script = "A1\n>220 mx\n" EHLO_OLD BYE,
	  .content = "Subject: \xc3\xa4\r\n\r\n",
	  .results = "10 bounced 5.6.7 SMTPUTF8 is required, but was not "
	    "offered by host " HOST1 },
	{ .label = "no SMTPUTF8, of a file", .utf8 = true, .file = true,
	  .script = "A1\n>220 mx\n" EHLO_OLD BYE,
	  .content = "Subject: \xc3\xa4\r\n\r\n",
	  .results = "10 bounced 5.6.7 SMTPUTF8 is required, but was not "
	    "offered by host " HOST1 },
	{ .label = "reuse", .repeat = 3, .kept = true,
	  .options = { "smtp_connection_cache_on_demand=yes" },
	  .script = HELLO "<MAIL\n<RCPT\n>250 ok\n>250 ok\n<DATA\n>354 go\nD\n"
	    ">250 1\nR\n<MAIL\n<RCPT\n<DATA\n>250 ok\n>550 no\n>503 x\n"
	    "<RSET\n>250 ok\nR\n"
	    "<MAIL\n<RCPT\n>250 ok\n>250 ok\n<DATA\n>354 go\nD\n>250 3\n" BYE,
	  .results = "10 sent 2.0.0 250 1\n10 bounced 5.0.0 host " HOST1
	    " said: 550 no (in reply to RCPT TO command)\n10 sent 2.0.0 250 "
	    "3", .log = "conn_use=3, delay=" },
	{ .label = "idle connection has gone", .repeat = 2, .kept = true,
	  .options = { "smtp_connection_cache_on_demand=yes" },
	  .script = HELLO "<MAIL\n<RCPT\n>250 ok\n>250 ok\n<DATA\n>354 go\nD\n"
	    ">250 1\n<MAIL\nX\n"
	    HELLO "<MAIL\n<RCPT\n>250 ok\n>250 ok\n<DATA\n>354 go\nD\n"
	    ">250 2\n" BYE,
	  .results = "10 sent 2.0.0 250 1\n10 sent 2.0.0 250 2" },
	{ .label = "TLS", .options = { "smtp_tls_security_level=may",
	    "smtp_tls_loglevel=1" },
	  .script = HELLO "<STARTTLS\n>220 go\nS\n<EHLO client.example\n"
	    ">250 mx\n<MAIL FROM:<s@example.org>\n>250 ok\n<RCPT\n>250 ok\n"
	    "<DATA\n>354 go\nD\n>250 ok\n" BYE,
	  .results = "10 sent 2.0.0 relayed 250 ok",
	  .log = "Untrusted TLS connection established to " HOST1 ":" },
	{ .label = "TLS, session taken up, then broken, then new",
	  .options = { "smtp_tls_security_level=may" }, .repeat = 3,
	  .script = ENCRYPTED("S", "1") ENCRYPTED("T", "2")
	    HELLO "<STARTTLS\n>220 go\nG\nX\n" ENCRYPTED("S", "3"),
	  .results = "10 sent 2.0.0 relayed 250 1\n"
	    "10 sent 2.0.0 relayed 250 2\n10 sent 2.0.0 relayed 250 3" },
	{ .label = "TLS, no sessions are kept", .repeat = 2,
	  .options = { "smtp_tls_security_level=may",
	    "smtp_tls_session_cache_timeout=0s" },
	  .script = ENCRYPTED("S", "1") ENCRYPTED("S", "2"),
	  .results = "10 sent 2.0.0 relayed 250 1\n"
	    "10 sent 2.0.0 relayed 250 2" },
	{ .label = "TLS fails, goes on in clear",
	  .options = { "smtp_tls_security_level=may" },
	  .script = HELLO "<STARTTLS\n>220 go\nG\nX\n" HELLO "<MAIL\n<RCPT\n"
	    ">250 ok\n>250 ok\n<DATA\n>354 go\nD\n>250 ok\n" BYE,
	  .results = "10 sent 2.0.0 250 ok" },
	{ .label = "TLS is a must and fails",
	  .options = { "smtp_tls_security_level=verify" },
	  .script = HELLO "<STARTTLS\n>454 not now\n.\n",
	  .results = "10 deferred 4.7.4 TLS is required, but host " HOST1
	    " refused to start TLS: 454 not now\nsite failed" },
	{ .label = "TLS is a must and is not there",
	  .options = { "smtp_tls_security_level=encrypt" },
	  .script = "A1\n>220 mx\n" EHLO_OLD ".\n",
	  .results = "10 deferred 4.7.4 TLS is required, but was not offered "
	    "by host " HOST1 "\nsite failed" },
	{ .label = "injection behind STARTTLS",
	  .options = { "smtp_tls_security_level=may" },
	  .script = HELLO "<STARTTLS\nI\n.\n",
	  .results = "10 deferred 4.7.5 Cannot start TLS: host " HOST1 " sent "
	    "data in clear after its reply\nsite failed" },
	{ .label = "AUTH PLAIN",
	  .options = { "smtp_sasl_auth_enable=yes",
	    "smtp_sasl_security_options=noanonymous" },
	  .script = "A1\n>220 mx\n<EHLO\n>250-mx\n>250 AUTH PLAIN LOGIN\n"
	    "<AUTH PLAIN AHVzZXIAc2VjcmV0\n>235 ok\n<MAIL\n>250 ok\n<RCPT\n"
	    ">250 ok\n<DATA\n>354 go\nD\n>250 ok\n" BYE,
	  .results = "10 sent 2.0.0 relayed 250 ok" },
	{ .label = "AUTH LOGIN fails",
	  .options = { "smtp_sasl_auth_enable=yes",
	    "smtp_sasl_security_options=noanonymous" },
	  .script = "A1\n>220 mx\n<EHLO\n>250-mx\n>250 AUTH=LOGIN\n"
	    "<AUTH LOGIN dXNlcg==\n>334 UGFzc3dvcmQ6\n<c2VjcmV0\n"
	    ">535 5.7.8 no\n.\n",
	  .results = "10 deferred 4.7.8 SASL authentication failed; server "
	    HOST1 " said: 535 5.7.8 no\nsite failed" },
	{ .label = "no password in clear",
	  .options = { "smtp_sasl_auth_enable=yes" },
	  .script = "A1\n>220 mx\n<EHLO\n>250-mx\n>250 AUTH PLAIN\n.\n",
	  .results = "10 deferred 4.7.0 SASL authentication failed; cannot "
	    "authenticate to server " HOST1 ": no mechanism available\n"
	    "site failed" },
	{ .label = "LMTP", .lmtp = true, .rcpts = 3,
	  .script = "A1\n>220 mx\n<LHLO client.example\n>250-mx\n"
	    ">250 PIPELINING\n<MAIL\n<RCPT\n<RCPT\n<RCPT\n>250 ok\n>250 ok\n"
	    ">550 5.1.1 no\n>250 ok\n<DATA\n>354 go\nD\n>250 2.1.5 a\n"
	    ">452 4.2.2 full\n" BYE,
	  .results = "10 sent 2.1.5 relayed 250 2.1.5 a\n"
	    "11 bounced 5.1.1 host client.example[DIR/lmtp] said: 550 5.1.1 "
	    "no (in reply to RCPT TO command)\n12 deferred 4.2.2 host "
	    "client.example[DIR/lmtp] said: 452 4.2.2 full (in reply to end "
	    "of DATA command)" },
	{ .label = "myself", .default_port = true, .hosts = 2,
	  .script = "A1\n>220 mx\n<EHLO\n>250-Client.Example hi\n>250 SIZE\n"
	    ".\n",
	  .results = "10 bounced 5.4.6 mail for example.com loops back to "
	    "myself", .log = "replied to HELO/EHLO with my own hostname" },
	{ .label = "somebody else, default port", .default_port = true,
	  .script = "A1\n>220 mx\n" EHLO_OLD "<MAIL\n>250 ok\n<RCPT\n"
	    ">250 ok\n<DATA\n>354 go\nD\n>250 ok\n" BYE,
	  .results = "10 sent 2.0.0 relayed 250 ok" },
	{ .label = "a filter with our name",
	  .script = "A1\n>220 client.example\n<EHLO\n>250 client.example\n"
	    "<MAIL\n>250 ok\n<RCPT\n>250 ok\n<DATA\n>354 go\nD\n>250 ok\n"
	    BYE, .results = "10 sent 2.0.0 relayed 250 ok" },
	{ .label = "IPv6 first, of which there is none",
	  .options = { "smtp_address_preference=ipv6",
	    "smtp_randomize_addresses=yes" }, .hosts = 2,
	  .script = "A1\n>220 mx\n" EHLO_OLD "<MAIL\n>250 ok\n<RCPT\n"
	    ">250 ok\n<DATA\n>354 go\nD\n>250 ok\n" BYE,
	  .results = "10 sent 2.0.0 relayed 250 ok" },
	{ .label = "early refusal of content",
	  .script = HELLO "<MAIL\n<RCPT\n>250 ok\n>250 ok\n<DATA\n>354 go\nd\n"
	    ">552 5.3.4 enough\nX\n", .content = "HUGE",
	  .results = "10 bounced 5.3.4 host " HOST1 " said: 552 5.3.4 enough "
	    "(in reply to end of DATA command)" },
	{ .label = "BDAT",
	  .script = CHUNKS "<MAIL FROM:<s@example.org>\n"
	    "<RCPT TO:<a@example.com>\nB\n>250 ok|250 ok|250 2.0.0 yes\n"
	    BYE, .results = "10 sent 2.0.0 250 2.0.0 yes" },
	{ .label = "BDAT, of a file", .file = true,
	  .script = CHUNKS "<MAIL FROM:<s@example.org>\n"
	    "<RCPT TO:<a@example.com>\nB\n>250 ok|250 ok|250 2.0.0 yes\n"
	    BYE, .results = "10 sent 2.0.0 250 2.0.0 yes" },
	{ .label = "BDAT, dots, no line end at the end",
	  .script = CHUNKS "<MAIL\n<RCPT\nB\n>250 ok\n>250 ok\n>250 ok\n" BYE,
	  .content = ".\r\n..\r\n\r\n.\r\n.end", .results = "10 sent 2.0.0 "
	    "250 ok" },
	{ .label = "BDAT, long: behind the answers", .content = "HUGE",
	  .script = CHUNKS "<MAIL\n<RCPT\n<RCPT\n>250 ok\n>550 no\n>250 ok\n"
	    "B\n>250 ok\n" BYE, .rcpts = 2,
	  .results = "10 bounced 5.0.0 " SAID("550 no", "RCPT TO")
	    "\n11 sent 2.0.0 250 ok" },
	{ .label = "BDAT, long, all refused", .content = "HUGE",
	  .script = CHUNKS "<MAIL\n<RCPT\n>250 ok\n>550 no\n<RSET\n>250 ok\n"
	    BYE, .results = "10 bounced 5.0.0 " SAID("550 no", "RCPT TO") },
	{ .label = "BDAT, no pipelining",
	  .script = "A1\n>220 mx\n<EHLO\n>250-mx\n>250 CHUNKING\n<MAIL\n"
	    ">250 ok\n<RCPT\n>250 ok\nB\n>250 ok\n" BYE,
	  .results = "10 sent 2.0.0 relayed 250 ok" },
	{ .label = "CHUNKING is ignored",
	  .options = { "smtp_discard_ehlo_keywords=dsn, chunking" },
	  .script = CHUNKS "<MAIL\n<RCPT\n<DATA\n>250 ok\n>250 ok\n>354 go\n"
	    "D\n>250 ok\n" BYE, .results = "10 sent 2.0.0 relayed 250 ok" },
	{ .label = "CHUNKING, but converted: DATA", .eight_bit = true,
	  .script = "A1\n>220 mx\n<EHLO\n>250-mx\n>250 CHUNKING\n<MAIL\n"
	    ">250 ok\n<RCPT\n>250 ok\n<DATA\n>354 go\nD\n>250 ok\n" BYE,
	  .content = EIGHT, .arrives =
	    "x: y\r\nContent-Transfer-Encoding: quoted-printable\r\n"
	    "MIME-Version: 1.0\r\n\r\n.=C3=A4\r\n..\r\n",
	  .results = "10 sent 2.0.0 relayed 250 ok" },
	{ .label = "CHUNKING and LMTP: DATA", .lmtp = true,
	  .script = "A1\n>220 mx\n<LHLO client.example\n>250-mx\n"
	    ">250 CHUNKING\n<MAIL\n>250 ok\n<RCPT\n>250 ok\n<DATA\n"
	    ">354 go\nD\n>250 ok\n" BYE,
	  .results = "10 sent 2.0.0 relayed 250 ok" },
	{ .label = "BDAT, some refused", .rcpts = 3,
	  .script = CHUNKS "<MAIL\n<RCPT\n<RCPT\n<RCPT\nB\n>250 ok\n"
	    ">550 5.1.1 a\n>250 ok\n>450 4.2.0 c\n>250 thanks\n" BYE,
	  .results = "10 bounced 5.1.1 " SAID("550 5.1.1 a", "RCPT TO")
	    "\n11 sent 2.0.0 250 thanks"
	    "\n12 deferred 4.2.0 " SAID("450 4.2.0 c", "RCPT TO") },
	{ .label = "BDAT, all refused", .rcpts = 2,
	  .script = CHUNKS "<MAIL\n<RCPT\n<RCPT\nB\n>250 ok\n>550 5.1.1 a\n"
	    ">450 4.2.0 b\n>554 nobody\n<RSET\n>250 ok\n" BYE,
	  .results = ALL_REFUSED },
	{ .label = "BDAT, all refused, but content is welcome", .rcpts = 2,
	  .script = CHUNKS "<MAIL\n<RCPT\n<RCPT\nB\n>250 ok\n>550 5.1.1 a\n"
	    ">450 4.2.0 b\n>250 thanks\n" BYE, .results = ALL_REFUSED },
	{ .label = "BDAT, all refused, next host", .hosts = 2,
	  .script = CHUNKS "<MAIL\n<RCPT\nB\n>250 ok\n>450 no\n>503 x\n"
	    "<RSET\n>250 ok\n.\n"
	    "A2\n>220 mx2\n" EHLO_OLD "<MAIL\n>250 ok\n<RCPT\n>250 ok\n"
	    "<DATA\n>354 go\nD\n>250 ok 2\n" BYE,
	  .results = "10 sent 2.0.0 relayed 250 ok 2" },
	{ .label = "BDAT, MAIL refused; next message", .repeat = 2, .kept = true,
	  .options = { "smtp_connection_cache_on_demand=yes" },
	  .script = CHUNKS "<MAIL\n<RCPT\nB\n>550 5.7.1 no\n>503 a\n>503 b\n"
	    "<RSET\n>250 ok\nR\n<MAIL\n<RCPT\nB\n>250 ok\n>250 ok\n"
	    ">250 2\n" BYE,
	  .results = "10 bounced 5.7.1 " SAID("550 5.7.1 no", "MAIL FROM")
	    "\n10 sent 2.0.0 250 2", .log = "conn_use=2, delay=" },
	{ .label = "BDAT, content refused",
	  .script = CHUNKS "<MAIL\n<RCPT\nB\n>250 ok\n>250 ok\n"
	    ">554 5.7.1 spam\n<RSET\n>250 ok\n" BYE,
	  .results = "10 bounced 5.7.1 " SAID("554 5.7.1 spam",
	    "end of DATA") },
	{ .label = "BDAT, lost without an answer", .hosts = 2,
	  .script = CHUNKS "<MAIL\n<RCPT\nB\nX\n",
	  .results = LOST("sending end of data -- message may be sent more "
	    "than once") },
	{ .label = "BDAT, lost behind the answers", .hosts = 2, .rcpts = 2,
	  .script = CHUNKS "<MAIL\n<RCPT\n<RCPT\nB\n>250 ok\n>550 5.1.1 a\n"
	    ">250 ok\nX\n",
	  .results = "10 bounced 5.1.1 " SAID("550 5.1.1 a", "RCPT TO")
	    "\n11 deferred 4.4.2 lost connection with " HOST1 " while "
	    "sending end of data -- message may be sent more than once" },
	{ .label = "BDAT, silence", .hosts = 2,
	  .options = { "smtp_rcpt_timeout=1s" },
	  .script = CHUNKS "<MAIL\n<RCPT\nB\n>250 ok\n.\n",
	  .results = "10 deferred 4.4.2 conversation with " HOST1 " timed out "
	    "while sending end of data -- message may be sent more than "
	    "once" },
	{ .label = "BDAT, 421 at RCPT, next host", .hosts = 2,
	  .script = CHUNKS "<MAIL\n<RCPT\nB\n>250 ok\n>421 bye\n.\n"
	    "A2\n>220 mx2\n" EHLO_OLD "<MAIL\n>250 ok\n<RCPT\n>250 ok\n"
	    "<DATA\n>354 go\nD\n>250 ok 2\n" BYE,
	  .results = "10 sent 2.0.0 relayed 250 ok 2" },
	{ .label = "BDAT, idle connection has gone", .repeat = 2, .kept = true,
	  .options = { "smtp_connection_cache_on_demand=yes" },
	  .script = CHUNKS "<MAIL\n<RCPT\nB\n>250 ok\n>250 ok\n>250 1\n"
	    "<MAIL\nX\n"
	    CHUNKS "<MAIL\n<RCPT\nB\n>250 ok\n>250 ok\n>250 2\n" BYE,
	  .results = "10 sent 2.0.0 250 1\n10 sent 2.0.0 250 2" },
	{ .label = "BDAT, silence on a connection that was idle", .repeat = 2,
	  .options = { "smtp_connection_cache_on_demand=yes",
	    "smtp_mail_timeout=5s" },
	  .script = CHUNKS "<MAIL\n<RCPT\nB\n>250 ok\n>250 ok\n>250 1\n"
	    "<MAIL\n<RCPT\nB\n.\n",
	  .results = "10 sent 2.0.0 250 1\n10 deferred 4.4.2 conversation "
	    "with " HOST1 " timed out while sending end of data -- message "
	    "may be sent more than once" },
	{ .label = "drops at the greeting", .script = "A1\nw\n",
	  .options = { "smtp_helo_timeout=1s" },
	  .results = "10 deferred 4.4.2 conversation with " HOST1 " timed out "
	    "while receiving the initial server greeting\nsite failed" },
	{ .label = "drops at RCPT", .script = HELLO "<MAIL\n<RCPT\n<DATA\n"
	    ">250 ok\nw\n", .options = { "smtp_rcpt_timeout=1s" },
	  .results = "10 deferred 4.4.2 conversation with " HOST1 " timed out "
	    "while sending RCPT TO" },
	{ .label = "a line without end", .script = "A1\nW\n",
	  .results = LOST("receiving the initial server greeting")
	    "\nsite failed" },
	{ .label = "a reply without end",
	  .script = "A1\n>220 mx\n<EHLO\n>" LINES64 LINES64 LINES64 LINES64
	    "250-x\n.\n",
	  .results = LOST("performing the EHLO handshake") "\nsite failed" },
	{ .label = "content is taken slowly", .content = "HUGE",
	  .options = { "smtp_data_xfer_timeout=3s",
	    "smtp_min_data_rate=1000000000" },
	  .script = HELLO "<MAIL\n<RCPT\n>250 ok\n>250 ok\n<DATA\n>354 go\n"
	    "z\n",
	  .results = "10 deferred 4.4.2 conversation with " HOST1 " timed out "
	    "while sending message body" },
	{ .label = "421 behind the content, and on it goes", .repeat = 2,
	  .options = { "smtp_connection_cache_on_demand=yes" }, .kept = true,
	  .script = HELLO "<MAIL\n<RCPT\n<DATA\n>250 ok\n>250 ok\n>354 go\n"
	    "D\n>421 4.3.2 later\n.\n"
	    HELLO "<MAIL\n<RCPT\n<DATA\n>250 ok\n>250 ok\n>354 go\n"
	    "D\n>250 2\n" BYE,
	  .results = "10 deferred 4.3.2 " SAID("421 4.3.2 later",
	    "end of DATA") "\n10 sent 2.0.0 250 2" },
	{ .label = "answers out of order: 354 to MAIL",
	  .script = HELLO "<MAIL\n<RCPT\n<DATA\n>354 go\n>250 ok\n"
	    ">250 ok\n<RSET\n>250 ok\n" BYE,
	  .results = "10 deferred 4.5.0 " SAID("354 go", "MAIL FROM") },
	{ .label = "answers out of order: 354 to RCPT, 250 to DATA",
	  .script = HELLO "<MAIL\n<RCPT\n<DATA\n>250 ok\n>354 go\n"
	    ">250 ok\n<RSET\n>250 ok\n" BYE,
	  .results = "10 deferred 4.5.0 " SAID("354 go", "RCPT TO") },
	{ .label = "250 to DATA",
	  .script = HELLO "<MAIL\n<RCPT\n<DATA\n>250 ok\n>250 ok\n"
	    ">250 ok\n<RSET\n>250 ok\n" BYE,
	  .results = "10 deferred 4.5.0 " SAID("250 ok", "DATA") },
	{ .label = "an answer too many", .repeat = 2, .kept = true,
	  .options = { "smtp_connection_cache_on_demand=yes" },
	  .script = HELLO "<MAIL\n<RCPT\n<DATA\n>250 ok\n>250 ok\n>354 go\n"
	    "D\n>250 1|250 ok\n.\n"
	    HELLO "<MAIL\n<RCPT\n<DATA\n>250 ok\n>250 ok\n>354 go\n"
	    "D\n>250 2\n" BYE,
	  .results = "10 sent 2.0.0 250 1\n10 sent 2.0.0 250 2" },
	{ .label = "half an answer too many", .repeat = 2, .kept = true,
	  .options = { "smtp_connection_cache_on_demand=yes" },
	  .script = HELLO "<MAIL\n<RCPT\n<DATA\n>250 ok\n>250 ok\n>354 go\n"
	    "D\n>250 1|250-\n.\n"
	    HELLO "<MAIL\n<RCPT\n<DATA\n>250 ok\n>250 ok\n>354 go\n"
	    "D\n>250 2\n" BYE,
	  .results = "10 sent 2.0.0 250 1\n10 sent 2.0.0 250 2" },
	{ .label = "refused", .refused = true, .hosts = 2,
	  .script = "A2\n>220 mx2\n" EHLO_OLD "<MAIL\n>250 ok\n<RCPT\n"
	    ">250 ok\n<DATA\n>354 go\nD\n>250 ok\n" BYE,
	  .results = "10 sent 2.0.0 relayed 250 ok",
	  .log = "Connection refused" },
};

/* 200 kB of lines that all begin with a dot. */
static void
fill_huge8(struct scenario *s)
{
	static char	in[300000], out[600000];
	size_t		n, m;

	n = (size_t)snprintf(in, sizeof(in), "MIME-Version: 1.0\r\n\r\n");
	m = (size_t)snprintf(out, sizeof(out), "MIME-Version: 1.0\r\n"
	    "Content-Transfer-Encoding: quoted-printable\r\n\r\n");
	while (n < 200000) {
		n += (size_t)snprintf(in + n, sizeof(in) - n, ".\xfc\xfc"
		    "\r\n");
		m += (size_t)snprintf(out + m, sizeof(out) - m, ".=FC=FC"
		    "\r\n");
	}
	s->content = in;
	s->arrives = out;
}

START_TEST(scenario)
{
	struct scenario	s = scenarios[_i];
	static char	huge[8000001];
	char		pass[120], hop[120];

	snprintf(pass, sizeof(pass), "smtp_sasl_password_maps=texthash:%s/"
	    "pass", dir);
	s.options[6] = NULL;
	for (size_t i = 0; i < 6; i++)
		if (s.options[i] == NULL) {
			s.options[i] = pass;
			break;
		}
	snprintf(hop, sizeof(hop), "unix:%s/lmtp", dir);
	if (s.lmtp)
		s.nexthop = hop;
	if (s.content != NULL && strcmp(s.content, "HUGE") == 0) {
		memset(huge, 'x', sizeof(huge) - 1);
		memcpy(huge, ".\n", 2);
		s.content = huge;
	}
	if (s.arrives != NULL && strcmp(s.arrives, "HUGE8") == 0)
		fill_huge8(&s);
	play(s);
}
END_TEST

int
main(void)
{
	Suite	*s = suite_create("smtpc");
	TCase	*t = tcase_create("smtpc");

	tcase_set_timeout(t, 3 * PATIENCE);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, scenario, 0, (int)COUNT(scenarios));
	suite_add_tcase(s, t);
	return check_run(s);
}
