/* SPDX-License-Identifier: Apache-2.0 */
/* postsuper - what the superuser does to the queue.
 *
 * While qmgr runs, it owns the queue and is asked; its socket tells whether
 * it does.  Otherwise the files are moved here, by the same library. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "ipc/ipc.h"
#include "ipc/queue_msg.h"
#include "queue/inflight.h"
#include "queue/journal.h"
#include "queue/queue.h"
#include "sys/log.h"
#include "sys/loop.h"
#include "tools/tool.h"

#define PATIENCE	SECS(3600)	/* all of a long queue takes its time */
#define REQUESTS_MAX	1000
#define TMP_AGE		SECS(36 * 3600)		/* no writer lives so long */

struct op {
	char		 letter;
	const char	*name;		/* to qmgr */
	const char	*done, *total;	/* in the report */
};
static const struct op	ops[] = {
	{ 'd', "delete", "removed", "Deleted" },
	{ 'h', "hold", "placed on hold", "Placed on hold" },
	{ 'H', "release", "released from hold", "Released from hold" },
	{ 'r', "requeue", "requeued", "Requeued" },
};
#define OPS	(sizeof(ops) / sizeof(ops[0]))

struct request {
	const struct op	*op;
	const char	*id;		/* "ALL", "-" */
};

struct super {
	struct tool	 t;
	struct queue	*queue;
	struct loop	*loop;
	struct ipc	*qmgr;		/* NULL: not running */
	char		**names;	/* queues asked for; NULL-terminated */
	bool		 structure, purge;
	struct request	 requests[REQUESTS_MAX];
	size_t		 nrequests;
	uint64_t	 counts[OPS];
	/* The answer under way. */
	bool		 answered;
	struct queue_done done;
};

static void	 report(const char *fmt, ...) PRINTF(1, 2);

/* To the terminal and to the log. */
static void
report(const char *fmt, ...)
{
	char	 text[256];
	va_list	 ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	(void)fprintf(stderr, "postsuper: %s\n", text);
	log_info("%s", text);
}

/*
 * Through qmgr.
 */

static void
on_done(void *arg, void *reply, const char *why)
{
	struct super			*s = arg;
	const struct queue_done		*d = reply;

	s->answered = true;
	if (d == NULL)
		tool_fatal(EX_TEMPFAIL, "queue manager: %s", why);
	s->done = *d;
	if (!d->ok)
		tool_fatal(EX_NOPERM, "queue manager: %s",
		    d->reason != NULL ? d->reason : "refused");
}

static uint64_t
ask_qmgr(struct super *s, const struct op *op, const char *id,
    const char *queue_name)
{
	struct queue_admin	 ask = { op->name, id, queue_name };
	struct error		 err;

	s->answered = false;
	if (ipc_call(s->qmgr, &queue_admin_desc, &ask, &queue_done_desc,
	    PATIENCE, on_done, s, &err) == 0)
		tool_fatal(EX_TEMPFAIL, "queue manager: %s", err.text);
	while (!s->answered)
		loop_once(s->loop, SECS(1));
	return s->done.count;
}

/*
 * By hand.
 */

static bool
name_is(const char *queue_name, enum queue_dir dir)
{
	switch (dir) {
	case QUEUE_NEW:
		return strcmp(queue_name, "incoming") == 0;
	case QUEUE_CUR:
		/* Which of both it is, only a running qmgr knows. */
		return strcmp(queue_name, "active") == 0 ||
		    strcmp(queue_name, "deferred") == 0;
	case QUEUE_HOLD:
		return strcmp(queue_name, "hold") == 0;
	case QUEUE_TMP:
	case QUEUE_CORRUPT:
	case QUEUE_DIRS:
		break;
	}
	return false;
}

static int
requeue(struct super *s, const char *id, enum queue_dir dir,
    struct error *err)
{
	struct arena		*a = arena_new();
	struct queue_msg	 m;
	int			 r = 0;

	if (queue_msg_open(s->queue, dir, id, true, false, a, &m, err) !=
	    QUEUE_OK)
		r = -1;
	else if (queue_msg_set_due(&m, 0, 0, err) < 0)
		r = -1;
	queue_msg_close(&m);
	arena_free(&a);
	if (r < 0 || dir == QUEUE_NEW)
		return r;
	return queue_move(s->queue, id, dir, QUEUE_NEW, err);
}

/* 1: done, 0: not for this one. */
static uint64_t
do_here(struct super *s, const struct op *op, const char *id,
    const char *queue_name)
{
	enum queue_dir	 dir;
	struct error	 err;
	int		 r = 0;

	if (!queue_find(s->queue, id, &dir) || dir == QUEUE_CORRUPT ||
	    (queue_name != NULL && !name_is(queue_name, dir)))
		return 0;
	switch (op->letter) {
	case 'd':
		r = queue_remove(s->queue, id, dir, &err);
		break;
	case 'h':
		if (dir == QUEUE_HOLD)
			return 0;
		r = queue_move(s->queue, id, dir, QUEUE_HOLD, &err);
		break;
	case 'H':
		if (dir != QUEUE_HOLD)
			return 0;
		r = queue_move(s->queue, id, QUEUE_HOLD, QUEUE_NEW, &err);
		break;
	case 'r':
		r = requeue(s, id, dir, &err);
		break;
	}
	if (r < 0) {
		tool_warn("%s: %s", id, err.text);
		return 0;
	}
	return 1;
}

