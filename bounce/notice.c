/* SPDX-License-Identifier: Apache-2.0 */
#include "bounce/notice.h"

#include <stdio.h>
#include <string.h>

#include "base/ascii.h"
#include "codec/date.h"
#include "codec/utf8.h"

#define WIDTH		79
#define INDENT		4
#define WORD_MAX_LEN	900		/* RFC 5322 2.1.1: 998 */

struct words {
	const char	*subject, *copy_subject, *description;
	/* What happened, for a person. */
	const char	*text;
};

static const struct words	words[] = {
	[NOTICE_BOUNCE] = {
		"Undelivered Mail Returned to Sender",
		"Postmaster Copy: Undelivered Mail",
		"Undelivered Message",
		"Your message could not be delivered to the recipients below,"
		" and no further\r\n"
		"attempt will be made.  The reason stands behind each"
		" address.\r\n"
	},
	[NOTICE_DELAY] = {
		"Delayed Mail (still being retried)",
		"Postmaster Warning: Delayed Mail",
		"Undelivered Message",
		"THIS IS ONLY A WARNING.  YOU NEED NOT SEND THE MESSAGE"
		" AGAIN.\r\n"
		"\r\n"
		"Your message has not reached the recipients below yet."
		"  Delivery will be\r\n"
		"tried again until the message is %s old.\r\n"
	},
	[NOTICE_SUCCESS] = {
		"Successful Mail Delivery Report",
		"Successful Mail Delivery Report",
		"Message",
		"Your message was handed over for the recipients below, as"
		" you asked to be\r\n"
		"told.  A system further on may report again.\r\n"
	},
	[NOTICE_DOUBLE] = {
		"Postmaster Copy: Undelivered Mail",
		"Postmaster Copy: Undelivered Mail",
		"Undelivered Message",
		"This notification could not be delivered, and there is"
		" nobody else to tell.\r\n"
	},
};

static const char	outro[] =
    "\r\n"
    "The second part of this report says the same in a form for programs,"
    " the third\r\n"
    "is the message or its header.  For help, send the report to your"
    " postmaster.\r\n";

/*
 * Text from elsewhere.
 */

/* Append s with nothing in it that could end a line or confuse a reader. */
static void
add_clean(struct buf *out, struct slice s, bool utf8)
{
	while (s.len > 0) {
		struct slice	at = s;
		uint32_t	cp;

		if (s.p[0] < 128) {
			s = slice_from(s, 1);
			buf_addc(out, at.p[0] == '\t' ? ' ' :
			    ascii_is_cntrl(at.p[0]) ? '?' : at.p[0]);
			continue;
		}
		if (utf8_take(&s, &cp) && utf8 && cp > 0x9f)
			buf_add(out, at.p, at.len - s.len);
		else
			buf_addc(out, '?');
	}
}

static void
add_str(struct buf *out, const char *s, bool utf8)
{
	add_clean(out, slice_str(s), utf8);
}

void
notice_wrap(struct buf *out, const char *text, size_t column, size_t width,
    size_t indent, bool utf8)
{
	struct slice	 s = slice_str(text), word;
	bool		 first = true;

	while (slice_word(&s, " \t\r\n", &word)) {
		while (word.len > 0) {
			size_t	n = word.len < WORD_MAX_LEN ? word.len :
			    WORD_MAX_LEN;

			if (!first && column + 1 + n > width) {
				buf_addf(out, "\r\n%*s", (int)indent, "");
				column = indent;
			} else if (!first) {
				buf_addc(out, ' ');
				column++;
			}
			add_clean(out, slice_first(word, n), utf8);
			column += n;
			word = slice_from(word, n);
			first = false;
		}
	}
}

