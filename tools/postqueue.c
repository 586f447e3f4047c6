/* SPDX-License-Identifier: Apache-2.0 */
/* postqueue - look at the queue and ask for attempts, as in Postfix.
 * Set-gid: it may reach public/qmgr and nothing else; qmgr does the work. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>

#include "base/arena.h"
#include "base/mem.h"
#include "conf/common.h"
#include "conf/conf.h"
#include "ipc/ipc.h"
#include "ipc/queue_msg.h"
#include "sys/loop.h"

#define PAGE		500
#define PATIENCE	SECS(3600)	/* a site in a long queue takes its time */

struct postqueue {
	struct loop	*loop;
	struct ipc	*qmgr;
	struct arena	*page;		/* what the last answer is copied to */
	bool		 answered;
	const char	*why;		/* the call failed */
	bool		 json;
	bool		 header_done;
	uint64_t	 messages, bytes;
	char		*next;		/* cursor */
	bool		 ok;		/* of a queue_done */
	char		*reason;
};

static void	fatal(int code, const char *text) NORETURN;

static void
fatal(int code, const char *text)
{
	fprintf(stderr, "postqueue: fatal: %s\n", text);
	exit(code);
}

/*
 * The human listing.  Long queue ids: 17, 8 and 19 columns.
 */
#define RULE	"----Queue ID-----  --Size-- ---Arrival Time---- " \
		"--Sender/Recipient------"
#define INDENT	47

static char
flag_of(const char *queue_name)
{
	if (strcmp(queue_name, "active") == 0)
		return '*';
	if (strcmp(queue_name, "hold") == 0)
		return '!';
	return ' ';
}

static const char *
sender_of(const struct queue_list_item *it)
{
	return it->sender[0] == '\0' ? "MAILER-DAEMON" : it->sender;
}

static void
print_reason(const char *reason)
{
	int	pad = 76 - (int)strlen(reason);

	printf("%*s(%s)\n", pad > 0 ? pad : 0, "", reason);
}

static void
print_rcpts(const struct queue_list_item *it)
{
	const struct queue_list_rcpt	*r = it->rcpts.items;
	const char			*last = "";

	for (size_t i = 0; i < it->rcpts.count; i++) {
		const char	*reason = r[i].reason == NULL ? "" :
		    r[i].reason;

		if (strcmp(reason, last) != 0)
			print_reason(reason[0] != '\0' ? reason :
			    "reason unavailable");
		last = reason;
		printf("%*s %s\n", INDENT, "", r[i].address);
	}
}

static void
print_item(struct postqueue *pq, const struct queue_list_item *it)
{
	time_t		 t = (time_t)(it->arrival / USEC_PER_SEC);
	struct tm	 tm;
	char		 when[32], id[64];

	if (!pq->header_done)
		printf("%s\n", RULE);
	else
		printf("\n");
	pq->header_done = true;
	localtime_r(&t, &tm);
	strftime(when, sizeof(when), "%a %b %e %H:%M:%S", &tm);
	snprintf(id, sizeof(id), "%s%c", it->queue_id,
	    flag_of(it->queue_name));
	printf("%-17s %8llu %19s  %s\n", id, (unsigned long long)it->size,
	    when, sender_of(it));
	print_rcpts(it);
}

static void
print_end(const struct postqueue *pq)
{
	if (pq->messages == 0)
		printf("Mail queue is empty\n");
	else
		printf("\n-- %llu Kbytes in %llu Request%s.\n",
		    (unsigned long long)(pq->bytes / 1024),
		    (unsigned long long)pq->messages,
		    pq->messages == 1 ? "" : "s");
}

/*
 * JSON, one object per line.  jansson refuses strings that are not UTF-8:
 * their odd bytes are shown as '?'.
 */
static json_t *
json_text(const char *s)
{
	json_t	*j = json_string(s);
	char	*copy;

	if (j != NULL)
		return j;
	copy = mem_strdup(s);
	for (char *p = copy; *p != '\0'; p++) {
		if ((unsigned char)*p > 126)
			*p = '?';
	}
	j = json_string(copy);
	mem_free(&copy);
	return j;
}

static void
print_json(const struct queue_list_item *it)
{
	const struct queue_list_rcpt	*r = it->rcpts.items;
	json_t				*o = json_object(), *rs = json_array();

	json_object_set_new(o, "queue_name", json_text(it->queue_name));
	json_object_set_new(o, "queue_id", json_text(it->queue_id));
	json_object_set_new(o, "arrival_time",
	    json_integer(it->arrival / USEC_PER_SEC));
	json_object_set_new(o, "message_size", json_integer((int64_t)it->size));
	json_object_set_new(o, "forced_expire", json_false());
	json_object_set_new(o, "sender", json_text(sender_of(it)));
	for (size_t i = 0; i < it->rcpts.count; i++) {
		json_t	*jr = json_object();

		if (r[i].original[0] != '\0' &&
		    strcmp(r[i].original, r[i].address) != 0)
			json_object_set_new(jr, "orig_address",
			    json_text(r[i].original));
		json_object_set_new(jr, "address", json_text(r[i].address));
		if (r[i].reason != NULL)
			json_object_set_new(jr, "delay_reason",
			    json_text(r[i].reason));
		json_array_append_new(rs, jr);
	}
	json_object_set_new(o, "recipients", rs);
	json_dumpf(o, stdout, JSON_PRESERVE_ORDER);
	putchar('\n');
	json_decref(o);
}

/*
 * Talking to qmgr.
 */
