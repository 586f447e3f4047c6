/* SPDX-License-Identifier: Apache-2.0 */
/* pipe(8): the service's arguments in master.cf say which command runs as
 * whom.  One argument stays one argument whatever a macro is replaced by. */
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/ascii.h"
#include "base/buf.h"
#include "local-delivery/locald.h"
#include "local-delivery/macro.h"

#define FLAGS		"BDFORXhqu.>"
#define ARGS_MAX	1000

/* Configuration */

static int
set_user(struct locald *ld, const char *value, struct error *err)
{
	struct slice	 s = slice_str(value), user;
	struct privs_user	 u;
	char		*group = NULL;

	if (slice_cut(&s, ':', &user))
		group = slice_cstr(daemon_arena(ld->d), s);
	else
		user = s;
	if (privs_find(slice_cstr(daemon_arena(ld->d), user), &u, err) < 0 ||
	    (group != NULL && privs_find_group(group, &u.gid, err) < 0))
		return error_in(err, "user=%s", value);
	if (u.uid == 0 || u.gid == 0)
		return error_set(err, "user=%s: a command must not run as "
		    "root", value);
	ld->pipe.uid = u.uid;
	ld->pipe.gid = u.gid;
	return 0;
}

static int
set_flags(struct locald *ld, const char *value, struct error *err)
{
	for (const char *p = value; *p != '\0'; p++)
		if (strchr(FLAGS, *p) == NULL)
			return error_set(err, "flags=%s: unknown flag \"%c\"",
			    value, *p);
	ld->pipe.flags = value;
	return 0;
}

static int
option(struct locald *ld, const char *arg, struct error *err)
{
	struct slice	 value = slice_str(arg), name;
	const char	*v;

	if (!slice_cut(&value, '=', &name))
		return error_set(err, "pipe: unknown argument \"%s\"", arg);
	v = arg + name.len + 1;
	if (slice_is(name, "user"))
		return set_user(ld, v, err);
	if (slice_is(name, "flags"))
		return set_flags(ld, v, err);
	if (slice_is(name, "directory"))
		ld->pipe.directory = v;
	else if (slice_is(name, "null_sender"))
		ld->pipe.null_sender = v;
	else if (slice_is(name, "eol"))
		ld->pipe.eol = v;
	else if (slice_is(name, "size")) {
		if (!slice_u64(slice_str(v), INT64_MAX, &ld->pipe.size_limit))
			return error_set(err, "pipe: bad %s", arg);
	} else
		return error_set(err, "pipe: unknown argument \"%s\"", arg);
	return 0;
}

int
pipe_open(struct locald *ld, struct error *err)
{
	const char *const	*args = daemon_args(ld->d);
	struct arena		*a = daemon_arena(ld->d);
	size_t			 n = 0;

	ld->pipe = (struct pipe_conf){
		.flags = "", .directory = "", .null_sender = "MAILER-DAEMON",
		.eol = "\\n",
	};
	ld->pipe.argv = arena_array(a, ARGS_MAX + 1, sizeof(char *));
	for (; *args != NULL && !slice_starts(slice_str(*args), "argv=");
	    args++)
		if (option(ld, *args, err) < 0)
			return -1;
	if (*args == NULL)
		return error_set(err, "pipe: no argv= in master.cf");
	ld->pipe.argv[n++] = *args++ + 5;
	while (*args != NULL && n < ARGS_MAX)
		ld->pipe.argv[n++] = *args++;
	if (ld->pipe.uid == 0 && daemon_privileged(ld->d))
		return error_set(err, "pipe: no user= in master.cf");
	if (ld->pipe.argv[0][0] != '/')
		return error_set(err, "pipe: argv= must name the command by "
		    "its full path");
	return 0;
}

/* A delivery */

struct run {
	struct job	*job;
	struct delivery	**dls;
	size_t		 n;
};

