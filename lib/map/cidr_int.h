/* SPDX-License-Identifier: Apache-2.0 */
/* cidr_int.h - network blocks. */
#ifndef MAP_CIDR_INT_H
#define MAP_CIDR_INT_H

#include "base/error.h"
#include "base/slice.h"

struct cidr {
	unsigned char	 addr[16];
	int		 family;
	unsigned int	 bits;
};

/* "192.0.2.0/24", "[2001:db8::]/32", "2001:db8::1". */
int	 cidr_parse(struct slice text, struct cidr *out, struct error *err)
	    MUST_USE;

/* addr: numeric, without brackets. */
bool	 cidr_has(const struct cidr *c, const char *addr);

#endif
