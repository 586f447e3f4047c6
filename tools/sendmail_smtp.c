/* SPDX-License-Identifier: Apache-2.0 */
/* sendmail -bs: SMTP on standard input and output, for a local program that
 * prefers it.  What it takes goes through postdrop like all other local mail:
 * the same user, the same limits, no access rules, no extensions that need a
 * network.  smtpd is not involved, so this works when the system is down. */
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "proto/smtp_cmd.h"
#include "proto/smtp_data.h"
#include "proto/smtp_line.h"
#include "tools/sendmail.h"

#define LINE_MAX_BYTES	((size_t)2048)
#define BUFFER		((size_t)65536)
#define ERRORS_MAX	20
#define EXTENSIONS	(SMTP_EXT_SIZE | SMTP_EXT_8BITMIME | SMTP_EXT_UTF8 | \
			SMTP_EXT_DSN)

struct session {
	const struct tool		*t;
	const struct sendmail_opts	*o;
	const char			*full_name;
	struct buf			 in;
	bool				 quit;
	int				 errors;

	/* The transaction; mem NULL: none. */
	struct arena			*mem;
	struct smtp_mail		 mail;
	struct smtp_rcpt		*rcpts;
	size_t				 nrcpts, rcpts_size;
};

static void	 reply(struct session *s, const char *fmt, ...) PRINTF(2, 3);

static void
reply(struct session *s, const char *fmt, ...)
{
	va_list	 ap;

	va_start(ap, fmt);
	(void)vprintf(fmt, ap);
	va_end(ap);
	(void)fputs("\r\n", stdout);
	if (fflush(stdout) != 0)
		s->quit = true;
	if (fmt[0] == '5' && ++s->errors >= ERRORS_MAX)
		s->quit = true;
}

/* False: end of input. */
static bool
fill(struct session *s)
{
	unsigned char	*p = buf_space(&s->in, BUFFER);
	ssize_t		 n;

	if (p == NULL)
		return false;
	do
		n = read(STDIN_FILENO, p, BUFFER);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return false;
	buf_added(&s->in, (size_t)n);
	return true;
}

static void
end_mail(struct session *s)
{
	arena_free(&s->mem);
	s->rcpts = NULL;
	s->nrcpts = s->rcpts_size = 0;
}

/*
 * Commands.
 */

static void
bad_command(struct session *s, enum smtp_cmd_result r, const char *what,
    const char *bad)
{
	switch (r) {
	case SMTP_CMD_OK:
		break;
	case SMTP_CMD_SYNTAX:
		reply(s, "501 5.5.4 Syntax: %s<address>", what);
		break;
	case SMTP_CMD_ADDRESS:
		reply(s, "501 5.1.%d Bad %s address syntax",
		    what[0] == 'M' ? 7 : 3,
		    what[0] == 'M' ? "sender" : "recipient");
		break;
	case SMTP_CMD_UTF8:
		reply(s, "553 5.6.7 Must declare SMTPUTF8 to send unicode "
		    "address");
		break;
	case SMTP_CMD_OPTION:
		reply(s, "555 5.5.4 Unsupported option: %s", bad);
		break;
	case SMTP_CMD_PARAM:
		reply(s, "501 5.5.4 Bad %s parameter", bad);
		break;
	}
}

static void
cmd_helo(struct session *s, struct slice arg)
{
	(void)arg;
	end_mail(s);
	reply(s, "250 %s", s->t->common.myhostname);
}

static void
cmd_ehlo(struct session *s, struct slice arg)
{
	(void)arg;
	end_mail(s);
	reply(s, "250-%s", s->t->common.myhostname);
	reply(s, "250-PIPELINING");
	reply(s, "250-SIZE %lld",
	    (long long)s->t->common.message_size_limit);
	reply(s, "250-ENHANCEDSTATUSCODES");
	reply(s, "250-8BITMIME");
	reply(s, "250-DSN");
	reply(s, "250 SMTPUTF8");
}