static bool
flag(const struct locald *ld, int c)
{
	return strchr(ld->pipe.flags, c) != NULL;
}

static void
lower(char *p)
{
	for (; *p != '\0'; p++)
		*p = (char)ascii_lower((unsigned char)*p);
}

/* q: quote the local part if it needs it; h, u: fold domain, user. */
static const char *
pipe_macro(void *arg, struct slice name)
{
	struct delivery	*dl = arg;
	struct locald	*ld = dl->job->ld;
	const char	*v = environment_macro(dl, name);
	char		*copy;

	if (v == NULL)
		return NULL;
	if (slice_is(name, "sender") && v[0] == '\0')
		return ld->pipe.null_sender;
	copy = arena_strdup(dl->job->mem, v);
	if ((slice_is(name, "nexthop") || slice_is(name, "domain")) &&
	    flag(ld, 'h'))
		lower(copy);
	else if ((slice_is(name, "user") || slice_is(name, "extension") ||
	    slice_is(name, "mailbox")) && flag(ld, 'u'))
		lower(copy);
	else if (slice_is(name, "recipient")) {
		char	*at = strrchr(copy, '@');

		if (at != NULL && flag(ld, 'h'))
			lower(at);
		if (flag(ld, 'u')) {
			if (at != NULL)
				*at = '\0';
			lower(copy);
			if (at != NULL)
				*at = '@';
		}
		if (!flag(ld, 'q') && copy[0] == '"')
			return arena_printf(dl->job->mem, "%.*s%s%s",
			    SLICE_ARG(dl->local), at == NULL ? "" : "@",
			    dl->domain);
	}
	return copy;
}

static bool
per_recipient(const char *arg)
{
	static const char *const	names[] = {
		"recipient", "user", "extension", "mailbox", "domain",
		"original_recipient",
	};
	struct slice	 s = slice_str(arg), head;

	while (slice_cut(&s, '$', &head))
		for (size_t i = 0; i < COUNT(names); i++) {
			struct slice	 t = s;

			if (t.len > 0 && (t.p[0] == '{' || t.p[0] == '('))
				t = slice_from(t, 1);
			if (slice_starts(t, names[i]))
				return true;
		}
	return false;
}

/* An argument that speaks of the recipient is repeated for each. */
static int
make_argv(const struct run *r, struct ipc_list *out, struct error *err)
{
	const char		**tmpl = r->job->ld->pipe.argv;
	struct work_string	*v;
	size_t			 n = 0, max = 1;

	for (size_t i = 0; tmpl[i] != NULL; i++)
		max += per_recipient(tmpl[i]) ? r->n : 1;
	v = arena_array(r->job->mem, max, sizeof(*v));
	for (size_t i = 0; tmpl[i] != NULL; i++) {
		size_t	 times = per_recipient(tmpl[i]) ? r->n : 1;

		for (size_t k = 0; k < times; k++) {
			v[n].text = macro_expand(tmpl[i], pipe_macro,
			    r->dls[k], r->job->mem, NULL, err);
			if (v[n++].text == NULL)
				return -1;
		}
	}
	*out = (struct ipc_list){ v, n };
	return 0;
}

static const char *
make_prefix(const struct run *r)
{
	const struct job	*j = r->job;
	const struct deliver_rcpt	*to = r->dls[0]->rcpt;
	time_t			 now = time(NULL);
	struct tm		 tm;
	char			 date[32] = "";
	struct buf		 b;
	const char		*text;

	buf_init(&b, 16384);
	if (flag(j->ld, 'F') && gmtime_r(&now, &tm) != NULL &&
	    strftime(date, sizeof(date), "%a %b %e %H:%M:%S %Y", &tm) > 0)
		buf_addf(&b, "From %s %s\r\n", j->req.sender[0] == '\0' ?
		    j->ld->pipe.null_sender : j->req.sender, date);
	if (flag(j->ld, 'R'))
		buf_addf(&b, "Return-Path: <%s>\r\n", j->req.sender);
	if (flag(j->ld, 'O') && to->original[0] != '\0')
		buf_addf(&b, "X-Original-To: %s\r\n", to->original);
	if (flag(j->ld, 'D'))
		buf_addf(&b, "Delivered-To: %s\r\n", to->address);
	text = arena_strdup(j->mem, buf_cstr(&b));
	buf_clear(&b);
	return text;
}

