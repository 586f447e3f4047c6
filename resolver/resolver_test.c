/* SPDX-License-Identifier: Apache-2.0 */
/* The program itself, against nsd with signed zones.  Skipped where nsd or
 * the ldns tools are missing. */
#include <check.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "ipc/dns_msg.h"
#include "ipc/ipc.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "sys/loop.h"
#include "sys/sock.h"

static char			 dir[64], sock_path[96];
static pid_t			 nsd, resolver;
static int			 silent;	/* a name server that is dead */
static struct loop		*loop;
static struct ipc_client	*client;

static const char	make_zones[] =
    "PATH=$PATH:/usr/sbin; cd $0; port=$1\n"
    "zone() {\n"
    "  { echo \"$1. 300 IN SOA ns.$1. h.$1. 1 60 60 86400 120\"\n"
    "    echo \"$1. 300 IN NS ns.$1.\"\n"
    "    echo \"ns.$1. 300 IN A 127.0.0.1\"; cat; } > $1.zone\n"
    "}\n"
    "sign() {\n"
    "  k=$(ldns-keygen -a ECDSAP256SHA256 -k -r /dev/urandom $1)\n"
    "  z=$(ldns-keygen -a ECDSAP256SHA256 -r /dev/urandom $1)\n"
    "  ldns-signzone -n -f $1.zone.signed $1.zone $k $z\n"
    "  cat $k.ds >> anchors; mv $1.zone.signed $1.zone\n"
    "}\n"
    "zone secure.example <<E\n"
    "secure.example. 300 IN MX 10 mx.secure.example.\n"
    "secure.example. 200 IN MX 20 mx.plain.example.\n"
    "mx.secure.example. 300 IN A 192.0.2.1\n"
    "mx.secure.example. 300 IN A 192.0.2.2\n"
    "mx.secure.example. 300 IN AAAA 2001:db8::1\n"
    "_25._tcp.mx.secure.example. 300 IN TLSA 3 1 1 00112233445566778899aabb"
    "ccddeeff00112233445566778899aabbccddeeff\n"
    "nomail.secure.example. 300 IN MX 0 .\n"
    "alias.secure.example. 100 IN CNAME mx.secure.example.\n"
    "out.secure.example. 100 IN CNAME mx.plain.example.\n"
    "long.secure.example. 300 IN TXT \"v=spf1 \" \"-all\"\n"
    "E\n"
    "zone bogus.example <<E\n"
    "mx.bogus.example. 300 IN A 192.0.2.66\n"
    "E\n"
    "zone plain.example <<E\n"
    "mx.plain.example. 300 IN A 192.0.2.3\n"
    "E\n"
    "zone 2.0.192.in-addr.arpa <<E\n"
    "1.2.0.192.in-addr.arpa. 300 IN PTR mx.secure.example.\n"
    "E\n"
    "sign secure.example; sign bogus.example\n"
    "sed -i s/192.0.2.66/192.0.2.67/ bogus.example.zone\n"
    "{ echo 'server:'; echo ' database: \"\"'; echo ' username: \"\"'\n"
    "  echo \" ip-address: 127.0.0.1@$port\"; echo \" zonesdir: $0\"\n"
    "  echo \" pidfile: $0/nsd.pid\"; echo \" logfile: $0/nsd.log\"\n"
    "  echo \" xfrdfile: $0/xfrd\"; echo \" zonelistfile: $0/zl\"\n"
    "  echo \" xfrdir: $0\"; echo ' server-count: 1'\n"
    "  echo 'remote-control:'; echo ' control-enable: no'\n"
    "  for z in secure.example bogus.example plain.example \\\n"
    "      2.0.192.in-addr.arpa; do\n"
    "    echo 'zone:'; echo \" name: $z\"; echo \" zonefile: $z.zone\"\n"
    "  done; } > nsd.conf\n"
    "s=127.0.0.1@$port; { echo \"queue_directory = $0\"\n"
    "  echo \"resolver_stub_zones = secure.example=$s bogus.example=$s\"\n"
    "  echo \" plain.example=$s 2.0.192.in-addr.arpa=$s\"\n"
    "  echo \" dead.example=127.0.0.1@$2\"\n"
    "  echo \"resolver_trust_anchor_files = $0/anchors\"\n"
    "  echo \"resolver_hosts_file = $0/hosts\"\n"
    "  echo 'resolver_query_limit = 20'; } > main.cf\n"
    "{ echo '192.0.2.9 new.secure.example'\n"
    "  echo '192.0.2.9 box.plain.example box'; } > hosts\n";

