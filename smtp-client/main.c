/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/hash.h"
#include "daemon/daemon.h"
#include "map/map.h"
#include "smtp-client/smtpc.h"
#include "sys/log.h"

#define C	struct smtpc_conf

const struct param smtpc_params[] = {
	P_TIME(C, connect_timeout, "smtp_connect_timeout", "30s", 's', 1, 3600,
	    "Time limit for completing a TCP connection."),
	P_TIME(C, helo_timeout, "smtp_helo_timeout", "300s", 's', 1, 3600,
	    "Time limit for the greeting and for the reply to EHLO or HELO."),
	P_TIME(C, starttls_timeout, "smtp_starttls_timeout", "300s", 's', 1,
	    3600, "Time limit for STARTTLS and the TLS handshake."),
	P_TIME(C, mail_timeout, "smtp_mail_timeout", "300s", 's', 1, 3600,
	    "Time limit for the reply to MAIL FROM."),
	P_TIME(C, rcpt_timeout, "smtp_rcpt_timeout", "300s", 's', 1, 3600,
	    "Time limit for the reply to RCPT TO."),
	P_TIME(C, data_init_timeout, "smtp_data_init_timeout", "120s", 's', 1,
	    3600, "Time limit for the reply to DATA."),
	P_TIME(C, data_xfer_timeout, "smtp_data_xfer_timeout", "180s", 's', 1,
	    3600, "Time limit without progress while content is sent."),
	P_TIME(C, data_done_timeout, "smtp_data_done_timeout", "600s", 's', 1,
	    7200, "Time limit for the reply to the end of content."),
	P_TIME(C, quit_timeout, "smtp_quit_timeout", "300s", 's', 1, 3600,
	    "Time limit for sending QUIT."),
	P_TIME(C, rset_timeout, "smtp_rset_timeout", "20s", 's', 1, 3600,
	    "Time limit for the reply to RSET."),
	P_TIME(C, cache_time, "smtp_connection_cache_time_limit", "2s", 's', 1,
	    3600, "How long an unused connection is kept for more mail."),
	P_TIME(C, reuse_time, "smtp_connection_reuse_time_limit", "300s", 's',
	    1, 36000, "How long a connection may be used in all."),
	P_INT(C, min_data_rate, "smtp_min_data_rate", "500", 1, INT64_MAX,
	    "Bytes per second that a server must take of content; "
	    "smtp_data_xfer_timeout comes on top."),
	P_INT(C, address_limit, "smtp_mx_address_limit", "5", 1, 1000,
	    "Addresses of one destination that are tried in one delivery."),
	P_INT(C, session_limit, "smtp_mx_session_limit", "2", 1, 1000,
	    "Servers that are talked to in one delivery before it is put "
	    "off."),
	P_INT(C, tls_loglevel, "smtp_tls_loglevel", "0", 0, 4,
	    "1: log a summary of each TLS handshake."),
	P_TIME(C, tls_session_time, "smtp_tls_session_cache_timeout", "3600s",
	    's', 0, 86400, "How long a TLS session with a server may be taken "
	    "up again by a new connection; 0: never."),
	P_ENUM(C, tls_level, "smtp_tls_security_level", "may",
	    "none may encrypt verify",
	    "TLS: never, when offered, always, or always with a certificate "
	    "that is right."),
	P_ENUM(C, address_preference, "smtp_address_preference", "any",
	    "any ipv4 ipv6", "Which kind of address is tried first."),
	P_BOOL(C, skip_5xx, "smtp_skip_5xx_greeting", "yes",
	    "Go on to the next server when one greets with 5xx; no: bounce."),
	P_BOOL(C, randomize, "smtp_randomize_addresses", "yes",
	    "Try servers of equal preference in random order."),
	P_BOOL(C, cache_on_demand, "smtp_connection_cache_on_demand", "yes",
	    "Keep connections for a moment for more mail to the same "
	    "server."),
	P_BOOL(C, sasl_enable, "smtp_sasl_auth_enable", "no",
	    "Authenticate to servers that smtp_sasl_password_maps knows."),
	P_BOOL(C, always_ehlo, "smtp_always_send_ehlo", "yes",
	    "Say EHLO even if the greeting does not say ESMTP."),
	P_BOOL(C, no_conversion, "disable_mime_output_conversion", "no",
	    "Send 8-bit content as it is to servers without 8BITMIME instead "
	    "of converting it."),
	P_STR(C, helo_name, "smtp_helo_name", "$myhostname",
	    "The name that EHLO and HELO say."),
	P_STR(C, lhlo_name, "lmtp_lhlo_name", "$myhostname",
	    "The name that LHLO says."),
	P_STR(C, discard_keywords, "smtp_discard_ehlo_keywords", "",
	    "EHLO keywords of servers that are ignored; chunking: content is "
	    "sent with DATA, not with BDAT."),
	P_STR(C, bind4, "smtp_bind_address", "",
	    "Local IPv4 address of outgoing connections."),
	P_STR(C, bind6, "smtp_bind_address6", "",
	    "Local IPv6 address of outgoing connections."),
	P_STR(C, smtp_port, "smtp_tcp_port", "smtp",
	    "Port of SMTP servers when the nexthop names none."),
	P_STR(C, lmtp_port, "lmtp_tcp_port", "24",
	    "Port of LMTP servers when the nexthop names none."),
	P_STR(C, sasl_maps, "smtp_sasl_password_maps", "",
	    "Tables from nexthop or host name to user:password."),
	P_STR(C, sasl_options, "smtp_sasl_security_options",
	    "noplaintext, noanonymous",
	    "noplaintext: no passwords over connections without TLS."),
	P_STR(C, sasl_tls_options, "smtp_sasl_tls_security_options",
	    "$smtp_sasl_security_options",
	    "The same for connections with TLS."),
	P_STR(C, tls_ca_file, "smtp_tls_CAfile", "",
	    "PEM file of certification authorities that are trusted."),
	P_STR(C, tls_ca_path, "smtp_tls_CApath", "",
	    "Directory of such certificates; must be within the chroot."),
	P_STR(C, tls_protocols, "smtp_tls_protocols", ">=TLSv1",
	    "TLS versions at level may."),
	P_STR(C, tls_mandatory_protocols, "smtp_tls_mandatory_protocols",
	    ">=TLSv1.2", "TLS versions at higher levels."),
	P_STR(C, tls_ciphers, "smtp_tls_cipherlist", "",
	    "OpenSSL cipher list; empty: chosen by level."),
};
const size_t smtpc_nparams = COUNT(smtpc_params);

