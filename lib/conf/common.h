/* SPDX-License-Identifier: Apache-2.0 */
/* common.h - the parameters that every program shares. */
#ifndef CONF_COMMON_H
#define CONF_COMMON_H

#include "conf/conf.h"

/* How accepted mail becomes durable, in the order of the choices. */
enum queue_sync { QUEUE_SYNC_FILE, QUEUE_SYNC_JOURNAL };

struct conf_common {
	const char	*myhostname, *mydomain, *myorigin;
	const char	*mydestination, *mynetworks, *inet_interfaces;
	const char	*inet_protocols, *relay_domains, *relayhost;
	const char	*recipient_delimiter;
	const char	*queue_directory, *data_directory, *daemon_directory;
	const char	*command_directory, *config_directory;
	const char	*mail_name, *mail_version;
	const char	*mail_owner;		/* posthouse */
	const char	*net_owner;		/* posthouse-net */
	const char	*auth_owner;		/* posthouse-auth */
	const char	*login_owner;		/* posthouse-login */
	const char	*setgid_group;		/* posthouse-drop */
	const char	*default_privs;		/* nobody */
	const char	*syslog_name;		/* posthouse */
	const char	*maillog_file;		/* "": syslog */
	const char	*default_database_type;	/* hash */
	const char	*double_bounce_sender;
	int64_t		 message_size_limit, queue_minfree;
	int		 queue_sync;		/* enum queue_sync */
	int64_t		 default_process_limit;
	usec_t		 daemon_timeout, ipc_timeout;
	const char	*mynetworks_style, *proxy_interfaces;
	const char	*compatibility_level;
	const char	*alternate_config_directories;
	bool		 soft_bounce, smtputf8_enable;
};

extern const struct param	conf_common_params[];
extern const size_t		conf_common_nparams;

#endif
