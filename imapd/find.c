/* SPDX-License-Identifier: Apache-2.0 */
/* Nearly all that is searched for is ASCII, and so is nearly all mail.  Bytes of
 * the text are compared eight at a time with the rarest byte of the needle; only
 * where it occurs is the rest looked at.  Nothing is copied. */
#include "imapd/find.h"

#include <stdint.h>
#include <string.h>

#include "base/ascii.h"
#include "base/attr.h"

#define ONES	UINT64_C(0x0101010101010101)
#define HIGHS	UINT64_C(0x8080808080808080)

/* The later, the rarer; what is not in here (digits, signs) is about as rare as
 * the middle of it. */
static unsigned int
rarity(int c)
{
	static const char	common[] = " etaoinsrhldcumfpgwybvkxjqz";
	const char		*at = c == '\0' ? NULL : strchr(common, c);

	return at == NULL ? 18 : (unsigned int)(at - common);
}

void
find_init(struct find *f, struct slice needle)
{
	*f = (struct find){ .needle = needle, .ascii = needle.len > 0,
	    .solid = needle.len > 0 };
	for (size_t i = 0; i < needle.len; i++) {
		int	c = needle.p[i];

		if (c > 127)
			f->ascii = f->solid = false;
		if (c <= ' ' || c == ':')
			f->solid = false;
		if (rarity(c) > rarity(needle.p[f->rare]))
			f->rare = i;
	}
}

static bool
is_at(const struct find *f, const unsigned char *p)
{
	for (size_t i = 0; i < f->needle.len; i++)
		if (ascii_lower(p[i]) != f->needle.p[i])
			return false;
	return true;
}

/* 0x80 in bytes that are c or, if it is a letter, its other case; maybe also
 * in bytes that are not, above one that is. */
static uint64_t
candidates(const unsigned char *p, uint64_t pattern, uint64_t fold)
{
	uint64_t	x;

	memcpy(&x, p, sizeof(x));
	x = (x | fold) ^ pattern;
	return (x - ONES) & ~x & HIGHS;
}

bool
find_in(const struct find *f, struct slice text)
{
	int			 c = f->needle.p[f->rare];
	uint64_t		 fold = c >= 'a' && c <= 'z' ? ONES * 0x20 : 0;
	uint64_t		 pattern = ONES * (uint64_t)c;
	const unsigned char	*p, *end;

	if (text.len < f->needle.len)
		return false;
	/* Where the rare byte of a match may be. */
	p = text.p + f->rare;
	end = text.p + text.len - (f->needle.len - 1 - f->rare);
	for (; end - p >= 8; p += 8) {
		if (candidates(p, pattern, fold) == 0)
			continue;
		for (size_t i = 0; i < 8; i++)
			if (ascii_lower(p[i]) == c && is_at(f, p + i - f->rare))
				return true;
	}
	for (; p < end; p++)
		if (ascii_lower(*p) == c && is_at(f, p - f->rare))
			return true;
	return false;
}

enum find_exact
find_charset(struct slice charset)
{
	/* UTF-8's other bytes are beyond ASCII, and no such character folds to
	 * an ASCII letter (utf8_fold); what is damaged becomes U+FFFD. */
	static const char *const	always[] = {
		"utf-8", "utf8", "us-ascii", "ascii", "iso-8859-1", "latin1",
		"windows-1252",
	};
	static const char *const	seven_bit[] = {
		"iso-8859-", "windows-125", "koi8-", "gb2312", "gbk",
		"gb18030", "big5", "euc-",
	};

	for (size_t i = 0; i < COUNT(always); i++)
		if (slice_iis(charset, always[i]))
			return FIND_ALWAYS;
	for (size_t i = 0; i < COUNT(seven_bit); i++)
		if (slice_istarts(charset, seven_bit[i]))
			return FIND_SEVEN_BIT;
	return FIND_NEVER;
}
