/* SPDX-License-Identifier: Apache-2.0 */
/* Files, logs, sockets, privileges. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <regex.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check_run.h"
#include "sys/clock.h"
#include "sys/cpu.h"
#include "sys/file.h"
#include "sys/log.h"
#include "sys/privs.h"
#include "sys/sock.h"

static char	dir[64];

static void
setup(void)
{
	snprintf(dir, sizeof(dir), "/tmp/ph-sys-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	ck_assert_int_eq(chdir(dir), 0);
}

static void
teardown(void)
{
	pid_t	pid = fork();

	if (pid == 0)
		execl("/bin/rm", "rm", "-rf", dir, (char *)NULL);
	waitpid(pid, NULL, 0);
}

static struct buf
content(const char *path)
{
	struct buf	b;
	struct error	err;

	buf_init(&b, 1 << 20);
	ck_assert_msg(file_read_all(AT_FDCWD, path, &b, &err) == 0, "%s",
	    err.text);
	return b;
}

START_TEST(clocks)
{
	usec_t	a = clock_mono(), b = clock_mono();

	ck_assert_int_ge(b, a);
	ck_assert_int_gt(clock_wall(), SECS(1700000000));
}
END_TEST

START_TEST(replace_is_whole_or_nothing)
{
	struct error	err;
	struct buf	b;
	struct stat	st;

	umask(077);
	ck_assert_int_eq(file_replace(AT_FDCWD, "f", 0644, "one", 3, &err), 0);
	ck_assert_int_eq(file_replace(AT_FDCWD, "./f", 0640, "two!", 4, &err),
	    0);
	b = content("f");
	ck_assert(slice_is(buf_slice(&b), "two!"));
	buf_clear(&b);
	ck_assert_int_eq(stat("f", &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0640);
	/* A directory in the way: the rename fails and nothing is left. */
	ck_assert_int_eq(mkdir("d", 0700), 0);
	ck_assert_int_eq(file_replace(AT_FDCWD, "d", 0600, "x", 1, &err), -1);
	ck_assert_int_eq(err.sys, EISDIR);
	ck_assert_int_eq(rmdir("d"), 0);
	ck_assert_int_eq(unlink("f"), 0);
	ck_assert_int_eq(chdir("/"), 0);
	ck_assert_int_eq(rmdir(dir), 0);
	ck_assert_int_eq(mkdir(dir, 0700), 0);
}
END_TEST

START_TEST(read_all_is_bounded)
{
	struct error	err;
	struct buf	b;
	static char	big[40000];

	memset(big, 'a', sizeof(big));
	ck_assert_int_eq(file_replace(AT_FDCWD, "f", 0600, big, sizeof(big),
	    &err), 0);
	buf_init(&b, sizeof(big) - 1);
	ck_assert_int_eq(file_read_all(AT_FDCWD, "f", &b, &err), -1);
	ck_assert_int_eq(err.sys, EFBIG);
	buf_clear(&b);
	buf_init(&b, sizeof(big));
	ck_assert_int_eq(file_read_all(AT_FDCWD, "f", &b, &err), 0);
	ck_assert_uint_eq(buf_len(&b), sizeof(big));
	buf_clear(&b);
	ck_assert_int_eq(file_read_all(AT_FDCWD, "none", &b, &err), -1);
	ck_assert_int_eq(err.sys, ENOENT);
	ck_assert_str_eq(err.text, "open none: No such file or directory");
}
END_TEST

START_TEST(positioned_io_and_locks)
{
	int	a = open("f", O_RDWR | O_CREAT, 0600), b = open("f", O_RDWR);
	char	got[8];

	ck_assert_int_eq(file_pwrite(a, "hello", 5, 3), 0);
	ck_assert_int_eq(file_pread(b, got, 8, 4), 4);
	ck_assert_int_eq(memcmp(got, "ello", 4), 0);
	ck_assert_int_eq(file_lock(a, true, false), 0);
	ck_assert_int_eq(file_lock(b, false, false), -1);
	ck_assert_int_eq(errno, EAGAIN);
	ck_assert_int_eq(file_unlock(a), 0);
	ck_assert_int_eq(file_lock(a, false, true), 0);
	ck_assert_int_eq(file_lock(b, false, true), 0);
	close(a);
	close(b);
}
END_TEST

