/* SPDX-License-Identifier: Apache-2.0 */
/* virtual(8): accounts of authd first, then virtual_mailbox_maps with
 * virtual_mailbox_base, virtual_uid_maps and virtual_gid_maps.  No aliases, no
 * commands: one mailbox. */
#include <string.h>

#include "base/ascii.h"
#include "ipc/auth_msg.h"
#include "local-delivery/locald.h"
#include "sys/clock.h"

#define AUTH_TIMEOUT	SECS(60)

static void
finish(struct delivery *dl, struct verdict v)
{
	request_log(dl, dl->rcpt->address, &v);
	request_verdict(dl, v);
}

static void
stored(void *arg, void *reply, const char *why)
{
	struct delivery	*dl = arg;

	finish(dl, request_answer(dl, reply, why));
}

/* ".." anywhere, or a relative path, would leave the place that was meant. */
static bool
path_ok(const char *path)
{
	struct slice	 s = slice_str(path), part;

	if (path[0] != '/')
		return false;
	while (slice_word(&s, "/", &part))
		if (slice_is(part, ".."))
			return false;
	return true;
}

static void
deliver(struct delivery *dl, uint64_t uid, uint64_t gid, const char *path,
    uint64_t quota)
{
	struct locald	*ld = dl->job->ld;
	uint64_t	 least =
			    (uint64_t)locald_conf(ld)->virtual_minimum_uid;
	struct arena	*a = dl->job->mem;

	if (!path_ok(path))
		finish(dl, verdict_of(DELIVER_DEFERRED, "4.3.5", a,
		    "mail system configuration error: bad mailbox path"));
	else if (daemon_privileged(ld->d) && (uid < least || uid == 0 ||
	    gid == 0 || uid >= UINT32_MAX || gid >= UINT32_MAX))
		finish(dl, verdict_of(DELIVER_DEFERRED, "4.3.5", a,
		    "mail system configuration error: uid %llu gid %llu of "
		    "the mailbox", (unsigned long long)uid,
		    (unsigned long long)gid));
	else
		request_store(dl, (uid_t)uid, (gid_t)gid, path, quota, stored);
}

/* Maps */

static enum map_result
lookup(struct delivery *dl, struct map_list *l, const char **out,
    struct error *err)
{
	struct locald	*ld = dl->job->ld;
	bool		 no_ext;

	return map_list_get_addr(l, slice_str(dl->rcpt->address),
	    daemon_common(ld->d)->recipient_delimiter, MAP_ADDR_FULL |
	    MAP_ADDR_NOEXT | MAP_ADDR_AT_DOM, dl->job->mem, out, &no_ext, err);
}

static int
lookup_id(struct delivery *dl, struct map_list *l, const char *what,
    uint64_t *out, struct error *err)
{
	const char	*value;

	switch (lookup(dl, l, &value, err)) {
	case MAP_FOUND:
		break;
	case MAP_NONE:
		return error_set(err, "recipient %s: %s not found in %s maps",
		    dl->rcpt->address, what, what);
	case MAP_ERROR:
		return -1;
	case MAP_WAIT:
		return error_set(err, "%s map does not answer", what);
	}
	if (!slice_u64(slice_trim(slice_str(value)), UINT32_MAX - 1, out))
		return error_set(err, "recipient %s: bad %s \"%s\"",
		    dl->rcpt->address, what, value);
	return 0;
}

