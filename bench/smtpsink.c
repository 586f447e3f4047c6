/* SPDX-License-Identifier: Apache-2.0 */
/* smtpsink - the bare bones of an SMTP server in one event loop.
 *	smtpsink -H host -p port [-j journal [-S MiB]] [-C chain]
 * Without -j it forgets mail: the far end of relay benchmarks.  With -j it is
 * the bound for reception: each message is appended to a pre-written journal,
 * and one fdatasync answers every session that finished meanwhile.  -C offers
 * STARTTLS with that key and certificate.  SIGTERM prints what was counted. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/list.h"
#include "base/mem.h"
#include "base/slice.h"
#include "net/stream.h"
#include "net/tls.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "sys/loop.h"
#include "sys/sock.h"
#include "sys/syncer.h"

#define MESSAGE_MAX	((size_t)64 << 20)

static struct {
	struct loop	*loop;
	struct syncer	*syncer;
	struct tls_ctx	*tls;		/* NULL: none */
	int		 listener, journal;
	off_t		 at, size;
	bool		 syncing;
	struct list	 waiting;	/* finished, not synced */
	struct list	 covered;	/* by the sync under way */
	uint64_t	 messages, rcpts, bytes, connections, syncs;
} g;

struct client {
	struct stream	*s;
	struct list	 link;
	struct buf	 data;
	bool		 in_data;
	size_t		 scanned;
};

static void	 start_sync(void);

static void
say(struct client *c, const char *text)
{
	buf_adds(stream_out(c->s), text);
}

static void
gone(struct client *c)
{
	list_remove(&c->link);
	stream_close(&c->s);
	buf_clear(&c->data);
	mem_free(&c);
}

static void
answer(struct client *c)
{
	g.messages++;
	say(c, "250 2.0.0 Ok: queued\r\n");
	stream_flush(c->s);
}

static void
sync_work(void *arg)
{
	(void)arg;
	if (fdatasync(g.journal) < 0)
		abort();
}

static void
sync_done(void *arg)
{
	struct list	*l;

	(void)arg;
	g.syncs++;
	g.syncing = false;
	while ((l = list_take(&g.covered)) != NULL)
		answer(LIST_ENTRY(l, struct client, link));
	start_sync();
}

static void
start_sync(void)
{
	struct list	*l;

	if (g.syncing || list_empty(&g.waiting))
		return;
	while ((l = list_take(&g.waiting)) != NULL)
		list_put_last(&g.covered, l);
	g.syncing = true;
	syncer_run(g.syncer, sync_work, sync_done, NULL);
}

static void
message_done(struct client *c)
{
	struct slice	s = buf_slice(&c->data);

	g.bytes += s.len;
	if (g.journal < 0) {
		answer(c);
	} else {
		if (g.at + (off_t)s.len > g.size)
			g.at = 0;
		if (file_pwrite(g.journal, s.p, s.len, g.at) < 0)
			abort();
		g.at += (off_t)s.len;
		list_put_last(&g.waiting, &c->link);
		start_sync();
	}
	buf_reset(&c->data);
	c->in_data = false;
	c->scanned = 0;
}

/* Content up to CRLF.CRLF.  True: there is more to look at. */
static bool
take_data(struct client *c)
{
	struct slice	in = stream_in(c->s);
	ptrdiff_t	end;
	size_t		from;

	from = buf_len(&c->data) > 4 ? buf_len(&c->data) - 4 : 0;
	buf_add_slice(&c->data, in);
	stream_take(c->s, in.len);
	if (c->data.overflow) {
		gone(c);
		return false;
	}
	end = slice_search(slice_from(buf_slice(&c->data), from),
	    SLICE_LIT("\r\n.\r\n"));
	if (end < 0)
		return false;
	message_done(c);
	return false;
}

static void
take_line(struct client *c, struct slice line)
{
	if (slice_istarts(line, "EHLO") || slice_istarts(line, "LHLO"))
		say(c, "250-sink\r\n250-PIPELINING\r\n250-8BITMIME\r\n"
		    "250-SMTPUTF8\r\n250-DSN\r\n250 SIZE\r\n");
	else if (slice_istarts(line, "DATA")) {
		say(c, "354 go\r\n");
		c->in_data = true;
		/* The content's first line may be the dot. */
		buf_adds(&c->data, "\r\n");
	} else if (slice_istarts(line, "STARTTLS"))
		say(c, g.tls != NULL ? "220 2.0.0 go\r\n" :
		    "502 5.5.1 not here\r\n");
	else if (slice_istarts(line, "QUIT"))
		say(c, "221 2.0.0 Bye\r\n");
	else {
		if (slice_istarts(line, "RCPT"))
			g.rcpts++;
		say(c, "250 2.1.0 Ok\r\n");
	}
}

