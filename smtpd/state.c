/* SPDX-License-Identifier: Apache-2.0 */
/* The process: what is opened as root, and who is talked to. */
#include <ifaddrs.h>
#include <netdb.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "intake/intake_service.h"
#include "smtpd/announce.h"
#include "smtpd/check.h"
#include "sys/clock.h"
#include "sys/log.h"

/* A table has its answer: whoever waits asks again. */
static void
wake(void *arg)
{
	struct smtpd	*s = arg;
	struct list	 all, *l;

	if (s->intake != NULL)
		intake_wake(s->intake);
	list_init(&all);
	while ((l = list_take(&s->waiting)) != NULL)
		list_put_last(&all, l);
	while ((l = list_take(&all)) != NULL)
		check_wake(LIST_ENTRY(l, struct check, table_wait)->c);
}

static int
open_match(struct smtpd *s, const char *param, const char *spec,
    enum match_kind kind, bool parents, struct match_list **out,
    struct error *err)
{
	if (match_list_open(spec, kind, parents, &s->map_env, out, err) < 0)
		return error_in(err, "parameter %s", param);
	return 0;
}

/* local_header_rewrite_clients: its networks, without the words that name other
 * properties of clients. */
static const char *
take_permits(struct smtpd *s, const char *text)
{
	struct slice	 in = slice_str(text), word;
	const char	*out = "";

	while (map_list_word(&in, &word)) {
		if (slice_is(word, "permit_inet_interfaces"))
			s->completes.own = true;
		else if (slice_is(word, "permit_mynetworks"))
			s->completes.trusted = true;
		else if (slice_is(word, "permit_sasl_authenticated"))
			s->completes.sasl = true;
		else if (!slice_istarts(word, "permit_"))
			out = arena_printf(s->mem, "%s %.*s", out,
			    SLICE_ARG(word));
	}
	return out;
}

static int
open_lists(struct smtpd *s, struct error *err)
{
	const struct smtpd_conf	*c = s->conf;

	if (open_match(s, "mynetworks", s->common->mynetworks, MATCH_HOST,
	    false, &s->mynetworks, err) < 0 ||
	    open_match(s, "smtpd_client_event_limit_exceptions",
	    c->event_limit_exceptions, MATCH_HOST, false, &s->exceptions,
	    err) < 0 ||
	    open_match(s, "local_header_rewrite_clients",
	    take_permits(s, c->header_rewrite_clients), MATCH_HOST, false,
	    &s->rewrite, err) < 0 ||
	    open_match(s, "smtpd_forbidden_commands", c->forbidden_commands,
	    MATCH_STRING, false, &s->forbidden, err) < 0 ||
	    open_match(s, "fast_flush_domains", c->fast_flush_domains,
	    MATCH_DOMAIN, true, &s->flush_domains, err) < 0)
		return -1;
	if (map_list_open(c->sender_login_maps, &s->map_env, &s->login_maps,
	    err) < 0)
		return error_in(err, "parameter smtpd_sender_login_maps");
	return 0;
}

static int
open_tls(struct smtpd *s, struct error *err)
{
	const struct smtpd_conf	*c = s->conf;
	bool	strict = c->tls_wrappermode || c->tls_level == TLS_LEVEL_ENCRYPT;
	struct tls_server_conf	t = {
		.chain_file = c->tls_chain_files[0] != '\0' ?
		    c->tls_chain_files : NULL,
		.cert_file = c->tls_cert_file, .key_file = c->tls_key_file,
		.protocols = strict ? c->tls_mandatory_protocols :
		    c->tls_protocols,
		.ciphers = c->tls_ciphers[0] != '\0' ? c->tls_ciphers : NULL,
		.session_id = daemon_service(s->d),
	};

	if (!c->tls_wrappermode && c->tls_level == TLS_LEVEL_NONE)
		return 0;
	if (t.chain_file == NULL && t.cert_file[0] == '\0') {
		if (strict)
			return error_set(err, "TLS is required, but there is "
			    "no certificate in smtpd_tls_chain_files or "
			    "smtpd_tls_cert_file");
		log_warn("No server certs available. TLS won't be enabled");
		return 0;
	}
	s->tls = tls_server_new(&t, err);
	return s->tls == NULL ? error_in(err, "smtpd_tls") : 0;
}

static int
expand_banner(struct smtpd *s, struct error *err)
{
	const char	*text = conf_expand(daemon_conf(s->d), s->mem,
			    s->conf->banner, err);

	if (text == NULL)
		return error_in(err, "parameter smtpd_banner");
	s->banner = arena_printf(s->mem, "220 %s", text);
	return 0;
}

static int
find_addresses(struct smtpd *s, struct error *err)
{
	struct ifaddrs	*all;
	size_t		 n = 0;

	if (getifaddrs(&all) < 0)
		return error_sys(err, "getifaddrs");
	for (struct ifaddrs *i = all; i != NULL; i = i->ifa_next)
		n++;
	s->own_addresses = arena_array(s->mem, n + 1, sizeof(char *));
	n = 0;
	for (struct ifaddrs *i = all; i != NULL; i = i->ifa_next) {
		char	text[NI_MAXHOST];

		if (i->ifa_addr == NULL || (i->ifa_addr->sa_family != AF_INET &&
		    i->ifa_addr->sa_family != AF_INET6) ||
		    getnameinfo(i->ifa_addr, i->ifa_addr->sa_family == AF_INET ?
		    sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6),
		    text, sizeof(text), NULL, 0, NI_NUMERICHOST) != 0)
			continue;
		text[strcspn(text, "%")] = '\0';
		s->own_addresses[n++] = arena_strdup(s->mem, text);
	}
	freeifaddrs(all);
	return 0;
}

