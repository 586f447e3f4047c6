/* SPDX-License-Identifier: Apache-2.0 */
/* A real anvil and several daemons that report to it. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/check_run.h"
#include "base/mem.h"
#include "ipc/anvil_msg.h"
#include "ipc/ipc.h"
#include "sys/clock.h"
#include "sys/loop.h"
#include "sys/sock.h"

#define PATIENCE	SECS(60)

static char	 dir[] = "/tmp/ph-anvil-XXXXXX";
static pid_t	 pid;
static struct loop	*loop;

struct answer {
	bool			 done;
	struct anvil_res	 res;
};

static void
write_config(const char *text)
{
	char	*path = mem_printf("%s/main.cf", dir);
	FILE	*f = fopen(path, "w");

	ck_assert_ptr_nonnull(f);
	(void)fprintf(f, "queue_directory = %s\n%s", dir, text);
	ck_assert_int_eq(fclose(f), 0);
	mem_free(&path);
}

static void
start(const char *unit)
{
	struct timespec	 pause = { 0, 20000000 };
	usec_t		 until = clock_mono() + PATIENCE;
	char		*path = mem_printf("%s/sock", dir);
	struct error	 err;
	int		 fd;

	(void)snprintf(dir + sizeof(dir) - 7, 7, "XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	mem_free(&path);
	path = mem_printf("%s/sock", dir);
	write_config(unit);
	pid = fork();
	if (pid == 0) {
		execl("anvil/anvil", "anvil", "-c", dir, "-L", path,
		    (char *)NULL);
		_exit(127);
	}
	/* The file is there before it can be connected to. */
	while (sock_connect_unix(path, &fd, &err) < 0) {
		ck_assert_msg(clock_mono() < until, "%s", err.text);
		(void)nanosleep(&pause, NULL);
	}
	close(fd);
	mem_free(&path);
	loop = loop_new();
}

/* A unit that does not end in a test, and one that does. */
static void
long_unit(void)
{
	start("anvil_rate_time_unit = 1h\nanvil_clients_limit = 100\n");
}

static void
short_unit(void)
{
	start("anvil_rate_time_unit = 1s\n");
}

static void
teardown(void)
{
	int	 status;
	char	*path;

	loop_free(&loop);
	kill(pid, SIGTERM);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	path = mem_printf("%s/sock", dir);
	unlink(path);
	mem_free(&path);
	path = mem_printf("%s/main.cf", dir);
	unlink(path);
	mem_free(&path);
	rmdir(dir);
}

static struct ipc *
connect_new(void)
{
	static const struct ipc_ops	 ops = { NULL, 0, NULL };
	char				*path = mem_printf("%s/sock", dir);
	struct ipc			*c = NULL;
	struct error			 err;

	ck_assert_int_eq(ipc_connect(loop, path, &ops, NULL, &c, &err), 0);
	mem_free(&path);
	return c;
}

static void
answered(void *arg, void *reply, const char *why)
{
	struct answer	*a = arg;

	ck_assert_msg(reply != NULL, "%s", why);
	a->res = *(struct anvil_res *)reply;
	a->done = true;
}

static struct anvil_res
ask(struct ipc *c, enum anvil_event event, const char *ident)
{
	struct anvil_req	 m = { event, ident };
	struct answer		 a = { .done = false };
	struct error		 err;

	ck_assert_uint_ne(ipc_call(c, &anvil_req_desc, &m, &anvil_res_desc,
	    PATIENCE, answered, &a, &err), 0);
	while (!a.done)
		loop_once(loop, MSECS(100));
	return a.res;
}

START_TEST(test_counts)
{
	struct ipc	*a = connect_new(), *b = connect_new();

	ck_assert_uint_eq(ask(a, ANVIL_CONNECT, "smtp:1").connections, 1);
	ck_assert_uint_eq(ask(b, ANVIL_CONNECT, "smtp:1").connections, 2);
	ck_assert_uint_eq(ask(b, ANVIL_CONNECT, "smtp:2").connections, 1);
	ck_assert_uint_eq(ask(a, ANVIL_MESSAGE, "smtp:1").rate, 1);
	ck_assert_uint_eq(ask(b, ANVIL_MESSAGE, "smtp:1").rate, 2);
	ck_assert_uint_eq(ask(a, ANVIL_DISCONNECT, "smtp:1").connections, 1);
	/* a has nothing left to give back */
	ck_assert_uint_eq(ask(a, ANVIL_DISCONNECT, "smtp:1").connections, 1);
	ipc_close(&a);
	ipc_close(&b);
}
END_TEST

/* A daemon that dies leaves no ghosts behind. */
START_TEST(test_owner_dies)
{
	struct ipc	*a = connect_new(), *b = connect_new();
	uint64_t	 n = 3;

	for (int i = 0; i < 3; i++)
		(void)ask(a, ANVIL_CONNECT, "imap:x");
	ipc_close(&a);
	for (int i = 0; i < 100 && n != 0; i++)
		n = ask(b, ANVIL_DISCONNECT, "imap:x").connections;
	ck_assert_uint_eq(n, 0);
	ck_assert_uint_eq(ask(b, ANVIL_CONNECT, "imap:x").connections, 1);
	ipc_close(&b);
}
END_TEST

/* The count grows until the unit is over, and begins again. */
START_TEST(test_rate_ends)
{
	struct timespec	 pause = { 0, 20000000 };
	struct ipc	*a = connect_new();
	usec_t		 until = clock_mono() + PATIENCE, began = 0;
	uint64_t	 rate, before = 0;

	/* On a machine that stands still a unit may have one event. */
	for (;;) {
		usec_t	now = clock_mono();

		rate = ask(a, ANVIL_AUTH, "smtp:3").rate;
		if (rate == 1 && before > 1)
			break;
		ck_assert(rate == 1 || rate == before + 1);
		began = rate == 1 ? now : began;
		before = rate;
		ck_assert_int_lt(now, until);
		(void)nanosleep(&pause, NULL);
	}
	ck_assert_int_ge(clock_mono() - began, SECS(1));
	ipc_close(&a);
}
END_TEST

/* More clients than are remembered: open connections stay counted. */
START_TEST(test_bound)
{
	struct ipc	*a = connect_new();
	char		 ident[32];

	(void)ask(a, ANVIL_CONNECT, "keep");
	for (int i = 0; i < 500; i++) {
		(void)snprintf(ident, sizeof(ident), "smtp:%d", i);
		ck_assert_uint_eq(ask(a, ANVIL_MESSAGE, ident).rate, 1);
	}
	ck_assert_uint_eq(ask(a, ANVIL_CONNECT, "keep").connections, 2);
	ipc_close(&a);
}
END_TEST

int
main(void)
{
	Suite	*s = suite_create("anvil");
	TCase	*t = tcase_create("anvil"), *u = tcase_create("unit");

	tcase_add_checked_fixture(t, long_unit, teardown);
	tcase_add_checked_fixture(u, short_unit, teardown);
	tcase_set_timeout(t, 120);
	tcase_set_timeout(u, 120);
	tcase_add_test(t, test_counts);
	tcase_add_test(t, test_owner_dies);
	tcase_add_test(t, test_bound);
	tcase_add_test(u, test_rate_ends);
	suite_add_tcase(s, t);
	suite_add_tcase(s, u);
	return check_run(s);
}
