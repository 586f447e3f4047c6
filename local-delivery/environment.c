/* SPDX-License-Identifier: Apache-2.0 */
/* What commands are told about a delivery: macros and environment. */
#include <stdlib.h>
#include <string.h>

#include "local-delivery/locald.h"
#include "local-delivery/macro.h"

static const char *
or_empty(const char *s)
{
	return s == NULL ? "" : s;
}

static const char *
text_of(const struct delivery *dl, struct slice s)
{
	return arena_strndup(dl->job->mem, (const char *)s.p, s.len);
}

const char *
environment_macro(void *arg, struct slice name)
{
	const struct delivery		*dl = arg;
	const struct deliver_req	*r = &dl->job->req;
	const struct {
		const char	*name, *value;
	} plain[] = {
		{ "recipient", dl->rcpt->address },
		{ "original_recipient", dl->rcpt->original },
		{ "sender", dl->sender != NULL ? dl->sender : r->sender },
		{ "nexthop", r->nexthop },
		{ "queue_id", r->queue_id },
		{ "domain", dl->domain },
		{ "client_address", r->client_address },
		{ "client_hostname", r->client_name },
		{ "client_helo", r->client_helo },
		{ "client_protocol", r->client_protocol },
		{ "client_port", "" },
		{ "sasl_method", r->sasl_method },
		{ "sasl_username", r->sasl_username },
		{ "sasl_sender", "" },
		{ "envid", r->dsn_envid },
		{ "recipient_delimiter", dl->ext.p == NULL ? "" :
		    daemon_common(dl->job->ld->d)->recipient_delimiter },
	};

	for (size_t i = 0; i < COUNT(plain); i++)
		if (slice_is(name, plain[i].name))
			return or_empty(plain[i].value);
	if (slice_is(name, "size"))
		return arena_printf(dl->job->mem, "%llu",
		    (unsigned long long)r->content_size);
	if (slice_is(name, "user"))
		return text_of(dl, dl->user);
	if (slice_is(name, "extension"))
		return text_of(dl, dl->ext);
	if (slice_is(name, "mailbox") || slice_is(name, "local"))
		return text_of(dl, dl->local);
	return NULL;
}

/* A fixed list; values that came with the mail have everything a shell could
 * take for syntax replaced. */
struct ipc_list
environment_make(const struct delivery *dl, const char *home,
    const char *user, const char *shell)
{
	static const struct {
		const char	*name, *macro;
	} filtered[] = {
		{ "DOMAIN", "domain" }, { "LOCAL", "local" },
		{ "RECIPIENT", "recipient" }, { "SENDER", "sender" },
		{ "EXTENSION", "extension" },
		{ "ORIGINAL_RECIPIENT", "original_recipient" },
		{ "CLIENT_ADDRESS", "client_address" },
		{ "CLIENT_HELO", "client_helo" },
		{ "CLIENT_HOSTNAME", "client_hostname" },
		{ "CLIENT_PROTOCOL", "client_protocol" },
		{ "SASL_METHOD", "sasl_method" },
		{ "SASL_USERNAME", "sasl_username" }, { "ENVID", "envid" },
	};
	const char		*allowed = locald_conf(dl->job->ld)->
				    command_expansion_filter;
	struct arena		*a = dl->job->mem;
	struct work_string	*v = arena_array(a, COUNT(filtered) + 8,
				    sizeof(*v));
	struct delivery		 copy = *dl;
	size_t			 n = 0;

	for (size_t i = 0; i < COUNT(filtered); i++) {
		const char	*value = environment_macro(&copy,
				    slice_str(filtered[i].macro));

		if (value[0] != '\0' || strcmp(filtered[i].name,
		    "SENDER") == 0)
			v[n++].text = arena_printf(a, "%s=%s",
			    filtered[i].name, macro_filter(value, allowed, a));
	}
	v[n++].text = "PATH=/usr/local/bin:/usr/bin:/bin";
	v[n++].text = arena_printf(a, "MAIL_CONFIG=%s",
	    conf_dir(daemon_conf(dl->job->ld->d)));
	if (getenv("TZ") != NULL)
		v[n++].text = arena_printf(a, "TZ=%s", getenv("TZ"));
	if (home != NULL)
		v[n++].text = arena_printf(a, "HOME=%s", home);
	if (user != NULL) {
		v[n++].text = arena_printf(a, "USER=%s", user);
		v[n++].text = arena_printf(a, "LOGNAME=%s", user);
	}
	if (shell != NULL)
		v[n++].text = arena_printf(a, "SHELL=%s", shell);
	return (struct ipc_list){ v, n };
}
