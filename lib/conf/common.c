/* SPDX-License-Identifier: Apache-2.0 */
/* Defaults are Postfix's where the thing is the same.  What is empty here and
 * not said to be empty is found out on the machine (computed.c). */
#include "conf/common.h"

#define S(field, name, def, doc) \
	P_STR(struct conf_common, field, name, def, doc)
#define B(field, name, def, doc) \
	P_BOOL(struct conf_common, field, name, def, doc)

const struct param conf_common_params[] = {
	S(myhostname, "myhostname", "",
	    "The internet host name of this mail system; found out from the "
	    "machine if not set."),
	S(mydomain, "mydomain", "",
	    "The internet domain of this mail system; $myhostname without its "
	    "first label if not set."),
	S(myorigin, "myorigin", "$myhostname",
	    "The domain that locally posted mail appears to come from and is "
	    "delivered to."),
	S(mydestination, "mydestination",
	    "$myhostname, localhost.$mydomain, localhost",
	    "The domains that are delivered by $local_transport."),
	S(mynetworks_style, "mynetworks_style", "host",
	    "How mynetworks is made when it is not set: host, subnet or "
	    "class."),
	S(mynetworks, "mynetworks", "",
	    "The clients that have more privileges than strangers; made from "
	    "$mynetworks_style if not set."),
	S(inet_interfaces, "inet_interfaces", "all",
	    "The local addresses that mail is received on."),
	S(proxy_interfaces, "proxy_interfaces", "",
	    "Addresses on which mail is received through a proxy or address "
	    "translator."),
	S(inet_protocols, "inet_protocols", "all",
	    "The internet protocols used: all, ipv4, ipv6."),
	S(relay_domains, "relay_domains", "",
	    "Remote domains that this system relays mail to."),
	S(relayhost, "relayhost", "",
	    "The next hop of mail that is not for a domain of ours."),
	S(recipient_delimiter, "recipient_delimiter", "",
	    "The characters that may separate a user name from its address "
	    "extension (user+foo)."),
	S(queue_directory, "queue_directory", PH_QUEUEDIR,
	    "The top of the queue; daemons run with this working directory."),
	S(data_directory, "data_directory", PH_STATEDIR,
	    "Where daemons keep files that only they write."),
	S(daemon_directory, "daemon_directory", PH_LIBEXECDIR,
	    "Where the daemon programs are."),
	S(command_directory, "command_directory", PH_SBINDIR,
	    "Where the administrative commands are."),
	S(config_directory, "config_directory", PH_CONFDIR,
	    "Where main.cf and master.cf are."),
	S(mail_name, "mail_name", "Posthouse",
	    "The name of the mail system in greetings and Received: "
	    "headers."),
	S(mail_version, "mail_version", PH_VERSION,
	    "The version of the mail system."),
	S(mail_owner, "mail_owner", "posthouse",
	    "The user who owns the queue and runs most daemons."),
	S(net_owner, "net_owner", "posthouse-net",
	    "The user of the programs that talk to other hosts and need no "
	    "file."),
	S(auth_owner, "auth_owner", "posthouse-auth",
	    "The user of the authentication service, who owns the user "
	    "database."),
	S(login_owner, "login_owner", "posthouse-login",
	    "The user of the programs that serve clients before they are "
	    "authenticated."),
	S(setgid_group, "setgid_group", "posthouse-drop",
	    "The group of the commands that submit mail and ask the queue "
	    "manager."),
	S(default_privs, "default_privs", "nobody",
	    "The user for deliveries to commands and files when no recipient "
	    "gives one."),
	S(syslog_name, "syslog_name", "posthouse",
	    "The name put before the program name in log lines."),
	S(maillog_file, "maillog_file", "",
	    "A file for the log; empty: the system log."),
	S(default_database_type, "default_database_type", "hash",
	    "The table type when a table name has none."),
	S(double_bounce_sender, "double_bounce_sender", "double-bounce",
	    "The sender of mail that is discarded when it cannot be "
	    "delivered."),
	S(compatibility_level, "compatibility_level", "3.6",
	    "Accepted for old main.cf files; Posthouse has the behaviour of "
	    "level 3.6."),
	S(alternate_config_directories, "alternate_config_directories", "",
	    "Further configuration directories that unprivileged users may "
	    "name."),
	P_SIZE(struct conf_common, message_size_limit, "message_size_limit",
	    "10240000", 0, INT64_MAX,
	    "The largest message in bytes, envelope included."),
	P_SIZE(struct conf_common, queue_minfree, "queue_minfree", "0", 0,
	    INT64_MAX,
	    "Free bytes that must be left in the queue file system."),
	P_ENUM(struct conf_common, queue_sync, "queue_sync", "journal",
	    "file journal",
	    "How accepted mail becomes durable: each message is a file that is "
	    "synced, or many messages share the sync of a journal."),
	P_INT(struct conf_common, default_process_limit,
	    "default_process_limit", "100", 1, 100000,
	    "The most processes of one service when master.cf says \"-\"."),
	P_TIME(struct conf_common, daemon_timeout, "daemon_timeout", "18000s",
	    's', 1, 0,
	    "How long a daemon may take over one request before it is "
	    "ended."),
	P_TIME(struct conf_common, ipc_timeout, "ipc_timeout", "3600s", 's',
	    1, 0, "How long a daemon waits for another one's answer."),
	B(soft_bounce, "soft_bounce", "no",
	    "Turn permanent refusals into temporary ones."),
	B(smtputf8_enable, "smtputf8_enable", "yes",
	    "Support for mail addresses and headers in UTF-8."),
};

const size_t	conf_common_nparams = COUNT(conf_common_params);
