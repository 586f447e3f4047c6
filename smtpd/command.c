/* SPDX-License-Identifier: Apache-2.0 */
/* The command table and what is decided before a command runs. */
#include "smtpd/smtpd.h"

#include "base/ascii.h"
#include "sys/log.h"

enum {
	PRE_TLS	 = 1,		/* allowed before a required STARTTLS */
	JUNK	 = 2,		/* counts against smtpd_junk_command_limit */
	LAST	 = 4,		/* nothing may be sent before its reply */
	IN_BDAT	 = 8,		/* allowed between chunks (RFC 3030 2) */
	NEED_HELO = 16		/* if smtpd_helo_required */
};

static const struct command {
	const char	*verb, *name;
	void		(*run)(struct conn *c, struct slice arg);
	unsigned int	 flags;
} commands[CMD_COUNT] = {
	[CMD_HELO] = { "HELO", "helo", cmd_helo, PRE_TLS | JUNK | LAST },
	[CMD_EHLO] = { "EHLO", "ehlo", cmd_ehlo, PRE_TLS | JUNK | LAST },
	[CMD_STARTTLS] = { "STARTTLS", "starttls", cmd_starttls,
	    PRE_TLS | LAST },
	[CMD_AUTH] = { "AUTH", "auth", cmd_auth, LAST | NEED_HELO },
	[CMD_MAIL] = { "MAIL", "mail", cmd_mail, NEED_HELO },
	[CMD_RCPT] = { "RCPT", "rcpt", cmd_rcpt, NEED_HELO },
	[CMD_DATA] = { "DATA", "data", cmd_data, LAST | NEED_HELO },
	[CMD_BDAT] = { "BDAT", "bdat", cmd_bdat, IN_BDAT | NEED_HELO },
	[CMD_RSET] = { "RSET", "rset", cmd_rset, JUNK | IN_BDAT },
	[CMD_NOOP] = { "NOOP", "noop", cmd_noop,
	    PRE_TLS | JUNK | LAST | IN_BDAT },
	[CMD_VRFY] = { "VRFY", "vrfy", cmd_vrfy,
	    JUNK | LAST | IN_BDAT | NEED_HELO },
	[CMD_HELP] = { "HELP", "help", cmd_help, JUNK | IN_BDAT },
	[CMD_ETRN] = { "ETRN", "etrn", cmd_etrn, JUNK | NEED_HELO },
	[CMD_QUIT] = { "QUIT", "quit", cmd_quit, PRE_TLS | IN_BDAT },
	[CMD_UNKNOWN] = { "UNKNOWN", "unknown", NULL, PRE_TLS | IN_BDAT },
};

static enum cmd_id
find(struct slice verb)
{
	char	first = verb.len > 0 ? (char)ascii_upper(verb.p[0]) : '\0';

	for (size_t i = 0; i < CMD_UNKNOWN; i++)
		if (commands[i].verb[0] == first &&
		    slice_iis(verb, commands[i].verb))
			return (enum cmd_id)i;
	return CMD_UNKNOWN;
}

bool
command_bare_ok(const struct conn *c)
{
	return c->s->conf->bare_newline != BARE_REJECT;
}

/* Something that speaks another language, perhaps made to by a third party
 * (HTTP, a TLS hello): not a word more.  RFC 5321 has no such case. */
static bool
forbidden(struct conn *c, struct slice line, struct slice verb)
{
	char	*word = slice_cstr(c->cmd_mem, verb);
	bool	 bad;

	if (word == NULL || verb.len == 0)
		return false;
	for (char *p = word; *p != '\0'; p++)
		*p = (char)ascii_upper((unsigned char)*p);
	bad = !ascii_is_alpha(verb.p[0]) || match_list_has(c->s->forbidden,
	    word, NULL, NULL) == MAP_FOUND;
	if (!bad)
		return false;
	log_warn("non-SMTP command from %s: %.*s", c->namaddr,
	    (int)(line.len < 100 ? line.len : 100), (const char *)line.p);
	reply(c, 221, "2.7.0", "Error: this is not HTTP, goodbye");
	conn_close(c);
	return true;
}

/* More input behind a command whose reply must be waited for. */
static bool
pipelining(struct conn *c, const struct command *cmd)
{
	struct slice	in = stream_in(c->stream);

	if ((cmd->flags & LAST) == 0 || in.len == 0)
		return false;
	log_info("improper command pipelining after %s from %s: %.*s",
	    cmd->verb, c->namaddr, (int)(in.len < 100 ? in.len : 100),
	    (const char *)in.p);
	/* Behind STARTTLS it is an attack, whatever the configuration says
	 * (RFC 3207 4.2). */
	if (!c->s->conf->forbid_pipelining && cmd->run != cmd_starttls)
		return false;
	reply(c, 554, "5.5.0", "Error: SMTP protocol synchronization");
	conn_close(c);
	return true;
}

