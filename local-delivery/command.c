/* SPDX-License-Identifier: Apache-2.0 */
/* Running a command as the worker's user: the message goes to its standard
 * input, the last of its output comes back, its exit status decides. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "local-delivery/locald.h"
#include "sys/file.h"
#include "sys/loop.h"
#include "sys/sock.h"

#define CHUNK		65536
#define OUTPUT_MAX	4096

struct command {
	struct worker_state	*w;
	struct ipc_request	 req;
	struct arena		*mem;
	int			 content, to, from;	/* -1: closed */
	uint64_t		 at, end, flags;
	struct buf		 input, output;
	bool			 prefix_done, line_start, last_lf, timed_out;
	struct loop_fd		*writing, *reading;
	struct loop_timer	*limit;
	struct loop_fd		*ending;
	pid_t			 pid;
	int			 pidfd;		/* readable when it has ended */
	const char		*display, *done;
};

static void
close_input(struct command *c)
{
	loop_fd_free(&c->writing);
	if (c->to >= 0)
		close(c->to);
	c->to = -1;
}

static void
close_output(struct command *c)
{
	loop_fd_free(&c->reading);
	if (c->from >= 0)
		close(c->from);
	c->from = -1;
}

/* The last line that is not empty, printable. */
static const char *
last_output(struct command *c)
{
	struct slice	 s = slice_trim(buf_slice(&c->output));
	ptrdiff_t	 nl;
	char		*text;

	nl = slice_rfind(s, '\n');
	if (nl >= 0)
		s = slice_from(s, (size_t)nl + 1);
	s = slice_first(slice_trim(s), 400);
	text = arena_strndup(c->mem, (const char *)s.p, s.len);
	for (char *p = text; *p != '\0'; p++)
		if ((unsigned char)*p < 32 || *p == 127)
			*p = '?';
	return text;
}

static void
command_end(struct command *c, int status)
{
	struct worker_state	*w = c->w;
	struct arena		*mem = c->mem;
	const char		*output = last_output(c);
	struct verdict		 v;
	struct work_result	 r;

	if (c->timed_out)
		v = verdict_of(DELIVER_BOUNCED, "5.3.0", mem,
		    "Command time limit exceeded: \"%.500s\"%s%s",
		    c->display, output[0] == '\0' ? "" :
		    ". Command output: ", output);
	else
		v = verdict_exit(status, c->display, output, c->done, mem);
	r = (struct work_result){ v.status, v.dsn, v.text };
	ipc_reply(c->req, &work_result_desc, &r);
	close_input(c);
	close_output(c);
	loop_timer_free(&c->limit);
	loop_fd_free(&c->ending);
	if (c->pidfd >= 0)
		close(c->pidfd);
	buf_clear(&c->input);
	buf_clear(&c->output);
	close(c->content);
	mem_free(&c);
	arena_free(&mem);
	userproc_release(w->d);
}

/* The command ends when its process does; what it left in the background may
 * keep the output open, and is not waited for. */
static void
on_exit_of(void *arg, int what)
{
	struct command	*c = arg;
	int		 status;
	pid_t		 r = waitpid(c->pid, &status, WNOHANG);

	(void)what;
	if (r == 0)
		return;
	if (r < 0)
		status = 75 << 8;
	if (c->from >= 0) {
		char	 buf[OUTPUT_MAX];
		ssize_t	 n = read(c->from, buf, sizeof(buf));

		if (n > 0 && buf_room(&c->output) >= (size_t)n)
			buf_add(&c->output, buf, (size_t)n);
	}
	command_end(c, status);
}

static void
on_limit(void *arg)
{
	struct command	*c = arg;

	c->timed_out = true;
	(void)kill(-c->pid, SIGKILL);
	(void)kill(c->pid, SIGKILL);
}

static void
on_output(void *arg, int what)
{
	struct command	*c = arg;
	char		 buf[1024];
	ssize_t		 n;

	(void)what;
	n = read(c->from, buf, sizeof(buf));
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		close_output(c);
		return;
	}
	if (buf_room(&c->output) < (size_t)n)
		buf_consume(&c->output, (size_t)n);
	buf_add(&c->output, buf, (size_t)n);
}

/* Wire form to UNIX lines, with what the flags ask for.  A CR that is not
 * before LF cannot be in a message. */
static void
convert(struct command *c, struct slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char	 b = s.p[i];

		if (b == '\r')
			continue;
		if (c->line_start) {
			if ((c->flags & WORK_DOT_STUFF) != 0 && b == '.')
				buf_addc(&c->input, '.');
			if ((c->flags & WORK_FROM_QUOTE) != 0 && b == 'F' &&
			    slice_starts(slice_from(s, i), "From "))
				buf_addc(&c->input, '>');
		}
		if (b == '\n' && (c->flags & WORK_CRLF) != 0)
			buf_addc(&c->input, '\r');
		buf_addc(&c->input, b);
		c->line_start = b == '\n';
	}
}

/* Whole lines only, so that "From " is not cut in two; a line longer than a
 * chunk goes as it is. */
