/* SPDX-License-Identifier: Apache-2.0 */
/*
 * local(8): aliases, .forward files, users' mailboxes and commands.
 *
 * Each recipient has a list of destinations still to be dealt with; it begins
 * with the recipient itself, and expansions append to it.  One destination is
 * worked on at a time.  Addresses that came out of an expansion with more
 * than one member are not delivered here: they go back into the queue as one
 * new message ("forwarded as"), where each of them has a mark of its own, so
 * that a failure of one does not repeat the others.  That message is made
 * last: mailboxes and commands fail more often than the queue.
 *
 * Bounds: DESTS_MAX destinations, DEPTH_MAX expansions deep; an alias that is
 * met again on its own way is taken for the user of that name, as in Postfix.
 */
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/ascii.h"
#include "ipc/queue_msg.h"
#include "local-delivery/alias.h"
#include "local-delivery/locald.h"
#include "local-delivery/macro.h"
#include "mail/address.h"
#include "sys/log.h"

#define DESTS_MAX	1000
#define DEPTH_MAX	100
#define PATHS_MAX	20
#define LOOK_TIMEOUT	SECS(60)
#define FORWARD_TIMEOUT	SECS(300)

enum origin { FROM_REQUEST, FROM_ALIAS, FROM_INCLUDE, FROM_FORWARD };

struct dest {
	struct list	 link;
	enum alias_kind	 kind;
	const char	*text;
	enum origin	 origin;
	int		 depth;
	bool		 sole;		/* the only member of its expansion */
	uid_t		 uid;		/* commands and files run as; 0: */
	gid_t		 gid;		/* default_privs */
	const char	*user;		/* of the .forward it came from */
	const char	*home;
	const struct dest	*from;	/* what it came out of */
	const char	*as;		/* address for the log */
};

static void	 step(struct delivery *dl);
static void	 forward_all(struct delivery *dl);

/* Verdicts of single destinations */

static void
settle(struct delivery *dl, const char *to, struct verdict v)
{
	request_log(dl, to, &v);
	dl->verdict = verdict_worse(dl->verdict, v);
}

/* ... from a callback: and go on. */
static void
settle_step(struct delivery *dl, const char *to, struct verdict v)
{
	settle(dl, to, v);
	dl->now = NULL;
	step(dl);
}

static const char *
address_of(const struct delivery *dl, const char *local)
{
	return arena_printf(dl->job->mem, "%s@%s", local, dl->domain);
}

static const char *
log_address(const struct delivery *dl, const struct dest *x)
{
	return x->as != NULL ? x->as : dl->rcpt->address;
}

static void
refuse(struct delivery *dl, const struct dest *x, enum deliver_status s,
    const char *dsn, const char *text)
{
	settle(dl, log_address(dl, x),
	    verdict_of(s, dsn, dl->job->mem, "%s", text));
}

/* The list */

static struct dest *
add(struct delivery *dl, enum alias_kind kind, const char *text,
    const struct dest *from, enum origin origin)
{
	struct dest	*x;

	if (dl->ndests >= DESTS_MAX)
		return NULL;
	dl->ndests++;
	x = arena_alloc(dl->job->mem, sizeof(*x));
	x->kind = kind;
	x->text = arena_strdup(dl->job->mem, text);
	x->origin = origin;
	x->from = from;
	if (from != NULL) {
		x->depth = from->depth + 1;
		x->uid = from->uid;
		x->gid = from->gid;
		x->user = from->user;
		x->home = from->home;
	}
	list_put_last(&dl->todo, &x->link);
	return x;
}

static bool
same(const struct dest *a, enum alias_kind kind, const char *text)
{
	return a->kind == kind && strcmp(a->text, text) == 0;
}