bool
notice_needs_utf8(const struct notice *n)
{
	if ((n->env->flags & QUEUE_UTF8) != 0 ||
	    utf8_has_8bit(slice_str(n->to)) ||
	    utf8_has_8bit(slice_str(n->env->sender)))
		return true;
	for (size_t i = 0; i < n->nrecs; i++)
		if (utf8_has_8bit(slice_str(n->recs[i].address)) ||
		    utf8_has_8bit(slice_str(n->recs[i].original)))
			return true;
	return false;
}

/*
 * Header of the notification.
 */

/* A boundary needs no more than to be in no message that was written before
 * its id was made. */
static void
add_boundary(const struct notice *n, struct buf *out)
{
	buf_addf(out, "%s.%lld/", n->notice_id,
	    (long long)(n->now / USEC_PER_SEC));
	add_str(out, n->hostname, false);
}

/* "--boundary"; the line end before it belongs to it (RFC 2046 5.1.1). */
static void
add_delimiter(const struct notice *n, struct buf *out, const char *end)
{
	buf_adds(out, "--");
	add_boundary(n, out);
	buf_addf(out, "%s\r\n", end);
}

static void
add_threads(const struct notice *n, struct buf *out, bool utf8)
{
	if (!n->threaded || n->env->message_id == NULL ||
	    n->env->message_id[0] == '\0')
		return;
	buf_adds(out, "References: ");
	add_str(out, n->env->message_id, utf8);
	buf_adds(out, "\r\nIn-Reply-To: ");
	add_str(out, n->env->message_id, utf8);
	buf_adds(out, "\r\n");
}

static void
add_header(const struct notice *n, struct buf *out, bool utf8)
{
	const struct words	*w = &words[n->kind];
	bool			 to_staff = n->postmaster_copy ||
	    n->kind == NOTICE_DOUBLE;

	buf_adds(out, "Date: ");
	date_put_rfc5322(out, n->now, n->zone);
	buf_adds(out, "\r\nFrom: Mail Delivery System <MAILER-DAEMON@");
	add_str(out, n->origin, utf8);
	buf_addf(out, ">\r\nSubject: %s\r\nTo: ",
	    n->postmaster_copy ? w->copy_subject : w->subject);
	add_str(out, n->to, utf8);
	/* RFC 3834 5 */
	buf_addf(out, "\r\nAuto-Submitted: %s\r\n",
	    to_staff ? "auto-generated" : "auto-replied");
	add_threads(n, out, utf8);
	buf_adds(out, "MIME-Version: 1.0\r\n"
	    "Content-Type: multipart/report; report-type=delivery-status;\r\n"
	    "\tboundary=\"");
	add_boundary(n, out);
	buf_addf(out, "\"\r\n%s\r\n"
	    "This is a MIME-encapsulated message.\r\n\r\n",
	    utf8 || (n->env->flags & QUEUE_8BIT) != 0 ?
	    "Content-Transfer-Encoding: 8bit\r\n" : "");
}

/*
 * First part: for people.
 */

static void
add_age(struct buf *out, usec_t t)
{
	long long	hours = (long long)(t / SECS(3600));

	if (hours >= 48)
		buf_addf(out, "%lld days", hours / 24);
	else if (hours >= 2)
		buf_addf(out, "%lld hours", hours);
	else
		buf_addf(out, "%lld minutes", (long long)(t / SECS(60)));
}

static void
add_explanation(const struct notice *n, struct buf *out)
{
	const char	*text = words[n->kind].text;
	const char	*gap = strstr(text, "%s");

	buf_adds(out, "This is the mail system at host ");
	add_str(out, n->hostname, false);
	buf_adds(out, ".\r\n\r\n");
	if (gap == NULL) {
		buf_adds(out, text);
	} else {
		buf_add(out, text, (size_t)(gap - text));
		add_age(out, n->lifetime);
		buf_adds(out, gap + 2);
	}
	buf_adds(out, outro);
}

