/* SPDX-License-Identifier: Apache-2.0 */
/* sendmail - the command that programs send mail with, also as mailq and
 * newaliases.  It has no privileges; postdrop has. */
#include "tools/sendmail.h"

#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/ascii.h"
#include "base/buf.h"
#include "mail/header.h"
#include "ipc/deliver_msg.h"

#define HEADER_MAX	((size_t)4 << 20)

struct sendmail_conf {
	const char	*alias_database;
};

static const struct param params[] = {
	P_STR(struct sendmail_conf, alias_database, "alias_database",
	    "hash:/etc/aliases", "The alias databases that newaliases "
	    "rebuilds."),
};

/*
 * Options.
 */

static void
usage(const char *why)
{
	tool_fatal(EX_USAGE, "%s", why);
}

static void
set_mode(struct sendmail_opts *o, const char *arg)
{
	switch (arg[0]) {
	case 'm':
		o->mode = MODE_DELIVER;
		break;
	case 's':
		o->mode = MODE_SMTP;
		break;
	case 'p':
		o->mode = MODE_LIST;
		break;
	case 'i':
		o->mode = MODE_ALIASES;
		break;
	case 'd':
	case 'l':
		o->mode = MODE_START;
		break;
	case 'h':		/* host status: there is no such file */
	case 'H':
		exit(EX_OK);
	case 'v':
		tool_fatal(EX_UNAVAILABLE, "-bv: address verification by "
		    "mail is not available");
	default:
		usage("unsupported mode: -b");
	}
}

static void
set_flush(struct sendmail_opts *o, const char *arg)
{
	if (arg == NULL || arg[0] == '\0') {
		if (o->mode == MODE_DELIVER)
			o->mode = MODE_FLUSH;
	} else if (arg[0] == 'I' || arg[0] == 'R') {
		if (arg[1] == '\0')
			usage("-q: what comes behind I or R is missing");
		o->mode = MODE_FLUSH;
		*(arg[0] == 'I' ? &o->flush_id : &o->flush_site) = arg + 1;
	} else if (arg[0] == 'S')
		usage("-qS is not implemented");
	/* An interval: qmgr has its own clock. */
}

static void
set_dsn_notify(struct sendmail_opts *o, const char *arg)
{
	static const struct {
		const char	*word;
		unsigned int	 bit;
	} words[] = {
		{ "never", NOTIFY_NEVER }, { "success", NOTIFY_SUCCESS },
		{ "failure", NOTIFY_FAILURE }, { "delay", NOTIFY_DELAY },
	};
	struct slice	 s = slice_str(arg), w;

	o->notify = 0;
	while (slice_word(&s, ",", &w)) {
		unsigned int	bit = 0;

		for (size_t i = 0; i < COUNT(words); i++)
			if (slice_iis(w, words[i].word))
				bit = words[i].bit;
		if (bit == 0)
			usage("bad -N option value -- specify delay, "
			    "failure, success, or never");
		o->notify |= bit;
	}
	if (o->notify == 0 || ((o->notify & NOTIFY_NEVER) != 0 &&
	    o->notify != NOTIFY_NEVER))
		usage("bad -N option value -- never stands alone");
}

static void
set_dsn_ret(struct sendmail_opts *o, const char *arg)
{
	if (strcasecmp(arg, "full") == 0)
		o->ret = RET_FULL;
	else if (strcasecmp(arg, "hdrs") == 0)
		o->ret = RET_HDRS;
	else
		usage("bad -R option value -- specify full or hdrs");
}

/* RFC 3461 4.4: printable, at most 100 bytes. */
static void
set_envid(struct sendmail_opts *o, const char *arg)
{
	size_t	n = strlen(arg);

	for (size_t i = 0; i < n; i++)
		if (arg[i] < 32 || arg[i] > 126)
			usage("bad -V option value -- not printable");
	if (n == 0 || n > 100)
		usage("bad -V option value -- 1 to 100 characters");
	o->envid = arg;
}