/* An expansion, already parsed. */
static void
add_items(struct delivery *dl, const struct dest *from, enum origin origin,
    const struct work_item *items, size_t n, uid_t uid, gid_t gid)
{
	for (size_t i = 0; i < n; i++) {
		struct dest	*x;
		bool		 known = false;

		LIST_EACH(l, &dl->todo)
			known |= same(LIST_ENTRY(l, struct dest, link),
			    (enum alias_kind)items[i].kind, items[i].text);
		if (known || items[i].kind > ALIAS_INCLUDE)
			continue;
		x = add(dl, (enum alias_kind)items[i].kind, items[i].text,
		    from, origin);
		if (x == NULL || x->depth > DEPTH_MAX) {
			settle(dl, dl->rcpt->address, verdict_of(
			    DELIVER_BOUNCED, "5.4.6", dl->job->mem,
			    "unreasonable alias expansion of %s",
			    dl->rcpt->address));
			return;
		}
		x->sole = n == 1;
		x->uid = uid;
		x->gid = gid;
	}
}

/* Forwards */

static void
add_forward(struct delivery *dl, const char *address)
{
	struct queue_forward_rcpt	*f;

	if (dl->forwards == NULL)
		dl->forwards = arena_array(dl->job->mem, DESTS_MAX + 1,
		    sizeof(*dl->forwards));
	for (size_t i = 0; i < dl->nforwards; i++)
		if (strcasecmp(dl->forwards[i].address, address) == 0)
			return;
	if (dl->nforwards == DESTS_MAX)
		return;
	f = &dl->forwards[dl->nforwards++];
	f->address = arena_strdup(dl->job->mem, address);
	f->original = dl->rcpt->original[0] != '\0' ? dl->rcpt->original :
	    dl->rcpt->address;
	f->dsn_orcpt = dl->rcpt->dsn_orcpt;
	/* RFC 3461 5.2.7.3: the expansion answers for success. */
	f->notify = dl->rcpt->notify & ~(uint64_t)NOTIFY_SUCCESS;
	if (dl->rcpt->notify == NOTIFY_SUCCESS)
		f->notify = NOTIFY_NEVER;
}

static void
on_forwarded(void *arg, void *reply, const char *why)
{
	struct delivery			*dl = arg;
	struct queue_forward_res	*r = reply;
	struct arena			*a = dl->job->mem;
	struct verdict			 v;

	if (r != NULL && r->ok && r->queue_id != NULL)
		v = verdict_of(DELIVER_EXPANDED, "2.0.0", a,
		    "forwarded as %s", r->queue_id);
	else
		v = verdict_of(DELIVER_DEFERRED, "4.3.0", a,
		    "cannot forward: %s", r == NULL ? why :
		    r->reason == NULL ? "unknown reason" : r->reason);
	dl->nforwards = 0;
	settle_step(dl, dl->rcpt->address, v);
}

static void
forward_now(struct delivery *dl)
{
	const struct deliver_req	*q = &dl->job->req;
	struct queue_forward		 m = {
		.content = q->content, .offset = q->content_offset,
		.size = q->content_size,
		.prepend = request_prefix(dl, "forward"),
		.sender = dl->sender != NULL ? dl->sender : q->sender,
		.dsn_envid = q->dsn_envid, .dsn_ret = q->dsn_ret,
		.smtputf8 = q->smtputf8, .arrival = q->arrival,
		.rcpts = { dl->forwards, dl->nforwards },
	};

	(void)ipc_client_call(dl->job->ld->pickup, &queue_forward_desc, &m,
	    &queue_forward_res_desc, FORWARD_TIMEOUT, on_forwarded, dl);
}

/* Looking: loops, and lists in files */

static void
look(struct delivery *dl, uid_t uid, gid_t gid, struct work_string *paths,
    size_t n, bool must_exist, ipc_done *done)
{
	const struct deliver_req	*q = &dl->job->req;
	struct work_look		 m = {
		.content = q->content, .offset = q->content_offset,
		.size = q->content_size,
		.address = dl->looked ? "" : dl->rcpt->address,
		.paths = { paths, n }, .must_exist = must_exist,
	};

	userproc_call(dl->job->ld->workers, uid, gid, &work_look_desc, &m,
	    &work_looked_desc, LOOK_TIMEOUT, done, dl);
}

/* What all looks have in common.  True: go on with r. */
static bool
looked_ok(struct delivery *dl, const struct work_looked *r, const char *why,
    struct verdict *v_out)
{
	struct arena	*a = dl->job->mem;