static int
refill(struct command *c)
{
	unsigned char	*buf = mem_new(CHUNK, 1);
	uint64_t	 want = c->end - c->at;
	struct slice	 s;
	ptrdiff_t	 nl;
	ssize_t		 n;

	n = file_pread(c->content, buf, want < CHUNK ? (size_t)want : CHUNK,
	    (off_t)c->at);
	if (n <= 0) {
		mem_free(&buf);
		return -1;
	}
	s = slice_of(buf, (size_t)n);
	nl = slice_rfind(s, '\n');
	if (nl >= 0)
		s = slice_first(s, (size_t)nl + 1);
	convert(c, s);
	c->at += s.len;
	if (c->at == c->end && (c->flags & WORK_BLANK_END) != 0)
		buf_adds(&c->input,
		    (c->flags & WORK_CRLF) != 0 ? "\r\n" : "\n");
	mem_free(&buf);
	return 0;
}

static void
on_input(void *arg, int what)
{
	struct command	*c = arg;
	struct slice	 s;
	ssize_t		 n;

	(void)what;
	if (buf_len(&c->input) == 0 && c->at < c->end && refill(c) < 0) {
		/* The queue file cannot be read: not this command's fault. */
		(void)kill(-c->pid, SIGKILL);
		close_input(c);
		return;
	}
	s = buf_slice(&c->input);
	if (s.len == 0) {
		close_input(c);
		return;
	}
	n = write(c->to, s.p, s.len);
	if (n > 0)
		buf_consume(&c->input, (size_t)n);
	else if (errno != EAGAIN && errno != EINTR)
		close_input(c);		/* it does not want to read all */
}

/* In the child: nothing of ours goes along but the two pipes. */
static void	 child(const struct work_command *m, char *const *argv,
		    char *const *env, int in, int out) NORETURN;

static void
child(const struct work_command *m, char *const *argv, char *const *env,
    int in, int out)
{
	struct rlimit	 files = { 1024, 1024 };
	sigset_t	 none;

	(void)setsid();
	if (dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0)
		_exit(71);
	(void)close_range(3, ~0u, 0);
	for (int i = 1; i < NSIG; i++)
		(void)signal(i, SIG_DFL);
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)setrlimit(RLIMIT_NOFILE, &files);
	if (m->directory[0] != '\0' && chdir(m->directory) < 0) {
		static const char	text[] = "cannot change directory\n";

		(void)!write(2, text, sizeof(text) - 1);
		_exit(75);
	}
	(void)execve(argv[0], argv, env);
	_exit(errno == ENOENT || errno == EACCES ? 69 : 71);
}

static char **
vector(struct arena *a, const struct ipc_list *l)
{
	struct work_string	*s = l->items;
	char			**v = arena_array(a, l->count + 1,
				    sizeof(*v));

	for (size_t i = 0; i < l->count; i++)
		v[i] = arena_strdup(a, s[i].text);
	return v;
}

static int
start(struct command *c, const struct work_command *m)
{
	char	**argv = vector(c->mem, &m->argv);
	char	**env = vector(c->mem, &m->env);
	int	 in[2], out[2];

	if (m->argv.count == 0 || pipe2(in, O_CLOEXEC) < 0)
		return -1;
	if (pipe2(out, O_CLOEXEC) < 0) {
		close(in[0]);
		close(in[1]);
		return -1;
	}
	c->pid = fork();
	if (c->pid == 0)
		child(m, argv, env, in[0], out[1]);
	close(in[0]);
	close(out[1]);
	c->to = in[1];
	c->from = out[0];
	if (c->pid < 0 || sock_nonblock(c->to) < 0 ||
	    sock_nonblock(c->from) < 0)
		return -1;
	c->pidfd = pidfd_open(c->pid, 0);
	return c->pidfd < 0 ? -1 : 0;
}

static void
watch(struct command *c, usec_t time_limit)
{
	struct loop	*l = daemon_loop(c->w->d);

	c->writing = loop_fd_new(l, c->to, LOOP_WRITE, on_input, c);
	c->reading = loop_fd_new(l, c->from, LOOP_READ, on_output, c);
	c->limit = loop_timer_new(l, on_limit, c);
	c->ending = loop_fd_new(l, c->pidfd, LOOP_READ, on_exit_of, c);
	loop_timer_set(c->limit, time_limit);
}

void
command_run(struct worker_state *w, struct ipc_request req,
    struct work_command *m)
{
	struct command	*c = mem_new(1, sizeof(*c));

	c->w = w;
	c->req = req;
	c->mem = arena_new();
	c->content = m->content;
	c->at = m->offset;
	c->end = m->offset + m->size;
	c->flags = m->flags;
	c->to = c->from = c->pidfd = -1;
	c->display = arena_strdup(c->mem, m->display);
	c->done = arena_strdup(c->mem, m->done);
	c->line_start = true;
	buf_init(&c->input, 4 * CHUNK + 65536);
	buf_init(&c->output, OUTPUT_MAX);
	/* Its "From " line, if there is one, is not to be quoted. */
	c->flags = m->flags & WORK_CRLF;
	convert(c, slice_str(m->prefix));
	c->flags = m->flags;
	userproc_hold(w->d);
	if (start(c, m) < 0) {
		if (c->pid > 0)
			(void)kill(-c->pid, SIGKILL);
		command_end(c, 71 << 8);
		return;
	}
	watch(c, m->time_limit);
}
