/* SPDX-License-Identifier: Apache-2.0 */
/* postcat - show queue files, with Postfix's options and names of records. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "ipc/deliver_msg.h"
#include "mail/header.h"
#include "queue/journal.h"
#include "queue/queue.h"
#include "sys/file.h"
#include "tools/tool.h"

#define CHUNK	((size_t)65536)

struct show {
	bool	 envelope, header, body;
	bool	 offsets, by_id, prefix;
};

struct postcat {
	struct tool	 t;
	struct show	 show;
	const char	*name;		/* of the file, for -f */
	uint64_t	 at;		/* offset of the line, for -o */
	bool		 line_start;
};

/* The start of an output line. */
static void
begin_line(const struct postcat *p)
{
	if (p->show.prefix)
		(void)printf("%s: ", p->name);
	if (p->show.offsets)
		(void)printf("%9" PRIu64 " ", p->at);
}

static void	 line(const struct postcat *p, const char *fmt, ...)
		    PRINTF(2, 3);

static void
line(const struct postcat *p, const char *fmt, ...)
{
	va_list	 ap;

	begin_line(p);
	va_start(ap, fmt);
	(void)vprintf(fmt, ap);
	va_end(ap);
	(void)putchar('\n');
}

static void
title(const struct postcat *p, const char *what)
{
	if (p->show.prefix)
		(void)printf("%s: ", p->name);
	(void)printf("*** %s %s ***\n", what, p->name);
}

/*
 * Envelope.
 */

static void
attribute(const struct postcat *p, const char *name, const char *value)
{
	if (value != NULL)
		line(p, "named_attribute: %s=%s", name, value);
}

static void
rcpt(const struct postcat *p, const struct queue_rcpt *r)
{
	if (r->dsn_orcpt != NULL)
		line(p, "dsn_orig_rcpt: %s", r->dsn_orcpt);
	if (r->notify != 0)
		line(p, "notify_flags: %u", r->notify);
	line(p, "original_recipient: %s", r->original);
	line(p, "%s: %s", r->status == RCPT_TODO ? "recipient" :
	    r->status == RCPT_BOUNCED ? "bounced_recipient" :
	    "done_recipient", r->address);
}

static void
envelope(const struct postcat *p, const struct queue_msg *m)
{
	const struct queue_env	*e = &m->env;
	time_t			 t = (time_t)(e->arrival / USEC_PER_SEC);
	char			 when[64] = "";
	struct tm		 tm;
	usec_t			 due;
	unsigned int		 attempts;

	title(p, "ENVELOPE RECORDS");
	line(p, "message_size: %15" PRIu64 "%16" PRIu64 "%16zu%16u%16" PRIu64,
	    m->content_size, m->content_offset, e->nrcpts, e->flags,
	    m->content_size);
	if (localtime_r(&t, &tm) != NULL)
		(void)strftime(when, sizeof(when), "%a %b %e %H:%M:%S %Y",
		    &tm);
	line(p, "message_arrival_time: %s", when);
	line(p, "create_time: %s", when);
	attribute(p, "log_client_name", e->client_name);
	attribute(p, "log_client_address", e->client_address);
	attribute(p, "log_client_port", e->client_port);
	attribute(p, "log_helo_name", e->client_helo);
	attribute(p, "log_protocol_name", e->client_protocol);
	attribute(p, "sasl_method", e->sasl_method);
	attribute(p, "sasl_username", e->sasl_username);
	attribute(p, "message_id", e->message_id);
	attribute(p, "dsn_envid", e->dsn_envid);
	if (e->dsn_ret != 0)
		line(p, "named_attribute: ret_flags=%u", e->dsn_ret);
	if (queue_msg_get_due(m, &due, &attempts, NULL) == 0 && due != 0)
		line(p, "named_attribute: next_attempt=%lld attempts=%u",
		    (long long)(due / USEC_PER_SEC), attempts);
	line(p, "sender: %s", e->sender);
	for (size_t i = 0; i < e->nrcpts; i++)
		rcpt(p, &e->rcpts[i]);
}

/*
 * Content.
 */

/* CRLF is shown as the line end it is. */
static void
text(struct postcat *p, struct slice s)
{
	for (size_t i = 0; i < s.len; i++, p->at++) {
		if (p->line_start)
			begin_line(p);
		p->line_start = s.p[i] == '\n';
		if (s.p[i] != '\r')
			(void)putchar(s.p[i]);
	}
}

static void
content(struct postcat *p, const struct queue_msg *m)
{
	struct header_scan	 scan = { .any = false };
	unsigned char		*chunk = mem_new(1, CHUNK);
	uint64_t		 done = 0;
	bool			 over = false;

	p->at = m->content_offset;
	p->line_start = true;
	while (done < m->content_size && (!over || p->show.body)) {
		size_t		want = m->content_size - done < CHUNK ?
		    (size_t)(m->content_size - done) : CHUNK;
		ssize_t		n = file_pread(m->fd, chunk, want,
		    (off_t)(m->content_offset + done));
		struct slice	s;
		size_t		head = 0;

		if (n <= 0)
			tool_fatal(EX_IOERR, "%s: read error", p->name);
		s = slice_of(chunk, (size_t)n);
		if (!over)
			head = header_scan(&scan, s, &over);
		if (p->show.header)
			text(p, slice_first(s, head));
		else
			p->at += head;
		if (p->show.body)
			text(p, slice_from(s, head));
		done += (uint64_t)n;
	}
	if (!p->line_start)
		(void)putchar('\n');
	mem_free(&chunk);
}

