/* SPDX-License-Identifier: Apache-2.0 */
/* imap_args.h - the arguments of a complete IMAP command, piece by piece.
 *
 * A cursor walks over the text that imap_frame collected.  Every function
 * takes one element of the grammar off its front.  True: done.  False: the
 * element is not there; in->error says what was expected, and the command is
 * to be answered BAD.  Values live in the cursor's arena or in the text. */
#ifndef PROTO_IMAP_ARGS_H
#define PROTO_IMAP_ARGS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/slice.h"
#include "base/times.h"

#define IMAP_DEPTH_MAX	100	/* parentheses, NOT and OR in SEARCH */

struct imap_in {
	struct slice	 rest;
	struct arena	*mem;
	const char	*error;		/* static; NULL: all is well */
};

void	 imap_in_init(struct imap_in *in, struct slice text,
	    struct arena *mem);

/* Set the error (if none is set) and return false. */
bool	 imap_bad(struct imap_in *in, const char *error);

/* Is c next? / Take c if it is next, without complaint if not. */
bool	 imap_at(const struct imap_in *in, int c);
bool	 imap_try(struct imap_in *in, int c);
bool	 imap_take_char(struct imap_in *in, int c);
bool	 imap_take_space(struct imap_in *in);

/* Nothing may follow. */
bool	 imap_take_end(struct imap_in *in);

/* tag = 1*<any ASTRING-CHAR except "+"> */
bool	 imap_take_tag(struct imap_in *in, struct slice *out);
bool	 imap_take_atom(struct imap_in *in, struct slice *out);

/* quoted / literal, quoted 8-bit bytes allowed; no NUL, CR, LF in quoted. */
bool	 imap_take_string(struct imap_in *in, struct slice *out);

/* astring = 1*ASTRING-CHAR / string */
bool	 imap_take_astring(struct imap_in *in, struct slice *out);

/* nstring: *nil_out for NIL. */
bool	 imap_take_nstring(struct imap_in *in, struct slice *out,
	    bool *nil_out);

/* list-mailbox = 1*list-char / string: as astring, with % * allowed */
bool	 imap_take_pattern(struct imap_in *in, struct slice *out);

/* number (32 bits) / nz-number / number64 (63 bits) */
bool	 imap_take_number(struct imap_in *in, uint32_t *out);
bool	 imap_take_nz(struct imap_in *in, uint32_t *out);
bool	 imap_take_number64(struct imap_in *in, uint64_t *out);

/* A word of letters, digits, "-", "." and "="; for keywords of commands. */
bool	 imap_take_word(struct imap_in *in, struct slice *out);

/* Take this word (any case) if it is next and complete. */
bool	 imap_try_word(struct imap_in *in, const char *word);

/* System flags as bits; in no other order than this anywhere. */
enum imap_flag {
	IMAP_ANSWERED = 1,
	IMAP_FLAGGED  = 2,
	IMAP_DELETED  = 4,
	IMAP_SEEN     = 8,
	IMAP_DRAFT    = 16,
	IMAP_RECENT   = 32	/* never set by a client */
};
#define IMAP_FLAGS_SYSTEM	31u

struct imap_flags {
	unsigned	  system;
	struct slice	 *keywords;
	size_t		  nkeywords;
};

#define IMAP_KEYWORDS_MAX	64	/* in one list */
#define IMAP_KEYWORD_LEN	255

/* flag-list = "(" [flag *(SP flag)] ")"; bare: the parentheses may be
 * missing (STORE).  \Recent and unknown \Flags are refused. */
bool	 imap_take_flags(struct imap_in *in, bool bare,
	    struct imap_flags *out);

/* Is s good as a keyword: an atom, not too long, not with a backslash? */
bool	 imap_keyword_ok(struct slice s);

/* The bit of "\Seen" and so on; 0 if it is none of the five. */
unsigned imap_flag_bit(struct slice s);

/* date = date-text / DQUOTE date-text DQUOTE; days since 1970-01-01 */
bool	 imap_take_date(struct imap_in *in, int64_t *days_out);

/* date-time = DQUOTE date-day-fixed "-" month "-" year SP time SP zone DQUOTE;
 * seconds since 1970 */
bool	 imap_take_date_time(struct imap_in *in, int64_t *secs_out);

/* Days since 1970-01-01 of a day of the proleptic Gregorian calendar, and
 * back; month 1..12. */
int64_t	 imap_days(int year, int month, int day);
void	 imap_civil(int64_t days, int *year, int *month, int *day);
extern const char	imap_months[12][4];

#endif
