/* SPDX-License-Identifier: Apache-2.0 */
/* smtpload - many SMTP sessions from one process; prints one line of JSON.
 *	smtpload -H host -p port -s sessions -m messages [-k per-connection]
 *	    [-l bytes] [-f sender] [-t recipient%d] [-u users] [-r recipients]
 *	    [-d domain%d] [-n domains] [-D directory] [-S seconds] [-P] [-T] [-L]
 * -D sends the files of a directory in turn (wire form: dots stuffed, with the
 * final dot); -S begins no more after that time; -P pipelines MAIL, RCPT and DATA; -T uses STARTTLS; -L speaks LMTP.
 * A message counts when its final reply is 2xx. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/slice.h"
#include "net/dial.h"
#include "net/stream.h"
#include "sys/clock.h"
#include "sys/loop.h"
#include "sys/sock.h"

enum state { ST_GREETING, ST_EHLO, ST_STARTTLS, ST_ENVELOPE, ST_DATA,
	ST_QUIT };

static struct {
	const char	*host, *sender, *rcpt, *domain, *directory;
	uint16_t	 port;
	uint64_t	 messages, per_connection, bytes, users, rcpts,
			 domains, milliseconds;
	int		 sessions;
	bool		 pipeline, tls, lmtp;
} opt = {
	.host = "127.0.0.1", .sender = "load@elsewhere.test",
	.rcpt = "user%d@bench.test", .port = 25, .messages = 1000,
	.bytes = 4096, .users = 1, .rcpts = 1, .domains = 1, .sessions = 20,
};

static struct {
	struct loop	*loop;
	struct tls_ctx	*tls;
	struct sock_addr to;
	struct slice	*contents;
	size_t		 ncontents, largest;
	uint64_t	 begun, done, failed, reconnects;
	usec_t		*latency;
	int		 alive;
} g;

struct session {
	struct stream	*s;
	struct dial	*dial;
	enum state	 state;
	bool		 secured;
	uint64_t	 sent_here;
	uint64_t	 replies_due;	/* of the envelope, before 354 */
	uint64_t	 finals_due;	/* LMTP: one per recipient */
	uint64_t	 rcpts_left;
	bool		 bad;
	usec_t		 since;
	uint64_t	 number;	/* of the message */
};

static void	 dial_again(struct session *c);

static void
finished(void)
{
	if (g.done + g.failed >= opt.messages)
		loop_stop(g.loop);
}

static void
drop(struct session *c)
{
	stream_close(&c->s);
	if (g.begun < opt.messages) {
		g.reconnects++;
		dial_again(c);
	} else
		g.alive--;
}

static void
add_rcpt(struct buf *out, uint64_t n)
{
	char		 user[128];
	const char	*p = strstr(opt.rcpt, "%d");

	if (p == NULL)
		snprintf(user, sizeof(user), "%s", opt.rcpt);
	else
		snprintf(user, sizeof(user), "%.*s%llu%s",
		    (int)(p - opt.rcpt), opt.rcpt,
		    (unsigned long long)(n % opt.users), p + 2);
	if (opt.domain != NULL) {
		p = strstr(opt.domain, "%d");
		buf_addf(out, "RCPT TO:<u%llu@%.*s%llu%s>\r\n",
		    (unsigned long long)n,
		    (int)(p == NULL ? (long)strlen(opt.domain) :
		    p - opt.domain), opt.domain,
		    (unsigned long long)(n % opt.domains),
		    p == NULL ? "" : p + 2);
	} else
		buf_addf(out, "RCPT TO:<%s>\r\n", user);
}