/* What does not need the loop. */
static void
close_tables(void *arg)
{
	struct smtpd	*s = arg;
	size_t		 at = 0;
	void		*when;

	check_close(s);
	map_list_close(&s->login_maps);
	match_list_close(&s->mynetworks);
	match_list_close(&s->exceptions);
	match_list_close(&s->rewrite);
	match_list_close(&s->forbidden);
	match_list_close(&s->flush_domains);
	intake_close(&s->intake);
	route_close(&s->route);
	tls_ctx_free(&s->tls);
	while (hash_each(s->flushed, &at, &(struct slice){ NULL, 0 }, &when))
		mem_free(&when);
	hash_free(&s->flushed);
	mem_free(&s->mechs[0].names);
	mem_free(&s->mechs[1].names);
	mem_free(&s->ehlo[0].text);
	mem_free(&s->ehlo[1].text);
}

/* No connection is left. */
static void
smtpd_exit(struct smtpd *s)
{
	announce_free(&s->announce);
	ipc_client_free(&s->qmgr);
	ipc_client_free(&s->qmgr_public);
	ipc_client_free(&s->resolver);
	ipc_client_free(&s->auth);
	ipc_client_free(&s->anvil);
	queue_close(&s->queue);
	outbox_close(s);
	daemon_exit(s->d);
}

void
smtpd_look_for_end(struct smtpd *s)
{
	if (daemon_draining(s->d) && list_empty(&s->conns) &&
	    s->commits == 0)
		smtpd_exit(s);
}

int
smtpd_open_as_root(struct daemon *d, struct error *err)
{
	struct smtpd	*s = arena_alloc(daemon_arena(d), sizeof(*s));

	daemon_set_state(d, s);
	s->d = d;
	s->mem = daemon_arena(d);
	s->conf = daemon_params(d);
	s->common = daemon_common(d);
	list_init(&s->conns);
	list_init(&s->waiting);
	s->flushed = hash_new();
	arena_at_free(s->mem, close_tables, s);
	s->map_env = (struct map_env){
		.default_type = s->common->default_database_type,
		.wake = wake, .arg = s,
	};
	tzset();
	if (route_open(daemon_conf(d), &s->map_env, &s->route, err) < 0 ||
	    intake_open(daemon_conf(d), s->common, s->route, &s->map_env,
	    &s->intake, err) < 0 || open_lists(s, err) < 0 ||
	    check_open(s, err) < 0 || open_tls(s, err) < 0 ||
	    expand_banner(s, err) < 0)
		return -1;
	return find_addresses(s, err);
}

/* It writes queue files and reads none.  Below /etc, /usr and the like it
 * reads users (unix:passwd.byname) and what the C library needs for that; in
 * a chroot they are missing, which is fine.  Here and not in the descriptor,
 * because the queue directories may have to be made first. */
static int
confine(struct error *err)
{
	static const struct privs_path	all[] = {
		{ "tmp", PRIVS_WRITE | PRIVS_RENAME },
		{ "new", PRIVS_WRITE | PRIVS_RENAME },
		{ "hold", PRIVS_WRITE | PRIVS_RENAME },
		/* How many segments there are bounds how many it makes. */
		{ "journal", PRIVS_WRITE | PRIVS_RENAME | PRIVS_LIST },
		{ "/etc", PRIVS_READ }, { "/usr", PRIVS_READ },
		{ "/lib", PRIVS_READ }, { "/run", PRIVS_READ },
		{ "/proc/self", PRIVS_READ },
	};
	struct privs_path	here[COUNT(all)];
	size_t			n = 0;

	for (size_t i = 0; i < COUNT(all); i++)
		if (access(all[i].path, F_OK) == 0)
			here[n++] = all[i];
	return privs_landlock(here, n, err) < 0 ?
	    error_in(err, "landlock") : 0;
}

int
smtpd_start(struct daemon *d, struct error *err)
{
	struct smtpd		*s = daemon_state(d);

	s->loop = daemon_loop(d);
	outbox_open(s);
	s->qmgr = ipc_client_new(s->loop, "private/qmgr");
	s->qmgr_public = ipc_client_new(s->loop, "public/qmgr");
	s->resolver = ipc_client_new(s->loop, "private/resolver");
	s->auth = ipc_client_new(s->loop, "private/auth");
	s->anvil = ipc_client_new(s->loop, "private/anvil");
	/* Made by whoever comes first, usually qmgr. */
	if (intake_service_queue(d, s->qmgr, false, &s->queue, err) < 0 &&
	    intake_service_queue(d, s->qmgr, true, &s->queue, err) < 0)
		return -1;
	s->announce = announce_new(s->queue, s->loop, s->qmgr);
	return confine(err);
}

/* A retirement lets sessions go on as long as they like; a stop does not. */
void
smtpd_drain(struct daemon *d)
{
	struct smtpd	*s = daemon_state(d);

	if (list_empty(&s->conns) && s->commits == 0) {
		smtpd_exit(s);
		return;
	}
	if (!daemon_stopping(d))
		return;
	LIST_EACH(l, &s->conns)
		conn_stop(LIST_ENTRY(l, struct conn, link));
}
