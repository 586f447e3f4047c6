/* SPDX-License-Identifier: Apache-2.0 */
/* smtp_cmd.h - SMTP commands and their parameters (RFC 5321, 1870, 3030, 3461,
 * 4954, 6152, 6531).  Pure; results live in the arena given. */
#ifndef PROTO_SMTP_CMD_H
#define PROTO_SMTP_CMD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/slice.h"

/* Split "VERB arguments": *verb_out is the first word, *arg_out the rest
 * without blanks at both ends. */
void	 smtp_cmd_split(struct slice line, struct slice *verb_out,
	    struct slice *arg_out);

/* Parameters that may be used: what EHLO offered. */
enum {
	SMTP_EXT_SIZE = 1, SMTP_EXT_8BITMIME = 2, SMTP_EXT_UTF8 = 4,
	SMTP_EXT_DSN = 8, SMTP_EXT_AUTH = 16
};

/* NOTIFY and RET; the numbers of ipc/deliver_msg.h. */
enum {
	SMTP_NOTIFY_NEVER = 1, SMTP_NOTIFY_SUCCESS = 2,
	SMTP_NOTIFY_FAILURE = 4, SMTP_NOTIFY_DELAY = 8
};
enum { SMTP_RET_FULL = 1, SMTP_RET_HDRS = 2 };

enum smtp_cmd_result {
	SMTP_CMD_OK,
	SMTP_CMD_SYNTAX,	/* not FROM:<...> / TO:<...> */
	SMTP_CMD_ADDRESS,	/* what is inside is no address */
	SMTP_CMD_UTF8,		/* 8-bit address, SMTPUTF8 not declared */
	SMTP_CMD_OPTION,	/* unknown or not offered: *bad_out names it */
	SMTP_CMD_PARAM		/* bad value or repeated: *bad_out names it */
};

struct smtp_mail {
	const char	*address;	/* "local@domain", "local" or "" */
	bool		 has_size;
	uint64_t	 size;
	bool		 eight_bit;	/* BODY=8BITMIME */
	bool		 utf8;		/* SMTPUTF8 */
	unsigned int	 ret;		/* 0: not given */
	const char	*envid;		/* decoded; NULL */
	const char	*auth;		/* decoded; NULL */
};

struct smtp_rcpt {
	const char	*address;	/* never empty */
	unsigned int	 notify;	/* 0: not given */
	const char	*orcpt;		/* "rfc822;x@y", decoded; NULL */
};

/* "FROM:<address> PARAM=value ..." after MAIL.  An address without < > or
 * with blanks after the colon is taken if lax: clients send it.  ext: SMTP_EXT_...
 * bad_out: name of the parameter, in a. */
enum smtp_cmd_result	 smtp_cmd_mail(struct slice arg, unsigned int ext,
			    bool lax, struct arena *a, struct smtp_mail *out,
			    const char **bad_out) MUST_USE;

/* "TO:<address> ..." after RCPT.  utf8: SMTPUTF8 was given with MAIL. */
enum smtp_cmd_result	 smtp_cmd_rcpt(struct slice arg, unsigned int ext,
			    bool lax, bool utf8, struct arena *a,
			    struct smtp_rcpt *out, const char **bad_out)
			    MUST_USE;

/* "size [LAST]" after BDAT. */
enum smtp_bdat_result {
	SMTP_BDAT_OK,
	SMTP_BDAT_SYNTAX,
	SMTP_BDAT_HUGE		/* a number beyond all bounds */
};
enum smtp_bdat_result	 smtp_cmd_bdat(struct slice arg, uint64_t *size_out,
			    bool *last_out) MUST_USE;

/* An address as VRFY has it: with or without < >.  NULL: it is none. */
const char	*smtp_cmd_address(struct slice arg, bool utf8,
		    struct arena *a) MUST_USE;

/* The argument of EHLO or HELO: a domain or an address literal as far as
 * clients get that right (RFC 5321 4.1.4: not refused for its contents):
 * visible characters, at most 255.  NULL: not even that. */
const char	*smtp_cmd_helo(struct slice arg, struct arena *a) MUST_USE;

#endif