static void
begin_message(struct session *c)
{
	struct buf	*out = stream_out(c->s);
	uint64_t	 n = g.begun;

	if (n >= opt.messages || (opt.per_connection > 0 &&
	    c->sent_here >= opt.per_connection)) {
		c->state = ST_QUIT;
		buf_adds(out, "QUIT\r\n");
		stream_flush(c->s);
		return;
	}
	g.begun++;
	c->number = n;
	c->sent_here++;
	c->bad = false;
	c->since = clock_mono();
	c->state = ST_ENVELOPE;
	buf_addf(out, "MAIL FROM:<%s>\r\n", opt.sender);
	c->rcpts_left = opt.rcpts;
	c->replies_due = 1;
	if (opt.pipeline) {
		for (uint64_t i = 0; i < opt.rcpts; i++)
			add_rcpt(out, n * opt.rcpts + i);
		buf_adds(out, "DATA\r\n");
		c->replies_due += opt.rcpts + 1;
		c->rcpts_left = 0;
	}
	stream_flush(c->s);
}

static void
send_content(struct session *c)
{
	buf_add_slice(stream_out(c->s), g.contents[c->number % g.ncontents]);
	c->state = ST_DATA;
	c->finals_due = opt.lmtp ? opt.rcpts : 1;
	stream_flush(c->s);
}

/* Without pipelining: the next command of the envelope. */
static void
next_command(struct session *c)
{
	struct buf	*out = stream_out(c->s);

	if (c->rcpts_left > 0) {
		c->rcpts_left--;
		add_rcpt(out, c->number * opt.rcpts + c->rcpts_left);
		c->replies_due = 1;
		if (c->rcpts_left == 0)
			c->rcpts_left = UINT64_MAX;	/* DATA is next */
	} else
		return;
	stream_flush(c->s);
}

static void
envelope_reply(struct session *c, int code)
{
	if (code >= 400)
		c->bad = true;
	c->replies_due--;
	if (code == 354) {
		send_content(c);
		return;
	}
	if (c->replies_due > 0)
		return;
	if (c->bad) {
		g.failed++;
		finished();
		drop(c);
		return;
	}
	if (c->rcpts_left == UINT64_MAX) {
		c->rcpts_left = 0;
		c->replies_due = 1;
		buf_adds(stream_out(c->s), "DATA\r\n");
		stream_flush(c->s);
	} else
		next_command(c);
}

static void
final_reply(struct session *c, int code)
{
	if (code / 100 != 2)
		c->bad = true;
	if (--c->finals_due > 0)
		return;
	if (c->bad)
		g.failed++;
	else
		g.latency[g.done++] = clock_mono() - c->since;
	finished();
	begin_message(c);
}

static void
on_reply(struct session *c, int code)
{
	switch (c->state) {
	case ST_GREETING:
		buf_addf(stream_out(c->s), "%s load.test\r\n",
		    opt.lmtp ? "LHLO" : "EHLO");
		c->state = ST_EHLO;
		stream_flush(c->s);
		break;
	case ST_EHLO:
		if (opt.tls && !c->secured) {
			buf_adds(stream_out(c->s), "STARTTLS\r\n");
			c->state = ST_STARTTLS;
			stream_flush(c->s);
		} else
			begin_message(c);
		break;
	case ST_STARTTLS:
		if (stream_tls_connect(c->s, g.tls, TLS_ENCRYPT,
		    opt.host) < 0)
			drop(c);
		break;
	case ST_ENVELOPE:
		envelope_reply(c, code);
		break;
	case ST_DATA:
		final_reply(c, code);
		break;
	case ST_QUIT:
		drop(c);
		break;
	}
}

static void
on_input(void *arg)
{
	struct session	*c = arg;

	while (c->s != NULL) {
		struct slice	in = stream_in(c->s);
		ptrdiff_t	nl = slice_find(in, '\n');
		bool		last;
		int		code;

		if (nl < 0)
			return;
		last = nl < 4 || in.p[3] != '-';
		code = nl < 4 ? 500 : (in.p[0] - '0') * 100 +
		    (in.p[1] - '0') * 10 + (in.p[2] - '0');
		stream_take(c->s, (size_t)nl + 1);
		if (last)
			on_reply(c, code);
	}
}

static void
on_secured(void *arg)
{
	struct session	*c = arg;

	c->secured = true;
	c->state = ST_GREETING;
	on_reply(c, 220);
}

