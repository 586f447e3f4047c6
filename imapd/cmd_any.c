/* SPDX-License-Identifier: Apache-2.0 */
/* Commands that concern no mailbox in particular. */
#include "imapd/imapd.h"
#include "proto/imap_out.h"

#define ID_PAIRS_MAX	30	/* RFC 2971 3.3 */

enum run
cmd_capability(struct session *s)
{
	buf_addf(session_out(s), "* CAPABILITY %s\r\n", capabilities());
	return reply_ok(s, "Capability completed.");
}

enum run
cmd_noop(struct session *s)
{
	return reply_ok(s, "%s completed.",
	    slice_iis(slice_str(s->cmd->name), "CHECK") ? "Check" : "NOOP");
}

enum run
cmd_logout(struct session *s)
{
	s->cmd->no_sync = true;
	buf_adds(session_out(s), "* BYE Logging out\r\n");
	session_end(s, "Logged out");
	return reply_ok(s, "Logout completed.");
}

/* login has done that already.  Some clients (Nextcloud) try both ways. */
enum run
cmd_login(struct session *s)
{
	s->cmd->reply = REPLY_BAD;
	s->cmd->text = "Already logged in";
	return RUN_DONE;
}

/* id_params_list = "(" [string SP nstring *(SP string SP nstring)] ")" / nil.
 * "ID ()" and "ID NIL" are both in use. */
static bool
take_id(struct imap_in *in)
{
	struct slice	 field, value;
	bool		 nil;

	if (imap_try_word(in, "NIL"))
		return imap_take_end(in);
	if (!imap_take_char(in, '('))
		return false;
	for (int i = 0; !imap_at(in, ')'); i++) {
		if (i == ID_PAIRS_MAX)
			return imap_bad(in, "Too many fields");
		if (!imap_take_string(in, &field) || !imap_take_space(in) ||
		    !imap_take_nstring(in, &value, &nil))
			return false;
		if (!imap_try(in, ' '))
			break;
	}
	return imap_take_char(in, ')') && imap_take_end(in);
}

enum run
cmd_id(struct session *s)
{
	const char	*name = s->worker->conf->hello;
	struct buf	*out = session_out(s);

	if (!take_id(&s->cmd->in))
		return reply_syntax(s);
	if (*name == '\0') {
		buf_adds(out, "* ID NIL\r\n");
	} else {
		buf_adds(out, "* ID (\"name\" ");
		imap_add_string(out, slice_str(name));
		buf_adds(out, ")\r\n");
	}
	return reply_ok(s, "ID completed.");
}

/* RFC 5161: unknown capabilities are ignored. */
enum run
cmd_enable(struct session *s)
{
	struct imap_in	*in = &s->cmd->in;
	struct slice	 name;
	bool		 condstore = false;

	do {
		if (!imap_take_atom(in, &name))
			return reply_syntax(s);
		condstore |= slice_iis(name, "CONDSTORE");
	} while (imap_try(in, ' '));
	if (!imap_take_end(in))
		return reply_syntax(s);
	s->condstore |= condstore;
	buf_addf(session_out(s), "* ENABLED%s\r\n",
	    condstore ? " CONDSTORE" : "");
	return reply_ok(s, "Enabled.");
}

enum run
cmd_namespace(struct session *s)
{
	buf_addf(session_out(s), "* NAMESPACE ((\"\" \"%c\")) NIL NIL\r\n",
	    store_separator(s->user));
	return reply_ok(s, "Namespace completed.");
}
