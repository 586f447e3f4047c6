/* SPDX-License-Identifier: Apache-2.0 */
/* A real anvil and several daemons that report to it. */
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "ipc/anvil_msg.h"
#include "ipc/ipc.h"
#include "sys/loop.h"
#include "sys/sock.h"

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
setup(void)
{
	struct timespec	 pause = { 0, 20000000 };
	char		*path = mem_printf("%s/sock", dir);
	struct error	 err;
	int		 fd;

	(void)snprintf(dir + sizeof(dir) - 7, 7, "XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	mem_free(&path);
	path = mem_printf("%s/sock", dir);
	write_config("anvil_rate_time_unit = 1s\nanvil_clients_limit = 100\n");
	pid = fork();
	if (pid == 0) {
		execl("anvil/anvil", "anvil", "-c", dir, "-L", path,
		    (char *)NULL);
		_exit(127);
	}
	/* The file is there before it can be connected to. */
	for (int i = 0; sock_connect_unix(path, &fd, &err) < 0; i++) {
		ck_assert_msg(i < 500, "%s", err.text);
		(void)nanosleep(&pause, NULL);
	}
	close(fd);
	mem_free(&path);
	loop = loop_new();
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
	    SECS(10), answered, &a, &err), 0);
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

START_TEST(test_rate_ends)
{
	struct timespec	 pause = { 1, 200000000 };
	struct ipc	*a = connect_new();

	(void)ask(a, ANVIL_AUTH, "smtp:3");
	ck_assert_uint_eq(ask(a, ANVIL_AUTH, "smtp:3").rate, 2);
	(void)nanosleep(&pause, NULL);
	ck_assert_uint_eq(ask(a, ANVIL_AUTH, "smtp:3").rate, 1);
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
	TCase	*t = tcase_create("anvil");
	SRunner	*r;
	int	 failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, test_counts);
	tcase_add_test(t, test_owner_dies);
	tcase_add_test(t, test_rate_ends);
	tcase_add_test(t, test_bound);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? 0 : 1;
}
