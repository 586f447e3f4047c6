/* SPDX-License-Identifier: Apache-2.0 */
#include "intake/intake_int.h"

#define S(field, name, def, doc) \
	P_STR(struct intake_conf, field, name, def, doc)

const struct param intake_params[] = {
	P_SIZE(struct intake_conf, header_section_limit,
	    "header_section_limit", "1048576", 4096, 67108864,
	    "The largest header section of a message in bytes; larger ones "
	    "are refused."),
	P_INT(struct intake_conf, hopcount_limit, "hopcount_limit", "100", 1,
	    10000,
	    "The most Received: headers of a message; with more it is taken "
	    "for a mail loop and refused."),
	S(message_drop_headers, "message_drop_headers",
	    "bcc, content-length, resent-bcc, return-path",
	    "Message headers that are removed."),
	P_BOOL(struct intake_conf, always_add_missing_headers,
	    "always_add_missing_headers", "no",
	    "Add missing Date:, From: and Message-Id: headers to all mail, not "
	    "only to that of local clients."),
	S(always_bcc, "always_bcc", "",
	    "An address that gets a copy of each message."),
	S(sender_bcc_maps, "sender_bcc_maps", "",
	    "Tables of addresses that get a copy of each message of a "
	    "sender."),
	S(recipient_bcc_maps, "recipient_bcc_maps", "",
	    "Tables of addresses that get a copy of each message to a "
	    "recipient."),
	S(canonical_maps, "canonical_maps", "",
	    "Tables by which envelope addresses are rewritten."),
	S(sender_canonical_maps, "sender_canonical_maps", "",
	    "Tables by which envelope sender addresses are rewritten, before "
	    "canonical_maps."),
	S(recipient_canonical_maps, "recipient_canonical_maps", "",
	    "Tables by which envelope recipient addresses are rewritten, "
	    "before canonical_maps."),
};

const size_t	intake_nparams = COUNT(intake_params);