static void
set_body(const char *arg)
{
	/* What the content is shows when it is read. */
	if (strcasecmp(arg, "7BIT") != 0 && strcasecmp(arg, "8BITMIME") != 0)
		usage("bad -B option value -- specify 7BIT or 8BITMIME");
}

static void
set_option(struct sendmail_opts *o, const char *arg)
{
	if (arg[0] == 'i')
		o->keep_dots = true;
	else if (arg[0] == 'A' && arg[1] != '\0')
		o->alias_file = arg + 1;
}

static void
set_long_option(struct sendmail_opts *o, const char *arg)
{
	if (strcasecmp(arg, "smtputf8=yes") == 0)
		o->utf8 = true;
}

/* The configuration directory, or a file in it. */
static void
set_config(struct sendmail_opts *o, char *arg)
{
	struct stat	 st;
	char		*slash;

	if (stat(arg, &st) == 0 && !S_ISDIR(st.st_mode)) {
		slash = strrchr(arg, '/');
		if (slash == NULL)
			usage("-C: not a configuration directory");
		*slash = '\0';
	}
	o->config_dir = arg;
}

static void
take_option(struct sendmail_opts *o, int c, char *arg)
{
	switch (c) {
	case 'b': set_mode(o, arg); break;
	case 'B': set_body(arg); break;
	case 'C': set_config(o, arg); break;
	case 'F': o->full_name = arg; break;
	case 'f':
	case 'r': o->sender = arg; break;
	case 'i': o->keep_dots = true; break;
	case 'I': o->mode = MODE_ALIASES; break;
	case 'N': set_dsn_notify(o, arg); break;
	case 'o': set_option(o, arg); break;
	case 'O': set_long_option(o, arg); break;
	case 'q': set_flush(o, arg); break;
	case 'R': set_dsn_ret(o, arg); break;
	case 't': o->take_header = true; break;
	case 'v': o->report = true; break;
	case 'V': set_envid(o, arg); break;
	case 'X':
		if (arg[0] == 'V')
			usage("-XV: variable envelope return paths are not "
			    "available");
		break;
	case '?':
		usage("usage: sendmail [options] [recipient ...]");
		break;
	default:		/* known elsewhere, without meaning here */
		break;
	}
}

static void
read_options(struct sendmail_opts *o, int argc, char **argv)
{
	const char	*name = strrchr(argv[0], '/');
	int		 c;

	name = name != NULL ? name + 1 : argv[0];
	if (strcmp(name, "mailq") == 0)
		o->mode = MODE_LIST;
	else if (strcmp(name, "newaliases") == 0)
		o->mode = MODE_ALIASES;
	else if (strcmp(name, "smtpd") == 0)
		o->mode = MODE_SMTP;
	while ((c = getopt(argc, argv, "+A:B:C:F:GIL:N:O:R:UV:X:b:cd::e:f:h:"
	    "imno:p:q::r:tvx")) != -1)
		take_option(o, c, optarg);
}

/*
 * Other commands.
 */

static void
run_other(const struct tool *t, const char *command, const char *option,
    const char *value)
{
	char	*argv[4] = { arena_strdup(t->mem, command),
	    arena_strdup(t->mem, option), arena_strdup(t->mem, value), NULL };

	tool_exec(t, command, argv);
}

static void
run_aliases(const struct tool *t, const struct sendmail_opts *o)
{
	struct sendmail_conf	 conf;
	struct slice		 s, word;
	char			**argv;
	size_t			 n = 1;
	struct error		 err;

	conf_know(t->conf, params, COUNT(params));
	if (conf_fill(t->conf, params, COUNT(params), t->mem, &conf,
	    &err) < 0)
		tool_fatal(EX_CONFIG, "%s", err.text);
	s = slice_str(o->alias_file != NULL ? o->alias_file :
	    conf.alias_database);
	argv = arena_array(t->mem, s.len + 3, sizeof(*argv));
	argv[0] = arena_strdup(t->mem, "postalias");
	while (slice_word(&s, ", \t\n", &word))
		argv[n++] = slice_cstr(t->mem, word);
	if (n > 1)
		tool_exec(t, "postalias", argv);
	exit(EX_OK);
}