struct ids {
	struct arena	*a;
	const char	**list;
	size_t		 n, size;
};

static bool
collect(void *arg, const char *id)
{
	struct ids	*l = arg;

	if (l->n == l->size) {
		size_t		 size = l->size * 2 + 1024;
		const char	**more = arena_array(l->a, size,
		    sizeof(*more));

		if (l->n > 0)
			memcpy(more, l->list, l->n * sizeof(*more));
		l->list = more;
		l->size = size;
	}
	l->list[l->n++] = arena_strdup(l->a, id);
	return true;
}

static uint64_t
do_all_here(struct super *s, const struct op *op, const char *queue_name)
{
	static const enum queue_dir	dirs[] = {
		QUEUE_HOLD, QUEUE_NEW, QUEUE_CUR
	};
	struct ids	 l = { .a = arena_new() };
	struct error	 err;
	uint64_t	 count = 0;

	/* Listed first, as the work moves files between the directories. */
	for (size_t i = 0; i < COUNT(dirs); i++)
		if (queue_each(s->queue, dirs[i], collect, &l, &err) < 0)
			tool_fatal(EX_IOERR, "%s", err.text);
	for (size_t i = 0; i < l.n; i++) {
		uint64_t	n = do_here(s, op, l.list[i], queue_name);

		if (n > 0)
			log_info("%s: %s", l.list[i], op->done);
		count += n;
	}
	arena_free(&l.a);
	return count;
}

static uint64_t
run_one(struct super *s, const struct op *op, const char *id,
    const char *queue_name)
{
	if (s->qmgr != NULL)
		return ask_qmgr(s, op, id, queue_name);
	if (strcmp(id, "ALL") == 0)
		return do_all_here(s, op, queue_name);
	return do_here(s, op, id, queue_name);
}

static void
run(struct super *s, const struct op *op, const char *id)
{
	uint64_t	 n = 0;
	bool		 all = strcmp(id, "ALL") == 0;

	if (!all && !queue_id_ok(id)) {
		tool_warn("bad queue id: %s", id);
		return;
	}
	if (s->names[0] == NULL)
		n = run_one(s, op, id, NULL);
	for (char **name = s->names; *name != NULL; name++)
		n += run_one(s, op, id, *name);
	if (n > 0 && !all)
		report("%s: %s", id, op->done);
	s->counts[op - ops] += n;
}

static void
run_stdin(struct super *s, const struct op *op)
{
	char	*line = NULL;
	size_t	 size = 0;
	ssize_t	 n;

	while ((n = getline(&line, &size, stdin)) > 0) {
		struct slice	t = slice_trim(slice_of(line, (size_t)n));
		char		id[QUEUE_ID_MAX] = "";

		if (t.len == 0)
			continue;
		memcpy(id, t.p, t.len < sizeof(id) ? t.len : sizeof(id) - 1);
		run(s, op, id);
	}
	free(line);
}

/*
 * Structure and temporary files.
 */

static bool
check_one(void *arg, const char *id)
{
	struct super		*s = arg;
	struct arena		*a = arena_new();
	struct queue_msg	 m;
	enum queue_dir		 dir;
	enum queue_read		 r;
	struct error		 err;

	if (!queue_find(s->queue, id, &dir))
		goto out;
	r = queue_msg_open(s->queue, dir, id, false, true, a, &m, &err);
	if (r == QUEUE_BAD) {
		report("%s: %s: %s", id, queue_dir_names[dir], err.text);
		if (s->qmgr == NULL && queue_move(s->queue, id, dir,
		    QUEUE_CORRUPT, &err) < 0)
			tool_warn("%s", err.text);
	} else if (r == QUEUE_ERROR)
		tool_warn("%s: %s", id, err.text);
	queue_msg_close(&m);
out:
	arena_free(&a);
	return true;
}

static void
check_structure(struct super *s)
{
	static const enum queue_dir	dirs[] = {
		QUEUE_NEW, QUEUE_CUR, QUEUE_HOLD
	};
	struct error	 err;

	for (size_t i = 0; i < COUNT(dirs); i++)
		if (queue_each(s->queue, dirs[i], check_one, s, &err) < 0)
			tool_fatal(EX_IOERR, "%s", err.text);
}

static void
housekeeping(struct super *s)
{
	int	 n;

	if (s->purge || s->structure) {
		n = queue_sweep(s->queue, TMP_AGE, NULL);
		if (n > 0)
			report("Purged: %d file%s", n, n == 1 ? "" : "s");
	}
	if (s->structure)
		check_structure(s);
}

/*
 * Start.
 */

/* Nobody runs: what the journal has becomes files, with which we can work.
 * They are to be the queue owner's. */
