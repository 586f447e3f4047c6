/* SPDX-License-Identifier: Apache-2.0 */
/* clang -fsanitize=fuzzer,address,undefined -Ilib -D_GNU_SOURCE
 *	lib/mail/mail_fuzz.c lib/mail/libmail.a lib/codec/libcodec.a
 *	lib/base/libbase.a */
#include "base/panic.h"
#include "codec/date.h"
#include "codec/rfc2047.h"
#include "codec/utf7.h"
#include "mail/downgrade.h"
#include "mail/envelope.h"
#include "mail/header.h"
#include "mail/mime.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void
fuzz_downgrade(struct slice all, struct arena *a)
{
	struct downgrade	*d;
	struct buf		 b;
	bool			 more;

	if (downgrade_new(all, a, &d) != DOWNGRADE_OK)
		return;
	buf_init(&b, DOWNGRADE_ROOM);
	do {
		buf_reset(&b);
		more = downgrade_next(d, &b);
		ASSERT(!b.overflow);
		for (size_t i = 0; i < buf_len(&b); i++)
			ASSERT(buf_slice(&b).p[i] < 128);
	} while (more);
	buf_clear(&b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct slice		 all = slice_of(p, n), in = all;
	struct arena		*a = arena_new();
	struct mime_message	 m;
	struct envelope		 e;
	struct address		 ad;
	struct address_item	*items;
	struct buf		 b;
	usec_t			 wall;
	const char		*why;

	buf_init(&b, 16 * n + 4096);
	mime_parse(all, a, &m);
	mime_put(&b, &m);
	(void)!mime_get(all, a, &m);
	envelope_parse(all, a, &e);
	(void)header_end(all);
	(void)address_list_parse(all, 1000, a, &items);
	(void)!address_path_take(&in, 15, &ad, &why);
	buf_reset(&b);
	rfc2047_decode(&b, all);
	buf_reset(&b);
	(void)!utf7_get(all, &b);
	(void)!date_get_rfc5322(all, &wall, NULL);
	fuzz_downgrade(all, a);
	buf_clear(&b);
	arena_free(&a);
	return 0;
}