/*
 * Delivery.
 */

static char *
login_name(struct arena *a)
{
	struct passwd	*pw = getpwuid(getuid());

	return pw != NULL ? arena_strdup(a, pw->pw_name) :
	    arena_printf(a, "%u", (unsigned int)getuid());
}

/* The comment field of the account up to the first comma, "&" being the login
 * name with a capital. */
static char *
account_name(struct arena *a)
{
	struct passwd	*pw = getpwuid(getuid());
	struct buf	 b;
	char		*out;

	if (pw == NULL)
		return arena_strdup(a, "");
	buf_init(&b, MAILDROP_STRING);
	for (const char *p = pw->pw_gecos; *p != '\0' && *p != ','; p++) {
		if (*p != '&') {
			buf_addc(&b, *p);
			continue;
		}
		buf_addc(&b, ascii_upper((unsigned char)pw->pw_name[0]));
		buf_adds(&b, pw->pw_name + 1);
	}
	out = arena_strdup(a, buf_cstr(&b));
	buf_clear(&b);
	return out;
}

static const char *
full_name(const struct tool *t, const struct sendmail_opts *o)
{
	const char	*name = o->full_name != NULL ? o->full_name :
	    getenv("NAME");

	if (name == NULL)
		name = account_name(t->mem);
	return maildrop_text_ok(slice_str(name)) ? name : "";
}

/* "<>" and "" are the null sender; "Name <a@b>" is a@b. */
static const char *
sender_of(const struct tool *t, const struct sendmail_opts *o)
{
	struct rcpts	 r = { .mem = t->mem };

	if (o->sender == NULL)
		return login_name(t->mem);
	if (!maildrop_text_ok(slice_str(o->sender)))
		usage("-f: control character or too long");
	if (o->sender[0] == '\0' || strcmp(o->sender, "<>") == 0)
		return "";
	rcpts_add_list(&r, slice_str(o->sender));
	return r.n > 0 ? r.list[0] : o->sender;
}

/* A line of standard input with its end; false at the end of input, which a
 * single dot may be. */
static bool
read_line(const struct sendmail_opts *o, char **line, size_t *size,
    struct slice *out)
{
	ssize_t	n = getline(line, size, stdin);

	if (n <= 0) {
		if (ferror(stdin))
			tool_fatal(EX_DATAERR, "read standard input: %s",
			    strerror(errno));
		return false;
	}
	*out = slice_of(*line, (size_t)n);
	return o->keep_dots || (!slice_is(*out, ".\n") &&
	    !slice_is(*out, ".\r\n") && !slice_is(*out, "."));
}

/* The header section is needed before the envelope can be written.  What was
 * read of the body stays in rest.  False: there is no more input. */
static bool
read_header(const struct sendmail_opts *o, struct buf *section,
    struct buf *rest, char **line, size_t *size)
{
	struct header_scan	 scan = { .any = false };
	bool			 over = false;
	struct slice		 l;

	while (read_line(o, line, size, &l)) {
		size_t	n = header_scan(&scan, l, &over);

		if (!buf_put_slice(section, slice_first(l, n)) ||
		    !buf_put_slice(rest, slice_from(l, n)))
			tool_fatal(EX_DATAERR, "message header too large");
		if (over)
			return true;
	}
	return false;
}