static void
by_maps(struct delivery *dl)
{
	struct locald	*ld = dl->job->ld;
	const char	*base = locald_conf(ld)->virtual_mailbox_base;
	struct arena	*a = dl->job->mem;
	const char	*value, *path;
	struct error	 err = { .text = "table does not answer" };
	uint64_t	 uid, gid;

	switch (lookup(dl, ld->virtual_mailboxes, &value, &err)) {
	case MAP_NONE:
		finish(dl, verdict_of(DELIVER_BOUNCED, "5.1.1", a,
		    "unknown user: \"%s\"", dl->rcpt->address));
		return;
	case MAP_ERROR:
	case MAP_WAIT:
		finish(dl, verdict_of(DELIVER_DEFERRED, "4.3.5", a, "%s",
		    err.text));
		return;
	case MAP_FOUND:
		break;
	}
	path = base[0] == '\0' ? value : arena_printf(a, "%s/%s", base, value);
	if (path[0] == '\0' || path[strlen(path) - 1] != '/')
		finish(dl, verdict_of(DELIVER_DEFERRED, "4.3.5", a,
		    "mailbox files are not supported: the mailbox of %s must "
		    "end in \"/\"", dl->rcpt->address));
	else if (lookup_id(dl, ld->virtual_uids, "uid", &uid, &err) < 0 ||
	    lookup_id(dl, ld->virtual_gids, "gid", &gid, &err) < 0)
		finish(dl, verdict_of(DELIVER_DEFERRED, "4.3.5", a, "%s",
		    err.text));
	else
		deliver(dl, uid, gid, path, UINT64_MAX);
}

/* Accounts */

static void	 ask_without_ext(struct delivery *dl);

static void
on_account(struct delivery *dl, const struct auth_account *acc,
    const char *why, bool last)
{
	struct arena	*a = dl->job->mem;

	if (acc == NULL || acc->found == ACCOUNT_TEMPFAIL)
		finish(dl, verdict_of(DELIVER_DEFERRED, "4.3.0", a,
		    "account look-up failed: %s",
		    acc == NULL ? why : "temporary failure"));
	else if (acc->found == ACCOUNT_FOUND)
		deliver(dl, acc->uid, acc->gid, acc->mailbox == NULL ? "" :
		    arena_strdup(a, acc->mailbox), acc->quota_bytes);
	else if (!last && dl->ext.p != NULL)
		ask_without_ext(dl);
	else
		by_maps(dl);
}

static void
on_full(void *arg, void *reply, const char *why)
{
	struct delivery	*dl = arg;

	if (reply != NULL)
		known_put(dl->job->ld->known, dl->asked, reply, clock_mono());
	on_account(dl, reply, why, false);
}

static void
on_noext(void *arg, void *reply, const char *why)
{
	struct delivery	*dl = arg;

	if (reply != NULL)
		known_put(dl->job->ld->known, dl->asked, reply, clock_mono());
	on_account(dl, reply, why, true);
}

static void
ask(struct delivery *dl, char *address, ipc_done *done)
{
	struct locald			*ld = dl->job->ld;
	struct auth_lookup		 m = { .user = address };
	const struct auth_account	*acc;

	for (char *p = address; *p != '\0'; p++)
		*p = (char)ascii_lower((unsigned char)*p);
	dl->asked = address;
	acc = known_find(ld->known, address, clock_mono());
	if (acc != NULL)
		on_account(dl, acc, NULL, true);
	else
		(void)ipc_client_call(ld->auth, &auth_lookup_desc, &m,
		    &auth_account_desc, AUTH_TIMEOUT, done, dl);
}

static void
ask_without_ext(struct delivery *dl)
{
	ask(dl, arena_printf(dl->job->mem, "%.*s@%s", SLICE_ARG(dl->user),
	    dl->domain), on_noext);
}

void
virtual_begin(struct delivery *dl)
{
	ask(dl, arena_strdup(dl->job->mem, dl->rcpt->address), on_full);
}

int
virtual_open(struct locald *ld, struct error *err)
{
	const struct locald_conf	*c = locald_conf(ld);
	struct map_env			 env = {
		.default_type = daemon_common(ld->d)->default_database_type,
	};
	const char			*boxes;

	boxes = conf_value(daemon_conf(ld->d), daemon_arena(ld->d),
	    "virtual_mailbox_maps");
	if (map_list_open(boxes, &env, &ld->virtual_mailboxes, err) < 0 ||
	    map_list_open(c->virtual_uid_maps, &env, &ld->virtual_uids,
	    err) < 0)
		return -1;
	return map_list_open(c->virtual_gid_maps, &env, &ld->virtual_gids,
	    err);
}