static void
on_input(void *arg)
{
	struct client	*c = arg;

	for (;;) {
		struct slice	in = stream_in(c->s), line;
		ptrdiff_t	nl;
		bool		secure;

		if (in.len == 0)
			break;
		if (c->in_data) {
			if (!take_data(c))
				return;
			continue;
		}
		if (list_linked(&c->link) || (nl = slice_find(in, '\n')) < 0)
			break;
		line = slice_first(in, (size_t)nl);
		secure = g.tls != NULL && slice_istarts(line, "STARTTLS");
		take_line(c, line);
		stream_take(c->s, (size_t)nl + 1);
		/* Last: TLS begins with nothing unread. */
		if (secure && stream_tls_accept(c->s, g.tls) < 0) {
			gone(c);
			return;
		}
	}
	stream_flush(c->s);
}

static void
on_ended(void *arg, enum stream_end end, const char *why)
{
	(void)end;
	(void)why;
	gone(arg);
}

static const struct stream_ops	ops = {
	.input = on_input, .ended = on_ended
};

static void
on_accept(void *arg, int what)
{
	int	fd;

	(void)arg;
	(void)what;
	while ((fd = sock_accept(g.listener, NULL)) >= 0) {
		struct client	*c = mem_new(1, sizeof(*c));

		sock_nodelay(fd);
		g.connections++;
		buf_init(&c->data, MESSAGE_MAX);
		c->s = stream_new(g.loop, fd, 1048576, 65536, &ops, c);
		say(c, "220 sink ESMTP\r\n");
		stream_flush(c->s);
	}
}

static void
on_term(void *arg)
{
	(void)arg;
	loop_stop(g.loop);
}

/* Written once over, so that later syncs carry data and nothing else. */
static void
open_journal(const char *path, uint64_t mib)
{
	static char	zero[1048576];

	g.journal = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (g.journal < 0) {
		perror(path);
		exit(1);
	}
	for (uint64_t i = 0; i < mib; i++) {
		if (file_pwrite(g.journal, zero, sizeof(zero),
		    (off_t)(i << 20)) < 0)
			exit(1);
	}
	g.size = (off_t)(mib << 20);
	if (fsync(g.journal) < 0)
		exit(1);
}

static uint64_t
number(const char *text)
{
	uint64_t	n;

	if (!slice_u64(slice_str(text), 1000000, &n))
		exit(64);
	return n;
}

static void
open_tls(const char *chain)
{
	struct tls_server_conf	conf = { .chain_file = chain,
	    .protocols = ">=TLSv1.2", .session_id = "sink" };
	struct error		err;

	if ((g.tls = tls_server_new(&conf, &err)) == NULL) {
		fprintf(stderr, "smtpsink: %s\n", err.text);
		exit(1);
	}
}

int
main(int argc, char **argv)
{
	const char		*host = "127.0.0.1", *journal = NULL;
	uint64_t		 port = 2525, mib = 256;
	struct sock_addr	 a;
	struct error		 err;
	struct rlimit		 lim;
	int			 c;

	while ((c = getopt(argc, argv, "H:p:j:S:C:")) != -1) {
		switch (c) {
		case 'H': host = optarg; break;
		case 'p': port = number(optarg); break;
		case 'j': journal = optarg; break;
		case 'S': mib = number(optarg); break;
		case 'C': open_tls(optarg); break;
		default: return 64;
		}
	}
	if (getrlimit(RLIMIT_NOFILE, &lim) == 0) {
		lim.rlim_cur = lim.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &lim);
	}
	g.journal = -1;
	if (journal != NULL)
		open_journal(journal, mib);
	g.loop = loop_new();
	g.syncer = syncer_new(g.loop, 1);
	list_init(&g.waiting);
	list_init(&g.covered);
	if (sock_parse(host, (uint16_t)port, &a, &err) < 0 ||
	    (g.listener = sock_listen(&a, 4096, &err)) < 0) {
		fprintf(stderr, "smtpsink: %s\n", err.text);
		return 1;
	}
	(void)!loop_fd_new(g.loop, g.listener, LOOP_READ, on_accept, NULL);
	(void)!loop_signal_new(g.loop, SIGTERM, on_term, NULL);
	loop_run(g.loop);
	printf("{\"messages\": %llu, \"rcpts\": %llu, \"bytes\": %llu, "
	    "\"connections\": %llu, \"syncs\": %llu}\n",
	    (unsigned long long)g.messages, (unsigned long long)g.rcpts,
	    (unsigned long long)g.bytes, (unsigned long long)g.connections,
	    (unsigned long long)g.syncs);
	return 0;
}
