/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way of a login: login's request is held until authd has turned its
 * cookie into an account, and the worker of that account has taken the
 * client.  Then the answer goes back, and all that stays here is a lease: one
 * end of a pipe whose other end the worker holds until the session is over.
 * It closes too when the worker dies, so the counts cannot drift.
 */
#include "daemon/session_broker.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/list.h"
#include "base/mem.h"
#include "daemon/daemon.h"
#include "daemon/userproc.h"
#include "ipc/auth_msg.h"
#include "ipc/session_msg.h"
#include "sys/log.h"
#include "sys/loop.h"
#include "sys/privs.h"

#define CLAIM_TIMEOUT	SECS(20)
#define WORKER_TIMEOUT	SECS(30)
#define USERIP_DEFAULT	20
#define IDLE_DEFAULT	SECS(60)
#define PENDING_MAX	10000

static const struct ipc_field start_fields[] = {
	IPC_F_FD(struct session_start, client),
	IPC_F_FD(struct session_start, lease),
	IPC_F_STR(struct session_start, user, 1024),
	IPC_F_STR(struct session_start, home, 4096),
	IPC_F_STR(struct session_start, mailbox, 4096),
	IPC_F_U64(struct session_start, quota_bytes),
	IPC_F_STR(struct session_start, session_id, 64),
	IPC_F_STR(struct session_start, remote_ip, 64),
	IPC_F_STR(struct session_start, local_ip, 64),
	IPC_F_U64(struct session_start, remote_port),
	IPC_F_U64(struct session_start, local_port),
	IPC_F_BOOL(struct session_start, secured),
	IPC_F_OSTR(struct session_start, tag, 1024),
	IPC_F_BYTES(struct session_start, input, 65536),
};
const struct ipc_desc session_start_desc =
    IPC_DESC("session-start", struct session_start, start_fields);

/* The parent */

struct broker {
	struct daemon		*d;
	struct userproc		*workers;
	struct ipc_client	*authd;
	struct list		 pending, leases;
	struct hash		*userip;	/* "user ip" to struct count */
	size_t			 npending;
	uid_t			 login_uid;
	int64_t			 max_userip;
};

/* A login on its way. */
struct pending {
	struct list		 link;
	struct broker		*b;
	struct arena		*mem;
	struct ipc_request	 req;
	struct session_start	 s;

};

struct count {
	char	*key;
	int64_t	 sessions;
};

/* A session that runs in a worker. */
struct lease {
	struct list	 link;
	struct broker	*b;
	struct count	*count;
	int		 fd;
	struct loop_fd	*watch;
};

/* Set before the first fork; the same in parent and workers. */
static const struct session_broker_desc	*program;
static struct userproc_desc		 worker_desc;
static uid_t				 login_uid;

static void
count_drop(struct broker *b, struct count *c)
{
	if (--c->sessions > 0)
		return;
	hash_dels(b->userip, c->key);
	mem_free(&c->key);
	mem_free(&c);
}

static void
lease_free(struct lease *l)
{
	list_remove(&l->link);
	loop_fd_free(&l->watch);
	close(l->fd);
	count_drop(l->b, l->count);
	mem_free(&l);
}

static void
lease_over(void *arg, int what)
{
	(void)what;		/* nobody writes: it is the end of file */
	lease_free(arg);
}

/* -1: the limit of this user and address is reached. */
static int
lease_new(struct pending *p, int *theirs_out, struct error *err)
{
	struct broker	*b = p->b;
	const char	*key = arena_printf(p->mem, "%s %s", p->s.user,
			    p->s.remote_ip);
	struct count	*c = hash_gets(b->userip, key);
	struct lease	*l;
	int		 fds[2];

	if (c != NULL && c->sessions >= b->max_userip)
		return error_set(err, "too many sessions of this user from "
		    "this address");
	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
		return error_sys(err, "cannot make a pipe");
	if (c == NULL) {
		c = mem_new(1, sizeof(*c));
		c->key = mem_strdup(key);
		hash_puts(b->userip, key, c);
	}
	c->sessions++;
	l = mem_new(1, sizeof(*l));
	l->b = b;
	l->count = c;
	l->fd = fds[0];
	l->watch = loop_fd_new(daemon_loop(b->d), l->fd, LOOP_READ,
	    lease_over, l);
	list_put_last(&b->leases, &l->link);
	*theirs_out = fds[1];
	return 0;
}