static void
empty_journal(struct super *s)
{
	struct journal_recovery	 got;
	struct journal		*j;
	struct stat		 st;
	struct error		 err;
	int			 leader;

	if (stat("journal", &st) < 0)
		return;
	tool_act_as(&st);
	/* Ours until we end: a queue manager that starts now waits. */
	leader = leader_open(s->queue, &err);
	if (leader < 0)
		tool_fatal(EX_IOERR, "%s", err.text);
	if (leader_lock(leader) < 0)
		tool_fatal(EX_TEMPFAIL, "a queue manager is starting or does "
		    "not answer; try again");
	if (journal_open(s->queue, NULL, NULL, &j, &err) < 0 ||
	    journal_start(j, &got, &err) < 0)
		tool_fatal(EX_IOERR, "%s", err.text);
	journal_close(&j);
	tool_act_as_self();
}

static void
open_queue(struct super *s)
{

	struct queue_conf	 qc = { .dir = "." };
	struct ipc_ops		 none = { NULL, 0, NULL };
	struct error		 err;

	tool_chdir(&s->t);
	if (queue_open(&qc, false, NULL, &s->queue, &err) < 0)
		tool_fatal(EX_OSFILE, "%s", err.text);
	s->loop = loop_new();
	if (ipc_connect(s->loop, "public/qmgr", &none, s, &s->qmgr, &err) < 0)
		s->qmgr = NULL;
	if (s->qmgr == NULL)
		empty_journal(s);
}

static void
open_log(const struct super *s)
{
	const struct conf_common	*c = &s->t.common;
	char				*tag = arena_printf(s->t.mem,
	    "%s/postsuper", c->syslog_name);

	(void)log_open(tag, c->maillog_file[0] != '\0' ? LOG_TO_FILE :
	    LOG_TO_SYSLOG, c->maillog_file);
}

/* Root; or whoever runs the suite without root. */
static void
check_user(const struct super *s)
{
	struct stat	 st;

	if (geteuid() == 0)
		return;
	if (stat(s->t.common.queue_directory, &st) < 0 ||
	    st.st_uid != geteuid())
		tool_fatal(EX_NOPERM, "use of this command is reserved for "
		    "the superuser");
}

static void
usage(void)
{
	tool_fatal(EX_USAGE, "usage: postsuper [-psSv] [-c config_dir] "
	    "[-d queue_id (delete)] [-h queue_id (hold)] "
	    "[-H queue_id (un-hold)] [-r queue_id (requeue)] "
	    "[queue_name ...]");
}

static const char *
read_options(struct super *s, int argc, char **argv)
{
	const char	*dir = NULL;
	int		 c;

	while ((c = getopt(argc, argv, "c:d:h:H:pr:sSv")) != -1) {
		switch (c) {
		case 'c':
			dir = optarg;
			continue;
		case 'p':
			s->purge = true;
			continue;
		case 's':
		case 'S':
			s->structure = true;
			continue;
		case 'v':
			continue;
		}
		if (s->nrequests == REQUESTS_MAX)
			tool_fatal(EX_USAGE, "too many requests; give the "
			    "queue ids on standard input");
		for (size_t i = 0; i < OPS; i++)
			if (ops[i].letter == c)
				s->requests[s->nrequests++] =
				    (struct request){ &ops[i], optarg };
		if (c == '?')
			usage();
	}
	return dir;
}

static void
check_names(char **names)
{
	static const char *const	known[] = {
		"hold", "incoming", "active", "deferred"
	};

	for (; *names != NULL; names++) {
		bool	ok = false;

		for (size_t i = 0; i < COUNT(known); i++)
			ok |= strcmp(*names, known[i]) == 0;
		if (!ok)
			tool_fatal(EX_USAGE, "bad mail queue name: %s",
			    *names);
	}
}

int
main(int argc, char **argv)
{
	struct super	*s = mem_new(1, sizeof(*s));
	const char	*dir;

	tool_begin("postsuper");
	dir = read_options(s, argc, argv);
	tool_open(&s->t, dir);
	s->names = argv + optind;
	check_names(s->names);
	check_user(s);
	open_log(s);
	open_queue(s);
	/* Nothing said: what Postfix does at every start. */
	if (s->nrequests == 0 && !s->purge && !s->structure)
		s->purge = s->structure = true;
	housekeeping(s);
	for (size_t i = 0; i < s->nrequests; i++)
		if (strcmp(s->requests[i].id, "-") == 0)
			run_stdin(s, s->requests[i].op);
		else
			run(s, s->requests[i].op, s->requests[i].id);
	for (size_t i = 0; i < OPS; i++)
		if (s->counts[i] > 0)
			report("%s: %llu message%s", ops[i].total,
			    (unsigned long long)s->counts[i],
			    s->counts[i] == 1 ? "" : "s");
	ipc_close(&s->qmgr);
	loop_free(&s->loop);
	queue_close(&s->queue);
	tool_close(&s->t);
	mem_free(&s);
	return EX_OK;
}