static void
message(struct postcat *p, const struct queue_msg *m)
{
	if (p->show.envelope)
		envelope(p, m);
	if (p->show.header || p->show.body) {
		if (p->show.envelope)
			title(p, "MESSAGE CONTENTS");
		content(p, m);
	}
	if (p->show.envelope) {
		title(p, "HEADER EXTRACTED");
		title(p, "MESSAGE FILE END");
	}
	if (fflush(stdout) != 0)
		tool_fatal(EX_IOERR, "write error");
}

/*
 * Files.
 */

static int
show(struct postcat *p, enum queue_read got, struct queue_msg *m,
    const char *name, const struct error *err)
{
	p->name = name;
	switch (got) {
	case QUEUE_OK:
		message(p, m);
		queue_msg_close(m);
		return EX_OK;
	case QUEUE_GONE:
		tool_warn("open queue file %s: %s", name, strerror(ENOENT));
		return EX_NOINPUT;
	case QUEUE_INCOMPLETE:
	case QUEUE_BAD:
	case QUEUE_ERROR:
		tool_warn("%s: %s", name, err->text);
		return EX_DATAERR;
	}
	return EX_SOFTWARE;
}

/* In any directory of the queue: where the id says, the id being the last part
 * of a path. */
static int
show_in(struct postcat *p, struct queue *q, enum queue_dir dir,
    const char *id, const char *name)
{
	struct arena		*a = arena_new();
	struct queue_msg	 m;
	struct error		 err;
	enum queue_read		 got = queue_msg_open(q, dir, id, false, false,
				    a, &m, &err);
	int			 status = show(p, got, &m, name, &err);

	arena_free(&a);
	return status;
}

static int
show_in_journal(struct postcat *p, struct queue *q, const char *id)
{
	struct arena		*a = arena_new();
	struct queue_msg	 m;
	struct error		 err;
	enum queue_read		 got = journal_find(q, id, a, &m, &err);
	int			 status = show(p, got, &m, id, &err);

	arena_free(&a);
	return status;
}

static struct queue *
open_queue(const char *dir)
{
	struct queue_conf	 qc = { .dir = dir };
	struct queue		*q;
	struct error		 err;

	if (queue_open(&qc, false, NULL, &q, &err) < 0)
		tool_fatal(EX_OSFILE, "%s", err.text);
	return q;
}

static int
show_id(struct postcat *p, struct queue *q, const char *id)
{
	enum queue_dir	dir;

	if (!queue_find(q, id, &dir))
		return show_in_journal(p, q, id);
	return show_in(p, q, dir, id, arena_printf(p->t.mem, "%s/%s",
	    queue_dir_names[dir], id));
}

/* ".../queue/cur/ID": the library opens files by directory and id only. */
static int
show_path(struct postcat *p, const char *path)
{
	char		*copy = arena_strdup(p->t.mem, path);
	char		*id = strrchr(copy, '/'), *dir;
	struct queue	*q;
	int		 d, status;

	if (id == NULL)
		tool_fatal(EX_USAGE, "%s: not the path of a queue file (use "
		    "-q for queue ids)", path);
	*id++ = '\0';
	dir = strrchr(copy, '/');
	dir = dir != NULL ? dir + 1 : copy;
	for (d = 0; d < QUEUE_DIRS; d++)
		if (strcmp(dir, queue_dir_names[d]) == 0)
			break;
	if (d == QUEUE_DIRS || !queue_id_ok(id))
		tool_fatal(EX_USAGE, "%s: not the path of a queue file",
		    path);
	if (dir == copy)
		q = open_queue(".");
	else {
		dir[-1] = '\0';
		q = open_queue(copy[0] == '\0' ? "/" : copy);
	}
	status = show_in(p, q, (enum queue_dir)d, id, path);
	queue_close(&q);
	return status;
}

static void
usage(void)
{
	tool_fatal(EX_USAGE, "usage: postcat [-b (body text)] [-c config_dir]"
	    " [-e (envelope records)] [-f (file name prefix)] [-h (header"
	    " text)] [-o (offsets)] [-q (access queue)] [-v] file(s)...");
}

int
main(int argc, char **argv)
{
	struct postcat	 p = { .line_start = true };
	struct queue	*q = NULL;
	const char	*dir = NULL;
	int		 c, status = EX_OK;

	tool_begin("postcat");
	while ((c = getopt(argc, argv, "bc:defhnoqrs:v")) != -1)
		switch (c) {
		case 'b': p.show.body = true; break;
		case 'c': dir = optarg; break;
		case 'e': p.show.envelope = true; break;
		case 'f': p.show.prefix = true; break;
		case 'h': p.show.header = true; break;
		case 'o': p.show.offsets = true; break;
		case 'q': p.show.by_id = true; break;
		case 'd':	/* record types: ours have no numbers */
		case 'n':
		case 'r':	/* there are no pointers to follow */
		case 's':
		case 'v':
			break;
		default:
			usage();
		}
	if (optind == argc)
		usage();
	if (!p.show.body && !p.show.envelope && !p.show.header)
		p.show.body = p.show.envelope = p.show.header = true;
	tool_open(&p.t, dir);
	if (p.show.by_id)
		q = open_queue(p.t.common.queue_directory);
	for (char **arg = argv + optind; *arg != NULL; arg++) {
		int	r = q != NULL ? show_id(&p, q, *arg) :
		    show_path(&p, *arg);

		if (r != EX_OK)
			status = r;
	}
	queue_close(&q);
	tool_close(&p.t);
	return status;
}
