/* SPDX-License-Identifier: Apache-2.0 */
/* clang -fsanitize=fuzzer,address,undefined -Ilib -I. -D_GNU_SOURCE
 *	-DPH_...= lib/conf/conf_fuzz.c lib/conf/libconf.a lib/base/libbase.a */
#include "conf/conf.h"
#include "conf/mastercf.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct arena		*a = arena_new();
	struct conf		*c = conf_new();
	struct master_cf	 cf;
	struct error		 err;
	const char		*name, *value;
	size_t			 at = 0;

	(void)!mastercf_parse(slice_of(p, n), "m", 1, false, a, &cf, &err);
	if (conf_parse(c, slice_of(p, n), "c", &err) == 0)
		while (conf_each(c, &at, &name, &value))
			(void)!conf_expand(c, a, value, &err);
	conf_free(&c);
	arena_free(&a);
	return 0;
}
