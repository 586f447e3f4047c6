/* SPDX-License-Identifier: Apache-2.0 */
#include "base/panic.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static void
to_stderr(const char *text)
{
	fprintf(stderr, "panic: %s\n", text);
}

static void	(*report)(const char *text) = to_stderr;

void
panic_hook(void (*hook)(const char *text))
{
	report = hook;
}

void
panic(const char *fmt, ...)
{
	char	text[512];
	va_list	ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	report(text);
	abort();
}
