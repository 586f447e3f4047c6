/* SPDX-License-Identifier: Apache-2.0 */
#include "imapd/imapd.h"

const struct param	imapd_params[IMAPD_NPARAMS] = {
	P_TIME(struct imapd_conf, timeout, "imapd_timeout", "30m", 's',
	    60, 31536000,
	    "How long an IMAP client may be silent before it is logged out, "
	    "except in IDLE."),
	P_TIME(struct imapd_conf, idle_notify, "imapd_idle_notify_interval",
	    "2m", 's', 1, 31536000,
	    "How often a client in IDLE is told that the connection lives."),
	P_TIME(struct imapd_conf, output_timeout, "imapd_output_timeout",
	    "5m", 's', 1, 31536000,
	    "How long an IMAP client may leave its answers unread."),
	P_SIZE(struct imapd_conf, command_max, "imapd_command_limit", "65536",
	    1024, 16777216,
	    "Most bytes of an IMAP command, not counting literals."),
	P_SIZE(struct imapd_conf, literal_max, "imapd_literal_limit",
	    "1048576", 1024, 67108864,
	    "Most bytes of all literals of an IMAP command but APPEND."),
	P_INT(struct imapd_conf, bad_max, "imapd_bad_command_limit", "20", 1,
	    10000,
	    "After so many wrong commands in a row an IMAP client is "
	    "disconnected."),
	P_INT(struct imapd_conf, userip_max, "imapd_max_userip_connections",
	    "20", 1, 100000,
	    "Most IMAP sessions of one user from one client address."),
	P_STR(struct imapd_conf, separator, "imapd_hierarchy_separator", "/",
	    "The character between the levels of mailbox names that clients "
	    "see: / or a dot."),
	P_STR(struct imapd_conf, hello, "imapd_id_name", "$mail_name",
	    "The name of the server in its answer to ID; empty: NIL."),
};
