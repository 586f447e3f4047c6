/* SPDX-License-Identifier: Apache-2.0 */
/* For tests: one IMAP session on descriptor 0 (a socket), already logged in,
 * over the Maildir that is named.  Not installed.
 *	imapd_pipe maildir [parameter=value ...] */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "imapd/imapd.h"
#include "sys/log.h"
#include "sys/sock.h"
#include "sys/syncer.h"

#define MESSAGE_MAX	((uint64_t)50 << 20)

static struct loop	*loop;

static void
over(void *arg)
{
	(void)arg;
	loop_stop(loop);
}

int
main(int argc, char **argv)
{
	struct conf		*conf = conf_new();
	struct arena		*mem = arena_new();
	struct imapd_conf	 params;
	struct session_start	 start = {
		.user = "tester", .home = "", .session_id = "test",
		.remote_ip = "127.0.0.1", .local_ip = "127.0.0.1",
	};
	struct worker		*w;
	struct syncer		*sy;
	struct error		 err;

	if (argc < 2) {
		fprintf(stderr, "usage: imapd_pipe maildir [name=value]\n");
		return EXIT_FAILURE;
	}
	log_open("imapd_pipe", LOG_TO_STDERR, NULL);
	conf_know(conf, imapd_params, IMAPD_NPARAMS);
	conf_set(conf, "mail_name", "Posthouse");
	for (int i = 2; i < argc; i++)
		if (conf_override(conf, argv[i], &err) < 0)
			log_fatal("%s", err.text);
	if (conf_fill(conf, imapd_params, IMAPD_NPARAMS, mem, &params,
	    &err) < 0)
		log_fatal("%s", err.text);
	loop = loop_new();
	sy = syncer_new(loop, 4);
	w = worker_new(loop, sy, &params, MESSAGE_MAX, "localhost");
	w->closed = over;
	start.mailbox = argv[1];
	start.client = dup(0);
	if (start.client < 0 || sock_nonblock(start.client) < 0 ||
	    session_begin(w, &start, NULL, &err) < 0)
		log_fatal("%s", err.text);
	close(0);
	loop_run(loop);
	for (int i = 0; i < 10; i++)	/* what is left to be sent */
		loop_once(loop, MSECS(10));
	store_free(&w->store);
	mem_free(&w);
	syncer_free(&sy);
	loop_free(&loop);
	conf_free(&conf);
	arena_free(&mem);
	return EXIT_SUCCESS;
}
