/* SPDX-License-Identifier: Apache-2.0 */
#include "smtpd/smtpd.h"

/* The libraries fill structs of their own when they are opened; this makes
 * their rows known. */
#define PART_SIZE	4096

static const struct daemon_conf_part parts[] = {
	{ route_params, &route_nparams, PART_SIZE },
	{ intake_params, &intake_nparams, PART_SIZE },
};

int
main(int argc, char **argv)
{
	struct daemon_desc	desc = {
		.name         = "smtpd",
		.log_tag      = "smtpd",
		.kind         = DAEMON_STREAM,
		.user         = DAEMON_MAIL,
		.root         = DAEMON_ROOT_QUEUE,
		.params       = smtpd_params,
		.nparams      = smtpd_nparams,
		.conf_size    = sizeof(struct smtpd_conf),
		.parts        = parts,
		.nparts       = COUNT(parts),
		.open_as_root = smtpd_open_as_root,
		.start        = smtpd_start,
		.accept       = conn_accept,
		.drain        = smtpd_drain,
		.client_limit = 1000,
	};

	return daemon_run(&desc, argc, argv);
}
