/* SPDX-License-Identifier: Apache-2.0 */
/* What a worker does as its user: deliver into mailboxes, read .forward and
 * :include: files, look for loops. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/ascii.h"
#include "base/hash.h"
#include "base/mem.h"
#include "local-delivery/alias.h"
#include "local-delivery/locald.h"
#include "sys/file.h"
#include "sys/log.h"

#define LIST_FILE_MAX	((off_t)65536)
#define HEADER_MAX	((size_t)1 << 20)
#define USERS_MAX	64

static void
reply(struct ipc_request req, struct verdict v)
{
	struct work_result	 r = {
		.status = v.status, .dsn = v.dsn, .text = v.text,
	};

	ipc_reply(req, &work_result_desc, &r);
}

/* Mailboxes */

struct storing {
	struct ipc_request	 req;
};

static void
on_stored(void *arg, const struct store_done *r)
{
	struct storing	*s = arg;
	struct arena	*a = arena_new();

	reply(s->req, verdict_store(r->fail, r->err, a));
	arena_free(&a);
	mem_free(&s);
}

/* All users of one worker are one user to the system; few paths. */
static void
forget_users(struct worker_state *w)
{
	struct slice	 key;
	void		*v;
	size_t		 at = 0;

	while (hash_each(w->users, &at, &key, &v)) {
		struct store_user	*u = v;

		store_user_close(&u);
	}
	hash_free(&w->users);
	w->users = hash_new();
}

static struct store_user *
user_of(struct worker_state *w, const char *maildir, enum store_fail *fail,
    struct error *err)
{
	struct store_user	*u = hash_gets(w->users, maildir);

	if (u != NULL)
		return u;
	if (hash_count(w->users) >= USERS_MAX)
		forget_users(w);
	if (store_user_open(w->store, maildir, true, &u, fail, err) < 0)
		return NULL;
	hash_puts(w->users, maildir, u);
	return u;
}

/* The account's limit arrives with the request, before the store is asked. */
static bool
over_quota(struct store_user *u, const struct work_store *m,
    struct error *err)
{
	uint64_t	 bytes, messages;

	if (m->quota_bytes == UINT64_MAX)
		return false;
	if (store_usage(u, &bytes, &messages, err) < 0)
		return false;
	if (bytes + m->size <= m->quota_bytes)
		return false;
	error_set(err, "mailbox is full (quota %llu bytes, in use %llu)",
	    (unsigned long long)m->quota_bytes, (unsigned long long)bytes);
	return true;
}

static void
work_store(void *arg, struct ipc_request req, void *msg)
{
	struct worker_state	*w = arg;
	struct work_store	*m = msg;
	struct store_delivery	 sd = {
		.prefix = slice_str(m->prefix), .fd = m->content,
		.offset = m->offset, .size = m->size,
	};
	struct store_user	*u;
	struct storing		*s;
	struct error		 err;
	enum store_fail		 fail = STORE_TEMP;
	struct arena		*a = arena_new();

	u = user_of(w, m->maildir, &fail, &err);
	if (u != NULL && over_quota(u, m, &err)) {
		fail = STORE_OVER_QUOTA;
		u = NULL;
	}
	if (u == NULL)
		reply(req, verdict_store(fail, &err, a));
	else {
		/* The parent counts its calls and waits for them.  If it dies
		 * nobody hears the answer: no reason to hold the process. */
		s = mem_new(1, sizeof(*s));
		s->req = req;
		store_deliver(u, &sd, on_stored, s);
	}
	close(m->content);
	arena_free(&a);
}

/* Looking */

/* Does a Delivered-To field of the header say this address?  Folded values do
 * not occur in what we write. */
static bool
header_has(struct slice head, const char *address)
{
	struct slice	 line;

	while (head.len > 0) {
		if (!slice_cut(&head, '\n', &line)) {
			line = head;
			head = slice_of("", 0);
		}
		line = slice_rtrim(line);
		if (line.len == 0)
			return false;
		if (slice_istarts(line, "Delivered-To:") &&
		    slice_iis(slice_trim(slice_from(line, 13)), address))
			return true;
	}
	return false;
}

static bool
loops(const struct work_look *m)
{
	size_t		 n = m->size < HEADER_MAX ? (size_t)m->size :
			    HEADER_MAX;
	char		*head;
	ssize_t		 got;
	bool		 found = false;

	if (m->address[0] == '\0' || n == 0)
		return false;
	head = mem_new(n, 1);
	got = file_pread(m->content, head, n, (off_t)m->offset);
	if (got > 0)
		found = header_has(slice_of(head, (size_t)got), m->address);
	mem_free(&head);
	return found;
}

