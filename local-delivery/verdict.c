/* SPDX-License-Identifier: Apache-2.0 */
#include "local-delivery/verdict.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "base/ascii.h"
#include "base/slice.h"

static const struct sysexit {
	int		 code;
	const char	*dsn, *text;
} sysexits[] = {
	{ 64, "5.3.0", "command line usage error" },
	{ 65, "5.6.0", "data format error" },
	{ 66, "5.3.0", "cannot open input" },
	{ 67, "5.1.1", "user unknown" },
	{ 68, "5.1.2", "host name unknown" },
	{ 69, "5.3.0", "service unavailable" },
	{ 70, "5.3.0", "internal software error" },
	{ 71, "4.3.0", "system resource problem" },
	{ 72, "5.3.0", "critical OS file missing" },
	{ 73, "5.2.0", "can't create user output file" },
	{ 74, "5.3.0", "input/output error" },
	{ 75, "4.3.0", "temporary failure" },
	{ 76, "5.5.0", "remote error in protocol" },
	{ 77, "5.7.0", "permission denied" },
	{ 78, "5.3.5", "local configuration error" },
};

struct verdict
verdict_of(enum deliver_status status, const char *dsn, struct arena *a,
    const char *fmt, ...)
{
	char	 text[2048];
	va_list	 ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return (struct verdict){ status, arena_strdup(a, dsn),
	    arena_strdup(a, text) };
}

/* Full mailboxes: an over-quota account is told so at once, as Postfix and
 * Dovecot do; a full disk or file system quota is waited for, because the
 * administrator can help. */
struct verdict
verdict_store(enum store_fail fail, const struct error *err, struct arena *a)
{
	const char	*why = err == NULL ? "unknown error" : err->text;

	switch (fail) {
	case STORE_OK:
		return verdict_of(DELIVER_SENT, "2.0.0", a,
		    "delivered to maildir");
	case STORE_OVER_QUOTA:
		return verdict_of(DELIVER_BOUNCED, "5.2.2", a,
		    "maildir delivery failed: %s", why);
	case STORE_NO_SPACE:
		if (err != NULL && err->sys == EFBIG)
			return verdict_of(DELIVER_BOUNCED, "5.2.2", a,
			    "maildir delivery failed: %s", why);
		return verdict_of(DELIVER_DEFERRED,
		    err != NULL && err->sys == EDQUOT ? "4.2.2" : "4.3.0", a,
		    "maildir delivery failed: %s", why);
	case STORE_NO_MAILBOX:
	case STORE_EXISTS:
	case STORE_BAD_NAME:
	case STORE_REFUSED:
	case STORE_GONE:
	case STORE_TEMP:
		break;
	}
	return verdict_of(DELIVER_DEFERRED, "4.2.0", a,
	    "maildir delivery failed: %s", why);
}

/* "4.2.2 mailbox is full" -> length of the code, if it is of this class. */
static size_t
dsn_len(const char *output, char cls)
{
	size_t	 i = 0;

	if (output[0] != cls)
		return 0;
	for (int part = 0; part < 3; part++) {
		size_t	 digits = 0;

		if (part > 0 && output[i++] != '.')
			return 0;
		while (ascii_is_digit((unsigned char)output[i]) && digits < 4)
			i++, digits++;
		if (digits == 0 || digits > 3)
			return 0;
	}
	return output[i] == ' ' || output[i] == '\0' ? i : 0;
}

static struct verdict
by_sysexit(const struct sysexit *e, const char *output, struct arena *a)
{
	enum deliver_status	 s = e->dsn[0] == '4' ? DELIVER_DEFERRED :
				    DELIVER_BOUNCED;
	size_t			 n = dsn_len(output, e->dsn[0]);

	if (n > 0)
		return verdict_of(s, arena_strndup(a, output, n), a, "%s",
		    slice_trim(slice_str(output + n)).len > 0 ?
		    output + n + 1 : e->text);
	if (output[0] != '\0')
		return verdict_of(s, e->dsn, a, "%s. Command output: %s",
		    e->text, output);
	return verdict_of(s, e->dsn, a, "%s", e->text);
}

struct verdict
verdict_exit(int wait_status, const char *command, const char *output,
    const char *done, struct arena *a)
{
	const char	*lead = output[0] == '\0' ? "" : ". Command output: ";
	int		 code;

	if (WIFSIGNALED(wait_status))
		return verdict_of(DELIVER_DEFERRED, "4.3.0", a,
		    "Command died with signal %d: \"%s\"%s%s",
		    WTERMSIG(wait_status), command, lead, output);
	code = WEXITSTATUS(wait_status);
	if (code == 0 && output[0] != '\0')
		return verdict_of(DELIVER_SENT, "2.0.0", a, "%s (%s)", done,
		    output);
	if (code == 0)
		return verdict_of(DELIVER_SENT, "2.0.0", a, "%s", done);
	for (size_t i = 0; i < COUNT(sysexits); i++)
		if (sysexits[i].code == code)
			return by_sysexit(&sysexits[i], output, a);
	return verdict_of(DELIVER_BOUNCED, "5.3.0", a,
	    "Command died with status %d: \"%s\"%s%s", code, command, lead,
	    output);
}

static int
rank(const struct verdict *v)
{
	switch (v->status) {
	case DELIVER_SENT:
		return 1;
	case DELIVER_EXPANDED:
		return 2;
	case DELIVER_BOUNCED:
		return 3;
	case DELIVER_DEFERRED:
		return 4;
	}
	return 0;
}

struct verdict
verdict_worse(struct verdict a, struct verdict b)
{
	if (a.text == NULL)
		return b;
	return rank(&b) >= rank(&a) ? b : a;
}
