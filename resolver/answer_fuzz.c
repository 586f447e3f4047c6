/* SPDX-License-Identifier: Apache-2.0 */
/* clang -fsanitize=fuzzer,address,undefined -Ilib -I. -D_GNU_SOURCE
 *	resolver/answer_fuzz.c resolver/answer.c lib/base/libbase.a */
#include "resolver/answer.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static const uint16_t	types[] = { DNS_A, DNS_MX, DNS_TXT, DNS_PTR };
	struct arena		*a = arena_new();
	struct answer		 ans;

	for (size_t i = 0; i < COUNT(types); i++)
		(void)!answer_parse(slice_of(p, n), "a.example", types[i], a,
		    &ans);
	arena_free(&a);
	return 0;
}
