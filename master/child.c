/* SPDX-License-Identifier: Apache-2.0 */
/* Processes: starting them with their sockets and arguments, what they say on
 * their control socket, and their end. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/panic.h"
#include "master/master.h"
#include "sys/clock.h"
#include "sys/log.h"

#define ARGS_MAX	256
#define FIRST_FD	3

#define ENV_MAX		64
/* What a batch of messages gives back stays at hand for the next one; the C
 * library would keep seven pieces of a size, and sort the others.  And a large
 * heap is asked for in large pages: with a thousand clients each message touches
 * fifty small ones. */
#define ALLOCATOR	"glibc.malloc.tcache_count=1000:" \
			"glibc.malloc.hugetlb=1"

#define IDLE_ENOUGH	0.75	/* processors, for one process more */

/* What a daemon sees of our environment, whatever import_environment says. */
static const char *const	kept_environment[] = {
	"ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS",
};

size_t
child_count(const struct service *s, enum child_state state)
{
	size_t	 n = 0;

	LIST_EACH(l, &s->children)
		if (LIST_ENTRY(l, struct child, link)->state == state)
			n++;
	return n;
}

/* Slots of the scoreboard */

static int
slot_take(struct master *m)
{
	for (int i = 0; i < MASTER_SLOTS; i++)
		if (m->slots[i] == 0) {
			m->slots[i] = 1;
			return i;
		}
	return -1;
}

static void
slot_fill(struct child *c)
{
	struct board_slot	*b = board_slot(c->m->board, c->slot);
	struct service		*s = c->s;

	memset(b, 0, sizeof(*b));
	b->generation = c->m->generation;
	b->started_wall = clock_wall();
	(void)snprintf(b->service, sizeof(b->service), "%s", s->cf->name);
	(void)snprintf(b->type, sizeof(b->type), "%s",
	    mastercf_type_name(s->cf->type));
	(void)snprintf(b->program, sizeof(b->program), "%s", s->cf->command);
	atomic_store(&b->state, BOARD_STARTING);
	b->magic = BOARD_MAGIC;
}

static void
slot_give(struct child *c)
{
	struct board_slot	*b = board_slot(c->m->board, c->slot);

	memset(b, 0, sizeof(*b));
	c->m->slots[c->slot] = 0;
}

/* Starting */

/* In the child between fork and exec: nothing here may allocate or log. */
static void
place_descriptors(const struct service *s, int control, int board)
{
	int	 high[64 + 2];
	size_t	 n = 0;

	for (size_t i = 0; i < s->nendpoints && n < 64; i++)
		if (s->endpoints[i].fd >= 0)
			high[n++] = s->endpoints[i].fd;
	high[n++] = control;
	high[n++] = board;
	for (size_t i = 0; i < n; i++)
		high[i] = fcntl(high[i], F_DUPFD, 200);
	for (size_t i = 0; i < n; i++)
		(void)dup2(high[i], FIRST_FD + (int)i);
	(void)close_range(FIRST_FD + (unsigned int)n, ~0u, 0);
}

static void
reset_process(const struct master *m)
{
	sigset_t	 none;
	int		 fd;

	(void)setpgid(0, 0);
	sigemptyset(&none);
	for (int i = 1; i < NSIG; i++)
		(void)signal(i, SIG_DFL);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	/* Master is protected from the out-of-memory killer, they are not. */
	if (m->privileged &&
	    (fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC)) >= 0)
		(void)!write(fd, "0", 1);
}

struct command {
	const char	*argv[ARGS_MAX];
	int		 argc;
	const char	*envp[ENV_MAX];
	int		 envc;
};

static void
arg(struct command *cmd, const char *text)
{
	if (cmd->argc < ARGS_MAX - 1)
		cmd->argv[cmd->argc++] = text;
}

static int
sockets_of(const struct service *s)
{
	int	 n = 0;

	for (size_t i = 0; i < s->nendpoints; i++)
		n += s->endpoints[i].fd >= 0;
	return n;
}

