/* SPDX-License-Identifier: Apache-2.0 */
#include "login/login.h"
#include "sys/log.h"
#include "sys/loop.h"

static const struct login_proto *const	protos[] = {
	&login_imap, &login_pop3
};

static int
open_tls(struct login *lg, struct error *err)
{
	const struct login_conf		*c = lg->conf;
	const struct tls_server_conf	 tls = {
		.chain_file = *c->chain_files == '\0' ? NULL : c->chain_files,
		.cert_file = *c->cert_file == '\0' ? NULL : c->cert_file,
		.key_file = *c->key_file != '\0' ? c->key_file :
		    *c->cert_file == '\0' ? NULL : c->cert_file,
		.protocols = c->tls_protocols,
		.ciphers = *c->tls_ciphers == '\0' ? NULL : c->tls_ciphers,
		.session_id = lg->proto->name,
		.tickets = 1,
	};

	if (tls.chain_file == NULL && tls.cert_file == NULL) {
		if (c->wrappermode)
			return error_set(err, "login_tls_wrappermode = yes "
			    "needs login_tls_chain_files or "
			    "login_tls_cert_file");
		return 0;
	}
	lg->tls = tls_server_new(&tls, err);
	return lg->tls == NULL ? -1 : 0;
}

/* Networks of mynetworks; tables in it are for smtpd. */
static void
open_networks(struct login *lg)
{
	struct slice	 in = slice_str(daemon_common(lg->daemon)->mynetworks);
	struct slice	 word;
	struct arena	*a = daemon_arena(lg->daemon);
	struct error	 err;

	lg->trusted = arena_array(a, in.len / 2 + 1, sizeof(*lg->trusted));
	while (slice_word(&in, ", \t\r\n", &word)) {
		const char	*text = arena_strndup(a,
				    (const char *)word.p, word.len);

		if (sock_net_parse(text, &lg->trusted[lg->ntrusted],
		    &err) == 0)
			lg->ntrusted++;
	}
}

static int
open_as_root(struct daemon *d, struct error *err)
{
	struct login	*lg = arena_alloc(daemon_arena(d), sizeof(*lg));

	lg->daemon = d;
	lg->conf = daemon_params(d);
	lg->proto = protos[lg->conf->protocol];
	daemon_set_state(d, lg);
	open_networks(lg);
	return open_tls(lg, err);
}

/* The root directory has the sockets we may use; without chroot they are in
 * the directory that would have been the root. */
static struct ipc_client *
client(struct login *lg, const char *name)
{
	struct arena	*a = daemon_arena(lg->daemon);

	return ipc_client_new(lg->loop, daemon_privileged(lg->daemon) ?
	    name : arena_printf(a, "login/%s", name));
}

static int
start(struct daemon *d, struct error *err)
{
	struct login	*lg = daemon_state(d);

	(void)err;
	lg->loop = daemon_loop(d);
	list_init(&lg->conns);
	lg->authd = client(lg, "auth");
	lg->session = client(lg, lg->proto->session);
	lg->anvil = client(lg, "anvil");
	/* What was asked may have been done: a login is not asked twice. */
	ipc_client_once(lg->authd);
	ipc_client_once(lg->session);
	lg->mechs_timer = loop_timer_new(lg->loop, auth_ask_mechs, lg);
	auth_ask_mechs(lg);
	return 0;
}

/* A new configuration: everybody stays, also who is about to log in.  When
 * the whole suite stops, the session processes end what we relay, and we the
 * rest. */
static void
drain(struct daemon *d)
{
	struct login	*lg = daemon_state(d);

	LIST_EACH(l, &lg->conns) {
		struct conn	*c = LIST_ENTRY(l, struct conn, all);

		if (daemon_stopping(d) && c->state != CONN_RELAY &&
		    c->state != CONN_HANDOFF)
			conn_end(c, "Server is shutting down.",
			    "Disconnected: Shutting down");
	}
	if (list_empty(&lg->conns))
		daemon_exit(d);
}

static const struct daemon_desc	login = {
	.name		= "login",
	.kind		= DAEMON_STREAM,
	.user		= DAEMON_LOGIN,
	.root		= DAEMON_ROOT_LOGIN,
	.params		= login_params,
	.conf_size	= sizeof(struct login_conf),
	.open_as_root	= open_as_root,
	.start		= start,
	.accept		= conn_accept,
	.drain		= drain,
	.client_limit	= 1000,
};

int
main(int argc, char **argv)
{
	struct daemon_desc	d = login;

	d.nparams = login_nparams;
	/* Under the name that tools know; the log is opened before the
	 * parameters are read. */
	d.log_tag = "imap-login";
	for (int i = 1; i < argc; i++)
		if (strstr(argv[i], "login_protocol=pop3") != NULL)
			d.log_tag = "pop3-login";
	return daemon_run(&d, argc, argv);
}