static void
on_ended(void *arg, enum stream_end end, const char *why)
{
	struct session	*c = arg;

	(void)end;
	if (c->state == ST_ENVELOPE || c->state == ST_DATA) {
		fprintf(stderr, "smtpload: %s\n", why);
		g.failed++;
		finished();
	}
	drop(c);
}

static const struct stream_ops	ops = {
	.input = on_input, .secured = on_secured, .ended = on_ended
};

static void
on_dialled(void *arg, int fd, const struct error *err)
{
	struct session	*c = arg;

	c->dial = NULL;
	if (fd < 0) {
		fprintf(stderr, "smtpload: %s\n", err->text);
		g.failed++;
		g.begun++;
		finished();
		if (g.begun < opt.messages)
			dial_again(c);
		return;
	}
	sock_nodelay(fd);
	c->s = stream_new(g.loop, fd, 65536, g.largest + 1048576, &ops, c);
}

static void
dial_again(struct session *c)
{
	c->state = ST_GREETING;
	c->secured = false;
	c->sent_here = 0;
	c->dial = dial_tcp(g.loop, &g.to, NULL, SECS(30), on_dialled, c);
}

static void
time_is_up(void *arg)
{
	(void)arg;
	opt.messages = g.begun;
	finished();
}

static void
add_content(struct slice content)
{
	g.contents[g.ncontents++] = content;
	if (content.len > g.largest)
		g.largest = content.len;
}

/* A message of the size asked for, in wire form with its final dot. */
static void
make_content(void)
{
	static const char	head[] =
	    "From: <load@elsewhere.test>\r\nTo: <someone@bench.test>\r\n"
	    "Subject: load\r\nDate: Sun, 22 Nov 2026 10:00:00 +0000\r\n"
	    "Message-ID: <load@elsewhere.test>\r\n\r\n";
	static const char	line[] =
	    "0123456789 The quick brown fox jumps over the lazy dog. "
	    "abcdefg\r\n";
	static struct buf	b;

	buf_init(&b, (size_t)opt.bytes + 4096);
	buf_adds(&b, head);
	while (buf_len(&b) + sizeof(line) < opt.bytes)
		buf_adds(&b, line);
	buf_adds(&b, ".\r\n");
	g.contents = mem_new(1, sizeof(*g.contents));
	add_content(buf_slice(&b));
}

static struct slice
read_content(int dirfd, const char *name)
{
	struct stat	 st;
	unsigned char	*p;
	int		 fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &st) < 0) {
		perror(name);
		exit(1);
	}
	p = mem_new(1, (size_t)st.st_size + 1);
	if (read(fd, p, (size_t)st.st_size) != st.st_size) {
		fprintf(stderr, "smtpload: %s: cut short\n", name);
		exit(1);
	}
	close(fd);
	return (struct slice){ p, (size_t)st.st_size };
}