/* The arguments that Postfix's master generates, so that -n, -t, -u, -c, -s
 * and -o mean there what they mean here. */
static void
make_args(const struct service *s, struct arena *a, struct command *cmd)
{
	const struct master_service	*cf = s->cf;

	arg(cmd, cf->command);
	arg(cmd, "-n");
	arg(cmd, cf->name);
	arg(cmd, "-t");
	arg(cmd, mastercf_type_name(cf->type));
	if (cf->maxproc == 1)
		arg(cmd, "-l");
	if (cf->maxproc == 0)
		arg(cmd, "-z");
	if (cf->unpriv)
		arg(cmd, "-u");
	if (cf->chroot)
		arg(cmd, "-c");
	if (s->m->verbose)
		arg(cmd, "-v");
	arg(cmd, "-s");
	arg(cmd, arena_printf(a, "%d", sockets_of(s)));
	if (cf->type == SERVICE_INET && cf->maxproc != 1) {
		arg(cmd, "-o");
		arg(cmd, clock_mono() < s->stressed_until_mono ?
		    "stress=yes" : "stress=");
	}
	for (size_t i = 0; cf->overrides[i] != NULL; i++) {
		arg(cmd, "-o");
		arg(cmd, cf->overrides[i]);
	}
	for (size_t i = 0; cf->args[i] != NULL; i++)
		arg(cmd, cf->args[i]);
}

/* The first word about a variable wins: ours come before those imported. */
static void
env_put(struct command *cmd, struct arena *a, const char *name,
    const char *value)
{
	size_t	 len = strlen(name);

	for (int i = 0; i < cmd->envc; i++)
		if (strncmp(cmd->envp[i], name, len) == 0 &&
		    cmd->envp[i][len] == '=')
			return;
	if (value != NULL && cmd->envc < ENV_MAX - 1)
		cmd->envp[cmd->envc++] = arena_printf(a, "%s=%s", name, value);
}

static void
make_env(const struct service *s, struct arena *a, struct command *cmd,
    const struct board_place *place)
{
	struct slice	 list =
			    slice_str(s->m->config->own.import_environment);
	struct slice	 word, name = { NULL, 0 };
	const char	*n;
	char		 text[128];

	board_place_put(place, text, sizeof(text));
	env_put(cmd, a, BOARD_ENV, text);
	env_put(cmd, a, "MAIL_CONFIG", s->m->config_dir);
	env_put(cmd, a, "PATH", "/usr/local/sbin:/usr/local/bin:"
	    "/usr/sbin:/usr/bin:/sbin:/bin");
	for (size_t i = 0; i < COUNT(kept_environment); i++)
		env_put(cmd, a, kept_environment[i],
		    getenv(kept_environment[i]));
	while (slice_word(&list, ", \t", &word)) {
		bool	 given = slice_cut(&word, '=', &name);

		n = slice_cstr(a, given ? name : word);
		if (n != NULL)
			env_put(cmd, a, n,
			    given ? slice_cstr(a, word) : getenv(n));
	}
	env_put(cmd, a, "LANG", "C");
	env_put(cmd, a, "GLIBC_TUNABLES", ALLOCATOR);
}

static char *
program_path(const struct service *s)
{
	const char	*file = s->cf->command;

	if (s->program != NULL)
		file = s->program->file;
	if (file[0] == '/')
		return mem_strdup(file);
	return mem_printf("%s/%s", s->m->config->common.daemon_directory,
	    file);
}

static pid_t
spawn(struct child *c, int theirs)
{
	struct service	*s = c->s;
	struct arena	*a = arena_new();
	struct command	*cmd = arena_alloc(a, sizeof(*cmd));
	struct board_place place = {
		.control_fd = FIRST_FD + sockets_of(s),
		.board_fd = FIRST_FD + sockets_of(s) + 1,
		.slot = c->slot, .generation = s->m->generation,
	};
	pid_t		 pid;

	make_args(s, a, cmd);
	make_env(s, a, cmd, &place);
	pid = fork();
	if (pid == 0) {
		reset_process(s->m);
		place_descriptors(s, theirs, s->m->board_fd);
		(void)execve(c->path, (char *const *)(void *)cmd->argv,
		    (char *const *)(void *)cmd->envp);
		_exit(127);
	}
	arena_free(&a);
	return pid;
}

