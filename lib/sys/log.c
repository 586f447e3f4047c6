/* SPDX-License-Identifier: Apache-2.0 */
/* Lines for a regular file are made in `held` and written from there, at once
 * or, in a thread that said log_hold(), when its loop has nothing else to do:
 * one write for all lines of that turn.  A pipe's reader and syslog get line
 * by line, since only small writes to them are atomic. */
#include "sys/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "base/fmt.h"
#include "base/panic.h"

#define LINE_MAX_BYTES	2000
#define HEAD_MAX	400
#define SYSLOG_PATH	"/dev/log"
#define HELD_MAX	16384

static struct {
	enum log_dest	 dest;
	int		 fd;
	bool		 verbose;
	bool		 may_block;	/* a pipe or a terminal */
	char		 tag[128];
	char		 name[128];	/* the tag before the slash */
	char		 host[128];
	atomic_ulong	 lost;

	/* Below: under lock. */
	pthread_mutex_t	 lock;
	pid_t		 pid;
	time_t		 stamp_of;	/* the second that stamp is about */
	char		 stamp[32];
	struct head {
		char	 tag[128], text[HEAD_MAX];
		size_t	 len;		/* 0: none */
	}		 heads[2];	/* of that second: our own tag's, and
					 * that of another */
	char		 held[HELD_MAX];
	size_t		 held_len;
} lg = {
	.dest = LOG_TO_STDERR, .fd = STDERR_FILENO, .may_block = true,
	.tag = "posthouse", .name = "posthouse",
	.lock = PTHREAD_MUTEX_INITIALIZER
};

static _Thread_local bool	holds;	/* somebody will call log_flush() */

/* Length of the well-formed UTF-8 character at p, 0 if there is none.  The C1
 * controls (U+0080..9F) are not accepted: terminals obey them. */
static size_t
utf8_len(const unsigned char *p, size_t n)
{
	uint32_t	c;
	size_t		len;

	if (p[0] >= 0xc2 && p[0] <= 0xdf) {
		len = 2;
		c = p[0] & 0x1fu;
	} else if (p[0] >= 0xe0 && p[0] <= 0xef) {
		len = 3;
		c = p[0] & 0x0fu;
	} else if (p[0] >= 0xf0 && p[0] <= 0xf4) {
		len = 4;
		c = p[0] & 0x07u;
	} else
		return 0;
	if (n < len)
		return 0;
	for (size_t i = 1; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3fu);
	}
	if (c < 0xa0 || (len == 3 && c < 0x800) || (len == 4 && c < 0x10000) ||
	    c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 0;
	return len;
}

/* Length of the front that is printable ASCII, by eights: no byte has its top
 * bit set, is below 32, or is 127. */
static size_t
printable_run(const unsigned char *p, size_t n)
{
	const uint64_t	ones = UINT64_C(0x0101010101010101);
	uint64_t	v;
	size_t		i = 0;

	for (; i + sizeof(v) <= n; i += sizeof(v)) {
		memcpy(&v, p + i, sizeof(v));
		if (((v | (v + ones) | (v - 32 * ones)) & 128 * ones) != 0)
			break;
	}
	return i;
}

static void
make_printable(char *text, size_t n)
{
	unsigned char	*p = (unsigned char *)text;
	size_t		 len;

	for (size_t i = printable_run(p, n); i < n; i += len) {
		len = 1;
		if (p[i] >= 32 && p[i] < 127)
			continue;
		if (p[i] < 128 || (len = utf8_len(p + i, n - i)) == 0) {
			len = 1;
			p[i] = '?';
		}
	}
}

static void
open_syslog(void)
{
	struct sockaddr_un	un = { .sun_family = AF_UNIX,
				    .sun_path = SYSLOG_PATH };

	if (lg.fd >= 0)
		close(lg.fd);
	lg.fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (lg.fd < 0)
		return;
	if (connect(lg.fd, (struct sockaddr *)&un, sizeof(un)) != 0) {
		close(lg.fd);
		lg.fd = -1;
	}
}

/* True: the line is out (or gone for a reason that will not change). */
static bool
send_syslog(const char *p, size_t n)
{
	for (int attempt = 0; attempt < 2; attempt++) {
		if (lg.fd >= 0 && send(lg.fd, p, n, MSG_NOSIGNAL) >= 0)
			return true;
		if (lg.fd >= 0 && (errno == EAGAIN || errno == ENOBUFS))
			return false;
		/* The logger was restarted.  Behind a chroot this fails. */
		open_syslog();
	}
	return false;
}

static bool
send_fd(const char *p, size_t n)
{
	struct pollfd	pfd = { .fd = lg.fd, .events = POLLOUT };

	if (lg.may_block &&
	    (poll(&pfd, 1, 0) != 1 || (pfd.revents & POLLOUT) == 0))
		return false;
	return write(lg.fd, p, n) == (ssize_t)n;
}