/* In the order of their names, so that every run sends the same. */
static void
read_contents(void)
{
	struct dirent	**names;
	int		  dirfd, n;

	dirfd = open(opt.directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	n = scandir(opt.directory, &names, NULL, alphasort);
	if (dirfd < 0 || n < 0) {
		perror(opt.directory);
		exit(1);
	}
	g.contents = mem_new((size_t)n + 1, sizeof(*g.contents));
	for (int i = 0; i < n; i++) {
		if (names[i]->d_name[0] != '.')
			add_content(read_content(dirfd, names[i]->d_name));
		free(names[i]);
	}
	free(names);
	close(dirfd);
	if (g.ncontents == 0) {
		fprintf(stderr, "smtpload: no files in %s\n", opt.directory);
		exit(1);
	}
}

static uint64_t
number(const char *text)
{
	uint64_t	n;

	if (!slice_u64(slice_str(text), 1000000000, &n)) {
		fprintf(stderr, "smtpload: not a number: %s\n", text);
		exit(64);
	}
	return n;
}

static uint64_t
milliseconds(const char *seconds)
{
	char	*end;
	double	 v = strtod(seconds, &end);

	if (*end != '\0' || v <= 0 || v > 86400) {
		fprintf(stderr, "smtpload: not a time: %s\n", seconds);
		exit(64);
	}
	return (uint64_t)(v * 1000);
}

static void
options(int argc, char **argv)
{
	int	c;

	while ((c = getopt(argc, argv,
	    "H:p:s:m:k:l:f:t:u:r:d:n:D:S:PTL")) != -1) {
		switch (c) {
		case 'H': opt.host = optarg; break;
		case 'p': opt.port = (uint16_t)number(optarg); break;
		case 's': opt.sessions = (int)number(optarg); break;
		case 'm': opt.messages = number(optarg); break;
		case 'k': opt.per_connection = number(optarg); break;
		case 'l': opt.bytes = number(optarg); break;
		case 'f': opt.sender = optarg; break;
		case 't': opt.rcpt = optarg; break;
		case 'u': opt.users = number(optarg); break;
		case 'r': opt.rcpts = number(optarg); break;
		case 'd': opt.domain = optarg; break;
		case 'n': opt.domains = number(optarg); break;
		case 'D': opt.directory = optarg; break;
		case 'S': opt.milliseconds = milliseconds(optarg); break;
		case 'P': opt.pipeline = true; break;
		case 'T': opt.tls = true; break;
		case 'L': opt.lmtp = true; break;
		default: exit(64);
		}
	}
}

static int
by_time(const void *a, const void *b)
{
	usec_t	x = *(const usec_t *)a, y = *(const usec_t *)b;

	return x < y ? -1 : x > y;
}

static double
percentile(double p)
{
	if (g.done == 0)
		return 0;
	return (double)g.latency[(size_t)((double)(g.done - 1) * p)] / 1e3;
}

static void
report(usec_t took)
{
	struct rusage	u;

	qsort(g.latency, (size_t)g.done, sizeof(*g.latency), by_time);
	getrusage(RUSAGE_SELF, &u);
	printf("{\"seconds\": %.4f, \"messages\": %llu, \"failed\": %llu, "
	    "\"per_second\": %.1f, \"median_ms\": %.3f, \"p99_ms\": %.3f, "
	    "\"generator_cpu\": %.3f}\n", (double)took / 1e6,
	    (unsigned long long)g.done, (unsigned long long)g.failed,
	    (double)g.done / ((double)took / 1e6), percentile(0.5),
	    percentile(0.99), (double)u.ru_utime.tv_sec +
	    (double)u.ru_utime.tv_usec / 1e6 + (double)u.ru_stime.tv_sec +
	    (double)u.ru_stime.tv_usec / 1e6);
}

int
main(int argc, char **argv)
{
	struct tls_client_conf	 tc = { .opportunistic = true };
	struct rlimit		 lim;
	struct session		*all;
	struct error		 err;
	usec_t			 begun;

	options(argc, argv);
	if (getrlimit(RLIMIT_NOFILE, &lim) == 0) {
		lim.rlim_cur = lim.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &lim);
	}
	if (sock_parse(opt.host, opt.port, &g.to, &err) < 0 || (opt.tls &&
	    (g.tls = tls_client_new(&tc, &err)) == NULL)) {
		fprintf(stderr, "smtpload: %s\n", err.text);
		return 64;
	}
	if (opt.directory != NULL)
		read_contents();
	else
		make_content();
	g.loop = loop_new();
	g.latency = mem_new((size_t)opt.messages + 1, sizeof(*g.latency));
	all = mem_new((size_t)opt.sessions, sizeof(*all));
	g.alive = opt.sessions;
	begun = clock_mono();
	if (opt.milliseconds > 0)
		loop_timer_set(loop_timer_new(g.loop, time_is_up, NULL),
		    MSECS((usec_t)opt.milliseconds));
	for (int i = 0; i < opt.sessions; i++)
		dial_again(&all[i]);
	loop_run(g.loop);
	report(clock_mono() - begun);
	return g.failed == 0 ? 0 : 1;
}