	if (r == NULL) {
		*v_out = verdict_of(DELIVER_DEFERRED, "4.3.0", a,
		    "delivery process failed: %s", why);
		return false;
	}
	if (r->found == LOOK_LOOP) {
		*v_out = verdict_of(DELIVER_BOUNCED, "5.4.6", a,
		    "mail forwarding loop for %s", dl->rcpt->address);
		return false;
	}
	dl->looked = true;
	if (r->found == LOOK_ERROR) {
		*v_out = verdict_of(DELIVER_DEFERRED, "4.3.5", a,
		    "mail system configuration error: %s", r->text);
		return false;
	}
	if (r->text[0] != '\0')
		log_warn("%s: %s", dl->job->req.queue_id, r->text);
	return true;
}

static void
on_forward_looked(void *arg, void *reply, const char *why)
{
	struct delivery	*dl = arg;
	struct verdict	 v;

	if (looked_ok(dl, reply, why, &v)) {
		forward_now(dl);
		return;
	}
	dl->nforwards = 0;
	settle_step(dl, dl->rcpt->address, v);
}

static void
forward_all(struct delivery *dl)
{
	struct locald	*ld = dl->job->ld;

	if (dl->looked)
		forward_now(dl);
	else
		look(dl, ld->nobody.uid, ld->nobody.gid, NULL, 0, false,
		    on_forward_looked);
}

/* Commands */

static void
on_command(void *arg, void *reply, const char *why)
{
	struct delivery	*dl = arg;

	settle_step(dl, log_address(dl, dl->now),
	    request_answer(dl, reply, why));
}

static bool
allowed(const char *list, enum origin o)
{
	static const char *const	names[] = {
		[FROM_REQUEST] = "alias", [FROM_ALIAS] = "alias",
		[FROM_INCLUDE] = "include", [FROM_FORWARD] = "forward",
	};
	struct slice	 s = slice_str(list), word;

	while (slice_word(&s, ", \t\r\n", &word))
		if (slice_iis(word, names[o]))
			return true;
	return false;
}

/* The shell gets the text of the administrator or user; what came with the
 * mail is in the environment only. */
static void
command(struct delivery *dl, const struct dest *x, const char *text)
{
	struct locald			*ld = dl->job->ld;
	const struct deliver_req	*q = &dl->job->req;
	struct arena			*a = dl->job->mem;
	struct work_string		 argv[3] = {
		{ "/bin/sh" }, { "-c" }, { text },
	};
	struct work_command		 m = {
		.content = q->content, .offset = q->content_offset,
		.size = q->content_size,
		.prefix = request_prefix(dl, "command"),
		.argv = { argv, COUNT(argv) },
		.directory = x->home == NULL ? "" : x->home, .display = text,
		.time_limit = locald_conf(ld)->command_time_limit,
		.flags = WORK_BLANK_END,
	};
	struct privs_user		 who = { x->uid, x->gid };

	if (who.uid == 0)
		who = ld->nobody;
	m.env = environment_make(dl, x->home, x->user, "/bin/sh");
	m.done = arena_printf(a, "delivered to command: %s", text);
	userproc_call(ld->workers, who.uid, who.gid, &work_command_desc, &m,
	    &work_result_desc, m.time_limit + SECS(60), on_command, dl);
}

/* Mailboxes */

static void
on_stored(void *arg, void *reply, const char *why)
{
	struct delivery	*dl = arg;
	struct verdict	 v = request_answer(dl, reply, why);

	if (v.status == DELIVER_SENT && dl->now->kind == ALIAS_FILE)
		v = verdict_of(DELIVER_SENT, "2.0.0", dl->job->mem,
		    "delivered to file: %s", dl->now->text);
	settle_step(dl, log_address(dl, dl->now), v);
}

/* True: under way; false: settled. */
static bool
file(struct delivery *dl, const struct dest *x)
{
	struct locald		*ld = dl->job->ld;
	struct privs_user	 who = { x->uid, x->gid };

	if (!allowed(locald_conf(ld)->allow_mail_to_files, x->origin)) {
		refuse(dl, x, DELIVER_BOUNCED, "5.7.1",
		    "mail to file is restricted");
		return false;
	}
	if (x->text[strlen(x->text) - 1] != '/') {
		refuse(dl, x, DELIVER_DEFERRED, "4.3.5", arena_printf(
		    dl->job->mem, "mailbox files are not supported: %s; a "
		    "Maildir ends in \"/\"", x->text));
		return false;
	}
	if (who.uid == 0)
		who = ld->nobody;
	request_store(dl, who.uid, who.gid, x->text, UINT64_MAX, on_stored);
	return true;
}