static void
forget_heads(void)
{
	lg.heads[0].len = lg.heads[1].len = 0;
}

/* The system is asked once a second, not once a line. */
static const char *
stamp(void)
{
	struct tm	tm;
	time_t		now = time(NULL);

	if (now != lg.stamp_of || lg.stamp[0] == '\0') {
		localtime_r(&now, &tm);
		strftime(lg.stamp, sizeof(lg.stamp), "%b %e %H:%M:%S", &tm);
		lg.stamp_of = now;
		forget_heads();
	}
	return lg.stamp;
}

static size_t
make_head(char *out, size_t size, int severity, const char *tag)
{
	size_t	n = 0;

	if (lg.dest == LOG_TO_STDERR)
		n = fmt_print(out, size, "%s: ", tag);
	else if (lg.dest == LOG_TO_SYSLOG)
		n = fmt_print(out, size, "<%d>%s %s[%ld]: ",
		    LOG_MAIL | severity, stamp(), tag, (long)lg.pid);
	else
		n = fmt_print(out, size, "%s %s %s[%ld]: ", stamp(), lg.host,
		    tag, (long)lg.pid);
	return n < size ? n : size - 1;
}

/* In a file lines of one second and tag begin alike. */
static size_t
put_head(char *out, int severity, const char *tag)
{
	struct head	*h = &lg.heads[tag == lg.tag ? 0 : 1];

	if (lg.dest != LOG_TO_FILE || strlen(tag) >= sizeof(h->tag))
		return make_head(out, HEAD_MAX, severity, tag);
	(void)stamp();
	if (h->len == 0 || strcmp(h->tag, tag) != 0) {
		h->len = make_head(h->text, HEAD_MAX, severity, tag);
		memcpy(h->tag, tag, strlen(tag) + 1);
	}
	memcpy(out, h->text, h->len);
	return h->len;
}

static size_t
make_line(char *out, int severity, const char *tag, const char *text,
    size_t len)
{
	size_t	n = put_head(out, severity, tag);

	if (len > LINE_MAX_BYTES)
		len = LINE_MAX_BYTES;
	memcpy(out + n, text, len);
	n += len;
	if (lg.dest != LOG_TO_SYSLOG)
		out[n++] = '\n';
	return n;
}

/* How many lines were lost. */
static unsigned long
write_held(void)
{
	size_t		 n = lg.held_len;
	ssize_t		 did;
	unsigned long	 lines = 0;

	lg.held_len = 0;
	if (n == 0)
		return 0;
	did = write(lg.fd, lg.held, n);
	for (size_t i = did < 0 ? 0 : (size_t)did; i < n; i++)
		lines += lg.held[i] == '\n';
	return lines;
}

static bool
put_held(int severity, const char *tag, const char *text, size_t len)
{
	unsigned long	lost = 0;

	if (HELD_MAX - lg.held_len < HEAD_MAX + LINE_MAX_BYTES + 2)
		atomic_fetch_add(&lg.lost, write_held());
	lg.held_len += make_line(lg.held + lg.held_len, severity, tag, text,
	    len);
	if (holds && severity == LOG_INFO)
		return true;
	lost = write_held();
	if (lost > 1)
		atomic_fetch_add(&lg.lost, lost - 1);
	return lost == 0;
}

static bool
put_line(int severity, const char *tag, const char *text, size_t len)
{
	char	line[HEAD_MAX + LINE_MAX_BYTES + 2];
	size_t	n;
	bool	done;

	pthread_mutex_lock(&lg.lock);
	if (lg.dest == LOG_TO_FILE && !lg.may_block)
		done = put_held(severity, tag, text, len);
	else {
		n = make_line(line, severity, tag, text, len);
		done = lg.dest == LOG_TO_SYSLOG ? send_syslog(line, n) :
		    send_fd(line, n);
	}
	pthread_mutex_unlock(&lg.lock);
	return done;
}

void
log_flush(void)
{
	pthread_mutex_lock(&lg.lock);
	atomic_fetch_add(&lg.lost, write_held());
	pthread_mutex_unlock(&lg.lock);
}

void
log_hold(void)
{
	holds = true;
}

/* A child has a copy of what is held, so nothing may be. */
static void
before_fork(void)
{
	pthread_mutex_lock(&lg.lock);
	atomic_fetch_add(&lg.lost, write_held());
}

static void
after_fork(void)
{
	pthread_mutex_unlock(&lg.lock);
}

/* It may never come to a loop: until it says so itself, nothing is held. */
static void
in_child(void)
{
	lg.pid = getpid();
	forget_heads();
	holds = false;
	pthread_mutex_unlock(&lg.lock);
}

static void
prepare(void)
{
	static bool	 done;

	lg.pid = getpid();
	forget_heads();
	if (done)
		return;
	done = true;
	(void)pthread_atfork(before_fork, after_fork, in_child);
	(void)atexit(log_flush);
}

