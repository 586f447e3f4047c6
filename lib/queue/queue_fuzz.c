/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a queue file and as a delivery log.  Built by
 *	clang -fsanitize=fuzzer,address,undefined
 * with LLVMFuzzerTestOneInput as the entry; as a check program it runs over
 * mutations of a good file, so that the target itself stays alive. */
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/mem.h"
#include "base/panic.h"
#include "queue/queue_format.h"
#include "queue/queue_log.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void
one_file(struct slice in, struct arena *a)
{
	struct queue_head	 h;
	struct queue_env	 env;
	uint32_t		 crc;
	struct error		 err;

	if (in.len < QUEUE_HEAD_SIZE ||
	    queue_head_get(in, &h, &err) < 0 || h.file_size != in.len)
		return;
	if (queue_tail_get(slice_from(in, queue_env_offset(&h)), &h,
	    queue_head_crc(in.p), a, &env, &crc, &err) < 0)
		return;
	for (size_t i = 0; i < env.nrcpts; i++)
		ASSERT(env.rcpts[i].address != NULL &&
		    env.rcpts[i].original != NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct arena		*a = arena_new();
	struct queue_env	 env;
	struct error		 err;
	size_t			 count;

	one_file(slice_of(p, n), a);
	/* The checksums keep most inputs away from the records. */
	if (n > 0 && queue_env_get(slice_of(p + 1, n - 1), p[0], a, &env,
	    &err) == 0)
		ASSERT(env.nrcpts == p[0]);
	count = queue_log_get(slice_of(p, n), a, NULL);
	(void)queue_log_get(slice_of(p, n), a,
	    arena_array(a, count + 1, sizeof(struct queue_log_rec)));
	arena_free(&a);
	return 0;
}

#ifndef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION

static uint32_t	state = 1;

static uint32_t
rnd(uint32_t below)
{
	state = state * 1664525 + 1013904223;
	return (state >> 8) % below;
}

static void
mutate(struct buf *b)
{
	unsigned char	*p = b->mem + b->from;
	uint32_t	 n = (uint32_t)buf_len(b);

	for (uint32_t i = rnd(8) + 1; i > 0; i--)
		p[rnd(n)] = (unsigned char)rnd(256);
	if (rnd(4) == 0)
		buf_truncate(b, rnd(n));
}

int
main(void)
{
	struct queue_rcpt	 r[2] = { { .address = "a@b", .notify = 3 },
	    { .address = "c@d", .original = "e@f", .dsn_orcpt = "rfc822;x" } };
	struct queue_env	 env = { .sender = "s@t", .dsn_ret = 1,
	    .client_name = "mx", .rcpts = r, .nrcpts = 2 };
	struct queue_log_rec	 rec = { .kind = QLOG_BOUNCE,
	    .address = "a@b", .diagnostic = "550 no", .when = 1 };
	struct buf		 b;
	struct error		 err;

	buf_init(&b, 65536);
	for (int i = 0; i < 200000; i++) {
		buf_reset(&b);
		buf_addc(&b, 2);
		if (i % 2 == 0) {
			if (queue_env_put(&env, &b, &err) < 0)
				return EXIT_FAILURE;
		} else if (queue_log_put(&rec, &b, &err) < 0 ||
		    queue_log_put(&rec, &b, &err) < 0)
			return EXIT_FAILURE;
		mutate(&b);
		(void)LLVMFuzzerTestOneInput(buf_slice(&b).p, buf_len(&b));
	}
	buf_clear(&b);
	return EXIT_SUCCESS;
}

#endif