/* A user's own mailbox; root is gone by then. */
static bool
mailbox(struct delivery *dl, struct dest *x)
{
	const struct locald_conf	*c = locald_conf(dl->job->ld);
	const char			*path;

	if (c->mailbox_command[0] != '\0') {
		command(dl, x, c->mailbox_command);
		return true;
	}
	path = c->home_mailbox;
	if (path[0] == '\0' || path[strlen(path) - 1] != '/') {
		refuse(dl, x, DELIVER_DEFERRED, "4.3.5",
		    "mail system configuration error: home_mailbox must end "
		    "in \"/\"");
		return false;
	}
	if (path[0] != '/')
		path = arena_printf(dl->job->mem, "%s/%s", x->home, path);
	request_store(dl, x->uid, x->gid, path, UINT64_MAX, on_stored);
	return true;
}

/* Users */

struct path_values {
	struct delivery		*dl;
	const struct dest	*x;
	const char		*ext;
};

static const char *
path_macro(void *arg, struct slice name)
{
	const struct path_values	*p = arg;
	const char			*v;

	if (slice_is(name, "home"))
		return p->x->home;
	if (slice_is(name, "shell"))
		return "/bin/sh";
	if (slice_is(name, "user"))
		return p->x->user;
	v = environment_macro(p->dl, name);
	return v == NULL ? NULL : macro_filter(v,
	    locald_conf(p->dl->job->ld)->forward_expansion_filter,
	    p->dl->job->mem);
}

/* A path with an extension counts only if there is one; and '/' or ".." in it
 * must not lead elsewhere. */
static size_t
forward_paths(struct delivery *dl, const struct dest *x,
    struct work_string out[PATHS_MAX])
{
	struct slice		 s, word;
	struct path_values	 values = { .dl = dl, .x = x };
	struct arena		*a = dl->job->mem;
	struct error		 err;
	size_t			 n = 0;
	bool			 empty;

	s = slice_str(locald_conf(dl->job->ld)->forward_path);
	while (n < PATHS_MAX && slice_word(&s, ", \t\r\n", &word)) {
		const char	*text = slice_cstr(a, word);
		bool		 with_ext = strstr(text, "extension") != NULL;

		if (with_ext && (dl->ext.len == 0 ||
		    slice_find(dl->ext, '/') >= 0 ||
		    slice_search(dl->ext, SLICE_LIT("..")) >= 0))
			continue;
		text = macro_expand(text, path_macro, &values, a, &empty,
		    &err);
		if (text == NULL)
			log_warn("forward_path: %s", err.text);
		else if (!empty && text[0] == '/')
			out[n++].text = text;
	}
	return n;
}

/* An address of a .forward that names the user himself is his mailbox. */
static bool
is_self(struct delivery *dl, const struct dest *x, const char *text)
{
	struct slice	 s = slice_str(text), local, user, ext;

	if (slice_cut(&s, '@', &local)) {
		enum route_class	 cls;

		if (route_class_of(dl->job->ld->route,
		    slice_cstr(dl->job->mem, s), &cls, NULL) != ROUTE_DONE ||
		    cls != CLASS_LOCAL)
			return false;
	} else
		local = s;
	route_split_ext(dl->job->ld->route, local, &user, &ext);
	return slice_iis(user, x->user);
}

static void
on_user_looked(void *arg, void *reply, const char *why)
{
	struct delivery		*dl = arg;
	struct work_looked	*r = reply;
	struct dest		*x = dl->now;
	struct work_item	*items;
	struct verdict		 v;

	if (!looked_ok(dl, r, why, &v)) {
		settle_step(dl, log_address(dl, x), v);
		return;
	}
	if (r->found == LOOK_LIST && r->items.count > 0) {
		items = r->items.items;
		for (size_t i = 0; i < r->items.count; i++)
			if (items[i].kind == ALIAS_ADDRESS &&
			    is_self(dl, x, items[i].text)) {
				items[i].kind = ALIAS_FINAL;
				items[i].text = x->user;
			}
		add_items(dl, x, FROM_FORWARD, items, r->items.count, x->uid,
		    x->gid);
		dl->now = NULL;
		step(dl);
		return;
	}
	if (!mailbox(dl, x)) {
		dl->now = NULL;
		step(dl);
	}
}

