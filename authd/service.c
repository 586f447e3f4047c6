/* SPDX-License-Identifier: Apache-2.0 */
#include <unistd.h>

#include "authd/authd.h"
#include "sys/clock.h"
#include "sys/log.h"

static void
on_start(void *arg, struct ipc_request req, void *msg)
{
	exchange_start(daemon_state(arg), req, msg);
}

static void
on_continue(void *arg, struct ipc_request req, void *msg)
{
	exchange_continue(daemon_state(arg), req, msg);
}

static void
on_cancel(void *arg, struct ipc_request req, void *msg)
{
	const struct auth_cancel	*c = msg;

	exchange_cancel(daemon_state(arg), req.from, c->exchange);
}

struct account_question {
	struct arena		*mem;
	struct authd		*ad;
	struct ipc_request	 req;
};

static void
answer(struct ipc_request req, enum auth_found found,
    const struct account *acc)
{
	struct auth_account	a = { .found = (uint64_t)found };

	if (acc != NULL) {
		a.user = acc->user;
		a.uid = acc->uid;
		a.gid = acc->gid;
		a.home = acc->home;
		a.mailbox = acc->mailbox;
		a.quota_bytes = acc->quota_bytes;
		a.disabled = acc->disabled;
		a.source = acc->source;
		a.source_dev = acc->source_stamp.dev;
		a.source_ino = acc->source_stamp.ino;
		a.source_size = acc->source_stamp.size;
		a.source_mtime_ns = acc->source_stamp.mtime_ns;
	}
	ipc_reply(req, &auth_account_desc, &a);
}

static void
account_found(void *arg, struct verdict *v)
{
	struct account_question	*q = arg;
	struct arena		*mem = q->mem;

	if (v->result == VERDICT_GOOD && (!v->account.has_ids ||
	    v->account.uid == 0 || v->account.gid == 0)) {
		log_warn("%s(%s): no uid and gid, or root's, and "
		    "mailbox_owner does not exist", v->backend,
		    v->account.user);
		v->result = VERDICT_ERROR;
	} else if (v->result == VERDICT_ERROR)
		log_warn("%s: %s", v->backend, v->err.text);
	if (v->result == VERDICT_GOOD)
		answer(q->req, ACCOUNT_FOUND, &v->account);
	else
		answer(q->req, v->result == VERDICT_UNKNOWN ? ACCOUNT_NONE :
		    ACCOUNT_TEMPFAIL, NULL);
	daemon_session_end(q->ad->daemon);
	arena_free(&mem);
}

static void
ask(struct authd *ad, struct ipc_request req, const char *user)
{
	struct arena		*mem = arena_new();
	struct account_question	*q = arena_alloc(mem, sizeof(*q));

	q->mem = mem;
	q->ad = ad;
	q->req = req;
	daemon_session_begin(ad->daemon);
	verify_find(ad, mem, arena_strdup(mem, user), account_found, q);
}

/* Where mailboxes are and whose is nothing that login may know: it parses
 * what strangers send. */
static bool
may_look_up(const struct authd *ad, struct ipc *from)
{
	const uid_t	uid = ipc_peer_uid(from);

	return uid == 0 || uid == ad->mail_uid || uid == geteuid();
}

static void
on_lookup(void *arg, struct ipc_request req, void *msg)
{
	struct authd			*ad = daemon_state(arg);
	const struct auth_lookup	*l = msg;
	struct arena			*a = arena_new();
	const char			*user;

	user = account_name(a, slice_str(l->user), ad->auth->default_realm);
	if (!may_look_up(ad, req.from)) {
		log_warn("auth-lookup refused: uid %lu",
		    (unsigned long)ipc_peer_uid(req.from));
		answer(req, ACCOUNT_TEMPFAIL, NULL);
	} else if (user == NULL)
		answer(req, ACCOUNT_NONE, NULL);
	else
		ask(ad, req, user);
	arena_free(&a);
}

/* Session processes ask as root, before they become the user. */
static void
on_claim(void *arg, struct ipc_request req, void *msg)
{
	struct authd			*ad = daemon_state(arg);
	const struct auth_claim		*c = msg;
	const uid_t			 uid = ipc_peer_uid(req.from);
	struct arena			*a = arena_new();
	const char			*user = NULL;

	if (uid != 0 && (daemon_privileged(ad->daemon) || uid != geteuid()))
		log_warn("auth-claim refused: uid %lu", (unsigned long)uid);
	else
		user = cookie_claim(ad->cookies, a, c->cookie, c->service,
		    clock_mono());
	if (user == NULL)
		answer(req, ACCOUNT_NONE, NULL);
	else
		ask(ad, req, user);
	arena_free(&a);
}

static void
on_mechs(void *arg, struct ipc_request req, void *msg)
{
	const struct auth_mechs_req	*m = msg;
	const struct auth_mechs		 reply = {
		.names = mech_names(m->secured) };

	(void)arg;
	ipc_reply(req, &auth_mechs_desc, &reply);
}

const struct ipc_handler authd_handlers[] = {
	{ &auth_start_desc, on_start },
	{ &auth_continue_desc, on_continue },
	{ &auth_cancel_desc, on_cancel },
	{ &auth_lookup_desc, on_lookup },
	{ &auth_claim_desc, on_claim },
	{ &auth_mechs_req_desc, on_mechs },
};
const size_t	authd_nhandlers = COUNT(authd_handlers);

void
authd_ipc_closed(void *daemon, struct ipc *c, const char *why)
{
	struct authd	*ad = daemon_state(daemon);

	(void)why;
	exchange_drop(ad, c);
}