static void
add_person(const struct queue_log_rec *r, struct buf *out, bool utf8)
{
	size_t	before;

	buf_adds(out, "\r\n");
	before = buf_len(out);
	buf_addc(out, '<');
	add_str(out, r->address, utf8);
	buf_addc(out, '>');
	if (r->original != NULL && r->address != NULL &&
	    r->original[0] != '\0' && strcmp(r->original, r->address) != 0) {
		buf_adds(out, " (expanded from <");
		add_str(out, r->original, utf8);
		buf_adds(out, ">)");
	}
	buf_adds(out, ": ");
	notice_wrap(out, r->diagnostic == NULL ? "no reason was recorded" :
	    r->diagnostic, buf_len(out) - before, WIDTH, INDENT, utf8);
	buf_adds(out, "\r\n");
}

static size_t
told(const struct notice *n)
{
	return n->nrecs < NOTICE_RCPTS_MAX ? n->nrecs : NOTICE_RCPTS_MAX;
}

static void
add_people_part(const struct notice *n, struct buf *out, bool utf8)
{
	add_delimiter(n, out, "");
	buf_addf(out, "Content-Description: Notification\r\n"
	    "Content-Type: text/plain; charset=%s\r\n%s\r\n",
	    utf8 ? "utf-8" : "us-ascii",
	    utf8 ? "Content-Transfer-Encoding: 8bit\r\n" : "");
	add_explanation(n, out);
	for (size_t i = 0; i < told(n); i++)
		add_person(&n->recs[i], out, utf8);
	if (told(n) < n->nrecs)
		buf_addf(out, "\r\n(and %zu more)\r\n", n->nrecs - told(n));
	buf_adds(out, "\r\n");
}

/*
 * Second part: for programs.
 */

/* "Name: type; value", nothing if there is no value. */
static void
add_field(struct buf *out, const char *name, const char *type,
    const char *value, bool utf8)
{
	if (value == NULL)
		return;
	buf_addf(out, "%s: %s%s", name, type, type[0] == '\0' ? "" : "; ");
	add_str(out, value, utf8);
	buf_adds(out, "\r\n");
}

static void
add_date(struct buf *out, const char *name, usec_t when, int zone)
{
	buf_addf(out, "%s: ", name);
	date_put_rfc5322(out, when, zone);
	buf_adds(out, "\r\n");
}

/* RFC 6533 3: an address beyond ASCII has the type utf-8. */
static const char *
address_type(const char *address)
{
	return utf8_has_8bit(slice_str(address)) ? "utf-8" : "rfc822";
}

/* RFC 3463 2: class "." subject "." detail. */
static bool
status_ok(const char *s)
{
	static const size_t	most[] = { 1, 3, 3 };

	if (s == NULL || (s[0] != '2' && s[0] != '4' && s[0] != '5'))
		return false;
	for (int i = 0; i < 3; i++) {
		size_t	n = strspn(s, "0123456789");

		if (n == 0 || n > most[i] || s[n] != (i < 2 ? '.' : '\0'))
			return false;
		s += n + 1;
	}
	return true;
}

/* An atom, as types and actions are; else what stands in for it. */
static const char *
atom_or(const char *s, const char *otherwise)
{
	if (s == NULL || s[0] == '\0' || strlen(s) > 40)
		return otherwise;
	for (const char *p = s; *p != '\0'; p++)
		if (!ascii_is_alnum((unsigned char)*p) && *p != '-')
			return otherwise;
	return s;
}

static const struct {
	const char	*action, *status;
} defaults[] = {
	[NOTICE_BOUNCE] = { "failed", "5.0.0" },
	[NOTICE_DELAY] = { "delayed", "4.0.0" },
	[NOTICE_SUCCESS] = { "delivered", "2.0.0" },
	[NOTICE_DOUBLE] = { "failed", "5.0.0" },
};

static void
add_original(const struct queue_log_rec *r, struct buf *out, bool utf8)
{
	if (r->dsn_orcpt != NULL && strchr(r->dsn_orcpt, ';') != NULL)
		add_field(out, "Original-Recipient", "", r->dsn_orcpt, utf8);
	else if (r->original != NULL && r->original[0] != '\0' &&
	    strcmp(r->original, r->address) != 0)
		add_field(out, "Original-Recipient",
		    address_type(r->original), r->original, utf8);
}

