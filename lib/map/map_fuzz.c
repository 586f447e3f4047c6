/* SPDX-License-Identifier: Apache-2.0 */
/* clang -fsanitize=fuzzer,address,undefined -Ilib -I. -D_GNU_SOURCE
 *	lib/map/map_fuzz.c lib/map/libmap.a lib/conf/libconf.a
 *	lib/sys/libsys.a lib/base/libbase.a -ldb-5.3 -lpcre2-8
 * The first line is a key, the rest the inside of a table in braces. */
#include "map/map.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	/* Not regexp: the C library compiles "a++++++..." in exponential
	 * time.  Patterns are the administrator's. */
	static const char *const	kinds[] = { "inline", "pcre",
	    "cidr" };
	struct slice	 rest = slice_of(p, n), key;

	if (slice_find(rest, '\0') >= 0 || !slice_cut(&rest, '\n', &key))
		return 0;
	for (size_t i = 0; i < COUNT(kinds); i++) {
		struct arena	*a = arena_new();
		struct map	*m;
		struct error	 err;
		const char	*v;

		if (map_open(arena_printf(a, "%s:{%.*s}", kinds[i],
		    SLICE_ARG(rest)), NULL, &m, &err) == 0) {
			(void)!map_get(m, key, a, &v, &err);
			map_close(&m);
		}
		arena_free(&a);
	}
	return 0;
}