static struct passwd *
find_user(struct delivery *dl, struct slice name)
{
	char	*s = slice_cstr(dl->job->mem, name);

	if (s == NULL || s[0] == '\0')
		return NULL;
	for (char *p = s; *p != '\0'; p++)
		*p = (char)ascii_lower((unsigned char)*p);
	return getpwnam(s);
}

/* The last way out for names that nobody has. */
static bool
unknown(struct delivery *dl, const struct dest *x, const char *name)
{
	const char	*relay = locald_conf(dl->job->ld)->luser_relay;
	struct error	 err;

	if (relay[0] != '\0') {
		relay = macro_expand(relay, environment_macro, dl,
		    dl->job->mem, NULL, &err);
		if (relay != NULL) {
			add_forward(dl, relay);
			return false;
		}
		log_warn("luser_relay: %s", err.text);
	}
	refuse(dl, x, DELIVER_BOUNCED, "5.1.1", arena_printf(dl->job->mem,
	    "unknown user: \"%s\"", name));
	return false;
}

static bool
user(struct delivery *dl, struct dest *x, struct slice full, bool final)
{
	struct locald		*ld = dl->job->ld;
	struct slice		 name = full, ext;
	struct passwd		*pw = find_user(dl, full);
	struct work_string	 paths[PATHS_MAX];
	size_t			 n;

	if (pw == NULL) {
		route_split_ext(ld->route, full, &name, &ext);
		pw = find_user(dl, name);
	}
	if (pw == NULL)
		return unknown(dl, x, slice_cstr(dl->job->mem, name));
	if (daemon_privileged(ld->d) ? pw->pw_uid == 0 || pw->pw_gid == 0 :
	    pw->pw_uid != getuid()) {
		refuse(dl, x, DELIVER_DEFERRED, "4.3.5",
		    daemon_privileged(ld->d) ? "mail is not delivered as "
		    "root: make an alias for this user" : "the mail system "
		    "runs without the privileges to deliver to this user");
		return false;
	}
	x->uid = pw->pw_uid;
	x->gid = pw->pw_gid;
	x->user = arena_strdup(dl->job->mem, pw->pw_name);
	x->home = arena_strdup(dl->job->mem, pw->pw_dir);
	n = final ? 0 : forward_paths(dl, x, paths);
	look(dl, x->uid, x->gid, paths, n, false, on_user_looked);
	return true;
}

/* Aliases */

static bool
visited(const struct dest *x, const char *name)
{
	for (x = x->from; x != NULL; x = x->from)
		if (x->kind == ALIAS_ADDRESS && strcasecmp(x->text, name) == 0)
			return true;
	return false;
}

static enum map_result
alias_get(struct delivery *dl, const char *key, const char **value_out,
    const struct alias_map **map_out, struct error *err)
{
	struct locald	*ld = dl->job->ld;

	for (size_t i = 0; i < ld->naliases; i++) {
		enum map_result	 r = map_get(ld->aliases[i].map,
				    slice_str(key), dl->job->mem, value_out,
				    err);

		if (r == MAP_NONE)
			continue;
		*map_out = &ld->aliases[i];
		return r;
	}
	return MAP_NONE;
}

/* owner-list is the sender of what a list sends; bounces of bounces stay
 * bounces. */
static void
owner(struct delivery *dl, const char *name)
{
	const struct alias_map	*m;
	const char		*value, *who;
	struct error		 err;

	if (slice_istarts(slice_str(name), "owner-") ||
	    dl->job->req.sender[0] == '\0')
		return;
	who = arena_printf(dl->job->mem, "owner-%s", name);
	if (alias_get(dl, who, &value, &m, &err) != MAP_FOUND)
		return;
	if (locald_conf(dl->job->ld)->expand_owner_alias &&
	    strpbrk(value, ", |/\"") == NULL)
		who = value;
	dl->sender = strchr(who, '@') != NULL ? who : address_of(dl, who);
}