static void
answer(struct pending *p, bool ok, const char *reason, uint64_t pid)
{
	const struct session_res	 res = { .ok = ok, .reason = reason,
					    .pid = pid };
	struct arena			*mem = p->mem;

	ipc_reply(p->req, &session_res_desc, &res);
	if (p->s.client >= 0)
		close(p->s.client);
	list_remove(&p->link);
	p->b->npending--;
	daemon_session_end(p->b->d);
	arena_free(&mem);
}

static void
worker_answered(void *arg, void *reply, const char *why)
{
	struct pending			*p = arg;
	const struct session_res	*res = reply;

	if (res == NULL) {
		log_warn("session of %s: worker failed: %s", p->s.user, why);
		answer(p, false, "session process failed", 0);
	} else
		answer(p, res->ok, res->reason, res->pid);
}

static void
to_worker(struct pending *p, const struct auth_account *acc)
{
	struct error	 err;

	p->s.user = arena_strdup(p->mem, acc->user);
	p->s.home = acc->home == NULL ? "" : arena_strdup(p->mem, acc->home);
	p->s.mailbox = arena_strdup(p->mem, acc->mailbox);
	p->s.quota_bytes = acc->quota_bytes;
	if (lease_new(p, &p->s.lease, &err) < 0) {
		log_info("%s(%s): session refused: %s", program->service,
		    p->s.user, err.text);
		answer(p, false, err.text, 0);
		return;
	}
	/* The message has duplicates of its descriptors, made now. */
	userproc_call(p->b->workers, (uid_t)acc->uid, (gid_t)acc->gid,
	    &session_start_desc, &p->s, &session_res_desc, WORKER_TIMEOUT,
	    worker_answered, p);
	close(p->s.lease);
	p->s.lease = -1;
}

static void
claimed(void *arg, void *reply, const char *why)
{
	struct pending			*p = arg;
	const struct auth_account	*acc = reply;

	if (acc == NULL)
		log_warn("auth-claim: %s", why);
	if (acc == NULL || acc->found == ACCOUNT_TEMPFAIL)
		answer(p, false, "accounts are not available", 0);
	else if (acc->found != ACCOUNT_FOUND || acc->user == NULL ||
	    acc->mailbox == NULL || acc->mailbox[0] != '/')
		answer(p, false, "login is not valid (any more)", 0);
	else
		to_worker(p, acc);
}

static void
refuse(struct ipc_request req, struct session_req *s, const char *reason)
{
	const struct session_res	 res = { .ok = false,
					    .reason = reason };

	close(s->client);
	ipc_reply(req, &session_res_desc, &res);
}

static const char *
objection(const struct broker *b, struct ipc *from,
    const struct session_req *s)
{
	const uid_t	uid = ipc_peer_uid(from);

	if (uid != 0 && uid != b->login_uid)
		return "not asked by login";
	if (strcmp(s->service, program->service) != 0)
		return "wrong service";
	if (daemon_draining(b->d))
		return "session process is stopping";
	if (b->npending >= PENDING_MAX)
		return "too many logins";
	return NULL;
}

static void
on_session_req(void *arg, struct ipc_request req, void *msg)
{
	struct broker		*b = daemon_state(arg);
	struct session_req	*s = msg;
	const char		*why = objection(b, req.from, s);
	struct auth_claim	 claim = { .cookie = s->cookie,
				    .service = s->service };
	struct arena		*mem;
	struct pending		*p;

	if (why != NULL) {
		refuse(req, s, why);
		return;
	}
	mem = arena_new();
	p = arena_alloc(mem, sizeof(*p));
	p->b = b;
	p->mem = mem;
	p->req = req;
	p->s = (struct session_start){
		.client = s->client,
		.lease = -1,
		.session_id = arena_strdup(mem, s->session_id),
		.remote_ip = arena_strdup(mem, s->remote_ip),
		.local_ip = arena_strdup(mem, s->local_ip),
		.remote_port = s->remote_port,
		.local_port = s->local_port,
		.secured = s->secured,
		.tag = arena_strdup(mem, s->tag),
		.input = slice_dup(mem, s->input),
	};
	list_put_last(&b->pending, &p->link);
	b->npending++;
	daemon_session_begin(b->d);
	ipc_client_call(b->authd, &auth_claim_desc, &claim,
	    &auth_account_desc, CLAIM_TIMEOUT, claimed, p);
}

