/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "base/mem.h"
#include "pickup/pickup.h"
#include "queue/maildrop.h"
#include "sys/file.h"

/* The reader's state in the middle of a file: the envelope was checked. */
static const struct maildrop	behind_envelope = {
	.most_content = INT64_MAX, .nrcpts = 1, .seen = 1 | 64,
	.begun = true, .in_content = true,
};

int
content_each(int fd, uint64_t at, bool (*write)(void *arg, struct slice piece),
    void *arg, struct error *err)
{
	struct maildrop		 d = behind_envelope;
	unsigned char		*chunk = mem_new(1, 2 * MAILDROP_CHUNK);
	enum maildrop_take	 r = MAILDROP_MORE;
	struct slice		 in, value;
	ssize_t			 n;
	int			 type, result = -1;

	for (;;) {
		n = file_pread(fd, chunk, 2 * MAILDROP_CHUNK, (off_t)at);
		if (n < 0) {
			(void)error_sys(err, "read maildrop file");
			break;
		}
		in = slice_of(chunk, (size_t)n);
		while ((r = maildrop_take(&d, &in, &type, &value, err)) ==
		    MAILDROP_RECORD)
			if (!write(arg, value))
				break;
		at += (uint64_t)n - in.len;
		if (r == MAILDROP_MORE && in.len < (size_t)n)
			continue;
		if (r == MAILDROP_MORE)
			(void)error_set(err, "cut off");
		if (r == MAILDROP_END || r == MAILDROP_RECORD)
			result = 0;
		break;
	}
	mem_free(&chunk);
	return result;
}
