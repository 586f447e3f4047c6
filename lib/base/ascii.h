/* SPDX-License-Identifier: Apache-2.0 */
/* ascii.h - character classes that no locale changes.
 * Arguments are bytes 0..255 (cast a char to unsigned char first). */
#ifndef BASE_ASCII_H
#define BASE_ASCII_H

#include <stdbool.h>

static inline bool
ascii_is_digit(int c)
{
	return c >= '0' && c <= '9';
}

static inline bool
ascii_is_upper(int c)
{
	return c >= 'A' && c <= 'Z';
}

static inline bool
ascii_is_alpha(int c)
{
	return ascii_is_upper(c) || (c >= 'a' && c <= 'z');
}

static inline bool
ascii_is_alnum(int c)
{
	return ascii_is_alpha(c) || ascii_is_digit(c);
}

/* SPACE and TAB. */
static inline bool
ascii_is_blank(int c)
{
	return c == ' ' || c == '\t';
}

/* 33..126: visible. */
static inline bool
ascii_is_graph(int c)
{
	return c > 32 && c < 127;
}

/* 0..31 and 127. */
static inline bool
ascii_is_cntrl(int c)
{
	return c < 32 || c == 127;
}

static inline int
ascii_lower(int c)
{
	return ascii_is_upper(c) ? c + ('a' - 'A') : c;
}

static inline int
ascii_upper(int c)
{
	return c >= 'a' && c <= 'z' ? c - ('a' - 'A') : c;
}

/* Value of a hexadecimal digit, or -1. */
static inline int
ascii_hex(int c)
{
	if (ascii_is_digit(c))
		return c - '0';
	c = ascii_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

#endif