static bool
have(const char *path)
{
	return access(path, X_OK) == 0;
}

/* A socket on a port of 127.0.0.1, 0: any; or -1. */
static int
bound_socket(int type, uint16_t *port)
{
	struct sock_addr	a;
	struct error		err;
	int			fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

	ck_assert_int_eq(sock_parse("127.0.0.1", *port, &a, &err), 0);
	if (bind(fd, (struct sockaddr *)&a.ss, a.len) != 0) {
		close(fd);
		return -1;
	}
	ck_assert_int_eq(sock_local(fd, &a), 0);
	*port = sock_port(&a);
	return fd;
}

/* Free for TCP and UDP, and not one that the kernel gives to others. */
static uint16_t
free_port(void)
{
	static uint16_t	next;

	for (int i = 0; i < 20000; i++) {
		uint16_t	port = (uint16_t)(10000 +
		    ((unsigned int)getpid() * 16u + next++) % 20000u);
		int		tcp = bound_socket(SOCK_STREAM, &port);
		int		udp = bound_socket(SOCK_DGRAM, &port);

		close(tcp);
		close(udp);
		if (tcp >= 0 && udp >= 0)
			return port;
	}
	ck_abort_msg("no free port");
	return 0;
}

static void
run(const char *const argv[])
{
	int	status;
	pid_t	pid = fork();

	if (pid == 0) {
		execvp(argv[0], (char *const *)(uintptr_t)argv);
		_exit(127);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static pid_t
start(const char *const argv[])
{
	pid_t	pid = fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execvp(argv[0], (char *const *)(uintptr_t)argv);
		_exit(127);
	}
	return pid;
}

static bool
tcp_answers(uint16_t port)
{
	struct sock_addr	a;
	struct error		err;
	int			fd;
	bool			ok;

	ck_assert_int_eq(sock_parse("127.0.0.1", port, &a, &err), 0);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	ok = connect(fd, (struct sockaddr *)&a.ss, a.len) == 0;
	close(fd);
	return ok;
}

static bool
unix_answers(void)
{
	struct error	err;
	int		fd;

	if (sock_connect_unix(sock_path, &fd, &err) < 0)
		return false;
	close(fd);
	return true;
}

#define SOON(cond) do {							\
	usec_t	until_ = clock_mono() + SECS(60);			\
	while (!(cond)) {						\
		ck_assert_msg(clock_mono() < until_, "waited for " #cond); \
		usleep(10000);						\
	}								\
} while (0)

static void
start_resolver(const char *option)
{
	resolver = start((const char *const[]){ "./resolver/resolver", "-c",
	    dir, "-L", "./sock", "-o", option, NULL });
	SOON(unix_answers());
	client = ipc_client_new(loop, sock_path);
}

static void
stop_resolver(void)
{
	ipc_client_free(&client);
	kill(resolver, SIGTERM);
	waitpid(resolver, NULL, 0);
	unlink(sock_path);
}

static bool
ended(pid_t pid)
{
	return waitpid(pid, NULL, WNOHANG) == pid;
}

/* False: somebody else was faster on that port. */
static bool
start_nsd(const char *dead)
{
	uint16_t	port = free_port();
	char		text[8], conf[96];
	bool		gone = false;

	snprintf(dir, sizeof(dir), "/tmp/ph-dns-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(sock_path, sizeof(sock_path), "%s/sock", dir);
	snprintf(conf, sizeof(conf), "%s/nsd.conf", dir);
	snprintf(text, sizeof(text), "%u", port);
	run((const char *const[]){ "sh", "-ec", make_zones, dir, text, dead,
	    NULL });
	nsd = start((const char *const[]){ "/usr/sbin/nsd", "-d", "-c", conf,
	    NULL });
	SOON((gone = ended(nsd)) || tcp_answers(port));
	if (gone)
		run((const char *const[]){ "rm", "-rf", dir, NULL });
	return !gone;
}

static void
setup(void)
{
	uint16_t	dead = 0;
	char		text[8];
	int		tries = 0;

	silent = bound_socket(SOCK_DGRAM, &dead);
	snprintf(text, sizeof(text), "%u", dead);
	while (!start_nsd(text))
		ck_assert_int_lt(++tries, 10);
	loop = loop_new();
	start_resolver("resolver_query_timeout=40s");
}

static void
teardown(void)
{
	stop_resolver();
	loop_free(&loop);
	kill(nsd, SIGTERM);
	waitpid(nsd, NULL, 0);
	close(silent);
	run((const char *const[]){ "rm", "-rf", dir, NULL });
}

/* An answer as one line: "ok secure 300: 10 mx.secure.example ...". */
struct asked {
	char	text[1024];
	bool	done;
	uint64_t ttl;
};

static int
by_text(const void *a, const void *b)
{
	const struct dns_rr	*x = a, *y = b;

	return strcmp(x->text, y->text);
}

static void
on_reply(void *arg, void *reply, const char *why)
{
	static const char *const	results[] = { "ok", "nodata",
					    "nxdomain", "tempfail" };
	struct asked	*q = arg;
	struct dns_res	*res = reply;
	struct dns_rr	*rr;
	struct buf	 b;

	q->done = true;
	if (res == NULL) {
		snprintf(q->text, sizeof(q->text), "failed: %s", why);
		return;
	}
	rr = res->records.items;
	buf_init(&b, sizeof(q->text) - 1);
	buf_addf(&b, "%s%s%s", results[res->result],
	    res->secure ? " secure" : "", res->bogus ? " bogus" : "");
	qsort(rr, res->records.count, sizeof(*rr), by_text);
	for (size_t i = 0; i < res->records.count; i++) {
		buf_addf(&b, " %u/%s", (unsigned int)rr[i].preference,
		    rr[i].text);
		for (size_t k = 0; k < rr[i].data.len; k++)
			buf_addf(&b, "%02x", rr[i].data.p[k]);
	}
	if (res->result == DNS_TEMPFAIL)
		buf_addf(&b, " (%s)", res->why);
	else
		q->ttl = res->ttl;
	snprintf(q->text, sizeof(q->text), "%s", buf_cstr(&b));
	buf_clear(&b);
}

static void
ask(struct asked *q, const char *name, uint64_t type)
{
	struct dns_req	m = { .name = name, .type = type };

	q->done = false;
	ipc_client_call(client, &dns_req_desc, &m, &dns_res_desc, SECS(60),
	    on_reply, q);
}

static void
await(struct asked *q)
{
	usec_t	until = clock_mono() + SECS(90);

	while (!q->done) {
		ck_assert_int_lt(clock_mono(), until);
		loop_once(loop, MSECS(100));
	}
}

static const struct {
	const char	*name;
	uint64_t	 type;
	const char	*answer;
} table[] = {
	{ "secure.example", DNS_MX, "ok secure 20/mx.plain.example "
	    "10/mx.secure.example" },
	{ "MX.secure.EXAMPLE.", DNS_A, "ok secure 0/192.0.2.1 0/192.0.2.2" },
	{ "mx.secure.example", DNS_AAAA, "ok secure 0/2001:db8::1" },
	{ "_25._tcp.mx.secure.example", DNS_TLSA, "ok secure 0/03010100112233"
	    "445566778899aabbccddeeff00112233445566778899aabbccddeeff" },
	{ "nomail.secure.example", DNS_MX, "ok secure 0/" },
	{ "alias.secure.example", DNS_A, "ok secure 0/192.0.2.1 "
	    "0/192.0.2.2" },
	{ "alias.secure.example", DNS_CNAME, "ok secure "
	    "0/mx.secure.example" },
	{ "out.secure.example", DNS_A, "ok 0/192.0.2.3" },
	{ "long.secure.example", DNS_TXT, "ok secure 0/763d73706631202d616c"
	    "6c" },
	{ "secure.example", DNS_NS, "ok secure 0/ns.secure.example" },
	{ "mx.secure.example", DNS_MX, "nodata secure" },
	{ "none.secure.example", DNS_MX, "nxdomain secure" },
	{ "mx.plain.example", DNS_A, "ok 0/192.0.2.3" },
	{ "mx.plain.example", DNS_AAAA, "nodata" },
	{ "none.plain.example", DNS_A, "nxdomain" },
	{ "192.0.2.1", DNS_PTR, "ok 0/mx.secure.example" },
	{ "192.0.2.200", DNS_PTR, "nxdomain" },
	{ "127.0.0.1", DNS_PTR, "ok 0/localhost" },
	{ "localhost", DNS_A, "ok 0/127.0.0.1" },
	{ "a..b", DNS_A, "nxdomain" },
	{ "new.secure.example", DNS_A, "ok 0/192.0.2.9" },
	{ "new.secure.example", DNS_AAAA, "nodata" },
	{ "box.plain.example", DNS_MX, "nodata" },
	{ "192.0.2.9", DNS_PTR, "ok 0/new.secure.example" },
};

START_TEST(answers)
{
	struct asked	q;

	/* Twice: the second time from the cache, inside the call. */
	for (size_t i = 0; i < COUNT(table) * 2; i++) {
		size_t	k = i % COUNT(table);

		ask(&q, table[k].name, table[k].type);
		await(&q);
		ck_assert_msg(strcmp(q.text, table[k].answer) == 0,
		    "%s %u: %s instead of %s", table[k].name,
		    (unsigned int)table[k].type, q.text, table[k].answer);
	}
	ask(&q, "none.secure.example", DNS_MX);
	await(&q);
	ck_assert_uint_le(q.ttl, 120);
	ask(&q, "alias.secure.example", DNS_A);
	await(&q);
	ck_assert_uint_le(q.ttl, 100);
	ask(&q, "mx.bogus.example", DNS_A);
	await(&q);
	ck_assert_msg(strncmp(q.text, "tempfail bogus (DNSSEC validation "
	    "failed", 40) == 0, "%s", q.text);
}
END_TEST

START_TEST(time_out_and_limit)
{
	struct asked	q[40];
	char		name[40];
	usec_t		began;
	int		refused = 0, late = 0;

	stop_resolver();
	start_resolver("resolver_query_timeout=2s");
	began = clock_mono();
	for (int i = 0; i < 40; i++) {
		/* Five askers each for eight names; then too many names. */
		snprintf(name, sizeof(name), "n%d.dead.example", i % 8);
		ask(&q[i], name, DNS_A);
	}
	for (int i = 0; i < 40; i++) {
		await(&q[i]);
		ck_assert_str_eq(q[i].text, "tempfail (no answer in time)");
	}
	ck_assert_int_ge(clock_mono() - began, SECS(1));
	for (int i = 0; i < 40; i++) {
		snprintf(name, sizeof(name), "m%d.dead.example", i);
		ask(&q[i], name, DNS_A);
	}
	for (int i = 0; i < 40; i++) {
		await(&q[i]);
		refused += strcmp(q[i].text,
		    "tempfail (too many queries under way)") == 0;
		late += strcmp(q[i].text, "tempfail (no answer in time)") ==
		    0 || strcmp(q[i].text, "tempfail (server failure)") == 0;
	}
	ck_assert_int_ge(refused, 1);
	ck_assert_int_eq(refused + late, 40);
	/* Nobody else noticed. */
	for (int i = 0; i < 20; i++) {
		ask(&q[0], "mx.secure.example", DNS_A);
		await(&q[0]);
		/* Two seconds are little on a busy machine. */
		if (strcmp(q[0].text, "tempfail (no answer in time)") != 0)
			break;
	}
	ck_assert_str_eq(q[0].text, "ok secure 0/192.0.2.1 0/192.0.2.2");
}
END_TEST

int
main(void)
{
	Suite	*s = suite_create("resolver");
	TCase	*t = tcase_create("resolver");
	SRunner	*r;
	int	 failed;

	if (!have("/usr/sbin/nsd") || !have("/usr/bin/ldns-keygen") ||
	    !have("/usr/bin/ldns-signzone"))
		return 77;
	tcase_set_timeout(t, 300);
	tcase_add_unchecked_fixture(t, setup, teardown);
	tcase_add_test(t, answers);
	tcase_add_test(t, time_out_and_limit);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_set_fork_status(r, CK_NOFORK);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
