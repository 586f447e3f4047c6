/* SPDX-License-Identifier: Apache-2.0 */
#include "smtpd/smtpd.h"

#define S(field, name, def, doc) \
	P_STR(struct smtpd_conf, field, name, def, doc)
#define B(field, name, def, doc) \
	P_BOOL(struct smtpd_conf, field, name, def, doc)
#define N(field, name, def, min, max, doc) \
	P_INT(struct smtpd_conf, field, name, def, min, max, doc)
#define CODE(field, name, def, doc)	N(field, name, def, 400, 599, doc)
#define RESTRICTIONS(stage, name, def, when) \
	S(restrictions[stage], name, def, "Restrictions that are applied " \
	    when ".")

const char *const stage_params[STAGE_COUNT] = {
	[STAGE_CLIENT] = "smtpd_client_restrictions",
	[STAGE_HELO]   = "smtpd_helo_restrictions",
	[STAGE_SENDER] = "smtpd_sender_restrictions",
	[STAGE_RELAY]  = "smtpd_relay_restrictions",
	[STAGE_RCPT]   = "smtpd_recipient_restrictions",
	[STAGE_DATA]   = "smtpd_data_restrictions",
	[STAGE_END]    = "smtpd_end_of_data_restrictions",
	[STAGE_ETRN]   = "smtpd_etrn_restrictions",
};

