/* SPDX-License-Identifier: Apache-2.0 */
/* Log lines in Dovecot 2.3's shape, which tools parse. */
#include "login/login.h"
#include "sys/clock.h"
#include "sys/log.h"

#define LINE_MAX_BYTES	1500

/* "user=<u>, method=PLAIN, rip=..., lip=..., [mpid=..., ]TLS, session=<s>" */
static void
elements(const struct conn *c, uint64_t pid, struct buf *out)
{
	buf_addf(out, "user=<%s>", c->user);
	if (c->method[0] != '\0')
		buf_addf(out, ", method=%s", c->method);
	buf_addf(out, ", rip=%s, lip=%s", c->remote_ip, c->local_ip);
	if (pid != 0)
		buf_addf(out, ", mpid=%llu", (unsigned long long)pid);
	if (c->handshaking)
		buf_adds(out, ", TLS handshaking");
	else if (conn_is_secure(c))
		buf_adds(out, ", TLS");
	else if (c->trusted)
		buf_adds(out, ", secured");
	buf_addf(out, ", session=<%s>", c->session_id);
}

void
report_login(const struct conn *c, uint64_t pid)
{
	struct buf	b;

	buf_init(&b, LINE_MAX_BYTES);
	elements(c, pid, &b);
	log_info("Login: %s", buf_cstr(&b));
	buf_clear(&b);
}

void
report_end(const struct conn *c, const char *what)
{
	const long long	 secs = (clock_mono() - c->began_mono) / SECS(1);
	struct buf	 b;

	buf_init(&b, LINE_MAX_BYTES);
	if (c->attempts > 0)
		buf_addf(&b, "(auth failed, %d attempts in %lld secs): ",
		    c->attempts, secs);
	else if (c->tried_plaintext)
		buf_adds(&b, "(tried to use disallowed plaintext auth): ");
	else
		buf_addf(&b, "(no auth attempts in %lld secs): ", secs);
	elements(c, 0, &b);
	log_info("%s %s", what, buf_cstr(&b));
	buf_clear(&b);
}
