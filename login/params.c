/* SPDX-License-Identifier: Apache-2.0 */
#include "login/login.h"

#define S	struct login_conf
const struct param login_params[] = {
	P_ENUM(S, protocol, "login_protocol", "imap", "imap pop3",
	    "The protocol of this service."),
	P_STR(S, chain_files, "login_tls_chain_files",
	    "$smtpd_tls_chain_files",
	    "Key and certificates of IMAP and POP3, in one PEM file."),
	P_STR(S, cert_file, "login_tls_cert_file", "$smtpd_tls_cert_file",
	    "Certificates of IMAP and POP3, without login_tls_chain_files."),
	P_STR(S, key_file, "login_tls_key_file", "$smtpd_tls_key_file",
	    "Private key for login_tls_cert_file."),
	P_STR(S, tls_protocols, "login_tls_protocols", ">=TLSv1.2",
	    "TLS versions that clients may use."),
	P_STR(S, tls_ciphers, "login_tls_ciphers", "",
	    "OpenSSL cipher list; empty: the library's."),
	P_STR(S, greeting, "login_greeting", "$mail_name ready.",
	    "Text of the greeting."),
	P_BOOL(S, wrappermode, "login_tls_wrappermode", "no",
	    "TLS from the first byte (services imaps and pop3s)."),
	P_BOOL(S, auth_only, "login_tls_auth_only", "yes",
	    "Passwords in clear only under TLS, or from this host."),
	P_TIME(S, timeout, "login_timeout", "180s", 's', 1, 3600,
	    "How long a client may take to log in."),
	P_INT(S, client_limit, "login_client_connection_count_limit", "50", 1,
	    1000000,
	    "How many connections one address outside mynetworks may have."),
	P_INT(S, attempts_max, "login_attempts_max", "5", 1, 1000,
	    "How many failed logins end a connection."),
};
#undef S
const size_t	login_nparams = COUNT(login_params);
