/* SPDX-License-Identifier: Apache-2.0 */
/* The IMAP parsers on hostile bytes.  Under libFuzzer (-DWITH_LIBFUZZER) only
 * the entry point; otherwise commands are mutated with a fixed seed, and the
 * sanitizers are the judges. */
#include <stdlib.h>

#include "base/panic.h"
#include "proto/imap_fetch.h"
#include "proto/imap_frame.h"
#include "proto/imap_mbox.h"
#include "proto/imap_search.h"

int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
parse_all(struct slice text)
{
	static const int	 nparsers = 5;
	struct arena		*mem = arena_new();

	for (int i = 0; i < nparsers; i++) {
		struct imap_fetch	 fetch;
		struct imap_search_args	 search;
		struct imap_list_args	 list;
		struct imap_store_args	 store;
		struct imap_append_args	 append;
		struct imap_in		 in;
		bool			 ok;

		imap_in_init(&in, text, mem);
		ok = i == 0 ? imap_take_fetch(&in, true, &fetch) :
		    i == 1 ? imap_take_search(&in, &search) :
		    i == 2 ? imap_take_list(&in, &list) :
		    i == 3 ? imap_take_store(&in, &store) :
		    imap_take_append(&in, &append);
		ASSERT(ok || in.error != NULL);
	}
	arena_free(&mem);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct imap_frame	 f;
	struct slice		 in = slice_of(data, size);

	parse_all(in);
	imap_frame_init(&f, 200, 100);
	while (in.len > 0) {
		enum imap_take	 t = imap_frame_take(&f, &in);

		if (t == IMAP_TAKE_LITERAL && imap_frame_fits(&f))
			imap_frame_keep(&f);
		else if (t == IMAP_TAKE_LITERAL)
			imap_frame_skip(&f, "too long");
		else if (t == IMAP_TAKE_DONE) {
			if (f.error == NULL)
				parse_all(imap_frame_text(&f));
			imap_frame_reset(&f);
		}
	}
	imap_frame_clear(&f);
	return 0;
}

#ifndef WITH_LIBFUZZER
static const char *const	seeds[] = {
	"1:*,5 (UID BODY.PEEK[1.2.HEADER.FIELDS (From To)]<0.10> ENVELOPE)",
	("RETURN (MIN ALL) CHARSET UTF-8 OR (FROM {3}\r\nabc) NOT SINCE "
	    "1-Jan-2000 UID 1,4:* HEADER \"X\" y"),
	"(SUBSCRIBED) \"\" (a% \"b*\") RETURN (STATUS (MESSAGES) CHILDREN)",
	"(UNCHANGEDSINCE 5) +FLAGS.SILENT (\\Seen $x)",
	"INBOX (\\Seen a) \" 1-Jan-2000 00:00:00 +0100\" ",
	"a X {5+}\r\nab\r\nc \"q\\\"\" {2}\r\nxy\r\nb NOOP\r\n",
};

int
main(void)
{
	static const char	 spice[] = "(){}[]<>\"\\*%:,.+-~ \r\n0123\xff";
	unsigned		 x = 12345;

	for (int round = 0; round < 20000; round++) {
		struct slice	 seed = slice_str(seeds[
				    (size_t)round % COUNT(seeds)]);
		uint8_t		 copy[256];
		size_t		 n = seed.len;

		memcpy(copy, seed.p, n);
		for (int i = 0; i < 1 + round % 7; i++) {
			x = x * 1664525u + 1013904223u;
			copy[(x >> 8) % n] = (uint8_t)spice[
			    (x >> 20) % (sizeof(spice) - 1)];
		}
		LLVMFuzzerTestOneInput(copy, n - (x >> 16) % n / 4);
	}
	return EXIT_SUCCESS;
}
#endif