enum alias_use { ALIAS_NOT, ALIAS_USED };

static enum alias_use
alias(struct delivery *dl, struct dest *x, const char *name)
{
	const struct alias_map	*m = NULL;
	const char		*value;
	struct alias_item	*items;
	struct work_item	*w;
	struct arena		*a = dl->job->mem;
	struct error		 err = { .text = "table does not answer" };
	size_t			 n;

	if (visited(x, name))
		return ALIAS_NOT;
	switch (alias_get(dl, name, &value, &m, &err)) {
	case MAP_NONE:
		return ALIAS_NOT;
	case MAP_ERROR:
	case MAP_WAIT:
		refuse(dl, x, DELIVER_DEFERRED, "4.3.0", arena_printf(a,
		    "alias database unavailable: %s", err.text));
		return ALIAS_USED;
	case MAP_FOUND:
		break;
	}
	if (alias_parse(slice_str(value), WORK_ITEMS_MAX, a, &items, &n,
	    &err) < 0 || n == 0) {
		refuse(dl, x, DELIVER_DEFERRED, "4.3.5", arena_printf(a,
		    "alias %s: %s", name, n == 0 ? "no destination" :
		    err.text));
		return ALIAS_USED;
	}
	owner(dl, name);
	w = arena_array(a, n, sizeof(*w));
	for (size_t i = 0; i < n; i++)
		w[i] = (struct work_item){ items[i].kind, items[i].text };
	add_items(dl, x, FROM_ALIAS, w, n, m->uid, m->gid);
	return ALIAS_USED;
}

/* Names of this host: alias, else user. */
static bool
local_name(struct delivery *dl, struct dest *x, const char *full)
{
	struct slice	 name, ext;
	const char	*plain;

	route_split_ext(dl->job->ld->route, slice_str(full), &name, &ext);
	plain = slice_cstr(dl->job->mem, name);
	x->as = x->origin == FROM_REQUEST ? dl->rcpt->address :
	    address_of(dl, full);
	x->text = full;
	if (alias(dl, x, full) == ALIAS_USED)
		return false;
	if (ext.p != NULL) {
		x->text = plain;
		if (alias(dl, x, plain) == ALIAS_USED)
			return false;
	}
	return user(dl, x, slice_str(full), false);
}

static bool
address(struct delivery *dl, struct dest *x)
{
	struct slice		 s = slice_str(x->text);
	struct address		 ad;
	struct error		 err;
	enum route_class	 cls = CLASS_LOCAL;
	const char		*why, *name, *domain;

	if (!address_parse(s, ADDRESS_OK_UTF8 | ADDRESS_OK_NODOMAIN |
	    ADDRESS_OK_LOOSE, &ad, &why)) {
		refuse(dl, x, DELIVER_BOUNCED, "5.1.3", arena_printf(
		    dl->job->mem, "bad address in expansion: \"%.200s\"",
		    x->text));
		return false;
	}
	domain = slice_cstr(dl->job->mem, ad.domain);
	if (x->origin != FROM_REQUEST && ad.domain.len > 0 &&
	    route_class_of(dl->job->ld->route, domain, &cls, &err) !=
	    ROUTE_DONE) {
		refuse(dl, x, DELIVER_DEFERRED, "4.3.0", err.text);
		return false;
	}
	name = slice_cstr(dl->job->mem, address_local(dl->job->mem, &ad));
	if (cls != CLASS_LOCAL) {
		add_forward(dl, x->text);
		return false;
	}
	if (x->origin == FROM_REQUEST || x->sole)
		return local_name(dl, x, name);
	add_forward(dl, ad.domain.len > 0 ? x->text :
	    address_of(dl, x->text));
	return false;
}

/* :include: */

static void
on_included(void *arg, void *reply, const char *why)
{
	struct delivery		*dl = arg;
	struct work_looked	*r = reply;
	struct dest		*x = dl->now;
	struct verdict		 v;

	if (!looked_ok(dl, r, why, &v)) {
		settle_step(dl, log_address(dl, x), v);
		return;
	}
	add_items(dl, x, x->origin == FROM_FORWARD ? FROM_FORWARD :
	    FROM_INCLUDE, r->items.items, r->items.count, x->uid, x->gid);
	dl->now = NULL;
	step(dl);
}

