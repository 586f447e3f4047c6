/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "local-delivery/locald.h"

#define FILTER	"1234567890!@%-_=+:,./abcdefghijklmnopqrstuvwxyz" \
		"ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define KNOWN_MAX	10000
#define KNOWN_TIME	SECS(5)
#define C	struct locald_conf

static const struct param locald_params[] = {
	P_STR(C, home_mailbox, "home_mailbox", "Maildir/",
	    "A user's mailbox below the home directory; a Maildir ends in "
	    "\"/\"."),
	P_RAW(C, mailbox_command, "mailbox_command", "",
	    "Command that delivers to local users in place of home_mailbox."),
	P_RAW(C, forward_path, "forward_path",
	    "$home/.forward${recipient_delimiter}${extension}, $home/.forward",
	    "Where users keep their .forward files; the first that exists "
	    "counts."),
	P_RAW(C, luser_relay, "luser_relay", "",
	    "Address that gets mail for unknown local users."),
	P_STR(C, allow_mail_to_commands, "allow_mail_to_commands",
	    "alias, forward", "Where \"|command\" may be used: alias, "
	    "forward, include."),
	P_STR(C, allow_mail_to_files, "allow_mail_to_files",
	    "alias, forward", "Where \"/file/name/\" may be used: alias, "
	    "forward, include."),
	P_RAW(C, command_expansion_filter, "command_expansion_filter", FILTER,
	    "Characters that the environment of commands may contain."),
	P_RAW(C, forward_expansion_filter, "forward_expansion_filter", FILTER,
	    "Characters that values in forward_path may contain."),
	P_RAW(C, command_execution_directory, "command_execution_directory",
	    "", "Working directory of commands."),
	P_STR(C, prepend_delivered_header, "prepend_delivered_header",
	    "command, file, forward",
	    "Deliveries that put a Delivered-To header in front."),
	P_STR(C, virtual_mailbox_base, "virtual_mailbox_base", "",
	    "Put in front of the paths of virtual_mailbox_maps."),
	P_STR(C, virtual_uid_maps, "virtual_uid_maps", "",
	    "Tables with the user ids of virtual mailboxes."),
	P_STR(C, virtual_gid_maps, "virtual_gid_maps", "",
	    "Tables with the group ids of virtual mailboxes."),
	P_INT(C, virtual_minimum_uid, "virtual_minimum_uid", "100", 1,
	    INT32_MAX, "Smallest user id of a virtual mailbox."),
	P_TIME(C, command_time_limit, "command_time_limit", "1000s", 's', 1,
	    INT32_MAX, "How long a delivery command may take."),
	P_BOOL(C, enable_original_recipient, "enable_original_recipient",
	    "yes", "Put X-Original-To in front when the address was "
	    "rewritten."),
	P_BOOL(C, expand_owner_alias, "expand_owner_alias", "no",
	    "Use the expansion of owner-alias as sender, not its name."),
	P_BOOL(C, biff, "biff", "no", "Accepted; there is no biff service."),
};

static const struct daemon_conf_part parts[] = {
	{ route_params, &route_nparams, 0 },
};

static enum locald_mode	mode;

static int
open_as_root(struct daemon *d, struct error *err)
{
	struct locald	*ld = arena_alloc(daemon_arena(d), sizeof(*ld));

	daemon_set_state(d, ld);
	ld->d = d;
	ld->mode = mode;
	if (route_open(daemon_conf(d), NULL, &ld->route, err) < 0)
		return -1;
	if (privs_find(daemon_common(d)->default_privs, &ld->nobody, err) < 0)
		return error_in(err, "default_privs");
	switch (mode) {
	case MODE_LOCAL:
		return local_open(ld, err);
	case MODE_VIRTUAL:
		return virtual_open(ld, err);
	case MODE_PIPE:
		return pipe_open(ld, err);
	}
	return 0;
}

static int
start(struct daemon *d, struct error *err)
{
	struct locald	*ld = daemon_state(d);

	(void)err;
	ld->workers = userproc_new(d, ld->mode == MODE_VIRTUAL ?
	    &worker_desc_virtual : &worker_desc, ld);
	ld->auth = ipc_client_new(daemon_loop(d), "private/auth");
	ld->known = known_new(KNOWN_MAX, KNOWN_TIME);
	ld->pickup = ipc_client_new(daemon_loop(d), "public/pickup");
	return 0;
}

/* master runs us under the name that master.cf uses; by hand the service's
 * name (-n) decides. */
static enum locald_mode
find_mode(int argc, char **argv)
{
	const char	*names[] = { argv[0], NULL };

	for (int i = 1; i + 1 < argc; i++)
		if (strcmp(argv[i], "-n") == 0)
			names[1] = argv[i + 1];
	for (int i = 1; i < argc; i++)
		if (strncmp(argv[i], "argv=", 5) == 0)
			return MODE_PIPE;
	for (size_t i = 0; i < COUNT(names); i++) {
		const char	*base = names[i] == NULL ? NULL :
				    strrchr(names[i], '/');

		base = base == NULL ? names[i] : base + 1;
		if (base == NULL)
			continue;
		if (strcmp(base, "virtual") == 0)
			return MODE_VIRTUAL;
		if (strcmp(base, "pipe") == 0)
			return MODE_PIPE;
	}
	return MODE_LOCAL;
}

/* Tables and users; mail is read and mailboxes are opened by workers. */
static const struct privs_path landlock[] = {
	{ "/", PRIVS_READ },
};

int
main(int argc, char **argv)
{
	static const char *const	tags[] = {
		[MODE_LOCAL] = "local", [MODE_VIRTUAL] = "virtual",
		[MODE_PIPE] = "pipe",
	};
	struct daemon_desc		 desc = {
		.name = "local-delivery",
		.kind = DAEMON_IPC,
		.user = DAEMON_ROOT,
		.root = DAEMON_ROOT_NONE,
		.params = locald_params,
		.nparams = COUNT(locald_params),
		.conf_size = sizeof(struct locald_conf),
		.parts = parts,
		.nparts = COUNT(parts),
		.open_as_root = open_as_root,
		.start = start,
		.handlers = request_handlers,
		.nhandlers = request_nhandlers,
		.client_limit = 1000,
		.landlock = landlock,
		.nlandlock = COUNT(landlock),
	};

	mode = find_mode(argc, argv);
	desc.log_tag = tags[mode];
	return daemon_run(&desc, argc, argv);
}
