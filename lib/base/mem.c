/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/panic.h"

static void *
must(void *p)
{
	if (p == NULL)
		panic("out of memory");
	return p;
}

/* calloc() passes by what the C library keeps at hand for each thread; for
 * small memory that is most of the cost.  Not inline, because compilers make
 * calloc() of malloc() and memset(). */
#define SMALL	((size_t)1024)

static NOINLINE void *
get_small(size_t n)
{
	return must(malloc(n));
}

void *
mem_new(size_t n, size_t size)
{
	if (n > 0 && size > 0 && n <= SMALL && size <= SMALL / n)
		return memset(get_small(n * size), 0, n * size);
	return must(calloc(n > 0 ? n : 1, size > 0 ? size : 1));
}

void *
mem_grow(void *p, size_t n, size_t size)
{
	if (size != 0 && n > SIZE_MAX / size)
		panic("allocation of %zu x %zu bytes", n, size);
	return must(realloc(p, n * size > 0 ? n * size : 1));
}

char *
mem_strdup(const char *s)
{
	return must(strdup(s));
}

char *
mem_printf(const char *fmt, ...)
{
	va_list	 ap;
	char	*s;
	int	 len;

	va_start(ap, fmt);
	len = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	ASSERT(len >= 0);
	s = must(malloc((size_t)len + 1));
	va_start(ap, fmt);
	vsnprintf(s, (size_t)len + 1, fmt, ap);
	va_end(ap);
	return s;
}

void
mem_release(void *p)
{
	free(p);
}

void
mem_wipe(void *p, size_t len)
{
	explicit_bzero(p, len);
}