static void
cmd_mail(struct session *s, struct slice arg)
{
	struct arena		*mem;
	enum smtp_cmd_result	 r;
	const char		*bad = "";
	int64_t			 most = s->t->common.message_size_limit;

	if (s->mem != NULL) {
		reply(s, "503 5.5.1 Error: nested MAIL command");
		return;
	}
	mem = arena_new();
	r = smtp_cmd_mail(arg, EXTENSIONS, true, mem, &s->mail, &bad);
	if (r != SMTP_CMD_OK) {
		bad_command(s, r, "MAIL FROM:", bad);
	} else if (s->mail.has_size && most > 0 &&
	    s->mail.size > (uint64_t)most) {
		reply(s, "552 5.3.4 Message size exceeds fixed limit");
	} else {
		s->mem = mem;
		reply(s, "250 2.1.0 Ok");
		return;
	}
	arena_free(&mem);
}

static void
cmd_rcpt(struct session *s, struct slice arg)
{
	struct smtp_rcpt	 rcpt;
	enum smtp_cmd_result	 r;
	const char		*bad = "";

	if (s->mem == NULL) {
		reply(s, "503 5.5.1 Error: need MAIL command");
		return;
	}
	r = smtp_cmd_rcpt(arg, EXTENSIONS, true, s->mail.utf8, s->mem, &rcpt,
	    &bad);
	if (r != SMTP_CMD_OK) {
		bad_command(s, r, "RCPT TO:", bad);
		return;
	}
	if (s->nrcpts == MAILDROP_RCPTS) {
		reply(s, "452 4.5.3 Error: too many recipients");
		return;
	}
	if (s->nrcpts == s->rcpts_size) {
		size_t			 size = s->rcpts_size * 2 + 16;
		struct smtp_rcpt	*more = arena_array(s->mem, size,
		    sizeof(*more));

		if (s->nrcpts > 0)
			memcpy(more, s->rcpts, s->nrcpts * sizeof(*more));
		s->rcpts = more;
		s->rcpts_size = size;
	}
	s->rcpts[s->nrcpts++] = rcpt;
	reply(s, "250 2.1.5 Ok");
}

/* One submission has one NOTIFY for all: the recipients' wishes are or-ed,
 * NEVER counts only if all say so. */
static unsigned int
all_notify(const struct session *s)
{
	unsigned int	all = 0;

	for (size_t i = 0; i < s->nrcpts; i++) {
		if (s->rcpts[i].notify == 0)
			return 0;
		all |= s->rcpts[i].notify;
	}
	return all == SMTP_NOTIFY_NEVER ? all : all & ~SMTP_NOTIFY_NEVER;
}

static struct submit *
begin_submission(struct session *s)
{
	struct submit	*out = submit_begin(s->t);
	unsigned int	 notify = all_notify(s);

	submit_record(out, DROP_SENDER, slice_str(s->mail.address));
	if (s->full_name[0] != '\0')
		submit_record(out, DROP_FULLNAME, slice_str(s->full_name));
	if (s->mail.envid != NULL)
		submit_record(out, DROP_ENVID, slice_str(s->mail.envid));
	if (s->mail.ret != 0)
		submit_record(out, DROP_RET, slice_str(s->mail.ret ==
		    SMTP_RET_FULL ? "1" : "2"));
	if (notify != 0)
		submit_record(out, DROP_NOTIFY, slice_str(
		    arena_printf(s->mem, "%u", notify)));
	if (s->mail.utf8)
		submit_record(out, DROP_FLAGS, slice_str("1"));
	for (size_t i = 0; i < s->nrcpts; i++)
		submit_record(out, DROP_RCPT,
		    slice_str(s->rcpts[i].address));
	return out;
}

/* False: the input ended before the content did. */
static bool
read_content(struct session *s, struct submit *out)
{
	struct smtp_data	 d = { .at = SMTP_DATA_START };

	for (;;) {
		struct slice		in = buf_slice(&s->in), piece;
		size_t			all = in.len;
		enum smtp_data_got	got;

		while ((got = smtp_data_take(&d, &in, &piece)) ==
		    SMTP_DATA_PIECE)
			submit_content(out, piece);
		buf_consume(&s->in, all - in.len);
		if (got == SMTP_DATA_END)
			return true;
		if (!fill(s))
			return false;
	}
}

