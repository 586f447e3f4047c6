/* SPDX-License-Identifier: Apache-2.0 */
/* hosts.h - a hosts(5) file in memory. */
#ifndef RESOLVER_HOSTS_H
#define RESOLVER_HOSTS_H

#include "base/arena.h"
#include "base/attr.h"
#include "base/slice.h"

struct hosts;

/* Lines that are no host lines are passed over.  All lives in a. */
struct hosts	*hosts_parse(struct arena *a, struct slice text) MUST_USE;

/* Free what does not live in the arena. */
void	 hosts_clear(struct hosts *h);

/* Addresses of a name, in the order of the file; NULL: it is not there. */
struct hosts_addr {
	struct hosts_addr	*next;
	int			 family;
	const char		*ip;
};
const struct hosts_addr	*hosts_find(const struct hosts *h, const char *name);

/* First name of an address, in any spelling of it; NULL: not there. */
const char	*hosts_name(const struct hosts *h, const char *ip);

#endif
