/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fmt.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/panic.h"

struct to {
	char	*p;
	size_t	 size, len;	/* len may pass size */
};

/* One conversion. */
enum kind {
	KIND_NONE,		/* the C library's */
	KIND_PERCENT, KIND_CHAR, KIND_TEXT, KIND_SOME_TEXT,
	KIND_INT, KIND_LONG, KIND_LLONG, KIND_UINT, KIND_ULONG, KIND_ULLONG,
	KIND_SIZE
};

static const struct {
	const char	*text;
	enum kind	 kind;
} kinds[] = {
	{ "s", KIND_TEXT }, { ".*s", KIND_SOME_TEXT }, { "c", KIND_CHAR },
	{ "d", KIND_INT }, { "u", KIND_UINT }, { "ld", KIND_LONG },
	{ "lu", KIND_ULONG }, { "lld", KIND_LLONG }, { "llu", KIND_ULLONG },
	{ "zu", KIND_SIZE }, { "%", KIND_PERCENT },
};

/* fmt stands behind a '%' and moves behind the conversion. */
static enum kind
take_kind(const char **fmt)
{
	if (**fmt == 's') {		/* mostly */
		(*fmt)++;
		return KIND_TEXT;
	}
	for (size_t i = 0; i < COUNT(kinds); i++) {
		const char	*a = *fmt, *b = kinds[i].text;

		while (*b != '\0' && *a == *b) {
			a++;
			b++;
		}
		if (*b == '\0') {
			*fmt = a;
			return kinds[i].kind;
		}
	}
	return KIND_NONE;
}

static void
put(struct to *t, const char *s, size_t n)
{
	if (t->len < t->size && n > 0)
		memcpy(t->p + t->len, s, n < t->size - t->len ? n :
		    t->size - t->len);
	t->len += n;
}

char *
fmt_digits(char *end, uint64_t v)
{
	do {
		*--end = (char)('0' + v % 10);
		v /= 10;
	} while (v > 0);
	return end;
}

static void
put_number(struct to *t, unsigned long long v, bool negative)
{
	char	 text[1 + FMT_DIGITS];
	char	*p = fmt_digits(text + sizeof(text), v);

	if (negative)
		*--p = '-';
	put(t, p, (size_t)(text + sizeof(text) - p));
}

static void
put_signed(struct to *t, long long v)
{
	put_number(t, v < 0 ? 0 - (unsigned long long)v :
	    (unsigned long long)v, v < 0);
}

/* As printf() does it: a negative precision is none, NULL is said. */
static void
put_text(struct to *t, const char *s, int most)
{
	if (s == NULL)
		s = "(null)";
	put(t, s, most < 0 ? strlen(s) : strnlen(s, (size_t)most));
}

static void
put_one(struct to *t, enum kind k, va_list *ap)
{
	char	 c;
	int	 n;

	switch (k) {
	case KIND_NONE:
	case KIND_PERCENT:
		put(t, "%", 1);
		break;
	case KIND_CHAR:
		c = (char)va_arg(*ap, int);
		put(t, &c, 1);
		break;
	case KIND_TEXT:
		put_text(t, va_arg(*ap, const char *), -1);
		break;
	case KIND_SOME_TEXT:
		n = va_arg(*ap, int);
		put_text(t, va_arg(*ap, const char *), n);
		break;
	case KIND_INT:
		put_signed(t, va_arg(*ap, int));
		break;
	case KIND_LONG:
		put_signed(t, va_arg(*ap, long));
		break;
	case KIND_LLONG:
		put_signed(t, va_arg(*ap, long long));
		break;
	case KIND_UINT:
		put_number(t, va_arg(*ap, unsigned int), false);
		break;
	case KIND_ULONG:
		put_number(t, va_arg(*ap, unsigned long), false);
		break;
	case KIND_ULLONG:
		put_number(t, va_arg(*ap, unsigned long long), false);
		break;
	case KIND_SIZE:
		put_number(t, va_arg(*ap, size_t), false);
		break;
	}
}

static size_t
by_the_library(char *out, size_t size, const char *fmt, va_list ap)
    PRINTF(3, 0);

static size_t
by_the_library(char *out, size_t size, const char *fmt, va_list ap)
{
	int	n = vsnprintf(out, size, fmt, ap);

	ASSERT(n >= 0);
	return (size_t)n;
}

/* False: there is something that is the C library's. */
static bool
put_all(struct to *t, const char *fmt, va_list *ap)
{
	for (;;) {
		const char	*from = fmt;
		enum kind	 k;

		while (*fmt != '\0' && *fmt != '%')
			fmt++;
		put(t, from, (size_t)(fmt - from));
		if (*fmt == '\0')
			return true;
		fmt++;
		k = take_kind(&fmt);
		if (k == KIND_NONE)
			return false;
		put_one(t, k, ap);
	}
}

size_t
fmt_put(char *out, size_t size, const char *fmt, va_list ap)
{
	struct to	 t = { out, size > 0 ? size - 1 : 0, 0 };
	va_list		 args;
	bool		 done;

	va_copy(args, ap);
	done = put_all(&t, fmt, &args);
	va_end(args);
	if (!done)
		return by_the_library(out, size, fmt, ap);
	if (size > 0)
		out[t.len < t.size ? t.len : t.size] = '\0';
	return t.len;
}

size_t
fmt_print(char *out, size_t size, const char *fmt, ...)
{
	va_list	 ap;
	size_t	 len;

	va_start(ap, fmt);
	len = fmt_put(out, size, fmt, ap);
	va_end(ap);
	return len;
}