/* Refusals that are the same for all commands.  True: replied. */
static bool
refused(struct conn *c, const struct command *cmd)
{
	const struct smtpd_conf	*conf = c->s->conf;

	if (conf->tls_level == TLS_LEVEL_ENCRYPT && c->s->tls != NULL &&
	    !stream_is_tls(c->stream) && (cmd->flags & PRE_TLS) == 0) {
		reply(c, 530, "5.7.0", "Must issue a STARTTLS command first");
		return true;
	}
	if ((cmd->flags & NEED_HELO) != 0 && conf->helo_required &&
	    c->helo == NULL) {
		reply(c, 503, "5.5.1", "Error: send HELO/EHLO first");
		return true;
	}
	if (c->tx != NULL && c->tx->bdat && (cmd->flags & IN_BDAT) == 0 &&
	    cmd->run != cmd_ehlo && cmd->run != cmd_helo) {
		reply(c, 503, "5.5.1", "Error: %s not allowed between BDAT "
		    "commands", cmd->verb);
		return true;
	}
	return false;
}

void
command_run(struct conn *c, struct slice line)
{
	const struct command	*cmd;
	struct slice		 verb, arg;

	smtp_cmd_split(line, &verb, &arg);
	if (verb.len == 0) {
		c->cmd = CMD_UNKNOWN;
		c->cmd_open = true;
		c->cmd_errors = c->errors;
		reply(c, 500, "5.5.2", "Error: bad syntax");
		return;
	}
	c->cmd = find(verb);
	c->cmd_open = true;
	c->cmd_errors = c->errors;
	cmd = &commands[c->cmd];
	c->where = cmd->verb;
	if (cmd->run == NULL) {
		if (!forbidden(c, line, verb))
			reply(c, 500, "5.5.2",
			    "Error: command not recognized");
		return;
	}
	if (pipelining(c, cmd) || refused(c, cmd))
		return;
	if ((cmd->flags & JUNK) != 0 && c->junk++ > c->s->conf->junk_limit)
		c->errors++;
	cmd->run(c, arg);
}

void
command_bad_line(struct conn *c, enum bad_line why)
{
	static const char *const	texts[] = {
		[BAD_BARE] = "bare <CR> or <LF> received",
		[BAD_NUL]  = "bad syntax",
		[BAD_LONG] = "line too long",
	};

	if (c->mode == MODE_AUTH)
		auth_free(c);
	c->mode = MODE_COMMAND;
	c->cmd = CMD_UNKNOWN;
	c->cmd_open = true;
	c->cmd_errors = c->errors;
	reply(c, 500, "5.5.2", "Error: %s", texts[why]);
}

/* A command has its reply: count it, and do not let a client that makes
 * errors go on as fast as it likes. */
void
command_done(struct conn *c)
{
	const struct smtpd_conf	*conf = c->s->conf;
	bool			 failed;

	if (!c->cmd_open)
		return;
	c->cmd_open = false;
	failed = c->errors > c->cmd_errors;
	c->counts[c->cmd].all++;
	if (!failed)
		c->counts[c->cmd].ok++;
	if (c->closing || !failed)
		return;
	if (c->errors > conf->hard_errors) {
		log_info("%s: too many errors after %s from %s", tx_id(c),
		    c->where, c->namaddr);
		reply(c, 421, "4.7.0", "%s Error: too many errors",
		    c->s->common->myhostname);
		conn_close(c);
	} else if (c->errors > conf->soft_errors && conf->error_sleep > 0)
		conn_slow_down(c);
}

/* " mail=2", or " mail=1/2" if not all were good; Postfix's "0/0" for none. */
static void
add_count(struct buf *out, const char *name, uint32_t ok, uint32_t all)
{
	buf_addc(out, ' ');
	buf_adds(out, name);
	buf_addc(out, '=');
	if (ok != all || all == 0) {
		buf_addu(out, ok);
		buf_addc(out, '/');
	}
	buf_addu(out, all);
}

void
command_counts(const struct conn *c, struct buf *out)
{
	uint32_t	ok = 0, all = 0;

	for (size_t i = 0; i < CMD_COUNT; i++) {
		if (c->counts[i].all == 0)
			continue;
		ok += c->counts[i].ok;
		all += c->counts[i].all;
		add_count(out, commands[i].name, c->counts[i].ok,
		    c->counts[i].all);
	}
	add_count(out, "commands", ok, all);
}