static void
say_state(struct child *c, enum child_state state)
{
	if (c->state == CHILD_RETIRING || c->state == state)
		return;
	c->state = state;
	if (c->s != NULL)
		service_update(c->s);
}

/* It uses most of a processor: another one may take some of the load, as long
 * as there is a processor for it.  Beside a full machine it would only make
 * batches smaller: syncs are shared within a process. */
static void
busy(struct child *c)
{
	struct service	*s = c->s;
	long		 cpus = sysconf(_SC_NPROCESSORS_ONLN);
	size_t		 n;

	if (s == NULL || c->state == CHILD_RETIRING || s->throttled ||
	    s->m->stopping || service_is_single(s))
		return;
	n = child_count(s, CHILD_ROOM) + child_count(s, CHILD_FULL);
	if (child_count(s, CHILD_STARTING) == 0 && (long)n < cpus &&
	    (s->cf->maxproc == 0 || (int)n < s->cf->maxproc) &&
	    cpu_idle(&s->m->cpu) >= IDLE_ENOUGH)
		(void)child_start(s);
}

static void
message(struct child *c, int what)
{
	switch (what) {
	case BOARD_READY:
		c->was_ready = true;
		if (c->s != NULL)
			c->s->used = true;
		say_state(c, CHILD_ROOM);
		if (c->s != NULL && c->s->wake_pending)
			child_wake(c->s);
		break;
	case BOARD_IS_FULL:
		c->was_ready = true;
		say_state(c, CHILD_FULL);
		break;
	case BOARD_HAS_ROOM:
		say_state(c, CHILD_ROOM);
		break;
	case BOARD_RETIRES:
		c->was_ready = true;
		/* Its timers end with it: do not wait for a client. */
		if (c->s != NULL && c->s->program != NULL &&
		    c->s->program->need == PROGRAM_SUCCEEDED)
			c->s->wanted = true;
		say_state(c, CHILD_RETIRING);
		break;
	case BOARD_IS_BUSY:
		busy(c);
		break;
	default:
		log_warn("process %s pid %d: bad message %d", c->path,
		    (int)c->pid, what);
		break;
	}
}

static void
on_control(void *argp, int what)
{
	struct child	*c = argp;
	unsigned char	 buf[64];
	ssize_t		 n;

	(void)what;
	n = recv(c->control, buf, sizeof(buf), MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		/* It is ending; SIGCHLD tells how. */
		loop_fd_free(&c->watch);
		return;
	}
	for (ssize_t i = 0; i < n; i++)
		message(c, buf[i]);
}

static void
child_free(struct child *c)
{
	slot_give(c);
	list_remove(&c->link);
	loop_fd_free(&c->watch);
	close(c->control);
	c->m->nchildren--;
	mem_free(&c->path);
	mem_free(&c);
}

/* 0, or -1: logged, and there is no process. */
int
child_start(struct service *s)
{
	struct master	*m = s->m;
	struct child	*c;
	int		 fds[2], slot;

	slot = slot_take(m);
	if (slot < 0) {
		log_warn("more than %d processes", MASTER_SLOTS);
		return -1;
	}
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0) {
		log_warn("socketpair: %s", strerror(errno));
		m->slots[slot] = 0;
		return -1;
	}
	c = mem_new(1, sizeof(*c));
	c->m = m;
	c->s = s;
	c->slot = (unsigned int)slot;
	c->control = fds[0];
	c->path = program_path(s);
	list_put_last(&s->children, &c->link);
	m->nchildren++;
	slot_fill(c);
	c->started_mono = clock_mono();
	c->pid = spawn(c, fds[1]);
	board_slot(m->board, c->slot)->pid = c->pid;
	close(fds[1]);
	if (c->pid < 0) {
		log_warn("fork: %s", strerror(errno));
		child_free(c);
		return -1;
	}
	c->watch = loop_fd_new(m->loop, c->control, LOOP_READ, on_control, c);
	return 0;
}