const struct ipc_handler session_broker_handlers[SESSION_BROKER_NHANDLERS] = {
	{ &session_req_desc, on_session_req },
};

/* The parent keeps root and needs no file at all. */
const struct privs_path session_broker_landlock[] = {
	{ "private", PRIVS_SOCKET },
};

void
session_broker_drain(struct daemon *d)
{
	struct broker	*b = daemon_state(d);

	userproc_drain(b->workers);
}

/* The worker */

struct worker_state {
	struct daemon	*d;
	void		*program;
};

struct session_lease {
	struct daemon	*d;
	int		 fd;
};

static void *
worker_start(struct daemon *d, struct ipc *parent, uid_t uid, gid_t gid)
{
	struct worker_state	*w = arena_alloc(daemon_arena(d), sizeof(*w));

	(void)parent;
	w->d = d;
	w->program = program->worker_start == NULL ? NULL :
	    program->worker_start(d, uid, gid);
	return w;
}

static void
worker_drain(void *arg, bool stop)
{
	struct worker_state	*w = arg;

	if (program->drain != NULL)
		program->drain(w->program, stop);
}

void
session_lease_end(struct session_lease **lp)
{
	struct session_lease	*l = *lp;

	if (l == NULL)
		return;
	close(l->fd);
	userproc_release(l->d);
	mem_free(lp);
}

static void
on_session_start(void *arg, struct ipc_request req, void *msg)
{
	struct worker_state	*w = arg;
	struct session_start	*s = msg;
	struct session_lease	*l = mem_new(1, sizeof(*l));
	struct session_res	 res = { .ok = true,
				    .pid = (uint64_t)getpid() };
	struct error		 err = { .text = "" };

	l->d = w->d;
	l->fd = s->lease;
	userproc_hold(w->d);
	if (program->accept(w->program, s, l, &err) < 0) {
		close(s->client);
		session_lease_end(&l);
		res.ok = false;
		res.reason = err.text;
	}
	ipc_reply(req, &session_res_desc, &res);
}

static const struct ipc_handler	worker_handlers[] = {
	{ &session_start_desc, on_session_start },
};

int
session_broker_prepare(struct daemon *d,
    const struct session_broker_desc *desc, struct error *err)
{
	struct privs_user	 u = { .uid = geteuid() };

	if (daemon_privileged(d) && privs_find(daemon_common(d)->login_owner,
	    &u, err) < 0)
		return error_in(err, "login_owner");
	login_uid = u.uid;
	program = desc;
	worker_desc = (struct userproc_desc){
		.start = worker_start,
		.handlers = worker_handlers,
		.nhandlers = COUNT(worker_handlers),
		.drain = worker_drain,
		.idle = desc->idle > 0 ? desc->idle : IDLE_DEFAULT,
		.max_workers = desc->max_workers,
	};
	return 0;
}

int
session_broker_start(struct daemon *d, struct error *err)
{
	struct broker	*b;

	if (program == NULL)
		return error_set(err, "session_broker_prepare() was not "
		    "called in open_as_root");
	b = arena_alloc(daemon_arena(d), sizeof(*b));
	b->d = d;
	b->login_uid = login_uid;
	b->max_userip = program->max_userip == NULL ? USERIP_DEFAULT :
	    program->max_userip(d);
	list_init(&b->pending);
	list_init(&b->leases);
	b->userip = hash_new();
	b->authd = ipc_client_new(daemon_loop(d), "private/auth");
	daemon_set_state(d, b);
	b->workers = userproc_new(d, &worker_desc, b);
	return 0;
}
