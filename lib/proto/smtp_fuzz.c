/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz target for the SMTP parsers (LLVMFuzzerTestOneInput), with a driver of
 * its own that mutates seeds for a fixed number of rounds, so that make check
 * runs it without libFuzzer. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/ascii.h"
#include "base/panic.h"
#include "proto/smtp_cmd.h"
#include "proto/smtp_data.h"
#include "proto/smtp_line.h"
#include "proto/smtp_reply.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void
one_line(struct slice line, struct arena *a)
{
	struct slice		 verb, arg;
	struct smtp_mail	 m;
	struct smtp_rcpt	 r;
	const char		*bad = NULL;
	uint64_t		 size;
	bool			 last;

	smtp_cmd_split(line, &verb, &arg);
	if (smtp_cmd_mail(arg, 0xff, true, a, &m, &bad) == SMTP_CMD_OK)
		ASSERT(strpbrk(m.address, "\r\n") == NULL);
	if (smtp_cmd_rcpt(arg, 0xff, true, true, a, &r, &bad) == SMTP_CMD_OK)
		ASSERT(r.address[0] != '\0' &&
		    strpbrk(r.address, "\r\n") == NULL);
	(void)!smtp_cmd_bdat(arg, &size, &last);
	(void)!smtp_cmd_address(arg, true, a);
	(void)!smtp_cmd_helo(arg, a);
}

static void
printable(const char *s)
{
	for (; *s != '\0'; s++)
		ASSERT(!ascii_is_cntrl((unsigned char)*s));
}

/* What a server says goes to the log and into notices. */
static void
replies(struct slice in, struct arena *a)
{
	struct smtp_reply	 r;
	const char		*why;
	size_t			 before = in.len;

	while (smtp_reply_take(&in, a, &r, &why) == SMTP_REPLY_DONE) {
		ASSERT(in.len < before && r.code >= 200 && r.code <= 599);
		ASSERT(r.dsn[0] - '0' == r.code / 100);
		ASSERT(r.nlines > 0 && r.nlines <= SMTP_REPLY_LINES_MAX);
		printable(r.text);
		for (size_t i = 0; i < r.nlines; i++)
			printable(r.lines[i]);
		before = in.len;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct arena		*a = arena_new();
	struct slice		 in = slice_of(p, n), line;
	struct smtp_data	 d = { SMTP_DATA_START };

	while (in.len > 0) {
		enum smtp_line	got = smtp_line_take(&in, 512, false, &line);

		if (got == SMTP_LINE_DONE)
			one_line(line, a);
		else if (got == SMTP_LINE_MORE || !smtp_line_skip(&in))
			break;
	}
	one_line(slice_of(p, n), a);
	in = slice_of(p, n);
	while (smtp_data_take(&d, &in, &line) == SMTP_DATA_PIECE)
		ASSERT(line.len > 0);
	replies(slice_of(p, n), a);
	arena_free(&a);
	return 0;
}

static const char *const seeds[] = {
	"MAIL FROM:<@a,@b:\"x\\\" y\"@c.example> SIZE=12 ENVID=a+2Bb\r\n",
	("RCPT TO:<\xc3\xa9@[IPv6:::1]> NOTIFY=SUCCESS,DELAY "
	    "ORCPT=rfc822;a+40b\r\n"),
	"BDAT 99 LAST\r\na\r\n..\r\n.\r\nNOOP\r\n",
	("250-mx.example\r\n250-SIZE 10\n250 2.1.0 ok\r\n"
	    "550-5.1.1 no\r\n550 5.1.1 such user\r\n"),
};

int
main(void)
{
	static const char	special[] = "<>@,:;\"\\ \t\r\n.=+[]\xc3\xff";
	uint64_t		rng = 88172645463325252u;

	for (int round = 0; round < 60000; round++) {
		const char	*seed = seeds[round % (int)COUNT(seeds)];
		size_t		 n = strlen(seed);
		uint8_t		*mem = malloc(n);

		memcpy(mem, seed, n);
		for (int i = 0; i < 1 + round % 5; i++) {
			rng ^= rng << 13;
			rng ^= rng >> 7;
			rng ^= rng << 17;
			mem[rng % n] = (uint8_t)((rng >> 40 & 1) != 0 ?
			    special[(rng >> 32) % (sizeof(special) - 1)] :
			    (char)(rng >> 24));
		}
		LLVMFuzzerTestOneInput(mem, (size_t)(rng >> 50) % (n + 1));
		LLVMFuzzerTestOneInput(mem, n);
		free(mem);
	}
	puts("60000 rounds");
	return 0;
}