static void
tell(const struct child *c, unsigned char what)
{
	(void)!send(c->control, &what, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* One process is enough to do what the clock asks for. */
void
child_wake(struct service *s)
{
	LIST_EACH(l, &s->children) {
		struct child	*c = LIST_ENTRY(l, struct child, link);

		if (c->state != CHILD_ROOM && c->state != CHILD_FULL)
			continue;
		s->wake_pending = false;
		tell(c, BOARD_WAKEUP);
		return;
	}
}

void
child_renew(struct service *s, bool reload)
{
	LIST_EACH(l, &s->children) {
		struct child	*c = LIST_ENTRY(l, struct child, link);

		/* Not SIGHUP: it would kill one that is just starting. */
		tell(c, reload ? BOARD_RELOAD : BOARD_RETIRE);
	}
}

void
child_orphan(struct service *s)
{
	LIST_EACH(l, &s->children) {
		struct child	*c = LIST_ENTRY(l, struct child, link);

		list_remove(&c->link);
		c->s = NULL;
		list_put_last(&s->m->orphans, &c->link);
	}
}

/* Ends */

static struct child *
find_in(struct list *children, pid_t pid)
{
	LIST_EACH(l, children) {
		struct child	*c = LIST_ENTRY(l, struct child, link);

		if (c->pid == pid)
			return c;
	}
	return NULL;
}

static struct child *
find(struct master *m, pid_t pid)
{
	struct child	*c;

	LIST_EACH(l, &m->services) {
		c = find_in(&LIST_ENTRY(l, struct service, link)->children,
		    pid);
		if (c != NULL)
			return c;
	}
	return find_in(&m->orphans, pid);
}

static void
log_end(const struct child *c, int status)
{
	if (WIFSIGNALED(status))
		log_warn("process %s pid %d killed by signal %d", c->path,
		    (int)c->pid, WTERMSIG(status));
	else if (WEXITSTATUS(status) == 127 && !c->was_ready)
		log_warn("process %s pid %d: cannot execute", c->path,
		    (int)c->pid);
	else
		log_warn("process %s pid %d exit status %d", c->path,
		    (int)c->pid, WEXITSTATUS(status));
}

static void
ended(struct child *c, int status)
{
	struct service	*s = c->s;
	usec_t		 age;
	bool		 was_ready;
	bool		 failed = !WIFEXITED(status) ||
	    WEXITSTATUS(status) != 0;

	/* What it said just before its end. */
	if (c->watch != NULL)
		on_control(c, LOOP_READ);
	was_ready = c->was_ready;
	age = clock_mono() - c->started_mono;
	if (failed)
		log_end(c, status);
	child_free(c);
	if (s == NULL || s->m->stopping)
		return;
	if (failed)
		service_failed(s, was_ready, age);
	service_update(s);
}

void
child_reap(struct master *m)
{
	struct child	*c;
	pid_t		 pid;
	int		 status;

	/* As process 1 of a container we also inherit strangers. */
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		if ((c = find(m, pid)) != NULL)
			ended(c, status);
}

static void
signal_list(struct list *children, int signo, bool groups)
{
	LIST_EACH(l, children) {
		struct child	*c = LIST_ENTRY(l, struct child, link);

		if (!groups || kill(-c->pid, signo) < 0)
			(void)kill(c->pid, signo);
	}
}

void
child_signal_all(struct master *m, int signo, bool groups)
{
	LIST_EACH(l, &m->services)
		signal_list(&LIST_ENTRY(l, struct service, link)->children,
		    signo, groups);
	signal_list(&m->orphans, signo, groups);
}