static void
put_envelope(struct submit *s, const struct tool *t,
    const struct sendmail_opts *o, const char *sender, const struct rcpts *r)
{
	const char	*name = full_name(t, o);

	submit_record(s, DROP_SENDER, slice_str(sender));
	if (name[0] != '\0')
		submit_record(s, DROP_FULLNAME, slice_str(name));
	if (o->envid != NULL)
		submit_record(s, DROP_ENVID, slice_str(o->envid));
	if (o->ret != 0)
		submit_record(s, DROP_RET, slice_str(o->ret == RET_FULL ?
		    "1" : "2"));
	if (o->notify != 0)
		submit_record(s, DROP_NOTIFY, slice_str(arena_printf(t->mem,
		    "%u", o->notify)));
	if (o->utf8)
		submit_record(s, DROP_FLAGS, slice_str("1"));
	for (size_t i = 0; i < r->n; i++)
		submit_record(s, DROP_RCPT, slice_str(r->list[i]));
}

static void
check_rcpts(const struct sendmail_opts *o, const struct rcpts *r)
{
	if (r->n == 0 && o->take_header)
		usage("No recipient addresses found in message header");
	if (r->n == 0)
		usage("Recipient addresses must be specified on the command "
		    "line or via the -t option");
	if (r->n > MAILDROP_RCPTS)
		tool_fatal(EX_DATAERR, "too many recipients");
	for (size_t i = 0; i < r->n; i++)
		if (!maildrop_text_ok(slice_str(r->list[i])))
			tool_fatal(EX_DATAERR, "control character in a "
			    "recipient address, or address too long");
}

static int
deliver(const struct tool *t, const struct sendmail_opts *o, char **args)
{
	struct rcpts	 r = { .mem = t->mem };
	const char	*sender = sender_of(t, o);
	struct buf	 section, rest, kept;
	struct submit	*s;
	char		*line = NULL;
	size_t		 size = 0;
	struct slice	 l;
	bool		 more = true;

	for (; *args != NULL; args++)
		rcpts_add_list(&r, slice_str(*args));
	buf_init(&section, HEADER_MAX);
	buf_init(&kept, HEADER_MAX);
	buf_init(&rest, HEADER_MAX);
	if (o->take_header) {
		more = read_header(o, &section, &rest, &line, &size);
		header_take_rcpts(buf_slice(&section), &r, &kept);
	}
	check_rcpts(o, &r);
	s = submit_begin(t);
	put_envelope(s, t, o, sender, &r);
	if (o->take_header) {
		submit_content(s, buf_slice(&kept));
		if (more)
			submit_content(s, slice_str("\n"));
		submit_content(s, buf_slice(&rest));
	}
	while (more && read_line(o, &line, &size, &l))
		submit_content(s, l);
	free(line);
	buf_clear(&section);
	buf_clear(&kept);
	buf_clear(&rest);
	return submit_end(&s);
}

int
main(int argc, char **argv)
{
	struct sendmail_opts	 o = { .mode = MODE_DELIVER };
	struct tool		 t;
	int			 status = EX_SOFTWARE;

	tool_begin("sendmail");
	read_options(&o, argc, argv);
	tool_open(&t, o.config_dir);
	if (o.report && o.notify == 0)
		o.notify = NOTIFY_SUCCESS | NOTIFY_FAILURE | NOTIFY_DELAY;
	switch (o.mode) {
	case MODE_DELIVER:
		status = deliver(&t, &o, argv + optind);
		break;
	case MODE_SMTP:
		status = smtp_serve(&t, &o, full_name(&t, &o));
		break;
	case MODE_LIST:
		run_other(&t, "postqueue", "-p", NULL);
		break;
	case MODE_ALIASES:
		run_aliases(&t, &o);
		break;
	case MODE_START:
		run_other(&t, "posthouse", "start", NULL);
		break;
	case MODE_FLUSH:
		if (o.flush_id != NULL)
			run_other(&t, "postqueue", "-i", o.flush_id);
		else if (o.flush_site != NULL)
			run_other(&t, "postqueue", "-s", o.flush_site);
		run_other(&t, "postqueue", "-f", NULL);
		break;
	}
	tool_close(&t);
	return status;
}