/* -1: not there; 0: read; 1: there, but not to be used (*err). */
static int
read_list(const char *path, struct buf *out, struct error *err)
{
	struct stat	 st;
	unsigned char	*p;
	ssize_t		 n;
	int		 fd;

	/* Not to hang on a FIFO. */
	fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return -1;
	if (fd < 0 || fstat(fd, &st) < 0) {
		error_sys(err, "%s", path);
		if (fd >= 0)
			close(fd);
		return 1;
	}
	if (!S_ISREG(st.st_mode))
		error_set(err, "%s is not a regular file", path);
	else if (st.st_uid != 0 && st.st_uid != geteuid())
		error_set(err, "%s has another owner", path);
	else if ((st.st_mode & 022) != 0)
		error_set(err, "%s may be written by others", path);
	else if (st.st_size > LIST_FILE_MAX)
		error_set(err, "%s is too large", path);
	else {
		p = buf_space(out, (size_t)LIST_FILE_MAX);
		n = file_pread(fd, p, (size_t)LIST_FILE_MAX, 0);
		close(fd);
		if (n < 0) {
			error_sys(err, "read %s", path);
			return 1;
		}
		buf_added(out, (size_t)n);
		return 0;
	}
	close(fd);
	return 1;
}

static void
parse_list(struct work_looked *r, struct buf *text, struct arena *a)
{
	struct alias_item	*items;
	struct work_item	*out;
	struct error		 err;
	size_t			 n;

	if (alias_parse(buf_slice(text), WORK_ITEMS_MAX, a, &items, &n,
	    &err) < 0) {
		r->found = LOOK_ERROR;
		r->text = arena_printf(a, "%s: %.400s", r->path, err.text);
		return;
	}
	out = arena_array(a, n + 1, sizeof(*out));
	for (size_t i = 0; i < n; i++)
		out[i] = (struct work_item){ items[i].kind, items[i].text };
	r->found = LOOK_LIST;
	r->items = (struct ipc_list){ out, n };
}

static void
look_files(struct work_look *m, struct work_looked *r, struct arena *a)
{
	struct work_string	*paths = m->paths.items;
	struct buf		 text;
	struct error		 err;
	int			 got = -1;

	buf_init(&text, (size_t)LIST_FILE_MAX * 2);
	for (size_t i = 0; i < m->paths.count && got < 0; i++) {
		r->path = paths[i].text;
		got = read_list(r->path, &text, &err);
	}
	if (got == 0)
		parse_list(r, &text, a);
	else if (got > 0) {
		/* An unsafe .forward is passed over with a warning. */
		r->found = m->must_exist ? LOOK_ERROR : LOOK_NOTHING;
		r->text = arena_printf(a, "%.400s", err.text);
	} else if (m->must_exist) {
		r->found = LOOK_ERROR;
		r->text = arena_printf(a, "%.400s: no such file", r->path);
	}
	buf_clear(&text);
}

static void
work_look(void *arg, struct ipc_request req, void *msg)
{
	struct work_look	*m = msg;
	struct work_looked	 r = { .path = "", .text = "" };
	struct arena		*a = arena_new();

	(void)arg;
	if (loops(m))
		r.found = LOOK_LOOP;
	else
		look_files(m, &r, a);
	ipc_reply(req, &work_looked_desc, &r);
	close(m->content);
	arena_free(&a);
}

static void
work_command(void *arg, struct ipc_request req, void *msg)
{
	command_run(arg, req, msg);
}

static void *
worker_start(struct daemon *d, struct ipc *parent, uid_t uid, gid_t gid)
{
	struct worker_state	*w = arena_alloc(daemon_arena(d), sizeof(*w));
	struct store_conf	 conf = {
		.hostname = daemon_common(d)->myhostname, .separator = '/',
	};

	(void)parent, (void)uid, (void)gid;
	w->d = d;
	w->users = hash_new();
	w->store = store_new(daemon_loop(d), daemon_syncer(d), &conf);
	return w;
}

static const struct ipc_handler worker_handlers[] = {
	{ &work_store_desc, work_store },
	{ &work_look_desc, work_look },
	{ &work_command_desc, work_command },
};

static const struct ipc_handler store_handlers[] = {
	{ &work_store_desc, work_store },
};

const struct userproc_desc worker_desc = {
	.start = worker_start,
	.handlers = worker_handlers,
	.nhandlers = COUNT(worker_handlers),
	/* A user's command may call sendmail, which needs set-gid postdrop. */
	.may_gain = true,
	.idle = SECS(60),
	.max_workers = 200,
};

/* No commands, nothing to gain. */
const struct userproc_desc worker_desc_virtual = {
	.start = worker_start,
	.handlers = store_handlers,
	.nhandlers = COUNT(store_handlers),
	.idle = SECS(60),
	.max_workers = 200,
};
