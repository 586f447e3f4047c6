/* SPDX-License-Identifier: Apache-2.0 */
/* mastercf.h - master.cf with Postfix's grammar and meaning (master(5)). */
#ifndef CONF_MASTERCF_H
#define CONF_MASTERCF_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/error.h"
#include "base/slice.h"
#include "base/times.h"

enum service_type {
	SERVICE_INET, SERVICE_UNIX, SERVICE_FIFO, SERVICE_PASS,
	SERVICE_UNIX_DGRAM	/* postlog; read so that it can be said once */
};

struct master_service {
	const char		*name;		/* as written: "127.0.0.1:smtp" */
	enum service_type	 type;
	const char		*host;		/* inet: "" for all; no brackets */
	const char		*port;		/* inet: name or number */
	bool			 is_private, unpriv, chroot;
	usec_t			 wakeup;	/* 0: never */
	bool			 wakeup_if_used;	/* the '?' suffix */
	int			 maxproc;	/* 0: no limit */
	const char		*command;	/* "smtpd" */
	const char		**args;		/* NULL-terminated; without "-o"
						 * pairs */
	const char		**overrides;	/* NULL-terminated "name=value" */
	int			 line;
};

struct master_cf {
	struct master_service	*services;
	size_t			 count;
};

/* Read dir/master.cf; all lives in a.  The last of several lines with one
 * name and type wins.  -1: *err names file, line, field, and what was
 * expected.  chroot_default: what "-" means in the chroot column. */
int	 mastercf_load(const char *dir, int default_process_limit,
	    bool chroot_default, struct arena *a, struct master_cf *out,
	    struct error *err) MUST_USE;

/* The same from text; file is for errors only. */
int	 mastercf_parse(struct slice text, const char *file,
	    int default_process_limit, bool chroot_default, struct arena *a,
	    struct master_cf *out, struct error *err) MUST_USE;

/* "inet", "unix" ... */
const char	*mastercf_type_name(enum service_type type);

#endif