static void
on_page(void *arg, void *reply, const char *why)
{
	struct postqueue		*pq = arg;
	const struct queue_list_res	*res = reply;
	const struct queue_list_item	*it;

	pq->answered = true;
	pq->why = why == NULL ? NULL : mem_strdup(why);
	mem_free(&pq->next);
	if (res == NULL)
		return;
	it = res->items.items;
	for (size_t i = 0; i < res->items.count; i++) {
		if (pq->json)
			print_json(&it[i]);
		else
			print_item(pq, &it[i]);
		pq->messages++;
		pq->bytes += it[i].size;
	}
	if (res->next != NULL)
		pq->next = mem_strdup(res->next);
}

static void
on_done(void *arg, void *reply, const char *why)
{
	struct postqueue	*pq = arg;
	struct queue_done	*d = reply;

	pq->answered = true;
	pq->why = why == NULL ? NULL : mem_strdup(why);
	pq->ok = d != NULL && d->ok;
	if (d != NULL && d->reason != NULL)
		pq->reason = mem_strdup(d->reason);
}

static void
call(struct postqueue *pq, const struct ipc_desc *d, const void *msg,
    const struct ipc_desc *reply, ipc_done *done)
{
	struct error	err;

	pq->answered = false;
	if (ipc_call(pq->qmgr, d, msg, reply, PATIENCE, done, pq, &err) == 0)
		fatal(EX_SOFTWARE, err.text);
	while (!pq->answered)
		loop_once(pq->loop, SECS(1));
	if (pq->why != NULL) {
		fprintf(stderr, "postqueue: fatal: mail system: %s\n",
		    pq->why);
		exit(EX_UNAVAILABLE);
	}
}

static void
list(struct postqueue *pq)
{
	struct queue_list_req	 req = { .after = NULL, .most = PAGE };
	char			*after = NULL;

	do {
		req.after = after;
		call(pq, &queue_list_req_desc, &req, &queue_list_res_desc,
		    on_page);
		mem_free(&after);
		after = pq->next;
		pq->next = NULL;
	} while (after != NULL);
	if (!pq->json)
		print_end(pq);
}

static void
flush(struct postqueue *pq, const char *id, const char *site)
{
	struct queue_flush	req = { .queue_id = id, .site = site };

	call(pq, &queue_flush_desc, &req, &queue_done_desc, on_done);
	if (!pq->ok) {
		fprintf(stderr, "postqueue: fatal: %s\n",
		    pq->reason != NULL ? pq->reason : "refused");
		exit(EX_UNAVAILABLE);
	}
}

static void
connect_qmgr(struct postqueue *pq, const char *config_dir)
{
	static const struct ipc_ops	ops = { NULL, 0, NULL };
	struct arena		*a = arena_new();
	struct conf		*c;
	struct conf_common	 common;
	struct error		 err;
	char			*path;

	if (conf_load(config_dir, &c, &err) < 0)
		fatal(EX_CONFIG, err.text);
	conf_know(c, conf_common_params, conf_common_nparams);
	if (conf_fill(c, conf_common_params, conf_common_nparams, a, &common,
	    &err) < 0)
		fatal(EX_CONFIG, err.text);
	pq->loop = loop_new();
	path = mem_printf("%s/public/qmgr", common.queue_directory);
	if (ipc_connect(pq->loop, path, &ops, NULL, &pq->qmgr, &err) < 0) {
		fprintf(stderr, "postqueue: warning: Mail system is down -- "
		    "cannot connect to the queue manager: %s\n", err.text);
		exit(EX_UNAVAILABLE);
	}
	mem_free(&path);
	conf_free(&c);
	arena_free(&a);
}

/* Who is not the super-user may not choose what we read as configuration
 * while we have a group of our own. */
static const char *
config_dir(const char *option)
{
	const char	*env = getenv("MAIL_CONFIG");

	if (getegid() != getgid() && getuid() != 0 &&
	    (option != NULL || env != NULL)) {
		const char	*asked = option != NULL ? option : env;

		if (strcmp(asked, PH_CONFDIR) != 0 && setgid(getgid()) < 0)
			fatal(EX_OSERR, "cannot give up the group");
	}
	return option != NULL ? option : env != NULL ? env : PH_CONFDIR;
}

static void	usage(void) NORETURN;

static void
usage(void)
{
	fprintf(stderr, "usage: postqueue [-c config_dir] -f | -i queue_id | "
	    "-j | -p | -s site\n");
	exit(EX_USAGE);
}

int
main(int argc, char **argv)
{
	struct postqueue	 pq = { .json = false };
	const char		*dir = NULL, *arg = NULL;
	int			 mode = 0, c;

	while ((c = getopt(argc, argv, "c:fi:jps:v")) != -1) {
		switch (c) {
		case 'c':
			dir = optarg;
			break;
		case 'i':
		case 's':
			arg = optarg;
			/* FALLTHROUGH */
		case 'f':
		case 'j':
		case 'p':
			if (mode != 0)
				usage();
			mode = c;
			break;
		case 'v':
			break;
		default:
			usage();
		}
	}
	if (mode == 0 || optind < argc)
		usage();
	connect_qmgr(&pq, config_dir(dir));
	pq.json = mode == 'j';
	if (mode == 'p' || mode == 'j')
		list(&pq);
	else
		flush(&pq, mode == 'i' ? arg : NULL, mode == 's' ? arg : NULL);
	return fflush(stdout) == 0 ? EX_OK : EX_IOERR;
}
