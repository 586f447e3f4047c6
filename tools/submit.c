/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/submit.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "sys/file.h"

#define GATHER	((size_t)32768)		/* content per record */

struct submit {
	pid_t		 pid;
	int		 fd;
	struct buf	 out, content;
	uint64_t	 size;
	bool		 in_content, failed;
};

struct submit *
submit_begin(const struct tool *t)
{
	struct submit	*s = mem_new(1, sizeof(*s));
	char		*argv[] = { mem_strdup("postdrop"), mem_strdup("-r"),
	    NULL };
	int		 fds[2];

	(void)signal(SIGPIPE, SIG_IGN);
	if (pipe(fds) < 0)
		tool_fatal(EX_OSERR, "pipe: %s", strerror(errno));
	s->pid = fork();
	if (s->pid < 0)
		tool_fatal(EX_TEMPFAIL, "fork: %s", strerror(errno));
	if (s->pid == 0) {
		(void)close(fds[1]);
		if (dup2(fds[0], STDIN_FILENO) < 0)
			_exit(EX_OSERR);
		(void)close(fds[0]);
		tool_exec(t, "postdrop", argv);
	}
	(void)close(fds[0]);
	s->fd = fds[1];
	buf_init(&s->out, (size_t)1 << 20);
	buf_init(&s->content, 2 * GATHER);
	maildrop_put_magic(&s->out);
	mem_free(&argv[0]);
	mem_free(&argv[1]);
	return s;
}

static void
flush(struct submit *s)
{
	struct slice	b = buf_slice(&s->out);

	if (!s->failed && (s->out.overflow ||
	    file_write(s->fd, b.p, b.len) < 0))
		s->failed = true;
	buf_reset(&s->out);
}

static void
put(struct submit *s, enum maildrop_type type, struct slice value)
{
	maildrop_put(&s->out, type, value);
	if (buf_len(&s->out) > GATHER)
		flush(s);
}

void
submit_record(struct submit *s, enum maildrop_type type, struct slice value)
{
	put(s, type, value);
}

static void
flush_content(struct submit *s)
{
	if (buf_len(&s->content) == 0)
		return;
	put(s, DROP_CONTENT, buf_slice(&s->content));
	buf_reset(&s->content);
}

static void
begin_content(struct submit *s)
{
	if (!s->in_content)
		put(s, DROP_MESSAGE, slice_of(NULL, 0));
	s->in_content = true;
}

void
submit_content(struct submit *s, struct slice piece)
{
	begin_content(s);
	s->size += piece.len;
	while (piece.len > 0) {
		size_t	room = GATHER - buf_len(&s->content);
		size_t	n = piece.len < room ? piece.len : room;

		buf_add(&s->content, piece.p, n);
		piece = slice_from(piece, n);
		if (buf_len(&s->content) == GATHER)
			flush_content(s);
	}
}

static int
finish(struct submit **sp)
{
	struct submit	*s = *sp;
	int		 status;

	(void)close(s->fd);
	while (waitpid(s->pid, &status, 0) < 0)
		if (errno != EINTR)
			tool_fatal(EX_OSERR, "wait: %s", strerror(errno));
	buf_clear(&s->out);
	buf_clear(&s->content);
	mem_free(sp);
	return WIFEXITED(status) ? WEXITSTATUS(status) : EX_SOFTWARE;
}

int
submit_end(struct submit **sp)
{
	struct submit	*s = *sp;
	bool		 failed;
	int		 status;

	begin_content(s);
	flush_content(s);
	maildrop_put_end(&s->out, s->size);
	flush(s);
	failed = s->failed;
	status = finish(sp);
	/* It cannot be content with what we could not say. */
	return status == EX_OK && failed ? EX_TEMPFAIL : status;
}

void
submit_abort(struct submit **sp)
{
	if (*sp == NULL)
		return;
	(void)kill((*sp)->pid, SIGTERM);
	(void)finish(sp);
}