static void
cmd_data(struct session *s, struct slice arg)
{
	struct submit	*out;
	int		 status;

	(void)arg;
	if (s->mem == NULL || s->nrcpts == 0) {
		reply(s, s->mem == NULL ?
		    "503 5.5.1 Error: need RCPT command" :
		    "554 5.5.1 Error: no valid recipients");
		return;
	}
	reply(s, "354 End data with <CR><LF>.<CR><LF>");
	out = begin_submission(s);
	if (!read_content(s, out)) {
		submit_abort(&out);
		s->quit = true;
		return;
	}
	status = submit_end(&out);
	end_mail(s);
	if (status == EX_OK)
		reply(s, "250 2.0.0 Ok: queued");
	else if (status == EX_UNAVAILABLE)
		reply(s, "552 5.3.4 Error: message file too big");
	else if (status == EX_DATAERR)
		reply(s, "554 5.6.0 Error: message refused");
	else
		reply(s, "451 4.3.0 Error: queue file write error");
}

static void
cmd_rset(struct session *s, struct slice arg)
{
	(void)arg;
	end_mail(s);
	reply(s, "250 2.0.0 Ok");
}

static void
cmd_noop(struct session *s, struct slice arg)
{
	(void)arg;
	reply(s, "250 2.0.0 Ok");
}

static void
cmd_vrfy(struct session *s, struct slice arg)
{
	(void)arg;
	reply(s, "252 2.0.0 Cannot verify here; send some mail");
}

static void
cmd_quit(struct session *s, struct slice arg)
{
	(void)arg;
	reply(s, "221 2.0.0 Bye");
	s->quit = true;
}

static const struct {
	const char	*verb;
	void		(*run)(struct session *s, struct slice arg);
} commands[] = {
	{ "HELO", cmd_helo }, { "EHLO", cmd_ehlo }, { "MAIL", cmd_mail },
	{ "RCPT", cmd_rcpt }, { "DATA", cmd_data }, { "RSET", cmd_rset },
	{ "NOOP", cmd_noop }, { "VRFY", cmd_vrfy }, { "QUIT", cmd_quit },
};

static void
run_line(struct session *s, struct slice line)
{
	struct slice	 verb, arg;

	smtp_cmd_split(line, &verb, &arg);
	for (size_t i = 0; i < COUNT(commands); i++)
		if (slice_iis(verb, commands[i].verb)) {
			commands[i].run(s, arg);
			return;
		}
	reply(s, "502 5.5.2 Error: command not recognized");
}

/* Everything that is in the buffer.  False: more is needed. */
static bool
run_input(struct session *s)
{
	struct slice	 in = buf_slice(&s->in), line;
	size_t		 all = in.len;
	char		*copy;

	/* A local program may end its lines with LF. */
	switch (smtp_line_take(&in, LINE_MAX_BYTES, true, &line)) {
	case SMTP_LINE_DONE:
		/* The buffer moves while the command runs. */
		copy = mem_new(line.len + 1, 1);
		if (line.len > 0)
			memcpy(copy, line.p, line.len);
		line.p = (const unsigned char *)copy;
		buf_consume(&s->in, all - in.len);
		run_line(s, line);
		mem_free(&copy);
		return true;
	case SMTP_LINE_MORE:
		return false;
	case SMTP_LINE_BARE:
	case SMTP_LINE_NUL:
	case SMTP_LINE_LONG:
		reply(s, "500 5.5.2 Error: bad syntax");
		break;
	}
	/* What is left of a bad line could be taken for a command. */
	s->quit = true;
	return true;
}

int
smtp_serve(const struct tool *t, const struct sendmail_opts *o,
    const char *full_name)
{
	struct session	 s = { .t = t, .o = o, .full_name = full_name };

	buf_init(&s.in, 4 * BUFFER);
	reply(&s, "220 %s ESMTP %s", t->common.myhostname,
	    t->common.mail_name);
	while (!s.quit)
		if (!run_input(&s) && !fill(&s))
			break;
	end_mail(&s);
	buf_clear(&s.in);
	return EX_OK;
}