START_TEST(make_directories)
{
	struct error	err;
	struct stat	st;

	ck_assert_int_eq(file_mkdirs("a/b//c/", 0700, &err), 0);
	ck_assert_int_eq(file_mkdirs("a/b/c", 0700, &err), 0);
	ck_assert_int_eq(stat("a/b/c", &st), 0);
	ck_assert_int_eq(file_replace(AT_FDCWD, "f", 0600, "", 0, &err), 0);
	ck_assert_int_eq(file_mkdirs("f/x", 0700, &err), -1);
	ck_assert_int_eq(err.sys, ENOTDIR);
	ck_assert_int_eq(file_sync_path("a/b", &err), 0);
}
END_TEST

START_TEST(log_lines)
{
	struct buf	b;
	regex_t		re;
	char		line[4096], big[3000];

	ck_assert_int_eq(log_open("posthouse/smtpd", LOG_TO_FILE, "log"), 0);
	ck_assert_str_eq(log_name(), "posthouse");
	log_info("connect from %s", "a\r\nb\x01\xff\x7f \xc3\xa9 \xc2\x9b");
	log_warn("w");
	log_error("e");
	log_debug("hidden");
	log_verbose(true);
	log_debug("shown");
	log_verbose(false);
	log_info_as("posthouse/cleanup", "m");
	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	log_info("%s", big);
	b = content("log");
	snprintf(line, sizeof(line), "%s", buf_cstr(&b));
	ck_assert_int_eq(regcomp(&re,
	    "^[A-Z][a-z]{2} [ 0-9][0-9] [0-9:]{8} [^ .]+ posthouse/smtpd"
	    "\\[[0-9]+\\]: connect from a\\?\\?b\\?\\?\\? \xc3\xa9 \\?\\?\n"
	    "[^\n]* posthouse/smtpd\\[[0-9]+\\]: warning: w\n"
	    "[^\n]*: error: e\n"
	    "[^\n]*: shown\n"
	    "[^\n]* posthouse/cleanup\\[[0-9]+\\]: m\n"
	    "[^\n]*: x+\n$", REG_EXTENDED | REG_NOSUB), 0);
	ck_assert_msg(regexec(&re, line, 0, NULL, 0) == 0, "%s", line);
	ck_assert_uint_lt(buf_len(&b), 2700);
	regfree(&re);
	buf_clear(&b);
	ck_assert_int_eq(log_open("x", LOG_TO_FILE, "no/such/dir"), -1);
	ck_assert_int_eq(errno, ENOENT);
}
END_TEST