static bool
include(struct delivery *dl, const struct dest *x)
{
	struct locald		*ld = dl->job->ld;
	struct work_string	 path = { x->text };
	struct privs_user	 who = { x->uid, x->gid };

	for (const struct dest *y = x->from; y != NULL; y = y->from)
		if (same(y, ALIAS_INCLUDE, x->text)) {
			refuse(dl, x, DELIVER_BOUNCED, "5.4.6", arena_printf(
			    dl->job->mem, "file %s includes itself",
			    x->text));
			return false;
		}
	if (who.uid == 0)
		who = ld->nobody;
	look(dl, who.uid, who.gid, &path, 1, true, on_included);
	return true;
}

/* One destination.  True: an answer will come. */
static bool
begin(struct delivery *dl, struct dest *x)
{
	switch (x->kind) {
	case ALIAS_ADDRESS:
		return address(dl, x);
	case ALIAS_FINAL:
		return user(dl, x, slice_str(x->text), true);
	case ALIAS_COMMAND:
		if (allowed(locald_conf(dl->job->ld)->allow_mail_to_commands,
		    x->origin)) {
			command(dl, x, x->text);
			return true;
		}
		refuse(dl, x, DELIVER_BOUNCED, "5.7.1",
		    "mail to command is restricted");
		return false;
	case ALIAS_FILE:
		return file(dl, x);
	case ALIAS_INCLUDE:
		return include(dl, x);
	}
	return false;
}

static void
step(struct delivery *dl)
{
	struct list	*l;

	while ((l = list_take(&dl->todo)) != NULL) {
		dl->now = LIST_ENTRY(l, struct dest, link);
		if (begin(dl, dl->now))
			return;
		dl->now = NULL;
	}
	/* What failed for now is tried again as a whole: nothing goes on
	 * before the rest is certain. */
	if (dl->nforwards > 0 && (dl->verdict.text == NULL ||
	    dl->verdict.status != DELIVER_DEFERRED)) {
		forward_all(dl);
		return;
	}
	if (dl->verdict.text == NULL)
		settle(dl, dl->rcpt->address, verdict_of(DELIVER_BOUNCED,
		    "5.1.1", dl->job->mem, "no destination for %s",
		    dl->rcpt->address));
	request_verdict(dl, dl->verdict);
}

void
local_begin(struct delivery *dl)
{
	list_init(&dl->todo);
	(void)add(dl, ALIAS_ADDRESS, dl->rcpt->address, NULL, FROM_REQUEST);
	if (dl->domain[0] == '\0')
		dl->domain = daemon_common(dl->job->ld->d)->myhostname;
	step(dl);
}

/* Tables */

/* Commands in a table of an ordinary user run as that user, those of root's
 * tables as default_privs. */
static void
table_owner(struct alias_map *m)
{
	const char	*colon = strchr(map_name(m->map), ':');
	struct passwd	*pw;
	struct stat	 st;
	char		 db[4096];

	if (colon == NULL || colon[1] != '/')
		return;
	(void)snprintf(db, sizeof(db), "%s.db", colon + 1);
	if ((stat(db, &st) < 0 && stat(colon + 1, &st) < 0) ||
	    st.st_uid == 0 || (pw = getpwuid(st.st_uid)) == NULL)
		return;
	m->uid = pw->pw_uid;
	m->gid = pw->pw_gid;
}

int
local_open(struct locald *ld, struct error *err)
{
	struct arena	*a = daemon_arena(ld->d);
	struct map_env	 env = {
		.default_type = daemon_common(ld->d)->default_database_type,
	};
	struct slice	 s, word;

	s = slice_str(conf_value(daemon_conf(ld->d), a, "alias_maps"));
	ld->aliases = arena_array(a, 64, sizeof(*ld->aliases));
	while (slice_word(&s, ", \t\r\n", &word)) {
		struct alias_map	*m = &ld->aliases[ld->naliases];

		if (ld->naliases == 64)
			return error_set(err, "alias_maps: too many tables");
		if (map_open(slice_cstr(a, word), &env, &m->map, err) < 0)
			return error_in(err, "alias_maps");
		table_owner(m);
		ld->naliases++;
	}
	return 0;
}