static const struct ipc_handler handlers[] = {
	{ &deliver_req_desc, smtpc_deliver },
};

static int
bind_address(const char *text, struct sock_addr *out, struct error *err)
{
	if (text[0] == '\0')
		return 0;
	return sock_parse(text, 0, out, err);
}

static int
open_tls(struct smtpc *p, struct error *err)
{
	const struct smtpc_conf	*c = p->conf;
	struct tls_client_conf	 t = {
		.ca_file = c->tls_ca_file, .ca_path = c->tls_ca_path,
		.ciphers = c->tls_ciphers,
		.session_life = c->tls_session_time,
	};

	if (c->tls_level == LEVEL_NONE)
		return 0;
	t.protocols = c->tls_protocols;
	t.opportunistic = true;
	if ((p->tls_may = tls_client_new(&t, err)) == NULL)
		return -1;
	t.protocols = c->tls_mandatory_protocols;
	t.opportunistic = false;
	p->tls_must = tls_client_new(&t, err);
	return p->tls_must == NULL ? -1 : 0;
}

/* Does this process speak LMTP?  As in Postfix, the command's name says so;
 * a service called lmtp is enough, too. */
static bool
is_lmtp(const char *name)
{
	const char	*slash = strrchr(name, '/');

	return strncmp(slash == NULL ? name : slash + 1, "lmtp", 4) == 0;
}

static int
open_tables(struct daemon *d, bool is, struct error *err)
{
	struct smtpc			*p = arena_alloc(daemon_arena(d),
					    sizeof(*p));
	const struct conf_common	*common = daemon_common(d);
	struct map_env			 env = {
		.default_type = common->default_database_type };

	p->d = d;
	p->conf = daemon_params(d);
	p->lmtp = is;
	daemon_set_state(d, p);
	p->idle = hash_new();
	list_init(&p->all_idle);
	p->my_name = p->lmtp ? p->conf->lhlo_name : p->conf->helo_name;
	p->inet4 = strstr(common->inet_protocols, "all") != NULL ||
	    strstr(common->inet_protocols, "ipv4") != NULL;
	p->inet6 = strstr(common->inet_protocols, "all") != NULL ||
	    strstr(common->inet_protocols, "ipv6") != NULL;
	if (sock_service(p->lmtp ? p->conf->lmtp_port : p->conf->smtp_port,
	    &p->port, err) < 0 ||
	    bind_address(p->conf->bind4, &p->bind4, err) < 0 ||
	    bind_address(p->conf->bind6, &p->bind6, err) < 0 ||
	    open_tls(p, err) < 0)
		return -1;
	return map_list_open(p->conf->sasl_enable ? p->conf->sasl_maps : "",
	    &env, &p->sasl_maps, err);
}

static int
open_smtp(struct daemon *d, struct error *err)
{
	return open_tables(d, false, err);
}

static int
open_lmtp(struct daemon *d, struct error *err)
{
	return open_tables(d, true, err);
}


static void
finish(struct daemon *d)
{
	struct smtpc	*p = daemon_state(d);

	conn_close_idle(p);
	hash_free(&p->idle);
	tls_ctx_free(&p->tls_may);
	tls_ctx_free(&p->tls_must);
	map_list_close(&p->sasl_maps);
}

/* SMTP needs no file at all; LMTP may have to reach a socket by its path. */
#define CLIENT(tag, where, open)					\
	{								\
		.name = "smtp-client", .log_tag = tag,			\
		.kind = DAEMON_IPC, .user = DAEMON_NET, .root = where,	\
		.params = smtpc_params, .nparams = COUNT(smtpc_params),	\
		.conf_size = sizeof(struct smtpc_conf),			\
		.open_as_root = open,					\
		.handlers = handlers, .nhandlers = COUNT(handlers),	\
		.finish = finish, .client_limit = 1000,			\
	}
static const struct daemon_desc smtp = CLIENT("smtp", DAEMON_ROOT_EMPTY,
    open_smtp);
static const struct daemon_desc lmtp = CLIENT("lmtp", DAEMON_ROOT_QUEUE,
    open_lmtp);

int
main(int argc, char **argv)
{
	bool	is = argc > 0 && is_lmtp(argv[0]);

	for (int i = 1; i + 1 < argc; i++)
		if (strcmp(argv[i], "-n") == 0 && is_lmtp(argv[i + 1]))
			is = true;
	return daemon_run(is ? &lmtp : &smtp, argc, argv);
}