/* Each line says whose it is and when, whatever came before it. */
START_TEST(log_heads)
{
	char		want[200];
	struct buf	b;
	pid_t		pid;
	int		status;
	time_t		begun = time(NULL);

	ck_assert_int_eq(log_open("a/one", LOG_TO_FILE, "heads"), 0);
	log_info("0");
	log_info_as("a/two", "1");
	log_info("2");
	log_info_as("a/three", "3");
	log_info_as("a/two", "4");
	if ((pid = fork()) == 0) {
		log_info("5");
		log_info_as("a/two", "6");
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	while (time(NULL) <= begun + 1)
		(void)usleep(1000);
	log_info("7");
	ck_assert_int_eq(log_open("b/one", LOG_TO_FILE, "heads"), 0);
	log_info("8");
	b = content("heads");
	for (int i = 0; i < 9; i++) {
		static const char *const tags[] = { "a/one", "a/two", "a/one",
		    "a/three", "a/two", "a/one", "a/two", "a/one", "b/one" };

		snprintf(want, sizeof(want), " %s[%d]: %d\n", tags[i],
		    (int)(i == 5 || i == 6 ? pid : getpid()), i);
		ck_assert_msg(strstr(buf_cstr(&b), want) != NULL, "%s in\n%s",
		    want, buf_cstr(&b));
	}
	/* Beginning with its second. */
	ck_assert_int_ne(strncmp(buf_cstr(&b), strstr(buf_cstr(&b), " 6\n") +
	    3, strlen("Nov 29 12:34:56")), 0);
	buf_clear(&b);
	ck_assert_int_eq(log_open("t", LOG_TO_STDERR, NULL), 0);
}
END_TEST

static size_t
lines_in(const char *file)
{
	struct buf	b = content(file);
	size_t		n = 0;

	for (size_t i = 0; i < buf_len(&b); i++)
		n += buf_slice(&b).p[i] == '\n';
	buf_clear(&b);
	return n;
}

static void *
log_elsewhere(void *arg UNUSED)
{
	log_info("of another thread");
	return NULL;
}

/* Held lines keep their order and get out before anything that would lose
 * or repeat them. */
START_TEST(log_holds_lines)
{
	pthread_t	other;
	struct buf	b;
	pid_t		pid;
	int		status;

	ck_assert_int_eq(log_open("t", LOG_TO_FILE, "held"), 0);
	log_hold();
	log_info("one");
	log_info("two");
	ck_assert_uint_eq(lines_in("held"), 0);
	log_flush();
	ck_assert_uint_eq(lines_in("held"), 2);
	log_info("three");
	log_warn("four");
	ck_assert_uint_eq(lines_in("held"), 4);
	log_info("five");
	ck_assert_int_eq(pthread_create(&other, NULL, log_elsewhere, NULL), 0);
	ck_assert_int_eq(pthread_join(other, NULL), 0);
	ck_assert_uint_eq(lines_in("held"), 6);
	log_info("seven");
	if ((pid = fork()) == 0) {
		log_info("of the child %ld", (long)getpid());
		_exit(0);
	}
	ck_assert_uint_eq(lines_in("held") >= 7, true);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_uint_eq(lines_in("held"), 8);
	for (int i = 0; i < 1000; i++)
		log_info("line %d of many", i);
	ck_assert_uint_ge(lines_in("held"), 500);
	log_flush();
	ck_assert_uint_eq(lines_in("held"), 1008);
	b = content("held");
	ck_assert(strstr(buf_cstr(&b), "one") <
	    strstr(buf_cstr(&b), "two"));
	buf_clear(&b);
	ck_assert_int_eq(log_open("t", LOG_TO_STDERR, NULL), 0);
}
END_TEST

/* A full pipe: lines are lost, not waited for, and counted. */
START_TEST(log_never_blocks)
{
	int	p[2], saved = dup(1);
	char	c[70000];
	ssize_t	n;

	ck_assert_int_eq(pipe(p), 0);
	ck_assert_int_eq(dup2(p[1], 1), 1);
	ck_assert_int_eq(log_open("t", LOG_TO_FILE, "/dev/stdout"), 0);
	for (int i = 0; i < 3000; i++)
		log_info("line %d is lost or not; it does not wait", i);
	n = read(p[0], c, sizeof(c));
	ck_assert_int_gt(n, 4096);
	log_info("last");
	n = read(p[0], c, sizeof(c) - 1);
	ck_assert_int_gt(n, 0);
	c[n] = '\0';
	ck_assert_ptr_nonnull(strstr(c, " log lines were lost\n"));
	ck_assert_ptr_nonnull(strstr(c, "last\n"));
	ck_assert_int_eq(dup2(saved, 1), 1);
	ck_assert_int_eq(log_open("t", LOG_TO_STDERR, NULL), 0);
}
END_TEST

static const struct {
	const char	*net;
	const char	*addr;
	int		 result;	/* -1 bad net, 0 outside, 1 inside */
} nets[] = {
	{ "192.0.2.0/24", "192.0.2.255", 1 },
	{ "192.0.2.0/24", "192.0.3.0", 0 },
	{ "192.0.2.128/25", "192.0.2.127", 0 },
	{ "192.0.2.128/25", "192.0.2.129", 1 },
	{ "0.0.0.0/0", "8.8.8.8", 1 },
	{ "0.0.0.0/0", "::1", 0 },
	{ "192.0.2.1", "192.0.2.1", 1 },
	{ "192.0.2.1", "192.0.2.2", 0 },
	{ "[192.0.2.1]", "192.0.2.1", 1 },
	{ "192.0.2.0/24", "::ffff:192.0.2.7", 1 },
	{ "[2001:db8::]/32", "2001:db8:1::9", 1 },
	{ "[2001:db8::/32]", "2001:db8:1::9", 1 },
	{ "2001:db8::/33", "2001:db8:8000::", 0 },
	{ "[::1]", "::1", 1 },
	{ "192.0.2.1/24", "192.0.2.1", -1 },
	{ "[2001:db8::1]/32", "::1", -1 },
	{ "192.0.2.0/33", "192.0.2.1", -1 },
	{ "192.0.2.0/", "192.0.2.1", -1 },
	{ "192.0.2.0/-1", "192.0.2.1", -1 },
	{ "192.0.2/24", "192.0.2.1", -1 },
	{ "[::1", "::1", -1 },
	{ "", "::1", -1 },
	{ "[]", "::1", -1 },
	{ "example.com", "::1", -1 },
};

START_TEST(networks)
{
	struct sock_net		n;
	struct sock_addr	a;
	struct error		err;

	for (size_t i = 0; i < COUNT(nets); i++) {
		int	r = sock_net_parse(nets[i].net, &n, &err);

		ck_assert_int_eq(sock_parse(nets[i].addr, 25, &a, &err), 0);
		if (r == 0)
			r = sock_net_has(&n, &a);
		ck_assert_msg(r == nets[i].result, "%s %s", nets[i].net,
		    nets[i].addr);
	}
	ck_assert_int_eq(sock_net_parse("192.0.2.1/24", &n, &err), -1);
	ck_assert_str_eq(err.text, "non-null host address bits in "
	    "\"192.0.2.1/24\", perhaps you should use \"192.0.2.0/24\" "
	    "instead");
}
END_TEST

START_TEST(addresses)
{
	struct sock_addr	a;
	struct error		err;
	char			text[SOCK_TEXT_MAX];
	uint16_t		port;

	ck_assert_int_eq(sock_parse("[2001:DB8::1]", 587, &a, &err), 0);
	ck_assert_str_eq(sock_host(&a, text), "2001:db8::1");
	ck_assert_uint_eq(sock_port(&a), 587);
	ck_assert_int_eq(sock_parse("::ffff:192.0.2.5", 25, &a, &err), 0);
	sock_unmap(&a);
	ck_assert_str_eq(sock_host(&a, text), "192.0.2.5");
	ck_assert_uint_eq(sock_port(&a), 25);
	ck_assert_int_eq(sock_parse("localhost", 1, &a, &err), -1);
	ck_assert_int_eq(sock_parse("1.2.3", 1, &a, &err), -1);
	ck_assert_int_eq(sock_service("smtp", &port, &err), 0);
	ck_assert_uint_eq(port, 25);
	ck_assert_int_eq(sock_service("2525", &port, &err), 0);
	ck_assert_uint_eq(port, 2525);
	ck_assert_int_eq(sock_service("0", &port, &err), -1);
	ck_assert_int_eq(sock_service("65536", &port, &err), -1);
	ck_assert_int_eq(sock_service("no-such-service", &port, &err), -1);
}
END_TEST

static void
wait_for(int fd, short what)
{
	struct pollfd	p = { .fd = fd, .events = what };

	ck_assert_int_eq(poll(&p, 1, 60000), 1);
}

START_TEST(tcp)
{
	struct sock_addr	a, mine, peer;
	struct error		err;
	int			l, c, s, bound;

	ck_assert_int_eq(sock_parse("127.0.0.1", 0, &a, &err), 0);
	l = sock_listen(&a, 8, &err);
	ck_assert_int_ge(l, 0);
	ck_assert_int_eq(sock_accept(l, NULL), -1);
	ck_assert_int_eq(errno, EAGAIN);
	ck_assert_int_eq(sock_local(l, &a), 0);
	ck_assert_int_eq(sock_listen(&a, 8, &err), -1);
	ck_assert_int_eq(err.sys, EADDRINUSE);
	ck_assert_int_eq(sock_parse("127.0.0.9", 0, &mine, &err), 0);
	ck_assert_int_eq(sock_connect(&a, &mine, &c, &err), 0);
	wait_for(c, POLLOUT);
	ck_assert_int_eq(sock_connected(c, &err), 0);
	wait_for(l, POLLIN);
	s = sock_accept(l, &peer);
	ck_assert_int_ge(s, 0);
	ck_assert_uint_eq(ntohl(((struct sockaddr_in *)&peer.ss)->sin_addr
	    .s_addr), 0x7f000009u);
	ck_assert_int_ne(fcntl(s, F_GETFL) & O_NONBLOCK, 0);
	ck_assert_int_ne(fcntl(s, F_GETFD) & FD_CLOEXEC, 0);
	ck_assert_int_eq(sock_peer(c, &peer), 0);
	ck_assert_uint_eq(sock_port(&peer), sock_port(&a));
	close(s);
	close(c);
	close(l);
	/* A port that nobody else can begin to listen on. */
	bound = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(sock_parse("127.0.0.1", 0, &a, &err), 0);
	ck_assert_int_eq(bind(bound, (struct sockaddr *)&a.ss, a.len), 0);
	ck_assert_int_eq(sock_local(bound, &a), 0);
	if (sock_connect(&a, NULL, &c, &err) == 0) {
		wait_for(c, POLLOUT);
		ck_assert_int_eq(sock_connected(c, &err), -1);
		close(c);
	}
	ck_assert_int_eq(err.sys, ECONNREFUSED);
	close(bound);
}
END_TEST

START_TEST(local_sockets)
{
	struct error	err;
	struct stat	st;
	int		l, c, s;
	uid_t		uid = (uid_t)-1;
	pid_t		pid = 0;

	umask(0);
	l = sock_listen_unix("s", 0660, 8, &err);
	ck_assert_int_ge(l, 0);
	close(l);
	umask(077);
	l = sock_listen_unix("s", 0666, 8, &err);
	ck_assert_int_ge(l, 0);
	ck_assert_int_eq(stat("s", &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0666);
	ck_assert_int_eq(sock_connect_unix("s", &c, &err), 0);
	s = sock_accept(l, NULL);
	ck_assert_int_ge(s, 0);
	ck_assert_int_eq(sock_peer_cred(s, &pid, &uid, NULL), 0);
	ck_assert_int_eq(pid, getpid());
	ck_assert_uint_eq(uid, getuid());
	close(s);
	close(c);
	close(l);
	ck_assert_int_eq(sock_connect_unix("s", &c, &err), -1);
	ck_assert_int_eq(err.sys, ECONNREFUSED);
	ck_assert_int_eq(file_replace(AT_FDCWD, "f", 0600, "", 0, &err), 0);
	ck_assert_int_eq(sock_listen_unix("f", 0666, 8, &err), -1);
	ck_assert_int_eq(err.sys, EADDRINUSE);
}
END_TEST

static bool
can_read(const char *path)
{
	int	fd = open(path, O_RDONLY);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* As smtpd: may write in tmp and rename to new, may read neither. */
static int
landlocked(void)
{
	const struct privs_path	paths[] = {
		{ "tmp", PRIVS_WRITE | PRIVS_RENAME },
		{ "new", PRIVS_WRITE | PRIVS_RENAME | PRIVS_LIST },
		{ "etc", PRIVS_READ },
	};
	struct error	err;
	int		r, fd;

	r = privs_landlock(paths, COUNT(paths), &err);
	if (r <= 0)
		return r == 0 ? 77 : 1;
	if ((fd = open("tmp/a", O_WRONLY | O_CREAT, 0600)) < 0)
		return 2;
	close(fd);
	if (rename("tmp/a", "new/a") != 0)
		return 3;
	if (!can_read("new") || can_read("tmp"))
		return 8;
	if (can_read("new/a") || can_read("/etc/passwd"))
		return 4;
	if (!can_read("etc/f"))
		return 5;
	if (open("etc/g", O_WRONLY | O_CREAT, 0600) >= 0)
		return 6;
	if (rename("new/a", "etc/a") == 0)
		return 7;
	return 0;
}

START_TEST(landlock)
{
	struct error	err;
	int		status;
	pid_t		pid;

	ck_assert_int_eq(mkdir("tmp", 0700) | mkdir("new", 0700) |
	    mkdir("etc", 0700), 0);
	ck_assert_int_eq(file_replace(AT_FDCWD, "etc/f", 0600, "", 0, &err),
	    0);
	if ((pid = fork()) == 0)
		_exit(landlocked());
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	if (WEXITSTATUS(status) != 77)
		ck_assert_int_eq(WEXITSTATUS(status), 0);
}
END_TEST

static int
dropped(void)
{
	struct privs_user	u;
	struct error		err;

	if (privs_find("nobody", &u, &err) < 0)
		return 1;
	if (privs_chroot(dir, &err) < 0 || privs_drop(u, &err) < 0)
		return 2;
	if (privs_no_new(&err) < 0)
		return 3;
	if (getuid() != u.uid || geteuid() != u.uid || setuid(0) == 0)
		return 4;
	return can_read("/etc/passwd") ? 5 : 0;
}

START_TEST(dropping)
{
	struct privs_user	u;
	struct error		err;
	int			status;
	pid_t			pid;

	ck_assert_int_eq(privs_find("no-such-user-", &u, &err), -1);
	ck_assert_str_eq(err.text, "unknown user: no-such-user-");
	if (getuid() != 0) {
		u = (struct privs_user){ .uid = 1, .gid = 1 };
		ck_assert_int_eq(privs_drop(u, &err), -1);
		return;
	}
	if ((pid = fork()) == 0)
		_exit(dropped());
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	ck_assert_int_eq(WEXITSTATUS(status), 0);
}
END_TEST

START_TEST(idle_processors)
{
	static const struct {
		const char	*label, *text;
		usec_t		 at;
		double		 want;
	} rows[] = {
		{ "first look", "cpu  100 0 100 800 0 0 0 0 0 0\n", SECS(1), 0 },
		{ "half of it", "cpu  150 0 150 850 50 0 0 0 0 0\n", SECS(2), 1 },
		{ "too soon", "cpu  150 0 150 9999 50 0 0 0 0 0\n", SECS(2) +
		    MSECS(400), 1 },
		{ "the host's", "cpu  150 0 150 850 50 0 0 200 0 0\n", SECS(3),
		    0 },
		{ "all", "cpu  150 0 150 950 50 0 0 200 9 9\n", SECS(4), 2 },
		{ "too old", "cpu  150 0 150 1950 50 0 0 200 0 0\n", SECS(20),
		    0 },
		{ "nonsense", "cpu  150 0 x\n", SECS(21), 0 },
		{ "after it", "cpu  150 0 150 2950 50 0 0 200 0 0\n", SECS(22),
		    0 },
	};
	struct cpu_watch	w = { .asked_mono = 0 };

	for (size_t i = 0; i < COUNT(rows); i++) {
		double	got = cpu_idle_of(&w, slice_str(rows[i].text),
			    rows[i].at, 2);

		ck_assert_msg(got > rows[i].want - 0.001 &&
		    got < rows[i].want + 0.001, "%s: %f", rows[i].label, got);
	}
	/* This machine's. */
	w = (struct cpu_watch){ .asked_mono = 0 };
	ck_assert(cpu_idle(&w) >= 0 && w.asked_mono != 0 && w.all >= w.idle);
}
END_TEST

START_TEST(batch)
{
	int	 status;
	pid_t	 pid;

	if ((pid = fork()) == 0) {
		cpu_batch();
		_exit(sched_getscheduler(0) == SCHED_BATCH ? 0 : 1);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}
END_TEST

int
main(void)
{
	Suite	*s = suite_create("sys");
	TCase	*t = tcase_create("sys");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, clocks);
	tcase_add_test(t, replace_is_whole_or_nothing);
	tcase_add_test(t, read_all_is_bounded);
	tcase_add_test(t, positioned_io_and_locks);
	tcase_add_test(t, make_directories);
	tcase_add_test(t, log_lines);
	tcase_add_test(t, log_heads);
	tcase_add_test(t, log_holds_lines);
	tcase_add_test(t, log_never_blocks);
	tcase_add_test(t, networks);
	tcase_add_test(t, addresses);
	tcase_add_test(t, tcp);
	tcase_add_test(t, local_sockets);
	tcase_add_test(t, landlock);
	tcase_add_test(t, dropping);
	tcase_add_test(t, idle_processors);
	tcase_add_test(t, batch);
	suite_add_tcase(s, t);
	return check_run(s);
}