static void
finish(struct run *r, struct verdict v)
{
	/* X: this is final delivery; else the command relays */
	for (size_t i = 0; i < r->n; i++) {
		request_log(r->dls[i], r->dls[i]->rcpt->address, &v);
		request_verdict(r->dls[i], v);
	}
}

static void
on_done(void *arg, void *reply, const char *why)
{
	struct run	*r = arg;

	finish(r, request_answer(r->dls[0], reply, why));
}

static void
send_command(struct run *r, struct ipc_list argv)
{
	struct locald			*ld = r->job->ld;
	const struct deliver_req	*q = &r->job->req;
	struct arena			*a = r->job->mem;
	struct work_command		 m = {
		.content = q->content, .offset = q->content_offset,
		.size = q->content_size, .prefix = make_prefix(r),
		.argv = argv, .directory = ld->pipe.directory,
		.display = ld->pipe.argv[0],
		.time_limit = locald_conf(ld)->command_time_limit,
	};
	struct work_string		 env[2] = {
		{ "PATH=/usr/local/bin:/usr/bin:/bin" },
	};

	env[1].text = arena_printf(a, "MAIL_CONFIG=%s",
	    conf_dir(daemon_conf(ld->d)));
	m.env = (struct ipc_list){ env, COUNT(env) };
	m.done = arena_printf(a, "delivered via %s service",
	    daemon_service_name(ld->d));
	m.flags = (flag(ld, 'B') ? WORK_BLANK_END : 0) |
	    (flag(ld, '>') ? WORK_FROM_QUOTE : 0) |
	    (flag(ld, '.') ? WORK_DOT_STUFF : 0) |
	    (strcmp(ld->pipe.eol, "\\r\\n") == 0 ? WORK_CRLF : 0);
	userproc_call(ld->workers, ld->pipe.uid, ld->pipe.gid,
	    &work_command_desc, &m, &work_result_desc,
	    m.time_limit + SECS(60), on_done, r);
}

static void
begin(struct job *j, struct delivery **dls, size_t n)
{
	struct run	*r = arena_alloc(j->mem, sizeof(*r));
	struct ipc_list	 argv;
	struct error	 err;

	*r = (struct run){ j, dls, n };
	if (j->ld->pipe.size_limit > 0 &&
	    j->req.content_size > j->ld->pipe.size_limit)
		finish(r, verdict_of(DELIVER_BOUNCED, "5.2.3", j->mem,
		    "message size %llu exceeds size limit %llu of %s",
		    (unsigned long long)j->req.content_size,
		    (unsigned long long)j->ld->pipe.size_limit,
		    daemon_service_name(j->ld->d)));
	else if (make_argv(r, &argv, &err) < 0)
		finish(r, verdict_of(DELIVER_DEFERRED, "4.3.5", j->mem,
		    "mail system configuration error: %s", err.text));
	else
		send_command(r, argv);
}

/* One command for all recipients, unless headers speak of one. */
void
pipe_begin_all(struct job *j)
{
	struct delivery	**dls = arena_array(j->mem, j->n + 1, sizeof(*dls));
	bool		  each = flag(j->ld, 'D') || flag(j->ld, 'O');
	size_t		  n = 0;

	for (size_t i = 0; i < j->n; i++)
		if (!j->deliveries[i].done)
			dls[n++] = &j->deliveries[i];
	if (!each && n > 0)
		begin(j, dls, n);
	for (size_t i = 0; each && i < n; i++)
		begin(j, dls + i, 1);
}
