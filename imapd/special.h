/* SPDX-License-Identifier: Apache-2.0 */
/* special.h - the attributes of RFC 6154 and the store's bits for them. */
#ifndef IMAPD_SPECIAL_H
#define IMAPD_SPECIAL_H

#include <stddef.h>

struct special_use {
	const char	*name;
	unsigned	 use;
};

extern const struct special_use	special_uses[];
extern const size_t		nspecial_uses;

#endif