const struct param smtpd_params[] = {
	P_RAW(struct smtpd_conf, banner, "smtpd_banner",
	    "$myhostname ESMTP $mail_name",
	    "The text behind 220 in the greeting."),
	RESTRICTIONS(STAGE_CLIENT, "smtpd_client_restrictions", "",
	    "to the connection of a client"),
	RESTRICTIONS(STAGE_HELO, "smtpd_helo_restrictions", "",
	    "to HELO and EHLO"),
	RESTRICTIONS(STAGE_SENDER, "smtpd_sender_restrictions", "",
	    "to MAIL FROM"),
	RESTRICTIONS(STAGE_RELAY, "smtpd_relay_restrictions",
	    "permit_mynetworks, permit_sasl_authenticated, "
	    "defer_unauth_destination", "to RCPT TO, against relaying"),
	RESTRICTIONS(STAGE_RCPT, "smtpd_recipient_restrictions", "",
	    "to RCPT TO"),
	RESTRICTIONS(STAGE_DATA, "smtpd_data_restrictions", "",
	    "to DATA and the first BDAT"),
	RESTRICTIONS(STAGE_END, "smtpd_end_of_data_restrictions", "",
	    "when the content has been received"),
	RESTRICTIONS(STAGE_ETRN, "smtpd_etrn_restrictions", "", "to ETRN"),
	S(restriction_classes, "smtpd_restriction_classes", "",
	    "Names of parameters that hold restriction lists of your own."),
	B(delay_reject, "smtpd_delay_reject", "yes",
	    "Apply client, helo and sender restrictions at RCPT TO."),
	B(relay_first, "smtpd_relay_before_recipient_restrictions", "yes",
	    "Apply relay restrictions before recipient restrictions."),
	B(unlisted_rcpt, "smtpd_reject_unlisted_recipient", "yes",
	    "Refuse recipients that do not exist, even where no restriction "
	    "says so."),
	B(unlisted_sender, "smtpd_reject_unlisted_sender", "no",
	    "Refuse senders in our domains that do not exist."),
	B(helo_required, "smtpd_helo_required", "no",
	    "Take no mail before HELO or EHLO."),
	B(disable_vrfy, "disable_vrfy_command", "no",
	    "Do not answer VRFY."),
	B(strict_envelopes, "strict_rfc821_envelopes", "no",
	    "Addresses in MAIL and RCPT must stand in < > without blanks "
	    "before them."),
	B(allow_min_user, "allow_min_user", "no",
	    "Allow addresses that begin with a hyphen."),
	B(peername_lookup, "smtpd_peername_lookup", "yes",
	    "Look up the name of clients."),
	P_TIME(struct smtpd_conf, greet_wait, "smtpd_peername_timeout", "10s",
	    's', 1, 300, "The longest that the greeting waits for the name of "
	    "a client."),
	B(port_logging, "smtpd_client_port_logging", "no",
	    "Log the port of clients."),
	B(hide_client, "smtpd_hide_client_session", "no",
	    "Say nothing about the client in Received: headers."),
	S(forbidden_commands, "smtpd_forbidden_commands",
	    "CONNECT GET POST",
	    "Commands that end the session at once; so does anything that "
	    "does not begin with a letter."),
	B(forbid_pipelining, "smtpd_forbid_unauth_pipelining", "yes",
	    "End sessions that send more than they may without waiting for an "
	    "answer."),
	P_ENUM(struct smtpd_conf, bare_newline, "smtpd_forbid_bare_newline",
	    "reject", "reject normalize yes note no",
	    "What becomes of a bare CR or LF in a message: the message is "
	    "refused, or it is normalised (all other values); only CRLF.CRLF "
	    "ends a message in any case."),
	S(discard_ehlo_keywords, "smtpd_discard_ehlo_keywords", "",
	    "EHLO keywords that are not offered."),
	S(event_limit_exceptions, "smtpd_client_event_limit_exceptions",
	    "$mynetworks",
	    "Clients that smtpd_client_..._limit does not apply to."),
	S(header_rewrite_clients, "local_header_rewrite_clients",
	    "permit_inet_interfaces, permit_sasl_authenticated",
	    "Clients whose messages get the headers they lack: "
	    "permit_inet_interfaces, permit_mynetworks, "
	    "permit_sasl_authenticated, or networks."),
	S(sender_login_maps, "smtpd_sender_login_maps", "",
	    "Tables that say which SASL logins own a sender address."),
	S(null_access_key, "smtpd_null_access_lookup_key", "<>",
	    "What the null sender is looked up as in access tables."),
	P_RAW(struct smtpd_conf, rbl_reply, "default_rbl_reply",
	    "$rbl_code Service unavailable; $rbl_class [$rbl_what] blocked "
	    "using $rbl_domain${rbl_reason?; $rbl_reason}",
	    "The reply when a client is listed by a DNS blocklist."),
	S(fast_flush_domains, "fast_flush_domains", "$relay_domains",
	    "Domains that ETRN may ask for."),

	N(line_limit, "smtpd_line_length_limit", "2048", 512, 65536,
	    "The longest command line in bytes."),
	N(recipient_limit, "smtpd_recipient_limit", "1000", 1, 50000,
	    "The most recipients of a message."),
	P_TIME(struct smtpd_conf, timeout, "smtpd_timeout", "300s", 's', 1, 0,
	    "How long a client may take for a command, or to send any more "
	    "of a message."),
	N(min_data_rate, "smtpd_min_data_rate", "500", 1, INT64_MAX,
	    "The lowest rate in bytes per second at which messages are "
	    "received."),
	N(soft_errors, "smtpd_soft_error_limit", "10", 1, INT64_MAX,
	    "Errors after which replies are delayed by "
	    "smtpd_error_sleep_time."),
	N(hard_errors, "smtpd_hard_error_limit", "20", 1, INT64_MAX,
	    "Errors after which the session is ended."),
	P_TIME(struct smtpd_conf, error_sleep, "smtpd_error_sleep_time", "1s",
	    's', 0, 60, "Delay of replies to clients that make errors."),
	N(junk_limit, "smtpd_junk_command_limit", "100", 1, INT64_MAX,
	    "Commands without mail after which each further one is an "
	    "error."),
	N(conn_count_limit, "smtpd_client_connection_count_limit", "50", 0,
	    INT64_MAX, "Simultaneous connections of a client address; 0: "
	    "not limited."),
	N(conn_rate_limit, "smtpd_client_connection_rate_limit", "0", 0,
	    INT64_MAX, "Connections of a client address per "
	    "anvil_rate_time_unit; 0: not limited."),
	N(message_rate_limit, "smtpd_client_message_rate_limit", "0", 0,
	    INT64_MAX, "Messages of a client address per "
	    "anvil_rate_time_unit; 0: not limited."),
	N(rcpt_rate_limit, "smtpd_client_recipient_rate_limit", "0", 0,
	    INT64_MAX, "Recipients of a client address per "
	    "anvil_rate_time_unit; 0: not limited."),
	N(tls_rate_limit, "smtpd_client_new_tls_session_rate_limit", "0", 0,
	    INT64_MAX, "TLS handshakes of a client address per "
	    "anvil_rate_time_unit; 0: not limited."),
	N(auth_rate_limit, "smtpd_client_auth_rate_limit", "0", 0, INT64_MAX,
	    "AUTH commands of a client address per anvil_rate_time_unit; 0: "
	    "not limited."),

	CODE(reject_code, "reject_code", "554", "Reply code of reject."),
	CODE(defer_code, "defer_code", "450", "Reply code of defer."),
	CODE(access_code, "access_map_reject_code", "554",
	    "Reply code of REJECT in access tables."),
	CODE(rbl_code, "maps_rbl_reject_code", "554",
	    "Reply code for clients on DNS blocklists."),
	CODE(relay_code, "relay_domains_reject_code", "554",
	    "Reply code of reject_unauth_destination."),
	CODE(non_fqdn_code, "non_fqdn_reject_code", "504",
	    "Reply code of reject_non_fqdn_..."),
	CODE(invalid_helo_code, "invalid_hostname_reject_code", "501",
	    "Reply code of reject_invalid_helo_hostname."),
	CODE(unknown_client_code, "unknown_client_reject_code", "450",
	    "Reply code of reject_unknown_client_hostname."),
	CODE(unknown_address_code, "unknown_address_reject_code", "450",
	    "Reply code of reject_unknown_sender_domain and "
	    "reject_unknown_recipient_domain."),
	CODE(unknown_helo_code, "unknown_hostname_reject_code", "450",
	    "Reply code of reject_unknown_helo_hostname."),
	CODE(plaintext_code, "plaintext_reject_code", "450",
	    "Reply code of reject_plaintext_session."),
	CODE(multi_bounce_code, "multi_recipient_bounce_reject_code", "550",
	    "Reply code of reject_multi_recipient_bounce."),

	B(sasl_enable, "smtpd_sasl_auth_enable", "no",
	    "Offer AUTH to clients."),
	B(sasl_header, "smtpd_sasl_authenticated_header", "no",
	    "Name the authenticated user in Received: headers."),
	S(sasl_local_domain, "smtpd_sasl_local_domain", "",
	    "Domain appended to SASL logins without one, in "
	    "smtpd_sender_login_maps."),
	P_ENUM(struct smtpd_conf, tls_level, "smtpd_tls_security_level", "",
	    "none may encrypt",
	    "TLS for clients: not offered, offered, or required."),
	B(tls_wrappermode, "smtpd_tls_wrappermode", "no",
	    "Begin connections with TLS, without STARTTLS (port 465)."),
	B(tls_auth_only, "smtpd_tls_auth_only", "no",
	    "Offer AUTH in TLS sessions only."),
	B(tls_received_header, "smtpd_tls_received_header", "no",
	    "Tell about TLS in Received: headers."),
	N(tls_loglevel, "smtpd_tls_loglevel", "0", 0, 4,
	    "1: log a summary of each TLS handshake."),
	S(tls_chain_files, "smtpd_tls_chain_files", "",
	    "A PEM file with key, certificate and chain."),
	S(tls_cert_file, "smtpd_tls_cert_file", "",
	    "A PEM file with the certificate and its chain."),
	S(tls_key_file, "smtpd_tls_key_file", "$smtpd_tls_cert_file",
	    "A PEM file with the key."),
	S(tls_protocols, "smtpd_tls_protocols", ">=TLSv1",
	    "TLS versions at security level may."),
	S(tls_mandatory_protocols, "smtpd_tls_mandatory_protocols",
	    ">=TLSv1.2", "TLS versions at security level encrypt and in "
	    "wrappermode."),
	S(tls_ciphers, "smtpd_tls_cipherlist", "",
	    "OpenSSL cipher list; empty: the library's."),
};

const size_t	smtpd_nparams = COUNT(smtpd_params);