static void
emit(int severity, const char *tag, const char *kind, const char *fmt,
    va_list ap) PRINTF(4, 0);

static void
emit(int severity, const char *tag, const char *kind, const char *fmt,
    va_list ap)
{
	int		saved = errno, n;
	char		text[LINE_MAX_BYTES + 1], note[80];
	size_t		at, len;
	unsigned long	lost;

	at = strlen(kind);
	memcpy(text, kind, at);
	len = at + fmt_put(text + at, sizeof(text) - at, fmt, ap);
	if (len > LINE_MAX_BYTES)
		len = LINE_MAX_BYTES;
	make_printable(text, len);
	lost = atomic_load(&lg.lost);
	if (lost > 0) {
		n = snprintf(note, sizeof(note),
		    "warning: %lu log lines were lost", lost);
		if (put_line(LOG_WARNING, lg.tag, note, (size_t)n))
			atomic_fetch_sub(&lg.lost, lost);
	}
	if (!put_line(severity, tag, text, len))
		atomic_fetch_add(&lg.lost, 1);
	errno = saved;
}

static void
log_panic(const char *text)
{
	char	line[LINE_MAX_BYTES];
	int	n;

	n = snprintf(line, sizeof(line), "panic: %s", text);
	if (n > (int)sizeof(line) - 1)
		n = sizeof(line) - 1;
	make_printable(line, (size_t)n);
	(void)put_line(LOG_CRIT, lg.tag, line, (size_t)n);
}

static void
set_names(const char *tag)
{
	char	*dot;
	size_t	 len = strcspn(tag, "/");

	snprintf(lg.tag, sizeof(lg.tag), "%s", tag);
	snprintf(lg.name, sizeof(lg.name), "%.*s", (int)len, tag);
	if (gethostname(lg.host, sizeof(lg.host)) != 0)
		snprintf(lg.host, sizeof(lg.host), "localhost");
	lg.host[sizeof(lg.host) - 1] = '\0';
	if ((dot = strchr(lg.host, '.')) != NULL && dot != lg.host)
		*dot = '\0';
}

static int
open_file(const char *path)
{
	struct stat	st;

	if (strcmp(path, "/dev/stdout") == 0)
		lg.fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	else
		lg.fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC |
		    O_NOCTTY, 0644);
	if (lg.fd < 0)
		return -1;
	lg.may_block = fstat(lg.fd, &st) != 0 || !S_ISREG(st.st_mode);
	return 0;
}

int
log_open(const char *tag, enum log_dest dest, const char *path)
{
	int	saved;

	log_flush();
	prepare();
	set_names(tag);
	tzset();
	panic_hook(log_panic);
	if (lg.fd > STDERR_FILENO)
		close(lg.fd);
	lg.fd = -1;
	lg.dest = dest;
	switch (dest) {
	case LOG_TO_SYSLOG:
		open_syslog();
		if (lg.fd >= 0)
			return 0;
		break;
	case LOG_TO_FILE:
		if (open_file(path) == 0)
			return 0;
		break;
	case LOG_TO_STDERR:
		errno = 0;
		break;
	}
	saved = errno;
	lg.dest = LOG_TO_STDERR;
	lg.fd = STDERR_FILENO;
	lg.may_block = true;
	errno = saved;
	return dest == LOG_TO_STDERR ? 0 : -1;
}

void
log_info_as(const char *tag, const char *fmt, ...)
{
	va_list	ap;

	va_start(ap, fmt);
	emit(LOG_INFO, tag, "", fmt, ap);
	va_end(ap);
}

void
log_info(const char *fmt, ...)
{
	va_list	ap;

	va_start(ap, fmt);
	emit(LOG_INFO, lg.tag, "", fmt, ap);
	va_end(ap);
}

void
log_warn(const char *fmt, ...)
{
	va_list	ap;

	va_start(ap, fmt);
	emit(LOG_WARNING, lg.tag, "warning: ", fmt, ap);
	va_end(ap);
}

void
log_error(const char *fmt, ...)
{
	va_list	ap;

	va_start(ap, fmt);
	emit(LOG_ERR, lg.tag, "error: ", fmt, ap);
	va_end(ap);
}

void
log_fatal(const char *fmt, ...)
{
	va_list	ap;

	va_start(ap, fmt);
	emit(LOG_CRIT, lg.tag, "fatal: ", fmt, ap);
	va_end(ap);
	exit(1);
}

void
log_debug(const char *fmt, ...)
{
	va_list	ap;

	if (!lg.verbose)
		return;
	va_start(ap, fmt);
	emit(LOG_INFO, lg.tag, "", fmt, ap);
	va_end(ap);
}

void
log_verbose(bool on)
{
	lg.verbose = on;
}

const char *
log_name(void)
{
	return lg.name;
}