static void
add_diagnostic(const struct queue_log_rec *r, struct buf *out, bool utf8)
{
	const char	*type = atom_or(r->diag_type, "x-posthouse");

	if (r->diagnostic == NULL || r->diagnostic[0] == '\0')
		return;
	buf_addf(out, "Diagnostic-Code: %s; ", type);
	notice_wrap(out, r->diagnostic, strlen(type) + 19, WIDTH, INDENT,
	    utf8);
	buf_adds(out, "\r\n");
}

static void
add_rcpt(const struct notice *n, const struct queue_log_rec *r,
    struct buf *out, bool utf8)
{
	buf_adds(out, "\r\n");
	add_field(out, "Final-Recipient", address_type(r->address),
	    r->address, utf8);
	add_original(r, out, utf8);
	add_field(out, "Action", "", atom_or(r->action,
	    defaults[n->kind].action), false);
	add_field(out, "Status", "", status_ok(r->dsn) ? r->dsn :
	    defaults[n->kind].status, false);
	if (r->mta != NULL && r->mta[0] != '\0')
		add_field(out, "Remote-MTA", "dns", r->mta, utf8);
	add_diagnostic(r, out, utf8);
	if (r->when > 0)
		add_date(out, "Last-Attempt-Date", r->when, n->zone);
	if (n->kind == NOTICE_DELAY)
		add_date(out, "Will-Retry-Until",
		    n->env->arrival + n->lifetime, n->zone);
}

static void
add_program_part(const struct notice *n, struct buf *out, bool utf8)
{
	add_delimiter(n, out, "");
	buf_addf(out, "Content-Description: Delivery report\r\n"
	    "Content-Type: message/%sdelivery-status\r\n%s\r\n",
	    utf8 ? "global-" : "",
	    utf8 ? "Content-Transfer-Encoding: 8bit\r\n" : "");
	add_field(out, "Reporting-MTA", "dns", n->hostname, false);
	add_field(out, "Original-Envelope-Id", "", n->env->dsn_envid, utf8);
	add_field(out, "X-Posthouse-Queue-ID", "", n->queue_id, false);
	add_field(out, "X-Posthouse-Sender", address_type(n->env->sender),
	    n->env->sender, utf8);
	add_date(out, "Arrival-Date", n->env->arrival, n->zone);
	for (size_t i = 0; i < told(n); i++)
		add_rcpt(n, &n->recs[i], out, utf8);
	buf_adds(out, "\r\n");
}

/*
 * Third part: the message.
 */

static const char *
third_type(const struct notice *n, bool utf8)
{
	if (n->headers_only)
		return utf8 ? "message/global-headers" : "text/rfc822-headers";
	return utf8 ? "message/global" : "message/rfc822";
}

void
notice_begin(const struct notice *n, struct buf *out)
{
	bool	utf8 = notice_needs_utf8(n);
	bool	eight = utf8 || (n->env->flags & QUEUE_8BIT) != 0;

	add_header(n, out, utf8);
	add_people_part(n, out, utf8);
	add_program_part(n, out, utf8);
	add_delimiter(n, out, "");
	buf_addf(out, "Content-Description: %s%s\r\nContent-Type: %s\r\n%s"
	    "\r\nReturn-Path: <", words[n->kind].description,
	    n->headers_only ? " Headers" : "", third_type(n, utf8),
	    eight ? "Content-Transfer-Encoding: 8bit\r\n" : "");
	add_str(out, n->env->sender, utf8);
	buf_adds(out, ">\r\n");
}

void
notice_end(const struct notice *n, struct buf *out)
{
	buf_adds(out, "\r\n");
	add_delimiter(n, out, "--");
}
